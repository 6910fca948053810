"""Caches cut-outs: a shop's visitors try the same few products again and again."""

import contextlib
import hashlib
import threading

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from imaging.cutout import CutOut, NoProductError, Prior, cut_out
from imaging.per_photo import once_per_photo
from imaging.picture import Picture
from schemas.errors import ErrorCode, JobError

MAX_BYTES = 256_000_000
"""Room for about a dozen products of 4 megapixels, at 4 bytes of color and 4 bytes of alpha per pixel."""


class CutOutCache:
    """The most recently used cut-outs, up to `max_bytes` of pixels. Thread-safe."""

    def __init__(self, max_bytes: int = MAX_BYTES, prior: Prior | None = None) -> None:
        self._prior = prior
        self._known: LRUCache[bytes, CutOut] = LRUCache(max_bytes, getsizeof=_size)
        self._lock = threading.Lock()
        self.hits = 0

    def cut_out(self, product: Picture, field: str) -> CutOut:
        """Return the product without its background. Raises JobError that names `field` if the picture shows no
        product."""
        key = _digest(product)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self.hits += 1
                return known
        try:
            made = cut_out(product, self._prior)
        except NoProductError:
            raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {field}: it shows no product", (field,)) from None
        with self._lock, contextlib.suppress(ValueError):  # larger than the whole cache
            self._known[key] = made
        return made


def _size(made: CutOut) -> int:
    return made.color.nbytes + made.alpha.nbytes + (0 if made.photo is None else made.photo.nbytes)


def _digest(product: Picture) -> bytes:
    return _digest_of(product.pixels) + (b"" if product.alpha is None else _digest_of(product.alpha))


@once_per_photo
def _digest_of(values: NDArray[np.uint8]) -> bytes:
    digest = hashlib.blake2b(repr(values.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).data)
    return digest.digest()
