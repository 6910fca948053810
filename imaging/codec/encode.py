"""Pixels to files: fast, with the photo's own color profile and an honest word about where the picture comes from."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from imaging.codec.png import chunk, png
from imaging.picture import Picture, Pixels, Size

FileFormat = Literal["png", "jpeg", "webp"]
DigitalSource = Literal["compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia", "composite"]

LOSSY_LADDER = (90, 85, 75, 60, 40, 20)
"""JPEG qualities in the order in which they are worth trying."""

MOST_PIXELS_A_SIDE = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383}
"""That the files, or their encoders, have room for."""

PNG_AT_WORST = 1.1
"""Of a PNG, per color value: what cannot be compressed is stored."""

SAMPLED_ROWS = 1 / 16
"""Share of a picture that is encoded to foretell the size of its PNG."""


@dataclass(frozen=True)
class ImageFile:
    data: bytes
    mime_type: str
    lossless: bool

    @property
    def extension(self) -> str:
        return self.mime_type.removeprefix("image/")


def holds(file_format: FileFormat, size: Size) -> bool:
    return max(size) <= MOST_PIXELS_A_SIDE[file_format]


def encode(picture: Picture, file_format: FileFormat, quality: int, source: DigitalSource) -> ImageFile:
    """`quality` 1 to 100 is for jpeg (without chroma subsampling) and webp; png is lossless."""
    if file_format == "png":
        return ImageFile(_png(picture, source), "image/png", lossless=True)
    file = BytesIO()
    extras = {"quality": quality, "icc_profile": picture.icc, "xmp": _xmp(source)}
    if file_format == "jpeg":
        extras |= {"subsampling": 0}
    image = _unfilled(picture.pixels) if file_format == "jpeg" else Image.fromarray(picture.pixels)
    image.save(file, file_format.upper(), **extras)
    return ImageFile(file.getvalue(), f"image/{file_format}", lossless=False)


def _unfilled(pixels: Pixels) -> Image.Image:
    """Four bytes a pixel are Pillow's own layout: it takes them as they are, where it would fill and then copy."""
    padded = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    return Image.frombuffer("RGBX", pixels.shape[1::-1], padded, "raw", "RGBX", 0, 1)


def encode_within(picture: Picture, max_bytes: int, best: int, source: DigitalSource) -> ImageFile:
    """PNG where that fits into `max_bytes`, else the best JPEG that does, of at most quality `best`, else the smallest.
    Not tried are a PNG that a sample of the rows shows to be hopeless, and a JPEG that has no room for the sides."""
    if not holds("jpeg", picture.size):
        return encode(picture, "png", 100, source)
    if max_bytes > PNG_AT_WORST * picture.pixels.size or _foretold_png_bytes(picture.pixels) <= max_bytes:
        file = encode(picture, "png", 100, source)
        if len(file.data) <= max_bytes:
            return file
    for quality in (best, *(step for step in LOSSY_LADDER if step < best)):
        file = encode(picture, "jpeg", quality, source)
        if len(file.data) <= max_bytes:
            break
    return file


def _foretold_png_bytes(pixels: Pixels) -> int:
    """Size of the PNG within about a tenth, taken low so that a doubtful one is tried."""
    height = pixels.shape[0]
    band = max(8, int(height * SAMPLED_ROWS / 4))
    starts = np.linspace(0, max(0, height - band), 4).astype(int)
    sample = np.concatenate([pixels[start : start + band] for start in starts])
    return int(len(png(sample, ())) * height / len(sample) * 0.85)


def _png(picture: Picture, source: DigitalSource) -> bytes:
    return png(picture.pixels, _chunks(picture.icc, source))


def _chunks(icc: bytes | None, source: DigitalSource) -> Iterator[bytes]:
    if icc:
        yield chunk(b"iCCP", b"ICC\0\0", zlib.compress(icc))
    yield chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0", _xmp(source))


def _xmp(source: DigitalSource) -> bytes:
    """IPTC's digital source type, https://cv.iptc.org/newscodes/digitalsourcetype, as an XMP packet."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{source}"
        "</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="r"?>'
    ).encode()
