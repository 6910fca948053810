"""Brings a painted picture back into the photo it was painted for: what had no reason to change is the photo's own."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.picture import Box, Mask, Pixels, Size, Weights
from imaging.register import (
    Numbers,
    Registration,
    aligned,
    covered,
    only_resized,
    register,
    resized,
    size_of,
    trust,
    working_size,
)

Levels = NDArray[np.float32]
"""(height, width, 3), 0 to 255."""

# Lengths are in pixels of the working size, which has a megapixel at most.
_THUMBNAIL = 128  # the long side where colours are compared
_DOUBT = 20.0  # samples that speak for colours as they are
_LIGHT = 3.0  # sigma: where the light alone changed, what is finer stays the photo's
_DARK = 8.0  # levels added before brightnesses are divided
_PAINT_FEATHER, _LIGHT_FEATHER = 3.0, 40.0
_SPECK = 0.03  # of the largest change


@dataclass(frozen=True)
class Drift:
    """How far the painted picture had gone astray before it was brought back."""

    pixels: float
    percent: float
    degrees: float
    colour: float
    """CIELAB 1976, mean over the picture."""
    agreement: float
    """Correlation of the structure outside the product, to 1."""
    found: bool
    """Whether it shows the photo's scene at all. What does not is used as it is."""


@dataclass(frozen=True, eq=False)
class Restored:
    """`pixels` are the photo's own outside `changed`, bit for bit."""

    pixels: Pixels
    changed: Mask
    drift: Drift
    registration: Registration


def restore(photo: Pixels, painted: Pixels, allowed: Mask | None = None, product_box: Box | None = None) -> Restored:
    """The photo with what `painted`, of any size, really changed within `allowed` and near `product_box`."""
    size = size_of(photo)
    if allowed is None:
        allowed = np.ones(photo.shape[:2], np.bool_)
    if _kept_the_photo(painted, photo, allowed):
        return _finished(photo, np.where(allowed[..., None], painted, photo), only_resized(size, size))

    # 1. Where the painted picture lies on the photo.
    asked = _asked(allowed, product_box)
    registration = register(painted, photo, asked)
    if not registration.found:
        plain = aligned(painted, only_resized(size_of(painted), size), size)
        return _finished(photo, np.where(allowed[..., None], plain, photo), registration)

    # 2. Its colours against the photo's, where nothing should have changed.
    cast, colour = _colour_cast(painted, photo, registration, asked)

    # 3. What was painted anew, and where the light alone changed.
    paint, light = _changes(painted, photo, registration, cast, allowed, asked, product_box)

    # 4. That much of it, at full resolution.
    pixels = _composed(...)
    return _finished(photo, pixels, registration, colour)


def changed_fraction(photo: Pixels, answer: Pixels) -> float:
    """Share of the pixels that differ, 0 to 1."""
    return float(_differing(photo, answer).mean())
