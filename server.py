"""The HTTP door, `python server.py` or `uvicorn server:app`: OpenAI's images API, the job actions, probes, metrics."""

import asyncio
import hashlib
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from handlers.openai import EDITS, GENERATIONS, MODELS, read_body
from handlers.parse import parse
from handlers.router import Call, Router, build_router
from handlers.runtime.memory_watch import share_arenas
from handlers.runtime.shutdown import exit_soon
from models.build import build
from models.engine import Control, Progress
from schemas.answers import AnswerPart, PictureAnswer
from schemas.errors import ErrorCode, JobError
from schemas.jobs import EditJob, GenerateJob
from schemas.openai import Alive, GenerationBody, ImagesAnswer, Model, Models, Ping, Ready, ReadyError
from schemas.settings import MEGA, Settings, SettingsError, read_settings
from schemas.version import SERVICE, VERSION
from web.docs import (
    A_GENERATE_JOB,
    A_GENERATION,
    ABOUT,
    AN_EDIT,
    AN_EDIT_JOB,
    JOB_ERRORS,
    OPENAI_ERRORS,
    ask_for_keys,
    edit_body,
    image_events,
    job_events,
    json_body,
)
from web.errors import ACTIONS, EDIT, GENERATE, error_response, job_error_response, json_response, refusal_response
from web.events import Events, ImageEvents, JobEvents
from web.forms import is_form, read_form, read_json
from web.front import OPEN, Front, bug
from web.job_queue import REPLACED, JobQueue
from web.logs import set_up
from web.metrics import Metrics
from web.studio import add_studio

log = logging.getLogger(__name__)

EVENTS = "text/event-stream"
LOOKS = 3
"""Unfinished pictures in the events of a job."""

LOOK_SECONDS = 0.2
"""How often to look whether the model is there."""

BEGIN_SECONDS = 2.0
"""How long a stream waits for its job to begin, so that one that cannot is answered with a status of its own."""

T = TypeVar("T")
Work = Callable[[Control], dict[str, Any]]


@dataclass
class Desk:
    """Takes a request's work to the line of jobs and its answer back."""

    settings: Settings
    router: Router
    line: JobQueue = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        patience = self.settings.stuck_seconds
        self.line = JobQueue(
            self.settings.queue_limit, lambda: self._allowed() + patience, patience, lambda: exit_soon("A job")
        )
        self.metrics = Metrics(self.router.worker, self.line)

    @property
    def status(self) -> str:
        """`healthy`, `loading` or `unhealthy`."""
        return "unhealthy" if self.line.hangs else self.router.status

    def _allowed(self) -> float:
        """Seconds that a job may take that begins now, the wait for the model included."""
        loading = self.router.status == "loading"
        return self.settings.job_timeout_seconds + (self.settings.ready_wait_seconds if loading else 0.0)

    async def images(self, request: Request, route: str) -> Response:
        form = is_form(request) and route == EDITS
        raw = await read_form(request, int(self.settings.max_request_mb * MEGA)) if form else await read_json(request)
        body = await asyncio.to_thread(read_body, route, raw, is_form=form)

        def work(control: Control) -> dict[str, Any]:
            answer = self.router.paint(body, _call(request, control))
            request.state.seed = answer["data"][0]["seed"]
            return answer

        if body.stream:
            return await self._streamed(request, work, ImageEvents(body), body.partial_images)
        return json_response(await self._answered(request, work))

    async def job(self, request: Request, action: str) -> Response:
        """The answer of the job interface, under the status that fits its code; as events where they are accepted."""
        try:
            job = await asyncio.to_thread(parse, _with_action(await read_json(request), action))

            def work(control: Control) -> dict[str, Any]:
                answer = self.router.work(job, _call(request, control))
                info = answer.get("placement_info") or answer["generation_info"]
                request.state.seed = info["seed"]
                return answer

            if EVENTS in request.headers.get("accept", ""):
                return await self._streamed(request, work, JobEvents(action, self.router.refusal), LOOKS)
            return json_response(await self._answered(request, work))
        except JobError as problem:
            return job_error_response(self.router.refusal(action, problem), problem, self.line.seconds_a_job)

    async def _answered(self, request: Request, work: Work) -> bytes:
        """The answer's JSON. Raises the job's JobError, and CANCELLED when the caller hangs up."""
        cancelled = threading.Event()
        # The text is made on the job's thread: pictures are long.
        job = self.line.join(
            self._job(lambda control: json.dumps(work(control)).encode(), Control(cancelled=cancelled))
        )
        hung_up = asyncio.create_task(_hung_up(request))
        try:
            waited_for: set[asyncio.Future[Any]] = {job, hung_up}
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                raise _gone()
            if problem := _problem(job):
                raise problem
            return job.result()
        finally:
            cancelled.set()
            job.cancel()
            hung_up.cancel()

    async def _streamed(self, request: Request, work: Work, events: Events, looks: int) -> Response:
        """The job ends with its stream: a caller that hangs up cancels it."""
        cancelled = threading.Event()
        control = Control(events.report, cancelled=cancelled, show=events.show, looks=looks)
        job = self.line.join(self._job(lambda control: events.finish(work(control)), control))
        hung_up = asyncio.create_task(_hung_up(request))
        hung_up.add_done_callback(lambda _: job.cancel())

        def ended(done: "asyncio.Future[None]") -> None:
            events.end(_gone() if hung_up.done() else _problem(done))
            cancelled.set()
            hung_up.cancel()

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
        """The work as the line runs it: timed, stopped in time, and failing with JobErrors alone."""
        clock = self.metrics.clock()

        def report(progress: Progress) -> None:
            clock.see(progress)
            control.report(progress)

        def run() -> T:
            deadline = time.monotonic() + self._allowed()
            try:
                control.check()
                return work(replace(control, report=report, deadline=deadline))
            except JobError:
                raise
            except Exception:
                log.exception("A job failed for a reason nobody foresaw")
                raise bug() from None
            finally:
                clock.stop()

        return run


def _with_action(job: object, action: str) -> object:
    if not isinstance(job, dict):
        return job
    if job.get("action") not in (None, action):
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid action: this route is {action}", ("action",))
    return job | {"action": action}


def _call(request: Request, control: Control) -> Call:
    caller = hashlib.sha256(request.headers.get("authorization", "").encode()).hexdigest()
    return Call(request.state.request_id, control, caller=caller)


def _gone() -> JobError:
    return JobError(ErrorCode.CANCELLED, "The caller hung up")


def _problem(job: "asyncio.Future[Any]") -> JobError | None:
    if job.cancelled():
        return JobError(ErrorCode.MODEL_NOT_READY, REPLACED)
    problem = job.exception()
    assert problem is None or isinstance(problem, JobError)
    return problem


async def _hung_up(request: Request) -> None:
    """Returns when the caller is gone. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def create_app(settings: Settings, router: Router, *, ends: bool = False) -> FastAPI:
    """`ends`: the process, once it can serve nothing or is worn out; else somebody else looks at `router`."""
    desk = Desk(settings, router)
    app = FastAPI(
        title=SERVICE,
        version=VERSION,
        description=ABOUT,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lambda _: _life(settings, desk, ends=ends),
        redirect_slashes=False,  # behind TLS it would lead out of it
        separate_input_output_schemas=False,  # keys that have nothing to say are left out
    )
    app.state.router = router
    key = settings.api_key
    app.add_middleware(
        Front,
        key=key.get_secret_value().encode() if key else None,
        max_bytes=int(settings.max_request_mb * MEGA),
        count=desk.metrics.count,
    )
    _translate_errors(app, desk)
    _add_pictures(app, desk)
    _add_models(app, desk)
    _add_probes(app, desk)
    _add_metrics(app, desk)
    if settings.studio:
        add_studio(app)
    if key:
        ask_for_keys(app, but=OPEN)
    return app


def _translate_errors(app: FastAPI, desk: Desk) -> None:
    @app.exception_handler(JobError)
    async def of_jobs(_request: Request, problem: JobError) -> Response:
        return error_response(problem, retry_seconds=desk.line.seconds_a_job)

    @app.exception_handler(HTTPException)
    async def of_routing(request: Request, problem: HTTPException) -> Response:
        refusal = JobError(ErrorCode.INVALID_INPUT, problem.detail)
        answer = refusal_response(refusal, request.url.path, status=problem.status_code)
        answer.headers.update(problem.headers or {})
        return answer


def _add_pictures(app: FastAPI, desk: Desk) -> None:
    images: dict[str, Any] = {"response_model": ImagesAnswer, "tags": ["OpenAI"]}
    jobs: dict[str, Any] = {
        "response_model": PictureAnswer,
        "responses": JOB_ERRORS | {200: job_events()},
        "tags": ["jobs"],
    }

    @app.post(
        GENERATIONS,
        openapi_extra=json_body(GenerationBody, A_GENERATION),
        responses=OPENAI_ERRORS | {200: image_events("image_generation")},
        **images,
    )
    async def generations(request: Request) -> Response:
        """Words to pictures."""
        return await desk.images(request, GENERATIONS)

    @app.post(
        EDITS,
        openapi_extra=edit_body(AN_EDIT),
        responses=OPENAI_ERRORS | {200: image_events("image_edit")},
        **images,
    )
    async def edits(request: Request) -> Response:
        """Pictures and words to pictures."""
        return await desk.images(request, EDITS)

    @app.post(EDIT, openapi_extra=json_body(EditJob, AN_EDIT_JOB), **jobs)
    async def edit(request: Request) -> Response:
        """The job `edit`: a product into a room photo."""
        return await desk.job(request, ACTIONS[EDIT])

    @app.post(GENERATE, openapi_extra=json_body(GenerateJob, A_GENERATE_JOB), **jobs)
    async def generate(request: Request) -> Response:
        """The job `generate`: a new room around a product."""
        return await desk.job(request, ACTIONS[GENERATE])


def _add_models(app: FastAPI, desk: Desk) -> None:
    refusals: dict[int | str, dict[str, Any]] = {status: OPENAI_ERRORS[status] for status in (400, 401)}

    @app.get(MODELS, response_model=Models, responses=refusals, tags=["OpenAI"])
    async def models() -> Response:
        """What paints here."""
        return json_response(json.dumps(desk.router.models()).encode())

    @app.get(MODELS + "/{name:path}", response_model=Model, responses=refusals, tags=["OpenAI"])
    async def model(name: str) -> Response:  # noqa: ARG001  any is accepted
        """What paints here, by whatever name."""
        return json_response(json.dumps(desk.router.model()).encode())


def _add_probes(app: FastAPI, desk: Desk) -> None:
    @app.get("/health", response_model=Alive, tags=["probes"])
    async def health() -> Response:
        """200 while the process lives."""
        return _probe(Alive(timestamp=_now(), version=VERSION))

    @app.get("/ready", response_model=Ready, tags=["probes"], responses={503: {"model": ReadyError}})
    async def ready() -> Response:
        """200 when the model is loaded and can be trusted, else 503."""
        status = desk.status
        told = {"model_loaded": desk.router.worker.is_loaded, "timestamp": _now()}
        if status == "healthy":
            return _probe(Ready(**told))
        problem = JobError(ErrorCode.MODEL_NOT_READY, f"The model is not ready: {status}")
        return error_response(problem, beside=told | {"status": status})

    @app.get(
        "/ping",
        response_model=Ping,
        tags=["probes"],
        responses={204: {"description": "loading"}, 503: OPENAI_ERRORS[503]},
    )
    async def ping() -> Response:
        """For load balancers: 200 when ready, 204 while loading, 503 for a worker to be replaced."""
        match desk.status:
            case "healthy":
                return _probe(Ping())
            case "loading":
                return Response(status_code=204)
            case _:
                return error_response(JobError(ErrorCode.MODEL_NOT_READY, "This worker is broken"))


def _add_metrics(app: FastAPI, desk: Desk) -> None:
    @app.get("/metrics", tags=["probes"], responses={401: OPENAI_ERRORS[401]}, response_class=PlainTextResponse)
    def metrics() -> Response:
        """For Prometheus."""
        return PlainTextResponse(desk.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _probe(told: AnswerPart) -> Response:
    return json_response(told.model_dump_json().encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@asynccontextmanager
async def _life(settings: Settings, desk: Desk, *, ends: bool) -> AsyncIterator[None]:
    """Load balancers may ask for their pings at a port of their own."""
    watching = asyncio.create_task(_end_worn_out(desk.router)) if ends else None
    port = settings.port_health
    if port is None or port == settings.port:
        yield
    else:
        async with _served(_pings(desk), settings.host, port):
            yield
    if watching:
        watching.cancel()
    desk.line.close()


async def _end_worn_out(router: Router) -> None:
    """Callers are served before; then there is room for a server that can serve."""
    while router.status != "unhealthy" and not router.is_worn_out:
        await asyncio.sleep(LOOK_SECONDS)
    try:
        router.wait_until_loaded()
        log.critical("The model failed again and again, or memory grew beyond its bound: this server ends")
    except SettingsError as problem:
        log.critical("%s", problem)
    signal.raise_signal(signal.SIGTERM)


def _pings(desk: Desk) -> FastAPI:
    app = FastAPI(openapi_url=None)
    _add_probes(app, desk)
    return app


@asynccontextmanager
async def _served(app: FastAPI, host: str, port: int) -> AsyncIterator[None]:
    server = _Beside(uvicorn.Config(app, host, port, log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


class _Beside(uvicorn.Server):
    """Signals are the main server's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@cache
def _app() -> FastAPI:
    settings = read_settings()
    set_up(settings)
    return create_app(settings, build_router(settings, build(settings)), ends=True)


def __getattr__(name: str) -> FastAPI:
    """`app`, for `uvicorn server:app`: made when it is asked for."""
    if name == "app":
        return _app()
    raise AttributeError(name)


def main() -> None:
    """Ends the process with one sentence where it cannot serve. Being asked to end is no failure: callers are served
    before."""
    share_arenas()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = read_settings()
        at: dict[str, Any] = {"host": settings.host, "port": settings.port, "log_config": None, "access_log": False}
        if settings.reload:
            uvicorn.run("server:app", reload=True, **at)
        else:
            app = _app()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which uvicorn raises once more when it is done
            uvicorn.run(app, **at)
            router = app.state.router
            if router.status == "unhealthy" or router.is_worn_out:
                sys.exit(1)
    except SettingsError as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
