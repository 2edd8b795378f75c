"""Casting columns of CSV text: what native code does equals what Python does cell by cell."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.parsers.csv_cast import ColumnCast, Texts, cast, infer_type, json_text, type_of

TRUE, FALSE = {"y", "1", "true"}, {"n", "0", "false"}


def by_definition(text: str, kind: str, nulls: set[str]) -> tuple[Any, bool]:
    """Value of one cell, and whether its cast failed."""
    ways: dict[str, Callable[[str], Any]] = {"integer": int, "number": float}
    if kind == "boolean" and text in TRUE | FALSE:
        return text in TRUE, False
    if kind in ways:
        try:
            return ways[kind](text), False
        except ValueError:
            pass
    return (None, False) if text in nulls else (text, True)


def plain(column: pa.Array) -> list[Any]:
    if column.type == pa.json_():
        return [None if cell is None else json.loads(cell) for cell in column.storage.to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


INTEGERS = st.one_of(
    st.integers().map(str),
    st.integers(-(2**64), 2**64).map(str),
    st.integers(2**63 - 2, 2**63 + 1).map(str),
    st.integers(-(2**63) - 1, -(2**63) + 1).map(str),
    st.text("0123456789+-_ xXaé\u0661\u00b2\t\n", max_size=6),
    st.sampled_from(
        ["", "0x1F", "0X2", "--5", "-", "+7", "1_000", "007", "-0", " 4 ", "\u0664", "1.0", "NA", "0" * 30]
    ),
)
NUMBERS = st.one_of(
    INTEGERS,
    st.floats().map(repr),
    st.text("0123456789+-_. eEinfatyNA()", max_size=7),
    st.sampled_from(
        ["nan", "nan(1)", "-inf", "Infinity", "1e400", "-1e400", "1e-400", "1.", ".5", "1e5", "NA", "", "1_0.5"]
    ),
)
NULLS = st.sets(st.sampled_from(["", "NA", "7", "nan", "x"]))


@settings(deadline=None, max_examples=300)
@given(st.lists(INTEGERS, max_size=8), NULLS)
@example(["9999999999999999999", "--5"], set())
def test_integers(column: list[str], nulls: set[str]) -> None:
    check("integer", column, nulls)


@settings(deadline=None, max_examples=300)
@given(st.lists(NUMBERS, max_size=8), NULLS)
@example(["1", "x"], set())
@example(["1e300", "-0", "x"], set())
def test_numbers(column: list[str], nulls: set[str]) -> None:
    check("number", column, nulls)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["y", "n", "1", "Y", "", "NA", "true"]), max_size=6), NULLS)
def test_booleans(column: list[str], nulls: set[str]) -> None:
    check("boolean", column, nulls)


def check(kind: str, column: list[str], nulls: set[str]) -> None:
    expected = [by_definition(text, kind, nulls) for text in column]
    done, failed = cast(pa.array(column, pa.string()), kind, Texts(nulls, True, TRUE, FALSE))
    assert failed == sum(bad for _, bad in expected)
    typed = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}[kind]
    beyond = any(type(value) is int and not -(2**63) <= value < 2**63 for value, _ in expected)
    assert done.type == (pa.json_() if failed or beyond else typed)
    for value, (wanted, _) in zip(plain(done), expected, strict=True):
        if isinstance(wanted, float) and not math.isfinite(wanted) and failed:
            wanted = None  # as JSON text it is null already
        assert type(value) is type(wanted)
        assert value == wanted or (isinstance(value, float) and math.isnan(value) and math.isnan(wanted))


def test_not_a_number_in_json_text_keeps_its_key() -> None:
    done, _ = cast(pa.array(["nan", "x", "2"]), "number", Texts())
    assert done.storage.to_pylist() == ["null", '"x"', "2.0"]


def test_a_castable_null_value_stays_a_value() -> None:
    texts = Texts({"-1", "nan", "1"}, True, {"1"}, {"0"})
    assert cast(pa.array(["-1", "5"]), "integer", texts)[0].to_pylist() == [-1, 5]
    assert math.isnan(cast(pa.array(["nan"]), "number", texts)[0].to_pylist()[0])
    assert cast(pa.array(["1"]), "boolean", texts)[0].to_pylist() == [True]


def test_strings_and_nulls() -> None:
    column = pa.array(["NA", "", "x"])
    assert cast(column, "string", Texts({"NA"}))[0].to_pylist() == [None, "", "x"]
    assert cast(column, "string", Texts({"NA"}, strings_can_be_null=False))[0].to_pylist() == ["NA", "", "x"]
    assert ColumnCast("a", None, Texts({"NA"}, strings_can_be_null=False))(column).to_pylist() == [None, "", "x"]
    nulls, failed = cast(column, "null", Texts({"NA"}))
    assert (nulls.to_pylist(), failed) == ([None, None, "x"], 1)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("object", '{"a": [1, {"b": null}]}', '{"a": [1, {"b": null}]}'),
        ("object", ' {"a":\n1,\r\n"b":2}\n', '{"a": 1,  "b":2}'),
        ("object", "7", "7"),
        ("object", '{"a":123456789012345678901234567890}', '{"a":123456789012345678901234567890}'),
        ("object", "NaN", None),
        ("object", '{"a":NaN}', None),
        ("object", "", None),
        ("object", "{'a':1}", None),
        ("object", '{"a":1} {"b":2}', None),
        ("object", '"a\nb"', None),
        ("array", "[1,2]", "[1,2]"),
        ("array", '[NaN,{"a":-Infinity}]', '[null, {"a": null}]'),
        ("array", '{"a":1}', None),
        ("array", "null", None),
        ("array", "[" * 100_000, None),
    ],
)
def test_json_cells(kind: str, text: str, expected: str | None) -> None:
    assert json_text(text, kind) == expected


def test_objects_and_arrays_keep_text_that_is_not_json() -> None:
    texts = Texts({"NA"})
    done, failed = cast(pa.array(['{"a":1}', "null", "NA", "x\ny"]), "object", texts)
    assert done.storage.to_pylist() == ['{"a":1}', None, None, '"x\\ny"']
    assert failed == 1
    done, failed = cast(pa.array(["[]", "null", "NA"]), "array", texts)
    assert done.storage.to_pylist() == ["[]", '"null"', None]
    assert failed == 1


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": ["null", "integer"]}, "integer"),
        ({"type": ["integer"]}, "integer"),
        ({"type": ["null"]}, "null"),
        ({"type": "null"}, "null"),
        ({"type": ["null", "integer", "number"]}, "number"),
        ({"type": ["null", "integer", "string"]}, "string"),
        ({"type": ["array", "object", "null"]}, "object"),
        ({"type": ["boolean", "integer"]}, "string"),
        ({"anyOf": [{"type": "null"}, {"type": "number"}]}, "number"),
        ({"type": "date"}, "string"),
        ({}, "string"),
    ],
)
def test_types_of_schema_properties(definition: dict[str, Any], kind: str) -> None:
    assert type_of(definition) == kind


def test_inferred_types() -> None:
    texts = Texts({"NA"}, True, TRUE, FALSE)
    assert infer_type(["1", "0"], texts) == "boolean"
    assert infer_type(["1", "2", "NA", " 3", "1_0"], texts) == "integer"
    assert infer_type(["1", "2.5", "nan", "inf"], texts) == "number"
    assert infer_type(["1", ""], texts) == "string"
    assert infer_type(["NA"], texts) == infer_type([], texts) == "string"
