"""The plain background of a product photo: white, gray, colored, with a gradient or a vignette."""

from typing import cast

import cv2
import numpy as np
from cv2.typing import MatLike

from imaging.arrays import Field, to_lab
from imaging.picture import Mask, Pixels

SIDE = 96
"""Pixels. The surface is fitted to the picture reduced to this many columns and rows."""

PLAIN = 0.6
"""Share of the border that lies on one surface if the background is plain."""

TOLERANCES = (25, 12, 8, 5)
"""CIELAB distances within which border pixels join each fit in turn, so that products at the border drop out."""

ON_SURFACE = 4
"""CIELAB distance within which a border pixel lies on the fitted surface."""

EVEN = 0.1
"""Mean square CIELAB distance below which the border has a single color."""

LEAST_SPREAD, SPREAD_FACTOR = 0.7, 2.5
"""CIELAB distance of pixels that join the fit inside the border: at least, and times the border's own deviation."""

GROWTH_STEPS = 5
"""Fits after which the surface no longer changes."""


def find_background(pixels: Pixels) -> Pixels | None:
    """Return the background as it would be without the product, or None if there is no plain one.

    It is a smooth surface in CIELAB, fitted to the picture's border and continued inwards.
    """
    height, width = pixels.shape[:2]
    lab = to_lab(cv2.resize(pixels, (min(width, SIDE), min(height, SIDE)), interpolation=cv2.INTER_AREA))
    border = np.ones(lab.shape[:2], bool)
    border[1:-1, 1:-1] = False
    surface = _surface(lab, border)
    if surface is None:
        return None
    rgb = cv2.cvtColor(surface.astype(np.float32), cv2.COLOR_Lab2RGB).clip(0, 1)
    return cast(Pixels, cv2.resize(np.rint(255 * rgb).astype(np.uint8), (width, height)))


def _surface(lab: MatLike, border: Mask) -> MatLike | None:
    """Return the surface: one color if the border has one, else bent; products at the border drop out step by step."""
    even = np.broadcast_to(np.median(lab[border], axis=0), lab.shape)
    bent = even
    for tolerance in TOLERANCES:
        bent = _fitted(lab, border & (_distance(lab, bent) < tolerance), degree=2)
    plain = border & (_distance(lab, bent) < ON_SURFACE)
    if plain.sum() < PLAIN * border.sum():
        return None
    if np.square(_distance(lab, even)[plain]).mean() < EVEN:
        return even
    return _grown(lab, bent, float(np.square(_distance(lab, bent)[plain]).mean()))


def _grown(lab: MatLike, surface: MatLike, variance: float) -> MatLike:
    """Return the surface refitted from the border inwards, as far as the background continues."""
    tolerance = max(LEAST_SPREAD, SPREAD_FACTOR * variance**0.5)
    for _ in range(GROWTH_STEPS):
        surface = _fitted(lab, _distance(lab, surface) < tolerance, degree=4)
    return surface


def _fitted(lab: MatLike, known: Mask, degree: int) -> MatLike:
    """Return the polynomial in x and y that fits the known pixels best, by least squares."""
    y, x = np.mgrid[-1 : 1 : lab.shape[0] * 1j, -1 : 1 : lab.shape[1] * 1j]
    terms = np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=2)
    given = terms[known]
    return cast(MatLike, terms @ np.linalg.lstsq(given.T @ given, given.T @ lab[known], rcond=None)[0])


def _distance(lab: MatLike, other: MatLike) -> Field:
    return cast(Field, np.linalg.norm(lab - other, axis=2))
