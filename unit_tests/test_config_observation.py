from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from airbyte_cdk import create_connector_config_control_message, emit_configuration_as_airbyte_control_message
from airbyte_cdk.config_observation import ObservedDict, observe_connector_config
from airbyte_cdk.models import AirbyteMessageSerializer


def printed(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["type"] == "CONTROL" for line in lines)
    return [line["control"]["connectorConfig"]["config"] for line in lines]


def test_the_message() -> None:
    message = AirbyteMessageSerializer.dump(create_connector_config_control_message({"a": 1, "b": None}))
    assert message["control"]["type"] == "CONNECTOR_CONFIG"
    assert message["control"]["connectorConfig"] == {"config": {"a": 1}}
    assert isinstance(message["control"]["emitted_at"], float)


def test_printing(capsys: pytest.CaptureFixture[str]) -> None:
    emit_configuration_as_airbyte_control_message({"a": 1})
    assert printed(capsys) == [{"a": 1}]


def test_assignments_are_observed_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    config = observe_connector_config({"a": {"b": 1}, "l": [{"x": 1}]})
    assert printed(capsys) == []
    config["a"]["b"] = 2
    config["l"][0]["x"] = 3
    config["new"] = {"y": 1}
    config["new"]["y"] = 1
    assert printed(capsys) == [
        {"a": {"b": 2}, "l": [{"x": 1}]},
        {"a": {"b": 2}, "l": [{"x": 3}]},
        {"a": {"b": 2}, "l": [{"x": 3}], "new": {"y": 1}},
        {"a": {"b": 2}, "l": [{"x": 3}], "new": {"y": 1}},
    ]
    config.update(z=1)
    del config["z"]
    assert printed(capsys) == []
    assert isinstance(config, dict)


def test_a_copy_is_not_observed(capsys: pytest.CaptureFixture[str]) -> None:
    duplicate = copy.deepcopy(observe_connector_config({"a": {"b": 1}}))
    duplicate["a"]["b"] = 2
    assert type(duplicate) is dict
    assert printed(capsys) == []


def test_what_is_observed_cannot_be_observed_again() -> None:
    with pytest.raises(ValueError, match="observed already"):
        observe_connector_config(ObservedDict({}))


def test_changes_that_are_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    config = observe_connector_config({"a": {"b": 1}})
    config.set_untold("c", {"d": 1})
    config["a"].set_untold("b", 2)
    assert capsys.readouterr().out == ""
    config["c"]["d"] = 2
    assert capsys.readouterr().out.count("CONNECTOR_CONFIG") == 1
    assert config == {"a": {"b": 2}, "c": {"d": 2}}
