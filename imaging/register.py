"""Where a painted picture stands against the photo it was painted for, to a small part of a pixel.

A diffusion model zooms, shifts and turns the scene a little, relights it and repaints the product: only the structure
of what stayed can be compared. Both pictures are made even in local contrast, and the homography between them is found
by Gauss-Newton over the strongest edges, coarse to fine, in which what does not fit loses its weight.
S. Baker, I. Matthews: Lucas-Kanade 20 Years On, IJCV 56 (2004), inverse compositional; weights of Geman and McClure.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.picture import Box, Mask, Pixels, Size

Numbers = NDArray[np.float64]
Plane = NDArray[np.float32]
Reals = NDArray[np.floating[Any]]

_WORKING_AREA = 1e6  # pixels: what such models paint
_LEVELS = (16, 8, 4, 2, 1)
_NARROWEST = 24  # pixels of a level's short side
_POINTS = 30_000  # with more come weaker edges, and among them the edges of light
_ROW = 256  # cv2.remap takes no more than 32,767 rows
_STEPS = 15
_STILL = 0.003  # pixels: the step that is the last
_SAME_SCENE = 0.6  # correlation; measured: 0.75 and more for one scene, to 0.51 for two rooms built alike
_LOST = 0.5  # half diagonals: a step that no longer follows the scene
_NOISE = 5.0  # grey levels of local contrast that are not made even
_HOMOGRAPHY = np.eye(8)
_SIMILARITY = np.stack([_HOMOGRAPHY[0] + _HOMOGRAPHY[4], _HOMOGRAPHY[3] - _HOMOGRAPHY[1], _HOMOGRAPHY[2], _HOMOGRAPHY[5]], 1)


@dataclass(frozen=True, eq=False)
class Registration:
    """`matrix` (3, 3) takes homogeneous pixels of the photo to those of the painted picture."""

    matrix: Numbers
    photo: Size
    painted: Size
    agreement: float
    """Correlation of the structure under `matrix`, to 1."""

    @property
    def found(self) -> bool:
        """Whether the two show one scene."""
        return self.agreement >= _SAME_SCENE

    @property
    def drift(self) -> tuple[float, float, float]:
        """Shift of the middle in photo pixels, zoom in percent, turn in degrees, beyond the mere change of size."""
        motion = np.linalg.inv(_frame(self.painted, self.photo)) @ self.matrix @ _frame(self.photo, self.photo)
        (a, b, x), (c, d, y) = motion[:2] / motion[2, 2]
        shift = np.hypot(x, y) * np.hypot(*self.photo) / 2
        return float(shift), float(100 * (np.sqrt(abs(a * d - b * c)) - 1)), float(np.degrees(np.arctan2(c - b, a + d)))


@dataclass(frozen=True, eq=False)
class _Edges:
    """The photo's strongest: `places` (3, n) homogeneous in the frame, `values` (n,), and `slopes` (n, 8) of the
    values over the parameters of a homography near none."""

    places: Numbers
    values: Plane
    slopes: Numbers


def register(painted: Pixels, photo: Pixels, ignore: Mask | None = None) -> Registration:
    """Pixels of the photo under `ignore` are not compared. `painted` may have another size."""
    size, working = size_of(photo), working_size(size_of(photo))
    target, source = _grey(photo, working), _grey(painted, working)
    use = np.ones_like(target) if ignore is None else 1 - resized(ignore.astype(np.float32), working)
    motion, agreement = np.eye(3), 0.0
    for level in _LEVELS:
        if level > 1 and min(working) < level * _NARROWEST:
            continue
        small = (round(working[0] / level), round(working[1] / level))
        frame = _frame(small, size)
        edges = _strongest_edges(_structure(resized(target, small)), resized(use, small) > 0.99, frame)
        freedom = _SIMILARITY if level > 2 else _HOMOGRAPHY
        motion, agreement = _refined(motion, edges, _structure(resized(source, small)), frame, freedom)
    matrix = _frame(size_of(painted), size) @ motion @ np.linalg.inv(_frame(size, size))
    return Registration(matrix / matrix[2, 2], size, size_of(painted), agreement)


def only_resized(painted: Size, photo: Size) -> Registration:
    """That of a picture which differs in size alone."""
    return Registration(_frame(painted, photo) @ np.linalg.inv(_frame(photo, photo)), photo, painted, 1.0)


def aligned(painted: Pixels, registration: Registration, size: Size, part: Box | None = None) -> Pixels:
    """`painted` as it lies on the photo at `size`, or that `part` of it. What it does not show is its edge repeated."""
    if size[0] < painted.shape[1]:
        painted = resized(painted, size)
    photo = registration.photo
    to_painted = _frame(size_of(painted), photo) @ np.linalg.inv(_frame(registration.painted, photo))
    to_photo = _frame(photo, photo) @ np.linalg.inv(_frame(size, photo))
    left, top, right, bottom = part or (0, 0, *size)
    to_size = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])
    matrix = to_painted @ registration.matrix @ to_photo @ to_size
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(painted, matrix, (right - left, bottom - top), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def covered(registration: Registration, size: Size) -> Mask:
    """Where `aligned` shows what was painted, and not its edge repeated."""
    right, bottom = registration.painted[0] - 3, registration.painted[1] - 3
    corners = np.array([[[2, 2], [right, 2], [right, bottom], [2, bottom]]], np.float64)
    photo = registration.photo
    to_size = _frame(size, photo) @ np.linalg.inv(registration.matrix @ _frame(photo, photo))
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(cv2.perspectiveTransform(corners, to_size)).astype(np.int32), 1)
    return mask.astype(np.bool_)


def size_of(pixels: Pixels) -> Size:
    return pixels.shape[1], pixels.shape[0]


def working_size(size: Size) -> Size:
    """The size at which pictures are compared: their own, to a megapixel."""
    scale = min(1.0, float(np.sqrt(_WORKING_AREA / (size[0] * size[1]))))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _frame(size: Size, photo: Size) -> Numbers:
    """From the common frame to pixels of `size`: middle at 0, the photo's half diagonal 1 long."""
    half = np.hypot(*photo) / 2
    across, down = half * size[0] / photo[0], half * size[1] / photo[1]
    return np.array([[across, 0, (size[0] - 1) / 2], [0, down, (size[1] - 1) / 2], [0, 0, 1]])


def _structure(grey: Plane) -> Plane:
    """What is finer than light and shadow, of even contrast."""
    soft = cv2.GaussianBlur(grey, (0, 0), 1.0)
    detail = soft - cv2.GaussianBlur(soft, (0, 0), 2.0)
    return detail / cv2.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2.0) + _NOISE**2)


def _strongest_edges(structure: Plane, use: Mask, frame: Numbers) -> _Edges:
    across, down = cv2.Sobel(structure, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(structure, cv2.CV_32F, 0, 1, scale=1 / 8)
    strength = np.where(use, across * across + down * down, 0)
    strength[[0, 1, -2, -1]] = strength[:, [0, 1, -2, -1]] = 0
    weakest = np.partition(strength, -min(_POINTS, strength.size // 4), axis=None)[-min(_POINTS, strength.size // 4)]
    rows, columns = np.nonzero(strength > max(weakest, 1e-9))
    rows, columns = rows[: len(rows) // _ROW * _ROW], columns[: len(rows) // _ROW * _ROW]
    places = np.linalg.inv(frame) @ np.stack([columns, rows, np.ones_like(rows)])
    (x, y, _), a, b = places, across[rows, columns] * frame[0, 0], down[rows, columns] * frame[1, 1]
    along = a * x + b * y
    slopes = np.stack([a * x, a * y, a, b * x, b * y, b, -x * along, -y * along], axis=1)
    return _Edges(places, structure[rows, columns], slopes)


def _refined(motion: Numbers, edges: _Edges, source: Plane, frame: Numbers, freedom: Numbers) -> tuple[Numbers, float]:
    """The motion that takes the edges' places to their likes in `source`, and the correlation there."""
    slopes, agreement = edges.slopes @ freedom, 0.0
    for _ in range(_STEPS):
        values, inside = _values_at(source, frame @ motion @ edges.places)
        if 2 * np.count_nonzero(inside) <= len(inside):
            return motion, 0.0
        agreement = _correlation(values[inside], edges.values[inside])
        error = values - edges.values
        weighted = slopes * (inside * trust(error, error[inside]))[:, None]
        step = freedom @ np.linalg.solve(weighted.T @ slopes + 1e-6 * np.eye(freedom.shape[1]), weighted.T @ error)
        if np.abs(step).max() > _LOST:
            return motion, 0.0
        motion = motion @ np.linalg.inv(np.eye(3) + np.append(step, 0).reshape(3, 3))
        if np.abs(step).max() * frame[0, 0] < _STILL:
            break
    return motion / motion[2, 2], agreement


def _values_at(source: Plane, places: Numbers) -> tuple[Plane, Mask]:
    """Between the pixels, and whether the place lies within the picture."""
    x, y = (places[:2] / places[2]).astype(np.float32)
    values = cv2.remap(source, x.reshape(-1, _ROW), y.reshape(-1, _ROW), cv2.INTER_LINEAR).ravel()
    return values, (x > 2) & (x < source.shape[1] - 3) & (y > 2) & (y < source.shape[0] - 3)


def trust(errors: Reals, typical: Reals) -> Reals:
    """Weights of Geman and McClure, 0 to 1; how far good errors spread is told by the median of the `typical`."""
    spread = 1.4826 * np.median(np.abs(typical)) + 1e-3
    weights: Reals = 1 / (1 + (errors / (2 * spread)) ** 2) ** 2
    return weights


def _correlation(one: Plane, other: Plane) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other) + 1e-9))


def _grey(pixels: Pixels, size: Size) -> Plane:
    return cv2.cvtColor(resized(pixels, size), cv2.COLOR_RGB2GRAY).astype(np.float32)


def resized(plane: NDArray[Any], size: Size) -> NDArray[Any]:
    """As a camera with larger pixels would see it."""
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
