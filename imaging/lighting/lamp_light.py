"""How a lit floor lamp brightens what is around it."""

from typing import cast

import cv2
import numpy as np

from imaging.cutout import CutOut
from imaging.geometry.camera import Numbers
from imaging.lighting.estimate import Light
from imaging.lighting.lamp import mean_color
from imaging.picture import Box
from imaging.placement.layout import Placement
from imaging.resize import Layer

# Of the lamp's height: light is drawn in a circle of radius _REACH, _MIDDLE above the lamp's top, and fades towards its
# end. Beside the pole the shadows of the shade in the room's own light about outweigh it.
_REACH, _MIDDLE, _FADE = 0.5, 0.2, 0.5
# Luminances over what the shade is drawn with, of its sides and of its open top and bottom: an upright bulb of 800 lm,
# which its socket shades below, in a room of some 100 lx.
_SIDES, _UP, _DOWN = 1.0, 5.0, 2.0
_ALBEDO = 0.6  # of the room's light surfaces
_DARKEST = 0.03  # linear luminance of these in a photo that tells of the room's light
_MOST = 1.5  # times the light that is there: the eye and the camera adapt to more
_GAP_CM = 10.0  # to the wall: nothing stands closer
_POINTS = 6  # along the shade
_CELLS = 128


def reach(frame: Box) -> Box:
    """The part of the photo, and beyond, that the light of a lamp in `frame` is drawn in."""
    x, y, far = _circle(frame)
    return int(x - far), int(y - far), int(x + far) + 1, int(y + far) + 1


def glow(product: CutOut, placement: Placement, shade: float, light: Light, wall_cm: float, part: Box) -> Layer:
    """The light (height, width, 3) that each pixel of `part` gains, as a share of what it has; the wall behind the lamp
    is `wall_cm` from the camera."""
    size = (part[2] - part[0], part[3] - part[1])
    columns, rows = (max(1, round(side * min(1.0, _CELLS / max(size)))) for side in size)
    across = part[0] + (np.arange(columns) + 0.5) * size[0] / columns - 0.5
    down = part[1] + (np.arange(rows) + 0.5) * size[1] / rows - 0.5
    x, y = np.meshgrid(across, down)
    there = max(light.level, _DARKEST) / _ALBEDO
    gained = _received(placement, shade, wall_cm, x, y)[..., None] * mean_color(product, shade) / there
    bounded = -_MOST * np.expm1(-gained / _MOST) * _fading(placement.frame, x, y)[..., None]
    return cast(Layer, cv2.resize(bounded.astype(np.float32), size, interpolation=cv2.INTER_LINEAR))


def _received(placement: Placement, shade: float, wall_cm: float, x: Numbers, y: Numbers) -> Numbers:
    """What white wall and floor at the pixels reflect of the lamp's light: of points along the shade's axis that shine
    as its sides and its open ends do."""
    camera, distance, height_cm = placement.camera, placement.distance_cm, placement.height_cm
    left, _, right, bottom = placement.frame
    radius = (right - left) * distance / camera.focal / 2
    sides, end = _SIDES * 2 * radius * shade * height_cm, np.pi * radius**2
    to_right, up = camera.ray(x, y)
    wall = max(wall_cm, distance + radius + _GAP_CM)
    z = np.minimum(wall, camera.height_cm / np.maximum(-up, 1e-6))
    behind, here = z - distance, camera.height_cm + up * z
    level = np.hypot(to_right * z - camera.slants((left + right) / 2, bottom)[0] * distance, behind)
    total = np.zeros(z.shape)
    for share in (np.arange(_POINTS) + 0.5) / _POINTS:
        above = height_cm * (1 - shade * share) - here
        ends = end * np.where(above > 0, _DOWN * above, -_UP * above)
        facing = np.where(z == wall, behind, above).clip(0)
        total += (sides * level + ends) * facing / np.hypot(level, above) ** 4
    return total / (np.pi * _POINTS)


def _fading(frame: Box, x: Numbers, y: Numbers) -> Numbers:
    middle_x, middle_y, far = _circle(frame)
    rest = ((1 - np.hypot(x - middle_x, y - middle_y) / far) / _FADE).clip(0, 1)
    return np.array(rest * rest * (3 - 2 * rest))


def _circle(frame: Box) -> tuple[float, float, float]:
    left, top, right, bottom = frame
    return (left + right) / 2, top - _MIDDLE * (bottom - top), _REACH * (bottom - top)
