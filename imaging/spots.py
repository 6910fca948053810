"""The place in a room that words name, or a free one: how well each place does is weighed in cm, on a plan of the floor or
on the wall at the back."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from imaging.camera import Camera, Numbers
from imaging.landmarks import Room, look
from imaging.picture import Box, Mask, Pixels, Point
from imaging.words import Landmark, Place, Side, Surface, Words

_SIZE = 480  # pixels: enough to see a table's legs
_CELLS = 200
_CELL = 1 / 30  # of the camera's height: 5 cm under the usual one
_CLEAR, _ROOMY = 45.0, 90.0  # cm to the next thing: what most products need, and what looks good
_BESIDE, _REACH, _ACROSS = 65.0, 90.0, 220.0  # cm from a landmark: next to it, before it, opposite
_EXACT = 30.0  # cm: how exactly a place is meant
_AVOIDED = 60.0  # cm to keep from where nothing is wanted
_EYE = 150.0  # cm over the floor: the middle of what hangs
_STANDS_FOR: dict[Landmark, Landmark] = {"bed": "sofa", "chair": "sofa"}  # the largest thing, whatever it is
_STANDING = ("sofa", "bed", "chair", "table", "plant")


@dataclass(frozen=True)
class Spot:
    """Where a product's foot stands, or on a wall its centre. `found` is False where what the words name was not seen,
    or no floor, no wall, no table."""

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

    def marked(self, points: Numbers) -> Mask:
        """The cells of positions (n, 2) as (x, z), as far as they are on the plan."""
        mask = np.zeros(self.x.shape, np.bool_)
        columns, rows = np.rint((points - [self.x[0, 0], self.z[0, 0]]) / self.cell).T.clip(-1, _CELLS).astype(np.intp)
        inside = (columns >= 0) & (columns < _CELLS) & (rows >= 0) & (rows < _CELLS)
        mask[rows[inside], columns[inside]] = True
        return mask

    def distance(self, target: Mask) -> Numbers:
        """From each cell to the nearest of `target`, in cm."""
        return self.cell * _steps_to(target)

    def distance_to(self, x: float, z: float) -> Numbers:
        return np.hypot(self.x - x, self.z - z)


def find_spot(pixels: Pixels, camera: Camera, words: Words) -> Spot:
    """The best place for what `words` say: always inside the picture, and for a floor below the horizon."""
    shrink = min(1.0, _SIZE / max(pixels.shape[:2]))
    room = _reduced(pixels, camera, shrink)
    surface = words.surface or "floor"
    column, row = _CHOOSE[surface](room, words)
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
    seen = {"floor": room.free.any(), "wall": room.wall.any(), "tabletop": _top(room, words)}
    return bool(seen[surface]) and all(_known(room, place.landmark) for place in words.places)


def _known(room: Room, landmark: Landmark) -> bool:
    return bool(room.ground.any()) if landmark == "wall" else _box(room, landmark) is not None


def _box(room: Room, landmark: Landmark) -> Box | None:
    return room.boxes.get(_STANDS_FOR.get(landmark, landmark))


def _steps_to(target: Mask) -> Numbers:
    """From each pixel to the nearest of `target`, in pixels; 0 everywhere where there is none."""
    if not target.any():
        return np.zeros(target.shape)
    return cv2.distanceTransform((~target).astype(np.uint8), cv2.DIST_L2, 5).astype(np.float64)


# The floor


def _floor_spot(room: Room, words: Words) -> tuple[float, float]:
    plan = _plan(room)
    if not plan.seen.any():
        return room.camera.size[0] / 2, room.camera.size[1]
    cost = 6 * (_CLEAR - plan.clearance).clip(0) + (_ROOMY - plan.clearance).clip(0)
    cost += 0.15 * plan.distance_to(0, _z(room, 0.5))
    for shortfall in _shortfalls(room, plan, words):
        cost += 3 * shortfall
    for shortfall in _shortfalls(room, plan, words.unwanted or Words()):
        cost += 3 * (_AVOIDED - shortfall).clip(0)
    best = int(np.where(plan.seen, cost, np.inf).argmin())
    return float(plan.column.flat[best]), float(plan.row.flat[best])


def _plan(room: Room) -> _Plan:
    camera, (height, width) = room.camera, room.ground.shape
    cell = camera.height_cm * _CELL
    steps = np.arange(_CELLS) * cell
    nearest = camera.distance(height - 0.5)
    x, z = np.meshgrid(steps - steps.mean(), steps + (nearest - 2 * cell if np.isfinite(nearest) else cell))
    with np.errstate(divide="ignore", invalid="ignore"):
        column, row = camera.project(x, np.zeros_like(x), z)
    seen = (column >= 0) & (column < width) & (row > camera.horizon) & (row < height)
    plan = _Plan(x, z, column, row, seen, x, cell)
    return replace(plan, clearance=plan.distance(~plan.sampled(room.free)))


def _z(room: Room, share: float) -> float:
    """The distance in cm of the row at `share` of the way from the ground's far end to its near end."""
    rows = np.flatnonzero(room.ground.any(axis=1))
    last = len(room.ground) - 1
    first = max(room.camera.horizon, 0) / 2 + last / 2 if not len(rows) else rows[0]
    return min(room.camera.distance(first + share * (last - first)), 20 * room.camera.height_cm)


def _shortfalls(room: Room, plan: _Plan, words: Words) -> list[Numbers]:
    """How far in cm each cell is from each thing said."""
    falls = [_from_place(room, plan, place) for place in words.places if _known(room, place.landmark)]
    if words.side:
        falls.append(_from_side(room, plan, words.side))
    if words.depth == "front":
        falls.append((plan.z - _z(room, 0.62)).clip(0))
    if words.depth == "back":
        falls.append((_z(room, 0.33) - plan.z).clip(0))
    if words.corner:
        falls.append(_from_corner(room, plan, words))
    return falls


def _from_side(room: Room, plan: _Plan, side: Side) -> Numbers:
    """From the left or the right third of the free floor, or the middle quarter of the picture."""
    columns = np.nonzero(room.free)[1] if room.free.any() else np.arange(room.free.shape[1])
    width = room.free.shape[1]
    beyond = {
        "left": plan.column - np.quantile(columns, 1 / 3),
        "right": np.quantile(columns, 2 / 3) - plan.column,
        "centre": np.abs(plan.column - width / 2) - width / 8,
    }
    return beyond[side].clip(0) * plan.z / room.camera.focal


def _from_corner(room: Room, plan: _Plan, words: Words) -> Numbers:
    ground = plan.sampled(room.ground)
    back = -1 if words.depth == "front" else 1
    sides = [side for side, name in ((-1, "left"), (1, "right")) if words.side in (name, None, "centre")]
    ends = [np.where(ground, back * plan.z + side * plan.x, -np.inf).argmax() for side in sides]
    return np.min([(plan.distance_to(plan.x.flat[end], plan.z.flat[end]) - _BESIDE).clip(0) for end in ends], axis=0)


def _from_place(room: Room, plan: _Plan, place: Place) -> Numbers:
    if place == ("on", "rug"):
        return _from_rug(room, plan)
    left, right = _columns(room, place.landmark)
    line = _foot_line(room, place.landmark, left, right)
    distance = plan.distance(plan.marked(line))
    aside = np.maximum(left - plan.column, plan.column - right).clip(0) * plan.z / room.camera.focal
    at_left, at_right = (
        (plan.distance_to(end[0] + step, end[1]) - _EXACT).clip(0)
        for end, step in ((line[0], -_BESIDE), (line[-1], _BESIDE))
    )
    match place.relation:
        case "left_of":
            return at_left
        case "right_of":
            return at_right
        case "next_to":
            standing = place.landmark in _STANDING
            return np.minimum(at_left, at_right) if standing else (distance - _BESIDE).clip(0)
        case "behind":
            return aside + (line[:, 1].max() + _EXACT - plan.z).clip(0) + (distance - _REACH).clip(0)
        case "opposite":
            return aside + (np.abs(distance - _ACROSS) - _EXACT).clip(0)
        case _:
            return aside + (distance - _REACH).clip(0)


def _from_rug(room: Room, plan: _Plan) -> Numbers:
    """From the rug without its border."""
    depth = plan.distance(~plan.sampled(room.rug))
    return plan.distance(depth >= min(_EXACT, float(depth.max())))


def _columns(room: Room, landmark: Landmark) -> tuple[int, int]:
    box = _box(room, landmark)
    return (box[0], box[2]) if box else (0, room.ground.shape[1])


def _foot_line(room: Room, landmark: Landmark, left: int, right: int) -> Numbers:
    """(n, 2): x and z of the floor along the foot of a landmark, or under what is on the wall."""
    box = _box(room, landmark)
    columns = np.arange(left, right)
    ends = room.ground[:, left:right].argmax(axis=0)
    rows = np.maximum(ends, max(box[3] - 1 if box else 0, room.camera.horizon + 2))
    across, fall = room.camera.ray(columns.astype(np.float64), rows.astype(np.float64))
    z = -room.camera.height_cm / fall
    return np.stack([across * z, z], axis=1)


# The wall and the table


def _wall_spot(room: Room, words: Words) -> tuple[float, float]:
    """On the wall at the back, at eye height, where nothing hangs."""
    width = room.wall.shape[1]
    z = _z(room, 0)
    rows, columns = np.indices(room.wall.shape, dtype=np.float64)
    unit = z / room.camera.focal
    eye = float(room.camera.project(np.float64(0), np.float64(_EYE), np.float64(z))[1])
    clearance = unit * _steps_to(~cv2.copyMakeBorder((room.wall & _at_back(room)).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT).astype(np.bool_))[1:-1, 1:-1]
    cost = 3 * (_CLEAR - clearance).clip(0) + 0.5 * (_ROOMY - clearance).clip(0)
    cost += unit * (np.abs(rows - eye) + 0.15 * np.abs(columns - width / 2))
    for place in words.places:
        if box := _box(room, place.landmark):
            cost += 3 * unit * _from_box(columns, rows, place, box)
    beyond = {"left": columns - width / 3, "right": 2 * width / 3 - columns, "centre": np.abs(columns - width / 2) - width / 8}
    if words.side:
        cost += 3 * unit * beyond[words.side].clip(0)
    best = int(cost.argmin())
    return best % width, best // width


def _at_back(room: Room) -> Mask:
    """The columns where the ground reaches far back; all where there is none."""
    ends = np.where(room.ground.any(axis=0), room.ground.argmax(axis=0), len(room.ground))
    z = np.array([room.camera.distance(float(end)) for end in ends])
    far = np.flatnonzero(z >= 0.85 * z.max()) if room.ground.any() else np.arange(len(z))
    return (np.arange(len(z)) >= far.min()) & (np.arange(len(z)) <= far.max())


def _from_box(columns: Numbers, rows: Numbers, place: Place, box: Box) -> Numbers:
    """In pixels, from where the place on a wall is meant to be."""
    left, top, right, bottom = box
    aside = (np.abs(columns - (left + right) / 2) - 0.45 * (right - left)).clip(0)
    away = np.hypot(
        np.maximum(left - columns, columns - right).clip(0), np.maximum(top - rows, rows - bottom).clip(0)
    )
    match place.relation:
        case "left_of":
            return (columns - left).clip(0) + 0.3 * away
        case "right_of":
            return (right - columns).clip(0) + 0.3 * away
        case "next_to":
            return 0.5 * away
        case "under":
            return aside + (bottom - rows).clip(0)
        case "above":
            return aside + (rows - top).clip(0)
        case _:
            return aside


def _table_spot(room: Room, words: Words) -> tuple[float, float]:
    """On the middle of the top, or of the seat."""
    width, height = room.camera.size
    left, top, right, bottom = _top(room, words) or (0, int(room.camera.horizon), width, height)
    share = {"left": 0.25, "right": 0.75}.get(words.side or "", 0.5)
    return left + share * (right - left), top + 0.55 * (bottom - top)


def _top(room: Room, words: Words) -> Box | None:
    seats = [_box(room, place.landmark) for place in words.places if place.landmark in ("sofa", "bed", "chair")]
    return seats[0] if seats else room.tabletop


_CHOOSE: dict[Surface, Callable[[Room, Words], tuple[float, float]]] = {
    "floor": _floor_spot,
    "wall": _wall_spot,
    "tabletop": _table_spot,
}
