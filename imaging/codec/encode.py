"""Encodes pictures with the photo's color profile and IPTC's digital source type."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imaging.codec.png import chunk, png
from imaging.picture import Picture, Pixels, Size

FileFormat = Literal["png", "jpeg", "webp"]
DigitalSource = Literal["compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia", "composite"]

LOSSY_LADDER = (90, 85, 75, 60, 40, 20)
"""JPEG qualities that `encode_within` tries, best first."""

MOST_PIXELS_A_SIDE = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383}
"""Longest side in pixels that each format or its encoder supports."""

PNG_AT_WORST = 1.1
"""Upper bound of a PNG's bytes per color value: incompressible data is stored uncompressed."""

SAMPLED_ROWS = 1 / 16
"""Share of the rows that is encoded to estimate the size of a PNG."""

SAMPLED_BANDS = 4
"""The sampled rows lie in this many bands, spread evenly from top to bottom."""

LEAST_BAND_ROWS = 8

SCREEN_QUALITY = 80

LOW_ESTIMATE = 0.85
"""Factor on the estimated PNG size. The estimate is off by about a tenth; a low one makes sure that a PNG that might
fit is tried."""


@dataclass(frozen=True)
class ImageFile:
    data: bytes
    mime_type: str
    lossless: bool

    @property
    def extension(self) -> str:
        return self.mime_type.removeprefix("image/")


def holds(file_format: FileFormat, size: Size) -> bool:
    """Return True if the format supports pictures of `size`."""
    return max(size) <= MOST_PIXELS_A_SIDE[file_format]


def encode(picture: Picture, file_format: FileFormat, quality: int, source: DigitalSource) -> ImageFile:
    """Return `picture` as a file. `quality`, 1 to 100, applies to jpeg (4:4:4) and webp; png is lossless."""
    if file_format == "png":
        return ImageFile(_png(picture, source), "image/png", lossless=True)
    file = BytesIO()
    extras = {"quality": quality, "icc_profile": picture.icc, "xmp": _xmp(source)}
    if file_format == "jpeg":
        extras |= {"subsampling": 0}
    image = _padded(picture.pixels) if file_format == "jpeg" else Image.fromarray(picture.pixels)
    image.save(file, file_format.upper(), **extras)
    return ImageFile(file.getvalue(), f"image/{file_format}", lossless=False)


def encode_cut_out(pixels: NDArray[np.uint8]) -> ImageFile:
    """Return red, green, blue and alpha (height, width, 4) as a WebP for the screen."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=SCREEN_QUALITY)
    return ImageFile(file.getvalue(), "image/webp", lossless=False)


def _padded(pixels: Pixels) -> Image.Image:
    """Return an image with four bytes per pixel, Pillow's internal layout, which it uses without a copy."""
    padded = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    return Image.frombuffer("RGBX", pixels.shape[1::-1], padded, "raw", "RGBX", 0, 1)


def encode_within(picture: Picture, max_bytes: int, best: int, source: DigitalSource) -> ImageFile:
    """Return a PNG if it fits into `max_bytes`, else the best JPEG that fits, else the smallest JPEG.

    JPEG quality is at most `best`. The PNG is skipped if a sample of the rows shows that it cannot fit, the JPEG if
    the picture is longer than the format allows.
    """
    if not holds("jpeg", picture.size):
        return encode(picture, "png", 100, source)
    if max_bytes > PNG_AT_WORST * picture.pixels.size or _estimated_png_bytes(picture.pixels) <= max_bytes:
        file = encode(picture, "png", 100, source)
        if len(file.data) <= max_bytes:
            return file
    for quality in (best, *(step for step in LOSSY_LADDER if step < best)):
        file = encode(picture, "jpeg", quality, source)
        if len(file.data) <= max_bytes:
            break
    return file


def _estimated_png_bytes(pixels: Pixels) -> int:
    """Return a low estimate of the PNG's size, from a sample of the rows."""
    height = pixels.shape[0]
    band = max(LEAST_BAND_ROWS, int(height * SAMPLED_ROWS / SAMPLED_BANDS))
    starts = np.linspace(0, max(0, height - band), SAMPLED_BANDS).astype(int)
    sample = np.concatenate([pixels[start : start + band] for start in starts])
    return int(len(png(sample, ())) * height / len(sample) * LOW_ESTIMATE)


def _png(picture: Picture, source: DigitalSource) -> bytes:
    return png(picture.pixels, _chunks(picture.icc, source))


def _chunks(icc: bytes | None, source: DigitalSource) -> Iterator[bytes]:
    if icc:
        yield chunk(b"iCCP", b"ICC\0\0", zlib.compress(icc))
    yield chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0", _xmp(source))


def _xmp(source: DigitalSource) -> bytes:
    """Return IPTC's digital source type (https://cv.iptc.org/newscodes/digitalsourcetype) as an XMP packet."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{source}"
        "</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="r"?>'
    ).encode()
