"""Cuts a product out of a scene: with a learned prior if there is one, otherwise by color."""

from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers, connected, dilated, opened, to_lab
from imaging.cutout.matte import spread
from imaging.cutout.product import CutOut, box_around, cropped, reduced
from imaging.picture import Mask, Pixels, Weights, size_of

Prior = Callable[[Pixels], Weights]
"""Returns for each pixel how likely it is product, (height, width), 0 to 1. It knows what things are, not where exactly
they end."""

GRABCUT_SIDE = 320
"""Pixels of the longer side on which GrabCut works: about 0.1 s."""

GRABCUT_STEPS = 3

LEAST_SHARE, MOST_SHARE = 0.03, 0.8
"""Smallest and largest share of the picture that the largest part may cover for the product to count as found."""

SCENE_CONFIDENCE = 0.45
UNDIVIDED_CONFIDENCE = 0.05

SUBPIXEL_BITS = 4
"""OpenCV draws to a sixteenth of a pixel."""

# With a prior

PRIOR_CONFIDENCE = 0.8
DOUBTFUL_CONFIDENCE = 0.4

LIKELY = 0.5
UNLIKELY, SURE = 0.1, 0.9
"""Between these the prior is undecided."""

GUIDE_RADIUS = 0.006
"""Radius of the guided filter as a share of the longer side: a few pixels of a prior of 320 a side."""

GUIDE_SIDE = 640
"""Pixels of the longer side on which the guided filter is solved, twice that of the prior."""

GUIDE_EPSILON = 1e-4
"""Variance, of values from 0 to 1, below which the guided filter sees no edge."""

GUIDE_GAIN = 3.0
"""Steepness that makes up for the prior's soft outline."""

LEAST_PRODUCT = 0.01
"""Share of the picture that the prior has to call product."""

OPENING_SIDE, AROUND = 480, 80
"""Pixels of the longer side on which openings are looked for, and across the neighborhood whose colors are compared."""

OPENING_LINES, ENCLOSURE_LINES = (40, 120), (30, 90)
"""Thresholds of Canny's detector, in levels per pixel, around openings and around what encloses a product."""

OPENING_EDGE, OPENING_GAP = 5, 9
"""Pixels across: an opening reaches over the line around it, and over lines to other parts of it."""

COLOR_CELL, RARE = 13, 1e-4
"""CIELAB units within which colors count as one, and a share of pixels that is negligible."""

SURELY_AROUND, LEAST_OPENING = 1.6, 0.006
"""Mean log of how many times more common an opening's colors are around the product, and its share of the product. On
the real photos 1.8 and more in openings, at most 1.2 in other parts of this size."""

DOUBT_SIDE = 320
"""Pixels. The doubts were measured on priors of this many pixels a side."""

MOST_SOFT = 1.2
"""Undecided pixels of the prior per pixel of its outline. On the real photos it was at most 1.15 where the prior was
right, and 1.27 to 1.8 where parts were missing or foreign ones included."""

TOUCHED = 0.02
"""Share of a side of the picture that the product covers if it runs out there."""

LEAST_PART = 0.02
"""Share of the largest part's area below which another part of the prior is dropped."""


def by_prior(pixels: Pixels, likely: Weights) -> CutOut | None:
    """Return the product that a prior points at, or None if it points at nothing.

    The prior's outline is drawn to the edges in the picture. Confidence is 0.8, and 0.4 where the prior is undecided,
    where the product lies inside something else, as a print in a frame, and where it runs out of the picture on
    several sides.
    """
    product = _main_parts(likely > LIKELY)
    if product.mean() < LEAST_PRODUCT:
        return None
    likely = np.where(_openings(pixels, likely, product), 0, likely).astype(np.float32)
    near = dilated(product, 2 * round(GUIDE_RADIUS * max(likely.shape)) + 1)
    alpha = GUIDE_GAIN * (_guided(pixels, np.where(near, likely, 0).astype(np.float32)) - 0.5) + 0.5
    alpha = alpha.clip(0, 1).astype(np.float32)
    box = box_around(alpha > 0.02)
    confidence = DOUBTFUL_CONFIDENCE if _is_doubtful(pixels, likely) else PRIOR_CONFIDENCE
    return CutOut(cropped(spread(pixels, alpha > SURE), box), cropped(alpha, box), confidence)


def _openings(pixels: Pixels, likely: Weights, product: Mask) -> Mask:
    """Return the openings in a product, as under the back of a chair, which a prior overlooks.

    They are plain regions inside it in colors that are common around it and rare in the product.
    """
    small = reduced(pixels, OPENING_SIDE)
    inside = reduced(product.astype(np.float32), OPENING_SIDE) > 0.5
    around = dilated(inside, AROUND) & (reduced(likely, OPENING_SIDE) < UNLIKELY)
    cells = (to_lab(small) // COLOR_CELL).astype(np.int32)
    color = np.ravel_multi_index(tuple(np.moveaxis(cells - cells.min(axis=(0, 1)), 2, 0)), np.ptp(cells, (0, 1)) + 1)
    shares = [np.bincount(color[where], minlength=color.max() + 1) / max(where.sum(), 1) for where in (around, inside)]
    evidence = np.log((shares[0] + RARE) / (shares[1] + RARE))[color]
    labels, area = connected(inside & ~dilated(_lines(small, *OPENING_LINES), 3), 4)
    mean = np.bincount(labels.ravel(), evidence.ravel()) / area.clip(1)
    opening = ((mean > SURELY_AROUND) & (area > LEAST_OPENING * inside.sum()))[labels]
    beside = np.isin(labels, labels[dilated(opening, OPENING_GAP)]) & (mean > 0)[labels] & (labels > 0)
    return cv2.resize(dilated(opening | beside, OPENING_EDGE).astype(np.uint8), size_of(pixels)) > 0


def _lines(pixels: Pixels, low: float, high: float) -> Mask:
    return cv2.Canny(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), low, high) > 0


def _guided(pixels: Pixels, plane: Weights) -> Weights:
    """Return `plane` smoothed along but not across the edges in `pixels`.

    The color guided filter of He, Sun and Tang, "Guided Image Filtering", TPAMI 2013, equations 14 to 16, solved on a
    reduced picture as in He and Sun, "Fast Guided Filter", 2015.
    """
    guide = pixels.astype(np.float32) / 255
    slope, offset = _guide_lines(reduced(guide, GUIDE_SIDE), reduced(plane, GUIDE_SIDE))
    slope, offset = (cv2.resize(each, size_of(plane), interpolation=cv2.INTER_LINEAR) for each in (slope, offset))
    return cast(Weights, (slope * guide).sum(axis=2) + offset)


def _guide_lines(guide: NDArray[Any], plane: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return slope (height, width, 3) and offset (height, width) of the plane as a linear function of the color."""
    radius = max(2, round(GUIDE_RADIUS * max(plane.shape)))

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1))

    center, level = mean(guide), mean(plane)
    covariance = mean(guide * plane[..., None]) - center * level[..., None]
    pairs = [mean(guide[..., i] * guide[..., j]) - center[..., i] * center[..., j] for i in range(3) for j in range(3)]
    variance = np.stack(pairs, axis=2).reshape(*plane.shape, 3, 3) + GUIDE_EPSILON * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(variance, covariance[..., None])[..., 0]
    return mean(slope), mean(level - (slope * center).sum(axis=2))


def _main_parts(mask: Mask) -> Mask:
    labels, area = connected(mask, 8)
    return cast(Mask, (area > LEAST_PART * area.max())[labels])


def _is_doubtful(pixels: Pixels, likely: Weights) -> bool:
    size = DOUBT_SIDE, DOUBT_SIDE
    plane = cv2.resize(likely, size, interpolation=cv2.INTER_AREA)
    product = plane > LIKELY
    outline = dilated(product, 3) & dilated(~product, 3)
    soft = (plane > UNLIKELY) & (plane < SURE)
    sides = sum(side.mean() > TOUCHED for side in (product[0], product[-1], product[:, 0], product[:, -1]))
    small = cast(Pixels, cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    return bool(soft.sum() > MOST_SOFT * outline.sum() or sides > 1 or _is_enclosed(small, product))


def _is_enclosed(small: Pixels, product: Mask) -> bool:
    """Return True if one plain region that does not reach the picture's border surrounds the product."""
    labels, area = connected(~dilated(_lines(small, *ENCLOSURE_LINES), 3), 4)
    outer = np.zeros(area.size, bool)
    outer[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    ring = labels[dilated(product, 21) & ~dilated(product, 9)]
    counts = np.bincount(ring[ring > 0], minlength=area.size)
    largest = int(counts.argmax())
    return bool(counts[largest] > 0.5 * ring.size and not outer[largest])


def by_color(pixels: Pixels) -> CutOut:
    """Return the largest part that differs in color from the picture's margin.

    Confidence is 0.45 times its share of all such parts, and 0.05 for the whole picture if nothing could be told apart.
    """
    labels, area = connected(opened(_grabbed(reduced(pixels, GRABCUT_SIDE)), 5), 8)
    if not LEAST_SHARE < area.max() / labels.size < MOST_SHARE:
        return whole(pixels, UNDIVIDED_CONFIDENCE)
    main = (labels == area.argmax()).astype(np.float32)
    soft = cv2.resize(main, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    alpha = (2 * cv2.GaussianBlur(soft, (5, 5), 0) - 0.5).clip(0, 1).astype(np.float32)
    box = box_around(alpha > 0)
    color = spread(pixels, alpha > 0.9)
    return CutOut(cropped(color, box), cropped(alpha, box), SCENE_CONFIDENCE * float(area.max() / area.sum()))


def by_outline(pixels: Pixels, corners: Numbers, confidence: float) -> CutOut:
    """Return what lies inside a quadrilateral of corners (4, 2)."""
    fine = np.rint(corners * 2**SUBPIXEL_BITS).astype(np.int32)
    filled = cv2.fillConvexPoly(np.zeros(pixels.shape[:2], np.uint8), fine, 255, cv2.LINE_AA, SUBPIXEL_BITS)
    alpha = filled.astype(np.float32) / np.float32(255)
    box = box_around(filled > 0)
    return CutOut(cropped(spread(pixels, filled == 255), box), cropped(alpha, box), confidence)


def whole(pixels: Pixels, confidence: float) -> CutOut:
    """Return the whole picture as the product."""
    return CutOut(pixels, np.ones(pixels.shape[:2], np.float32), confidence)


def _grabbed(small: Pixels) -> Mask:
    """Return what GrabCut finds to differ from the colors of the picture's margin."""
    height, width = small.shape[:2]
    if min(height, width) < 8:
        return np.zeros((height, width), bool)
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    marks[height // 20 + 1 : -1 - height // 40, width // 20 + 1 : -1 - width // 20] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)  # the same picture gives the same cut-out
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, marks, (0, 0, 0, 0), *models, GRABCUT_STEPS, cv2.GC_INIT_WITH_MASK)
    return cast(Mask, marks == cv2.GC_PR_FGD)
