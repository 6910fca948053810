"""The product as it stands in the room: its footprint on the floor, and the body above it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.arrays import Numbers
from imaging.cutout import CutOut
from imaging.geometry.product_volume import solid_of
from imaging.lighting.contact import Run, touching_runs
from imaging.lighting.occlusion import CORNERS, Stack, pole
from imaging.placement.layout import Placement

_DISCS = 18  # levels of the body
_COVERED = 0.4  # alpha from which a pixel counts as product
_LEG = 0.22  # of the product's width: a narrower part that touches the ground is a leg
_DEEPEST = 1.0  # depth over height: tables and sofas are wider than that, hardly any is deeper
_FARTHEST = 1.5  # times the likely depth: farthest back that a contour is followed on the floor
_THINNEST_LEG = 0.012  # of the product's width: half the width of a leg whose end is a point
_LEG_POINTS = 8  # corners of a leg's outline


@dataclass(frozen=True, eq=False)
class Standing:
    """A product standing on the floor: the `body` that blocks light, and the outlines (n, 2) in pixels of where it
    touches."""

    body: list[Stack]
    touching: list[NDArray[np.float32]]


def standing(product: CutOut, placement: Placement) -> Standing:
    """Return the product on its footprint, which follows the lower contour of the cut-out.

    A product on legs is a body from the knee up, and a pole for each leg.
    """
    runs = touching_runs(product.alpha)
    legs = [run for run in runs if np.ptp(run.x) < _LEG] if len(runs) > 1 else []
    knee = _knee(product, legs) if len(legs) == len(runs) else 0.0
    outline = _footprint(placement, runs)
    body = [_stack(product, placement, outline, knee)]
    body += [_pole(run, placement, knee * placement.height_cm) for run in legs if knee]
    flat = [_leg_area(run, placement) for run in legs]
    if len(legs) < len(runs):
        flat.append(_seen(outline, placement))
    return Standing(body, flat)


def footprint(product: CutOut, placement: Placement) -> NDArray[np.float32]:
    """Return the outline (n, 2) in pixels of the ground that the product covers: its legs and the area between them."""
    return _seen(_footprint(placement, touching_runs(product.alpha)), placement)


def _floor(run: Run, placement: Placement) -> Numbers:
    """Return where on the floor (n, 2), as x and z in cm, a run's columns touch it."""
    left, top, right, bottom = placement.frame
    columns, rows = left + run.x * (right - left), top + run.y * (bottom - top)
    rows = np.maximum(rows, placement.camera.horizon + 1)
    return np.stack(placement.camera.on_floor(columns, rows), axis=1)


def _footprint(placement: Placement, runs: list[Run]) -> Numbers:
    """Return the convex outline (CORNERS, 2) on the floor: what the contour shows, completed to the far side.

    The far side mirrors the near one through the middle between its ends. A front that is seen face-on shows no depth
    and gets a likely one.
    """
    near = np.concatenate([_floor(run, placement) for run in runs])
    likely = min(float(np.ptp(near[:, 0])), _DEEPEST * placement.height_cm)
    front = float(near[:, 1].min())
    near[:, 1] = np.minimum(near[:, 1], front + _FARTHEST * likely)
    ends = near[[near[:, 0].argmin(), near[:, 0].argmax()]]
    both = np.concatenate([near, ends.sum(axis=0) - near])
    both[:, 1] += max(0.0, front - float(both[:, 1].min()))
    missing = likely - float(np.ptp(both[:, 1]))
    if missing > 0:  # away along the line of sight: the cut-out shows nothing of its sides
        middle = both.mean(axis=0)
        both = np.concatenate([both, both + missing * middle / middle[1]])
    return _even(np.asarray(cv2.convexHull(both.astype(np.float32))[:, 0], np.float32))


def _even(hull: NDArray[np.float32]) -> Numbers:
    """Return CORNERS points spread over a convex outline, corners of the outline included where they fit."""
    closed = np.vstack([hull, hull[:1]]).astype(np.float64)
    length = np.concatenate([[0], np.hypot(*np.diff(closed, axis=0).T).cumsum()])
    at = np.linspace(0, length[-1], CORNERS, endpoint=False)
    if len(hull) <= CORNERS // 2:
        nearest = np.abs(at[:, None] - length[None, :-1]).argmin(axis=0)
        at[nearest] = length[:-1]
    return np.stack([np.interp(at, length, closed[:, i]) for i in (0, 1)], axis=1)


def _stack(product: CutOut, placement: Placement, outline: Numbers, knee: float) -> Stack:
    """Return the body over the footprint, as wide at each height as the cut-out."""
    solid = solid_of(product.alpha)
    lowest = min(int(np.searchsorted(solid.heights, knee)), len(solid.heights) - 2)
    chosen = np.linspace(lowest, len(solid.heights) - 1, _DISCS).round().astype(np.intp)
    heights = solid.heights[chosen]
    middles, widths = _profile(product, heights)
    cm = (placement.frame[2] - placement.frame[0]) * placement.distance_cm / placement.camera.focal
    center = (outline.min(axis=0) + outline.max(axis=0)) / 2
    base = max(float(np.ptp(outline[:, 0])), 1e-3)
    scales = widths * cm / base
    to_right = placement.camera.slants(placement.frame[0], placement.frame[3])[0] * placement.distance_cm
    x = (to_right + middles * cm)[:, None] + scales[:, None] * (outline[:, 0] - center[0])
    z = center[1] + scales[:, None] * (outline[:, 1] - center[1])
    y = np.broadcast_to(heights[:, None] * placement.height_cm, x.shape)
    return Stack(np.stack([x, y, z], axis=2), solid.filled[chosen])


def _profile(product: CutOut, heights: Numbers) -> tuple[Numbers, Numbers]:
    """Return middle and width of the product at each height, in shares of the cut-out's width."""
    width = product.alpha.shape[1]
    slices = cv2.resize(product.alpha, (width, 4 * _DISCS), interpolation=cv2.INTER_AREA) > _COVERED
    rows = slices[((1 - heights) * (len(slices) - 1)).round().astype(np.intp)]
    some = rows.any(axis=1)
    left = np.where(some, rows.argmax(axis=1), width / 2)
    right = np.where(some, width - rows[:, ::-1].argmax(axis=1), width / 2 + 1)
    return (left + right) / 2 / width, (right - left) / width


def _knee(product: CutOut, legs: list[Run]) -> float:
    """Return the height, as a share of the product's, of the space between the legs above the line of their ends."""
    between = np.linspace(legs[0].x.mean(), legs[-1].x.mean(), 65)[1:-1]
    columns = (between * product.alpha.shape[1]).astype(np.intp)
    covered = product.alpha[:, columns] > _COVERED
    height = product.alpha.shape[0]
    rise = np.where(covered.any(axis=0), covered[::-1].argmax(axis=0), 0) / height
    ground = 1 - np.interp(between, [leg.x.mean() for leg in legs], [leg.lowest for leg in legs])
    return max(float(np.median(rise - ground)), 0.0)


def _pole(run: Run, placement: Placement, height_cm: float) -> Stack:
    x, z = _floor(run, placement).mean(axis=0)
    radius = _leg_radius(run) * (placement.frame[2] - placement.frame[0]) * float(z) / placement.camera.focal
    return pole(float(x), float(z), radius, height_cm)


def _leg_radius(run: Run) -> float:
    """Return half the width of a leg, in shares of the cut-out's width; its end may be narrower."""
    return max(float(np.ptp(run.x)) / 2, _THINNEST_LEG)


def _leg_area(run: Run, placement: Placement) -> NDArray[np.float32]:
    """Return the outline in pixels of a leg's end: an ellipse whose lower edge is the contour."""
    left, top, right, bottom = placement.frame
    wide = _leg_radius(run) * (right - left)
    x, y = left + run.x.mean() * (right - left), top + run.lowest * (bottom - top)
    flat = wide * min(1.0, max(0.15, -placement.camera.slants(x, y)[1]))
    angle = np.arange(_LEG_POINTS) * 2 * np.pi / _LEG_POINTS
    return np.stack([x + wide * np.cos(angle), y - flat + flat * np.sin(angle)], axis=1).astype(np.float32)


def _seen(outline: Numbers, placement: Placement) -> NDArray[np.float32]:
    """Return a footprint as pixels of the photo."""
    x, y = placement.camera.project(outline[:, 0], np.zeros(len(outline)), outline[:, 1])
    return np.stack([x, y], axis=1).astype(np.float32)
