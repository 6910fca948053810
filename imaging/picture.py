"""The picture as every room sees it: upright pixels in memory, and what it takes to write them back unharmed."""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(height, width, 3), RGB, in the colour space of the picture's ICC profile (sRGB without one)."""

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
        height, width = self.pixels.shape[:2]
        return width, height

    def on_white(self) -> "Picture":
        """Without alpha: what a viewer shows of it on a white page. Opaque pixels stay as they are, bit for bit."""
        if self.alpha is None:
            return self
        alpha = cv2.merge([self.alpha] * 3)
        mixed = cv2.add(cv2.multiply(self.pixels, alpha, scale=1 / 255), cv2.bitwise_not(alpha))
        return Picture(cast(Pixels, mixed), None, self.icc)
