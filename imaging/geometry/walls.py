"""The walls of a room photo: the row where the floor ends at a wall, or at whatever stands before it."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.geometry.camera import Camera, Numbers
from imaging.picture import Pixels

WALL_CM = 400.0
"""The distance of a wall where its foot is not seen: 280 to 740 cm in real rooms."""

_USUAL_ERROR = 0.45  # one standard deviation of that, as a share
_UNSEEN_ERROR = 0.5  # the same where the floor's end is seen in no strip, in proportion for fewer than all

_NEAREST_WALL_CM, FARTHEST_WALL_CM = 80.0, 1000.0
_STRIPS = 24
_FEWEST_ROWS, _FEWEST_COLUMNS = 8, 2  # pixels between the horizon and the foot, and across
_MIDDLE_OF_FLOOR = 0.6  # from the horizon down to the photo's lower border
_ROWS = 192
_RUN = 5  # rows of floor in a row that are believed
_STEP = 6.0  # CIELAB: what floor and wall differ by at least
_TINT = 9.0  # CIELAB a, b at middle lightness: what one floor differs by in itself
_SHADE = 30.0  # CIELAB lightness: between a floor's sunlit and shaded parts


def floor_end(pixels: Pixels, camera: Camera, columns: tuple[int, int], foot: int) -> int | None:
    """Return the first row of floor under the wall behind row `foot`, judged over some columns; None if nothing tells.

    Wall is what is seen at the horizon, floor what lies at the foot and below it: the floor ends where rows first look
    like the latter and unlike the former. Medians over the columns take no notice of joints and table legs.
    """
    return floor_ends(pixels, camera, columns, (foot,))[0]


def floor_ends(pixels: Pixels, camera: Camera, columns: tuple[int, int], feet: Sequence[int]) -> list[int | None]:
    """Return `floor_end` for each of several rows."""
    height, width = pixels.shape[:2]
    top = max(0, round(camera.horizon))
    left, right = max(0, columns[0]), min(width, columns[1])
    if height - top < _FEWEST_ROWS or right - left < _FEWEST_COLUMNS:
        return [None] * len(feet)
    rows = _row_colors(pixels[top:, left:right])
    shrunk = len(rows) / (height - top)
    ends: list[int | None] = []
    for foot in feet:
        start = _floor_start(rows, max(_RUN, round((min(foot, height) - top) * shrunk)))
        near = min(foot, height) - top < _FEWEST_ROWS
        ends.append(None if near or start is None else top + round(start / shrunk))
    return ends


def _floor_start(rows: Numbers, foot: int) -> int | None:
    """Return the first of the rows, from the horizon down, that looks like those from `foot` on and unlike the wall."""
    behind, floor, wall = rows[:foot], rows[foot - 1 :], np.median(rows[:3], axis=0)
    if not len(floor):
        return None
    unlike_wall = np.linalg.norm(behind - wall, axis=1) > _STEP
    return _first_run(_like_floor(behind, floor) & unlike_wall)


def wall_distance(pixels: Pixels, camera: Camera) -> float:
    """Return how far the back wall is in cm: where the floor ends in most strips of the photo. Where few strips tell or
    they disagree, it is drawn to WALL_CM."""
    height, width = pixels.shape[:2]
    foot = round(camera.horizon + _MIDDLE_OF_FLOOR * (height - camera.horizon))
    borders = np.linspace(0, width, _STRIPS + 1).astype(int).tolist()
    ends = [floor_end(pixels, camera, strip, foot) for strip in pairwise(borders)]
    distances = np.log([camera.distance(end) for end in ends if end is not None])
    seen = distances[distances < np.log(FARTHEST_WALL_CM)]
    if not len(seen):
        return WALL_CM
    middle = float(np.median(seen))
    spread = 1.5 * float(np.median(np.abs(seen - middle))) + _UNSEEN_ERROR * (1 - len(seen) / _STRIPS)
    trust = _USUAL_ERROR**2 / (_USUAL_ERROR**2 + spread**2)
    return max(float(np.exp(trust * middle + (1 - trust) * np.log(WALL_CM))), _NEAREST_WALL_CM)


def _row_colors(piece: Pixels) -> Numbers:
    """Return the median CIELAB of each row, of at most _ROWS rows."""
    size = (min(32, piece.shape[1]), min(_ROWS, piece.shape[0]))
    small = cv2.resize(piece, size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.array(np.median(lab, axis=1), np.float64)


def _like_floor(rows: Numbers, floor: Numbers) -> NDArray[np.bool_]:
    """Return True for each row that could be of one floor with the first, the middle or the last row of `floor`."""
    samples = evenly_lit(floor[[0, len(floor) // 2, -1]])
    difference = np.abs(evenly_lit(rows)[:, None] - samples)
    tint = np.hypot(difference[..., 1], difference[..., 2])
    return np.array(((tint < _TINT) & (difference[..., 0] < _SHADE)).any(axis=1))


def _first_run(marked: NDArray[np.bool_]) -> int | None:
    """Return the index of the first of _RUN consecutive marked rows, None where there is none."""
    runs = np.convolve(marked, np.ones(_RUN, np.int64), mode="valid") == _RUN
    return int(runs.argmax()) if runs.any() else None


def evenly_lit(colors: Numbers) -> Numbers:
    """Return CIELAB colors with the tint they would have at middle lightness: in the shade it is weaker."""
    return colors * [1, 0, 0] + colors * [0, 50, 50] / np.where(colors[..., :1] > 15, colors[..., :1], 15)
