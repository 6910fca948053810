"""Takes a product out of its photo: by its own alpha, off a plain ground, or out of a scene as far as colour tells.

What it does not know: what a thing is. White that left no trace on white stays lost, a mirrored reflection below the
product stays part of it, and a white label that reaches the outline opens as a hole would.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.picture import Box, Mask, Picture, Pixels, Weights
from schemas.errors import ErrorCode, JobError

LONGEST_SIDE = 1600
"""Larger products are reduced to this, by area: in a room they get smaller still."""

SHADE = 200
"""What the ground's own brightness is in the 8-bit ratio of a picture to its ground."""

Channel = NDArray[np.uint8]
Labels = NDArray[np.int32]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CutOut:
    """A product cropped to its bounding box, in straight (not premultiplied) colour.

    Transparent pixels carry the nearest product colour, so scaling bleeds nothing of the old background. `confidence`,
    0 to 1, says how far to trust the outline: 1 with an alpha of its own (less where all of it is faint), up to 0.95
    off a plain ground (less where the outline hardly differs from the ground, or a white part may be lost in white),
    at most 0.5 out of a scene, 0.05 where nothing came apart and this is the whole picture.
    """

    color: Pixels
    alpha: Weights
    confidence: float


@dataclass(frozen=True, eq=False)
class Ground:
    """The plain ground as it would be without the product, and how many levels its own pixels stray from it."""

    color: Pixels
    noise: float


def cut_out(product: Picture) -> CutOut:
    """Raises JobError where the picture is wholly transparent or nothing but plain ground."""
    if product.alpha is not None and (product.alpha < 128).mean() >= 0.01:
        return _by_alpha(product.pixels, product.alpha)
    pixels = _reduced(_on_white(product))
    ground = _find_ground(pixels)
    return _off_ground(pixels, ground) if ground else _out_of_scene(pixels)


def _by_alpha(pixels: Pixels, alpha: Channel) -> CutOut:
    box = _box_around(alpha > 8)
    color, alpha = _reduced_together(_cropped(pixels, box), _cropped(alpha, box))
    opacity = float(alpha[alpha > 8].mean()) / 255
    return CutOut(_spread(color, alpha > 32), alpha.astype(np.float32) / 255, min(1.0, 2 * opacity))


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


# The ground: one smooth surface in CIELAB, through the picture's border and all that lies on it.


def _find_ground(pixels: Pixels) -> Ground | None:
    """None where fewer than six in ten border pixels lie on one smooth surface."""
    small = _scaled(pixels, min(1.0, 128 / max(pixels.shape)))
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    border = np.ones(lab.shape[:2], bool)
    border[1:-1, 1:-1] = False
    surface, away = _border_surface(lab, border)
    on_surface = border & (away < 4)
    if on_surface.sum() < 0.6 * border.sum():
        return None
    spread = float(np.sqrt(np.square(away[on_surface]).mean()))
    surface = _grown_surface(lab, surface, max(0.7, 2.5 * spread))
    rgb = cv2.cvtColor(surface.astype(np.float32), cv2.COLOR_Lab2RGB)
    color = cv2.convertScaleAbs(cv2.resize(rgb, pixels.shape[1::-1]).clip(0, 1), alpha=255)
    return Ground(color, _noise(pixels, color))


def _border_surface(lab, border):
    terms = _terms(lab.shape, 2)
    away = np.linalg.norm(lab - np.median(lab[border], axis=0), axis=2)
    for tolerance in (25, 12, 8, 5):
        surface = _fitted(lab, terms, border & (away < tolerance))
        away = np.linalg.norm(lab - surface, axis=2)
    return surface, away


def _grown_surface(lab, surface, tolerance):
    terms = _terms(lab.shape, 4)
    for _ in range(6):
        surface = _fitted(lab, terms, np.linalg.norm(lab - surface, axis=2) < tolerance)
    return surface


def _terms(shape, degree):
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=2)


def _fitted(lab, terms, known):
    a = terms[known]
    return terms @ np.linalg.lstsq(a.T @ a, a.T @ lab[known], rcond=None)[0]


def _noise(pixels, ground):
    far = _strongest(cv2.absdiff(pixels, ground))
    edge = np.concatenate([far[:3].ravel(), far[-3:].ravel(), far[:, :3].ravel(), far[:, -3:].ravel()])
    calm = edge[edge < 12]
    return float(np.percentile(calm, 95)) if calm.size else 0.0


# Product or ground


def _off_ground(pixels: Pixels, ground: Ground) -> CutOut:
    product = _product(pixels, ground)
    cut, clear = _matted(pixels, product)
    conf = 0.95 * (0.4 + 0.6 * clear)
    if _white_may_be_lost(product, ground):
        conf *= 0.55
    return replace(cut, confidence=conf)


def _product(pixels, ground):
    like = _like_ground(pixels, ground)
    smooth = cv2.GaussianBlur(pixels, (3, 3), 0)
    edge = _edges(smooth, ground.noise)
    shady = _opened(_shady(smooth, ground.color) & ~edge, 5)
    free = _open_ground(like | shady, like, edge)
    shade = free & ~like
    ground_ = free & like | _shadows(shade, ~free, like, edge)
    return _without_dust(~ground_, shade)


def _like_ground(pixels, ground):
    far = _strongest(cv2.absdiff(pixels, ground.color))
    limit = _limits(pixels, far, 0.75 + 1.5 * ground.noise)
    labels, area = _regions(far > limit, 8)
    kept = area > 0.2 * area.max()
    kept[labels[far > 3 * limit]] = True
    kept[0] = False
    return ~kept[labels]


def _limits(pixels, far, base):
    strong = far > 24
    near = _dilated(strong, 33)
    ring = near & ~_dilated(strong, 7)
    grain = _strongest(cv2.absdiff(pixels, cv2.GaussianBlur(pixels, (5, 5), 0)))
    g = float(grain[ring].mean()) if ring.any() else 0.0
    limit = np.where(near, base + min(6, 12 * g), base)
    return np.maximum(limit, min(0.15, 0.4 * g) * cv2.dilate(far, _square(15)))


def _edges(smooth, noise):
    light = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    step = cv2.morphologyEx(light, cv2.MORPH_GRADIENT, _square(3))
    fall = cv2.morphologyEx(light, cv2.MORPH_GRADIENT, _square(9))
    return (step > 0.4 * fall) & (step > 3 + 1.5 * noise)


def _shady(smooth, ground):
    ratio = cv2.divide(smooth, ground, scale=SHADE)
    most, least = _strongest(ratio), -_strongest(-ratio.astype(np.int16))
    dark = SHADE - most.astype(np.float32)
    return (dark >= 0) & (dark < 0.75 * SHADE) & (most - least < 10 + (0.6 * dark).clip(0, 16))


def _open_ground(passable, like, edge):
    labels, area = _regions(passable, 4)
    opened = np.zeros(area.size, bool)
    opened[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    opened[0] = False
    return (opened | _holes(labels, area, opened, like, edge))[labels]


def _holes(labels, area, opened, like, edge):
    def share(mask, among):
        return np.bincount(labels[mask & among], minlength=area.size) / np.maximum(np.bincount(labels[among], minlength=area.size), 1)

    depth = cv2.distanceTransform((labels > 0).astype(np.uint8), cv2.DIST_L2, 5)
    radius = np.zeros(area.size)
    np.maximum.at(radius, labels.ravel(), depth.ravel())
    rim = (depth > 0) & (depth < 1.5)
    sharp = share(_dilated(edge, 3), rim)
    islands, size = _regions(labels == 0, 8)
    floating = np.ones(size.size, bool)
    floating[islands[_dilated(opened[labels], 3)]] = False
    floating[0] = False
    written = np.zeros(area.size, bool)
    written[labels[_dilated(floating[islands], 3)]] = True
    return (area >= 6) & (share(like, labels > 0) > 0.2) & (sharp > 0.5) & (_walls(labels, area.size) < 1.5 * radius + 6) & ~written


def _walls(labels, count):
    """How thick the thinnest wall is between each region and any other."""
    distance, nearest = _nearest(labels > 0)
    owner = labels.ravel()[nearest]
    walls = np.full(count, np.inf)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        meet = owner[one] != owner[other]
        width = (distance[one] + distance[other])[meet]
        np.minimum.at(walls, owner[one][meet], width)
        np.minimum.at(walls, owner[other][meet], width)
    return walls


def _shadows(shade, product, like, edge):
    reach = max(5, max(shade.shape) // 160 | 1)
    labels, area = _regions(_opened(shade & ~_dilated(edge, 5), reach), 8)
    near = cv2.dilate(labels.astype(np.float32), _square(9)).astype(np.int32)
    softly = np.bincount(near[like], minlength=area.size)
    sharply = np.bincount(near[edge & _dilated(like, 5)], minlength=area.size)
    low = np.ones(area.size, bool)
    rows = np.flatnonzero(product.any(axis=1))
    if rows.size:
        low[labels[: rows[0] + 2 * (rows[-1] - rows[0]) // 5]] = False
    low[0] = False
    return shade & _dilated((low & (sharply < 0.5 * softly))[labels], 9)


def _without_dust(product, shade):
    labels, area = _regions(product, 8)
    shaded = np.bincount(labels[shade], minlength=area.size)
    return ((area >= max(12, 0.001 * area.max())) & ((shaded < 0.5 * area) | (area > 0.05 * area.max())))[labels]


def _white_may_be_lost(product, ground):
    """Whether the product ends blind at the top, in a stalk on burnt-out white: a white shade or top may be missing."""
    left, top, right, bottom = _box_around(product)
    widths = product[top:bottom].sum(axis=1)
    n = len(widths)
    stalk = widths[n // 50 : max(n // 10, 2)]
    return n > 20 and ground.color[top].min() >= 254 and stalk.max() < 0.15 * (right - left) and stalk.max() <= 1.5 * stalk.min() + 1


# The matte


BL=5
D0,D1=2,2
def _matted(pixels, product):
    box = _box_around(product)
    m = 12
    global LAST
    LAST = (max(0, box[0] - m), max(0, box[1] - m))
    pixels, product = _cropped(pixels, box, m), _cropped(product, box, m)
    known = ~_dilated(product, 7)
    if not known.any():
        return CutOut(pixels, product.astype(np.float32), 0), 0.5
    behind = cv2.blur(_spread(pixels, known), (9, 9))
    gap = cv2.subtract(pixels, behind, dtype=cv2.CV_32F)
    core = cv2.erode(product.astype(np.uint8), _square(9), borderValue=1) > 0
    rim = _dilated(product, 5) & ~core
    front = _front(gap, product, core, rim)
    field = np.zeros((*product.shape, 4), np.float32)
    field[rim, :3] = front
    field[rim, 3] = 1
    field = cv2.blur(field, (BL, BL))[rim]
    front = field[:, :3] / field[:, 3:]
    size = np.square(front).sum(1)
    share = (gap[rim] * front).sum(1) / np.maximum(size, 1e-6)
    alpha = product.astype(np.float32)
    depth = cv2.distanceTransform(product.astype(np.uint8), cv2.DIST_L2, 5)[rim]
    alpha[rim] = np.maximum((share - 0.04) / 0.9, (depth - D0) / D1).clip(0, 1)
    color = pixels.copy()
    freed = pixels[rim] + (1 - alpha[rim])[:, None] * front
    color[rim] = np.rint(freed).clip(0, 255)
    color = _spread(color, alpha > 0.05)
    box = _box_around(alpha > 0.02)
    LAST = LAST[0] + box[0], LAST[1] + box[1]
    clear = float((np.sqrt(size[product[rim]]) > 25).mean())
    return CutOut(_cropped(color, box), _cropped(alpha, box), 0), clear


def _front(gap, product, core, rim):
    strength = np.sqrt(np.square(gap).sum(2))
    front, best = gap[rim], strength[rim]
    entered = product[rim]
    alive = np.ones_like(entered)
    steps = list(_inward(product, rim, 6))
    for at in steps[:4]:
        inside = product[at]
        alive &= inside | ~entered
        entered |= inside
        take = inside & alive & (strength[at] > best)
        front[take], best[take] = gap[at][take], strength[at][take]
    third, sixth = steps[2], steps[5]
    deep = product[third] & product[sixth]
    falling = np.where(deep, (2 - strength[sixth] / np.maximum(strength[third], 1e-3)).clip(0.4, 1), 1)
    front *= falling[:, None]
    best *= falling
    reach = cv2.dilate(np.where(product, strength, 0), _square(5))[rim]
    thin = ~_dilated(core, 17)[rim] & (reach > best)
    front[thin] = gap[rim][thin] * (reach[thin] / np.maximum(strength[rim][thin], 1e-3))[:, None]
    return front


def _inward(product, rim, steps) -> Iterator:
    soft = cv2.GaussianBlur(product.astype(np.float32), (0, 0), 2)
    normal = np.stack([cv2.Sobel(soft, cv2.CV_32F, 0, 1)[rim], cv2.Sobel(soft, cv2.CV_32F, 1, 0)[rim]])
    normal /= np.hypot(*normal) + 1e-6
    start = np.stack(np.nonzero(rim))
    last = np.array(product.shape)[:, None] - 1
    for step in range(1, steps + 1):
        y, x = np.rint(start + step * normal).astype(np.intp).clip(0, last)
        yield y, x


def _out_of_scene(pixels: Pixels) -> CutOut:
    mask = _grabbed(pixels)
    global LAST
    if mask is None:
        LAST = (0, 0)
        return CutOut(pixels, np.ones(pixels.shape[:2], np.float32), 0.05)
    alpha = cv2.GaussianBlur(cv2.resize(mask.astype(np.float32), pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC), (5, 5), 0)
    alpha = (2 * alpha - 0.5).clip(0, 1)
    box = _box_around(alpha > 0.02)
    LAST = box[:2]
    return CutOut(_cropped(_spread(pixels, alpha > 0.9), box), _cropped(alpha, box), 0.4)


def _grabbed(pixels):
    small = _scaled(pixels, min(1.0, 256 / max(pixels.shape)))
    height, width = small.shape[:2]
    marks = np.full((height, width), cv2.GC_PR_FGD, np.uint8)
    marks[: height // 20 + 1] = marks[:, : width // 20 + 1] = marks[:, -(width // 20) - 1 :] = marks[-(height//40)-1:] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(small, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    labels, area = _regions(_opened((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD), 5), 8)
    largest = labels == area.argmax()
    print('grab', area.sum() / labels.size, area.max() / labels.size)
    return largest if 0.03 < largest.mean() < 0.8 else None


# Pixels


def _box_around(mask: Mask) -> Box:
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if not width:
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid product_image: it shows no product", ("product_image",))
    return left, top, left + width, top + height


def _cropped(pixels, box, margin=0):
    left, top, right, bottom = box
    return pixels[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]


def _reduced(pixels):
    return _scaled(pixels, min(1.0, LONGEST_SIDE / max(pixels.shape)))


def _scaled(pixels, scale):
    if scale == 1:
        return pixels
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _spread(pixels, known):
    """Each pixel that is not known in the colour of the nearest that is."""
    _, nearest = _nearest(known)
    return pixels.reshape(-1, 3)[nearest]


def _nearest(known):
    """How far the nearest known pixel is, and its place in the flattened picture."""
    distance, cell = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    place = np.zeros(cell.max() + 1, np.intp)
    place[cell[known]] = np.flatnonzero(known)
    return distance, place[cell]


def _regions(mask, connectivity):
    """Labels, 0 outside `mask`, and the area of each, 0 for the outside."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return labels, area


def _square(side):
    return np.ones((side, side), np.uint8)


def _dilated(mask, side):
    return cv2.dilate(mask.astype(np.uint8), _square(side)) > 0


def _opened(mask, side):
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _square(side)) > 0


def _strongest(channels):
    red, green, blue = cv2.split(channels)
    return cv2.max(cv2.max(red, green), blue)
