"""Soft edges within a pixel, and edge colors freed of the background that shone through them."""

from typing import NamedTuple, cast

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from imaging.arrays import dilated, square
from imaging.picture import Mask, Pixels, Weights

RIM = 4
"""Pixels inside the outline that may be a mix of product and background."""

LEAST_MIX, MIX_RANGE = 0.04, 0.9
"""Mixes from 0.04 to 0.94 are stretched to alpha 0 to 1: noise and the blur of both estimates never reach the ends."""

CLEAR = 25
"""Levels, Euclidean over the channels: a rim pixel whose product differs by more from the background is clear."""

CORE_REACH = 8
"""Pixels. If no core lies this close, the product is too thin to have one."""


class Matte(NamedTuple):
    """Straight color, alpha, and the share of the outline, 0 to 1, where product and background differ clearly."""

    color: Pixels
    alpha: Weights
    clear: float


def matte(pixels: Pixels, product: Mask) -> Matte:
    """Return soft edges for `product`, which holds every pixel that is not wholly background.

    Each pixel of its rim is taken for a mix of the background beside it and the product behind it. The mix is its
    alpha, and the background's part of its color is replaced by more of the product.
    """
    core = ~dilated(~product, 2 * RIM + 1)
    rim = product & ~core
    gap = cv2.subtract(pixels, _behind(pixels, product), dtype=cv2.CV_32F)
    front = _front(gap, product, core)[rim]
    strength = np.square(front).sum(axis=1)
    mix = ((gap[rim] * front).sum(axis=1) / strength.clip(1) - LEAST_MIX) / MIX_RANGE
    alpha = product.astype(np.float32)
    alpha[rim] = mix.clip(0, 1)
    color = pixels.copy()
    color[rim] = np.rint(pixels[rim] + (1 - alpha[rim])[:, None] * front).clip(0, 255)
    clear = float((strength > CLEAR**2).mean()) if rim.any() else 1.0
    return Matte(spread(color, alpha > 0.05), alpha, clear)


def _behind(pixels: Pixels, product: Mask) -> MatLike:
    """Return the background's color, continued behind the product."""
    background = ~dilated(product, 7)
    return cv2.blur(spread(pixels, background), (9, 9)) if background.any() else pixels


def _front(gap: MatLike, product: Mask, core: Mask) -> MatLike:
    """Return how the product at each pixel differs from the background, (height, width, 3) in levels.

    That is the difference of the nearest core. Where the product is too thin to have one, it is the pixel's own
    direction, as strong as in any pixel close by.
    """
    strength = np.linalg.norm(gap, axis=2)
    nearby = cv2.dilate(strength * product, square(5))
    own = gap * (nearby / strength.clip(1e-3))[..., None]
    if not core.any():
        return cast(MatLike, own)
    distance, nearest = nearest_in(core)
    inner = cv2.blur(gap.reshape(-1, 3)[nearest], (5, 5))
    return np.where((distance > CORE_REACH)[..., None], own, inner)


def spread(pixels: Pixels, known: Mask) -> Pixels:
    """Return `pixels` with every pixel in the color of the nearest known one."""
    return pixels.reshape(-1, 3)[nearest_in(known)[1]]


def nearest_in(known: Mask) -> tuple[MatLike, NDArray[np.intp]]:
    """Return each pixel's distance to the nearest known one, and that one's index in the flattened picture."""
    unknown = (~known).astype(np.uint8)
    distance, cell = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    place = np.zeros(cell.max() + 1, np.intp)
    place[cell[known]] = np.flatnonzero(known)
    return distance, cast(NDArray[np.intp], place[cell])
