"""Draws a room in true perspective for a product to stand in, without a model."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.picture import Box, Pixels, Point, Size
from imaging.scenes.materials import Print
from imaging.scenes.render import render
from imaging.scenes.rooms import HOOKS, OVER_TABLE, ROOMS, TABLE, UNDER_PENDANTS, LaidRug, RoomPlan, cord, table_at_spot
from imaging.scenes.style import read_kind, read_style
from schemas.jobs import AskedSurface

SPOT = 0.42
"""Column of the product as a share of the picture's width; most furniture is on the other side."""

_EYE_CM = 150.0  # height of a standing photographer's camera
_CHAIR_CM, _VASE_CM = 90.0, 35.0
_CHAIR_OF_HEIGHT, _CHAIR_OF_WIDTH = 0.37, 0.42  # largest size of a chair in the picture
_LOWEST_FOOT = 0.42  # of the picture's height: farthest that the base point is below the middle
_WIDEST, _TALLEST = 0.66, 0.8  # of the picture: largest product; its depth makes a wide one look larger
_SHARP = 1.5  # samples of a rug's picture over the pixels that show them
_LEAST_ALPHA = 1e-4
_FOCAL = 1.04  # focal length over the root of the picture's area


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A product that a room is drawn around, with its width and height in cm and what it stands, lies or hangs on."""

    product: CutOut
    size_cm: tuple[float, float]
    surface: AskedSurface


@dataclass(frozen=True, eq=False)
class DrawnScene:
    """A drawn room with a free, well-lit place for a product.

    The floor at pixel `foot` is true to scale with `camera`. `box` is the place of a product on a table, on the wall or
    under the ceiling, None on the floor or if no place is kept for it. `is_complete` is True if the product is in the
    picture already, `is_outdoors` if there is neither a wall nor a ceiling.
    """

    pixels: Pixels
    camera: Camera
    foot: Point
    box: Box | None = None
    is_complete: bool = False
    is_outdoors: bool = False


def draw_scene(environment: str, size: Size, seed: int, exhibit: Exhibit | None = None) -> DrawnScene:
    """Return a room of the kind and mood that `environment` names in any of five languages, by default a living room.

    The exhibit is whole in the picture: a rug lies under the furniture, a vase stands on a table, a pendant hangs over
    one where there is one, and a picture hangs alone on the wall. Equal arguments give equal pixels.
    """
    rng = np.random.default_rng(seed)
    kind, style = read_kind(environment) or "living_room", read_style(environment, rng)
    window_on_right = rng.random() < 0.5
    camera, foot, floor_row = _view(size, exhibit)
    plan = RoomPlan.before(camera, (foot[0], floor_row), style, rng)
    box = None
    if exhibit:
        plan = _made_ready(plan, exhibit, camera)
        box = _box(plan, exhibit, kind, camera)
    room = ROOMS[kind](plan)
    surface = exhibit.surface if exhibit else None
    if surface == "tabletop" or (surface == "ceiling" and kind in UNDER_PENDANTS):
        room = replace(room, bodies=(*room.bodies, *table_at_spot(plan)))
    if exhibit and surface == "ceiling":
        room = replace(room, bodies=(*room.bodies, *cord(plan, _top_cm(plan, exhibit))))
    if window_on_right:
        room, foot = room.mirrored(), (size[0] - 1 - foot[0], foot[1])
        box = box and (size[0] - box[2], box[1], size[0] - box[0], box[3])
    return DrawnScene(render(room, camera, rng), camera, foot, box, bool(plan.laid), kind == "outdoor")


def _made_ready(plan: RoomPlan, exhibit: Exhibit, camera: Camera) -> RoomPlan:
    """Return the plan with the rug in it, or without what hangs there."""
    if exhibit.surface == "rug":
        return replace(plan, laid=LaidRug(_print(exhibit, camera, plan.back), exhibit.size_cm))
    return replace(plan, hangs=exhibit.surface) if exhibit.surface in ("wall", "ceiling") else plan


def _print(exhibit: Exhibit, camera: Camera, distance_cm: float) -> Print:
    """Return the rug's picture, reduced to about the pixels that it will have: finer patterns would flicker."""
    scale = camera.focal / distance_cm
    rows, columns = exhibit.product.alpha.shape
    width = min(columns, max(2, round(_SHARP * exhibit.size_cm[0] * scale)))
    height = min(rows, max(2, round(_SHARP * exhibit.size_cm[1] * scale * camera.height_cm / distance_cm)))
    alpha, weighted = (
        cv2.resize(each, (width, height), interpolation=cv2.INTER_AREA)
        for each in (exhibit.product.alpha, exhibit.product.color * exhibit.product.alpha[..., None])
    )
    color = weighted / np.maximum(alpha, _LEAST_ALPHA)[..., None]
    return Print(np.asarray((color / 255) ** 2, np.float32), np.asarray(np.clip(alpha, 0, 1), np.float32))


def _box(plan: RoomPlan, exhibit: Exhibit, kind: str, camera: Camera) -> Box | None:
    """Return the pixels of a product on the table, on the wall or over the table; None elsewhere."""
    (x, z), (width, height) = plan.spot, exhibit.size_cm
    match exhibit.surface:
        case "tabletop":
            low = TABLE[1]
        case "ceiling":
            low = _top_cm(plan, exhibit) - height
        case "wall" if kind in HOOKS:
            x, middle = HOOKS[kind](plan)
            low, z = middle - height / 2, plan.back
        case _:
            return None
    sides = np.array([x - width / 2, x + width / 2]), np.array([low + height, low]), np.full(2, z)
    (left, right), (top, bottom) = (np.rint(side).astype(int).tolist() for side in camera.project(*sides))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _top_cm(plan: RoomPlan, exhibit: Exhibit) -> float:
    """Return the height of the top of a pendant over the table."""
    return min(TABLE[1] + OVER_TABLE + exhibit.size_cm[1], plan.height)


def _view(size: Size, exhibit: Exhibit | None) -> tuple[Camera, Point, float]:
    """Return a level camera, the base point of a product in the lowest third of the picture, and the row of the floor
    there, which is lower if the product stands on a table.

    The scale follows from a chair at the base point, or from a vase on a table, or from the product if that is larger.
    """
    width, height = size
    on_table = exhibit is not None and exhibit.surface == "tabletop"
    plane_cm, usual_cm = (TABLE[1], _VASE_CM) if on_table else (0.0, _CHAIR_CM)
    scale = min(_CHAIR_OF_HEIGHT * height, _CHAIR_OF_WIDTH * width) / usual_cm
    if exhibit and exhibit.surface not in ("wall", "rug"):
        scale = min(scale, _largest_scale(size, _reach(exhibit)))
    foot = round(SPOT * width), round(height / 2 + min(_LOWEST_FOOT * height, (_EYE_CM - plane_cm) * scale))
    camera_cm, focal = (foot[1] - height / 2) / scale + plane_cm, _FOCAL * (width * height) ** 0.5
    return Camera(size, height / 2, focal, camera_cm, found=True), foot, foot[1] + plane_cm * scale


def _reach(exhibit: Exhibit) -> tuple[float, float]:
    """Return the width and height in cm of the product, or of a pendant together with the table under it."""
    width, height = exhibit.size_cm
    return (max(width, TABLE[0]), TABLE[1] + OVER_TABLE + height) if exhibit.surface == "ceiling" else (width, height)


def _largest_scale(size: Size, extent_cm: tuple[float, float]) -> float:
    """Return the pixels per cm at which a product of that extent is whole in the picture, with a margin."""
    across, tall = (max(1.0, side) for side in extent_cm)
    scale = min(_WIDEST * size[0] / across, _TALLEST * size[1] / tall)
    return min(scale, _LOWEST_FOOT * size[1] / (tall - _EYE_CM)) if tall > _EYE_CM else scale
