"""Finds the part of a room photo that shows the floor.

Floor is whatever looks like the bottom of the photo, up to the edges of objects. This works in common rooms, but
furniture in exactly the color of the floor counts as floor, and rugs in another color do not.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Chosen, Lab, Labels, Numbers, dilated, to_lab
from imaging.geometry.camera import Camera
from imaging.geometry.walls import evenly_lit, floor_end
from imaging.per_photo import once_per_photo
from imaging.picture import Mask, Pixels

_Tolerance = tuple[float, float]
"""The largest differences in tint and in lightness, in CIELAB, between two colors that count as alike."""

# Found on the rendered rooms of examples/photos and checked on real ones; `python -m bench.placement` shows changes.
_SAME, _LIKE = (6.0, 16.0), (8.0, 28.0)  # one surface in one light, and in any light
_SEAMLESS = 5.0  # CIELAB across a border: joints and light, but no edge of a thing
_STEEP = 3.0  # CIELAB per pixel: an edge of a thing or of a pattern
_PLAIN = 1.0  # CIELAB per pixel: the steepest gradient inside a region
_SPECK = 16  # pixels: smaller parts belong to their neighbors
_MOST = 400  # regions
_BORDER = 4  # pixels over which the colors on both sides of a border are compared
_BELOW = 0.97  # share of a region's pixels that must lie below the horizon
_IN_GROUND = 0.9  # share of a region's pixels that must lie on the ground
_STRIPS = 24  # of the photo's width
_SAMPLE = 6  # rows of a strip's floor that tell how it goes on
_NEAR = 24  # rows of a strip's floor that its far part is compared with
_FAR_TINT, _FAR_SHADE = 8.5, 12.0  # CIELAB: from the near to the far part of a floor, measured in four rooms
_SHORT_CM = 450.0  # floor that ends nearer than that may go on in other light
_FARTHEST_CM = 1200.0  # rooms are hardly ever deeper
_JOINT_ROWS = 9  # pixels: level lines up to this thick are joints of the floor or borders of rugs


@dataclass(frozen=True, eq=False)
class Floor:
    """The floor of a reduced photo.

    `ground` is the floor with everything that stands on it, `free` its visible part, and `likely` that part with strips
    of what may be its far end. `edges` are those of objects and patterns in the photo. `seen` is False if what looks
    like the photo's bottom cannot be floor.
    """

    ground: Mask
    free: Mask
    likely: Mask
    edges: Mask
    seen: bool


class _Regions(NamedTuple):
    """`labels` (h, w), and for each label its area in pixels, its color, and its width and height in pixels.

    The color is CIELAB with the tint at middle lightness, which light and shade do not change. Label 0 is no region:
    its area is 0.
    """

    labels: Labels
    area: Numbers
    color: Numbers
    width: Numbers
    height: Numbers

    def mask(self, chosen: Chosen) -> Mask:
        return chosen[self.labels]

    def share(self, mask: Mask) -> Numbers:
        """Return how much of each region is in `mask`, 0 to 1."""
        return np.bincount(self.labels.ravel(), mask.ravel(), len(self.area)) / np.fmax(self.area, 1)

    def only(self, number: int) -> Chosen:
        chosen = np.zeros(len(self.area), np.bool_)
        chosen[number] = True
        return chosen

    def like(self, chosen: Chosen, tolerance: _Tolerance) -> Chosen:
        """Return the regions that look like one of `chosen`."""
        apart = self.color[:, None] - self.color[chosen]
        alike = (np.hypot(apart[..., 1], apart[..., 2]) < tolerance[0]) & (np.abs(apart[..., 0]) < tolerance[1])
        return cast(Chosen, alike.any(axis=1))


@once_per_photo
def find_floor(pixels: Pixels, camera: Camera) -> Floor:
    """Return the floor in `pixels`, which should be a few hundred pixels wide; `camera` is scaled to their size."""
    lab = to_lab(cv2.bilateralFilter(pixels, 7, 20, 3))
    floor, ground = _floor_and_ground(lab, camera)
    edges = dilated(_steepness(lab) > _STEEP, 5)
    free = _without_joints(floor) & ground
    far_cm = camera.distance(float(np.flatnonzero(ground.any(axis=1))[0])) if free.any() else np.inf
    seen = far_cm < _FARTHEST_CM
    likely = free
    if far_cm < _SHORT_CM:
        likely = free | _farther(pixels, lab, free, camera)
        ground = ground | _hull(ground | likely)
    return Floor(ground, free, likely, edges, seen)


def _farther(pixels: Pixels, lab: Lab, free: Mask, camera: Camera) -> Mask:
    """Return the floor beyond `free` up to the wall, strip by strip.

    Light changes with distance, so the far part of a floor may look unlike its near part, and like what lies
    between.
    """
    height, width = free.shape
    beyond = np.zeros_like(free)
    for left, right in pairwise(np.linspace(0, width, _STRIPS + 1).astype(int).tolist()):
        rows = np.flatnonzero(free[:, left:right].mean(axis=1) > 0.5)
        if not len(rows):
            continue
        first = int(rows[0])
        end = floor_end(pixels, camera, (left, right), min(height - 1, first + _SAMPLE))
        if end is None or end >= first or camera.distance(end) > _FARTHEST_CM:
            continue
        far, near = (
            np.median(lab[part, left:right], axis=(0, 1)) for part in (slice(end, first), slice(first, first + _NEAR))
        )
        if _alike(far, near):
            beyond[end:first, left:right] = True
    return beyond


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Return True if two CIELAB colors may belong to one floor at two distances."""
    apart = evenly_lit(one.astype(np.float64)) - evenly_lit(other.astype(np.float64))
    return float(np.hypot(apart[1], apart[2])) < _FAR_TINT and abs(float(apart[0])) < _FAR_SHADE


def _floor_and_ground(lab: Lab, camera: Camera) -> tuple[Mask, Mask]:
    """Return the visible floor and the ground: the convex hull of what is certainly floor, since most rooms are
    convex."""
    regions = _split(lab)
    shape = regions.labels.shape
    touching = np.bincount(regions.labels[-max(2, shape[0] // 40) :].ravel(), minlength=len(regions.area))
    touching[0] = 0
    low = regions.share(_below(shape, camera.horizon)) > _BELOW
    low &= (touching > 0) | (regions.width > regions.height)
    if not touching[low].any():  # a backdrop without an edge, or a wall right in front of the camera
        most = regions.mask(touching > 0.1 * touching.sum())
        return most, _below(shape, (max(camera.horizon, 0) + shape[0]) / 2)
    seeds = _seeds(regions, touching * low)
    across = _contrasts(regions, lab)
    sure = _grown(seeds, low & regions.like(seeds, _SAME), across < _SEAMLESS)
    ground = _hull(regions.mask(sure))
    likely = low & regions.like(sure, _LIKE) & (regions.share(ground) > _IN_GROUND)
    return regions.mask(_grown(sure, likely, np.isfinite(across))), ground


def _seeds(regions: _Regions, touching: NDArray[np.intp]) -> Chosen:
    """Return the regions at the photo's bottom that look like most of it; `touching` is the number of its pixels in
    each."""
    rivals = [regions.like(regions.only(int(one)), _LIKE) for one in np.flatnonzero(touching)]
    return max(rivals, key=lambda alike: int(touching[alike].sum())) & (touching > 0)


def _below(shape: tuple[int, ...], row: float) -> Mask:
    return np.broadcast_to((np.arange(shape[0]) >= row)[:, None], shape)


def _hull(mask: Mask) -> Mask:
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(cv2.findNonZero(mask.astype(np.uint8))), 1)
    return cv2.dilate(hull, np.ones((5, 1), np.uint8)) > 0


def _without_joints(floor: Mask) -> Mask:
    return cv2.morphologyEx(floor.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((_JOINT_ROWS, 1), np.uint8)) > 0


# Regions: the plain parts of a picture between its edges


def _split(lab: Lab) -> _Regions:
    """Return the regions of at least a few pixels, the largest first; watershed assigns the pixels between them."""
    steep = _steepness(lab)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((steep < _PLAIN).astype(np.uint8), connectivity=4)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:_MOST] + 1
    kept = order[stats[order, cv2.CC_STAT_AREA] >= _SPECK]
    number = np.zeros(count, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    relief = cv2.merge([(16 * steep).clip(0, 255).astype(np.uint8)] * 3)
    flooded = cast(Labels, cv2.watershed(relief, number[labels]))
    return _measured(_without_lines(flooded), lab, len(kept) + 1)


def _steepness(lab: Lab) -> NDArray[np.float32]:
    """Return the gradient (h, w) in CIELAB per pixel."""
    across, down = cv2.Scharr(lab, -1, 1, 0, scale=1 / 32), cv2.Scharr(lab, -1, 0, 1, scale=1 / 32)
    return cast(NDArray[np.float32], np.sqrt((across**2 + down**2).sum(axis=2)))


def _without_lines(labels: Labels) -> Labels:
    """Return `labels` with the lines that watershed leaves between regions assigned to one of them."""
    for _ in range(2):
        grown = cv2.dilate(labels.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
        labels = np.where(labels > 0, labels, grown)
    return labels.clip(0)


def _measured(labels: Labels, lab: Lab, count: int) -> _Regions:
    flat = labels.ravel()
    area = np.bincount(flat, minlength=count).astype(np.float64)
    sums = [np.bincount(flat, lab[..., channel].ravel(), count) for channel in range(3)]
    color = np.stack(sums, axis=1) / area.clip(1)[:, None]
    area[0] = 0
    columns, rows = (_extent(flat, index.ravel(), count) for index in np.indices(labels.shape)[::-1])
    return _Regions(labels, area, evenly_lit(color), columns, rows)


def _extent(labels: Labels, places: NDArray[np.intp], count: int) -> Numbers:
    """Return the number of columns (or rows) that each label spans, given the column (or row) of each pixel."""
    first, last = np.full(count, np.iinfo(np.intp).max), np.full(count, -1, np.intp)
    np.minimum.at(first, labels, places)
    np.maximum.at(last, labels, places)
    return np.where(last < 0, 0, last + 1 - first).astype(np.float64)


def _contrasts(regions: _Regions, lab: Lab) -> Numbers:
    """Return the mean CIELAB difference across the border of each pair of regions (n, n), infinite if they have no
    border."""
    count = len(regions.area)
    sums, pairs = np.zeros(count * count), np.zeros(count * count)
    for near, far in ((np.s_[:-_BORDER], np.s_[_BORDER:]), (np.s_[:, :-_BORDER], np.s_[:, _BORDER:])):
        border = regions.labels[near] != regions.labels[far]
        pair = regions.labels[near][border] * np.int64(count) + regions.labels[far][border]
        sums += np.bincount(pair, np.linalg.norm(lab[near][border] - lab[far][border], axis=1), count * count)
        pairs += np.bincount(pair, minlength=count * count)
    both = [flat.reshape(count, count) + flat.reshape(count, count).T for flat in (sums, pairs)]
    return np.where(both[1] > 0, both[0] / both[1].clip(1), np.inf)


def _grown(seeds: Chosen, candidates: Chosen, bonds: Mask) -> Chosen:
    """Return `seeds` and the candidates connected to them, directly or through each other; `bonds` is (n, n)."""
    joined, new = seeds, seeds
    while new.any():
        new = candidates & ~joined & bonds[new].any(axis=0)
        joined = joined | new
    return joined
