"""Any bytes in any wrapping give either a picture or a clear error, in bounded time and memory."""

import base64
import resource
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from testing.pictures import as_base64, file_of, plain_room
from testing.shop import door, run, small_edit

WORKER = door()
GOOD = [file_of(plain_room(24, 16), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")]
MEGABYTES = 1024  # unit of ru_maxrss

WRAPPINGS: list[Callable[[bytes], str]] = [
    lambda data: base64.b64encode(data).decode(),
    lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    lambda data: base64.encodebytes(data).decode(),
    lambda data: "data:image/png;base64," + base64.b64encode(data).decode(),
    lambda data: "data:,".join(base64.b64encode(data).decode()),
    lambda data: data.decode("latin-1"),
    lambda data: data.hex(),
]


def damaged(data: bytes, place: int, junk: bytes) -> bytes:
    place %= len(data)
    return data[:place] + junk + data[place + len(junk) :]


BYTES = st.one_of(
    st.binary(max_size=2000),
    st.builds(damaged, st.sampled_from(GOOD), st.integers(0, 10_000), st.binary(min_size=1, max_size=40)),
    st.builds(lambda data, end: data[: end % len(data)], st.sampled_from(GOOD), st.integers(0, 10_000)),
)


@settings(max_examples=150)
@given(BYTES, st.sampled_from(WRAPPINGS), st.sampled_from(["product_image", "room_image", "mask"]))
def test_no_bytes_make_anything_but_a_picture_or_a_clear_error(
    data: bytes, wrapping: Callable[[bytes], str], field: str
) -> None:
    result = run(WORKER, small_edit(**{field: wrapping(data)}))
    if "error" in result:
        assert result["output"]["error_code"] in ("INVALID_INPUT", "IMAGE_TOO_LARGE")
        assert result["output"]["fields"] == [field]
        assert len(result["error"]) < 300


@settings(max_examples=100)
@given(st.text(max_size=300), st.sampled_from(["product_image", "room_image"]))
def test_no_text_makes_anything_but_a_clear_error(text: str, field: str) -> None:
    result = run(WORKER, small_edit(**{field: text}))
    assert result["output"]["error_code"] in ("INVALID_INPUT", "IMAGE_TOO_LARGE", "IMAGE_FETCH_FAILED")


@pytest.mark.parametrize("surface", ["auto", "floor", "rug", "wall", "tabletop", "ceiling"])
@pytest.mark.parametrize("size", [(1, 1), (1, 40_000), (40_000, 1), (60_000, 3)])
def test_no_shape_makes_anything_but_a_picture_or_a_clear_error(size: tuple[int, int], surface: str) -> None:
    shape = as_base64(file_of(Image.new("RGB", size, "gray")))
    for field in ("room_image", "product_image"):
        result = run(WORKER, small_edit(placement_surface=surface, **{field: shape}))
        assert "error" not in result or result["output"]["error_code"] == "INVALID_INPUT", result["error"]


def png_of_nothing(width: int, height: int) -> bytes:
    """Return a PNG of a few kilobytes that claims a large picture: all its rows are zero."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(bytes(1 + width * 3)) for _ in range(height)) + rows.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("size", "code"), [((20_000, 20_000), "IMAGE_TOO_LARGE"), ((7_000, 7_000), "INVALID_INPUT")])
def test_a_small_file_of_a_huge_picture_takes_bounded_memory(size: tuple[int, int], code: str) -> None:
    bomb = as_base64(png_of_nothing(*size))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run(WORKER, small_edit(product_image=bomb))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / MEGABYTES
    assert result["output"]["error_code"] == code
    assert grown < 1500
