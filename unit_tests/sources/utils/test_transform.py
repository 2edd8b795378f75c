from __future__ import annotations

import copy
import logging
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.utils.transform import TransformConfig, TypeTransformer

DEFAULT = TransformConfig.DefaultSchemaNormalization
CUSTOM = TransformConfig.CustomSchemaNormalization


def transformed(value: Any, schema: Any, config: TransformConfig = DEFAULT) -> Any:
    record = {"v": value}
    TypeTransformer(config).transform(record, {"type": "object", "properties": {"v": schema}})
    return record["v"]


def same(got: Any, expected: Any) -> bool:
    return type(got) is type(expected) and bool(got == expected)


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("string", 1, "1"),
        ("string", 1.5, "1.5"),
        ("string", True, "True"),
        ("string", 1e16, "1e+16"),
        ("string", Decimal("1.50"), "1.50"),
        ("string", {"a": 1, "b": [None, "ü"]}, '{"a": 1, "b": [null, "ü"]}'),
        ("string", [1, "x", True], '[1, "x", true]'),
        ("string", {"when": date(2024, 1, 2)}, '{"when": "2024-01-02"}'),
        ("string", b"x", "x"),
        ("string", datetime(2024, 1, 2, 3, 4, 5), "2024-01-02 03:04:05"),
        ("string", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "2024-01-02 03:04:05+00:00"),
        ("string", date(2024, 1, 2), "2024-01-02"),
        ("number", "1.5", 1.5),
        ("number", 1, 1.0),
        ("number", True, 1.0),
        ("number", " 1 ", 1.0),
        ("number", Decimal("1.5"), 1.5),
        ("number", 2**53 + 1, 2**53 + 1),
        ("number", str(2**53 + 1), 2**53 + 1),
        ("number", 2**70, float(2**70)),
        ("integer", "1", 1),
        ("integer", 1.7, 1),
        ("integer", 1.0, 1),
        ("integer", True, 1),
        ("boolean", 0, False),
        ("boolean", 2, True),
        ("boolean", 1.5, True),
        ("boolean", [], False),
        ("boolean", {}, False),
        ("array", 1, [1]),
        ("array", "x", ["x"]),
        ("array", (1, 2), [1, 2]),
    ],
)
@pytest.mark.parametrize("nullable", [False, True])
def test_a_value_that_fits(
    type_: str, value: Any, expected: Any, nullable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert same(transformed(value, {"type": ["null", type_] if nullable else type_}), expected)
    assert caplog.messages == []


@pytest.mark.parametrize("text", ["y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0"])
def test_words_for_booleans(text: str) -> None:
    expected = text in ("y", "yes", "t", "true", "on", "1")
    assert transformed(text, {"type": "boolean"}) is expected
    assert transformed(f" {text.upper()}\n", {"type": "boolean"}) is expected


@pytest.mark.parametrize(
    ("type_", "value", "structure"),
    [
        ("number", "x", "string"),
        ("number", "", "string"),
        ("number", [1], "array"),
        ("number", "nan", "string"),
        ("number", "inf", "string"),
        ("number", "1_0", "string"),
        ("integer", "1.5", "string"),
        ("integer", "x", "string"),
        ("integer", "", "string"),
        ("integer", "1_0", "string"),
        ("integer", "9" * 5000, "string"),
        ("integer", float("inf"), "number"),
        ("integer", Decimal("Infinity"), "Decimal"),
        ("integer", datetime(2024, 1, 1), "datetime"),
        ("integer", {}, "{}"),
        ("integer", {"a": {"b": {"c": {"d": 1}}}}, "{'a': {'b': {'c': 'object'}}}"),
        (
            "integer",
            {"a": [1], "b": None, "c": True, "d": 1.5},
            "{'a': 'array', 'b': 'null', 'c': 'boolean', 'd': 'number'}",
        ),
        ("boolean", "maybe", "string"),
        ("array", {"a": 1}, "{'a': 'integer'}"),
        ("array", {1}, "set"),
        ("object", "x", "string"),
        ("object", [1], "array"),
        ("string", b"\xff", "bytes"),
        ("string", {"a": float("nan")}, "{'a': 'number'}"),
        ("null", 1, "integer"),
        *[(type_, None, "null") for type_ in ("string", "number", "integer", "boolean", "array", "object")],
    ],
)
def test_a_value_that_does_not_fit(type_: str, value: Any, structure: str, caplog: pytest.LogCaptureFixture) -> None:
    before = copy.deepcopy(value)
    assert same(transformed(value, {"type": type_}), before) or value != value
    if structure == "Decimal":
        structure = "number"
    assert caplog.messages == [f"Failed to transform value from type '{structure}' to type '{type_}' at path: 'v'"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, 1),
        ({"type": ["null", "string"]}, None),
        ({"type": ["null", "object"]}, None),
        ({"type": ["string", "integer"]}, "1"),
        ({"type": ["string", "integer"]}, 1),
        ({"type": "weird"}, 1),
        ({"type": 5}, 1),
        ({"oneOf": [{"type": "integer"}]}, "1"),
        ({"anyOf": [{"type": "integer"}]}, "1"),
        ({"allOf": [{"type": "integer"}]}, "1"),
        ({"additionalProperties": {"type": "integer"}}, {"a": "1"}),
        ({"type": "object", "required": ["b"]}, {"a": "1"}),
        ({"type": "string", "format": "date", "enum": ["x"]}, "y"),
        ({"$ref": "#/definitions/nowhere"}, 1),
        ({"$ref": "other.json"}, 1),
        ({"properties": None, "items": None}, {"a": 1}),
        ({"properties": {"a": True}}, {"a": 1}),
        (True, 1),
        (None, 1),
    ],
)
def test_what_stays_without_a_word(schema: Any, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert same(transformed(value, schema), value)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": ["string", "integer"]}, ["x"]),
        ({"type": []}, 1),
        ({"type": ["null"]}, 1),
        ({"type": ["string", "integer"]}, None),
    ],
)
def test_several_types_convert_nothing(schema: Any, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert same(transformed(value, schema), value)
    assert len(caplog.messages) == 1
    assert f"to type '{schema['type']}'" in caplog.messages[0]


@pytest.mark.parametrize(
    ("items", "value", "expected"),
    [
        (None, "x", ["x"]),
        ({}, "x", ["x"]),
        ({"type": "string"}, "x", ["x"]),
        ({"type": ["null", "integer"]}, "1", [1]),
        ({"type": ["null", "object"]}, "x", "x"),
        ({"type": "object"}, "x", "x"),
        ({"type": "array"}, "x", "x"),
        ({"type": "object"}, {"a": 1}, {"a": 1}),
        ({"type": "object", "properties": {"x": {"type": "integer"}}}, [{"x": "1"}, {"x": "2"}], [{"x": 1}, {"x": 2}]),
        ({"type": "array", "items": {"type": "string"}}, [[1]], [["1"]]),
        ([{"type": "string"}, {"type": "integer"}], [1, "2", "3"], ["1", 2, "3"]),
        ([{"type": "string"}, {"type": "integer"}], [1], ["1"]),
    ],
)
def test_arrays(items: Any, value: Any, expected: Any) -> None:
    assert transformed(value, {"type": "array"} | ({} if items is None else {"items": items})) == expected


def test_the_path_of_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    inner = {"items": {"properties": {"c": {"type": ["null", "number"]}}}}
    with caplog.at_level(logging.WARNING, "airbyte"):
        transformed({"b": [{"c": "1"}, {"c": "a value"}]}, {"properties": {"b": inner}})
    assert caplog.messages == [
        "Failed to transform value from type 'string' to type '['null', 'number']' at path: 'v.b.1.c'"
    ]


def test_references() -> None:
    schema = {
        "definitions": {
            "i": {"type": "integer"},
            "j": {"$ref": "#/definitions/i"},
            "o": {"properties": {"x": {"$ref": "#/definitions/j"}, "o": {"$ref": "#/definitions/o"}}},
            "circle": {"$ref": "#/definitions/circle"},
            "a/b": {"type": "string"},
        },
        "properties": {
            "v": {"$ref": "#/definitions/i"},
            "w": {"items": {"$ref": "#/definitions/o"}},
            "c": {"$ref": "#/definitions/circle"},
            "e": {"$ref": "#/definitions/a~1b"},
        },
    }
    record = {"v": "1", "w": [{"x": "2", "o": {"o": {"x": "3"}}}], "c": 1, "e": 1}
    TypeTransformer(DEFAULT).transform(record, schema)
    assert record == {"v": 1, "w": [{"x": 2, "o": {"o": {"x": 3}}}], "c": 1, "e": "1"}


def test_the_record_itself(caplog: pytest.LogCaptureFixture) -> None:
    record = {"v": 1}
    TypeTransformer(DEFAULT).transform(record, {"type": "array", "properties": {"v": {"type": "string"}}})
    assert record == {"v": "1"}
    assert caplog.messages == ["Failed to transform value from type '{'v': 'string'}' to type 'array' at path: ''"]


@pytest.mark.parametrize("schema", [{}, True, None, []])
def test_no_schema(schema: Any) -> None:
    record = {"v": 1}
    TypeTransformer(DEFAULT).transform(record, schema)
    assert record == {"v": 1}


# Flags and custom functions. ---------------------------------------------------------------------------------------


def test_flags() -> None:
    assert transformed(1, {"type": "string"}, TransformConfig.NoTransform) == 1
    assert not TypeTransformer(TransformConfig.NoTransform).transforms
    assert not TypeTransformer(CUSTOM).transforms
    assert TypeTransformer(DEFAULT).transforms
    with pytest.raises(ValueError, match="NoTransform"):
        TypeTransformer(TransformConfig.NoTransform | DEFAULT)
    with pytest.raises(ValueError, match="CustomSchemaNormalization"):
        TypeTransformer(DEFAULT).registerCustomTransform(lambda value, schema: value)


def test_a_custom_function_sees_every_value_that_has_a_schema_parents_first() -> None:
    transformer = TypeTransformer(DEFAULT | CUSTOM)
    seen = []

    @transformer.registerCustomTransform
    def note(value: Any, schema: dict[str, Any]) -> Any:
        seen.append((copy.deepcopy(value), schema))
        return value

    string, integer = {"type": "string"}, {"type": "integer"}
    item = {"type": ["string", "object"], "properties": {"c": string}}
    array = {"type": "array", "items": item}
    outer = {"type": "object", "properties": {"a": integer, "b": array}}
    record = {"v": {"a": "1", "b": ["x", {"c": 2}]}, "w": 3}
    transformer.transform(record, {"properties": {"v": outer, "missing": string}})
    assert record == {"v": {"a": 1, "b": ["x", {"c": "2"}]}, "w": 3}
    assert seen == [
        ({"a": "1", "b": ["x", {"c": 2}]}, outer),
        (1, integer),
        (["x", {"c": 2}], array),
        ("x", item),
        ({"c": 2}, item),
        ("2", string),
    ]
    assert note.__name__ == "note"


def test_a_custom_function_alone(caplog: pytest.LogCaptureFixture) -> None:
    transformer = TypeTransformer(CUSTOM)
    transformer.registerCustomTransform(lambda value, schema: [value] if schema.get("type") == "integer" else value)
    record = {"v": "1", "w": 1}
    transformer.transform(record, {"properties": {"v": {"type": "integer"}, "w": {"type": "string"}}})
    assert record == {"v": ["1"], "w": 1}
    assert [message.rpartition(" ")[2] for message in caplog.messages] == ["'v'", "'w'"]


def test_a_mistake_in_a_custom_function_is_not_hidden() -> None:
    transformer = TypeTransformer(CUSTOM)

    @transformer.registerCustomTransform
    def broken(value: Any, schema: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        transformer.transform({"v": 1}, {"properties": {"v": {}}})


def test_the_conversion_can_be_called_alone() -> None:
    assert TypeTransformer.default_convert("1", {"type": "integer"}) == 1
    assert TypeTransformer.default_convert("x", {"type": "integer"}) == "x"
    assert TypeTransformer.default_convert(None, {"type": ["null", "integer"]}) is None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.datetimes()
    | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["null", "string", "number", "integer", "boolean", "array", "object", "weird"])
SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={"type": TYPES | st.lists(TYPES, max_size=3)}) | st.none() | st.booleans(),
    lambda inner: st.fixed_dictionaries(
        {"type": TYPES | st.lists(TYPES, max_size=3)},
        optional={
            "items": inner | st.lists(inner, max_size=2),
            "properties": st.dictionaries(st.text(max_size=3), inner),
        },
    ),
    max_leaves=5,
)


@given(VALUES, SCHEMAS)
@settings(max_examples=200, deadline=None)
def test_it_never_raises_and_null_stays_null(value: Any, schema: Any) -> None:
    result = transformed(value, schema)
    assert (result is None) == (value is None)


def test_a_schema_of_arrays_of_itself_wraps_no_scalar() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/definitions/x"}},
        "definitions": {"x": {"type": "array", "items": {"$ref": "#/definitions/x"}}},
    }
    record = {"a": "v"}
    TypeTransformer(TransformConfig.DefaultSchemaNormalization).transform(record, schema)
    assert record == {"a": "v"}
