"""Raw job in, answer out: validates, routes on the action, and turns every expected failure into an error answer."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from handlers.deliver import NO_LIMIT, Delivery, deliver
from handlers.edit import edit
from handlers.generate import generate
from handlers.health import health, status_of
from handlers.images import PictureReader
from handlers.openai import MODEL, MODELS, ImagesApi, models, openai_route, read_body
from handlers.parse import action_of, parse
from handlers.quality_checks import Thresholds
from handlers.requests import edit_request, generate_request
from handlers.runtime.engine_runner import EngineRunner, Made
from handlers.runtime.idempotency import IdempotencyCache
from handlers.runtime.job_stats import JobStats
from handlers.runtime.memory_watch import MemoryWatch
from imaging.codec.decode import ImageLimits
from models.engine import Control
from models.preview import Preview
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
    """How a job came in, beside its input."""

    job_id: str
    control: Control = field(default_factory=Control)
    response_limit: int = NO_LIMIT
    s3_config: object = None
    folder: Folder | None = None
    caller: str = ""
    """Whose job it is: idempotency keys of different callers do not meet. The queue has one caller."""


@dataclass(frozen=True)
class Router:
    settings: Settings
    runner: EngineRunner
    reader: PictureReader
    bucket: Bucket | None
    idempotency: IdempotencyCache
    memory_watch: MemoryWatch

    def answer(self, raw: object, call: Call) -> dict[str, Any]:
        """Blocks until the job is done. Raises only what is a bug."""
        started = time.monotonic()
        try:
            if isinstance(raw, Mapping) and "openai_route" in raw:
                answer = self._openai(raw, call)
            else:
                answer = self.work(parse(raw), call)
            if self.is_worn_out:
                answer |= {"refresh_worker": True}
            log.info("%s %s done in %.2f s", call.job_id, doing(raw), time.monotonic() - started)
        except JobError as problem:
            answer = self.refusal(doing(raw), problem)
            log.warning("%s failed after %.2f s: %s", call.job_id, time.monotonic() - started, problem.code)
        return answer

    def refusal(self, action: str, problem: JobError) -> dict[str, Any]:
        return ErrorAnswer.of(action, problem, refresh=self.is_worn_out).as_json()

    @property
    def is_worn_out(self) -> bool:
        """Whether a fresh process should take this one's place."""
        return self.memory_watch.is_beyond or self.runner.stats.engine_is_broken

    def paint(self, body: GenerationBody | EditBody, call: Call) -> dict[str, Any]:
        """The answer of OpenAI's images API. Raises JobError."""
        with self._counted():
            delivery = self._delivery(call)
            max_pixels = int(self.settings.max_output_megapixels * MEGA)
            reader = replace(self.reader, control=call.control)
            answer = ImagesApi(self.runner, reader, delivery, max_pixels).answer(body, call.control)
            delivery.check(answer)
            return answer

    @property
    def status(self) -> str:
        """`healthy`, `loading` or `unhealthy`."""
        return status_of(self.runner.resident, self.runner.stats)

    def models(self) -> dict[str, Any]:
        return models(self.runner.resident)

    def model(self) -> dict[str, Any]:
        """What paints here, by whatever name it was asked for."""
        [only] = self.models()["data"]
        return dict(only)

    def _openai(self, job: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """What the platform hands over of a call to its /openai path. A queue has no streams."""
        route = openai_route(job["openai_route"])
        if route == MODELS:
            return self.models()
        if route == MODEL:
            return self.model()
        body = read_body(route, job.get("openai_input"))
        if body.stream:
            raise JobError(ErrorCode.NOT_SUPPORTED, "stream is not possible through a queue", ("stream",))
        return self.paint(body, call)

    def work(self, job: EditJob | GenerateJob | HealthJob, call: Call) -> dict[str, Any]:
        """The answer of a job that can be done. Raises JobError."""
        if isinstance(job, HealthJob):
            return health(self.runner.resident, self.runner.stats)
        with self._counted():
            return self._pictured(job, call)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            with self.runner.stats.job():
                yield
        finally:
            self.memory_watch.after_job()

    def _pictured(self, job: EditJob | GenerateJob, call: Call) -> dict[str, Any]:
        delivery = self._delivery(call)
        if job.response_format == "url":
            delivery.require_bucket()
        if job.idempotency_key is None:
            answer = self._work(job, delivery, call.control)
        else:
            body = [job.model_dump(), call.s3_config]
            answer = self.idempotency.run(
                job.idempotency_key,
                body,
                call.control,
                lambda: self._work(job, delivery, call.control),
                caller=call.caller,
            )
            if not delivery.holds(answer):  # it was made for a caller with more room
                same = {"seed": (answer.get("placement_info") or answer["generation_info"])["seed"]}
                answer = self._work(job.model_copy(update=same), delivery, call.control)
        delivery.check(answer)
        return answer

    def _work(self, job: EditJob | GenerateJob, delivery: Delivery, control: Control) -> dict[str, Any]:
        started = time.monotonic()
        control.progress("decode", 0, 1)
        made = self._made(job, control)
        control.progress("encode", 95, 100)
        delivered = deliver(made, job, delivery)
        return PictureAnswer(
            action=job.action,
            **delivered,
            placement_info=made.info if isinstance(made.info, PlacementInfo) else None,
            generation_info=made.info if isinstance(made.info, GenerationInfo) else None,
            processing_time=round(time.monotonic() - started, 3),
        ).as_json()

    def _made(self, job: EditJob | GenerateJob, control: Control) -> Made:
        within, reader = control.between(0.05, 0.95), replace(self.reader, control=control)
        match job:
            case EditJob():
                return edit(edit_request(job, reader), self.runner, within)
            case GenerateJob():
                limit = int(self.settings.max_output_megapixels * MEGA)
                return generate(generate_request(job, reader, limit), self.runner, within)

    def _delivery(self, call: Call) -> Delivery:
        return Delivery(call.response_limit, self._bucket(call.s3_config), call.folder, call.control)

    def _bucket(self, s3_config: object) -> Bucket | None:
        if s3_config is None:
            return self.bucket
        return Bucket.from_job(
            s3_config,
            prefix=self.settings.bucket_prefix,
            expiry_seconds=self.settings.bucket_expiry_seconds,
            allow_private=self.settings.allow_private_image_hosts,
        )


def doing(raw: object) -> str:
    """The action that a job asks for, or `openai`."""
    return "openai" if isinstance(raw, Mapping) and "openai_route" in raw else action_of(raw)


def build_router(settings: Settings, resident: Resident) -> Router:
    fetcher = Fetcher(
        max_bytes=int(settings.max_image_mb * MEGA),
        allowed_hosts=settings.allowed_image_hosts,
        allow_private=settings.allow_private_image_hosts,
        total_seconds=settings.fetch_seconds,
    )
    limits = ImageLimits(int(settings.max_image_mb * MEGA), int(settings.max_image_megapixels * MEGA))
    return Router(
        settings=settings,
        runner=EngineRunner(resident, Preview(), JobStats(settings.failures_before_refresh), Thresholds.of(settings)),
        reader=PictureReader(limits, fetcher),
        bucket=_own_bucket(settings),
        idempotency=IdempotencyCache(settings.idempotency_seconds, int(settings.idempotency_mb * MEGA)),
        memory_watch=MemoryWatch(int(settings.max_memory_growth_mb * MEGA)),
    )


def _own_bucket(settings: Settings) -> Bucket | None:
    """Raises SettingsError for a bucket without its endpoint or its keys, or of no name."""
    secret = settings.bucket_secret_access_key
    if settings.bucket_endpoint_url is None:
        if settings.bucket_name or settings.bucket_access_key_id or secret:
            raise SettingsError("BUCKET_NAME and the bucket's keys need BUCKET_ENDPOINT_URL beside them")
        return None
    if settings.bucket_access_key_id is None or secret is None:
        raise SettingsError("BUCKET_ENDPOINT_URL needs BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY beside it")
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
