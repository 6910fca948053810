"""Short-lived URLs of pictures that this process keeps in memory when no bucket is configured."""

import secrets
import threading
from dataclasses import dataclass, field

from cachetools import TTLCache
from starlette.datastructures import Headers
from starlette.requests import Request

from schemas.errors import ErrorCode, JobError
from web.access import PICTURES

Stored = tuple[bytes, str]
"""A file and its MIME type."""


class PictureStore:
    """Files of the last `seconds`, up to `max_bytes`; the least recently used are dropped first."""

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._files: TTLCache[str, Stored] = TTLCache(max_bytes, seconds, getsizeof=lambda stored: len(stored[0]))

    def put(self, data: bytes, mime_type: str, name: str) -> str:
        """Store a file and return its unguessable name. Raises JobError if it is larger than the store."""
        unguessable = f"{secrets.token_urlsafe(24)}-{name}"
        try:
            with self._lock:
                self._files[unguessable] = data, mime_type
        except ValueError:
            message = (
                "The picture is too large to be served from this server's memory: use b64_json, or configure a bucket"
            )
            raise JobError(ErrorCode.UPLOAD_FAILED, message, ("response_format",)) from None
        return unguessable

    def get(self, name: str) -> Stored | None:
        with self._lock:
            return self._files.get(name)


@dataclass(frozen=True)
class PictureUrls:
    """Stores pictures like a bucket and returns URLs below `base`."""

    store: PictureStore = field(repr=False)
    base: str

    def put(self, data: bytes, mime_type: str, name: str) -> str:
        return self.base + PICTURES + self.store.put(data, mime_type, name)


def base_of(request: Request, public_url: str | None) -> str:
    """Return the URL under which the caller knows this server, without a trailing slash."""
    if public_url:
        return public_url.rstrip("/")
    headers = request.headers
    scheme = _first(headers, "x-forwarded-proto") or request.url.scheme
    host = _first(headers, "x-forwarded-host") or headers.get("host") or request.url.netloc
    return f"{scheme}://{host}"


def _first(headers: Headers, name: str) -> str:
    """Return a header's first value: each proxy appends its own."""
    return headers.get(name, "").partition(",")[0].strip()
