"""The diffusion engine: Qwen image checkpoints resident on the GPU, one job at a time behind one lock."""

import logging
import math
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from imaging.byte_cache import ByteCache, array_digest
from imaging.codec.color_profile import in_profile
from imaging.picture import Picture, Pixels, scaled_size, size_of
from models.checkpoints import lora
from models.checkpoints.components import Checkpoint, Components
from models.checkpoints.loading import load_components, source
from models.checkpoints.plan import CACHE_BYTES, GB, Card, make_plan
from models.checkpoints.profiles import TEXT_TO_IMAGE, Schedule, find_profile, parse_task_lora, profile_of
from models.engine import Control, EditTask, GenerateTask, ImageModel, Painted, PaintTask, Question, Sampling
from models.files.prefetch import available
from models.files.weights import CheckpointLocator
from models.qwen.conditioning import MAX_PROMPT_TOKENS, decode, embed, encode, truncated, truncated_to_fit
from models.qwen.denoise import DenoiseInputs, denoise
from models.qwen.grid import ModelGrid, fit, window
from models.qwen.latent_preview import LatentPreviewer
from models.qwen.prompts import edit_prompt, generate_prompt, words_prompt
from models.qwen.schedules import choose, qualities
from models.qwen.serial_executor import SerialExecutor
from models.qwen.tuning import plain_attention, prefer_flash_attention, tune
from models.qwen.vlm import ask
from schemas.errors import ErrorCode, JobError
from schemas.jobs import Quality
from schemas.settings import Settings, SettingsError

log = logging.getLogger(__name__)

RETRY_AREA = 0.5
"""Fraction of the area that a second try uses after running out of memory."""

MAX_PREVIEW_SHARE = 0.1
"""Largest share of a job's time that previews may take."""

OUT_OF_MEMORY = (
    "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "unable to find an engine to execute this computation",
)  # fmt: skip

MIN_CONTRAST = 1.0
"""Standard deviation of a picture's values (0 to 255) below which it counts as blank."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture to paint. The references are RGB pictures on the grid, in the order in which `prompt` numbers them."""

    prompt: str
    references: Sequence[Pixels]
    grid: ModelGrid


T = TypeVar("T")
CanvasFactory = Callable[[float], Canvas]
"""Returns the canvas for an area of about the given number of pixels."""


class Qwen:
    """An engine on loaded components. `name` overrides the profile's; `cache_bytes` limits the cache of embeddings and
    latents; `max_preview_share` is the share of a job's time that previews may take."""

    def __init__(
        self,
        parts: Components,
        name: str | None = None,
        cache_bytes: int = CACHE_BYTES,
        max_preview_share: float = MAX_PREVIEW_SHARE,
    ) -> None:
        self._parts = parts
        self._name = name
        self._lock = threading.Lock()
        # cuDNN keeps its plans per thread: the first job finds those of the warm-up.
        self._gpu = SerialExecutor("gpu")
        self._cache: ByteCache[Tensor] = ByteCache(cache_bytes)
        self._previewer = LatentPreviewer(max_preview_share)

    @property
    def name(self) -> str:
        return self._name or self._parts.edit.profile.name

    @property
    def device(self) -> str:
        return str(self._parts.device)

    @property
    def qualities(self) -> tuple[Quality, ...]:
        return qualities(self._parts.edit)

    @property
    def products_per_pass(self) -> int:
        """The number of references that the checkpoint takes in addition to the room."""
        return max(1, self._parts.edit.profile.references - 1)

    @property
    def plan(self) -> dict[str, Any]:
        return self._parts.plan

    def edit(self, task: EditTask, control: Control) -> Painted:
        """Paint from the guide (or, if only the instructions give the position, from the room) as Picture 1 and the
        product as Picture 2."""
        profile, size, icc = self._parts.edit.profile, task.room.size, task.room.icc
        part = window(size, task.region, profile.area, profile.multiple) if task.region else (0, 0, *size)
        left, top, right, bottom = part
        shown = (task.room if task.by_words else task.guide).pixels[top:bottom, left:right]
        canvas = in_profile(Picture(shown, icc=icc), None).pixels
        first = task.products[0]
        products = [in_profile(Picture(each.cut_out.reference, icc=icc), None).pixels for each in task.products]

        def prompt(words: str) -> str:
            if task.by_words:
                return words_prompt(words, first.name, first.height_cm)
            return edit_prompt([(each.name, each.placement.surface) for each in task.products], words, task.replaces)

        words = truncated_to_fit(self._parts, task.instructions, prompt)

        def make_canvas(area: float) -> Canvas:
            grid = fit((right - left, bottom - top), int(area), profile.multiple)
            return Canvas(prompt(words), [grid.enter(canvas), *map(self._product, products)], grid)

        painted = self._paint(
            self._parts.edit,
            make_canvas,
            task.sampling,
            control.showing(task.room.pixels, part),
            has_guide=not task.by_words,
        )
        return replace(
            painted,
            pixels=in_profile(Picture(painted.pixels), icc).pixels,
            window=part,
            warnings=(*painted.warnings, *_truncation_warnings("instructions", task.instructions, words)),
        )

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        """Paint an edit of the product's picture, Picture 1, at the requested size."""
        place = truncated(self._parts, task.environment, MAX_PROMPT_TOKENS // 2)

        def prompt(words: str) -> str:
            return generate_prompt(place, words, task.product_height_cm, task.name, task.surface)

        words = truncated_to_fit(self._parts, task.instructions, prompt)
        multiple = self._parts.edit.profile.multiple

        def make_canvas(area: float) -> Canvas:
            return Canvas(prompt(words), [self._product(task.cut_out.reference)], fit(task.size, int(area), multiple))

        painted = self._paint(self._parts.edit, make_canvas, task.sampling, control)
        ignored = [
            *_truncation_warnings("environment_type", task.environment, place),
            *_truncation_warnings("instructions", task.instructions, words),
            *([] if task.harmonize is None else ["harmonize has no effect on generate"]),
        ]
        return replace(painted, warnings=(*painted.warnings, *ignored))

    def paint(self, task: PaintTask, control: Control) -> Painted:
        """Paint from a prompt. The first reference, if any, is the canvas and gets the area of the picture to paint."""
        checkpoint = self._parts.edit if task.references else self._parts.text or self._parts.edit
        profile = checkpoint.profile
        if len(task.references) > profile.references:
            message = f"Invalid image: this model takes at most {profile.references} pictures"
            code = ErrorCode.INVALID_INPUT if profile.references else ErrorCode.NOT_SUPPORTED
            raise JobError(code, message, ("image",))
        pictures = [in_profile(picture, None).pixels for picture in task.references]

        def make_canvas(area: float) -> Canvas:
            grid = fit(task.size, int(area), profile.multiple)
            if not pictures:
                return Canvas(task.prompt, [], grid)
            shapes = [picture.shape[1::-1] for picture in pictures]
            areas = [int(area), *[profile.product_area] * (len(pictures) - 1)]
            grids = [fit(shape, own, profile.multiple) for shape, own in zip(shapes, areas, strict=True)]
            return Canvas(task.prompt, [own.enter(picture) for own, picture in zip(grids, pictures, strict=True)], grid)

        painted = self._paint(checkpoint, make_canvas, task.sampling, control)
        cut_off = _truncation_warnings("prompt", task.prompt, truncated(self._parts, task.prompt))
        return replace(painted, warnings=(*painted.warnings, *cut_off))

    def warm_up(self, qualities: Sequence[Quality] = ("fast",)) -> None:
        """Paint small pictures with and without a reference, so that kernels are loaded and compiled before the first
        job."""
        board = (np.indices((256, 256)).sum(axis=0) // 32 % 2 * 255).astype(np.uint8)
        for quality in qualities:
            for references in ((), (Picture(np.dstack([board] * 3)),)):
                task = PaintTask("a chair", references, (256, 256), Sampling(seed=0, quality=quality))
                self.paint(task, Control())

    def ask(self, question: Question, control: Control) -> str:
        return self._in_turn(lambda: ask(self._parts, question, control), control)

    def _product(self, product: Pixels) -> Pixels:
        """Return the product's picture, reduced to its reference's area and padded with white to whole cells."""
        profile = self._parts.edit.profile
        scale = min(1.0, math.sqrt(profile.product_area / (product.shape[0] * product.shape[1])))
        size = scaled_size(size_of(product), scale)
        small = cv2.resize(product, size, interpolation=cv2.INTER_AREA)
        right, below = (-size[0]) % profile.multiple, (-size[1]) % profile.multiple
        sides = below // 2, below - below // 2, right // 2, right - right // 2
        return cast(Pixels, cv2.copyMakeBorder(small, *sides, cv2.BORDER_CONSTANT, value=(255, 255, 255)))

    def _paint(
        self,
        checkpoint: Checkpoint,
        make_canvas: CanvasFactory,
        sampling: Sampling,
        control: Control,
        *,
        has_guide: bool = False,
    ) -> Painted:
        chosen = choose(checkpoint, sampling)
        area = checkpoint.profile.area

        def work() -> Pixels:
            if checkpoint.adapters or checkpoint.task:
                scales = checkpoint.scales(chosen.schedule, guided_by_picture=has_guide)
                lora.use(checkpoint.transformer, scales, checkpoint.fused)
            try:
                return self._finite(checkpoint, make_canvas(area), chosen.schedule, sampling, control)
            except RuntimeError as problem:
                if not _is_out_of_memory(problem):
                    raise
            # Outside the except block: the exception holds the tensors of the first try.
            log.warning("Out of memory: trying again at half the area")
            self._free()
            return self._finite(checkpoint, make_canvas(area * RETRY_AREA), chosen.schedule, sampling, control)

        pixels = self._in_turn(work, control)
        engine = self._name or checkpoint.profile.name
        return Painted(pixels, chosen.schedule.steps, chosen.schedule.true_cfg_scale, chosen.warnings, engine=engine)

    def _finite(
        self, checkpoint: Checkpoint, canvas: Canvas, schedule: Schedule, sampling: Sampling, control: Control
    ) -> Pixels:
        """Paint, and paint again with plain attention if the picture is blank: fast kernels can fail silently."""
        for attention in (nullcontext(), plain_attention(checkpoint.transformer)):
            with attention:
                picture = self._once(checkpoint, canvas, schedule, sampling, control)
            if torch.isfinite(picture).all() and picture.std() >= MIN_CONTRAST:
                return canvas.grid.leave(picture.clamp(0, 255).round().byte().cpu().numpy())
            log.warning("The model painted a blank picture")
            self._cache.clear()  # it may hold embeddings that the fast kernels broke
        raise JobError(ErrorCode.GENERATION_ERROR, "The model painted a blank picture")

    def _once(
        self, checkpoint: Checkpoint, canvas: Canvas, schedule: Schedule, sampling: Sampling, control: Control
    ) -> Tensor:
        against = None
        if schedule.true_cfg_scale > 1:
            negative = sampling.negative_prompt or checkpoint.profile.negative_prompt
            against = self._embedded(negative, canvas.references)
        inputs = DenoiseInputs(
            size=canvas.grid.working,
            words=self._embedded(canvas.prompt, canvas.references),
            against=against,
            references=[self._encoded(picture) for picture in canvas.references],
            schedule=schedule,
            seed=sampling.seed,
        )
        # Stretching a schedule of a single step to a terminal value divides by zero.
        settings = schedule.scheduler | ({"shift_terminal": None} if schedule.steps == 1 else {})
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(checkpoint.scheduler_config, **settings)
        preview = self._previewer.start(self._parts, control.show) if control.show else None
        return decode(self._parts, denoise(checkpoint.transformer, scheduler, inputs, control, preview))

    def _embedded(self, prompt: str, pictures: Sequence[Pixels]) -> Tensor:
        words = truncated(self._parts, prompt)
        key = ("words", words, *map(array_digest, pictures))
        return self._cache.get(key, lambda: embed(self._parts, words, pictures))

    def _encoded(self, picture: Pixels) -> Tensor:
        return self._cache.get(("latents", array_digest(picture)), lambda: encode(self._parts, picture))

    def _free(self) -> None:
        self._cache.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _in_turn(self, work: Callable[[], T], control: Control) -> T:
        """Run `work` on the GPU thread under the lock. Jobs that are waiting can be cancelled."""
        with control.waiting():
            while not self._lock.acquire(timeout=0.1):
                control.check()
        try:
            with _translated():
                return self._gpu.run(work)
        except BaseException as problem:
            _release_frames(problem)
            raise
        finally:
            self._lock.release()


@contextmanager
def _translated() -> Iterator[None]:
    """Translate torch's exceptions into JobErrors."""
    try:
        yield
    except RuntimeError as problem:
        if _is_out_of_memory(problem):
            raise JobError(ErrorCode.OUT_OF_MEMORY, "The GPU ran out of memory, even at half the size") from problem
        if isinstance(problem, torch.AcceleratorError):
            # After such an error every later CUDA call of the process fails.
            message = "The GPU failed and this worker is being replaced"
            raise JobError(ErrorCode.GENERATION_ERROR, message, refresh_worker=True) from problem
        raise


def _release_frames(problem: BaseException | None) -> None:
    """Clear the frames of an exception and its causes, which keep tensors alive as long as the exception is stored."""
    while problem is not None:
        traceback.clear_frames(problem.__traceback__)
        problem = problem.__cause__ or problem.__context__


def _is_out_of_memory(problem: RuntimeError) -> bool:
    """Return True for torch's OutOfMemoryError and for the messages of the driver and the CUDA libraries."""
    return isinstance(problem, torch.OutOfMemoryError) or any(words in str(problem) for words in OUT_OF_MEMORY)


def _truncation_warnings(field: str, words: str, read: str) -> list[str]:
    return [] if words == read else [f"{field} is longer than the model can read: its end was cut off"]


def load_qwen(settings: Settings) -> ImageModel:
    """Return the engine of the settings' profile on this machine's GPUs. Raises SettingsError if it cannot be
    loaded."""
    chosen = profile_of(settings)
    if not chosen.references:
        raise SettingsError(
            f"MODEL_PROFILE: {chosen.name} cannot edit; set it as QWEN_IMAGE_LOCATION next to a profile that can"
        )
    if not torch.cuda.is_available():
        raise SettingsError("ENGINE: qwen needs a GPU that torch can use, and there is none")
    beside = settings.qwen_image_location
    card = _card()
    plan = make_plan(chosen, card, settings.precision, settings.device_map, 2 if beside else 1, settings.qualities)
    log.info("%s", plan)
    if plan.host > (free := available()) > 0:
        log.warning(
            "The plan needs %.1f GB of main memory while loading, but only %.1f GB are free", plan.host / GB, free / GB
        )
    locator = CheckpointLocator(settings.qwen_model_dir)
    task = parse_task_lora(settings.task_lora) if settings.task_lora else None
    edit = source(chosen, plan, settings.qwen_image_edit_location, locator, task)
    text = source(find_profile(TEXT_TO_IMAGE), plan, beside, locator) if beside else None
    parts = load_components(edit, plan, "cuda", text=text)
    if settings.attention is None and prefer_flash_attention(card.capability):
        log.info("Attention: flash; set ATTENTION=_native_cudnn for cuDNN's")
    for checkpoint in filter(None, (parts.edit, parts.text)):
        tune(checkpoint.transformer, settings.attention, compiled=settings.compile)
    engine = Qwen(parts)
    engine.warm_up(engine.qualities if settings.compile else ("fast",))
    return engine


def _card() -> Card:
    card = torch.cuda.get_device_properties(0)
    return Card(card.name, card.total_memory, (card.major, card.minor), torch.cuda.device_count())
