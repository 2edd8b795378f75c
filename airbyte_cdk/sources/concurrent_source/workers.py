"""The threads that list and read partitions, and the threads that encode what they read."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.models.batch import Batch, JsonLines, Rows
from airbyte_cdk.models.wire import body
from airbyte_cdk.sources.concurrent_source.budget import Budget, Closed
from airbyte_cdk.sources.concurrent_source.schedule import Schedule, Task
from airbyte_cdk.sources.concurrent_source.stream_read import StreamRead
from airbyte_cdk.sources.streams.batch_message import BatchMessage
from airbyte_cdk.sources.utils.record_helper import stream_data_to_airbyte_message
from airbyte_cdk.utils.estimate_message import stream_estimate

if TYPE_CHECKING:
    from airbyte_cdk.sources.concurrent_source.progress import Progress
    from airbyte_cdk.sources.streams.partition import Item

T = TypeVar("T")
Encode: TypeAlias = Callable[[str, str | None, Batch], T]
"""Turns a batch of a stream (name, namespace) into what the consumer of the sync wants."""

Announce: TypeAlias = "Callable[[Mapping[str, Any]], AirbyteMessage]"

_ATOMS = frozenset((str, int, float, bool, type(None)))
GROUP_ROWS = 1000
"""Most single records that are gathered into one batch."""
GROUP_SECONDS = 0.1
"""A batch of single records is sent on when its first one is so old and another one comes."""
GROUP_BYTES = 1 << 20
"""A batch of single records is sent on when their JSON text is longer than this."""


@dataclass(slots=True)
class Started:
    """A stream's listing began."""

    read: StreamRead


@dataclass(slots=True)
class Records(Generic[T]):
    """A batch, being encoded."""

    task: Task
    future: Future[T]
    num_rows: int
    cost: int


@dataclass(slots=True)
class Message:
    """A protocol message that has its place among the records."""

    task: Task
    message: AirbyteMessage


@dataclass(slots=True)
class Done:
    """A partition was read to its end."""

    task: Task


@dataclass(slots=True)
class Failed:
    """A task raised."""

    task: Task
    error: BaseException


@dataclass(slots=True)
class Ended:
    """All tasks of a stream have ended."""

    read: StreamRead


Event: TypeAlias = "Started | Records[T] | Message | Done | Failed | Ended"


class Workers(Generic[T]):
    """Runs the tasks of a schedule and puts what comes of them into one queue.

    The events of one partition are in order: its records and messages, then `Done` or `Failed`; `Ended` comes
    after all events of the stream. The bytes between here and the consumer are bounded by the budget.

    Args:
        reads: The streams.
        readers: Threads that list and read.
        encoders: Threads that encode.
        encode: Run on the encoder threads.
        memory: Bytes that may be in flight.
        progress: Counts the partitions as they are found.
        announce: Makes the message that comes before a partition, from its slice; None for no message.
        as_text: Whether single records are sent on as JSON text, or as Python rows. Either is a copy: a stream may
            change a record after it has yielded it.
    """

    def __init__(
        self,
        reads: Sequence[StreamRead],
        *,
        readers: int,
        encoders: int,
        encode: Encode[T],
        memory: int,
        progress: Progress,
        announce: Announce | None = None,
        as_text: bool = False,
    ) -> None:
        self._announce = announce
        self._as_text = as_text
        self.schedule = Schedule(reads)
        self.events: SimpleQueue[Event[T]] = SimpleQueue()
        self._budget = Budget(memory)
        self._encode = encode
        self._progress = progress
        self._encoders = ThreadPoolExecutor(encoders, thread_name_prefix="airbyte-encode")
        # daemon threads: a reader that hangs in the network must not keep a failed process alive
        self._readers = [Thread(target=self._work, name=f"airbyte-read-{n}", daemon=True) for n in range(readers)]

    def start(self) -> None:
        """Start the threads."""
        for reader in self._readers:
            reader.start()

    def stop(self, patience: float = 2.0) -> None:
        """Make all threads give up; wait for them, but not longer than `patience` seconds."""
        self.schedule.close()
        self._budget.close()
        self._encoders.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + patience
        for reader in self._readers:
            if reader.ident is not None:
                reader.join(max(0.0, deadline - time.monotonic()))

    def release(self, records: Records[T]) -> None:
        """Give back the memory of a batch that was handed on."""
        self._budget.release(records.cost)

    def _work(self) -> None:
        while (task := self.schedule.next()) is not None:
            try:
                if task.partition is not None:
                    if self._announce is not None:
                        self.events.put(Message(task, self._announce(task.partition.slice)))
                    self._forward(task, task.partition.read())
                    self.events.put(Done(task))
                else:
                    self.events.put(Started(task.read))
                    if task.read.whole is not None:
                        self._forward(task, task.read.whole())
                    else:
                        self._list(task)
            except Closed:
                pass
            except BaseException as error:
                self.events.put(Failed(task, error))
            if self.schedule.end(task):
                self.events.put(Ended(task.read))

    def _list(self, task: Task) -> None:
        read, stream = task.read, task.read.stream
        partitions = stream.partitions()
        if (nbytes := stream.byte_estimate()) is not None:
            self.events.put(Message(task, stream_estimate(stream.name, stream.namespace, nbytes)))
        for partition in partitions:
            self._progress.partitions += 1
            if not self.schedule.add(read, partition):
                break

    def _forward(self, task: Task, items: Iterable[Item]) -> None:
        """Send on what a partition yields; single records are gathered into batches."""
        group: list[Any] = []
        keep = partial(body, task.read.stream.name) if self._as_text else _copy
        until, nbytes = 0.0, 0
        try:
            with closing(items) if isinstance(items, Generator) else nullcontext():
                for item in items:
                    if type(item) is not dict:
                        record = self._single(task, group, item)
                        if record is None:
                            continue
                        item = record
                    if not group:
                        if self.schedule.stopped(task.read):
                            raise Closed
                        until, nbytes = time.monotonic() + GROUP_SECONDS, 0
                    kept = keep(item)
                    group.append(kept)
                    nbytes += len(kept)
                    if len(group) >= GROUP_ROWS or nbytes > GROUP_BYTES or time.monotonic() > until:
                        self._flush(task, group)
        except Closed:
            raise
        except BaseException:
            self._flush(task, group)  # what was yielded before an error is sent
            raise
        self._flush(task, group)

    def _single(self, task: Task, group: list[Any], item: Item) -> Mapping[str, Any] | None:
        """The record that an item is; None after sending on one that is none, behind the records before it."""
        batch = item.batch if isinstance(item, BatchMessage) else item
        record = None
        if not isinstance(batch, Batch):
            record = item if isinstance(item, Mapping) else _plain_record(task.read, item)
        if record is None:
            if self.schedule.stopped(task.read):
                raise Closed
            self._flush(task, group)
            if isinstance(batch, Batch):
                self._send(task, batch)
            else:
                self.events.put(Message(task, _message(task.read, item)))
        return record

    def _flush(self, task: Task, group: list[Any]) -> None:
        if group:
            rows = group.copy()
            group.clear()
            self._send(task, Batch(JsonLines(rows) if self._as_text else Rows(rows)))

    def _send(self, task: Task, batch: Batch) -> None:
        if not batch.num_rows:
            return
        # what the batch holds, and about what its lines will hold
        cost = 2 * batch.nbytes + 300 * batch.num_rows
        self._budget.acquire(cost)
        stream = task.read.stream
        try:
            future = self._encoders.submit(self._encode, stream.name, stream.namespace, batch)
        except RuntimeError as error:  # the pool was shut down meanwhile
            raise Closed from error
        self.events.put(Records(task, future, batch.num_rows, cost))


def _copy(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value if type(value) in _ATOMS else deepcopy(value) for name, value in record.items()}


def _message(read: StreamRead, item: Any) -> AirbyteMessage:
    """A message, or the message around a log or trace payload. Raises ValueError for anything else."""
    if isinstance(item, AirbyteMessage):
        return item
    return stream_data_to_airbyte_message(read.stream.name, item)


def _plain_record(read: StreamRead, message: Any) -> Mapping[str, Any] | None:
    """The data of a RECORD message that says nothing beyond its data, so that it can travel in a batch."""
    record = getattr(message, "record", None)
    if record is None or record.stream != read.stream.name or record.namespace != read.stream.namespace:
        return None
    if getattr(record, "meta", None) is not None or getattr(record, "file_reference", None) is not None:
        return None
    data: Mapping[str, Any] = record.data
    return data
