"""The result of cutting out, and the crops and reductions that every way of cutting out shares."""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from imaging.picture import Box, Mask, Pixels, Weights, bounds, scaled_size, size_of

Channel = NDArray[np.uint8]
"""(height, width)."""

LONGEST_SIDE = 1600
"""Pixels. Larger products are reduced to this by area; in a room photo they are smaller still."""


TRUSTED = 0.5
"""Confidence below which the outline is not to be trusted. On the real photos every cut-out that missed a tenth of the
product, or had as much too much, was below."""


class NoProductError(ValueError):
    """The picture shows nothing that could be cut out."""


@dataclass(frozen=True, eq=False)
class CutOut:
    """A product cropped to its bounding box, in straight (not premultiplied) color.

    Transparent pixels hold the nearest product color, so that resampling brings no background into the edge.
    `confidence`, 0 to 1, is how far to trust the outline; each way of cutting out says how it sets it. `photo` is the
    picture as it came, on white, if the outline is not to be trusted.
    """

    color: Pixels
    alpha: Weights
    confidence: float
    photo: Pixels | None = None

    @property
    def reference(self) -> Pixels:
        """The picture shown to a model that has to recognize the product: a bad cut-out would mislead it."""
        return self.on_white if self.photo is None else self.photo

    @property
    def nbytes(self) -> int:
        return self.color.nbytes + self.alpha.nbytes + (0 if self.photo is None else self.photo.nbytes)

    @property
    def on_white(self) -> Pixels:
        alpha = self.alpha[..., None]
        return cast(Pixels, (self.color * alpha + 255 * (1 - alpha)).round().astype(np.uint8))


def box_around(mask: Mask) -> Box:
    """Return the bounding box of `mask`. Raises NoProductError if it is empty."""
    box = bounds(mask)
    if box[0] == box[2]:
        raise NoProductError
    return box


def cropped(field: NDArray[Any], box: Box, margin: int = 0) -> NDArray[Any]:
    """Return a view of `field` inside `box` and up to `margin` pixels around it."""
    left, top, right, bottom = box
    return field[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]


def reduced(field: MatLike, longest_side: int = LONGEST_SIDE) -> Channel:
    """Return `field` averaged down to `longest_side`; unchanged if it is no larger."""
    scale = longest_side / max(field.shape)
    if scale >= 1:
        return cast(Channel, field)
    return cast(Channel, cv2.resize(field, scaled_size(size_of(field), scale), interpolation=cv2.INTER_AREA))
