"""A drawn room for a product to stand in, in true perspective: for when no model paints one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from imaging.camera import Camera
from imaging.picture import Pixels, Point, Size
from imaging.scenes.render import render
from imaging.scenes.rooms import ROOMS, Plan
from imaging.scenes.style import read_kind, read_style

SPOT = 0.42
"""Where the product stands, over the width of the picture; the furniture's weight is on the other side."""


@dataclass(frozen=True, eq=False)
class Scene:
    """`foot` is a free, well-lit place for a product, true to scale with `camera`."""

    pixels: Pixels
    camera: Camera
    foot: Point
    surface: Literal["floor"] = "floor"


def draw_scene(environment: str, size: Size, seed: int) -> Scene:
    """A room of the kind and mood that `environment` names, in any of five languages; a living room if in doubt.
    Equal arguments give equal pixels."""
    rng = np.random.default_rng(seed)
    kind, style = read_kind(environment) or "living_room", read_style(environment, rng)
    window_on_right = rng.random() < 0.5
    camera, foot = _view(size)
    scenery = ROOMS[kind](Plan.before(camera, foot, style, rng))
    if window_on_right:
        scenery, foot = scenery.mirrored(), (size[0] - 1 - foot[0], foot[1])
    return Scene(render(scenery, camera, rng), camera, foot)


def _view(size: Size) -> tuple[Camera, Point]:
    """A level camera, so that uprights stand upright, at the height that puts the foot into the lowest third. What
    stands there 90 cm high fills 37 % of the picture's height, less in a narrow picture, which would crop it."""
    width, height = size
    scale = min(0.37 * height, 0.42 * width) / 90
    foot = round(SPOT * width), round(height / 2 + min(0.42 * height, 150 * scale))
    return Camera(size, height / 2, 1.04 * (width * height) ** 0.5, (foot[1] - height / 2) / scale, found=True), foot
