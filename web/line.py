"""Callers in a line: jobs run in the order in which they came, one at a time, and only so many may wait."""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from schemas.errors import ErrorCode, JobError

T = TypeVar("T")

LONGEST_RETRY_SECONDS = 60


class Line:
    """To be joined on the event loop; the work runs on a thread of the line's own."""

    def __init__(self, most_waiting: int) -> None:
        self._most = most_waiting + 1  # one runs
        self._worker = ThreadPoolExecutor(1, "jobs")
        self._jobs: set[Future[Any]] = set()
        self._last_seconds = 1.0

    @property
    def length(self) -> int:
        """Jobs that run or wait."""
        return len(self._jobs)

    @property
    def seconds_a_job(self) -> int:
        """After which a place should be free: what the last job took."""
        return max(1, min(LONGEST_RETRY_SECONDS, math.ceil(self._last_seconds)))

    def join(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Raises JobError TOO_MANY_REQUESTS where the line is full. Cancelling the result gives up a place in the line;
        work that runs is not ended by it."""
        if self.length >= self._most:
            raise JobError(ErrorCode.TOO_MANY_REQUESTS, "Too many jobs are waiting, try again later")
        job = self._worker.submit(self._timed, work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        result = asyncio.wrap_future(job)
        result.add_done_callback(_seen)
        return result

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _timed(self, work: Callable[[], T]) -> T:
        started = time.monotonic()
        try:
            return work()
        finally:
            self._last_seconds = time.monotonic() - started


def _seen(result: "asyncio.Future[Any]") -> None:
    """Nobody may wait for it any more, and its exception is not to be complained of."""
    if not result.cancelled():
        result.exception()
