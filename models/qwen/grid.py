"""Maps pictures of any size to sizes that the checkpoint paints, by padding and without distortion, and selects the
window of a large photo to paint."""

import math
from dataclasses import dataclass
from typing import cast

import cv2

from imaging.picture import Box, Pixels, Size
from imaging.resize import resized

CONTEXT = 0.15
"""Smallest margin around the region that may change, as a fraction of its longer side."""

DRIFT = 0.05
"""Shift of the model's output that the window tolerates, as a fraction of the photo's longer side."""

WORTHWHILE = 1.25
"""Smallest gain in resolution over painting the whole photo for which a window is used."""


@dataclass(frozen=True)
class ModelGrid:
    """A picture of `size` is mirrored at its edges to `padded`, whose aspect ratio equals that of `working` to within
    half a pixel, and painted at `working`. Sizes are (width, height) in pixels."""

    size: Size
    padded: Size
    working: Size

    def enter(self, picture: Pixels) -> Pixels:
        """Return a picture of `size` at the working size."""
        right, below = self.padded[0] - self.size[0], self.padded[1] - self.size[1]
        padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT) if right or below else picture
        return resized(cast(Pixels, padded), self.working)

    def leave(self, painted: Pixels) -> Pixels:
        """Return a picture of the working size at `size`."""
        return resized(painted, self.padded)[: self.size[1], : self.size[0]]


def fit(size: Size, area: int, multiple: int) -> ModelGrid:
    """Return the grid of about `area` pixels with the least padding, and among equals the one nearest to `area`. Both
    sides are multiples of `multiple`; a size that already is and that is near the area is used as it is."""
    width, height = size
    if width % multiple == height % multiple == 0 and 0.5 <= width * height / area <= 1.25:
        return ModelGrid(size, size, size)
    scale = math.sqrt(area / (width * height))
    first = max(1, math.floor(width * scale / multiple * 0.94))
    last = max(first, math.ceil(width * scale / multiple * 1.06))
    grids = [_padded(size, columns * multiple, multiple) for columns in range(first, last + 1)]
    return min(grids, key=lambda grid: (grid.padded[0] * grid.padded[1], abs(grid.working[0] * grid.working[1] - area)))


def window(size: Size, region: Box, area: int, multiple: int) -> Box:
    """Return the part of a photo of `size` to paint: `region` with a margin, at full resolution if `area` pixels hold
    it. It is the whole photo if the window would gain less than WORTHWHILE in resolution."""
    left, top, right, bottom = region
    margin = round(CONTEXT * max(right - left, bottom - top) + DRIFT * max(size))
    width, height = min(size[0], right - left + 2 * margin), min(size[1], bottom - top + 2 * margin)
    shrinks = max(1.0, math.sqrt(width * height / area))
    if shrinks * WORTHWHILE > math.sqrt(size[0] * size[1] / area):
        return 0, 0, *size
    more = _free(width, height, area)
    step = multiple * shrinks
    left, right = _span(left, right, width + more, step, size[0])
    top, bottom = _span(top, bottom, height + more, step, size[1])
    return left, top, right, bottom


def _free(width: int, height: int, area: int) -> int:
    """Return by how many pixels both sides can grow within `area`."""
    return max(0, int((math.sqrt((width - height) ** 2 + 4 * area) - width - height) / 2))


def _span(start: int, stop: int, least: int, step: float, whole: int) -> tuple[int, int]:
    """Return a span centered on start..stop inside 0..whole: `least` pixels, rounded up to whole steps."""
    length = min(whole, math.ceil(math.ceil(least / step) * step))
    first = max(0, min(whole - length, (start + stop - length) // 2))
    return first, first + length


def _padded(size: Size, columns: int, multiple: int) -> ModelGrid:
    """Return the grid of one working width: padded below, and to the right if the rounded height is too small."""
    width, height = size
    rows = max(1, math.ceil(height * columns / width / multiple - 1e-9)) * multiple
    padded_height = max(height, round(width * rows / columns))
    padded_width = max(width, round(padded_height * columns / rows))
    return ModelGrid(size, (padded_width, padded_height), (columns, rows))
