from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.models import ConnectorSpecification, FailureType
from airbyte_cdk.sources.utils.schema_helpers import (
    InternalConfig,
    ResourceSchemaLoader,
    SchemaReferenceError,
    check_config_against_spec_or_exit,
    expand_refs,
    rename_key,
    split_config,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

FILES: dict[str, Any] = {
    "schemas/x.json": {
        "type": "object",
        "properties": {
            "a": {"$ref": "s.json"},
            "b": {"$ref": "s.json#/definitions/q"},
            "c": {"$ref": "#/definitions/k", "title": "dropped"},
            "d": {"type": "array", "items": [{"$ref": "#/definitions/k"}]},
        },
        "definitions": {"k": {"type": "string"}},
    },
    "schemas/shared/s.json": {
        "type": "number",
        "definitions": {"q": {"type": "boolean", "x": {"$ref": "#/definitions/r"}}, "r": {"type": "null"}},
    },
    "schemas/lost.json": {"p": {"$ref": "nowhere.json"}},
    "schemas/lost_inside.json": {"p": {"$ref": "#/definitions/nowhere"}},
    "schemas/circle.json": {"p": {"$ref": "#/definitions/a"}, "definitions": {"a": {"p": {"$ref": "#/definitions/a"}}}},
    "schemas/broken.json": "{",
}


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResourceSchemaLoader:
    for name, content in {"__init__.py": "", **FILES}.items():
        path = tmp_path / "schemas_under_test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "schemas_under_test", raising=False)
    return ResourceSchemaLoader("schemas_under_test")


def test_references_are_replaced_by_copies(loader: ResourceSchemaLoader) -> None:
    assert loader.get_schema("x") == {
        "type": "object",
        "properties": {
            "a": {"type": "number"},
            "b": {"type": "boolean", "x": {"type": "null"}},
            "c": {"type": "string"},
            "d": {"type": "array", "items": [{"type": "string"}]},
        },
        "definitions": {"k": {"type": "string"}},
    }


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("missing", FileNotFoundError, "missing"),
        ("broken", RuntimeError, "broken"),
        ("lost", SchemaReferenceError, "nowhere.json"),
        ("lost_inside", SchemaReferenceError, "/definitions/nowhere"),
        ("circle", SchemaReferenceError, "leads to itself"),
    ],
)
def test_schemas_that_cannot_be_loaded(
    loader: ResourceSchemaLoader, name: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        loader.get_schema(name)


def test_local_references_are_expanded_in_place() -> None:
    schema = {
        "a": {"$ref": "#/definitions/d", "title": "kept", "type": "lost"},
        "l": [{"$ref": "#/definitions/e"}],
        "definitions": {"d": {"type": "object", "p": {"$ref": "#/definitions/e"}}, "e": {"type": "string"}},
    }
    expand_refs(schema)
    assert schema == {
        "a": {"title": "kept", "type": "object", "p": {"type": "string"}},
        "l": [{"type": "string"}],
    }
    with pytest.raises(RecursionError):
        expand_refs({"a": {"$ref": "#/definitions/a"}, "definitions": {"a": {"b": {"$ref": "#/definitions/a"}}}})
    with pytest.raises(SchemaReferenceError):
        expand_refs({"a": {"$ref": "other.json"}})
    with pytest.raises(SchemaReferenceError):
        expand_refs({"a": {"$ref": "#/definitions/a"}})


def test_keys_are_renamed_in_mappings() -> None:
    schema = {"anyOf": [{"anyOf": 1}], "a": {"anyOf": {"anyOf": 2}, "b": 3}}
    rename_key(schema, "anyOf", "oneOf")
    assert schema == {"oneOf": [{"anyOf": 1}], "a": {"oneOf": {"oneOf": 2}, "b": 3}}


def test_settings_for_tests_are_split_off() -> None:
    own, internal = split_config({"a": 1, "_limit": "3", "_page_size": 2, "_other": 1})
    assert own == {"a": 1, "_other": 1}
    assert (internal.limit, internal.page_size) == (3, 2)
    assert internal == InternalConfig(_limit=3, _page_size=2)
    assert internal.dict() == {"_limit": 3, "_page_size": 2}
    assert InternalConfig().dict() == {}
    with pytest.raises(AirbyteTracedException, match="_limit"):
        split_config({"_limit": "many"})


@pytest.mark.parametrize(("limit", "count", "reached"), [(None, 9, False), (0, 9, False), (3, 2, False), (3, 3, True)])
def test_the_limit(limit: int | None, count: int, reached: bool) -> None:
    assert InternalConfig(_limit=limit).is_limit_reached(count) is reached


def test_a_config_is_checked_against_the_spec() -> None:
    properties = {"a": {"type": "string", "format": "date", "pattern": "^x"}, "l": {"items": {"required": ["k"]}}}
    spec = ConnectorSpecification(connectionSpecification={"type": "object", "properties": properties})
    check_config_against_spec_or_exit({"a": "x is not a date"}, spec)
    for config, place in [({"a": 1}, "a: "), ({"a": "y"}, "a: "), ({"l": [{"k": 1}, {}]}, "l[1]: ")]:
        with pytest.raises(AirbyteTracedException) as caught:
            check_config_against_spec_or_exit(config, spec)
        assert caught.value.failure_type is FailureType.config_error
        assert caught.value.message is not None
        assert caught.value.internal_message is not None
        assert caught.value.internal_message.startswith(place)
        assert caught.value.message.endswith(caught.value.internal_message)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_a_spec_that_is_no_schema_is_told_without_the_config() -> None:
    config = {"a": "TOPSECRET"}
    for broken in ({"type": "strin"}, {"pattern": "("}, {"$ref": "#/nowhere"}, {"type": "string", "enum": 1}):
        spec = ConnectorSpecification(connectionSpecification={"type": "object", "properties": {"a": broken}})
        with pytest.raises(AirbyteTracedException, match=r"spec of the connector is not a valid JSON schema") as caught:
            check_config_against_spec_or_exit(config, spec)
        assert caught.value.failure_type is FailureType.system_error
        trace = caught.value.as_airbyte_message().trace
        assert trace is not None
        assert "TOPSECRET" not in str(trace)
