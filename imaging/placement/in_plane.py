"""Flat products in the plane that carries them: rugs on the floor, pictures and mirrors on a wall."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import square
from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.geometry.floor import find_floor
from imaging.geometry.planes import CEILING_CM, Corners, room_angle, rug_corners, wall_at, wall_corners
from imaging.picture import Box, Pixels, Point, Size, Weights, scaled_size, size_of
from imaging.resize import reduced

RUG_WIDTH_CM = 230.0
"""Usual width of a rug in a living room; its depth follows from the photo's shape."""

_NEAREST_CM = 60.0
_FRONTAL = np.radians(2.0)  # walls turned by less are hung without perspective: the room's angle is no surer
_FLOOR_VIEW = 480  # pixels of the longer side in which the floor is looked for
_LOWEST_EDGE = 0.97  # of the photo's height: a rug whose place is ours to choose is whole in the photo
_JOINTS = 0.05  # of the photo's longer side: what is narrower on the floor is a pattern or a reflection, no furniture
_LEAST_FLOOR = 0.8  # of a rug's visible area: less, as in patches of sun, is a floor not found well enough to hide it
_MOVES = 3  # steps in which a rug is moved into the photo: perspective changes its size on the way
_FEATHER = 1.5  # pixels
_LEAST_ALPHA = 1e-4
_OUTLINE_VIEW = 240  # pixels of the longer side in which a rug's outline is judged
_FILLED = 1.06  # area of a quadrangle around the outline over the rug's own: more, and the rug is no quadrangle
_OFF_SQUARE = np.sin(np.radians(5.0))  # corners off by less: hand-held from above, or an uneven edge
_SOLID = 0.5  # the alpha or the share of floor from which a pixel counts


def flat_size(
    product: CutOut, width_cm: float | None, height_cm: float | None, usual_width_cm: float
) -> tuple[float, float]:
    """Return the width and height in cm; a missing value follows from the photo's shape or from the usual width."""
    shape = product.alpha.shape[1] / product.alpha.shape[0]
    width = width_cm or (height_cm * shape if height_cm else usual_width_cm)
    return width, height_cm or width / shape


def is_oblique(rug: CutOut) -> bool:
    """Return True if the outline is a quadrangle without right angles: a rectangle that was photographed at an angle.

    Other outlines tell nothing: a disc seen at an angle is an ellipse, as is an oval rug from above.
    """
    shrink = min(1.0, _OUTLINE_VIEW / max(rug.alpha.shape))
    size = scaled_size(size_of(rug.alpha), shrink)
    solid = (cv2.resize(rug.alpha, size, interpolation=cv2.INTER_AREA) > _SOLID).astype(np.uint8)
    hull = cv2.convexHull(cv2.findNonZero(np.pad(solid, 1))) if solid.any() else None
    corners = None if hull is None else cv2.approxPolyN(hull, 4, ensure_convex=True).reshape(-1, 2).astype(np.float64)
    if corners is None or len(corners) != 4 or _area(corners) > _FILLED * int(solid.sum()):
        return False
    sides = np.roll(corners, -1, axis=0) - corners
    sides /= np.linalg.norm(sides, axis=1, keepdims=True).clip(1e-9)
    return bool(np.abs((sides * np.roll(sides, -1, axis=0)).sum(axis=1)).max() > _OFF_SQUARE)


def lay_rug(
    room: Pixels, camera: Camera, near: Point, size_cm: tuple[float, float], rotation: float, centered: bool
) -> Corners | None:
    """Return the corners of a rug at a pixel, aligned with the room and then turned by `rotation` degrees.

    `near` is the middle of its near edge or, with `centered`, of the whole rug.
    """
    angle = room_angle(room, camera) + np.radians(rotation)
    if not centered:
        return rug_corners(camera, near, *size_cm, angle)
    return _whole(camera, _near_edge(camera, near, size_cm[1], angle), size_cm, angle)


def _whole(camera: Camera, near: Point, size_cm: tuple[float, float], angle: float) -> Corners | None:
    """Return a rug moved into the photo, as far as it fits."""
    width, height = camera.size
    corners = rug_corners(camera, near, *size_cm, angle)
    for _ in range(_MOVES):
        if corners is None:
            return None
        left, _, right, bottom = bounds_of(corners)
        sideways = max(-left, 0) if right - left > width or left < 0 else min(width - right, 0)
        near = near[0] + sideways, near[1] + min(round(_LOWEST_EDGE * height) - bottom, 0)
        corners = rug_corners(camera, near, *size_cm, angle)
    return corners


def hang(room: Pixels, camera: Camera, center: Point, size_cm: tuple[float, float]) -> Corners | None:
    """Return the corners of a product in the plane of the wall at a pixel; None for a wall that faces the camera."""
    wall = wall_at(room, camera, center)
    return None if abs(wall.angle) < _FRONTAL else wall_corners(camera, center, *size_cm, wall)


def ceiling_distance(camera: Camera, row: int, farthest_cm: float) -> float:
    """Return the distance in cm of a ceiling of usual height that appears in a pixel row."""
    rise = camera.slants(0, row + 0.5)[1]
    if rise <= 0:
        return farthest_cm
    return float(np.clip((CEILING_CM - camera.height_cm) / rise, _NEAREST_CM, farthest_cm))


def corners_in_box(corners: Corners, box: Box, *, at_bottom: bool) -> Corners:
    """Return the corners scaled and moved so that their bounds fit into `box`, at its bottom or in its middle."""
    points = np.array(corners)
    low, reach = points.min(axis=0), np.ptp(points, axis=0)
    scale = min((box[2] - box[0]) / reach[0], (box[3] - box[1]) / reach[1])
    size = reach * scale
    top = box[3] - size[1] if at_bottom else (box[1] + box[3] - size[1]) / 2
    start = np.array([(box[0] + box[2] - size[0]) / 2, top])
    return _as_corners((points - low) * scale + start)


def point_between(corners: Corners, share: tuple[float, float]) -> tuple[float, float]:
    """Return the pixel at a share (0 to 1) of the product's width and height, from its top left corner."""
    unit = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    warp = cv2.getPerspectiveTransform(unit, np.array(corners, np.float32))
    x, y, scale = (float(value) for value in warp @ np.array([*share, 1.0]))
    return x / scale, y / scale


def bounds_of(corners: Corners) -> Box:
    points = np.array(corners)
    left, top = np.floor(points.min(axis=0)).astype(int)
    right, bottom = np.ceil(points.max(axis=0)).astype(int)
    return int(left), int(top), int(right), int(bottom)


def in_plane(product: CutOut, corners: Corners, part: Box) -> CutOut:
    """Return the product warped so that its photo's corners lie at `corners`: a cut-out of the size of `part`, a box of
    the photo."""
    product = _reduced(product, _size_of(corners))
    height, width = product.alpha.shape
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)])
    target = np.array(corners) - np.array(part[:2])
    warp = cv2.getPerspectiveTransform((source + 0.5).astype(np.float32), (target - 0.5).astype(np.float32))
    size = part[2] - part[0], part[3] - part[1]
    alpha, weighted = (
        np.asarray(cv2.warpPerspective(_padded(each), warp, size, flags=cv2.INTER_LINEAR), np.float32)
        for each in (product.alpha, product.color * product.alpha[..., None])
    )
    return _straight(weighted, alpha, product.confidence)


def under_furniture(room: Pixels, camera: Camera, rug: CutOut, part: Box) -> CutOut:
    """Return the rug without the parts hidden by objects that stand on the floor, if the floor is found well enough."""
    small, shrink = reduced(room, _FLOOR_VIEW)
    floor = find_floor(small, camera.scaled(shrink)).free.astype(np.uint8)
    closed = cv2.morphologyEx(floor, cv2.MORPH_CLOSE, square(round(_JOINTS * max(small.shape)) | 1))
    free = closed.astype(np.float32)
    left, top, right, bottom = part
    free = np.asarray(cv2.resize(free, camera.size, interpolation=cv2.INTER_LINEAR), np.float32)[top:bottom, left:right]
    covered = rug.alpha > _SOLID
    if not covered.any() or float(free[covered].mean()) < _LEAST_FLOOR:
        return rug
    shown = cv2.GaussianBlur((free > _SOLID).astype(np.float32), (0, 0), _FEATHER)
    return CutOut(rug.color, np.asarray(rug.alpha * shown, np.float32), rug.confidence)


def _near_edge(camera: Camera, center: Point, depth_cm: float, angle: float) -> Point:
    x, z = camera.on_floor(np.array([center[0] + 0.5]), np.array([center[1] + 0.5]))
    step = depth_cm / 2
    x, z = x + np.sin(angle) * step, np.maximum(z - np.cos(angle) * step, _NEAREST_CM)
    column, row = camera.project(x, np.zeros(1), z)
    return int(column[0]), min(int(row[0]), round(_LOWEST_EDGE * camera.size[1]))


def _reduced(product: CutOut, size: Size) -> CutOut:
    """Return the product at no more than twice the size at which it will appear: warping alone would alias."""
    height, width = product.alpha.shape
    target = min(width, max(2, 2 * size[0])), min(height, max(2, 2 * size[1]))
    if target == (width, height):
        return product
    alpha, weighted = (
        np.asarray(cv2.resize(each, target, interpolation=cv2.INTER_AREA), np.float32)
        for each in (product.alpha, product.color * product.alpha[..., None])
    )
    return _straight(weighted, alpha, product.confidence)


def _straight(weighted: NDArray[np.float32], alpha: Weights, confidence: float) -> CutOut:
    """Return the cut-out of colors that were multiplied by alpha."""
    color = np.rint(weighted / np.maximum(alpha, _LEAST_ALPHA)[..., None]).clip(0, 255).astype(np.uint8)
    return CutOut(color, alpha.clip(0, 1), confidence)


def _area(corners: NDArray[np.float64]) -> float:
    """Return the area of a polygon (n, 2)."""
    x, y = corners.T
    return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def _size_of(corners: Corners) -> Size:
    """Return the largest width and height of the quadrilateral in pixels."""
    points = np.array(corners)
    sides = np.linalg.norm(points - np.roll(points, -1, axis=0), axis=1)
    return int(np.ceil(max(sides[0], sides[2]))), int(np.ceil(max(sides[1], sides[3])))


def _padded(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values with a border of zeros, so that the outline is antialiased."""
    return cv2.copyMakeBorder(values, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))


def _as_corners(points: NDArray[Any]) -> Corners:
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return a, b, c, d
