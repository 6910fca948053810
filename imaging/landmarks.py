"""What a room photo shows: its floor, and the furniture and openings that people name places by.

Floor is what looks like the photo's bottom and has no edge of a thing around it; the rest is known by shape, light and
place. These are guesses, good in common rooms: furniture in the very colour of the floor, patterned rugs and tables
without legs or sides to be seen are missed, doors and lamps not looked for.
"""

from dataclasses import dataclass
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.camera import Camera, Numbers
from imaging.picture import Box, Mask, Pixels
from imaging.regions import Chosen, Lab, Regions, contrasts, grown, split
from imaging.words import Landmark

_SAME, _LIKE = (6.0, 16.0), (8.0, 28.0)  # CIELAB tint and lightness: one surface in one light, and in any
_ONE_WINDOW = (12.0, 12.0)
_SEAMLESS = 5.0  # CIELAB across a border: joints and light, but no edge of a thing
_OWN_TINT = 5.0  # CIELAB: what a rug differs from the floor by at least
_SHINING = 93.0  # CIELAB lightness
_UPRIGHT = 4.0  # CIELAB over two pixels: a leg's edge


@dataclass(frozen=True, eq=False)
class Room:
    """A reduced photo and its `camera`. `ground` is the floor with all that stands on it, `free` the part of it that
    shows and bears something, `wall` where nothing hangs; `boxes` holds what else was found."""

    camera: Camera
    ground: Mask
    free: Mask
    wall: Mask
    rug: Mask
    boxes: dict[Landmark, Box]
    tabletop: Box | None


class _Table(NamedTuple):
    """The number of its top's region, the top's box, and how many rows below it the legs end."""

    top: int
    box: Box
    legs: int


def look(pixels: Pixels, camera: Camera) -> Room:
    """What is seen in `pixels`, some hundred of them wide, by `camera`, which has their size."""
    lab = cv2.cvtColor(cv2.bilateralFilter(pixels, 7, 20, 3).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    regions = split(cast(Lab, lab))
    floor, ground = _floor(regions, lab, camera)
    table = _table(regions, lab, camera)
    rug = _rug(regions, floor, ground, table, camera)
    high = (regions.share(ground) < 0.2) & ~floor & (regions.area > 0)
    walls = _walls(regions, high, ground, camera)
    window = _window(regions, high & ~walls)
    picture = _pictures(regions, high & ~walls & ~window)
    plant = _plant(lab)
    free = _closed(regions.mask(floor | rug) & ~_under(table, ground.shape)) & ~plant
    furniture = _furniture(~regions.mask(floor | rug | walls | window | picture) & ~plant, ground, camera)
    masks: dict[Landmark, Mask] = {
        "window": regions.mask(window),
        "picture": regions.mask(picture),
        "rug": regions.mask(rug),
        "plant": plant,
        "table": _under(table, ground.shape),
    }
    boxes = {name: _box(mask) for name, mask in masks.items() if mask.any()}
    if furniture.any():
        boxes["sofa"] = _standing_box(furniture)
    top = table.box if table else None
    return Room(camera, ground, free, regions.mask(walls), masks["rug"], boxes, top)


def _floor(regions: Regions, lab: Lab, camera: Camera) -> tuple[Chosen, Mask]:
    """The floor's regions, and the ground: the convex hull of what is surely floor, since rooms are mostly convex."""
    low = regions.share(_below(regions.labels.shape, camera.horizon)) > 0.97
    bottom = regions.labels[-max(2, len(regions.labels) // 40) :]
    touching = np.bincount(bottom.ravel(), minlength=len(low)) * low
    if not touching.any():
        return np.zeros(len(low), np.bool_), np.zeros(regions.labels.shape, np.bool_)
    rivals = np.flatnonzero(touching)
    main = regions.only(max(rivals, key=lambda one: touching[regions.like(regions.only(one), _LIKE)].sum()))
    across = contrasts(regions, lab)
    seeds = main | (regions.like(main, _LIKE) & (touching > 0))
    sure = grown(seeds, low & regions.like(seeds, _SAME), across < _SEAMLESS)
    ground = _hull(regions.mask(sure))
    likely = low & regions.like(sure, _LIKE) & (regions.share(ground) > 0.9)
    return grown(sure, likely, np.isfinite(across)), ground


def _below(shape: tuple[int, ...], row: float) -> Mask:
    return np.broadcast_to((np.arange(shape[0]) >= row)[:, None], shape)


def _hull(mask: Mask) -> Mask:
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(cv2.findNonZero(mask.astype(np.uint8))), 1)
    return cv2.dilate(hull, np.ones((5, 1), np.uint8)) > 0


def _box(mask: Mask) -> Box:
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return left, top, left + width, top + height


def _table(regions: Regions, lab: Lab, camera: Camera) -> _Table | None:
    """The largest wide low region from both ends of which something goes straight down, legs or sides."""
    height, width = regions.labels.shape
    edges = np.abs(cv2.Sobel(lab[..., 0], -1, 1, 0, scale=1 / 4)) > _UPRIGHT
    upright = cv2.dilate(edges.astype(np.uint8), np.ones((7, 3), np.uint8)) > 0
    left, top, right, bottom = regions.box.T
    wide = (right - left > 0.05 * width) & (right - left > 1.5 * (bottom - top))
    full = regions.area > 0.5 * (right - left) * (bottom - top)
    tables = []
    for number in np.flatnonzero(wide & full & (top > camera.horizon) & (bottom < 0.95 * height)):
        box = cast(Box, tuple(map(int, regions.box[number])))
        tables.append(_Table(int(number), box, _legs(upright, box)))
    found = max(tables, key=lambda table: regions.area[table.top] * table.legs, default=None)
    return found if found and found.legs else None


def _legs(upright: Mask, box: Box) -> int:
    """How many rows below `box` its legs end; 0 where they are not two of about the same length."""
    left, _, right, bottom = box
    margin = max(2, (right - left) // 12)
    below = upright[bottom:, max(0, left - margin) : right + margin]
    runs = np.where(below.all(axis=0), len(below), below.argmin(axis=0))
    quarter = len(runs) // 4
    short, long = sorted((int(runs[:quarter].max()), int(runs[-quarter:].max())))
    between = np.median(runs[quarter:-quarter])
    good = short > max(5, 0.12 * (right - left)) and long < 2.5 * short and between < 0.3 * short
    return long if good else 0


def _under(table: _Table | None, shape: tuple[int, ...]) -> Mask:
    """The table with all that is between its legs."""
    mask = np.zeros(shape, np.bool_)
    if table:
        left, top, right, bottom = table.box
        mask[top : bottom + table.legs, left:right] = True
    return mask


def _rug(regions: Regions, floor: Chosen, ground: Mask, table: _Table | None, camera: Camera) -> Chosen:
    """What would be the best rectangle if it lay on the ground, in a colour of its own."""
    none = np.zeros(len(floor), np.bool_)
    if not floor.any():
        return none
    usual = np.average(regions.colour[floor], axis=0, weights=regions.area[floor])
    tint = np.hypot(*(regions.colour - usual).T[1:])
    flat = (regions.share(ground) > 0.9) & (regions.area > 0.004 * ground.size) & (tint > _OWN_TINT)
    if table:
        flat[table.top] = False
    floor_mask = regions.mask(floor)
    scores = {n: min(tint[n], 20) * _rug_size(regions.labels == n, floor_mask, camera) for n in np.flatnonzero(flat)}
    best = max(scores, key=lambda number: scores[number], default=0)
    if not scores.get(best):
        return none
    left, top, right, bottom = regions.box[best]
    x, y = (regions.box[:, 0] + regions.box[:, 2]) / 2, (regions.box[:, 1] + regions.box[:, 3]) / 2
    within = (x > left) & (x < right) & (y > top) & (y < bottom)
    return flat & within & regions.like(regions.only(best), _LIKE)


def _rug_size(mask: Mask, floor: Mask, camera: Camera) -> float:
    """Square metres, less where it is no rectangle from above; 0 where it is too small or has no floor before it."""
    outline = cv2.convexHull(cv2.findNonZero(mask.astype(np.uint8)))[:, 0].astype(np.float64)
    across, fall = camera.ray(outline[:, 0], outline[:, 1])
    z = -camera.height_cm / fall
    plan = np.stack([across * z, z], axis=1).astype(np.float32) / 100
    size, around = cv2.contourArea(plan), np.prod(cv2.minAreaRect(plan)[1])
    columns = np.flatnonzero(mask.any(axis=0))
    before = (len(mask) - mask[::-1].argmax(axis=0)[columns] + 3).clip(0, len(mask) - 1)
    lies = floor[before, columns].mean() > 0.6
    return float(size * (size / max(around, 1e-6)) ** 2) if lies and size > 0.7 else 0.0


def _walls(regions: Regions, high: Chosen, ground: Mask, camera: Camera) -> Chosen:
    """High regions that are very large, or large and come down to the ground without shining like windows do."""
    large = high & (regions.area > 0.015 * ground.size) & (regions.box[:, 1] < 0.8 * camera.horizon)
    light = regions.colour[:, 0]
    usual = np.average(light[large], weights=regions.area[large]) if large.any() else 0.0
    shining = (light > _SHINING) & (light > usual + 6)
    return large & ((regions.share(_towards_ceiling(ground)) > 0) & ~shining | (regions.area > 0.12 * ground.size))


def _towards_ceiling(ground: Mask) -> Mask:
    """`ground` with the skirting around it."""
    return cv2.dilate(ground.astype(np.uint8), np.ones((len(ground) // 12 * 2 + 1, 1), np.uint8)) > 0


def _window(regions: Regions, candidates: Chosen) -> Chosen:
    """The brightest large full shape on the walls, with the panes around it."""
    left, top, right, bottom = regions.box.T
    size = regions.labels.size
    whole = (top > 0) & (regions.area > 0.5 * (right - left) * (bottom - top))
    panes = candidates & whole & (regions.area > 0.004 * size) & (regions.area < 0.12 * size)
    light = panes * regions.area * regions.colour[:, 0] ** 2
    best = int(light.argmax())
    frame = size**0.5 / 20
    near = (left < right[best] + frame) & (right > left[best] - frame)
    near &= (top < bottom[best] + frame) & (bottom > top[best] - frame)
    return panes & near & regions.like(regions.only(best), _ONE_WINDOW)


def _pictures(regions: Regions, candidates: Chosen) -> Chosen:
    """The largest upright rectangle on the wall, and others like it beside it."""
    left, top, right, bottom = regions.box.T
    height, width = regions.labels.shape
    whole = (left > 0) & (top > 0) & (right < width) & (regions.area > 0.75 * (right - left) * (bottom - top))
    area = candidates * whole * regions.area * (regions.area < 0.06 * height * width)
    middle = (top + bottom) / 2
    largest = int(area.argmax())
    beside = (middle > top[largest]) & (middle < bottom[largest])
    return (area > 0.001 * height * width) & (area > 0.4 * area[largest]) & beside


def _plant(lab: Lab) -> Mask:
    """The largest green thing that is no rectangle."""
    green = (lab[..., 1] < -6) & (lab[..., 2] > 2)
    joined = cv2.dilate(green.astype(np.uint8), np.ones((7, 7), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(joined)
    area = np.bincount(parts[green], minlength=len(stats))
    ragged = 1 - area / (stats[:, cv2.CC_STAT_WIDTH] * stats[:, cv2.CC_STAT_HEIGHT])
    best = int((area * ragged.clip(0) * (np.arange(len(stats)) > 0)).argmax())
    return green & (parts == best) & (0.001 * green.size < area[best] < 0.1 * green.size) & (ragged[best] > 0.35)


def _furniture(stuff: Mask, ground: Mask, camera: Camera) -> Mask:
    """The largest thing on the ground."""
    height, width = ground.shape
    stuff = stuff & _below(ground.shape, 0.8 * camera.horizon)
    solid = cv2.morphologyEx(stuff.astype(np.uint8), cv2.MORPH_OPEN, np.ones((height // 24 + 1, width // 50 + 1), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(solid)
    standing = np.bincount(parts[_towards_ceiling(ground)], minlength=len(stats)) > 0
    standing[0] = False
    best = int((stats[:, cv2.CC_STAT_AREA] * standing).argmax())
    return (parts == best) & bool(standing[best])


def _standing_box(mask: Mask) -> Box:
    """The box of what stands at the back, whatever smaller things stand before it."""
    left, top, right, _ = _box(mask)
    columns = np.flatnonzero(mask.any(axis=0))
    bottoms = len(mask) - mask[::-1].argmax(axis=0)[columns]
    return left, top, right, int(np.quantile(bottoms, 0.3))


def _closed(mask: Mask) -> Mask:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 1), np.uint8)) > 0
