"""Light in a scene: ambient light from above and below, windows, lamps and sun, and the bodies that block them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Field
from imaging.scenes.bodies import NEAREST, Body, dot
from imaging.scenes.materials import Rgb, Vector, Vectors, column

Slopes = NDArray[np.floating[Any]]

Pane = tuple[float, float, float, float]
"""Opening in a side wall: low y, low z, high y, high z."""

CORNERS = ((9.0, 0.3), (40.0, 0.33))
"""Distances in cm within which a neighbor darkens a point and by how much at most: contact, and the wider corner."""

LONGEST_SHADOW = 400.0
"""Distance in cm beyond which a body casts no shadow."""


@dataclass(frozen=True, eq=False)
class RayGrid:
    """Rays of a level camera at `height` cm.

    With each cm of depth, pixel columns gain `across` (w,) to the right and pixel rows gain `down` (h,) downwards.
    """

    across: Slopes
    down: Slopes
    height: float

    def thinned(self, step: int) -> "RayGrid":
        return RayGrid(self.across[::step], self.down[::step], self.height)


class Obstacles:
    """The bodies that block light."""

    def __init__(self, bodies: Sequence[Body]) -> None:
        self.bodies = [body for body in bodies if body.casts]
        self.low = np.array([body.low for body in self.bodies], np.float32).reshape(-1, 3)
        self.high = np.array([body.high for body in self.bodies], np.float32).reshape(-1, 3)
        self.bulk = np.sort(self.high - self.low, axis=1)[:, 1]

    def between(self, points: Vectors, way: Vectors) -> list[Body]:
        """Return the furniture that light from direction `way` may meet before it reaches the points."""
        flat, sweep = points.reshape(3, -1), way.ravel() * LONGEST_SHADOW
        low, high = flat.min(1) + np.minimum(sweep, 0), flat.max(1) + np.maximum(sweep, 0)
        met = ((self.low < high) & (self.high > low)).all(1)
        return [self.bodies[index] for index in np.flatnonzero(met) if not self.bodies[index].broad]

    def room(self, points: Vectors, reach: float, grid: RayGrid) -> Field:
        """Return the share (0 to 1) of `reach` that is free around points; these lie that far off the rays' ends."""
        nearest = np.full(points.shape[1:], reach, np.float32)
        for body, rows, columns in self._near(points, reach, grid):
            part = nearest[rows, columns]
            np.minimum(part, body.distance(points[:, rows, columns]), out=part)
        return np.maximum(nearest, 0) / reach

    def _near(self, points: Vectors, reach: float, grid: RayGrid) -> Iterator[tuple[Body, slice, slice]]:
        """Yield bodies near some points that are thick enough to matter, with the rows and columns of the points."""
        flat = points.reshape(3, -1)
        near = ((self.low < flat.max(1) + reach) & (self.high > flat.min(1) - reach)).all(1)
        indices = np.flatnonzero(near & (self.bulk > reach / 4))
        low, high = self.low[indices] - 2 * reach, self.high[indices] + 2 * reach
        depths = np.maximum((low[:, 2], high[:, 2]), NEAREST)
        left, right = _span(grid.across, low[:, 0] / depths, high[:, 0] / depths)
        top, bottom = _span(grid.down, (grid.height - high[:, 1]) / depths, (grid.height - low[:, 1]) / depths)
        for i in np.flatnonzero((left < right) & (top < bottom)):
            yield self.bodies[indices[i]], slice(top[i], bottom[i]), slice(left[i], right[i])


@dataclass(frozen=True)
class Lamp:
    """A light that shines evenly from `place`, or towards `facing` as a window of `area` square centimeters."""

    place: Vector
    color: Rgb
    area: float
    facing: Vector | None = None

    def mirrored(self) -> "Lamp":
        facing = self.facing and _mirrored(self.facing)
        return replace(self, place=_mirrored(self.place), facing=facing)

    def falls(self, points: Vectors, normals: Vectors) -> Field:
        """Return the light that arrives: its form factor over that of a surface right in front of the lamp."""
        way = column(self.place) - points
        distance = np.sqrt(dot(way, way)) + 1
        way /= distance
        # Light comes from all over a window and its surroundings: surfaces turned half away still get some.
        seen = np.maximum(dot(normals, way) * 0.75 + 0.25, 0)
        if self.facing is not None:
            seen *= np.maximum(-dot(column(self.facing), way), 0)
        return cast(Field, seen * self.area / (distance * distance * np.pi + self.area))


@dataclass(frozen=True)
class Sun:
    """Sunlight along `way` through panes in the wall at x = `wall`; everywhere if there are no panes."""

    way: Vector
    color: Rgb
    wall: float = 0.0
    panes: tuple[Pane, ...] = ()

    def mirrored(self) -> "Sun":
        return replace(self, way=_mirrored(self.way), wall=-self.wall)

    def reaches(self, points: Vectors, obstacles: Obstacles) -> Field:
        """Return the share (0 to 1) of the sun that is visible from points, whichever way they face."""
        light = self._through_panes(points)
        lit = light > 0
        if lit.any():
            light[lit] *= self._past(np.stack([part[lit] for part in points])[:, None], obstacles)[0]
        return light

    def _through_panes(self, points: Vectors) -> Field:
        travelled = (points[0] - self.wall) / self.way[0]
        y, z = (points[i] - travelled * self.way[i] for i in (1, 2))
        soft = 1 + np.abs(travelled) * 0.012
        light = np.zeros_like(y) if self.panes else np.ones_like(y)
        for low_y, low_z, high_y, high_z in self.panes:
            inside = np.minimum(np.minimum(y - low_y, high_y - y), np.minimum(z - low_z, high_z - z))
            light = np.maximum(light, np.clip(inside / soft, 0, 1))
        return cast(Field, light)

    def _past(self, points: Vectors, obstacles: Obstacles) -> Field:
        """Return 1 where nothing is in the way, falling to 0 behind 8 cm of matter."""
        back = -column(self.way)
        light = np.ones(points.shape[1:], np.float32)
        for body in obstacles.between(points, back):
            low, high = (column(body.low) - points) / back, (column(body.high) - points) / back
            enters, leaves = np.minimum(low, high).max(0), np.maximum(low, high).min(0)
            light *= 1 - np.clip((leaves - np.maximum(enters, 1)) / 8, 0, 1)
        return light


@dataclass(frozen=True)
class Lighting:
    """All light of a scene. `above` and `below` light surfaces that face up and down."""

    above: Rgb
    below: Rgb
    lamps: tuple[Lamp, ...] = ()
    sun: Sun | None = None

    def mirrored(self) -> "Lighting":
        return replace(self, lamps=tuple(x.mirrored() for x in self.lamps), sun=self.sun and self.sun.mirrored())

    def arrives(self, points: Vectors, normals: Vectors, grid: RayGrid, obstacles: Obstacles, step: int = 1) -> Vectors:
        """Return the light on surface points seen along the rays of `grid`; occlusion is computed at every `step`."""
        shape = points.shape[1:]
        open_sky = _openness(points[:, ::step, ::step], normals[:, ::step, ::step], grid.thinned(step), obstacles)
        open_sky, up = enlarged(open_sky, shape), (normals[1] + 1) / 2
        fields = [up * open_sky, (1 - up) * open_sky, *(lamp.falls(points, normals) * open_sky for lamp in self.lamps)]
        colors = [self.above, self.below, *(lamp.color for lamp in self.lamps)]
        if self.sun:
            facing = np.maximum(-dot(column(self.sun.way), normals), 0)
            fields.append(facing * self.sun.reaches(points, obstacles))
            colors.append(self.sun.color)
        mixed = np.array(colors, np.float32).T @ np.stack(fields).reshape(len(fields), -1)
        return cast(Vectors, mixed.reshape(3, *shape))


def enlarged(field: Field, shape: tuple[int, ...]) -> Field:
    if field.shape == shape:
        return field
    return cast(Field, cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


def _openness(points: Vectors, normals: Vectors, grid: RayGrid, obstacles: Obstacles) -> Field:
    light = np.ones(points.shape[1:], np.float32)
    for reach, dark in CORNERS:
        light *= 1 - dark + dark * obstacles.room(points + normals * reach, reach, grid)
    return light


def _mirrored(vector: Vector) -> Vector:
    x, y, z = vector
    return -x, y, z


def _span(slopes: Slopes, low: Slopes, high: Slopes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and last index among ascending `slopes` of bodies from `low` to `high` at either depth."""
    return np.searchsorted(slopes, low.min(0)), np.searchsorted(slopes, high.max(0))
