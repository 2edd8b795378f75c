"""The stream: a named sequence of records with a schema, read partition by partition."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, AirbyteStream, SyncMode, Type
from airbyte_cdk.models.batch import Batch
from airbyte_cdk.sources.message.state import state_message

if TYPE_CHECKING:
    from airbyte_cdk.models import ConfiguredAirbyteStream
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
    from airbyte_cdk.sources.streams.partition import Partition
    from airbyte_cdk.sources.utils.schema_helpers import InternalConfig
    from airbyte_cdk.sources.utils.slice_logger import SliceLogger

StreamData: TypeAlias = Mapping[str, Any] | AirbyteMessage
"""What `Stream.read_records` yields: a record as a mapping, or a protocol message."""

JsonSchema: TypeAlias = Mapping[str, Any]

NO_CURSOR_STATE_KEY = "__ab_no_cursor_state_message"
"""Only key of the state of a stream that keeps none; such a state is taken as no state at all."""

_batches_wanted: ContextVar[bool] = ContextVar("batches_wanted", default=False)


@contextmanager
def reading_batches() -> Iterator[None]:
    """Within this block `Stream.read` yields `BatchMessage`s instead of one message a record."""
    token = _batches_wanted.set(True)
    try:
        yield
    finally:
        _batches_wanted.reset(token)


def batches_wanted() -> bool:
    """Whether the caller of `Stream.read` takes whole batches."""
    return _batches_wanted.get()


class BatchMessage(AirbyteMessage):
    """A batch that passes through a connector's own `Stream.read` as if it were one RECORD message.

    Connectors that wrap `Stream.read` look at the type of each message and hand on what is not a STATE. The engine
    takes the batch out again; code that iterates a stream by itself never meets one.
    """

    batch: Batch

    @classmethod
    def of(cls, stream: str, batch: Batch) -> BatchMessage:
        """A message of type RECORD that carries `batch`; its own record is empty."""
        message = cls(type=Type.RECORD, record=AirbyteRecordMessage(stream=stream, data={}, emitted_at=0))
        message.batch = batch
        return message


def package_name_from_class(cls: object) -> str:
    """The top-level package of the module that defines `cls`, where its data files are."""
    module = getattr(cls, "__module__", None)
    if not module:
        raise ValueError(f"{cls!r} is defined in no module, so it has no package")
    return str(module).split(".")[0]


class Stream(ABC):
    """A named sequence of records.

    The engine reads `partitions()`, and calls `close_partition` after the records of each were written. A stream
    that overrides `read` is read through it instead, on one worker.
    """

    def __init__(self) -> None:
        self.exit_on_rate_limit = False

    @property
    def name(self) -> str:
        """Name of the stream: by default the class name in snake case."""
        text = type(self).__name__
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in text).lstrip("_")

    @cached_property
    def logger(self) -> logging.Logger:
        """Logger of this stream, ``airbyte.streams.<name>``."""
        return logging.getLogger(f"airbyte.streams.{self.name}")

    @property
    def namespace(self) -> str | None:
        """Namespace of the stream, or None."""
        return None

    @property
    @abstractmethod
    def primary_key(self) -> str | list[str] | list[list[str]] | None:
        """Column, columns, or paths to columns that identify a record; None or empty if there are none."""

    @property
    def cursor_field(self) -> str | list[str]:
        """Column (or path to it) by which the stream is read incrementally; empty if it is not."""
        return []

    @property
    def supports_incremental(self) -> bool:
        """Whether the stream has a cursor field."""
        return len(self._wrapped_cursor_field()) > 0

    @property
    def is_resumable(self) -> bool:
        """Whether a full refresh that broke off goes on from its state."""
        return self.supports_incremental

    @property
    def source_defined_cursor(self) -> bool:
        """Whether the stream, and not the user, chooses the cursor field."""
        return True

    @property
    def state_checkpoint_interval(self) -> int | None:
        """Records between two states inside a slice, or None."""
        return None

    @property
    def state(self) -> MutableMapping[str, Any]:
        """What has been read so far: a snapshot that later reading does not change."""
        return {}

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        raise NotImplementedError(f"stream {self.name} keeps no state")

    @abstractmethod
    def get_json_schema(self) -> Mapping[str, Any]:
        """JSON schema of the records."""

    def as_airbyte_stream(self) -> AirbyteStream:
        """The stream as the catalog names it."""
        stream = AirbyteStream(
            name=self.name,
            json_schema=dict(self.get_json_schema()),
            supported_sync_modes=[SyncMode.full_refresh],
            is_resumable=self.is_resumable,
        )
        if self.namespace:
            stream.namespace = self.namespace
        if self.supports_incremental:
            stream.source_defined_cursor = self.source_defined_cursor
            stream.supported_sync_modes.append(SyncMode.incremental)
            stream.default_cursor_field = self._wrapped_cursor_field()
        if keys := self._wrapped_primary_key(self.primary_key):
            stream.source_defined_primary_key = keys
        return stream

    def _wrapped_cursor_field(self) -> list[str]:
        return (
            [self.cursor_field] if isinstance(self.cursor_field, str) and self.cursor_field else list(self.cursor_field)
        )

    @staticmethod
    def _wrapped_primary_key(keys: str | list[str] | list[list[str]] | None) -> list[list[str]]:
        if not keys:
            return []
        if isinstance(keys, str):
            return [[keys]]
        return [[key] if isinstance(key, str) else list(key) for key in keys]

    def get_error_display_message(self, exception: BaseException) -> str | None:
        """A sentence for the user about an exception of this stream, or None if there is nothing better to say."""
        return None

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any] | None]:
        """The parts in which the stream is read, one state after each."""
        yield None

    @abstractmethod
    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """The records of one slice, in order."""

    # What the engine asks. -----------------------------------------------------------------------------------------

    @property
    def reads_whole(self) -> bool:
        """Whether the stream must be read through its own `read` generator instead of partition by partition."""
        return True

    @property
    def reads_own_slices(self) -> bool:
        """Whether the stream must be read slice by slice, whatever the sync mode."""
        return True

    def partitions(self) -> Iterable[Partition]:
        """The partitions to be read, in order. Called on a worker."""
        raise NotImplementedError(f"stream {self.name} is read as a whole")

    def byte_estimate(self) -> int | None:
        """Bytes that this sync is going to read, once `partitions` has returned; None if nobody knows."""
        return None

    def close_partition(self, partition: Partition) -> None:
        """Take note that the records of `partition` were written. Called on the thread of the read loop."""
        raise NotImplementedError(f"stream {self.name} is read as a whole")

    def partition_failed(self, partition: Partition, error: BaseException) -> bool:
        """Take note that `partition` raised; True if the other partitions shall be read all the same."""
        return False

    def failure(self) -> Exception | None:
        """Why the stream, though read to its end, is not complete; None if it is."""
        return None

    def state_entries(self) -> int:
        """Size of `state`, in any unit that grows with it."""
        return 0

    def final_state(self, *, complete: bool) -> Mapping[str, Any] | None:
        """The state after the last partition; None for no message. `complete`: nothing failed."""
        state = self.state
        if state:
            return state
        return {NO_CURSOR_STATE_KEY: True} if complete else None

    def read(
        self,
        configured_stream: ConfiguredAirbyteStream,
        logger: logging.Logger,
        slice_logger: SliceLogger,
        stream_state: MutableMapping[str, Any],
        state_manager: ConnectorStateManager,
        internal_config: InternalConfig,
    ) -> Iterable[StreamData]:
        """The records of the stream with a STATE message after each slice; a connector may wrap this generator."""
        keeps_state = type(self).state is not Stream.state
        if keeps_state and stream_state and NO_CURSOR_STATE_KEY not in stream_state:
            self.state = stream_state
        cursor_field = configured_stream.cursor_field or None
        sync_mode = configured_stream.sync_mode
        limit = internal_config.limit if internal_config else None
        for stream_slice in self.stream_slices(
            sync_mode=sync_mode, cursor_field=cursor_field, stream_state=stream_state
        ):
            if slice_logger.should_log_slice_message(logger):
                yield slice_logger.create_slice_log_message(stream_slice)
            records = self.read_records(
                sync_mode=sync_mode,
                cursor_field=cursor_field,
                stream_slice=stream_slice,
                stream_state=stream_state,
            )
            for number, record in enumerate(records, 1):
                yield record
                if limit and number >= limit:
                    break
            if keeps_state:
                yield state_message(self.name, self.namespace, dict(self.state))

    def __str__(self) -> str:
        return f"Stream(name={self.name})"
