"""Job requests. Every default of the job interface is defined here and nowhere else."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

Quality = Literal["fast", "balanced", "best"]
OutputFormat = Literal["auto", "png", "jpeg", "webp"]
ResponseFormat = Literal["b64", "data_url", "url"]
AskedSurface = Literal["auto", "floor", "rug", "wall", "tabletop", "ceiling"]

ImageText = Annotated[str, Field(min_length=1, description="base64, a data: URL or an https:// URL")]


def _pixel(title: str, minimum: int) -> Any:
    """Return how a coordinate is documented. It is checked where the photo's size is known."""
    return Field(title=title, json_schema_extra={"minimum": minimum})


BoxNumbers = tuple[
    Annotated[float, _pixel("left", 0)],
    Annotated[float, _pixel("top", 0)],
    Annotated[float, _pixel("right", 1)],
    Annotated[float, _pixel("bottom", 1)],
]
# JSON has no tuples: only the numbers inside are strict.
AskedBox = Annotated[
    BoxNumbers,
    Field(
        strict=False,
        title="Box",
        description="A box in pixels of the upright photo: left < right, top < bottom, at least one pixel on each "
        "side, right and bottom no larger than the photo's width and height",
    ),
]
AskedPoint = Annotated[
    tuple[Annotated[float, _pixel("x", 0)], Annotated[float, _pixel("y", 0)]],
    Field(
        strict=False,
        title="Point",
        description="A point in pixels of the upright photo: x less than its width, y less than its height",
    ),
]
LEAST_SIDE, MOST_SIDE = 256, 4096
Side = Annotated[int, Field(ge=LEAST_SIDE, le=MOST_SIDE)]
AskedSize = Annotated[tuple[Side, Side], Field(strict=False)]

MOST_REPLACE_CHARACTERS = 300
RANDOM_SEED = -1
MAX_SEED = 2**32 - 1


class Job(BaseModel):
    """A strict model that refuses unknown fields, numbers in strings, booleans as numbers, NaN and infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, job: Any) -> Any:
        return {name: value for name, value in job.items() if value is not None} if isinstance(job, dict) else job

    @field_validator("*", mode="before")
    @classmethod
    def _whole_numbers_are_integers(cls, value: Any) -> Any:
        """Read 24.0 as 24: JSON has only one kind of number."""
        return [_whole(each) for each in value] if isinstance(value, list) else _whole(value)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_box(box: Sequence[float]) -> None:
    """Raise ValueError for a box without an area."""
    if not (box[2] - box[0] >= 1 and box[3] - box[1] >= 1):
        raise ValueError("must be [left, top, right, bottom] with left < right and top < bottom")


class HealthJob(Job):
    action: Literal["health_check"] = Field(description="the action")


class SampledJob(Job):
    """Fields that control the denoising."""

    negative_prompt: str = Field("", max_length=4000, description="what to avoid")
    num_inference_steps: int | None = Field(None, ge=1, le=200, description="denoising steps; default: set by quality")
    true_cfg_scale: float | None = Field(
        None, ge=1, le=20, description="classifier-free guidance, 1 = off; default: set by quality"
    )
    guidance_scale: float | None = Field(
        None, ge=0, le=100, description="guidance for guidance-distilled checkpoints only"
    )
    seed: int | None = Field(
        None, ge=RANDOM_SEED, le=MAX_SEED, description="omitted or -1: random; the answer reports it"
    )


class ProductFields(Job):
    """Fields that describe one product."""

    product_name: str = Field(
        "", max_length=300, description="the product's title in the shop; tells its kind and becomes part of the prompt"
    )
    product_height_cm: float | None = Field(
        None, ge=1, le=1000, description="real height; for a rug, its extent along the product photo's vertical"
    )
    product_width_cm: float | None = Field(None, ge=1, le=1000, description="real width")
    placement_surface: AskedSurface = Field(
        "auto",
        description="what the product stands on, lies on or hangs from; auto decides from the words, then the shape",
    )


class ScaledJob(ProductFields):
    """Fields for the product, the camera, and how much of the product may change."""

    camera_height_cm: float | None = Field(
        None, ge=10, le=1000, description="camera height above the floor; default: estimated from the photo"
    )
    harmonize: float | None = Field(
        None,
        ge=0,
        le=1,
        description="0: keep the product's pixels and relight them; 1: let the model repaint; default: the engine's",
    )


class PlaceFields(Job):
    """Fields that say where one product goes in a photo."""

    placement_coordinates: AskedPoint | None = Field(
        None,
        description="[x, y]: bottom center, middle of the near edge (rug), center (wall) or top center (ceiling)",
    )
    placement_box: AskedBox | None = Field(
        None, description="[left, top, right, bottom] to fit into; overrides placement_coordinates"
    )
    product_scale: float | None = Field(
        None, ge=0.02, le=1, description="product height as a share of the photo's height"
    )
    rotation_degrees: float | None = Field(
        None,
        ge=-180,
        le=180,
        description="turns a rug counterclockwise, seen from above, from the room's main direction",
    )

    @field_validator("placement_box")
    @classmethod
    def _box_has_an_area(cls, box: BoxNumbers | None) -> BoxNumbers | None:
        if box:
            _check_box(box)
        return box


class PlacedJob(ScaledJob, PlaceFields):
    """A product and where it goes in a photo."""

    preserve_background: bool = Field(
        True, description="keep every pixel outside the product, its shadow and its light unchanged"
    )


class Product(ProductFields, PlaceFields):
    """One of several products of an edit."""

    product_image: ImageText = Field(description="a cut-out with alpha, or a photo on a plain background")
    instructions: str = Field("", max_length=4000, description="where this product goes, in any language")

    @property
    def words(self) -> str:
        return self.instructions.strip()


class PictureJob(SampledJob, ScaledJob):
    """Fields that `edit` and `generate` share."""

    instructions: str = Field("", max_length=4000, description="what the caller wants, in any language")
    quality: Quality = Field("fast", description="few steps, more steps, or the full schedule with guidance")
    n: int = Field(1, ge=1, le=10, description="number of variants, with the seeds seed, seed+1, ...")
    output_format: OutputFormat = Field(
        "auto", description="auto: PNG if it fits the platform's limit, else the best lossy format that does"
    )
    output_quality: int = Field(95, ge=1, le=100, description="quality of jpeg and webp")
    response_format: ResponseFormat = Field("b64", description="url: upload to the bucket")
    fallback: bool = Field(True, description="if the model fails, answer with the preview engine and say so")
    idempotency_key: str | None = Field(
        None, min_length=1, max_length=255, description="a repeat within `IDEMPOTENCY_SECONDS` gets the stored answer"
    )

    @property
    def words(self) -> str:
        """Return the instructions without leading and trailing whitespace."""
        return self.instructions.strip()

    def sets(self, field: str) -> bool:
        """Return True if the caller gave the field a value other than its default."""
        return field in self.model_fields_set and getattr(self, field) != type(self).model_fields[field].default


class SeveralProducts(Job):
    products: Annotated[list[Product], Field(min_length=1, max_length=6)] | None = Field(
        None, description="one to six products in one photo, instead of the single product's fields"
    )


# Pydantic validates the bases' fields from the last base on: the other fields need `products` to be known.
class EditJob(PictureJob, PlacedJob, SeveralProducts):
    action: Literal["edit"] = Field("edit", description="the action")
    product_image: ImageText | None = Field(
        None, description="a cut-out with alpha, or a photo on a plain background; required unless products is set"
    )
    room_image: ImageText = Field(
        description="the room photo; transparent parts become white; the answer has exactly its upright size"
    )
    mask: ImageText | None = Field(
        None, description="where the photo may change: transparent pixels or, in an opaque picture, white ones"
    )
    replace: str | AskedBox | None = Field(
        None,
        description="what in the photo the product replaces, in words or as [left, top, right, bottom]",
    )

    @field_validator(*Product.model_fields)
    @classmethod
    def _fields_of_a_product_are_said_once(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("products") and value != cls.model_fields[info.field_name or ""].default:
            raise ValueError("must be given in each of products")
        return value

    @field_validator("product_image")
    @classmethod
    def _there_is_a_product(cls, image: str | None, info: ValidationInfo) -> str | None:
        if image is None and info.data.get("products", ()) is None:
            raise PydanticCustomError("missing", "Field required")
        return image

    @field_validator("replace", mode="before")
    @classmethod
    def _words_or_a_box(cls, replaced: Any, info: ValidationInfo) -> Any:
        match replaced:
            case None:
                return None
            case str() if 0 < len(replaced.strip()) <= MOST_REPLACE_CHARACTERS:
                pass
            case [*numbers] if len(numbers) == 4 and all(type(each) in (int, float) for each in numbers):
                _check_box(numbers)
            case _:
                raise ValueError(f"must be 1 to {MOST_REPLACE_CHARACTERS} characters or [left, top, right, bottom]")
        if len(info.data.get("products") or ()) > 1:
            raise ValueError("takes a single product, but there are several")
        return replaced

    @property
    def items(self) -> list[Product]:
        """Return the products of the job, one or several."""
        if self.products:
            return self.products
        return [Product.model_construct(**{name: getattr(self, name) for name in Product.model_fields})]


class GenerateJob(PictureJob):
    action: Literal["generate"] = Field(description="the action")
    product_image: ImageText = Field(description="a cut-out with alpha, or a photo on a plain background")
    environment_type: str = Field(
        "living_room",
        min_length=1,
        max_length=4000,
        description="living_room, bedroom, kitchen, dining_room, bathroom, office, outdoor, studio, or any text",
    )
    output_size: AskedSize = Field((1280, 720), description="[width, height], each 256 to 4096")


ACTIONS: dict[str, type[EditJob | GenerateJob | HealthJob]] = {
    "edit": EditJob,
    "generate": GenerateJob,
    "health_check": HealthJob,
}
