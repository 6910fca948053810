"""Generates docs/api.md from the schemas. Run `python docs/reference.py` or `make fix`."""

import sys
from collections.abc import Callable, Iterator
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
    Scale,
    Variant,
)
from schemas.jobs import EditJob, GenerateJob, PictureJob, Product  # noqa: E402
from schemas.openai import EditBody, GenerationBody, PaintBody  # noqa: E402

PAGE = ROOT / "docs/api.md"

START = """# Reference

Generated from the schemas by `python docs/reference.py`. Types are strict: `"7"` is not a number, `true` is not an
integer, and unknown fields are refused by name (OpenAI's routes ignore them, with a warning). A picture is a string:
base64, a `data:` URL, or an `https://` URL. Pixel coordinates start at the top left of the photo after EXIF
orientation. Fields marked `?` may be absent, and so may those with an empty default.
"""


def page() -> str:
    asked = _Tables("| field | type | default | meaning |", _input)
    answered = _Tables("| field | type | meaning |", _output)
    return "\n".join([
        START,
        "## Jobs\n\n### `edit` and `generate`",
        *asked.of(PictureJob),
        "\n### `edit` only",
        *asked.of(EditJob, PictureJob),
        "\nFields of each item of `products`:\n",
        *asked.of(Product),
        "\n### `generate` only",
        *asked.of(GenerateJob, PictureJob),
        "\n### `health_check`\nNo fields other than `action`.",
        "\n## Answers\n\n### `edit` and `generate` answers",
        *answered.of(PictureAnswer),
        "\nFields of each item of `images`:\n",
        *answered.of(Variant),
        "\nFields of `placement_info` and `generation_info`:\n",
        *answered.of(PaintedInfo),
        "\nFields of `placement_info` only:\n",
        *answered.of(PlacementInfo, PaintedInfo),
        "\nFields of `scale`:\n",
        *answered.of(Scale),
        "\nFields of each item of `placements` (with several `products`):\n",
        *answered.of(PlacedAnswer),
        "\nFields of `generation_info` only:\n",
        *answered.of(GenerationInfo, PaintedInfo),
        "\n### `POST /v1/layout` answers",
        *answered.of(LayoutAnswer),
        "\nFields of each item of its `placements`:\n",
        *answered.of(LaidOutProduct),
        "\n### `health_check` answers",
        *answered.of(HealthAnswer),
        "\n### Errors",
        *answered.of(ErrorAnswer),
        "\n[troubleshooting.md](troubleshooting.md) explains the codes.",
        "\n## OpenAI's routes\n[http.md](http.md) describes how they behave.\n\n### Generations and edits",
        *asked.of(PaintBody),
        "\n### `POST /v1/images/generations` only",
        *asked.of(GenerationBody, PaintBody),
        "\n### `POST /v1/images/edits` only",
        *asked.of(EditBody, PaintBody),
        "",
    ])  # fmt: skip


class _Tables:
    """Tables of fields. A row that an earlier table has is only named."""

    def __init__(self, head: str, row: Callable[[str, dict[str, Any], bool], str]) -> None:
        self.head = f"{head}\n|{'---|' * (head.count('|') - 1)}"
        self.row = row
        self.shown: set[str] = set()

    def of(self, model: type[BaseModel], but: type[BaseModel] | None = None) -> Iterator[str]:
        """Yield the table of a model's fields without those of `but`."""
        rows = {name: self.row(name, schema, name in _required(model)) for name, schema in _properties(model, but)}
        same = [f"`{name}`" for name, row in rows.items() if row in self.shown]
        yield from [f"The same as above: {', '.join(same)}.\n"] if same else []
        yield self.head
        yield from (row for row in rows.values() if row not in self.shown)
        self.shown.update(rows.values())


def _input(name: str, schema: dict[str, Any], is_required: bool) -> str:
    default = "required" if is_required else _text(schema.get("default"))
    return f"| `{name}` | {_kind(schema)} |{default and f' {default}'} | {schema.get('description', '')} |"


def _output(name: str, schema: dict[str, Any], is_required: bool) -> str:
    seldom = "" if is_required or "default" not in schema or schema["default"] is not None else "?"
    return f"| `{name}`{seldom} | {_kind(schema)} | {schema['description']} |"


def _properties(model: type[BaseModel], but: type[BaseModel] | None) -> list[tuple[str, dict[str, Any]]]:
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return [(name, schema) for name, schema in properties.items() if not but or name not in but.model_fields]


def _required(model: type[BaseModel]) -> list[str]:
    required: list[str] = model.model_json_schema().get("required", [])
    return required


def _text(default: object) -> str:
    match default:
        case None:
            return ""
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
        least = f"{schema['minLength']} to " if "minLength" in schema else "up to "
        return f", {least}{schema['maxLength']:,} characters"
    return f", {schema['minimum']:g} to {schema['maximum']}" if "maximum" in schema else ""


if __name__ == "__main__":
    PAGE.write_text(page())
