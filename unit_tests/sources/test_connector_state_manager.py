from __future__ import annotations

from typing import Any

import pytest

from airbyte_cdk.models import AirbyteMessageSerializer, AirbyteStateMessageSerializer
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager, HashableStreamDescriptor


def manager(*messages: Any) -> ConnectorStateManager:
    return ConnectorStateManager([AirbyteStateMessageSerializer.load(message) for message in messages])


def stream(name: str, state: Any = None, namespace: str | None = None) -> dict[str, Any]:
    return {"stream_descriptor": {"name": name, "namespace": namespace}, "stream_state": state}


def test_states_of_streams() -> None:
    states = manager(
        {"type": "STREAM", "stream": stream("a", {"x": {"y": 1}})},
        {"type": "STREAM", "stream": stream("b", None, "n")},
        {"stream": stream("untyped", {"x": 1})},
        {"type": "LEGACY", "data": {"c": {"x": 1}}},
    )
    assert set(states.per_stream_states) == {HashableStreamDescriptor("a"), HashableStreamDescriptor("b", "n")}
    assert states.get_stream_state("a", None) == {"x": {"y": 1}}
    assert states.get_stream_state("b", "n") == states.get_stream_state("a", "n") == {}
    states.get_stream_state("a", None)["x"]["y"] = 2
    assert states.get_stream_state("a", None) == {"x": {"y": 1}}


def test_a_global_state() -> None:
    one = {"type": "GLOBAL", "global": {"stream_states": [stream("a", {"x": 1})], "shared_state": {}}}
    assert manager(one).get_stream_state("a", None) == {"x": 1}
    assert manager(one, one).per_stream_states == {}
    shared = {"type": "GLOBAL", "global": {"stream_states": [], "shared_state": {"x": 1}}}
    with pytest.raises(ValueError, match="shared"):
        manager(shared)


def test_no_state() -> None:
    assert ConnectorStateManager(None).per_stream_states == ConnectorStateManager([]).per_stream_states == {}


def test_a_state_message_is_a_snapshot() -> None:
    states = manager()
    content = {"deep": {"x": 1}}
    states.update_state_for_stream("a", "n", content)
    message = states.create_state_message("a", "n")
    content["deep"]["x"] = 2
    states.update_state_for_stream("a", "n", {})
    assert AirbyteMessageSerializer.dump(message) == {
        "type": "STATE",
        "state": {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "a", "namespace": "n"}, "stream_state": {"deep": {"x": 1}}},
        },
    }
    unknown = AirbyteMessageSerializer.dump(states.create_state_message("unknown", None))
    assert unknown["state"]["stream"]["stream_state"] == {}
