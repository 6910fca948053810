"""One endpoint: its queue, its jobs and its workers. Everything runs on one event loop."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

Status = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]

FINAL: frozenset[Status] = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})

RUN_LIMIT, SYNC_LIMIT = 10_000_000, 20_000_000
"""Limits of a request and of a result, in bytes, for /run and /runsync."""

KEPT_SECONDS, KEPT_SYNC_SECONDS = 1800.0, 60.0
EXECUTION_SECONDS, TTL_SECONDS = 600.0, 86_400.0
IsGone = Callable[[], Awaitable[bool]]

FORWARDED = ("input", "webhook", "policy", "s3Config")


@dataclass(frozen=True)
class Manners:
    """RunPod's observed behavior, which tests can adjust.

    With `twice`, every job is delivered twice, possibly to the same worker. A worker that is silent for `lost_seconds`
    is considered lost, and its jobs go back into the queue once.
    """

    twice: bool = False
    deaf_for: int = 0
    """Number of results to answer with 500 first."""
    lost_seconds: float = 60.0
    webhook_retry_seconds: float = 10.0
    poll_seconds: float = 5.0
    """Seconds for which a worker's poll for jobs or stop signals is held open."""


@dataclass(eq=False)
class QueuedJob:
    id: str
    payload: dict[str, Any]
    status: Status = "IN_QUEUE"
    output: Any = None
    error: str | None = None
    worker: str | None = None
    deliveries: int = 0
    retries: int = 0
    results: int = 0
    created: float = field(default_factory=time.monotonic)
    taken: float | None = None
    finished: float | None = None
    stream: list[Any] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_sync(self) -> bool:
        return self.id.startswith("sync-")

    @property
    def limit(self) -> int:
        return SYNC_LIMIT if self.is_sync else RUN_LIMIT

    def policy(self, name: str, default: float) -> float:
        """Return a policy of the request in seconds; requests give milliseconds."""
        return float((self.payload.get("policy") or {}).get(name, default * 1000)) / 1000

    def as_taken(self) -> dict[str, Any]:
        return {"id": self.id} | {name: self.payload[name] for name in FORWARDED if name in self.payload}

    def as_status(self) -> dict[str, Any]:
        now = time.monotonic()
        answer: dict[str, Any] = {"id": self.id, "status": self.status}
        if self.taken:
            answer |= {"delayTime": _ms(self.taken - self.created), "workerId": self.worker}
        if self.taken and self.finished:
            answer["executionTime"] = _ms(min(now, self.finished) - self.taken)
        if self.output is not None:
            answer["output"] = self.output
        if self.error is not None:
            answer["error"] = self.error
        return answer


@dataclass(eq=False)
class Worker:
    id: str
    seen: float = field(default_factory=time.monotonic)
    stops: list[str] = field(default_factory=list)
    asked_to_stop: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: bool = False
    """True once the worker asked to be replaced."""


class Endpoint:
    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.jobs: dict[str, QueuedJob] = {}
        self.workers: dict[str, Worker] = {}
        self.finished: asyncio.Queue[QueuedJob] = asyncio.Queue()
        self._waiting: deque[QueuedJob] = deque()
        self._arrived = asyncio.Event()
        self._deaf = manners.deaf_for

    # Requests from clients.

    def submit(self, payload: dict[str, Any], *, sync: bool) -> QueuedJob:
        job = QueuedJob(("sync-" if sync else "") + f"{uuid4()}-u1", payload)
        self.jobs[job.id] = job
        self._queue(job)
        return job

    def cancel(self, job: QueuedJob) -> None:
        if job.status in FINAL:
            return
        if job.status == "IN_QUEUE":
            self._waiting.remove(job)
        self._stop(job, "CANCELLED")

    def retry(self, job: QueuedJob) -> bool:
        """Queue a failed or timed-out job again; return False for any other job."""
        if job.status not in ("FAILED", "TIMED_OUT"):
            return False
        self._again(job)
        return True

    def purge(self) -> int:
        purged = len(self._waiting)
        for job in list(self._waiting):
            self.cancel(job)
        return purged

    def health(self) -> dict[str, Any]:
        count = dict.fromkeys(("IN_QUEUE", "IN_PROGRESS", *FINAL), 0)
        for job in self.jobs.values():
            count[job.status] += 1
        running = {job.worker for job in self.jobs.values() if job.status == "IN_PROGRESS"}
        return {
            "jobs": {
                "completed": count["COMPLETED"],
                "failed": count["FAILED"] + count["TIMED_OUT"],
                "inProgress": count["IN_PROGRESS"],
                "inQueue": count["IN_QUEUE"],
                "retried": sum(job.retries for job in self.jobs.values()),
            },
            "workers": {"idle": len(self.workers.keys() - running), "running": len(running)},
        }

    # Requests from workers.

    async def take(self, worker_id: str, most: int, is_gone: IsGone) -> list[dict[str, Any]]:
        """Return up to `most` jobs, or none if none arrived in time or the worker hung up."""
        worker = self.see(worker_id)
        await self._poll(self._arrived)
        if await is_gone():
            return []
        if not self._waiting:
            self._arrived.clear()
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        for job in taken:
            job.deliveries += 1
            if job.status not in FINAL:  # a second delivery may come late
                job.status, job.worker, job.taken = "IN_PROGRESS", worker.id, time.monotonic()
            if self.manners.twice and job.deliveries == 1:
                self._queue(job)
        return [job.as_taken() for job in taken]

    async def stop_signals(self, worker_id: str) -> list[str]:
        worker = self.see(worker_id)
        await self._poll(worker.asked_to_stop)
        stops, worker.stops = worker.stops, []
        worker.asked_to_stop.clear()
        return stops

    def result(self, worker_id: str, job_id: str, body: bytes) -> int:
        """Store a result and return the HTTP status for the worker. Refused results are lost without notice."""
        worker, job = self.see(worker_id), self.jobs.get(job_id)
        if job is None:
            return 404
        if self._deaf:
            self._deaf -= 1
            return 500
        if len(body) > job.limit:
            self._end(job, "COMPLETED")
            return 400
        parsed = _parsed(body)
        if parsed is None:
            return 400
        if parsed.get("status") == "IN_PROGRESS":
            self._progress(job, parsed.get("output"))
            return 200
        job.results += 1
        worker.stopped |= bool(parsed.get("stopPod"))
        if job.status in FINAL:
            return 200
        error = parsed.get("error")
        job.output = parsed.get("output")
        job.error = error if isinstance(error, str) else None  # others disappear
        self._end(job, "FAILED" if job.error else "COMPLETED")
        return 200

    def streamed(self, worker_id: str, job_id: str, body: bytes) -> int:
        self.see(worker_id)
        parsed, job = _parsed(body), self.jobs.get(job_id)
        if job is None or parsed is None or len(body) > 1_000_000:
            return 400
        job.stream.append(parsed)
        return 200

    def see(self, worker_id: str) -> Worker:
        worker = self.workers.setdefault(worker_id, Worker(worker_id))
        worker.seen = time.monotonic()
        return worker

    # Effects of time.

    def tick(self) -> None:
        now = time.monotonic()
        for worker in [each for each in self.workers.values() if now - each.seen > self.manners.lost_seconds]:
            self.lose(worker.id)
        for job in list(self.jobs.values()):
            if job.finished and now - job.finished > (KEPT_SYNC_SECONDS if job.is_sync else KEPT_SECONDS):
                del self.jobs[job.id]
            elif job.status not in FINAL:
                self._time(job, now)

    def lose(self, worker_id: str) -> None:
        """Forget a worker and give its jobs another chance."""
        self.workers.pop(worker_id, None)
        for job in self.jobs.values():
            if job.worker != worker_id or job.status != "IN_PROGRESS":
                continue
            if job.retries:
                job.error = "job timed out after 1 retries"
                self._end(job, "FAILED")
            else:
                self._again(job)

    async def _poll(self, news: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.manners.poll_seconds):
                await news.wait()

    def _time(self, job: QueuedJob, now: float) -> None:
        if now - job.created > job.policy("ttl", TTL_SECONDS):
            self.cancel(job)
            del self.jobs[job.id]
        elif job.taken and now - job.taken > job.policy("executionTimeout", EXECUTION_SECONDS):
            job.error = "job timed out"
            self._stop(job, "TIMED_OUT")

    def _again(self, job: QueuedJob) -> None:
        job.status, job.worker, job.taken, job.finished, job.error = "IN_QUEUE", None, None, None, None
        job.retries += 1
        job.news.clear()
        self._queue(job)

    def _queue(self, job: QueuedJob) -> None:
        self._waiting.append(job)
        self._arrived.set()

    def _stop(self, job: QueuedJob, status: Status) -> None:
        worker = self.workers.get(job.worker or "")
        if worker:
            worker.stops.append(job.id)
            worker.asked_to_stop.set()
        self._end(job, status)

    def _progress(self, job: QueuedJob, output: object) -> None:
        if job.status == "IN_PROGRESS":
            job.output = output
        elif job.status in ("COMPLETED", "FAILED"):  # late progress wins
            job.status, job.output = "IN_PROGRESS", output

    def _end(self, job: QueuedJob, status: Status) -> None:
        job.status, job.finished = status, time.monotonic()
        job.news.set()
        self.finished.put_nowait(job)


def _parsed(body: bytes) -> dict[str, Any] | None:
    """Return a JSON object, or None for anything else, including NaN."""
    try:
        parsed = json.loads(body, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
