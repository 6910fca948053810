"""Fits a product into a mask of any shape that the caller drew by hand, including the specks that brushes leave."""

from dataclasses import dataclass

import cv2
import numpy as np

from imaging.picture import Box, Mask, Size, Weights, scaled_size, size_of
from imaging.resize import placed

FITS = 0.995
"""Share of a product's solid pixels inside the mask that counts as all of them."""

_COVERED = 0.5  # the alpha from which a pixel counts as product
_SAMPLES = 200  # along each side of a frame
_VIEW = 160  # pixels of the reduced mask's longer side
_SMALLEST, _SIZES = 0.2, 40  # of the size asked for: the least that is tried, and how many


@dataclass(frozen=True, eq=False)
class Held:
    """A mask's largest part, inside its bounds `box`."""

    mask: Mask
    box: Box


def largest_part(mask: Mask) -> Held:
    """Return the largest connected part of `mask`, which must be True somewhere."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    left, top, width, height, _ = map(int, stats[best])
    box = left, top, left + width, top + height
    return Held(labels[top : top + height, left : left + width] == best, box)


def share_inside(alpha: Weights, frame: Box, mask: Mask) -> float:
    """Return the share of a product's solid pixels that is inside `mask` when it is placed in `frame`, sampled on a
    grid; 1 if no solid pixel is in the photo."""
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    columns, rows = (np.floor(frame[i] + steps * (frame[i + 2] - frame[i])).astype(int) for i in (0, 1))
    across, down = (columns >= 0) & (columns < mask.shape[1]), (rows >= 0) & (rows < mask.shape[0])
    product = np.ix_((steps[down] * alpha.shape[0]).astype(int), (steps[across] * alpha.shape[1]).astype(int))
    solid = alpha[product] > _COVERED
    return float(mask[np.ix_(rows[down], columns[across])][solid].mean()) if solid.any() else 1.0


def reaches(alpha: Weights, frame: Box, mask: Mask) -> bool:
    """Return True if any pixel of a product placed in `frame`, however thin, is inside the mask."""
    if share_inside(alpha, frame, mask):
        return True
    width, height = size_of(mask)
    part = max(0, frame[0]), max(0, frame[1]), min(width, frame[2]), min(height, frame[3])
    allowed = mask[part[1] : part[3], part[0] : part[2]]
    return bool(allowed.any() and (placed(alpha, frame, part)[allowed] > 0).any())


def moved_inside(alpha: Weights, frame: Box, held: Held) -> Box | None:
    """Return `frame` moved inside, as near and as large as possible; None if it fits nowhere at a fair size."""
    shrink = min(1.0, _VIEW / max(held.mask.shape))
    small = _reduced(held.mask, scaled_size(size_of(held.mask), shrink))
    for share in np.geomspace(1, _SMALLEST, _SIZES):
        width, height = (max(1, round(share * (frame[i + 2] - frame[i]))) for i in (0, 1))
        stamp = _reduced(alpha > _COVERED, scaled_size((width, height), shrink))
        target = (frame[0] + frame[2]) / 2 - held.box[0], frame[3] - held.box[1]
        if corner := _nearest(
            small, stamp, target[0] * shrink - stamp.shape[1] / 2, target[1] * shrink - stamp.shape[0]
        ):
            left, bottom = held.box[0] + round(corner[0] / shrink), held.box[1] + round(corner[1] / shrink) + height
            return left, bottom - height, left + width, bottom
    return None


def _reduced(mask: Mask, size: Size) -> Weights:
    return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def _nearest(mask: Weights, stamp: Weights, x: float, y: float) -> tuple[int, int] | None:
    """Return the top left corner nearest to (x, y) at which all of `stamp` lies on `mask`."""
    if stamp.shape[0] > mask.shape[0] or stamp.shape[1] > mask.shape[1]:
        return None
    covered = cv2.matchTemplate(mask, stamp, cv2.TM_CCORR) / max(float(stamp.sum()), 1e-6)
    rows, columns = np.nonzero(covered >= FITS)
    if not rows.size:
        return None
    best = int(np.hypot(columns - x, rows - y).argmin())
    return int(columns[best]), int(rows[best])
