"""A least-recently-used cache of tensors, limited in bytes."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable

from torch import Tensor

from imaging.picture import Pixels


class TensorCache:
    """An LRU cache of at most `max_bytes`. Not thread-safe: the engine's lock protects it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._known: OrderedDict[Hashable, Tensor] = OrderedDict()
        self.bytes = 0
        self.hits = 0

    def get(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """Return the tensor of `key`, computing it on a miss."""
        if key in self._known:
            self.hits += 1
            self._known.move_to_end(key)
            return self._known[key]
        value = compute()
        self._known[key] = value
        self.bytes += value.nbytes
        while self.bytes > self._max_bytes:
            self.bytes -= self._known.popitem(last=False)[1].nbytes
        return value

    def clear(self) -> None:
        self._known.clear()
        self.bytes = 0


def digest(picture: Pixels) -> tuple[tuple[int, ...], bytes]:
    """Return a key that identifies the pixels."""
    return picture.shape, hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
