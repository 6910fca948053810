"""Prints the shapes that cross the worker's border as one JSON schema, from which `npm run types` makes
src/types.ts."""

import json
import sys
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from models.engine import Progress
from schemas.answers import ErrorAnswer, HealthAnswer, PictureAnswer
from schemas.errors import ErrorCode
from schemas.jobs import ACTIONS
from schemas.openai import GenerationBody, ImagesAnswer

ASKED = (*ACTIONS.values(), GenerationBody)
ANSWERED = (PictureAnswer, HealthAnswer, ErrorAnswer, ErrorCode, Progress, ImagesAnswer)


class Shapes(GenerateJsonSchema):
    """JSON schemas in which the keys of an answer that are None are left out and all others are required."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return super().nullable_schema(schema) if self.mode == "validation" else self.generate_inner(schema["schema"])

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "validation":
            return super().field_is_required(field, total)
        return field["schema"].get("default", ...) is not None

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return super().default_schema(schema) if self.mode == "validation" else self.generate_inner(schema["schema"])

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        """Return a tuple's schema in the keywords of draft 7, which json2ts reads."""
        told = super().tuple_schema(schema)
        return {"type": "array", "items": told["prefixItems"], "additionalItems": False, "minItems": told["minItems"]}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  json2ts makes a type of each title
        return False


def main() -> None:
    asked: list[tuple[Any, JsonSchemaMode]] = [(each, "validation") for each in ASKED]
    answered: list[tuple[Any, JsonSchemaMode]] = [(each, "serialization") for each in ANSWERED]
    shapes = [(shape.__name__, mode, TypeAdapter(shape)) for shape, mode in asked + answered]
    refs, definitions = TypeAdapter.json_schemas(shapes, schema_generator=Shapes)
    json.dump(definitions | {"title": "Shape", "anyOf": list(refs.values())}, sys.stdout)


if __name__ == "__main__":
    main()
