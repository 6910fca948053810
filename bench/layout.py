"""Times `POST /v1/layout` over loopback: a photo that the server has not seen, and the next taps on it.

usage: python bench/layout.py [--json]

A photo of 12 megapixels as phones make it, and one at the size of its preview. Each tap is at another point. Times are
medians of the runs, in milliseconds, with the transfer.
"""

import argparse
import io
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import httpx2  # noqa: E402
from PIL import Image  # noqa: E402

from models.preview import Preview  # noqa: E402
from testing.live import serving  # noqa: E402
from testing.pictures import CHAIR, as_base64  # noqa: E402

SIZES = {"0.8 megapixels": (1024, 768), "12 megapixels": (4032, 3024)}
SURFACES = {"floor": (0.24, 0.85), "rug": (0.5, 0.93), "wall": (0.45, 0.25), "tabletop": (0.6, 0.62)}
"""The tapped point of each surface, as shares of the photo's sides."""

RUNS, TAPS = 3, 5
QUALITY = 92


def photo(size: tuple[int, int], number: int) -> str:
    """Return the room as a JPEG that no other run has sent."""
    room = Image.open(CHAIR / "room.png").convert("RGB").resize(size, Image.Resampling.BICUBIC)
    room.putpixel((0, 0), (number % 256, number // 256, 7))
    file = io.BytesIO()
    room.save(file, "JPEG", quality=QUALITY, comment=str(number))
    return as_base64(file.getvalue())


def job(room: str, size: tuple[int, int], surface: str, tap: int) -> dict[str, Any]:
    x, y = SURFACES[surface]
    point = [int((x + 0.004 * tap) * size[0]), int((y + 0.002 * tap) * size[1])]
    product = {"product_image": as_base64(CHAIR / "product_alpha.png"), "product_height_cm": 90}
    return {"room_image": room, "products": [product | {"placement_surface": surface, "placement_coordinates": point}]}


def milliseconds(client: httpx2.Client, body: dict[str, Any]) -> float:
    text = json.dumps(body)
    started = time.perf_counter()
    client.post("/v1/layout", content=text, headers={"Content-Type": "application/json"}).raise_for_status()
    return 1000 * (time.perf_counter() - started)


def score(client: httpx2.Client, name: str, surface: str, number: int) -> dict[str, Any]:
    size, first, taps = SIZES[name], [], []
    for run in range(RUNS):
        room = photo(size, number * RUNS + run)
        first.append(milliseconds(client, job(room, size, surface, 0)))
        taps += [milliseconds(client, job(room, size, surface, tap)) for tap in range(1, TAPS + 1)]
    return {"photo": name, "surface": surface, "first_ms": median(first), "tap_ms": median(taps)}


def main() -> None:
    parser = argparse.ArgumentParser(description="times layouts over loopback")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    asked = parser.parse_args()
    with serving(Preview) as live, httpx2.Client(base_url=live.url, timeout=60) as client:
        milliseconds(client, job(photo((320, 240), 9999), (320, 240), "floor", 0))  # imports, codecs
        cases = [(name, surface) for name in SIZES for surface in SURFACES]
        rows = [score(client, name, surface, number) for number, (name, surface) in enumerate(cases)]
    if asked.json:
        print(json.dumps(rows))
        return
    print(f"{'photo':16}{'surface':10}{'first':>10}{'next taps':>12}")
    for row in rows:
        print(f"{row['photo']:16}{row['surface']:10}{row['first_ms']:7.0f} ms{row['tap_ms']:9.0f} ms")


if __name__ == "__main__":
    main()
