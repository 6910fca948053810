"""The FastAPI application: the routes, and what they share."""

import asyncio
import json
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from handlers.openai import EDITS, GENERATIONS, MODELS
from handlers.router import Router
from schemas.answers import AnswerPart, JobAnswer, LayoutAnswer, PictureAnswer
from schemas.errors import ErrorCode, JobError
from schemas.jobs import EditJob, GenerateJob
from schemas.openai import Alive, GenerationBody, ImagesAnswer, Model, Models, Ping, Ready, ReadyError
from schemas.settings import MEGA, Settings, SettingsError
from schemas.version import SERVICE, VERSION
from web.access import OPEN, PICTURES, Access
from web.desk import Desk
from web.docs import (
    A_GENERATE_JOB,
    A_GENERATION,
    A_JOB,
    ABOUT,
    AN_EDIT,
    AN_EDIT_JOB,
    JOB_ERRORS,
    OPENAI_ERRORS,
    add_docs_page,
    complete_document,
    edit_body,
    image_events,
    job_body,
    job_events,
    json_body,
)
from web.errors import ACTIONS, EDIT, GENERATE, LAYOUT, ROOT, error_response, json_response, refusal_response
from web.front import Front
from web.limits.protocol import MAX_HEADER_BYTES, Protocol
from web.limits.uploads import Uploads
from web.studio import add_studio

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""Interval at which the server checks whether it can still serve."""


def create_app(settings: Settings, router: Router, *, ends: bool = False) -> FastAPI:
    """Return the application. With `ends` it stops its process once the worker is broken or worn out."""
    desk = Desk(settings, router)
    access = Access.of(settings)
    app = FastAPI(
        title=SERVICE,
        version=VERSION,
        description=ABOUT,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lambda _: _life(settings, desk, ends=ends),
        redirect_slashes=False,  # behind TLS, redirects would lead out of it
        separate_input_output_schemas=False,  # keys without a value are omitted
        docs_url=None,
        redoc_url=None,
    )
    app.state.router = router
    _translate_errors(app, desk)
    _add_openai(app, desk)
    _add_jobs(app, desk)
    _add_picture_files(app, desk)
    _add_models(app, desk)
    _add_probes(app, desk)
    _add_metrics(app, desk)
    add_docs_page(app)
    if settings.studio:
        add_studio(app)
    complete_document(app, open_paths=OPEN if access.key else None)
    uploads = Uploads(int(settings.max_request_mb * MEGA), int(settings.max_uploads_mb * MEGA))
    app.add_middleware(Front, access=access, uploads=uploads, count=desk.metrics.count)
    if settings.cors_origins:
        _allow(app, settings.cors_origins)
    return app


def _allow(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Let the pages of these origins call every route."""
    exposed = ["X-Request-ID", "Retry-After"]
    app.add_middleware(
        CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=exposed
    )


def config(app: FastAPI | str, settings: Settings, **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration, with limits for callers who stall."""
    return uvicorn.Config(
        app,
        settings.host,
        **{"port": settings.port} | options,
        http=Protocol,
        ws="none",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_keep_alive=settings.keep_alive_seconds,
        log_config=None,
        access_log=False,
    )


def _translate_errors(app: FastAPI, desk: Desk) -> None:
    @app.exception_handler(JobError)
    async def of_jobs(_request: Request, problem: JobError) -> Response:
        return error_response(problem, retry_seconds=desk.queue.seconds_a_job)

    @app.exception_handler(HTTPException)
    async def of_routing(request: Request, problem: HTTPException) -> Response:
        refusal = JobError(ErrorCode.INVALID_INPUT, _routing_sentence(request, problem))
        answer = refusal_response(refusal, request.url.path, status=problem.status_code)
        answer.headers.update(problem.headers or {})
        return answer


def _routing_sentence(request: Request, problem: HTTPException) -> str:
    match problem.status_code:
        case 404:
            return "There is no such route. OpenAI's routes are below /v1, such as /v1/images/edits; /docs lists all"
        case 405:
            methods = (problem.headers or {}).get("Allow", "POST")
            return f"This route accepts {methods}, not {request.method}"
        case _:
            return str(problem.detail)


def _add_openai(app: FastAPI, desk: Desk) -> None:
    images: dict[str, Any] = {"response_model": ImagesAnswer, "tags": ["OpenAI"]}

    @app.post(
        GENERATIONS,
        openapi_extra=json_body(GenerationBody, A_GENERATION),
        responses=OPENAI_ERRORS | {200: image_events("image_generation")},
        **images,
    )
    async def generations(request: Request) -> Response:
        """Make pictures from a prompt."""
        return await desk.images(request, GENERATIONS)

    @app.post(
        EDITS,
        openapi_extra=edit_body(AN_EDIT),
        responses=OPENAI_ERRORS | {200: image_events("image_edit")},
        **images,
    )
    async def edits(request: Request) -> Response:
        """Make pictures from a prompt and pictures."""
        return await desk.images(request, EDITS)


def _add_jobs(app: FastAPI, desk: Desk) -> None:
    jobs: dict[str, Any] = {
        "response_model": PictureAnswer,
        "responses": JOB_ERRORS | {200: job_events()},
        "tags": ["jobs"],
    }

    @app.post(EDIT, openapi_extra=json_body(EditJob, AN_EDIT_JOB), **jobs)
    async def edit(request: Request) -> Response:
        """Run the job `edit`: put a product into a room photo."""
        return await desk.job(request, ACTIONS[EDIT])

    @app.post(GENERATE, openapi_extra=json_body(GenerateJob, A_GENERATE_JOB), **jobs)
    async def generate(request: Request) -> Response:
        """Run the job `generate`: make a new room around a product."""
        return await desk.job(request, ACTIONS[GENERATE])

    @app.post(
        LAYOUT,
        openapi_extra=json_body(EditJob, AN_EDIT_JOB),
        response_model=LayoutAnswer,
        responses=JOB_ERRORS,
        tags=["jobs"],
    )
    async def layout(request: Request) -> Response:
        """Compute where the job `edit` would put the products and how large they would be, without painting."""
        return await desk.layout(request)

    @app.post(ROOT, openapi_extra=job_body(A_JOB), response_model=JobAnswer, responses=JOB_ERRORS, tags=["jobs"])
    async def job(request: Request) -> Response:
        """Run any job in the platform's wrapper. The status is 200 even if the job fails."""
        return await desk.bare(request)


def _add_picture_files(app: FastAPI, desk: Desk) -> None:
    @app.get(PICTURES + "{name}", include_in_schema=False)
    async def picture(name: str) -> Response:
        found = desk.pictures.get(name)
        if found is None:
            raise HTTPException(404)
        data, mime_type = found
        headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
        return Response(data, media_type=mime_type, headers=headers)


def _add_models(app: FastAPI, desk: Desk) -> None:
    refusals: dict[int | str, dict[str, Any]] = {status: OPENAI_ERRORS[status] for status in (400, 401)}

    @app.get(MODELS, response_model=Models, responses=refusals, tags=["OpenAI"])
    async def models() -> Response:
        """List the checkpoint that paints here."""
        return json_response(json.dumps(desk.router.models()).encode())

    @app.get(MODELS + "/{name:path}", response_model=Model, responses=refusals, tags=["OpenAI"])
    async def model(name: str) -> Response:  # noqa: ARG001  any name is accepted
        """Return the checkpoint that paints here, whatever name is given."""
        return json_response(json.dumps(desk.router.model()).encode())


def _add_probes(app: FastAPI, desk: Desk) -> None:
    @app.get("/health", response_model=Alive, tags=["probes"])
    async def health() -> Response:
        """Return 200 while the process is alive."""
        return _probe(Alive(timestamp=_now(), version=VERSION))

    @app.get("/ready", response_model=Ready, tags=["probes"], responses={503: {"model": ReadyError}})
    async def ready() -> Response:
        """Return 200 if the model is loaded and works, otherwise 503."""
        status = desk.status
        fields = {"model_loaded": desk.router.worker.is_loaded, "timestamp": _now()}
        if status == "healthy":
            return _probe(Ready(**fields))
        problem = JobError(ErrorCode.MODEL_NOT_READY, f"The model is not ready: {status}")
        return error_response(problem, beside=fields | {"status": status})

    @app.get(
        "/ping",
        response_model=Ping,
        tags=["probes"],
        responses={204: {"description": "loading"}, 503: OPENAI_ERRORS[503]},
    )
    async def ping() -> Response:
        """Report to load balancers: 200 when ready, 204 while loading, 503 for a worker that must be replaced."""
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
        """Return metrics for Prometheus."""
        return PlainTextResponse(desk.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _probe(answer: AnswerPart) -> Response:
    return json_response(answer.model_dump_json().encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@asynccontextmanager
async def _life(settings: Settings, desk: Desk, *, ends: bool) -> AsyncIterator[None]:
    """Serve the probes on a separate port if one is set, and watch the process."""
    watching = asyncio.create_task(_end_worn_out(desk.router)) if ends else None
    port = settings.port_health
    if port is None or port == settings.port:
        yield
    else:
        async with _served(_probes_only(desk), settings, port):
            yield
    if watching:
        watching.cancel()
    desk.close()


async def _end_worn_out(router: Router) -> None:
    """End the process after its callers are served, once the worker is broken or worn out."""
    while router.status != "unhealthy" and not router.is_worn_out:
        await asyncio.sleep(POLL_SECONDS)
    try:
        router.wait_until_loaded()
        log.critical("The model failed repeatedly, or memory grew beyond its limit: this server is shutting down")
    except SettingsError as problem:
        log.critical("%s", problem)
    signal.raise_signal(signal.SIGTERM)


def _probes_only(desk: Desk) -> FastAPI:
    app = FastAPI(openapi_url=None)
    _add_probes(app, desk)
    return app


@asynccontextmanager
async def _served(app: FastAPI, settings: Settings, port: int) -> AsyncIterator[None]:
    server = _Beside(config(app, settings, port=port, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


class _Beside(uvicorn.Server):
    """A second server in the process, which leaves signals to the first one."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
