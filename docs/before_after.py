"""Makes docs/before-after.jpg, the README's picture, with the worker itself: python docs/before_after.py"""

import asyncio
import base64
import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rp_handler import handler  # noqa: E402

CHAIR = ROOT / "examples/photos/armchair_daylight"
HEIGHT = 480
GAP = 8


def worked(**job: Any) -> Image.Image:
    answer = asyncio.run(handler({"id": "docs", "input": job}))
    return Image.open(io.BytesIO(base64.b64decode(answer["processed_image"])))


def beside(images: list[Image.Image]) -> Image.Image:
    tiles = [image.resize((round(image.width * HEIGHT / image.height), HEIGHT)) for image in images]
    row = Image.new("RGB", (sum(tile.width for tile in tiles) + GAP * (len(tiles) - 1), HEIGHT), "white")
    left = 0
    for tile in tiles:
        row.paste(tile, (left, 0))
        left += tile.width + GAP
    return row


def stacked(rows: list[Image.Image]) -> Image.Image:
    """All as wide as the first."""
    wide = [row.resize((rows[0].width, round(row.height * rows[0].width / row.width))) for row in rows]
    sheet = Image.new("RGB", (wide[0].width, sum(row.height for row in wide) + GAP * (len(wide) - 1)), "white")
    top = 0
    for row in wide:
        sheet.paste(row, (0, top))
        top += row.height + GAP
    return sheet


def main() -> None:
    product, room = (
        base64.b64encode((CHAIR / name).read_bytes()).decode() for name in ("product_white.png", "room.png")
    )
    edited = worked(
        product_image=product, room_image=room, placement_coordinates=[247, 656], product_height_cm=90, seed=1
    )
    generated = worked(action="generate", product_image=product, product_height_cm=90, output_size=[1024, 768], seed=7)
    shop = Image.open(CHAIR / "product_white.png").convert("RGB")
    rows = [[shop.crop((100, 120, 560, 560)), Image.open(CHAIR / "room.png")], [edited, generated]]
    sheet = stacked([beside(row) for row in rows])
    sheet.save(ROOT / "docs/before-after.jpg", quality=88)


if __name__ == "__main__":
    main()
