"""Whether records and whole batches fit a schema."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.arrow_conformance import batch_conformance, nonconforming_batch_column
from airbyte_cdk.sources.file_based.arrow_types import property_of
from airbyte_cdk.sources.file_based.schema_helpers import (
    SchemaType,
    conforms_to_schema,
    fill_nulls,
    get_inferred_type,
    is_equal_or_narrower_type,
    nonconforming_column,
)


def fits(value: Any, prop: Any) -> bool:
    return conforms_to_schema({"c": value}, {"type": "object", "properties": {"c": prop}})


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "integer"),
        (2**70, "integer"),
        (1.5, "number"),
        (timedelta(1), "number"),
        ("s", "string"),
        (b"s", "string"),
        (Decimal("1.0"), "string"),
        (date(2024, 1, 1), "string"),
        (datetime(2024, 1, 1), "string"),
        (time(1), "string"),
        (UUID(int=1), "string"),
        ({}, "object"),
        ([], None),
        (object(), None),
    ],
)
def test_types_of_values(value: Any, name: str | None) -> None:
    assert get_inferred_type(value) == name


@pytest.mark.parametrize(
    ("value", "expected_type", "answer"),
    [
        (1, "integer", True),
        (1, "string", True),
        (1, "number", True),
        (True, "integer", True),
        (1.5, "integer", False),
        (1.0, "integer", False),
        ("1", "integer", False),
        (1, "boolean", False),
        ({}, "string", False),
        ("a", "object", False),
        (1, "object", False),
        ([], "array", False),
        ([], "string", False),
        ("a", "array", False),
        (None, "integer", True),
        (None, "object", True),
        (object(), "string", False),
    ],
)
def test_narrower_types(value: Any, expected_type: str, answer: bool) -> None:
    assert is_equal_or_narrower_type(value, expected_type) is answer


@pytest.mark.parametrize(
    ("value", "prop", "answer"),
    [
        (1, {"type": ["null", "integer"]}, True),
        ("x", {"type": ["null", "integer"]}, False),
        (None, {"type": ["null", "integer"]}, True),
        (None, {"type": "integer"}, True),
        ("x", {"type": ["null", "object"]}, False),
        ({"a": object()}, {"type": ["null", "object"]}, True),
        ("x", {"type": ["null", "array"]}, False),
        ([1, None], {"type": ["null", "array"]}, True),
        ([1, "x"], {"type": ["null", "array"], "items": {"type": "integer"}}, False),
        ([1, None], {"type": "array", "items": {"type": "integer"}}, True),
        ([[1], ["x"]], {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}, False),
        ([[1], []], {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}, True),
        ([{"a": 1}], {"type": "array", "items": {"type": ["null", "object"]}}, True),
        (["x"], {"type": ["integer", "array"], "items": {"type": "string"}}, True),
        (5, {"type": ["integer", "array"], "items": {"type": "string"}}, True),
        ([], {"type": "string"}, False),
        ({}, {"type": "string"}, False),
        ("x", {"type": "null"}, False),
        ("x", {}, True),
        ("x", {"oneOf": [{"type": "integer"}]}, True),
        ("x", {"type": "decimal"}, True),
        ("x", {"type": [{}]}, True),
        ([1], {"type": "array", "items": [{"type": "string"}]}, True),
        (b"x", {"type": "string"}, True),
        (Decimal(1), {"type": "number"}, False),
    ],
)
def test_one_value(value: Any, prop: Any, answer: bool) -> None:
    assert fits(value, prop) is answer


def test_columns_after_a_nullable_one_are_checked() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["null", "integer"]}, "b": {"type": ["null", "boolean"]}}}
    assert nonconforming_column({"a": 1, "b": "x"}, schema) == "b"
    assert nonconforming_column({"a": 1, "b": True}, schema) is None
    assert nonconforming_column({"a": "x", "b": "x"}, schema) == "a"


def test_an_undeclared_column_must_be_null() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert nonconforming_column({"a": 1, "more": 2}, schema) == "more"
    assert nonconforming_column({"a": 1, "more": None}, schema) is None
    assert nonconforming_column({}, schema) is None
    assert nonconforming_column({"a": 1}, {}) == "a"


# --- Batches --------------------------------------------------------------------------------------------------------


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.record_batch(list(columns.values()), names=list(columns))


def conformance(column: pa.Array, prop: Any) -> list[bool]:
    outcome = batch_conformance(batch(c=column), {"c": prop})
    return [True] * len(column) if outcome is True else outcome.to_pylist()


def test_a_batch_is_judged_by_its_types() -> None:
    rows = batch(a=pa.array([1, 2]), b=pa.array(["x", None]), c=pa.array([[1], []]))
    properties: SchemaType = {
        "a": {"type": ["null", "number"]},
        "b": {"type": "string"},
        "c": {"type": ["null", "array"]},
        "missing": {"type": "integer"},
    }
    assert batch_conformance(rows, properties) is True
    assert nonconforming_batch_column(rows, 0, properties) is None


def test_only_rows_at_fault_are_named() -> None:
    rows = batch(a=pa.array([1, None, 3]), b=pa.array([None, 1.5, None]))
    properties = {"a": {"type": "integer"}, "b": {"type": "integer"}}
    outcome = batch_conformance(rows, properties)
    assert outcome is not True
    assert outcome.to_pylist() == [True, False, True]
    assert nonconforming_batch_column(rows, 1, properties) == "b"
    assert nonconforming_batch_column(rows, 0, properties) is None


def test_an_undeclared_column_of_nulls_is_not_sent_and_so_fits() -> None:
    assert batch_conformance(batch(more=pa.array([None, None], pa.string())), {}) is True
    outcome = batch_conformance(batch(more=pa.array([None, "x"])), {})
    assert outcome is not True
    assert outcome.to_pylist() == [True, False]


@pytest.mark.parametrize(
    ("column", "declared"),
    [
        (pa.array([timedelta(1)]), "integer"),
        (pa.array([timedelta(1)]), "number"),
        (pa.array([time(1)]), "integer"),
        (pa.array([time(1)]), "string"),
        (pa.array(["x"]).dictionary_encode(), "object"),
        (pa.array(["x"]).dictionary_encode(), "string"),
        (pa.array([1]).dictionary_encode(), "integer"),
        (pa.array([Decimal("1.5")]), "string"),
        (pa.array([b"x"]), "string"),
        (pa.array([date(2024, 1, 1)]), "string"),
        (pa.array([datetime(2024, 1, 1, tzinfo=UTC)]), "string"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "object"),
        (pa.array([{"x": 1}]), "object"),
        (pa.array([[1]], pa.list_(pa.int64(), 1)), "array"),
        (pa.array([[1]], pa.large_list(pa.int64())), "array"),
        (pa.array([None], pa.null()), "boolean"),
        (pa.array([1.0], pa.float32()), "number"),
        (pa.array([UUID(int=1).bytes], pa.uuid()), "string"),
        (pa.array(["x"], pa.string_view()), "string"),
        (pa.array([pa.MonthDayNano([1, 2, 3])]), "array"),
    ],
)
def test_an_arrow_type_fits_what_discovery_declares_for_it(column: pa.Array, declared: str) -> None:
    assert conformance(column, {"type": ["null", declared]}) == [True]
    assert conformance(column, fill_nulls(property_of(column.type))) == [True]


@pytest.mark.parametrize(
    ("column", "declared"),
    [
        (pa.array([Decimal("1.5")]), "number"),
        (pa.array([{"x": 1}]), "string"),
        (pa.array([[1]]), "object"),
        (pa.array(["x"]).dictionary_encode(), "integer"),
        (pa.array([datetime(2024, 1, 1)]), "integer"),
        (pa.array([1]), "object"),
    ],
)
def test_an_arrow_type_does_not_fit_others(column: pa.Array, declared: str) -> None:
    assert conformance(column, {"type": ["null", declared]}) == [False]


def test_lists_are_judged_by_their_items() -> None:
    items = {"type": "array", "items": {"type": "integer"}}
    column = pa.array([["x"], [], None, [None], ["x", None]], pa.list_(pa.string()))
    assert conformance(column, items) == [False, True, True, True, False]
    assert conformance(column.slice(1), items) == [True, True, True, False]
    deep = pa.array([[[1.5]], [[], None], [[None]]], pa.list_(pa.large_list(pa.float64())))
    assert conformance(deep, {"type": ["null", "array"], "items": items}) == [False, True, True]
    fixed = pa.array([["x", "y"], None, [None, None]], pa.list_(pa.string(), 2))
    assert conformance(fixed, items) == [False, True, True]
    view = pa.array([["x"], None, [None]], pa.list_view(pa.string()))
    assert conformance(view, items) == [False, True, True]


def test_json_text_is_judged_cell_by_cell() -> None:
    storage = pa.array(["1", '"x"', None, "null", "[1]", '{"a": 1}', "1e3"])
    column = pa.ExtensionArray.from_storage(pa.json_(), storage)
    assert conformance(column, {"type": "integer"}) == [True, False, True, True, False, False, False]
    assert conformance(column, {"type": ["null", "object"]}) == [False, False, True, True, False, True, False]


def test_a_union_is_judged_value_by_value() -> None:
    column = pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, None]), pa.array(["x"])]
    )
    assert conformance(column, {"type": "integer"}) == [True, False, True]
    assert conformance(column, {"type": ["integer", "string"]}) == [True, True, True]


names = ["null", "boolean", "integer", "number", "string", "object", "array"]
leaves = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=2))
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner), max_leaves=3
)
types = st.sampled_from(names) | st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)
properties = st.recursive(
    types.map(lambda t: {"type": t}) | st.just({}),
    lambda inner: st.builds(lambda t, i: {"type": t, "items": i}, types, inner),
    max_leaves=3,
)
arrow_types = st.sampled_from(
    [
        (pa.int64(), st.integers(-9, 9)),
        (pa.uint8(), st.integers(0, 9)),
        (pa.float64(), st.floats(allow_nan=False)),
        (pa.bool_(), st.booleans()),
        (pa.string(), st.text(max_size=2)),
        (pa.null(), st.none()),
        (pa.struct([("x", pa.int64())]), st.fixed_dictionaries({"x": st.integers(0, 9) | st.none()})),
        (pa.list_(pa.string()), st.lists(st.text(max_size=2) | st.none(), max_size=2)),
        (pa.list_(pa.list_(pa.int64())), st.lists(st.lists(st.integers(0, 9), max_size=2) | st.none(), max_size=2)),
    ]
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_batches_and_records_agree(data: st.DataObject) -> None:
    columns, declared = {}, {}
    for name in ("a", "b"):
        arrow_type, cells = data.draw(arrow_types)
        columns[name] = pa.array(data.draw(st.lists(cells | st.none(), min_size=3, max_size=3)), arrow_type)
        if data.draw(st.booleans()):
            declared[name] = data.draw(properties)
    rows = batch(**columns)
    outcome = batch_conformance(rows, declared)
    schema = {"type": "object", "properties": declared}
    expected = [nonconforming_column(row, schema) for row in rows.to_pylist()]
    assert ([True] * 3 if outcome is True else outcome.to_pylist()) == [column is None for column in expected]
    assert [nonconforming_batch_column(rows, row, declared) for row in range(3)] == expected


@given(st.lists(values, min_size=1, max_size=4), properties)
@settings(max_examples=200, deadline=None)
def test_json_text_and_records_agree(cells: list[Any], prop: Any) -> None:
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.array([json.dumps(cell) for cell in cells]))
    assert conformance(column, prop) == [fits(cell, prop) for cell in cells]
