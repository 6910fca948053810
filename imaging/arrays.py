"""Array primitives that every room shares: types, ramps, color conversion, morphology and connected regions.

OpenCV's stubs return `MatLike` nearly everywhere. The casts that this forces live here where more than one room needs
the call.
"""

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.picture import Mask

Numbers = NDArray[np.float64]
"""Real numbers, any shape."""

Field = NDArray[np.floating[Any]]
"""Real numbers, any shape, in whichever precision the caller uses."""

Lab = NDArray[np.float32]
"""(height, width, 3), CIELAB: lightness 0 to 100, a and b around 0. A distance of about 2 is just visible."""

Labels = NDArray[np.int32]
"""(height, width), the number of the region that each pixel belongs to; 0 is outside all of them."""

Chosen = NDArray[np.bool_]
"""(regions,), indexed by label."""


def smoothstep(x: Field) -> Field:
    """Return 3x² - 2x³, which rises from 0 to 1 with no slope at either end. `x` must lie in 0 to 1."""
    return np.asarray(x * x * (3 - 2 * x))


def to_lab(levels: NDArray[Any]) -> Lab:
    """Return CIELAB of sRGB values from 0 to 255, shape (height, width, 3)."""
    return cast(Lab, cv2.cvtColor(levels.astype(np.float32) / 255, cv2.COLOR_RGB2Lab))


def square(side: int) -> NDArray[np.uint8]:
    """Return a square structuring element."""
    return np.ones((side, side), np.uint8)


def dilated(mask: Mask, side: int) -> Mask:
    """Return `mask` grown by (side - 1) / 2 pixels in every direction."""
    return cv2.dilate(mask.astype(np.uint8), square(side)) > 0


def opened(mask: Mask, side: int) -> Mask:
    """Return `mask` without the parts that a square of `side` pixels does not fit into."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, square(side)) > 0


def connected(mask: Mask, connectivity: int) -> tuple[Labels, Labels]:
    """Return the labels of the connected regions of `mask` and the area of each label in pixels.

    `connectivity` is 4 or 8. The area of label 0, the outside, is given as 0.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return cast(Labels, labels), cast(Labels, area)
