"""A raw job to a validated one, and what is wrong with it in the caller's words."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.errors import ErrorCode, JobError
from schemas.jobs import ACTIONS, EditJob, GenerateJob, HealthJob

SHOWN_NAME = 40
SHOWN_PROBLEMS = 5
MOST_FIELDS = 200


def parse(raw: object) -> EditJob | GenerateJob | HealthJob:
    """Raises JobError INVALID_ACTION or INVALID_INPUT, the latter with every field at fault."""
    if not isinstance(raw, Mapping):
        raise JobError(ErrorCode.INVALID_INPUT, "Invalid input: it must be a JSON object", ("input",))
    check_length(raw, "input")
    action = action_of(raw)
    if action not in ACTIONS:
        supported = ", ".join(ACTIONS)
        raise JobError(ErrorCode.INVALID_ACTION, f"Invalid action: {shown(action)}. Supported actions: {supported}")
    try:
        return ACTIONS[action].model_validate(dict(raw) | {"action": action})
    except ValidationError as problem:
        raise in_words(problem) from None


def check_length(raw: Mapping[str, Any], name: str) -> None:
    """Every unknown field is told by name, so there must be an end of them."""
    if len(raw) > MOST_FIELDS:
        message = f"Invalid {name}: it has {len(raw)} fields, and none has more than {MOST_FIELDS}"
        raise JobError(ErrorCode.INVALID_INPUT, message, (name,))


def action_of(raw: object) -> str:
    """What the job asks for; `edit` where it does not say."""
    action = raw.get("action") if isinstance(raw, Mapping) else None
    return "edit" if action is None else str(action)


def in_words(problem: ValidationError) -> JobError:
    errors = problem.errors(include_input=False, include_url=False)
    fields = tuple(dict.fromkeys(_field(error) for error in errors))
    sentences = list(dict.fromkeys(_sentence(error) for error in errors))
    more = len(sentences) - SHOWN_PROBLEMS
    shown = sentences[:SHOWN_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
    return JobError(ErrorCode.INVALID_INPUT, "; ".join(shown), fields)


def _field(error: ErrorDetails) -> str:
    return shown(str(error["loc"][0])) if error["loc"] else "input"


def _sentence(error: ErrorDetails) -> str:
    field = _field(error)
    match error["type"]:
        case "missing" if len(error["loc"]) == 1:
            return f"Missing {field}"
        case "extra_forbidden":
            return f"Unknown field {field}"
        case _:
            where = "".join(f"[{part}]" for part in error["loc"][1:])
            return f"Invalid {field}{where}: it {_reason(error)}"


def _reason(error: ErrorDetails) -> str:
    """pydantic's, in the words of JSON."""
    if error["type"] == "missing":
        return "is missing"
    reason = re.sub(r"^(Value error, )?(it |Input |Tuple |List |String )?", "", error["msg"])
    return reason.replace("tuple", "list").replace(" after validation", "")


def shown(name: str) -> str:
    """A caller's own word, short and without anything that could break a log line."""
    plain = re.sub(r"[^\w .:/-]", "?", name)
    return plain if len(plain) <= SHOWN_NAME else f"{plain[:SHOWN_NAME]}..."
