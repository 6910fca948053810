"""What goes back to the caller. Keys that are None have nothing to say and are left out."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class AnswerPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class PaintedInfo(AnswerPart):
    """How the pictures of one answer came about."""

    instructions: str
    engine: str
    seed: int
    steps: int
    true_cfg_scale: float
    cutout_confidence: float
    fallback_used: Literal[True] | None = None
    fallback_reason: str | None = None
    processing_time: float


class PlacementInfo(PaintedInfo):
    """`coordinates` and `box` say where the product stands in the answer, in pixels of the room photo."""

    coordinates: tuple[int, int]
    box: tuple[int, int, int, int]
    surface: str
    original_size: tuple[int, int]
    changed_fraction: float
    checks: dict[str, Any]


class GenerationInfo(PaintedInfo):
    environment_type: str
    output_size: tuple[int, int]


class PaintingInfo(AnswerPart):
    """Of pictures painted from words and `references` pictures."""

    engine: str
    seed: int
    steps: int
    true_cfg_scale: float
    references: int
    size: tuple[int, int]
    fallback_used: Literal[True] | None = None
    fallback_reason: str | None = None
    processing_time: float


class Variant(AnswerPart):
    image: str
    mime_type: str
    seed: int


class PictureAnswer(AnswerPart):
    success: Literal[True] = True
    action: Literal["edit", "generate"]
    processed_image: str
    mime_type: str
    lossless: bool
    images: list[Variant] | None = None
    placement_info: PlacementInfo | None = None
    generation_info: GenerationInfo | None = None
    warnings: list[str] | None = None
    processing_time: float


class ErrorAnswer(AnswerPart):
    error: str
    error_code: str
    success: Literal[False] = False
    fields: list[str] | None = None
    refresh_worker: Literal[True] | None = None
