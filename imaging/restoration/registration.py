"""Registers a painted picture to its photo: finds the homography and the color shift of everything that should be
unchanged.

A diffusion model zooms, shifts and turns the scene a little, relights it and repaints the product, so only the
structure of the unchanged parts can be compared. Both pictures are normalized in local contrast, and the homography
between them is found by robust Gauss-Newton over the strongest edges, coarse to fine.

S. Baker, I. Matthews: Lucas-Kanade 20 Years On, IJCV 56 (2004), inverse compositional; weights of Geman and McClure.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers, to_lab
from imaging.picture import Box, Mask, Pixels, Size, scaled_size, size_of
from imaging.resize import averaged

Gray = NDArray[np.float32]
"""One channel of shape (height, width)."""

Levels = NDArray[np.float32]
"""RGB of shape (height, width, 3), 0 to 255."""

_WORKING_AREA = 1e6  # pixels: the size at which such models paint
_LEVELS = (16, 8, 4, 2, 1)  # factors by which the pyramid's levels are reduced
_NARROWEST = 24  # pixels along the short side of the coarsest usable level
_POINTS = 200_000  # edges used; on a bare wall in a blurred picture even weak edges are needed
_ROW = 256  # cv2.remap accepts at most 32,767 rows
_STEPS = 15  # most Gauss-Newton steps per level
_STILL = 0.003  # pixels: a smaller step is the last
_LOST = 0.5  # half diagonals: a larger step no longer follows the scene
_NOISE = 5.0  # gray levels: weaker local contrast is not amplified
_SAME_SCENE = 0.6  # correlation; measured 0.75 and more for one scene, up to 0.51 for two rooms built alike
_SAME_BLURRED = 0.8  # the same at a coarser level, where two rooms reach up to 0.75
_BLURRED = 4  # coarsest level, as a factor, whose agreement is accepted: a painted picture may be that blurred
_FARTHEST = 0.3  # half diagonals: largest drift of a corner
_HOMOGRAPHY = np.eye(8)
_SIMILARITY = np.stack([_HOMOGRAPHY[0] + _HOMOGRAPHY[4], _HOMOGRAPHY[3] - _HOMOGRAPHY[1], *_HOMOGRAPHY[[2, 5]]], axis=1)

_DIMMEST = np.float32(0.3)  # least factor by which colors are divided
_THUMBNAIL = 128  # pixels along the long side at which colors are compared
_PRIOR = np.diag([8.0, 3.0, 0.75, 0.75])  # ridge weight of each term of a color shift, in samples
_DARKEST, _BRIGHTEST = 4, 251  # levels outside which a channel may be clipped


@dataclass(frozen=True, eq=False)
class Registration:
    """Homography `matrix` (3, 3) from homogeneous pixels of the photo to those of the painted picture."""

    matrix: Numbers
    photo: Size
    painted: Size
    agreement: float
    """Correlation of the structure under `matrix`, at most 1."""

    @property
    def found(self) -> bool:
        """Return True if both pictures show the same scene."""
        return self.agreement >= _SAME_SCENE

    @property
    def drift(self) -> tuple[float, float, float]:
        """Return shift of the center in photo pixels, zoom in percent and turn in degrees, without the resize."""
        motion = np.linalg.inv(_frame(self.painted, self.photo)) @ self.matrix @ _frame(self.photo, self.photo)
        (a, b, x), (c, d, y) = motion[:2] / motion[2, 2]
        shift = np.hypot(x, y) * np.hypot(*self.photo) / 2
        return float(shift), float(100 * (np.sqrt(abs(a * d - b * c)) - 1)), float(np.degrees(np.arctan2(c - b, a + d)))

    def between(self, photo: Size, painted: Size) -> "Registration":
        """Return the registration of the same two pictures at other sizes."""
        to_own, to_painted = _rescaling(photo, self.photo), _rescaling(self.painted, painted)
        return Registration(to_painted @ self.matrix @ to_own, photo, painted, self.agreement)


@dataclass(frozen=True, eq=False)
class ColorShift:
    """A color difference: per channel an offset plus a gain that varies linearly over the photo.

    `terms` (3, 4) are, for each channel, offset, gain, and the gain's slope along x and y.
    """

    terms: Numbers
    misfit: float = 0.0
    """Levels by which the colors still differ after correction."""
    distance: float = 0.0
    """Mean CIELAB 1976 distance over the photo."""

    def removed_from(self, pixels: Pixels, size: Size, part: Box) -> Levels:
        """Return `pixels`, which are `part` of a picture of `size`, without the color shift."""
        x, y = _places(size, part)
        channels = [
            (levels - 255 * level) / np.maximum(1 + share + share_x * x + share_y * y, _DIMMEST)
            for levels, (level, share, share_x, share_y) in zip(
                cv2.split(pixels), self.terms.astype(np.float32), strict=True
            )
        ]
        return np.asarray(cv2.merge(channels), np.float32)


@dataclass(frozen=True, eq=False)
class _Edges:
    """The photo's strongest edges.

    `places` (3, n) are homogeneous positions in the frame, `values` (n,) the structure there, `slopes` (n, 8) its
    derivatives by the parameters of a homography at the identity.
    """

    places: Numbers
    values: Gray
    slopes: Numbers


@dataclass(frozen=True, eq=False)
class _Level:
    """The structure of both pictures at one size: the photo's `own` and the painted picture's `seen`.

    `freedom` (8, n) spans the motions allowed at this level; `least` is the agreement that proves the same scene.
    """

    own: Gray
    seen: Gray
    edges: _Edges
    frame: Numbers
    freedom: Numbers
    least: float


def register(painted: Pixels, photo: Pixels, ignore: Mask | None = None) -> Registration:
    """Return the registration of `painted` to `photo`.

    `painted` and `ignore` may have other sizes than the photo; pixels under `ignore` are not compared. If no common
    structure is found, the result is `only_resized`.
    """
    size, working = size_of(photo), working_size(size_of(photo))
    target, source = _gray(photo, working), _gray(painted, working)
    use = np.ones_like(target) if ignore is None else (~touched(ignore, working)).astype(np.float32)
    pyramid = [
        _level(target, source, use, _frame((round(working[0] / level), round(working[1] / level)), size), level)
        for level in _LEVELS
        if level == 1 or min(working) >= level * _NARROWEST
    ]
    motion, agreement = _followed(np.eye(3), pyramid)
    if not agreement:
        motion, agreement = _followed(_shift(pyramid[len(pyramid) // 2]), pyramid)
    matrix = _frame(size_of(painted), size) @ motion @ np.linalg.inv(_frame(size, size))
    return Registration(matrix / matrix[2, 2], size, size_of(painted), agreement)


def only_resized(painted: Size, photo: Size) -> Registration:
    """Return the registration of a picture that differs from the photo by scale only."""
    return Registration(_rescaling(photo, painted), photo, painted, 1.0)


def aligned(painted: NDArray[Any], registration: Registration, size: Size, part: Box | None = None) -> NDArray[Any]:
    """Return `painted` warped onto the photo at `size`, or that `part` of it; its edge is repeated beyond its borders.

    Both pictures may have other sizes than at the registration.
    """
    if painted.shape[1] > 1.5 * size[0]:
        painted = averaged(painted, size)
    left, top, right, bottom = part or (0, 0, *size)
    matrix = registration.between(size, size_of(painted)).matrix @ [[1, 0, left], [0, 1, top], [0, 0, 1]]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(
        painted, matrix, (right - left, bottom - top), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def covered(registration: Registration, size: Size) -> Mask:
    """Return where `aligned` shows the painted picture and not its repeated edge."""
    right, bottom = registration.painted[0] - 3, registration.painted[1] - 3
    corners = np.array([[[2, 2], [right, 2], [right, bottom], [2, bottom]]], np.float64)
    back = np.linalg.inv(registration.between(size, registration.painted).matrix)
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(cv2.perspectiveTransform(corners, back)).astype(np.int32), 1)
    return mask.astype(np.bool_)


def color_shift(own: Pixels, seen: Pixels, usual: Mask) -> ColorShift:
    """Return the color shift from the photo to the aligned picture over the `usual` pixels, which should be equal."""
    scale = min(1.0, _THUMBNAIL / max(usual.shape))
    size = scaled_size(size_of(usual), scale)
    part = (0, 0, *size)
    own, seen, usual = averaged(own, size), averaged(seen, size), ~touched(~usual, size)
    terms = np.stack([_shift_terms(own[..., channel], seen[..., channel], usual) for channel in range(3)])
    corrected = ColorShift(terms).removed_from(seen, size, part)
    misfit = robust_deviation(cv2.absdiff(corrected, own.astype(np.float32))[usual])
    distance = np.linalg.norm(to_lab(corrected.clip(0, 255)) - to_lab(seen), axis=2).mean()
    return ColorShift(terms, misfit, float(distance))


def _shift_terms(own: NDArray[np.uint8], seen: NDArray[np.uint8], usual: Mask) -> Numbers:
    """Return the terms (4,) of one channel by robust least squares.

    All levels count alike however frequent they are, since the product may be darker or brighter than most of the room.
    """
    known = usual & (np.minimum(own, seen) > _DARKEST) & (np.maximum(own, seen) < _BRIGHTEST)
    if not known.any():
        return np.zeros(4)
    x, y = (np.broadcast_to(place, own.shape)[known] for place in _places(size_of(own), (0, 0, *size_of(own))))
    levels, wanted = own[known] / 255, (seen[known].astype(np.float64) - own[known]) / 255
    terms = np.stack([np.ones_like(levels), levels, levels * x, levels * y], axis=1)
    shade = own[known] // 16
    rarity = 1 / np.maximum(np.bincount(shade, minlength=16), 20)[shade]
    rarity *= len(rarity) / rarity.sum()
    solution = np.zeros(4)
    for _ in range(_STEPS):
        errors = wanted - terms @ solution
        weighted = terms * (rarity * _trust(errors, robust_deviation(errors)))[:, None]
        solution = np.linalg.solve(weighted.T @ terms + _PRIOR, weighted.T @ wanted)
    return solution


def working_size(size: Size) -> Size:
    """Return the size at which pictures are compared: their own, at most a megapixel."""
    scale = min(1.0, float(np.sqrt(_WORKING_AREA / (size[0] * size[1]))))
    return scaled_size(size, scale)


def touched(mask: Mask, size: Size) -> Mask:
    """Return the pixels of a picture of `size` that the mask touches."""
    return averaged(mask.astype(np.uint8) * 255, size) > 0


def robust_deviation(errors: NDArray[Any]) -> float:
    """Return the standard deviation without outliers, from the median (P. Huber: Robust Statistics, 1981)."""
    return 1.4826 * float(np.median(np.abs(errors))) if errors.size else 0.0


def _trust(errors: NDArray[Any], usual: float) -> NDArray[Any]:
    """Return the weights of Geman and McClure, 0 to 1."""
    weights: NDArray[Any] = 1 / (1 + (errors / (2 * usual + 1e-3)) ** 2) ** 2
    return weights


def _frame(size: Size, photo: Size) -> Numbers:
    """Return the matrix from the common frame to pixels of `size`. The frame's origin is the middle, and its unit the
    photo's half diagonal."""
    half = np.hypot(*photo) / 2
    across, down = half * size[0] / photo[0], half * size[1] / photo[1]
    return np.array([[across, 0, (size[0] - 1) / 2], [0, down, (size[1] - 1) / 2], [0, 0, 1]])


def _rescaling(size: Size, other: Size) -> Numbers:
    """Return the matrix from pixels of a picture to pixels of the same picture at another size, as cv2.resize scales
    it."""
    across, down = other[0] / size[0], other[1] / size[1]
    return np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])


def _places(size: Size, part: Box) -> tuple[Gray, Gray]:
    """Return x (1, width) and y (height, 1) of a part's pixels, -0.5 to 0.5 over the whole."""
    left, top, right, bottom = part
    x, y = (np.arange(left, right) + 0.5) / size[0] - 0.5, (np.arange(top, bottom) + 0.5) / size[1] - 0.5
    return x[None, :].astype(np.float32), y[:, None].astype(np.float32)


def _gray(pixels: Pixels, size: Size) -> Gray:
    return cv2.cvtColor(averaged(pixels, size), cv2.COLOR_RGB2GRAY).astype(np.float32)


def structure(gray: Gray) -> Gray:
    """Return the detail finer than light and shadow, normalized in local contrast."""
    soft = cv2.GaussianBlur(gray, (0, 0), 1.0)
    detail = soft - cv2.GaussianBlur(soft, (0, 0), 2.0)
    return detail / cv2.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2.0) + _NOISE**2)


def _strongest_edges(structure: Gray, use: Mask, frame: Numbers) -> _Edges:
    across, down = (
        cv2.Sobel(structure, cv2.CV_32F, 1, 0, scale=1 / 8),
        cv2.Sobel(structure, cv2.CV_32F, 0, 1, scale=1 / 8),
    )
    strength = np.where(use, across * across + down * down, 0)
    strength[:2] = strength[-2:] = strength[:, :2] = strength[:, -2:] = 0
    rank = -min(_POINTS, strength.size // 4)
    rows, columns = np.nonzero(strength > max(1e-9, np.partition(strength, rank, axis=None)[rank]))
    rows, columns = rows[: len(rows) // _ROW * _ROW], columns[: len(rows) // _ROW * _ROW]
    places = np.asarray(np.linalg.inv(frame) @ np.stack([columns, rows, np.ones_like(rows)]), np.float64)
    (x, y, _), a, b = places, across[rows, columns] * frame[0, 0], down[rows, columns] * frame[1, 1]
    along = a * x + b * y
    slopes = np.stack([a * x, a * y, a, b * x, b * y, b, -x * along, -y * along], axis=1)
    return _Edges(places, structure[rows, columns], slopes)


def _level(target: Gray, source: Gray, use: Gray, frame: Numbers, shrink: int) -> _Level:
    small = (round(target.shape[1] / shrink), round(target.shape[0] / shrink))
    own, seen = structure(averaged(target, small)), structure(averaged(source, small))
    compared = averaged(use, small) > 0.99
    freedom = _SIMILARITY if shrink > 2 else _HOMOGRAPHY
    least = _SAME_SCENE if shrink == 1 else _SAME_BLURRED if shrink <= _BLURRED else np.inf
    return _Level(own * compared, seen, _strongest_edges(own, compared, frame), frame, freedom, least)


def _followed(motion: Numbers, pyramid: list[_Level]) -> tuple[Numbers, float]:
    """Return motion and agreement, refined from coarse to fine as far as the painted picture is sharp.

    The agreement is 0 if no level shows the same scene.
    """
    known, agreement = np.eye(3), 0.0
    for level in pyramid:
        motion, agreed = _refined(motion, level)
        if agreed >= level.least and _is_near(motion):
            known, agreement = motion, agreed
    return known, agreement


def _is_near(motion: Numbers) -> bool:
    """Return True if the motion moves the frame's corners no farther than a drift does."""
    corners = np.array([[-0.8, 0.8, 0.8, -0.8], [-0.6, -0.6, 0.6, 0.6], [1, 1, 1, 1]])
    moved = motion @ corners
    return bool((np.linalg.norm(moved[:2] / moved[2] - corners[:2], axis=0) < _FARTHEST).all())


def _shift(level: _Level) -> Numbers:
    """Return the translation, of any length, with the largest phase correlation of the whole structure."""
    if min(level.own.shape) < _NARROWEST:
        return np.eye(3)
    window = cv2.createHanningWindow(size_of(level.own), cv2.CV_32F)
    (across, down), _ = cv2.phaseCorrelate(level.own, level.seen, window)
    return np.array([[1, 0, across / level.frame[0, 0]], [0, 1, down / level.frame[1, 1]], [0, 0, 1]])


def _refined(motion: Numbers, level: _Level) -> tuple[Numbers, float]:
    """Return the motion that best maps the photo's edges to the painted picture, and the correlation there."""
    edges, frame, freedom = level.edges, level.frame, level.freedom
    slopes, agreement = edges.slopes @ freedom, 0.0
    for _ in range(_STEPS if len(slopes) else 0):
        values, inside = _values_at(level.seen, frame @ motion @ edges.places)
        if 2 * np.count_nonzero(inside) <= len(inside):
            return motion, 0.0
        agreement = correlation(values[inside], edges.values[inside])
        errors = values - edges.values
        weighted = slopes * (inside * _trust(errors, robust_deviation(errors[inside])))[:, None]
        step = freedom @ np.linalg.solve(weighted.T @ slopes + 1e-6 * np.eye(freedom.shape[1]), weighted.T @ errors)
        if np.abs(step).max() > _LOST:
            return motion, 0.0
        motion = motion @ np.linalg.inv(np.eye(3) + np.append(step, 0).reshape(3, 3))
        if np.abs(step).max() * frame[0, 0] < _STILL:
            break
    return motion / motion[2, 2], agreement


def _values_at(source: Gray, places: Numbers) -> tuple[Gray, Mask]:
    """Return interpolated values at `places`, and which places lie inside the picture."""
    x, y = (places[:2] / places[2]).astype(np.float32)
    values = cv2.remap(source, x.reshape(-1, _ROW), y.reshape(-1, _ROW), cv2.INTER_LINEAR)
    return np.asarray(values, np.float32).ravel(), (x > 2) & (x < source.shape[1] - 3) & (y > 2) & (
        y < source.shape[0] - 3
    )


def correlation(one: Gray, other: Gray) -> float:
    """Return the cosine similarity of two arrays of zero mean, -1 to 1."""
    return float(one @ other / np.sqrt((one @ one) * (other @ other) + 1e-9))
