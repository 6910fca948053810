"""The answers that callers receive. Keys whose value is None are left out."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import ErrorCode, JobError


class AnswerPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class PaintedInfo(AnswerPart):
    """Details of how the pictures of one answer were made."""

    instructions: str = Field(description="the request's instructions")
    engine: str = Field(description="name of the checkpoint that painted, or `preview`")
    seed: int = Field(description="seed of the first picture; the same seed gives the same pixels on the same machine")
    steps: int = Field(description="denoising steps; 0 if nothing was denoised")
    true_cfg_scale: float = Field(description="classifier-free guidance scale; 1 means none")
    cutout_confidence: float = Field(
        description="confidence in the cut-out's outline, 0 to 1; below 0.5 there is a warning"
    )
    fallback_used: Literal[True] | None = Field(
        None, description="true if the model failed and the preview engine answered"
    )
    fallback_reason: str | None = Field(None, description="why the model failed")
    processing_time: float = Field(
        description="seconds of work, without waiting for the model and without decoding and encoding"
    )


class Scale(AnswerPart):
    """The source of the product's size, and its accuracy."""

    source: Literal["camera", "object", "usual_height", "asked"] = Field(
        description="the photo's perspective, an object of known size in it, the usual height of such products, "
        "or a box, mask or scale from the request"
    )
    error_percent: float = Field(description="one standard deviation of the size in percent; 0 for `asked`")


SURFACE = "`floor`, `rug`, `wall`, `tabletop` or `ceiling`"
COORDINATES = "bottom center; middle of the near edge (rug), center (wall) or top center (ceiling)"


Corner = tuple[float, float]
Corners = tuple[Corner, Corner, Corner, Corner]


class ProductPosition(AnswerPart):
    """The position of a product, in pixels of the room photo."""

    coordinates: tuple[int, int] = Field(description=COORDINATES)
    box: tuple[int, int, int, int] = Field(description="left, top, right, bottom of the product")
    surface: str = Field(description=SURFACE)
    scale: Scale = Field(description="how the size was found: `source` and `error_percent`")
    cutout_confidence: float = Field(
        description="confidence in the cut-out's outline, 0 to 1; below 0.5 there is a warning"
    )


class PlacedAnswer(ProductPosition):
    """The position of one of several products, in pixels of the room photo."""

    checks: dict[str, Any] = Field(description="measurements of this product; `failed` lists the checks that failed")


class PlacementInfo(PaintedInfo):
    """Facts about the whole picture and, with a single product, its position in pixels of the room photo."""

    coordinates: tuple[int, int] | None = Field(None, description=COORDINATES)
    box: tuple[int, int, int, int] | None = Field(None, description="left, top, right, bottom of the product")
    surface: str | None = Field(None, description=SURFACE)
    scale: Scale | None = Field(None, description="how the size was found: `source` and `error_percent`")
    original_size: tuple[int, int] = Field(description="width and height of the upright photo and of the answer")
    changed_fraction: float = Field(description="share of the photo's pixels that changed, 0 to 1")
    checks: dict[str, Any] = Field(description="measurements of the picture; `failed` lists the checks that failed")


class GenerationInfo(PaintedInfo):
    environment_type: str = Field(description="the request's environment_type")
    output_size: tuple[int, int] = Field(description="width and height of the answer")


class Variant(AnswerPart):
    image: str = Field(description="encoded like `processed_image`")
    mime_type: str = Field(description="`image/png`, `image/jpeg` or `image/webp`")
    seed: int = Field(description="seed of this picture")


class PictureAnswer(AnswerPart):
    success: Literal[True] = Field(True, description="false in error answers")
    action: Literal["edit", "generate"] = Field(description="the job's action")
    processed_image: str = Field(
        description="the first picture: base64, a data URL or a URL, depending on `response_format`"
    )
    mime_type: str = Field(description="`image/png`, `image/jpeg` or `image/webp`")
    lossless: bool = Field(description="true if the file holds the exact pixels")
    images: list[Variant] | None = Field(None, description="all pictures, if `n` is more than 1")
    placement_info: PlacementInfo | None = Field(None, description="details of an `edit`")
    placements: list[PlacedAnswer] | None = Field(None, description="position of each of `products`, in request order")
    generation_info: GenerationInfo | None = Field(None, description="details of a `generate`")
    warnings: list[str] | None = Field(
        None, description="what could not be done as requested, and what was done instead"
    )
    processing_time: float = Field(description="seconds from receiving the job to the answer")


class LaidOutProduct(ProductPosition):
    """One product of a layout."""

    corners: Corners = Field(
        description="position of the corners of `cut_out`: top left, top right, bottom right, bottom left; possibly "
        "outside the photo"
    )
    cut_out: str = Field(description="the product without its background, at most 512 pixels a side, as a data URL")
    warnings: list[str] | None = Field(None, description="warnings about the product and its placement")


class LayoutAnswer(AnswerPart):
    success: Literal[True] = Field(True, description="false in error answers")
    action: Literal["layout"] = Field("layout", description="name of the route")
    original_size: tuple[int, int] = Field(description="width and height of the upright photo")
    placements: list[LaidOutProduct] = Field(description="the products, in request order")
    warnings: list[str] | None = Field(None, description="what could not be done as requested")
    processing_time: float = Field(description="seconds for cutting out and placing the products")


FAILED = {"edit": "Edit processing failed: ", "generate": "Generate processing failed: "}


class ErrorAnswer(AnswerPart):
    error: str = Field(description="one sentence, ending with the code in brackets")
    error_code: str = Field(description="the error code")
    message: str = Field(description="the same sentence, for clients that keep only a failed job's output")
    success: Literal[False] = Field(False, description="true in successful answers")
    fields: list[str] | None = Field(None, description="names of the invalid fields")
    refresh_worker: Literal[True] | None = Field(None, description="asks the platform to replace this worker")

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
    name: str | None = Field(None, description="name of the first GPU")
    memory_total: int | None = Field(None, description="bytes")
    memory_free: int | None = Field(None, description="bytes")


class Jobs(AnswerPart):
    done: int = Field(description="jobs answered with pictures")
    failed: int = Field(description="jobs that started and ended in an error")
    fallbacks: int = Field(description="jobs answered by the preview engine because the model failed")
    running: int = Field(description="jobs in progress")


class HealthAnswer(AnswerPart):
    status: Literal["healthy", "loading", "unhealthy"] = Field(
        description="unhealthy: the model could not be loaded, or failed several times in a row"
    )
    service: str = Field(description="this worker's name")
    version: str = Field(description="this worker's version")
    actions: list[str] = Field(description="supported actions")
    gpu_available: bool = Field(description="true if the driver sees a GPU")
    gpu_count: int = Field(description="number of GPUs")
    ready: bool = Field(description="true if the model is loaded and takes jobs")
    engine: str = Field(description="the engine that paints")
    device: str = Field(description="`cuda` or `cpu`")
    gpu: Graphics = Field(description="`name`, `memory_total` and `memory_free` in bytes; empty without a GPU")
    uptime_seconds: float = Field(description="seconds since this worker started")
    jobs: Jobs = Field(description="`done`, `failed`, `fallbacks` and `running`, since this worker started")
    qualities: list[str] = Field(description="values of `quality` this worker can serve; empty while the model loads")
    plan: dict[str, Any] = Field(description="precision and memory plan of the loaded model")


JobAnswer = PictureAnswer | HealthAnswer | ErrorAnswer
