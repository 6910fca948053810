"""Measures what the largest and the costliest pictures take to decode: CPU time, memory of the process, and the answer.

usage: python -m bench.decode [NAME ...]

Each picture is decoded by a fresh process within the worker's default limits. The large ones are an enlarged room
photo, compressed until it fits; the costly ones are made by `testing/hostile.py`.
"""

import argparse
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from pillow_heif import register_heif_opener

from imaging.codec.decode import ImageLimits
from imaging.codec.decoder_process import DecoderProcess
from schemas.errors import JobError
from schemas.settings import MEGA, Settings
from testing import hostile
from testing.pictures import CHAIR

SIZE = (8160, 6120)
"""49.9 megapixels, in the shape of a phone's photo."""

QUALITIES = (95, 85, 75, 60, 45, 30)


def large(limit: int, kind: str, **options: Any) -> bytes:
    """Return the enlarged photo in the best quality that fits."""
    register_heif_opener()
    photo = Image.open(CHAIR / "room.png").convert("RGB").resize(SIZE, Image.Resampling.BICUBIC)
    for quality in QUALITIES:
        file = io.BytesIO()
        photo.save(file, kind, **{"quality": quality} | options)
        if file.tell() <= limit:
            return file.getvalue()
    raise ValueError(f"no {kind} of {SIZE} fits into {limit} bytes")


def pictures(limit: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield "JPEG", lambda: large(limit, "JPEG")
    yield "progressive JPEG", lambda: large(limit, "JPEG", progressive=True)
    yield "WebP", lambda: large(limit, "WEBP", method=0)
    yield "AVIF", lambda: large(limit, "AVIF", speed=10)
    yield "HEIC", lambda: large(limit, "HEIF")
    yield "PNG of one color", lambda: plain("PNG")
    yield "TIFF of one color", lambda: plain("TIFF", compression="tiff_lzw")
    yield "JPEG of 100 scans", lambda: hostile.jpeg_of_scans(SIZE, 100)
    yield "JPEG of comments", lambda: hostile.jpeg_of_comments(limit // 4 - 1000)
    yield "PNG of empty chunks", lambda: hostile.png_of_empty_chunks(limit // 12 - 1000)
    yield "BMP of single pixels", lambda: hostile.bmp_of_single_pixels(4990, 1000)
    yield "TIFF of single rows", lambda: hostile.tiff_of_single_rows(limit // 4 - 1000)


def plain(kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", SIZE, (120, 130, 140)).save(file, kind, **options)
    return file.getvalue()


def measured(data: bytes, limits: ImageLimits) -> tuple[float, float, float, str]:
    """Return seconds of wall time, seconds of CPU time, the process's peak memory in MB, and the answer."""
    decoder = DecoderProcess.start()
    decoder.answer(plain("PNG")[:100], "picture", limits, lambda: None)  # waits for the imports
    began, began_cpu = time.perf_counter(), cpu_seconds(decoder.process.pid)
    answer = decoder.answer(data, "picture", limits, lambda: None)
    wall = time.perf_counter() - began
    told = answer.message if isinstance(answer, JobError) else "{}x{}".format(*answer.size)
    try:
        cpu, peak = cpu_seconds(decoder.process.pid) - began_cpu, peak_megabytes(decoder.process.pid)
    except OSError:  # it was ended
        cpu = peak = float("nan")
    decoder.end()
    return wall, cpu, peak, told


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names
    settings = Settings(_env_file=None)
    limits = ImageLimits(int(settings.max_image_mb * MEGA), int(settings.max_image_megapixels * MEGA))
    print(f"{'picture':22s} {'MB':>6s} {'seconds':>8s} {'CPU s':>6s} {'peak MB':>8s}  answer")
    for name, file in pictures(limits.max_bytes):
        if not names or name in names:
            data = file()
            wall, cpu, peak, told = measured(data, limits)
            print(f"{name:22s} {len(data) / 1e6:6.2f} {wall:8.2f} {cpu:6.2f} {peak:8.0f}  {told}", flush=True)


if __name__ == "__main__":
    main()
