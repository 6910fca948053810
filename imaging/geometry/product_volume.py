"""Models the product as a stack of discs, round or rectangular: all that a single cut-out tells about its third
dimension.

The footprint of a deep product adds to its height in a picture taken from above, in the product photo as in the room,
so the footprint has to be removed before either height can be compared with the real one.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.picture import Weights, scaled_size, size_of

PHOTO_PITCH = np.radians(12.0)
"""Downward pitch of product photos in radians: shops usually look down by 5 to 20 degrees."""

_WIDTH_COUNTS = 1 / 3
"""Share of the width in the size of a photo that stands in a room. Seen from above a product is taller than its photo
but no wider: its height alone makes the photo too wide, its width alone too low. Boxes of `python -m bench.placement`
agree best with the truth at a third."""

_SLICES = 48
_SOLID_SHARE = 0.7  # of a disc's width: as good as all of it
_DEEPEST = 0.9  # depth over height: tables and sofas are much wider than that, hardly any is deeper
_COVERED = 0.4  # the alpha from which a pixel counts as product
_FARTHEST_CM, _TALLEST_CM = 2000.0, 1000.0
_LEG_ROWS = 256
_LEG_SHARES = (0.06, 0.12, 0.2, 0.28)  # of the height: where legs are looked for
_WIDEST_LEG = 0.22  # of the width


@dataclass(frozen=True, eq=False)
class Solid:
    """A stack of level discs from the floor up, in units of the product's height.

    `heights` are those of the discs, `radii` their extents to the sides, `depths` towards and away from the camera, and
    `filled` the share of each disc's width that is not air. `photo_rows` is the height of the photo.
    """

    heights: Numbers
    radii: Numbers
    depths: Numbers
    filled: Numbers
    photo_rows: float

    def rows(self, camera: Camera, height_cm: float, distance_cm: float) -> tuple[float, float]:
        """Return the top and bottom pixel row of the solid standing `distance_cm` in front of the camera."""
        away = np.concatenate([-self.depths, self.depths]) * height_cm + distance_cm
        up = np.concatenate([self.heights, self.heights]) * height_cm
        rows = camera.project(np.zeros_like(up), up, away)[1]
        return float(rows.min()), float(rows.max())

    def photo_height(self, camera: Camera, height_cm: float, distance_cm: float) -> float:
        """Return the pixel rows that the product's photo takes when it stands there instead of the solid."""
        top, bottom = self.rows(camera, height_cm, distance_cm)
        columns = camera.project(np.array([0.0, 1.0]), np.full(2, height_cm / 2), np.full(2, distance_cm))[0]
        by_width = self.photo_rows * height_cm * float(columns[1] - columns[0])
        return float((bottom - top) ** (1 - _WIDTH_COUNTS) * by_width**_WIDTH_COUNTS)

    def distance(self, camera: Camera, height_cm: float, base_row: float) -> float:
        """Return the distance of its axis in cm, at most 20 m, if its lowest pixel row is `base_row`."""
        near = min(camera.distance(base_row), _FARTHEST_CM)
        far = near + float(self.depths.max()) * height_cm
        for _ in range(24):
            middle = (near + far) / 2
            near, far = (middle, far) if self.rows(camera, height_cm, middle)[1] > base_row else (near, middle)
        return far

    def height_in(self, camera: Camera, base_row: float, rows: float) -> float:
        """Return the real height in cm of a product that covers `rows` pixel rows upwards from `base_row`."""
        height_cm = rows * min(camera.distance(base_row), _FARTHEST_CM) / camera.focal
        for _ in range(8):
            seen = self.photo_height(camera, height_cm, self.distance(camera, height_cm, base_row))
            height_cm = min(height_cm * rows / seen, _TALLEST_CM)
        return height_cm


def solid_of(alpha: Weights) -> Solid:
    """Return the solid of a cut-out's alpha, which is cropped to the product and seen from PHOTO_PITCH above the
    level."""
    height, width = alpha.shape
    radii, filled = _profile(alpha)
    rise = (np.arange(_SLICES) + 0.5) * height / _SLICES
    legs = legs_of(alpha)  # they stand around the axis, although the picture shows one below the others
    spread = max((abs(leg.x - 0.5) * width for leg in legs), default=0.0)
    knee = max((leg.height * height for leg in legs), default=0.0)
    radii = np.where(rise < knee, np.maximum(radii, spread), radii)
    depths = np.minimum(radii, _DEEPEST / 2 * height)
    base = _rim(rise, depths, height / 3)
    top = height - _rim(rise, depths[::-1], height / 3)
    body = (rise >= base) & (rise <= top)
    unit = (top - base) / np.cos(PHOTO_PITCH)
    heights = (rise[body] - base) / (top - base)
    return Solid(heights, radii[body] / unit, depths[body] / unit, filled[body], height / unit)


@dataclass(frozen=True)
class Leg:
    """A thin part that reaches the ground, in shares of the cut-out's width and height.

    `x` and `y` are its lowest point from the top left.
    """

    x: float
    y: float
    width: float
    height: float


def legs_of(alpha: Weights) -> list[Leg]:
    """Return the legs of a chair or table that the cut-out shows; none for a product that stands on its body."""
    shrink = min(1.0, _LEG_ROWS / alpha.shape[0])
    size = scaled_size(size_of(alpha), shrink)
    solid = (cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > _COVERED).astype(np.uint8)
    found = [_parts_below(solid, int((1 - share) * size[1])) for share in _LEG_SHARES]
    likely = [legs for legs in found if len(legs) > 1 and max(leg.width for leg in legs) < _WIDEST_LEG]
    return max(likely, key=len, default=[])


def _parts_below(solid: NDArray[np.uint8], row: int) -> list[Leg]:
    height, width = solid.shape
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(solid[row:])
    legs = []
    for label, (_, top, _, rows, area) in enumerate(boxes[1:], start=1):
        low = row + top + rows
        middle = float(np.flatnonzero((labels[max(0, top + rows - 3) : top + rows] == label).any(axis=0)).mean())
        legs.append(Leg((middle + 0.5) / width, low / height, area / rows / width, rows / height))
    return legs


def _profile(alpha: Weights) -> tuple[Numbers, Numbers]:
    """Return, from the lowest slice up, the product's reach from its middle in pixels and its solid share."""
    width = alpha.shape[1]
    rows = cv2.resize(alpha, (width, _SLICES), interpolation=cv2.INTER_AREA)[::-1]
    solid = rows > _COVERED
    across = np.abs(np.arange(width) + 0.5 - width / 2) + 0.5
    radii = np.where(solid, across, 0.5).max(axis=1)
    return radii, np.minimum(rows.sum(axis=1) / (2 * radii) / _SOLID_SHARE, 1)


def _rim(rise: Numbers, depths: Numbers, limit: float) -> float:
    """Return the rows of a picture taken from above that belong to the front half of the lowest disc's outline, or the
    back half of the highest one's: that half is an ellipse, sin(pitch) as high as it is deep."""
    rim = (depths * np.sin(PHOTO_PITCH) >= rise) & (rise < limit)
    return float(rise[rim].max(initial=0))
