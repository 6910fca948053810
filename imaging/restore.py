"""Brings a painted picture back into the photo it was painted for: what had no reason to change is the photo's own."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.picture import Box, Mask, Pixels, Size, Weights
from imaging.register import (
    Numbers,
    Plane,
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
_DOUBT = (8.0, 3.0, 0.75, 0.75)  # samples that speak against each term of a cast
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


@dataclass(frozen=True, eq=False)
class _Cast:
    """By what the colours differ where nothing should have changed. To each channel a level is added, and a share of
    its own that is a plane over the picture: (3, 4) `terms`."""

    terms: Numbers
    misfit: float
    """Levels by which they differ still."""
    distance: float
    """CIELAB 1976, mean."""

    def taken_off(self, pixels: Pixels, size: Size, part: Box) -> Levels:
        x, y = _places(size, part)
        channels = [
            levels * (1 + share + share_x * x + share_y * y) + 255 * level
            for levels, (level, share, share_x, share_y) in zip(cv2.split(pixels), self.terms.astype(np.float32), strict=True)
        ]
        return np.clip(cv2.merge(channels), 0, 255)


@dataclass(frozen=True, eq=False)
class _Changes:
    """At the working size: where the picture is `paint`, and by what factors the `light` on the photo changed."""

    paint: Weights
    light: Levels


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
    working = working_size(size)
    own, seen, shown = resized(photo, working), aligned(painted, registration, working), covered(registration, working)
    usual = shown & ~_touched(asked, working)
    cast = _colour_cast(seen, own, usual)

    # 3. What was painted anew, and where the light alone changed.
    limit = shown & ~_touched(~allowed, working)
    changes = _changes(seen, own, cast, limit, usual)

    # 4. That much of it at full resolution.
    ...
