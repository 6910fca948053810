"""The sentences in an answer's `warnings`, except those about the placement itself."""

from collections.abc import Iterator, Sequence

import numpy as np

from handlers.requests import EditRequest, ProductRequest, shape_warnings
from handlers.runtime.engine_runner import Outcome
from handlers.steps.placement import Placed
from handlers.steps.restoration import CheckedEdit
from handlers.steps.scene import Scene
from imaging.cutout import TRUSTED, CutOut
from imaging.picture import Pixels
from imaging.placement.layout import NOT_FOUND
from imaging.placement.surface_words import surface_by_words
from imaging.placement.text_placement import Words, read

PLACED_BY_ENGINE = "The position was not found in the photo; the model chose it from the instructions"
WORDS_NOT_NEEDED = "The instructions have no effect: here they only choose a position, and one was given"
WORDS_NOT_KNOWN = "The instructions have no effect: here they only choose a position, and they name no known one"
ONLY_COVERED = "Nothing had to be removed from the photo: the product covers the box that it replaces"
SCENE_CHECKS = {
    "visible": "Much of the product lies outside the photo",
    "clear_ground": "The ground under the product is not clear: it stands across an edge or on something else",
    "brightness": "The product is far brighter than its surroundings",
}
"""Warnings for failed checks of the product in its scene."""

ALL_ALIKE = "All variants are identical: this engine makes one picture per placement, whatever the seed"


def cutout_warnings(product: CutOut) -> list[str]:
    if product.confidence >= TRUSTED:
        return []
    return [
        f"The product could not be cut out with confidence ({product.confidence:.2f}): "
        "send a cut-out with alpha, or a photo on a plain background"
    ]


def edit_warnings(
    request: EditRequest,
    placed: Sequence[Placed],
    passes: Sequence[tuple[Scene, Outcome, list[CheckedEdit]]],
    seeds: list[int],
    retried: list[str],
) -> list[str]:
    """Return the warnings about the request, cut-outs, placements, painting and checks, in this order."""
    warnings = list(request.warnings)
    for each in placed:
        height, width = each.cut_out.alpha.shape
        named = f"{each.request.prefix.rstrip('.')}: " if each.request.prefix else ""
        warnings += [named + warning for warning in cutout_warnings(each.cut_out)]
        warnings += shape_warnings(each.request.fields, (width, height), each.request.prefix)
    for scene, outcome, edits in passes:
        warnings += [*_placement_warnings(scene, outcome), *outcome.warnings, *_instruction_warnings(scene, outcome)]
        warnings += [*retried, *_failed_checks(edits, seeds)]
    if request.replaced and passes[0][1].variants[0].is_guide:
        warnings.append(ONLY_COVERED)
    return [*warnings, *_all_alike([each.pixels for each in passes[-1][2]])]


def retry_failed(first: CheckedEdit) -> str:
    return f"The picture failed its checks ({', '.join(first.failed)}), and a second try failed"


def retry_no_better(first: CheckedEdit) -> str:
    return f"The picture failed its checks ({', '.join(first.failed)}); a second try was no better"


def retry_kept(first: CheckedEdit, seed: int) -> str:
    reasons = ", ".join(first.failed)
    return f"The first picture (seed {seed}) failed its checks ({reasons}); this is a second try"


def _placement_warnings(scene: Scene, outcome: Outcome) -> Iterator[str]:
    placed_by_engine = scene.by_words and not outcome.variants[0].is_guide
    for product in scene.products:
        named = f"{product.request.prefix.rstrip('.')}: " if product.request.prefix else ""
        for warning in product.placement.warnings:
            yield named + (PLACED_BY_ENGINE if placed_by_engine and warning in NOT_FOUND else warning)


def _instruction_warnings(scene: Scene, outcome: Outcome) -> Iterator[str]:
    job, is_guide = scene.request.job, outcome.variants[0].is_guide
    for product in scene.products if is_guide else ():
        yield from _unused_words(product.request, scene, outcome)
    if scene.by_words and not is_guide and job.product_scale:
        yield "product_scale has no effect when the model chooses the position"
    if scene.by_words and not is_guide and job.harmonize is not None:
        yield "harmonize has no effect when the model chooses the position"


def _unused_words(product: ProductRequest, scene: Scene, outcome: Outcome) -> Iterator[str]:
    """Warn about instructions that chose neither the position nor the surface."""
    fields, words = product.fields, read(product.fields.words)
    placed = product.coordinates or product.box or scene.request.job.mask or scene.replaced
    if not fields.words or (surface_by_words(fields.words, "") and fields.placement_surface == "auto"):
        return
    if placed:
        yield product.prefix + WORDS_NOT_NEEDED
    elif words == Words() and not outcome.fallback_reason:
        yield product.prefix + WORDS_NOT_KNOWN


def _failed_checks(edits: list[CheckedEdit], seeds: list[int]) -> list[str]:
    """Return one sentence per failed scene check and one per seed that names its other failed checks."""
    warnings = [SCENE_CHECKS[name] for each in edits for name in each.failed if name in SCENE_CHECKS]
    for each, seed in zip(edits, seeds, strict=True):
        if names := [name for name in each.failed if name not in SCENE_CHECKS]:
            warnings.append(f"The picture with seed {seed} failed its checks: {', '.join(names)}")
    return list(dict.fromkeys(warnings))


def _all_alike(pictures: list[Pixels]) -> list[str]:
    first, *others = pictures
    return [ALL_ALIKE] if others and all(np.array_equal(first, other) for other in others) else []
