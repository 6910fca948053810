"""What the handlers ask of an engine, and nothing of how it is done."""

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
    """`percent` 0 to 100 of the whole job; `step` of `of` within the stage."""

    stage: str
    step: int
    of: int
    percent: int


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Control:
    """How a job in progress is watched and stopped. Engines report every denoising step; a stopped job raises there."""

    report: Report = lambda _progress: None
    deadline: float = float("inf")
    """By time.monotonic()."""
    arrived: float = field(default_factory=time.monotonic)
    """When the job came in."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    span: tuple[float, float] = (0.0, 100.0)
    """The percent of the whole job that this part of it stands for."""
    show: Callable[[Pixels], None] | None = None
    """Takes a look at the unfinished picture, in any size."""
    looks: int = 0
    """How many such looks are wanted, spread over the denoising."""
    waits: list[float] = field(default_factory=list)
    """Seconds of each time that the job has waited for what others were using."""

    def clock(self) -> float:
        """Seconds that pass as time.monotonic's do, but not while the job waits."""
        return time.monotonic() - sum(self.waits)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.waits.append(time.monotonic() - started)

    def progress(self, stage: str, step: int, of: int) -> None:
        """Raises JobError CANCELLED or TIMEOUT where the job is not to go on."""
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

    def wants_look(self, step: int, of: int) -> bool:
        """Whether to show the picture after so many of the steps; never the last, which is the picture itself."""
        due = [round(look * of / (self.looks + 1)) for look in range(1, self.looks + 1)]
        return self.show is not None and 0 < step < of and step in due

    def showing(self, photo: Pixels, part: Box) -> "Control":
        """This one for an engine that paints a part of a photo: its looks are seen in their place."""
        show = self.show
        return replace(self, show=lambda pixels: show(in_place(pixels, part, photo))) if show else self

    def between(self, start: float, end: float) -> "Control":
        """The part of this one from share `start` to share `end`, 0 to 1."""
        low, high = self.span
        return replace(self, span=(low + (high - low) * start, low + (high - low) * end))


@dataclass(frozen=True)
class Sampling:
    """How to denoise; None leaves it to the engine's schedule for `quality`."""

    seed: int
    quality: Quality = "fast"
    steps: int | None = None
    true_cfg_scale: float | None = None
    negative_prompt: str = ""


@dataclass(frozen=True, eq=False)
class PlacedProduct:
    """A product in its place, with the caller's words about it, the shop's title of it and its real height."""

    cut_out: CutOut
    placement: Placement
    instructions: str = ""
    name: str = ""
    height_cm: float | None = None


@dataclass(frozen=True, eq=False)
class EditTask:
    """The product at its place in the room. `guide` is the compositor's picture of it; `region` holds all that may
    change, and None leaves the whole photo to the engine. `by_words`: only the instructions know the place."""

    room: Picture
    products: tuple[PlacedProduct, ...]
    guide: Composite
    harmonize: float | None
    sampling: Sampling
    region: Box | None = None
    by_words: bool = False
    replaces: str = ""
    """What of the room the product takes the place of, in words; empty for nothing."""
    must_paint_behind: bool = False
    """True if what is replaced is not hidden by the product."""

    @property
    def instructions(self) -> str:
        """The wishes of all products."""
        return " ".join(each.instructions for each in self.products if each.instructions)


@dataclass(frozen=True, eq=False)
class GenerateTask:
    """A new environment around the product, as a picture of exactly `size`."""

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
    """Words and up to `references` pictures to a picture of exactly `size`; the first reference is the canvas."""

    prompt: str
    references: tuple[Picture, ...]
    size: Size
    sampling: Sampling


@dataclass(frozen=True, eq=False)
class Question:
    """What a language model that sees is asked. `words` call the pictures Picture 1, Picture 2."""

    words: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, eq=False)
class Painted:
    """What an engine made, and the schedule it really used. `warnings` name what it could not obey; `window` is the
    part of the room that an edit shows, None all of it; `engine` is what painted, where the engine's name does not say
    it. `is_guide` is True if the pixels are the compositor's guide itself."""

    pixels: Pixels
    steps: int
    true_cfg_scale: float
    warnings: tuple[str, ...] = ()
    window: Box | None = None
    engine: str | None = None
    is_guide: bool = False


class ImageModel(Protocol):
    """An engine, loaded and ready. Its failures are JobErrors: GENERATION_ERROR, OUT_OF_MEMORY, CANCELLED, ..."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def qualities(self) -> tuple[Quality, ...]:
        """The schedules it can serve."""

    @property
    def products_per_pass(self) -> int:
        """How many products an edit may have at once."""

    @property
    def plan(self) -> dict[str, Any]:
        """What is loaded, in which precision, for health_check."""

    def edit(self, task: EditTask, control: Control) -> Painted:
        """Pixels of the room's size, or of its window's."""

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        """Pixels of the task's size."""

    def paint(self, task: PaintTask, control: Control) -> Painted:
        """Pixels of the task's size. Raises JobError NOT_SUPPORTED where words alone are more than it can follow."""

    def ask(self, question: Question, control: Control) -> str | None:
        """What its language model says; None where it has none."""
