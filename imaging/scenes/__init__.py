"""Draws a room in true perspective for a product to stand in, without a model."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from imaging.geometry.camera import Camera
from imaging.picture import Pixels, Point, Size
from imaging.scenes.render import render
from imaging.scenes.rooms import ROOMS, RoomPlan
from imaging.scenes.style import read_kind, read_style

SPOT = 0.42
"""Column of the product as a share of the picture's width; most furniture is on the other side."""

_EYE_CM = 150.0  # height of a standing photographer's camera
_CHAIR_CM = 90.0
_CHAIR_OF_HEIGHT, _CHAIR_OF_WIDTH = 0.37, 0.42  # largest size of a chair in the picture
_LOWEST_FOOT = 0.42  # of the picture's height: farthest that the base point is below the middle
_WIDEST, _TALLEST = 0.66, 0.8  # of the picture: largest product; its depth makes a wide one look larger
_FOCAL = 1.04  # focal length over the root of the picture's area


@dataclass(frozen=True, eq=False)
class DrawnScene:
    """A drawn room with a free, well-lit place for a product at pixel `foot`, true to scale with `camera`."""

    pixels: Pixels
    camera: Camera
    foot: Point
    surface: Literal["floor"] = "floor"


def draw_scene(environment: str, size: Size, seed: int, extent_cm: tuple[float, float] | None = None) -> DrawnScene:
    """Return a room of the kind and mood that `environment` names in any of five languages, by default a living room.

    A product of width and height `extent_cm` is whole in the picture. Equal arguments give equal pixels.
    """
    rng = np.random.default_rng(seed)
    kind, style = read_kind(environment) or "living_room", read_style(environment, rng)
    window_on_right = rng.random() < 0.5
    camera, foot = _view(size, extent_cm)
    scenery = ROOMS[kind](RoomPlan.before(camera, foot, style, rng))
    if window_on_right:
        scenery, foot = scenery.mirrored(), (size[0] - 1 - foot[0], foot[1])
    return DrawnScene(render(scenery, camera, rng), camera, foot)


def _view(size: Size, extent_cm: tuple[float, float] | None) -> tuple[Camera, Point]:
    """Return a level camera and the base point, in the lowest third of the picture, of a product.

    The scale follows from a chair at the base point, or from `extent_cm` if that is larger.
    """
    width, height = size
    scale = min(_CHAIR_OF_HEIGHT * height, _CHAIR_OF_WIDTH * width) / _CHAIR_CM
    if extent_cm:
        scale = min(scale, _largest_scale(size, extent_cm))
    foot = round(SPOT * width), round(height / 2 + min(_LOWEST_FOOT * height, _EYE_CM * scale))
    return Camera(size, height / 2, _FOCAL * (width * height) ** 0.5, (foot[1] - height / 2) / scale, found=True), foot


def _largest_scale(size: Size, extent_cm: tuple[float, float]) -> float:
    """Return the pixels per cm at which a product of that extent is whole in the picture, with a margin."""
    across, tall = (max(1.0, side) for side in extent_cm)
    scale = min(_WIDEST * size[0] / across, _TALLEST * size[1] / tall)
    return min(scale, _LOWEST_FOOT * size[1] / (tall - _EYE_CM)) if tall > _EYE_CM else scale
