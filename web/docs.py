"""The OpenAPI document of routes that read their bodies themselves, and the page that shows it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import FileResponse, Response

from schemas.answers import ErrorAnswer
from schemas.jobs import EditJob, GenerateJob, HealthJob
from schemas.openai import CompletedEvent, EditBody, GenerationBody, OpenAIError, PartialImageEvent
from web.studio import HEADERS

ABOUT = """Puts a shop's product into the photo of a room, at its true height and in the light of the room.

The routes under *OpenAI* are OpenAI's images API, for its unmodified clients. Those under *jobs* accept and return
the same as the worker's queue. Pictures are base64, data URLs or https URLs; in forms they are files."""

FILES = ("image", "images")
BODIES: tuple[type[BaseModel], ...] = (GenerationBody, EditBody, EditJob, GenerateJob, HealthJob)
EDIT_FORM = "EditForm"
COMPONENT = "#/components/schemas/{model}"

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
"""A wall above a floor, and a cut-out: tiny pictures for the examples."""

A_GENERATION = {"prompt": "a bright living room with oak floors", "size": "1024x768", "seed": 7}
AN_EDIT = {"image": [ROOM, VASE], "prompt": "a vase on the floor", "product_scale": 0.3, "seed": 7}
AN_EDIT_JOB = {"room_image": ROOM, "product_image": VASE, "product_scale": 0.3, "seed": 7}
A_GENERATE_JOB = {"product_image": VASE, "environment_type": "bedroom", "output_size": [640, 512], "seed": 7}

A_JOB = {"input": {"action": "edit"} | AN_EDIT_JOB}

HERE = Path(__file__).resolve().parent / "page"


def image_events(family: str) -> Schema:
    names = (f"{family}.partial_image", f"{family}.completed", "error")
    return _or_events(names, *(_alone(model) for model in (PartialImageEvent, CompletedEvent, OpenAIError)))


def job_events() -> Schema:
    return _or_events(("progress", "partial_image", "answer", "error"))


def _or_events(names: Iterable[str], *data_schemas: Schema) -> Schema:
    """Return the 200 response of a route that can stream: the schema of an event and of its data."""
    content_schema = {"anyOf": data_schemas} if data_schemas else {}
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": content_schema}
    event = {"type": "object", "properties": {"event": {"enum": [*names]}, "data": data}, "required": ["event", "data"]}
    content = {"text/event-stream": {"schema": event}}
    return {"description": "The pictures, as a stream of events if requested", "content": content}


def _alone(model: type[BaseModel]) -> Schema:
    """Return the model's schema without its parts, which are components of the document already."""
    schema = model.model_json_schema(ref_template=COMPONENT)
    return {name: value for name, value in schema.items() if name != "$defs"}


def json_body(model: type[BaseModel], example: Schema) -> Schema:
    return _body({"application/json": {"schema": _reference(model.__name__), "example": example}})


def edit_body(example: Schema) -> Schema:
    """Return the body of the route that takes JSON and forms."""
    body = json_body(EditBody, example)
    body["requestBody"]["content"]["multipart/form-data"] = {"schema": _reference(EDIT_FORM)}
    return body


def job_body(example: Schema) -> Schema:
    kinds = [_reference(model.__name__) for model in (EditJob, GenerateJob, HealthJob)]
    wrapper = {"type": "object", "properties": {"input": {"anyOf": kinds}}, "required": ["input"]}
    return _body({"application/json": {"schema": wrapper, "example": example}})


def _body(content: Schema) -> Schema:
    return {"requestBody": {"required": True, "content": content}}


def _reference(name: str) -> Schema:
    return {"$ref": COMPONENT.format(model=name)}


def complete_document(app: FastAPI, open_paths: Iterable[str] | None) -> None:
    """Add the bodies' schemas to the app's document and, if there are `open_paths`, a key for all other routes."""
    document = app.openapi()
    components = document["components"]
    for model in BODIES:
        schema = _schema(model)
        components["schemas"] |= _name_tuples(schema) | schema.pop("$defs", {}) | {model.__name__: schema}
    components["schemas"][EDIT_FORM] = _form_schema()
    if open_paths is not None:
        components["securitySchemes"] = KEYS
        document["security"] = [{name: []} for name in KEYS]
        for path in open_paths:
            document["paths"][path]["get"]["security"] = []


def add_docs_page(app: FastAPI) -> None:
    """Add `/docs`, which shows the document without loading scripts from other servers."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(HERE / "docs.html", headers=HEADERS)

    @app.get("/docs/docs.js", include_in_schema=False)
    async def script() -> Response:
        return FileResponse(HERE / "docs.js", headers=HEADERS)


def _name_tuples(part: Any) -> dict[str, Schema]:
    """Replace the alternatives in a schema that are tuples with a title by references, and return them by title."""
    if isinstance(part, dict):
        return _merged(part.values())
    if not isinstance(part, list):
        return {}
    named = {each["title"]: each for each in part if isinstance(each, dict) and {"prefixItems", "title"} <= each.keys()}
    part[:] = [_reference(each["title"]) if each in named.values() else each for each in part]
    return named | _merged(part)


def _merged(parts: Iterable[Any]) -> dict[str, Schema]:
    return {title: schema for part in parts for title, schema in _name_tuples(part).items()}


def _form_schema() -> Schema:
    """Return the edit body as a form, in which pictures are files and nothing is null."""
    form = EditBody.model_json_schema(ref_template=COMPONENT)
    form.pop("$defs", None)
    _name_tuples(form)
    for name, field in form["properties"].items():
        form["properties"][name] = _without_null(field)
    file = {"type": "string", "format": "binary"}
    for name in FILES:
        form["properties"][name] |= {"items": file}
    form["properties"]["mask"] |= file
    return form


def _schema(model: type[BaseModel]) -> Schema:
    """Return a body's schema. The route determines the action, and OpenAI's clients send null for absent fields."""
    schema = model.model_json_schema(ref_template=COMPONENT)
    required = schema["required"] = [name for name in schema.get("required", []) if name != "action"]
    for name, field in schema["properties"].items():
        if name not in required and "anyOf" not in field:
            schema["properties"][name] = _or_null(field)
    return schema


def _or_null(field: Schema) -> Schema:
    notes, kind = _split(field)
    return notes | {"anyOf": [kind, {"type": "null"}]}


def _without_null(field: Schema) -> Schema:
    notes, kind = _split(field)
    [only] = [each for each in kind.get("anyOf", [kind]) if each != {"type": "null"}]
    return {name: value for name, value in (notes | only).items() if name != "default" or value is not None}


def _split(field: Schema) -> tuple[Schema, Schema]:
    """Return a field's notes and its type."""
    notes = {name: value for name, value in field.items() if name in ("title", "description", "default")}
    return notes, {name: value for name, value in field.items() if name not in notes}
