"""Compares the worker's PNG encoder with OpenCV's: wall time, CPU time and file size by picture size.

usage: python -m bench.png [PICTURE ...]

The default pictures are the rooms in `examples/photos`. Both encoders write the digital source type as XMP and no ICC
profile. Times are the best of several runs, to reduce the influence of other work on the machine.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from imaging.codec.encode import encode
from imaging.picture import Picture, Pixels

PHOTOS = Path(__file__).resolve().parent.parent / "examples" / "photos"
MEGAPIXELS = (0.8, 2.0, 12.0)
RUNS = 7
XMP = np.frombuffer(b"<x:xmpmeta/>" * 40, np.uint8)

AVERAGE_LEVEL_1 = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG)


def ours(pixels: Pixels) -> int:
    return len(encode(Picture(pixels), "png", 100, "composite").data)


def opencv(pixels: Pixels, parameters: tuple[int, ...] = ()) -> int:
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    written, data = cv2.imencodeWithMetadata(".png", bgr, [cv2.IMAGE_METADATA_XMP], [XMP], parameters)
    assert written
    return len(data)


ENCODERS: dict[str, Callable[[Pixels], int]] = {
    "ours": ours,
    "OpenCV, its defaults": opencv,
    "OpenCV, level 1, average": lambda pixels: opencv(pixels, AVERAGE_LEVEL_1),
}


def measured(encoder: Callable[[Pixels], int], pixels: Pixels) -> tuple[float, float, int]:
    """Return milliseconds of wall time, milliseconds of CPU time, and bytes."""
    wall, cpu, size = [], [], 0
    for _ in range(RUNS):
        began, began_cpu = time.perf_counter(), time.process_time()
        size = encoder(pixels)
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - began_cpu))
    return min(wall), min(cpu), size


def sized(pixels: Pixels, megapixels: float) -> Pixels:
    scale = (1e6 * megapixels / (pixels.shape[0] * pixels.shape[1])) ** 0.5
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURE")
    files = parser.parse_args().pictures or sorted(PHOTOS.glob("*/room.png"))
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    print(f"{'encoder':26s} {'MP':>5s} {'wall ms':>8s} {'CPU ms':>8s} {'bytes a pixel':>14s}")
    for megapixels in MEGAPIXELS:
        scaled = [sized(picture, megapixels) for picture in pictures]
        pixels = sum(picture.shape[0] * picture.shape[1] for picture in scaled)
        for name, encoder in ENCODERS.items():
            rows = [measured(encoder, picture) for picture in scaled]
            wall, cpu = (sum(row[i] for row in rows) / len(rows) for i in (0, 1))
            size = sum(row[2] for row in rows) / pixels
            print(f"{name:26s} {megapixels:5.1f} {wall:8.1f} {cpu:8.1f} {size:14.2f}", flush=True)


if __name__ == "__main__":
    main()
