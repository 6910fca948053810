"""Middleware for every request: its id, access, size limit, and its line in the log."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.errors import ErrorCode, JobError
from web.access import OPEN, Access
from web.errors import refusal_response
from web.limits.uploads import Upload, Uploads

log = logging.getLogger("server")

OWN_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)
SLASHES = re.compile(r"/{2,}")
ELSEWHERE = "elsewhere"
"""Label of all paths that are not routes, of which there is no limited number."""

UNANSWERED = 499
"""Status in the log for a request whose caller hung up."""

Count = Callable[[str, int, float], None]
"""Called with the route, the status and the seconds of an answered request."""


@dataclass(frozen=True)
class Front:
    """An ASGI middleware. It removes doubled and trailing slashes from paths, and answers HEAD like GET."""

    app: ASGIApp
    access: Access
    uploads: Uploads
    count: Count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A copy: the server looks at its own scope to know that an answer to HEAD has no body.
        scope = dict(scope, path=SLASHES.sub("/", scope["path"]).rstrip("/") or "/")
        if scope["method"] == "HEAD":
            scope["method"] = "GET"
        started, status = time.monotonic(), UNANSWERED
        headers = Headers(scope=scope)
        request_id = scope.setdefault("state", {})["request_id"] = _own_id(headers) or uuid4().hex
        upload = scope["state"]["upload"] = Upload(self.uploads)

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            refusal = self.access.refusal(scope["method"], scope["path"], headers)
            if refusal is None:
                await self.app(scope, upload.limited(receive), send_marked)
            else:
                await refusal_response(refusal, scope["path"])(scope, receive, send_marked)
        except ClientDisconnect:
            pass  # in the middle of its body
        except Exception:
            if status == UNANSWERED:
                await refusal_response(bug(), scope["path"])(scope, receive, send_marked)
            raise  # to the log
        finally:
            upload.release()
            seconds = time.monotonic() - started
            self.count(_route(scope), status, seconds)
            _log(scope, request_id, status, seconds)


def bug() -> JobError:
    return JobError(ErrorCode.INTERNAL_ERROR, "Something went wrong inside the server")


def _own_id(headers: Headers) -> str | None:
    given = headers.get("x-request-id", "")
    return given if OWN_ID.fullmatch(given) else None


def _route(scope: Scope) -> str:
    """Return the route's path, even for requests that were refused before routing."""
    paths = {getattr(route, "path", ELSEWHERE) for route in scope["app"].routes}
    path = scope["path"] if scope["path"] in paths else ELSEWHERE
    return str(getattr(scope.get("route"), "path", path))


def _log(scope: Scope, request_id: str, status: int, seconds: float) -> None:
    seed = scope["state"].get("seed")
    fields = {
        "request": request_id,
        "route": f"{scope['method']} {_route(scope)}",
        "code": status,
        "seconds": round(seconds, 3),
    }
    fields |= {} if seed is None else {"seed": seed}
    level = logging.DEBUG if scope["path"] in OPEN else logging.INFO
    log.log(level, "%s", " ".join(f"{name}={value}" for name, value in fields.items()), extra={"fields": fields})
