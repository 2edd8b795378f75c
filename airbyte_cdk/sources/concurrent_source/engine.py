"""The read loop: what the workers read becomes records, states and statuses, in an order that loses nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airbyte_cdk.interrupts import Interrupted, check_interrupted
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStreamStatus,
    FailureType,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.models.wire import EncodeError
from airbyte_cdk.sources.concurrent_source.progress import Progress
from airbyte_cdk.sources.concurrent_source.stream_read import StreamRead
from airbyte_cdk.sources.concurrent_source.workers import (
    Announce,
    Done,
    Encode,
    Ended,
    Event,
    Failed,
    Message,
    Records,
    Started,
    Workers,
)
from airbyte_cdk.sources.message.state import state_message
from airbyte_cdk.sources.streams.checkpoint.due import Checkpoints
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException, text_of

if TYPE_CHECKING:
    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.core import Stream

T = TypeVar("T")
MEMORY = 128 * 1024 * 1024
"""Bytes that may be in flight, unless the source says otherwise: what readers hold, batches, encoded lines."""
READER_MEMORY = 8 * 1024 * 1024
"""What one reader holds of its file (blocks, column buffers) before a batch is made of it."""


def _descriptor(stream: Stream) -> StreamDescriptor:
    return StreamDescriptor(name=stream.name, namespace=stream.namespace)


class Engine(Generic[T]):
    """Reads streams on a pool of workers.

    Guarantees: the records of a partition keep their order; a STATE message follows every record that it covers and
    never changes afterwards; each stream that starts ends COMPLETE or INCOMPLETE, after its last STATE; a failing
    stream leaves the others alone; with one reader the order of all messages is the same in each run.

    The loop runs on the consumer's thread, which alone closes partitions and asks for states. It waits for encoders,
    which wait for nobody, and never for readers; so a full budget cannot deadlock it. Streams that must stay on the
    thread on which they were made are read on it, between two events.

    Args:
        reads: The streams, in the order in which they are to start.
        encode: Turns batches into what `run` yields for them.
        readers: Threads that list and read partitions; 0 for the consumer's own thread.
        encoders: Threads that encode.
        repository: Messages waiting here go out before the next item.
        logger: Tells the user about starts, ends and failures.
        interval: Longest time in seconds between two STATE messages of a stream that moves on.
        memory: Bytes that may be in flight.
        progress: Is kept up to date.
        stop_on_failure: End the sync at the first stream that fails.
        size: Gives the bytes of what `encode` made, for the progress.
        announce: Makes the message that comes before a partition, from its slice.
        as_text: Single records reach `encode` as finished JSON text, not as Python rows.
    """

    def __init__(
        self,
        reads: Sequence[StreamRead],
        *,
        encode: Encode[T],
        readers: int,
        encoders: int,
        repository: MessageRepository,
        logger: logging.Logger,
        interval: float,
        memory: int = MEMORY,
        progress: Progress | None = None,
        stop_on_failure: bool = False,
        size: Callable[[T], int] | None = None,
        announce: Announce | None = None,
        as_text: bool = False,
    ) -> None:
        self._reads = reads
        self._repository = repository
        self._logger = logger
        self._on_threads = readers > 0
        self._interval = interval
        self._stop_on_failure = stop_on_failure
        self._size = size
        self.progress = progress or Progress()
        self.progress.streams += len(reads)
        self._workers: Workers[T] = Workers(
            reads,
            readers=readers,
            encoders=encoders,
            encode=encode,
            memory=max(memory // 4, memory - readers * READER_MEMORY),
            repository=repository,
            progress=self.progress,
            announce=announce,
            as_text=as_text,
        )

    def run(self) -> Iterator[AirbyteMessage | T]:
        """Yield messages and encoded batches until every stream has ended.

        Streams that failed are to be found in `StreamRead.error`. On an interrupt the state of what was finished and
        INCOMPLETE are yielded for each stream under way, then `Interrupted` is raised.
        """
        self._workers.start()
        try:
            while not all(read.ended for read in self._reads):
                check_interrupted()
                try:
                    event = self._workers.next_event()
                except Empty:
                    yield from self._repository.consume_queue()
                    continue
                yield from self._handle(event)
                failed = next((read.error for read in self._reads if read.ended and read.error), None)
                if self._stop_on_failure and failed is not None:
                    yield from self._break_off(failed)
                    break
        except Interrupted as interrupt:
            yield from self._break_off(interrupt)
            raise
        except SystemExit as request:  # of a stream that is read on this thread
            for event in self._workers.left():
                yield from self._handle(event)
            yield from self._break_off(request)
            raise
        finally:
            self._workers.stop()

    def _break_off(self, reason: BaseException) -> Iterator[AirbyteMessage]:
        """End the streams under way, with the state of what was finished."""
        self._workers.stop()
        for read in self._reads:
            if read.started and not read.ended:
                read.error = read.error or reason
                yield from self._end(read)

    def _handle(self, event: Event[T]) -> Iterator[AirbyteMessage | T]:
        if self._on_threads:
            yield from self._repository.consume_queue()
        read = event.read if isinstance(event, Started | Ended) else event.task.read
        try:
            yield from self._told(event)
        except Exception as error:  # of a hook of the stream: the other streams go on
            self._workers.give_up(read)
            yield from self._blame(read, error)
            if isinstance(event, Ended) and not read.ended:
                yield self._ended(read)
        finally:
            if isinstance(event, Failed):
                event.judged.set()

    def _told(self, event: Event[T]) -> Iterator[AirbyteMessage | T]:
        match event:
            case Started(read):
                yield from self._start(read)
            case Records():
                yield from self._records(event)
            case Message(task, message):
                if message.type == Type.STATE:
                    if task.failed:  # it may cover records that were not sent
                        return
                    task.read.states += 1
                elif message.type == Type.RECORD:
                    yield from self._run_status(task.read)
                    task.read.records += 1
                    self.progress.records += 1
                yield message
            case Done(task):
                self.progress.partitions_ended += 1
                if task.partition is not None and not task.failed:
                    task.read.stream.close_partition(task.partition)
                    task.read.unsent = True
                    yield from self._checkpoint(task.read)
            case Failed(task):
                self.progress.partitions_ended += task.partition is not None
                if not task.failed:
                    task.failed = True
                    yield from self._fail(event)
            case Ended(read):
                yield from self._end(read)

    def _start(self, read: StreamRead) -> Iterator[AirbyteMessage]:
        stream = read.stream
        self._logger.info(f"Reading stream {stream.name}")
        read.started = True
        read.checkpoints = Checkpoints(0 if read.whole else stream.state_entries(), self._interval)
        yield as_airbyte_message(_descriptor(stream), AirbyteStreamStatus.STARTED)

    def _run_status(self, read: StreamRead) -> Iterator[AirbyteMessage]:
        if not read.running:
            read.running = True
            yield as_airbyte_message(_descriptor(read.stream), AirbyteStreamStatus.RUNNING)

    def _records(self, event: Records[T]) -> Iterator[AirbyteMessage | T]:
        read = event.task.read
        try:
            if event.task.failed:  # a batch of this partition could not be encoded: what follows it is not sent
                return
            try:
                encoded = event.future.result()
            except Exception as error:
                event.task.failed = True
                yield from self._fail(Failed(event.task, error))
                return
            yield from self._run_status(read)
            read.records += event.num_rows
            self.progress.records += event.num_rows
            if self._size is not None:
                self.progress.nbytes += self._size(encoded)
            yield encoded
        finally:
            self._workers.release(event)

    def _checkpoint(self, read: StreamRead) -> Iterator[AirbyteMessage]:
        assert read.checkpoints is not None
        entries = read.stream.state_entries()
        if read.checkpoints.due(entries) and (state := read.stream.closed_state()):
            yield self._state(read, state)
            read.checkpoints.sent(entries)

    def _state(self, read: StreamRead, state: Mapping[str, Any]) -> AirbyteMessage:
        read.states += 1
        read.unsent = False
        return state_message(read.stream.name, read.stream.namespace, state)

    def _fail(self, event: Failed) -> Iterator[AirbyteMessage]:
        read, partition, error = event.task.read, event.task.partition, event.error
        if partition is not None and read.stream.partition_failed(partition, error):
            return
        self._workers.give_up(read)
        read.unlisted = read.unlisted or partition is None
        yield from self._blame(read, error)

    def _blame(self, read: StreamRead, error: BaseException) -> Iterator[AirbyteMessage]:
        """Note the error that ends a stream, and tell it, unless there was one before."""
        if read.error is None:
            read.error = error
            yield self._trace(read, error)

    def _trace(self, read: StreamRead, error: BaseException) -> AirbyteMessage:
        stream = read.stream
        descriptor = _descriptor(stream)
        if isinstance(error, AirbyteTracedException):
            self._logger.error(f"Stream {stream.name} failed: {error}")
            return error.as_sanitized_airbyte_message(stream_descriptor=descriptor)
        self._logger.error(f"Stream {stream.name} failed: {text_of(error)}", exc_info=error)
        try:
            told = str(error) if isinstance(error, EncodeError) else stream.get_error_display_message(error)
        except Exception as worse:
            self._logger.error(f"Stream {stream.name} cannot explain its error: {text_of(worse)}")
            told = None
        message = told or (
            f"Stream {stream.name} could not be read to its end: {type(error).__name__}. The log has the details."
        )
        traced = AirbyteTracedException.from_exception(
            error,
            message=message,
            failure_type=getattr(error, "failure_type", FailureType.system_error),
        )
        return traced.as_sanitized_airbyte_message(stream_descriptor=descriptor)

    def _end(self, read: StreamRead) -> Iterator[AirbyteMessage]:
        stream = read.stream
        if read.error is None and (failure := stream.failure()) is not None:
            yield from self._blame(read, failure)
        yield from self._repository.consume_queue()
        # Nothing new to tell: it was told, or nothing could be read at all. And a stream that is read
        # as a whole closes its parts ahead of the output: after an error its state may cover records never sent.
        told = not read.unsent and (read.unlisted or read.states > 0 or read.error is not None)
        if read.whole is not None:  # its last state stands, if it has nothing to tell
            told = told or bool(read.known) or read.error is not None
        if not told:
            state = stream.final_state(complete=read.error is None)
            if state is not None:
                yield self._state(read, state)
        yield self._ended(read)

    def _ended(self, read: StreamRead) -> AirbyteMessage:
        self._logger.info(f"Read {read.records} records from stream {read.stream.name}")
        status = AirbyteStreamStatus.COMPLETE if read.error is None else AirbyteStreamStatus.INCOMPLETE
        read.ended = True
        self.progress.streams_ended += 1
        return as_airbyte_message(_descriptor(read.stream), status)
