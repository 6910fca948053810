"""`edit`: the product into the customer's own room photo."""

import time
from dataclasses import replace

from handlers.deliver import Result
from handlers.messages import edit_warnings, retry_failed, retry_kept, retry_no_better
from handlers.placement import place
from handlers.requests import EditRequest, samplings
from handlers.restoration import CheckedEdit, restore_and_check
from handlers.runtime.engine_runner import Outcome
from handlers.runtime.worker_state import WorkerState
from handlers.scene import Scene, compose_scene
from imaging.codec.color_profile import in_profile
from imaging.picture import Picture
from imaging.placement.layout import base_point_of
from models.engine import Control, EditTask
from schemas.answers import PlacementInfo, Scale
from schemas.errors import ErrorCode, JobError
from schemas.jobs import MAX_SEED, RANDOM_SEED

RETRY_TIME = 1.5
"""A second try starts only if this many times the duration of the first is left before the deadline."""


def edit(request: EditRequest, worker: WorkerState, control: Control) -> Result:
    arrived, started = time.monotonic(), control.clock()  # a retry would wait as well

    # 1. Cut out: the product without its background, in the room's color profile.
    product = worker.cut_outs.cut_out(in_profile(request.product, request.room.icc), request.product_field)
    control.progress("cut-out", 1, 10)

    # 2. Place: where it stands and how large.
    placement = place(request, product, worker.runner, control.between(0.1, 0.2))

    # 3. Compose: the compositor's picture of it, which guides the engine.
    scene = compose_scene(request, product, placement)
    control.progress("layout", 2, 10)

    # 4. Paint: the engine makes it belong.
    tasks = [scene.task(sampling) for sampling in samplings(request.job, request.seed)]
    outcome = worker.runner.paint(tasks, control.between(0.2, 0.95), fallback=request.job.fallback)

    # 5. Restore and check: every pixel that had no reason to change is the photo's again.
    edits = restore_and_check(scene, outcome.variants, worker.thresholds)
    seeds, retried = [task.sampling.seed for task in tasks], []
    if _should_retry(scene, outcome, edits, control, time.monotonic() - arrived):
        seeds[0], edits[0], warning = _retry(scene, tasks[0], edits[0], worker, control.between(0.95, 1))
        retried.append(warning)

    info = _info(scene, edits[0], outcome, seeds[0], control.clock() - started)
    pictures = [Picture(each.pixels, icc=request.room.icc) for each in edits]
    return Result(pictures, seeds, info, edit_warnings(scene, outcome, edits, seeds, retried))


def _should_retry(scene: Scene, outcome: Outcome, edits: list[CheckedEdit], control: Control, seconds: float) -> bool:
    """A seed that the caller gave is never replaced, and a picture that no seed changes is not tried twice."""
    job = scene.request.job
    if job.seed not in (None, RANDOM_SEED) or job.n > 1 or outcome.variants[0].is_guide:
        return False
    return bool(edits[0].failed) and time.monotonic() + RETRY_TIME * seconds < control.deadline


def _retry(
    scene: Scene, task: EditTask, first: CheckedEdit, worker: WorkerState, control: Control
) -> tuple[int, CheckedEdit, str]:
    """Return the seed and the edit of the better of two tries, and the warning about it."""
    sampling = replace(task.sampling, seed=(task.sampling.seed + 1) % (MAX_SEED + 1))
    try:
        outcome = worker.runner.paint([replace(task, sampling=sampling)], control, fallback=False)
    except JobError as problem:
        if problem.code is ErrorCode.CANCELLED:
            raise
        return task.sampling.seed, first, retry_failed(first)
    [second] = restore_and_check(scene, outcome.variants, worker.thresholds)
    if second.score <= first.score:
        return task.sampling.seed, first, retry_no_better(first)
    return sampling.seed, second, retry_kept(first, task.sampling.seed)


def _info(scene: Scene, first: CheckedEdit, outcome: Outcome, seed: int, seconds: float) -> PlacementInfo:
    placement = scene.placement
    box = first.box or placement.box
    return PlacementInfo(
        instructions=scene.request.job.instructions,
        coordinates=base_point_of(box, placement.surface) if box != placement.box else placement.base_point,
        box=box,
        surface=placement.surface,
        scale=Scale(source=placement.scale.source, error_percent=placement.scale.error_percent),
        original_size=scene.request.room.size,
        seed=seed,
        cutout_confidence=round(scene.product.confidence, 3),
        changed_fraction=first.checks["changed_fraction"],
        checks=first.checks,
        processing_time=round(seconds, 3),
        **outcome.shared_info,
    )
