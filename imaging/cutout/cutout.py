"""Takes a product out of its photo: by its own alpha, off a plain ground, or out of a scene as far as color tells.

What it does not know: what a thing is. White that left no trace on white stays lost, a mirrored reflection stays part
of the product, and a plain white label near the outline opens as a hole would.
"""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from imaging.cutout.background import find_background
from imaging.cutout.matte import dilated, matte, nearest_in, spread, square
from imaging.picture import Box, Mask, Picture, Pixels, Weights, bounds, scaled_size, size_of, strongest

Channel = NDArray[np.uint8]
Numbers = NDArray[np.floating]
Labels = NDArray[np.int32]
Chosen = NDArray[np.bool_]
"""(regions): which of them."""

LONGEST_SIDE = 1600
"""Larger products are reduced to this by area: in a room they get smaller still."""

_LIT = 200  # a pixel of the ground in full light, in the ratio of a picture to its ground


class NoProductError(ValueError):
    """The picture shows nothing that could be cut out."""


@dataclass(frozen=True, eq=False)
class CutOut:
    """A product cropped to its bounding box, in straight (not premultiplied) color.

    Transparent pixels carry the nearest product color, so scaling bleeds nothing of the old ground into the edge.
    `confidence`, 0 to 1, says how far to trust the outline. With an alpha of its own it is 1, less where all of the
    product is faint. Off a plain ground it is 0.95 where the whole outline stands out, falls to 0.38 with the share
    that hardly does, and is halved where white may be lost in white and where it runs out of the picture on three
    sides. Out of a scene it is at most 0.45, and 0.05 where nothing came apart and this is the whole picture.
    """

    color: Pixels
    alpha: Weights
    confidence: float

    @property
    def on_white(self) -> Pixels:
        alpha = self.alpha[..., None]
        return cast(Pixels, (self.color * alpha + 255 * (1 - alpha)).round().astype(np.uint8))


def cut_out(product: Picture) -> CutOut:
    """Raises NoProductError where the picture is wholly transparent or nothing but plain ground."""
    if product.alpha is not None and _is_outline(product.alpha):
        return _by_alpha(product.pixels, product.alpha)
    pixels = _reduced(product.on_white().pixels)
    ground = find_background(pixels)
    return _out_of_scene(pixels) if ground is None else _off_ground(pixels, ground)


def _is_outline(alpha: Channel) -> bool:
    """Whether it clears more than some specks. Of a tightly cropped box, round at its corners or seen from above, it
    clears just these, or those at the top."""
    clear = alpha < 128
    corners = clear[np.ix_((0, -1), (0, -1))]
    return bool(clear.mean() >= 0.01 or corners.all(axis=0).any() or corners.all(axis=1).any())


def _by_alpha(pixels: Pixels, alpha: Channel) -> CutOut:
    alpha = _without_haze(pixels, alpha)
    box = _box_around(alpha > 8)
    color, alpha = _reduced_together(_cropped(pixels, box), _cropped(alpha, box))
    opacity = float(alpha[alpha > 8].mean()) / 255
    known = alpha > min(32, int(alpha.max()) // 2)
    return CutOut(spread(color, known), alpha.astype(np.float32) / np.float32(255), min(1.0, 2 * opacity))


def _without_haze(pixels: Pixels, alpha: Channel) -> Channel:
    """`alpha` without specks that are nowhere as solid as the product, and without a shadow baked in: black, faint and
    soft. A product that is faint all over counts as solid."""
    solid = alpha >= max(1, int(alpha.max()) // 2)
    parts, area = _regions(alpha > 8, 8)
    kept = np.zeros(area.size, bool)
    kept[parts[solid]] = True
    kept[0] = False
    dark = kept[parts] & ~solid & (strongest(pixels) < 48)
    shadow = dark & dilated(_opened(dark & ~dilated(solid, 5), 5), 9)
    return np.where(kept[parts] & ~shadow, alpha, 0).astype(np.uint8)


def _reduced_together(pixels: Pixels, alpha: Channel) -> tuple[Pixels, Channel]:
    if max(alpha.shape) <= LONGEST_SIDE:
        return pixels, alpha
    weighted = _reduced(cv2.multiply(pixels, cv2.merge([alpha] * 3), scale=1 / 255))
    alpha = _reduced(alpha)
    return cast(Pixels, cv2.divide(weighted, cv2.merge([alpha] * 3), scale=255)), alpha


# Which pixels are product


def _off_ground(pixels: Pixels, ground: Pixels) -> CutOut:
    like, noise = _like_ground(pixels, ground)
    box = _box_around(~like)
    framed = _sides_touched(box, like.shape) < 3
    pixels, ground, like = (_cropped(field, box, margin=16) for field in (pixels, ground, like))
    product = _product(pixels, ground, like, noise)
    color, alpha, clear = matte(pixels, product)
    box = _box_around(alpha > 0.02)
    confidence = 0.95 * (0.4 + 0.6 * clear) * (0.5 if _white_may_be_lost(product, ground, box) else 1)
    confidence *= 1 if framed else 0.5
    return CutOut(_cropped(color, box), _cropped(alpha, box), confidence)


def _like_ground(pixels: Pixels, ground: Pixels) -> tuple[Mask, float]:
    """Where a pixel may be ground, and the ground's noise in levels. What differs must somewhere differ clearly."""
    far = strongest(cv2.absdiff(pixels, ground))
    calm = np.concatenate([strip[strip < 12] for strip in (far[:3], far[-3:], far[:, :3], far[:, -3:])])
    noise = float(np.percentile(np.append(calm, 12), 95))
    limit = _limit(pixels, far, 0.75 + 1.5 * noise)
    labels, area = _regions(far > limit, 8)
    kept = area > 0.2 * area.max()
    kept[labels[far > 3 * limit]] = True
    kept[0] = False
    return ~kept[labels], noise


def _limit(pixels: Pixels, far: Channel, calm: float) -> Numbers:
    """Levels a pixel of the ground may stray: `calm`, and more around strong edges where JPEG left its ringing."""
    strong = far > 24
    near = dilated(strong, 33)
    grain = strongest(cv2.absdiff(pixels, cv2.GaussianBlur(pixels, (5, 5), 0)))
    around = near & ~dilated(strong, 7)
    ringing = float(grain[around].mean()) if around.any() else 0.0
    limit = np.where(near, calm + min(6, 12 * ringing), calm)
    return cast(Numbers, np.maximum(limit, min(0.15, 0.4 * ringing) * cv2.dilate(far, square(15))))


def _product(pixels: Pixels, ground: Pixels, like: Mask, noise: float) -> Mask:
    smooth = cv2.GaussianBlur(pixels, (3, 3), 0)
    edge = _edges(smooth, least=3 + 1.5 * noise)
    labels, _ = _regions(like | _opened(_dimmed(smooth, ground) & ~edge, 5), 4)
    outer = np.zeros(labels.max() + 1, bool)
    outer[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    outer[0] = False
    free = (outer | _holes(labels, outer, edge))[labels]
    shade = free & ~like
    return _without_dust(~(free & like | _shadow(shade, ~free, like, edge)), shade)


def _edges(smooth: MatLike, least: float) -> Mask:
    """Steps over 3 pixels that make up much of the fall over 9: outlines do, the soft edges of shadows do not."""
    light = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    step, fall = (cv2.morphologyEx(light, cv2.MORPH_GRADIENT, square(side)) for side in (3, 9))
    return (step > 0.4 * fall) & (step > least)


def _dimmed(smooth: MatLike, ground: Pixels) -> Mask:
    """Where a pixel is the ground in other light: darker by nearly as much in each channel, but not black."""
    ratio = cv2.divide(smooth, ground, scale=_LIT)
    most, least = strongest(ratio), 255 - strongest(cv2.bitwise_not(ratio))
    loss = _LIT - most.astype(np.float32)
    return (loss < 0.75 * _LIT) & (most - least < 10 + (0.6 * loss).clip(0, 16))


def _holes(labels: Labels, outer: Chosen, edge: Mask) -> Chosen:
    """Which regions are ground seen through the product; the other enclosed ones are its own white parts.

    A glint fades into the product where a hole has an edge; a label lies in the midst of the product or bears print,
    where a hole lies behind rails and rungs.
    """
    enclosed = (labels > 0) & ~outer[labels]
    if not enclosed.any():
        return np.zeros_like(outer)
    where, count = labels[enclosed], outer.size
    depth = cv2.distanceTransform(enclosed.astype(np.uint8), cv2.DIST_L2, 5)[enclosed]
    radius = np.zeros(count)
    np.maximum.at(radius, where, depth)
    rim = np.bincount(where, depth < 1.5, count)
    sharp = np.bincount(where, (depth < 1.5) & dilated(edge, 3)[enclosed], count)
    thin = _walls(labels, count) < 6 + 1.5 * radius
    return (sharp > 0.5 * rim) & thin & ~_printed(labels, outer)


def _walls(labels: Labels, count: int) -> Numbers:
    """For each region the thickness of the thinnest wall to another, in pixels."""
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
    """Which regions touch an island: a piece of product that the open ground does not reach."""
    islands, area = _regions(labels == 0, 8)
    afloat = area > 0
    afloat[islands[dilated(outer[labels], 3)]] = False
    printed = np.zeros_like(outer)
    printed[labels[dilated(afloat[islands], 3)]] = True
    return printed


def _shadow(shade: Mask, product: Mask, like: Mask, edge: Mask) -> Mask:
    """The shade that is no part of the product: it lies low, and dissolves into the ground instead of ending there."""
    labels, area = _regions(_opened(shade & ~dilated(edge, 5), max(5, max(shade.shape) // 160)), 8)
    near = cv2.dilate(labels.astype(np.float32), square(9)).astype(np.int32)
    softly = np.bincount(near[like], minlength=area.size)
    sharply = np.bincount(near[edge & dilated(like, 5)], minlength=area.size)
    cast_down = sharply < 0.5 * softly
    rows = np.flatnonzero(product.any(axis=1))
    if rows.size:
        cast_down[labels[: rows[0] + 2 * (rows[-1] - rows[0]) // 5]] = False
    cast_down[0] = False
    return shade & dilated(cast_down[labels], 9)


def _without_dust(product: Mask, shade: Mask) -> Mask:
    labels, area = _regions(product, 8)
    mostly_shade = np.bincount(labels[shade], minlength=area.size) > 0.5 * area
    least = np.where(mostly_shade, 0.05, 0.001) * area.max()
    return cast(Mask, (area >= least.clip(12))[labels])


def _sides_touched(box: Box, shape: tuple[int, ...]) -> int:
    """Of the picture: what runs out of it on three is a room with plain walls rather than a product."""
    left, top, right, bottom = box
    return (left == 0) + (top == 0) + (right == shape[1]) + (bottom == shape[0])


def _white_may_be_lost(product: Mask, ground: Pixels, box: Box) -> bool:
    """Whether it ends at the top in a bare stalk on burnt-out white, as a lamp does whose white shade is gone."""
    left, top, right, bottom = box
    tall = bottom - top
    stalk = product[top + tall // 50 : top + tall // 10 + 1].sum(axis=1)
    bare = stalk.max() < 0.15 * (right - left) and stalk.max() <= 1.5 * stalk.min() + 1
    return bool(bare and ground[top].min() >= 254)


# Out of a scene


def _out_of_scene(pixels: Pixels) -> CutOut:
    labels, area = _regions(_opened(_grabbed(_scaled(pixels, 320 / max(pixels.shape))), 5), 8)
    if not 0.03 < area.max() / labels.size < 0.8:
        return CutOut(pixels, np.ones(pixels.shape[:2], np.float32), 0.05)
    main = (labels == area.argmax()).astype(np.float32)
    soft = cv2.resize(main, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    alpha = (2 * cv2.GaussianBlur(soft, (5, 5), 0) - 0.5).clip(0, 1).astype(np.float32)
    box = _box_around(alpha > 0)
    color = spread(pixels, alpha > 0.9)
    return CutOut(_cropped(color, box), _cropped(alpha, box), 0.45 * float(area.max() / area.sum()))


def _grabbed(small: Pixels) -> Mask:
    """What GrabCut tells from the colors of the picture's margin."""
    height, width = small.shape[:2]
    if min(height, width) < 8:
        return np.zeros((height, width), bool)
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    marks[height // 20 + 1 : -1 - height // 40, width // 20 + 1 : -1 - width // 20] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(small, marks, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    return cast(Mask, marks == cv2.GC_PR_FGD)


# Pixels


def _box_around(mask: Mask) -> Box:
    box = bounds(mask)
    if box[0] == box[2]:
        raise NoProductError
    return box


def _cropped(field: NDArray[Any], box: Box, margin: int = 0) -> NDArray[Any]:
    left, top, right, bottom = box
    return field[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]


def _reduced(field: MatLike) -> Channel:
    return _scaled(field, LONGEST_SIDE / max(field.shape))


def _scaled(field: MatLike, scale: float) -> Channel:
    """Averaged over areas; a `scale` over 1 leaves it as it is."""
    if scale >= 1:
        return cast(Channel, field)
    return cast(Channel, cv2.resize(field, scaled_size(size_of(field), scale), interpolation=cv2.INTER_AREA))


def _regions(mask: Mask, connectivity: int) -> tuple[Labels, Labels]:
    """The connected regions as labels, 0 outside them, and the area of each label, 0 for the outside."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return cast(Labels, labels), cast(Labels, area)


def _opened(mask: Mask, side: int) -> Mask:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, square(side)) > 0
