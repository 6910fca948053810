"""Caches cut-outs: a shop's visitors try the same few products again and again."""

from imaging.byte_cache import ByteCache, array_digest
from imaging.cutout import CutOut, NoProductError, Prior, cut_out
from imaging.picture import Picture
from schemas.errors import ErrorCode, JobError

MAX_BYTES = 256_000_000
"""Room for about a dozen products of 4 megapixels, at 4 bytes of color and 4 bytes of alpha per pixel."""


class CutOutCache(ByteCache[CutOut]):
    """The most recently used cut-outs, made with `prior` where it is needed."""

    def __init__(self, max_bytes: int = MAX_BYTES, prior: Prior | None = None) -> None:
        super().__init__(max_bytes)
        self._prior = prior

    def cut_out(self, product: Picture, field: str) -> CutOut:
        """Return the product without its background. Raises JobError that names `field` if the picture shows no
        product."""
        key = array_digest(product.pixels), None if product.alpha is None else array_digest(product.alpha)
        try:
            return self.get(key, lambda: cut_out(product, self._prior))
        except NoProductError:
            raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {field}: it shows no product", (field,)) from None
