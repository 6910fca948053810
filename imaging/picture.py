"""The picture as every room sees it: upright pixels in memory, and what it takes to write them back unharmed."""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(height, width, 3), RGB, in the color space of the picture's ICC profile (sRGB without one)."""

Mask = NDArray[np.bool_]
"""(height, width)."""

Weights = NDArray[np.float32]
"""(height, width), 0 to 1."""

Point = tuple[int, int]
"""(x, y) in pixels, origin at the top left."""

Size = tuple[int, int]
"""(width, height) in pixels."""

Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels; right and bottom are the first column and row outside."""


def size_of(field: NDArray[Any]) -> Size:
    """Of what has rows and columns first."""
    return field.shape[1], field.shape[0]


def scaled_size(size: Size, factor: float) -> Size:
    """At least a pixel a side."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def bounds(mask: Mask) -> Box:
    """Around all of it; without an area where it is empty."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return left, top, left + width, top + height


def strongest(channels: NDArray[Any]) -> NDArray[Any]:
    """Of three channels, the greatest value of each pixel: several times faster than max() over the axis."""
    red, green, blue = cv2.split(channels)
    return np.asarray(cv2.max(cv2.max(red, green), blue))


def differing(one: Pixels, other: Pixels) -> Mask:
    """Where two pictures of one size are not alike to the bit."""
    return np.asarray(cv2.inRange(cv2.absdiff(one, other), (0, 0, 0), (0, 0, 0)) == 0)


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels after EXIF orientation; `alpha` (height, width) and `icc` only where the file had them."""

    pixels: Pixels
    alpha: NDArray[np.uint8] | None = None
    icc: bytes | None = None

    @property
    def size(self) -> Size:
        return size_of(self.pixels)

    def on_white(self) -> "Picture":
        """Without alpha: what a viewer shows of it on a white page. Opaque pixels stay as they are, bit for bit."""
        if self.alpha is None:
            return self
        alpha = cv2.merge([self.alpha] * 3)
        mixed = cv2.add(cv2.multiply(self.pixels, alpha, scale=1 / 255), cv2.bitwise_not(alpha))
        return Picture(cast(Pixels, mixed), None, self.icc)
