"""Finds vanishing points: where the images of straight edges that are parallel in the room meet.

Horizontal edges meet on the horizon (Criminisi, Reid, Zisserman, "Single View Metrology", IJCV 2000). Upright edges
meet below the picture of a camera that looks down, and are parallel in that of a level one. Coordinates are pixels from
the picture's center, y downwards; the constants below are shares of the picture's long side. Lens distortion is not
modelled.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers
from imaging.per_photo import once_per_photo
from imaging.picture import Pixels

_SHORTEST = 0.025  # shorter segments are texture
_VOTERS = 130  # the longest segments; voting costs their cube
_TOLERANCE = np.radians(2.0)
_UPRIGHT = np.radians(15.0)  # wide lenses lean the room's upright edges up to this far
_LEVEL = np.radians(1.5)  # edges parallel to the picture say nothing about the horizon
_FEWEST, _SUPPORT, _SURE = 4, 0.5, 0.012  # edges, their length together, and the point's uncertainty
_LEAST_SHARE = 0.15  # of all oblique edges' length: measured 0.17 and more in rooms, 0.13 at most in foliage
_ROWS = (-0.8, 0.25)  # of the picture's height: where a horizon may lie above and below the center
_NEAR, _FAR = 1.0, 20.0  # of two vanishing points at a right angle the nearer is within one focal length
_SAME_HORIZON = 0.04  # of the picture's height

_UPRIGHT_TOLERANCE = np.radians(1.0)
_UPRIGHT_SUPPORT = 1.2  # measured: 1.5 to 16 in rooms, 0.7 before a plain wall
_UPRIGHT_SHARE = 0.3  # of all upright edges' length: measured 0.35 to 1 in rooms, below 0.2 in noise
_STEEPEST = 1.1  # the largest tangent of pitch over focal length that is tried
_MOST_ROLL = np.radians(6.0)
_TRIALS = 500


class Segments(NamedTuple):
    """Straight edges: middle and unit direction (n, 2) in pixels from the picture's center, and length (n)."""

    middle: Numbers
    direction: Numbers
    length: Numbers

    @property
    def rise(self) -> Numbers:
        """Weight of each segment as evidence for the horizon: a level one agrees with any point beside it."""
        return self.length * np.abs(self.direction[:, 1])

    def only(self, chosen: NDArray[np.intp]) -> "Segments":
        return Segments(self.middle[chosen], self.direction[chosen], self.length[chosen])


class VanishingPoint(NamedTuple):
    """A vanishing point (x, y), the length of the edges that meet there, the variance of its y in pixels, and the
    segments that meet there."""

    point: Numbers
    support: float
    variance: float
    members: NDArray[np.bool_]


class Uprights(NamedTuple):
    """Directions of the room's upright edges.

    `roll` is their lean from the picture's columns at the center in radians, positive if the picture is turned
    clockwise. `inverse_row` is 1 over the row at which they meet, 0 if they are parallel.
    """

    roll: float
    inverse_row: float


@once_per_photo
def find_segments(pixels: Pixels) -> Segments:
    """Return the straight edges in `pixels` that are longer than texture."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    gray = cv2.normalize(gray, gray, 0, 255, cv2.NORM_MINMAX)  # the detector misses dark rooms
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE).detect(gray)[0]
    ends = np.zeros((0, 2, 2)) if found is None else found.reshape(-1, 2, 2).astype(np.float64)
    step = ends[:, 1] - ends[:, 0]
    length = np.hypot(step[:, 0], step[:, 1])
    long = length > _SHORTEST * max(gray.shape)
    center = np.array(gray.shape[::-1]) / 2
    return Segments(ends.mean(axis=1)[long] - center, (step / length[:, None].clip(1e-9))[long], length[long])


def turned(segments: Segments, angle: float) -> Segments:
    """Return the segments of a picture turned about its center by `angle`, clockwise in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return Segments(segments.middle @ turn, segments.direction @ turn, segments.length)


def find_uprights(segments: Segments, long_side: float) -> Uprights | None:
    """Return where most of the upright edges lead; None if there are too few, or too few of them agree.

    An edge at (x, y) that leads to (X, Y) leans dx/dy = (X - x) / (Y - y), which is linear in X/Y and 1/Y. Pairs of
    edges, drawn by their length, propose both; least squares over the edges that agree refines the best proposal.
    """
    upright = np.abs(segments.direction[:, 0]) < np.tan(_UPRIGHT) * np.abs(segments.direction[:, 1])
    middle, direction, length = (part[upright] for part in segments)
    if length.sum() < _UPRIGHT_SUPPORT * long_side or len(length) < _FEWEST:
        return None
    lean = direction[:, 0] / direction[:, 1]
    across = middle[:, 0] - middle[:, 1] * lean
    roll, inverse = _proposals(lean, across, length, long_side)
    misfit = np.abs(lean[:, None] - (roll - inverse * across[:, None]))
    best = int((length[:, None] * (1 - misfit / _UPRIGHT_TOLERANCE).clip(0)).sum(axis=0).argmax())
    fitted = np.array([roll[best], inverse[best]])
    for _ in range(4):
        members = np.abs(lean - (fitted[0] - fitted[1] * across)) < _UPRIGHT_TOLERANCE
        weight = length[members]
        terms = np.stack([weight, -weight * across[members]], axis=1)
        fitted = np.linalg.lstsq(terms, weight * lean[members], rcond=None)[0]
    support = length[members].sum()
    if support < max(_UPRIGHT_SUPPORT * long_side, _UPRIGHT_SHARE * length.sum()) or members.sum() < _FEWEST:
        return None
    return Uprights(-float(np.arctan(fitted[0])), float(fitted[1]))


def _proposals(lean: Numbers, across: Numbers, length: Numbers, long_side: float) -> tuple[Numbers, Numbers]:
    """Return the lean at the center and the inverse row of pairs of upright edges, and those of a level camera."""
    one, other = np.random.default_rng(0).choice(len(length), (2, _TRIALS), p=length / length.sum())
    apart = across[one] - across[other]
    usable = np.abs(apart) > 0.08 * long_side
    one, other, apart = one[usable], other[usable], apart[usable]
    inverse = np.append((lean[other] - lean[one]) / apart, 0.0)
    roll = np.append(lean[one] + inverse[:-1] * across[one], 0.0)
    likely = (np.abs(roll) < np.tan(_MOST_ROLL)) & (np.abs(inverse) < _STEEPEST / long_side)
    return roll[likely], inverse[likely]


def find_horizontals(segments: Segments, long_side: float, height: float) -> list[VanishingPoint]:
    """Return the vanishing point with the longest edges and, if there is one, a second on the same horizon."""
    angle = np.arctan2(np.abs(segments.direction[:, 1]), np.abs(segments.direction[:, 0]))
    oblique = segments.only(np.flatnonzero((angle > _LEVEL) & (angle < np.pi / 2 - _UPRIGHT)))
    rows = _ROWS[0] * height, _ROWS[1] * height
    near, far = _NEAR * long_side, _FAR * long_side
    first = _vanishing(oblique, long_side, near, rows) or _vanishing(oblique, long_side, far, rows)
    if first is None or first.support < _LEAST_SHARE * oblique.length.sum():
        return []
    level, slack = float(first.point[1]), _SAME_HORIZON * height
    others = oblique.only(np.flatnonzero(~first.members))
    second = _vanishing(others, long_side, far, (level - slack, level + slack))
    return [first] if second is None else [first, second]


def _vanishing(segments: Segments, long_side: float, reach: float, rows: tuple[float, float]) -> VanishingPoint | None:
    """Return the point between two rows, at most `reach` to the side, where the longest edges meet; None if too few
    do."""
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


def _crossings(segments: Segments) -> Numbers:
    """Return where the lines of all pairs of segments cross, (m, 2)."""
    a, b = np.triu_indices(len(segments.length), 1)
    normals = _normals(segments)
    offsets = (normals * segments.middle).sum(axis=1)
    determinant = normals[a, 0] * normals[b, 1] - normals[a, 1] * normals[b, 0]
    crossing = np.abs(determinant) > np.sin(_TOLERANCE)
    a, b, determinant = a[crossing], b[crossing], determinant[crossing]
    x = offsets[a] * normals[b, 1] - offsets[b] * normals[a, 1]
    y = offsets[b] * normals[a, 0] - offsets[a] * normals[b, 0]
    return np.stack([x / determinant, y / determinant], axis=1)


def _normals(segments: Segments) -> Numbers:
    return np.stack([-segments.direction[:, 1], segments.direction[:, 0]], axis=1)


def _misfit(segments: Segments, points: Numbers) -> Numbers:
    """Return the sine of the angle (points, segments) between each segment and the line from its middle to each point.
    It is 1 if the point lies on the segment itself, which then meets nothing there."""
    normals, middle = _normals(segments), segments.middle
    across = np.abs(points @ normals.T - (normals * middle).sum(axis=1))
    square = (points**2).sum(axis=1)[:, None] - 2 * points @ middle.T + (middle**2).sum(axis=1)
    beyond = square > (segments.length / 2) ** 2
    return np.where(beyond, across / np.sqrt(np.where(beyond, square, 1)), 1)


def _refined(segments: Segments, point: Numbers) -> VanishingPoint:
    """Return the point by least squares over the edges that meet near `point`, weighted by how well their length fixes
    their direction."""
    for _ in range(4):
        members = _misfit(segments, point[None])[0] < _TOLERANCE
        chosen = segments.only(np.flatnonzero(members))
        distance = np.linalg.norm(point - chosen.middle, axis=1)
        normals = _normals(chosen)
        # A segment known to half a pixel at its ends points to within 1/length; at the point that is distance/length.
        weighted = normals * ((chosen.length / distance) ** 2)[:, None]
        square = weighted.T @ normals + 1e-12 * np.eye(2)
        point = np.linalg.solve(square, weighted.T @ (normals * chosen.middle).sum(axis=1))
    return VanishingPoint(point, float(chosen.length.sum()), float(np.linalg.inv(square)[1, 1]), members)
