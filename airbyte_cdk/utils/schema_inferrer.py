"""JSON schemas of streams, inferred from their records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from airbyte_cdk.models import AirbyteRecordMessage

try:
    from genson import SchemaBuilder, SchemaGenerationError
except ModuleNotFoundError as error:
    reason = f"{__name__} needs the library genson: pip install 'airbyte-cdk[schema-inferrer]'"
    raise ModuleNotFoundError(reason, name=error.name) from error

__all__ = ["SchemaInferrer", "SchemaValidationException"]

Path = Sequence[str]


class SchemaValidationException(Exception):
    """A field of the primary key, or the cursor field, is in no record.

    Attributes:
        schema: The schema without it.
        validation_errors: A sentence for each such field.
    """

    def __init__(self, schema: dict[str, Any], errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.schema = schema
        self.validation_errors = list(errors)


class SchemaInferrer:
    """Looks at records of any streams; `get_stream_schema` says what the schema of each must be.

    Numbers are ``number``; every field may be null, but for those of primary key and cursor, which are required; a
    field that is always null is left out.

    Args:
        pk: Paths of the fields of the primary key.
        cursor_field: Paths of the cursor field.
    """

    def __init__(self, pk: Sequence[Path] | None = None, cursor_field: Sequence[Path] | None = None) -> None:
        self._builders: dict[str, SchemaBuilder] = {}
        self._required = [*(pk or []), *(cursor_field or [])]

    def accumulate(self, record: AirbyteRecordMessage) -> None:
        """Look at one more record."""
        builder = self._builders.get(record.stream)
        if builder is None:
            builder = self._builders[record.stream] = SchemaBuilder()
        try:
            builder.add_object(record.data)
        except SchemaGenerationError:  # values of Python that JSON does not have: as they would be written
            builder.add_object(json.loads(json.dumps(record.data, default=_written)))

    def get_stream_schema(self, stream_name: str) -> dict[str, Any] | None:
        """The schema of a stream; None if there was no record of it.

        Raises:
            SchemaValidationException: a field that must be there is in no record.
        """
        builder = self._builders.get(stream_name)
        if builder is None:
            return None
        schema: dict[str, Any] = _plain(builder.to_schema())
        if "properties" in schema:
            schema["properties"] = _fields(schema["properties"])
        errors = [error for path in self._required for error in _require(schema, path)]
        if errors:
            raise SchemaValidationException(schema, errors)
        return schema


def _written(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def _plain(node: Any, *, is_schema: bool = True) -> Any:
    """The schema without `required`, and with one kind of number."""
    if isinstance(node, list):
        items = [_plain(item) for item in node]
        return sorted(items) if all(isinstance(item, str) for item in items) else items
    if not isinstance(node, dict):
        return "number" if node == "integer" else node
    # What stands under `properties` are names, and no keywords.
    return {
        key: _plain(value, is_schema=not (is_schema and key == "properties"))
        for key, value in node.items()
        if not (is_schema and key == "required")
    }


def _fields(properties: dict[str, Any]) -> dict[str, Any]:
    cleaned = {name: _nullable(node) for name, node in properties.items()}
    return {name: node for name, node in cleaned.items() if node is not None}


def _nullable(node: dict[str, Any]) -> dict[str, Any] | None:
    """The schema with null added as its last type; None if it has no other. Real unions stay as they are."""
    if "anyOf" in node:
        branches = [branch for branch in node["anyOf"] if branch.get("type") != "null"]
        return _nullable(branches[0]) if len(branches) == 1 else node
    types = [name for name in _types(node) if name != "null"]
    if not types:
        return None
    cleaned = {**node, "type": [*types, "null"]}
    if "properties" in node:
        cleaned["properties"] = _fields(node["properties"])
    if "items" in node:
        items = _nullable(node["items"])
        if items is None:
            del cleaned["items"]
        else:
            cleaned["items"] = items
    return cleaned


def _types(node: dict[str, Any]) -> list[str]:
    declared = node.get("type", [])
    return declared if isinstance(declared, list) else [declared]


def _require(schema: dict[str, Any], path: Path) -> Iterator[str]:
    node = schema
    for position, name in enumerate(path):
        field = node.get("properties", {}).get(name)
        if field is None:
            yield f"No record has the field {'.'.join(path[: position + 1])}, which has to be in every record."
            return
        required = node.setdefault("required", [])
        if name not in required:
            required.append(name)
        if "type" in field:
            types = [kind for kind in _types(field) if kind != "null"]
            field["type"] = types[0] if len(types) == 1 else types
        node = field
