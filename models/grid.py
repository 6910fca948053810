"""From a picture of any size to one the checkpoint paints, and back: padded to the grid, never stretched."""

import math
from dataclasses import dataclass
from typing import cast

import cv2

from imaging.picture import Pixels, Size


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
    """The grid with about `area` pixels, both sides multiples of `multiple`, that pads `size` least. A size that lies
    on the grid and near the area is painted as it is."""
    width, height = size
    if width % multiple == height % multiple == 0 and 0.5 <= width * height / area <= 1.25:
        return Grid(size, size, size)
    scale = math.sqrt(area / (width * height))
    first = max(1, math.floor(width * scale / multiple * 0.94))
    last = max(first, math.ceil(width * scale / multiple * 1.06))
    grids = [_padded(size, columns * multiple, multiple) for columns in range(first, last + 1)]
    return min(grids, key=lambda grid: grid.padded[0] * grid.padded[1])


def _padded(size: Size, columns: int, multiple: int) -> Grid:
    """For one working width: the picture fills it, and is padded below; where the height would leave the grid by
    more than the padding of a row is worth, to the right."""
    width, height = size
    rows = max(1, math.ceil(height * columns / width / multiple - 1e-9)) * multiple
    padded_height = max(height, round(width * rows / columns))
    padded_width = max(width, round(padded_height * columns / rows))
    return Grid(size, (padded_width, padded_height), (columns, rows))


def resized(picture: Pixels, size: Size) -> Pixels:
    if picture.shape[1::-1] == size:
        return picture
    shrinks = size[0] < picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cast(Pixels, cv2.resize(picture, size, interpolation=how))
