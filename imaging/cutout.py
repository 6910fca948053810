"""Takes a product out of its photo: by its own alpha, off a plain ground, or out of a scene as far as colour goes.

What it does not know: what a thing is. White that left no trace on white is gone, glass keeps what shines through,
and a mirrored reflection below the product stays.
"""

from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.picture import Box, Mask, Picture, Pixels, Weights
from schemas.errors import ErrorCode, JobError

LONGEST_SIDE = 1600
"""Larger products are reduced to this first: they get smaller still in a room."""

SEEN_AT = 24
"""Levels of difference that no JPEG of fair quality makes up."""


@dataclass(frozen=True, eq=False)
class CutOut:
    """A product cropped to its bounding box, in straight (not premultiplied) colour.

    Transparent pixels carry the nearest product colour, so scaling bleeds nothing of the old background. `confidence`,
    0 to 1, says how far to trust the outline: with an alpha of its own 1 (less the fainter the product), off a plain
    ground 0.95 times the share of the outline that stands out, halved where white may be lost in white, at most
    0.5 out of a scene, 0.05 where nothing came apart and this is the whole picture.
    """

    color: Pixels
    alpha: Weights
    confidence: float


@dataclass(frozen=True, eq=False)
class Ground:
    """The plain ground as it would be without the product, and how many levels its own pixels stray from that."""

    color: Pixels
    noise: float


def cut_out(product: Picture) -> CutOut:
    """Raises JobError where the picture is one even ground or wholly transparent."""
    if product.alpha is not None and (product.alpha < 128).mean() >= 0.01:
        return _by_alpha(product.pixels, product.alpha)
    pixels = _reduced(_on_white(product))
    ground = _find_ground(pixels)
    return _off_ground(pixels, ground) if ground else _out_of_scene(pixels)


def _by_alpha(pixels: Pixels, alpha: NDArray[np.uint8]) -> CutOut:
    box = _box_around(alpha > 8)
    color, alpha = _reduced_together(_cropped(pixels, box), _cropped(alpha, box))
    opacity = alpha[alpha > 8].mean() / 255
    color = _spread(color, alpha > 32)
    return CutOut(color, alpha.astype(np.float32) / 255, min(1.0, 2 * float(opacity)))


def _reduced_together(pixels: Pixels, alpha: NDArray[np.uint8]) -> tuple[Pixels, NDArray[np.uint8]]:
    if max(alpha.shape) <= LONGEST_SIDE:
        return pixels, alpha
    solid = _reduced(cv2.multiply(pixels, cv2.merge([alpha] * 3), scale=1 / 255))
    alpha = _reduced(alpha)
    return cv2.divide(solid, cv2.merge([alpha] * 3), scale=255), alpha


def _on_white(product: Picture) -> Pixels:
    if product.alpha is None or product.alpha.min() == 255:
        return product.pixels
    alpha = cv2.merge([product.alpha] * 3)
    return cv2.add(cv2.multiply(product.pixels, alpha, scale=1 / 255), 255 - alpha)


def _reduced(pixels):
    height, width = pixels.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    return pixels if scale >= 1 else _scaled(pixels, scale)


def _scaled(pixels, scale):
    h, w = pixels.shape[:2]
    size = max(1, round(w * scale)), max(1, round(h * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _box_around(mask: Mask) -> Box:
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if not width:
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid product_image: it shows no product", ("product_image",))
    return left, top, left + width, top + height


def _cropped(pixels, box, margin=0):
    left, top, right, bottom = box
    return pixels[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]


# The ground


def _find_ground(pixels: Pixels) -> Ground | None:
    """None where fewer than six in ten of the border's pixels fit one smooth surface in CIELAB."""
    small = _scaled(pixels, min(1.0, 128 / max(pixels.shape)))
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    border = np.ones(lab.shape[:2], bool)
    border[1:-1, 1:-1] = False
    surface = np.broadcast_to(np.median(lab[border], axis=0), lab.shape)
    for tolerance in (25.0, 12.0, 8.0, 5.0, 4.0):
        like = border & (_distance(lab, surface) < tolerance)
        if like.sum() < 0.3 * border.sum():
            return None
        surface = _fitted(lab, like, 2)
    like = border & (_distance(lab, surface) < 4)
    if like.sum() < 0.6 * border.sum():
        return None
    tolerance = max(0.7, 2.5 * float(np.sqrt(np.square(_distance(lab, surface)[like]).mean())))
    for _ in range(6):
        surface = _fitted(lab, _distance(lab, surface) < tolerance, 4)
    color = cv2.cvtColor(surface.astype(np.float32), cv2.COLOR_Lab2RGB)
    color = np.rint(color.clip(0, 1) * 255).astype(np.uint8) if False else color
    full = cv2.resize(color, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    full = cv2.convertScaleAbs(full.clip(0, 1), alpha=255)
    return Ground(full, _noise(pixels, full))


def _distance(lab, surface):
    return np.linalg.norm(lab - surface, axis=2)


def _fitted(lab, like, degree):
    """The polynomial surface through the pixels in `like`, everywhere."""
    y, x = np.mgrid[-1 : 1 : lab.shape[0] * 1j, -1 : 1 : lab.shape[1] * 1j]
    terms = np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=2)
    known = terms[like]
    weights = np.linalg.lstsq(known.T @ known, known.T @ lab[like], rcond=None)[0]
    return terms @ weights


def _noise(pixels, ground):
    far = _strongest(cv2.absdiff(cv2.GaussianBlur(pixels, (3, 3), 0), ground))
    edge = np.concatenate([far[:3].ravel(), far[-3:].ravel(), far[:, :3].ravel(), far[:, -3:].ravel()])
    calm = edge[edge < 12]
    return float(np.percentile(calm, 98)) if calm.size else 0.0


# Product or ground


def _off_ground(pixels: Pixels, ground: Ground) -> CutOut:
    smooth = cv2.GaussianBlur(pixels, (3, 3), 0)
    far = cv2.min(_strongest(cv2.absdiff(smooth, ground.color)), _strongest(cv2.absdiff(pixels, ground.color)))
    like = _like_ground(pixels, far, ground.noise)
    edge = _edges(smooth, ground.noise)
    passable = like | _grown(_shady(smooth, ground.color) & ~edge)
    free = _open_ground(passable, like, edge)
    shadow = _shadows(free & ~like, ~free, like, edge)
    product = _without_dust(~(free & like | shadow))
    return _matted(pixels, product, ground)


def _like_ground(pixels, far, noise):
    base = 0.75 + 1.5 * noise
    strong = (far > SEEN_AT).astype(np.uint8)
    near = _dilated(strong, 33)
    ring = near & ~_dilated(strong, 7)
    grain = _strongest(cv2.absdiff(pixels, cv2.GaussianBlur(pixels, (5, 5), 0)))
    g = float(grain[ring].mean()) if ring.any() else 0.0
    limit = np.where(near, base + min(FLAT, 2*FLAT * g), base).astype(np.float32)
    limit = np.maximum(limit, min(QMAX, QK * g) * cv2.dilate(far, _square(15)).astype(np.float32))
    unlike = far > limit
    count, labels, stats, _ = cv2.connectedComponentsWithStats(unlike.astype(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    keep = area > 0.2 * area.max()
    keep[np.unique(labels[far > (3 * limit if CLEAR is None else CLEAR)])] = True
    keep[0] = False
    return ~keep[labels]

QMAX, QK = 0.15, 0.4
FLAT=6
CLEAR=None

def _edges(smooth, noise):
    light = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    step = cv2.morphologyEx(light, cv2.MORPH_GRADIENT, _square(3))
    fall = cv2.morphologyEx(light, cv2.MORPH_GRADIENT, _square(13))
    return (step > 0.4 * fall) & (step > 3 + 1.5 * noise)


def _shady(smooth, ground):
    ratio = cv2.divide(smooth, ground, scale=200)
    most, least = _strongest(ratio), _weakest(ratio)
    dark = 200 - most.astype(np.float32)
    return (most <= 200) & (dark < 150) & (most - least < 7 + 0.15 * dark)


def _grown(mask):
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _square(5)) > 0


def _open_ground(passable, like, edge):
    count, labels = cv2.connectedComponents(passable.astype(np.uint8), connectivity=4)
    opened = np.zeros(count, bool)
    opened[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    opened[0] = False
    return (opened | _holes(labels, count, opened, passable, like, edge))[labels]


def _holes(labels, count, opened, passable, like, edge):
    enclosed = passable & ~opened[labels]
    where = labels[enclosed]
    area = np.bincount(where, minlength=count)
    likes = np.bincount(where, like[enclosed], minlength=count)
    depth = cv2.distanceTransform(enclosed.astype(np.uint8), cv2.DIST_L2, 5)[enclosed]
    radius = np.zeros(count)
    np.maximum.at(radius, where, depth)
    rim = depth < 1.5
    rims = np.bincount(where[rim], minlength=count)
    sharps = np.bincount(where[rim], _dilated(edge, 3)[enclosed][rim], minlength=count)
    n, lab2 = cv2.connectedComponents((~passable).astype(np.uint8), connectivity=8)
    touch = np.zeros(n, bool)
    touch[np.unique(lab2[_dilated(opened[labels], 3)])] = True
    touch[0] = True
    with_island = np.zeros(count, bool)
    with_island[np.unique(labels[_dilated(~touch[lab2], 3) & enclosed])] = True
    thin = _walls(labels, count)
    ok = (area >= 6) & (likes > 0.2 * area) & (sharps > 0.5 * rims) & (thin < 4 * radius + 6) & ~with_island
    return ok


def _walls(labels, count):
    """How thick the thinnest wall is between each region and any other."""
    far, cell = cv2.distanceTransformWithLabels((labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros(cell.max() + 1, np.int32)
    source[cell[labels > 0]] = labels[labels > 0]
    owner = source[cell]
    wall = np.full(count, np.inf)
    for a, b in (((slice(1, None),), (slice(None, -1),)), ((slice(None), slice(1, None)), (slice(None), slice(None, -1)))):
        meet = owner[a] != owner[b]
        width = (far[a] + far[b])[meet]
        np.minimum.at(wall, owner[a][meet], width)
        np.minimum.at(wall, owner[b][meet], width)
    return wall


def _shadows(shade, product, like, edge):
    k = max(5, max(like.shape) // 80 | 1)
    blobs = cv2.morphologyEx(shade.astype(np.uint8), cv2.MORPH_OPEN, _square(k))
    if not blobs.any() or not product.any():
        return blobs > 0
    _, top, _, bottom = _box_around(product)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(blobs, connectivity=8)
    near = cv2.dilate(labels.astype(np.float32), _square(5)).astype(np.int32)
    softly = np.bincount(near[like], minlength=count)
    sharply = np.bincount(near[edge & _dilated(like, 5)], minlength=count)
    good = (stats[:, cv2.CC_STAT_TOP] > top + 0.4 * (bottom - top)) & (sharply < 0.5 * softly)
    good[0] = False
    return shade & _dilated(good[labels], k + 4)


def _without_dust(product):
    count, labels, stats, _ = cv2.connectedComponentsWithStats(product.astype(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return (area >= max(12, 0.001 * area.max()))[labels]


# Matte


def _matted(pixels, product, ground):
    box = _box_around(product)
    m = 12
    pixels, body = _cropped(pixels, box, m), _cropped(product, box, m)
    global LAST
    LAST = (max(0, box[0] - m), max(0, box[1] - m))
    known = ~_dilated(body, 7)
    if not known.any():
        known[:] = False
        return CutOut(pixels, body.astype(np.float32), 0.5)
    behind = cv2.blur(_spread(pixels, known), (9, 9))
    core = cv2.erode(body.astype(np.uint8), _square(9), borderValue=1) > 0
    band = _dilated(body, 5) & ~core
    fine = ~_dilated(core, 17)
    ys, xs = np.nonzero(band)
    soft = cv2.GaussianBlur(body.astype(np.float32), (0, 0), 2)
    nx, ny = cv2.Sobel(soft, cv2.CV_32F, 1, 0)[band], cv2.Sobel(soft, cv2.CV_32F, 0, 1)[band]
    length = np.hypot(nx, ny) + 1e-6
    nx /= length
    ny /= length
    gap = cv2.subtract(pixels, behind, dtype=cv2.CV_32F)
    size2 = np.square(gap).sum(2)
    H, W = body.shape

    def at(s):
        return np.clip(np.rint(ys + s * ny).astype(int), 0, H - 1), np.clip(np.rint(xs + s * nx).astype(int), 0, W - 1)

    own = gap[band]
    best = own.copy()
    size = size2[band]
    inside0 = body[band]
    entered = inside0.copy()
    alive = np.ones_like(entered)
    for s in (1, 2, 3, 4):
        p = at(s)
        inside = body[p]
        alive &= ~(entered & ~inside)
        entered |= inside
        take = (size2[p] > size) & inside & alive
        best[take] = gap[p][take]
        size[take] = size2[p][take]
    p3, p6 = at(3), at(6)
    n3, n6 = np.sqrt(size2[p3]), np.sqrt(size2[p6])
    fall = np.where(body[p3] & body[p6], np.clip(2 - n6 / np.maximum(n3, 1e-3), 0.4, 1), 1)
    best *= fall[:, None]
    size *= fall**2
    if FINE:
        reach = cv2.dilate(np.where(body, size2, 0), _square(FINE))[band]
        f = fine[band] & (reach > size)
        k = np.sqrt(reach[f] / np.maximum(size2[band][f], 1e-3))
        best[f] = own[f] * k[:, None]
        size[f] = reach[f]
    raw = (own * best).sum(1) / np.maximum(size, 1e-6)
    raw = np.clip((raw - 0.04) / 0.9, 0, 1).astype(np.float32)
    alpha = body.astype(np.float32)
    alpha[band] = raw
    mono = raw.copy()
    alive = inside0.copy()
    for s in (-1, -2, -3):
        p = at(s)
        alive &= body[p]
        mono = np.where(alive, np.maximum(mono, alpha[p]), mono)
    alpha[band] = np.where(fine[band], raw, mono)
    a = alpha[band][:, None]
    color = pixels.copy()
    color[band] = np.clip(np.rint(own + (1 - a) * best + behind[band]), 0, 255)
    color = _spread(color, alpha > 0.05)
    bx = _box_around(alpha > 0.02)
    LAST = LAST[0] + bx[0], LAST[1] + bx[1]
    return CutOut(_cropped(color, bx), _cropped(alpha, bx), 0.9)

FINE=5

def _spread(pixels, known):
    """Every pixel the colour of the nearest known one."""
    _, labels = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros((labels.max() + 1, 3), np.uint8)
    source[labels[known]] = pixels[known]
    return np.where(known[..., None], pixels, source[labels])


def _out_of_scene(pixels: Pixels) -> CutOut:
    raise NotImplementedError


def _square(side):
    return np.ones((side, side), np.uint8)


def _dilated(mask, side):
    return cv2.dilate(mask.astype(np.uint8), _square(side)) > 0


def _strongest(channels):
    r, g, b = cv2.split(channels)
    return cv2.max(cv2.max(r, g), b)


def _weakest(channels):
    r, g, b = cv2.split(channels)
    return cv2.min(cv2.min(r, g), b)
