"""Detects a process whose memory keeps growing, so that it is replaced before the system kills it."""

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path

WARM_UP_JOBS = 8
"""Jobs after which caches are full and memory should stay constant."""

M_ARENA_MAX = -8
"""M_ARENA_MAX as defined in glibc's malloc.h."""

STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes, or 0 if the system does not report it."""
    if not STATM.exists():
        return 0
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def share_arenas() -> None:
    """Limit glibc to two malloc arenas. Call this at process start.

    By default every thread gets an arena that keeps freed memory; a worker's threads would hold hundreds of
    megabytes.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


class MemoryWatch:
    """Compares resident memory after each job with its value after the first `WARM_UP_JOBS` jobs."""

    def __init__(self, max_growth_bytes: int, measure: Callable[[], int] = resident_bytes) -> None:
        self._max_growth = max_growth_bytes
        self._measure = measure
        self._jobs = 0
        self._baseline = 0
        self._lock = threading.Lock()
        self.is_beyond = False
        """True once resident memory exceeds the baseline of the first jobs by more than `max_growth_bytes`."""

    def after_job(self) -> None:
        with self._lock:
            self._jobs += 1
            size = self._measure()
            if self._jobs <= WARM_UP_JOBS:
                self._baseline = max(self._baseline, size)
            else:
                self.is_beyond = size - self._baseline > self._max_growth
