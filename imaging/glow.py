"""How a lit lampshade brightens the wall and the floor around it."""

from typing import cast

import cv2
import numpy as np

from imaging.camera import Numbers
from imaging.cutout import CutOut
from imaging.lamp import colour_of
from imaging.layout import Placement
from imaging.light import Light
from imaging.picture import Box
from imaging.resize import Layer

AROUND = 0.55, 0.32
"""How far it reaches, of the product's width and height."""

_SIDES, _ENDS = 0.8, 3.0  # luminance over what is drawn: 800 lm in a room of 150 lx, a quarter out of each open end
_ALBEDO = 0.6  # of the room's light surfaces
_BRIGHTEST = 1.5  # times the light that is there
_GAP_CM = 10.0  # to the wall
_POINTS = 6  # along the shade
_CELLS = 160


def glow(product: CutOut, placement: Placement, shade: float, light: Light, wall_cm: float, part: Box) -> Layer:
    """The light (height, width, 3) that each pixel of `part` gains, as a share of what it has: from the upper `shade`
    of a lamp that stands before a wall `wall_cm` away."""
    size = (part[2] - part[0], part[3] - part[1])
    factor = min(1.0, _CELLS / max(size))
    columns, rows = (max(1, round(side * factor)) for side in size)
    x = part[0] + (np.arange(columns) + 0.5) * size[0] / columns
    y = part[1] + (np.arange(rows) + 0.5) * size[1] / rows
    solid_angle = _lit(placement, shade, wall_cm, *np.meshgrid(x, y))
    gained = solid_angle[..., None] * colour_of(product, shade) * _ALBEDO / max(light.level, 0.02)
    kept_down = _BRIGHTEST * -np.expm1(-gained / _BRIGHTEST) * _fading(placement.frame, x, y)[..., None]
    return cast(Layer, cv2.resize(kept_down.astype(np.float32), size, interpolation=cv2.INTER_CUBIC))


def _lit(placement: Placement, shade: float, wall_cm: float, x: Numbers, y: Numbers) -> Numbers:
    """The form factor from pixels to the shade, a row of points that shine as a cylinder does: with its sides, and
    with its open ends up and down."""
    camera, distance, height_cm = placement.camera, placement.distance_cm, placement.height_cm
    left, _, right, bottom = placement.frame
    radius = (right - left) * distance / camera.focal / 2
    to_right, up = camera.ray(x, y)
    wall = max(wall_cm, distance + radius + _GAP_CM)
    z = np.minimum(wall, camera.height_cm / np.maximum(-up, 1e-6))
    on_wall = z == wall
    across, deep, here = to_right * z - camera.slants((left + right) / 2, bottom)[0] * distance, z - distance, camera.height_cm + up * z
    sides, ends = _SIDES * 2 * radius * shade * height_cm, _ENDS * np.pi * radius**2
    total = np.zeros(z.shape)
    for height in height_cm * (1 - shade * (np.arange(_POINTS) + 0.5) / _POINTS):
        rise = height - here
        level = np.hypot(across, deep)
        away = np.hypot(level, rise)
        seen = (sides * level + ends * np.abs(rise)) / away
        total += seen * np.where(on_wall, deep, rise).clip(0) / away**3
    return total / (np.pi * _POINTS)


def _fading(frame: Box, x: Numbers, y: Numbers) -> Numbers:
    """1 within the frame, falling smoothly and roundly to 0 at how far the light reaches."""
    left, top, right, bottom = frame
    across = np.maximum(left - x, x - right).clip(0) / (AROUND[0] * (right - left))
    along = np.maximum(top - y, y - bottom).clip(0) / (AROUND[1] * (bottom - top))
    rest = (1 - np.hypot(across, along[:, None])).clip(0)
    return np.array(rest * rest * (3 - 2 * rest))
