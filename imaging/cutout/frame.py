"""Finds the picture inside a picture: studio shots with bars around them, and opaque cards with an alpha channel."""

import cv2
import numpy as np

from imaging.cutout.product import Channel
from imaging.picture import Box, Mask, Pixels, bounds, strongest

BAR_LEVELS = 3
"""Levels within which every pixel of a bar has one color."""

LEAST_BAR = 0.015
"""Share of the picture's side that a bar takes at least."""

CUT_LEVELS, CUT_SHARE = 4, 0.97
"""The first row inside a bar differs from it by more than this in this share of its pixels: a photo's straight edge."""

CARD_FILL = 0.97
"""Share of its bounding box that an opaque card fills: rounded corners take less than 3 %."""

CARD_WHITE, CARD_INSET = 250, 0.04
"""Levels that every channel of a card's rim reaches, and the width of the rim, as a share of its shorter side."""

OPAQUE = 250


def inside_bars(pixels: Pixels) -> Box | None:
    """Return the box of the photo between bars of one color, on two opposite sides or all four; None without bars.

    A product that ends in straight edges at the same places looks the same: the caller has to look inside.
    """
    height, width = pixels.shape[:2]
    far = strongest(cv2.absdiff(pixels, np.broadcast_to(pixels[0, 0], pixels.shape)))
    left, top, right, bottom = box = bounds(far > BAR_LEVELS)
    if left == right:
        return None
    bars = (
        left >= LEAST_BAR * width,
        top >= LEAST_BAR * height,
        width - right >= LEAST_BAR * width,
        height - bottom >= LEAST_BAR * height,
    )
    if not ((bars[0] and bars[2]) or (bars[1] and bars[3])):
        return None
    cut = far[top:bottom, left:right] > CUT_LEVELS
    rims = cut[:, :3].any(axis=1), cut[:3].any(axis=0), cut[:, -3:].any(axis=1), cut[-3:].any(axis=0)
    straight = all(rim.mean() >= CUT_SHARE for rim, bar in zip(rims, bars, strict=True) if bar)
    return box if straight else None


def card(pixels: Pixels, alpha: Channel) -> Box | None:
    """Return the box of an opaque white card, whose alpha only rounds its corners or adds a margin; else None.

    A white product that was cut out has shading or a shape at its rim.
    """
    box = bounds(alpha >= OPAQUE)
    left, top, right, bottom = box
    inside = alpha[top:bottom, left:right] >= OPAQUE
    if not inside.size or inside.mean() < CARD_FILL:
        return None
    rim = inside & _rim(inside.shape)
    white = 255 - strongest(255 - pixels[top:bottom, left:right]) >= CARD_WHITE
    return box if white[rim].all() else None


def _rim(shape: tuple[int, ...]) -> Mask:
    width = max(2, round(CARD_INSET * min(shape)))
    rim = np.ones(shape, bool)
    rim[width:-width, width:-width] = False
    return rim
