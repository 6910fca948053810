"""The shapes that scenes consist of: boxes and round posts with rounded edges, and leaves.

Positions are in centimeters: x to the right of the camera, y up from the floor, z away from the camera.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Field
from imaging.scenes.materials import Material, Vector, Vectors, column

NEAREST = 10.0
"""Depth in cm of the near clipping plane."""

Points = NDArray[np.floating[Any]]
"""Positions of shape (n, 3)."""


@dataclass(frozen=True, eq=False)
class Body:
    """A box from `low` to `high` with edges rounded by `bevel`.

    With an `axis` (0 to 2) it is round about that axis; `ends` are the shares of the full radius at its two ends.
    `broad` marks large smooth surfaces, which are lit on a coarse grid; `casts` is False for bodies that darken nothing
    else. `cove` (y, z, radius) rounds the corner of a studio's backdrop.
    """

    low: Vector
    high: Vector
    material: Material
    bevel: float = 1.0
    axis: int | None = None
    ends: tuple[float, float] = (1.0, 1.0)
    broad: bool = False
    casts: bool = True
    cove: Vector | None = None

    @cached_property
    def center(self) -> Vectors:
        return (column(self.low) + column(self.high)) / 2

    @cached_property
    def half(self) -> Vectors:
        return (column(self.high) - column(self.low)) / 2

    def mirrored(self) -> "Body":
        return replace(self, low=(-self.high[0], *self.low[1:]), high=(-self.low[0], *self.high[1:]))

    def outline(self) -> Points:
        """Return points on the surface whose projections span the silhouette."""
        ways = _ways().T[:, :, None]
        corner = np.sign(ways)
        if self.axis is not None:
            around = [i for i in range(3) if i != self.axis]
            ends = np.where(ways[self.axis] > 0, self.ends[1], self.ends[0])
            corner[around] = ways[around] / np.hypot(*ways[around]) * ends
        return cast(Points, (self.center + corner * (self.half - self.bevel) + ways * self.bevel)[:, :, 0].T)

    def distance(self, points: Vectors) -> Field:
        """Return the signed distance from the surface, positive outside."""
        over = self._over(points - self.center)
        outside = np.maximum(over, 0)
        return cast(Field, np.sqrt(dot(outside, outside)) + np.minimum(over.max(0), 0) - self.bevel)

    def normals(self, points: Vectors) -> Vectors:
        """Return unit normals at points on the surface."""
        offset = points - self.center
        over = self._over(offset)
        out = np.maximum(over - np.minimum(over.max(0), 0) + 0.01, 0)
        if self.axis is None:
            return self._coved(points, _unit(np.sign(offset) * out))
        normals = offset / self._radius(offset) * out[0]
        slope = (self.ends[0] - self.ends[1]) * self.half[self.axis - 1] / self.half[self.axis] / 2
        normals[self.axis] = np.sign(offset[self.axis]) * out[1] + slope * out[0]
        return _unit(normals)

    def _coved(self, points: Vectors, normals: Vectors) -> Vectors:
        if self.cove is None:
            return normals
        y, z, radius = self.cove
        share = np.maximum(1 - (np.abs(points[1] - y) + np.abs(points[2] - z)) / radius, 0) ** 2
        return _unit(normals + share * (column((0, 0.7, -0.7)) - normals))

    def _over(self, offset: Vectors) -> Vectors:
        """Return how far offsets from the center lie beyond the body shrunk by its bevel.

        The components are those along each axis, or, for a round body, away from its axis and along it.
        """
        if self.axis is None:
            return cast(Vectors, np.abs(offset) - (self.half - self.bevel))
        along, half = offset[self.axis], self.half[self.axis]
        first, last = self.ends
        share = (first + last) / 2 + np.clip(along / half, -1, 1) * ((last - first) / 2)
        beyond = self._radius(offset) - share * self.half[self.axis - 1], np.abs(along) - half
        return np.stack(beyond) + self.bevel

    def _radius(self, offset: Vectors) -> Field:
        first, second = (offset[i] for i in range(3) if i != self.axis)
        return cast(Field, np.hypot(first, second) + 1e-3)


@dataclass(frozen=True, eq=False)
class Leaf:
    """A flat convex polygon."""

    points: Points
    material: Material

    @property
    def middle(self) -> Points:
        return cast(Points, self.points.mean(0))

    @property
    def normal(self) -> Points:
        """Return the unit normal of the side that faces up."""
        normal = np.cross(self.points[1] - self.points[0], self.points[2] - self.points[0])
        return cast(Points, normal * np.sign(normal[1]) / (np.linalg.norm(normal) + 1e-6))

    def mirrored(self) -> "Leaf":
        return replace(self, points=self.points * np.array((-1, 1, 1), np.float32))


def box(x: float, y: float, z: float, size: Vector, material: Material, bevel: float = 1.0) -> Body:
    """Return a box of (width, height, depth) with the middle of its base at (x, y, z)."""
    width, height, depth = size
    low, high = (x - width / 2, y, z - depth / 2), (x + width / 2, y + height, z + depth / 2)
    return Body(low, high, material, min(bevel, width / 2, height / 2, depth / 2))


def post(
    x: float, y: float, z: float, size: tuple[float, float], material: Material,
    ends: tuple[float, float] = (1.0, 1.0), bevel: float = 0.5,
) -> Body:  # fmt: skip
    """Return an upright round body of (diameter, height); `ends` are the shares of the diameter at bottom and top."""
    width, height = size
    return replace(box(x, y, z, (width, height, width), material, bevel), axis=1, ends=ends)


def disc(x: float, y: float, z: float, size: tuple[float, float], material: Material) -> Body:
    """Return a round plate of (diameter, thickness) that faces the camera, with its lowest point at (x, y, z)."""
    width, thick = size
    return replace(box(x, y, z, (width, width, thick), material), axis=2)


def ball(x: float, y: float, z: float, width: float, material: Material) -> Body:
    """Return a ball resting at (x, y, z)."""
    return box(x, y, z, (width, width, width), material, width / 2)


def dot(first: Vectors, second: Vectors) -> Field:
    return cast(Field, np.einsum("ahw,ahw->hw", first, second))


def _unit(vectors: Vectors) -> Vectors:
    return cast(Vectors, vectors / np.sqrt(dot(vectors, vectors)))


@cache
def _ways() -> Points:
    """Return 320 directions distributed evenly over the sphere, on a golden spiral."""
    turn = np.arange(320) + 0.5
    y, angle = 1 - turn / 160, turn * np.pi * (3 - 5**0.5)
    ring = np.sqrt(1 - y * y)
    return np.stack((ring * np.cos(angle), y, ring * np.sin(angle)), 1).astype(np.float32)
