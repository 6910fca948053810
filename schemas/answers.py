"""What goes back to the caller. Keys that are None have nothing to say and are left out."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import ErrorCode, JobError


class AnswerPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class PaintedInfo(AnswerPart):
    """How the pictures of one answer came about."""

    instructions: str = Field(description="as they were sent")
    engine: str = Field(description="what painted: a checkpoint's name, or `preview`")
    seed: int = Field(description="of the first picture; sent again, it gives the same pixels on the same machine")
    steps: int = Field(description="denoising steps; 0 where nothing was denoised")
    true_cfg_scale: float = Field(description="classifier-free guidance; 1 is none")
    cutout_confidence: float = Field(
        description="how far to trust the outline of the cut-out, 0 to 1; below 0.5 comes with a warning"
    )
    fallback_used: Literal[True] | None = Field(None, description="the model failed and the preview stepped in")
    fallback_reason: str | None = Field(None, description="why it failed")
    processing_time: float = Field(description="seconds without waiting for the model, reading and writing")


class Scale(AnswerPart):
    """How the product's size was found, and how sure that is."""

    source: Literal["camera", "object", "usual_height", "asked"] = Field(
        description="from the photo's perspective, an object of usual size in it, the usual height of such products, "
        "or a box, a mask or a scale that was asked for"
    )
    error_percent: float = Field(description="one standard deviation of the size; 0 where it was asked for")


SURFACE = "`floor`, `rug`, `wall`, `tabletop` or `ceiling`"
COORDINATES = "bottom center; of a rug the middle of its near edge, on a wall the center, at a ceiling the top center"


class PlacedAnswer(AnswerPart):
    """Where one of several products is in the answer, in pixels of the room photo."""

    coordinates: tuple[int, int] = Field(description=COORDINATES)
    box: tuple[int, int, int, int] = Field(description="left, top, right, bottom of the product")
    surface: str = Field(description=SURFACE)
    scale: Scale = Field(description="how the size was found: `source` and `error_percent`")
    cutout_confidence: float = Field(
        description="how far to trust the outline of the cut-out, 0 to 1; below 0.5 comes with a warning"
    )
    checks: dict[str, Any] = Field(description="measurements of this product, and in `failed` the checks it fails")


class PlacementInfo(PaintedInfo):
    """The whole picture; with one product also where it is, in pixels of the room photo."""

    coordinates: tuple[int, int] | None = Field(None, description=COORDINATES)
    box: tuple[int, int, int, int] | None = Field(None, description="left, top, right, bottom of the product")
    surface: str | None = Field(None, description=SURFACE)
    scale: Scale | None = Field(None, description="how the size was found: `source` and `error_percent`")
    original_size: tuple[int, int] = Field(description="width and height of the upright photo, and of the answer")
    changed_fraction: float = Field(description="share of the photo's pixels that differ, 0 to 1")
    checks: dict[str, Any] = Field(description="what was measured of the picture, and in `failed` what it fails")


class GenerationInfo(PaintedInfo):
    environment_type: str = Field(description="as it was sent")
    output_size: tuple[int, int] = Field(description="width and height of the answer")


class Variant(AnswerPart):
    image: str = Field(description="as `processed_image`")
    mime_type: str = Field(description="`image/png`, `image/jpeg` or `image/webp`")
    seed: int = Field(description="of this picture")


class PictureAnswer(AnswerPart):
    success: Literal[True] = Field(True, description="false in failures")
    action: Literal["edit", "generate"] = Field(description="the job's")
    processed_image: str = Field(description="the first picture: base64, data URL or URL, as `response_format` asked")
    mime_type: str = Field(description="`image/png`, `image/jpeg` or `image/webp`")
    lossless: bool = Field(description="whether the file has the picture's very pixels")
    images: list[Variant] | None = Field(None, description="all pictures, where `n` is more than 1")
    placement_info: PlacementInfo | None = Field(None, description="of `edit`")
    placements: list[PlacedAnswer] | None = Field(None, description="where each of `products` is, in their order")
    generation_info: GenerationInfo | None = Field(None, description="of `generate`")
    warnings: list[str] | None = Field(None, description="what could not be obeyed, and what was done in its place")
    processing_time: float = Field(description="seconds from the job to its answer")


FAILED = {"edit": "Edit processing failed: ", "generate": "Generate processing failed: "}


class ErrorAnswer(AnswerPart):
    error: str = Field(description="one sentence that ends with the code in brackets")
    error_code: str = Field(description="the code alone")
    message: str = Field(description="the same sentence, for clients that keep only a failed job's output")
    success: Literal[False] = Field(False, description="true in answers")
    fields: list[str] | None = Field(None, description="the inputs at fault")
    refresh_worker: Literal[True] | None = Field(None, description="asks the platform for a fresh worker")

    @classmethod
    def of(cls, action: str, problem: JobError, *, refresh: bool = False) -> Self:
        prefix = "" if problem.code is ErrorCode.INVALID_ACTION else FAILED.get(action, "")
        sentence = f"{prefix}{problem.message} [{problem.code}]"
        return cls(
            error=sentence,
            message=sentence,
            error_code=problem.code,
            fields=list(problem.fields) or None,
            refresh_worker=True if refresh or problem.refresh_worker else None,
        )


class Graphics(AnswerPart):
    name: str | None = Field(None, description="of the first card")
    memory_total: int | None = Field(None, description="bytes")
    memory_free: int | None = Field(None, description="bytes")


class Jobs(AnswerPart):
    done: int = Field(description="answered with pictures")
    failed: int = Field(description="begun and answered with an error")
    fallbacks: int = Field(description="answered by the preview because the model failed")
    running: int = Field(description="not answered yet")


class HealthAnswer(AnswerPart):
    status: Literal["healthy", "loading", "unhealthy"] = Field(
        description="unhealthy: the model could not be loaded, or failed several times in a row"
    )
    service: str = Field(description="this worker's name")
    version: str = Field(description="this worker's version")
    actions: list[str] = Field(description="what a job may ask for")
    gpu_available: bool = Field(description="whether the driver sees a card")
    gpu_count: int = Field(description="how many cards it sees")
    ready: bool = Field(description="whether a job would be painted now")
    engine: str = Field(description="what paints")
    device: str = Field(description="`cuda` or `cpu`")
    gpu: Graphics = Field(description="`name`, `memory_total` and `memory_free` in bytes; empty without a card")
    uptime_seconds: float = Field(description="since this worker started")
    jobs: Jobs = Field(description="`done`, `failed`, `fallbacks` and `running`, since this worker started")
    qualities: list[str] = Field(description="what `quality` may be here; empty while the model loads")
    plan: dict[str, Any] = Field(description="precision and memory that the model was loaded with")


JobAnswer = PictureAnswer | HealthAnswer | ErrorAnswer
