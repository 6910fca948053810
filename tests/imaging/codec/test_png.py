import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from imaging.codec.png import STRIP_BYTES, chunk, png
from imaging.picture import Pixels

MANY_STRIPS = (2 * STRIP_BYTES // (3 * 701) + 11, 701)
SIZES = [(1, 1), (1, 257), (257, 1), (1, 200_001), (3, 2), (40, 51), MANY_STRIPS]


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(height * 7 + width).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height: int, width: int) -> Pixels:
    slope = np.linspace(0, 255, height)[:, None, None] / 2 + np.linspace(0, 255, width)[None, :, None] / 2
    return (slope * [1, 0.9, 0.5]).astype(np.uint8)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the type and body of each chunk; fails on anything that the PNG standard does not allow."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        found.append((kind, body))
        at += 12 + length
    assert at == len(data)
    return found


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("draw", [noise, smooth])
def test_pillow_and_opencv_read_the_very_pixels(size: tuple[int, int], draw) -> None:
    pixels = draw(*size)
    data = png(pixels, ())
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), pixels)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_chunks_hold_one_sound_zlib_stream_and_nothing_else(size: tuple[int, int]) -> None:
    height, width = size
    found = chunks(png(noise(height, width), [chunk(b"tEXt", b"a\0b")]))
    kinds = [kind for kind, _ in found]
    assert kinds == [b"IHDR", b"tEXt"] + [b"IDAT"] * (len(found) - 3) + [b"IEND"]
    stream = zlib.decompressobj()
    rows = stream.decompress(b"".join(body for kind, body in found if kind == b"IDAT"))
    assert stream.eof, "the checksum was there and right"
    assert not stream.unused_data
    assert len(rows) == height * (width * 3 + 1)


def test_the_number_of_threads_does_not_show_in_the_file() -> None:
    pixels, threads = smooth(*MANY_STRIPS), cv2.getNumThreads()
    try:
        files = set()
        for count in (1, 2, 5):
            cv2.setNumThreads(count)
            files.add(png(pixels, ()))
    finally:
        cv2.setNumThreads(threads)
    assert len(files) == 1


def test_a_view_of_other_pixels_is_encoded_as_it_looks() -> None:
    pixels = noise(40, 51)[::-1, ::-2, ::-1]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels, ())))), pixels)
