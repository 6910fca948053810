"""What a room photo shows: its floor, and the furniture and openings that people name places by.

Floor is what looks like the photo's bottom, up to the edges of things; the rest is known by shape, light and place.
These are guesses, good in common rooms: furniture in the very color of the floor, patterned rugs and tables without
legs or sides to be seen are missed; doors and lamps are not looked for.
"""

from dataclasses import dataclass
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.geometry.camera import Camera
from imaging.picture import Box, Mask, Pixels, bounds
from imaging.placement.regions import Chosen, Lab, Regions, contrasts, grown, split, steepness
from imaging.placement.text_placement import Landmark

_SAME, _LIKE = (6.0, 16.0), (8.0, 28.0)  # one surface in one light, and in any
_ONE_WINDOW = (12.0, 12.0)
_SEAMLESS = 5.0  # CIELAB across a border: joints and light, but no edge of a thing
_EDGE = 3.0  # CIELAB per pixel
_LEG = 4.0  # CIELAB over two pixels, on the side of a leg
_SHINING = 93.0  # CIELAB lightness
_OWN_TINT, _FULL_TINT = 5.0, 20.0  # CIELAB from the floor: what a rug has at least, and what is worth counting


@dataclass(frozen=True, eq=False)
class Room:
    """A reduced photo and its `camera`. `ground` is the floor with all that stands on it, `free` the part of it that
    shows and can bear something, `rug` a part of that, `wall` where nothing hangs, `edges` are those of things and
    patterns. `boxes` holds what else was found, as sofa the largest piece of furniture, `tabletop` a table's face."""

    camera: Camera
    ground: Mask
    free: Mask
    rug: Mask
    wall: Mask
    edges: Mask
    boxes: dict[Landmark, Box]
    tabletop: Box | None


class _Table(NamedTuple):
    """The number of its top's region, the top's box, and how many rows below it the legs end."""

    top: int
    box: Box
    legs: int


def look(pixels: Pixels, camera: Camera) -> Room:
    """What is seen in `pixels`, a few hundred of them wide, by `camera`, which has their size."""
    smooth = cv2.bilateralFilter(pixels, 7, 20, 3).astype(np.float32) / 255
    lab = cast(Lab, cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB))
    regions = split(lab)
    floor, ground = _floor(regions, lab, camera)
    table = _table(regions, lab, camera)
    rug = _rug(regions, floor, ground, table, camera)
    high = (regions.share(ground) < 0.2) & ~floor & (regions.area > 0)
    walls = _walls(regions, high, ground, camera)
    window = _window(regions, high & ~walls)
    pictures = _pictures(regions, high & ~walls & ~window)
    plant, under = _plant(lab), _under(table, ground.shape)
    furniture = _furniture(~regions.mask(floor | rug | walls | window | pictures) & ~plant, ground, camera)
    masks: dict[Landmark, Mask] = {
        "window": regions.mask(window),
        "picture": regions.mask(pictures),
        "rug": regions.mask(rug),
        "plant": plant,
        "table": under,
    }
    boxes = {name: bounds(mask) for name, mask in masks.items() if mask.any()}
    if furniture.any():
        boxes["sofa"] = _standing(furniture)
    free = _without_joints(regions.mask(floor | rug)) & ground & ~under & ~plant
    edges = _dilated(steepness(lab) > _EDGE, 5, 5)
    top = table.box if table else None
    return Room(camera, ground, free, masks["rug"], regions.mask(walls), edges, boxes, top)


# The floor


def _floor(regions: Regions, lab: Lab, camera: Camera) -> tuple[Chosen, Mask]:
    """The floor's regions, and the ground: the convex hull of what is surely floor, since most rooms are convex."""
    shape = regions.labels.shape
    touching = np.bincount(regions.labels[-max(2, shape[0] // 40) :].ravel(), minlength=len(regions.area))
    touching[0] = 0
    low = regions.share(_below(shape, camera.horizon)) > 0.97
    low &= (touching > 0) | (regions.width > regions.height)
    if not touching[low].any():  # a backdrop without an edge, or a wall right before the camera
        return touching > 0.1 * touching.sum(), _below(shape, (max(camera.horizon, 0) + shape[0]) / 2)
    seeds = _seeds(regions, touching * low)
    across = contrasts(regions, lab)
    sure = grown(seeds, low & regions.like(seeds, _SAME), across < _SEAMLESS)
    ground = _hull(regions.mask(sure))
    likely = low & regions.like(sure, _LIKE) & (regions.share(ground) > 0.9)
    return grown(sure, likely, np.isfinite(across)), ground


def _seeds(regions: Regions, touching: NDArray[np.intp]) -> Chosen:
    """Of the regions at the photo's bottom, `touching` it so much, those that look like most of it."""
    rivals = [regions.like(regions.only(int(one)), _LIKE) for one in np.flatnonzero(touching)]
    return max(rivals, key=lambda alike: int(touching[alike].sum())) & (touching > 0)


def _below(shape: tuple[int, ...], row: float) -> Mask:
    return np.broadcast_to((np.arange(shape[0]) >= row)[:, None], shape)


def _hull(mask: Mask) -> Mask:
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(cv2.findNonZero(mask.astype(np.uint8))), 1)
    return _dilated(hull > 0, 1, 5)


def _without_joints(floor: Mask) -> Mask:
    """`floor` with the thin level lines in it: joints, borders of rugs."""
    return cv2.morphologyEx(floor.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 1), np.uint8)) > 0


def _rug(regions: Regions, floor: Chosen, ground: Mask, table: _Table | None, camera: Camera) -> Chosen:
    """What would be the best rectangle if it lay on the ground, in a color of its own."""
    usual = np.average(regions.color, axis=0, weights=regions.area * floor + 1e-9)
    tint = np.hypot(*(regions.color - usual).T[1:])
    flat = (regions.share(ground) > 0.9) & (regions.area > 0.004 * ground.size) & (tint > _OWN_TINT)
    if table:
        flat[table.top] = False
    floor_mask = regions.mask(floor)
    worth = np.zeros(len(floor))
    for one in np.flatnonzero(flat):
        worth[one] = min(tint[one], _FULL_TINT) * _rug_size(regions.labels == one, floor_mask, camera)
    best = int(worth.argmax())
    left, top, right, bottom = regions.box[best]
    x, y = (regions.box[:, :2] + regions.box[:, 2:]).T / 2
    parts = flat & (x > left) & (x < right) & (y > top) & (y < bottom) & regions.like(regions.only(best), _LIKE)
    return cast(Chosen, parts & (worth[best] > 0))


def _rug_size(mask: Mask, floor: Mask, camera: Camera) -> float:
    """Square meters, less where it is no rectangle from above; 0 where it is small or has no floor before it."""
    outline = cv2.convexHull(cv2.findNonZero(mask.astype(np.uint8)))[:, 0].astype(np.float64)
    plan = (np.stack(camera.on_floor(*outline.T), axis=1) / 100).astype(np.float32)
    size, around = cv2.contourArea(plan), float(np.prod(cv2.minAreaRect(plan)[1]))
    columns = np.flatnonzero(mask.any(axis=0))
    before = (_ends(mask)[columns] + 3).clip(0, len(mask) - 1)
    lies = floor[before, columns].mean() > 0.6
    return size * (size / max(around, 1e-6)) ** 2 if lies and size > 0.7 else 0.0


# What stands on it


def _table(regions: Regions, lab: Lab, camera: Camera) -> _Table | None:
    """The largest wide low region from both ends of which something goes straight down, legs or sides."""
    upright = _dilated(np.abs(cv2.Sobel(lab[..., 0], -1, 1, 0, scale=1 / 4)) > _LEG, 3, 7)
    _, top, _, bottom = regions.box.T
    wide = (regions.width > max(8, 0.05 * upright.shape[1])) & (regions.width > 1.5 * regions.height)
    low = (top > camera.horizon) & (bottom < 0.95 * len(upright))
    tables = []
    for number in np.flatnonzero(wide & low & (regions.fill > 0.5)):
        box = cast(Box, tuple(map(int, regions.box[number])))
        tables.append(_Table(int(number), box, _legs(upright, box)))
    best = max(tables, key=lambda table: regions.area[table.top] * table.legs, default=None)
    return best if best and best.legs else None


def _legs(upright: Mask, box: Box) -> int:
    """How many rows below `box` its legs end; 0 where they are not two of about the same length."""
    left, _, right, bottom = box
    margin = max(2, (right - left) // 12)
    below = upright[bottom:, max(0, left - margin) : right + margin]
    lengths = np.where(below.all(axis=0), len(below), below.argmin(axis=0))
    end = max(1, len(lengths) // 4)
    shorter, longer = sorted((int(lengths[:end].max()), int(lengths[-end:].max())))
    between = np.median(lengths[end:-end])
    alike = shorter > max(5, 0.12 * (right - left)) and longer < 2.5 * shorter and between < 0.3 * shorter
    return longer if alike else 0


def _under(table: _Table | None, shape: tuple[int, ...]) -> Mask:
    """The table with all that is between its legs."""
    mask = np.zeros(shape, np.bool_)
    if table:
        left, top, right, bottom = table.box
        mask[top : bottom + table.legs, left:right] = True
    return mask


def _furniture(stuff: Mask, ground: Mask, camera: Camera) -> Mask:
    """The largest thing on the ground."""
    height, width = ground.shape
    low = stuff & _below(ground.shape, 0.8 * camera.horizon)
    solid = cv2.morphologyEx(
        low.astype(np.uint8), cv2.MORPH_OPEN, np.ones((height // 24 + 1, width // 50 + 1), np.uint8)
    )
    parts = cv2.connectedComponents(solid)[1]
    area = np.bincount(parts.ravel()) * (np.bincount(parts[_with_skirting(ground)], minlength=parts.max() + 1) > 0)
    area[0] = 0
    return cast(Mask, (parts == area.argmax()) & (area.max() > 0))


def _plant(lab: Lab) -> Mask:
    """The largest green thing that is ragged: green pictures are not."""
    green = (lab[..., 1] < -6) & (lab[..., 2] > 2)
    parts, stats = cv2.connectedComponentsWithStats(_dilated(green, 7, 7).astype(np.uint8))[1:3]
    area = np.bincount(parts[green], minlength=len(stats))
    ragged = 1 - area / np.fmax(stats[:, cv2.CC_STAT_WIDTH] * stats[:, cv2.CC_STAT_HEIGHT], 1)
    worth = area * ragged * (ragged > 0.35) * (area > 0.001 * green.size) * (area < 0.1 * green.size)
    worth[0] = 0
    return cast(Mask, green & (parts == worth.argmax()) & (worth.max() > 0))


# What is on the walls


def _walls(regions: Regions, high: Chosen, ground: Mask, camera: Camera) -> Chosen:
    """High regions that are very large, or large and come down to the ground without shining as windows do."""
    large = high & (regions.area > 0.015 * ground.size) & (regions.box[:, 1] < 0.8 * camera.horizon)
    lightness = regions.color[:, 0]
    usual = np.average(lightness, weights=regions.area * large + 1e-9)
    shining = (lightness > _SHINING) & (lightness > usual + 6)
    down = regions.share(_with_skirting(ground)) > 0
    return large & ((down & ~shining) | (regions.area > 0.12 * ground.size))


def _with_skirting(ground: Mask) -> Mask:
    return _dilated(ground, 1, len(ground) // 12 * 2 + 1)


def _window(regions: Regions, candidates: Chosen) -> Chosen:
    """The brightest large full shape, with the panes around it."""
    size = regions.labels.size
    left, top, right, bottom = regions.box.T
    panes = candidates & (top > 0) & (regions.fill > 0.5)
    panes &= (regions.area > 0.004 * size) & (regions.area < 0.12 * size)
    best = int((panes * regions.area * regions.color[:, 0] ** 2).argmax())
    frame = size**0.5 / 20
    beside = (left < right[best] + frame) & (right > left[best] - frame)
    beside &= (top < bottom[best] + frame) & (bottom > top[best] - frame)
    return cast(Chosen, panes & beside & regions.like(regions.only(best), _ONE_WINDOW))


def _pictures(regions: Regions, candidates: Chosen) -> Chosen:
    """The largest upright rectangle, and others of its size beside it."""
    height, width = regions.labels.shape
    left, top, right, bottom = regions.box.T
    whole = candidates & (left > 0) & (top > 0) & (right < width) & (regions.fill > 0.75)
    area = regions.area * whole * (regions.area < 0.06 * height * width)
    best = int(area.argmax())
    beside = (top + bottom > 2 * top[best]) & (top + bottom < 2 * bottom[best])
    return cast(Chosen, beside & (area > 0.4 * area[best]) & (area > 0.001 * height * width))


# Masks


def _dilated(mask: Mask, columns: int, rows: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), np.ones((rows, columns), np.uint8)) > 0


def _ends(mask: Mask) -> NDArray[np.intp]:
    """Of each column, the row after the last in `mask`."""
    return np.array(len(mask) - mask[::-1].argmax(axis=0), np.intp)


def _standing(mask: Mask) -> Box:
    """The box of what stands at the back, without smaller things before it."""
    left, top, right, _ = bounds(mask)
    return left, top, right, int(np.quantile(_ends(mask)[mask.any(axis=0)], 0.3))
