"""Computes how a placed product dims its surroundings in the photo."""

from typing import cast

import cv2
import numpy as np

from imaging.arrays import Numbers, smoothstep
from imaging.cutout import CutOut
from imaging.lighting.contact import contact_light
from imaging.lighting.estimate import Source
from imaging.lighting.footprint import standing
from imaging.lighting.occlusion import ALBEDO, ShadowPlane, light_left
from imaging.picture import Box, Weights
from imaging.placement.layout import Placement
from imaging.resize import placed, scaled_box

SHADOW_BESIDE, SHADOW_ABOVE = 0.36, 0.22
"""Reach of the shadow in shares of the product's width and height; the photo is unchanged beyond it."""

_LONGEST = 5.0  # times the product's height: floor farther behind it has no shadow
_GAP_CM = 10.0  # least distance between the product, whose solid is only a guess, and the wall
_WALL_DARKNESS = 0.3  # share of the light that a product on a wall takes from the wall beside it
_WALL_SHIFT, _WALL_BLUR = 0.025, 0.02  # of that shadow, in shares of the product's diagonal
_SIDEWAYS_CM = 200.0  # a lamp that far to the side throws the shadow as far sideways as down
_CELLS = 256
_RUG_DARKNESS, _RUG_EDGE = 0.35, 0.003  # share of light and width, in shares of the diagonal, of a rug's edge shadow


def cast_shadow(
    product: CutOut,
    placement: Placement,
    sources: tuple[Source, ...],
    wall_row: int | None,
    part: Box,
    albedo: float = ALBEDO,
) -> Weights:
    """Return the share of its light that each pixel of `part` keeps.

    `wall_row` is the first row of floor in front of a wall close behind the product, `albedo` the floor's reflectance.
    """
    if placement.surface == "ceiling":
        return np.ones((part[3] - part[1], part[2] - part[0]), np.float32)
    if placement.surface == "rug":
        return _lying(product, placement, part)
    if placement.surface == "wall":
        kept = _hanging(product, placement, sources[0], part)
    elif placement.frame[3] <= placement.camera.horizon:
        kept = np.ones((part[3] - part[1], part[2] - part[0]), np.float32)
    else:
        kept = _standing(product, placement, sources, wall_row, part, albedo)
    return 1 - (1 - kept) * _fading(placement.frame, part)


def _standing(
    product: CutOut,
    placement: Placement,
    sources: tuple[Source, ...],
    wall_row: int | None,
    part: Box,
    albedo: float,
) -> Weights:
    """Return `cast_shadow` of a product that stands: on the floor or table, and on a wall close behind."""
    left, top, right, bottom = part
    camera, solid = placement.camera, standing(product, placement)
    floor_row = min(max(top, wall_row or 0, _farthest_row(placement)), bottom)
    kept = np.ones((bottom - top, right - left), np.float32)
    if floor_row < bottom:
        floor = (left, floor_row, right, bottom)
        kept[floor_row - top :] = light_left(camera, solid.body, sources, ShadowPlane("floor"), floor, albedo)
    if wall_row == floor_row > top and placement.surface == "floor":
        behind = max(camera.distance(wall_row), float(solid.body[0].rims[..., 2].max()) + _GAP_CM)
        wall = ShadowPlane("wall", behind)
        kept[: wall_row - top] = light_left(camera, solid.body, sources, wall, (left, top, right, wall_row))
    return kept * contact_light(solid.touching, camera, placement.frame, part)


def _farthest_row(placement: Placement) -> int:
    """Return the first row of floor that is near enough to be in the product's shadow."""
    zero, far = np.zeros(1), np.array([placement.distance_cm + _LONGEST * placement.height_cm])
    return int(np.ceil(placement.camera.project(zero, zero, far)[1][0]))


def _hanging(product: CutOut, placement: Placement, source: Source, part: Box) -> Weights:
    """Return `cast_shadow` of a product on a wall: soft, away from the light and a little lower."""
    left, top, right, bottom = placement.frame
    width, height = part[2] - part[0], part[3] - part[1]
    scale = min(1.0, _CELLS / max(width, height))
    size = float(np.hypot(right - left, bottom - top))
    to_right = placement.camera.slants(*placement.base_point)[0] * placement.distance_cm
    away = float(np.clip((to_right - source.position[0]) / _SIDEWAYS_CM, -1, 1))
    across, down = _WALL_SHIFT * size * away - part[0], _WALL_SHIFT * size - part[1]
    shifted = scaled_box((left + across, top + down, right + across, bottom + down), scale)
    alpha = placed(product.alpha, shifted, scaled_box((0, 0, width, height), scale))
    soft = cv2.GaussianBlur(alpha, (0, 0), max(_WALL_BLUR * size * scale, 0.5))
    return 1 - np.float32(_WALL_DARKNESS) * cast(Weights, cv2.resize(soft, (width, height)))


def _lying(product: CutOut, placement: Placement, part: Box) -> Weights:
    """Return `cast_shadow` of a rug: a thin dark line along its edge."""
    left, top, right, bottom = placement.frame
    width = max(_RUG_EDGE * float(np.hypot(right - left, bottom - top)), 1.0)
    alpha = placed(product.alpha, placement.frame, part)
    return 1 - np.float32(_RUG_DARKNESS) * cast(Weights, cv2.GaussianBlur(alpha, (0, 0), width))


def _fading(frame: Box, part: Box) -> Weights:
    """Return weights that fall smoothly from 1 at the product to 0 at the reach of its shadow."""
    columns = _ramp(np.arange(part[0], part[2], dtype=np.float64), frame[0], frame[2], SHADOW_BESIDE)
    rows = _ramp(np.arange(part[1], part[3], dtype=np.float64), frame[1], frame[3], SHADOW_ABOVE)
    return np.outer(rows, columns).astype(np.float32)


def _ramp(position: Numbers, start: int, stop: int, share: float) -> Numbers:
    outside = np.maximum(start - position, position + 1 - stop).clip(0) / (share * (stop - start))
    return np.asarray(smoothstep((1 - outside).clip(0)), np.float64)
