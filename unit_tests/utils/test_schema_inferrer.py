from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from airbyte_cdk.models import AirbyteRecordMessage
from airbyte_cdk.utils.schema_inferrer import SchemaInferrer, SchemaValidationException

NUMBER = {"type": ["number", "null"]}
STRING = {"type": ["string", "null"]}


def inferred(records: list[dict[str, Any]], **keys: Any) -> Any:
    inferrer = SchemaInferrer(**keys)
    for data in records:
        inferrer.accumulate(AirbyteRecordMessage(stream="s", data=data, emitted_at=0))
    return inferrer.get_stream_schema("s")


def root(properties: Any, **more: Any) -> Any:
    return {"$schema": "http://json-schema.org/schema#", "type": "object", "properties": properties, **more}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ([1], NUMBER),
        ([1, 1.5], NUMBER),
        ([True], {"type": ["boolean", "null"]}),
        ([1.5, "x"], {"type": ["number", "string", "null"]}),
        ([True, 1], {"type": ["boolean", "number", "null"]}),
        ([1, None], NUMBER),
        ([{}], {"type": ["object", "null"]}),
        ([{"b": 1, "n": None}], {"type": ["object", "null"], "properties": {"b": NUMBER}}),
        ([{"n": None}], {"type": ["object", "null"], "properties": {}}),
        ([{"b": 1}, None], {"type": ["object", "null"], "properties": {"b": NUMBER}}),
        (
            [{"b": 1}, {"b": "x"}],
            {"type": ["object", "null"], "properties": {"b": {"type": ["number", "string", "null"]}}},
        ),
        (
            [{"required": 1, "type": "integer", "properties": 2}],
            {"type": ["object", "null"], "properties": {"required": NUMBER, "type": STRING, "properties": NUMBER}},
        ),
        (
            [{"b": 1, "n": None}, "x"],
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "object", "properties": {"b": {"type": "number"}, "n": {"type": "null"}}},
                ]
            },
        ),
        (
            [{"b": 1}, "x", None, 3],
            {
                "anyOf": [
                    {"type": ["null", "number", "string"]},
                    {"type": "object", "properties": {"b": {"type": "number"}}},
                ]
            },
        ),
        ([[]], {"type": ["array", "null"]}),
        ([[None]], {"type": ["array", "null"]}),
        ([[1, "x", None]], {"type": ["array", "null"], "items": {"type": ["number", "string", "null"]}}),
        ([[1], None], {"type": ["array", "null"], "items": NUMBER}),
        ([[[1]]], {"type": ["array", "null"], "items": {"type": ["array", "null"], "items": NUMBER}}),
        (
            [[{"b": 1}, {"c": None}, None]],
            {"type": ["array", "null"], "items": {"type": ["object", "null"], "properties": {"b": NUMBER}}},
        ),
        ([[1], "x"], {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]}),
        ([(1, 2)], {"type": ["array", "null"], "items": NUMBER}),
        ([date(2024, 1, 1)], STRING),
        ([Decimal("1.5")], NUMBER),
    ],
)
def test_a_field(values: list[Any], field: Any) -> None:
    assert inferred([{"a": value} for value in values]) == root({"a": field})


def test_what_is_never_seen() -> None:
    assert SchemaInferrer().get_stream_schema("never") is None
    assert inferred([{"a": None}]) == root({})
    assert inferred([{}]) == {"$schema": "http://json-schema.org/schema#", "type": "object"}
    assert inferred([{"a": 1}, {"b": None}]) == root({"a": NUMBER})


def test_key_and_cursor_are_required() -> None:
    assert inferred([{"id": 1, "u": "x", "a": 1}], pk=[["id"]], cursor_field=[["u"]]) == root(
        {"id": {"type": "number"}, "u": {"type": "string"}, "a": NUMBER}, required=["id", "u"]
    )
    assert inferred([{"id": 1}, {"id": "x"}], pk=[["id"]], cursor_field=[["id"]]) == root(
        {"id": {"type": ["number", "string"]}}, required=["id"]
    )
    assert inferred([{"id": 1}], pk=[[]]) == root({"id": NUMBER})
    nested = {"type": "object", "properties": {"id": {"type": "number"}, "k": NUMBER}, "required": ["id"]}
    assert inferred([{"a": {"id": 1, "k": 2}}, {"a": {"id": 2}}], pk=[["a", "id"]]) == root(
        {"a": nested}, required=["a"]
    )
    union = [{"type": "string"}, {"type": "object", "properties": {"x": {"type": "number"}}}]
    assert inferred([{"id": {"x": 1}}, {"id": "x"}], pk=[["id"]]) == root({"id": {"anyOf": union}}, required=["id"])


def test_a_missing_key_is_an_error() -> None:
    with pytest.raises(SchemaValidationException, match="No record has the field x") as caught:
        inferred([{"id": 1, "a": {"b": 1}}], pk=[["id"], ["a", "c"]], cursor_field=[["x"]])
    assert len(caught.value.validation_errors) == 2
    assert "the field a.c" in caught.value.validation_errors[0]
    assert caught.value.schema["properties"]["id"] == {"type": "number"}
    assert "id" in caught.value.schema["required"]
    with pytest.raises(SchemaValidationException):
        inferred([{"a": None}], pk=[["a", "id"]])


def test_streams_are_kept_apart() -> None:
    inferrer = SchemaInferrer()
    inferrer.accumulate(AirbyteRecordMessage(stream="s", data={"a": 1}, emitted_at=0))
    inferrer.accumulate(AirbyteRecordMessage(stream="t", data={"b": "x"}, emitted_at=0))
    assert inferrer.get_stream_schema("s") == root({"a": NUMBER})
    assert inferrer.get_stream_schema("t") == root({"b": STRING})
    assert inferrer.get_stream_schema("s") == root({"a": NUMBER})
