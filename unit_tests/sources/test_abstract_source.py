"""Sources of plain streams: order, errors, transformation, what may be read at once, and the default check."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from plain_streams import Counted, Legacy, Numbers, SourceOf, catalog, events, sync

from airbyte_cdk.models import (
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteStreamStatus,
    FailureType,
    Level,
    Status,
    Type,
)
from airbyte_cdk.sources.streams.checkpoint import SubstreamResumableFullRefreshCursor
from airbyte_cdk.sources.utils.transform import TransformConfig, TypeTransformer
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte.test")
MARK = {"__ab_no_cursor_state_message": True}


class Yields(Numbers):
    """Yields what it is told."""

    items: Iterable[Any] = ()

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            yield item


def data(output: Any) -> list[Any]:
    return [message.record.data for message in output.records]


def test_streams_are_read_in_the_order_of_the_catalog() -> None:
    streams = [Numbers(name) for name in "bac"]
    output = sync(*streams)
    assert [message.record.stream for message in output.records if message.record] == list("bbbaaaccc")


def test_a_record_is_what_it_was_when_it_was_yielded() -> None:
    def changing() -> Iterable[Any]:
        record: dict[str, Any] = {"c": 0, "seen": []}
        for c in range(3):
            record["c"] = c
            record["seen"].append(c)
            yield record

    expected = [{"c": 0, "seen": [0]}, {"c": 1, "seen": [0, 1]}, {"c": 2, "seen": [0, 1, 2]}]
    assert data(sync(Yields(items=changing()))) == expected
    stream = Yields(items=changing())
    messages = SourceOf(stream).read(LOGGER, {}, catalog(stream))
    assert [message.record.data for message in messages if message.record] == expected


def test_what_a_stream_may_yield() -> None:
    own = AirbyteMessage(type=Type.RECORD, record=AirbyteRecordMessage(stream="numbers", data={"c": 1}, emitted_at=1))
    logged = AirbyteLogMessage(level=Level.INFO, message="payload")
    when = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
    items = [own, logged, {"c": 2, "none": None, "in": {"none": None}}, {"c": 3, "at": when, "big": 2**70}]
    output = sync(Yields(items=items))
    assert data(output) == [
        {"c": 1},
        {"c": 2, "in": {"none": None}},
        {"c": 3, "at": "2024-01-02T00:00:00+00:00", "big": 2**70},
    ]
    assert output.is_in_logs("^payload$")
    assert output.most_recent_state.stream_state.__dict__ == MARK


@pytest.mark.parametrize(
    ("error", "message", "failure"),
    [
        (AirbyteTracedException("internal", "told", FailureType.transient_error), "told", FailureType.transient_error),
        (ValueError("boom"), "ValueError", FailureType.system_error),
    ],
)
def test_records_before_an_error_are_sent_and_the_next_stream_is_read(
    error: Exception, message: str, failure: FailureType
) -> None:
    output = sync(Yields("bad", items=[{"c": 1}, {"c": 2}, error]), Numbers(), fails=True)
    assert events(output, "bad") == [1, 2]
    assert events(output) == [1, 2, 3, (MARK, 3.0)]
    assert output.get_stream_statuses("bad")[-1] is AirbyteStreamStatus.INCOMPLETE
    assert output.get_stream_statuses("numbers")[-1] is AirbyteStreamStatus.COMPLETE
    trace = output.errors[0].trace
    assert trace
    assert trace.error
    assert message in str(trace.error.message)
    assert trace.error.failure_type is failure
    assert trace.error.stream_descriptor
    assert trace.error.stream_descriptor.name == "bad"


def test_the_states_before_an_error_stay() -> None:
    class Breaks(Legacy):
        state_checkpoint_interval = 2

        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            yield from super().read_records(*args, **kwargs)
            raise ValueError("boom")

    assert events(sync(Breaks(), fails=True)) == [1, 2, ({"c": 2}, 2.0), 3]


@pytest.mark.parametrize("bad", [{"c": object()}, 5, None])
def test_what_is_no_record_fails_the_stream(bad: Any) -> None:
    output = sync(Yields(items=[{"c": 1}, bad, {"c": 2}]), fails=True)
    assert events(output) == [1]
    assert output.get_stream_statuses("numbers")[-1] is AirbyteStreamStatus.INCOMPLETE


def test_an_error_is_told_in_the_words_of_the_stream() -> None:
    class Speaks(Yields):
        def get_error_display_message(self, exception: BaseException) -> str:
            return f"Please mend {exception}"

    output = sync(Speaks(items=[ValueError("it")]), fails=True)
    assert output.errors[0].trace
    assert output.errors[0].trace.error
    assert output.errors[0].trace.error.message == "Please mend it"


@pytest.mark.parametrize("parallel", [False, True])
def test_records_are_fitted_to_the_schema(parallel: bool) -> None:
    record = {"c": "5", "other": "5"}
    stream = Yields(
        items=[record],
        parallel_slices=parallel,
        transformer=TypeTransformer(TransformConfig.DefaultSchemaNormalization),
    )
    assert data(sync(stream)) == [{"c": 5, "other": "5"}]
    assert record == {"c": "5", "other": "5"}


def test_streams_that_are_not_read_are_named_in_order() -> None:
    streams = [Numbers(name) for name in "cba"]
    from airbyte_cdk.test.entrypoint_wrapper import read

    output = read(SourceOf(*streams), {}, catalog(streams[1]))
    assert output.is_in_logs("Not in the catalog and therefore not read: c, a")


def test_the_page_size_of_the_config_reaches_streams_that_have_one() -> None:
    stream, other = Numbers(page_size=100), Numbers("other")
    sync(stream, other, config={"_page_size": 7})
    assert stream.page_size == 7  # type: ignore[attr-defined]
    assert not hasattr(other, "page_size")


# Reading at once. --------------------------------------------------------------------------------------------------


class Meeting(Numbers):
    """Each slice (or stream) waits until all of them are being read."""

    barrier: threading.Barrier

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        self.barrier.wait(timeout=10)
        yield {"c": kwargs["stream_slice"].get("p", 0)}


def test_streams_are_read_at_once_if_the_source_allows_it() -> None:
    barrier = threading.Barrier(3)
    output = sync(*[Meeting(name, barrier=barrier) for name in "abc"], workers=3)
    assert [events(output, name) for name in "abc"] == [[0, (MARK, 1.0)]] * 3


def test_slices_are_read_at_once_if_the_stream_allows_it() -> None:
    stream = Meeting(barrier=threading.Barrier(4), parallel_slices=True, slices=[{"p": p} for p in range(4)])
    found = events(sync(stream, workers=4))
    assert sorted(found[:-1]) == [0, 1, 2, 3]
    assert found[-1] == (MARK, 4.0)


def test_slices_are_read_in_order_if_the_source_has_one_worker() -> None:
    stream = Numbers(count=1, parallel_slices=True, slices=[None, {"p": 1}, {"p": 2}])
    assert events(sync(stream)) == [1, 1, 1, (MARK, 3.0)]
    assert stream.calls == [{}, {"p": 1}, {"p": 2}]


def test_a_state_of_slices_read_at_once_is_sent_at_the_end_and_only_if_nothing_failed() -> None:
    class Slow(Counted):
        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            p = kwargs["stream_slice"]["p"]
            self._state = {"c": p}
            yield {"c": p}
            if p == getattr(self, "bad", None):
                raise ValueError("boom")

    slices = [{"p": p} for p in range(1, 6)]
    assert events(sync(Slow(parallel_slices=True, slices=slices))) == [1, 2, 3, 4, 5, ({"c": 5}, 5.0)]
    output = sync(Slow(parallel_slices=True, slices=slices, bad=3), fails=True)
    assert events(output)[:3] == [1, 2, 3]
    assert not output.state_messages
    assert output.get_stream_statuses("numbers")[-1] is AirbyteStreamStatus.INCOMPLETE


def test_a_cursor_of_slices_read_at_once_keeps_those_that_were_sent() -> None:
    class Parts(Numbers):
        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            p = kwargs["stream_slice"]["p"]
            if p == getattr(self, "bad", None):
                raise ValueError("boom")
            yield {"c": p}

    def parts(**attributes: Any) -> Parts:
        slices = [{"p": p} for p in range(1, 4)]
        cursor = SubstreamResumableFullRefreshCursor()
        return Parts(parallel_slices=True, cursor=cursor, slices=slices, **attributes)

    def states(*ps: int) -> Any:
        mark = {"__ab_full_refresh_sync_complete": True}
        return {"states": [{"partition": {"p": p}, "cursor": mark} for p in ps]}

    broken = sync(parts(bad=3), fails=True)
    assert events(broken) == [1, (states(1), 1.0), 2, (states(1, 2), 1.0)]


@pytest.mark.parametrize("stream", [Counted(state_checkpoint_interval=2), Legacy(state_checkpoint_interval=2)])
def test_an_interval_is_kept_even_if_slices_may_be_read_at_once(stream: Numbers) -> None:
    stream.parallel_slices = True
    assert events(sync(stream, workers=4)) == [1, 2, ({"c": 2}, 2.0), 3, ({"c": 3}, 1.0)]


# Check. ------------------------------------------------------------------------------------------------------------


def test_by_default_a_check_reads_a_record_of_each_stream() -> None:
    streams = [Numbers("full"), Numbers("empty", count=0), Numbers("sliceless", slices=[])]
    assert SourceOf(*streams).check(LOGGER, {}).status is Status.SUCCEEDED
    assert [len(stream.calls) for stream in streams] == [1, 1, 0]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AirbyteTracedException("internal", "No access"), "Stream bad: No access"),
        (ValueError("boom"), "Stream bad: ValueError: boom"),
    ],
)
def test_by_default_a_check_fails_with_the_first_stream_that_cannot_be_read(error: Exception, message: str) -> None:
    status = SourceOf(Numbers(), Yields("bad", items=[error])).check(LOGGER, {})
    assert status.status is Status.FAILED
    assert status.message == message
