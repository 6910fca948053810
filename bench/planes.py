"""Measures how far the corners of rugs and pictures are from where they belong, in drawn rooms with a known camera.

usage: python bench/planes.py [--json]

A rug of 200 x 140 cm is laid on the free place of the floor, and a picture of 80 x 60 cm is hung on the back wall. The
error is the mean distance of the four corners from the true ones, which follow from the room's plan, as a share of the
true diagonal. "known camera" passes the camera that drew the room, "known height" only its height (`camera_height_cm`),
and "photo alone" nothing. The wall's distance is always estimated.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs from its folder

import numpy as np  # noqa: E402

from imaging.cutout import CutOut  # noqa: E402
from imaging.geometry.camera import Camera  # noqa: E402
from imaging.geometry.find_camera import find_camera  # noqa: E402
from imaging.per_photo import read_only  # noqa: E402
from imaging.placement.layout import Wish, lay_out  # noqa: E402
from imaging.scenes import DrawnScene, Exhibit, draw_scene  # noqa: E402
from imaging.scenes.rooms import HOOKS, ROOMS  # noqa: E402
from schemas.jobs import AskedSurface  # noqa: E402

SIZE = (1280, 800)
SEEDS = range(3)
RUG_CM, PICTURE_CM = (200.0, 140.0), (80.0, 60.0)
SIZES_CM: dict[AskedSurface, tuple[float, float]] = {"rug": RUG_CM, "wall": PICTURE_CM}

Corners = list[tuple[float, float]]


def block(size_cm: tuple[float, float]) -> CutOut:
    width, height = (round(4 * side) for side in size_cm)
    return CutOut(np.full((height, width, 3), 120, np.uint8), np.ones((height, width), np.float32), 1.0)


def true_rug(scene: DrawnScene) -> Corners:
    """Return the corners on the floor by the projection of a level camera."""
    camera, (column, row) = scene.camera, scene.foot
    near = camera.height_cm * camera.focal / (row + 0.5 - camera.horizon)
    middle, far = (column + 0.5 - SIZE[0] / 2) * near / camera.focal, near + RUG_CM[1]
    floor = [(middle + side * RUG_CM[0] / 2, z) for side, z in ((-1, far), (1, far), (1, near), (-1, near))]
    return [
        (SIZE[0] / 2 + x * camera.focal / z, camera.horizon + camera.height_cm * camera.focal / z) for x, z in floor
    ]


def error(scene: DrawnScene, camera: Camera, surface: AskedSurface, truth: Corners) -> float:
    (width, height), corners = SIZES_CM[surface], np.array(truth)
    center = corners.mean(axis=0).astype(int).tolist()
    point = (center[0], center[1]) if surface == "wall" else scene.foot
    wish = Wish(coordinates=point, surface=surface, product_width_cm=width, product_height_cm=height)
    placement = lay_out(scene.pixels, block(SIZES_CM[surface]), camera, wish)
    left, top, right, bottom = placement.frame
    laid = np.array(placement.corners or ((left, top), (right, top), (right, bottom), (left, bottom)))
    return float(np.linalg.norm(laid - corners, axis=1).mean() / np.hypot(*np.ptp(corners, axis=0)))


def score(kind: str, seed: int, surface: AskedSurface) -> dict[str, Any]:
    product = Exhibit(block(SIZES_CM[surface]), SIZES_CM[surface], "wall") if surface == "wall" else None
    scene = draw_scene(kind, SIZE, seed, product)
    read_only(scene.pixels)
    if scene.box:
        left, top, right, bottom = scene.box
        truth: Corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    else:
        truth = true_rug(scene)
    cameras = {
        "known camera": scene.camera,
        "known height": find_camera(scene.pixels, scene.camera.height_cm),
        "photo alone": find_camera(scene.pixels),
    }
    return {name: error(scene, camera, surface, truth) for name, camera in cameras.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="measures the corners of rugs and pictures in drawn rooms")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    asked = parser.parse_args()
    rows = []
    rooms: dict[AskedSurface, tuple[str, ...]] = {"rug": tuple(ROOMS), "wall": tuple(HOOKS)}
    for surface, kinds in rooms.items():
        scores = [score(kind, seed, surface) for kind in kinds for seed in SEEDS]
        for name in scores[0]:
            errors = [each[name] for each in scores]
            rows.append({"surface": surface, "camera": name, "median": median(errors), "worst": max(errors)})
    if asked.json:
        print(json.dumps(rows))
        return
    print(f"{'surface':10}{'camera':16}{'median':>8}{'worst':>8}")
    for row in rows:
        print(f"{row['surface']:10}{row['camera']:16}{row['median']:8.3f}{row['worst']:8.3f}")


if __name__ == "__main__":
    main()
