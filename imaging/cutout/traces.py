"""Finds products that a plain background shows through: clear glass and acrylic leave little but faint, sharp lines."""

import cv2
import numpy as np

from imaging.arrays import connected, dilated, opened
from imaging.cutout.product import reduced
from imaging.picture import Mask, Pixels, size_of

SIDE = 500
"""Pixels of the longer side on which lines are looked for."""

FINE, BROAD = 1.5, 4.0
"""Pixels. Standard deviations of two blurs: across a line the finer one has the steeper slope, across a shadow's edge
both have the same."""

LEAST_SLOPE, NOISE_FACTOR, SHARPNESS = 0.8, 4, 2
"""A line's slope, at least: levels per pixel, times the background's median slope, times the broad blur's slope."""

AWAY = 15
"""Pixels across. The product's own edges are not looked at."""

LEAST_LINE, LEAST_RISE = 0.04, 0.02
"""Shares of the longer side: pixels of a line at least, and its height at least, as floors end in level lines."""

MOST_TRACES = 0.2
"""Pixels of lines per pixel of the product's outline. On the real photos 0.4 and more for glass and acrylic, at most
0.04 for all others."""

LEAST_SPECK = 10
"""Pixels below which a line is grain."""

CLOSED = 0.06
"""Radius of the gaps that are closed, as a share of the longer side: the lines of a jar's sides have such gaps."""

LEAST_PART, THINNEST = 0.1, 9
"""Share of the shape below which a part of it is dropped, and pixels below which it is no more than a line."""


def traced(pixels: Pixels, background: Pixels, product: Mask) -> Mask:
    """Return the shape of a product that extends beyond the part that was found: what this part and the lines around it
    enclose. It is empty if no lines show such a product."""
    seen, plain = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (pixels, background))
    light = reduced(cv2.subtract(seen, plain, dtype=cv2.CV_32F), SIDE)
    found = cv2.resize(product.astype(np.uint8), size_of(light), interpolation=cv2.INTER_AREA) > 0
    fine, broad = (_slope(cv2.GaussianBlur(light, (0, 0), sigma)) for sigma in (FINE, BROAD))
    away = ~dilated(found, AWAY)
    if not away.any():
        return np.zeros_like(product)
    limit = max(LEAST_SLOPE, NOISE_FACTOR * float(np.median(fine[away])))
    lines = (fine > limit) & (fine > SHARPNESS * broad)
    outline = dilated(found, 3) & ~found
    if _long_lines(lines & away) <= MOST_TRACES * outline.sum():
        return np.zeros_like(product)
    shape = _enclosed(found | lines & _of_size(lines, LEAST_SPECK))
    return cv2.resize(shape.astype(np.float32), size_of(product)) > 0.5


def _enclosed(parts: Mask) -> Mask:
    """Return what `parts` enclose once the gaps between them are closed."""
    reach = max(1, round(CLOSED * max(parts.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = np.pad(parts.astype(np.uint8), reach)  # closing reaches across the border
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, disc)[reach:-reach, reach:-reach]
    outlines = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    filled = cv2.drawContours(np.zeros_like(closed), outlines, -1, 1, cv2.FILLED) > 0
    return opened(_of_size(filled, LEAST_PART * filled.sum()), THINNEST)


def _of_size(mask: Mask, least: float) -> Mask:
    """Return the connected regions of at least `least` pixels."""
    labels, area = connected(mask, 8)
    return (area >= max(least, 1))[labels]


def _slope(light: np.ndarray) -> np.ndarray:
    """Return the steepness in levels per pixel; Sobel's kernel sums to 8."""
    return np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)) / 8


def _long_lines(mask: Mask) -> int:
    """Return the number of pixels of all lines that are long enough and not level."""
    labels, area = connected(mask, 8)
    rows = np.nonzero(mask)[0]
    first, last = np.full(area.size, mask.shape[0]), np.full(area.size, -1)
    np.minimum.at(first, labels[mask], rows)
    np.maximum.at(last, labels[mask], rows)
    side = max(mask.shape)
    return int(area[(area >= LEAST_LINE * side) & (last - first >= LEAST_RISE * side)].sum())
