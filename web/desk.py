"""A request's way to the engine and back: its body, its pictures, its turn and its answer."""

import asyncio
import hashlib
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from handlers.deliver import NO_LIMIT
from handlers.images import urls_of
from handlers.openai import EDITS, read_body
from handlers.parse import action_of, parse
from handlers.router import Call, Router
from handlers.runtime.shutdown import exit_soon
from models.engine import Control, Progress
from schemas.errors import ErrorCode, JobError
from schemas.jobs import EditJob, GenerateJob, HealthJob
from schemas.settings import MEGA, Settings
from web.errors import ACTIONS, EDIT, LAYOUT, job_error_response, json_response
from web.events import Events, ImageEvents, JobEvents
from web.forms import is_form, read_form, read_json
from web.front import bug
from web.limits.fetching import Fetches
from web.limits.job_queue import REPLACED, JobQueue
from web.metrics import Metrics
from web.picture_urls import PictureStore, PictureUrls, base_of

log = logging.getLogger(__name__)

EVENTS = "text/event-stream"

PREVIEWS = 3
"""Unfinished pictures in the events of a job."""

BEGIN_SECONDS = 2.0
"""Time that a stream waits for its job to begin, so that a job that cannot begin gets an HTTP error status."""

WRAPPED = frozenset({"input", "id", "webhook", "policy", "s3Config"})
"""Keys of a job in the platform's form: its input and what goes with it."""

RETRY = (ErrorCode.TOO_MANY_REQUESTS, ErrorCode.MODEL_NOT_READY)
"""Failures that keep their HTTP status even on routes that answer all others with 200: another attempt may succeed."""

T = TypeVar("T")
Work = Callable[[Control], dict[str, Any]]


@dataclass(eq=False)
class Visit:
    """A request being answered. `cancelled` is set when its caller hangs up, or when it is over."""

    request: Request
    cancelled: threading.Event = field(default_factory=threading.Event)
    hung_up: "asyncio.Task[None]" = field(init=False)

    def __post_init__(self) -> None:
        self.hung_up = asyncio.create_task(_hung_up(self.request))

    async def unless_hung_up(self, work: "asyncio.Future[T]") -> T:
        """Return the result of `work`. Raises JobError CANCELLED if the caller hangs up first."""
        waiting: set[asyncio.Future[Any]] = {work, self.hung_up}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.add_done_callback(lambda late: late.cancelled() or late.exception())  # which nobody waits for
            raise gone()
        return work.result()

    def end(self) -> None:
        self.cancelled.set()
        self.hung_up.cancel()


@dataclass
class Desk:
    """Takes each request's work to a queue and its answer back to the caller. Layouts have a queue of their own."""

    settings: Settings
    router: Router
    queue: JobQueue = field(init=False)
    layouts: JobQueue = field(init=False)
    metrics: Metrics = field(init=False)
    fetches: Fetches = field(init=False)
    pictures: PictureStore = field(init=False)

    def __post_init__(self) -> None:
        settings, patience = self.settings, self.settings.stuck_seconds
        self.queue, self.layouts = (
            JobQueue(settings.queue_limit, lambda: self._allowed() + patience, patience, partial(exit_soon, what))
            for what in ("A job", "A layout")
        )
        self.metrics = Metrics(self.router.worker, self.queue)
        self.fetches = Fetches(self.router.reader.fetcher, settings.fetches_at_once, settings.queue_limit)
        self.pictures = PictureStore(settings.url_seconds, int(settings.url_mb * MEGA))

    def close(self) -> None:
        self.queue.close()
        self.layouts.close()
        self.fetches.close()

    @property
    def status(self) -> str:
        """`healthy`, `loading` or `unhealthy`."""
        return "unhealthy" if self.queue.hangs else self.router.status

    def _allowed(self) -> float:
        """Return the seconds that a job starting now may take, including the wait for the model."""
        loading = self.router.status == "loading"
        return self.settings.job_timeout_seconds + (self.settings.ready_wait_seconds if loading else 0.0)

    async def images(self, request: Request, route: str) -> Response:
        """Answer one of OpenAI's routes. Raises JobError."""
        form = is_form(request) and route == EDITS
        raw = await read_form(request, int(self.settings.max_request_mb * MEGA)) if form else await read_json(request)
        body = await asyncio.to_thread(read_body, route, raw, is_form=form)
        visit = Visit(request)
        async with self._prepared(visit, body) as call:

            def work(control: Control) -> dict[str, Any]:
                answer = self.router.paint(body, replace(call, control=control))
                request.state.seed = answer["data"][0]["seed"]
                return answer

            if body.stream:
                return await self._streamed(visit, work, ImageEvents(body), body.partial_images)
            return json_response(await self._answered(visit, work))

    async def job(self, request: Request, action: str) -> Response:
        """Answer like the job interface, with the status that fits its code, or with events if the caller accepts
        them."""
        try:
            raw, beside = _unwrapped(await read_json(request))
            job = await asyncio.to_thread(parse, _with_action(raw, action))
            visit = Visit(request)
            async with self._prepared(visit, job, beside.get("s3Config")) as call:
                work = self._job_work(request, job, call)
                if EVENTS in request.headers.get("accept", ""):
                    return await self._streamed(visit, work, JobEvents(action, self.router.refusal), PREVIEWS)
                return json_response(await self._answered(visit, work))
        except JobError as problem:
            return job_error_response(self.router.refusal(action, problem), problem, self.queue.seconds_a_job)

    async def layout(self, request: Request) -> Response:
        """Answer where the products of an edit would go; in errors like the job."""
        try:
            raw, _ = _unwrapped(await read_json(request))
            job = await asyncio.to_thread(parse, _with_action(raw, ACTIONS[EDIT]))
            assert isinstance(job, EditJob)
            visit = Visit(request)
            async with self._prepared(visit, job) as call:

                def work(control: Control) -> bytes:
                    return json.dumps(self.router.layout(job, replace(call, control=control))).encode()

                return json_response(await self._joined(visit, self.layouts, self._bounded(work, _control(visit))))
        except JobError as problem:
            answer = self.router.refusal(ACTIONS[LAYOUT], problem)
            return job_error_response(answer, problem, self.layouts.seconds_a_job)

    async def bare(self, request: Request) -> Response:
        """Answer `{"input": {...}}` with the job's answer. Failures are reported in the body, with status 200."""
        raw: object = None
        try:
            raw, beside = _unwrapped(await read_json(request))
            job = await asyncio.to_thread(parse, raw)
            if isinstance(job, HealthJob):
                return json_response(json.dumps(self.router.answer(raw, _call(request))).encode())
            visit = Visit(request)
            async with self._prepared(visit, job, beside.get("s3Config")) as call:
                return json_response(await self._answered(visit, self._job_work(request, job, call)))
        except JobError as problem:
            answer = self.router.refusal(action_of(raw), problem)
            if problem.code in RETRY:
                return job_error_response(answer, problem, self.queue.seconds_a_job)
            return json_response(json.dumps(answer).encode())

    def _job_work(self, request: Request, job: EditJob | GenerateJob | HealthJob, call: Call) -> Work:
        def work(control: Control) -> dict[str, Any]:
            answer = self.router.work(job, replace(call, control=control))
            info = answer.get("placement_info") or answer["generation_info"]
            request.state.seed = info["seed"]
            return answer

        return work

    @asynccontextmanager
    async def _prepared(self, visit: Visit, body: Any, s3_config: object = None) -> AsyncIterator[Call]:
        """Fetch the request's pictures and yield the call for its job; the visit ends if that fails."""
        try:
            fetching = asyncio.ensure_future(self.fetches.fetched(urls_of(body), visit.cancelled))
            fetched = await visit.unless_hung_up(fetching)
            visit.request.state.upload.hold(sum(map(len, fetched.values())))
            urls = PictureUrls(self.pictures, base_of(visit.request, self.settings.public_url))
            limit = int((self.settings.max_response_mb or 0) * MEGA) or NO_LIMIT
            yield replace(_call(visit.request), response_limit=limit, s3_config=s3_config, fetched=fetched, store=urls)
        except BaseException:
            visit.end()
            raise

    async def _answered(self, visit: Visit, work: Work) -> bytes:
        """Return the answer's JSON. Raises the job's JobError, or CANCELLED when the caller hangs up."""
        # Runs on the job's thread: pictures make long texts.
        job = self._job(lambda control: json.dumps(work(control)).encode(), _control(visit))
        return await self._joined(visit, self.queue, job)

    async def _joined(self, visit: Visit, queue: JobQueue, work: Callable[[], T]) -> T:
        """Return the result of `work` after its turn in the queue, and end the visit."""
        job = queue.join(work)
        try:
            return await visit.unless_hung_up(job)
        except asyncio.CancelledError:
            if job.cancelled():
                raise JobError(ErrorCode.MODEL_NOT_READY, REPLACED) from None
            raise
        finally:
            job.cancel()
            visit.end()

    async def _streamed(self, visit: Visit, work: Work, events: Events, previews: int) -> Response:
        """Answer with events. The job ends with its stream: a caller that hangs up cancels it."""
        control = Control(events.report, cancelled=visit.cancelled, show=events.show, previews=previews)
        job = self.queue.join(self._job(lambda control: events.finish(work(control)), control))
        visit.hung_up.add_done_callback(lambda _: job.cancel())

        def ended(done: "asyncio.Future[None]") -> None:
            events.end(gone() if visit.hung_up.done() else _problem(done))
            visit.end()

        async def texts() -> AsyncIterator[bytes]:
            try:
                async for text in events.texts(begun):
                    yield text
            finally:
                job.cancel()

        job.add_done_callback(ended)
        begun = await events.begun(BEGIN_SECONDS)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(texts(), media_type=EVENTS, headers=headers)

    def _job(self, work: Callable[[Control], T], control: Control) -> Callable[[], T]:
        """Return the work as the queue runs it: bounded, and with its stages timed."""
        clock = self.metrics.clock()

        def report(progress: Progress) -> None:
            clock.see(progress)
            control.report(progress)

        def run() -> T:
            try:
                return self._bounded(work, replace(control, report=report))()
            finally:
                clock.stop()

        return run

    def _bounded(self, work: Callable[[Control], T], control: Control) -> Callable[[], T]:
        """Return the work stopped in time, and failing with JobErrors alone."""

        def run() -> T:
            deadline = time.monotonic() + self._allowed()
            try:
                control.check()
                return work(replace(control, deadline=deadline))
            except JobError:
                raise
            except Exception:
                log.exception("A job failed unexpectedly")
                raise bug() from None

        return run


def _control(visit: Visit) -> Control:
    return Control(cancelled=visit.cancelled)


def gone() -> JobError:
    return JobError(ErrorCode.CANCELLED, "The caller hung up")


def _unwrapped(raw: object) -> tuple[object, Mapping[str, Any]]:
    """Return a job's input and the keys that go with it, for `{"input": {...}}` and for the bare input."""
    if isinstance(raw, dict) and isinstance(raw.get("input"), dict) and raw.keys() <= WRAPPED:
        return raw["input"], raw
    return raw, {}


def _with_action(job: object, action: str) -> object:
    if not isinstance(job, dict):
        return job
    if job.get("action") not in (None, action):
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid action: this route is for {action}", ("action",))
    return job | {"action": action}


def _call(request: Request) -> Call:
    caller = hashlib.sha256(request.headers.get("authorization", "").encode()).hexdigest()
    return Call(request.state.request_id, caller=caller, trace=request.headers.get("traceparent", ""))


def _problem(job: "asyncio.Future[Any]") -> JobError | None:
    if job.cancelled():
        return JobError(ErrorCode.MODEL_NOT_READY, REPLACED)
    problem = job.exception()
    assert problem is None or isinstance(problem, JobError)
    return problem


async def _hung_up(request: Request) -> None:
    """Return once the caller is gone. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
