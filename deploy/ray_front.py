"""Middleware for Ray's HTTP proxies that gives their own refusals the wording and the form of the app's errors.

Enable it with RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=deploy.ray_front:middlewares.
"""

from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.ray_options import RETRY_SECONDS
from schemas.errors import ErrorCode, JobError
from web.errors import refusal_response

RAYS_OWN = "/-/"
"""Prefix of the proxies' own routes, whose answers pass unchanged."""

ID = "x-request-id"

LOST = JobError(ErrorCode.MODEL_NOT_READY, "The replica that held this request is gone: send it again")
"""Sent when a replica died before it began its answer; Ray itself sends nothing then."""


@dataclass(frozen=True)
class Translated:
    """ASGI application around Ray's proxy that translates its refusals."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(RAYS_OWN):
            await self.app(scope, receive, send)
            return
        refusal: JobError | None = LOST

        async def send_translated(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start":
                refusal = _refusal(message)
                _keep_one_id(MutableHeaders(scope=message))
            if refusal is None:
                await send(message)

        await self.app(scope, receive, send_translated)
        if refusal is not None:
            answer = refusal_response(refusal, scope["path"], retry_seconds=RETRY_SECONDS)
            answer.headers[ID] = Headers(scope=scope)[ID]
            await answer(scope, receive, send)


def _refusal(start: Message) -> JobError | None:
    """Return the error to send instead of Ray's, or None for a replica's own answer, whose errors are JSON."""
    is_ours = start["status"] < 400 or Headers(raw=start["headers"]).get("content-type") == "application/json"
    if is_ours:
        return None
    match start["status"]:
        case 429:
            return JobError(ErrorCode.TOO_MANY_REQUESTS, "Too many jobs are waiting, try again later")
        case 408:  # if the Serve config has a request_timeout_s
            return JobError(ErrorCode.TIMEOUT, "The request took longer than the proxies allow")
        case _:
            return JobError(ErrorCode.MODEL_NOT_READY, "No replica can take this request, try again later")


def _keep_one_id(headers: MutableHeaders) -> None:
    """Remove the request id that Ray adds to the app's own."""
    if ID in headers:
        headers[ID] = headers[ID]


def middlewares() -> list[Middleware]:
    return [Middleware(Translated)]
