"""`edit`: the product into the customer's own room photo."""

import time

import numpy as np
from imaging.compose import Composite, compose
from imaging.cutout import cut_out
from imaging.layout import Wish, lay_out

from handlers.painting import Made, Painter, doubts, paint_each
from handlers.requests import EditRequest, samplings
from imaging.camera import find_camera
from imaging.colour import in_profile
from imaging.picture import Mask, Picture, Pixels
from imaging.restore import changed_fraction, restore
from models.engine import Control, EditTask
from schemas.answers import PlacementInfo
from schemas.jobs import EditJob


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
    allowed = _may_change(job, guide, request.mask)
    finished = [restore(room.pixels, made.pixels, allowed) for made in outcome.variants]

    info = PlacementInfo(
        instructions=job.instructions,
        coordinates=placement.foot,
        box=placement.box,
        surface=placement.surface,
        original_size=room.size,
        seed=request.seed,
        cutout_confidence=round(cutting.confidence, 3),
        changed_fraction=round(changed_fraction(room.pixels, finished[0]), 6),
        checks=_checks(room.pixels, finished[0], allowed),
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
        surface=None if job.placement_surface == "auto" else job.placement_surface,
        mask=request.mask,
        scale=job.product_scale,
        product_height_cm=job.product_height_cm,
    )


def _may_change(job: EditJob, guide: Composite, mask: Mask | None) -> Mask:
    allowed = guide.changed if job.preserve_background else np.ones_like(guide.changed)
    return allowed if mask is None else allowed & mask


def _checks(photo: Pixels, answer: Pixels, allowed: Mask) -> dict[str, float]:
    """Measured on the finished picture, not promised: the share of pixels outside the region that are the photo's."""
    outside = ~allowed
    same = (photo == answer).all(axis=2)
    return {"background_identical": float(same[outside].mean()) if outside.any() else 1.0}


def _alike(pictures: list[Pixels]) -> list[str]:
    first, *others = pictures
    if others and all(np.array_equal(first, other) for other in others):
        return ["The variants are all alike: this engine has one picture for one placement, whatever the seed"]
    return []
