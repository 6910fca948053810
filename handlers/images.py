"""Reads pictures from the caller's text into pixels. Base64 is decoded and encoded only in this file."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel

from handlers.parse import shown
from imaging.byte_cache import ByteCache, digest
from imaging.codec.decode import ImageLimits, too_large, undecodable
from imaging.codec.decoder_process import decode_apart
from imaging.codec.encode import ImageFile
from imaging.per_photo import read_only
from imaging.picture import Mask, Picture, Size
from models.engine import Control
from schemas.errors import ErrorCode, JobError
from transport.fetch import Fetcher

START = 600
"""Characters of a text in which the start of a URL is looked for: room for a host's name, of at most 253."""
AROUND = "\ufeff\"' \t\r\n"
"""Characters around a text that programs leave there: a byte order mark, quotes, blanks."""
DATA_URL = re.compile(r"\s*(?:data:[^,]{0,200}|(?:\w+/[\w.+-]+;)?base64),", re.IGNORECASE)
"""The start of a data URL, also of one that lost its scheme or type."""
HTTP_URL = re.compile(r"\s*https?://", re.IGNORECASE)
HOST_AND_PATH = re.compile(r"\s*//[\w.-]+\.[\w-]+(?::\d+)?/")
"""A URL without its scheme, as shop templates write it. Base64 of a picture never begins like this: `//` decodes to
0xFF 0xF."""
OTHER_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]{0,19}):", re.IGNORECASE)
PLAIN_ALPHABET = bytes.maketrans(b"-_", b"+/")
LINE_BREAKS = re.compile(rb"(?<![ \t])[ \t]*+[\r\n]+[ \t]*")
"""Line breaks with the blanks around them. A run of blanks is tried once, not from each of its blanks."""
ESCAPES = {b"%2B": b"+", b"%2b": b"+", b"%2F": b"/", b"%2f": b"/", b"%3D": b"=", b"%3d": b"=", b"%20": b" "}
PICTURE_FIELDS = frozenset({"product_image", "room_image", "mask", "image", "images"})
LINE_LENGTHS = (60, 64, 72, 76, 80)
"""Line lengths at which programs wrap base64."""
MOST_CHARACTERS_A_BYTE = 3
"""Most characters of a text for each byte of the largest picture: base64 has 4/3, line breaks and escapes add to it."""


@dataclass(frozen=True)
class PictureReader:
    """Reads pictures from a request. Every error names the field."""

    limits: ImageLimits
    fetcher: Fetcher
    control: Control = field(default_factory=Control)
    """Control of the job whose pictures are read: fetching and decoding take time."""
    fetched: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Contents of URLs that were fetched earlier."""
    known: ByteCache[Picture] | None = None
    """Pictures that were decoded earlier; None to decode them all."""
    warnings: list[str] = field(default_factory=list)
    """Warnings about the files that were read."""

    def picture(self, text: str, field: str) -> Picture:
        picture = self._decoded(text, field)
        self.warnings.extend(f"{field}: {note}" for note in picture.notes)
        return picture

    def _decoded(self, text: str, field: str) -> Picture:
        if self.known is None:
            return self._read(self._bytes(text, field), field)
        if url_in(text) is not None:  # what it leads to may change
            data = self._bytes(text, field)
            return self.known.get(digest(data), lambda: _read_only(self._read(data, field)))
        sent = text.encode("utf-8", "surrogatepass")
        return self.known.get(digest(sent), lambda: _read_only(self._read(self._bytes(text, field), field)))

    def _read(self, data: bytes, field: str) -> Picture:
        return decode_apart(data, field, self.limits, self.control.check)

    def mask(self, text: str, field: str, size: Size) -> Mask:
        """Return True where the photo of `size` may change: alpha 0 or, in a fully opaque picture, white."""
        picture = self.picture(text, field)
        if picture.size != size:
            raise JobError(
                ErrorCode.INVALID_INPUT,
                f"Invalid {field}: it is {picture.size[0]}x{picture.size[1]}, but the photo is {size[0]}x{size[1]}",
                (field,),
            )
        alpha = picture.alpha
        white = picture.pixels.min(axis=2) >= 128
        # Some programs export black-and-white masks with an opaque alpha channel.
        may_change = white if alpha is None or alpha.min() == 255 else alpha == 0
        if not may_change.any():
            raise JobError(ErrorCode.INVALID_INPUT, f"Invalid {field}: it allows no pixel to change", (field,))
        return np.asarray(may_change)

    def _bytes(self, text: str, field: str) -> bytes:
        self.control.check()
        if (url := url_in(text)) is not None:
            return self.fetched[url] if url in self.fetched else self.fetcher.fetch(url, field, self.control.check)
        text = text.strip(AROUND)
        if (scheme := OTHER_SCHEME.match(text, 0, START)) and not DATA_URL.match(text, 0, START):
            reason = f"{shown(scheme[1].lower())}: URLs are not supported; send base64, a data: URL or an https:// URL"
            raise undecodable(field, reason)
        return _from_base64(text, field, self.limits.max_bytes)


def _read_only(picture: Picture) -> Picture:
    read_only(picture.pixels)
    if picture.alpha is not None:
        read_only(picture.alpha)
    return picture


def url_in(text: str) -> str | None:
    """Return the http(s) URL that `text` is, or None. `//host/path` is read as https."""
    text = text.strip(AROUND)
    if HOST_AND_PATH.match(text, 0, START):
        return "https:" + text
    return text if HTTP_URL.match(text, 0, START) else None


def urls_of(body: BaseModel, prefix: str = "") -> dict[str, str]:
    """Return the picture URLs in a validated body, each with the name of its field."""
    urls: dict[str, str] = {}
    for name, text in _picture_texts(body, prefix):
        if (url := url_in(text)) is not None:
            urls.setdefault(url, name)
    return urls


def _picture_texts(body: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in body:
        entries = value if isinstance(value, list) else [value]
        for index, entry in enumerate(entries):
            full_name = f"{prefix}{name}[{index}]" if len(entries) > 1 else prefix + name
            if isinstance(entry, str) and name in PICTURE_FIELDS:
                yield full_name, entry
            elif isinstance(entry, BaseModel):
                yield from _picture_texts(entry, f"{prefix}{name}[{index}].")


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def as_data_url(file: ImageFile) -> str:
    return f"data:{file.mime_type};base64,{as_base64(file.data)}"


def _from_base64(text: str, field: str, max_bytes: int) -> bytes:
    """Decode standard or URL-safe base64, with or without padding, line breaks or a data URL header.

    Percent-encoding is undone, and blanks are read as the `+` that forms turn into them. The data URL's type is
    ignored.
    """
    if len(text) > MOST_CHARACTERS_A_BYTE * max_bytes:
        raise _over_the_limit(field, max_bytes)
    header = DATA_URL.match(text, 0, START)
    try:
        payload = text[header.end() if header else 0 :].encode("ascii").strip()
        for escape, plain in ESCAPES.items():
            payload = payload.replace(escape, plain)
        payload = _joined(LINE_BREAKS.sub(b"", payload)).translate(PLAIN_ALPHABET, b"\t").rstrip(b"=")
        if len(payload) * 3 // 4 > max_bytes:
            raise _over_the_limit(field, max_bytes)
        return base64.b64decode(payload + b"=" * (-len(payload) % 4), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise undecodable(field, "not valid base64") from None


def _over_the_limit(field: str, max_bytes: int) -> JobError:
    return too_large(field, f"more than {max_bytes / 1e6:g} MB, the limit")


def _joined(payload: bytes) -> bytes:
    """Return base64 without blanks: those at equal distances are line breaks, others were `+`."""
    length = payload.find(b" ")
    ends_of_lines = payload[length :: length + 1] if length in LINE_LENGTHS else b""
    if ends_of_lines and ends_of_lines == b" " * payload.count(b" "):
        return payload.replace(b" ", b"")
    return payload.replace(b" ", b"+")
