"""Who lists and reads partitions, and the threads that encode what they read."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from airbyte_cdk.interrupts import Interrupted
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.models.batch import Batch, JsonLines, Rows, text_size
from airbyte_cdk.models.wire import body
from airbyte_cdk.sources.concurrent_source.budget import Budget, Closed
from airbyte_cdk.sources.concurrent_source.schedule import Schedule, Task
from airbyte_cdk.sources.concurrent_source.stream_read import StreamRead
from airbyte_cdk.sources.streams.batch_message import BatchMessage
from airbyte_cdk.sources.utils.json_copy import json_copy
from airbyte_cdk.sources.utils.record_helper import stream_data_to_airbyte_message
from airbyte_cdk.utils.estimate_message import stream_estimate

if TYPE_CHECKING:
    from airbyte_cdk.sources.concurrent_source.progress import Progress
    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.partition import Item

T = TypeVar("T")
Encode: TypeAlias = Callable[[str, str | None, Batch], T]
"""Turns a batch of a stream (name, namespace) into what the consumer of the sync wants."""

Announce: TypeAlias = "Callable[[Mapping[str, Any]], AirbyteMessage]"

POLL_SECONDS = 0.1
"""Longest wait for an event."""
GROUP_ROWS = 1000
"""Most single records that are gathered into one batch."""
GROUP_SECONDS = 0.1
"""Single records are sent on as often as this, if they come so slowly."""
GROUP_BYTES = 1 << 20
"""A batch of single records is sent on when their JSON text is longer than this, about."""


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
    """A task raised. Until `judged` is set, its reader waits whether its stream goes on."""

    task: Task
    error: BaseException
    judged: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Ended:
    """All tasks of a stream have ended."""

    read: StreamRead


_OVER = object()

Event: TypeAlias = "Started | Records[T] | Message | Done | Failed | Ended"


class Workers(Generic[T]):
    """Runs the tasks of a schedule and puts what comes of them into one queue.

    The tasks run on threads of their own, or on the thread that asks for the events, between two events.

    The events of one partition are in order: its records and messages, then `Done` or `Failed`; `Ended` comes
    after all events of the stream. The bytes between here and the consumer are bounded by the budget.

    Args:
        reads: The streams.
        readers: Threads that list and read; 0 for the thread that calls `next_event`.
        encoders: Threads that encode.
        encode: Run on the encoder threads.
        memory: Bytes that may be in flight.
        repository: Where streams leave messages. Read without threads, these keep their place among the records.
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
        repository: MessageRepository,
        progress: Progress,
        announce: Announce | None = None,
        as_text: bool = False,
    ) -> None:
        self._announce = announce
        self._as_text = as_text
        self._repository = repository
        self.schedule = Schedule(reads)
        self._events: SimpleQueue[Event[T]] = SimpleQueue()
        # without threads, what was read is taken before more is read
        self._budget = Budget(memory if readers else sys.maxsize)
        self._encode = encode
        self._progress = progress
        self._encoders = ThreadPoolExecutor(encoders, thread_name_prefix="airbyte-encode")
        # daemon threads: a reader that hangs in the network must not keep a failed process alive
        self._readers = [
            threading.Thread(target=copy_context().run, args=(self._run,), name=f"airbyte-read-{n}", daemon=True)
            for n in range(readers)
        ]
        self._steps = None if readers else self._work()

    def start(self) -> None:
        """Start the threads."""
        for reader in self._readers:
            reader.start()

    def next_event(self) -> Event[T]:
        """The next event. Raises `queue.Empty` if there is none for `POLL_SECONDS`."""
        if self._steps is None:
            return self._events.get(timeout=POLL_SECONDS)
        while self._events.empty():
            if next(self._steps, _OVER) is _OVER:
                raise Empty
        return self._events.get_nowait()

    def give_up(self, read: StreamRead) -> None:
        """Read nothing more of a stream."""
        if self.schedule.stop(read):
            self._events.put(Ended(read))

    def left(self) -> Iterator[Event[T]]:
        """The events that are there, without waiting for more."""
        with suppress(Empty):
            while True:
                yield self._events.get_nowait()

    def stop(self, patience: float = 2.0) -> None:
        """Make all readers give up; wait for them, but not longer than `patience` seconds."""
        self.schedule.close()
        self._budget.close()
        self._encoders.shutdown(wait=False, cancel_futures=True)
        if self._steps is not None:
            with suppress(Exception):  # whatever a stream does at its end, the sync is over
                self._steps.close()
        deadline = time.monotonic() + patience
        for reader in self._readers:
            if reader.ident is not None:
                reader.join(max(0.0, deadline - time.monotonic()))

    def release(self, records: Records[T]) -> None:
        """Give back the memory of a batch that was handed on."""
        self._budget.release(records.cost)

    def _run(self) -> None:
        """Do all the work there is."""
        for _ in self._work():
            pass

    def _work(self) -> Generator[None, None, None]:
        """Do the work there is, step by step: a step ends when something was sent on."""
        while (task := self.schedule.next()) is not None:
            try:
                paused = yield from self._do(task)
                if paused:
                    continue
            except Closed:
                pass
            except (GeneratorExit, Interrupted):
                raise
            except BaseException as error:
                if self._steps is not None and not isinstance(error, Exception):
                    raise  # SystemExit, KeyboardInterrupt: on this thread they are for the whole program
                failed = Failed(task, error)
                self._events.put(failed)
                while self._steps is None and not self.schedule.closed and not failed.judged.wait(POLL_SECONDS):
                    pass
            if self.schedule.end(task):
                self._events.put(Ended(task.read))
            yield

    def _do(self, task: Task) -> Generator[None, None, bool]:
        """Do one task; whether it is to be gone on with later."""
        read = task.read
        if task.partition is not None:
            if self._announce is not None:
                self._events.put(Message(task, self._announce(task.partition.slice)))
            yield from self._forward(task, task.partition.read())
            self._events.put(Done(task))
            return False
        if task.listing is None:
            try:
                if read.resume is not None:
                    read.resume()
            finally:
                self._events.put(Started(read))
            self._tell(task)
            yield
            if read.whole is not None:
                yield from self._forward(task, read.whole())
                return False
            task.listing = iter(read.stream.partitions())
            if (nbytes := read.stream.byte_estimate()) is not None:
                self._events.put(Message(task, stream_estimate(read.stream.name, read.stream.namespace, nbytes)))
        if self.schedule.stopped(read):
            return False
        for partition in task.listing:
            self._progress.partitions += 1
            if not self.schedule.add(read, partition):
                return self.schedule.pause(task)
        return False

    def _forward(self, task: Task, items: Iterable[Item]) -> Iterator[None]:
        """Send on what a partition yields; single records are gathered into batches."""
        group: list[Any] = []
        keep: Callable[[Mapping[str, Any]], Any] = partial(body, task.read.stream.name) if self._as_text else _copy
        size: Callable[[Any], int] = len if self._as_text else text_size
        until, nbytes = 0.0, 0
        try:
            with closing(items) if isinstance(items, Generator) else nullcontext():
                for item in items:
                    if self._steps is not None and self._tell(task, group):
                        yield
                    if type(item) is not dict:
                        record = self._single(task, group, item)
                        if record is None:
                            yield
                            continue
                        item = record
                    if not group:
                        if self.schedule.stopped(task.read):
                            raise Closed
                        nbytes = 0
                    kept = keep(item)
                    group.append(kept)
                    nbytes += size(kept)
                    if len(group) >= GROUP_ROWS or nbytes > GROUP_BYTES or time.monotonic() > until:
                        self._flush(task, group)
                        yield
                        until = time.monotonic() + GROUP_SECONDS
        except (Closed, GeneratorExit, Interrupted):
            raise
        except BaseException:
            self._flush(task, group)  # what was yielded before an error is sent
            self._tell(task)
            raise
        self._flush(task, group)
        self._tell(task)

    def _tell(self, task: Task, group: list[Any] | None = None) -> bool:
        """Send on what waits in the repository, behind the records of `group`; whether there was anything.

        On threads, the read loop empties the repository: nobody knows there whose a message is.
        """
        told = False
        if self._steps is not None:
            for message in self._repository.consume_queue():
                if group:
                    self._flush(task, group)
                self._events.put(Message(task, message))
                told = True
        return told

    def _single(self, task: Task, group: list[Any], item: Item) -> Mapping[str, Any] | None:
        """The record that an item is; None after sending on one that is none, behind the records before it."""
        batch = item.batch if isinstance(item, BatchMessage) else item
        if not isinstance(batch, Batch) and isinstance(item, Mapping):
            return item
        # a copy of a file is there, and worth its record, although the stream ends
        if self.schedule.stopped(task.read) and not _stands_for_file(item):
            raise Closed
        self._flush(task, group)
        if isinstance(batch, Batch):
            self._send(task, batch)
        else:
            self._events.put(Message(task, _message(task.read, item)))
        return None

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
        self._events.put(Records(task, future, batch.num_rows, cost))


def _copy(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: json_copy(value) for name, value in record.items()}


def _message(read: StreamRead, item: Any) -> AirbyteMessage:
    """A message, or the message around a log or trace payload. Raises ValueError for anything else."""
    if isinstance(item, AirbyteMessage):
        return item
    return stream_data_to_airbyte_message(read.stream.name, item)


def _stands_for_file(item: Any) -> bool:
    return getattr(getattr(item, "record", None), "file_reference", None) is not None
