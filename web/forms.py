"""Request bodies, JSON or form, as one kind of dictionary."""

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from handlers.images import as_base64
from handlers.parse import shown
from schemas.errors import ErrorCode, JobError
from schemas.openai import EditBody

FLATTENED = re.compile(r"(\w+)\[(\d{0,4})\]")
"""`image[]`, `placement_coordinates[0]`."""

LISTS = frozenset({"image", "images", "placement_coordinates", "placement_box"})
"""What may come as a JSON list. A prompt that looks like one is still a prompt."""

WORDS = EditBody.model_fields.keys() - {"image", "images", "mask"}
"""What is no picture."""

MOST_FILES, MOST_FIELDS = 32, 200

Part = tuple[str, str | UploadFile]


async def read_json(request: Request) -> object:
    data = await request.body()
    return await asyncio.to_thread(_parsed, data)


def is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("multipart/form-data", "application/x-www-form-urlencoded")


async def read_form(request: Request, max_part_bytes: int) -> dict[str, Any]:
    """Values are strings, and lists where a name came more than once; files are base64."""
    try:
        async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=max_part_bytes) as form:
            parts = [(name, await _text(name, part)) for name, part in form.multi_items()]
    except HTTPException as problem:
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid body: {problem.detail}", ("body",)) from None
    except UnicodeError:
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid body: it is not in the charset it names", ("body",)) from None
    return _fields(parts)


async def _text(name: str, part: str | UploadFile) -> str:
    """Some clients send words as a file, too."""
    if isinstance(part, str):
        return part
    data = await part.read()
    if name.partition("[")[0] not in WORDS:
        return await asyncio.to_thread(as_base64, data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {shown(name)}: it is no text", (shown(name),)) from None


def _fields(parts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """An empty value is none."""
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
    if name not in LISTS or not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid body: it is no JSON", ("body",)) from None
