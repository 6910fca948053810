"""The place in a room that words name, or a free one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from imaging.geometry.camera import Camera, Numbers
from imaging.picture import Box, Mask, Pixels, Point
from imaging.placement.floorplan import best_on_floor, box_of, is_known, positive, row_distance, steps_to
from imaging.placement.landmarks import Room, look
from imaging.placement.text_placement import Place, Side, Surface, Words

_SIZE = 480  # pixels of the longer side: enough to see a table's legs
_EYE = 150.0  # cm over the floor: the middle of what hangs
_CLEAR, _ROOMY = 45.0, 90.0  # cm on the wall from the middle to other things: what a picture needs, what looks good


@dataclass(frozen=True)
class Spot:
    """Where a product's foot stands, or on a wall its center. `found` is False where what the words name was not seen,
    or no floor, no wall, no table."""

    point: Point
    surface: Surface
    found: bool


def find_place(pixels: Pixels, camera: Camera, words: Words) -> Spot:
    """The best place for `words`, on the floor if they name no surface: in the picture, and floor below the horizon."""
    surface = words.surface or "floor"
    shrink = min(1.0, _SIZE / max(pixels.shape[:2]))
    room = _reduced(pixels, camera, shrink)
    column, row = _BEST[surface](room, words)
    return Spot(_inside(column / shrink, row / shrink, camera, surface), surface, _is_found(room, words, surface))


def _reduced(pixels: Pixels, camera: Camera, shrink: float) -> Room:
    reduced = camera.scaled(shrink)
    small = pixels if shrink == 1 else cast(Pixels, cv2.resize(pixels, reduced.size, interpolation=cv2.INTER_AREA))
    return look(small, reduced)


def _inside(column: float, row: float, camera: Camera, surface: Surface) -> Point:
    width, height = camera.size
    highest = 0 if surface == "wall" else max(int(camera.horizon) + 1, 0)
    return min(max(int(column), 0), width - 1), min(max(int(row), highest), height - 1)


def _is_found(room: Room, words: Words, surface: Surface) -> bool:
    seen = {"floor": room.free.any(), "wall": room.wall.any(), "tabletop": _top(room, words)}
    return bool(seen[surface]) and all(is_known(room, place.landmark) for place in words.places)


def _best_on_wall(room: Room, words: Words) -> tuple[float, float]:
    """On the wall at the back, at eye height, where nothing hangs."""
    width = room.wall.shape[1]
    z = row_distance(room, 0)
    cm = z / room.camera.focal
    rows, columns = (np.asarray(index, np.float64) for index in np.indices(room.wall.shape))
    eye = room.camera.project(np.zeros(1), np.full(1, _EYE), np.full(1, z))[1]
    clearance = cm * _clearance(room.wall & _at_back(room))
    cost = 3 * positive(_CLEAR - clearance) + 0.5 * positive(_ROOMY - clearance)
    cost += cm * (np.abs(rows - eye) + 0.15 * np.abs(columns - width / 2))
    for place in words.places:
        if box := box_of(room, place.landmark):
            cost += 3 * cm * _from_box(columns, rows, place, box)
    if words.side:
        cost += 3 * cm * _from_side(columns, width, words.side)
    best = int(cost.argmin())
    return best % width, best // width


def _clearance(free: Mask) -> Numbers:
    """From each pixel to the nearest that is not free, or outside the picture, in pixels."""
    return steps_to(np.pad(~free, 1, constant_values=True))[1:-1, 1:-1]


def _at_back(room: Room) -> Mask:
    """The columns between those where the ground reaches farthest; all where none is seen."""
    columns = np.arange(room.ground.shape[1])
    ends = room.ground.argmax(axis=0).astype(np.float64)
    z = room.camera.on_floor(columns.astype(np.float64), ends)[1]
    far = np.flatnonzero(room.ground.any(axis=0) & (z >= 0.85 * row_distance(room, 0)))
    return (columns >= far[0]) & (columns <= far[-1]) if len(far) else columns >= 0


def _from_side(columns: Numbers, width: int, side: Side) -> Numbers:
    """In pixels, from the left or the right third or the middle quarter of the picture."""
    match side:
        case "left":
            return positive(columns - width / 3)
        case "right":
            return positive(2 * width / 3 - columns)
        case "center":
            return positive(np.abs(columns - width / 2) - width / 8)


def _from_box(columns: Numbers, rows: Numbers, place: Place, box: Box) -> Numbers:
    """In pixels, from where a place by something on the wall or before it is meant to be."""
    left, top, right, bottom = box
    beside = positive(left - columns) + positive(columns - right)
    away: Numbers = np.hypot(beside, positive(top - rows) + positive(rows - bottom))
    aside = positive(np.abs(columns - (left + right) / 2) - 0.45 * (right - left))
    match place.relation:
        case "left_of":
            return positive(columns - left) + 0.3 * away
        case "right_of":
            return positive(right - columns) + 0.3 * away
        case "next_to":
            return 0.5 * away
        case "under":
            return aside + positive(bottom - rows)
        case "above":
            return aside + positive(rows - top)
        case _:
            return aside


def _best_on_table(room: Room, words: Words) -> tuple[float, float]:
    """The middle of the top or the seat, or of its half; low in the picture where there is none."""
    width, height = room.camera.size
    left, top, right, bottom = _top(room, words) or (0, int(max(room.camera.horizon, 0)), width, height)
    share = {"left": 0.25, "right": 0.75}.get(words.side or "", 0.5)
    return left + share * (right - left), top + 0.55 * (bottom - top)


def _top(room: Room, words: Words) -> Box | None:
    seats = [box_of(room, place.landmark) for place in words.places if place.landmark in ("sofa", "bed", "chair")]
    return seats[0] if seats else room.tabletop


_BEST: dict[Surface, Callable[[Room, Words], tuple[float, float]]] = {
    "floor": best_on_floor,
    "wall": _best_on_wall,
    "tabletop": _best_on_table,
}
