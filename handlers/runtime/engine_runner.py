"""Lets the engine paint, and decides what happens when it fails."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from handlers.quality_checks import Thresholds
from handlers.runtime.cutout_cache import CutOuts
from handlers.runtime.job_stats import JobStats
from imaging.cutout import CutOut
from imaging.picture import Picture
from models.engine import Control, ImageModel, Painted, Question
from models.resident import Resident
from schemas.answers import GenerationInfo, PlacementInfo
from schemas.errors import ErrorCode, JobError

log = logging.getLogger(__name__)

T = TypeVar("T")
Paint = Callable[[ImageModel], list[Painted]]

TRUSTED_CUT_OUT = 0.5
"""Below this confidence of the cut-out the caller is warned."""

NOT_THE_ENGINES_FAULT = frozenset(
    {ErrorCode.INVALID_INPUT, ErrorCode.NOT_SUPPORTED, ErrorCode.CANCELLED, ErrorCode.TIMEOUT}
)


@dataclass(frozen=True, eq=False)
class Outcome:
    variants: list[Painted]
    engine: str
    fallback_reason: str | None = None

    @property
    def shared_info(self) -> dict[str, Any]:
        """What every answer says of how it was painted."""
        first = self.variants[0]
        return {
            "engine": self.engine,
            "steps": first.steps,
            "true_cfg_scale": first.true_cfg_scale,
            "fallback_used": True if self.fallback_reason else None,
            "fallback_reason": self.fallback_reason,
        }

    @property
    def warnings(self) -> list[str]:
        return list(dict.fromkeys(warning for variant in self.variants for warning in variant.warnings))


@dataclass(frozen=True)
class EngineRunner:
    """The resident engine, the preview that stands in for it, and what is kept between jobs."""

    resident: Resident
    preview: ImageModel
    stats: JobStats
    thresholds: Thresholds
    cut_outs: CutOuts = field(default_factory=CutOuts)

    def paint(self, paint: Paint, control: Control, *, fallback: bool) -> Outcome:
        """Raises the engine's JobError where `fallback` is False, and always when the engine is not to blame."""
        model = self.resident.model(control)
        try:
            variants = self._watched(paint, model, needed=True)
        except JobError as problem:
            if not fallback or problem.code in NOT_THE_ENGINES_FAULT or model.name == self.preview.name:
                raise
            self.stats.fell_back()
            return Outcome(paint(self.preview), self.preview.name, problem.message)
        self.stats.engine_worked()
        return Outcome(variants, variants[0].engine or model.name)

    def ask(self, question: Question, control: Control) -> str | None:
        """None where the engine has no language model, or it failed: an answer is welcome, not needed."""
        model = self.resident.model(control)
        try:
            return self._watched(lambda model: model.ask(question, control), model, needed=False)
        except JobError as problem:
            if problem.code in NOT_THE_ENGINES_FAULT:
                raise
            log.warning("The language model failed: %s", problem.code)
            return None

    def _watched(self, work: Callable[[ImageModel], T], model: ImageModel, *, needed: bool) -> T:
        """A job that goes on without the work does not count as failed, unless the engine has for good."""
        try:
            return work(model)
        except JobError as problem:
            if problem.refresh_worker or (needed and problem.code not in NOT_THE_ENGINES_FAULT):
                self.stats.engine_failed(for_good=problem.refresh_worker)
            raise
        except Exception as problem:  # an engine may fail in any way; the job must not
            if needed:
                self.stats.engine_failed(for_good=False)
            log.exception("The engine %s failed", model.name)
            raise JobError(ErrorCode.GENERATION_ERROR, "The model failed to paint the picture") from problem


@dataclass(frozen=True)
class PaintingInfo:
    """Of pictures painted from words and `references` pictures."""

    engine: str
    steps: int
    true_cfg_scale: float
    references: int


@dataclass(frozen=True, eq=False)
class Made:
    """Finished pictures, one a seed, on their way to the caller."""

    pictures: list[Picture]
    seeds: list[int]
    info: PlacementInfo | GenerationInfo | PaintingInfo
    warnings: list[str]


def paint_each(paint: Callable[[T, Control], Painted], tasks: list[T], control: Control) -> list[Painted]:
    """One task after the other, each with its share of the progress."""
    count = len(tasks)
    return [paint(task, control.between(i / count, (i + 1) / count)) for i, task in enumerate(tasks)]


def doubts(product: CutOut) -> list[str]:
    if product.confidence >= TRUSTED_CUT_OUT:
        return []
    return [
        f"The product could not be told from its background with confidence ({product.confidence:.2f}): "
        "send a cut-out with alpha, or a photo on a plain background"
    ]
