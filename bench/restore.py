"""Measures how well the picture of a drifting model is restored to the photo, on cases with ground truth.

usage: python bench/restore.py [--json] [CASE_DIR ...]

The raw result is the case's truth as a bad model would return it: zoomed, shifted, rotated, recolored, with JPEG noise,
reduced to a megapixel, the product repainted, the light uneven. The replay engine plays it back and the job interface
answers it, at the given size and at 12 megapixels, where room and truth are enlarged and given the same fine texture.
The plain way, the raw result resized to the photo, is scored too.

`outside` is the share of pixels equal to the photo's bit for bit, among those where the truth has neither the product
nor its light. Residual misregistration, in photo pixels over the product's surroundings, is the difference between the
drift that the answer reports and the one that was applied. PSNR is over the same surroundings, against the truth; its
loss is against the answer to the same raw result without the drift.

A second table is for a pouf in the color of its background, all drifts with the noise of a JPEG of quality 95 or less.
Its PSNR is over the pouf's own pixels, its loss against undoing the drift that was applied.
"""

import argparse
import asyncio
import base64
import io
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from runpod.serverless.modules.rp_job import run_job  # noqa: E402
from runpod.serverless.modules.rp_logger import RunPodLogger  # noqa: E402

from handlers.router import build_router  # noqa: E402
from imaging.picture import Pixels  # noqa: E402
from models.build import build  # noqa: E402
from rp_handler import Door  # noqa: E402
from schemas.settings import Settings  # noqa: E402
from testing.drift import (  # noqa: E402
    MODELS,
    Matrix,
    Model,
    Scene,
    camouflaged,
    enlarged,
    motion,
    painted,
    psnr,
    read_scene,
    undone,
)

COLUMNS = ("outside", "median_px", "worst_px", "psnr", "plain_outside", "plain_median", "plain_worst", "plain_psnr",
           "undrifted", "loss_db", "seconds")  # fmt: skip
SAME = 2  # levels; less is neither product nor light


@dataclass(frozen=True, eq=False)
class Worker:
    """A worker that plays back one scene's raw results, each under the seed of its position in `models`."""

    scene: Scene
    models: list[Model]
    product: bytes
    door: Door

    def answer(self, model: Model) -> tuple[Pixels, Matrix, float]:
        """Return the answer to a job sent through the SDK's own runner, its homography, and the seconds it took."""
        job = {
            "product_image": as_text(self.product),
            "room_image": as_text(as_png(self.scene.room)),
            "placement_box": list(self.scene.box),
            "seed": self.models.index(model),
            "output_format": "png",
            "fallback": False,
        }
        started = time.perf_counter()
        done = asyncio.run(run_job(self.door.queued, {"id": "bench", "input": job}))
        seconds = time.perf_counter() - started
        if "error" in done:
            raise SystemExit(done["error"])
        pixels = np.array(Image.open(io.BytesIO(base64.b64decode(done["output"]["processed_image"]))))
        drift = done["output"]["placement_info"]["checks"]["drift"]
        return pixels, np.reshape(drift["homography"], (3, 3)), seconds


def worker(scene: Scene, models: list[Model], folder: Path, product: bytes) -> Worker:
    for number, model in enumerate(models):
        (folder / f"{number:02}.png").write_bytes(as_png(painted(model, scene)))
    settings = Settings(_env_file=None, engine="replay", replay_dir=folder, max_image_mb=200, response_limit_mb=500)
    return Worker(scene, models, product, Door(settings, build_router(settings, build(settings))))


def as_png(pixels: Pixels) -> bytes:
    return cv2.imencode(".png", pixels[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def as_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


# Measures


def identical(scene: Scene, pixels: Pixels) -> float:
    true = np.abs(scene.truth.astype(np.int16) - scene.room).max(axis=2) <= SAME
    return float((pixels == scene.room).all(axis=2)[~scene.near & true].mean())


def residual(scene: Scene, found: Matrix, true: Matrix) -> tuple[float, float]:
    """Return the median and the largest distance over a grid of points in the product's surroundings."""
    left, top, right, bottom = (round(edge) for edge in cv2.boundingRect(scene.near.astype(np.uint8)))
    x, y = np.meshgrid(np.linspace(left, left + right - 1, 41), np.linspace(top, top + bottom - 1, 41))
    places = np.stack([x.ravel(), y.ravel()], axis=1)[None]
    apart = np.linalg.norm(cv2.perspectiveTransform(places, np.linalg.inv(true) @ found) - places, axis=2)
    return float(np.median(apart)), float(apart.max())


def score(worker: Worker, model: Model, undrifted: float) -> dict[str, Any]:
    scene = worker.scene
    pixels, found, seconds = worker.answer(model)
    raw, true = painted(model, scene), motion(model, scene)
    median, worst = residual(scene, found, true)
    plain_median, plain_worst = residual(scene, np.eye(3), true)
    return {
        "case": scene.name,
        "megapixels": round(scene.product.size / 1e6, 1),
        "drift": model.name,
        "outside": identical(scene, pixels),
        "median_px": median,
        "worst_px": worst,
        "psnr": psnr(scene, pixels),
        "plain_outside": identical(scene, raw),
        "plain_median": plain_median,
        "plain_worst": plain_worst,
        "plain_psnr": psnr(scene, raw),
        "undrifted": undrifted,
        "loss_db": undrifted - psnr(scene, pixels),
        "seconds": seconds,
    }


def scores(scene: Scene) -> list[dict[str, Any]]:
    still = {model: replace(model.without_drift, name="undrifted") for model in MODELS}
    with tempfile.TemporaryDirectory() as folder:
        product = (scene.folder / "product_alpha.png").read_bytes()
        played = worker(scene, [*MODELS, *dict.fromkeys(still.values())], Path(folder), product)
        undrifted = cache(lambda model: psnr(scene, played.answer(model)[0]))
        return [score(played, model, undrifted(still[model])) for model in MODELS]


def camouflaged_scores(given: Scene) -> list[dict[str, Any]]:
    """Return a row for each drift of the scene with a product in the color of its background."""
    scene, pouf = camouflaged(given)
    rgba = np.dstack([pouf.color[..., ::-1], np.rint(pouf.alpha * 255).astype(np.uint8)])
    models = [replace(model, jpeg=model.jpeg or 95) for model in MODELS if not (model.repaint or model.gradient)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        played = worker(scene, models, Path(folder), cv2.imencode(".png", rgba)[1].tobytes())
        for model in models:
            perfect = psnr(scene, undone(model, scene, painted(model, scene)), scene.product)
            made = psnr(scene, played.answer(model)[0], scene.product)
            rows.append({"case": scene.name, "drift": model.name, "psnr": made, "perfect": perfect})
    return rows


def summary(rows: list[dict[str, Any]], hidden: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the worst value of each measure; medians are the largest of any row's."""
    large = [row for row in rows if row["megapixels"] > 6]
    given = [row for row in rows if row["megapixels"] <= 6]
    return {
        "outside_identical": min(row["outside"] for row in rows),
        "median_px": max(row["median_px"] for row in given),
        "worst_px": max(row["worst_px"] for row in given),
        "psnr_loss_db": max(row["loss_db"] for row in rows),
        "median_px_12mp": max(row["median_px"] for row in large),
        "worst_px_12mp": max(row["worst_px"] for row in large),
        "camouflaged_loss_db": float(np.mean([row["perfect"] - row["psnr"] for row in hidden])),
        "camouflaged_worst_db": max(row["perfect"] - row["psnr"] for row in hidden),
    }


def print_row(row: dict[str, Any]) -> None:
    shown = (f"{row[name]:15.4f}" if "outside" in name else f"{row[name]:15.3f}" for name in COLUMNS)
    print(f"{row['case']:20}{row['megapixels']:5.1f} {row['drift']:13}" + "".join(shown), flush=True)


def main() -> None:
    RunPodLogger().level = os.environ["RUNPOD_LOG_LEVEL"] = "ERROR"  # the SDK logs to the same stream as the table
    parser = argparse.ArgumentParser(description="measures how drifted pictures are brought back")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    parser.add_argument("cases", nargs="*", type=Path, help="folders as in examples/photos, which is the default")
    asked = parser.parse_args()
    folders = asked.cases or sorted(file.parent for file in (ROOT / "examples/photos").glob("*/case.json"))
    if not asked.json:
        print(f"{'case':20}{'MP':>5} {'drift':13}" + "".join(f"{name.replace('_', ' '):>15}" for name in COLUMNS))
    rows, hidden = [], []
    for folder in folders:
        given = read_scene(folder)
        for scene in (given, enlarged(given)):
            rows += (made := scores(scene))
            if not asked.json:
                for row in made:
                    print_row(row)
        hidden += camouflaged_scores(given)
    if not asked.json:
        print(f"\n{'case':34}{'drift':13}{'psnr':>9}{'perfect':>9}{'loss db':>9}")
        for row in hidden:
            loss = row["perfect"] - row["psnr"]
            print(f"{row['case']:34}{row['drift']:13}{row['psnr']:9.2f}{row['perfect']:9.2f}{loss:9.2f}")
    print(json.dumps(summary(rows, hidden)))


if __name__ == "__main__":
    main()
