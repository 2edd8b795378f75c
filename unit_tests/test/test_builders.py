from __future__ import annotations

from airbyte_cdk.models import AirbyteStateBlob, AirbyteStateType, DestinationSyncMode, SyncMode
from airbyte_cdk.test.catalog_builder import CatalogBuilder, ConfiguredAirbyteStreamBuilder
from airbyte_cdk.test.state_builder import StateBuilder


def test_a_stream_as_it_is_by_default() -> None:
    stream = ConfiguredAirbyteStreamBuilder().build()
    assert stream.stream.name == "any name"
    assert stream.stream.json_schema == {}
    assert stream.stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
    assert stream.stream.source_defined_primary_key == stream.primary_key == [["id"]]
    assert stream.sync_mode is SyncMode.full_refresh
    assert stream.destination_sync_mode is DestinationSyncMode.overwrite


def test_a_catalog() -> None:
    own = ConfiguredAirbyteStreamBuilder().with_name("b").with_sync_mode(SyncMode.incremental)
    own.with_primary_key([["x"], ["y"]]).with_json_schema({"type": "object"})
    first, second = CatalogBuilder().with_stream("a", SyncMode.incremental).with_stream(own).build().streams
    assert (first.stream.name, first.sync_mode) == ("a", SyncMode.incremental)
    assert (second.stream.name, second.sync_mode) == ("b", SyncMode.incremental)
    assert second.primary_key == [["x"], ["y"]]
    assert second.stream.json_schema == {"type": "object"}


def test_states() -> None:
    states = StateBuilder().with_stream_state("a", {"c": 1}).with_stream_state("b", AirbyteStateBlob({"d": 2})).build()
    assert [state.type for state in states] == [AirbyteStateType.STREAM] * 2
    streams = [state.stream for state in states if state.stream is not None]
    assert [(s.stream_descriptor.name, s.stream_descriptor.namespace) for s in streams] == [("a", None), ("b", None)]
    assert [s.stream_state for s in streams] == [AirbyteStateBlob({"c": 1}), AirbyteStateBlob({"d": 2})]
