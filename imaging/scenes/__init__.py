"""A drawn room for a product to stand in, in true perspective: for when no model paints one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from imaging.geometry.camera import Camera
from imaging.picture import Pixels, Point, Size
from imaging.scenes.render import render
from imaging.scenes.rooms import ROOMS, Plan
from imaging.scenes.style import read_kind, read_style

SPOT = 0.42
"""Where the product stands, over the width of the picture; the furniture's weight is on the other side."""

_EYE_CM = 150.0


@dataclass(frozen=True, eq=False)
class Scene:
    """`foot` is a free, well-lit place for a product, true to scale with `camera`."""

    pixels: Pixels
    camera: Camera
    foot: Point
    surface: Literal["floor"] = "floor"


def draw_scene(environment: str, size: Size, seed: int, extent_cm: tuple[float, float] | None = None) -> Scene:
    """A room of the kind and mood that `environment` names, in any of five languages; a living room if in doubt. What
    stands at its foot is whole in the picture where `extent_cm` tells its width and height. Equal arguments give equal
    pixels."""
    rng = np.random.default_rng(seed)
    kind, style = read_kind(environment) or "living_room", read_style(environment, rng)
    window_on_right = rng.random() < 0.5
    camera, foot = _view(size, extent_cm)
    scenery = ROOMS[kind](Plan.before(camera, foot, style, rng))
    if window_on_right:
        scenery, foot = scenery.mirrored(), (size[0] - 1 - foot[0], foot[1])
    return Scene(render(scenery, camera, rng), camera, foot)


def _view(size: Size, extent_cm: tuple[float, float] | None) -> tuple[Camera, Point]:
    """A level camera, so that uprights stand upright, at the height that puts the foot into the lowest third. What
    stands there 90 cm high fills 37 % of the picture's height, less in a narrow picture, which would crop it."""
    width, height = size
    scale = min(0.37 * height, 0.42 * width) / 90
    if extent_cm:
        scale = min(scale, _largest_scale(size, extent_cm))
    foot = round(SPOT * width), round(height / 2 + min(0.42 * height, _EYE_CM * scale))
    return Camera(size, height / 2, 1.04 * (width * height) ** 0.5, (foot[1] - height / 2) / scale, found=True), foot


def _largest_scale(size: Size, extent_cm: tuple[float, float]) -> float:
    """Pixels per cm at which such a product is whole, with some air around it, over the foot that `_view` chooses."""
    across, tall = (max(1.0, side) for side in extent_cm)
    scale = min(0.66 * size[0] / across, 0.8 * size[1] / tall)  # what is wide looks larger by its depth
    return min(scale, 0.42 * size[1] / (tall - _EYE_CM)) if tall > _EYE_CM else scale
