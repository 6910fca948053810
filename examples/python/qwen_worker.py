"""A client for the picture worker in a single file to copy. Needs Python 3.11 and `pip install httpx`.

    worker = Worker(Endpoint("ENDPOINT_ID", "RUNPOD_API_KEY"))
    answer = worker.edit_product("chair.png", "room.jpg", instructions="on the left", product_height_cm=90)
    print(answer.seed, answer.save("out"))

AsyncWorker has the same methods with `await`. A job costs money, so it is never sent twice by default: see `resend`.
"""

import asyncio
import base64
import contextlib
import functools
import json
import math
import random
import re
import reprlib
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, Self, TypedDict, TypeVar, Unpack
from uuid import uuid4

import httpx

P = ParamSpec("P")
T = TypeVar("T")

Job = dict[str, Any]
PictureSource = str | PathLike[str] | bytes
"""A path, the file's bytes, or an https:// or data: URL."""

RUN_LIMIT, SYNC_LIMIT = 10_000_000, 20_000_000
"""Largest request in bytes that RunPod accepts at /run and at /runsync."""

SYNC_WAIT_SECONDS = 1
"""Seconds for which /runsync delays its reply, the shortest that RunPod allows: until then the job's id is unknown."""

LONGEST_RETRY_AFTER_SECONDS = 60.0

CONNECT_SECONDS = 10
LEAST_SECONDS = 0.001
"""Smallest socket timeout: negative ones are refused, and zero means none."""

CONNECTIONS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=3)
"""Servers close idle connections after five seconds or more, and a job sent at that moment would be lost."""

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
JOB_ID = re.compile(r"[\w-]+", re.ASCII)
SENTENCE = re.compile(r"(.*)\[([A-Z_]+)\]", re.DOTALL)

NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures before the first byte of a request was sent."""

REFUSED = (429, 503)
"""Statuses that mean that nothing has begun and that a later attempt may succeed."""

INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)

NOT_IMPLEMENTED = 501
"""The only status from 500 on that means that nothing has begun or ever will."""

CODES = {
    401: "UNAUTHORIZED",
    403: "UNAUTHORIZED",
    404: "NOT_FOUND",
    413: "REQUEST_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
    503: "UNREACHABLE",
}
"""Error codes for statuses without a code from the worker."""


class PictureFields(TypedDict, total=False):
    """Fields of edit_product and generate_environment; the worker's README explains each of them."""

    instructions: str
    negative_prompt: str
    num_inference_steps: int
    true_cfg_scale: float
    guidance_scale: float
    quality: Literal["fast", "balanced", "best"]
    seed: int
    n: int
    output_format: Literal["auto", "png", "jpeg", "webp"]
    output_quality: int
    response_format: Literal["b64", "data_url", "url"]
    fallback: bool
    idempotency_key: str
    product_name: str
    product_height_cm: float
    product_width_cm: float
    placement_surface: Literal["auto", "floor", "rug", "wall", "tabletop", "ceiling"]
    camera_height_cm: float
    harmonize: float


class EditFields(PictureFields, total=False):
    placement_coordinates: tuple[float, float]
    placement_box: tuple[float, float, float, float]
    product_scale: float
    rotation_degrees: float
    preserve_background: bool
    mask: PictureSource
    products: list["ProductFields"]
    replace: str | tuple[float, float, float, float]


class ProductFields(TypedDict, total=False):
    """One of several products of an edit; `product_image` is required."""

    product_image: PictureSource
    product_name: str
    product_height_cm: float
    product_width_cm: float
    instructions: str
    placement_coordinates: tuple[float, float]
    placement_box: tuple[float, float, float, float]
    placement_surface: Literal["auto", "floor", "rug", "wall", "tabletop", "ceiling"]
    product_scale: float
    rotation_degrees: float


class GenerateFields(PictureFields, total=False):
    environment_type: str
    output_size: tuple[int, int]


class PaintFields(TypedDict, total=False):
    """Fields of OpenAI's route in addition to the prompt."""

    negative_prompt: str
    n: int
    size: str
    quality: str
    num_inference_steps: int
    true_cfg_scale: float
    guidance_scale: float
    seed: int
    output_format: Literal["auto", "png", "jpeg", "webp"]
    output_compression: int
    response_format: Literal["b64_json", "url"]


class Policy(TypedDict, total=False):
    """Time limits of a job in milliseconds.

    `ttl` counts from its submission (default: a day), after which it is NOT_FOUND. `executionTimeout` counts at the
    worker (default: the endpoint's), after which it is TIMED_OUT.
    """

    ttl: int
    executionTimeout: int


@dataclass(frozen=True)
class Endpoint:
    """A RunPod serverless endpoint.

    `answer` sends a job to /run (10 MB, including the answer), or a larger one to /runsync (20 MB; the answer is kept
    for one minute instead of thirty). `route` fixes one of them.
    """

    endpoint_id: str
    api_key: str = field(repr=False)
    base_url: str = "https://api.runpod.ai/v2"
    route: Literal["auto", "run", "runsync"] = "auto"

    def __post_init__(self) -> None:
        _require_header(self.api_key)

    @property
    def url(self) -> str:
        return f"{self.base_url.rstrip('/')}/{self.endpoint_id}"


@dataclass(frozen=True)
class Server:
    """The worker's own HTTP server, such as http://localhost:8000."""

    url: str
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _require_header(self.api_key or "")


def _require_header(api_key: str) -> None:
    if api_key != api_key.strip() or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", api_key):
        raise WorkerError(
            "The API key contains a line break or another character that is not allowed in a header", "UNAUTHORIZED"
        )


@dataclass(frozen=True)
class Patience:
    """Time limits and pauses in seconds; `tries` is the largest number of attempts for a request that may be
    repeated."""

    job: float = 900
    """Time from a job's submission to its end, including its time in the queue. A Server stops the job when its caller
    hangs up."""
    reply: float = 30
    tries: int = 6
    pause: float = 0.5
    """Pause before the second try; it doubles with each further one, up to `longest_pause`."""
    longest_pause: float = 8
    poll: float = 0.3
    """Pause between two status requests for a running job; it grows up to `longest_poll`."""
    longest_poll: float = 2

    def pauses(self) -> Iterator[float]:
        """Yield the pause before each new try, with some randomness so that many callers do not return at once."""
        for again in range(self.tries - 1):
            yield min(self.pause * 2**again, self.longest_pause) * random.uniform(0.5, 1)  # noqa: S311 no secret


class WorkerError(Exception):
    """A failed call.

    `fields` names the invalid inputs. `code` is the worker's error code or one of this client's: OUTCOME_UNKNOWN,
    UNREACHABLE, UNAUTHORIZED, NOT_FOUND, REQUEST_TOO_LARGE, TOO_MANY_REQUESTS, REFUSED, ANSWER_MISSING, STILL_RUNNING,
    JOB_FAILED, MALFORMED, NOT_SUPPORTED.
    """

    def __init__(
        self,
        sentence: str,
        code: str,
        fields: tuple[str, ...] = (),
        job_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        super().__init__(sentence, code, fields, job_id, idempotency_key)  # all arguments, so that it can be pickled
        self.code = code
        self.fields = fields
        self.job_id = job_id
        self.idempotency_key = idempotency_key

    def __str__(self) -> str:
        return str(self.args[0])


class OutcomeUnknownError(WorkerError):
    """A request was sent, but no answer arrived, so the job may be running.

    The same call with this `idempotency_key` returns its answer if it reaches the same worker while that keeps it; at
    any other worker it is a second run.
    """


@dataclass(frozen=True)
class Progress:
    """`percent` of the whole job; `step` of `of` within the stage."""

    stage: str
    step: int
    of: int
    percent: int


OnProgress = Callable[[Progress], None]


class _ListenerError(Exception):
    """Wraps an exception from `on_progress`, so that it is not mistaken for a failure of the client."""

    def __init__(self, problem: BaseException) -> None:
        super().__init__(problem)
        self.problem = problem


@contextlib.contextmanager
def _listening(on_progress: OnProgress | None) -> Iterator[OnProgress | None]:
    try:
        yield _apart(on_progress) if on_progress else None
    except _ListenerError as raised:
        raise raised.problem from raised.problem.__cause__


def _apart(on_progress: OnProgress) -> OnProgress:
    def listen(progress: Progress) -> None:
        try:
            on_progress(progress)
        except BaseException as problem:
            raise _ListenerError(problem) from problem

    return listen


@dataclass(frozen=True)
class Picture:
    """A picture of an answer. `data` holds the file's bytes; it is empty for a picture in a bucket, available at
    `url`."""

    data: bytes = field(repr=False)
    mime_type: str
    seed: int
    url: str | None = None


@dataclass(frozen=True)
class Answer:
    """A job's answer.

    `info` is its placement_info or generation_info, or the details in an answer of OpenAI's route. `placements` has the
    position of each of several `products`, in request order.
    """

    pictures: tuple[Picture, ...]
    info: dict[str, Any]
    warnings: tuple[str, ...] = ()
    job_id: str | None = None
    placements: tuple[dict[str, Any], ...] = ()

    @property
    def seed(self) -> int:
        return self.pictures[0].seed

    def save(self, path: str | PathLike[str]) -> list[Path]:
        """Write the pictures and return their files: `path` with the right extension, numbered if there are several.

        Raises ValueError for a picture that is in a bucket and was not downloaded.
        """
        stem = Path(path)
        if stem.suffix.lower() in (".jpeg", *SUFFIXES.values()):
            stem = stem.with_suffix("")
        return [
            _written(picture, stem, f"-{number}" if len(self.pictures) > 1 else "")
            for number, picture in enumerate(self.pictures, 1)
        ]


@dataclass(frozen=True)
class JobResult:
    """The result of job number `index` of a `map`: its answer or its error."""

    index: int
    job: Job = field(repr=False)
    answer: Answer | None = None
    error: WorkerError | None = None


@dataclass
class _Order:
    """Yields the results of a `map` in the order of their jobs, or as they arrive."""

    in_order: bool
    _early: dict[int, JobResult] = field(default_factory=dict)
    _due: int = 0

    def ready(self, result: JobResult) -> Iterator[JobResult]:
        """Take a result and yield those whose turn it is."""
        if not self.in_order:
            yield result
            return
        self._early[result.index] = result
        while self._due in self._early:
            self._due += 1
            yield self._early.pop(self._due - 1)


def _written(picture: Picture, stem: Path, number: str) -> Path:
    if not picture.data:
        raise ValueError(f"The picture is at {picture.url}: call download() to fetch it")
    file = stem.with_name(stem.name + number + SUFFIXES[picture.mime_type])
    file.write_bytes(picture.data)
    return file


@dataclass(frozen=True)
class JobStatus:
    """The state of a job as RunPod reports it, in the reply of /status and the body of a webhook."""

    job_id: str
    state: str
    output: dict[str, Any] = field(repr=False)
    error: str | None = None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def progress(self) -> Progress | None:
        return None if self.is_final else _progress(self.output)

    def answer(self) -> Answer:
        """Return the job's answer. Raises WorkerError if the job failed or is not over."""
        self.require_completed()
        return replace(read_answer(self.output, self.job_id), job_id=self.job_id)

    def require_completed(self) -> None:
        if not self.is_final:
            raise WorkerError(f"Job {self.job_id} is {self.state}", "STILL_RUNNING", job_id=self.job_id)
        if self.state != "COMPLETED":
            codes = {"CANCELLED": "CANCELLED", "TIMED_OUT": "TIMEOUT"}
            sentence = self.error or f"The job is {self.state}"
            raise _error({**self.output, "error": sentence}, codes.get(self.state, "JOB_FAILED"), self.job_id)


def edit_job(product: PictureSource | None, room: PictureSource, **fields: Unpack[EditFields]) -> Job:
    """Return the job for `answer` and `submit`. Without a product, `products` holds several."""
    pictures: Job = {"room_image": as_text(room)}
    if product is not None:
        pictures["product_image"] = as_text(product)
    if "mask" in fields:
        pictures["mask"] = as_text(fields["mask"])
    if "products" in fields:
        pictures["products"] = [
            {**each, "product_image": as_text(each["product_image"])} for each in fields["products"]
        ]
    return {"action": "edit", "idempotency_key": uuid4().hex, **fields, **pictures}


def generate_job(product: PictureSource, **fields: Unpack[GenerateFields]) -> Job:
    """Return the job for `answer` and `submit`."""
    return {"action": "generate", "idempotency_key": uuid4().hex, **fields, "product_image": as_text(product)}


def as_text(picture: PictureSource) -> str:
    """Return the picture in the form that the worker reads: a URL unchanged, a file as base64."""
    if isinstance(picture, str) and picture.startswith(("https://", "http://", "data:")):
        return picture
    data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return base64.b64encode(data).decode()


def read_webhook(body: bytes | str) -> JobStatus:
    """Return the state in the request that RunPod sends when a job submitted with `webhook` is over.

    The request is not signed: put a secret into the URL. Raises WorkerError if the body is not such a request.
    """
    return read_status(_parsed(body))


def _parsed(text: bytes | str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise WorkerError(f"This is not JSON: {problem}", "MALFORMED") from problem


def read_status(told: object) -> JobStatus:
    """Return the state of a job. Raises WorkerError if `told` is not one."""
    match told:
        case {"id": str(job_id), "status": str(state), **others} if JOB_ID.fullmatch(job_id):
            output, error = others.get("output"), others.get("error")
            return JobStatus(
                job_id, state, output if isinstance(output, dict) else {}, error if isinstance(error, str) else None
            )
    raise WorkerError("This is not a job state from RunPod", "MALFORMED")


def read_answer(output: Mapping[str, Any], job_id: str | None = None) -> Answer:
    """Return the answer in a job's output or in a reply of OpenAI's route. Raises WorkerError if it is an error or not
    an answer."""
    if output.get("error"):
        raise _error(output, "JOB_FAILED", job_id)
    if not output:
        message = "The job ended without an answer: RunPod drops answers over its limit"
        raise WorkerError(message, "ANSWER_MISSING", job_id=job_id)
    try:
        return _answer(output)
    except ValueError as problem:
        raise WorkerError("This is not an answer from the worker", "MALFORMED", job_id=job_id) from problem


def _answer(output: Mapping[str, Any]) -> Answer:
    """Return the answer. Raises ValueError if `output` is not one."""
    warnings = tuple(_texts(output.get("warnings")))
    info = _object(output.get("placement_info") or output.get("generation_info"))
    match output:
        case {"processed_image": image, "mime_type": mime_type} if info:
            first = {"image": image, "mime_type": mime_type, "seed": info.get("seed")}
            placements = tuple(each for each in output.get("placements", ()) if isinstance(each, dict))
            return Answer(_pictures(output.get("images", [first])), info, warnings, placements=placements)
        case {"data": list(data), "model": str(model), "output_format": str(kind)}:
            variants = [_variant(one, f"image/{kind}") for one in data]
            return Answer(_pictures(variants), {"engine": model, **_others(output)}, warnings)
    raise ValueError("There is no picture")


def _variant(told: object, mime_type: str) -> object:
    """Return a picture of OpenAI's route in the form of the worker's own variants."""
    match told:
        case {"b64_json": str(text), "seed": seed} | {"url": str(text), "seed": seed}:
            return {"image": text, "mime_type": mime_type, "seed": seed}
    return None


def _texts(told: object) -> Iterator[str]:
    return (text for text in (told if isinstance(told, list) else ()) if isinstance(text, str))


def _others(output: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told for name, told in output.items() if name not in ("data", "warnings")}


def _pictures(variants: object) -> tuple[Picture, ...]:
    if not isinstance(variants, list) or not variants:
        raise ValueError("There is no picture")
    return tuple(map(_picture, variants))


def _picture(told: object) -> Picture:
    match told:
        case {"image": str(text), "mime_type": str(mime_type), "seed": int(seed)} if text and mime_type in SUFFIXES:
            if text.startswith(("https://", "http://")):
                return Picture(b"", mime_type, seed, text)
            return Picture(base64.b64decode(text.rpartition(",")[2], validate=True), mime_type, seed)
    raise ValueError("This is not a picture")


def _progress(told: object) -> Progress | None:
    match told:
        case {"stage": str(stage), "step": int(step), "of": int(of), "percent": int(percent)}:
            return Progress(stage, step, of, percent)
    return None


def _error(told: Mapping[str, Any], code: str, job_id: str | None = None) -> WorkerError:
    """Return the error in the form of a job, of OpenAI's route or of the platform; `code` is used if none gives one."""
    match told.get("error") or told.get("detail"):
        case {"message": str(sentence), "code": str(own), "param": None | str() as param}:
            return WorkerError(sentence, own, (param,) if param else (), job_id)
        case str(text):
            coded = SENTENCE.fullmatch(text)
            sentence, code = (coded[1].rstrip(), coded[2]) if coded else (text, code)
            code = next(_texts([told.get("error_code")]), code)
            return WorkerError(sentence, code, tuple(_texts(told.get("fields"))), job_id)
        case unknown:
            return WorkerError(f"The platform failed: {reprlib.repr(unknown)}", code, job_id=job_id)


@dataclass(frozen=True)
class _Ask:
    method: Literal["GET", "POST"]
    url: str
    api_key: str | None = None
    body: bytes | None = None
    seconds: float = 30
    """Longest wait for the next byte of the reply."""
    end: float = math.inf
    """Time on the monotonic clock after which the request is neither awaited nor sent again."""
    resends: float = math.inf
    """Number of times it may be sent again when the fate of the previous attempt is unknown."""
    refusals: tuple[int, ...] = REFUSED
    hear: Callable[[str], None] | None = None
    """Receives the lines of a reply that arrives as events."""
    job_id: str | None = None
    idempotency_key: str | None = None
    begins: bool = False
    """True if it starts a job, whose id is in the reply."""

    @property
    def size(self) -> int:
        return len(self.body or b"")

    @property
    def options(self) -> dict[str, Any]:
        headers: dict[str, str | bytes] = {"Accept": "text/event-stream" if self.hear else "application/json"}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}".encode()  # httpx would encode text as ASCII
        seconds = max(min(self.seconds, self.end - time.monotonic()), LEAST_SECONDS)
        timeout = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        return {"headers": headers, "content": self.body, "timeout": timeout}


def _heard(ask: _Ask, hear: Callable[[str], None], line: str) -> None:
    """Pass a line on. Raises httpx.ReadTimeout if it arrives after the deadline."""
    if time.monotonic() > ask.end:
        raise httpx.ReadTimeout("the job takes too long")
    hear(line)


def _streams(response: httpx.Response) -> bool:
    return response.headers.get("content-type", "").startswith("text/event-stream")


Reply = Callable[[float | None], Awaitable[httpx.Response]]
"""Waits for the reply for a number of seconds. A caller that stops waiting may call it again."""


class _Wire(Protocol):
    """The operations that differ between blocking and asynchronous calls."""

    async def send(self, ask: _Ask) -> httpx.Response: ...
    def begin(self, ask: _Ask) -> Reply: ...
    async def sleep(self, seconds: float) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True)
class _Awaiting:
    http: httpx.AsyncClient

    async def send(self, ask: _Ask) -> httpx.Response:
        async with self.http.stream(ask.method, ask.url, **ask.options) as response:
            if ask.hear and _streams(response):
                async for line in response.aiter_lines():
                    _heard(ask, ask.hear, line)
            else:
                await response.aread()
            return response

    def begin(self, ask: _Ask) -> Reply:
        sending = asyncio.create_task(self.send(ask))
        return lambda seconds: asyncio.wait_for(asyncio.shield(sending), seconds)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self.http.aclose()


@dataclass(frozen=True)
class _Blocking:
    """Never awaits anything, so that a coroutine using it runs to its end in one go: see `_finished`."""

    http: httpx.Client

    async def send(self, ask: _Ask) -> httpx.Response:
        with self.http.stream(ask.method, ask.url, **ask.options) as response:
            if ask.hear and _streams(response):
                for line in response.iter_lines():
                    _heard(ask, ask.hear, line)
            else:
                response.read()
            return response

    def begin(self, ask: _Ask) -> Reply:
        """Send on a thread, which Ctrl-C does not interrupt."""
        threads = ThreadPoolExecutor(1)
        sending = threads.submit(_finished, self.send(ask))
        threads.shutdown(wait=False)

        async def reply(seconds: float | None) -> httpx.Response:
            return sending.result(seconds)

        return reply

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def close(self) -> None:
        self.http.close()


@dataclass(frozen=True)
class _Stoppable(_Blocking):
    """Blocking calls on the threads of a `map`, which Ctrl-C does not reach: raises KeyboardInterrupt once `stopped` is
    set."""

    stopped: threading.Event

    async def send(self, ask: _Ask) -> httpx.Response:
        hear = ask.hear

        def listen(line: str) -> None:
            if self.stopped.is_set():
                raise KeyboardInterrupt
            assert hear
            hear(line)

        return await super().send(replace(ask, hear=listen) if hear else ask)

    async def sleep(self, seconds: float) -> None:
        if self.stopped.wait(seconds):
            raise KeyboardInterrupt


def _finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never awaits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("what blocks never awaits")


class _Events:
    """The event stream of a job: progress, and finally the answer or the error."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.on_progress = on_progress
        self.output: dict[str, Any] | None = None
        self._name = ""

    def hear(self, line: str) -> None:
        kind, _, text = line.partition(": ")
        if kind == "event":
            self._name = text
        elif kind == "data" and self._name in ("answer", "error"):
            self.output = _object(_parsed(text))
        elif kind == "data" and (progress := _progress(_parsed(text))):
            self.on_progress(progress)


@dataclass(frozen=True)
class _Calls:
    """The calls of both workers."""

    place: Endpoint | Server
    patience: Patience
    _wire: _Wire

    async def edit_product(
        self,
        product: PictureSource | None,
        room: PictureSource,
        *,
        on_progress: OnProgress | None = None,
        resend: bool = False,
        **fields: Unpack[EditFields],
    ) -> Answer:
        """Put the product into the room photo. Raises WorkerError; `resend` as in `answer`."""
        return await self.answer(edit_job(product, room, **fields), on_progress=on_progress, resend=resend)

    async def generate_environment(
        self,
        product: PictureSource,
        *,
        on_progress: OnProgress | None = None,
        resend: bool = False,
        **fields: Unpack[GenerateFields],
    ) -> Answer:
        """Make a new room around the product. Raises WorkerError; `resend` as in `answer`."""
        return await self.answer(generate_job(product, **fields), on_progress=on_progress, resend=resend)

    async def answer(self, job: Job, *, on_progress: OnProgress | None = None, resend: bool = False) -> Answer:
        """Run a job from `edit_job` or `generate_job` and return its answer. Raises WorkerError.

        If the reply to the submission is lost, OutcomeUnknownError is raised; with `resend` the job is sent once more
        under the same idempotency key, and may then run twice.

        An interruption while waiting (Ctrl-C, a cancelled task) cancels the job; if its id is not known yet, this waits
        for the platform's reply. An exception in `on_progress` cancels the job too, and is raised unchanged.
        """
        with _listening(on_progress) as listen:
            if isinstance(self.place, Server):
                answer = await self._served(job, listen, resend)
            else:
                answer = (await self._queued(self.place, job, listen, resend)).answer()
        return answer if job.get("response_format") == "url" else await self.download(answer)

    async def _result(self, index: int, job: Job, resend: bool) -> JobResult:
        """Return the result of one job. Asking for progress makes a server send events, between which a stop is
        noticed."""
        try:
            return JobResult(index, job, await self.answer(job, on_progress=lambda _: None, resend=resend))
        except WorkerError as problem:
            return JobResult(index, job, error=problem)

    async def paint(self, prompt: str, *, resend: bool = False, **fields: Unpack[PaintFields]) -> Answer:
        """Make a picture from a prompt with OpenAI's /v1/images/generations.

        This route has no idempotency key: with `resend`, a request whose reply was lost is painted again.
        """
        path = "/openai/v1/images/generations" if isinstance(self.place, Endpoint) else "/v1/images/generations"
        ask = replace(self._whole(path, {"prompt": prompt, **fields}), resends=int(resend))
        answer = read_answer(await self._told(ask))
        return answer if fields.get("response_format") == "url" else await self.download(answer)

    async def submit(
        self, job: Job, *, webhook: str | None = None, policy: Policy | None = None, resend: bool = False
    ) -> str:
        """Submit a job and return its id. The job continues without its caller.

        Get the answer with `wait`, or at the `webhook` with `read_webhook`. `resend` as in `answer`.
        """
        self._require_queue("submit")
        beside = {"webhook": webhook, "policy": policy}
        ask = self._ask("POST", "/run", {"input": job} | {name: told for name, told in beside.items() if told})
        return (await self._begun(ask, job, RUN_LIMIT, resend)).job_id

    async def status(self, job_id: str) -> JobStatus:
        self._require_queue("status")
        return read_status(await self._told(replace(self._ask("GET", f"/status/{job_id}"), job_id=job_id)))

    async def wait(self, job_id: str, *, on_progress: OnProgress | None = None) -> Answer:
        """Return the answer of a submitted job. Raises WorkerError; STILL_RUNNING after `patience.job` seconds, in
        which case the job continues."""
        return await self.download((await self._over(await self.status(job_id), on_progress)).answer())

    async def cancel(self, job_id: str) -> JobStatus:
        self._require_queue("cancel")
        return read_status(await self._told(replace(self._ask("POST", f"/cancel/{job_id}"), job_id=job_id)))

    async def health(self) -> dict[str, Any]:
        """Return RunPod's counts of the endpoint's jobs and workers, or the server's health. Starts no worker."""
        return await self._told(self._ask("GET", "/health"))

    async def health_check(self) -> dict[str, Any]:
        """Return a worker's description of itself.

        Its `status` is `healthy`, `loading` or `unhealthy`. On RunPod this is a job, which starts a worker.
        """
        job = {"action": "health_check"}
        if isinstance(self.place, Server):
            ask = self._ask("POST", "/", {"input": job})
            response = await self._sent(ask)
            told = _checked(response, ask)
            if "status" not in told:
                raise _refusal(response, ask)
            return told
        status = await self._queued(self.place, job, None, resend=True)
        status.require_completed()
        return status.output

    async def download(self, answer: Answer) -> Answer:
        """Return the answer with the pictures in a bucket downloaded."""
        return replace(answer, pictures=tuple([await self._here(picture) for picture in answer.pictures]))

    async def close(self) -> None:
        await self._wire.close()

    async def _here(self, picture: Picture) -> Picture:
        if picture.url is None or picture.data:
            return picture
        got = await self._sent(_Ask("GET", picture.url, seconds=self.patience.reply))
        if not got.is_success:
            raise WorkerError(f"The picture's URL answered {got.status_code}", "NOT_FOUND")
        return replace(picture, data=got.content)

    async def _served(self, job: Job, on_progress: OnProgress | None, resend: bool) -> Answer:
        events = _Events(on_progress) if on_progress else None
        ask = replace(
            self._whole(f"/v1/{job['action']}", job),
            resends=int(resend),
            hear=events.hear if events else None,
            idempotency_key=job.get("idempotency_key"),
        )
        response = await self._sent(ask)
        if events is None or not _streams(response):
            return read_answer(_checked(response, ask))
        if events.output is None:
            raise _lost("the stream ended early", ask)
        return read_answer(events.output)

    async def _queued(self, place: Endpoint, job: Job, on_progress: OnProgress | None, resend: bool) -> JobStatus:
        ask, limit = self._ask("POST", "/run", {"input": job}), RUN_LIMIT
        if place.route == "runsync" or (place.route == "auto" and ask.size > RUN_LIMIT):
            url, limit = f"{place.url}/runsync?wait={SYNC_WAIT_SECONDS * 1000}", SYNC_LIMIT
            ask = replace(ask, url=url, seconds=self.patience.reply + SYNC_WAIT_SECONDS)
        status = await self._begun(ask, job, limit, resend)
        try:
            return await self._over(status, on_progress)
        except INTERRUPTS as interrupt:
            await self._give_up(status.job_id, interrupt)
            raise
        except _ListenerError as raised:
            await self._give_up(status.job_id, raised.problem)
            raise

    async def _give_up(self, job_id: str, interrupt: BaseException) -> None:
        """Cancel the job. If that fails the job continues and costs money, so a note is added to `interrupt`."""
        try:
            await self.cancel(job_id)
        except WorkerError as problem:
            interrupt.add_note(f"Job {job_id} may continue because it could not be cancelled: {problem}")

    async def _begun(self, ask: _Ask, job: Job, limit: int, resend: bool) -> JobStatus:
        _require_room(ask, limit)
        ask = replace(ask, resends=int(resend), idempotency_key=job.get("idempotency_key"), begins=True)
        return read_status(await self._told(ask))

    async def _over(self, status: JobStatus, on_progress: OnProgress | None) -> JobStatus:
        end, pause, seen = time.monotonic() + self.patience.job, self.patience.poll, None
        while not status.is_final:
            if on_progress and status.progress and status.progress != seen:
                seen = status.progress
                on_progress(seen)
            if time.monotonic() > end:
                status.require_completed()
            await self._wire.sleep(pause)
            pause = min(pause * 1.5, self.patience.longest_poll)
            status = await self.status(status.job_id)
        return status

    async def _told(self, ask: _Ask) -> dict[str, Any]:
        return _checked(await self._sent(ask), ask)

    async def _sent(self, ask: _Ask) -> httpx.Response:
        """Send the request, again if nothing can have begun, and after any other failure only as often as `ask`
        allows."""
        _require_address(ask)
        pauses, lost = self.patience.pauses(), 0
        while True:
            least = 0.0
            try:
                response = await (self._begin(ask) if ask.begins else self._wire.send(ask))
            except httpx.UnsupportedProtocol as problem:
                raise _unreachable(ask, problem) from problem
            except NEVER_LEFT as problem:
                failure = _unreachable(ask, problem)
            except httpx.RequestError as problem:
                failure = _lost(str(problem) or type(problem).__name__, ask)
            else:
                if response.status_code in ask.refusals:
                    failure, least = _refusal(response, ask), _retry_after(response)
                elif _is_settled(response):
                    return response
                else:
                    failure = _lost(f"status {response.status_code}", ask)
            lost += isinstance(failure, OutcomeUnknownError)
            pause = next(pauses, None)
            if pause is None or lost > ask.resends or time.monotonic() + max(pause, least) > ask.end:
                raise failure
            await self._wire.sleep(max(pause, least))

    async def _begin(self, ask: _Ask) -> httpx.Response:
        """Send without interruption: the job could not be cancelled without the id in the reply."""
        reply = self._wire.begin(ask)
        try:
            return await reply(None)
        except INTERRUPTS as interrupt:
            try:
                job_id = read_status(_json(await reply(ask.seconds))).job_id
            except Exception:  # noqa: BLE001 what counts is the interrupt
                interrupt.add_note("The job may have begun and could not be cancelled: its id never arrived")
            else:
                await self._give_up(job_id, interrupt)
            raise

    def _ask(self, method: Literal["GET", "POST"], path: str, told: Mapping[str, Any] | None = None) -> _Ask:
        body = None if told is None else json.dumps(told).encode()
        url = self.place.url.rstrip("/") + path
        return _Ask(method, url, self.place.api_key, body, seconds=self.patience.reply)

    def _whole(self, path: str, told: Mapping[str, Any]) -> _Ask:
        """Return a request whose reply is the answer: the job's patience covers all its tries."""
        seconds = self.patience.job
        return replace(self._ask("POST", path, told), seconds=seconds, end=time.monotonic() + seconds)

    def _require_queue(self, what: str) -> None:
        if isinstance(self.place, Server):
            raise WorkerError(f"A server has no queue and therefore no {what}(): use answer()", "NOT_SUPPORTED")


def _require_address(ask: _Ask) -> None:
    try:
        httpx.URL(ask.url).raw_host.decode().encode("idna")  # raises the same error as the name lookup would
    except (httpx.InvalidURL, UnicodeError) as problem:
        raise _unreachable(ask, problem) from problem


def _require_room(ask: _Ask, limit: int) -> None:
    if ask.size > limit:
        sizes = f"The job is {ask.size / 1e6:.1f} MB, but RunPod accepts {limit / 1e6:g} MB here"
        ways = "send the pictures as https:// URLs, or smaller ones"
        others = f"; /runsync accepts up to {SYNC_LIMIT / 1e6:g} MB" if ask.size <= SYNC_LIMIT else ""
        raise WorkerError(f"{sizes}: {ways}{others}", "REQUEST_TOO_LARGE")


def _json(response: httpx.Response) -> dict[str, Any]:
    """Return the reply's JSON object; empty if it is not one."""
    with contextlib.suppress(WorkerError):
        return _object(_parsed(response.content))
    return {}


def _object(told: object) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}


def _checked(response: httpx.Response, ask: _Ask) -> dict[str, Any]:
    told = _json(response)
    if not response.is_success or not told:
        raise _refusal(response, ask)
    return told


def _refusal(response: httpx.Response, ask: _Ask) -> WorkerError:
    code = "MALFORMED" if response.is_success else CODES.get(response.status_code, "REFUSED")
    told = _json(response)
    if told.get("error") or told.get("detail"):
        return _error(told, code, ask.job_id)
    text = "" if "html" in response.headers.get("content-type", "") else " ".join(response.text[:200].split())
    reason = "but is not a worker" if response.is_success else response.reason_phrase
    sentence = f"{ask.url} answered {response.status_code} {reason}"
    return WorkerError(f"{sentence}: {text}" if text else sentence, code, (), ask.job_id)


def _unreachable(ask: _Ask, problem: Exception) -> WorkerError:
    return WorkerError(f"{ask.url} cannot be reached: {problem}", "UNREACHABLE", (), ask.job_id)


def _is_settled(response: httpx.Response) -> bool:
    """Return True if the job is known to be over or never to have begun: an error with a code comes from the worker
    itself."""
    if response.status_code < 500 or response.status_code == NOT_IMPLEMENTED:
        return True
    told = _json(response)
    error = told.get("error")
    return "error_code" in told or (isinstance(error, dict) and "code" in error)


def _lost(reason: str, ask: _Ask) -> WorkerError:
    if ask.resends == math.inf:
        return WorkerError(f"{ask.url} does not answer: {reason}", "UNREACHABLE", (), ask.job_id)
    sentence = f"The answer was lost ({reason}): the job may be running"
    return OutcomeUnknownError(sentence, "OUTCOME_UNKNOWN", (), ask.job_id, ask.idempotency_key)


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return min(float(text), LONGEST_RETRY_AFTER_SECONDS) if text.isdecimal() else 0.0


class AsyncWorker(_Calls):
    """An asynchronous client. Pass `http` for your own proxies and certificates."""

    def __init__(
        self, place: Endpoint | Server, *, patience: Patience = Patience(), http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(place, patience, _Awaiting(http or httpx.AsyncClient(limits=CONNECTIONS)))

    async def map(
        self, jobs: Iterable[Job], *, concurrency: int = 4, in_order: bool = True, resend: bool = False
    ) -> AsyncGenerator[JobResult]:
        """Yield the results of many jobs, at most `concurrency` of which run at once; see Worker.map."""
        order, numbered, running = _Order(in_order), enumerate(jobs), set[asyncio.Task[JobResult]]()
        try:
            while True:
                for index, job in islice(numbered, concurrency - len(running)):
                    running.add(asyncio.create_task(self._result(index, job, resend)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for result in (ready for task in done for ready in order.ready(task.result())):
                    yield result
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _blocking(
    method: Callable[Concatenate[_Calls, P], Coroutine[Any, Any, T]],
) -> "Callable[Concatenate[Worker, P], T]":
    @functools.wraps(method)
    def blocking(worker: "Worker", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return _finished(method(worker._calls, *args, **kwargs))

    return blocking


class Worker:
    """A blocking client, with the same methods as AsyncWorker."""

    def __init__(
        self, place: Endpoint | Server, *, patience: Patience = Patience(), http: httpx.Client | None = None
    ) -> None:
        self._http = http or httpx.Client(limits=CONNECTIONS)
        self._calls = _Calls(place, patience, _Blocking(self._http))

    def map(
        self, jobs: Iterable[Job], *, concurrency: int = 4, in_order: bool = True, resend: bool = False
    ) -> Generator[JobResult]:
        """Yield the results of many jobs, at most `concurrency` of which run at once.

        A failed job is a result with an `error`. Jobs are taken from the iterable as they are sent, so it may create
        them one by one. Results come in the order of the jobs or, without `in_order`, as they arrive. Stopping early
        (Ctrl-C, `break`, an error in the iterable) cancels the running jobs. `resend` as in `answer`.
        """
        stopped, order, numbered = threading.Event(), _Order(in_order), enumerate(jobs)
        calls, running = replace(self._calls, _wire=_Stoppable(self._http, stopped)), set[Future[JobResult]]()
        with ThreadPoolExecutor(concurrency) as threads:
            try:
                while True:
                    for index, job in islice(numbered, concurrency - len(running)):
                        running.add(threads.submit(_finished, calls._result(index, job, resend)))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield from order.ready(future.result())
            finally:
                stopped.set()

    edit_product = _blocking(_Calls.edit_product)
    generate_environment = _blocking(_Calls.generate_environment)
    answer = _blocking(_Calls.answer)
    paint = _blocking(_Calls.paint)
    submit = _blocking(_Calls.submit)
    status = _blocking(_Calls.status)
    wait = _blocking(_Calls.wait)
    cancel = _blocking(_Calls.cancel)
    health = _blocking(_Calls.health)
    health_check = _blocking(_Calls.health_check)
    download = _blocking(_Calls.download)
    close = _blocking(_Calls.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
