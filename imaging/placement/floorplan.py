"""The floor of a room from above, in cm: how free each position is, and how far it is from the one that the words
want."""

from dataclasses import dataclass

import cv2
import numpy as np

from imaging.arrays import Numbers
from imaging.geometry.camera import Camera
from imaging.geometry.floor import Floor
from imaging.picture import Mask
from imaging.placement.text_placement import Side, Words

_CELLS = 200
_MARGIN = 20  # cells before the picture
_CELL = 1 / 30  # of the camera's height: 5 cm under the usual one
_CLEAR, _ROOMY, _PLAIN = 45.0, 90.0, 40.0  # cm to other things: what most products need, what looks good; to edges
_IN_CORNER = 65.0  # cm from a corner to the middle of what stands in it
_TAKEN = 300.0  # cm: what standing on no floor costs
_INSIDE = 50.0  # cm from the picture's last row
_AVOIDED = 60.0  # cm to keep from where nothing is wanted
_FRONT, _BACK = 0.7, 0.33  # where foreground begins and background ends, from the floor's far to its near row


def positive(values: Numbers) -> Numbers:
    return np.where(values > 0, values, 0)


def steps_to(target: Mask) -> Numbers:
    """Return the distance of each cell from the nearest one of `target`, in cells; 0 everywhere if there is none."""
    if not target.any():
        return np.zeros(target.shape)
    return cv2.distanceTransform((~target).astype(np.uint8), cv2.DIST_L2, 5).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _FloorGrid:
    """The floor in square cells of `cell` cm.

    `x` and `z` are their positions in cm, `column` and `row` the pixels that show them. `ahead` cells are in the
    columns of the picture and below the horizon; `seen` ones are also in its rows.
    """

    floor: Floor
    camera: Camera
    cell: float
    x: Numbers
    z: Numbers
    column: Numbers
    row: Numbers
    ahead: Mask
    seen: Mask

    def sampled(self, mask: Mask) -> Mask:
        """Return a mask of the picture as seen from above; below the picture it continues as it ends."""
        height, width = mask.shape
        rows, columns = self.row.clip(0, height - 1).astype(np.intp), self.column.clip(0, width - 1).astype(np.intp)
        return mask[rows, columns] & self.ahead

    def from_cells(self, target: Mask) -> Numbers:
        """Return the distance in cm of each cell from the nearest one of `target`."""
        return self.cell * steps_to(target)

    def from_point(self, x: float, z: float) -> Numbers:
        return np.hypot(self.x - x, self.z - z)


def row_distance(floor: Floor, camera: Camera, share: float) -> float:
    """Return the distance in cm of the floor at `share` of the way from the ground's far row to the picture's last
    row."""
    rows = np.flatnonzero(floor.ground.any(axis=1))
    last = len(floor.ground) - 1
    first = float(rows[0]) if len(rows) else (max(camera.horizon, 0) + last) / 2
    return min(camera.distance(first + share * (last - first)), 20 * camera.height_cm)


def best_on_floor(floor: Floor, camera: Camera, words: Words) -> tuple[float, float]:
    """Return the column and row of the best position to stand for `words`."""
    grid = _grid(floor, camera)
    if not grid.seen.any():
        return camera.size[0] / 2, camera.size[1]
    cost = _crampedness(grid) + 0.25 * grid.from_point(0, row_distance(floor, camera, 0.5))
    for away in _away(grid, words):
        cost += 3 * away
    for away in _away(grid, words.unwanted or Words()):
        cost += 3 * positive(_AVOIDED - away)
    best = int(np.where(grid.seen, cost, np.inf).argmin())
    return float(grid.column.flat[best]), float(grid.row.flat[best])


def _grid(floor: Floor, camera: Camera) -> _FloorGrid:
    """Return the grid that begins slightly before the picture's last row."""
    height, width = floor.ground.shape
    cell = camera.height_cm * _CELL
    steps = np.arange(_CELLS) * cell
    nearest = camera.distance(height - 0.5)
    x, z = np.meshgrid(steps - steps.mean(), steps + max(nearest - _MARGIN * cell if np.isfinite(nearest) else 0, cell))
    column, row = camera.project(x, np.zeros_like(x), z)
    ahead = (column >= 0) & (column < width) & (row > camera.horizon)
    return _FloorGrid(floor, camera, cell, x, z, column, row, ahead, ahead & (row < height))


def _crampedness(grid: _FloorGrid) -> Numbers:
    clearance = grid.from_cells(~grid.sampled(grid.floor.likely))
    plain = grid.from_cells(grid.sampled(grid.floor.edges))
    front = grid.z - float(grid.z[grid.seen].min())
    cramped = 6 * positive(_CLEAR - clearance) + positive(_ROOMY - clearance) + np.where(clearance > 0, 0, _TAKEN)
    return cramped + positive(_PLAIN - plain) + 2 * positive(_INSIDE - front)


# Distance in cm of each cell from what the words name


def _away(grid: _FloorGrid, words: Words) -> list[Numbers]:
    away = []
    if words.side:
        away.append(_from_side(grid, words.side))
    if words.depth == "front":
        away.append(positive(grid.z - row_distance(grid.floor, grid.camera, _FRONT)))
    if words.depth == "back":
        away.append(positive(row_distance(grid.floor, grid.camera, _BACK) - grid.z))
    if words.corner:
        away.append(_from_corner(grid, words))
    return away


def _from_side(grid: _FloorGrid, side: Side) -> Numbers:
    """Return the distance from the left or right third of the free floor, or from the middle quarter of the picture."""
    free = grid.floor.likely
    columns = np.nonzero(free)[1] if free.any() else np.arange(free.shape[1])
    match side:
        case "left":
            beyond = grid.column - np.quantile(columns, 1 / 3)
        case "right":
            beyond = np.quantile(columns, 2 / 3) - grid.column
        case "center":
            beyond = np.abs(grid.column - free.shape[1] / 2) - free.shape[1] / 8
    return positive(beyond) * grid.z / grid.camera.focal


def _from_corner(grid: _FloorGrid, words: Words) -> Numbers:
    ground = grid.sampled(grid.floor.ground)
    depth = -grid.z if words.depth == "front" else grid.z
    towards = {"left": (-1,), "right": (1,)}.get(words.side or "", (-1, 1))
    corners = [int(np.where(ground, depth + side * grid.x, -np.inf).argmax()) for side in towards]
    away = [grid.from_point(grid.x.flat[corner], grid.z.flat[corner]) for corner in corners]
    return positive(np.min(away, axis=0) - _IN_CORNER)
