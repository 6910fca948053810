"""Turns a raw job into an answer: validates it, routes on the action, and turns expected failures into error
answers."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from handlers.deliver import NO_LIMIT, Delivery, Store, deliver
from handlers.edit import edit
from handlers.generate import generate
from handlers.health import health
from handlers.images import PictureReader
from handlers.layout import layout
from handlers.openai import (
    MODEL,
    MODELS,
    ImagesApi,
    as_image_output,
    is_image_input,
    models,
    openai_route,
    read_body,
    read_image_input,
)
from handlers.parse import action_of, parse
from handlers.requests import edit_request, generate_request
from handlers.runtime.tracing import Tracing, open_tracing
from handlers.runtime.worker_state import Status, WorkerState
from imaging.codec import decoder_process
from imaging.codec.decode import ImageLimits
from models.engine import Control
from models.resident import Resident
from schemas.answers import ErrorAnswer, GenerationInfo, PictureAnswer, PlacementInfo
from schemas.errors import ErrorCode, JobError
from schemas.jobs import EditJob, GenerateJob, HealthJob
from schemas.openai import EditBody, GenerationBody
from schemas.settings import MEGA, Settings, SettingsError
from transport.bucket import Bucket, locate
from transport.fetch import Fetcher
from transport.folder import Folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """Everything about a received job except its input."""

    job_id: str
    control: Control = field(default_factory=Control)
    response_limit: int = NO_LIMIT
    s3_config: object = None
    folder: Folder | None = None
    caller: str = ""
    """The caller's identity: different callers never share idempotency keys. The queue has a single caller."""
    fetched: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Contents of the job's picture URLs that were already fetched."""
    store: Store | None = None
    """Store for pictures requested as URLs if there is no bucket."""
    trace: str = ""
    """The caller's W3C traceparent header."""


@dataclass(frozen=True)
class Router:
    settings: Settings
    worker: WorkerState
    reader: PictureReader
    bucket: Bucket | None
    tracing: Tracing

    def answer(self, raw: object, call: Call) -> dict[str, Any]:
        """Return the answer or error answer of a raw job; blocks until it is done. Only bugs raise."""
        started = time.monotonic()
        try:
            if isinstance(raw, Mapping) and "openai_route" in raw:
                answer = self._openai(raw, call)
            elif isinstance(raw, Mapping) and is_image_input(raw):
                answer = as_image_output(self.paint(read_image_input(raw), call))
            else:
                answer = self.work(parse(raw), call)
            if self.is_worn_out:
                answer |= {"refresh_worker": True}
            log.info("%s %s done in %.2f s", call.job_id, action_label(raw), time.monotonic() - started)
        except JobError as problem:
            answer = self.refusal(action_label(raw), problem)
            log.warning("%s failed after %.2f s: %s", call.job_id, time.monotonic() - started, problem.code)
        return answer

    def refusal(self, action: str, problem: JobError) -> dict[str, Any]:
        return ErrorAnswer.of(action, problem, refresh=self.is_worn_out).as_json()

    @property
    def status(self) -> Status:
        return self.worker.status

    @property
    def is_worn_out(self) -> bool:
        """True if a fresh process should replace this one."""
        return self.worker.is_worn_out

    def wait_until_loaded(self) -> None:
        """Wait for the model. Raises SettingsError if it could not be loaded."""
        self.worker.resident.until_loaded()

    def work(self, job: EditJob | GenerateJob | HealthJob, call: Call) -> dict[str, Any]:
        """Return the answer of a validated job. Raises JobError."""
        if isinstance(job, HealthJob):
            return health(self.worker)
        with self._counted(job.action, call) as call:
            delivery = self._delivery(call)
            if job.response_format == "url":
                delivery.require_bucket()
            answer = self._once(job, delivery, call)
            delivery.check(answer)
            return answer

    def paint(self, body: GenerationBody | EditBody, call: Call) -> dict[str, Any]:
        """Return the answer to a request of OpenAI's images API. Raises JobError."""
        with self._counted("paint", call) as call:
            delivery = self._delivery(call)
            reader = replace(self.reader, control=call.control, fetched=call.fetched, warnings=[])
            answer = ImagesApi(self.worker, reader, delivery, self._max_pixels).answer(body, call.control)
            delivery.check(answer)
            return answer

    def layout(self, job: EditJob, call: Call) -> dict[str, Any]:
        """Return where the products of a validated edit would go. Raises JobError."""
        known = self.worker.pictures
        reader = replace(self.reader, control=call.control, fetched=call.fetched, known=known, warnings=[])
        return layout(edit_request(job, reader), self.worker.cut_outs, call.control).as_json()

    def models(self) -> dict[str, Any]:
        return models(self.worker.resident)

    def model(self) -> dict[str, Any]:
        """Return the model of this worker, whatever name was asked for."""
        [only] = self.models()["data"]
        return dict(only)

    def _openai(self, job: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Answer a call to the endpoint's /openai path. A queue cannot stream."""
        route = openai_route(job["openai_route"])
        if route == MODELS:
            return self.models()
        if route == MODEL:
            return self.model()
        body = read_body(route, job.get("openai_input"))
        if body.stream:
            raise JobError(ErrorCode.NOT_SUPPORTED, "streaming is not possible through the queue", ("stream",))
        return self.paint(body, call)

    @contextmanager
    def _counted(self, action: str, call: Call) -> Iterator[Call]:
        """Count and trace a job; the memory is watched after it."""
        try:
            with self.worker.stats.job(), self.tracing.job(action, call.job_id, call.control, call.trace) as control:
                yield replace(call, control=control)
        finally:
            self.worker.memory_watch.after_job()

    def _once(self, job: EditJob | GenerateJob, delivery: Delivery, call: Call) -> dict[str, Any]:
        """Return the job's answer; a repeat under the same idempotency key gets the stored one."""
        if job.idempotency_key is None:
            return self._painted(job, delivery, call)
        body = [job.model_dump(), call.s3_config]
        answer = self.worker.idempotency.run(
            job.idempotency_key, body, call.control, lambda: self._painted(job, delivery, call), caller=call.caller
        )
        if delivery.holds(answer):
            return answer
        # The stored answer was made for a higher limit: paint again with the same seed for a smaller file.
        same = {"seed": (answer.get("placement_info") or answer["generation_info"])["seed"]}
        return self._painted(job.model_copy(update=same), delivery, call)

    def _painted(self, job: EditJob | GenerateJob, delivery: Delivery, call: Call) -> dict[str, Any]:
        """Read the pictures, run the verb and encode its result."""
        started, control = time.monotonic(), delivery.control
        control.progress("decode", 0, 1)
        within = control.between(0.05, 0.95)
        reader = replace(self.reader, control=control, fetched=call.fetched, warnings=[])
        match job:
            case EditJob():
                result = edit(edit_request(job, reader), self.worker, within)
            case GenerateJob():
                result = generate(generate_request(job, reader, self._max_pixels), self.worker, within)
        control.progress("encode", 95, 100)
        delivered = deliver(result, job, delivery)
        return PictureAnswer(
            action=job.action,
            **delivered,
            placement_info=result.info if isinstance(result.info, PlacementInfo) else None,
            placements=result.placements,
            generation_info=result.info if isinstance(result.info, GenerationInfo) else None,
            processing_time=round(time.monotonic() - started, 3),
        ).as_json()

    @property
    def _max_pixels(self) -> int:
        return int(self.settings.max_output_megapixels * MEGA)

    def _delivery(self, call: Call) -> Delivery:
        return Delivery(call.response_limit, self._bucket(call.s3_config) or call.store, call.folder, call.control)

    def _bucket(self, s3_config: object) -> Bucket | None:
        if s3_config is None:
            return self.bucket
        return Bucket.from_job(
            s3_config,
            prefix=self.settings.bucket_prefix,
            expiry_seconds=self.settings.bucket_expiry_seconds,
            allow_private=self.settings.allow_private_image_hosts,
        )


def action_label(raw: object) -> str:
    """Return the job's action, or `openai`."""
    return "openai" if isinstance(raw, Mapping) and "openai_route" in raw else action_of(raw)


def build_router(settings: Settings, resident: Resident) -> Router:
    decoder_process.prepare()
    fetcher = Fetcher(
        max_bytes=int(settings.max_image_mb * MEGA),
        allowed_hosts=settings.allowed_image_hosts,
        allow_private=settings.allow_private_image_hosts,
        total_seconds=settings.fetch_seconds,
    )
    limits = ImageLimits(int(settings.max_image_mb * MEGA), int(settings.max_image_megapixels * MEGA))
    worker = WorkerState.build(settings, resident)
    return Router(settings, worker, PictureReader(limits, fetcher), _own_bucket(settings), open_tracing(settings))


def _own_bucket(settings: Settings) -> Bucket | None:
    """Return the bucket from the settings. Raises SettingsError if its endpoint, keys or name are missing."""
    secret = settings.bucket_secret_access_key
    if settings.bucket_endpoint_url is None:
        if settings.bucket_name or settings.bucket_access_key_id or secret:
            raise SettingsError("BUCKET_NAME and the bucket's keys also need BUCKET_ENDPOINT_URL")
        return None
    if settings.bucket_access_key_id is None or secret is None:
        raise SettingsError("BUCKET_ENDPOINT_URL also needs BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY")
    try:
        locate(settings.bucket_endpoint_url, settings.bucket_name, settings.bucket_region, settings.bucket_addressing)
    except ValueError as problem:
        raise SettingsError(f"BUCKET_ENDPOINT_URL, BUCKET_NAME: {problem}") from problem
    return Bucket(
        endpoint_url=settings.bucket_endpoint_url,
        access_key_id=settings.bucket_access_key_id,
        secret_access_key=secret.get_secret_value(),
        name=settings.bucket_name,
        prefix=settings.bucket_prefix,
        expiry_seconds=settings.bucket_expiry_seconds,
        region=settings.bucket_region,
        addressing=settings.bucket_addressing,
    )
