"""Cuts a product out by the alpha channel of its picture."""

from typing import cast

import cv2
import numpy as np

from imaging.arrays import connected, dilated, opened
from imaging.cutout.matte import spread
from imaging.cutout.product import LONGEST_SIDE, Channel, CutOut, box_around, cropped, reduced
from imaging.picture import Pixels, strongest

CLEAR_SHARE = 0.01
"""Share of transparent pixels from which an alpha channel is taken for an outline."""

OPAQUE = 128
"""Alpha from which a pixel does not count as transparent."""

VISIBLE = 8
"""Alpha up to which a pixel is invisible, 3 %."""

KNOWN_COLOR = 32
"""Alpha above which a pixel's color is reliable; fainter ones are often filled with anything by image tools."""

BLACK = 48
"""Levels. The color of a baked-in shadow is darker than this in every channel."""

SHADOW_GAP, SHADOW_GROWTH = 5, 9
"""Pixels: a baked-in shadow is at least this wide away from the product, and is removed with this margin."""


def is_outline(alpha: Channel) -> bool:
    """Return True if `alpha` clears more than specks.

    The alpha of a tightly cropped box clears little more than all four corners, or two neighboring ones if it is seen
    from above.
    """
    clear = alpha < OPAQUE
    corners = clear[np.ix_((0, -1), (0, -1))]
    return bool(clear.mean() >= CLEAR_SHARE or corners.all(axis=0).any() or corners.all(axis=1).any())


def by_alpha(pixels: Pixels, alpha: Channel) -> CutOut:
    """Return the product that `alpha` outlines. Confidence is 1, less if even the mean opacity is below one half."""
    alpha = _without_haze(pixels, alpha)
    box = box_around(alpha > VISIBLE)
    color, alpha = _reduced_together(cropped(pixels, box), cropped(alpha, box))
    opacity = float(alpha[alpha > VISIBLE].mean()) / 255
    known = alpha > min(KNOWN_COLOR, int(alpha.max()) // 2)
    return CutOut(spread(color, known), alpha.astype(np.float32) / np.float32(255), min(1.0, 2 * opacity))


def _without_haze(pixels: Pixels, alpha: Channel) -> Channel:
    """Return `alpha` without faint specks and without a baked-in shadow, which is black, faint and soft.

    Specks are regions that are nowhere half as opaque as the most opaque pixel, so an evenly faint product is kept.
    """
    solid = alpha >= max(1, int(alpha.max()) // 2)
    parts, area = connected(alpha > VISIBLE, 8)
    kept = np.zeros(area.size, bool)
    kept[parts[solid]] = True
    kept[0] = False
    dark = kept[parts] & ~solid & (strongest(pixels) < BLACK)
    shadow = dark & dilated(opened(dark & ~dilated(solid, SHADOW_GAP), SHADOW_GAP), SHADOW_GROWTH)
    return np.where(kept[parts] & ~shadow, alpha, 0).astype(np.uint8)


def _reduced_together(pixels: Pixels, alpha: Channel) -> tuple[Pixels, Channel]:
    if max(alpha.shape) <= LONGEST_SIDE:
        return pixels, alpha
    weighted = reduced(cv2.multiply(pixels, cv2.merge([alpha] * 3), scale=1 / 255))
    alpha = reduced(alpha)
    return cast(Pixels, cv2.divide(weighted, cv2.merge([alpha] * 3), scale=255)), alpha
