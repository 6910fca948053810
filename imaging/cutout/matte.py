"""Where a product ends within a pixel: soft edges, and colors freed of the ground that shone through them."""

from typing import NamedTuple, cast

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from imaging.picture import Mask, Pixels, Weights


class Matte(NamedTuple):
    """Straight color, alpha, and the share of the outline, 0 to 1, where product and ground differ clearly."""

    color: Pixels
    alpha: Weights
    clear: float


def matte(pixels: Pixels, product: Mask) -> Matte:
    """`product` holds every pixel that is not all ground.

    Each pixel of its rim, 4 pixels wide, is taken for a mix of the ground beside it and the product behind it; the mix
    is its alpha, and what the ground added is replaced by more of the product.
    """
    core = ~dilated(~product, 9)
    rim = product & ~core
    gap = cv2.subtract(pixels, _behind(pixels, product), dtype=cv2.CV_32F)
    front = _front(gap, product, core)[rim]
    strength = np.square(front).sum(axis=1)
    mix = ((gap[rim] * front).sum(axis=1) / strength.clip(1) - 0.04) / 0.9
    alpha = product.astype(np.float32)
    alpha[rim] = mix.clip(0, 1)
    color = pixels.copy()
    color[rim] = np.rint(pixels[rim] + (1 - alpha[rim])[:, None] * front).clip(0, 255)
    clear = float((strength > 25**2).mean()) if rim.any() else 1.0
    return Matte(spread(color, alpha > 0.05), alpha, clear)


def _behind(pixels: Pixels, product: Mask) -> MatLike:
    ground = ~dilated(product, 7)
    return cv2.blur(spread(pixels, ground), (9, 9)) if ground.any() else pixels


def _front(gap: MatLike, product: Mask, core: Mask) -> MatLike:
    """How the product at each pixel differs from the ground: as the nearest core does, or where the product is too
    thin to have one, in the pixel's own direction as far as any pixel close by."""
    strength = np.linalg.norm(gap, axis=2)
    nearby = cv2.dilate(strength * product, square(5))
    own = gap * (nearby / strength.clip(1e-3))[..., None]
    if not core.any():
        return cast(MatLike, own)
    distance, nearest = nearest_in(core)
    inner = cv2.blur(gap.reshape(-1, 3)[nearest], (5, 5))
    return np.where((distance > 8)[..., None], own, inner)


def spread(pixels: Pixels, known: Mask) -> Pixels:
    """Every pixel in the color of the nearest known one."""
    return pixels.reshape(-1, 3)[nearest_in(known)[1]]


def nearest_in(known: Mask) -> tuple[MatLike, NDArray[np.intp]]:
    """For every pixel the distance to the nearest known one, and that one's place in the flattened picture."""
    unknown = (~known).astype(np.uint8)
    distance, cell = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    place = np.zeros(cell.max() + 1, np.intp)
    place[cell[known]] = np.flatnonzero(known)
    return distance, cast(NDArray[np.intp], place[cell])


def dilated(mask: Mask, side: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), square(side)) > 0


def square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)
