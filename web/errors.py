"""Failures over HTTP: the status that fits a code, and the body that OpenAI's clients parse."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from schemas.answers import ErrorAnswer
from schemas.errors import ErrorCode, JobError
from schemas.openai import ErrorDetail, OpenAIError, OpenAIErrorBody

STATUS: dict[ErrorCode, int] = {
    ErrorCode.INVALID_ACTION: 400,
    ErrorCode.INVALID_INPUT: 400,
    ErrorCode.IMAGE_TOO_LARGE: 413,
    ErrorCode.IMAGE_FETCH_FAILED: 400,
    ErrorCode.RESPONSE_TOO_LARGE: 400,
    ErrorCode.MODEL_NOT_READY: 503,
    ErrorCode.OUT_OF_MEMORY: 500,
    ErrorCode.GENERATION_ERROR: 500,
    ErrorCode.UPLOAD_FAILED: 500,
    ErrorCode.NOT_SUPPORTED: 400,
    ErrorCode.CANCELLED: 499,  # for the log only: the caller is gone
    ErrorCode.TIMEOUT: 500,
    ErrorCode.INTERNAL_ERROR: 500,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.TOO_MANY_REQUESTS: 429,
}

TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}

LOADING_SECONDS = 5
"""Sent as Retry-After while the model loads."""

ROOT, EDIT, GENERATE, LAYOUT = "/", "/v1/edit", "/v1/generate", "/v1/layout"

ACTIONS = {EDIT: "edit", GENERATE: "generate", LAYOUT: "layout"}
"""Routes that take and answer one kind of job."""


def status_of(problem: JobError) -> int:
    """Return the HTTP status. Asking for an upload where there is no bucket is the caller's mistake."""
    return 400 if problem.code is ErrorCode.UPLOAD_FAILED and problem.fields else STATUS[problem.code]


def error_body(problem: JobError, status: int | None = None) -> dict[str, Any]:
    """Return the body of an error; `param` is present even if it is null."""
    status = status or status_of(problem)
    return OpenAIError(
        error=OpenAIErrorBody(
            message=problem.message,
            type=TYPES.get(status, "invalid_request_error"),
            param=problem.fields[0] if problem.fields else None,
            code=problem.code,
        ),
        detail=ErrorDetail(error=problem.code, message=problem.message),
    ).model_dump(mode="json")


def error_response(problem: JobError, *, retry_seconds: int = 1, beside: Mapping[str, Any] | None = None) -> Response:
    """Return an error in the form that OpenAI's clients parse.

    `retry_seconds` becomes Retry-After if the queue is full; `beside` is added to the body.
    """
    body = error_body(problem) | dict(beside or {})
    return _response(body, status_of(problem), retry_seconds)


def job_error_response(answer: Mapping[str, Any], problem: JobError, retry_seconds: int) -> Response:
    """Return the error answer of a job with the status that fits."""
    return _response(answer, status_of(problem), retry_seconds)


def refusal_response(problem: JobError, path: str, *, status: int | None = None, retry_seconds: int = 1) -> Response:
    """Return the answer to a request that did not reach its route, in the form of that route's errors."""
    status = status or status_of(problem)
    is_job = path == ROOT or path in ACTIONS
    body = ErrorAnswer.of(ACTIONS.get(path, ""), problem).as_json() if is_job else error_body(problem, status)
    return _response(body, status, retry_seconds)


def _response(body: Mapping[str, Any], status: int, retry_seconds: int) -> Response:
    return json_response(json.dumps(body).encode(), status, _retry_headers(status, retry_seconds))


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, dict(headers or {}), "application/json")


def _retry_headers(status: int, retry_seconds: int) -> dict[str, str]:
    match status:
        case 401:
            return {"WWW-Authenticate": 'Basic realm="images", charset="UTF-8"'}
        case 429:
            return {"Retry-After": str(retry_seconds)}
        case 500:
            return {"x-should-retry": "false"}  # another attempt would use the GPU again
        case 503:
            return {"Retry-After": str(LOADING_SECONDS)}
        case _:
            return {}
