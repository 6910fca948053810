"""A cache of cut-outs: a shop's visitors try the same few products again and again."""

import hashlib
import threading
from collections import OrderedDict

import numpy as np

from imaging.cutout import CutOut, NoProductError, cut_out
from imaging.picture import Picture
from schemas.errors import ErrorCode, JobError


class CutOuts:
    """Least recently used cut-outs are dropped once all take more than `max_bytes`."""

    def __init__(self, max_bytes: int = 256_000_000) -> None:
        self._max_bytes = max_bytes
        self._known: OrderedDict[bytes, CutOut] = OrderedDict()
        self._bytes = 0
        self.hits = 0
        self._lock = threading.Lock()

    def of(self, product: Picture, field: str) -> CutOut:
        """Return the cut-out of `product`. Raises JobError naming `field` if the picture shows no product."""
        key = _digest(product)
        with self._lock:
            if key in self._known:
                self.hits += 1
                self._known.move_to_end(key)
                return self._known[key]
        try:
            made = cut_out(product)
        except NoProductError:
            raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {field}: it shows no product", (field,)) from None
        with self._lock:
            self._keep(key, made)
        return made

    def _keep(self, key: bytes, made: CutOut) -> None:
        if key not in self._known:
            self._known[key] = made
            self._bytes += _size(made)
        while self._bytes > self._max_bytes:
            self._bytes -= _size(self._known.popitem(last=False)[1])


def _size(made: CutOut) -> int:
    return made.color.nbytes + made.alpha.nbytes


def _digest(product: Picture) -> bytes:
    digest = hashlib.blake2b(repr(product.pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(product.pixels).data)
    if product.alpha is not None:
        digest.update(np.ascontiguousarray(product.alpha).data)
    return digest.digest()
