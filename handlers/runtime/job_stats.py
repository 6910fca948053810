"""Counts this worker's jobs, and the consecutive failures that show whether its engine still works."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class JobStats:
    """Counters since the start of the process. Thread-safe."""

    def __init__(self, failures_before_refresh: int) -> None:
        self._failures_before_refresh = failures_before_refresh
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._jobs = {"done": 0, "failed": 0, "fallbacks": 0, "running": 0}
        self._failures_in_a_row = 0

    @contextmanager
    def job(self) -> Iterator[None]:
        """Count the job inside the block as running, then as done or failed."""
        self._add("running", 1)
        try:
            yield
        except BaseException:
            self._add("failed", 1)
            raise
        else:
            self._add("done", 1)
        finally:
            self._add("running", -1)

    def engine_failed(self, *, for_good: bool) -> None:
        """Count an engine failure; `for_good` means that no later job can succeed in this process."""
        with self._lock:
            self._failures_in_a_row += self._failures_before_refresh if for_good else 1

    def engine_worked(self) -> None:
        with self._lock:
            self._failures_in_a_row = 0

    def fell_back(self) -> None:
        self._add("fallbacks", 1)

    @property
    def engine_is_broken(self) -> bool:
        return self._failures_in_a_row >= self._failures_before_refresh

    @property
    def uptime_seconds(self) -> float:
        return time.monotonic() - self._started

    def jobs(self) -> dict[str, int]:
        """Return the counters `done`, `failed`, `fallbacks` and `running`."""
        with self._lock:
            return dict(self._jobs)

    def _add(self, counter: str, count: int) -> None:
        with self._lock:
            self._jobs[counter] += count
