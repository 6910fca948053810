"""`edit`: the product into the customer's own room photo."""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from handlers.placement import place
from handlers.requests import EditRequest, samplings
from handlers.restoration import Finished, Scene, finish, may_change
from handlers.runtime.engine_runner import EngineRunner, Made, Outcome, doubts, paint_each
from imaging.codec.color_profile import in_profile
from imaging.compose import compose
from imaging.picture import Picture, Pixels
from imaging.placement.layout import NOT_FOUND, foot_of
from imaging.placement.text_placement import Words, read
from models.engine import Control, EditTask, Sampling
from schemas.answers import PlacementInfo
from schemas.errors import ErrorCode, JobError
from schemas.jobs import MAX_SEED, RANDOM_SEED

CHOSEN_BY_ENGINE = "The place was not found in the photo: the model chose it by the instructions"

PATIENCE = 1.5
"""Times the seconds of the first try that must be left for a second."""


def edit(request: EditRequest, runner: EngineRunner, control: Control) -> Made:
    arrived, started = time.monotonic(), control.clock()  # a second try would wait as well
    job, room = request.job, request.room

    # 1. The product without its background, in the room's colors.
    product = in_profile(request.product, room.icc)
    cutting = runner.cut_outs.of(product, request.product_field)
    control.progress("cut-out", 1, 10)

    # 2. Where it stands, how large, and how the compositor sees it there.
    placement = place(request, cutting, runner, control.between(0.1, 0.2))
    guide = compose(room.pixels, cutting, placement)
    by_words = bool(job.words) and not placement.found
    allowed = may_change(request, placement.frame, guide, by_words)
    scene = Scene(request, cutting, placement, guide, allowed, by_words)
    control.progress("layout", 2, 10)

    # 3. The engine makes it belong, and all that had no reason to change is the customer's photo again.
    tasks = [_task(scene, sampling) for sampling in samplings(job, request.seed)]
    outcome = _painted(runner, tasks, control.between(0.2, 0.95), fallback=job.fallback)
    finished = [finish(scene, painted, runner.thresholds) for painted in outcome.variants]
    seeds, said = [task.sampling.seed for task in tasks], [*_said(scene, outcome)]

    # 4. A picture that fails its checks gets one more try.
    if _tries_again(scene, outcome, finished, control, time.monotonic() - arrived):
        seeds[0], finished[0], told = _better(scene, tasks[0], finished[0], runner, control.between(0.95, 1))
        said.append(told)

    info = _info(scene, finished[0], outcome, seeds[0], control.clock() - started)
    pictures = [Picture(each.pixels, icc=room.icc) for each in finished]
    said += [*_failures(finished, seeds), *_alike([each.pixels for each in finished])]
    return Made(pictures, seeds, info, [*request.warnings, *doubts(cutting), *said])


def _info(scene: Scene, first: Finished, outcome: Outcome, seed: int, seconds: float) -> PlacementInfo:
    placement = scene.placement
    box = first.box or placement.box
    return PlacementInfo(
        instructions=scene.request.job.instructions,
        coordinates=foot_of(box, placement.surface) if box != placement.box else placement.foot,
        box=box,
        surface=placement.surface,
        original_size=scene.request.room.size,
        seed=seed,
        cutout_confidence=round(scene.product.confidence, 3),
        changed_fraction=first.checks["changed_fraction"],
        checks=first.checks,
        processing_time=round(seconds, 3),
        **outcome.shared_info,
    )


def _task(scene: Scene, sampling: Sampling) -> EditTask:
    job = scene.request.job
    return EditTask(
        room=scene.request.room,
        cut_out=scene.product,
        placement=scene.placement,
        guide=scene.guide,
        instructions=job.words,
        product_height_cm=job.product_height_cm,
        harmonize=job.harmonize,
        sampling=sampling,
        region=scene.region,
        by_words=scene.by_words,
    )


def _painted(runner: EngineRunner, tasks: list[EditTask], control: Control, *, fallback: bool) -> Outcome:
    return runner.paint(lambda model: paint_each(model.edit, tasks, control), control, fallback=fallback)


def _tries_again(scene: Scene, outcome: Outcome, finished: list[Finished], control: Control, seconds: float) -> bool:
    """A seed that the caller gave is never replaced, and what no seed changes is not tried twice."""
    job = scene.request.job
    if job.seed not in (None, RANDOM_SEED) or job.n > 1 or outcome.variants[0].is_guide:
        return False
    return bool(finished[0].failed) and time.monotonic() + PATIENCE * seconds < control.deadline


def _better(
    scene: Scene, task: EditTask, first: Finished, runner: EngineRunner, control: Control
) -> tuple[int, Finished, str]:
    """The better of `first` and a second try, its seed, and what to say of it."""
    sampling = replace(task.sampling, seed=(task.sampling.seed + 1) % (MAX_SEED + 1))
    reasons = ", ".join(first.failed)
    try:
        outcome = _painted(runner, [replace(task, sampling=sampling)], control, fallback=False)
    except JobError as problem:
        if problem.code is ErrorCode.CANCELLED:
            raise
        return task.sampling.seed, first, f"The picture failed its checks ({reasons}), and a second try failed"
    second = finish(scene, outcome.variants[0], runner.thresholds)
    if second.worth <= first.worth:
        return task.sampling.seed, first, f"The picture failed its checks ({reasons}); a second try was no better"
    told = f"The first picture, of seed {task.sampling.seed}, failed its checks ({reasons}): this is a second try"
    return sampling.seed, second, told


def _said(scene: Scene, outcome: Outcome) -> Iterator[str]:
    job, by_engine = scene.request.job, scene.by_words and not outcome.variants[0].is_guide
    for warning in scene.placement.warnings:
        yield CHOSEN_BY_ENGINE if by_engine and warning in NOT_FOUND else warning
    yield from outcome.warnings
    placed = job.placement_coordinates or job.placement_box or job.mask
    if job.words and outcome.variants[0].is_guide:
        said = read(job.words)
        if placed and not (said.surface and job.placement_surface == "auto"):
            yield "What was said in words has no effect: they only choose a place here, and one was given"
        elif not placed and said == Words() and not outcome.fallback_reason:
            yield "What was said in words has no effect: they only choose a place here, and name none that is known"
    if by_engine and job.product_scale:
        yield "product_scale has no effect where the model finds the place"
    if by_engine and job.harmonize is not None:
        yield "harmonize has no effect where the model finds the place"


def _failures(finished: list[Finished], seeds: list[int]) -> list[str]:
    return [
        f"The picture of seed {seed} failed its checks: {', '.join(each.failed)}"
        for each, seed in zip(finished, seeds, strict=True)
        if each.failed
    ]


def _alike(pictures: list[Pixels]) -> list[str]:
    first, *others = pictures
    if others and all(np.array_equal(first, other) for other in others):
        return ["The variants are all alike: this engine has one picture for one placement, whatever the seed"]
    return []
