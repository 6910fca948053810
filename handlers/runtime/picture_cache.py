"""Caches decoded pictures, so that a caller who sends the same photo again and again does not wait for its decoding."""

import contextlib
import hashlib
import threading
from collections.abc import Callable

from cachetools import LRUCache

from imaging.per_photo import read_only
from imaging.picture import Picture

MAX_BYTES = 160_000_000
"""Room for four photos of 12 megapixels, at 3 bytes per pixel."""


class PictureCache:
    """The most recently used pictures, up to `max_bytes` of pixels. Thread-safe. Their arrays are read-only."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._known: LRUCache[bytes, Picture] = LRUCache(max_bytes, getsizeof=_size)
        self._lock = threading.Lock()

    def picture(self, file: bytes, decode: Callable[[], Picture]) -> Picture:
        """Return the picture of `file`, or of its text as the caller sent it. Raises what `decode` raises."""
        key = hashlib.blake2b(file, digest_size=16).digest()
        with self._lock:
            if (known := self._known.get(key)) is not None:
                return known
        picture = decode()
        read_only(picture.pixels)
        if picture.alpha is not None:
            read_only(picture.alpha)
        with self._lock, contextlib.suppress(ValueError):  # larger than the whole cache
            self._known[key] = picture
        return picture


def _size(picture: Picture) -> int:
    return picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)
