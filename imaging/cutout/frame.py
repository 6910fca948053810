"""Finds the picture inside a picture: studio shots with bars around them, opaque cards with an alpha channel, and
framed pictures and mirrors in photos of the wall that they hang on."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers, dilated
from imaging.cutout.product import Channel, reduced
from imaging.picture import Box, Mask, Pixels, bounds, strongest

BAR_LEVELS = 3
"""Levels within which every pixel of a bar has one color."""

LEAST_BAR = 0.015
"""Share of the picture's side that a bar takes at least."""

CUT_LEVELS, CUT_SHARE = 4, 0.97
"""The first row inside a bar differs from it by more than this in this share of its pixels: a photo's straight edge."""

CARD_FILL = 0.97
"""Share of its bounding box that an opaque card fills: rounded corners take less than 3 %."""

CARD_WHITE, CARD_INSET = 250, 0.04
"""Levels that every channel of a card's rim reaches, and the width of the rim, as a share of its shorter side."""

OPAQUE = 250

Quad = NDArray[np.int32]
"""(4, 2), the corners of a quadrilateral, x and y in pixels."""

FRAME_SIDE = 480
"""Pixels of the longer side on which frames are looked for."""

FRAME_EDGES = ((20, 60), (50, 150))
"""Thresholds of Canny's detector, in levels per pixel: for pale frames, and for dark ones on patterned walls."""

LEAST_FRAME, LEAST_INNER = 0.4, 0.5
"""Share of the photo inside the frame's outer edge, and share of that inside its inner edge."""

MOST_INNER = 0.98
"""The same, from which it is the same edge."""

SLANT = 0.2
"""Cosine of the frame's corners, 78 to 102 degrees, when it is photographed at a slant."""

CORNER_TOLERANCE = 0.02
"""Share of an outline's length by which its sides may bend."""

FILLED = 0.95
"""Share of the outline's convex hull inside the quadrilateral."""

MARGIN, SEARCHED = 0.05, 3
"""Width of the wall that is looked at, as a share of the frame's shorter side, and the columns that are searched, in
such margins: one outside the frame and two inside."""

AWAY_FROM_CORNERS = 8
"""One in so many rows at each end of a side is left out."""

EDGE, CLEAR_STEP = 1.0, 6
"""Pixels, standard deviation of the blur before edges are looked for, and levels per pixel, Euclidean over the
channels, by which the mean color along a side changes at an edge."""

THINNEST, ONE_COLOR = 4, 25
"""Pixels that a frame is wide at least, and levels, Euclidean over the channels, by which its color varies at most."""


def inside_bars(pixels: Pixels) -> Box | None:
    """Return the box of the photo between bars of one color, on two opposite sides or all four; None without bars.

    A product that ends in straight edges at the same places looks the same: the caller has to look inside.
    """
    height, width = pixels.shape[:2]
    far = strongest(cv2.absdiff(pixels, np.broadcast_to(pixels[0, 0], pixels.shape)))
    left, top, right, bottom = box = bounds(far > BAR_LEVELS)
    if left == right:
        return None
    bars = (
        left >= LEAST_BAR * width,
        top >= LEAST_BAR * height,
        width - right >= LEAST_BAR * width,
        height - bottom >= LEAST_BAR * height,
    )
    if not ((bars[0] and bars[2]) or (bars[1] and bars[3])):
        return None
    cut = far[top:bottom, left:right] > CUT_LEVELS
    rims = cut[:, :3].any(axis=1), cut[:3].any(axis=0), cut[:, -3:].any(axis=1), cut[-3:].any(axis=0)
    straight = all(rim.mean() >= CUT_SHARE for rim, bar in zip(rims, bars, strict=True) if bar)
    return box if straight else None


def card(pixels: Pixels, alpha: Channel) -> Box | None:
    """Return the box of an opaque white card, whose alpha only rounds its corners or adds a margin; else None.

    A white product that was cut out has shading or a shape at its rim.
    """
    box = bounds(alpha >= OPAQUE)
    left, top, right, bottom = box
    inside = alpha[top:bottom, left:right] >= OPAQUE
    if not inside.size or inside.mean() < CARD_FILL:
        return None
    rim = inside & _rim(inside.shape)
    white = 255 - strongest(255 - pixels[top:bottom, left:right]) >= CARD_WHITE
    return box if white[rim].all() else None


def _rim(shape: tuple[int, ...]) -> Mask:
    width = max(2, round(CARD_INSET * min(shape)))
    rim = np.ones(shape, bool)
    rim[width:-width, width:-width] = False
    return rim


def framed(pixels: Pixels) -> Numbers | None:
    """Return the corners (4, 2) of the frame that fills most of the photo; None if there is none.

    A frame has two edges, one inside the other. Neither reaches the photo's border.
    """
    small = reduced(pixels, FRAME_SIDE)
    found = sorted(_quadrilaterals(small), key=cv2.contourArea, reverse=True)
    areas = [cv2.contourArea(each) for each in found]
    if not areas or areas[0] < LEAST_FRAME * small.shape[0] * small.shape[1]:
        return None
    if not any(LEAST_INNER * areas[0] < area < MOST_INNER * areas[0] for area in areas):
        return None
    return _snapped(pixels, (found[0].astype(np.float32) + 0.5) * (pixels.shape[0] / small.shape[0]))


def _snapped(pixels: Pixels, corners: NDArray[np.float32]) -> Numbers:
    """Return the corners moved to where the frame itself begins: its shadow on the wall may have an edge as well."""
    wide, high = (round(float(np.linalg.norm(corners[k] - corners[k - 1]))) for k in (1, 2))
    margin = max(THINNEST, round(MARGIN * min(wide, high)))
    flat = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32) + margin
    flattening = cv2.getPerspectiveTransform(corners, flat)
    size = wide + 2 * margin, high + 2 * margin
    view = cv2.warpPerspective(pixels, flattening, size, borderMode=cv2.BORDER_REPLICATE)
    x0, y0, right, bottom = (_frame_begins(np.rot90(view, turns), margin) for turns in range(4))
    x1, y1 = size[0] - right, size[1] - bottom
    snapped = np.array([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]], np.float64)
    return np.asarray(cv2.perspectiveTransform(snapped, np.linalg.inv(flattening))[0] - 0.5)


def _frame_begins(view: NDArray[Any], margin: int) -> float:
    """Return where the first strip of one color between two edges begins, in columns; `margin` if there is none.

    The wall outside the frame ends at the first edge, and its shadow has no single color.
    """
    rows = view.shape[0]
    colors = view[rows // AWAY_FROM_CORNERS : rows - rows // AWAY_FROM_CORNERS, : SEARCHED * margin].mean(axis=0)
    steps = np.linalg.norm(cv2.GaussianBlur(np.diff(colors, axis=0), (1, 7), EDGE), axis=1)
    nearby = cv2.dilate(steps[None], np.ones((1, THINNEST)))[0]
    edges = np.flatnonzero((steps == nearby) & (steps > CLEAR_STEP)) + 1
    for start, end in pairwise(edges[edges > margin - THINNEST].tolist()):
        inset = (end - start) // 4
        if end - start >= THINNEST and np.linalg.norm(colors[start + inset] - colors[end - 1 - inset]) < ONE_COLOR:
            return float(start)
    return float(margin)


def _quadrilaterals(small: Pixels) -> Iterator[Quad]:
    """Yield the corners (4, 2) of the outlines with four nearly right angles that end inside the picture."""
    smooth = cv2.GaussianBlur(small, (3, 3), 0)
    for low, high in FRAME_EDGES:
        edges = dilated(cv2.Canny(smooth, low, high) > 0, 3)
        for outline in cv2.findContours(edges.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]:
            hull = cv2.convexHull(outline)
            corners = cast(
                Quad, cv2.approxPolyDP(hull, CORNER_TOLERANCE * cv2.arcLength(hull, closed=True), closed=True)[:, 0]
            )
            filled = cv2.contourArea(corners) > FILLED * cv2.contourArea(hull)
            if len(corners) == 4 and filled and _is_framed(corners, small.shape):
                yield corners


def _is_framed(corners: Quad, shape: tuple[int, ...]) -> bool:
    """Return True if the angles are nearly right and the picture goes on around the corners."""
    sides = np.roll(corners, -1, axis=0) - corners
    sides = sides / np.linalg.norm(sides, axis=1, keepdims=True)
    slant = np.abs((sides * np.roll(sides, -1, axis=0)).sum(axis=1)).max()
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return bool(slant < SLANT and left > 0 and top > 0 and right < shape[1] - 1 and bottom < shape[0] - 1)
