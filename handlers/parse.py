"""Validates raw jobs and explains what is wrong with them in the caller's terms."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.errors import ErrorCode, JobError
from schemas.jobs import ACTIONS, EditJob, GenerateJob, HealthJob

MAX_SHOWN_CHARACTERS = 40
MAX_SHOWN_PROBLEMS = 5
MAX_FIELDS = 200


def parse(raw: object) -> EditJob | GenerateJob | HealthJob:
    """Return the validated job. Raises JobError INVALID_ACTION, or INVALID_INPUT that names every invalid field."""
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
    """Raise JobError for more than MAX_FIELDS fields, since an error names every unknown one."""
    if len(raw) > MAX_FIELDS:
        message = f"Invalid {name}: it has {len(raw)} fields, more than the {MAX_FIELDS} allowed"
        raise JobError(ErrorCode.INVALID_INPUT, message, (name,))


def action_of(raw: object) -> str:
    """Return the job's action; `edit` if it names none."""
    action = raw.get("action") if isinstance(raw, Mapping) else None
    return "edit" if action is None else str(action)


def in_words(problem: ValidationError) -> JobError:
    """Return pydantic's errors as one JobError with the first few as sentences and the fields of all."""
    errors = problem.errors(include_input=False, include_url=False)
    fields = tuple(dict.fromkeys(_field(error) for error in errors))
    sentences = list(dict.fromkeys(_sentence(error) for error in errors))
    more = len(sentences) - MAX_SHOWN_PROBLEMS
    first = sentences[:MAX_SHOWN_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
    return JobError(ErrorCode.INVALID_INPUT, "; ".join(first), fields)


def _field(error: ErrorDetails) -> str:
    """Return the name of the invalid field, such as `n` or `products[2].product_image`."""
    loc = error["loc"]
    if len(loc) > 2 and loc[0] == "products":
        return f"products[{loc[1]}].{shown(str(loc[2]))}"
    return shown(str(loc[0])) if loc else "input"


def _sentence(error: ErrorDetails) -> str:
    field = _field(error)
    depth = 3 if "." in field else 1
    match error["type"]:
        case "missing" if len(error["loc"]) == depth:
            return f"Missing {field}"
        case "extra_forbidden":
            return f"Unknown field {field}"
        case _:
            where = "".join(f"[{part}]" for part in error["loc"][depth:])
            return f"Invalid {field}{where}: it {_reason(error)}"


def _reason(error: ErrorDetails) -> str:
    """Return pydantic's reason in JSON terms."""
    if error["type"] == "missing":
        return "is missing"
    reason = re.sub(r"^(Value error, )?(it |Input |Tuple |List |String )?", "", error["msg"])
    return reason.replace("tuple", "list").replace(" after validation", "")


def shown(name: str) -> str:
    """Return a name from the request, shortened and without characters that could break a log line."""
    plain = re.sub(r"[^\w .:/-]", "?", name[:MAX_SHOWN_CHARACTERS])
    return plain if len(name) <= MAX_SHOWN_CHARACTERS else f"{plain}..."
