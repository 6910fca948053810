"""The worker's loop: takes jobs from the platform, runs them, and sends each result until the platform has accepted
it."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol

log = logging.getLogger(__name__)

Job = dict[str, Any]

ASK_SECONDS = 90.0
"""Longest time for which a request for jobs or stop signals is held open."""

PACE_SECONDS = 1.0
"""Shortest interval between two requests that returned nothing, for whatever reason."""

LAST_ANSWER_SECONDS = 0.3
"""Time that a job which the platform has already handed out has to arrive after shutdown was requested."""

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.5, 10.0
"""Pauses between attempts to send a result, doubled each time up to the longest."""

RESULT_SECONDS = 600.0
"""Time for which sending a result is retried."""

ATTEMPT_SECONDS = 120.0
"""Timeout of one attempt to send a result of up to 20 MB."""


class AskError(Exception):
    """The platform could not be reached, or its answer makes no sense."""


class SendError(Exception):
    """A result did not arrive. `is_final` means that the platform refused it, so another attempt is pointless."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


class Platform(Protocol):
    """The parts of the platform's API, and of the worker behind it, that the loop needs."""

    async def take(self, count: int) -> object:
        """Return the platform's answer to a request for up to `count` jobs. Raises AskError."""

    async def stops(self) -> list[str]:
        """Return the ids of jobs to stop. Raises AskError."""

    def holding(self, job: Job) -> AbstractContextManager[None]:
        """Report the job as held by this worker while it runs and its result is sent."""

    async def run(self, job: Job) -> dict[str, Any]:
        """Return the job's result. Cancelled when the job is stopped."""

    async def send(self, job: Job, result: dict[str, Any]) -> None:
        """Send the result once. Raises SendError."""


class JobLoop:
    """Holds up to `at_once` jobs until it is asked to end; then it takes no more and finishes those it has."""

    def __init__(self, platform: Platform, at_once: int) -> None:
        self._platform = platform
        self._at_once = at_once
        self._ending = asyncio.Event()
        self._freed = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], str] = {}

    def end(self) -> None:
        self._ending.set()

    async def run(self) -> None:
        stops = asyncio.create_task(self._follow_stops())
        try:
            while not self._ending.is_set():
                await self._take_jobs()
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            stops.cancel()

    async def _take_jobs(self) -> None:
        free = self._at_once - len(self._tasks)
        if free <= 0:
            self._freed.clear()
            await self._unless_ending(self._freed.wait())
            return
        asked = time.monotonic()
        jobs = await self._asked(free)
        for job in jobs:
            self._start(job)
        if not jobs:
            await self._pause(asked + PACE_SECONDS - time.monotonic())

    async def _asked(self, count: int) -> list[Job]:
        """Return the jobs that the platform hands out; none if it cannot be reached or this worker is shutting down."""
        question = asyncio.create_task(asyncio.wait_for(self._platform.take(count), ASK_SECONDS))
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait({question, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not question.done():
            await asyncio.wait({question}, timeout=LAST_ANSWER_SECONDS)
        ending.cancel()
        question.cancel()  # hangs up, so that no job is handed to a worker that is shutting down
        try:
            return _valid(await question)
        except asyncio.CancelledError:
            return []
        except (AskError, TimeoutError) as problem:
            log.warning("The platform could not be asked for jobs: %s", problem or "it does not answer")
            return []

    async def _unless_ending(self, event: Coroutine[Any, Any, Any]) -> None:
        tasks = {asyncio.create_task(event), asyncio.create_task(self._ending.wait())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await self._unless_ending(asyncio.sleep(seconds))

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job))
        self._tasks[task] = job["id"]
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        job_id = self._tasks.pop(task)
        self._freed.set()
        if not task.cancelled() and (problem := task.exception()):
            log.error("Job %s failed unexpectedly", job_id, exc_info=problem)

    async def _work(self, job: Job) -> None:
        with self._platform.holding(job):
            await self._deliver(job, await self._platform.run(job))

    async def _deliver(self, job: Job, result: dict[str, Any]) -> None:
        """Send the result until the platform accepts or refuses it, for at most `RESULT_SECONDS`."""
        end, pause = time.monotonic() + RESULT_SECONDS, FIRST_RETRY_SECONDS
        while problem := await self._problem_of_sending(job, result):
            if problem.is_final or time.monotonic() + pause > end:
                log.error("The result of job %s is lost: %s", job["id"], problem)
                return
            log.warning("Sending the result of job %s again in %g s: %s", job["id"], pause, problem)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    async def _problem_of_sending(self, job: Job, result: dict[str, Any]) -> SendError | None:
        try:
            await asyncio.wait_for(self._platform.send(job, result), ATTEMPT_SECONDS)
        except TimeoutError:
            return SendError("the platform is too slow")
        except SendError as problem:
            return problem
        return None

    async def _follow_stops(self) -> None:
        while True:
            asked = time.monotonic()
            try:
                stops = await asyncio.wait_for(self._platform.stops(), ASK_SECONDS)
            except (AskError, TimeoutError):
                stops = []
            for task in [task for task, job_id in self._tasks.items() if job_id in stops]:
                log.info("Job %s was stopped", self._tasks[task])
                task.cancel()
            if not stops:
                await asyncio.sleep(max(0.0, asked + PACE_SECONDS - time.monotonic()))


def _valid(answer: object) -> list[Job]:
    """Return the jobs in the platform's answer, which is one object or a list. Anything else is logged and dropped."""
    entries = answer if isinstance(answer, list) else [] if answer is None else [answer]
    jobs = [entry for entry in entries if isinstance(entry, dict) and _is_job(entry)]
    if len(jobs) < len(entries):
        log.error("The platform sent %d entries that are not jobs", len(entries) - len(jobs))
    return jobs


def _is_job(entry: Job) -> bool:
    return isinstance(entry.get("id"), str) and bool(entry["id"]) and "input" in entry
