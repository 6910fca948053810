"""The shadow of a solid: how much of the light that fell on a floor or a wall is kept from it.

The light is a few dozen points: the room's source as a ball of them, the rest as a dome. Through each of them the
solid's discs are projected onto the plane; a spot of the plane is as dark as the share of its light that is blocked.
So contact shadow, penumbra and cast shadow are one thing: sampled ambient occlusion (Zhukov, Iones, Kronin, EGWR 1998).
"""

from dataclasses import dataclass
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.geometry.camera import Camera, Numbers
from imaging.geometry.product_volume import Solid
from imaging.lighting.estimate import Source
from imaging.picture import Box, Weights

_CELLS = 224  # along the longer side of a map
_SUBPIXELS = 4  # bits
_FAR_CM = 1e5
_DISCS, _CORNERS = 18, 16
_DOME_POINTS, _SOURCE_POINTS = 48, 64
_LONGEST = 30.0  # times a rim's distance from its lamp: shadows farther off are not drawn
_ALBEDO = 0.6  # of an ordinary room
_TURN = np.pi * (3 - np.sqrt(5))  # the golden angle spreads points evenly


@dataclass(frozen=True, eq=False)
class Stack:
    """Level discs one above the other: their rims (discs, corners, 3) in room coordinates, and how much of each disc's
    width is not air (discs)."""

    rims: Numbers
    filled: Numbers


@dataclass(frozen=True)
class Plane:
    """The floor, or the wall at z = `distance` cm."""

    kind: Literal["floor", "wall"]
    distance: float = 0.0

    @property
    def normal(self) -> int:
        """The axis across the plane."""
        return 1 if self.kind == "floor" else 2

    def along(self, positions: Numbers) -> Numbers:
        """The two coordinates of positions (..., 3) along the plane."""
        return np.delete(positions, self.normal, axis=-1)

    def lifted(self, spots: Numbers) -> Numbers:
        """The positions (n, 3) of spots (n, 2) on the plane."""
        return np.insert(spots, self.normal, self.distance, axis=1)

    def seen(self, camera: Camera, x: Numbers, y: Numbers) -> Numbers:
        """The spots (n, 2) that pixels show, taking all of them to show the plane."""
        if self.kind == "floor":
            return np.stack(camera.on_floor(x, y), axis=1)
        to_right, up = camera.ray(x, y)
        return np.stack([to_right * self.distance, camera.height_cm + up * self.distance], axis=1)


@dataclass(frozen=True, eq=False)
class _Map:
    """A plane's part from `low` on, `size` cells (columns, rows) of 1/`scale` cm each."""

    plane: Plane
    low: Numbers
    scale: float
    size: tuple[int, int]

    def blocked(self, body: list[Stack], lamps: Numbers) -> Weights:
        """The share of lamps (n, 3) that the body hides from each cell."""
        dark = np.zeros(self.size[::-1], np.float32)
        for lamp in lamps:
            drawn = np.zeros(self.size[::-1], np.uint8)
            for stack in body:
                _draw(drawn, (_projected(stack.rims, lamp, self.plane) - self.low) * self.scale, stack.filled)
            dark += drawn
        return cast(Weights, cv2.GaussianBlur(dark, (0, 0), 1.0) / np.float32(255 * len(lamps)))

    def in_photo(self, values: Weights, camera: Camera, part: Box) -> Weights:
        """The map as the camera sees it in `part` of the photo."""
        columns, rows = self.size
        cells = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], np.float32)
        x, y = camera.project(*self.plane.lifted(self.low + cells / self.scale).T)
        pixels = np.stack([x - part[0], y - part[1]], axis=1).astype(np.float32)
        warp = cv2.getPerspectiveTransform(cells - np.float32(0.5), pixels - np.float32(0.5))
        size = (part[2] - part[0], part[3] - part[1])
        return cast(Weights, cv2.warpPerspective(values, warp, size, borderMode=cv2.BORDER_REPLICATE))


def stack_of(solid: Solid, height_cm: float, x: float, z: float, above: float = 0.0) -> Stack:
    """The part of `solid` over a share of its height, standing with its axis at x, z."""
    lowest = min(int(np.searchsorted(solid.heights, above)), len(solid.heights) - 2)
    chosen = np.linspace(lowest, len(solid.heights) - 1, _DISCS).round().astype(np.intp)
    rims = _rims(solid.heights[chosen], solid.radii[chosen], solid.depths[chosen], solid.straight)
    return Stack(rims * height_cm + np.array([x, 0, z]), solid.filled[chosen])


def pole(x: float, z: float, radius_cm: float, height_cm: float) -> Stack:
    radii = np.full(3, radius_cm)
    return Stack(_rims(np.array([0, 0.5, 1]) * height_cm, radii, radii, 0) + np.array([x, 0, z]), np.ones(3))


def _rims(heights: Numbers, radii: Numbers, depths: Numbers, straight: float) -> Numbers:
    """Superellipses: from an ellipse to a rectangle as `straight` goes from 0 to 1."""
    angle = np.arange(_CORNERS) * 2 * np.pi / _CORNERS
    to_right, away = (np.sign(each) * np.abs(each) ** (1 - straight) for each in (np.cos(angle), np.sin(angle)))
    up = np.broadcast_to(heights[:, None], (len(heights), _CORNERS))
    return np.stack([radii[:, None] * to_right, up, depths[:, None] * away], axis=2)


def light_left(camera: Camera, body: list[Stack], sources: tuple[Source, ...], plane: Plane, part: Box) -> Weights:
    """The share of its light that each pixel of `part` of the photo keeps, taking all of them to show `plane`."""
    ground = _map(camera, plane, part)
    sky = body[0].rims.mean(axis=(0, 1)) + _FAR_CM * _dome(plane)
    left = (1 - sum(source.share for source in sources)) * _bounced(1 - ground.blocked(body, sky))
    for source in sources:
        lamps = np.array(source.position) + source.radius_cm * _ball()
        left = left + source.share * (1 - ground.blocked(body, lamps))
    return ground.in_photo(left.clip(0, 1), camera, part)


def _map(camera: Camera, plane: Plane, part: Box) -> _Map:
    left, top, right, bottom = part
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]], np.float64)
    spots = plane.seen(camera, *corners.T)
    low, reach = spots.min(axis=0), np.ptp(spots, axis=0)
    scale = _CELLS / float(reach.max())
    return _Map(plane, low, scale, (max(2, round(reach[0] * scale)), max(2, round(reach[1] * scale))))


def _bounced(open_share: Weights) -> Weights:
    """Light from all sides that is left where only `open_share` of them is open, with what room and product reflect
    into the shade (the cubic fit of Jimenez, Wu, Pesce, Jarabo, "Practical Realtime Strategies for Accurate Indirect
    Occlusion", 2016)."""
    a, b, c = 2.0404 * _ALBEDO - 0.3324, -4.7951 * _ALBEDO + 0.6417, 2.7552 * _ALBEDO + 0.6903
    return np.array(np.maximum(open_share, ((open_share * a + b) * open_share + c) * open_share))


def _dome(plane: Plane) -> Numbers:
    """Directions (n, 3) before the plane, as dense as its surface values them: evenly over the unit disc below them
    (Malley's method). A wall's come from above alone: what it gets from below, the product's top gives it as well."""
    step = np.arange(_DOME_POINTS) + 0.5
    radius, angle = np.sqrt(step / _DOME_POINTS), step * _TURN
    across, sideways, other = np.sqrt(1 - radius**2), radius * np.cos(angle), radius * np.sin(angle)
    if plane.kind == "floor":
        return np.stack([sideways, across, other], axis=1)
    return np.stack([sideways, np.abs(other), -across], axis=1)


def _ball() -> Numbers:
    """Points (n, 3) spread over the unit sphere."""
    step = np.arange(_SOURCE_POINTS) + 0.5
    height = 1 - 2 * step / _SOURCE_POINTS
    radius, angle = np.sqrt(1 - height**2), step * _TURN
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)


def _projected(rims: Numbers, lamp: Numbers, plane: Plane) -> Numbers:
    """Where on the plane (discs, corners, 2) the lamp throws each rim; NaN where it throws none."""
    step = rims - lamp
    across = np.where(step[..., plane.normal] == 0, np.nan, step[..., plane.normal])
    reach = (plane.distance - lamp[plane.normal]) / across
    reach = np.where((reach > 0.999) & (reach < _LONGEST), reach, np.nan)
    return plane.along(lamp + step * reach[..., None])


def _draw(drawn: NDArray[np.uint8], outlines: Numbers, filled: Numbers) -> None:
    """Fill (to 255) all that lies between neighboring outlines, the more solid over the more airy."""
    between = np.minimum(filled[:-1], filled[1:])
    for i in np.argsort(between, kind="stable"):
        pair = outlines[i : i + 2].reshape(-1, 2)
        if np.isfinite(pair).all():
            corners = (pair.clip(-4 * _CELLS, 5 * _CELLS) * (1 << _SUBPIXELS)).astype(np.int32)
            cv2.fillConvexPoly(drawn, cv2.convexHull(corners), 255 * float(between[i]), cv2.LINE_AA, _SUBPIXELS)
