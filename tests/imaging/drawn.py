"""Rooms and products with known truth, drawn through the camera that is to be found."""

import json
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from PIL import Image

from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.picture import Pixels

PHOTOS = Path(__file__).parents[2] / "examples/photos"
CASES = ("armchair_daylight", "floor_lamp_evening", "vase_loft")
WALL_CM, HALF_CM, CEILING_CM = 500, 250, 260
FLOOR, WALL, SIDE = (150, 115, 85), (205, 203, 198), (190, 188, 184)


def camera(size: tuple[int, int] = (800, 600), horizon: float = 250, focal: float = 560) -> Camera:
    return Camera(size, horizon, focal, 150.0, found=True)


def room(seen_by: Camera, window: str = "") -> Pixels:
    """Return a bare room with boards along z and a back wall at WALL_CM; `window` is "left", "right" or empty for
    none."""
    picture = np.full((seen_by.size[1], seen_by.size[0], 3), WALL, np.uint8)
    for side in (-1, 1):
        _fill(picture, seen_by, [(side * HALF_CM, y, z) for y, z in _SIDE_WALL], SIDE)
    _fill(picture, seen_by, [(x, 0, z) for x, z in _FLOOR], FLOOR)
    _fill(picture, seen_by, [(x, CEILING_CM, z) for x, z in _FLOOR], (225, 225, 225))
    for x in range(-HALF_CM, HALF_CM + 1, 50):
        _line(picture, seen_by, (x, 0, 60), (x, 0, WALL_CM))
    if window:
        side = -HALF_CM if window == "left" else HALF_CM
        _fill(picture, seen_by, [(side, y, z) for y, z in ((90, 300), (220, 300), (220, 450), (90, 450))], (255,) * 3)
    return cast(Pixels, picture)


_SIDE_WALL = ((0, 60), (CEILING_CM, 60), (CEILING_CM, WALL_CM), (0, WALL_CM))
_FLOOR = ((-HALF_CM, 60), (HALF_CM, 60), (HALF_CM, WALL_CM), (-HALF_CM, WALL_CM))


def _fill(picture: Pixels, seen_by: Camera, corners: list[tuple[float, ...]], color: tuple[int, ...]) -> None:
    cv2.fillConvexPoly(picture, _pixels(seen_by, corners), color, cv2.LINE_AA)


def _line(picture: Pixels, seen_by: Camera, start: tuple[float, ...], end: tuple[float, ...]) -> None:
    a, b = _pixels(seen_by, [start, end]).tolist()
    cv2.line(picture, a, b, (110, 80, 55), 1, cv2.LINE_AA)


def _pixels(seen_by: Camera, positions: list[tuple[float, ...]]) -> Any:
    return np.stack(seen_by.project(*np.array(positions, float).T), axis=1).round().astype(np.int32)


def block(width: int, height: int, color: tuple[int, int, int] = (160, 60, 50)) -> CutOut:
    """Return a product that fills its cut-out."""
    return CutOut(np.full((height, width, 3), color, np.uint8), np.ones((height, width), np.float32), 1.0)


def disc(size: int, color: tuple[int, int, int] = (160, 60, 50)) -> CutOut:
    row, column = np.mgrid[:size, :size] + 0.5 - size / 2
    alpha = (size / 2 - np.hypot(row, column)).clip(0, 1).astype(np.float32)
    return CutOut(np.full((size, size, 3), color, np.uint8), alpha, 1.0)


def stool(seat: tuple[int, int, int] = (120, 80, 50)) -> CutOut:
    """Return a seat on three legs, with the middle one in front."""
    alpha = np.zeros((200, 180), np.float32)
    alpha[:60] = 1
    alpha[:170, 10:22] = alpha[:, 84:96] = alpha[:170, 158:170] = 1
    color = np.full((200, 180, 3), (120, 80, 50), np.uint8)
    color[:60] = seat
    return CutOut(color, alpha, 1.0)


def lamp(shade: tuple[int, int, int] = (240, 238, 230), pole: int = 6) -> CutOut:
    """Return a lamp: a shade on a pole with a foot."""
    alpha = np.zeros((300, 80), np.float32)
    alpha[:60] = 1
    alpha[:, 40 - pole // 2 : 40 + pole // 2] = 1
    alpha[290:, 20:60] = 1
    color = np.full((300, 80, 3), (120, 90, 40), np.uint8)
    color[:60] = shade
    return CutOut(color, alpha, 1.0)


def photo(case: str, name: str = "room.png") -> Pixels:
    return np.array(Image.open(PHOTOS / case / name).convert("RGB"))


def told(case: str) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads((PHOTOS / case / "case.json").read_text()))


def alpha_product(case: str) -> CutOut:
    pixels = np.array(Image.open(PHOTOS / case / "product_alpha.png"))
    rows, columns = np.nonzero(pixels[..., 3] > 127)
    inside = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return CutOut(inside[..., :3].copy(), (inside[..., 3] / 255).astype(np.float32), 1.0)
