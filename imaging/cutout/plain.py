"""Cuts a product out of a photo with a plain background.

The limits were set on the drawn products of `tests/imaging/cutout` and the photos in `examples`.
"""

from typing import NamedTuple, cast

import cv2
import numpy as np
from cv2.typing import MatLike

from imaging.arrays import Chosen, Field, Labels, connected, dilated, opened, square
from imaging.cutout.background import settled
from imaging.cutout.matte import matte, nearest_in
from imaging.cutout.product import Channel, CutOut, box_around, cropped
from imaging.cutout.traces import traced
from imaging.picture import Box, Mask, Pixels, bounds, strongest

# Confidence

MOST_CONFIDENT = 0.95
LEAST_CLEAR = 0.4
"""Share of the confidence that is left where no part of the outline differs clearly from the background."""

# Levels of difference between picture and background

CALM = 12
"""Levels. Border pixels that differ by less show the background's noise."""

NOISE_PERCENTILE = 95
LEAST_LIMIT, NOISE_FACTOR = 0.75, 1.5
"""A pixel differs from the background from `LEAST_LIMIT` + `NOISE_FACTOR` x noise levels on."""

CLEARLY = 3
"""Times that limit: a region counts as product if any of its pixels differs by this much, or if it is large."""

LARGE_REGION = 0.2
"""Share of the largest region's area from which a faint region counts as product."""

STRONG = 24
"""Levels. A difference above this leaves ringing around it when the photo is compressed as JPEG."""

RINGING_REACH, RINGING_CORE = 33, 7
"""Pixels across: two JPEG blocks with subsampled chroma reach 16 pixels to each side; the core is the edge itself."""

RINGING_FACTOR, MOST_RINGING = 12, 6
"""Levels added to the limit per level of mean grain near strong edges, and at most."""

RINGING_SHARE, MOST_RINGING_SHARE, RINGING_NEIGHBORHOOD = 0.4, 0.15, 15
"""The limit is at least this share, per level of grain and at most, of the largest difference in the neighborhood."""

# Edges and shadows

STEP_SIDE, FALL_SIDE = 3, 9
"""Pixels over which a step and the whole fall of an edge are measured."""

SHARP = 0.4
"""Share of the fall that lies in the step: outlines are above it, the soft edges of shadows below."""

LEAST_STEP = 3
"""Levels, plus `NOISE_FACTOR` x noise."""

LIT = 200
"""Scale of the ratio of a pixel to its background: this value is full light."""

DEEPEST_SHADOW = 0.75
"""Share of the light that a shadow takes at most; what is darker is black product."""

SHADOW_TINT, SHADOW_TINT_RISE, SHADOW_TINT_MOST = 10, 0.6, 20
"""Units of `LIT` by which the channels of a shadow may differ, how this rises with the light lost, and its limit."""

DEEPEST_GLOW, GLOW_TINT = 0.3, 64
"""Share of the light, and units of `LIT`: colored paper in faint shadow takes on the product's color, up to this."""

SHADOW_OPENING = 5
"""Pixels. Narrower strips of dimmed background are the product's own shading."""

FINEST_SHADOW = 160
"""Shadows are at least 1 / 160 of the crop's longer side wide."""

SHADOW_RIM = 9
"""Pixels across: how far the parts of a shadow lie from the edges around it, and are grown back to them."""

MOST_SHADOW = 3
"""Times the product's area: a larger part that resembles a shadow is the product."""

LEAST_FALL = 12
"""Levels over `FALL_SIDE` pixels that a shadow differs from the product at its rim."""

MOST_MERGED = 0.25
"""Share of a shadow's outline along which it may pass into the product without an edge."""

LOWER_PART = 2 / 5
"""Share of the product's height, from its top, where no shadow is looked for."""

# Holes

SHARP_RIM = 0.5
"""Share of a hole's rim that has an edge; a glint fades into the product."""

SAME = 2
"""Levels, plus a quarter of the noise, within which a pixel shows the background itself."""

LEAST_SAME, MOSTLY_SAME = 0.15, 0.5
"""Share of a hole's pixels that show the background: at least, and enough to be certain."""

SMALL_GAP = 0.012
"""Share of the crop's longer side. Below this radius a gap, as between leaves, is mostly blurred edge: being like the
background is enough."""

COLORED, SAME_TINT = 24, 10
"""Levels between a background's channels from which its hue is evidence, and units of `LIT` by which it may differ."""

NEARLY_WHITE = 245
"""Levels. A background lighter than this in all channels has the color of white labels and glints."""

WATERSHED_BLUR = 2.0
"""Pixels. Standard deviation of the blur that bridges gaps in the product's outline."""


PRODUCT_MARKER = 3
"""Pixels. Narrower parts, such as the pixels of edges, do not mark the product."""

THICKEST_WALL, WALL_PER_RADIUS = 6, 1.5
"""Pixels, and pixels per pixel of its radius: the thinnest wall around a hole is thinner than this."""

# Small parts

DUST, SHADE_DUST = 0.001, 0.05
"""Share of the largest part's area below which a part is dust, in general and if most of it is shade."""

LEAST_PART = 12
"""Pixels of area."""

RIM_MARGIN = 16
"""Pixels around the product's box that the matte and the ringing limit need."""

BURNT_OUT = 254

GLASS = 0.55
"""Alpha of clear glass and acrylic: what the shop's background shows through lets the room show through. It still
counts as product, whose lower edge stands on something."""


def off_background(pixels: Pixels, background: Pixels) -> CutOut:
    """Return the product as what differs from a plain `background`.

    Confidence is 0.95 if the whole outline stands out and falls to 0.38 with the share that hardly does. It is halved
    where white may be lost in white, where faint lines had to complete the product, and where the product runs out of
    the picture on three sides.
    """
    background = settled(pixels, background)
    like, noise = _like_background(pixels, background)
    box = box_around(~like)
    framed = _sides_touched(box, like.shape) < 3
    found = np.zeros_like(like)
    product, inner, behind, bare = (cropped(each, box, RIM_MARGIN) for each in (found, pixels, background, like))
    product[:] = _product(inner, behind, bare, noise)
    glass = traced(pixels, background, found)
    box = bounds(~like | glass)
    product, inner, behind, shape = (cropped(each, box, RIM_MARGIN) for each in (found, pixels, background, glass))
    color, alpha, clear = matte(inner, product)
    faint = shape & (alpha < GLASS)
    color, alpha = np.where(faint[..., None], inner, color), np.where(faint, np.float32(GLASS), alpha)
    box = box_around(alpha > 0.02)
    doubts = sum((_white_may_be_lost(product, behind, box), bool(glass.any()), not framed))
    confidence = MOST_CONFIDENT * (LEAST_CLEAR + (1 - LEAST_CLEAR) * clear) * 0.5**doubts
    return CutOut(cropped(color, box), cropped(alpha, box), confidence)


def _like_background(pixels: Pixels, background: Pixels) -> tuple[Mask, float]:
    """Return where a pixel may be background, and the background's noise in levels."""
    far = strongest(cv2.absdiff(pixels, background))
    calm = np.concatenate([strip[strip < CALM] for strip in (far[:3], far[-3:], far[:, :3], far[:, -3:])])
    noise = float(np.percentile(np.append(calm, CALM), NOISE_PERCENTILE))
    limit = _limit(pixels, far, LEAST_LIMIT + NOISE_FACTOR * noise)
    labels, area = connected(far > limit, 8)
    kept = area > LARGE_REGION * area.max()
    kept[labels[far > CLEARLY * limit]] = True
    kept[0] = False
    return ~kept[labels], noise


def _limit(pixels: Pixels, far: Channel, calm: float) -> Field:
    """Return how many levels the background may stray: `calm`, and more near strong edges, where JPEG rings."""
    strong = far > STRONG
    near = dilated(strong, RINGING_REACH)
    grain = strongest(cv2.absdiff(pixels, cv2.GaussianBlur(pixels, (5, 5), 0)))
    around = near & ~dilated(strong, RINGING_CORE)
    ringing = float(grain[around].mean()) if around.any() else 0.0
    limit = np.float32(calm) + np.float32(min(MOST_RINGING, RINGING_FACTOR * ringing)) * near
    share = np.float32(min(MOST_RINGING_SHARE, RINGING_SHARE * ringing))
    return cast(Field, cv2.max(limit, share * cv2.dilate(far, square(RINGING_NEIGHBORHOOD))))


def _product(pixels: Pixels, background: Pixels, like: Mask, noise: float) -> Mask:
    smooth = cv2.GaussianBlur(pixels, (3, 3), 0)
    edge = _edges(smooth, least=LEAST_STEP + NOISE_FACTOR * noise)
    dimmed = _dimmed(smooth, background)
    labels, _ = connected(like | opened(dimmed & ~edge, SHADOW_OPENING), 4)
    outer = np.zeros(labels.max() + 1, bool)
    outer[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    outer[0] = False
    evidence = _evidence(pixels, smooth, background, like, dimmed, noise)
    holes = _holes(labels, outer, edge, evidence)
    free = (outer | holes)[labels]
    like |= holes[labels]
    shade = _outside(smooth, edge, free & like, ~free) & ~like
    light = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    return _without_dust(~(free & like | _shadow(light, shade, ~(free & like | shade), like, edge)), shade)


def _outside(smooth: MatLike, edge: Mask, background: Mask, product: Mask) -> Mask:
    """Return the pixels that a watershed gives to `background` rather than to `product`.

    Both grow into what belongs to neither, over small steps first, so that they meet at the strongest edge between
    them even where it has gaps.
    """
    markers = np.zeros(background.shape, np.int32)
    markers[background] = 1
    markers[opened(product, PRODUCT_MARKER)] = 2
    relief = cast(Pixels, cv2.GaussianBlur(smooth, (0, 0), WATERSHED_BLUR))
    relief[edge] ^= np.uint8(128)  # half the range away from its neighbors
    cv2.watershed(relief, markers)
    outside = markers == 1
    return outside | (markers < 0) & ~product & dilated(outside, 3)


def _edges(smooth: MatLike, least: float) -> Mask:
    """Return steps that make up much of the fall around them: outlines do, the soft edges of shadows do not."""
    light = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    step, fall = (cv2.morphologyEx(light, cv2.MORPH_GRADIENT, square(side)) for side in (STEP_SIDE, FALL_SIDE))
    return (step > SHARP * fall) & (step > least)


def _dimmed(smooth: MatLike, background: Pixels) -> Mask:
    """Return where a pixel is background in less light: darker by nearly the same share in each channel."""
    ratio = cv2.divide(smooth, background, scale=LIT)
    most, least = strongest(ratio), 255 - strongest(cv2.bitwise_not(ratio))
    loss = LIT - most.astype(np.float32)
    tint = SHADOW_TINT + (SHADOW_TINT_RISE * loss).clip(0, SHADOW_TINT_MOST)
    colored = strongest(background) - (255 - strongest(cv2.bitwise_not(background))) > COLORED
    glow = colored & (loss < DEEPEST_GLOW * LIT) & (loss > 0) & (most - least < GLOW_TINT)
    return (loss < DEEPEST_SHADOW * LIT) & (most - least < tint) | glow


class _Evidence(NamedTuple):
    """Pixels that may be background, that show its very color, that show it where it is not white, or dimmed."""

    like: Mask
    same: Mask
    typical: Mask
    dimmed: Mask


def _evidence(pixels: Pixels, smooth: MatLike, background: Pixels, like: Mask, dimmed: Mask, noise: float) -> _Evidence:
    far = cv2.min(*(strongest(cv2.absdiff(each, background)) for each in (pixels, smooth)))
    same = far <= SAME + noise / 4
    most, least = strongest(background), 255 - strongest(cv2.bitwise_not(background))
    colored = (most - least > COLORED) & (_tint(smooth, background) < SAME_TINT)
    return _Evidence(
        like,
        same | colored,
        (same & (least < NEARLY_WHITE)) | colored,
        dimmed & (_tint(smooth, background) < SAME_TINT),
    )


def _tint(smooth: MatLike, background: Pixels) -> Channel:
    ratio = cv2.divide(smooth, background, scale=LIT)
    return cast(Channel, strongest(ratio) - (255 - strongest(cv2.bitwise_not(ratio))))


def _holes(labels: Labels, outer: Chosen, edge: Mask, evidence: _Evidence) -> Chosen:
    """Return which enclosed regions are background seen through the product rather than its own parts of that color.

    A hole shows the `same` color as the background in part of its area, unless it is small. A glint fades into the
    product where a hole has an edge. A label lies deep inside the product or bears print, where a hole lies behind
    rails and rungs; but a color that is not plain white is enough.
    """
    enclosed = (labels > 0) & ~outer[labels]
    if not enclosed.any():
        return np.zeros_like(outer)
    where, count = labels[enclosed], outer.size
    depth = cv2.distanceTransform(enclosed.astype(np.uint8), cv2.DIST_L2, 5)[enclosed]
    radius = np.zeros(count)
    np.maximum.at(radius, where, depth)
    on_rim = depth < 1.5
    rim = np.bincount(where, on_rim, count)
    sharp = np.bincount(where, on_rim & dilated(edge, 3)[enclosed], count)
    thin = _walls(labels, count) < THICKEST_WALL + WALL_PER_RADIUS * radius
    area = np.bincount(where, minlength=count)
    like, same, typical = (np.bincount(where, each[enclosed], count) / area.clip(1) for each in evidence[:3])
    gap = (radius < SMALL_GAP * max(labels.shape)) & (like >= MOSTLY_SAME)
    gap &= (same >= MOSTLY_SAME) | ~_in_gray(labels, count, evidence)
    return (
        ((same >= LEAST_SAME) & (radius >= 3) | gap)
        & (sharp > SHARP_RIM * rim)
        & ((typical >= MOSTLY_SAME) | thin)
        & ~_printed(labels, outer)
    )


def _in_gray(labels: Labels, count: int, evidence: _Evidence) -> Chosen:
    """Return which regions lie in something that could be the background in less light: there they are highlights."""
    around = cv2.dilate(labels.astype(np.float32), square(5)).astype(np.int32)
    around[labels > 0] = 0
    total = np.bincount(around.ravel(), minlength=count)
    return np.bincount(around[evidence.dimmed], minlength=count) > 0.5 * total


def _walls(labels: Labels, count: int) -> Field:
    """Return for each region the thickness of the thinnest wall between it and another, in pixels."""
    distance, nearest = nearest_in(labels > 0)
    owner = labels.ravel()[nearest]
    walls = np.full(count, np.inf)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        meet = owner[one] != owner[other]
        width = (distance[one] + distance[other])[meet]
        np.minimum.at(walls, owner[one][meet], width)
        np.minimum.at(walls, owner[other][meet], width)
    return walls


def _printed(labels: Labels, outer: Chosen) -> Chosen:
    """Return which regions touch an island: a piece of product that the open background does not reach."""
    islands, area = connected(labels == 0, 8)
    afloat = area > 0
    afloat[islands[dilated(outer[labels], 3)]] = False
    printed = np.zeros_like(outer)
    printed[labels[dilated(afloat[islands], 3)]] = True
    return printed


def _shadow(light: MatLike, shade: Mask, product: Mask, like: Mask, edge: Mask) -> Mask:
    """Return the part of `shade` that is a cast shadow: it fades into the background, ends at the product, lies low."""
    side = max(SHADOW_OPENING, max(shade.shape) // FINEST_SHADOW)
    labels, area = connected(opened(shade & ~dilated(edge, 5), side), 8)
    near = cv2.dilate(labels.astype(np.float32), square(SHADOW_RIM)).astype(np.int32)
    solid = opened(product, PRODUCT_MARKER)
    rim = solid & dilated(~solid, 3)
    fall = cv2.morphologyEx(light, cv2.MORPH_GRADIENT, square(FALL_SIDE))

    def length(where: Mask) -> Labels:
        return np.bincount(near[where], minlength=area.size).astype(np.int32)

    fades = length(edge & dilated(like, 5) & ~product) < 0.5 * length(like)
    merges = length(rim & (fall < LEAST_FALL) & ~dilated(edge, 7)) > MOST_MERGED * length(
        rim | like & dilated(~like, 3)
    )
    rows = np.flatnonzero(product.any(axis=1))
    top = rows[0] + int(LOWER_PART * (rows[-1] - rows[0])) if rows.size else 0
    high = np.bincount(labels[:top].ravel(), minlength=area.size) > 0.5 * area
    alone = length(rim) == 0
    fallen = fades & ~merges & (~high | alone)
    fallen[0] = False
    fallen &= area < MOST_SHADOW * (solid.sum() + area[~fallen].sum())
    return shade & dilated(fallen[labels], SHADOW_RIM)


def _without_dust(product: Mask, shade: Mask) -> Mask:
    labels, area = connected(product, 8)
    mostly_shade = np.bincount(labels[shade], minlength=area.size) > 0.5 * area
    least = np.where(mostly_shade, SHADE_DUST, DUST) * area.max()
    return cast(Mask, (area >= least.clip(LEAST_PART))[labels])


def _sides_touched(box: Box, shape: tuple[int, ...]) -> int:
    """Return how many sides of the picture `box` touches. On three, this is rather a room than a product."""
    left, top, right, bottom = box
    return (left == 0) + (top == 0) + (right == shape[1]) + (bottom == shape[0])


def _white_may_be_lost(product: Mask, background: Pixels, box: Box) -> bool:
    """Return True if the top is a bare pole on burnt-out white, as of a lamp whose white shade cannot be seen.

    The pole is measured between 2 and 10 % of the height.
    """
    left, top, right, bottom = box
    tall = bottom - top
    pole = product[top + tall // 50 : top + tall // 10 + 1].sum(axis=1)
    bare = pole.max() < 0.15 * (right - left) and pole.max() <= 1.5 * pole.min() + 1
    return bool(bare and background[top].min() >= BURNT_OUT)
