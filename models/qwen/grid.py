"""From a picture of any size to one the checkpoint paints, and back: padded to the grid, never stretched; and the part
of a large photo that is worth painting."""

import math
from dataclasses import dataclass
from typing import cast

import cv2

from imaging.picture import Box, Pixels, Size
from imaging.resize import resized

CONTEXT = 0.15
"""Of the longer side of what may change, how much of its surroundings the model sees at least."""

DRIFT = 0.05
"""Of the photo's longer side, how far a model may move it without what may change leaving the window."""

WORTHWHILE = 1.25
"""Times the resolution of the whole photo that a window must gain."""


@dataclass(frozen=True)
class Grid:
    """A picture of `size`, mirrored outwards to `padded` (the shape of `working` to within half a pixel), is painted
    at `working`."""

    size: Size
    padded: Size
    working: Size

    def enter(self, picture: Pixels) -> Pixels:
        """A picture of `size` as one of `working` size."""
        right, below = self.padded[0] - self.size[0], self.padded[1] - self.size[1]
        padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT) if right or below else picture
        return resized(cast(Pixels, padded), self.working)

    def leave(self, painted: Pixels) -> Pixels:
        """A picture of `working` size as one of `size`."""
        return resized(painted, self.padded)[: self.size[1], : self.size[0]]


def fit(size: Size, area: int, multiple: int) -> Grid:
    """The grid with about `area` pixels, both sides multiples of `multiple`, that pads `size` least, and of those the
    one nearest to the area. A size that lies on the grid and near the area is painted as it is."""
    width, height = size
    if width % multiple == height % multiple == 0 and 0.5 <= width * height / area <= 1.25:
        return Grid(size, size, size)
    scale = math.sqrt(area / (width * height))
    first = max(1, math.floor(width * scale / multiple * 0.94))
    last = max(first, math.ceil(width * scale / multiple * 1.06))
    grids = [_padded(size, columns * multiple, multiple) for columns in range(first, last + 1)]
    return min(grids, key=lambda grid: (grid.padded[0] * grid.padded[1], abs(grid.working[0] * grid.working[1] - area)))


def window(size: Size, region: Box, area: int, multiple: int) -> Box:
    """The part of a photo of `size` to paint in place of the whole, at its own resolution where `area` pixels hold it:
    `region` with its surroundings, in the shape of a grid. The whole photo where that would gain little."""
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
    """By how many pixels both sides can grow within `area`: surroundings at no cost."""
    return max(0, int((math.sqrt((width - height) ** 2 + 4 * area) - width - height) / 2))


def _span(start: int, stop: int, least: int, step: float, whole: int) -> tuple[int, int]:
    """Around the middle of start..stop, inside 0..whole: `least` pixels or the few more that make whole steps."""
    length = min(whole, math.ceil(math.ceil(least / step) * step))
    first = max(0, min(whole - length, (start + stop - length) // 2))
    return first, first + length


def _padded(size: Size, columns: int, multiple: int) -> Grid:
    """For one working width: the picture fills it, and is padded below; where the height would leave the grid by
    more than the padding of a row is worth, to the right."""
    width, height = size
    rows = max(1, math.ceil(height * columns / width / multiple - 1e-9)) * multiple
    padded_height = max(height, round(width * rows / columns))
    padded_width = max(width, round(padded_height * columns / rows))
    return Grid(size, (padded_width, padded_height), (columns, rows))
