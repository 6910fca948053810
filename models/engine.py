"""The interface between the handlers and the engines: tasks, results, progress and cancellation."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from imaging.compose import Composite
from imaging.cutout import CutOut
from imaging.picture import Box, Picture, Pixels, Size
from imaging.placement.layout import Placement
from imaging.resize import in_place
from schemas.errors import ErrorCode, JobError
from schemas.jobs import AskedSurface, Quality


@dataclass(frozen=True)
class Progress:
    """Progress of a job: `percent` (0 to 100) of the whole job, `step` of `of` steps within the stage."""

    stage: str
    step: int
    of: int
    percent: int


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Control:
    """Progress callbacks, deadline and cancellation of one job. Engines report every denoising step; a stopped job
    raises there."""

    report: Report = lambda _progress: None
    deadline: float = float("inf")
    """Deadline on the clock of time.monotonic(), in seconds."""
    arrived: float = field(default_factory=time.monotonic)
    """Arrival of the job on the clock of time.monotonic(), in seconds."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    span: tuple[float, float] = (0.0, 100.0)
    """Start and end of this part of the job, in percent of the whole job."""
    show: Callable[[Pixels], None] | None = None
    """Receives previews of the unfinished picture, of any size."""
    previews: int = 0
    """Number of previews wanted, spread evenly over the denoising."""
    waits: list[float] = field(default_factory=list)
    """Seconds of each wait for a resource that another job was using."""

    def clock(self) -> float:
        """Return the seconds of time.monotonic() without the time spent waiting."""
        return time.monotonic() - sum(self.waits)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Add the time spent in the block to `waits`."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.waits.append(time.monotonic() - started)

    def progress(self, stage: str, step: int, of: int) -> None:
        """Report a step. Raises JobError CANCELLED or TIMEOUT if the job must stop."""
        self.check()
        start, end = self.span
        self.report(Progress(stage, step, of, round(start + (end - start) * step / of)))

    def check_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise JobError(ErrorCode.CANCELLED, "The job was cancelled")

    def check(self) -> None:
        self.check_cancelled()
        if time.monotonic() > self.deadline:
            raise JobError(ErrorCode.TIMEOUT, "The job ran longer than this worker allows")

    def wants_preview(self, step: int, of: int) -> bool:
        """Return True if a preview is due after `step` steps; never after the last step, whose result is the picture
        itself."""
        due = [round(number * of / (self.previews + 1)) for number in range(1, self.previews + 1)]
        return self.show is not None and 0 < step < of and step in due

    def showing(self, photo: Pixels, part: Box) -> "Control":
        """Return a control whose previews of `part` are pasted into `photo` before they are shown."""
        show = self.show
        return replace(self, show=lambda pixels: show(in_place(pixels, part, photo))) if show else self

    def between(self, start: float, end: float) -> "Control":
        """Return a control for the part of this one between the fractions `start` and `end` (0 to 1)."""
        low, high = self.span
        return replace(self, span=(low + (high - low) * start, low + (high - low) * end))


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters; None means the value of the engine's schedule for `quality`."""

    seed: int
    quality: Quality = "fast"
    steps: int | None = None
    true_cfg_scale: float | None = None
    negative_prompt: str = ""


@dataclass(frozen=True, eq=False)
class PlacedProduct:
    """A product in its place, with the caller's instructions, the shop's title and the real height."""

    cut_out: CutOut
    placement: Placement
    instructions: str = ""
    name: str = ""
    height_cm: float | None = None


@dataclass(frozen=True, eq=False)
class EditTask:
    """Place the product in the room.

    `guide` is the composited picture. `region` contains everything that may change, or is None for the whole photo.
    `by_words` means that only the instructions give the position.
    """

    room: Picture
    products: tuple[PlacedProduct, ...]
    guide: Composite
    harmonize: float | None
    sampling: Sampling
    region: Box | None = None
    by_words: bool = False
    replaces: str = ""
    """The object in the room that the product replaces, in words; empty for none."""
    must_paint_behind: bool = False
    """True if the product does not hide the replaced object."""

    @property
    def instructions(self) -> str:
        """The instructions of all products."""
        return " ".join(each.instructions for each in self.products if each.instructions)


@dataclass(frozen=True, eq=False)
class GenerateTask:
    """Paint a new environment of exactly `size` around the product."""

    cut_out: CutOut
    environment: str
    instructions: str
    size: Size
    product_height_cm: float | None
    harmonize: float | None
    sampling: Sampling
    name: str = ""
    surface: AskedSurface = "auto"


@dataclass(frozen=True, eq=False)
class PaintTask:
    """Paint a picture of exactly `size` from a prompt and reference pictures; the first reference is the canvas."""

    prompt: str
    references: tuple[Picture, ...]
    size: Size
    sampling: Sampling


@dataclass(frozen=True, eq=False)
class Question:
    """A question to a vision-language model. `words` refer to the pictures as Picture 1, Picture 2, ..."""

    words: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, eq=False)
class Painted:
    """The result of an engine, with the schedule that was used.

    `warnings` name the fields that had no effect. `window` is the part of the room that an edit covers, or None for all
    of it. `engine` is set if it differs from the model's name. `is_guide` is True if the pixels are the compositor's
    guide itself.
    """

    pixels: Pixels
    steps: int
    true_cfg_scale: float
    warnings: tuple[str, ...] = ()
    window: Box | None = None
    engine: str | None = None
    is_guide: bool = False


class ImageModel(Protocol):
    """A loaded engine. Failures are JobErrors: GENERATION_ERROR, OUT_OF_MEMORY, CANCELLED, ..."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def qualities(self) -> tuple[Quality, ...]:
        """The qualities that the loaded plan can serve."""

    @property
    def products_per_pass(self) -> int:
        """The number of products that one edit can have."""

    @property
    def plan(self) -> dict[str, Any]:
        """The loaded weights and their precision, for health_check."""

    def edit(self, task: EditTask, control: Control) -> Painted:
        """Return pixels of the size of the room or of the window."""

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        """Return pixels of the task's size."""

    def paint(self, task: PaintTask, control: Control) -> Painted:
        """Return pixels of the task's size. Raises JobError NOT_SUPPORTED if the engine cannot paint from a prompt."""

    def ask(self, question: Question, control: Control) -> str | None:
        """Return the answer of the engine's language model, or None if it has none."""
