"""What a language model answers when it is asked for a layout: numbers, and nothing else is taken from it."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

LONGEST = 1000
FENCE = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)


class Reply(BaseModel):
    """`box` in pixels of the picture that was shown, `height_cm` the product's likely real height."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    box: Annotated[tuple[float, float, float, float], Field(strict=False)]
    height_cm: float


def read_reply(text: str) -> Reply | None:
    """None for all but one JSON object of that shape, bare or in one code fence."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    fenced = FENCE.fullmatch(text)
    try:
        return Reply.model_validate_json(fenced[1] if fenced else text)
    except ValidationError:
        return None
