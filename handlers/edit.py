"""`edit`: put products into the customer's own room photo."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from handlers.deliver import Result
from handlers.requests import EditRequest, samplings
from handlers.runtime.engine_runner import Outcome
from handlers.runtime.worker_state import WorkerState
from handlers.steps.messages import edit_warnings, retry_failed, retry_kept, retry_no_better
from handlers.steps.placement import Placed, find_replaced, painting_order, place
from handlers.steps.quality_checks import PLACEMENT_CHECKS
from handlers.steps.restoration import CheckedEdit, restore_and_check, total_checks
from handlers.steps.scene import Scene, SceneProduct, compose_scene
from imaging.codec.color_profile import in_profile
from imaging.picture import Pixels
from imaging.placement.layout import base_point_of
from models.engine import Control, Sampling
from schemas.answers import PlacedAnswer, PlacementInfo
from schemas.errors import ErrorCode, JobError
from schemas.jobs import MAX_SEED, RANDOM_SEED

RETRY_TIME = 1.5
"""A second try starts only if the time left before the deadline is this many times the duration of the first."""


@dataclass(frozen=True, eq=False)
class Pass:
    """Some of the products, painted: one scene and one edit per variant."""

    scenes: list[Scene]
    outcome: Outcome
    edits: list[CheckedEdit]

    @property
    def pictures(self) -> list[Pixels]:
        return [each.pixels for each in self.edits]


def edit(request: EditRequest, worker: WorkerState, control: Control) -> Result:
    arrived, started = time.monotonic(), control.clock()  # a retry would also wait

    # 1. Cut out the products, in the room's color profile.
    icc = request.room.icc
    cut_outs = [worker.cut_outs.cut_out(in_profile(each.picture, icc), each.image_field) for each in request.products]
    control.progress("cut-out", 1, 10)

    # 2. Place: where they stand, how large they are, and what they replace.
    request = find_replaced(request, worker.runner, control.between(0.1, 0.15))
    placed = place(request, cut_outs, worker.runner, control.between(0.15, 0.2))
    groups = _groups(placed, worker.runner.products_per_pass(control))

    # 3. to 5. Compose, paint, restore and check. Each pass starts from the pictures of the previous one.
    tries = samplings(request.job, request.seed)
    passes: list[Pass] = []
    for number, group in enumerate(groups):
        within = control.between(0.2 + 0.75 * number / len(groups), 0.2 + 0.75 * (number + 1) / len(groups))
        canvases = passes[-1].pictures if passes else [request.room.pixels] * len(tries)
        passes.append(_paint(request, group, canvases, tries, worker, within))

    retried: list[str] = []
    if _should_retry(request, passes, control, time.monotonic() - arrived):
        tries[0], passes[0], warning = _retry(passes[0], tries[0], worker, control.between(0.95, 1))
        retried.append(warning)

    seeds = [each.seed for each in tries]
    placements = _placements(placed, passes)
    info = _info(request, placed, placements, passes, seeds[0], control.clock() - started)
    pictures = [replace(request.room, pixels=pixels) for pixels in passes[-1].pictures]
    painted = [(each.scenes[0], each.outcome, each.edits) for each in passes]
    warnings = edit_warnings(request, placed, painted, seeds, retried)
    return Result(pictures, seeds, info, warnings, placements if request.job.products else None)


def _groups(placed: Sequence[Placed], per_pass: int) -> list[list[Placed]]:
    ordered = painting_order(placed)
    return [ordered[start : start + per_pass] for start in range(0, len(ordered), per_pass)]


def _paint(
    request: EditRequest,
    placed: Sequence[Placed],
    canvases: Sequence[Pixels],
    tries: Sequence[Sampling],
    worker: WorkerState,
    control: Control,
) -> Pass:
    first = compose_scene(request, canvases[0], placed)
    scenes = [first if canvas is canvases[0] else compose_scene(request, canvas, placed) for canvas in canvases]
    control.progress("layout", 0, 10)
    tasks = [scene.task(sampling) for scene, sampling in zip(scenes, tries, strict=True)]
    fallback = request.job.fallback and first.covers_replaced
    outcome = worker.runner.paint(tasks, control, fallback=fallback)
    return Pass(scenes, outcome, restore_and_check(scenes, outcome.variants, worker.thresholds))


def _should_retry(request: EditRequest, passes: list[Pass], control: Control, seconds: float) -> bool:
    """Return True if a second seed is worth trying.

    A seed that the caller chose is never replaced, and a picture that does not depend on the seed is not tried
    twice.
    """
    job, first = request.job, passes[0]
    if job.seed not in (None, RANDOM_SEED) or job.n > 1 or len(passes) > 1 or first.outcome.variants[0].is_guide:
        return False
    failed = set(first.edits[0].failed) - PLACEMENT_CHECKS
    return bool(failed) and time.monotonic() + RETRY_TIME * seconds < control.deadline


def _retry(painted: Pass, sampling: Sampling, worker: WorkerState, control: Control) -> tuple[Sampling, Pass, str]:
    """Return the sampling and the pass of the better of the two tries, and a warning that says which one was kept."""
    first, again = painted.edits[0], replace(sampling, seed=(sampling.seed + 1) % (MAX_SEED + 1))
    try:
        outcome = worker.runner.paint([painted.scenes[0].task(again)], control, fallback=False)
    except JobError as problem:
        if problem.code is ErrorCode.CANCELLED:
            raise
        return sampling, painted, retry_failed(first)
    [second] = restore_and_check(painted.scenes, outcome.variants, worker.thresholds)
    if second.score <= first.score:
        return sampling, painted, retry_no_better(first)
    return again, replace(painted, edits=[second]), retry_kept(first, sampling.seed)


def _placements(placed: Sequence[Placed], passes: list[Pass]) -> list[PlacedAnswer]:
    """Return the position of each product, in request order."""
    answers = {
        product.request: _placed_answer(product, each.edits[0], number)
        for each in passes
        for number, product in enumerate(each.scenes[0].products)
    }
    return [answers[each.request] for each in placed]


def _info(
    request: EditRequest,
    placed: Sequence[Placed],
    placements: list[PlacedAnswer],
    passes: list[Pass],
    seed: int,
    seconds: float,
) -> PlacementInfo:
    checks = passes[0].edits[0].checks if len(placed) == 1 else _total_checks(request, passes)
    only = placements[0] if len(placements) == 1 else None
    fallen = next((each.outcome for each in passes if each.outcome.fallback_reason), passes[-1].outcome)
    return PlacementInfo(
        instructions=request.job.instructions,
        coordinates=only and only.coordinates,
        box=only and only.box,
        surface=only and only.surface,
        scale=only and only.scale,
        original_size=request.room.size,
        seed=seed,
        cutout_confidence=round(min(each.cut_out.confidence for each in placed), 3),
        changed_fraction=checks["changed_fraction"],
        checks=checks,
        processing_time=round(seconds, 3),
        **fallen.shared_info,
    )


def _total_checks(request: EditRequest, passes: list[Pass]) -> dict[str, object]:
    """Return the checks of a picture with several products, compared with the customer's photo."""
    allowed = np.logical_or.reduce([each.scenes[0].allowed for each in passes])
    failed = [name for each in passes for name in each.edits[0].failed]
    return total_checks(request.room.pixels, passes[-1].pictures[0], allowed, failed)


def _placed_answer(product: SceneProduct, edited: CheckedEdit, number: int) -> PlacedAnswer:
    placement, measured = product.placement, edited.products[number]
    box = measured.box or placement.box
    return PlacedAnswer(
        coordinates=base_point_of(box, placement.surface) if box != placement.box else placement.base_point,
        box=box,
        surface=placement.surface,
        scale=placement.scale,
        cutout_confidence=round(product.cut_out.confidence, 3),
        checks=measured.checks,
    )
