"""Short-lived URLs of pictures that this process keeps in memory, where no bucket is configured."""

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
    """Files of the last `seconds`, at most `max_bytes` of them; the least recently used go first."""

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._files: TTLCache[str, Stored] = TTLCache(max_bytes, seconds, getsizeof=lambda stored: len(stored[0]))

    def put(self, data: bytes, mime_type: str, name: str) -> str:
        """Keep a file and return its name, which cannot be guessed. Raises JobError if it is larger than the store."""
        unguessable = f"{secrets.token_urlsafe(24)}-{name}"
        try:
            with self._lock:
                self._files[unguessable] = data, mime_type
        except ValueError:
            message = "The picture is too large to be served by URL here: ask for b64_json, or configure a bucket"
            raise JobError(ErrorCode.UPLOAD_FAILED, message, ("response_format",)) from None
        return unguessable

    def get(self, name: str) -> Stored | None:
        with self._lock:
            return self._files.get(name)


@dataclass(frozen=True)
class PictureUrls:
    """Puts pictures into the store and answers with URLs at `base`, like a bucket."""

    store: PictureStore = field(repr=False)
    base: str

    def put(self, data: bytes, mime_type: str, name: str) -> str:
        return self.base + PICTURES + self.store.put(data, mime_type, name)


def base_of(request: Request, public_url: str | None) -> str:
    """Return the URL that the caller knows this server by, without a slash at the end."""
    if public_url:
        return public_url.rstrip("/")
    headers = request.headers
    scheme = _first(headers, "x-forwarded-proto") or request.url.scheme
    host = _first(headers, "x-forwarded-host") or headers.get("host") or request.url.netloc
    return f"{scheme}://{host}"


def _first(headers: Headers, name: str) -> str:
    """Return a header's first value: each proxy adds its own behind it."""
    return headers.get(name, "").partition(",")[0].strip()
