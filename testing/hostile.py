"""Picture files that are legal and small, and cost their decoders seconds."""

import io
import struct
import zlib

from PIL import Image, TiffImagePlugin

RLE8 = 1
"""BMP's compression by runs of equal pixels, which Pillow decodes in Python."""

COMMENT, END = b"\xff\xfe\x00\x02", b"\xff\xd9"
SCAN = b"\xff\xda"


def bmp_of_single_pixels(width: int, height: int) -> bytes:
    """Return a BMP of `width` * `height` runs, two bytes each."""
    row = b"\x01\x01" * width + b"\x00\x00"
    colors, body = bytes(4 * 256), row * height
    start = 14 + 40 + len(colors)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, RLE8, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + colors + body


def tiff_of_single_rows(height: int) -> bytes:
    """Return an uncompressed gray TIFF that is one pixel wide, with a strip for each row."""
    short, long = 3, 4
    first = 8 + 2 + 12 * 8 + 4  # after the header and the directory
    entries = [
        (TiffImagePlugin.IMAGEWIDTH, long, 1, 1),
        (TiffImagePlugin.IMAGELENGTH, long, 1, height),
        (TiffImagePlugin.BITSPERSAMPLE, short, 1, 8),
        (TiffImagePlugin.COMPRESSION, short, 1, 1),
        (TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, short, 1, 1),
        (TiffImagePlugin.STRIPOFFSETS, long, height, first),
        (TiffImagePlugin.SAMPLESPERPIXEL, short, 1, 1),
        (TiffImagePlugin.ROWSPERSTRIP, long, 1, 1),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 8) * height


def jpeg_of_comments(count: int) -> bytes:
    """Return a small JPEG with empty comments."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    data = out.getvalue()
    return data[:2] + COMMENT * count + data[2:]


def png_of_empty_chunks(count: int) -> bytes:
    """Return a small PNG with private chunks that hold nothing."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    data, header = out.getvalue(), 8 + 25
    kind = b"teSt"
    empty = bytes(4) + kind + struct.pack(">I", zlib.crc32(kind))
    return data[:header] + empty * count + data[header:]


def jpeg_of_scans(size: tuple[int, int], scans: int) -> bytes:
    """Return a progressive gray JPEG whose last scan, a refinement without any bits set, is repeated."""
    out = io.BytesIO()
    Image.new("L", size, 128).save(out, "JPEG", progressive=True, quality=50)
    start = out.getvalue().removesuffix(END)
    last = start[start.rindex(SCAN) :]
    return start + last * (scans - start.count(SCAN)) + END
