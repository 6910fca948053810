"""Detects direct sun on the floor around a product and the direction it comes from.

A window's upright bars throw shadow edges along the sun's direction over the floor, so the strongest light edge that
points towards the window gives the direction in which the product's own shadow falls.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.lighting.estimate import LUMINANCE, Source, encoded, linear
from imaging.picture import Box, Mask, Pixels

_FAR_CM = 1e5  # distance at which the sun is modelled
_WIDTH = 0.012  # the sun's radius over its distance: 0.0047, widened by window glass
_LOWEST, _HIGHEST = np.radians(28.0), np.radians(55.0)  # elevations at which the sun reaches far into a room
_SUNLIT = 1.35  # least luminance of sunlit floor, times the shaded floor nearby
_BRIGHTEST = 1.08  # times the base point's luminance: if more is found nearby, the sun shines beside it
_SAME_TINT = 0.025  # largest difference in chromaticity within one floor
_CLIPPED = 240  # sRGB level from which a channel is overexposed
_PALEST = 0.5  # least saturation of overexposed floor, relative to the floor in the shade
_ENOUGH = 20  # pixels that a percentile needs
_EDGE = 0.04  # least step of log luminance per pixel at the edge of a sun patch
_NEAR_WINDOW = np.radians(50.0)  # largest angle between the sun's azimuth and the window's direction
_BINS = 20


@dataclass(frozen=True, eq=False)
class _Floor:
    """Linear luminance of a photo from row `top` down; `same` marks the tint of the floor at the base point."""

    top: int
    luminance: NDArray[np.float32]
    same: Mask


def find_sun(pixels: Pixels, camera: Camera, window: Source, frame: Box, floor_top: int) -> Source | None:
    """Return the sun if it shines on the base point of `frame`; its share is what the shaded floor nearby lacks.

    `pixels` is a reduced photo, a few hundred pixels wide, whose floor begins at row `floor_top`.
    """
    floor = _floor(pixels, frame, floor_top)
    if floor is None:
        return None
    foot, shade, brightest = _brightness(floor, frame)
    if foot < _SUNLIT * shade or brightest > _BRIGHTEST * foot:
        return None
    return _sun(camera, window, floor, frame, 1 - shade / foot)


def _floor(pixels: Pixels, frame: Box, floor_top: int) -> _Floor | None:
    below = linear(pixels[floor_top:])
    patch = below[_under(frame, floor_top, beside=-0.2, above=0.2, below=0)].reshape(-1, 3)
    if len(below) < 8 or not len(patch):
        return None
    base = np.median(patch, axis=0) + 1e-4
    clipped = (pixels[floor_top:].max(axis=2) >= _CLIPPED) | bool(encoded(base).max() >= _CLIPPED)
    tints = below / (below.sum(axis=2, keepdims=True) + 1e-4)
    return _Floor(floor_top, below @ LUMINANCE + 1e-4, _same_floor(tints, base / base.sum(), clipped))


def _same_floor(tints: NDArray[np.float32], base: NDArray[np.float32], clipped: Mask) -> Mask:
    """Return where `tints` (height, width, 3) are that of the floor at the base point.

    Overexposed sunlight is paler than the floor, so there the tint may move along the line to neutral.
    """
    same = np.abs(tints - base).max(axis=2) < _SAME_TINT
    axis = base - 1 / 3
    if float(np.abs(axis).max()) < _SAME_TINT:
        return same
    along = (tints - 1 / 3) @ axis / (axis @ axis)
    beside = np.abs(tints - 1 / 3 - along[..., None] * axis).max(axis=2)
    return same | (clipped & (beside < 2 * _SAME_TINT) & (along > _PALEST) & (along < 1 / _PALEST))


def _under(frame: Box, top: int, beside: float, above: float, below: float) -> tuple[slice, slice]:
    """Return rows and columns around the base of `frame`, in shares of its size; the picture begins at row `top`."""
    left, upper, right, bottom = frame
    size = max(right - left, 0.4 * (bottom - upper))
    rows = slice(max(0, int(bottom - top - above * size) - 1), max(0, int(bottom - top + below * size)))
    return rows, slice(max(0, int(left - beside * size)), max(0, int(right + beside * size) + 1))


def _brightness(floor: _Floor, frame: Box) -> tuple[float, float, float]:
    """Return the floor's luminance at the base point and at the 10th and 90th percentile of its surroundings."""
    foot = float(np.median(floor.luminance[_under(frame, floor.top, beside=-0.2, above=0.2, below=0)]))
    around = _under(frame, floor.top, beside=1.5, above=0.8, below=0.6)
    near = floor.luminance[around][floor.same[around]]
    if near.size < _ENOUGH:
        return foot, foot, foot
    dark, bright = np.percentile(near, (10, 90))
    return foot, float(dark), float(bright)


def _sun(camera: Camera, window: Source, floor: _Floor, frame: Box, share: float) -> Source:
    distance = camera.distance(frame[3])
    foot = np.array([camera.slants((frame[0] + frame[2]) / 2, frame[3])[0] * distance, distance])
    step = np.array([window.position[0], window.position[2]]) - foot
    azimuth = _azimuth(camera, floor, float(np.arctan2(step[1], step[0])))
    height = float(np.clip(np.arctan2(window.position[1], np.hypot(*step)), _LOWEST, _HIGHEST))
    flat = _FAR_CM * np.cos(height)
    position = (foot[0] + flat * np.cos(azimuth), _FAR_CM * np.sin(height), foot[1] + flat * np.sin(azimuth))
    return Source((float(position[0]), float(position[1]), float(position[2])), _FAR_CM * _WIDTH, share)


def _azimuth(camera: Camera, floor: _Floor, window: float) -> float:
    """Return the direction over the floor, from x to z, of the strongest light edges that point near the window."""
    direction, strength = _edges(camera, floor)
    off = (direction - window + np.pi / 2) % np.pi - np.pi / 2
    bins, borders = np.histogram(off, _BINS, (-_NEAR_WINDOW, _NEAR_WINDOW), weights=strength)
    if not bins.any():
        return window
    peak = int(bins.argmax())
    return window + float(borders[peak] + borders[peak + 1]) / 2


def _edges(camera: Camera, floor: _Floor) -> tuple[Numbers, Numbers]:
    """Return the directions over the floor and the strengths of the edges between lighter and darker floor of one tint.

    The median filter removes joints.
    """
    smooth = cv2.medianBlur(np.log(floor.luminance), 5)
    across, down = (cv2.Sobel(smooth, cv2.CV_64F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    strength = np.hypot(across, down)
    inner = cv2.erode(floor.same.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    rows, columns = np.nonzero(inner & (strength > _EDGE))
    strength = strength[rows, columns]
    step = np.stack([-down[rows, columns], across[rows, columns]]) / strength / 2
    middle = np.stack([columns + 0.5, rows + 0.5 + floor.top])
    (x0, z0), (x1, z1) = (camera.on_floor(*(middle + sign * step)) for sign in (-1, 1))
    return np.arctan2(z1 - z0, x1 - x0), strength
