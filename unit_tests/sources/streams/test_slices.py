"""Plain streams read slice by slice, through the entrypoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from plain_streams import Counted, Legacy, Numbers, Pages, events, sync

from airbyte_cdk.models import AirbyteStreamStatus, FailureType, SyncMode
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.checkpoint import (
    FULL_REFRESH_COMPLETE_STATE,
    ResumableFullRefreshCursor,
    SubstreamResumableFullRefreshCursor,
)
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.sources.utils.schema_helpers import InternalConfig
from airbyte_cdk.sources.utils.slice_logger import AlwaysLogSliceLogger, DebugSliceLogger

MARK = {"__ab_no_cursor_state_message": True}
COMPLETE = {"__ab_full_refresh_sync_complete": True}
DONE = [AirbyteStreamStatus.STARTED, AirbyteStreamStatus.RUNNING, AirbyteStreamStatus.COMPLETE]


def test_a_full_refresh_ends_with_a_mark() -> None:
    output = sync(stream := Numbers())
    assert events(output) == [1, 2, 3, (MARK, 3.0)]
    assert stream.calls == [{}]
    assert output.get_stream_statuses("numbers") == DONE


def test_all_slices_are_read_and_none_is_an_empty_one() -> None:
    output = sync(stream := Numbers(slices=[None, {"p": 1}, StreamSlice(partition={"p": 2}, cursor_slice={})]))
    assert stream.calls == [{}, {"p": 1}, {"p": 2}]
    assert events(output)[-1] == (MARK, 9.0)
    assert stream.has_multiple_slices


def test_a_single_slice_of_none_is_read() -> None:
    output = sync(stream := Numbers(slices=[None]))
    assert stream.calls == [{}]
    assert events(output) == [1, 2, 3, (MARK, 3.0)]
    assert not stream.has_multiple_slices


@pytest.mark.parametrize(
    ("stream", "state", "final"),
    [
        (Numbers(slices=[]), {"old": 1}, MARK),
        (Counted(slices=[]), {"c": 2}, {"c": 2}),
        (Counted(slices=[]), None, {}),
        (Legacy(slices=[]), {"c": 2}, {"c": 2}),
        (Pages(slices=[]), {"page": 2}, {"page": 2}),
        (Numbers(slices=[], cursor=ResumableFullRefreshCursor()), None, MARK),
    ],
)
def test_without_slices_the_state_is_told_as_it_is(stream: Numbers, state: Any, final: Any) -> None:
    output = sync(stream, state=state)
    assert events(output) == [(final, 0.0)]
    assert stream.calls == []
    assert output.get_stream_statuses("numbers") == [DONE[0], DONE[2]]


def test_the_legacy_state_is_made_of_each_record() -> None:
    assert events(sync(Legacy(), state={"c": 1}, mode=SyncMode.incremental)) == [1, 2, 3, ({"c": 3}, 3.0)]


def test_the_legacy_state_is_only_kept_if_there_is_a_cursor_field() -> None:
    stream = type("Old", (Legacy,), {"cursor_field": []})()
    assert events(sync(stream)) == [1, 2, 3, (MARK, 3.0)]
    assert len(stream.calls) == 1


@pytest.mark.parametrize("stream", [Counted(state_checkpoint_interval=2), Legacy(state_checkpoint_interval=2)])
def test_states_come_each_interval_and_after_each_slice(stream: Stream) -> None:
    assert events(sync(stream)) == [1, 2, ({"c": 2}, 2.0), 3, ({"c": 3}, 1.0)]


def test_the_interval_counts_over_slices() -> None:
    stream = Legacy(state_checkpoint_interval=4, slices=[{"p": 1}, {"p": 2}])
    assert events(sync(stream)) == [1, 2, 3, ({"c": 3}, 3.0), 1, ({"c": 3}, 1.0), 2, 3, ({"c": 3}, 2.0)]


def test_a_state_goes_on_in_the_next_sync() -> None:
    output = sync(Counted(), state={"c": 2}, mode=SyncMode.incremental)
    assert events(output) == [3, ({"c": 3}, 1.0)]
    output = sync(Counted(), state={"c": 3}, mode=SyncMode.incremental)
    assert events(output) == [({"c": 3}, 0.0)]


def test_a_state_that_says_that_there_is_none_is_none() -> None:
    assert events(sync(Counted(), state=MARK)) == [1, 2, 3, ({"c": 3}, 3.0)]


def test_a_state_may_be_a_plain_attribute() -> None:
    class Attribute(Numbers):
        cursor_field = "c"
        state: Mapping[str, Any] = {}

        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            for record in super().read_records(*args, **kwargs):
                if record["c"] > self.state.get("c", 0):
                    self.state = {"c": record["c"]}
                    yield record

    assert events(sync(Attribute(), state={"c": 2})) == [3, ({"c": 3}, 1.0)]


def test_a_state_message_is_a_snapshot() -> None:
    class InPlace(Counted):
        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            assert isinstance(self._state, dict)
            for c in range(1, 4):
                self._state["c"] = c
                yield {"c": c}

    stream = InPlace(state_checkpoint_interval=1)
    assert events(sync(stream)) == [1, ({"c": 1}, 1.0), 2, ({"c": 2}, 1.0), 3, ({"c": 3}, 1.0)]


def test_pages_are_read_until_the_refresh_is_complete() -> None:
    output = sync(stream := Pages())
    assert events(output) == [1, ({"page": 2}, 1.0), 2, ({"page": 3}, 1.0), 3, (COMPLETE, 1.0)]
    assert stream.calls == [{}, {"page": 2}, {"page": 3}]


def test_a_refresh_that_broke_off_goes_on_at_its_page() -> None:
    assert events(sync(Pages(), state={"page": 3})) == [3, (COMPLETE, 1.0)]
    output = sync(stream := Pages(), state=COMPLETE)
    assert events(output) == [(COMPLETE, 0.0)]
    assert stream.calls == []
    assert output.get_stream_statuses("numbers")[-1] is AirbyteStreamStatus.COMPLETE


def test_a_state_that_does_not_move_is_not_read_again() -> None:
    stream = type("Still", (Pages,), {"read_records": Numbers.read_records})()
    assert events(sync(stream)) == [1, 2, 3, (MARK, 3.0)]
    assert events(sync(type(stream)(), state={"page": 2})) == [1, 2, 3, ({"page": 2}, 3.0)]


def test_a_stream_with_a_state_of_a_full_refresh_reads_all_of_its_slices() -> None:
    stream = Pages(slices=[{"p": 1}, {"p": 2}])
    assert events(sync(stream)) == [1, 2, (MARK, 2.0)]


class PagesByCursor(Numbers):
    """Pages whose token is kept by a cursor, as HTTP streams do."""

    def __init__(self, **attributes: Any) -> None:
        self.cursor: Any = ResumableFullRefreshCursor()
        super().__init__(**attributes)

    @property
    def state(self) -> Any:
        return self.cursor.get_stream_state()

    @state.setter
    def state(self, value: Any) -> None:
        self.cursor.set_initial_state(value)

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        part = kwargs["stream_slice"]
        self.calls.append(dict(part))
        cursor = self.get_cursor()
        assert cursor is not None
        if isinstance(cursor, SubstreamResumableFullRefreshCursor):
            yield {"c": part["p"]}
            cursor.close_slice(StreamSlice(partition=part["partition"], cursor_slice={}))
            return
        page = part.get("page", 1)
        yield {"c": page}
        token = {"page": page + 1} if page < 2 else FULL_REFRESH_COMPLETE_STATE
        cursor.close_slice(StreamSlice(partition={}, cursor_slice=token))


def test_a_cursor_that_keeps_the_page() -> None:
    assert events(sync(PagesByCursor())) == [1, ({"page": 2}, 1.0), 2, (COMPLETE, 1.0)]
    assert events(sync(PagesByCursor(), state={"page": 2})) == [2, (COMPLETE, 1.0)]
    assert events(sync(PagesByCursor(), state=COMPLETE)) == [(COMPLETE, 0.0)]


def test_a_cursor_that_keeps_partitions() -> None:
    def states(*parts: int) -> Any:
        return {"states": [{"partition": {"p": p}, "cursor": COMPLETE} for p in parts]}

    output = sync(PagesByCursor(slices=[{"p": 1}, {"p": 2}]))
    assert events(output) == [1, (states(1), 1.0), 2, (states(1, 2), 1.0)]
    output = sync(PagesByCursor(slices=[{"p": 1}, {"p": 2}]), state=states(1))
    assert events(output) == [2, (states(1, 2), 1.0)]


def test_a_state_of_another_form_fails_the_stream() -> None:
    output = sync(PagesByCursor(slices=[{"p": 1}, {"p": 2}]), state={"page": 2}, fails=True)
    assert output.get_stream_statuses("numbers")[-1] is AirbyteStreamStatus.INCOMPLETE
    trace = output.errors[0].trace
    assert trace
    assert trace.error
    assert trace.error.failure_type is FailureType.config_error


class PagesAtOnce(Pages):
    """Its state is ahead of its records."""

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        page = self._state.get("page", 1)
        self._state = {"page": page + 1}
        yield {"c": page}


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (Numbers(), [1, 2, (MARK, 2.0)]),
        (Numbers(slices=[{"p": 1}, {"p": 2}]), [1, 2, 1, 2, (MARK, 4.0)]),
        (Numbers(count=1), [1, (MARK, 1.0)]),
        (Counted(), [1, 2, ({"c": 2}, 2.0)]),
        (Pages(), [1, ({"page": 2}, 1.0), 2, ({"page": 2}, 1.0)]),
        (PagesByCursor(), [1, ({"page": 2}, 1.0), 2]),
        (PagesAtOnce(), [1, ({"page": 2}, 1.0), 2, ({"page": 3}, 1.0)]),
    ],
)
def test_a_limit_ends_each_slice_and_never_the_sync(stream: Stream, expected: list[Any]) -> None:
    output = sync(stream, config={"_limit": 2})
    assert events(output) == expected
    assert output.get_stream_statuses("numbers")[-1] is AirbyteStreamStatus.COMPLETE


def test_the_state_of_the_start_is_what_every_slice_sees() -> None:
    seen = []

    class Looks(Counted):
        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            seen.append(json.dumps(kwargs["stream_state"]))
            self._state = {"c": len(seen)}
            yield {"c": len(seen)}

    sync(Looks(slices=[{"p": 1}, {"p": 2}]), state={"c": 0})
    assert seen == ['{"c": 0}', '{"c": 0}']


def test_read_is_a_generator_that_can_be_called_directly() -> None:
    from plain_streams import catalog

    stream = Legacy(slices=[{"p": 1}])
    messages = stream.read(
        catalog(stream).streams[0],
        stream.logger,
        AlwaysLogSliceLogger(),
        {"c": 2},
        ConnectorStateManager([]),
        InternalConfig(),
    )
    kinds = [message if isinstance(message, Mapping) else message.type.value for message in messages]
    assert kinds == ["LOG", {"c": 1}, {"c": 2}, {"c": 3}, "STATE"]


# Streams that depend on others. ------------------------------------------------------------------------------------


class Child(Numbers):
    """One record for each record of its parent."""

    def __init__(self, parent: Stream, name: str = "child") -> None:
        super().__init__(name)
        self.parent = parent

    def stream_slices(self, **kwargs: Any) -> Iterable[Any]:
        for record in self.parent.read_only_records(kwargs.get("stream_state")):
            yield {"parent": record}

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        yield {"c": kwargs["stream_slice"]["parent"]["c"]}


@pytest.mark.parametrize("parent", [Numbers(), Counted(), Legacy(), Pages(), PagesByCursor()])
@pytest.mark.parametrize("listed", ["nowhere", "before", "behind"])
@pytest.mark.parametrize("state", [None, "old"])
def test_no_child_misses_a_parent(parent: Numbers, listed: str, state: str | None) -> None:
    parent = type(parent)()
    count = 2 if isinstance(parent, PagesByCursor) else 3
    children: list[Stream] = [Child(parent, "one"), Child(parent, "two")]
    streams = {"nowhere": children, "before": [parent, *children], "behind": [*children, parent]}[listed]
    old = {"c": 2} if isinstance(parent, Counted) else {"page": 2} if count == 2 else None
    output = sync(*streams, state=old if state and listed == "before" else None)
    for child in ("one", "two"):
        assert events(output, child) == [*range(1, count + 1), (MARK, float(count))]
    if listed == "behind":
        assert [event for event in events(output) if isinstance(event, int)] == list(range(1, count + 1))


def test_a_parent_that_is_not_synced_starts_from_the_state_that_it_was_given() -> None:
    parent = Counted()
    parent.state = {"c": 1}
    for _ in range(2):
        assert list(parent.read_only_records()) == [{"c": 2}, {"c": 3}]
        assert parent.state == {"c": 3}  # which a child may keep in its own state


def test_children_are_read_while_the_parent_is_still_being_read() -> None:
    order: list[str] = []

    class Parent(Numbers):
        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            for page in ((1, 2), (3,)):
                order.append(f"page {page[0]}")
                yield from ({"c": c} for c in page)

    class Ordered(Child):
        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            order.append(f"child {kwargs['stream_slice']['parent']['c']}")
            return super().read_records(*args, **kwargs)

    sync(Ordered(Parent()))
    assert order == ["page 1", "child 1", "child 2", "page 3", "child 3"]


def test_slices_are_announced_in_debug_mode() -> None:
    from plain_streams import SourceOf, catalog

    from airbyte_cdk.test.entrypoint_wrapper import read

    stream = Numbers(slices=[{"p": 1}])
    output = read(SourceOf(stream), {}, catalog(stream), debug=True)
    assert output.is_in_logs(r'^slice:\{"p": 1\}$')
    assert isinstance(SourceOf(stream)._slice_logger, DebugSliceLogger)
