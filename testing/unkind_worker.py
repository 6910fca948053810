"""rp_handler.py with an engine that does what the first word of the job's instructions says. `PAUSE_AT` is a file that
names a stage at which every job stays until it is cancelled or the file is gone; `CLOCK=jumping` lets the time jump;
with `LOADING` the model never comes, and that file is made when it is waited for; `PAINTED` is a file that gets a line
with the seed of each picture that is painted."""

import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import rp_handler  # noqa: E402
from handlers import router  # noqa: E402
from models.engine import Control, EditTask, Painted  # noqa: E402
from models.preview import Preview  # noqa: E402
from models.resident import Resident  # noqa: E402
from schemas.errors import ErrorCode, JobError  # noqa: E402
from schemas.settings import Settings  # noqa: E402

STEP_SECONDS = 0.05


class Unkind(Preview):
    name = "unkind"

    def __init__(self) -> None:
        self._gpu = threading.Lock()
        self._inside = 0
        self._leaked: list[bytearray] = []

    def edit(self, task: EditTask, control: Control) -> Painted:
        while not self._gpu.acquire(timeout=0.05):
            control.check()
        self._inside += 1
        try:
            assert self._inside == 1, "two jobs on one GPU"
            return self._painted(task, control)
        finally:
            self._inside -= 1
            self._gpu.release()

    def _painted(self, task: EditTask, control: Control) -> Painted:
        if "PAINTED" in os.environ:
            with Path(os.environ["PAINTED"]).open("a") as file:
                file.write(f"{task.sampling.seed}\n")
        match task.instructions.split():
            case ["slow", steps, *_]:
                for step in range(int(steps)):
                    control.progress("denoising", step, int(steps))
                    time.sleep(STEP_SECONDS)
            case ["hang", *_]:
                control.progress("denoising", 0, 1)
                threading.Event().wait()
            case ["oom", *_]:
                raise JobError(ErrorCode.OUT_OF_MEMORY, "The GPU ran out of memory, even at half the size")
            case ["sticky", *_]:
                raise JobError(ErrorCode.GENERATION_ERROR, "The GPU failed", refresh_worker=True)
            case ["broken", *_]:
                raise ZeroDivisionError(f"secret in {__file__}")
            case ["nan", *_]:
                return Painted(task.guide.pixels, 4, float("nan"))
            case ["leak", *_]:
                self._leaked.append(bytearray(os.urandom(1)) * 200_000_000)
        return super().edit(task, control)


def build(settings: Settings) -> Resident:
    return Resident("unkind", load, settings.ready_wait_seconds)


def load() -> Unkind:
    if "LOADING" in os.environ:
        Path(os.environ["LOADING"]).touch()
        threading.Event().wait()
    return Unkind()


def pause(file: Path) -> None:
    progress = Control.progress

    def paused(self: Control, stage: str, step: int, of: int) -> None:
        progress(self, stage, step, of)
        while file.exists() and file.read_text() == stage:
            self.check()
            time.sleep(0.02)

    Control.progress = paused  # type: ignore[method-assign]


def jump() -> None:
    real = time.time
    time.time = lambda: real() + random.choice((-1e7, 0, 1e7))


def break_handler() -> None:
    """Make the handler fail with a bug outside the engine."""
    edit = router.edit  # type: ignore[attr-defined]  # the name that the router calls

    def broken(request: Any, *others: Any) -> Any:
        if request.job.instructions == "bug":
            raise KeyError(f"secret in {__file__}")
        return edit(request, *others)

    router.edit = broken  # type: ignore[attr-defined, assignment]


if __name__ == "__main__":
    rp_handler.build = build  # type: ignore[attr-defined]  # the name that main calls
    if "PAUSE_AT" in os.environ:
        pause(Path(os.environ["PAUSE_AT"]))
    if os.environ.get("CLOCK") == "jumping":
        jump()
    break_handler()
    rp_handler.main()
