"""The camera that took a room photo, as far as one picture tells: single-view geometry over a flat floor.

Straight edges that are parallel in the room meet in a vanishing point; those of all horizontal edges lie on the horizon
(Criminisi, Reid, Zisserman, "Single View Metrology", IJCV 2000). Lens distortion and roll are not modelled.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.picture import Pixels, Size, scaled_size, size_of

Numbers = NDArray[np.float64]

FOCAL_SHARE = 0.7
"""Focal length over the photo's long side: 25 mm on a 35 mm frame, the main camera of most phones."""

HORIZON_SHARE = 0.42
"""The horizon over the photo's height where no lines tell: people hold the camera a little downwards."""

_NEAREST_CM = 1.0
_WORKING_SIZE = 1024
_SHORTEST = 0.025  # of the long side: shorter segments are texture
_VOTERS = 160  # the longest segments; voting costs their cube
_TOLERANCE = np.radians(2.0)
_UPRIGHT = np.radians(15.0)  # wide lenses lean the room's vertical edges up to this far
_LEVEL = np.radians(1.5)  # edges parallel to the picture say nothing about the horizon
_FEWEST, _SUPPORT, _SURE = 4, 0.5, 0.012  # edges, their length and the point's uncertainty over the long side
_LEAST_SHARE = 0.15  # of all oblique edges' length: measured 0.17 and more in rooms, 0.13 at most in foliage
_WIDEST, _NARROWEST = 0.5, 1.6  # lenses, by their focal length over the long side


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without roll over a floor plane.

    `horizon` is the y of the horizon line, `focal` the focal length, both in pixels of a picture of `size`;
    `height_cm` is the camera's height over the floor. `found` is False where the horizon is only the stated default.
    Positions in the room are in cm: x to the right of the camera, y up from the floor, z away from the camera.
    """

    size: Size
    horizon: float
    focal: float
    height_cm: float
    found: bool

    def scaled(self, factor: float) -> "Camera":
        """The same camera's picture at another size."""
        size = scaled_size(self.size, factor)
        return replace(self, size=size, horizon=self.horizon * factor, focal=self.focal * factor)

    @property
    def slope(self) -> float:
        """Tangent of the camera's downward pitch."""
        return (self.size[1] / 2 - self.horizon) / self.focal

    def project(self, x: Numbers, y: Numbers, z: Numbers) -> tuple[Numbers, Numbers]:
        """Pixel coordinates of positions in the room, taken to be in front of the camera."""
        cosine, sine = self._pitch()
        below = self.height_cm - y
        depth = np.maximum(z * cosine + below * sine, _NEAREST_CM)
        down = below * cosine - z * sine
        return self.size[0] / 2 + self.focal * x / depth, self.size[1] / 2 + self.focal * down / depth

    def ray(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """Directions of pixels as (x, y) gained for each cm of z."""
        cosine, sine = self._pitch()
        right = (x - self.size[0] / 2) / self.focal
        down = (y - self.size[1] / 2) / self.focal
        forward = cosine - down * sine
        return right / forward, -(down * cosine + sine) / forward

    def on_floor(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """x and z in cm of the floor seen at pixels, which must lie below the horizon."""
        to_right, up = self.ray(x, y)
        z = self.height_cm / np.maximum(-up, 1e-6)
        return to_right * z, z

    def slants(self, x: float, y: float) -> tuple[float, float]:
        """`ray` of one pixel."""
        right, up = self.ray(np.array(x, np.float64), np.array(y, np.float64))
        return float(right), float(up)

    def distance(self, y: float) -> float:
        """z in cm of the floor seen at pixel row `y`; infinite at and above the horizon."""
        fall = -self.slants(0, y)[1]
        return self.height_cm / fall if y > self.horizon and fall > 0 else float("inf")

    def _pitch(self) -> tuple[float, float]:
        length = float(np.hypot(1, self.slope))
        return 1 / length, self.slope / length


class _Segments(NamedTuple):
    """Straight edges: middle and unit direction (n, 2) in pixels from the picture's center, and length (n)."""

    middle: Numbers
    direction: Numbers
    length: Numbers

    @property
    def rise(self) -> Numbers:
        """What a segment tells of the horizon: level ones agree with any point beside them."""
        return self.length * np.abs(self.direction[:, 1])

    def only(self, chosen: NDArray[np.intp]) -> "_Segments":
        return _Segments(self.middle[chosen], self.direction[chosen], self.length[chosen])


class _Vanishing(NamedTuple):
    """A vanishing point (x, y) from the picture's center, how long the edges meeting there are together, the variance
    of its y, and which of the segments meet there."""

    point: Numbers
    support: float
    variance: float
    members: NDArray[np.bool_]


def find_camera(pixels: Pixels, height_cm: float = 150.0) -> Camera:
    """The camera behind `pixels`; `height_cm` is taken on trust, since no picture tells it."""
    height, width = pixels.shape[:2]
    long_side = max(width, height)
    shrink = min(1.0, _WORKING_SIZE / long_side)
    points = _horizontal_points(_segments(pixels, shrink), long_side * shrink, height * shrink)
    if not points:
        return Camera((width, height), HORIZON_SHARE * height, FOCAL_SHARE * long_side, height_cm, found=False)
    horizon = height / 2 + _level(points) / shrink
    return Camera((width, height), horizon, _focal(points, long_side * shrink) / shrink, height_cm, found=True)


def _segments(pixels: Pixels, shrink: float) -> _Segments:
    size = scaled_size(size_of(pixels), shrink)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if shrink < 1 else pixels
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    gray = cv2.normalize(gray, gray, 0, 255, cv2.NORM_MINMAX)  # the detector misses dark rooms
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE).detect(gray)[0]
    ends = np.zeros((0, 2, 2)) if found is None else found.reshape(-1, 2, 2).astype(np.float64)
    step = ends[:, 1] - ends[:, 0]
    length = np.hypot(step[:, 0], step[:, 1])
    long = length > _SHORTEST * max(gray.shape)
    center = np.array(gray.shape[::-1]) / 2
    return _Segments(ends.mean(axis=1)[long] - center, (step / length[:, None].clip(1e-9))[long], length[long])


def _horizontal_points(segments: _Segments, long_side: float, height: float) -> list[_Vanishing]:
    """The vanishing point with the longest edges, and where there is one the second on the same horizon."""
    angle = np.arctan2(np.abs(segments.direction[:, 1]), np.abs(segments.direction[:, 0]))
    oblique = segments.only(np.flatnonzero((angle > _LEVEL) & (angle < np.pi / 2 - _UPRIGHT)))
    # Of two vanishing points at a right angle the nearer lies within one focal length of the center.
    rows, far = (-0.8 * height, 0.25 * height), 20 * long_side
    first = _vanishing(oblique, long_side, long_side, rows) or _vanishing(oblique, long_side, far, rows)
    if first is None or first.support < _LEAST_SHARE * oblique.length.sum():
        return []
    level, slack = float(first.point[1]), 0.04 * height
    others = oblique.only(np.flatnonzero(~first.members))
    second = _vanishing(others, long_side, far, (level - slack, level + slack))
    return [first] if second is None else [first, second]


def _vanishing(segments: _Segments, long_side: float, reach: float, rows: tuple[float, float]) -> _Vanishing | None:
    """The point between two rows, at most `reach` to the side, where the longest edges meet; None where too few do."""
    voters = segments.only(np.argsort(-segments.length, kind="stable")[:_VOTERS])
    candidates = _crossings(voters)
    x, y = candidates.T
    candidates = candidates[(np.abs(x) < reach) & (y > rows[0]) & (y < rows[1])]
    if not len(candidates):
        return None
    votes = (voters.rise * (1 - _misfit(voters, candidates) / _TOLERANCE).clip(0)).sum(axis=1)
    found = _refined(segments, candidates[int(votes.argmax())])
    sure = found.variance < (_SURE * long_side) ** 2
    return found if sure and found.support > _SUPPORT * long_side and found.members.sum() >= _FEWEST else None


def _crossings(segments: _Segments) -> Numbers:
    """Where the lines of all pairs of segments cross, (m, 2)."""
    a, b = np.triu_indices(len(segments.length), 1)
    normals = _normals(segments)
    offsets = (normals * segments.middle).sum(axis=1)
    determinant = normals[a, 0] * normals[b, 1] - normals[a, 1] * normals[b, 0]
    crossing = np.abs(determinant) > np.sin(_TOLERANCE)
    a, b, determinant = a[crossing], b[crossing], determinant[crossing]
    x = offsets[a] * normals[b, 1] - offsets[b] * normals[a, 1]
    y = offsets[b] * normals[a, 0] - offsets[a] * normals[b, 0]
    return np.stack([x / determinant, y / determinant], axis=1)


def _normals(segments: _Segments) -> Numbers:
    return np.stack([-segments.direction[:, 1], segments.direction[:, 0]], axis=1)


def _misfit(segments: _Segments, points: Numbers) -> Numbers:
    """(points, segments): the angle between each segment and the line from its middle to each point; a right angle
    where the point lies on the segment itself, which then meets nothing there."""
    toward = points[:, None] - segments.middle
    distance = np.hypot(toward[..., 0], toward[..., 1])
    across = np.abs((toward * _normals(segments)).sum(axis=2))
    angle = np.arcsin((across / distance.clip(1e-9)).clip(0, 1))
    return np.where(distance > segments.length / 2, angle, np.pi / 2)


def _refined(segments: _Segments, point: Numbers) -> _Vanishing:
    """Least squares over the edges that meet near `point`, weighted by how well their length fixes their direction."""
    for _ in range(4):
        members = _misfit(segments, point[None])[0] < _TOLERANCE
        chosen = segments.only(np.flatnonzero(members))
        distance = np.linalg.norm(point - chosen.middle, axis=1)
        normals = _normals(chosen)
        # A segment known to half a pixel at its ends points to within 1/length; at the point that is distance/length.
        weighted = normals * ((chosen.length / distance) ** 2)[:, None]
        square = weighted.T @ normals + 1e-12 * np.eye(2)
        point = np.linalg.solve(square, weighted.T @ (normals * chosen.middle).sum(axis=1))
    return _Vanishing(point, float(chosen.length.sum()), float(np.linalg.inv(square)[1, 1]), members)


def _level(points: list[_Vanishing]) -> float:
    """The horizon through the points, each counted by its certainty."""
    weights = [1 / point.variance for point in points]
    return float(np.average([point.point[1] for point in points], weights=weights))


def _focal(points: list[_Vanishing], long_side: float) -> float:
    """The focal length that puts two vanishing points at a right angle (Caprile and Torre, IJCV 1990)."""
    if len(points) == 2:
        square = -float(points[0].point @ points[1].point)
        if (_WIDEST * long_side) ** 2 < square < (_NARROWEST * long_side) ** 2:
            return float(np.sqrt(square))
    return FOCAL_SHARE * long_side
