"""A job's progress and answer as server-sent events, with the names that OpenAI's clients know."""

import asyncio
import contextlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Any

from fastapi.sse import format_sse_event

from handlers.images import as_base64
from imaging.codec.encode import DigitalSource, FileFormat, encode
from imaging.picture import Picture, Pixels, scaled_size, size_of
from imaging.resize import resized
from models.engine import Progress
from schemas.errors import JobError
from schemas.openai import (
    OUR_QUALITIES,
    THEIR_QUALITIES,
    CompletedEvent,
    EditBody,
    GenerationBody,
    OpenAIQuality,
    PartialImageEvent,
)
from web.errors import error_body

LONGEST_SIDE = 512
"""Longest side of an unfinished picture, in pixels."""

PARTIAL_QUALITY = 80

EDITED: DigitalSource = "compositeWithTrainedAlgorithmicMedia"
PAINTED: DigitalSource = "trainedAlgorithmicMedia"

QUIET_SECONDS = 15
"""Interval of comments that keep proxies from closing a quiet connection."""

END = b""


class Events(ABC):
    """Events of one job. `report`, `show` and `finish` are called on the job's thread, the rest on the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[bytes | JobError] = asyncio.Queue()

    def report(self, progress: Progress) -> None:
        """Send progress, except at 0 percent: a job whose pictures cannot be read has not begun."""
        if progress.percent:
            self.put(self.progress_event(progress))

    @abstractmethod
    def progress_event(self, progress: Progress) -> bytes: ...

    @abstractmethod
    def show(self, pixels: Pixels) -> None: ...

    @abstractmethod
    def finish(self, answer: dict[str, Any]) -> None: ...

    @abstractmethod
    def failure(self, problem: JobError) -> dict[str, Any]:
        """Return the data of the `error` event."""

    def end(self, problem: JobError | None) -> None:
        """End the stream, with an error if there is one. Called on the event loop after everything else."""
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, problem or END)

    async def begun(self, patience: float) -> list[bytes]:
        """Return the first event of a job, or nothing after `patience` seconds.

        Raises the JobError of a job that fails before it begins.
        """
        first = await self._next(patience)
        if isinstance(first, JobError):
            raise first
        return [] if first is None else [first]

    async def texts(self, begun: list[bytes]) -> AsyncIterator[bytes]:
        for text in begun:
            yield text
        if END in begun:
            return
        while True:
            came = await self._next(QUIET_SECONDS)
            if isinstance(came, JobError):
                yield _event("error", self.failure(came))
            if isinstance(came, JobError) or came == END:
                return
            yield came or b": waiting\n\n"

    async def _next(self, patience: float) -> bytes | JobError | None:
        """Return the next event, or None after `patience` seconds without one."""
        try:
            async with asyncio.timeout(patience):
                return await self._waiting.get()
        except TimeoutError:
            return None

    def put(self, text: bytes) -> None:
        with contextlib.suppress(RuntimeError):  # the server is gone
            self._loop.call_soon_threadsafe(self._waiting.put_nowait, text)


class ImageEvents(Events):
    """Events of OpenAI's API. Progress is sent as comments, which its clients skip."""

    def __init__(self, body: GenerationBody | EditBody) -> None:
        super().__init__()
        self._body = body
        self._shown = 0

    def progress_event(self, progress: Progress) -> bytes:
        return format_sse_event(comment=json.dumps(asdict(progress)))

    def show(self, pixels: Pixels) -> None:
        if self._shown < self._body.partial_images:
            event = self._partial(pixels, self._shown)
            self.put(_event(event["type"], event))
            self._shown += 1

    def finish(self, answer: dict[str, Any]) -> None:
        for painted in answer.pop("data"):
            event = self._completed(answer, painted)
            self.put(_event(event["type"], event))

    def failure(self, problem: JobError) -> dict[str, Any]:
        return error_body(problem)

    @property
    def _family(self) -> str:
        return "image_edit" if isinstance(self._body, EditBody) else "image_generation"

    @property
    def _quality(self) -> OpenAIQuality:
        return THEIR_QUALITIES[OUR_QUALITIES[self._body.quality]]

    def _partial(self, pixels: Pixels, index: int) -> dict[str, Any]:
        asked = self._body.output_format
        file_format: FileFormat = "jpeg" if asked == "auto" else asked
        small = _small(pixels)
        source = EDITED if isinstance(self._body, EditBody) else PAINTED
        return PartialImageEvent(
            type=f"{self._family}.partial_image",
            b64_json=as_base64(encode(Picture(small), file_format, PARTIAL_QUALITY, source).data),
            partial_image_index=index,
            created_at=int(time.time()),
            output_format=file_format,
            quality=self._quality,
            size=f"{small.shape[1]}x{small.shape[0]}",
        ).as_json()

    def _completed(self, answer: dict[str, Any], painted: dict[str, Any]) -> dict[str, Any]:
        shared = {name: value for name, value in answer.items() if name != "created"}
        kind = f"{self._family}.completed"
        return CompletedEvent(type=kind, created_at=answer["created"], **(shared | painted)).as_json()


class JobEvents(Events):
    """`progress` and `partial_image` events, then `answer` or `error` with the body of an answer without events."""

    def __init__(self, action: str, refusal: Callable[[str, JobError], dict[str, Any]]) -> None:
        super().__init__()
        self._action = action
        self._refusal = refusal

    def progress_event(self, progress: Progress) -> bytes:
        return _event("progress", asdict(progress))

    def show(self, pixels: Pixels) -> None:
        source = EDITED if self._action == "edit" else PAINTED
        file = encode(Picture(_small(pixels)), "jpeg", PARTIAL_QUALITY, source)
        self.put(_event("partial_image", {"image": as_base64(file.data), "mime_type": file.mime_type}))

    def finish(self, answer: dict[str, Any]) -> None:
        self.put(_event("answer", answer))

    def failure(self, problem: JobError) -> dict[str, Any]:
        return self._refusal(self._action, problem)


def _small(pixels: Pixels) -> Pixels:
    scale = LONGEST_SIDE / max(size_of(pixels))
    return pixels if scale >= 1 else resized(pixels, scaled_size(size_of(pixels), scale))


def _event(name: str, data: dict[str, Any]) -> bytes:
    return format_sse_event(event=name, data_str=json.dumps(data))
