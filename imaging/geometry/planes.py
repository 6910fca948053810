"""Planes of a room in a photo: the floor that a rug lies in, and walls, frontal or receding.

The room is taken to be a box whose horizontal edges have two directions at a right angle (a Manhattan world: Coughlan
and Yuille, ICCV 1999). A rectangle of known size in such a plane is projected corner by corner, and the four corners
give the homography of the product's picture.
"""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.geometry.vanishing import Segments, find_horizontals, find_segments, turned
from imaging.geometry.walls import FARTHEST_WALL_CM, floor_end, wall_distance
from imaging.picture import Pixels, Point, scaled_size

Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Pixels (x, y) of a rectangle's corners: left top, right top, right bottom, left bottom of the product's picture."""

_WORKING_SIZE = 1024  # pixels of the longer side in which edges are looked for
_NEAREST_CM = 25.0  # before the camera: nearer parts of a plane cannot be drawn
_NEIGHBORHOOD = 0.3  # of the photo's sides: edges so near to a point tell which wall it is on
_AGREES = np.radians(3.0)  # an edge leads to a vanishing point if it points there within this angle
_TELLS_APART = np.radians(5.0)  # edges whose two hypotheses differ by less say nothing
_LEAST_VOTES = 0.25  # of the photo's longer side: length of edges that make a wall a receding one
_BESIDE = 0.06  # of the photo's width: columns on both sides of a point in which the floor's end is looked for


@dataclass(frozen=True)
class Wall:
    """A vertical plane: `distance_cm` is z of the wall behind a pixel, `angle` its direction in the floor plane, in
    radians counterclockwise seen from above; 0 is a wall that faces the camera."""

    distance_cm: float
    angle: float


def room_angle(pixels: Pixels, camera: Camera) -> float:
    """Return how far the room's depth direction is turned counterclockwise from the camera's, seen from above, within
    ±45 degrees in radians; 0 where the photo does not tell."""
    return _angle(_segments_of(pixels, camera)[0], camera)


def rug_corners(camera: Camera, near: Point, width_cm: float, depth_cm: float, angle: float) -> Corners | None:
    """Return the corners of a rug whose near edge has its middle at the pixel `near`; None where the camera cannot see
    it, above the horizon."""
    if near[1] + 0.5 <= camera.horizon + 1:
        return None
    x, z = camera.on_floor(np.array([near[0] + 0.5]), np.array([near[1] + 0.5]))
    across = np.array([np.cos(angle), np.sin(angle)]) * width_cm / 2
    away = np.array([-np.sin(angle), np.cos(angle)]) * depth_cm
    start = np.array([x[0], z[0]])
    floor = np.array([start - across + away, start + across + away, start + across, start - across])
    return _projected(camera, floor[:, 0], np.zeros(4), floor[:, 1])


def wall_corners(camera: Camera, center: Point, width_cm: float, height_cm: float, wall: Wall) -> Corners | None:
    """Return the corners of a picture whose center is seen at a pixel, hung in the plane of `wall`."""
    right, up = camera.slants(center[0] + 0.5, center[1] + 0.5)
    z, x, y = wall.distance_cm, right * wall.distance_cm, camera.height_cm + up * wall.distance_cm
    across = np.array([-1, 1, 1, -1]) * width_cm / 2
    rise = np.array([1, 1, -1, -1]) * height_cm / 2
    return _projected(camera, x + across * np.cos(wall.angle), y + rise, z + across * np.sin(wall.angle))


def wall_at(pixels: Pixels, camera: Camera, point: Point) -> Wall:
    """Return the wall at a pixel: the one at the back, or a side wall where edges near the pixel lead to the vanishing
    point of the room's depth."""
    segments, shrink = _segments_of(pixels, camera)
    angle = _angle(segments, camera)
    back = wall_distance(pixels, camera)
    if not _is_receding(segments, camera.scaled(shrink), (point[0] * shrink, point[1] * shrink), angle):
        return Wall(back, angle)
    is_left = point[0] < camera.size[0] / 2 - camera.focal * np.tan(angle)
    turned = angle + (np.pi / 2 if is_left else -np.pi / 2)
    return Wall(min(_distance_beside(pixels, camera, point) or back, back), float(turned))


def _projected(camera: Camera, x: Numbers, y: Numbers, z: Numbers) -> Corners | None:
    if (z < _NEAREST_CM).any():
        return None
    columns, rows = camera.project(x, y, z)
    corners = [(float(column), float(row)) for column, row in zip(columns, rows, strict=True)]
    return corners[0], corners[1], corners[2], corners[3]


def _folded(angle: float) -> float:
    """Return the angle of a right-angled cross within ±45 degrees."""
    return float((angle + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _segments_of(pixels: Pixels, camera: Camera) -> tuple[Segments, float]:
    """Return the straight edges of the reduced photo and the factor by which it was reduced."""
    shrink = min(1.0, _WORKING_SIZE / max(camera.size))
    size = scaled_size(camera.size, shrink)
    small = cast(Pixels, cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)) if shrink < 1 else pixels
    segments = find_segments(small)
    return (turned(segments, -camera.roll) if camera.roll else segments), shrink


def _angle(segments: Segments, camera: Camera) -> float:
    shrink = min(1.0, _WORKING_SIZE / max(camera.size))
    points = find_horizontals(segments, max(camera.size) * shrink, camera.size[1] * shrink)
    if not points:
        return 0.0
    column = camera.size[0] / 2 + float(points[0].point[0]) / shrink
    return _folded(-float(np.arctan(camera.slants(column, camera.horizon)[0])))


def _is_receding(segments: Segments, camera: Camera, point: tuple[float, float], angle: float) -> bool:
    """Return True if most edges near a pixel lead into the room's depth and not across it."""
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
    """Return z of the wall's foot below a pixel; None where furniture or the photo's border hides it."""
    width, height = camera.size
    reach = round(_BESIDE * width)
    end = floor_end(pixels, camera, (point[0] - reach, point[0] + reach), height)
    distance = None if end is None else camera.distance(end)
    return distance if distance is not None and distance < FARTHEST_WALL_CM else None
