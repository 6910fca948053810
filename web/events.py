"""A job's way to the caller as server-sent events, with the names that OpenAI's clients know."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from handlers.pictures import as_base64
from imaging.encode import FileFormat, encode
from imaging.picture import Picture, Pixels
from models.engine import Progress
from models.grid import resized
from schemas.errors import JobError
from schemas.openai import (
    QUALITIES,
    THEIR_QUALITIES,
    CompletedEvent,
    EditBody,
    GenerationBody,
    OpenAIQuality,
    PartialImageEvent,
)
from web.errors import error_body

LONGEST_SIDE = 512
"""Of an unfinished picture."""

PARTIAL_QUALITY = 80

QUIET_SECONDS = 15
"""After which a comment tells proxies that the line is not dead."""

END = b""


class Events:
    """`report`, `show` and `finish` are called on the job's thread, the rest on the event loop. Progress travels as
    comments, which clients skip."""

    def __init__(self, body: GenerationBody | EditBody) -> None:
        self._body = body
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[bytes | JobError] = asyncio.Queue()
        self._shown = 0

    def report(self, progress: Progress) -> None:
        if progress.percent:
            self._put(b": " + json.dumps(asdict(progress)).encode() + b"\n\n")

    def show(self, pixels: Pixels) -> None:
        if self._shown < self._body.partial_images:
            self._put(_event(self._partial(pixels, self._shown)))
            self._shown += 1

    def finish(self, answer: dict[str, Any]) -> None:
        for painted in answer.pop("data"):
            self._put(_event(self._completed(answer, painted)))

    def end(self, problem: JobError | None) -> None:
        """On the event loop, after everything else."""
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, problem or END)

    async def begun(self, patience: float) -> list[bytes]:
        """What comes until the job is under way, or until `patience` seconds are over. Raises the JobError of a job
        that never got there."""
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
                yield b"event: error\ndata: " + json.dumps(error_body(came)).encode() + b"\n\n"
            if isinstance(came, JobError) or came == END:
                return
            yield came or b": waiting\n\n"

    async def _next(self, patience: float) -> bytes | JobError | None:
        """None when nothing came in so many seconds."""
        try:
            async with asyncio.timeout(patience):
                return await self._waiting.get()
        except TimeoutError:
            return None

    def _put(self, text: bytes) -> None:
        with contextlib.suppress(RuntimeError):  # the server is gone
            self._loop.call_soon_threadsafe(self._waiting.put_nowait, text)

    @property
    def _family(self) -> str:
        return "image_edit" if isinstance(self._body, EditBody) else "image_generation"

    @property
    def _quality(self) -> OpenAIQuality:
        return THEIR_QUALITIES[QUALITIES[self._body.quality]]

    def _partial(self, pixels: Pixels, index: int) -> dict[str, Any]:
        asked = self._body.output_format
        file_format: FileFormat = "jpeg" if asked == "auto" else asked
        small = _small(pixels)
        return PartialImageEvent(
            type=f"{self._family}.partial_image",
            b64_json=as_base64(encode(Picture(small), file_format, PARTIAL_QUALITY, "trainedAlgorithmicMedia").data),
            partial_image_index=index,
            created_at=int(time.time()),
            output_format=file_format,
            quality=self._quality,
            size=f"{small.shape[1]}x{small.shape[0]}",
        ).as_json()

    def _completed(self, answer: dict[str, Any], painted: dict[str, Any]) -> dict[str, Any]:
        shared = {name: value for name, value in answer.items() if name != "created"}
        kind = f"{self._family}.completed"
        return CompletedEvent(type=kind, created_at=answer["created"], **shared, **painted).as_json()


def _small(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    return pixels if scale >= 1 else resized(pixels, (max(1, round(width * scale)), max(1, round(height * scale))))


def _event(body: dict[str, Any]) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode()
