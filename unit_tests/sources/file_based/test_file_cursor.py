from __future__ import annotations

import copy
import gc
import json
import logging
import pickle
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based import file_cursor
from airbyte_cdk.sources.file_based.concurrent_file_cursor import FileBasedConcurrentCursor, FileBasedFinalStateCursor
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.file_cursor import AbstractFileBasedCursor, DefaultFileBasedCursor
from airbyte_cdk.sources.file_based.file_history import OLDER_HISTORY_KEY, pack, to_micros
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte.test_file_cursor")
CURSOR_FIELD = "_ab_source_file_last_modified"
BASE = datetime(2023, 1, 1)
BOTH = [DefaultFileBasedCursor, FileBasedConcurrentCursor]


def config(**options: Any) -> FileBasedStreamConfig:
    return FileBasedStreamConfig(name="flights", format=CsvFormat(), **options)


def cursor_of(size: int, base: type[DefaultFileBasedCursor] = DefaultFileBasedCursor, **options: Any) -> Any:
    """A cursor whose history is full with `size` files."""
    return type("SmallCursor", (base,), {"DEFAULT_MAX_HISTORY_SIZE": size})(config(**options))


def file(uri: str, day: float = 0.0) -> RemoteFile:
    return RemoteFile(uri=uri, last_modified=BASE + timedelta(days=day))


def text(time: datetime) -> str:
    return time.isoformat(timespec="microseconds") + "Z"


def chosen(cursor: AbstractFileBasedCursor, files: list[RemoteFile]) -> list[str]:
    return [file.uri for file in cursor.get_files_to_sync(iter(files), LOGGER)]


def sync(cursor: AbstractFileBasedCursor, files: list[RemoteFile]) -> list[str]:
    """Read all that the cursor wants, oldest first, as the engine does."""
    wanted = sorted(cursor.get_files_to_sync(files, LOGGER), key=lambda file: (file.last_modified, file.uri))
    for one in wanted:
        cursor.add_file(one)
    return [file.uri for file in wanted]


def sync_each(cursor: AbstractFileBasedCursor, files: Iterator[RemoteFile]) -> None:
    """Read files while they are being listed."""
    for one in cursor.get_files_to_sync(files, LOGGER):
        cursor.add_file(one)


def through_json(state: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(state))
    return loaded


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A clock that stands still."""
    moment = datetime(2023, 6, 15, 12, tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: timezone | None = None) -> datetime:  # type: ignore[override]
            return moment.astimezone(tz) if tz else moment.astimezone(timezone(timedelta(hours=9))).replace(tzinfo=None)

    monkeypatch.setattr(file_cursor, "datetime", Clock)
    return moment.replace(tzinfo=None)


# The published behaviour ---------------------------------------------------------------------------------------------


def test_no_files_give_an_empty_history_and_a_null_cursor() -> None:  # vector 17
    cursor = DefaultFileBasedCursor(config())
    cursor.set_initial_state({})
    assert chosen(cursor, []) == []
    assert cursor.get_state() == {"history": {}, CURSOR_FIELD: None}
    assert cursor.state_entries() == 0


@pytest.mark.parametrize("base", BOTH)
def test_unchanged_files_are_not_read_and_the_state_stays(base: type[DefaultFileBasedCursor]) -> None:  # vector 2
    state = {
        "history": {"a.csv": "2023-06-05T03:54:07.000000Z", "b.csv": "2023-06-05T03:54:07.123456Z"},
        CURSOR_FIELD: "2023-06-05T03:54:07.123456Z_b.csv",
    }
    cursor = base(config())
    cursor.set_initial_state(copy.deepcopy(state))
    times = [datetime(2023, 6, 5, 3, 54, 7), datetime(2023, 6, 5, 3, 54, 7, 123456)]
    files = [RemoteFile(uri=uri, last_modified=time) for uri, time in zip(state["history"], times, strict=True)]
    assert sync(cursor, files) == []
    assert cursor.get_state() == state


@pytest.mark.parametrize("base", BOTH)
def test_more_files_than_the_history_shows(base: type[DefaultFileBasedCursor]) -> None:  # vector 3
    cursor = cursor_of(3, base)
    files = [file("d", 4), file("a", 1), file("c", 3), file("b", 2)]
    assert sync(cursor, files) == ["a", "b", "c", "d"]
    state = through_json(cursor.get_state())
    assert state["history"] == {uri: text(BASE + timedelta(days=day)) for uri, day in (("b", 2), ("c", 3), ("d", 4))}
    assert state[CURSOR_FIELD] == "2023-01-05T00:00:00.000000Z_d"
    assert set(state) == {"history", CURSOR_FIELD, OLDER_HISTORY_KEY}

    cursor = cursor_of(3, base)
    cursor.set_initial_state(state)
    assert cursor.state_entries() == 4
    assert sync(cursor, [*files, file("late", 0.5)]) == ["late"]


def test_a_full_history_of_another_release(now: datetime) -> None:  # vector 4
    state = {"history": {"b1": text(BASE + timedelta(days=1)), "b2": text(BASE + timedelta(days=2))}}
    cursor = cursor_of(2)
    cursor.set_initial_state(state)
    files = [file("a", 0), file("b1", 1), file("c", 1), file("b2", 2), file("d", 3)]
    assert sync(cursor, files) == ["c", "d"]


@pytest.mark.parametrize(
    ("uri", "age", "wanted"),
    [("a.csv", timedelta(days=3), True), ("a.csv", timedelta(0), False), ("c.csv", timedelta(0), True)],
)
@pytest.mark.parametrize("base", BOTH)
def test_the_window_and_the_uri_decide_at_a_full_history(  # vector 5
    base: type[DefaultFileBasedCursor], uri: str, age: timedelta, wanted: bool, now: datetime
) -> None:
    cursor = cursor_of(1, base)
    cursor.set_initial_state({"history": {"b.csv": text(now)}, CURSOR_FIELD: f"{text(now)}_b.csv"})
    assert chosen(cursor, [RemoteFile(uri=uri, last_modified=now - age)]) == ([uri] if wanted else [])


def test_the_window_starts_from_now_in_utc(now: datetime) -> None:
    cursor = cursor_of(1, days_to_sync_if_history_is_full=2)
    cursor.set_initial_state({"history": {"b.csv": text(now)}})
    assert cursor.get_start_time() == now - timedelta(days=2)
    beside = [RemoteFile(uri=str(s), last_modified=now - timedelta(days=2, seconds=s)) for s in (-1, 0, 1)]
    assert chosen(cursor, beside) == ["-1", "0"]


@pytest.mark.parametrize("base", BOTH)
def test_known_files(base: type[DefaultFileBasedCursor], caplog: pytest.LogCaptureFixture) -> None:
    cursor = base(config())
    cursor.add_file(file("a", 2))
    assert chosen(cursor, [file("a", 3)]) == ["a"]
    assert chosen(cursor, [file("a", 2)]) == []
    assert not caplog.records
    assert chosen(cursor, [file("a", 1)]) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "flights: a was read as of 2023-01-03T00" in caplog.text


@pytest.mark.parametrize("days", [None, 0, 3])
def test_days_zero_behave_as_three(days: int | None, now: datetime) -> None:
    cursor = cursor_of(1) if days is None else cursor_of(1, days_to_sync_if_history_is_full=days)
    cursor.set_initial_state({"history": {"b.csv": text(now)}})
    assert cursor.get_start_time() == now - timedelta(days=3)


def test_negative_days_are_refused() -> None:
    options = config()
    options.days_to_sync_if_history_is_full = -1
    for base in BOTH:
        with pytest.raises(ValueError, match="days_to_sync_if_history_is_full must not be negative"):
            base(options)


def test_published_private_members(now: datetime) -> None:
    cursor = cursor_of(2)
    assert cursor._start_time == datetime.min == cursor.get_start_time()
    assert cursor._initial_earliest_file_in_history is None
    assert cursor._compute_earliest_file_in_history() is None
    assert cursor._get_cursor() is None
    assert not cursor._is_history_full()
    cursor.set_initial_state({"history": {"b": text(BASE), "a": text(BASE)}})
    assert cursor._initial_earliest_file_in_history == file("a")
    assert cursor._is_history_full()
    assert cursor._start_time == cursor._compute_start_time() == BASE
    assert cursor._get_cursor() == "2023-01-01T00:00:00.000000Z_b"
    cursor.add_file(file("c", 1))
    assert dict(cursor._file_to_datetime_history) == {"b": text(BASE), "c": text(BASE + timedelta(days=1))}
    assert cursor._compute_earliest_file_in_history() == file("b")
    cursor._file_to_datetime_history = {"z": text(BASE)}
    assert cursor._compute_earliest_file_in_history() == file("z")
    assert chosen(cursor, [file("z"), file("c", 1)]) == ["c"]


def test_the_size_of_the_history_is_read_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = DefaultFileBasedCursor(config())
    for day, uri in enumerate("abcde"):
        cursor.add_file(file(uri, day))
    assert OLDER_HISTORY_KEY not in cursor.get_state()
    files = [file(uri, day) for day, uri in enumerate("abcde")]
    for size in (3, 1, 0, 4, 9):
        monkeypatch.setattr(DefaultFileBasedCursor, "DEFAULT_MAX_HISTORY_SIZE", size)
        state = through_json(cursor.get_state())
        assert "".join(sorted(state["history"])) == "abcde"[max(0, 5 - size) :]
        assert (OLDER_HISTORY_KEY in state) == (size <= 5)
        assert state.get(OLDER_HISTORY_KEY, {"files": 0})["files"] == max(0, 5 - size)
        again = DefaultFileBasedCursor(config())
        again.set_initial_state(state)
        assert chosen(again, files) == []
    monkeypatch.setattr(DefaultFileBasedCursor, "DEFAULT_MAX_HISTORY_SIZE", 0)
    empty = DefaultFileBasedCursor(config())
    empty.set_initial_state({})
    assert empty._is_history_full()
    assert chosen(empty, files) == list("abcde")
    assert empty.get_state() == {"history": {}, CURSOR_FIELD: None}


def test_a_state_is_a_snapshot() -> None:
    cursor = cursor_of(2)
    states = []
    for day, uri in enumerate("abcd"):
        cursor.add_file(file(uri, day))
        states.append(cursor.get_state())
        states.append(cursor.snapshot())
    assert [sorted(state["history"]) for state in states[::2]] == [["a"], ["a", "b"], ["b", "c"], ["c", "d"]]
    assert states[::2] == states[1::2]
    states[0]["history"].clear()
    assert cursor.state_entries() == 4


@pytest.mark.parametrize(
    ("uri", "time"), [("y1", datetime(1, 1, 1)), ("y999", datetime(999, 12, 31, 23, 59, 59, 999999)), ("2038", BASE)]
)
def test_any_year_is_read_back(uri: str, time: datetime) -> None:
    first = RemoteFile(uri=uri, last_modified=time)
    for base in BOTH:
        cursor = base(config())
        cursor.add_file(first)
        assert cursor.get_state()["history"][uri] == f"{time.year:04d}" + text(time)[4:]
        again = base(config())
        again.set_initial_state(through_json(cursor.get_state()))
        assert chosen(again, [first]) == []


def test_times_of_other_forms_are_understood() -> None:
    cursor = DefaultFileBasedCursor(config())
    history = {"a": "1-01-01T00:00:00.000000Z", "b": "2023-01-01T00:00:00Z", "c": "2023-01-01T02:00:00+02:00"}
    cursor.set_initial_state({"history": history, CURSOR_FIELD: datetime(2023, 1, 1)})
    assert cursor.get_state()["history"] == {"a": "0001-01-01T00:00:00.000000Z", "b": text(BASE), "c": text(BASE)}
    aware = RemoteFile(uri="b", last_modified=datetime(2023, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert chosen(cursor, [aware]) == []


def test_another_date_format() -> None:
    class MinuteCursor(DefaultFileBasedCursor):
        DATE_TIME_FORMAT = "%d.%m.%Y %H:%M"
        DEFAULT_MAX_HISTORY_SIZE = 1

    cursor = MinuteCursor(config())
    cursor.add_file(file("a", 30))
    cursor.add_file(file("b", 2))
    state = through_json(cursor.get_state())
    assert state["history"] == {"a": "31.01.2023 00:00"}
    assert state[CURSOR_FIELD] == "31.01.2023 00:00_a"
    again = MinuteCursor(config())
    again.set_initial_state(state)
    assert chosen(again, [file("a", 30), file("b", 2), file("c", 1)]) == ["c"]


# The additional key --------------------------------------------------------------------------------------------------


def test_the_packed_form_is_as_documented() -> None:
    import base64
    import gzip

    seconds = 1_672_531_200
    uris = ["a/x1.csv", "a/x2.csv", "b.csv", "ü/ 1"]
    packed = pack(uris, [(seconds + step) * 1_000_000 for step in (0, 7, 3, 0)])
    assert {key: packed[key] for key in ("version", "files")} == {"version": 1, "files": 4}
    (line,) = gzip.decompress(base64.b64decode(packed["data"])).splitlines()
    names = [["a/x", "", "ü/"], [2, 1, 1], ["1.csv", "2.csv", "b.csv", " 1"]]
    assert json.loads(line) == [1_000_000, *names, [seconds, 7, -4, -3]]


uri_texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("/ab\n\0"), max_size=12)


@given(st.dictionaries(uri_texts, st.datetimes(), max_size=30), st.sampled_from([1, 1000, 1_000_000]))
@settings(deadline=None)
def test_any_uri_and_time_survives(times: dict[str, datetime], unit: int) -> None:
    files = [
        RemoteFile(uri=uri, last_modified=time.replace(microsecond=time.microsecond // unit * unit))
        for uri, time in times.items()
    ]
    cursor = cursor_of(2)
    sync(cursor, files)
    state = through_json(cursor.get_state())
    again = cursor_of(2)
    again.set_initial_state(state)
    assert again.get_state() == state
    assert sync(again, files) == []
    assert again.state_entries() == len(files)


def test_the_same_files_give_the_same_state_in_any_order() -> None:
    files = [file(f"{day % 7}/{day}", day) for day in range(40)]
    states = []
    for order in (files, files[::-1], files[20:] + files[:20]):
        cursor = cursor_of(5)
        for one in order:
            cursor.add_file(one)
        states.append(cursor.get_state())
    assert states[0] == states[1] == states[2]


def test_an_unchanged_rest_is_not_packed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = cursor_of(1)
    sync(cursor, [file("a", 1), file("b", 2)])
    state = through_json(cursor.get_state())
    again = cursor_of(1)
    again.set_initial_state(state)
    monkeypatch.setattr("airbyte_cdk.sources.file_based.file_history.pack", None)
    assert again.get_state() == state == cursor.get_state()
    again.add_file(file("c", 3))
    with pytest.raises(TypeError):
        again.get_state()


def broken(**changes: Any) -> dict[str, Any]:
    return {"history": {"x": text(BASE)}, OLDER_HISTORY_KEY: {**pack(["a", "b"], [1, 2]), **changes}}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (broken(version=2), "older_history is of version 2, and this release reads 1"),
        (broken(files=3), "older_history holds 2 files instead of 3"),
        (broken(data="?"), "older_history is damaged"),
        (broken(data=pack(["a"], [1])["data"][:-12]), "older_history is damaged"),
        (broken(data=None), "older_history is damaged"),
        ({OLDER_HISTORY_KEY: {}}, "older_history is damaged"),
        ({OLDER_HISTORY_KEY: "text"}, "older_history is damaged"),
        ({"history": {"x": "yesterday"}}, "the time of 'x' in its history cannot be read"),
        ({"history": {"2023-01-01": ["x"]}}, "the time of '2023-01-01' in its history cannot be read"),
    ],
)
def test_a_damaged_state_is_named(state: dict[str, Any], reason: str) -> None:
    cursor = cursor_of(1)
    with pytest.raises(AirbyteTracedException) as raised:
        cursor.set_initial_state(state)
    assert raised.value.failure_type.value == "config_error"
    assert reason in raised.value.message
    assert "stream flights" in raised.value.message


def test_a_state_without_history() -> None:
    cursor = DefaultFileBasedCursor(config())
    for state in ({}, {"history": None}, {"__ab_no_cursor_state_message": True}):
        cursor.set_initial_state(state)
        assert chosen(cursor, [file("a")]) == ["a"]


# A full history that was not ours ------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", BOTH)
def test_files_taken_as_read_are_named_once_and_remembered(
    base: type[DefaultFileBasedCursor], caplog: pytest.LogCaptureFixture
) -> None:
    state = {"history": {"b1": text(BASE), "b2": text(BASE + timedelta(days=1))}, CURSOR_FIELD: f"{text(BASE)}_b1"}
    old = [file(f"old{number:02d}", -1) for number in range(12)]
    cursor = cursor_of(2, base)
    cursor.set_initial_state(state)
    assert sync(cursor, [*old, file("b1"), file("b2", 1), file("new", 2)]) == ["new"]
    first, second = (record.getMessage() for record in caplog.records)
    assert "full (2 files)" in first
    assert "12 files" in second
    assert all(f"old{number:02d}" in second for number in range(10))
    assert "old10" not in second
    assert "and 2 more" in second

    caplog.clear()
    state = through_json(cursor.snapshot())
    assert sorted(state["history"]) == ["b2", "new"]
    again = cursor_of(2, base)
    again.set_initial_state(state)
    assert sync(again, [*old, file("b1"), file("b2", 1), file("new", 2), file("late", -9)]) == ["late"]
    assert sync(again, [file("old05", -0.5)]) == ["old05"]
    assert not caplog.records


def test_a_listing_that_breaks_off_settles_nothing() -> None:
    def listing() -> Iterator[RemoteFile]:
        yield file("old1", -1)
        yield file("new", 5)
        raise OSError("the server went away")

    cursor = cursor_of(2)
    cursor.set_initial_state({"history": {"b1": text(BASE), "b2": text(BASE + timedelta(days=1))}})
    with pytest.raises(OSError, match="went away"):
        sync_each(cursor, listing())
    state = through_json(cursor.get_state())
    again = cursor_of(2)
    again.set_initial_state(state)
    everything = [file("old1", -1), file("old2", -2), file("b1"), file("b2", 1), file("new", 5), file("c", 0.5)]
    assert sync(again, everything) == ["c"]
    third = cursor_of(2)
    third.set_initial_state(through_json(again.get_state()))
    assert sync(third, [*everything, file("late", -3)]) == ["late"]


def test_a_history_that_is_not_full_is_exact() -> None:
    cursor = cursor_of(3)
    cursor.set_initial_state({"history": {"b1": text(BASE), "b2": text(BASE + timedelta(days=1))}})
    assert sync(cursor, [file("old", -500), file("older", -900), file("b1")]) == ["older", "old"]
    assert sync(cursor, [file("oldest", -999)]) == ["oldest"]


# Streaming -----------------------------------------------------------------------------------------------------------


def test_files_are_taken_one_by_one_and_not_kept() -> None:
    alive: list[weakref.ref[RemoteFile]] = []

    class WatchedFile(RemoteFile):
        __slots__ = ("__weakref__",)

    def listing() -> Iterator[RemoteFile]:
        for number in range(1000):
            one = WatchedFile(uri=f"{number}", last_modified=BASE)
            alive.append(weakref.ref(one))
            yield one
            del one

    cursor = cursor_of(10)
    for number in range(1000):
        if number != 500:
            cursor.add_file(file(f"{number}"))
    found = iter(cursor.get_files_to_sync(listing(), LOGGER))
    assert not alive
    assert next(found).uri == "500"
    gc.collect()
    assert len(alive) == 501
    assert sum(ref() is not None for ref in alive) <= 2
    assert list(found) == []


# Never lost, never twice ---------------------------------------------------------------------------------------------

files_of_a_day = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 6) | st.none(), max_size=8)
syncs = st.lists(
    st.tuples(files_of_a_day, st.sets(st.sampled_from("abcdefgh"), max_size=2), st.integers(0, 9)), max_size=8
)


@given(syncs, st.integers(0, 4), st.sampled_from(BOTH))
@settings(max_examples=150, deadline=None)
def test_no_file_is_lost_and_none_is_read_twice(days: list[Any], size: int, base: type[DefaultFileBasedCursor]) -> None:
    there: dict[str, int] = {}
    read: dict[str, int] = {}
    state: dict[str, Any] = {}
    for changes, failing, stop in days:
        there = {uri: time for uri, time in {**there, **changes}.items() if time is not None}
        cursor = cursor_of(size, base)
        cursor.set_initial_state(state)
        listed = [file(uri, time) for uri, time in there.items()]
        wanted = list(cursor.get_files_to_sync(iter(listed), LOGGER))
        expected = [uri for uri, time in there.items() if uri not in read or time > read[uri]]
        assert [one.uri for one in wanted] == expected
        state = through_json(cursor.snapshot())
        for one in sorted(wanted, key=lambda one: (one.last_modified, one.uri))[:stop]:
            if one.uri not in failing:
                cursor.add_file(one)
                read[one.uri] = there[one.uri]
            state = through_json(cursor.snapshot())
        newest = sorted(read, key=lambda uri: (read[uri], uri))[max(0, len(read) - size) :]
        assert state["history"] == {uri: text(BASE + timedelta(days=read[uri])) for uri in newest}
        assert cursor.state_entries() == len(read)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 6), min_size=2, max_size=4),
    files_of_a_day,
    files_of_a_day,
    st.integers(1, 2),
)
@settings(max_examples=100, deadline=None)
def test_one_sync_by_the_old_rule_then_exact(
    history: dict[str, int], first: dict[str, int | None], second: dict[str, int | None], size: int
) -> None:
    cursor = cursor_of(size)
    cursor.set_initial_state(
        {"history": {uri: file(uri, day).last_modified.isoformat() for uri, day in history.items()}}
    )
    oldest = min((day, uri) for uri, day in history.items())
    read = dict(history)
    there = {uri: day for uri, day in first.items() if day is not None}
    expected = []
    for uri, day in there.items():
        if uri in read:
            if day > read[uri]:
                expected.append(uri)
        elif (day, uri) > oldest:
            expected.append(uri)
        else:
            read[uri] = day  # the window is long past
    assert sorted(sync(cursor, [file(uri, day) for uri, day in there.items()])) == sorted(expected)
    read |= {uri: there[uri] for uri in expected}

    again = cursor_of(size)
    again.set_initial_state(through_json(cursor.get_state()))
    there |= {uri: day for uri, day in second.items() if day is not None}
    expected = [uri for uri, day in there.items() if uri not in read or day > read[uri]]
    assert sorted(sync(again, [file(uri, day) for uri, day in there.items()])) == sorted(expected)


# Cursors of connectors -----------------------------------------------------------------------------------------------


class OldStateCursor(DefaultFileBasedCursor):
    """Takes over states of an earlier connector: history by day, cursor in seconds; keeps a key of its own."""

    OLD_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
    FLOOR = "v3_min_sync_date"

    def __init__(self, stream_config: FileBasedStreamConfig, **_: Any) -> None:
        super().__init__(stream_config)
        self.floor: datetime | None = None
        self.migrating = False

    def set_initial_state(self, value: Any) -> None:
        history = value.get("history") or {}
        self.migrating = all(isinstance(uris, list) for uris in history.values()) and self.CURSOR_FIELD in value
        if self.migrating:
            moment = datetime.strptime(value[self.CURSOR_FIELD], self.OLD_FORMAT)
            value = {
                "history": {
                    uri: datetime.combine(datetime.fromisoformat(day), moment.time()).strftime(self.DATE_TIME_FORMAT)
                    for day, uris in history.items()
                    for uri in uris
                },
                self.CURSOR_FIELD: moment,
                self.FLOOR: (moment - timedelta(hours=1)).strftime(self.DATE_TIME_FORMAT),
            }
        if self.FLOOR in value:
            self.floor = datetime.strptime(value[self.FLOOR], self.DATE_TIME_FORMAT)
        super().set_initial_state(value)

    def get_state(self) -> Any:
        state: dict[str, Any] = {"history": self._file_to_datetime_history, self.CURSOR_FIELD: self._get_cursor()}
        if self.floor:
            state[self.FLOOR] = self.floor.strftime(self.DATE_TIME_FORMAT)
        return state

    def _should_sync_file(self, file: RemoteFile, logger: logging.Logger) -> bool:
        if self.floor and file.last_modified < self.floor:
            return False
        return self.migrating or super()._should_sync_file(file, logger)


def test_a_cursor_that_converts_old_states() -> None:  # vector 15
    cursor = OldStateCursor(config())
    cursor.set_initial_state({"history": {"2023-08-01": ["file1.txt"]}, CURSOR_FIELD: "2023-08-01T00:00:00Z"})
    assert cursor.get_state() == {
        "history": {"file1.txt": "2023-08-01T00:00:00.000000Z"},
        CURSOR_FIELD: "2023-08-01T00:00:00.000000Z_file1.txt",
        "v3_min_sync_date": "2023-07-31T23:00:00.000000Z",
    }
    assert cursor.snapshot() == cursor.get_state()
    cursor.set_initial_state({"history": {}, CURSOR_FIELD: "2023-08-01T00:00:00Z"})
    assert cursor.get_state()["history"] == {}
    cursor.set_initial_state({})


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_cursor_that_builds_its_own_state_is_exact(copied: Any) -> None:
    small = type("Small", (OldStateCursor,), {"DEFAULT_MAX_HISTORY_SIZE": 2})
    cursor = small(config())
    cursor.set_initial_state({"history": {"2023-01-01": ["a"]}, CURSOR_FIELD: "2023-01-01T00:00:00Z"})
    files = [file("a", 0), file("b", 2), file("c", 3), file("d", 1)]
    assert sync(cursor, files) == ["a", "d", "b", "c"]
    state = cursor.snapshot()
    assert type(state["history"]) is dict
    assert sorted(state) == [CURSOR_FIELD, "history", OLDER_HISTORY_KEY, "v3_min_sync_date"]
    own = copied(cursor.get_state())["history"] if copied is not copy.copy else copied(cursor.get_state()["history"])
    assert type(own) is dict
    assert own == state["history"]

    again = small(config())
    again.set_initial_state(through_json(state))
    assert sync(again, [*files, file("late", 0.5), file("before the floor", -1)]) == ["late"]
    assert sorted(state["history"]) == ["b", "c"]


class ShownFile(RemoteFile):
    shown: str


class ShownUriCursor(DefaultFileBasedCursor):
    """Keys the history by another name of the file, evicts by itself, and has a rule of its own."""

    DEFAULT_MAX_HISTORY_SIZE = 2

    def add_file(self, file: Any) -> None:
        self._file_to_datetime_history[file.shown] = file.last_modified.strftime(self.DATE_TIME_FORMAT)
        if len(self._file_to_datetime_history) > self.DEFAULT_MAX_HISTORY_SIZE:
            oldest = self._compute_earliest_file_in_history()
            assert oldest
            self.evict(oldest.uri)

    def evict(self, uri: str) -> None:
        del self._file_to_datetime_history[uri]

    def _should_sync_file(self, file: Any, logger: logging.Logger) -> bool:
        if file.shown in self._file_to_datetime_history:
            return file.last_modified.strftime(self.DATE_TIME_FORMAT) > self._file_to_datetime_history[file.shown]
        first = self._initial_earliest_file_in_history
        if not first or not self._is_history_full() or file.last_modified > first.last_modified:
            return True
        return bool(file.last_modified >= self.get_start_time())


class PoppingCursor(ShownUriCursor):
    def evict(self, uri: str) -> None:
        assert self._file_to_datetime_history.pop(uri)


@pytest.mark.parametrize("base", [ShownUriCursor, PoppingCursor])
def test_a_cursor_with_its_own_keys_and_rule(base: type[ShownUriCursor]) -> None:
    def shown(uri: str, day: int) -> ShownFile:
        return ShownFile(uri=f"{uri}?token={day}", shown=uri, last_modified=BASE + timedelta(days=day))

    files: list[RemoteFile] = [shown(uri, day) for day, uri in enumerate("abcd")]
    cursor = base(config())
    assert len(sync(cursor, files)) == 4
    state = through_json(cursor.snapshot())
    assert sorted(state["history"]) == ["c", "d"]
    assert cursor.state_entries() == 4
    again = base(config())
    again.set_initial_state(state)
    assert sync(again, [*files, shown("late", -1), shown("e", 9)]) == ["e?token=9"]

    # what it evicted was not forgotten: without a rule of its own the cursor knows it
    exact = cursor_of(2)
    exact.set_initial_state(state)
    assert sync(exact, [file("a", 0), file("b", 1), file("late", -1)]) == ["late"]


def test_a_file_that_a_connector_removes_from_the_history_is_read_again() -> None:
    cursor = DefaultFileBasedCursor(config())
    sync(cursor, [file("a", 1), file("b", 2), file("c", 3)])
    cursor._file_to_datetime_history.pop("b")
    assert cursor._file_to_datetime_history.pop("b", None) is None
    with pytest.raises(KeyError):
        cursor._file_to_datetime_history.pop("b")
    assert cursor._file_to_datetime_history.popitem()[0] == "c"
    assert chosen(cursor, [file("a", 1), file("b", 2), file("c", 3)]) == ["b", "c"]
    cursor._file_to_datetime_history.update({"b": text(BASE)}, d=text(BASE))
    assert cursor._file_to_datetime_history.setdefault("b", "") == text(BASE)
    assert cursor._file_to_datetime_history.setdefault("e", text(BASE)) == text(BASE)
    cursor._file_to_datetime_history |= {"f": text(BASE)}
    assert chosen(cursor, [file(uri) for uri in "bdef"]) == []
    cursor._file_to_datetime_history.clear()
    assert chosen(cursor, [file(uri) for uri in "abdef"]) == list("abdef")
    assert cursor.state_entries() == 0
    with pytest.raises(ValueError, match="nonsense"):
        cursor._file_to_datetime_history["g"] = "nonsense"
    assert cursor.get_state() == {"history": {}, CURSOR_FIELD: None}


def test_an_overruled_rule_remembers_nothing() -> None:
    class Greedy(DefaultFileBasedCursor):
        DEFAULT_MAX_HISTORY_SIZE = 1

        def _should_sync_file(self, file: RemoteFile, logger: logging.Logger) -> bool:
            return super()._should_sync_file(file, logger) or file.uri.startswith("wanted")

    cursor = Greedy(config())
    cursor.set_initial_state({"history": {"b": text(BASE)}})
    files = [file("wanted", -9), file("old", -9), file("b")]
    assert chosen(cursor, files) == ["wanted"]  # and then reading it fails
    again = DefaultFileBasedCursor(config())
    again.set_initial_state(through_json(cursor.snapshot()))
    assert chosen(again, files) == ["wanted"]


def test_a_file_that_a_connector_refuses_is_not_remembered() -> None:
    class Picky(DefaultFileBasedCursor):
        DEFAULT_MAX_HISTORY_SIZE = 1
        refused = "new"

        def _should_sync_file(self, file: RemoteFile, logger: logging.Logger) -> bool:
            return super()._should_sync_file(file, logger) and file.uri != self.refused

    cursor = Picky(config())
    cursor.set_initial_state({"history": {"b": text(BASE)}})
    assert chosen(cursor, [file("new", 9)]) == []
    cursor.refused = ""
    assert chosen(cursor, [file("new", 9)]) == ["new"]


def test_a_file_that_changes_all_the_time_takes_no_memory() -> None:
    cursor = cursor_of(3)
    for minute in range(5_000):
        cursor.add_file(file("busy", minute / 1440))
    assert len(cursor._history._order) < 1_100
    sync(cursor, [file("a", 50), file("b", 51), file("c", 52)])
    assert sorted(cursor.get_state()["history"]) == ["a", "b", "c"]


# Concurrent cursors --------------------------------------------------------------------------------------------------


class Part:
    def __init__(self, *files: RemoteFile) -> None:
        self.files = files

    def to_slice(self) -> dict[str, Any]:
        return {"files": list(self.files)}


class OneFile:
    def __init__(self, file: RemoteFile) -> None:
        self.file = file


def test_the_concurrent_cursor_names_the_first_pending_file() -> None:
    cursor = FileBasedConcurrentCursor(config())
    assert cursor.get_state() == {"history": {}, CURSOR_FIELD: "0001-01-01T00:00:00.000000Z_"}
    a, b, c = file("a", 2), file("b", 1), file("c", 1)
    cursor.set_pending_partitions([OneFile(a), Part(b, c)])
    assert cursor.get_state()[CURSOR_FIELD] == "2023-01-02T00:00:00.000000Z_b"
    cursor.observe({})
    cursor.add_file(a)
    cursor.close_partition(OneFile(a))
    assert cursor.state == {"history": {"a": text(a.last_modified)}, CURSOR_FIELD: "2023-01-02T00:00:00.000000Z_b"}
    cursor.add_file(b)
    assert cursor.state[CURSOR_FIELD] == "2023-01-02T00:00:00.000000Z_c"
    cursor.add_file(c)
    assert cursor.state[CURSOR_FIELD] == "2023-01-03T00:00:00.000000Z_a"
    assert cursor.should_be_synced({})


def test_the_concurrent_rule_starts_from_the_stored_cursor() -> None:
    history = {"b": text(BASE + timedelta(days=5)), "c": text(BASE + timedelta(days=6))}
    state = {"history": history, CURSOR_FIELD: f"{text(BASE + timedelta(days=2))}_p"}
    for stored, expected in ((state, ["q", "r"]), ({"history": history}, []), ({**state, CURSOR_FIELD: "odd"}, [])):
        cursor = cursor_of(2, FileBasedConcurrentCursor)
        cursor.set_initial_state(stored)
        assert (
            chosen(cursor, [file("o", 2), file("p", 2), file("q", 2), file("r", 3), file("s", 1), file("b", 5)])
            == expected
        )


def test_cursors_send_states_when_told() -> None:
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
    from airbyte_cdk.sources.message import InMemoryMessageRepository

    repository = InMemoryMessageRepository()
    given_state = {"history": {"z": text(BASE)}}
    cursor = FileBasedConcurrentCursor(
        config(), "flights", None, given_state, repository, ConnectorStateManager([]), cursor_field=None
    )
    assert chosen(cursor, [file("z"), file("a", 1)]) == ["a"]
    cursor.add_file(file("a", 1))
    assert not list(repository.consume_queue())  # its records may still be on their way
    cursor.ensure_at_least_one_state_emitted()
    cursor.add_file(file("b", 2))
    (message,) = repository.consume_queue()
    assert message.state.stream.stream_descriptor.name == "flights"
    assert sorted(message.state.stream.stream_state.history) == ["a", "z"]

    final = FileBasedFinalStateCursor(config(), repository, None)
    assert final.get_state() == {}
    assert final.get_start_time() == datetime.min
    final.set_initial_state(given_state)
    final.set_pending_partitions([])
    final.add_file(file("a"))
    final.close_partition(None)
    final.observe({})
    final.emit_state_message()
    assert chosen(final, [file("z"), file("a")]) == ["z", "a"]
    final.ensure_at_least_one_state_emitted(complete=False)
    assert not list(repository.consume_queue())
    assert final.final_state(complete=False) is None
    final.ensure_at_least_one_state_emitted()
    (message,) = repository.consume_queue()
    assert vars(message.state.stream.stream_state) == {"__ab_no_cursor_state_message": True} == final.state
    assert final.state_entries() == 0

    for lonely in (FileBasedConcurrentCursor(config()), FileBasedFinalStateCursor(config())):
        with pytest.raises(RuntimeError, match="no message repository"):
            lonely.ensure_at_least_one_state_emitted()


def test_a_cursor_of_a_connectors_own() -> None:
    class EverythingCursor(AbstractFileBasedCursor):
        def __init__(self) -> None:
            super().__init__(config())
            self.state: dict[str, Any] = {"history": {}}

        def add_file(self, file: RemoteFile) -> None:
            self.state["history"][file.uri] = text(file.last_modified)

        def set_initial_state(self, value: Any) -> None:
            self.state = value

        def get_state(self) -> Any:
            return self.state

        def get_start_time(self) -> datetime:
            return datetime.min

        def get_files_to_sync(self, all_files: Any, logger: logging.Logger) -> Any:
            return all_files

    cursor = EverythingCursor()
    cursor.add_file(file("a"))
    snapshot = cursor.snapshot()
    cursor.add_file(file("b"))
    assert snapshot == {"history": {"a": text(BASE)}}
    assert cursor.final_state(complete=False) == cursor.get_state()
    assert cursor.state_entries() == 2


def test_threads_may_share_a_cursor() -> None:
    from concurrent.futures import ThreadPoolExecutor

    cursor = cursor_of(50, FileBasedConcurrentCursor)
    files = [file(f"{number}", number % 97) for number in range(2000)]
    cursor.set_pending_partitions([OneFile(one) for one in files])
    with ThreadPoolExecutor(8) as pool:
        states = pool.map(lambda number: cursor.snapshot(), range(30))
        list(pool.map(cursor.add_file, files))
        for state in states:
            again = cursor_of(50)
            again.set_initial_state(state)
            assert again.state_entries() == len(state["history"]) + state.get(OLDER_HISTORY_KEY, {"files": 0})["files"]
    assert cursor.state_entries() == 2000
    assert chosen(cursor, files) == []


@pytest.mark.parametrize("older", [False, True])
def test_names_that_are_not_utf8_in_states_of_earlier_releases(older: bool) -> None:
    uris = ["bad\udcff.csv", "worse\udcc3\udcff.csv"]
    times = [to_micros(BASE), to_micros(BASE)]
    state = (
        {"history": {}, OLDER_HISTORY_KEY: pack(uris, times)} if older else {"history": dict.fromkeys(uris, text(BASE))}
    )
    cursor = cursor_of(5)
    cursor.set_initial_state(state)
    same = [RemoteFile(uri=uri, last_modified=BASE) for uri in (r"bad\xff.csv", r"worse\xc3\xff.csv", *uris)]
    assert sync(cursor, same) == []
    assert sorted(orjson.loads(orjson.dumps(cursor.get_state()))["history"]) == [r"bad\xff.csv", r"worse\xc3\xff.csv"]
    # a reader of a connector may go on to name files so
    cursor.add_file(RemoteFile(uri="new\udcff.csv", last_modified=BASE))
    assert r"new\xff.csv" in orjson.loads(orjson.dumps(cursor.get_state()))["history"]
    assert sync(cursor, [RemoteFile(uri="new\udcff.csv", last_modified=BASE)]) == []
