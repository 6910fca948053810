"""A cache of pixels or tensors, limited in bytes."""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from imaging.per_photo import once_per_photo


class Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


S = TypeVar("S", bound=Sized)


class ByteCache(Generic[S]):
    """The most recently used values, up to `max_bytes`. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._known: LRUCache[Hashable, S] = LRUCache(max_bytes, getsizeof=lambda value: value.nbytes)
        self._lock = threading.Lock()
        self.hits = 0

    @property
    def nbytes(self) -> int:
        return int(self._known.currsize)

    def get(self, key: Hashable, make: Callable[[], S]) -> S:
        """Return the value of `key`, made on a miss. Raises what `make` raises."""
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self.hits += 1
                return known
        value = make()
        with self._lock, contextlib.suppress(ValueError):  # larger than the whole cache
            self._known[key] = value
        return value

    def clear(self) -> None:
        with self._lock:
            self._known.clear()


def digest(data: bytes | memoryview) -> bytes:
    """Return a key that identifies the data."""
    return hashlib.blake2b(data, digest_size=16).digest()


@once_per_photo
def array_digest(values: NDArray[Any]) -> tuple[tuple[int, ...], bytes]:
    """Return a key that identifies an array by its shape and values."""
    return values.shape, digest(np.ascontiguousarray(values).data)
