"""Schemas of several files become one that holds the values of all."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.exceptions import ConfigValidationError
from airbyte_cdk.sources.file_based.schema_helpers import (
    TypeConflict,
    conforms_to_schema,
    file_transfer_schema,
    fill_nulls,
    merge_properties,
    merge_schemas,
    merge_with_conflicts,
    schemaless_schema,
    type_mapping_to_jsonschema,
)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"type": "null"}, {"type": "integer"}, {"type": "integer"}),
        ({"type": "null"}, {"type": "array"}, {"type": "array"}),
        ({"type": "null"}, {"type": "object"}, {"type": "object"}),
        ({"type": "null"}, {"type": "null"}, {"type": "null"}),
        ({"type": "boolean"}, {"type": "integer"}, {"type": "integer"}),
        ({"type": "integer"}, {"type": "number"}, {"type": "number"}),
        ({"type": "number"}, {"type": "string"}, {"type": "string"}),
        ({"type": "boolean"}, {"type": "string"}, {"type": "string"}),
        ({"type": "array"}, {"type": "string"}, {"type": ["string", "array"]}),
        ({"type": "object"}, {"type": "integer"}, {"type": ["integer", "object"]}),
        ({"type": "object"}, {"type": "array"}, {"type": ["object", "array"]}),
        ({"type": ["null", "string"]}, {"type": "integer"}, {"type": ["null", "string"]}),
        ({"type": ["null", "integer"]}, {"type": "integer"}, {"type": ["null", "integer"]}),
        ({"type": ["null", "object"]}, {"type": "null"}, {"type": ["null", "object"]}),
        ({"type": ["string", "object"]}, {"type": "number"}, {"type": ["string", "object"]}),
        ({"type": "string", "format": "date"}, {"type": "string"}, {"type": "string"}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}, {"type": "string"}),
        ({"type": "string", "format": "date"}, {"type": "null"}, {"type": "string", "format": "date"}),
        (
            {"type": "string", "format": "date"},
            {"type": ["null", "string"], "format": "date"},
            {"type": ["null", "string"], "format": "date"},
        ),
        ({"type": "integer"}, {"type": "string", "format": "date"}, {"type": "string"}),
        (
            {"type": "string", "format": "date"},
            {"type": "object"},
            {"type": ["string", "object"], "format": "date"},
        ),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b"]}, {"type": "string"}),
        (
            {"type": "string", "description": "one"},
            {"type": "integer", "description": "two"},
            {"type": "string", "description": "one"},
        ),
        (
            {"type": "array", "items": {"type": "integer"}},
            {"type": "array", "items": {"type": "string"}},
            {"type": "array", "items": {"type": "string"}},
        ),
        ({"type": "array", "items": {"type": "integer"}}, {"type": "array"}, {"type": "array"}),
        (
            {"type": "array", "items": {"type": "integer"}},
            {"type": "string"},
            {"type": ["string", "array"], "items": {"type": "integer"}},
        ),
        (
            {"type": "object", "properties": {"x": {"type": "integer"}}},
            {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "null"}}},
            {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "null"}}},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            {"type": "object", "additionalProperties": {"type": "array"}},
            {"type": "object", "additionalProperties": {"type": ["integer", "array"]}},
        ),
        ({"type": "object", "properties": {"x": {"type": "integer"}}}, {"type": "object"}, {"type": "object"}),
        ({"type": "decimal"}, {"type": "decimal"}, {"type": "decimal"}),
        ({"type": "decimal"}, {"type": "null"}, {"type": "decimal"}),
        ({"type": "decimal"}, {"type": "string"}, {}),
        ({"oneOf": [{"type": "string"}]}, {"type": "string"}, {}),
        ({}, {"type": "string"}, {}),
        ({"type": []}, {"type": "string"}, {}),
    ],
)
def test_one_column_of_two_files(a: dict[str, Any], b: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merge_schemas({"c": a}, {"c": b}) == {"c": expected}
    other_way, _ = merge_with_conflicts({"c": b}, {"c": a})
    assert other_way["c"].get("type") == expected.get("type")


def test_columns_keep_their_order_newest_file_first() -> None:
    newest = {"b": {"type": "string"}, "a": {"type": "integer"}}
    older = {"c": {"type": "string"}, "a": {"type": "number"}, "d": {"type": "null"}}
    assert list(merge_schemas(newest, older)) == ["b", "a", "c", "d"]


def test_merging_changes_neither_side() -> None:
    a = {"o": {"type": "object", "properties": {"x": {"type": "integer"}}}}
    b = {"o": {"type": "object", "properties": {"x": {"type": "string"}}}}
    before = json.dumps([a, b])
    merge_schemas(a, b)["o"]["properties"]["x"]["type"] = "null"
    assert json.dumps([a, b]) == before


def test_conflicts_name_column_and_types() -> None:
    known = {
        "id": {"type": "integer"},
        "day": {"type": "string", "format": "date"},
        "o": {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "boolean"}}}},
        "same": {"type": "null"},
        "wide": {"type": "integer"},
    }
    found = {
        "id": {"type": "array"},
        "day": {"type": "string"},
        "o": {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "string"}}}},
        "same": {"type": "string"},
        "wide": {"type": "number"},
        "new": {"type": "string"},
    }
    _, conflicts = merge_with_conflicts(known, found)
    assert conflicts == [
        TypeConflict("id", "integer", "array", "integer or array"),
        TypeConflict("day", "string (date)", "string", "string"),
        TypeConflict("o.x[]", "boolean", "string", "string"),
    ]
    assert str(conflicts[0]) == "column 'id' is array, not integer; it is declared as integer or array"
    assert str(merge_with_conflicts({"a": {}}, {"a": {"type": "string"}})[1][0]).endswith("declared as any type")


def test_properties_of_one_column() -> None:
    assert merge_properties([]) == {"type": "null"}
    assert merge_properties([{"type": "null"}, {"type": "integer"}, {"type": "string"}]) == {"type": "string"}


# Values of a property, and the property itself: what a file has, and what discovery declares for it.

scalars = st.one_of(
    st.just(({"type": "null"}, None)),
    st.booleans().map(lambda v: ({"type": "boolean"}, v)),
    st.integers().map(lambda v: ({"type": "integer"}, v)),
    st.floats().map(lambda v: ({"type": "number"}, v)),
    st.text(max_size=3).map(lambda v: ({"type": "string"}, v)),
    st.dates().map(lambda v: ({"type": "string", "format": "date"}, str(v))),
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = inner.map(lambda pair: ({"type": "array", "items": pair[0]}, [pair[1], None]))
    open_lists = inner.map(lambda pair: ({"type": "array"}, [pair[1]]))
    objects = st.dictionaries(st.sampled_from("xyz"), inner, max_size=2).map(
        lambda pairs: (
            {"type": "object", "properties": {name: pair[0] for name, pair in pairs.items()}},
            {name: pair[1] for name, pair in pairs.items()},
        )
    )
    maps = inner.map(lambda pair: ({"type": "object", "additionalProperties": pair[0]}, {"k": pair[1]}))
    nullable = inner.map(lambda pair: (fill_nulls(pair[0]), pair[1]))
    return st.one_of(lists, open_lists, objects, maps, nullable)


columns = st.recursive(scalars, nested, max_leaves=4)
odd = st.sampled_from(
    [{}, {"type": [{}]}, {"type": "decimal"}, {"type": 7}, {"type": []}, {"oneOf": []}, {"type": ["null", "date"]}]
)


@given(st.lists(columns, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_the_merged_column_holds_the_values_of_all(pairs: list[tuple[dict[str, Any], Any]]) -> None:
    merged: dict[str, Any] = {}
    for prop, _ in pairs:
        merged = merge_schemas(merged, {"c": prop})
    for candidate in (merged, fill_nulls(merged)):
        schema = {"type": "object", "properties": candidate}
        assert [value for _, value in pairs if not conforms_to_schema({"c": value}, schema)] == []


@given(columns, columns, columns)
@settings(max_examples=300, deadline=None)
def test_grouping_and_order_do_not_change_the_types(a: Any, b: Any, c: Any) -> None:
    first, second, third = a[0], b[0], c[0]
    left = merge_properties([merge_properties([first, second]), third])
    right = merge_properties([first, merge_properties([second, third])])
    assert left == right
    assert merge_properties([third, second, first]).get("type") == left.get("type")
    assert merge_properties([left, first]) == left


@given(st.lists(st.one_of(columns.map(lambda pair: pair[0]), odd), max_size=4))
@settings(max_examples=200, deadline=None)
def test_merging_never_fails_and_always_gives_the_same(props: list[dict[str, Any]]) -> None:
    once = merge_properties(props)
    assert json.dumps(once) == json.dumps(merge_properties(props))
    fill_nulls({"c": once})
    for prop in props:
        _, conflicts = merge_with_conflicts({"c": once}, {"c": prop})
        assert all(str(conflict) for conflict in conflicts)


def test_every_type_may_be_null_afterwards() -> None:
    columns = {
        "a": {"type": "string", "enum": ["type"]},
        "type": {"type": "null"},
        "l": {"type": ["null", "array"], "items": {"type": "object", "properties": {"type": {"type": "integer"}}}},
        "m": {"type": "object", "additionalProperties": {"type": ["integer", "string"]}},
        "any": {"description": "no type"},
    }
    filled = {
        "a": {"type": ["null", "string"], "enum": ["type"]},
        "type": {"type": "null"},
        "l": {
            "type": ["null", "array"],
            "items": {"type": ["null", "object"], "properties": {"type": {"type": ["null", "integer"]}}},
        },
        "m": {"type": ["null", "object"], "additionalProperties": {"type": ["null", "integer", "string"]}},
        "any": {"description": "no type"},
    }
    assert fill_nulls(columns) == filled
    assert fill_nulls({"type": "object", "properties": columns}) == {"type": ["null", "object"], "properties": filled}
    assert columns["a"]["type"] == "string"


def test_fixed_schemas() -> None:
    assert schemaless_schema == {"type": "object", "properties": {"data": {"type": "object"}}}
    assert list(file_transfer_schema["properties"]) == [
        "folder",
        "file_name",
        "source_uri",
        "bytes",
        "id",
        "created_at",
        "updated_at",
        "mime_type",
    ]


def test_a_mapping_of_types_becomes_a_schema() -> None:
    expected = {"type": "object", "properties": {"a": {"type": "number"}}}
    assert type_mapping_to_jsonschema('{"a": "Float"}') == expected
    assert type_mapping_to_jsonschema({"a": "number"}) == expected
    assert type_mapping_to_jsonschema("") is None
    assert type_mapping_to_jsonschema(None) is None
    with pytest.raises(ConfigValidationError, match="not valid JSON"):
        type_mapping_to_jsonschema("a: number")
