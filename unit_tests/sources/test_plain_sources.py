"""Plain sources as people write them: what is tied to a thread, states in odd shapes, hooks that raise, messages."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import signal
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from plain_streams import Counted, Legacy, Numbers, SourceOf, catalog, events, state_of, sync

from airbyte_cdk.models import (
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteStreamStatus,
    Level,
    Type,
)
from airbyte_cdk.sources.concurrent_source import schedule
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.message.state import state_message
from airbyte_cdk.sources.streams.checkpoint import SubstreamResumableFullRefreshCursor
from airbyte_cdk.test.entrypoint_wrapper import read

MARK = {"__ab_no_cursor_state_message": True}


class Calls(Numbers):
    """Yields what a function gives."""

    function: Any

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        yield from type(self).function(**kwargs)


def calling(function: Any, **attributes: Any) -> Calls:
    return type("Calls", (Calls,), {"function": staticmethod(function)})(**attributes)


# What is tied to a thread. -----------------------------------------------------------------------------------------


def test_a_stream_is_read_on_the_thread_on_which_the_source_made_it() -> None:
    database = sqlite3.connect(":memory:")  # refuses other threads
    database.execute("CREATE TABLE t (c)")
    database.executemany("INSERT INTO t VALUES (?)", [[1], [2]])
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    variable.set(3)
    kept = threading.local()
    kept.value = 4
    before = signal.getsignal(signal.SIGUSR1)

    async def five() -> int:
        return 5

    def records(**_: Any) -> Iterator[Any]:
        for (c,) in database.execute("SELECT c FROM t"):
            yield {"c": c}
        yield {"c": variable.get()}
        yield {"c": kept.value}
        loop = asyncio.new_event_loop()
        yield {"c": loop.run_until_complete(five())}
        loop.close()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    try:
        assert events(sync(calling(records)))[:5] == [1, 2, 3, 4, 5]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_streams_that_are_read_at_once_see_the_context_of_the_source() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    variable.set(3)

    def records(**_: Any) -> Iterator[Any]:
        yield {"c": variable.get(), "digits": str(decimal.Decimal(1) / 3)}

    with decimal.localcontext() as context:
        context.prec = 5
        output = sync(calling(records), workers=4)
    assert [message.record.data for message in output.records if message.record] == [{"c": 3, "digits": "0.33333"}]


def test_a_source_that_ends_the_program_ends_it() -> None:
    def records(**_: Any) -> Iterator[Any]:
        yield {"c": 1}
        raise SystemExit(3)

    streams = [calling(records, name="first"), Numbers("second")]
    found: list[AirbyteMessage] = []

    def run() -> None:
        for message in SourceOf(*streams).read(streams[0].logger, {}, catalog(*streams)):
            found.append(message)  # what was there before the end counts

    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 3
    assert [message.record.data for message in found if message.record] == [{"c": 1}]
    (status,) = [m for m in found if m.trace and m.trace.stream_status][-1:]
    assert status.trace
    assert status.trace.stream_status
    assert status.trace.stream_status.status is AirbyteStreamStatus.INCOMPLETE


def test_a_read_that_is_given_up_ends_its_streams() -> None:
    ended = []

    def records(**_: Any) -> Iterator[Any]:
        try:
            while True:
                yield {"c": 1}
        finally:
            ended.append(threading.current_thread() is threading.main_thread())

    stream = calling(records)
    messages = SourceOf(stream).read(stream.logger, {}, catalog(stream))
    assert any(message.record for message in messages)
    messages.close()
    assert ended == [True]


# States. -----------------------------------------------------------------------------------------------------------


class Late(Numbers):
    """Knows its state only once it has read something."""

    cursor_field = "c"

    @property
    def state(self) -> Mapping[str, Any]:
        return {"c": self._c}

    @state.setter
    def state(self, value: Mapping[str, Any]) -> None:
        self.given = value

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        for c in range(kwargs["stream_state"].get("c", 0) + 1, self.count + 1):
            self._c = c
            yield {"c": c}


def test_a_stream_that_does_not_know_its_state_yet_goes_on_from_the_last_one() -> None:
    assert events(sync(Late(), state={"c": 1})) == [2, 3, ({"c": 3}, 2.0)]
    assert events(sync(Late(), state={"c": 3})) == [({"c": 3}, 0.0)]
    assert events(sync(Late())) == [1, 2, 3, ({"c": 3}, 3.0)]


class Quiet(Numbers):
    """Sends a state of its own, if there is something new."""

    cursor_field = "c"

    def read(self, configured_stream: Any, logger: Any, slice_logger: Any, stream_state: Any, *more: Any) -> Any:
        if stream_state.get("c", 0) < self.count:
            yield {"c": self.count}
            yield state_message(self.name, None, {"c": self.count})


def test_a_stored_state_stands_if_a_stream_has_nothing_to_tell() -> None:
    assert events(sync(Quiet(), state={"c": 2})) == [3, ({"c": 3}, 1.0)]
    assert events(sync(Quiet(), state={"c": 3})) == []

    class Nothing(Counted):
        @property
        def state(self) -> Any:
            return self._state or None

        @state.setter
        def state(self, value: Any) -> None:
            pass

    assert [c for c in events(sync(Nothing(count=0), state={"c": 9})) if c != ({"c": 9}, 0.0)] == []


def test_a_parent_whose_setter_takes_no_empty_state() -> None:
    class Picky(Counted):
        @property
        def state(self) -> Mapping[str, Any]:
            return self._state

        @state.setter
        def state(self, value: Mapping[str, Any]) -> None:
            self._state = {"c": value["c"]}

    class Child(Numbers):
        def stream_slices(self, **kwargs: Any) -> Iterable[Any]:
            return ({"parent": record} for record in parent.read_only_records())

        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            yield kwargs["stream_slice"]["parent"]

    parent = Picky()
    output = sync(parent, Child("child"), state={"c": 1})
    assert events(output) == [2, 3, ({"c": 3}, 2.0)]
    assert events(output, "child")[:2] == [2, 3]


def test_a_child_may_keep_what_its_parent_has_read() -> None:
    parent = Counted("parent")

    class Child(Counted):
        def stream_slices(self, **kwargs: Any) -> Iterable[Any]:
            return ({"parent": record} for record in parent.read_only_records())

        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            self._state = {"parent": dict(parent.state)}
            yield kwargs["stream_slice"]["parent"]

    states = [event[0] for event in events(sync(Child("child")), "child") if isinstance(event, tuple)]
    assert states == [{"parent": {"c": 1}}, {"parent": {"c": 2}}, {"parent": {"c": 3}}]
    assert len(parent.calls) == 1


def test_slices_read_at_once_do_not_lose_the_older_way_to_keep_a_state() -> None:
    stream = Legacy(parallel_slices=True, slices=[{"p": 1}, {"p": 2}])
    assert events(sync(stream, state={"c": 2}, workers=4))[-1] == ({"c": 3}, 3.0)


def test_slices_read_at_once_see_the_state_of_the_start() -> None:
    seen = []

    class Moves(Counted):
        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            seen.append(dict(kwargs["stream_state"]))
            self._state["c"] += 1  # type: ignore[index]  # as many do
            yield {"c": self._state["c"]}

    sync(Moves(parallel_slices=True, slices=[{"p": p} for p in range(3)]), state={"c": 1}, workers=2)
    assert seen == [{"c": 1}] * 3


@pytest.mark.parametrize("how", [{"state_checkpoint_interval": 1}, {"config": {"_limit": 5}}])
def test_a_cursor_is_told_of_slices_that_cannot_be_read_at_once(how: Mapping[str, Any]) -> None:
    cursor = SubstreamResumableFullRefreshCursor()
    config = how.get("config", {})
    attributes = {} if config else how
    stream = Numbers(parallel_slices=True, cursor=cursor, slices=[{"p": 1}, {"p": 2}], count=1, **attributes)
    last = events(sync(stream, workers=4, config=config))[-1]
    assert [state["partition"] for state in last[0]["states"]] == [{"p": 1}, {"p": 2}]


# Many slices. ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_a_listing_pauses_while_many_slices_wait(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "MOST_WAITING", 5)
    listed = [0]
    read_so_far = [0]
    ahead = []

    class Many(Numbers):
        def stream_slices(self, **kwargs: Any) -> Iterable[Any]:
            for p in range(200):
                listed[0] += 1
                ahead.append(listed[0] - read_so_far[0])
                yield {"p": p}

        def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
            read_so_far[0] += 1
            yield {"c": kwargs["stream_slice"]["p"]}

    output = sync(Many(parallel_slices=True), workers=workers)
    assert sorted(c for c in events(output) if isinstance(c, int)) == list(range(200))
    assert max(ahead) <= 5 + 2 * workers


def test_a_read_that_is_given_up_lists_no_more() -> None:
    listed = []
    ended = threading.Event()

    class Endless(Numbers):
        def stream_slices(self, **kwargs: Any) -> Iterable[Any]:
            try:
                while True:
                    listed.append(1)
                    yield {"p": len(listed)}
            finally:
                ended.set()

    stream = Endless(parallel_slices=True)
    messages = SourceOf(stream, workers=2).read(stream.logger, {}, catalog(stream))
    assert any(message.record for message in messages)
    messages.close()
    del messages
    assert len(listed) <= schedule.MOST_WAITING + 100


# Messages. ---------------------------------------------------------------------------------------------------------


def test_messages_left_in_the_repository_keep_their_place() -> None:
    repository = InMemoryMessageRepository()

    def records(**_: Any) -> Iterator[Any]:
        for c in (1, 2, 3):
            yield {"c": c}
            repository.emit_message(state_message("numbers", None, {"c": c}))

    stream = calling(records)
    source = SourceOf(stream)
    source._message_repository = repository
    found = events(read(source, {}, catalog(stream)))
    assert found[:6] == [1, ({"c": 1}, 1.0), 2, ({"c": 2}, 1.0), 3, ({"c": 3}, 1.0)]


def test_a_source_may_have_no_repository() -> None:
    source = SourceOf(Numbers())
    type(source).message_repository, kept = None, type(source).message_repository  # type: ignore[assignment]
    try:
        assert events(read(source, {}, catalog(*source.streams({}))))[:3] == [1, 2, 3]
    finally:
        type(source).message_repository = kept  # type: ignore[method-assign]


def test_a_record_keeps_the_time_that_its_stream_gave_it() -> None:
    record = AirbyteRecordMessage(stream="numbers", data={"c": 1}, emitted_at=123456)
    log = AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.INFO, message="between"))
    items = [{"c": 0}, AirbyteMessage(type=Type.RECORD, record=record), log, {"c": 2}]
    output = sync(calling(lambda **_: iter(items)))
    assert [m.record.data["c"] for m in output.records if m.record] == [0, 1, 2]
    assert output.records[1].record
    assert output.records[1].record.emitted_at == 123456


# Hooks that raise. -------------------------------------------------------------------------------------------------


class Broken(Counted):
    """Raises where it is told to."""

    at = ""

    @property
    def state(self) -> Mapping[str, Any]:
        if self.at == "getter" and self.calls:
            raise ValueError("getter")
        return self._state

    @state.setter
    def state(self, value: Mapping[str, Any]) -> None:
        if self.at == "setter":
            raise ValueError("setter")
        self._state = value

    def get_error_display_message(self, exception: BaseException) -> str | None:
        if self.at == "explanation":
            raise ValueError("explanation")
        return None

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        if self.at == "explanation":
            raise RuntimeError("what was to be explained")
        return super().read_records(*args, **kwargs)


class BadCursor(SubstreamResumableFullRefreshCursor):
    """Raises where it is told to."""

    at = ""

    def close_slice(self, *args: Any) -> None:
        if self.at == "close_slice":
            raise ValueError("close_slice")
        super().close_slice(*args)

    def get_stream_state(self) -> Any:
        if self.at == "get_stream_state":
            raise ValueError("get_stream_state")
        return super().get_stream_state()


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("at", ["getter", "setter", "explanation", "close_slice", "get_stream_state"])
def test_a_hook_that_raises_costs_its_own_stream_only(at: str, parallel: bool) -> None:
    bad: Numbers
    if at in ("close_slice", "get_stream_state"):
        bad = Numbers("bad", slices=[{"p": 1}], cursor=BadCursor(), parallel_slices=True)
        bad.cursor.at = at
        workers = 4 if parallel else 1
    else:
        bad = Broken("bad", slices=[{"p": 1}], at=at, parallel_slices=parallel)
        workers = 4
    good = Numbers("good")
    output = sync(bad, good, state={"c": 0}, workers=workers, fails=True)
    assert output.get_stream_statuses("bad")[-1] is AirbyteStreamStatus.INCOMPLETE
    assert output.get_stream_statuses("good")[-1] is AirbyteStreamStatus.COMPLETE
    assert [c for c in events(output, "good") if isinstance(c, int)] == [1, 2, 3]
    told = [e.trace.error for e in output.errors if e.trace and e.trace.error and e.trace.error.stream_descriptor]
    assert [error.stream_descriptor.name for error in told if error.stream_descriptor] == ["bad"]


def test_an_error_that_cannot_say_its_text() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    def records(**_: Any) -> Iterator[Any]:
        raise Mute
        yield

    output = sync(calling(records, name="bad"), Numbers("good"), fails=True)
    assert output.get_stream_statuses("bad")[-1] is AirbyteStreamStatus.INCOMPLETE
    assert output.get_stream_statuses("good")[-1] is AirbyteStreamStatus.COMPLETE


@pytest.mark.parametrize("stops", [False, True])
def test_a_stream_that_the_source_does_not_have_is_a_failed_stream(stops: bool) -> None:
    class Source(SourceOf):
        @property
        def stop_sync_on_stream_failure(self) -> bool:
            return stops

    good, missing = Numbers("good"), Numbers("missing")
    output = read(Source(good), {}, catalog(missing, good), [state_of("good", {})], expecting_exception=True)
    (told,) = [e.trace.error for e in output.errors if e.trace and e.trace.error and e.trace.error.stream_descriptor]
    assert told.stream_descriptor
    assert told.stream_descriptor.name == "missing"
    assert output.get_stream_statuses("missing") == [AirbyteStreamStatus.INCOMPLETE]
    assert bool(output.records) is not stops
