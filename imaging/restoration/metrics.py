"""Measures a finished edit: is the product present, where it was requested, and does it look like itself?

The thresholds are in the settings that begin with `check_`.
"""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import dilated, to_lab
from imaging.compose import Composite, set_into
from imaging.cutout import CutOut
from imaging.picture import Box, Mask, Pixels, bounds, differing, scaled_size, size_of
from imaging.resize import averaged
from imaging.restoration.registration import Gray, aligned, correlation, register, structure

_VIEW = 256  # pixels along the longer side of the view in which products are compared
_SOLID = 0.5  # share of the largest alpha from which a pixel counts as product
_VISIBLE = 8.0  # levels of 255 by which a pixel must differ to be seen
_EDGE = 5  # width in pixels of the band around the product that holds its outline
_MARGIN = 0.1  # of the product's longer side: surroundings included in the comparison


@dataclass(frozen=True)
class ProductSimilarity:
    """Similarity of the product in the answer to the product in the guide, after alignment."""

    color: float
    """CIELAB 1976 distance between the mean colors."""
    structure: float
    """Correlation of the detail finer than light and shadow, -1 to 1."""
    present: float
    """Share, 0 to 1, of the product's pixels that changed among those that had to."""


def product_similarity(photo: Pixels, answer: Pixels, guide: Composite) -> ProductSimilarity | None:
    """Return how similar the product in `answer` is to the guide's; None if no part of it is inside the photo."""
    part, solid = _around(guide)
    if not solid.any():
        return None
    left, top, right, bottom = part
    scale = min(1.0, _VIEW / max(solid.shape))
    size = scaled_size(size_of(solid), scale)
    empty, made, meant = (
        cast(Pixels, averaged(each[top:bottom, left:right], size)) for each in (photo, answer, guide.pixels)
    )
    inside = averaged(solid.astype(np.float32), size) > _SOLID
    near = dilated(inside, _EDGE)
    moved = cast(Pixels, aligned(made, register(made, meant, ignore=~near), size_of(meant)))
    return ProductSimilarity(
        _color_distance(moved[inside], meant[inside]),
        max(correlation(_detail(each, near), _detail(meant, near)) for each in (made, moved)),
        _present(empty, made, meant, inside),
    )


def pasted(photo: Pixels, product: CutOut, box: Box) -> Composite:
    """Return the unlit product at the bottom of the box, as large as fits: the guide of an edit that has none."""
    width, height = size_of(product.alpha)
    columns, rows = scaled_size((width, height), min((box[2] - box[0]) / width, (box[3] - box[1]) / height))
    left = (box[0] + box[2] - columns) // 2
    frame = (left, box[3] - rows, left + columns, box[3])
    color, alpha = set_into(product, frame, box)
    pixels, here = photo.copy(), np.s_[box[1] : box[3], box[0] : box[2]]
    pixels[here] = np.rint(photo[here] * (1 - alpha[..., None]) + color).clip(0, 255).astype(np.uint8)
    return Composite(pixels, differing(pixels, photo), box, alpha)


def agreement(one: Box | None, other: Box) -> float:
    """Return intersection over union, 0 to 1."""
    if one is None:
        return 0.0
    across, down = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    shared = max(0, across) * max(0, down)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - shared
    return shared / both if both else 0.0


def _around(guide: Composite) -> tuple[Box, Mask]:
    """Return the box of the product with a margin and the product's mask in that box."""
    solid = guide.alpha > _SOLID * min(1.0, float(guide.alpha.max(initial=0)))
    left, top, right, bottom = bounds(solid)
    margin = round(_MARGIN * max(right - left, bottom - top)) + 1
    x, y = max(0, left - margin), max(0, top - margin)
    seen = solid[y : bottom + margin, x : right + margin]
    x, y = guide.part[0] + x, guide.part[1] + y
    return (x, y, x + seen.shape[1], y + seen.shape[0]), seen


def _color_distance(one: Pixels, other: Pixels) -> float:
    """Return the CIELAB distance between the means of two lists of pixels (n, 3)."""
    if not len(one):
        return 0.0
    return float(np.linalg.norm(to_lab(one[None]).mean(axis=1) - to_lab(other[None]).mean(axis=1)))


def _detail(pixels: Pixels, near: Mask) -> Gray:
    return structure(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32))[near]


def _present(empty: Pixels, made: Pixels, meant: Pixels, inside: Mask) -> float:
    must = inside & (_differ(empty, meant) > _VISIBLE)
    return float((_differ(empty, made)[must] > _VISIBLE).mean()) if must.any() else 1.0


def _differ(one: Pixels, other: Pixels) -> NDArray[np.uint8]:
    return cast(NDArray[np.uint8], cv2.absdiff(one, other).max(axis=2))
