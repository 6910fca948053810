"""What every request passes: its id, the key, the size limit, and the line in the log when it is answered."""

import asyncio
import base64
import binascii
import hmac
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.errors import ErrorCode, JobError
from web.errors import refusal_response

log = logging.getLogger("server")

OPEN = frozenset({"/health", "/ready", "/ping"})
"""Routes that probes must reach without a key."""

OWN_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)
ELSEWHERE = "elsewhere"
"""In place of routes that do not exist, of which there is no end."""

UNANSWERED = 499
"""In the log, of a caller that hung up."""

UPLOAD_PAUSE_SECONDS = 60.0
"""The longest silence within a request."""

Count = Callable[[str, int, float], None]
"""Takes the route, the status and the seconds of an answered request."""


@dataclass(frozen=True)
class Front:
    """An ASGI application around another. `key` None lets everybody in."""

    app: ASGIApp
    key: bytes | None
    max_bytes: int
    count: Count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), UNANSWERED
        headers = Headers(scope=scope)
        request_id = scope.setdefault("state", {})["request_id"] = _own_id(headers) or uuid4().hex

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            refusal = self._refusal(scope, headers)
            if refusal is None:
                await self.app(scope, self._limited(receive), send_marked)
            else:
                await refusal_response(refusal, scope["path"])(scope, receive, send_marked)
        except ClientDisconnect:
            pass  # in the middle of its body
        except Exception:
            if status == UNANSWERED:
                await refusal_response(bug(), scope["path"])(scope, receive, send_marked)
            raise  # to the log
        finally:
            seconds = time.monotonic() - started
            self.count(_route(scope), status, seconds)
            _log(scope, request_id, status, seconds)

    def _refusal(self, scope: Scope, headers: Headers) -> JobError | None:
        if scope["method"] == "POST" and _of_another_site(headers):
            # A visited page could else use a browser's way to a server that has no key, or remembers it.
            return JobError(ErrorCode.INVALID_INPUT, "Pages of other sites may not send jobs")
        if self.key is None or scope["path"] in OPEN:
            return None
        if hmac.compare_digest(_key(headers.get("authorization", "")), self.key):
            return None
        return JobError(ErrorCode.UNAUTHORIZED, "Missing or wrong API key")

    def _limited(self, receive: Receive) -> Receive:
        """What is over the limit is read as far as twice that and dropped: a caller that is still sending does not
        listen. A caller that has vanished from the network may stay silent for ever, and its upload in memory."""
        read, whole = 0, False

        async def receive_next() -> Message:
            nonlocal read, whole
            try:
                message = await asyncio.wait_for(receive(), None if whole else UPLOAD_PAUSE_SECONDS)
            except TimeoutError as silence:
                text = f"Nothing of the request came for {UPLOAD_PAUSE_SECONDS:g} s"
                raise JobError(ErrorCode.INVALID_INPUT, text) from silence
            whole = not message.get("more_body")
            read += len(message.get("body", b""))
            return message

        async def receive_limited() -> Message:
            message = await receive_next()
            if read <= self.max_bytes:
                return message
            while read <= 2 * self.max_bytes and not whole:
                await receive_next()
            text = f"The request has more than {self.max_bytes / 1e6:g} MB, the limit"
            raise JobError(ErrorCode.IMAGE_TOO_LARGE, text)

        return receive_limited


def bug() -> JobError:
    return JobError(ErrorCode.INTERNAL_ERROR, "Something went wrong inside the server")


def _of_another_site(headers: Headers) -> bool:
    """Browsers say where a page is from, but to plain http beyond this machine only by its origin."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site or not origin:
        return site == "cross-site"
    scheme = urlsplit(origin).scheme
    own = (f"{scheme}://{headers.get(name, '')}" for name in ("host", "x-forwarded-host"))  # no page can set these
    address = _address(origin)
    return address is None or address not in map(_address, own)


def _address(origin: str) -> tuple[str, int | None] | None:
    """Host and port, by default the scheme's; None of what is no address."""
    try:
        parts = urlsplit(origin)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


def _own_id(headers: Headers) -> str | None:
    asked = headers.get("x-request-id", "")
    return asked if OWN_ID.fullmatch(asked) else None


def _key(authorization: str) -> bytes:
    """Of Bearer the token, of Basic the password; nothing of anything else."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip(" \t").encode("latin-1")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(given.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _route(scope: Scope) -> str:
    """Also of requests that were turned away before they found it."""
    paths = {getattr(route, "path", ELSEWHERE) for route in scope["app"].routes}
    path = scope["path"] if scope["path"] in paths else ELSEWHERE
    return str(getattr(scope.get("route"), "path", path))


def _log(scope: Scope, request_id: str, status: int, seconds: float) -> None:
    seed = scope["state"].get("seed")
    told = {
        "request": request_id,
        "route": f"{scope['method']} {_route(scope)}",
        "code": status,
        "seconds": round(seconds, 3),
    }
    told |= {} if seed is None else {"seed": seed}
    level = logging.DEBUG if scope["path"] in OPEN else logging.INFO
    log.log(level, "%s", " ".join(f"{name}={value}" for name, value in told.items()), extra={"told": told})
