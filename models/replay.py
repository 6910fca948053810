"""Replays recorded full-frame results instead of denoising; everything before and after is real. Torch is not
needed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from imaging.codec.color_profile import in_profile
from imaging.codec.decode import ImageLimits, decode
from imaging.picture import Box, Picture, Pixels, Size
from imaging.resize import resized
from models.checkpoints.profiles import PROFILES
from models.engine import Control, EditTask, GenerateTask, ImageModel, Painted, PaintTask, Question, Sampling
from models.qwen.grid import fit, window
from schemas.errors import ErrorCode, JobError
from schemas.jobs import Quality
from schemas.settings import SettingsError

KINDS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
LIMITS = ImageLimits(max_bytes=500_000_000, max_pixels=200_000_000)

PROFILE = PROFILES["qwen-image-edit-2511"]
"""The profile whose working size the recordings are resampled to."""

SAME_SHAPE = 0.03
"""Largest relative difference in aspect ratio at which a recording counts as full frame: models paint on a grid."""

ANSWERS = "answers.json"
"""The language model's recorded answers: a list of {"asked": part of the question, "answer": text}."""

WITHOUT_EFFECT = "quality, num_inference_steps, true_cfg_scale and negative_prompt have no effect on recorded pictures"


class RecordedAnswer(BaseModel):
    """A recorded answer of the language model to questions that contain `asked`."""

    model_config = ConfigDict(extra="forbid")

    asked: str
    answer: str


def open_replay(folder: Path) -> ImageModel:
    """Return the engine for a folder of pictures. Raises SettingsError if the folder has none."""
    recordings = sorted(file for file in folder.iterdir() if file.suffix.lower() in KINDS)
    if not recordings:
        raise SettingsError("REPLAY_DIR: there is no PNG, JPEG or WebP picture in it")
    return Replay(recordings, _answers(folder / ANSWERS))


def _answers(file: Path) -> list[RecordedAnswer]:
    try:
        return TypeAdapter(list[RecordedAnswer]).validate_json(file.read_bytes()) if file.exists() else []
    except ValidationError as problem:
        raise SettingsError(f"REPLAY_DIR: {ANSWERS} must be a list of objects with asked and answer") from problem


class Replay:
    """An engine that plays recording number `seed` modulo the number of recordings."""

    name = "replay"
    device = "cpu"
    qualities: tuple[Quality, ...] = ("fast",)
    products_per_pass = 6

    def __init__(self, recordings: list[Path], answers: Sequence[RecordedAnswer] = ()) -> None:
        self._recordings = recordings
        self._answers = answers

    @property
    def plan(self) -> dict[str, Any]:
        return {"engine": self.name, "recordings": len(self._recordings)}

    def edit(self, task: EditTask, control: Control) -> Painted:
        size = task.room.size
        part = window(size, task.region, PROFILE.area, PROFILE.multiple) if task.region else (0, 0, *size)
        painted = self._play(size, task.sampling, control, part)
        return replace(painted, pixels=in_profile(Picture(painted.pixels), task.room.icc).pixels, window=part)

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        return self._play(task.size, task.sampling, control)

    def paint(self, task: PaintTask, control: Control) -> Painted:
        return self._play(task.size, task.sampling, control)

    def ask(self, question: Question, control: Control) -> str | None:  # noqa: ARG002  nothing takes time here
        """Return the first recorded answer whose `asked` is part of the question; None if there is none."""
        return next((each.answer for each in self._answers if each.asked in question.words), None)

    def _play(self, size: Size, sampling: Sampling, control: Control, part: Box | None = None) -> Painted:
        """Return `part` of the recording, resampled to the model's working size and back."""
        control.progress("replay", 0, 1)
        recording = _read(self._recordings[sampling.seed % len(self._recordings)])
        left, top, right, bottom = part or (0, 0, *size)
        seen = framed(recording, size)[top:bottom, left:right]
        grid = fit((right - left, bottom - top), PROFILE.area, PROFILE.multiple)
        pixels = grid.leave(grid.enter(seen))
        control.progress("replay", 1, 1)
        asked = replace(sampling, seed=0) != Sampling(seed=0)
        return Painted(pixels, 0, 1.0, (WITHOUT_EFFECT,) if asked else ())


def framed(pixels: Pixels, size: Size) -> Pixels:
    """Return the recording at `size`, center-cropped if its aspect ratio differs."""
    height, width = pixels.shape[:2]
    wide = width * size[1] / (height * size[0])
    if abs(wide - 1) > SAME_SHAPE:
        kept = round(width / max(wide, 1)), round(height * min(wide, 1))
        left, top = (width - kept[0]) // 2, (height - kept[1]) // 2
        pixels = pixels[top : top + kept[1], left : left + kept[0]]
    return resized(pixels, size)


def _read(file: Path) -> Pixels:
    try:
        return in_profile(decode(file.read_bytes(), file.name, LIMITS), None).pixels
    except (JobError, OSError) as problem:
        raise JobError(ErrorCode.GENERATION_ERROR, f"The recording {file.name} cannot be read") from problem
