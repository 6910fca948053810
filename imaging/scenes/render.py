"""Renders scenes: each body is ray traced inside its silhouette, lit, and blended over what lies behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Field
from imaging.geometry.camera import Camera
from imaging.picture import Box, Pixels
from imaging.scenes.bodies import NEAREST, Body, Leaf, Points
from imaging.scenes.light import Lighting, Obstacles, RayGrid, Slopes, enlarged
from imaging.scenes.materials import Rgb, Vectors, albedo, column, noise_tile

Outline = NDArray[np.floating[Any]]
"""Corners (n, 2) of a convex polygon, in pixels."""

FINE_LIGHT = 480
"""Root of the number of points in a picture between which soft light is interpolated."""

TOUCHING = 1.0
"""Distance in cm that a body may lie behind what was drawn before and still cover it."""

SUBROWS = 4
"""Samples per pixel row of a silhouette's coverage."""

EXPOSURE, VIVID = 2.05, 1.2
"""Exposure and saturation of the tone curve; the latter restores the color that highlights lose as they roll off."""


@dataclass(frozen=True)
class Scenery:
    """Everything in front of the camera; `sky` is its color overhead and at the horizon."""

    bodies: tuple[Body, ...]
    leaves: tuple[Leaf, ...]
    lighting: Lighting
    sky: tuple[Rgb, Rgb]

    def mirrored(self) -> "Scenery":
        bodies, leaves = tuple(x.mirrored() for x in self.bodies), tuple(x.mirrored() for x in self.leaves)
        return replace(self, bodies=bodies, leaves=leaves, lighting=self.lighting.mirrored())


def render(scenery: Scenery, camera: Camera, rng: np.random.Generator) -> Pixels:
    """Return the picture of `scenery`; `camera` must be level, with its horizon in the middle of the picture."""
    canvas = _Canvas(scenery, camera, noise_tile(rng))
    # Walls and floors in the given order, then the rest from back to front, so that edges blend with what is behind.
    for body in sorted(scenery.bodies, key=lambda body: 0 if body.broad else 1e6 - body.low[2] - body.high[2]):
        canvas.draw_body(body)
    canvas.draw_leaves(sorted(scenery.leaves, key=lambda leaf: -leaf.middle[2]))
    return _developed(canvas.frame, rng)


class _Canvas:
    """A picture in progress: its light `frame` (3, h, w) and the distance `depth` (h, w) in cm it comes from."""

    def __init__(self, scenery: Scenery, camera: Camera, tile: Field) -> None:
        width, height = camera.size
        self.camera, self.lighting, self.tile = camera, scenery.lighting, tile
        self.obstacles = Obstacles(scenery.bodies)
        self.step = max(1, round((width * height) ** 0.5 / FINE_LIGHT))
        overhead, horizon = (column(color) for color in scenery.sky)
        rise = np.clip(1 - np.arange(height, dtype=np.float32) / camera.horizon, 0, 1)[:, None]
        self.frame = np.repeat(horizon + rise * (overhead - horizon), width, axis=2)
        self.depth = np.full((height, width), 1e5, np.float32)

    def draw_body(self, body: Body) -> None:
        outline = self._outline(body.outline())
        box = self._box(outline)
        if box is None:
            return
        depth, points = _hit(body, self._grid(box))
        color = albedo(body.material, points, column(body.low), body.half * 2, self.tile)
        light = body.material.glow or self._light(body, box, points)
        cover = _coverage(outline, box)
        if body.material.printed:
            cover = cover * body.material.printed.at((points - column(body.low)) / (body.half * 2))[1]
        self._lay(box, cover, color * light, depth)

    def draw_leaves(self, leaves: Sequence[Leaf]) -> None:
        if not leaves:
            return
        middles, normals = (
            np.stack(a, 1)[..., None] for a in zip(*((x.middle, x.normal) for x in leaves), strict=True)
        )
        nowhere = RayGrid(np.zeros(1), np.zeros(len(leaves)), 0.0)
        light = self.lighting.arrives(middles, normals, nowhere, Obstacles(()))
        for leaf, shine in zip(leaves, light.transpose(1, 0, 2), strict=True):
            outline = self._outline(leaf.points)
            box = self._box(outline)
            if box is not None:
                color = column(leaf.material.color) * shine[:, None]
                self._lay(box, _coverage(outline, box), color, leaf.middle[2:, None])

    def _light(self, body: Body, box: Box, points: Vectors) -> Vectors:
        if not body.broad:
            return self.lighting.arrives(points, body.normals(points), self._grid(box), self.obstacles, self.step)
        grid = self._grid(box, self.step)
        _, points = _hit(body, grid)
        light = self.lighting.arrives(points, body.normals(points), grid, self.obstacles, 2)
        return np.stack([enlarged(channel, (box[3] - box[1], box[2] - box[0])) for channel in light])

    def _lay(self, box: Box, cover: Field, color: Vectors, depth: Field) -> None:
        left, top, right, bottom = box
        frame, behind = self.frame[:, top:bottom, left:right], self.depth[top:bottom, left:right]
        cover = cover * np.clip(behind - depth + TOUCHING, 0, 1)
        frame += cover * (color - frame)
        np.copyto(behind, depth, where=cover > 0.5)

    def _outline(self, points: Points) -> Outline:
        """Return the convex outline in pixels of points in space."""
        x, y, z = points.T
        scale = self.camera.focal / np.maximum(z, NEAREST)
        right, down = x * scale, (self.camera.height_cm - y) * scale
        seen = np.stack((right + self.camera.size[0] / 2, down + self.camera.horizon), 1)
        return cast(Outline, cv2.convexHull(seen.astype(np.float32))[:, 0])

    def _box(self, outline: Outline) -> Box | None:
        width, height = self.camera.size
        left, top = (int(start) - 1 for start in np.floor(outline.min(0)))
        right, bottom = (int(stop) + 1 for stop in np.ceil(outline.max(0)))
        box = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        return box if box[0] < box[2] and box[1] < box[3] else None

    def _grid(self, box: Box, step: int = 1) -> RayGrid:
        left, top, right, bottom = box
        across = (_middles(left, right, step) - self.camera.size[0] / 2) / self.camera.focal
        down = (_middles(top, bottom, step) - self.camera.horizon) / self.camera.focal
        return RayGrid(across.astype(np.float32), down.astype(np.float32), self.camera.height_cm)


def _middles(start: int, stop: int, step: int) -> NDArray[np.float64]:
    """Return the middles of about (stop - start) / step equal parts, which are the pixels of a reduced picture."""
    parts = -(-(stop - start) // step)
    return start + (np.arange(parts) + 0.5) * (stop - start) / parts


def _hit(body: Body, grid: RayGrid) -> tuple[Field, Vectors]:
    """Return depths and points where rays meet the body; rays that just miss it get its nearest edge."""
    (left, low, near), (right, high, far) = body.low, body.high
    across, down = _passes(left, right, grid.across), _passes(low - grid.height, high - grid.height, -grid.down)
    enters, leaves = np.maximum(across[0], down[0][:, None]), np.minimum(across[1], down[1][:, None])
    depth = np.clip(np.minimum(enters, leaves), near, far)
    points = _ends(grid, depth, body)
    if body.axis is not None or body.bevel > 2:
        for _ in range(4):  # a step by the distance never goes through the surface
            depth = np.minimum(depth + np.maximum(body.distance(points), 0), far)
            points = _ends(grid, depth, body)
    return depth, points


def _passes(low: float, high: float, slope: Slopes) -> tuple[Slopes, Slopes]:
    """Return the depths at which rays enter and leave the space between two planes."""
    safe = np.where(np.abs(slope) < 1e-6, np.float32(1e-6), slope)
    return np.minimum(low / safe, high / safe), np.maximum(low / safe, high / safe)


def _ends(grid: RayGrid, depth: Field, body: Body) -> Vectors:
    points = np.stack((grid.across * depth, grid.height - grid.down[:, None] * depth, depth))
    return np.clip(points, column(body.low), column(body.high), out=points)


def _coverage(outline: Outline, box: Box) -> Field:
    """Return the share (0 to 1) of each pixel of the box inside the outline: exact along SUBROWS rows per pixel."""
    left, top, right, bottom = box
    columns = np.arange(left, right, dtype=np.float32)
    cover = np.zeros((bottom - top, right - left), np.float32)
    for part in (np.arange(SUBROWS) + 0.5) / SUBROWS:
        starts, stops = _crossings(outline, np.arange(top, bottom) + part)
        cover += np.clip(np.minimum(stops, columns + 1) - np.maximum(starts, columns), 0, 1)
    return cover / SUBROWS


def _crossings(outline: Outline, rows: NDArray[np.float64]) -> tuple[Field, Field]:
    """Return the columns (h, 1) where each row enters and leaves a convex outline; equal where it misses it."""
    turned = np.roll(outline, -int(outline[:, 1].argmin()), 0)
    lowest = int(turned[:, 1].argmax())
    one, other = turned[: lowest + 1], np.vstack((turned[lowest:], turned[:1]))[::-1]
    sides = np.sort([np.interp(rows, side[:, 1], side[:, 0]) for side in (one, other)], axis=0).astype(np.float32)
    missed = (rows < turned[0, 1]) | (rows > turned[lowest, 1])
    return sides[0][:, None], np.where(missed, sides[0], sides[1])[:, None]


def _developed(light: Vectors, rng: np.random.Generator) -> Pixels:
    """Return sRGB of linear light: highlights bloom and roll off, and grain hides the steps of smooth gradients."""
    grain = rng.standard_normal(light.shape[1:], np.float32) * 0.9 + 0.5
    gray = light.mean(0) * (1 - VIVID)
    return cast(Pixels, cv2.merge([_toned(channel * VIVID + gray, grain) for channel in light]))


def _toned(channel: Field, grain: Field) -> NDArray[np.uint8]:
    height, width = channel.shape
    small = cv2.resize(channel, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    bloom = cv2.GaussianBlur(np.clip(small - 1, 0, 3), (0, 0), max(width, height) / 400)
    channel += enlarged(cast(Field, bloom), channel.shape) * 0.5
    toned = np.sqrt(1 - np.exp(np.maximum(channel, 0) * -EXPOSURE)) * 255 + grain
    return cast(NDArray[np.uint8], np.clip(toned, 0, 255).astype(np.uint8))
