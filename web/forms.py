"""Reads JSON and form bodies into the same kind of dictionary. Sizes are limited before anything is parsed."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterable
from typing import Any
from urllib.parse import parse_qsl

from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from handlers.images import as_base64
from handlers.parse import shown
from schemas.errors import ErrorCode, JobError
from schemas.openai import EditBody

FLATTENED = re.compile(r"(\w+)\[(\d{0,4})\]")
"""`image[]` or `placement_coordinates[0]`."""

LISTS = frozenset({"image", "images", "placement_coordinates", "placement_box"})
"""Fields that may be a JSON list. A prompt that looks like one is still a prompt."""

WORDS = EditBody.model_fields.keys() - {"image", "images", "mask"}
"""Fields that are not pictures."""

MOST_FILES, MOST_FIELDS = 32, 200

MOST_COMMAS = 100_000
"""Most commas in a JSON body, which has about one per value. A prompt has at most 32,000, base64 none."""

MOST_URLENCODED_BYTES = 16_000_000
"""Room for a picture of 10 MB as base64 whose `+`, `/` and `=` are escaped."""

MOST_ESCAPES = 2_000_000
"""Most escapes in an urlencoded form; each takes fifty times its size while it is decoded. A picture of 10 MB has about
600,000."""

UTF_8_MARK = b"\xef\xbb\xbf"

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"


async def read_json(request: Request) -> object:
    return await asyncio.to_thread(_parsed, await _whole_body(request))


def is_form(request: Request) -> bool:
    return _kind(request) in (MULTIPART, URLENCODED)


async def read_form(request: Request, max_part_bytes: int) -> dict[str, Any]:
    """Return a form's fields: strings, lists if a name occurs more than once, and files as base64."""
    try:
        if _kind(request) == URLENCODED:
            body = await _whole_body(request, MOST_URLENCODED_BYTES)
            return _fields(await asyncio.to_thread(_urlencoded, body))
        form = await _InMemory(request.headers, _stream(request), max_part_bytes).parse()
        try:
            return _fields([(name, await _text(name, part)) for name, part in form.multi_items()])
        finally:
            await form.close()
    except MultiPartException as problem:
        raise _invalid(problem.message) from None
    except UnicodeError:
        raise _invalid("it is not in the charset that it declares") from None


class _InMemory(MultiPartParser):
    """Keeps files in memory, limited by `Uploads`, so that no folder has to be writable."""

    def __init__(self, headers: Any, stream: AsyncGenerator[bytes, None], max_part_bytes: int) -> None:
        super().__init__(headers, stream, max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=max_part_bytes)
        self.spool_max_size = max_part_bytes


async def _whole_body(request: Request, max_bytes: int | None = None) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if max_bytes is not None and len(body) > max_bytes:
            message = (
                f"A form of this type may have at most {max_bytes / 1e6:g} MB; send pictures as {MULTIPART} or JSON"
            )
            raise JobError(ErrorCode.IMAGE_TOO_LARGE, message, ("body",))
    return bytes(body)


async def _stream(request: Request) -> AsyncGenerator[bytes, None]:
    async for piece in request.stream():
        yield piece


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    if body.count(b"%") > MOST_ESCAPES:
        raise _invalid(f"it has more than {MOST_ESCAPES:,} escapes; send pictures as {MULTIPART} or JSON")
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise _invalid(f"it is not a form of at most {MOST_FIELDS} fields") from None


async def _text(name: str, part: str | UploadFile) -> str:
    """Return a part's text, even if a client sent it as a file."""
    if isinstance(part, str):
        return part
    data = await part.read()
    if name.partition("[")[0] not in WORDS:
        return await asyncio.to_thread(as_base64, data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {shown(name)}: it is not text", (shown(name),)) from None


def _fields(parts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the fields by name. An empty value counts as absent."""
    lists: dict[str, list[tuple[int, str]]] = {}
    flattened = set()
    for place, (name, text) in enumerate(parts):
        match = FLATTENED.fullmatch(name)
        if match:
            flattened.add(match[1])
        if text:
            index = int(match[2]) if match and match[2] else place
            lists.setdefault(match[1] if match else name, []).append((index, text))
    fields: dict[str, Any] = {}
    for name, entries in lists.items():
        values = [text for _, text in sorted(entries, key=lambda entry: entry[0])]
        fields[name] = values if name in flattened or len(values) > 1 else _value(name, values[0])
    return fields


def _value(name: str, text: str) -> object:
    if name not in LISTS or not text.startswith("[") or text.count(",") > MOST_COMMAS:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _parsed(body: bytes) -> object:
    """Return the parsed JSON. Its values are counted first: a small one takes fifty times its size once parsed."""
    if body.count(b",") > MOST_COMMAS:
        raise _invalid(f"its JSON has more than {MOST_COMMAS:,} values")
    try:
        return from_json(body.removeprefix(UTF_8_MARK), cache_strings="none")
    except ValueError:
        raise _invalid("it is not JSON") from None


def _invalid(reason: str) -> JobError:
    return JobError(ErrorCode.INVALID_INPUT, f"Invalid body: {reason}", ("body",))
