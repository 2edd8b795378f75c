from __future__ import annotations

import datetime
import decimal
import json
import logging
import subprocess
import sys
import uuid
from typing import Any

import airbyte_protocol_dataclasses.models as protocol
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serpyco_rs import SchemaValidationError

from airbyte_cdk import models
from airbyte_cdk.models import (
    AdvancedAuth,
    AirbyteControlConnectorConfigMessage,
    AirbyteControlMessage,
    AirbyteGlobalState,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteRecordMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    AirbyteStateType,
    AirbyteStreamState,
    AirbyteStreamStateSerializer,
    AuthFlowType,
    ConfiguredAirbyteCatalogSerializer,
    ConnectorSpecification,
    ConnectorSpecificationSerializer,
    DestinationSyncMode,
    Level,
    OAuthConfigSpecification,
    OauthConnectorInputSpecification,
    OrchestratorType,
    StreamDescriptor,
    Type,
    json_text,
)
from airbyte_cdk.models.serializers import MessageEncodingError, message_line

EXTENDED = {
    "AdvancedAuth",
    "AirbyteGlobalState",
    "AirbyteMessage",
    "AirbyteStateBlob",
    "AirbyteStateMessage",
    "AirbyteStreamState",
    "ConnectorSpecification",
    "OAuthConfigSpecification",
    "OauthConnectorInputSpecification",
}

CONFIGURED_STREAM: dict[str, Any] = {
    "stream": {"name": "s", "json_schema": {"x": None, "y": {"z": None}}, "supported_sync_modes": ["full_refresh"]},
    "sync_mode": "full_refresh",
    "destination_sync_mode": "overwrite",
}


def record(data: Any) -> AirbyteMessage:
    return AirbyteMessage(type=Type.RECORD, record=AirbyteRecordMessage(stream="s", data=data, emitted_at=1))


def state(blob: Any) -> AirbyteMessage:
    stream = AirbyteStreamState(stream_descriptor=StreamDescriptor(name="s"), stream_state=blob)
    return AirbyteMessage(type=Type.STATE, state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream))


@pytest.mark.parametrize("name", [name for name in models.__all__ if not name.endswith("Serializer")])
def test_the_classes_are_those_of_the_protocol_package_save_nine(name: str) -> None:
    assert (getattr(models, name) is getattr(protocol, name)) == (name not in EXTENDED)


def test_nulls_are_dropped_at_the_top_level_of_free_form_objects_only() -> None:
    free = {"a": None, "b": {"c": None}, "d": [None]}
    kept = {"b": {"c": None}, "d": [None]}
    assert AirbyteMessageSerializer.dump(record(free))["record"]["data"] == kept
    spec = ConnectorSpecification(connectionSpecification=free)
    assert ConnectorSpecificationSerializer.dump(spec) == {
        "connectionSpecification": kept,
        "supportsNormalization": False,
        "supportsDBT": False,
    }
    control = AirbyteControlMessage(
        type=OrchestratorType.CONNECTOR_CONFIG,
        emitted_at=1.5,
        connectorConfig=AirbyteControlConnectorConfigMessage(config=free),
    )
    dumped = AirbyteMessageSerializer.dump(AirbyteMessage(type=Type.CONTROL, control=control))
    assert dumped["control"]["connectorConfig"]["config"] == kept
    legacy = AirbyteStateMessage(type=AirbyteStateType.LEGACY, data=free)
    assert AirbyteStateMessageSerializer.dump(legacy) == {"type": "LEGACY", "data": kept}


def test_a_state_keeps_its_nulls() -> None:
    dumped = AirbyteMessageSerializer.dump(state(AirbyteStateBlob({"a": None}, b={"c": None})))
    assert dumped["state"]["stream"]["stream_state"] == {"a": None, "b": {"c": None}}
    whole = AirbyteGlobalState(
        stream_states=[AirbyteStreamState(StreamDescriptor(name="s"), AirbyteStateBlob(x=None))],
        shared_state=AirbyteStateBlob(y=None),
    )
    message = AirbyteStateMessage(type=AirbyteStateType.GLOBAL, global_=whole)
    wire = {
        "type": "GLOBAL",
        "global": {
            "stream_states": [{"stream_descriptor": {"name": "s"}, "stream_state": {"x": None}}],
            "shared_state": {"y": None},
        },
    }
    assert AirbyteStateMessageSerializer.dump(message) == wire
    assert AirbyteStateMessageSerializer.load(wire) == message


def test_a_state_blob_compares_by_its_content_and_shows_nothing() -> None:
    blob = AirbyteStateBlob({"a": 1, "b": 1}, b=2)
    assert vars(blob) == {"a": 1, "b": 2}
    assert blob == AirbyteStateBlob([("a", 1)], b=2)
    assert blob != AirbyteStateBlob(a=1)
    assert blob != {"a": 1, "b": 2}
    assert repr(blob) == "AirbyteStateBlob()"
    with pytest.raises(TypeError):
        hash(blob)
    with pytest.raises(TypeError):
        AirbyteStateBlob(None)  # type: ignore[arg-type]


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(), st.lists)))
@settings(max_examples=60, deadline=None)
def test_a_state_survives_the_way_out_and_in(content: dict[str, Any]) -> None:
    stream = AirbyteStreamState(StreamDescriptor(name="s", namespace="n"), AirbyteStateBlob(content))
    loaded = AirbyteStreamStateSerializer.load(json.loads(json.dumps(AirbyteStreamStateSerializer.dump(stream))))
    assert loaded == stream


@pytest.mark.parametrize(
    "message",
    [
        AirbyteMessage(type="LOG"),  # type: ignore[arg-type]
        AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level="INFO", message="x")),  # type: ignore[arg-type]
        record([1]),
        state({"a": 1}),
    ],
)
def test_dump_refuses_wrong_classes(message: AirbyteMessage) -> None:
    with pytest.raises(SchemaValidationError):
        AirbyteMessageSerializer.dump(message)


@pytest.mark.parametrize(
    ("content", "accepted"),
    [
        ({"stream": {"stream_descriptor": {"name": "x"}, "unknown": 1}}, True),
        ({"type": None, "stream": None}, True),
        ({"type": "SOMETHING"}, False),
        ({"stream": {"stream_descriptor": {}}}, False),
        ({"stream": {"stream_descriptor": {"name": "x"}, "stream_state": [1]}}, False),
        ("text", False),
    ],
)
def test_loading_a_state_message(content: Any, accepted: bool) -> None:
    if accepted:
        assert isinstance(AirbyteStateMessageSerializer.load(content), AirbyteStateMessage)
    else:
        with pytest.raises(SchemaValidationError):
            AirbyteStateMessageSerializer.load(content)


def test_loading_a_catalog() -> None:
    content = {"streams": [{**CONFIGURED_STREAM, "unknown": 1, "cursor_field": None}], "unknown": 2}
    catalog = ConfiguredAirbyteCatalogSerializer.load(content)
    assert catalog.streams[0].destination_sync_mode is DestinationSyncMode.overwrite
    dumped = ConfiguredAirbyteCatalogSerializer.dump(catalog)
    assert dumped["streams"][0]["stream"]["json_schema"] == {"y": {"z": None}}
    incomplete = {key: value for key, value in CONFIGURED_STREAM.items() if key != "sync_mode"}
    with pytest.raises(SchemaValidationError, match="sync_mode"):
        ConfiguredAirbyteCatalogSerializer.load({"streams": [incomplete]})


@pytest.mark.parametrize("mode", [*(mode.value for mode in DestinationSyncMode), "overwrite_dedup"])
def test_every_destination_mode_of_the_platform_is_accepted(mode: str) -> None:
    content = {"streams": [{**CONFIGURED_STREAM, "destination_sync_mode": mode}]}
    catalog = ConfiguredAirbyteCatalogSerializer.load(content)
    loaded = catalog.streams[0].destination_sync_mode
    assert isinstance(loaded, DestinationSyncMode)
    assert loaded.value == mode
    assert ConfiguredAirbyteCatalogSerializer.dump(catalog)["streams"][0]["destination_sync_mode"] == mode


def test_an_unknown_destination_mode_is_refused() -> None:
    with pytest.raises(SchemaValidationError, match="no_such_mode"):
        ConfiguredAirbyteCatalogSerializer.load(
            {"streams": [{**CONFIGURED_STREAM, "destination_sync_mode": "no_such_mode"}]}
        )


@pytest.mark.parametrize("flow", ["oauth2.0", AuthFlowType.oauth2_0])
def test_oauth_survives_a_round_trip(flow: AuthFlowType | str) -> None:
    oauth = OauthConnectorInputSpecification(
        consent_url="c", access_token_url="a", scopes=[{"scope": "x"}], optional_scopes=[{"scope": "y"}]
    )
    oauth.scopes_join_strategy = "anything"
    spec = ConnectorSpecification(
        connectionSpecification={},
        advanced_auth=AdvancedAuth(
            auth_flow_type=flow,
            oauth_config_specification=OAuthConfigSpecification(oauth_connector_input_specification=oauth),
        ),
    )
    dumped = ConnectorSpecificationSerializer.dump(spec)
    assert dumped["advanced_auth"] == {
        "auth_flow_type": "oauth2.0",
        "oauth_config_specification": {
            "oauth_connector_input_specification": {
                "consent_url": "c",
                "access_token_url": "a",
                "scopes": [{"scope": "x"}],
                "optional_scopes": [{"scope": "y"}],
                "scopes_join_strategy": "anything",
            }
        },
    }
    loaded = ConnectorSpecificationSerializer.load(dumped)
    assert loaded.advanced_auth is not None
    assert loaded.advanced_auth.auth_flow_type is AuthFlowType.oauth2_0
    assert ConnectorSpecificationSerializer.dump(loaded) == dumped


def test_an_unknown_oauth_flow_is_refused() -> None:
    spec = ConnectorSpecification(connectionSpecification={}, advanced_auth=AdvancedAuth(auth_flow_type="oauth9"))
    with pytest.raises(SchemaValidationError):
        ConnectorSpecificationSerializer.dump(spec)


def test_a_line_prints_python_values_natively() -> None:
    data = {
        "at": datetime.datetime(2024, 1, 2, 3, 4, 5, 60, tzinfo=datetime.UTC),
        "naive": datetime.datetime(2024, 1, 2),
        "day": datetime.date(2024, 1, 2),
        "id": uuid.UUID(int=1),
        "enum": Level.INFO,
        "nan": float("nan"),
        "inf": [float("inf")],
        "big": 2**64 - 1,
    }
    line = message_line(record(data))
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["record"]["data"] == {
        "at": "2024-01-02T03:04:05.000060+00:00",
        "naive": "2024-01-02T00:00:00",
        "day": "2024-01-02",
        "id": "00000000-0000-0000-0000-000000000001",
        "enum": "INFO",
        "nan": None,
        "inf": [None],
        "big": 2**64 - 1,
    }


def test_the_slow_encoder_takes_what_the_fast_one_refuses_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(json_text, "_told", False)
    data = {
        "big": 2**70,
        "keys": {1: "a", None: "b", False: "c"},
        "half": "\ud800",
        "nan": float("nan"),
        "at": datetime.datetime(2024, 1, 2),
        "enum": Level.INFO,
        "tuple": (1, 2),
    }
    with caplog.at_level(logging.WARNING):
        lines = [message_line(record(data)), message_line(record(data))]
    assert lines[0] == lines[1]
    assert b'"big":1180591620717411303424' in lines[0]
    assert json.loads(lines[0])["record"]["data"] == {
        "big": 2**70,
        "keys": {"1": "a", "null": "b", "false": "c"},
        "half": "\ud800",
        "nan": None,
        "at": "2024-01-02T00:00:00",
        "enum": "INFO",
        "tuple": [1, 2],
    }
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]
    assert "stream s" in caplog.text


@pytest.mark.parametrize(
    ("value", "named"), [(decimal.Decimal("7.5"), "Decimal"), (b"secret bytes", "bytes"), ({"set"}, "set")]
)
def test_a_value_without_json_form_is_an_error_that_names_the_stream_and_no_value(value: Any, named: str) -> None:
    with pytest.raises(MessageEncodingError) as caught:
        message_line(record({"v": value}))
    assert "stream s" in str(caught.value)
    assert named in str(caught.value)
    assert "7.5" not in str(caught.value)
    assert "secret bytes" not in str(caught.value)


def test_data_of_a_wrong_type_is_an_error_without_the_data() -> None:
    with pytest.raises(MessageEncodingError, match="stream s") as caught:
        message_line(record(["private"]))
    assert "private" not in str(caught.value)
    with pytest.raises(MessageEncodingError, match="AirbyteStateBlob"):
        message_line(state({"a": 1}))


def test_the_serializer_library_is_not_loaded_before_it_is_used() -> None:
    code = (
        "import sys; from airbyte_cdk.models import AirbyteMessageSerializer as s, AirbyteMessage, Type\n"
        "assert 'serpyco_rs' not in sys.modules\n"
        "assert s.dump(AirbyteMessage(type=Type.LOG)) == {'type': 'LOG'}\n"
        "assert 'serpyco_rs' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
