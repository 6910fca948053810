"""Whether the process has taken ever more memory: such a worker asks to be replaced before it is killed."""

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path

WARM_UP_JOBS = 8
"""After which caches are filled and memory should be flat."""

M_ARENA_MAX = -8
"""Of malloc.h."""

STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Of this process; 0 where the system does not say."""
    if not STATM.exists():
        return 0
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def share_arenas() -> None:
    """For the start of the process. glibc gives every thread an arena and keeps what is freed in it: the threads of a
    worker would hold hundreds of megabytes for good."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


class MemoryWatch:
    def __init__(self, most_bytes: int, measure: Callable[[], int] = resident_bytes) -> None:
        self._most = most_bytes
        self._measure = measure
        self._jobs = 0
        self._base = 0
        self._lock = threading.Lock()
        self.is_beyond = False
        """Whether this process had grown beyond its bound when the last job was done, since its first jobs."""

    def after_job(self) -> None:
        with self._lock:
            self._jobs += 1
            size = self._measure()
            if self._jobs <= WARM_UP_JOBS:
                self._base = max(self._base, size)
            else:
                self.is_beyond = size - self._base > self._most
