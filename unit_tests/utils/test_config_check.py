"""What is told of a config that does not fit a spec: path, rule and names of the schema, and nothing of the config."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from airbyte_cdk.utils.config_check import ConfigSchema, InvalidSpecError, told

SECRET = "TOPSECRETVALUE123456"


def constant(value: str) -> dict[str, Any]:
    return {"type": "string", "const": value}


def variant(name: str, required: list[str], **options: Any) -> dict[str, Any]:
    properties = {"kind": constant(name), **{option: {"type": "string"} for option in required}, **options}
    return {"type": "object", "properties": properties, "required": [*required, "kind"]}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["auth"],
    "definitions": {"size": {"type": "integer", "minimum": 1}},
    "properties": {
        "auth": {
            "type": "object",
            "oneOf": [
                variant("key", ["id", "secret"], port={"$ref": "#/definitions/size"}),
                variant("token", ["token"], note={"type": "string"}),
                variant(
                    "none",
                    [],
                    inner={"oneOf": [variant("a", ["x"]), {"allOf": [{**variant("b", ["y"])}]}], "type": "object"},
                ),
            ],
        },
        "mode": {"enum": ["Full", "Part", 3, None]},
        "on": {"type": "boolean", "default": False},
        "both": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}}]},
        "maybe": {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}]},
        "date": {"type": "string", "pattern": "^[0-9]+$", "pattern_descriptor": "YYYYMMDD"},
        "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
        "list": {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": True, "items": {"type": "string"}},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}, "propertyNames": {"maxLength": 30}},
        "closed": {"type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": False},
        "pair": {"type": "object", "dependentRequired": {"user": ["password"]}},
        "either": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "never": False,
        "not": {"not": {"const": SECRET}},
    },
}
AUTH = {"kind": "key", "id": "i", "secret": SECRET}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"auth": AUTH}, []),
        ({}, ["the option `auth` is missing"]),
        ({"auth": SECRET}, ["auth: must be an object, not a string"]),
        ({"auth": [SECRET]}, ["auth: must be an object, not a list"]),
        (
            {"auth": {"secret": SECRET}},
            ["auth: the option `kind` is missing; it must be one of `key`, `token`, `none`"],
        ),
        ({"auth": {**AUTH, "kind": SECRET}}, ["auth.kind: must be one of `key`, `token`, `none`"]),
        ({"auth": {**AUTH, "kind": None}}, ["auth.kind: must be one of `key`, `token`, `none`"]),
        (
            {"auth": {**AUTH, "kind": "Key"}},
            ["auth.kind: must be one of `key`, `token`, `none`, in this spelling (upper and lower case)"],
        ),
        ({"auth": {"kind": "key", "id": "i", "secrte": SECRET}}, ["auth: the option `secret` is missing"]),
        ({"auth": {"kind": "key", "token": SECRET}}, ["auth: the options `id`, `secret` are missing"]),
        ({"auth": {**AUTH, "id": {"a": SECRET}}}, ["auth.id: must be a string, not an object"]),
        ({"auth": {**AUTH, "port": "22"}}, ["auth.port: must be an integer, not a string: write it without quotes"]),
        ({"auth": {**AUTH, "port": 0}}, ["auth.port: must be at least 1"]),
        (
            {"auth": {"kind": "none", "inner": {"kind": SECRET}}},
            ["auth.inner.kind: must be one of `a`, `b`"],
        ),
        ({"auth": {"kind": "none", "inner": {"kind": "b"}}}, ["auth.inner: the option `y` is missing"]),
        ({"auth": AUTH, "mode": SECRET}, ["mode: must be one of `Full`, `Part`, `3`, `null`"]),
        ({"auth": AUTH, "on": "true"}, ["on: must be true or false, not a string: write it without quotes"]),
        ({"auth": AUTH, "both": {"a": SECRET}}, ["both: must be a string or a list, not an object"]),
        ({"auth": AUTH, "both": [1]}, ["both[0]: must be a string, not an integer"]),
        ({"auth": AUTH, "both": ""}, ["both: must not be empty"]),
        ({"auth": AUTH, "maybe": 10}, ["maybe: must be at most 9"]),
        ({"auth": AUTH, "date": SECRET}, ["date: must be written as YYYYMMDD"]),
        (
            {"auth": AUTH, "code": SECRET},
            ["code: must match the pattern ^[a-z]+$", "code: must have at most 3 characters"],
        ),
        ({"auth": AUTH, "list": []}, ["list: must not be empty"]),
        (
            {"auth": AUTH, "list": ["a", "a", 1]},
            [
                "list[2]: must be a string, not an integer",
                "list: must have at most 2 elements",
                "list: must not have an element twice",
            ],
        ),
        ({"auth": AUTH, "headers": {SECRET: 1}}, ["headers.*: must be a string, not an integer"]),
        ({"auth": AUTH, "headers": {SECRET * 2: "a"}}, ["headers: a name in it must have at most 30 characters"]),
        ({"auth": AUTH, "closed": {SECRET: 1}}, ["closed: has an option that is not known; known are `a`, `b`"]),
        (
            {"auth": AUTH, "pair": {"user": SECRET}},
            ["pair: the option `password` is missing, which the option `user` needs"],
        ),
        (
            {"auth": AUTH, "either": {}},
            ["one of these must be corrected: either: the option `a` is missing, or either: the option `b` is missing"],
        ),
        (
            {"auth": AUTH, "either": {"a": SECRET, "b": 1}},
            ["either: fits more than one of the forms that the spec allows, where one is wanted"],
        ),
        ({"auth": AUTH, "share": 0}, ["share: must be greater than 0"]),
        ({"auth": AUTH, "share": 1.0}, ["share: must be less than 1"]),
        ({"auth": AUTH, "never": SECRET}, ["an option is given that the spec does not allow"]),
        ({"auth": AUTH, "not": SECRET}, ["not: does not fit the rule `not` of the spec"]),
    ],
)
def test_faults(config: dict[str, Any], expected: list[str]) -> None:
    found = ConfigSchema(SCHEMA).faults(config)
    assert sorted(found) == sorted(expected)
    assert SECRET not in str(found)


def test_variants_of_other_shapes() -> None:
    by_enum = {
        "anyOf": [
            {"properties": {"t": {"enum": ["a"]}, "n": {"type": "integer"}}},
            {"properties": {"t": {"enum": ["b"]}}},
        ]
    }
    assert ConfigSchema(by_enum).faults({"t": "a", "n": "1"}) == [
        "n: must be an integer, not a string: write it without quotes"
    ]
    assert ConfigSchema(by_enum).faults({"t": "c"}) == ["t: must be one of `a`, `b`"]
    referred = {
        "definitions": {"a": variant("a", ["x"]), "b": variant("b", ["y"])},
        "oneOf": [{"$ref": "#/definitions/a"}, {"$ref": "#/definitions/b"}],
    }
    assert ConfigSchema(referred).faults({"kind": "b"}) == ["the option `y` is missing"]
    assert ConfigSchema({"anyOf": [{"const": 1}, {"const": 2}]}).faults({}) == [
        "one of these must be corrected: must be `1`, or must be `2`"
    ]


def test_only_the_first_faults_are_told() -> None:
    assert told(["a", "b"]) == "a; b"
    assert told([str(number) for number in range(7)]) == "0; 1; 2; 3; 4; and 2 more faults"


def test_a_schema_that_is_none() -> None:
    with pytest.raises(InvalidSpecError, match=r"\$\.properties\.a\.type: 'strin'"):
        ConfigSchema({"properties": {"a": {"type": "strin"}}}).faults({"a": SECRET})
    with pytest.raises(InvalidSpecError) as raised:
        ConfigSchema({"properties": {"a": {"$ref": "#/nowhere"}}}).faults({"a": SECRET})
    assert (raised.value.__context__, SECRET in str(raised.value)) == (None, False)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"auth": AUTH, "on": None, "date": None, "both": None}, {"auth": AUTH}),
        ({"auth": AUTH, "mode": None, "maybe": None}, ...),
        ({"auth": None}, ...),
        ({"auth": {**AUTH, "id": None, "port": None}}, {"auth": {**AUTH, "id": None}}),
        ({"auth": {"kind": "token", "token": "t", "note": None}}, {"auth": {"kind": "token", "token": "t"}}),
        ({"auth": {"kind": "token", "port": None, "unknown": None}}, ...),
        ({"auth": {"kind": "none", "inner": None}}, {"auth": {"kind": "none"}}),
        ({"auth": AUTH, "headers": {"X": None}}, ...),
        ({"auth": AUTH, "list": [None]}, ...),
    ],
)
def test_an_optional_option_that_is_null_counts_as_not_given(config: dict[str, Any], expected: Any) -> None:
    expected = deepcopy(config) if expected is ... else expected
    ConfigSchema(SCHEMA).drop_nulls(config)
    assert config == expected


def test_nulls_in_lists_of_objects() -> None:
    stream = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "key": {"type": "string"}},
        "required": ["name"],
    }
    config: dict[str, Any] = {"streams": [{"name": "a", "key": None}, {"name": None, "key": "k"}]}
    ConfigSchema({"properties": {"streams": {"type": "array", "items": stream}}}).drop_nulls(config)
    assert config == {"streams": [{"name": "a"}, {"name": None, "key": "k"}]}
