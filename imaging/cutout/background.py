"""The plain ground of a product photo: white, gray, colored, with a gradient or a vignette."""

from typing import cast

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from imaging.picture import Mask, Pixels

Numbers = NDArray[np.floating]

_SIDE = 96
_PLAIN = 0.6  # of the border's pixels lie on one surface where the ground is plain


def find_background(pixels: Pixels) -> Pixels | None:
    """The ground as it would be without the product, a smooth surface in CIELAB; None where there is no plain one."""
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (min(width, _SIDE), min(height, _SIDE)), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    border = np.ones(lab.shape[:2], bool)
    border[1:-1, 1:-1] = False
    surface = _surface(lab, border)
    if surface is None:
        return None
    rgb = cv2.cvtColor(surface.astype(np.float32), cv2.COLOR_Lab2RGB).clip(0, 1)
    return cast(Pixels, cv2.resize(np.rint(255 * rgb).astype(np.uint8), (width, height)))


def _surface(lab: MatLike, border: Mask) -> MatLike | None:
    """Even where the border is, else bent; products that touch the border are left aside step by step."""
    even = np.broadcast_to(np.median(lab[border], axis=0), lab.shape)
    bent = even
    for tolerance in (25, 12, 8, 5):
        bent = _fitted(lab, border & (_apart(lab, bent) < tolerance), degree=2)
    plain = border & (_apart(lab, bent) < 4)
    if plain.sum() < _PLAIN * border.sum():
        return None
    if np.square(_apart(lab, even)[plain]).mean() < 0.1:
        return even
    return _grown(lab, bent, float(np.square(_apart(lab, bent)[plain]).mean()))


def _grown(lab: MatLike, surface: MatLike, scatter: float) -> MatLike:
    """The surface carried from the border inwards, as far as the ground goes on."""
    tolerance = max(0.7, 2.5 * scatter**0.5)
    for _ in range(5):
        surface = _fitted(lab, _apart(lab, surface) < tolerance, degree=4)
    return surface


def _fitted(lab: MatLike, known: Mask, degree: int) -> MatLike:
    """The polynomial in x and y that fits the known pixels best."""
    y, x = np.mgrid[-1 : 1 : lab.shape[0] * 1j, -1 : 1 : lab.shape[1] * 1j]
    terms = np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=2)
    given = terms[known]
    return cast(MatLike, terms @ np.linalg.lstsq(given.T @ given, given.T @ lab[known], rcond=None)[0])


def _apart(lab: MatLike, other: MatLike) -> Numbers:
    return cast(Numbers, np.linalg.norm(lab - other, axis=2))
