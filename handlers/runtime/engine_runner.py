"""Runs tasks on the loaded engine and decides what happens when the engine fails."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from handlers.runtime.job_stats import JobStats
from models.engine import Control, EditTask, GenerateTask, ImageModel, Painted, PaintTask, Question
from models.resident import Resident
from schemas.errors import ErrorCode, JobError

log = logging.getLogger(__name__)

T = TypeVar("T")
Task = EditTask | GenerateTask | PaintTask

NOT_THE_ENGINES_FAULT = frozenset(
    {ErrorCode.INVALID_INPUT, ErrorCode.NOT_SUPPORTED, ErrorCode.CANCELLED, ErrorCode.TIMEOUT}
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The painted variants, the engine that painted them, and why it was not the requested one."""

    variants: list[Painted]
    engine: str
    fallback_reason: str | None = None

    @property
    def shared_info(self) -> dict[str, Any]:
        """Return the keys that describe the painting in every answer."""
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
    """The loaded engine and the preview that replaces it when it fails. Failures are reported to `stats`."""

    resident: Resident
    preview: ImageModel
    stats: JobStats

    def paint(self, tasks: Sequence[Task], control: Control, *, fallback: bool) -> Outcome:
        """Paint one variant per task.

        Raises the engine's JobError if `fallback` is False or the engine is not to blame.
        """
        model = self.resident.model(control)
        try:
            variants = self._watched(lambda: _painted(model, tasks, control), model, needed=True)
        except JobError as problem:
            if not fallback or problem.code in NOT_THE_ENGINES_FAULT or model.name == self.preview.name:
                raise
            self.stats.fell_back()
            return Outcome(_painted(self.preview, tasks, control), self.preview.name, problem.message)
        self.stats.engine_worked()
        return Outcome(variants, variants[0].engine or model.name)

    def products_per_pass(self, control: Control) -> int:
        return self.resident.model(control).products_per_pass

    def ask(self, question: Question, control: Control, *, needed: bool = False) -> str | None:
        """Return the language model's answer, or None if the engine has no language model.

        A failure of the language model is None as well, unless the answer is `needed`: then it raises JobError.
        """
        model = self.resident.model(control)
        try:
            return self._watched(lambda: model.ask(question, control), model, needed=needed)
        except JobError as problem:
            if needed or problem.code in NOT_THE_ENGINES_FAULT:
                raise
            log.warning("The language model failed: %s", problem.code)
            return None

    def _watched(self, work: Callable[[], T], model: ImageModel, *, needed: bool) -> T:
        """Run `work` and count its failures. If it is not `needed`, only a permanent loss of the engine counts."""
        try:
            return work()
        except JobError as problem:
            if problem.refresh_worker or (needed and problem.code not in NOT_THE_ENGINES_FAULT):
                self.stats.engine_failed(for_good=problem.refresh_worker)
            raise
        except Exception as problem:  # an engine may fail in any way; the job must not
            if needed:
                self.stats.engine_failed(for_good=False)
            log.exception("The engine %s failed", model.name)
            raise JobError(ErrorCode.GENERATION_ERROR, "The model failed to paint the picture") from problem


def _painted(model: ImageModel, tasks: Sequence[Task], control: Control) -> list[Painted]:
    """Paint the tasks one after the other, each with its share of the progress."""
    count = len(tasks)
    return [_run(model, task, control.between(i / count, (i + 1) / count)) for i, task in enumerate(tasks)]


def _run(model: ImageModel, task: Task, control: Control) -> Painted:
    match task:
        case EditTask():
            return model.edit(task, control)
        case GenerateTask():
            return model.generate(task, control)
        case PaintTask():
            return model.paint(task, control)
