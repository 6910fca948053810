"""Computes the shadow of a solid on a floor or a wall: contact shadow, penumbra and cast shadow in one.

The light is a few dozen points: a ball for the room's source and a dome for the rest. The solid's discs are projected
through each point onto the plane, and a point of the plane is as dark as the share of its light that is blocked:
sampled ambient occlusion (Zhukov, Iones, Kronin, EGWR 1998).
"""

from dataclasses import dataclass
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.lighting.estimate import Source
from imaging.picture import Box, Weights

_CELLS = 224  # along the longer side of a map
_SUBPIXELS = 4  # fractional bits of drawn coordinates
_FAR_CM = 1e5  # distance of the dome
CORNERS = 16
"""Corners of a disc."""

ALBEDO = 0.6
"""Reflectance of the light surfaces of an ordinary room."""

_DOME_POINTS, _SOURCE_POINTS = 48, 64  # light samples
_LONGEST = 30.0  # longest shadow drawn, times the distance between rim and light
_TURN = np.pi * (3 - np.sqrt(5))  # golden angle: distributes points evenly over a disc or sphere


@dataclass(frozen=True, eq=False)
class Stack:
    """Level discs one above the other.

    `rims` (discs, corners, 3) are in room coordinates; `filled` (discs,) is the share of each disc's width that is not
    air.
    """

    rims: Numbers
    filled: Numbers


@dataclass(frozen=True)
class ShadowPlane:
    """The floor, or the wall at z = `distance` cm."""

    kind: Literal["floor", "wall"]
    distance: float = 0.0

    @property
    def normal(self) -> int:
        """Index of the axis perpendicular to the plane."""
        return 1 if self.kind == "floor" else 2

    def along(self, positions: Numbers) -> Numbers:
        """Return the two coordinates of positions (..., 3) along the plane."""
        return np.delete(positions, self.normal, axis=-1)

    def lifted(self, spots: Numbers) -> Numbers:
        """Return the positions (n, 3) of spots (n, 2) on the plane."""
        return np.insert(spots, self.normal, self.distance, axis=1)

    def seen(self, camera: Camera, x: Numbers, y: Numbers) -> Numbers:
        """Return the spots (n, 2) seen at pixels, all of which are assumed to show the plane."""
        if self.kind == "floor":
            return np.stack(camera.on_floor(x, y), axis=1)
        to_right, up = camera.ray(x, y)
        return np.stack([to_right * self.distance, camera.height_cm + up * self.distance], axis=1)


@dataclass(frozen=True, eq=False)
class _Map:
    """A raster over the plane from spot `low` on: `size` cells (columns, rows) of 1/`scale` cm each."""

    plane: ShadowPlane
    low: Numbers
    scale: float
    size: tuple[int, int]

    def blocked(self, body: list[Stack], lamps: Numbers) -> Weights:
        """Return the share of `lamps` (n, 3) that the body hides from each cell."""
        dark = np.zeros(self.size[::-1], np.float32)
        outlines = [self._outlines(stack, lamps) for stack in body]
        for lamp in range(len(lamps)):
            drawn = np.zeros(self.size[::-1], np.uint8)
            for (corners, is_drawn), stack in zip(outlines, body, strict=True):
                _draw(drawn, corners[lamp], is_drawn[lamp], stack.filled)
            dark += drawn
        return cast(Weights, cv2.GaussianBlur(dark, (0, 0), 1.0) / np.float32(255 * len(lamps)))

    def _outlines(self, stack: Stack, lamps: Numbers) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return where each lamp projects the discs (lamps, discs, corners, 2), in fractions of a cell as OpenCV draws
        them, and whether it projects them at all (lamps, discs)."""
        cells = (_projected(stack.rims, lamps, self.plane) - self.low) * self.scale
        corners = np.nan_to_num(cells).clip(-4 * _CELLS, 5 * _CELLS) * (1 << _SUBPIXELS)
        return corners.astype(np.int32), np.asarray(np.isfinite(cells).all(axis=(2, 3)))

    def in_photo(self, values: Weights, camera: Camera, part: Box) -> Weights:
        """Return cell `values` as the camera sees them in `part` of the photo."""
        columns, rows = self.size
        cells = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], np.float32)
        x, y = camera.project(*self.plane.lifted(self.low + cells / self.scale).T)
        pixels = np.stack([x - part[0], y - part[1]], axis=1).astype(np.float32)
        warp = cv2.getPerspectiveTransform(cells - np.float32(0.5), pixels - np.float32(0.5))
        size = (part[2] - part[0], part[3] - part[1])
        return cast(Weights, cv2.warpPerspective(values, warp, size, borderMode=cv2.BORDER_REPLICATE))


def pole(x: float, z: float, radius_cm: float, height_cm: float) -> Stack:
    """Return an upright cylinder on the floor at x, z."""
    angle = np.arange(CORNERS) * 2 * np.pi / CORNERS
    ring = np.stack([x + radius_cm * np.cos(angle), np.zeros(CORNERS), z + radius_cm * np.sin(angle)], axis=1)
    return Stack(ring + np.array([[[0.0, share * height_cm, 0.0]] for share in (0, 0.5, 1)]), np.ones(3))


def light_left(
    camera: Camera,
    body: list[Stack],
    sources: tuple[Source, ...],
    plane: ShadowPlane,
    part: Box,
    albedo: float = ALBEDO,
) -> Weights:
    """Return the share of its light that each pixel of `part` keeps; all pixels are assumed to show `plane`.

    `albedo` is the plane's reflectance: a dark floor gets less light back from what stands on it.
    """
    ground = _map(camera, plane, part)
    sky = body[0].rims.mean(axis=(0, 1)) + _FAR_CM * _dome(plane)
    left = (1 - sum(source.share for source in sources)) * _bounced(1 - ground.blocked(body, sky), albedo)
    for source in sources:
        lamps = np.array(source.position) + source.radius_cm * _ball()
        left = left + source.share * (1 - ground.blocked(body, lamps))
    return ground.in_photo(left.clip(0, 1), camera, part)


def _map(camera: Camera, plane: ShadowPlane, part: Box) -> _Map:
    left, top, right, bottom = part
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]], np.float64)
    spots = plane.seen(camera, *corners.T)
    low, reach = spots.min(axis=0), np.ptp(spots, axis=0)
    scale = _CELLS / float(reach.max())
    return _Map(plane, low, scale, (max(2, round(reach[0] * scale)), max(2, round(reach[1] * scale))))


def _bounced(open_share: Weights, albedo: float) -> Weights:
    """Return the ambient light left when only `open_share` of all directions is open, including interreflections.

    Cubic fit of Jimenez, Wu, Pesce, Jarabo: Practical Realtime Strategies for Accurate Indirect Occlusion, 2016.
    """
    a, b, c = 2.0404 * albedo - 0.3324, -4.7951 * albedo + 0.6417, 2.7552 * albedo + 0.6903
    return np.array(np.maximum(open_share, ((open_share * a + b) * open_share + c) * open_share))


def _dome(plane: ShadowPlane) -> Numbers:
    """Return cosine-weighted directions (n, 3) in front of the plane (Malley's method).

    Those of a wall come from above only: light from below is replaced by what the product's top reflects.
    """
    step = np.arange(_DOME_POINTS) + 0.5
    radius, angle = np.sqrt(step / _DOME_POINTS), step * _TURN
    across, sideways, other = np.sqrt(1 - radius**2), radius * np.cos(angle), radius * np.sin(angle)
    if plane.kind == "floor":
        return np.stack([sideways, across, other], axis=1)
    return np.stack([sideways, np.abs(other), -across], axis=1)


def _ball() -> Numbers:
    """Return points (n, 3) distributed evenly over the unit sphere."""
    step = np.arange(_SOURCE_POINTS) + 0.5
    height = 1 - 2 * step / _SOURCE_POINTS
    radius, angle = np.sqrt(1 - height**2), step * _TURN
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)


def _projected(rims: Numbers, lamps: Numbers, plane: ShadowPlane) -> Numbers:
    """Return where on the plane (lamps, discs, corners, 2) each lamp projects each rim; NaN where it does not."""
    lamps = lamps[:, None, None]
    step = rims - lamps
    across = np.where(step[..., plane.normal] == 0, np.nan, step[..., plane.normal])
    reach = (plane.distance - lamps[..., plane.normal]) / across
    reach = np.where((reach > 0.999) & (reach < _LONGEST), reach, np.nan)
    return plane.along(lamps + step * reach[..., None])


def _draw(drawn: NDArray[np.uint8], corners: NDArray[np.int32], is_drawn: NDArray[np.bool_], filled: Numbers) -> None:
    """Fill the hulls of neighboring discs (discs, corners, 2) with up to 255, in order of increasing solidity."""
    between = np.minimum(filled[:-1], filled[1:])
    for i in np.argsort(between, kind="stable"):
        if is_drawn[i] and is_drawn[i + 1]:
            hull = cv2.convexHull(corners[i : i + 2].reshape(-1, 2))
            cv2.fillConvexPoly(drawn, hull, 255 * float(between[i]), cv2.LINE_AA, _SUBPIXELS)
