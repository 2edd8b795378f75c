"""JSON schemas of streams: given by the user, merged from several files, compared with records.

A schema here is a mapping from column name to a JSON schema *property*, such as ``{"type": ["null", "integer"]}``.
Types are ordered from narrow to wide: null < boolean < integer < number < string; ``object`` and ``array`` stand
beside them.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airbyte_cdk.sources.file_based.exceptions import ConfigValidationError, FileBasedSourceError

if TYPE_CHECKING:
    pass

SchemaType = Mapping[str, Mapping[str, Any]]
"""JSON schema properties by column name."""

schemaless_schema: dict[str, Any] = {"type": "object", "properties": {"data": {"type": "object"}}}
"""Schema of a stream whose records are one object each."""

file_transfer_schema: dict[str, Any] = {
    "type": "object",
    "properties": {
        "folder": {"type": "string"},
        "file_name": {"type": "string"},
        "source_uri": {"type": "string"},
        "bytes": {"type": "integer"},
        "id": {"type": ["null", "string"]},
        "created_at": {"type": ["null", "string"]},
        "updated_at": {"type": ["null", "string"]},
        "mime_type": {"type": ["null", "string"]},
    },
}
"""Schema of a stream whose files are copied as they are, whatever its format: the columns of `FileRecordData`."""

SCALARS = ("null", "boolean", "integer", "number", "string")
"""Scalar types from narrow to wide: a value of one is a value of each that follows."""

WIDTH = {name: width for width, name in enumerate(SCALARS)}
"""Their places in that order."""

_NAMES = (*SCALARS, "object", "array")
TYPES = frozenset(_NAMES)
"""All types of JSON schema."""

_PRINTED_AS_TEXT = (str, bytes, date, time, Decimal, UUID, Enum)

_FITTING: dict[str, frozenset[type]] = {
    "null": frozenset({type(None)}),
    "boolean": frozenset({type(None), bool}),
    "integer": frozenset({type(None), bool, int}),
    "number": frozenset({type(None), bool, int, float}),
    "string": frozenset({type(None), bool, int, float, str}),
    "object": frozenset({type(None), dict}),
}
"""Python types whose values fit a type for sure; a first, quick look."""


# --- Types of values ------------------------------------------------------------------------------------------------


def get_inferred_type(value: Any) -> str | None:
    """Name of the narrowest type of a Python value; None for a list, and for what has no JSON form.

    Values that are printed as text, such as dates and decimals, are strings.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float() | timedelta():
            return "number"
        case Mapping():
            return "object"
        case _:
            return "string" if isinstance(value, _PRINTED_AS_TEXT) else None


def is_equal_or_narrower_type(value: Any, expected_type: str) -> bool:
    """Whether a scalar or object value is of `expected_type`, or of a scalar type narrower than it. Null always is."""
    inferred = get_inferred_type(value)
    if inferred is None:
        return False
    if inferred in WIDTH and expected_type in WIDTH:
        return WIDTH[inferred] <= WIDTH[expected_type]
    return inferred == expected_type or inferred == "null"


# --- The user's own schema ------------------------------------------------------------------------------------------

_GIVEN_TYPES = {**{name: name for name in TYPES}, "float": "number"}


def type_mapping_to_jsonschema(input_schema: str | Mapping[str, str] | None) -> dict[str, Any] | None:
    """``{"type": "object", "properties": {...}}`` for a flat mapping from column name to type name, or its JSON text.

    Type names are trimmed, and upper and lower case are the same; ``float`` is another name of ``number``. Empty text
    and None give None.

    Raises:
        ConfigValidationError: The text is not JSON, or not an object; a name or a type is blank, or unknown.
    """
    if not input_schema:
        return None
    given = _decoded(input_schema) if isinstance(input_schema, str) else input_schema
    properties: dict[str, Any] = {}
    for column, type_name in given.items():
        if not column.strip():
            raise _unusable("it has a column without a name")
        if not isinstance(type_name, str) or not type_name.strip():
            raise _unusable(f"the type of column {column!r} is not a text; write one name, such as string")
        known = _GIVEN_TYPES.get(type_name.strip().casefold())
        if known is None:
            raise _unusable(f"the type of column {column!r} is not known: {type_name.strip()!r}")
        properties[column] = {"type": known}
    return {"type": "object", "properties": properties}


def _decoded(text: str) -> Mapping[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise _unusable("it is not valid JSON") from None
    if not isinstance(given, dict):
        raise _unusable("it is not a JSON object")
    return given


def _unusable(why: str) -> ConfigValidationError:
    return ConfigValidationError(f"{FileBasedSourceError.ERROR_PARSING_USER_PROVIDED_SCHEMA.value} Here {why}.")


# --- Merging the schemas of several files ---------------------------------------------------------------------------


@dataclass(frozen=True)
class TypeConflict:
    """A column that has different types in different files.

    Attributes:
        column: Its name; ``a.b`` is column b inside of a, ``a[]`` the items of a.
        known: Its type in the schema merged so far, such as ``integer`` or ``string (date)``.
        found: Its type in the file added.
        merged: The type that holds both.
    """

    column: str
    known: str
    found: str
    merged: str

    def __str__(self) -> str:
        return f"column {self.column!r} is {self.found}, not {self.known}; it is declared as {self.merged}"


def merge_schemas(schema1: SchemaType, schema2: SchemaType) -> dict[str, Any]:
    """The columns of both, with types that hold the values of both; see `merge_with_conflicts`."""
    return merge_with_conflicts(schema1, schema2)[0]


def merge_with_conflicts(known: SchemaType, found: SchemaType) -> tuple[dict[str, Any], list[TypeConflict]]:
    """The columns of both, those of `known` first, and the columns on whose type they disagree.

    Merging never fails. Null merges with every type; two scalar types widen to the wider one; an object, an array and
    a scalar beside each other give a list of types. Properties and items of nested types are merged the same way. What
    constrains values further (format, pattern, enum, ...) is kept only if both sides agree on it.

    Integer beside number is no conflict, nor is null beside anything.
    """
    conflicts: list[TypeConflict] = []
    return _merged_columns(known, found, "", conflicts), conflicts


def merge_properties(properties: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One JSON schema property that holds the values of all; ``{"type": "null"}`` if there is none."""
    merged: dict[str, Any] = {"type": "null"}
    for prop in properties:
        merged = _merged(merged, prop, "", [])
    return merged


def _merged_columns(known: SchemaType, found: SchemaType, path: str, conflicts: list[TypeConflict]) -> dict[str, Any]:
    merged = {column: dict(prop) for column, prop in known.items()}
    for column, prop in found.items():
        merged[column] = _merged(merged[column], prop, path + column, conflicts) if column in merged else dict(prop)
    return merged


_NESTED = frozenset(("type", "properties", "items", "additionalProperties"))
_ANNOTATIONS = frozenset(("title", "description"))
_OF_SCALARS = frozenset(("format", "pattern", "airbyte_type"))


def _merged(a: Mapping[str, Any], b: Mapping[str, Any], path: str, conflicts: list[TypeConflict]) -> dict[str, Any]:
    if a == b or b.get("type") == "null":
        return dict(a)
    if a.get("type") == "null":
        return dict(b)
    types_a, types_b = _types(a), _types(b)
    merged: dict[str, Any] = {}
    if types_a is not None and types_b is not None:
        merged["type"] = _widest(types_a | types_b)
        merged.update(_kept_keywords(a, b, types_a, types_b))
        merged.update(_merged_items(a, b, types_a, types_b, path, conflicts))
        merged.update(_merged_object(a, b, types_a, types_b, path, conflicts))
    # else: something other than plain types, which only a schema without any rule is sure to hold
    known, found = _described(a), _described(b)
    if known != found and {known, found} != {"integer", "number"}:
        conflicts.append(TypeConflict(path, known, found, _described(merged)))
    return merged


def _types(prop: Mapping[str, Any]) -> frozenset[str] | None:
    """The types of a property; None if it is not described by plain types."""
    given = prop.get("type")
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not names or not all(name in _NAMES for name in names):
        return None
    return frozenset(names)


def _widest(types: frozenset[str]) -> str | list[str]:
    scalars = [name for name in SCALARS[1:] if name in types]
    others = [name for name in ("object", "array") if name in types]
    names = [*(["null"] if "null" in types else []), *scalars[-1:], *others]
    return names[0] if len(names) == 1 else names


def _kept_keywords(
    a: Mapping[str, Any], b: Mapping[str, Any], types_a: frozenset[str], types_b: frozenset[str]
) -> Iterator[tuple[str, Any]]:
    scalars_a, scalars_b = types_a & WIDTH.keys() - {"null"}, types_b & WIDTH.keys() - {"null"}
    for keyword, value in {**b, **a}.items():
        if keyword in _NESTED:
            continue
        agreed = keyword in a and keyword in b and a[keyword] == b[keyword]
        if keyword in _ANNOTATIONS or agreed:
            yield keyword, value
        elif keyword in _OF_SCALARS and not (scalars_a and scalars_b):
            yield keyword, value  # only one side has scalars, so nothing else is constrained by it


def _merged_items(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    types_a: frozenset[str],
    types_b: frozenset[str],
    path: str,
    conflicts: list[TypeConflict],
) -> dict[str, Any]:
    sides = [prop for prop, types in ((a, types_a), (b, types_b)) if "array" in types]
    if not sides or any("items" not in prop for prop in sides):
        return {}
    items = [prop["items"] for prop in sides]
    if len(items) == 1 or items[0] == items[1]:
        return {"items": items[0]}
    if all(isinstance(item, Mapping) for item in items):
        return {"items": _merged(items[0], items[1], path + "[]", conflicts)}
    return {}


def _merged_object(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    types_a: frozenset[str],
    types_b: frozenset[str],
    path: str,
    conflicts: list[TypeConflict],
) -> dict[str, Any]:
    sides = [prop for prop, types in ((a, types_a), (b, types_b)) if "object" in types]
    merged: dict[str, Any] = {}
    for keyword in ("properties", "additionalProperties"):
        values = [prop[keyword] for prop in sides if keyword in prop]
        if not sides or len(values) < len(sides):
            continue
        if len(values) == 1 or values[0] == values[1]:
            merged[keyword] = values[0]
        elif keyword == "properties":
            merged[keyword] = _merged_columns(values[0], values[1], path + ".", conflicts)
        elif all(isinstance(value, Mapping) for value in values):
            merged[keyword] = _merged(values[0], values[1], path + ".*", conflicts)
    return merged


def _described(prop: Mapping[str, Any]) -> str:
    """The type of a property in words: ``string (date)``, ``integer or array``."""
    types = _types(prop)
    if types is None:
        return "any type"
    names = [name for name in (*SCALARS[1:], "object", "array") if name in types] or ["null"]
    text = " or ".join(names)
    return f"{text} ({prop['format']})" if "format" in prop else text


def fill_nulls(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a property, or of properties by column name, in which every type allows null, nested ones too."""
    if not isinstance(schema.get("type"), str | list):
        return {key: fill_nulls(value) if isinstance(value, Mapping) else value for key, value in schema.items()}
    filled = dict(schema)
    given = schema["type"]
    if isinstance(given, str):
        filled["type"] = given if given == "null" else ["null", given]
    elif "null" not in given:
        filled["type"] = ["null", *given]
    for keyword in ("properties", "items", "additionalProperties"):
        nested = schema.get(keyword)
        if isinstance(nested, Mapping):
            # `properties` is not a property itself, even if a column is named type
            columns = {name: fill_nulls(prop) for name, prop in nested.items()} if keyword == "properties" else None
            filled[keyword] = fill_nulls(nested) if columns is None else columns
    return filled


# --- Comparing records with a schema --------------------------------------------------------------------------------


def conforms_to_schema(record: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether every value of `record` is of the type that `schema` declares for its column.

    See `nonconforming_column` for the rules.
    """
    return nonconforming_column(record, schema) is None


def nonconforming_column(
    record: Mapping[str, Any], schema: Mapping[str, Any], known: Container[str] = frozenset()
) -> str | None:
    """Name of the first column of `record` that does not fit `schema`, or None if all do.

    A null fits everywhere, even in a column that is not declared, since it is not sent. Any other value needs a
    declared column, one of whose types it has, or a wider scalar type: an integer fits ``number`` and ``string``.
    A list fits ``array`` if each item fits ``items``; an object fits ``object`` whatever it holds.

    Args:
        record: Values by column name, without the metadata columns.
        schema: ``{"type": "object", "properties": {...}}``.
        known: Columns that fit whatever their value is; see `fitting_columns`.
    """
    properties = schema.get("properties", {})
    for column, value in record.items():
        if value is None or column in known:
            continue
        prop = properties.get(column)
        if prop is None or not fits(value, prop):
            return column
    return None


def fits(value: Any, prop: Mapping[str, Any]) -> bool:
    """Whether a value fits a property, by the rules of `nonconforming_column`."""
    declared = prop.get("type")
    names = (declared,) if isinstance(declared, str) else declared
    if not isinstance(names, list | tuple):
        return True
    kind = type(value)
    for name in names:
        if isinstance(name, str) and kind in _FITTING.get(name, ()):
            return True
    return any(fits_type(value, name, prop) for name in names)


def fits_type(value: Any, declared: str, prop: Mapping[str, Any]) -> bool:
    """Whether a value fits one of the types that a property declares."""
    if value is None or declared not in _NAMES:
        return True
    if declared == "array":
        items = prop.get("items")
        if not isinstance(items, Mapping):
            return isinstance(value, list | tuple)
        return isinstance(value, list | tuple) and all(fits(item, items) for item in value)
    return is_equal_or_narrower_type(value, declared)


def fitting_columns(found: SchemaType, declared: SchemaType) -> frozenset[str]:
    """The columns of a file of typed columns all of whose values fit a schema, by their types alone.

    What counts is how discovery describes a column, not the form in which its values are printed, which may be another
    one: existing catalogs declare a time of day ``integer`` and a dictionary column ``object``, though both are text.

    Args:
        found: How discovery describes the columns of the file.
        declared: The columns in the stream's schema.
    """
    return frozenset(name for name, prop in found.items() if name in declared and _described_fits(prop, declared[name]))


def _described_fits(found: Mapping[str, Any], declared: Mapping[str, Any]) -> bool:
    """Whether all values described by `found` fit `declared`; False if that cannot be told."""
    names = declared_names(declared)
    types = _types(found)
    if names is None or types is None:
        return names is None

    def holds(name: str, kind: str) -> bool:
        if name == kind == "array":
            items, inner = declared.get("items"), found.get("items")
            return not isinstance(items, Mapping) or (isinstance(inner, Mapping) and _described_fits(inner, items))
        return name == kind or (name in WIDTH and kind in WIDTH and WIDTH[kind] <= WIDTH[name])

    return all(any(holds(name, kind) for name in names) for kind in types - {"null"})


def declared_names(prop: Mapping[str, Any]) -> Sequence[str] | None:
    """The types that a property declares; None if it declares something that every value fits."""
    declared = prop.get("type")
    names = [declared] if isinstance(declared, str) else declared
    if not isinstance(names, list | tuple) or any(name not in _NAMES for name in names):
        return None
    return names
