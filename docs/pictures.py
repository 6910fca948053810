"""Makes the pictures of the docs with the worker itself: python docs/pictures.py"""

import asyncio
import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rp_handler import handler  # noqa: E402

PHOTOS = ROOT / "examples/photos"
REAL = ROOT / "examples/real_rooms"
HEIGHT, GALLERY_HEIGHT = 480, 300
SHOWN_FIRST = 1  # of the real rooms: the one in README.md
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
    """Stack the pictures vertically, each scaled to the width of the first."""
    wide = [row.resize((rows[0].width, round(row.height * rows[0].width / row.width))) for row in rows]
    sheet = Image.new("RGB", (wide[0].width, sum(row.height for row in wide) + GAP * (len(wide) - 1)), "white")
    top = 0
    for row in wide:
        sheet.paste(row, (0, top))
        top += row.height + GAP
    return sheet


def painting() -> Image.Image:
    """Draw a framed landscape: hills under an evening sky."""
    y, x = np.mgrid[0:300, 0:420] / 300.0
    sky = np.stack([0.95 - 0.35 * y, 0.75 - 0.25 * y, 0.55 + 0.1 * y], axis=2)
    for base, color in ((0.55, (0.45, 0.5, 0.6)), (0.68, (0.3, 0.42, 0.4)), (0.82, (0.16, 0.28, 0.24))):
        hill = y > base + 0.06 * np.sin(5 * x / base) + 0.03 * np.sin(13 * x * base)
        sky = np.where(hill[..., None], color, sky)
    framed = np.full((360, 480, 3), (0.22, 0.14, 0.08))
    framed[10:-10, 10:-10] = (0.95, 0.94, 0.9)
    framed[30:-30, 30:-30] = sky
    return Image.fromarray((255 * framed).round().astype(np.uint8)).convert("RGBA")


def as_text(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def new_room() -> Image.Image:
    """Return the shop's photo beside the room that `generate` makes around the product."""
    answer = worked(**json.loads((ROOT / "examples/generate.json").read_text())["input"])
    return beside([in_square(Image.open(REAL / "chair.png")), answer])


def wall_and_table() -> Image.Image:
    """Return a picture hung on the wall by words and a vase put on a table by a point, both at their real height."""
    vase = as_text(Image.open(PHOTOS / "vase_loft/product_alpha.png"))
    rows = []
    for case, table in {"armchair_daylight": [611, 478], "vase_loft": [586, 438]}.items():
        room = as_text(Image.open(PHOTOS / case / "room.png"))
        hung = worked(
            product_image=as_text(painting()), room_image=room, instructions="Hang it on the wall",
            product_height_cm=55, seed=1,
        )  # fmt: skip
        stood = worked(
            product_image=vase, room_image=room, placement_coordinates=table, placement_surface="tabletop",
            product_height_cm=28, seed=1,
        )  # fmt: skip
        rows.append(beside([hung, stood]))
    return stacked(rows)


def rug() -> Image.Image:
    """Draw a rug from above, with a border and rhombs."""
    y, x = np.mgrid[-1:1:300j, -1:1:440j]
    rhombs = np.cos(6 * np.pi * (x + 0.7 * y)) * np.cos(6 * np.pi * (x - 0.7 * y)) > 0.1
    border = (np.abs(x) > 0.9) | (np.abs(y) > 0.86)
    line = (np.abs(np.abs(x) - 0.84) < 0.015) | (np.abs(np.abs(y) - 0.78) < 0.022)
    color = np.where(rhombs[..., None], (168, 72, 58), (216, 196, 164))
    color = np.where((border | line)[..., None], (58, 66, 92), color)
    weave = 6 * np.sin(np.arange(440) * 2.1)[None, :, None] * np.sin(np.arange(300) * 2.3)[:, None, None]
    return with_margin(Image.fromarray((color + weave).clip(0, 255).astype(np.uint8)))


def with_margin(picture: Image.Image) -> Image.Image:
    """Return a cut-out with a transparent margin: a plain border that fills the photo would look like a background."""
    cut_out = Image.new("RGBA", (picture.width + 16, picture.height + 16), (0, 0, 0, 0))
    cut_out.paste(picture, (8, 8))
    return cut_out


def pendant() -> Image.Image:
    """Draw a pendant lamp with a cable and a bell."""
    picture = Image.new("RGBA", (240, 400), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((118, 0, 122, 230), fill=(30, 30, 32, 255))
    draw.pieslice((20, 210, 220, 590), 180, 360, fill=(44, 74, 70, 255))
    draw.rectangle((20, 396, 220, 400), fill=(232, 200, 120, 255))
    return picture


def what_can_be_placed() -> Image.Image:
    """Return a picture for each surface, and one of three products at once, in the rooms of examples/photos."""
    room = {case: as_text(Image.open(PHOTOS / case / "room.png")) for case in ("armchair_daylight", "vase_loft")}
    chair, vase = (as_text(Image.open(PHOTOS / case / "product_alpha.png")) for case in room)
    day, loft = room.values()
    laid = worked(
        product_image=as_text(rug()), room_image=day, placement_surface="rug", placement_coordinates=[470, 735],
        product_width_cm=200, seed=1,
    )  # fmt: skip
    hung = worked(
        product_image=as_text(with_margin(painting())), room_image=loft, placement_surface="wall",
        instructions="on the wall", product_width_cm=75, seed=1,
    )  # fmt: skip
    lit = worked(
        product_image=as_text(pendant()), room_image=loft, placement_surface="ceiling",
        placement_coordinates=[586, 0], product_height_cm=70, seed=1,
    )  # fmt: skip
    several = worked(
        room_image=day, seed=1,
        products=[
            {"product_image": chair, "placement_coordinates": [330, 660], "product_height_cm": 90},
            {"product_image": as_text(rug()), "product_name": "Rug", "placement_coordinates": [420, 745],
             "product_width_cm": 220},
            {"product_image": vase, "placement_surface": "tabletop", "placement_coordinates": [611, 478],
             "product_height_cm": 28},
        ],
    )  # fmt: skip
    return stacked([beside([laid, hung]), beside([lit, several])])


def real_rooms() -> list[Image.Image]:
    """Return a row for each job of examples/real_rooms: the shop's photo, the customer's room and the answer."""
    rows = []
    for job in json.loads((REAL / "jobs.json").read_text()):
        room, product = REAL / job.pop("room"), REAL / job.pop("product")
        texts = (base64.b64encode(file.read_bytes()).decode() for file in (room, product))
        answer = worked(**dict(zip(("room_image", "product_image"), texts, strict=True)), seed=1, **job)
        rows.append(beside([in_square(Image.open(product)), Image.open(room), answer]))
    return rows


def in_square(picture: Image.Image) -> Image.Image:
    """Return the picture on white, so that all pictures take the same place in a gallery."""
    square = Image.new("RGBA", (max(picture.size),) * 2, "white")
    square.alpha_composite(
        picture.convert("RGBA"), ((square.width - picture.width) // 2, (square.height - picture.height) // 2)
    )
    return square.convert("RGB")


def gallery(rows: list[Image.Image]) -> Image.Image:
    """Stack the rows at one height, each as wide as its photos are."""
    small = [row.resize((round(row.width * GALLERY_HEIGHT / row.height), GALLERY_HEIGHT)) for row in rows]
    sheet = Image.new("RGB", (max(row.width for row in small), (GALLERY_HEIGHT + GAP) * len(small) - GAP), "white")
    for number, row in enumerate(small):
        sheet.paste(row, (0, number * (GALLERY_HEIGHT + GAP)))
    return sheet


def main() -> None:
    what_can_be_placed().save(ROOT / "docs/what-can-be-placed.jpg", quality=85)
    new_room().save(ROOT / "docs/new-room.jpg", quality=82, optimize=True)
    wall_and_table().save(ROOT / "docs/wall-and-table.jpg", quality=85)
    rows = real_rooms()
    gallery(rows).save(ROOT / "docs/real-rooms.jpg", quality=80, optimize=True)
    rows[SHOWN_FIRST].save(ROOT / "docs/real-room.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main()
