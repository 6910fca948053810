"""Refusals of Ray's proxies in the app's words; the proxy is a fake."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from deploy.ray_front import middlewares


def answered(*messages: Message, path: str = "/v1/edit") -> list[Message]:
    """Return what a caller receives when the proxy sends `messages`."""
    got: list[Message] = []

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async def send(message: Message) -> None:
        got.append(message)

    [translated] = middlewares()
    scope = {"type": "http", "path": path, "method": "POST", "headers": [(b"x-request-id", b"mine")]}
    asyncio.run(translated.cls(proxy)(scope, None, send))
    return got


def answer(status: int, kind: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> tuple[Message, Message]:
    start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *headers]}
    return start, {"type": "http.response.body", "body": body}


@pytest.mark.parametrize(
    ("messages", "status", "code"),
    [
        (answer(429, b"text/plain", b"Request dropped due to backpressure"), 429, b"TOO_MANY_REQUESTS"),
        (answer(503, b"text/plain", b"Deployment unavailable"), 503, b"MODEL_NOT_READY"),
        ((), 503, b"MODEL_NOT_READY"),
    ],
)
def test_a_refusal_of_the_proxy_has_the_shape_of_openai(
    messages: tuple[Message, ...], status: int, code: bytes
) -> None:
    start, body = answered(*messages)
    headers = dict(start["headers"])
    assert start["status"] == status
    assert code in body["body"]
    assert int(headers[b"retry-after"]) > 0
    assert headers[b"x-request-id"] == b"mine"


def test_a_request_that_took_the_proxy_too_long_is_not_to_be_sent_again() -> None:
    start, body = answered(*answer(408, b"text/plain", b"Request timed out"))
    assert start["status"] == 500
    assert b"TIMEOUT" in body["body"]
    assert dict(start["headers"])[b"x-should-retry"] == b"false"


@pytest.mark.parametrize("status", [200, 400, 429, 500, 503])
def test_what_a_replica_answers_is_left_alone(status: int) -> None:
    start, body = answered(*answer(status, b"application/json", b"{}"))
    assert (start["status"], body["body"]) == (status, b"{}")


def test_the_id_of_a_request_is_told_once() -> None:
    ids = (b"x-request-id", b"app's"), (b"x-request-id", b"Ray's")
    start, _ = answered(*answer(200, b"application/json", b"{}", *ids))
    assert [value for name, value in start["headers"] if name == b"x-request-id"] == [b"app's"]


def test_the_proxies_own_routes_are_left_alone() -> None:
    start, body = answered(*answer(503, b"text/plain", b"draining"), path="/-/healthz")
    assert (start["status"], body["body"]) == (503, b"draining")
