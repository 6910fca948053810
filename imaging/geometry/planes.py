"""Planes of a room in a photo: the floor that a rug lies in, and walls, frontal or receding.

The room is assumed to be a box whose horizontal edges have two directions at a right angle (a Manhattan world: Coughlan
and Yuille, ICCV 1999). A rectangle of known size in such a plane is projected corner by corner, and the four corners
give the homography of the product's picture.
"""

from dataclasses import dataclass

import numpy as np

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.geometry.vanishing import Segments, find_segments, turned
from imaging.geometry.walls import FARTHEST_WALL_CM, floor_end, wall_distance
from imaging.per_photo import once_per_photo
from imaging.picture import Pixels, Point
from imaging.resize import WORKING_SIDE, reduced

Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Pixels (x, y) of a rectangle's corners: top left, top right, bottom right, bottom left of the product's picture."""

CEILING_CM = 250.0
"""The usual height of a ceiling."""

_NEAREST_CM = 25.0  # before the camera: nearer parts of a plane cannot be drawn
_NEIGHBORHOOD = 0.3  # of the photo's sides: edges so near to a point tell which wall it is on
_AGREES = np.radians(3.0)  # an edge leads to a vanishing point if it points there within this angle
_TELLS_APART = np.radians(5.0)  # edges whose two hypotheses differ by less say nothing
_LEAST_VOTES = 0.25  # of the photo's longer side: length of edges that make a wall a receding one
_STEEPEST = np.radians(75.0)  # steeper edges are upright ones
_TELLING_ROWS = 0.15  # of the photo's height: edges nearer to the horizon look level whatever the room's angle
_LEAST_SUPPORT = 0.5  # of the photo's longer side: length of edges that tell the room's angle
_LEAST_LINE = 0.1  # of the photo's longer side: length of the edges along a side wall that tell where it is
_LEAST_SLANT = 1e-3  # cm across the room for each cm of depth: a ray that never meets a side wall
_SIDE_CM, _SIDE_ERROR = 180.0, 0.5  # from the camera to a side wall, one standard deviation as a share: rooms are
# 250 to 600 cm wide, and photos are mostly taken from the middle
_NEAREST_SIDE_CM, _FARTHEST_SIDE_CM, _SIDE_STEPS = 50.0, 600.0, 60
_LINE_ERROR = 0.2  # one standard deviation of a line's slope, as a share: that of the camera's and the room's height
_BESIDE = 0.06  # of the photo's width: columns on both sides of a point in which the floor's end is looked for


@dataclass(frozen=True)
class Wall:
    """A vertical plane.

    `distance_cm` is z of the wall behind a pixel. `angle` is its direction in the floor plane, in radians
    counterclockwise seen from above; 0 is a wall that faces the camera.
    """

    distance_cm: float
    angle: float


@once_per_photo
def room_angle(pixels: Pixels, camera: Camera) -> float:
    """Return the angle in radians by which the room's depth direction is turned from the camera's, counterclockwise
    seen from above, within ±45 degrees; 0 if the photo does not show it."""
    segments, shrink = _segments_of(pixels, camera)
    return _angle(segments, camera.scaled(shrink))


def rug_corners(camera: Camera, near: Point, width_cm: float, depth_cm: float, angle: float) -> Corners | None:
    """Return the corners of a rug whose near edge is centered at the pixel `near`; None above the horizon."""
    if near[1] + 0.5 <= camera.horizon + 1:
        return None
    x, z = camera.on_floor(np.array([near[0] + 0.5]), np.array([near[1] + 0.5]))
    across = np.array([np.cos(angle), np.sin(angle)]) * width_cm / 2
    away = np.array([-np.sin(angle), np.cos(angle)]) * depth_cm
    start = np.array([x[0], z[0]])
    floor = np.array([start - across + away, start + across + away, start + across, start - across])
    return _projected(camera, floor[:, 0], np.zeros(4), floor[:, 1])


def wall_corners(camera: Camera, center: Point, width_cm: float, height_cm: float, wall: Wall) -> Corners | None:
    """Return the corners of a picture centered at a pixel and hung in the plane of `wall`."""
    right, up = camera.slants(center[0] + 0.5, center[1] + 0.5)
    z, x, y = wall.distance_cm, right * wall.distance_cm, camera.height_cm + up * wall.distance_cm
    across = np.array([-1, 1, 1, -1]) * width_cm / 2
    rise = np.array([1, 1, -1, -1]) * height_cm / 2
    return _projected(camera, x + across * np.cos(wall.angle), y + rise, z + across * np.sin(wall.angle))


def wall_at(pixels: Pixels, camera: Camera, point: Point) -> Wall:
    """Return the wall at a pixel: the back wall, or a side wall if edges near the pixel lead to the vanishing point of
    the room's depth."""
    segments, shrink = _segments_of(pixels, camera)
    small = camera.scaled(shrink)
    angle = room_angle(pixels, camera)
    back = wall_distance(pixels, camera)[0]
    seen = point[0] * shrink, point[1] * shrink
    if not _is_receding(segments, small, seen, angle):
        return Wall(back, angle)
    is_left = point[0] < camera.size[0] / 2 - camera.focal * np.tan(angle)
    distance = _side_distance(segments, small, seen, angle, is_left) or _distance_beside(pixels, camera, point) or back
    return Wall(min(distance, FARTHEST_WALL_CM), angle + (np.pi / 2 if is_left else -np.pi / 2))


def _projected(camera: Camera, x: Numbers, y: Numbers, z: Numbers) -> Corners | None:
    if (z < _NEAREST_CM).any():
        return None
    columns, rows = camera.project(x, y, z)
    corners = [(float(column), float(row)) for column, row in zip(columns, rows, strict=True)]
    return corners[0], corners[1], corners[2], corners[3]


def _segments_of(pixels: Pixels, camera: Camera) -> tuple[Segments, float]:
    """Return the straight edges of the reduced photo and the factor by which it was reduced."""
    small, shrink = reduced(pixels, WORKING_SIDE)
    segments = find_segments(small)
    return (turned(segments, -camera.roll) if camera.roll else segments), shrink


def _angle(segments: Segments, camera: Camera) -> float:
    """Return the angle that most edges above the horizon agree with, where no tiles are laid diagonally. If there are
    too few, edges below the horizon count as well."""
    center = np.array(camera.size) / 2
    away = segments.middle[:, 1] + center[1] - camera.horizon  # rows below the horizon
    lean = np.arctan2(np.abs(segments.direction[:, 1]), np.abs(segments.direction[:, 0]))
    weight = segments.length * np.minimum(np.abs(away) / (_TELLING_ROWS * camera.size[1]), 1) * (lean < _STEEPEST)
    above = np.where(away < 0, weight, 0)
    if above.sum() >= _LEAST_SUPPORT * max(camera.size):
        weight = above
    elif weight.sum() < _LEAST_SUPPORT * max(camera.size):
        return 0.0
    angles = np.radians(np.arange(-45, 45, 0.5))
    votes = [_votes(segments, camera, float(angle), weight) for angle in angles]
    return float(angles[int(np.argmax(votes))])


def _votes(segments: Segments, camera: Camera, angle: float, weight: Numbers) -> float:
    misfit = np.minimum(_leads(segments, camera, angle), _leads(segments, camera, angle - np.pi / 2))
    return float((weight * (1 - misfit / _AGREES).clip(0)).sum())


def _side_distance(
    segments: Segments, camera: Camera, point: tuple[float, float], angle: float, is_left: bool
) -> float | None:
    """Return z of a side wall behind a pixel, from the lines where it meets the floor and the ceiling; None if there
    are none.

    In a ray (r, u, 1) let a be its component across the room. A line along the room's depth, `across` cm to the side
    and `rise` cm above the camera, has u / a = rise / across at each of its points. The wall is where lines at the
    floor and at the ceiling agree; steeper lines are joints of the floor or moldings of the ceiling, and rarer.
    """
    columns, rows = (segments.middle + np.array(camera.size) / 2).T
    across, up = _across(camera, columns, rows, angle)
    own = float(_across(camera, np.array([point[0]]), np.array([point[1]]), angle)[0][0])
    beside = (across < 0 if is_left else across > 0) & (_leads(segments, camera, angle) < _AGREES) & (up != 0)
    if float(segments.length[beside & (up > 0)].sum()) < _LEAST_LINE * max(camera.size):
        return None
    slopes, lengths = up[beside] / np.abs(across[beside]), segments.length[beside] / max(camera.size)
    steps = np.linspace(np.log(_NEAREST_SIDE_CM), np.log(_FARTHEST_SIDE_CM), _SIDE_STEPS)
    weight = np.exp(-0.5 * ((steps - np.log(_SIDE_CM)) / _SIDE_ERROR) ** 2)
    for rise in (CEILING_CM - camera.height_cm, -camera.height_cm):
        same = slopes * rise > 0
        beyond = (np.log(slopes[same] / rise)[:, None] + steps) / _LINE_ERROR
        at_edge, off_wall = np.exp(-0.5 * beyond**2), 1 / (1 + np.exp(-2 * beyond))
        weight *= (_LEAST_LINE + lengths[same] @ at_edge) * np.exp(-lengths[same] @ off_wall)
    beside_cm = float(np.exp(np.average(steps, weights=weight)))
    return max(beside_cm / max(abs(own), _LEAST_SLANT), _NEAREST_CM)


def _across(camera: Camera, columns: Numbers, rows: Numbers, angle: float) -> tuple[Numbers, Numbers]:
    """Return the components of rays across the room and upwards, per cm of z."""
    right, up = camera.ray(columns, rows)
    return right * np.cos(angle) + np.sin(angle), up


def _is_receding(segments: Segments, camera: Camera, point: tuple[float, float], angle: float) -> bool:
    """Return True if most edges near a pixel lead into the room's depth rather than across it."""
    size = np.array(camera.size)
    near = np.abs(segments.middle + size / 2 - np.array(point)) < _NEIGHBORHOOD * size
    segments = segments.only(np.flatnonzero(near.all(axis=1)))
    into, along = (_leads(segments, camera, turn) for turn in (angle, angle - np.pi / 2))
    apart = np.abs(into - along) > _TELLS_APART
    votes_into = float(segments.length[(into < _AGREES) & apart].sum())
    votes_along = float(segments.length[(along < _AGREES) & apart].sum())
    return votes_into > max(votes_along, _LEAST_VOTES * float(size.max()))


def _leads(segments: Segments, camera: Camera, angle: float) -> Numbers:
    """Return the angle between each segment and the line to the vanishing point of a direction in the floor plane."""
    x, z = -np.sin(angle), np.cos(angle)
    if abs(z) < np.sin(np.radians(1)):  # parallel to the picture
        toward = np.broadcast_to(np.array([1.0, 0.0]), segments.direction.shape)
    else:
        point = np.array([camera.focal * np.hypot(1, camera.slope) * x / z, camera.horizon - camera.size[1] / 2])
        toward = point - segments.middle
    across = toward[:, 0] * segments.direction[:, 1] - toward[:, 1] * segments.direction[:, 0]
    return np.asarray(np.arcsin((np.abs(across) / np.linalg.norm(toward, axis=1).clip(1e-9)).clip(0, 1)))


def _distance_beside(pixels: Pixels, camera: Camera, point: Point) -> float | None:
    """Return z of the wall's foot below a pixel; None if furniture or the photo's border hides it."""
    width, height = camera.size
    reach = round(_BESIDE * width)
    end = floor_end(pixels, camera, (point[0] - reach, point[0] + reach), height)
    distance = None if end is None else camera.distance(end)
    return distance if distance is not None and distance < FARTHEST_WALL_CM else None
