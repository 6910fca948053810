"""PNG encoder on as many threads as OpenCV uses.

Strips of rows are filtered and compressed independently and joined into one zlib stream (RFC 1950, 1951).
`python -m bench.png` compares it with OpenCV's encoder.
"""

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
"""Bit depth 8, color type 2 (RGB), the standard's only compression and filter methods, no interlacing."""

STRIP_BYTES = 2**19
"""Pixel bytes in a strip. Independent of the number of threads, so that the file is too."""

AVERAGE = 3
"""The filter type of every row. On photos it gives the smallest file of the five or nearly so; a search per row is
not worth its time."""

LEVEL = 3
"""ISA-L's deflate level. On photos smaller than zlib's level 2 and five times as fast. The compressed bytes may differ
between kinds of processors; the pixels never do."""

STREAM_START = b"\x78\x01"
STREAM_END = b"\x03\x00"
"""An empty final deflate block."""

ADLER_PRIME = 65_521
"""Modulus of the Adler-32 checksum (RFC 1950): the largest prime below 2^16."""


@dataclass(frozen=True)
class Strip:
    """Compressed rows, flushed to a byte boundary; `adler` and `length` are those of the uncompressed bytes."""

    deflated: bytes
    adler: int
    length: int


def png(pixels: Pixels, extras: Iterable[bytes]) -> bytes:
    """Return a PNG file of `pixels` with the chunks `extras` before the pixel data."""
    height, width = pixels.shape[:2]
    header = chunk(b"IHDR", struct.pack(">II", width, height) + RGB_8_BIT)
    strips = _strips(np.ascontiguousarray(pixels).reshape(height, width * 3))
    return b"".join((SIGNATURE, header, *extras, *_data(strips), chunk(b"IEND", b"")))


def chunk(kind: bytes, *body: bytes) -> bytes:
    """Return a PNG chunk: length, type, body and CRC."""
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
    """Return each value (height, width * 3) minus the mean, rounded down, of its left and upper neighbors.

    The first column holds the filter type. `above` is the row before the first one.
    """
    height, width = rows.shape
    filtered = np.empty((height, width + 1), np.uint8)
    filtered[:, 0] = AVERAGE
    left, up = rows[:, :-3], np.concatenate((above[None], rows[:-1]))
    np.subtract(rows[:, :3], up[:, :3] >> 1, out=filtered[:, 1:4])
    mean = (left & up[:, 3:]) + ((left ^ up[:, 3:]) >> 1)  # (a + b) // 2 without overflowing a byte
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
    """Return the Adler-32 of all bytes so far, combined from the one `before` the strip and the strip's own."""
    low, high = before & 0xFFFF, before >> 16
    own_low, own_high = strip.adler & 0xFFFF, strip.adler >> 16
    high = (high + own_high + (low - 1) * strip.length) % ADLER_PRIME
    return high << 16 | (low + own_low - 1) % ADLER_PRIME
