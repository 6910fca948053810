"""Mends picture files that other programs read without a word: PNG with a damaged text, JPEG without its end."""

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START = b"\x89PNG\r\n\x1a\n"

PNG_NOTES = (b"tEXt", b"zTXt", b"iTXt", b"tIME")
"""Chunks without which the picture looks the same; others, such as tRNS and iCCP, change it."""

MOST_LOST = 0.25
"""Share of a JPEG's rows that may be missing at its end."""


def mended(data: bytes) -> tuple[bytes, str] | None:
    """Return a readable file and what was wrong with this one, or None if it cannot be read."""
    if data.startswith(PNG_START):
        whole = _png_without_damaged_notes(data)
        return None if len(whole) == len(data) else (whole, "a text or note in the file is damaged and was left out")
    if data.startswith(JPEG_START) and (lost := _lost_share(data + JPEG_END)) <= MOST_LOST:
        missing = f"about {100 * lost:.0f} % of the picture are missing" if lost else "details may be missing"
        return data + JPEG_END, f"the file ends too early, {missing}"
    return None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind of each chunk, and the chunk with its length, kind and checksum."""
    start = len(PNG_START)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, data[start : start + 12 + length]
        start += 12 + length


def _png_without_damaged_notes(data: bytes) -> bytes:
    """Return the file without the texts and dates whose checksum is wrong."""
    kept = [chunk for kind, chunk in png_chunks(data) if kind not in PNG_NOTES or _is_sound(chunk)]
    return PNG_START + b"".join(kept)


def _is_sound(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _lost_share(jpeg: bytes) -> float:
    """Return the share of rows at the bottom that are of one color, as libjpeg fills what is missing; 1 if unreadable.

    Decoded at an eighth of the size.
    """
    small = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION)
    if small is None:
        return 1.0
    varied = np.flatnonzero(np.ptp(small, axis=1).any(axis=1))
    return 1.0 - (varied[-1] + 1) / len(small) if len(varied) else 1.0
