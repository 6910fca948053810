"""Finds the walls of a room photo: the row where the floor ends at a wall, or at an object in front of it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers, to_lab
from imaging.geometry.camera import Camera
from imaging.per_photo import once_per_photo, read_only
from imaging.picture import Mask, Pixels
from imaging.resize import reduced

WALL_CM = 400.0
"""Distance of a wall that is not visible at all: 280 to 740 cm in real rooms."""

ROOM_CM, ROOM_ERROR = 265.0, 0.12
"""Height of living rooms, 240 to 300 cm, and its standard deviation as a share."""

_USUAL_ERROR = 0.45  # one standard deviation of WALL_CM, as a share

_NEAREST_WALL_CM, FARTHEST_WALL_CM = 80.0, 1000.0
_STEPS = 80
_READING_ERROR = 0.12  # one standard deviation of a distance told by one strip of the photo, as a share
_OUTLIERS = 0.05  # of the mean density: how often strips may be wrong
_FULL_COUNT = 2 * 24  # readings that count as one independent measurement: there are two a strip
_LEAST_ERROR = (
    0.3  # one standard deviation of a wall's distance, as a share: on real rooms strips agreed more than they
)
# were right, as wardrobes and beams end floors and ceilings in all of them
_SEEN_BEYOND = 0.1  # odds that a wall's upper end is overlooked although it is inside the photo
_BORDER_ERROR = 0.15  # one standard deviation, as a share, of the distance from which on it is inside
_LEAST_SLANT = 1e-3  # cm of rise for each cm of distance
_LEAST_ABOVE_CM = 30.0  # from the camera to the ceiling
_VIEW = 480  # pixels of the longer side
_STRIPS = 24
_BORDER = 3  # rows from the photo's border
_FEWEST_ROWS, _FEWEST_COLUMNS = 8, 2  # pixels between the horizon and the foot, and across
_MIDDLE_OF_FLOOR = 0.6  # from the horizon down to the photo's lower border
_ROWS = 192
_RUN = 5  # rows of floor in a row that are believed
_STEP, _FAINT_STEP = 6.0, 3.0  # CIELAB: what floor and wall surely differ by; a ceiling may differ by its light alone
_TINT = 9.0  # CIELAB a, b at middle lightness: what one floor differs by in itself
_SHADE = 30.0  # CIELAB lightness: between a floor's sunlit and shaded parts


def floor_end(pixels: Pixels, camera: Camera, columns: tuple[int, int], foot: int) -> int | None:
    """Return the first row of floor below the wall behind row `foot`, judged over some columns; None if it is not
    visible.

    Wall is what appears at the horizon, and floor what appears at the foot and below it: the floor ends where rows
    first look like the latter and unlike the former. Medians over the columns ignore joints and table legs.
    """
    rows = _row_colors(pixels, _first_row(camera), columns)
    return _ends_in(rows, pixels.shape[0], camera, (foot,), _STEP)[0]


def _first_row(camera: Camera) -> int:
    return max(0, round(camera.horizon))


def _ends_in(rows: Numbers | None, height: int, camera: Camera, feet: Sequence[int], step: float) -> list[int | None]:
    """Return `floor_end` for each of `feet`, where floor and wall differ by `step` in CIELAB.

    `rows` are the colors of the rows from the horizon to the photo's lower border.
    """
    if rows is None:
        return [None] * len(feet)
    top = _first_row(camera)
    unlike_wall = np.linalg.norm(rows - np.sort(rows[:3], axis=0)[1], axis=1) > step  # their median
    shrunk = len(rows) / (height - top)
    ends: list[int | None] = []
    for foot in feet:
        start = _floor_start(rows, unlike_wall, max(_RUN, round((min(foot, height) - top) * shrunk)))
        near = min(foot, height) - top < _FEWEST_ROWS
        ends.append(None if near or start is None else top + round(start / shrunk))
    return ends


def _floor_start(rows: Numbers, unlike_wall: Mask, foot: int) -> int | None:
    """Return the first of the rows, from the horizon down, that looks like those from `foot` on and unlike the wall."""
    behind, floor = rows[:foot], rows[foot - 1 :]
    return _first_run(_like_floor(behind, floor) & unlike_wall[:foot]) if len(floor) else None


@once_per_photo
def wall_distance(pixels: Pixels, camera: Camera) -> tuple[float, float]:
    """Return the distance of the back wall in cm and its standard deviation as a share.

    It follows from the rows where floor and ceiling end, given the camera's height and its distance from the ceiling. A
    wall that reaches the photo's upper border is nearer than one whose ceiling would be in view.
    """
    level, floors, ceilings = wall_ends(pixels, camera, _FAINT_STEP)
    below, above = camera.height_cm, max(ROOM_CM - camera.height_cm, _LEAST_ABOVE_CM)
    steps = np.linspace(np.log(_NEAREST_WALL_CM), np.log(1.5 * FARTHEST_WALL_CM), _STEPS)
    weight = np.exp(-0.5 * ((steps - np.log(WALL_CM)) / _USUAL_ERROR) ** 2)
    weight *= _agreement(steps, below / _slants(level, floors), camera.height_error)
    weight *= _agreement(steps, above / _slants(level, ceilings), _error_above(camera, above))
    visible_from = np.log(above / _slants(level, np.zeros(1))[0])
    inside = _SEEN_BEYOND + 1 / (1 + np.exp((steps - visible_from) / _BORDER_ERROR))
    weight *= inside ** float(np.isnan(ceilings).mean())
    middle = float(np.average(steps, weights=weight))
    spread = float(np.sqrt(np.average((steps - middle) ** 2, weights=weight)))
    return float(np.exp(middle)), float(np.hypot(spread, _LEAST_ERROR))


def _error_above(camera: Camera, above_cm: float) -> float:
    """Return the error of the distance between camera and ceiling, as a share of it."""
    return float(np.hypot(ROOM_CM * ROOM_ERROR, camera.height_cm * camera.height_error) / above_cm)


def _agreement(steps: Numbers, distances: Numbers, error: float) -> Numbers:
    """Return how well each distance, given by its logarithm, agrees with the measured ones; 1 if there are none."""
    seen = distances[(distances > _NEAREST_WALL_CM) & (distances < FARTHEST_WALL_CM)]
    if not len(seen):
        return np.ones_like(steps)
    spread = np.hypot(_READING_ERROR, error)
    density = np.exp(-0.5 * ((np.log(seen)[:, None] - steps) / spread) ** 2).mean(axis=0)
    return np.asarray((density / density.mean() + _OUTLIERS) ** min(1.0, len(seen) / _FULL_COUNT))


def _slants(camera: Camera, rows: Numbers) -> Numbers:
    """Return how much the rays of rows rise or fall per cm of distance; NaN for rows that are NaN."""
    return np.asarray(np.abs(camera.ray(np.zeros_like(rows), rows)[1]).clip(_LEAST_SLANT), np.float64)


def wall_ends(pixels: Pixels, camera: Camera, ceiling_step: float = _STEP) -> tuple[Camera, Numbers, Numbers]:
    """Return the camera of a reduced photo, without roll, and the rows where floor and ceiling end in its strips.

    Both are (strips, 2), searched from the photo's border and from the middle of the floor or ceiling; NaN where no end
    was found. A ceiling differs from the wall by `ceiling_step` in CIELAB.
    """
    small, shrink = reduced(pixels, _VIEW)
    level = replace(camera.scaled(shrink), roll=0.0)
    last = level.size[1] - 1
    upside_down = replace(level, horizon=last - level.horizon)
    ceilings = last - _ends(_upside_down(small), upside_down, ceiling_step)
    return level, _ends(small, level, _STEP), ceilings


@once_per_photo
def _upside_down(pixels: Pixels) -> Pixels:
    return read_only(np.ascontiguousarray(pixels[::-1]))


def _ends(pixels: Pixels, camera: Camera, step: float) -> Numbers:
    """Return the rows (strips, 2) where the floor ends, searched from the photo's border and from the middle of the
    floor; NaN where no end was found."""
    height = pixels.shape[0]
    middle = round(camera.horizon + _MIDDLE_OF_FLOOR * (height - camera.horizon))
    strips = _strip_colors(pixels, _first_row(camera))
    ends = [_ends_in(rows, height, camera, (height - _BORDER, middle), step) for rows in strips]
    return np.array([[np.nan if end is None else end for end in pair] for pair in ends], np.float64)


@once_per_photo
def _strip_colors(pixels: Pixels, top: int) -> list[Numbers | None]:
    """Return the colors of the rows from `top` on in each of the photo's strips."""
    strips = pairwise(np.linspace(0, pixels.shape[1], _STRIPS + 1).astype(int).tolist())
    return [_row_colors(pixels, top, strip) for strip in strips]


def _row_colors(pixels: Pixels, top: int, columns: tuple[int, int]) -> Numbers | None:
    """Return the median CIELAB of each row from `top` on over some columns, of at most _ROWS rows; None if there are
    too few rows or columns."""
    left, right = max(0, columns[0]), min(pixels.shape[1], columns[1])
    piece = pixels[top:, left:right]
    if piece.shape[0] < _FEWEST_ROWS or piece.shape[1] < _FEWEST_COLUMNS:
        return None
    size = (min(32, piece.shape[1]), min(_ROWS, piece.shape[0]))
    small = cv2.resize(piece, size, interpolation=cv2.INTER_AREA)
    return np.array(np.median(to_lab(small), axis=1), np.float64)


def _like_floor(rows: Numbers, floor: Numbers) -> NDArray[np.bool_]:
    """Return True for each row that could belong to one floor with the first, the middle or the last row of `floor`."""
    samples = evenly_lit(floor[[0, len(floor) // 2, -1]])
    difference = np.abs(evenly_lit(rows)[:, None] - samples)
    tint = np.hypot(difference[..., 1], difference[..., 2])
    return np.array(((tint < _TINT) & (difference[..., 0] < _SHADE)).any(axis=1))


def _first_run(marked: NDArray[np.bool_]) -> int | None:
    """Return the index of the first of _RUN consecutive marked rows, or None."""
    runs = np.convolve(marked, np.ones(_RUN, np.int64), mode="valid") == _RUN
    return int(runs.argmax()) if runs.any() else None


def evenly_lit(colors: Numbers) -> Numbers:
    """Return CIELAB colors with the tint they would have at middle lightness: it is weaker in the shade."""
    return colors * [1, 0, 0] + colors * [0, 50, 50] / np.where(colors[..., :1] > 15, colors[..., :1], 15)
