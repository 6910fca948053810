"""`edit`: the product into the customer's own room photo."""

import time
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

from handlers.painting import Made, Painter, doubts, paint_each
from handlers.requests import EditRequest, samplings
from imaging.camera import find_camera
from imaging.colour import in_profile
from imaging.compose import Composite, compose
from imaging.cutout import cut_out
from imaging.layout import Wish, lay_out
from imaging.picture import Box, Mask, Picture, Pixels
from imaging.restore import Drift, restore
from models.engine import Control, EditTask
from schemas.answers import PlacementInfo
from schemas.jobs import EditJob

SURROUNDINGS = 0.25
"""Of what the guide changes, how far beyond it an engine may."""


def edit(request: EditRequest, painter: Painter, control: Control) -> Made:
    started = time.monotonic()
    job, room = request.job, request.room

    # 1. The product without its background, in the room's colours.
    product = in_profile(request.product, room.icc)
    cutting = cut_out(product)
    control.progress("cut-out", 1, 10)

    # 2. Where it stands, how large, and how the compositor sees it there.
    placement = lay_out(room.pixels, cutting, find_camera(room.pixels, job.camera_height_cm), _wish(request))
    guide = compose(room.pixels, cutting, placement)
    control.progress("layout", 2, 10)

    # 3. The engine makes it belong.
    tasks = [
        EditTask(room, product, cutting, placement, guide, job.instructions, job.harmonize, sampling)
        for sampling in samplings(job, request.seed)
    ]
    outcome = painter.paint(lambda model: paint_each(model.edit, tasks, control.between(0.2, 1)), fallback=job.fallback)

    # 4. All that had no reason to change is the customer's photo again.
    allowed = _may_change(job, guide.changed, request.mask)
    restored = [_restored(job, room.pixels, made.pixels, guide, allowed, placement.box) for made in outcome.variants]
    finished = [pixels for pixels, _ in restored]
    changed = (finished[0] != room.pixels).any(axis=2)

    info = PlacementInfo(
        instructions=job.instructions,
        coordinates=placement.foot,
        box=placement.box,
        surface=placement.surface,
        original_size=room.size,
        seed=request.seed,
        cutout_confidence=round(cutting.confidence, 3),
        changed_fraction=round(float(changed.mean()), 6),
        checks=_checks(changed, allowed, restored[0][1]),
        processing_time=round(time.monotonic() - started, 3),
        **outcome.shared_info,
    )
    pictures = [Picture(pixels, icc=room.icc) for pixels in finished]
    seeds = [task.sampling.seed for task in tasks]
    return Made(pictures, seeds, info, [*doubts(cutting), *placement.warnings, *outcome.warnings, *_alike(finished)])


def _wish(request: EditRequest) -> Wish:
    job = request.job
    return Wish(
        instructions=job.instructions,
        coordinates=request.coordinates,
        box=request.box,
        surface=job.placement_surface,
        mask=request.mask,
        scale=job.product_scale,
        product_height_cm=job.product_height_cm,
    )


def _may_change(job: EditJob, guide: Mask, mask: Mask | None) -> Mask:
    """With the background preserved, the guide's surroundings: an engine's shadow may fall further than the guide's."""
    allowed = np.ones_like(guide)
    if job.preserve_background:
        left, top, width, height = cv2.boundingRect(guide.astype(np.uint8))
        margin = round(SURROUNDINGS * max(width, height))
        allowed[:] = False
        allowed[max(0, top - margin) : top + height + margin, max(0, left - margin) : left + width + margin] = True
    return allowed if mask is None else allowed & mask


def _restored(
    job: EditJob, photo: Pixels, painted: Pixels, guide: Composite, allowed: Mask, box: Box
) -> tuple[Pixels, Drift | None]:
    """The guide itself has not drifted; and where the whole photo may change, nothing is brought back."""
    if painted is guide.pixels or not job.preserve_background:
        return np.where(allowed[..., None], painted, photo), None
    restored = restore(photo, painted, allowed, box)
    return restored.pixels, restored.drift


def _checks(changed: Mask, allowed: Mask, drift: Drift | None) -> dict[str, Any]:
    """Measured, not promised. Drift is that of the engine's picture before it was brought back."""
    outside = ~allowed
    identical = 1.0 - float(changed[outside].mean()) if outside.any() else 1.0
    return {"background_identical": identical} | ({"drift": asdict(drift)} if drift else {})


def _alike(pictures: list[Pixels]) -> list[str]:
    first, *others = pictures
    if others and all(np.array_equal(first, other) for other in others):
        return ["The variants are all alike: this engine has one picture for one placement, whatever the seed"]
    return []
