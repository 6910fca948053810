"""Engines that misbehave as real ones do."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from imaging.picture import Pixels
from models.engine import Control, EditTask, GenerateTask, Painted, PaintTask, Question
from models.preview import Preview
from schemas.errors import JobError
from schemas.jobs import Quality
from testing.patience import POLL_SECONDS, WAIT_SECONDS


class Drifting(Preview):
    """Repaints the whole room a little: darker, and shifted by two pixels."""

    name = "drifting"
    qualities: tuple[Quality, ...] = ("fast", "balanced", "best")

    def edit(self, task: EditTask, control: Control) -> Painted:
        control.progress("denoising", 1, 1)
        return Painted(np.roll(task.guide.pixels // 2, 2, axis=1), steps=4, true_cfg_scale=1.0)


class Failing(Preview):
    name = "failing"

    def __init__(self, problem: Callable[[], BaseException]) -> None:
        self.problem = problem

    def edit(self, task: EditTask, control: Control) -> Painted:
        raise self.problem()

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        raise self.problem()

    def paint(self, task: PaintTask, control: Control) -> Painted:
        raise self.problem()


class Paced(Preview):
    """An engine of `steps` steps that a test can hold.

    Each step lasts `seconds` and, if there is a `go`, needs a permit of it to end. A cancelled job ends within its
    step.
    """

    def __init__(self, steps: int = 4, seconds: float = 0.0, go: threading.Semaphore | None = None) -> None:
        self.steps, self.seconds, self.go = steps, seconds, go
        self.done_steps = 0
        self.started = threading.Event()
        self.inside = threading.Lock()

    @contextmanager
    def alone(self) -> Iterator[None]:
        assert self.inside.acquire(blocking=False), "two jobs on one GPU"
        try:
            yield
        finally:
            self.inside.release()

    def take_steps(self, control: Control, pixels: Pixels) -> None:
        """Take all steps; callers see `pixels` on the way."""
        self.started.set()
        for step in range(self.steps):
            control.progress("denoising", step, self.steps)
            if control.show and control.wants_preview(step, self.steps):
                control.show(pixels)
            time.sleep(self.seconds)
            while self.go and not self.go.acquire(timeout=POLL_SECONDS):
                control.check()
            self.done_steps += 1


class Slow(Paced):
    """Edits like the preview, in steps."""

    name = "slow"

    def edit(self, task: EditTask, control: Control) -> Painted:
        with self.alone():
            self.take_steps(control, task.guide.pixels)
            return super().edit(task, control)


def never() -> Any:
    """Return a model that never finishes loading."""
    threading.Event().wait()


class Scripted(Preview):
    """Paints the given pictures, one after the other, as raw results of the whole photo, and remembers its tasks."""

    name = "scripted"

    def __init__(self, *results: Pixels | JobError, seconds: float = 0) -> None:
        self.results, self.seconds = list(results), seconds
        self.tasks: list[EditTask] = []

    @property
    def seeds(self) -> list[int]:
        return [task.sampling.seed for task in self.tasks]

    def edit(self, task: EditTask, control: Control) -> Painted:
        self.tasks.append(task)
        time.sleep(self.seconds)
        result = self.results[len(self.tasks) - 1]
        if isinstance(result, JobError):
            raise result
        return Painted(result, steps=4, true_cfg_scale=1.0)


class Talking(Preview):
    """Has a language model that always gives the same answer."""

    name = "talking"

    def __init__(self, reply: str | Exception) -> None:
        self.reply = reply
        self.questions: list[Question] = []

    def ask(self, question: Question, control: Control) -> str:
        self.questions.append(question)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


class Waiting(Scripted):
    """Runs one job at a time, as on a GPU, and none finishes before `go`."""

    name = "waiting"

    def __init__(self, result: Pixels) -> None:
        super().__init__(result, result)
        self.busy, self.go, self.gpu = threading.Event(), threading.Event(), threading.Lock()

    def edit(self, task: EditTask, control: Control) -> Painted:
        with self.gpu:
            self.busy.set()
            assert self.go.wait(WAIT_SECONDS)
            return super().edit(task, control)
