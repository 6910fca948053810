"""The floor of a room from above, in cm: how free each place is, and how far from where words want something."""

from dataclasses import dataclass

import cv2
import numpy as np

from imaging.geometry.camera import Numbers
from imaging.picture import Box, Mask
from imaging.placement.landmarks import Room
from imaging.placement.text_placement import Landmark, Place, Side, Words

_CELLS = 200
_MARGIN = 20  # cells before the picture
_CELL = 1 / 30  # of the camera's height: 5 cm under the usual one
_CLEAR, _ROOMY, _PLAIN = 45.0, 90.0, 40.0  # cm to other things: what most products need, what looks good; to edges
_BESIDE, _BEFORE, _OPPOSITE = 65.0, 130.0, 220.0  # cm from a landmark
_TAKEN = 300.0  # what standing on no floor costs
_INSIDE = 50.0  # cm from the picture's last row
_EXACT = 30.0  # cm: how exactly a place is meant
_AVOIDED = 60.0  # cm to keep from where nothing is wanted
_FRONT, _BACK = 0.7, 0.33  # where foreground begins and background ends, from the floor's far to its near row
_STANDING = ("sofa", "bed", "chair", "table", "plant")
_STANDS_FOR: dict[Landmark, Landmark] = {"bed": "sofa", "chair": "sofa"}  # the largest piece, whatever it is


def box_of(room: Room, landmark: Landmark) -> Box | None:
    return room.boxes.get(_STANDS_FOR.get(landmark, landmark))


def is_known(room: Room, landmark: Landmark) -> bool:
    return bool(room.ground.any()) if landmark == "wall" else box_of(room, landmark) is not None


def positive(values: Numbers) -> Numbers:
    return np.where(values > 0, values, 0)


def steps_to(target: Mask) -> Numbers:
    """From each cell to the nearest of `target`, in cells; 0 everywhere where there is none."""
    if not target.any():
        return np.zeros(target.shape)
    return cv2.distanceTransform((~target).astype(np.uint8), cv2.DIST_L2, 5).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Plan:
    """The floor in square cells of `cell` cm: their `x` and `z` in cm, the pixel `column` and `row` that show them,
    whether they lie `ahead`, and whether they are `seen`: in the picture, not before it."""

    room: Room
    cell: float
    x: Numbers
    z: Numbers
    column: Numbers
    row: Numbers
    ahead: Mask
    seen: Mask

    def sampled(self, mask: Mask) -> Mask:
        """A mask of the picture, from above; before the picture goes on as it ends."""
        height, width = mask.shape
        rows, columns = self.row.clip(0, height - 1).astype(np.intp), self.column.clip(0, width - 1).astype(np.intp)
        return mask[rows, columns] & self.ahead

    def from_cells(self, target: Mask) -> Numbers:
        """How far in cm each cell is from the nearest of `target`."""
        return self.cell * steps_to(target)

    def from_point(self, x: float, z: float) -> Numbers:
        return np.hypot(self.x - x, self.z - z)

    def from_line(self, points: Numbers) -> Numbers:
        """From the nearest of positions (n, 2) as (x, z); 0 everywhere where none is on the plan."""
        cells = np.rint((points - [self.x[0, 0], self.z[0, 0]]) / self.cell).clip(-1, _CELLS).astype(np.intp)
        columns, rows = cells[((cells >= 0) & (cells < _CELLS)).all(axis=1)].T
        mask = np.zeros(self.x.shape, np.bool_)
        mask[rows, columns] = True
        return self.from_cells(mask)

    def sideways(self, columns: Numbers) -> Numbers:
        """Picture columns to cm, each at its cell's distance."""
        return columns * self.z / self.room.camera.focal


def row_distance(room: Room, share: float) -> float:
    """How far off in cm the floor is, at `share` of the way from the ground's far row to the picture's last."""
    rows = np.flatnonzero(room.ground.any(axis=1))
    last = len(room.ground) - 1
    first = float(rows[0]) if len(rows) else (max(room.camera.horizon, 0) + last) / 2
    return min(room.camera.distance(first + share * (last - first)), 20 * room.camera.height_cm)


def best_on_floor(room: Room, words: Words) -> tuple[float, float]:
    """Column and row of the best place to stand for `words`."""
    plan = _plan(room)
    if not plan.seen.any():
        return room.camera.size[0] / 2, room.camera.size[1]
    cost = _crampedness(plan) + 0.25 * plan.from_point(0, row_distance(room, 0.5))
    for away in _away(plan, words):
        cost += 3 * away
    for away in _away(plan, words.unwanted or Words()):
        cost += 3 * positive(_AVOIDED - away)
    best = int(np.where(plan.seen, cost, np.inf).argmin())
    return float(plan.column.flat[best]), float(plan.row.flat[best])


def _plan(room: Room) -> _Plan:
    """From a little before the picture's last row on."""
    camera, (height, width) = room.camera, room.ground.shape
    cell = camera.height_cm * _CELL
    steps = np.arange(_CELLS) * cell
    nearest = camera.distance(height - 0.5)
    x, z = np.meshgrid(steps - steps.mean(), steps + max(nearest - _MARGIN * cell if np.isfinite(nearest) else 0, cell))
    column, row = camera.project(x, np.zeros_like(x), z)
    ahead = (column >= 0) & (column < width) & (row > camera.horizon)
    return _Plan(room, cell, x, z, column, row, ahead, ahead & (row < height))


def _crampedness(plan: _Plan) -> Numbers:
    clearance = plan.from_cells(~plan.sampled(plan.room.free))
    plain = plan.from_cells(plan.sampled(plan.room.edges))
    front = plan.z - float(plan.z[plan.seen].min())
    cramped = 6 * positive(_CLEAR - clearance) + positive(_ROOMY - clearance) + np.where(clearance > 0, 0, _TAKEN)
    return cramped + positive(_PLAIN - plain) + 2 * positive(_INSIDE - front)


# How far in cm each cell is from what is said


def _away(plan: _Plan, words: Words) -> list[Numbers]:
    away = [_from_place(plan, place) for place in words.places if is_known(plan.room, place.landmark)]
    if words.side:
        away.append(_from_side(plan, words.side))
    if words.depth == "front":
        away.append(positive(plan.z - row_distance(plan.room, _FRONT)))
    if words.depth == "back":
        away.append(positive(row_distance(plan.room, _BACK) - plan.z))
    if words.corner:
        away.append(_from_corner(plan, words))
    return away


def _from_side(plan: _Plan, side: Side) -> Numbers:
    """The left or the right third of the free floor, or the middle quarter of the picture."""
    free = plan.room.free
    columns = np.nonzero(free)[1] if free.any() else np.arange(free.shape[1])
    match side:
        case "left":
            beyond = plan.column - np.quantile(columns, 1 / 3)
        case "right":
            beyond = np.quantile(columns, 2 / 3) - plan.column
        case "center":
            beyond = np.abs(plan.column - free.shape[1] / 2) - free.shape[1] / 8
    return plan.sideways(positive(beyond))


def _from_corner(plan: _Plan, words: Words) -> Numbers:
    ground = plan.sampled(plan.room.ground)
    depth = -plan.z if words.depth == "front" else plan.z
    towards = {"left": (-1,), "right": (1,)}.get(words.side or "", (-1, 1))
    corners = [int(np.where(ground, depth + side * plan.x, -np.inf).argmax()) for side in towards]
    away = [plan.from_point(plan.x.flat[corner], plan.z.flat[corner]) for corner in corners]
    return positive(np.min(away, axis=0) - _BESIDE)


def _from_place(plan: _Plan, place: Place) -> Numbers:
    if place == ("on", "rug"):
        return _from_rug(plan)
    left, right = _columns(plan.room, place.landmark)
    line = _foot_line(plan.room, place.landmark)
    distance = plan.from_line(line)
    aside = plan.sideways(positive(left - plan.column) + positive(plan.column - right))
    at_left = positive(plan.from_point(line[0, 0] - _BESIDE, line[0, 1]) - _EXACT)
    at_right = positive(plan.from_point(line[-1, 0] + _BESIDE, line[-1, 1]) - _EXACT)
    match place.relation:
        case "left_of":
            return at_left
        case "right_of":
            return at_right
        case "next_to" if place.landmark in _STANDING:
            return np.where(at_left < at_right, at_left, at_right)
        case "next_to":
            return positive(distance - _BESIDE)
        case "behind":
            return aside + positive(line[:, 1].max() + _EXACT - plan.z) + positive(distance - _BEFORE)
        case "opposite":
            return aside + positive(np.abs(distance - _OPPOSITE) - _EXACT)
        case _:
            return aside + positive(distance - _BEFORE)


def _from_rug(plan: _Plan) -> Numbers:
    """The rug without its border."""
    depth = plan.from_cells(~plan.sampled(plan.room.rug))
    return plan.from_cells(depth >= min(_EXACT, float(depth.max())))


def _columns(room: Room, landmark: Landmark) -> tuple[int, int]:
    box = box_of(room, landmark)
    return (box[0], box[2]) if box else (0, room.ground.shape[1])


def _foot_line(room: Room, landmark: Landmark) -> Numbers:
    """(n, 2): x and z along the foot of what stands, and of the wall under what hangs."""
    box = box_of(room, landmark)
    left, right = _columns(room, landmark)
    wall = room.ground[:, left:right].argmax(axis=0)
    rows = np.maximum(wall, max(box[3] - 1 if box else 0, room.camera.horizon + 2))
    return np.stack(room.camera.on_floor(np.arange(left, right, dtype=np.float64), rows.astype(np.float64)), axis=1)
