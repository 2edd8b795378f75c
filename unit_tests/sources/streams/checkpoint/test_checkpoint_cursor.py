from __future__ import annotations

from typing import Any

import pytest

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.checkpoint import (
    FULL_REFRESH_COMPLETE_STATE,
    PerPartitionKeySerializer,
    ResumableFullRefreshCursor,
    SubstreamResumableFullRefreshCursor,
)
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

COMPLETE = {"__ab_full_refresh_sync_complete": True}


def test_a_page_cursor_keeps_what_the_closed_slice_says() -> None:
    cursor = ResumableFullRefreshCursor()
    assert cursor.get_stream_state() == {}
    cursor.set_initial_state({"page": 2})
    assert cursor.select_state() == {"page": 2} == cursor.get_stream_state()
    cursor.close_slice(StreamSlice(partition={"ignored": 1}, cursor_slice={"page": 3}))
    cursor.observe(StreamSlice(partition={}, cursor_slice={}), Record({}, "s"))
    assert cursor.get_stream_state() == {"page": 3}
    assert cursor.should_be_synced(Record({}, "s"))
    assert cursor.state_entries() == 0


def test_a_substream_cursor_keeps_the_complete_partitions() -> None:
    cursor = SubstreamResumableFullRefreshCursor()
    assert cursor.get_stream_state() == {}
    first = StreamSlice(partition={"parent": {"id": 1}}, cursor_slice={})
    assert cursor.select_state(first) is None
    cursor.close_slice(first)
    assert cursor.get_stream_state() == {"states": [{"partition": {"parent": {"id": 1}}, "cursor": COMPLETE}]}
    assert cursor.select_state(first) == FULL_REFRESH_COMPLETE_STATE
    again = SubstreamResumableFullRefreshCursor()
    again.set_initial_state(cursor.get_stream_state())
    assert again.select_state(first) == COMPLETE
    assert again.state_entries() == 1
    assert again.should_be_synced(Record({}, "s"))
    again.set_initial_state({})
    assert again.get_stream_state() == {}
    with pytest.raises(ValueError, match="for a slice"):
        again.select_state()


@pytest.mark.parametrize("state", [{"page": 2}, COMPLETE])
def test_a_substream_cursor_refuses_a_state_of_another_form(state: Any) -> None:
    with pytest.raises(AirbyteTracedException, match="Reset the stream") as caught:
        SubstreamResumableFullRefreshCursor().set_initial_state(state)
    assert caught.value.failure_type is FailureType.config_error


def test_partition_keys_do_not_depend_on_order() -> None:
    key = PerPartitionKeySerializer.to_partition_key({"b": 1, "a": {"d": 2, "c": 3}})
    assert key == '{"a":{"c":3,"d":2},"b":1}'
    assert PerPartitionKeySerializer.to_partition(key) == {"a": {"c": 3, "d": 2}, "b": 1}
