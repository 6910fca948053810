"""Scores placements on cases with ground truth.

usage: python bench/placement.py [--json] [CASE_DIR ...]

Each case is placed from its white-background and its alpha product, given only the base point and the real height. Two
references are scored too: the naive paste (the product photo squeezed to 200x200, its base at the coordinates) and the
oracle paste (the alpha cut-out in the true box, without light or shadow).
"""

import argparse
import asyncio
import base64
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from runpod.serverless.modules.rp_job import run_job  # noqa: E402
from runpod.serverless.modules.rp_logger import RunPodLogger  # noqa: E402

from imaging.picture import Box, Mask, Picture, Pixels, Point  # noqa: E402
from rp_handler import handler  # noqa: E402

PRODUCTS = ("white", "alpha")
COLUMNS = (
    "kept", "box_iou", "height_error", "dE", "dE_naive", "dE_oracle", "shadow", "shadow_naive", "shadow_oracle",
    "error", "error_naive", "error_oracle",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """One case. `mask` is the product's alpha in `truth`, 0 to 255."""

    folder: Path
    room: Pixels
    truth: Pixels
    mask: NDArray[np.uint8]
    foot: Point
    box: Box
    height_cm: float

    @property
    def near(self) -> Mask:
        """True where a product and its shadow may change the photo."""
        left, top, right, bottom = self.box
        beside, above = round(0.6 * (right - left)), round(0.35 * (bottom - top))
        near = np.zeros(self.mask.shape, np.bool_)
        near[max(0, top - above) : bottom + above, max(0, left - beside) : right + beside] = True
        return near


def answer(case: Case, product_file: Path) -> tuple[Pixels, Box]:
    """Return the answer that a caller of the job interface gets from the SDK's own runner."""
    job = {
        "product_image": base64.b64encode(product_file.read_bytes()).decode(),
        "room_image": base64.b64encode((case.folder / "room.png").read_bytes()).decode(),
        "placement_coordinates": list(case.foot),
        "product_height_cm": case.height_cm,
        "output_format": "png",
    }
    done = asyncio.run(run_job(handler, {"id": "bench", "input": job}))
    if "error" in done:
        raise SystemExit(done["error"])
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(done["output"]["processed_image"]))))
    return pixels, cast(Box, tuple(done["output"]["placement_info"]["box"]))


def picture(file: Path) -> Picture:
    image = Image.open(file)
    pixels = np.array(image.convert("RGBA"))
    return Picture(pixels[..., :3].copy(), pixels[..., 3].copy() if image.mode == "RGBA" else None)


def read_case(folder: Path) -> Case:
    told = json.loads((folder / "case.json").read_text())
    mask = picture(folder / "mask.png").alpha
    if mask is None:
        raise SystemExit(f"{folder / 'mask.png'} has no alpha")
    room, truth = (picture(folder / name).pixels for name in ("room.png", "truth.png"))
    foot, box = cast(Point, tuple(told["foot"])), cast(Box, tuple(told["box"]))
    return Case(folder, room, truth, mask, foot, box, told["height_cm"])


# References


def naive_paste(case: Case, product_file: Path) -> Pixels:
    left, top = case.foot[0] - 100, case.foot[1] + 1 - 200
    return pasted(case.room, picture(product_file), (left, top, left + 200, top + 200))


def oracle_paste(case: Case) -> Pixels:
    product = picture(case.folder / "product_alpha.png")
    assert product.alpha is not None, "product_alpha.png has alpha"
    rows, columns = np.nonzero(product.alpha > 127)
    bounds = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return pasted(case.room, Picture(product.pixels[bounds], product.alpha[bounds]), case.box)


def pasted(room: Pixels, product: Picture, box: Box) -> Pixels:
    left, top, right, bottom = box
    alpha = product.alpha if product.alpha is not None else np.full(product.pixels.shape[:2], 255, np.uint8)
    premultiplied = np.dstack([product.pixels * (alpha[..., None] / 255), alpha]).astype(np.float32)
    layer = cv2.resize(premultiplied, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    height, width = room.shape[:2]
    seen = layer[max(0, -top) : height - top, max(0, -left) : width - left]
    result = room.astype(np.float32)
    target = result[max(0, top) : bottom, max(0, left) : right]
    target[:] = target * (1 - seen[..., 3:] / 255) + seen[..., :3]
    return result.round().astype(np.uint8)


# Measures


def kept(case: Case, pixels: Pixels) -> float:
    """Return the share of pixels equal to the room's, among those that have no reason to change."""
    same = ~case.near & (apart(case.truth, case.room) <= 2)
    return float((pixels == case.room).all(axis=2)[same].mean())


def box_iou(case: Case, box: Box) -> float:
    a, b = case.box, box
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, across) * max(0, down)
    return shared / (sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - shared)


def height_error(case: Case, box: Box) -> float:
    return abs((box[3] - box[1]) / (case.box[3] - case.box[1]) - 1)


def color_distance(case: Case, pixels: Pixels) -> float:
    """Return the CIELAB distance of the mean colors inside the true product."""
    product = case.mask > 127
    return float(np.linalg.norm((lab(pixels)[product] - lab(case.truth)[product]).mean(axis=0)))


def shadow(case: Case, pixels: Pixels) -> float:
    """Return the correlation of the lightness change around the product with the true one; 0 if nothing changed."""
    around = case.near & (case.mask == 0)
    empty = lab(case.room)[around, 0]
    made, true = lab(pixels)[around, 0] - empty, lab(case.truth)[around, 0] - empty
    return float(np.corrcoef(made, true)[0, 1]) if made.any() else 0.0


def error(case: Case, pixels: Pixels) -> float:
    """Return the sum of CIELAB distances to the truth wherever the truth or the answer differs from the room, divided
    by that of the empty room."""
    changed = (apart(case.truth, case.room) > 6) | (apart(pixels, case.room) > 6)
    true = lab(case.truth)[changed]
    made, empty = (float(np.linalg.norm(lab(each)[changed] - true, axis=1).sum()) for each in (pixels, case.room))
    return made / empty


def apart(a: Pixels, b: Pixels) -> NDArray[np.int16]:
    return np.array(np.abs(a.astype(np.int16) - b).max(axis=2))


def lab(pixels: Pixels) -> NDArray[np.float32]:
    return cast(NDArray[np.float32], cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


# Table


def score(case: Case, product: str) -> dict[str, Any]:
    file = case.folder / f"product_{product}.png"
    pixels, box = answer(case, file)
    measures: dict[str, Callable[[Case, Pixels], float]] = {"dE": color_distance, "shadow": shadow, "error": error}
    pictures = {"": pixels, "_naive": naive_paste(case, file), "_oracle": oracle_paste(case)}
    return {
        "case": case.folder.name,
        "product": product,
        "kept": kept(case, pixels),
        "box_iou": box_iou(case, box),
        "height_error": height_error(case, box),
        **{name + of: measure(case, each) for name, measure in measures.items() for of, each in pictures.items()},
    }


def print_table(rows: list[dict[str, Any]], mean: dict[str, float]) -> None:
    print(f"{'case':22}{'product':9}" + "".join(f"{name.replace('_', ' '):>15}" for name in COLUMNS))
    for row in [*rows, {"case": "mean", "product": "", **mean}]:
        print(f"{row['case']:22}{row['product']:9}" + "".join(f"{row[name]:15.4f}" for name in COLUMNS))


def main() -> None:
    RunPodLogger().level = os.environ["RUNPOD_LOG_LEVEL"] = "ERROR"  # the SDK logs to the same stream as the table
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    parser = argparse.ArgumentParser(description="scores placements against ground truth")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("cases", nargs="*", type=Path, help="folders as in examples/photos, which is the default")
    asked = parser.parse_args()
    folders = asked.cases or sorted(file.parent for file in (ROOT / "examples/photos").glob("*/case.json"))
    rows = [score(case, product) for case in map(read_case, folders) for product in PRODUCTS]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in COLUMNS}
    if asked.json:
        print(json.dumps({"cases": rows, "mean": mean}))
    else:
        print_table(rows, mean)


if __name__ == "__main__":
    main()
