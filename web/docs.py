"""What FastAPI cannot see of routes that read their bodies themselves."""

from typing import Any

from pydantic import BaseModel

from schemas.answers import ErrorAnswer
from schemas.openai import EditBody, OpenAIError, PaintBody

FILES = ("image", "images")

OPENAI_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIError} for status in (400, 401, 413, 429, 500, 503)
}
JOB_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIError if status == 401 else ErrorAnswer} for status in OPENAI_ERRORS
}


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _schema(model)}}}}


def edit_body() -> dict[str, Any]:
    """As JSON and as a form, where pictures are files."""
    form = _schema(EditBody)
    file = {"type": "string", "format": "binary"}
    for name in FILES:
        form["properties"][name] = {
            "type": "array",
            "items": file,
            "description": form["properties"][name]["description"],
        }
    form["properties"]["mask"] = file
    body = json_body(EditBody)
    body["requestBody"]["content"]["multipart/form-data"] = {"schema": form}
    return body


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """`action` is the route's to say; in OpenAI's bodies null is as good as nothing."""
    schema = model.model_json_schema()
    required = schema["required"] = [name for name in schema.get("required", []) if name != "action"]
    if issubclass(model, PaintBody):
        for name, field in schema["properties"].items():
            if name not in required and {"type": "null"} not in field.get("anyOf", []):
                schema["properties"][name] = {"anyOf": [field, {"type": "null"}], "description": field["description"]}
    return schema
