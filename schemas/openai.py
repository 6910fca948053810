"""OpenAI's images API: the request bodies that its clients send, and the answers and events that they read."""

import re
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, field_validator, model_validator

from schemas.answers import AnswerPart, PlacedAnswer, PlacementInfo
from schemas.jobs import (
    LEAST_SIDE,
    MOST_SIDE,
    ImageText,
    OutputFormat,
    PlacedJob,
    Quality,
    SampledJob,
    Side,
)

AskedQuality = Literal[
    "auto", "low", "medium", "high", "xhigh", "max", "standard", "hd", "fast", "balanced", "best"
]  # fmt: skip
OpenAIQuality = Literal["low", "medium", "high"]

OUR_QUALITIES: dict[AskedQuality, Quality] = {
    "auto": "fast", "low": "fast", "medium": "balanced", "high": "best", "xhigh": "best", "max": "best",
    "standard": "fast", "hd": "best", "fast": "fast", "balanced": "balanced", "best": "best",
}  # fmt: skip
THEIR_QUALITIES: dict[Quality, OpenAIQuality] = {"fast": "low", "balanced": "medium", "best": "high"}

SYNONYMS = {"steps": "num_inference_steps", "cfg": "true_cfg_scale", "cfg_scale": "true_cfg_scale"}
URL_MODELS = ("dall-e-2", "dall-e-3")
"""Model names that OpenAI answers with URLs by default; their clients read nothing else."""

MOST_PROMPT = 32_000
"""OpenAI's limit in characters."""

DEFAULT_SIZE = (1664, 928)
SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.ASCII)
IN_RANGE = "(25[6-9]|2[6-9][0-9]|[3-9][0-9]{2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])"
"""A side in pixels as a regular expression, for readers of the schema."""


class PaintBody(SampledJob):
    """Fields of both routes. Null means absent; unknown fields are ignored and listed in the answer's warnings."""

    model_config = ConfigDict(extra="ignore")

    prompt: str = Field(min_length=1, max_length=MOST_PROMPT, description="what to paint, in any language")
    n: int = Field(1, ge=1, le=10, description="variants of each picture, with the seeds seed, seed+1, ...")
    size: str = Field(
        "auto",
        description=f"WIDTHxHEIGHT, each {LEAST_SIDE} to {MOST_SIDE}, or auto",
        json_schema_extra={"pattern": f"^(auto|{IN_RANGE}x{IN_RANGE})$"},
    )
    quality: AskedQuality = Field("auto", description="low, medium, high; auto is low")
    response_format: Literal["b64_json", "url"] | None = Field(
        None,
        description="url: in the bucket, or on this server for a while; default b64_json, url for dall-e-2 and -3",
    )
    output_format: OutputFormat = Field("auto", description="auto: PNG; through the queue, the best format that fits")
    output_compression: int = Field(95, ge=0, le=100, description="quality of jpeg and webp")
    background: Literal["auto", "opaque", "transparent"] = Field(
        "auto", description="transparent is painted opaque, with a warning"
    )
    stream: bool = Field(False, description="answer with server-sent events")
    partial_images: int = Field(0, ge=0, le=3, description="number of unfinished pictures in a stream")

    model: str | None = Field(None, description="any name; the answer names the model that painted")
    user: str | None = Field(None, max_length=1000, description="accepted but has no effect")
    safety_identifier: str | None = Field(None, max_length=1000, description="accepted but has no effect")
    moderation: Literal["low", "auto"] | None = Field(None, description="accepted but has no effect")
    max_sequence_length: int | None = Field(None, ge=1, le=4096, description="accepted but has no effect")

    _unknown: tuple[str, ...] = PrivateAttr(())

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return the names of fields that the caller sent and nothing reads."""
        return self._unknown

    @model_validator(mode="wrap")
    @classmethod
    def _read_leniently(cls, body: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(body, dict):
            return validate(body)
        fields = {SYNONYMS.get(name, name): value for name, value in body.items() if value is not None}
        read = validate(fields)
        read._unknown = tuple(str(name) for name in fields if name not in cls.model_fields)
        return read

    @property
    def wants_url(self) -> bool:
        return self.response_format == "url" or (self.response_format is None and self.model in URL_MODELS)

    @field_validator("size")
    @classmethod
    def _sides_are_in_range(cls, size: str) -> str:
        sides = sides_of(size)
        if size != "auto" and sides is None:
            raise ValueError("must be WIDTHxHEIGHT or auto")
        if sides and not all(LEAST_SIDE <= side <= MOST_SIDE for side in sides):
            raise ValueError(f"must have sides of {LEAST_SIDE} to {MOST_SIDE} pixels")
        return size


class GenerationBody(PaintBody):
    """POST /v1/images/generations."""

    width: Side | None = Field(None, description=f"overrides size; {DEFAULT_SIZE[0]} if neither is given")
    height: Side | None = Field(None, description=f"overrides size; {DEFAULT_SIZE[1]} if neither is given")
    style: Literal["vivid", "natural"] | None = Field(None, description="accepted but has no effect")

    @property
    def wanted_size(self) -> tuple[int, int]:
        width, height = sides_of(self.size) or DEFAULT_SIZE
        return self.width or width, self.height or height


class EditBody(PaintBody, PlacedJob):
    """POST /v1/images/edits as JSON; in a form the pictures are files, and lists may be flattened."""

    model_config = ConfigDict(extra="ignore")

    image: list[ImageText] = Field(
        [], max_length=16, description="pictures for one edit that sees all of them; the first is the one being edited"
    )
    images: list[ImageText] = Field(
        [],
        max_length=16,
        description="a batch with one edit per picture; objects with image_url are one edit, like image",
    )
    mask: ImageText | None = Field(
        None, description="where the first picture may change: transparent or, without alpha, white pixels"
    )
    output_type: Literal["pil", "pt"] = Field("pil", description="pt is refused", json_schema_extra={"enum": ["pil"]})
    input_fidelity: Literal["low", "high"] | None = Field(None, description="accepted but has no effect")
    fallback: bool = Field(True, description="if the model fails, place with the preview engine and say so")

    @model_validator(mode="before")
    @classmethod
    def _read_objects(cls, body: Any) -> Any:
        """Read OpenAI's `{"image_url": ...}` objects; `images` in this form are one edit that sees all of them."""
        if not isinstance(body, dict):
            return body
        fields = dict(body)
        if isinstance(fields.get("images"), list) and any(isinstance(entry, dict) for entry in fields["images"]):
            fields["image"] = [*_listed(fields.get("image")), *fields.pop("images")]
        if isinstance(fields.get("image"), dict | list):
            fields["image"] = [_text_of(entry) for entry in _listed(fields["image"])]
        if isinstance(fields.get("mask"), dict):
            fields["mask"] = _text_of(fields["mask"])
        return fields

    @field_validator("image", "images", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, pictures: Any) -> Any:
        return [pictures] if isinstance(pictures, str) else pictures

    @field_validator("image", "images", "mask", mode="before")
    @classmethod
    def _has_no_file_id(cls, pictures: Any) -> Any:
        if any(isinstance(picture, dict) and "file_id" in picture for picture in _listed(pictures)):
            raise ValueError("must have image_url instead of file_id: this server stores no files")
        return pictures

    @property
    def is_placed(self) -> bool:
        return bool(self.model_fields_set & PlacedJob.model_fields.keys())


def _listed(pictures: Any) -> list[Any]:
    return pictures if isinstance(pictures, list) else [] if pictures is None else [pictures]


def _text_of(picture: Any) -> Any:
    """Return the text of a picture that is an object with an `image_url`."""
    if not isinstance(picture, dict) or "image_url" not in picture:
        return picture
    url = picture["image_url"]
    return url.get("url") if isinstance(url, dict) else url


def sides_of(size: str) -> tuple[int, int] | None:
    """Return the width and height of WxH, or None for any other text."""
    sides = SIZE.fullmatch(size)
    return (int(sides[1]), int(sides[2])) if sides else None


class InputTokens(AnswerPart):
    text_tokens: int = 0
    image_tokens: int = 0


class Usage(AnswerPart):
    """Token usage. Nothing is billed by the token; clients require the keys."""

    processing_time_seconds: float
    input_images: int
    generated_images: int
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: InputTokens = InputTokens()


class PaintedImage(AnswerPart):
    """One picture, as `b64_json` or `url`. Sizes and formats may differ within a batch."""

    b64_json: str | None = None
    url: str | None = None
    seed: int
    size: str
    output_format: str


class PaintedAs(AnswerPart):
    """Details of the painting, in OpenAI's terms."""

    background: Literal["opaque"] = "opaque"
    output_format: str
    quality: OpenAIQuality
    size: str


class PaintedAnswer(PaintedAs):
    """Fields of every answer with pictures. `model` is the checkpoint or engine that painted."""

    model: str
    steps: int
    true_cfg_scale: float
    usage: Usage
    placement_info: PlacementInfo | None = None
    placements: list[PlacedAnswer] | None = None
    warnings: list[str] | None = None


class ImagesAnswer(PaintedAnswer):
    created: int
    data: list[PaintedImage]


class PartialImageEvent(PaintedAs):
    type: Literal["image_generation.partial_image", "image_edit.partial_image"]
    b64_json: str
    partial_image_index: int
    created_at: int


class CompletedEvent(PaintedAnswer, PaintedImage):
    type: Literal["image_generation.completed", "image_edit.completed"]
    created_at: int


class ErrorDetail(AnswerPart):
    error: str
    message: str


class OpenAIErrorBody(AnswerPart):
    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(AnswerPart):
    """An error. OpenAI's clients parse `error`; those of the Qwen Image Edit API read `detail`."""

    error: OpenAIErrorBody
    detail: ErrorDetail


class Alive(AnswerPart):
    """GET /health."""

    status: Literal["healthy"] = "healthy"
    timestamp: str
    version: str


class Ready(AnswerPart):
    """GET /ready."""

    status: Literal["ready"] = "ready"
    model_loaded: bool
    timestamp: str


class ReadyError(OpenAIError):
    """GET /ready with status 503."""

    status: Literal["loading", "unhealthy"]
    model_loaded: bool
    timestamp: str


class Ping(AnswerPart):
    """GET /ping."""

    status: Literal["ready"] = "ready"


class Model(AnswerPart):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class Models(AnswerPart):
    object: Literal["list"] = "list"
    data: list[Model]
