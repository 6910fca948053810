"""A queue of jobs that run one at a time in the order of arrival; only a limited number may wait."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from typing import Any, TypeVar

from schemas.errors import ErrorCode, JobError

T = TypeVar("T")

LONGEST_RETRY_SECONDS = 60

REPLACED = "This server is being replaced"


class JobQueue:
    """Joined on the event loop; the work runs on a thread of the queue's own.

    Work hangs if it takes more than `longest` seconds, or does not stop within `patience` seconds after its caller gave
    up. Nothing can run then: all jobs fail with that reason, and `stuck` is called.
    """

    def __init__(
        self, most_waiting: int, longest: Callable[[], float], patience: float, stuck: Callable[[], None]
    ) -> None:
        self._most = most_waiting + 1  # one of them runs
        self._longest = longest
        self._patience = patience
        self._stuck = stuck
        self.hangs = False
        self._worker = ThreadPoolExecutor(1, "jobs")
        self._jobs: set[Future[Any]] = set()
        self._last_seconds = 1.0

    @property
    def length(self) -> int:
        """Number of running and waiting jobs."""
        return len(self._jobs)

    @property
    def seconds_a_job(self) -> int:
        """Estimated seconds until a place is free: the duration of the last job."""
        return max(1, min(LONGEST_RETRY_SECONDS, math.ceil(self._last_seconds)))

    def join(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Return the future result of `work`.

        Raises JobError TOO_MANY_REQUESTS if the queue is full, or MODEL_NOT_READY if it hangs. Cancelling the result
        gives up a place in the queue; it does not stop running work.
        """
        if self.hangs:
            raise JobError(ErrorCode.MODEL_NOT_READY, REPLACED)
        if self.length >= self._most:
            raise JobError(ErrorCode.TOO_MANY_REQUESTS, "Too many jobs are waiting, try again later")
        job: Future[T] = self._worker.submit(self._timed, work, lambda: self._give_up(job))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        result = asyncio.wrap_future(job)
        result.add_done_callback(_seen)
        result.add_done_callback(lambda result: self._watch(job) if result.cancelled() else None)
        return result

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _timed(self, work: Callable[[], T], give_up: Callable[[], None]) -> T:
        started = time.monotonic()
        watch = threading.Timer(self._longest(), give_up)
        watch.start()
        try:
            return work()
        finally:
            watch.cancel()
            del watch, give_up  # they refer to the future, whose exception would keep this frame's objects alive
            self._last_seconds = time.monotonic() - started

    def _watch(self, job: Future[Any]) -> None:
        """Declare the queue stuck if a running job does not stop although its caller is gone."""
        if job.running():
            watch = threading.Timer(self._patience, self._give_up, [job])
            watch.daemon = True
            watch.start()

    def _give_up(self, job: Future[Any]) -> None:
        try:
            job.set_exception(JobError(ErrorCode.TIMEOUT, f"The job did not stop. {REPLACED}"))
        except InvalidStateError:
            return  # the job has just ended
        self.hangs = True
        self.close()
        self._stuck()


def _seen(result: "asyncio.Future[Any]") -> None:
    """Retrieve the exception of a job that nobody may be waiting for, so that asyncio does not log it."""
    if not result.cancelled():
        result.exception()
