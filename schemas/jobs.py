"""The jobs as callers send them. Every default of the job interface lives here and nowhere else."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Quality = Literal["fast", "balanced", "best"]
OutputFormat = Literal["auto", "png", "jpeg", "webp"]
ResponseFormat = Literal["b64", "data_url", "url"]
AskedSurface = Literal["auto", "floor", "wall", "tabletop"]

ImageText = Annotated[str, Field(min_length=1, description="base64, a data: URL or an https:// URL")]
# JSON has no tuples: strictness stays on the numbers inside.
AskedPoint = Annotated[tuple[float, float], Field(strict=False)]
AskedBox = Annotated[tuple[float, float, float, float], Field(strict=False)]
LEAST_SIDE, MOST_SIDE = 256, 4096
Side = Annotated[int, Field(ge=LEAST_SIDE, le=MOST_SIDE)]
AskedSize = Annotated[tuple[Side, Side], Field(strict=False)]

RANDOM_SEED = -1
MAX_SEED = 2**32 - 1


class Job(BaseModel):
    """Strict: unknown fields, numbers in strings, booleans as numbers, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _whole_numbers_are_integers(cls, value: Any) -> Any:
        """JSON knows one kind of number: 24.0 is 24."""
        return [_whole(each) for each in value] if isinstance(value, list) else _whole(value)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class HealthJob(Job):
    action: Literal["health_check"] = Field(description="what to do")


class SampledJob(Job):
    """How to denoise."""

    negative_prompt: str = Field("", max_length=4000, description="what to avoid")
    num_inference_steps: int | None = Field(
        None, ge=1, le=200, description="denoising steps; the quality's own if absent"
    )
    true_cfg_scale: float | None = Field(
        None, ge=1, le=20, description="classifier-free guidance, 1 = off; the quality's own if absent"
    )
    guidance_scale: float | None = Field(None, ge=0, le=100, description="for guidance-distilled checkpoints only")
    seed: int | None = Field(None, ge=RANDOM_SEED, le=MAX_SEED, description="random and reported if absent or -1")


class ScaledJob(Job):
    """The product's real height, and how much of it may change."""

    product_height_cm: float | None = Field(None, ge=1, le=1000, description="the product's real height")
    camera_height_cm: float | None = Field(
        None, ge=10, le=1000, description="the height the photo was taken from; estimated from the photo if absent"
    )
    harmonize: float | None = Field(
        None,
        ge=0,
        le=1,
        description="0 keeps the product's pixels, in the room's light; 1 frees the model; the engine's own if absent",
    )


class PlacedJob(ScaledJob):
    """Where a product goes in a photo."""

    placement_coordinates: AskedPoint | None = Field(None, description="[x, y] where the product's base stands")
    placement_box: AskedBox | None = Field(
        None, description="[left, top, right, bottom] to stand in; wins over coordinates"
    )
    placement_surface: AskedSurface = Field("auto", description="what the product stands on or hangs at")
    product_scale: float | None = Field(
        None, ge=0.02, le=1, description="product height as a share of the photo's height"
    )
    preserve_background: bool = Field(True, description="outside the product and its light the photo stays as it is")

    @field_validator("placement_box")
    @classmethod
    def _box_has_an_area(
        cls, box: tuple[float, float, float, float] | None
    ) -> tuple[float, float, float, float] | None:
        if box and (box[2] - box[0] < 1 or box[3] - box[1] < 1):
            raise ValueError("it must be [left, top, right, bottom] with left < right and top < bottom")
        return box


class PictureJob(SampledJob, ScaledJob):
    """What `edit` and `generate` share."""

    product_image: ImageText = Field(description="the product: a cut-out with alpha, or a photo on a plain background")
    instructions: str = Field("", max_length=4000, description="what the caller wants, in any language")
    quality: Quality = Field("fast", description="few steps, more steps, or the full schedule with guidance")
    n: int = Field(1, ge=1, le=10, description="variants, with the seeds seed, seed+1, ...")
    output_format: OutputFormat = Field(
        "auto", description="auto: PNG where it fits, else the best lossy one that does"
    )
    output_quality: int = Field(95, ge=1, le=100, description="for jpeg and webp")
    response_format: ResponseFormat = Field("b64", description="url uploads to the bucket")
    fallback: bool = Field(True, description="answer with the preview when the model fails, and say so")
    idempotency_key: str | None = Field(
        None, min_length=1, max_length=255, description="a repeat within `IDEMPOTENCY_SECONDS` gets the stored answer"
    )

    @property
    def words(self) -> str:
        """The instructions, of which blanks are none."""
        return self.instructions.strip()

    def sets(self, field: str) -> bool:
        """Whether the caller gave the field a value of its own."""
        return field in self.model_fields_set and getattr(self, field) != type(self).model_fields[field].default


class EditJob(PictureJob, PlacedJob):
    action: Literal["edit"] = Field("edit", description="what to do")
    room_image: ImageText = Field(
        description="the room photo, on white where it is transparent; the answer has exactly its upright size"
    )
    mask: ImageText | None = Field(None, description="where the photo may change: transparent, or white without alpha")


class GenerateJob(PictureJob):
    action: Literal["generate"] = Field(description="what to do")
    environment_type: str = Field(
        "living_room", min_length=1, max_length=4000, description="a known room type or any free text"
    )
    output_size: AskedSize = Field((1280, 720), description="[width, height], each 256 to 4096")


ACTIONS: dict[str, type[EditJob | GenerateJob | HealthJob]] = {
    "edit": EditJob,
    "generate": GenerateJob,
    "health_check": HealthJob,
}
