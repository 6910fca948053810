"""Finds the position in a room that words choose by surface, side, depth or corner, or a free one.

The photo is not searched for furniture, windows or tables.
"""

from dataclasses import dataclass

import numpy as np

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.geometry.floor import Floor, find_floor
from imaging.picture import Mask, Pixels, Point
from imaging.placement.floorplan import best_on_floor, positive, row_distance, steps_to
from imaging.placement.text_placement import Side, Surface, Words
from imaging.resize import reduced

_SIZE = 480  # pixels of the longer side: enough to see a chair's legs
_EYE = 150.0  # cm over the floor: the middle of what hangs
_CLEAR, _ROOMY = 45.0, 90.0  # cm on the wall from the middle to other things: what a picture needs, what looks good
_WINDOW = 235  # of 255: walls that are lit by a window are darker than its panes
_TABLE_SHARE = 0.55  # from the horizon to the last row: where a table top usually is


@dataclass(frozen=True)
class FoundPlace:
    """The bottom center of a product, or its center on a wall. `seen` is False if that surface was not found in the
    photo."""

    point: Point
    surface: Surface
    seen: bool


def find_place(pixels: Pixels, camera: Camera, words: Words) -> FoundPlace:
    """Return the best position for `words`, on the floor if they name no surface.

    It is inside the photo, and on the floor it is below the horizon. Tables are not searched for: a position on one is
    never `seen`.
    """
    surface = words.surface or "floor"
    small, shrink = reduced(pixels, _SIZE)
    (column, row), seen = _best(small, camera.scaled(shrink), words, surface)
    return FoundPlace(_inside(column / shrink, row / shrink, camera, surface), surface, seen)


def _best(pixels: Pixels, camera: Camera, words: Words, surface: Surface) -> tuple[tuple[float, float], bool]:
    if surface == "tabletop":
        return _on_likely_table(camera, words), False
    floor = find_floor(pixels, camera)
    if surface == "floor":
        return best_on_floor(floor, camera, words), floor.seen
    wall = _free_wall(pixels, floor)
    return _best_on_wall(wall, floor, camera, words), bool(wall.any())


def _inside(column: float, row: float, camera: Camera, surface: Surface) -> Point:
    width, height = camera.size
    highest = 0 if surface == "wall" else max(int(camera.horizon) + 1, 0)
    return min(max(int(column), 0), width - 1), min(max(int(row), highest), height - 1)


def _free_wall(pixels: Pixels, floor: Floor) -> Mask:
    """Return True where nothing hangs and no window is lit."""
    return ~floor.ground & ~floor.edges & (pixels.max(axis=2) < _WINDOW)


def _best_on_wall(wall: Mask, floor: Floor, camera: Camera, words: Words) -> tuple[float, float]:
    """Return the column and row on the back wall, at eye height, where nothing hangs."""
    width = wall.shape[1]
    z = row_distance(floor, camera, 0)
    cm = z / camera.focal
    rows, columns = (np.asarray(index, np.float64) for index in np.indices(wall.shape))
    eye = camera.project(np.zeros(1), np.full(1, _EYE), np.full(1, z))[1]
    clearance = cm * _clearance(wall & _at_back(floor, camera))
    cost = 3 * positive(_CLEAR - clearance) + 0.5 * positive(_ROOMY - clearance)
    cost += cm * (np.abs(rows - eye) + 0.15 * np.abs(columns - width / 2))
    if words.side:
        cost += 3 * cm * _from_side(columns, width, words.side)
    best = int(cost.argmin())
    return best % width, best // width


def _clearance(free: Mask) -> Numbers:
    """Return the distance in pixels to the nearest pixel that is not free or lies outside the picture."""
    return steps_to(np.pad(~free, 1, constant_values=True))[1:-1, 1:-1]


def _at_back(floor: Floor, camera: Camera) -> Mask:
    """Return the columns between those where the ground reaches farthest; all of them if no ground is visible."""
    columns = np.arange(floor.ground.shape[1])
    ends = floor.ground.argmax(axis=0).astype(np.float64)
    z = camera.on_floor(columns.astype(np.float64), ends)[1]
    far = np.flatnonzero(floor.ground.any(axis=0) & (z >= 0.85 * row_distance(floor, camera, 0)))
    return (columns >= far[0]) & (columns <= far[-1]) if len(far) else columns >= 0


def _from_side(columns: Numbers, width: int, side: Side) -> Numbers:
    """Return the distance in pixels from the left or right third, or the middle quarter, of the picture."""
    match side:
        case "left":
            return positive(columns - width / 3)
        case "right":
            return positive(2 * width / 3 - columns)
        case "center":
            return positive(np.abs(columns - width / 2) - width / 8)


def _on_likely_table(camera: Camera, words: Words) -> tuple[float, float]:
    """Return where tables usually are in photos: in the middle below the horizon, or in the named quarter."""
    width, height = camera.size
    top = max(camera.horizon, 0)
    share = {"left": 0.25, "right": 0.75}.get(words.side or "", 0.5)
    return share * width, top + _TABLE_SHARE * (height - top)
