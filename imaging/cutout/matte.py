"""Soft edges within a pixel, and edge colors freed of the background that shone through them."""

from typing import NamedTuple, cast

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from imaging.arrays import Field, dilated, square
from imaging.picture import Mask, Pixels, Weights

RIM, SHARPEST = 4, 2
"""Pixels inside the outline that may be a mix of product and background: at most, and in the sharpest photos."""

SOLID = 0.98
"""Median share of the product, once stretched, in pixels behind the rim."""

LEAST_MIX, MIX_RANGE = 0.04, 0.9
"""Mixes from 0.04 to 0.94 are stretched to alpha 0 to 1: noise and the blur of both estimates never reach the ends."""

CLEAR = 25
"""Levels, Euclidean over the channels: a rim pixel whose product differs by more from the background is clear."""


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
    gap = cv2.subtract(pixels, _behind(pixels, product), dtype=cv2.CV_32F)
    own = _own_front(gap, product)
    rim = _Rim.of(gap, own, product, RIM)
    if (width := rim.blur(product)) < RIM:
        rim = _Rim.of(gap, own, product, width)
    alpha = product.astype(np.float32)
    alpha[rim.where] = rim.mix.clip(0, 1)
    color = pixels.copy()
    color[rim.where] = np.rint(pixels[rim.where] + (1 - alpha[rim.where])[:, None] * rim.front).clip(0, 255)
    clear = float(rim.is_clear.mean()) if rim.where.any() else 1.0
    return Matte(spread(color, alpha > 0.05), alpha, clear)


class _Rim(NamedTuple):
    """The pixels that may be a mix, (height, width), and for each of them the difference between product and
    background, (n, 3) in levels, the product's share in the mix, and whether a core is near, (n,)."""

    where: Mask
    front: Field
    mix: Field
    near_core: NDArray[np.bool_]

    @classmethod
    def of(cls, gap: MatLike, own: MatLike, product: Mask, width: int) -> "_Rim":
        core = ~dilated(~product, 2 * width + 1)
        where = product & ~core
        fronts, near_core = _front(gap, own, core, 2 * width - 1)
        front = fronts[where]
        mix = ((gap[where] * front).sum(axis=1) / np.square(front).sum(axis=1).clip(1) - LEAST_MIX) / MIX_RANGE
        return cls(where, cast(Field, front), mix, near_core[where])

    @property
    def is_clear(self) -> NDArray[np.bool_]:
        return np.asarray(np.square(self.front).sum(axis=1) > CLEAR**2)

    def blur(self, product: Mask) -> int:
        """Return the width in pixels that the rim needs: behind it most pixels are all product."""
        depth = cv2.distanceTransform(product.astype(np.uint8), cv2.DIST_L2, 5)[self.where]
        certain = self.near_core & self.is_clear
        for width in range(SHARPEST, RIM):
            behind = self.mix[certain & (np.abs(depth - width - 1) <= 0.5)]
            if len(behind) and np.median(behind) > SOLID:
                return width
        return RIM


def _behind(pixels: Pixels, product: Mask) -> MatLike:
    """Return the background's color, continued behind the product."""
    background = ~dilated(product, 7)
    return cv2.blur(spread(pixels, background), (9, 9)) if background.any() else pixels


def _own_front(gap: MatLike, product: Mask) -> MatLike:
    """Return each pixel's own difference from the background, as strong as in any product pixel close by."""
    strength = np.linalg.norm(gap, axis=2)
    nearby = cv2.dilate(strength * product, square(5))
    return cast(MatLike, gap * (nearby / strength.clip(1e-3))[..., None])


def _front(gap: MatLike, own: MatLike, core: Mask, reach: int) -> tuple[MatLike, Mask]:
    """Return how the product at each pixel differs from the background, (height, width, 3) in levels, and where a core
    lies within `reach` pixels.

    There it is the difference of the nearest core. Elsewhere the product is too thin to have one, and it is `own`.
    """
    if not core.any():
        return own, core
    distance, nearest = nearest_in(core)
    inner = cv2.blur(gap.reshape(-1, 3)[nearest], (5, 5))
    near = np.asarray(distance <= reach)
    return np.where(near[..., None], inner, own), near


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
