"""Incoming request bodies, limited one by one, in total, and in how slow they may be."""

import asyncio
import time
from dataclasses import dataclass, field

from starlette.types import Message, Receive

from schemas.errors import ErrorCode, JobError

GRACE_SECONDS = 60.0
"""Longest silence within a request, and time that any request may take whatever its size."""

LEAST_BYTES_PER_SECOND = 20_000
"""Rate that an upload must keep after its grace time: a third of a slow mobile uplink."""


@dataclass
class Uploads:
    """Memory of all request bodies: at most `max_bytes`, of which one request may use `max_request_bytes`."""

    max_request_bytes: int
    max_bytes: int
    held: int = 0


@dataclass
class Upload:
    """One request's body, and its share of the memory until `release`."""

    uploads: Uploads
    started: float = field(default_factory=time.monotonic)
    received: int = 0
    held: int = 0

    def hold(self, count: int) -> None:
        """Count bytes that this request keeps in memory. Raises JobError TOO_MANY_REQUESTS if there is no room."""
        if self.uploads.held + count > self.uploads.max_bytes:
            message = "Too many pictures are being sent to this server, try again later"
            raise JobError(ErrorCode.TOO_MANY_REQUESTS, message)
        self.held += count
        self.uploads.held += count

    def release(self) -> None:
        self.uploads.held -= self.held
        self.held = 0

    def limited(self, receive: Receive) -> Receive:
        """Return `receive` with limits on size, memory and time; it raises JobError.

        A body that is too large is read up to twice the limit and discarded, because a client that is still sending
        does not read its answer.
        """
        is_complete = False

        async def receive_next() -> Message:
            nonlocal is_complete
            try:
                message = await asyncio.wait_for(receive(), None if is_complete else self._seconds_left())
            except TimeoutError as silence:
                raise JobError(ErrorCode.INVALID_INPUT, "The request was sent too slowly") from silence
            is_complete = not message.get("more_body")
            self.received += len(message.get("body", b""))
            return message

        async def receive_limited() -> Message:
            message = await receive_next()
            limit = self.uploads.max_request_bytes
            if self.received <= limit:
                self.hold(len(message.get("body", b"")))
                return message
            self.release()
            while self.received <= 2 * limit and not is_complete:
                await receive_next()
            raise JobError(ErrorCode.IMAGE_TOO_LARGE, f"The request is larger than the limit of {limit / 1e6:g} MB")

        return receive_limited

    def _seconds_left(self) -> float:
        allowed = GRACE_SECONDS + self.received / LEAST_BYTES_PER_SECOND
        return max(0.0, min(GRACE_SECONDS, self.started + allowed - time.monotonic()))
