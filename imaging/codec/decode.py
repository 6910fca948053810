"""Decodes picture files to upright 8-bit RGB.

Limits are checked on the header before any pixels are allocated: bytes, pixels, pixels per byte, and scans of a
JPEG.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from imaging.codec.color_profile import color_notes, rgb_profile, to_srgb
from imaging.codec.mend import JPEG_END, mended
from imaging.picture import Picture, Pixels
from schemas.errors import ErrorCode, JobError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")

TURNS: dict[int, Callable[[NDArray[np.uint8]], Any]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.rotate(cv2.transpose(pixels), cv2.ROTATE_180),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
"""The operation that makes the pixels upright, by EXIF orientation."""

BROKEN_FILE = (
    OSError, ValueError, SyntaxError, EOFError, RuntimeError, TypeError, AttributeError,
    ArithmeticError, LookupError, struct.error, cv2.error, Image.DecompressionBombError,
)  # fmt: skip
"""Exceptions that Pillow's parsers raise on damaged or foreign bytes."""

JPEG_SCAN = b"\xff\xda"
MOST_SCANS = 100
"""Most scans of a progressive JPEG. Encoders write about ten. Each scan costs a pass over the whole picture, about 10
ms of CPU at 48 megapixels even if it is empty (`tests/imaging/codec/test_decode.py`)."""

SPARSE_PIXELS, MOST_PIXELS_A_BYTE = 16_000_000, 20_000
"""Above this number of pixels, a file must not claim more than this number of pixels per byte. PNG cannot exceed 8,300;
WebP can claim 49 megapixels in 92 bytes."""

BYTES_A_PIXEL = 20
"""Memory that decoding takes at most. WebP takes the most, PNG half as much."""

BAND_ROWS = 256
"""Rows that are converted at a time."""

NO_MEMORY = ("out of memory", "insufficient memory", "memory allocation")
"""Words of Pillow's, OpenCV's and libheif's errors when memory is short."""

DEEP_TO_8_BIT = 257
"""65,535 / 255: divisor from 16-bit to 8-bit values."""


@dataclass(frozen=True)
class ImageLimits:
    max_bytes: int
    max_pixels: int


def decode(data: bytes, field: str, limits: ImageLimits) -> Picture:
    """Return the picture in `data`. The format is detected from the bytes; of an animation, the first frame is read.

    Raises JobError naming `field`: IMAGE_TOO_LARGE above a limit, INVALID_INPUT if `data` is not a picture.
    """
    if len(data) > limits.max_bytes:
        raise too_large(field, f"{len(data) / 1e6:.1f} MB, the limit is {limits.max_bytes / 1e6:g} MB")
    try:
        return _whole_or_mended(data, field, limits)
    except (*BROKEN_FILE, MemoryError) as problem:
        if _lacks_memory(problem):
            raise out_of_memory(field) from problem
        raise undecodable(field, _reason(problem)) from problem


def too_large(field: str, how: str) -> JobError:
    return JobError(ErrorCode.IMAGE_TOO_LARGE, f"Invalid {field}: the picture has {how}", (field,))


def undecodable(field: str, reason: str) -> JobError:
    return JobError(ErrorCode.INVALID_INPUT, f"Invalid {field}: Failed to decode image: {reason}", (field,))


def out_of_memory(field: str) -> JobError:
    message = f"Invalid {field}: decoding the picture needs more memory than this worker has; send it smaller"
    return JobError(ErrorCode.OUT_OF_MEMORY, message, (field,))


def _whole_or_mended(data: bytes, field: str, limits: ImageLimits) -> Picture:
    """Raises what the decoders raise for a damaged file, and JobError."""
    try:
        return _decoded(data, field, limits)
    except BROKEN_FILE as problem:
        mend = None if _lacks_memory(problem) else mended(data)
        if mend is None:
            raise
    file, note = mend
    picture = _decoded(file, field, limits)
    return replace(picture, notes=(note, *picture.notes))


def _decoded(data: bytes, field: str, limits: ImageLimits) -> Picture:
    with Image.open(BytesIO(data), formats=_formats()) as image:
        if image.width * image.height > limits.max_pixels:
            pixels = image.width * image.height / 1e6
            raise too_large(field, f"{pixels:g} megapixels, the limit is {limits.max_pixels / 1e6:g}")
        _check_cost(image, data, field)
        return _upright(image, data)


def _check_cost(image: Image.Image, data: bytes, field: str) -> None:
    """Raise JobError for a file that would cost far more to decode than its pixels are worth, and MemoryError if the
    process may not have the memory: not all decoders say that this was the reason."""
    scans = data.count(JPEG_SCAN) if image.format in ("JPEG", "MPO") else 0
    if scans > MOST_SCANS:
        raise undecodable(field, f"it has {scans} scans, and no more than {MOST_SCANS} are read")
    pixels = image.width * image.height
    if pixels > SPARSE_PIXELS and pixels > MOST_PIXELS_A_BYTE * len(data):
        raise undecodable(field, f"its {len(data)} bytes claim to hold {pixels / 1e6:g} megapixels")
    np.empty(pixels * BYTES_A_PIXEL, np.uint8)


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that can be read. HEIC needs pillow-heif, whose wheel is GPL-licensed and may be missing."""
    Image.MAX_IMAGE_PIXELS = None  # ImageLimits, checked on the header, is stricter
    try:
        import pillow_heif
    except ImportError:
        return FORMATS
    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


def _lacks_memory(problem: Exception) -> bool:
    return isinstance(problem, MemoryError) or any(words in str(problem).lower() for words in NO_MEMORY)


def _reason(problem: BaseException) -> str:
    # Pillow's messages can quote the file. These three cases cover what a caller can act on.
    if isinstance(problem, UnidentifiedImageError):
        return "not a picture of a known format"
    if "truncated" in str(problem).lower():
        return "the file is truncated"
    return "the file is damaged"


def _upright(image: Image.Image, data: bytes) -> Picture:
    icc = image.info.get("icc_profile")
    quick = _whole_jpeg(image, data)
    if quick is not None:
        return Picture(_turned(quick, image), None, rgb_profile(icc, image))
    image.load()  # this also turns a TIFF upright and clears its orientation
    icc = image.info.get("icc_profile")
    alpha = _turned(_alpha(image), image) if image.has_transparency_data else None
    notes = color_notes(image, data) if image.format == "PNG" else ()
    return Picture(_turned(np.array(_to_rgb(image, icc)), image), alpha, rgb_profile(icc, image), notes)


def _whole_jpeg(image: Image.Image, data: bytes) -> Pixels | None:
    """Return the pixels of a complete color JPEG, decoded by OpenCV, or None if Pillow has to decode the file.

    Both use libjpeg-turbo and give the same pixels; OpenCV takes half the time but accepts truncated files silently,
    hence the check for the end marker.
    """
    if image.format not in ("JPEG", "MPO") or image.mode != "RGB" or not data.endswith(JPEG_END):
        return None
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if pixels is None or pixels.shape[1::-1] != image.size else cast(Pixels, pixels)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except BROKEN_FILE:  # damaged EXIF does not make the picture unreadable
        return 1


def _turned(pixels: NDArray[np.uint8], image: Image.Image) -> NDArray[np.uint8]:
    turn = TURNS.get(_orientation(image))
    return pixels if turn is None else cast(NDArray[np.uint8], turn(pixels))


def _to_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _deep_gray(image)
    if image.mode == "LA":
        image = image.getchannel("L")
    if icc and image.mode in ("CMYK", "L", "LAB"):
        converted = to_srgb(image, icc)
        if converted is not None:
            return converted
    if image.mode == "RGBa" or (image.mode == "P" and image.has_transparency_data):  # Pillow needs two steps
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def _alpha(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        clear = np.asarray(image) == image.info["transparency"]  # one value, in the file's own bit depth
        return np.where(clear, 0, 255).astype(np.uint8)
    return np.array(image.convert("RGBA").getchannel("A"))


def _deep_gray(image: Image.Image) -> Image.Image:
    """Return `image` with 8 bits per pixel.

    Integers range to 65,535, or to 255 if none is larger in a 32-bit image. Floats range to 1, or to 255 if any is
    larger than 1.
    """
    deep = np.asarray(image)
    bands = [slice(top, top + BAND_ROWS) for top in range(0, deep.shape[0], BAND_ROWS)]
    largest = max((float(np.nan_to_num(deep[rows].astype(np.float64)).max(initial=0)) for rows in bands), default=0.0)
    if image.mode == "F":
        factor = 255.0 if largest <= 1 else 1.0
    else:
        factor = 1 / DEEP_TO_8_BIT if image.mode != "I" or largest > 255 else 1.0
    gray = np.empty(deep.shape, np.uint8)
    for rows in bands:
        values = np.nan_to_num(deep[rows].astype(np.float64))
        scaled = values / DEEP_TO_8_BIT if factor < 1 else values * factor
        gray[rows] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return Image.fromarray(gray)
