"""Takes a product out of its photo: by its own alpha, off a plain ground, or out of a scene as far as colour tells.

What it does not know: what a thing is. White that left no trace on white stays lost, a mirrored reflection stays part
of the product, and a plain white label near the outline opens as a hole would.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.picture import Box, Mask, Picture, Pixels, Weights
from schemas.errors import ErrorCode, JobError

LONGEST_SIDE = 1600
"""Larger products are reduced to this by area: in a room they get smaller still."""

Channel = NDArray[np.uint8]
Floats = NDArray[np.floating]
Labels = NDArray[np.int32]
Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class CutOut:
    """A product cropped to its bounding box, in straight (not premultiplied) colour.

    Transparent pixels carry the nearest product colour, so scaling bleeds nothing of the old ground into the edge.
    `confidence`, 0 to 1, says how far to trust the outline. With an alpha of its own it is 1, less where all of the
    product is faint. Off a plain ground it is 0.95 where the whole outline stands out, falls to 0.4 with the share
    that hardly does, and is halved where white may be lost in white. Out of a scene it is at most 0.45, and 0.05
    where nothing came apart and this is the whole picture.
    """

    color: Pixels
    alpha: Weights
    confidence: float


def cut_out(product: Picture) -> CutOut:
    """Raises JobError where the picture is wholly transparent or nothing but plain ground."""
    if product.alpha is not None and (product.alpha < 128).mean() >= 0.01:
        return _by_alpha(product.pixels, product.alpha)
    pixels = _reduced(_on_white(product))
    ground = _find_ground(pixels)
    return _out_of_scene(pixels) if ground is None else _off_ground(pixels, ground)


def _by_alpha(pixels: Pixels, alpha: Channel) -> CutOut:
    box = _box_around(alpha > 8)
    color, alpha = _reduced_together(_cropped(pixels, box), _cropped(alpha, box))
    opacity = float(alpha[alpha > 8].mean()) / 255
    visible = alpha > min(32, int(alpha.max()) // 2)
    return CutOut(_spread(color, visible), alpha.astype(np.float32) / 255, min(1.0, 2 * opacity))


def _reduced_together(pixels: Pixels, alpha: Channel) -> tuple[Pixels, Channel]:
    if max(alpha.shape) <= LONGEST_SIDE:
        return pixels, alpha
    weighted = _reduced(cv2.multiply(pixels, cv2.merge([alpha] * 3), scale=1 / 255))
    alpha = _reduced(alpha)
    return cv2.divide(weighted, cv2.merge([alpha] * 3), scale=255), alpha


def _on_white(product: Picture) -> Pixels:
    if product.alpha is None:
        return product.pixels
    alpha = cv2.merge([product.alpha] * 3)
    return cv2.add(cv2.multiply(product.pixels, alpha, scale=1 / 255), 255 - alpha)


# The plain ground: one smooth surface in CIELAB


def _find_ground(pixels: Pixels) -> Pixels | None:
    """The ground as it would be without the product; None where under six in ten border pixels fit one surface."""
    small = _scaled(pixels, min(1.0, 96 / max(pixels.shape)))
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    border = np.ones(lab.shape[:2], bool)
    border[1:-1, 1:-1] = False
    middle = np.median(lab[border], axis=0)
    away = _distance(lab, middle)
    for tolerance in (25, 12, 8, 5):
        surface = _surface(lab, border & (away < tolerance), degree=2)
        away = _distance(lab, surface)
    plain = border & (away < 4)
    if plain.sum() < 0.6 * border.sum():
        return None
    even = _mean_square(_distance(lab, middle)[plain]) < 0.1
    surface = np.broadcast_to(middle, lab.shape) if even else _grown(lab, surface, _mean_square(away[plain]))
    rgb = cv2.cvtColor(surface.astype(np.float32), cv2.COLOR_Lab2RGB).clip(0, 1)
    return cv2.resize(np.rint(255 * rgb).astype(np.uint8), pixels.shape[1::-1])


def _grown(lab: Floats, surface: Floats, scatter: float) -> Floats:
    """The surface carried from the border inwards, as far as the ground goes on."""
    tolerance = max(0.7, 2.5 * scatter**0.5)
    for _ in range(5):
        surface = _surface(lab, _distance(lab, surface) < tolerance, degree=4)
    return surface


def _surface(lab: Floats, known: Mask, degree: int) -> Floats:
    """The polynomial in x and y that fits the known pixels best."""
    y, x = np.mgrid[-1 : 1 : lab.shape[0] * 1j, -1 : 1 : lab.shape[1] * 1j]
    terms = np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=2)
    given = terms[known]
    return terms @ np.linalg.lstsq(given.T @ given, given.T @ lab[known], rcond=None)[0]


def _distance(one: Floats, other: Floats) -> Floats:
    return np.linalg.norm(one - other, axis=2)


def _mean_square(values: Floats) -> float:
    return float(np.square(values).mean())


# Which pixels are product


def _off_ground(pixels: Pixels, ground: Pixels) -> CutOut:
    like, noise = _like_ground(pixels, ground)
    box = _widened(_box_around(~like), 16)
    pixels, ground, like = _cropped(pixels, box), _cropped(ground, box), _cropped(like, box)
    product = _product(pixels, ground, like, noise)
    color, alpha, clear = _matte(pixels, product)
    confidence = 0.95 * (0.4 + 0.6 * clear) * (0.5 if _white_may_be_lost(product, ground) else 1)
    box = _box_around(alpha > 0.02)
    return CutOut(_cropped(color, box), _cropped(alpha, box), confidence)


def _like_ground(pixels: Pixels, ground: Pixels) -> tuple[Mask, float]:
    """Where a pixel may be ground, and the ground's noise in levels. What differs must somewhere differ clearly."""
    far = _strongest(cv2.absdiff(pixels, ground))
    rim = np.concatenate([far[:3].ravel(), far[-3:].ravel(), far[:, :3].ravel(), far[:, -3:].ravel()])
    noise = float(np.percentile(rim[rim < 12], 95)) if (rim < 12).any() else 0.0
    limit = _limit(pixels, far, 0.75 + 1.5 * noise)
    labels, area = _regions(far > limit, 8)
    kept = area > 0.2 * area.max()
    kept[labels[far > 3 * limit]] = True
    kept[0] = False
    return ~kept[labels], noise


def _limit(pixels: Pixels, far: Channel, calm: float) -> Floats:
    """Levels a pixel of the ground may stray: `calm`, and more around strong edges where JPEG left its ringing."""
    strong = far > 24
    near = _dilated(strong, 33)
    grain = _strongest(cv2.absdiff(pixels, cv2.GaussianBlur(pixels, (5, 5), 0)))
    ring = near & ~_dilated(strong, 7)
    ringing = float(grain[ring].mean()) if ring.any() else 0.0
    limit = np.where(near, calm + min(6, 12 * ringing), calm)
    return np.maximum(limit, min(0.15, 0.4 * ringing) * cv2.dilate(far, _square(15)))


def _product(pixels: Pixels, ground: Pixels, like: Mask, noise: float) -> Mask:
    smooth = cv2.GaussianBlur(pixels, (3, 3), 0)
    edge = _edges(smooth, 3 + 1.5 * noise)
    labels, area = _regions(like | _opened(_dimmed(smooth, ground) & ~edge, 5), 4)
    open_ = np.zeros(area.size, bool)
    open_[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    open_[0] = False
    free = (open_ | _holes(labels, open_, like, edge))[labels]
    shade = free & ~like
    return _without_dust(~(free & like | _shadow(shade, ~free, like, edge)), shade)


def _edges(smooth: Pixels, least: float) -> Mask:
    """Steps over 3 pixels that make up much of the fall over 9: outlines do, the soft edges of shadows do not."""
    light = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    step, fall = (cv2.morphologyEx(light, cv2.MORPH_GRADIENT, _square(side)) for side in (3, 9))
    return (step > 0.4 * fall) & (step > least)


def _dimmed(smooth: Pixels, ground: Pixels) -> Mask:
    """Where a pixel is the ground in less light: darker by nearly as much in each channel."""
    ratio = cv2.divide(smooth, ground, scale=200)
    most, least = _strongest(ratio), 255 - _strongest(255 - ratio)
    loss = 200 - most.astype(np.float32)
    return (loss >= 0) & (loss < 150) & (most - least < 10 + (0.6 * loss).clip(0, 16))


def _holes(labels: Labels, open_: Mask, like: Mask, edge: Mask) -> Mask:
    """Which regions are ground seen through the product; the other enclosed ones are its own white parts.

    A glint fades into the product where a hole has an edge; a label lies in the midst of the product or bears print,
    where a hole lies behind rails and rungs.
    """
    enclosed = (labels > 0) & ~open_[labels]
    if not enclosed.any():
        return np.zeros_like(open_)
    where, count = labels[enclosed], open_.size
    area = np.bincount(where, minlength=count)
    plain = np.bincount(where, like[enclosed], minlength=count)
    depth = cv2.distanceTransform(enclosed.astype(np.uint8), cv2.DIST_L2, 5)[enclosed]
    radius = np.zeros(count)
    np.maximum.at(radius, where, depth)
    rim = depth < 1.5
    sharp = np.bincount(where[rim], _dilated(edge, 3)[enclosed][rim], count)
    rims = np.bincount(where[rim], minlength=count)
    thin = _walls(labels, count) < 6 + 1.5 * radius
    return (area > 5) & (plain > 0.2 * area) & (sharp > 0.5 * rims) & thin & ~_printed(labels, open_)


def _walls(labels: Labels, count: int) -> Floats:
    """For each region the thickness of the thinnest wall to another, in pixels."""
    distance, nearest = _nearest(labels > 0)
    owner = labels.ravel()[nearest]
    walls = np.full(count, np.inf)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        meet = owner[one] != owner[other]
        width = (distance[one] + distance[other])[meet]
        np.minimum.at(walls, owner[one][meet], width)
        np.minimum.at(walls, owner[other][meet], width)
    return walls


def _printed(labels: Labels, open_: Mask) -> Mask:
    """Which regions touch an island: a piece of product that the open ground does not reach."""
    islands, area = _regions(labels == 0, 8)
    afloat = area > 0
    afloat[islands[_dilated(open_[labels], 3)]] = False
    printed = np.zeros_like(open_)
    printed[labels[_dilated(afloat[islands], 3)]] = True
    return printed


def _shadow(shade: Mask, product: Mask, like: Mask, edge: Mask) -> Mask:
    """The shade that is no part of the product: it lies low, and dissolves into the ground instead of ending there."""
    labels, area = _regions(_opened(shade & ~_dilated(edge, 5), max(5, max(shade.shape) // 160)), 8)
    near = cv2.dilate(labels.astype(np.float32), _square(9)).astype(np.int32)
    softly = np.bincount(near[like], minlength=area.size)
    sharply = np.bincount(near[edge & _dilated(like, 5)], minlength=area.size)
    cast = sharply < 0.5 * softly
    rows = np.flatnonzero(product.any(axis=1))
    if rows.size:
        cast[labels[: rows[0] + 2 * (rows[-1] - rows[0]) // 5]] = False
    cast[0] = False
    return shade & _dilated(cast[labels], 9)


def _without_dust(product: Mask, shade: Mask) -> Mask:
    labels, area = _regions(product, 8)
    mostly_shade = np.bincount(labels[shade], minlength=area.size) > 0.5 * area
    return (area >= (np.where(mostly_shade, 0.05, 0.001) * area.max()).clip(12))[labels]


def _white_may_be_lost(product: Mask, ground: Pixels) -> bool:
    """Whether it ends at the top in a bare stalk on burnt-out white, as a lamp does whose white shade is gone."""
    left, top, right, bottom = _box_around(product)
    tall = bottom - top
    stalk = product[top + tall // 50 : top + tall // 10 + 1].sum(axis=1)
    bare = stalk.max() < 0.15 * (right - left) and stalk.max() <= 1.5 * stalk.min() + 1
    return bool(bare and ground[top].min() >= 254)


# The matte


def _matte(pixels: Pixels, product: Mask) -> tuple[Pixels, Weights, float]:
    """Straight colour, alpha, and the share of the outline that stands out from the ground.

    A pixel of the rim is a mix of the ground nearby and of the product a few pixels further in: the mix is its alpha.
    """
    known = ~_dilated(product, 7)
    behind = cv2.blur(_spread(pixels, known), (9, 9)) if known.any() else pixels
    gap = cv2.subtract(pixels, behind, dtype=cv2.CV_32F)
    core = cv2.erode(product.astype(np.uint8), _square(9), borderValue=1) > 0
    rim = product & ~core
    front = _front(gap, product, core)[rim]
    strength = np.square(front).sum(axis=1)
    share = (gap[rim] * front).sum(axis=1) / strength.clip(1)
    depth = cv2.distanceTransform(product.astype(np.uint8), cv2.DIST_L2, 5)[rim]
    alpha = product.astype(np.float32)
    alpha[rim] = np.maximum((share - 0.04) / 0.9, (depth - 2) / 3).clip(0, 1)
    color = pixels.copy()
    color[rim] = np.rint(pixels[rim] + (1 - alpha[rim])[:, None] * front).clip(0, 255)
    return _spread(color, alpha > 0.05), alpha, float((strength > 25**2).mean()) if rim.any() else 1.0


def _front(gap: Floats, product: Mask, core: Mask) -> Floats:
    """How the product behind each pixel differs from the ground: as the nearest core does, or where the product is
    too thin to have one, as the pixel itself but as strongly as any close by."""
    strength = np.linalg.norm(gap, axis=2)
    nearby = cv2.dilate(strength * product, _square(5))
    own = gap * (nearby / strength.clip(1e-3))[..., None]
    if not core.any():
        return own
    distance, nearest = _nearest(core)
    inner = cv2.blur(gap.reshape(-1, 3)[nearest], (5, 5))
    return np.where((distance > 8)[..., None], own, inner)


# Out of a scene


def _out_of_scene(pixels: Pixels) -> CutOut:
    small = _scaled(pixels, min(1.0, 256 / max(pixels.shape)))
    labels, area = _regions(_opened(_grabbed(small), 5), 8)
    if not 0.03 < area.max() / labels.size < 0.8:
        return CutOut(pixels, np.ones(pixels.shape[:2], np.float32), 0.05)
    main = (labels == area.argmax()).astype(np.float32)
    soft = cv2.GaussianBlur(cv2.resize(main, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC), (5, 5), 0)
    alpha = (2 * soft - 0.5).clip(0, 1)
    box = _box_around(alpha > 0.02)
    color = _spread(pixels, alpha > 0.9)
    return CutOut(_cropped(color, box), _cropped(alpha, box), 0.45 * float(area.max() / area.sum()))


def _grabbed(small: Pixels) -> Mask:
    """What GrabCut tells from the colours of the picture's margin."""
    height, width = small.shape[:2]
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    marks[height // 20 + 1 : -height // 40, width // 20 + 1 : -width // 20] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(small, marks, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    return marks == cv2.GC_PR_FGD


# Pixels


def _box_around(mask: Mask) -> Box:
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if not width:
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid product_image: it shows no product", ("product_image",))
    return left, top, left + width, top + height


def _widened(box, margin):
    left, top, right, bottom = box
    return left - margin, top - margin, right + margin, bottom + margin


def _cropped(pixels, box):
    left, top, right, bottom = box
    return pixels[max(0, top) : bottom, max(0, left) : right]


def _reduced(pixels):
    return _scaled(pixels, min(1.0, LONGEST_SIDE / max(pixels.shape)))


def _scaled(pixels, scale):
    if scale == 1:
        return pixels
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _spread(pixels: Pixels, known: Mask) -> Pixels:
    """Every pixel in the colour of the nearest known one."""
    return pixels.reshape(-1, 3)[_nearest(known)[1]]


def _nearest(known: Mask) -> tuple[Floats, Places]:
    """For every pixel the distance to the nearest known one, and that one's place in the flattened picture."""
    unknown = (~known).astype(np.uint8)
    distance, cell = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    place = np.zeros(cell.max() + 1, np.intp)
    place[cell[known]] = np.flatnonzero(known)
    return distance, place[cell]


def _regions(mask: Mask, connectivity: int) -> tuple[Labels, NDArray[np.int32]]:
    """The connected regions as labels, 0 outside them, and the area of each label, 0 for the outside."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return labels, area


def _dilated(mask: Mask, side: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), _square(side)) > 0


def _opened(mask: Mask, side: int) -> Mask:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _square(side)) > 0


def _square(side: int) -> Channel:
    return np.ones((side, side), np.uint8)


def _strongest(channels: Pixels) -> Channel:
    red, green, blue = cv2.split(channels)
    return cv2.max(cv2.max(red, green), blue)
