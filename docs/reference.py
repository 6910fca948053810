"""Generates docs/api.md from the schemas. Run `python docs/reference.py` or `make fix`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from schemas.answers import (  # noqa: E402
    ErrorAnswer,
    GenerationInfo,
    HealthAnswer,
    LaidOutProduct,
    LayoutAnswer,
    PaintedInfo,
    PictureAnswer,
    PlacedAnswer,
    PlacementInfo,
    Variant,
)
from schemas.jobs import EditJob, GenerateJob, Job, PictureJob, Product  # noqa: E402
from schemas.openai import EditBody, GenerationBody, PaintBody  # noqa: E402

PAGE = ROOT / "docs/api.md"

START = """# Reference

Generated from the schemas by `python docs/reference.py`. Types are strict: `"7"` is not a number, `true` is not an
integer, and unknown fields are refused by name. A picture is a string: base64, a `data:` URL, or an `https://` URL.
Pixel coordinates start at the top left of the photo after EXIF orientation. Fields marked `?` may be absent.
"""


def page() -> str:
    return "\n".join([
        START,
        "## Jobs\n\n### `edit` and `generate`",
        *_inputs(PictureJob),
        "\n### `edit` only",
        *_inputs(EditJob, PictureJob),
        "\nEach item of `products` has",
        *_inputs(Product),
        "\n### `generate` only",
        *_inputs(GenerateJob, PictureJob),
        "\n### `health_check`\nNo fields other than `action`.",
        "\n## Answers\n\n### `edit` and `generate` answers",
        *_outputs(PictureAnswer),
        "\nEach item of `images` has",
        *_outputs(Variant),
        "\n`placement_info` and `generation_info` have",
        *_outputs(PaintedInfo),
        "\n`placement_info` also has",
        *_outputs(PlacementInfo, PaintedInfo),
        "\nEach item of `placements` (with several `products`) has",
        *_outputs(PlacedAnswer),
        "\n`generation_info` also has",
        *_outputs(GenerationInfo, PaintedInfo),
        "\n### `POST /v1/layout` answers",
        *_outputs(LayoutAnswer),
        "\nEach item of its `placements` has",
        *_outputs(LaidOutProduct),
        "\n### `health_check` answers",
        *_outputs(HealthAnswer),
        "\n### Errors",
        *_outputs(ErrorAnswer),
        "\n[troubleshooting.md](troubleshooting.md) explains the codes.",
        "\n## OpenAI's routes\n[http.md](http.md) describes how they behave.\n\n### Generations and edits",
        *_inputs(PaintBody),
        "\n### `POST /v1/images/generations` only",
        *_inputs(GenerationBody, PaintBody),
        "\n### `POST /v1/images/edits` only",
        *_inputs(EditBody, PaintBody),
        "",
    ])  # fmt: skip


def _inputs(model: type[Job], but: type[Job] | None = None) -> Iterator[str]:
    yield "| field | type | default | meaning |\n|---|---|---|---|"
    for name, schema in _properties(model, but):
        default = "required" if name in _required(model) else _text(schema.get("default"))
        yield f"| `{name}` | {_kind(schema)} | {default} | {schema.get('description', '')} |"


def _outputs(model: type[BaseModel], but: type[BaseModel] | None = None) -> Iterator[str]:
    yield "| field | type | meaning |\n|---|---|---|"
    for name, schema in _properties(model, but):
        seldom = "" if name in _required(model) or "default" not in schema or schema["default"] is not None else "?"
        yield f"| `{name}`{seldom} | {_kind(schema)} | {schema['description']} |"


def _properties(model: type[BaseModel], but: type[BaseModel] | None) -> list[tuple[str, dict[str, Any]]]:
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return [(name, schema) for name, schema in properties.items() if not but or name not in but.model_fields]


def _required(model: type[BaseModel]) -> list[str]:
    required: list[str] = model.model_json_schema().get("required", [])
    return required


def _text(default: object) -> str:
    match default:
        case None:
            return "none"
        case bool():
            return f"`{str(default).lower()}`"
        case str():
            return f"`{default}`" if default else '`""`'
        case _:
            return f"`{list(default) if isinstance(default, tuple) else default}`"


def _kind(schema: dict[str, Any]) -> str:
    """Describe a JSON schema in a word or two."""
    if "anyOf" in schema:
        return " or ".join(_kind(kind) for kind in schema["anyOf"] if kind.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{str(value).lower()}`" for value in schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"{len(schema['prefixItems'])} {_plural(schema['prefixItems'][0])}"
        case "array":
            return f"list of {_plural(schema['items'])}"
        case "integer" | "number" | "string" as kind:
            return kind + _range(schema)
        case "boolean":
            return "boolean"
        case _:
            return "object"


def _plural(schema: dict[str, Any]) -> str:
    """Describe an array, for example `2 integers, 256 to 4096`."""
    noun, comma, rest = _kind(schema).partition(",")
    return f"lists of {noun}" if schema.get("type") == "array" else f"{noun}s{comma}{rest}"


def _range(schema: dict[str, Any]) -> str:
    if "maxLength" in schema:
        least = f"{schema['minLength']} to " if "minLength" in schema else "at most "
        return f", {least}{schema['maxLength']:,} characters"
    return f", {schema['minimum']:g} to {schema['maximum']}" if "maximum" in schema else ""


if __name__ == "__main__":
    PAGE.write_text(page())
