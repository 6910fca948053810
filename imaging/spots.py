"""The place in a room that words name, or a free one: what is wished for is weighed on a plan of the floor, in cm."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from imaging.camera import Camera, Numbers
from imaging.landmarks import Room, look
from imaging.picture import Box, Mask, Pixels, Point
from imaging.words import Landmark, Place, Surface, Words

_SIZE = 480
_CELLS = 200
_CELL = 1 / 30  # of the camera's height: 5 cm under the usual one
_CLEAR, _ROOMY = 45.0, 90.0  # cm to the next thing: what most products need, and what looks good
_APART, _NEAR = 65.0, 35.0  # cm from a landmark to a product beside it, and how exactly that is meant
_AVOIDED = 60.0  # cm to keep from where the product is not to stand
_EYE = 150.0  # cm: the middle of what hangs
_STANDS_FOR: dict[Landmark, Landmark] = {"bed": "sofa", "chair": "sofa"}  # the largest thing, whatever it is


@dataclass(frozen=True)
class Spot:
    """Where a product's foot stands, or on a wall its centre. `found` is False where what the words name was not seen,
    or no floor, no wall."""

    point: Point
    surface: Surface
    found: bool


@dataclass(frozen=True, eq=False)
class _Plan:
    """The floor from above in square cells of `cell` cm: `x` and `z` in cm, the picture's `column` and `row` that show
    them, whether they are `seen`, and the `clearance` in cm to what is not free floor."""

    x: Numbers
    z: Numbers
    column: Numbers
    row: Numbers
    seen: Mask
    clearance: Numbers
    cell: float

    def sampled(self, mask: Mask) -> Mask:
        """A mask of the picture, seen from above."""
        height, width = mask.shape
        rows, columns = self.row.clip(0, height - 1).astype(np.intp), self.column.clip(0, width - 1).astype(np.intp)
        return mask[rows, columns] & self.seen

    def distance(self, target: Mask) -> Numbers:
        """From each cell to the nearest of `target`, in cm."""
        steps = cv2.distanceTransform((~target).astype(np.uint8), cv2.DIST_L2, 5)
        return self.cell * steps.astype(np.float64)


def find_spot(pixels: Pixels, camera: Camera, words: Words) -> Spot:
    """The best place for what `words` say, inside the picture and for a floor below the horizon, whatever is seen."""
    shrink = min(1.0, _SIZE / max(pixels.shape[:2]))
    room = _reduced(pixels, camera, shrink)
    surface = words.surface or "floor"
    column, row = _ON[surface](room, words)
    return Spot(_inside(column / shrink, row / shrink, camera, surface), surface, _all_found(room, words, surface))


def _reduced(pixels: Pixels, camera: Camera, shrink: float) -> Room:
    height, width = pixels.shape[:2]
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = pixels if shrink == 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return look(small, replace(camera, size=size, horizon=camera.horizon * shrink, focal=camera.focal * shrink))


def _inside(column: float, row: float, camera: Camera, surface: Surface) -> Point:
    width, height = camera.size
    highest = 0 if surface == "wall" else int(camera.horizon) + 1
    return min(max(int(column), 0), width - 1), min(max(int(row), highest, 0), height - 1)


def _all_found(room: Room, words: Words, surface: Surface) -> bool:
    bearing = {"floor": room.free.any(), "wall": room.wall.any(), "tabletop": True}[surface]
    return bool(bearing) and all(_box(room, place.landmark) or place.landmark == "wall" for place in words.places)


def _box(room: Room, landmark: Landmark) -> Box | None:
    return room.boxes.get(_STANDS_FOR.get(landmark, landmark))


# Floor


def _floor_spot(room: Room, words: Words) -> tuple[float, float]:
    plan = _plan(room)
    if not plan.seen.any():
        return room.camera.size[0] / 2, room.camera.size[1]
    cost = 6 * (_CLEAR - plan.clearance).clip(0) + (_ROOMY - plan.clearance).clip(0) + 0.15 * _off_centre(room, plan)
    cost += 3 * sum(_shortfalls(room, plan, words))
    if words.unwanted:
        cost += 3 * sum((_AVOIDED - shortfall).clip(0) for shortfall in _shortfalls(room, plan, words.unwanted))
    best = np.argmin(np.where(plan.seen, cost, np.inf))
    return float(plan.column.flat[best]), float(plan.row.flat[best])


def _plan(room: Room) -> _Plan:
    camera, (height, width) = room.camera, room.ground.shape
    cell = camera.height_cm * _CELL
    nearest = camera.distance(height - 0.5)
    steps = np.arange(_CELLS) * cell
    x, z = np.meshgrid(steps - steps.mean(), (nearest if np.isfinite(nearest) else 0) + steps + cell)
    column, row = camera.project(x, np.zeros_like(x), z)
    seen = (column >= 0) & (column < width) & (row > camera.horizon) & (row < height)
    plan = _Plan(x, z, column, row, seen, x, cell)
    return replace(plan, clearance=plan.distance(~plan.sampled(room.free)))


def _rows(room: Room) -> tuple[float, float]:
    """First and last row of the ground; without one, of the lower half below the horizon."""
    rows = np.flatnonzero(room.ground.any(axis=1))
    height = len(room.ground)
    return (rows[0], rows[-1]) if len(rows) else ((room.camera.horizon.clip(0) + height) / 2, height)


def _off_centre(room: Room, plan: _Plan) -> Numbers:
    """How far from the middle of the floor, in cm."""
    return np.abs(plan.x) + np.abs(plan.z - _z(room, 0.5))


def _z(room: Room, share: float) -> float:
    """The distance in cm of the row at `share` of the way from the floor's far end to its near end."""
    first, last = _rows(room)
    return room.camera.distance(first + share * (last - first))


def _shortfalls(room: Room, plan: _Plan, words: Words) -> list[Numbers]:
    """How far in cm each cell is from each thing said."""
    falls = [_beside_place(room, plan, place) for place in words.places if _known(room, place.landmark)]
    if words.side:
        falls.append(_from_side(room, plan, words.side))
    if words.depth:
        limit = _z(room, 0.62 if words.depth == "front" else 0.33)
        falls.append(((plan.z - limit) * (1 if words.depth == "front" else -1)).clip(0))
    if words.corner:
        falls.append(_from_corner(room, plan, words))
    return falls
