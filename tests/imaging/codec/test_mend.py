"""Files that other programs read without a word."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from imaging.codec.decode import ImageLimits, decode
from imaging.picture import Picture
from schemas.errors import JobError

LIMITS = ImageLimits(10_000_000, 50_000_000)


def noise(width: int = 320, height: int = 240) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8))


def jpeg(**options: object) -> bytes:
    file = BytesIO()
    noise().save(file, "JPEG", **options)
    return file.getvalue()


def png(*chunks: tuple[bytes, bytes], gamma: float | None = None) -> bytes:
    extra = PngImagePlugin.PngInfo()
    for kind, body in chunks:
        extra.add(kind, body)
    if gamma is not None:
        extra.add(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    file = BytesIO()
    noise().save(file, "PNG", pnginfo=extra)
    return file.getvalue()


def read(data: bytes) -> Picture:
    return decode(data, "room_image", LIMITS)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}])
def test_a_jpeg_without_its_end_is_read(options: dict[str, object]) -> None:
    whole = jpeg(quality=90, **options)
    picture = read(whole[:-2])
    assert (picture.pixels == read(whole).pixels).all()
    assert picture.notes == ("the file ends too early, details may be missing",)


def test_how_much_of_a_jpeg_is_missing_is_said() -> None:
    whole = jpeg(quality=90)
    picture = read(whole[: len(whole) * 9 // 10])
    assert picture.size == (320, 240)
    [note] = picture.notes
    assert "of the picture are missing" in note


def test_half_a_jpeg_is_refused() -> None:
    whole = jpeg(quality=90)
    with pytest.raises(JobError, match="truncated"):
        read(whole[: len(whole) // 2])


def test_a_text_with_a_wrong_checksum_is_left_out() -> None:
    whole = png((b"tEXt", b"Software\0camera"))
    at = whole.index(b"camera")
    picture = read(whole[:at] + b"Camera" + whole[at + 6 :])
    assert (picture.pixels == np.asarray(noise())).all()
    assert picture.notes == ("a text or note in the file is damaged and was left out",)


def test_transparency_with_a_wrong_checksum_is_not_left_out() -> None:
    """Without it, the picture would be another."""
    file = BytesIO()
    noise().save(file, "PNG", transparency=(1, 2, 3))
    whole = bytearray(file.getvalue())
    whole[whole.index(b"tRNS") + 4] ^= 1
    with pytest.raises(JobError, match="Invalid room_image: Failed to decode image"):
        read(bytes(whole))


def test_pixels_with_a_wrong_checksum_are_refused() -> None:
    whole = bytearray(png())
    at = whole.index(b"IDAT")
    whole[at + 100] ^= 1
    with pytest.raises(JobError, match="damaged"):
        read(bytes(whole))


@pytest.mark.parametrize(
    ("file", "notes"),
    [
        (png(gamma=1.0), ("its gamma of 1 (gAMA) is not applied",)),
        (png(gamma=0.45455), ()),
        (png((b"sRGB", b"\0"), gamma=1.0), ()),
        (png((b"cICP", bytes((9, 16, 0, 1)))), ("its color space (cICP 9, 16) is not applied",)),
        (png((b"cICP", bytes((1, 13, 0, 1)))), ()),
    ],
)
def test_a_color_space_that_is_not_applied_is_said(file: bytes, notes: tuple[str, ...]) -> None:
    assert read(file).notes == notes


def test_what_was_mended_can_still_be_refused() -> None:
    """A damaged text before pixels that are damaged, too."""
    chunk = struct.pack(">I4s", 4, b"tEXt") + b"a\0bc" + struct.pack(">I", zlib.crc32(b"other"))
    whole = png()
    with pytest.raises(JobError, match=r"truncated|damaged"):
        read(whole[:33] + chunk + whole[33:200])
