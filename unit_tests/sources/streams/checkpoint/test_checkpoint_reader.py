from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airbyte_cdk.sources.streams.checkpoint import (
    FULL_REFRESH_COMPLETE_STATE,
    CheckpointReader,
    CursorBasedCheckpointReader,
    FullRefreshCheckpointReader,
    IncrementalCheckpointReader,
    LegacyCursorBasedCheckpointReader,
    ResumableFullRefreshCheckpointReader,
    ResumableFullRefreshCursor,
    SubstreamResumableFullRefreshCursor,
)
from airbyte_cdk.sources.types import StreamSlice

MARK = {"__ab_no_cursor_state_message": True}


def slices_of(reader: CheckpointReader) -> list[Any]:
    found = []
    while (part := reader.next()) is not None:
        found.append(dict(part))
    return found


def part(partition: Mapping[str, Any]) -> StreamSlice:
    return StreamSlice(partition=partition, cursor_slice={})


def test_a_full_refresh_is_worth_a_mark_at_its_end() -> None:
    reader = FullRefreshCheckpointReader([None, {"p": 1}])
    assert slices_of(reader) == [{}, {"p": 1}]
    assert reader.get_checkpoint() is None
    assert reader.final() == MARK


def test_an_incremental_slice_is_worth_the_state_observed_last() -> None:
    reader = IncrementalCheckpointReader({"c": 1}, [{"p": 1}, {"p": 2}])
    assert reader.next() == {"p": 1}
    assert reader.get_checkpoint() == {"c": 1}
    reader.observe({"c": 2})
    assert reader.get_checkpoint() == reader.final() == {"c": 2}
    assert slices_of(reader) == [{"p": 2}]


def test_pages_go_on_until_the_state_is_complete_or_comes_again() -> None:
    reader = ResumableFullRefreshCheckpointReader({"page": 2})
    assert reader.next() == {"page": 2}
    assert not reader.goes_on
    reader.observe({"page": 3})
    assert reader.next() == {"page": 3}
    assert reader.goes_on
    reader.observe({"page": 2})
    assert reader.next() is None
    done = ResumableFullRefreshCheckpointReader(FULL_REFRESH_COMPLETE_STATE)
    assert done.next() is None
    assert done.final() == FULL_REFRESH_COMPLETE_STATE


def test_a_cursor_is_asked_for_its_state_only_if_the_slices_are_given() -> None:
    cursor = ResumableFullRefreshCursor()
    reader = CursorBasedCheckpointReader(cursor, [part({"p": 1}), part({"p": 2})])
    assert reader.next() == {"p": 1}
    assert reader.get_checkpoint() is None
    cursor.close_slice(StreamSlice(partition={}, cursor_slice={"page": 2}))
    assert reader.get_checkpoint() == {"page": 2}
    assert reader.get_checkpoint() is None
    assert slices_of(reader) == [{"p": 2}]
    assert reader.final() == {"page": 2}


def test_a_partition_is_read_again_until_its_state_stands_still() -> None:
    cursor = ResumableFullRefreshCursor()
    reader = CursorBasedCheckpointReader(cursor, [part({})], read_state_from_cursor=True)
    assert reader.next() == {}
    cursor.close_slice(StreamSlice(partition={}, cursor_slice={"page": 2}))
    assert reader.next() == {"page": 2}
    assert reader.goes_on
    assert reader.next() is None
    assert CursorBasedCheckpointReader(ResumableFullRefreshCursor(), []).final() == MARK


def test_complete_partitions_are_left_out() -> None:
    cursor = SubstreamResumableFullRefreshCursor()
    cursor.close_slice(part({"p": 1}))
    reader = LegacyCursorBasedCheckpointReader(cursor, [{"p": 1}, {"p": 2}])
    assert reader.next() == {"partition": {"p": 2}, "cursor_slice": {}, "p": 2}
    assert reader.next() is None


def test_the_states_of_many_partitions_form_a_geometric_series() -> None:
    cursor = SubstreamResumableFullRefreshCursor()
    reader = CursorBasedCheckpointReader(cursor, [part({"p": n}) for n in range(1000)], True)
    sent = []
    while (chosen := reader.next()) is not None:
        assert isinstance(chosen, StreamSlice)
        cursor.close_slice(chosen)
        if (state := reader.get_checkpoint()) is not None:
            sent.append(len(state["states"]))
    assert sent[:3] == [1, 2, 3]
    assert sum(sent) < 3 * 1000
    assert len(reader.final()["states"]) == 1000


@pytest.mark.parametrize("key", ["partition", "cursor_slice"])
def test_keys_of_plain_slices_may_not_hide_the_parts(key: str) -> None:
    reader = LegacyCursorBasedCheckpointReader(SubstreamResumableFullRefreshCursor(), [{key: 1}])
    with pytest.raises(ValueError, match=key):
        reader.next()
