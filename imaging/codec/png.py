"""Pixels to PNG on as many threads as OpenCV uses: strips of rows, each compressed on its own, in one zlib stream."""

import struct
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from imaging.picture import Pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"

RGB_8_BIT = bytes((8, 2, 0, 0, 0))
"""Depth, color type, and the only ways there are to compress, filter and not interlace."""

STRIP_BYTES = 2**19
"""Of pixels, whatever the number of threads: the file must not depend on that."""

AVERAGE = 3
"""The row filter. On photos the smallest of the five or as small, so that none needs to be searched for row by row."""

LEVEL = 3
"""Of ISA-L's deflate. On photos smaller than zlib's level 2 and five times as fast; another kind of processor may
choose other bytes for the same pixels."""

STREAM_START = b"\x78\x01"
STREAM_END = b"\x03\x00"
"""An empty last block of deflate."""

ADLER_PRIME = 65_521


@dataclass(frozen=True)
class Strip:
    """Deflated rows that end on a whole byte, with what is needed to go on after them."""

    deflated: bytes
    adler: int
    length: int


def png(pixels: Pixels, extras: Iterable[bytes]) -> bytes:
    """A file with the chunks `extras` ahead of its pixels."""
    height, width = pixels.shape[:2]
    header = chunk(b"IHDR", struct.pack(">II", width, height) + RGB_8_BIT)
    strips = _strips(np.ascontiguousarray(pixels).reshape(height, width * 3))
    return b"".join((SIGNATURE, header, *extras, *_data(strips), chunk(b"IEND", b"")))


def chunk(kind: bytes, *body: bytes) -> bytes:
    crc = isal_zlib.crc32(kind)
    for part in body:
        crc = isal_zlib.crc32(part, crc)
    return b"".join((struct.pack(">I", sum(map(len, body))), kind, *body, struct.pack(">I", crc)))


def _strips(rows: NDArray[np.uint8]) -> list[Strip]:
    step = max(1, STRIP_BYTES // rows.shape[1])
    above_first = np.zeros_like(rows[0])
    above = [above_first, *rows[step - 1 :: step]]
    parts = [rows[start : start + step] for start in range(0, len(rows), step)]
    with ThreadPoolExecutor(max(1, min(len(parts), cv2.getNumThreads()))) as threads:
        return list(threads.map(_strip, parts, above))


def _strip(rows: NDArray[np.uint8], above: NDArray[np.uint8]) -> Strip:
    filtered = _filtered(rows, above).data
    deflate = isal_zlib.compressobj(LEVEL, wbits=-isal_zlib.MAX_WBITS)
    deflated = deflate.compress(filtered) + deflate.flush(isal_zlib.Z_SYNC_FLUSH)
    return Strip(deflated, isal_zlib.adler32(filtered), filtered.nbytes)


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is left of each value (h,w*3) less the mean, rounded down, of its left and upper neighbors; behind the
    filter's number."""
    height, width = rows.shape
    filtered = np.empty((height, width + 1), np.uint8)
    filtered[:, 0] = AVERAGE
    left, up = rows[:, :-3], np.concatenate((above[None], rows[:-1]))
    np.subtract(rows[:, :3], up[:, :3] >> 1, out=filtered[:, 1:4])
    mean = (left & up[:, 3:]) + ((left ^ up[:, 3:]) >> 1)  # of bytes, without a carry
    np.subtract(rows[:, 3:], mean, out=filtered[:, 4:])
    return filtered


def _data(strips: list[Strip]) -> Iterator[bytes]:
    adler = 1
    yield chunk(b"IDAT", STREAM_START)
    for strip in strips:
        adler = _adler_of_both(adler, strip)
        yield chunk(b"IDAT", strip.deflated)
    yield chunk(b"IDAT", STREAM_END, struct.pack(">I", adler))


def _adler_of_both(before: int, strip: Strip) -> int:
    """RFC 1950: the checksum of all bytes so far, from that of the bytes before and the strip's own."""
    low, high = before & 0xFFFF, before >> 16
    own_low, own_high = strip.adler & 0xFFFF, strip.adler >> 16
    high = (high + own_high + (low - 1) * strip.length) % ADLER_PRIME
    return high << 16 | (low + own_low - 1) % ADLER_PRIME
