"""The memory that all request bodies together may use."""

import asyncio
from typing import Any

import pytest

from schemas.errors import ErrorCode, JobError
from web.limits.uploads import Upload, Uploads


def sending(*pieces: bytes) -> Any:
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    return receive


async def read(upload: Upload, *pieces: bytes) -> None:
    receive = upload.limited(sending(*pieces))
    while (await receive())["more_body"]:
        pass


def test_bodies_are_counted_until_their_requests_are_over() -> None:
    uploads = Uploads(max_request_bytes=100, max_bytes=150)
    first, second = Upload(uploads), Upload(uploads)
    asyncio.run(read(first, b"x" * 60, b"x" * 40))
    with pytest.raises(JobError) as caught:
        asyncio.run(read(second, b"x" * 40, b"x" * 40))
    assert caught.value.code is ErrorCode.TOO_MANY_REQUESTS
    second.release()
    first.release()
    asyncio.run(read(Upload(uploads), b"x" * 100))


def test_a_body_that_is_too_large_takes_no_memory_while_its_rest_is_dropped() -> None:
    uploads = Uploads(max_request_bytes=100, max_bytes=1000)
    with pytest.raises(JobError) as caught:
        asyncio.run(read(Upload(uploads), b"x" * 90, b"x" * 90, b"x"))
    assert caught.value.code is ErrorCode.IMAGE_TOO_LARGE
    assert uploads.held == 0
