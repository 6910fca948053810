"""The sentences of an answer's `warnings`, except those of the placement itself."""

from collections.abc import Iterator

import numpy as np

from handlers.restoration import CheckedEdit
from handlers.runtime.engine_runner import Outcome
from handlers.scene import Scene
from imaging.cutout import CutOut
from imaging.picture import Pixels
from imaging.placement.layout import NOT_FOUND
from imaging.placement.text_placement import Words, read

TRUSTED_CUT_OUT = 0.5
"""Below this confidence of the cut-out the caller is warned."""

PLACED_BY_ENGINE = "The place was not found in the photo: the model chose it by the instructions"
WORDS_NOT_NEEDED = "The instructions have no effect: they only choose a place on this engine, and one was given"
WORDS_NOT_KNOWN = (
    "The instructions have no effect: they only choose a place on this engine, and name none that it knows"
)
ALL_ALIKE = "The variants are all alike: this engine has one picture for one placement, whatever the seed"


def cutout_warnings(product: CutOut) -> list[str]:
    if product.confidence >= TRUSTED_CUT_OUT:
        return []
    return [
        f"The product could not be told from its background with confidence ({product.confidence:.2f}): "
        "send a cut-out with alpha, or a photo on a plain background"
    ]


def edit_warnings(
    scene: Scene, outcome: Outcome, edits: list[CheckedEdit], seeds: list[int], retried: list[str]
) -> list[str]:
    return [
        *scene.request.warnings,
        *cutout_warnings(scene.product),
        *_placement_warnings(scene, outcome),
        *outcome.warnings,
        *_instruction_warnings(scene, outcome),
        *retried,
        *_failed_checks(edits, seeds),
        *_all_alike([each.pixels for each in edits]),
    ]


def retry_failed(first: CheckedEdit) -> str:
    return f"The picture failed its checks ({', '.join(first.failed)}), and a second try failed"


def retry_no_better(first: CheckedEdit) -> str:
    return f"The picture failed its checks ({', '.join(first.failed)}); a second try was no better"


def retry_kept(first: CheckedEdit, seed: int) -> str:
    reasons = ", ".join(first.failed)
    return f"The first picture, of seed {seed}, failed its checks ({reasons}): this is a second try"


def _placement_warnings(scene: Scene, outcome: Outcome) -> Iterator[str]:
    placed_by_engine = scene.by_words and not outcome.variants[0].is_guide
    for warning in scene.placement.warnings:
        yield PLACED_BY_ENGINE if placed_by_engine and warning in NOT_FOUND else warning


def _instruction_warnings(scene: Scene, outcome: Outcome) -> Iterator[str]:
    job, is_guide = scene.request.job, outcome.variants[0].is_guide
    placed = job.placement_coordinates or job.placement_box or job.mask
    if job.words and is_guide:
        words = read(job.words)
        if placed and not (words.surface and job.placement_surface == "auto"):
            yield WORDS_NOT_NEEDED
        elif not placed and words == Words() and not outcome.fallback_reason:
            yield WORDS_NOT_KNOWN
    if scene.by_words and not is_guide and job.product_scale:
        yield "product_scale has no effect where the model finds the place"
    if scene.by_words and not is_guide and job.harmonize is not None:
        yield "harmonize has no effect where the model finds the place"


def _failed_checks(edits: list[CheckedEdit], seeds: list[int]) -> list[str]:
    return [
        f"The picture of seed {seed} failed its checks: {', '.join(each.failed)}"
        for each, seed in zip(edits, seeds, strict=True)
        if each.failed
    ]


def _all_alike(pictures: list[Pixels]) -> list[str]:
    first, *others = pictures
    return [ALL_ALIKE] if others and all(np.array_equal(first, other) for other in others) else []
