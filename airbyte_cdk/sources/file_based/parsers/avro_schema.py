"""Avro schemas: types with their names resolved, and what discovery declares for them.

Format: https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from airbyte_cdk.sources.file_based.schema_helpers import merge_properties

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

_LOGICAL = {
    "int": {"date", "time-millis"},
    "long": {
        "time-micros",
        "timestamp-millis",
        "timestamp-micros",
        "timestamp-nanos",
        "local-timestamp-millis",
        "local-timestamp-micros",
        "local-timestamp-nanos",
    },
    "string": {"uuid"},
    "bytes": {"decimal", "big-decimal"},
    "fixed": {"decimal", "uuid", "duration"},
}
_FIXED_SIZE = {"uuid": 16, "duration": 12}


class BadSchema(ValueError):
    """The text is not an Avro schema of records. The message says why."""


@dataclass(eq=False, slots=True)
class AvroType:
    """One type of a schema. Named types that are used twice are one object; a recursive type contains itself.

    Attributes:
        kind: A primitive type, or record, enum, array, map, fixed, union.
        logical: Its logical type, if it is known and valid here; otherwise None (the specification says to go on with
            the underlying type).
        precision, scale: Of a decimal.
        size: Bytes of a fixed.
        symbols: Of an enum.
        fields: Name and type of each field of a record.
        items: Type of the items of an array, or of the values of a map.
        branches: Of a union.
    """

    kind: str
    logical: str | None = None
    precision: int = 0
    scale: int = 0
    size: int = 0
    symbols: list[str] = field(default_factory=list)
    fields: list[tuple[str, AvroType]] = field(default_factory=list)
    items: AvroType | None = None
    branches: list[AvroType] = field(default_factory=list)

    def inner(self) -> AvroType:
        """The type of the items of an array or the values of a map."""
        assert self.items is not None
        return self.items


def parse(text: str) -> AvroType:
    """The record type that a file's schema describes. Raises `BadSchema`."""
    try:
        root = _parse(json.loads(text), "", {})
    except BadSchema:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadSchema("its schema is not a valid Avro schema") from error
    if root.kind != "record":
        raise BadSchema(f"its rows are of the type {root.kind}; only rows that are records have columns")
    return root


def _parse(schema: Any, namespace: str, named: dict[str, AvroType]) -> AvroType:
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return AvroType(schema)
        found = named.get(_full_name(schema, namespace)) or named.get(schema)
        if found is None:
            raise BadSchema(f"its schema uses the type {schema!r} but does not define it")
        return found
    if isinstance(schema, list):
        return AvroType("union", branches=[_parse(branch, namespace, named) for branch in schema])
    kind = schema["type"]
    if not isinstance(kind, str) or (kind not in PRIMITIVES and kind not in _COMPLEX):
        return _parse(kind, namespace, named)  # a type in one more pair of braces, or a reference
    node = AvroType(kind)
    if kind in ("record", "error", "enum", "fixed"):
        full_name = _full_name(schema["name"], schema.get("namespace", namespace))
        namespace = full_name.rpartition(".")[0]
        named[full_name] = node
    if kind in ("record", "error"):
        node.kind = "record"
        node.fields = [(str(part["name"]), _parse(part["type"], namespace, named)) for part in schema["fields"]]
        if len({name for name, _ in node.fields}) < len(node.fields):
            raise BadSchema("two fields of a record have the same name")
    elif kind == "enum":
        node.symbols = [str(symbol) for symbol in schema["symbols"]]
    elif kind == "fixed":
        node.size = int(schema["size"])
    elif kind == "array":
        node.items = _parse(schema["items"], namespace, named)
    elif kind == "map":
        node.items = _parse(schema["values"], namespace, named)
    _set_logical(node, schema)
    return node


_COMPLEX = frozenset({"record", "error", "enum", "fixed", "array", "map"})


def _full_name(name: str, namespace: str | None) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _set_logical(node: AvroType, schema: dict[str, Any]) -> None:
    logical = str(schema.get("logicalType"))
    if logical not in _LOGICAL.get(node.kind, ()):
        return
    if logical == "decimal":
        precision, scale = schema.get("precision"), schema.get("scale", 0)
        if not isinstance(precision, int) or not isinstance(scale, int) or not 0 <= scale <= precision or not precision:
            return
        node.precision, node.scale = precision, scale
    elif node.kind == "fixed" and node.size != _FIXED_SIZE[logical]:
        return
    node.logical = logical


def columns_of(root: AvroType, double_as_string: bool = False) -> dict[str, dict[str, Any]]:
    """JSON schema property that discovery declares for each field of a record type.

    Type names are those that catalogs already hold: a time of day is declared ``integer``, though it is printed as
    ISO text. A union is declared as its other branch if it is ``null`` and one more, else as what holds the
    values of all branches. A record inside of itself is an ``object`` without properties.
    """
    return {name: _property(part, double_as_string, (root,)) for name, part in root.fields}


def _property(node: AvroType, double_as_string: bool, around: tuple[AvroType, ...]) -> dict[str, Any]:
    def inside(other: AvroType) -> dict[str, Any]:
        return _property(other, double_as_string, (*around, node))

    match node.kind:
        case "null" | "boolean" | "string" as name:
            return {"type": name}
        case "int" | "long":
            match node.logical:
                case "date":
                    return {"type": "string", "format": "date"}
                case "timestamp-millis" | "local-timestamp-millis":
                    return {"type": "string", "format": "date-time"}
                case None | "time-millis" | "time-micros":
                    return {"type": "integer"}
                case _:
                    return {"type": "string"}
        case "float":
            return {"type": "number"}
        case "double":
            return {"type": "string" if double_as_string else "number"}
        case "enum":
            return {"type": "string", "enum": list(node.symbols)}
        case "record":
            if node in around:
                return {"type": "object"}
            return {"type": "object", "properties": {name: inside(part) for name, part in node.fields}}
        case "array":
            return {"type": "array", "items": inside(node.inner())}
        case "map":
            return {"type": "object", "additionalProperties": inside(node.inner())}
        case "union":
            return merge_properties(inside(branch) for branch in node.branches)
    return {"type": "string"}  # bytes and fixed, as text, decimal, UUID or duration
