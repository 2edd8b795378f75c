"""A source that lists streams; the engine reads them."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airbyte_cdk import output
from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteStateMessage,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    FailureType,
    Status,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.message import InMemoryMessageRepository, MessageRepository, NoopMessageRepository
from airbyte_cdk.sources.source import Source
from airbyte_cdk.sources.utils.json_copy import json_copy
from airbyte_cdk.sources.utils.schema_helpers import InternalConfig, split_config
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger, SliceLogger
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException, text_of

if TYPE_CHECKING:
    from airbyte_cdk.models.batch import Batch
    from airbyte_cdk.sources.concurrent_source.progress import Progress
    from airbyte_cdk.sources.concurrent_source.stream_read import StreamRead
    from airbyte_cdk.sources.concurrent_source.workers import Encode
    from airbyte_cdk.sources.streams.core import Stream
    from airbyte_cdk.sources.streams.partition import Item

T = TypeVar("T")


def record_messages(stream: str, namespace: str | None, batch: Batch) -> list[AirbyteMessage]:
    """One RECORD message a row of the batch."""
    from airbyte_cdk.models.wire import rows

    emitted_at = time.time_ns() // 1_000_000
    return [
        AirbyteMessage(
            type=Type.RECORD,
            record=AirbyteRecordMessage(stream=stream, namespace=namespace, data=row, emitted_at=emitted_at),
        )
        for row in rows(batch)
    ]


def _in_batches(stream: str, whole: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """What a stream's own `read` yields, whole batches among it; single records if it looks into them."""
    from airbyte_cdk.sources.streams.batch_message import BatchMessage, Reader, RecordsWanted, reading_as

    batches = 0
    try:
        with reading_as(Reader.ENGINE_IN_BATCHES):
            for item in whole():
                batches += isinstance(item, BatchMessage)
                yield item
            return
    except RecordsWanted:
        if batches:
            text = (
                f"The `read` of stream {stream} changes some records, but hands others on unseen. Set "
                "`yields_batches = False` in its class, so that it is given single records."
            )
            raise AirbyteTracedException(text, text, FailureType.system_error) from None
    with reading_as(Reader.ENGINE):
        yield from whole()


READERS = 8
"""Readers at once, on few cores: more only cost memory; fewer would leave the cores idle while readers wait."""


def _failure_type(errors: list[BaseException], failures: int) -> FailureType:
    """A transient_error if all that failed may succeed later, so that a platform tries again; else a config_error."""
    transient = [error for error in errors if getattr(error, "failure_type", None) is FailureType.transient_error]
    return FailureType.transient_error if len(transient) == failures else FailureType.config_error


class AbstractSource(Source, ABC):
    """A source that is a list of streams.

    An author writes `streams`, and overrides `check_connection` if there is a better check than to read a record of
    each stream. The spec is the file ``spec.yaml`` or ``spec.json`` of the package.

    Streams are read one after the other in the order of the catalog, unless `max_workers` declares that they may be
    read at once.
    """

    _slice_logger: ClassVar[SliceLogger] = DebugSliceLogger()
    _message_repository: MessageRepository | None = None
    progress: Progress | None = None
    """Counts of the sync under way, for whoever shows them."""

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, Any | None]:
        """Whether the source can be reached with `config`, and if not, why.

        By default: whether each stream gives its first record, or is empty.
        """
        from airbyte_cdk.sources.streams.availability_strategy import NO_SLICES, FirstRecordAvailabilityStrategy

        for stream in self.streams(config):
            try:
                available, reason = FirstRecordAvailabilityStrategy().check_availability(stream, logger, self)
            except Exception as error:
                logger.error(f"Stream {stream.name}: the check failed", exc_info=error)
                told = stream.get_error_display_message(error) or f"{type(error).__name__}: {error}"
                available, reason = False, told
            if not available and reason != NO_SLICES:
                return False, f"Stream {stream.name}: {reason}"
        return True, None

    @abstractmethod
    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """The streams that the source has with `config`."""

    @property
    def message_repository(self) -> MessageRepository:
        """Where messages wait for their place in the output."""
        if self._message_repository is None:
            self._message_repository = InMemoryMessageRepository()
        return self._message_repository

    @property
    def raise_exception_on_missing_stream(self) -> bool:
        """Whether a configured stream that the source does not have is an error; it is, since its data is missing."""
        return True

    @property
    def stop_sync_on_stream_failure(self) -> bool:
        """Whether the sync ends when the first stream fails, instead of reading the others."""
        return False

    def max_workers(self) -> int:
        """Threads that may list, open and read at once. 1 unless a source says that its readers may be shared."""
        return 1

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """The outcome of `check_connection` as a protocol object."""
        succeeded, error = self.check_connection(logger, config)
        if not succeeded:
            return AirbyteConnectionStatus(
                status=Status.FAILED, message=error if isinstance(error, str) else repr(error)
            )
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        """The catalog of all streams."""
        return AirbyteCatalog(streams=[stream.as_airbyte_stream() for stream in self.streams(config)])

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Every message of a sync, one RECORD message a record.

        The command line reads the same sync in batches (`read_items`), unless a connector overrides this method.
        """
        for item in self.read_items(logger, config, catalog, state, record_messages):
            if isinstance(item, list):
                yield from item
            else:
                yield item

    read.expands_batches = True  # type: ignore[attr-defined]  # tells the entrypoint that read_items says the same

    def read_items(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None,
        encode: Encode[T],
        size: Callable[[T], int] | None = None,
    ) -> Generator[AirbyteMessage | T, None, None]:
        """Every message of a sync, with what `encode` makes of each batch of records in their place.

        Args:
            logger: For what a user should see.
            config: The config as the user wrote it.
            catalog: The streams to read, in order.
            state: Where the last sync ended.
            encode: Called with stream name, namespace and batch, on several threads at once.
            size: Gives the bytes of what `encode` made, for the progress line; None if they do not matter.

        Raises:
            AirbyteTracedException: a config_error after all other messages, if any stream did not complete.
            Interrupted: after the state of what was finished and INCOMPLETE for the streams under way.
        """
        from airbyte_cdk.sources.concurrent_source.cores import available_cores
        from airbyte_cdk.sources.concurrent_source.engine import Engine
        from airbyte_cdk.sources.concurrent_source.progress import Progress
        from airbyte_cdk.sources.streams.checkpoint.due import state_interval
        from airbyte_cdk.utils.progress_line import shown

        logger.info(f"Starting the sync of {self.name}")
        config, internal_config = split_config(config)
        streams = {stream.name: stream for stream in self.streams(config)}
        manager = ConnectorStateManager(state)
        failures: dict[str, str] = {}
        reads: list[StreamRead] = []
        for configured in catalog.streams:
            name = configured.stream.name
            if name in streams:
                reads.append(self._stream_read(streams[name], configured, manager, internal_config, logger))
                continue
            text = f"The stream {name} is in the catalog, but the source has no stream of this name"
            logger.error(text)
            if self.raise_exception_on_missing_stream:
                failures[name] = text
                yield AirbyteTracedException(text, text, FailureType.config_error).as_sanitized_airbyte_message(
                    StreamDescriptor(name=name, namespace=configured.stream.namespace)
                )
            yield as_airbyte_message(configured.stream, AirbyteStreamStatus.INCOMPLETE)
        if failures and self.stop_sync_on_stream_failure:
            reads = []
        configured_names = {configured.stream.name for configured in catalog.streams}
        if others := [name for name in streams if name not in configured_names]:
            logger.warning(f"Not in the catalog and therefore not read: {', '.join(others)}")

        announces = self._slice_logger.should_log_slice_message(logger)
        cores = available_cores()
        readers = max(1, min(self.max_workers(), max(READERS, 2 * cores)))
        if readers == 1 and not all(read.stream.any_thread for read in reads):
            readers = 0  # the streams stay on this thread, on which they were made
        self.progress = Progress()
        engine = Engine(
            reads,
            encode=encode,
            readers=readers,
            encoders=cores,
            repository=self.message_repository or NoopMessageRepository(),
            logger=logger,
            interval=state_interval(),
            progress=self.progress,
            stop_on_failure=self.stop_sync_on_stream_failure,
            size=size,
            as_text=encode is not record_messages,
            announce=self._slice_logger.create_slice_log_message if announces else None,
        )
        with shown(self.progress.line, output.terminal()):
            yield from engine.run()
        for read in reads:
            if read.error is not None:
                failures[read.stream.name] = f"{type(read.error).__name__}: {text_of(read.error)}"
        logger.info(f"Finished the sync of {self.name}: {self.progress.line()}")
        if failures:
            listed = "\n".join(f"{name}: {text}" for name, text in failures.items())
            raise AirbyteTracedException(
                internal_message=listed,
                message=f"The sync ended, but these streams are not complete: {', '.join(failures)}.\n{listed}",
                failure_type=_failure_type([read.error for read in reads if read.error is not None], len(failures)),
            )

    def _stream_read(
        self,
        stream: Stream,
        configured: ConfiguredAirbyteStream,
        manager: ConnectorStateManager,
        internal_config: InternalConfig,
        logger: logging.Logger,
    ) -> StreamRead:
        """How a configured stream is to be read: partition by partition, or through its own `read`."""
        from airbyte_cdk.sources.concurrent_source.stream_read import StreamRead
        from airbyte_cdk.sources.streams.core import NO_CURSOR_STATE_KEY
        from airbyte_cdk.sources.streams.slices import Reading

        known: MutableMapping[str, Any] = manager.get_stream_state(stream.name, stream.namespace)
        if known.get(NO_CURSOR_STATE_KEY):
            known = {}
        if internal_config.page_size and hasattr(stream, "page_size"):
            stream.page_size = internal_config.page_size
        stream.begin(Reading(configured.sync_mode, configured.cursor_field or None, known, internal_config.limit))
        if not self._reads_whole(stream, configured) and not internal_config.limit:
            initial = json_copy(self._initial_state(stream, configured, known))
            return StreamRead(stream, resume=partial(stream.resume, initial), known=known)

        def whole() -> Iterator[Item]:
            messages: Iterable[Item] = stream.read(
                configured, logger, self._slice_logger, known, manager, internal_config
            )
            return iter(stream.fitted(messages))

        if stream.yields_batches:
            return StreamRead(stream, partial(_in_batches, stream.name, whole), partial(stream.resume, known), known)
        return StreamRead(stream, whole, partial(stream.resume, known), known)

    def _reads_whole(self, stream: Stream, configured: ConfiguredAirbyteStream) -> bool:
        """Whether the stream is read through its own `read`."""
        return stream.reads_whole

    def _initial_state(
        self, stream: Stream, configured: ConfiguredAirbyteStream, known: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """The state that the stream starts from."""
        return known
