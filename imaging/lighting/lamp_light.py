"""Detects a lampshade in a cut-out and computes how the lit lamp brightens the wall and floor around it."""

from typing import cast

import cv2
import numpy as np

from imaging.arrays import Numbers, smoothstep
from imaging.cutout import CutOut
from imaging.geometry.product_volume import legs_of
from imaging.lighting.estimate import LUMINANCE, Light, Linear, linear
from imaging.picture import Box
from imaging.placement.layout import Placement
from imaging.resize import Layer

_ROWS = 64  # rows of the cut-out that a lampshade is looked for in
_THIN = 0.3  # widest pole, as a share of the shade's width
_SHORTEST_SHADE, _LONGEST_SHADE = 0.1, 0.5  # of the product's height
_LONGEST_HANGING = 0.9  # the same of a pendant, whose cord may be short
_FOOT_BEGINS = 0.9  # of the product's height from the top: below it a lamp's base may be wide
_SHADE_LUMINANCE = 0.45  # darkest linear luminance of a shade that lets light through
_SHADE_PALENESS = 0.6  # least ratio of a shade's weakest to its strongest channel
_OPAQUE = 0.9  # alpha from which a pixel's color is the product's own

# The lit area is a circle around a point above the lamp's top; shares of the lamp's height. Closer to the pole the
# shadow of the shade in the room's own light roughly cancels the lamp's light.
_RADIUS, _CENTER_ABOVE, _FADE = 0.5, 0.2, 0.5
_HANGING_RADIUS = 1.7  # that of a pendant around its lower end, in shares of its width: its height is mostly cord
# Luminance of the shade's sides and of its open top and bottom, relative to the color it is drawn with: an upright
# 800 lm bulb, shaded below by its socket, in a room of about 100 lx. In a pendant the bulb hangs upside down.
_SIDES, _UP, _DOWN = 1.0, 5.0, 2.0
_ALBEDO = 0.6  # reflectance of the room's light surfaces
_DARKEST = 0.03  # linear luminance below which a photo tells nothing about the room's light
_LARGEST_GAIN = 1.5  # times the light present: eye and camera adapt to more
_GAP_CM = 10.0  # least distance between the product and the wall behind it
_POINTS = 6  # light samples along the shade
_CELLS = 128  # samples along the longer side of the lit area


def lampshade_share(product: CutOut, *, hangs: bool = False) -> float:
    """Return the share of the product's height, from the top, that is a pale lampshade on a thin pole; 0 if none. Of a
    product that `hangs` it is the share from the bottom that is one on a cord."""
    if hangs:
        product = _upside_down(product)
    width = product.alpha.shape[1]
    filled = cv2.resize(product.alpha, (width, _ROWS), interpolation=cv2.INTER_AREA).sum(axis=1)
    thin = np.flatnonzero(filled < _THIN * filled.max())
    shade = int(thin[thin > _SHORTEST_SHADE * _ROWS].min(initial=_ROWS))  # first thin row below the rim
    pole = filled[shade : round(_FOOT_BEGINS * _ROWS)]
    longest = _LONGEST_HANGING if hangs else _LONGEST_SHADE
    if shade > longest * _ROWS or pole.max(initial=0) > _THIN * filled[:shade].max() or legs_of(product.alpha):
        return 0.0
    return shade / _ROWS if _is_light(product, shade / _ROWS) else 0.0


def _upside_down(product: CutOut) -> CutOut:
    return CutOut(product.color[::-1], product.alpha[::-1], product.confidence)


def mean_color(product: CutOut, share: float) -> Linear:
    """Return the mean linear color (3,) of the product's upper `share`; black if that part is transparent."""
    rows = max(1, round(share * product.alpha.shape[0]))
    colors = linear(product.color[:rows][product.alpha[:rows] > _OPAQUE])
    return np.array(colors.mean(axis=0)) if len(colors) else np.zeros(3, np.float32)


def _is_light(product: CutOut, share: float) -> bool:
    mean = mean_color(product, share)
    return bool(mean @ LUMINANCE > _SHADE_LUMINANCE and mean.min() > _SHADE_PALENESS * mean.max())


def lit_box(placement: Placement) -> Box:
    """Return the box, possibly larger than the photo, that the light of a lamp reaches."""
    x, y, radius = _circle(placement)
    return int(x - radius), int(y - radius), int(x + radius) + 1, int(y + radius) + 1


def lamp_light(product: CutOut, placement: Placement, shade: float, light: Light, wall_cm: float, part: Box) -> Layer:
    """Return the light (height, width, 3) that each pixel of `part` gains, relative to the light it has.

    `shade` is the product's `lampshade_share`; `wall_cm` is the distance of the wall behind the lamp from the camera.
    """
    size = (part[2] - part[0], part[3] - part[1])
    columns, rows = (max(1, round(side * min(1.0, _CELLS / max(size)))) for side in size)
    across = part[0] + (np.arange(columns) + 0.5) * size[0] / columns - 0.5
    down = part[1] + (np.arange(rows) + 0.5) * size[1] / rows - 0.5
    x, y = np.meshgrid(across, down)
    present = max(light.level, _DARKEST) / _ALBEDO
    color = mean_color(_upside_down(product) if placement.surface == "ceiling" else product, shade)
    gained = _received(placement, shade, wall_cm, x, y)[..., None] * color / present
    bounded = -_LARGEST_GAIN * np.expm1(-gained / _LARGEST_GAIN) * _fading(placement, x, y)[..., None]
    return cast(Layer, cv2.resize(bounded.astype(np.float32), size, interpolation=cv2.INTER_LINEAR))


def _received(placement: Placement, shade: float, wall_cm: float, x: Numbers, y: Numbers) -> Numbers:
    """Return the lamp's light on a white wall and floor at the pixels x, y.

    The lamp is a row of points on the shade's axis that emit like its sides and its open ends.
    """
    camera, distance, height_cm = placement.camera, placement.distance_cm, placement.height_cm
    left, _, right, bottom = placement.frame
    foot_to_right, foot_up = camera.slants((left + right) / 2, bottom)
    hangs = placement.surface == "ceiling"
    lowest, highest = (camera.height_cm + foot_up * distance, shade) if hangs else (0.0, 1.0)
    upwards, downwards = (_DOWN, _UP) if hangs else (_UP, _DOWN)
    radius = (right - left) * distance / camera.focal / 2
    sides, end = _SIDES * 2 * radius * shade * height_cm, np.pi * radius**2
    to_right, up = camera.ray(x, y)
    wall = max(wall_cm, distance + radius + _GAP_CM)
    z = np.minimum(wall, camera.height_cm / np.maximum(-up, 1e-6))
    behind, here = z - distance, camera.height_cm + up * z
    level = np.hypot(to_right * z - foot_to_right * distance, behind)
    total = np.zeros(z.shape)
    for share in (np.arange(_POINTS) + 0.5) / _POINTS:
        above = lowest + height_cm * (highest - shade * share) - here
        ends = end * np.where(above > 0, downwards * above, -upwards * above)
        facing = np.where(z == wall, behind, above).clip(0)
        total += (sides * level + ends) * facing / np.hypot(level, above) ** 4
    return total / (np.pi * _POINTS)


def _fading(placement: Placement, x: Numbers, y: Numbers) -> Numbers:
    """Return weights that fall smoothly from 1 to 0 towards the edge of the lit circle."""
    middle_x, middle_y, radius = _circle(placement)
    rest = (1 - np.hypot(x - middle_x, y - middle_y) / radius) / _FADE
    return np.asarray(smoothstep(rest.clip(0, 1)), np.float64)


def _circle(placement: Placement) -> tuple[float, float, float]:
    """Return center x, center y and radius in pixels of the area that a lamp lights."""
    left, top, right, bottom = placement.frame
    if placement.surface == "ceiling":
        return (left + right) / 2, bottom, _HANGING_RADIUS * (right - left)
    return (left + right) / 2, top - _CENTER_ABOVE * (bottom - top), _RADIUS * (bottom - top)
