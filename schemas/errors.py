"""Error codes, and the exception that carries one to the caller."""

from enum import StrEnum


class ErrorCode(StrEnum):
    INVALID_ACTION = "INVALID_ACTION"
    INVALID_INPUT = "INVALID_INPUT"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    IMAGE_FETCH_FAILED = "IMAGE_FETCH_FAILED"
    RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"
    MODEL_NOT_READY = "MODEL_NOT_READY"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    GENERATION_ERROR = "GENERATION_ERROR"
    UPLOAD_FAILED = "UPLOAD_FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    UNAUTHORIZED = "UNAUTHORIZED"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"


class JobError(Exception):
    """A failure with a reason for the caller.

    `message` is one sentence without a full stop; it never contains image data, server paths or secrets. `fields` names
    the invalid inputs. `refresh_worker` asks the platform to replace this worker after the job.
    """

    def __init__(
        self, code: ErrorCode, message: str, fields: tuple[str, ...] = (), *, refresh_worker: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = fields
        self.refresh_worker = refresh_worker
