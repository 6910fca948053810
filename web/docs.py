"""What FastAPI cannot see of routes that read their bodies themselves."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from schemas.answers import ErrorAnswer
from schemas.openai import CompletedEvent, EditBody, OpenAIError, PaintBody, PartialImageEvent

ABOUT = """Puts a shop's product into the photo of a room, at its true height and in the light of the room.

The routes under *OpenAI* are its images API, for its clients as they are; those under *jobs* take and answer what the
worker's queue does. Pictures are base64, data URLs or https URLs; in forms, files."""

FILES = ("image", "images")

OPENAI_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIError} for status in (400, 401, 413, 429, 500, 503)
}
JOB_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorAnswer} for status in OPENAI_ERRORS}

KEYS = {"bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}

Schema = dict[str, Any]

ROOM = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAYCAAAAAC+OKDoAAAAHElEQVR42mM8wYAfMDGMKhhBCliWjYYDAwMDAwBkFwGgw8hU+A"
    "AAAABJRU5ErkJggg=="
)
VASE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABgAAAAYCAQAAABKfvVzAAAAW0lEQVR42uWQwQ4AEAxD6T/6Sh/JwQXrmiySXexC2leplRKcysQ2"
    "1tmJCx/fbyJwQjYChTMFGrcqolt6CfBCt5Na6ctArx60O8l/4KVOFcpkCjRgH4Cq4O8tMBOcmRYsbpfQ9AAAAABJRU5ErkJggg=="
)
"""A wall over a floor, and a cut-out: the smallest pictures that make examples."""

A_GENERATION = {"prompt": "a bright living room with oak floors", "size": "1024x768", "seed": 7}
AN_EDIT = {"image": [ROOM, VASE], "prompt": "a vase on the floor", "product_scale": 0.3, "seed": 7}
AN_EDIT_JOB = {"room_image": ROOM, "product_image": VASE, "product_scale": 0.3, "seed": 7}
A_GENERATE_JOB = {"product_image": VASE, "environment_type": "bedroom", "output_size": [640, 512], "seed": 7}


def image_events(family: str) -> Schema:
    names = (f"{family}.partial_image", f"{family}.completed", "error")
    return _or_events(names, *(_alone(model) for model in (PartialImageEvent, CompletedEvent, OpenAIError)))


def job_events() -> Schema:
    return _or_events(("progress", "partial_image", "answer", "error"))


def _or_events(names: Iterable[str], *told: Schema) -> Schema:
    """Of a 200 that may be a stream: what one of its events is, and what its data may be."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": told} if told else {}}
    event = {"type": "object", "properties": {"event": {"enum": [*names]}, "data": data}, "required": ["event", "data"]}
    content = {"text/event-stream": {"schema": event}}
    return {"description": "The pictures; as a stream of events where it was asked for", "content": content}


def _alone(model: type[BaseModel]) -> Schema:
    """Its parts are among the document's own: answers without events have them too."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {name: value for name, value in schema.items() if name != "$defs"}


def json_body(model: type[BaseModel], example: Schema) -> Schema:
    content = {"schema": _schema(model), "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def edit_body(example: Schema) -> Schema:
    """As JSON and as a form, where pictures are files and nothing is null."""
    body = json_body(EditBody, example)
    form = EditBody.model_json_schema()
    for name, field in form["properties"].items():
        form["properties"][name] = _without_null(field)
    file = {"type": "string", "format": "binary"}
    for name in FILES:
        form["properties"][name] |= {"items": file}
    form["properties"]["mask"] |= file
    body["requestBody"]["content"]["multipart/form-data"] = {"schema": form}
    return body


def ask_for_keys(app: FastAPI, but: Iterable[str]) -> None:
    """One of KEYS opens every route but those."""
    document = app.openapi()
    document["components"]["securitySchemes"] = KEYS
    document["security"] = [{name: []} for name in KEYS]
    for path in but:
        document["paths"][path]["get"]["security"] = []


def _schema(model: type[BaseModel]) -> Schema:
    """`action` is the route's to say; in OpenAI's bodies null is as good as nothing."""
    schema = model.model_json_schema()
    required = schema["required"] = [name for name in schema.get("required", []) if name != "action"]
    if issubclass(model, PaintBody):
        for name, field in schema["properties"].items():
            if name not in required and "anyOf" not in field:
                schema["properties"][name] = _or_null(field)
    return schema


def _or_null(field: Schema) -> Schema:
    told, kind = _split(field)
    return told | {"anyOf": [kind, {"type": "null"}]}


def _without_null(field: Schema) -> Schema:
    told, kind = _split(field)
    [only] = [each for each in kind.get("anyOf", [kind]) if each != {"type": "null"}]
    return {name: value for name, value in (told | only).items() if name != "default" or value is not None}


def _split(field: Schema) -> tuple[Schema, Schema]:
    """What is said of a field, and what it may be."""
    told = {name: value for name, value in field.items() if name in ("title", "description", "default")}
    return told, {name: value for name, value in field.items() if name not in told}
