"""The read loop, with streams of plain Python partitions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from airbyte_cdk.models import AirbyteMessage, AirbyteStreamStatus, Type
from airbyte_cdk.models.batch import Batch, JsonLines, Rows
from airbyte_cdk.sources.concurrent_source.budget import Budget, Closed
from airbyte_cdk.sources.concurrent_source.cores import _cgroup_quota, available_cores
from airbyte_cdk.sources.concurrent_source.engine import Engine
from airbyte_cdk.sources.concurrent_source.stream_read import StreamRead
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.message.state import state_message
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.checkpoint.due import Checkpoints, state_interval
from airbyte_cdk.sources.streams.partition import Item, Partition
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


class Numbers(Partition):
    def __init__(self, name: str, batches: Iterable[Any], error: Exception | None = None) -> None:
        self.name, self.batches, self.error = name, batches, error

    @property
    def slice(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def read(self) -> Iterable[Item]:
        for n in self.batches:
            yield Batch(Rows([{"p": self.name, "n": n}]))
        if self.error:
            raise self.error


class Toy(Stream):
    primary_key = None

    def __init__(self, name: str, parts: Iterable[Numbers], tolerant: bool = False) -> None:
        super().__init__()
        self._name, self._parts, self._done, self.tolerant = name, parts, [], tolerant
        self.failed: list[str] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def state(self) -> dict[str, Any]:
        return {"done": list(self._done)}

    def get_json_schema(self) -> Mapping[str, Any]:
        return {}

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        raise AssertionError("the engine reads partitions")

    def partitions(self) -> Iterable[Partition]:
        return self._parts

    def close_partition(self, partition: Partition) -> None:
        self._done.append(partition.slice["name"])

    def partition_failed(self, partition: Partition, error: BaseException) -> bool:
        self.failed.append(partition.slice["name"])
        return self.tolerant

    def closed_state(self) -> dict[str, Any]:
        return self.state

    def state_entries(self) -> int:
        return len(self._done)


def encode(stream: str, namespace: str | None, batch: Batch) -> list[Any]:
    assert isinstance(batch.table, Rows)
    if any(r.get("n") == "unprintable" for r in batch.table.rows):
        raise ValueError("cannot be printed")
    return [(stream, r["p"], r["n"]) for r in batch.table.rows]


def engine_of(reads: list[StreamRead], readers: int = 1, **options: Any) -> Engine[Any]:
    return Engine(
        reads,
        encode=encode,
        readers=readers,
        encoders=2,
        repository=InMemoryMessageRepository(),
        logger=logging.getLogger("airbyte.test"),
        interval=options.pop("interval", 60.0),
        **options,
    )


def run(streams: list[Stream], readers: int = 1, **options: Any) -> tuple[list[Any], list[StreamRead]]:
    reads = [StreamRead(stream) for stream in streams]
    return list(engine_of(reads, readers, **options).run()), reads


def statuses(items: list[Any], stream: str) -> list[str]:
    return [
        i.trace.stream_status.status.value
        for i in items
        if isinstance(i, AirbyteMessage)
        and i.type == Type.TRACE
        and i.trace.stream_status
        and i.trace.stream_status.stream_descriptor.name == stream
    ]


def check_states_follow_records(items: list[Any], sizes: dict[tuple[str, str], int]) -> None:
    seen: dict[tuple[str, str], int] = {}
    for item in items:
        if isinstance(item, list):
            for stream, part, _ in item:
                seen[stream, part] = seen.get((stream, part), 0) + 1
        elif item.type == Type.STATE:
            name = item.state.stream.stream_descriptor.name
            for part in item.state.stream.stream_state.done:
                assert seen.get((name, part), 0) == sizes[name, part]


@pytest.mark.parametrize("readers", [1, 4])
def test_a_state_follows_all_the_records_that_it_covers(readers: int) -> None:
    streams: list[Stream] = [Toy(s, [Numbers(f"p{i}", range(i * 3)) for i in range(30)]) for s in ("a", "b")]
    items, _ = run(streams, readers, interval=0.000001)
    check_states_follow_records(items, {(s, f"p{i}"): i * 3 for s in ("a", "b") for i in range(30)})
    for stream in ("a", "b"):
        rows = [r for item in items if isinstance(item, list) for r in item if r[0] == stream]
        for i in range(30):
            assert [n for _, p, n in rows if p == f"p{i}"] == list(range(i * 3))
        assert statuses(items, stream) == ["STARTED", "RUNNING", "COMPLETE"]
    finals = [i for i in items if isinstance(i, AirbyteMessage) and i.type == Type.STATE]
    last = {f.state.stream.stream_descriptor.name: len(f.state.stream.stream_state.done) for f in finals}
    assert last == {"a": 30, "b": 30}


def test_one_reader_gives_the_same_order_each_time() -> None:
    def once() -> list[Any]:
        streams: list[Stream] = [Toy(s, [Numbers(f"p{i}", range(3)) for i in range(10)]) for s in ("a", "b")]
        items, _ = run(streams)
        return [i if isinstance(i, list) else i.type.value for i in items]

    first = once()
    assert all(once() == first for _ in range(5))
    rows = [r[0] for item in first if isinstance(item, list) for r in item]
    assert rows == ["a"] * 30 + ["b"] * 30


@pytest.mark.parametrize("readers", [1, 4])
def test_a_failing_partition_ends_its_stream_and_no_other(readers: int) -> None:
    broken = Toy(
        "a",
        [
            Numbers("p0", range(5)),
            Numbers("p1", range(5), OSError("gone")),
            *(Numbers(f"q{i}", range(5)) for i in range(10_000)),
        ],
    )
    items, reads = run([broken, Toy("b", [Numbers("p0", range(5))])], readers)
    assert statuses(items, "a")[-1] == AirbyteStreamStatus.INCOMPLETE.value
    assert statuses(items, "b")[-1] == AirbyteStreamStatus.COMPLETE.value
    assert isinstance(reads[0].error, OSError)
    assert reads[1].error is None
    assert "p1" not in broken.state["done"]
    errors = [i.trace.error for i in items if isinstance(i, AirbyteMessage) and i.type == Type.TRACE and i.trace.error]
    assert [e.stream_descriptor.name for e in errors] == ["a"]


def test_a_tolerant_stream_reads_its_other_partitions() -> None:
    stream = Toy("a", [Numbers("p0", range(2), OSError("gone")), Numbers("p1", range(2))], tolerant=True)
    _, reads = run([stream])
    assert stream.failed == ["p0"]
    assert stream.state == {"done": ["p1"]}
    assert reads[0].error is None


def test_a_batch_that_cannot_be_encoded_fails_its_stream() -> None:
    stream = Toy("a", [Numbers("p0", [1]), Numbers("p1", [1, "unprintable", 3]), Numbers("p2", [1])])
    items, reads = run([stream, Toy("b", [Numbers("p0", [1])])])
    assert isinstance(reads[0].error, ValueError)
    assert "p1" not in stream.state["done"]
    rows = [r for item in items if isinstance(item, list) for r in item]
    assert ("a", "p1", 3) not in rows
    assert ("b", "p0", 1) in rows


def test_an_abandoned_sync_ends_its_threads_at_once() -> None:
    def endless() -> Iterable[int]:
        n = 0
        while True:
            yield (n := n + 1)

    before = set(threading.enumerate())
    engine: Engine[Any] = Engine(
        [StreamRead(Toy("a", [Numbers(f"p{i}", endless()) for i in range(4)]))],
        encode=encode,
        readers=4,
        encoders=2,
        repository=InMemoryMessageRepository(),
        logger=logging.getLogger("airbyte.test"),
        interval=60.0,
        memory=100_000,
    )
    items = engine.run()
    for _ in range(20):
        next(items)
    began = time.monotonic()
    items.close()
    assert time.monotonic() - began < 5
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("airbyte-read")]


def test_what_is_in_flight_is_bounded() -> None:
    alive = peak = 0
    lock = threading.Lock()

    class Heavy(Numbers):
        def read(self) -> Iterable[Item]:
            nonlocal alive, peak
            for n in range(200):
                with lock:
                    alive += 1
                    peak = max(peak, alive)
                yield Batch(Rows([{"p": self.name, "n": n}], nbytes=1_000_000))

    engine: Engine[Any] = Engine(
        [StreamRead(Toy("a", [Heavy("p0", ()), Heavy("p1", ())]))],
        encode=encode,
        readers=2,
        encoders=2,
        repository=InMemoryMessageRepository(),
        logger=logging.getLogger("airbyte.test"),
        interval=60.0,
        memory=20_000_000,
    )
    count = 0
    for item in engine.run():
        if isinstance(item, list):
            count += 1
            time.sleep(0.001)
            with lock:
                alive -= 1
    assert count == 400
    assert peak <= 20_000_000 / 2_000_000 + 3


def test_the_budget_admits_one_item_larger_than_itself() -> None:
    budget = Budget(10)
    budget.acquire(100)
    waiter = threading.Thread(target=budget.acquire, args=(1,))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    budget.release(100)
    waiter.join(1)
    assert not waiter.is_alive()
    budget.close()
    with pytest.raises(Closed):
        budget.acquire(1)


def test_states_stay_in_proportion_to_the_last_one() -> None:
    checkpoints = Checkpoints(0, 60.0, clock=lambda: 0.0)
    sent = []
    for entries in range(1, 10_001):
        if checkpoints.due(entries):
            checkpoints.sent(entries)
            sent.append(entries)
    assert len(sent) >= 10
    assert sum(sent) <= 3.5 * 10_000


def test_a_state_is_due_after_the_interval() -> None:
    now = 0.0
    checkpoints = Checkpoints(1000, 60.0, clock=lambda: now)
    assert not checkpoints.due(1001)
    now = 60.0
    assert checkpoints.due(1001)
    checkpoints.sent(1001)
    assert not checkpoints.due(1002)


def test_the_interval_is_a_public_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_interval() == 60.0
    monkeypatch.setenv("AIRBYTE_STATE_INTERVAL_SECONDS", "0.2")
    assert state_interval() == 0.2
    monkeypatch.setenv("AIRBYTE_STATE_INTERVAL_SECONDS", "soon")
    with pytest.raises(AirbyteTracedException, match="AIRBYTE_STATE_INTERVAL_SECONDS"):
        state_interval()


def test_the_cpu_quota_of_the_container_counts(tmp_path: Any) -> None:
    assert available_cores() >= 1
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert _cgroup_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _cgroup_quota(tmp_path) is None
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert _cgroup_quota(tmp_path) == 2.0


def test_a_state_of_a_whole_stream_never_covers_records_that_could_not_be_encoded() -> None:
    stream = Toy("a", [])

    def whole() -> Iterable[Item]:
        for n in (1, "unprintable", 3):
            yield Batch(Rows([{"p": "p0", "n": n}]))
            yield state_message("a", None, {"done": n})

    reads = [StreamRead(stream, whole)]
    items = list(engine_of(reads).run())
    states = [i.state.stream.stream_state.done for i in items if isinstance(i, AirbyteMessage) and i.state]
    assert states == [1]
    assert isinstance(reads[0].error, ValueError)


def test_a_source_that_stops_at_the_first_failure_ends_what_is_under_way() -> None:
    slow = threading.Event()

    class Slow(Numbers):
        def read(self) -> Iterable[Item]:
            yield Batch(Rows([{"p": self.name, "n": 0}]))
            slow.wait(5)

    items, reads = run(
        [Toy("a", [Slow("p0", ())]), Toy("b", [Numbers("p0", [], OSError("gone"))])], 2, stop_on_failure=True
    )
    assert [statuses(items, name)[-1] for name in "ab"] == ["INCOMPLETE", "INCOMPLETE"]
    assert all(isinstance(read.error, OSError) for read in reads)


class Grouped(Numbers):
    """A partition of a group, which notes when it is read, beside which others."""

    def __init__(self, name: str, group: str | None, log: list[str], running: list[Any], most: list[int]) -> None:
        super().__init__(name, [0])
        self._group, self._log, self._running, self._most = group, log, running, most

    @property
    def group(self) -> str | None:
        return self._group

    def read(self) -> Iterable[Item]:
        self._running.append(self._group)
        self._log.append(self.name)
        assert self._group is None or self._running.count(self._group) == 1
        self._most[0] = max(self._most[0], len(self._running))
        time.sleep(0.002)
        if self.name == "b3":
            self._running.remove(self._group)
            raise OSError("gone")
        yield from super().read()
        self._running.remove(self._group)


@pytest.mark.parametrize("readers", [1, 4])
def test_partitions_of_a_group_are_read_one_after_the_other(readers: int) -> None:
    log: list[str] = []
    running: list[Any] = []
    most = [0]
    names = [(f"{group}{number:02}", group) for number in range(20) for group in "abcn"]
    names[names.index(("b03", "b"))] = ("b3", "b")
    parts = [Grouped(name, group if group != "n" else None, log, running, most) for name, group in names]
    _, reads = run([Toy("s", parts, tolerant=True), Toy("t", [Numbers("p", [1])])], readers)
    assert [read.error for read in reads] == [None, None]
    assert sorted(log) == sorted(name for name, _ in names)
    for wanted in "abc":  # also behind one that failed
        assert [name for name in log if name.startswith(wanted)] == [name for name, group in names if group == wanted]
    assert most[0] == readers


def test_the_rest_of_a_group_is_forgotten_when_its_stream_stops() -> None:
    log: list[str] = []
    parts = [Grouped("b3" if number == 1 else f"b{number}0", "b", log, [], [0]) for number in range(1000)]
    _, reads = run([Toy("s", parts), Toy("t", [Numbers("p", [1])])], 4)
    assert isinstance(reads[0].error, OSError)
    assert reads[1].error is None
    assert len(log) < 1000


class Singles(Partition):
    """Yields single records."""

    slice: Mapping[str, Any] = {}  # as the base class declares it

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self.records = records

    def read(self) -> Iterable[Item]:
        return self.records


def test_single_records_are_gathered_up_to_a_size() -> None:
    batches: list[Any] = []

    def note(stream: str, namespace: str | None, batch: Batch) -> str:
        batches.append(batch.table)
        return ""

    stream = Toy("a", [])
    stream.partitions = lambda: [Singles({"n": n, "text": "x" * 300_000} for n in range(10))]  # type: ignore[method-assign, list-item]
    stream.close_partition = lambda partition: None  # type: ignore[method-assign]
    engine: Engine[str] = Engine(
        [StreamRead(stream)],
        encode=note,
        readers=1,
        encoders=1,
        repository=InMemoryMessageRepository(),
        logger=logging.getLogger("airbyte.test"),
        interval=60.0,
        as_text=True,
    )
    list(engine.run())
    assert [table.num_rows for table in batches] == [1, 4, 4, 1]
    assert all(isinstance(table, JsonLines) for table in batches)
