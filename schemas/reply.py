"""A language model's answer about a photo: numbers and the name of a surface. Nothing else is read from it."""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_CHARACTERS = 1000
FENCE = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)

ReplyBox = Annotated[tuple[float, float, float, float], Field(strict=False)]
"""Left, top, right, bottom in pixels of the picture that the model saw."""


class _StrictReply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Reply(_StrictReply):
    """A layout: the box that the product will cover, its likely real height, and the surface that carries it."""

    box: ReplyBox
    height_cm: float
    surface: Literal["floor", "rug", "wall", "tabletop", "ceiling"] | None = None


class Found(_StrictReply):
    """An object in the photo; `box` is None if it is not there."""

    box: ReplyBox | None


R = TypeVar("R", bound=_StrictReply)


def read_reply(shape: type[R], text: str) -> R | None:
    """Return the object in the text, or None unless it is one JSON object of that shape, bare or in a code fence."""
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        return None
    fenced = FENCE.fullmatch(text)
    try:
        return shape.model_validate_json(fenced[1] if fenced else text)
    except ValidationError:
        return None
