"""The stream: a named sequence of records with a schema, read partition by partition."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from airbyte_cdk.models import AirbyteMessage, AirbyteStream, SyncMode, Type
from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import NO_CURSOR_STATE_KEY, CheckpointMode
from airbyte_cdk.sources.streams.checkpoint.cursor import (
    Cursor,
    ResumableFullRefreshCursor,
    SubstreamResumableFullRefreshCursor,
)
from airbyte_cdk.sources.streams.slices import Reading, SequentialRead, slice_partitions
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.sources.utils.casing import camel_to_snake
from airbyte_cdk.sources.utils.json_copy import json_copy
from airbyte_cdk.sources.utils.schema_helpers import ResourceSchemaLoader
from airbyte_cdk.sources.utils.transform import TransformConfig, TypeTransformer
from airbyte_cdk.utils.overriding import overrides

if TYPE_CHECKING:
    from airbyte_cdk.models import ConfiguredAirbyteStream
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
    from airbyte_cdk.sources.streams.partition import Item, Partition
    from airbyte_cdk.sources.utils.schema_helpers import InternalConfig
    from airbyte_cdk.sources.utils.slice_logger import SliceLogger

__all__ = [
    "NO_CURSOR_STATE_KEY",
    "CheckpointMixin",
    "IncrementalMixin",
    "JsonSchema",
    "Stream",
    "StreamData",
    "package_name_from_class",
]

StreamData: TypeAlias = Mapping[str, Any] | AirbyteMessage
"""What `Stream.read_records` yields: a record as a mapping, or a protocol message."""

JsonSchema: TypeAlias = Mapping[str, Any]
"""A JSON schema, as Python values."""


def package_name_from_class(cls: object) -> str:
    """The top-level package of the module that defines `cls`, where its data files are.

    Raises:
        ValueError: it is defined in no module.
    """
    module = getattr(cls, "__module__", None)
    if not module:
        raise ValueError(f"{cls!r} is defined in no module, so it has no package")
    return str(module).split(".")[0]


class CheckpointMixin(ABC):
    """For a stream that keeps a state of its own, which its `read_records` moves on.

    A stream of several shops, read by one slice a shop, each from the last day that was read of it::

        class Sales(CheckpointMixin, Stream):
            primary_key = "id"
            cursor_field = "day"

            def __init__(self):
                self._days = {}

            @property
            def state(self):
                return {"days": self._days}

            @state.setter
            def state(self, value):
                self._days = dict(value.get("days", {}))

            def stream_slices(self, **kwargs):
                for shop in (1, 2):
                    yield StreamSlice(partition={"shop": shop}, cursor_slice={})

            def read_records(self, sync_mode, cursor_field=None, stream_slice=None, stream_state=None):
                shop = str(stream_slice["shop"])  # a state is JSON, whose keys are text
                for sale in shops.sales(int(shop), since=self._days.get(shop, "")):
                    self._days[shop] = sale["day"]
                    yield sale
    """

    @property
    @abstractmethod
    def state(self) -> MutableMapping[str, Any]:
        """What has been read so far: what is read from this state on is what is still missing."""

    @state.setter
    @abstractmethod
    def state(self, value: MutableMapping[str, Any]) -> None:
        """Go on from the state of an earlier sync; an empty one begins anew. Set before the first slice."""


class IncrementalMixin(CheckpointMixin, ABC):
    """The older name of `CheckpointMixin`."""


class Stream(ABC):
    """A named sequence of records.

    An author writes `primary_key` and `read_records`, and puts the schema into ``schemas/<name>.json``, or overrides
    `get_json_schema`. All else has a default; `CheckpointMixin` shows a stream with slices and a state.

    The stream is read slice by slice, in order. What its state is, and so when it is sent:

    - With a `cursor_field`, the stream is incremental. Its state is the property `state` (see `CheckpointMixin`), or
      what `get_updated_state` makes of each record. It is sent after each slice, and each
      `state_checkpoint_interval` records.
    - Without one, a stream that has a `state` all the same is a full refresh that goes on where it broke off: it is
      read again and again, each time from its new state, until that is `FULL_REFRESH_COMPLETE_STATE`, or stands still.
    - Any other stream is read from the beginning in each sync.

    Attributes:
        any_thread: Declares that the stream may be read on another thread than the one on which the source made it.
            Without it, a source that reads one stream at a time reads the stream where it was made, so that what is
            tied to a thread works: connections of `sqlite3`, event loops, context variables, signals.
        yields_batches: Declares that `read` may hand on whole batches of records, as streams over files do; one that
            looks into them is called again, and given single records.
        parallel_slices: Declares that `read_records` may be called for several slices at once, on several threads, if
            the source has them (`AbstractSource.max_workers`). The state is then sent when all slices were read;
            with a `cursor`, which must not be moved by `read_records` then, also in between: each slice is closed
            in it after its records were written.
        transformer: Fits records to the schema.
        cursor: A `Cursor` that keeps the state, for streams that leave this to an object; or None.
        has_multiple_slices: Whether the stream has slices that tell themselves apart; found out in reading.
        exit_on_rate_limit: Whether a limit of the source's rate ends the stream, instead of waiting.
    """

    any_thread: bool = False
    yields_batches: bool = False
    parallel_slices: bool = False
    transformer: TypeTransformer = TypeTransformer(TransformConfig.NoTransform)
    cursor: Any = None
    has_multiple_slices: bool = False
    exit_on_rate_limit: bool = False

    _reading: Reading | None = None
    _state_for_others: MutableMapping[str, Any] | None = None
    _configured_json_schema: Mapping[str, Any] | None = None

    @cached_property
    def name(self) -> str:
        """Name of the stream: by default the class name in snake case."""
        return camel_to_snake(type(self).__name__)

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
        """Whether a sync that broke off goes on from its state."""
        if self.supports_incremental:
            return True
        if self.has_multiple_slices:
            return False
        return self._state_is_property() or self.overrides("get_updated_state")

    @property
    def source_defined_cursor(self) -> bool:
        """Whether the stream, and not the user, chooses the cursor field."""
        return True

    @property
    def state_checkpoint_interval(self) -> int | None:
        """Records between two states inside a slice, or None. Records must come in the order of the cursor field."""
        return None

    @cached_property
    def _packaged_schema(self) -> Mapping[str, Any]:
        return ResourceSchemaLoader(package_name_from_class(type(self))).get_schema(self.name)

    def get_json_schema(self) -> Mapping[str, Any]:
        """JSON schema of the records: by default the file ``schemas/<name>.json`` of the package of the stream."""
        return self._packaged_schema

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

    def log_stream_sync_configuration(self) -> None:
        """Say in the debug log by what the stream identifies and follows its records."""
        self.logger.debug(
            f"Syncing stream {self.name}: primary key {self.primary_key}, cursor field {self.cursor_field}"
        )

    def get_error_display_message(self, exception: BaseException) -> str | None:
        """A sentence for the user about an exception of this stream, or None if there is nothing better to say."""
        return None

    # What a stream yields. -----------------------------------------------------------------------------------------

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any] | None]:
        """The parts in which the stream is read, one state after each: by default one part, an empty slice.

        A slice of None counts as an empty one. No slice at all means that there is nothing to read.
        """
        yield StreamSlice(partition={}, cursor_slice={})

    @abstractmethod
    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """The records of one slice, in order, and messages that have their place among them.

        Args:
            sync_mode: The mode that the user chose.
            cursor_field: The cursor field that the user chose, if any.
            stream_slice: One of `stream_slices`.
            stream_state: The state from which the whole stream started; do not change it.

        Raises:
            Exception: whatever it raises ends the stream, which is INCOMPLETE; what was yielded before is sent, and
                the other streams are read (unless `AbstractSource.stop_sync_on_stream_failure` says otherwise).
        """

    def get_updated_state(
        self, current_stream_state: MutableMapping[str, Any], latest_record: Mapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """The state after a record. Kept for older streams, which override it; see `CheckpointMixin`."""
        return {}

    def get_cursor(self) -> Cursor | None:
        """The cursor. One that can only remember a page gives way to one that remembers slices if there are many."""
        if self.has_multiple_slices and type(self.cursor) is ResumableFullRefreshCursor:
            slices = SubstreamResumableFullRefreshCursor()
            slices.set_initial_state(self.cursor.get_stream_state())
            self.cursor = slices
        cursor: Cursor | None = self.cursor
        return cursor

    def read(
        self,
        configured_stream: ConfiguredAirbyteStream,
        logger: logging.Logger,
        slice_logger: SliceLogger,
        stream_state: MutableMapping[str, Any],
        state_manager: ConnectorStateManager,
        internal_config: InternalConfig,
    ) -> Iterable[StreamData]:
        """The records of the stream with its STATE messages, at least one; a connector may wrap this generator."""
        self.configured_json_schema = configured_stream.stream.json_schema
        reading = Reading(
            sync_mode=configured_stream.sync_mode,
            cursor_field=configured_stream.cursor_field or None,
            state=stream_state,
            limit=internal_config.limit if internal_config else None,
            announce=slice_logger.create_slice_log_message if slice_logger.should_log_slice_message(logger) else None,
        )
        return SequentialRead(self, reading).messages()

    def read_only_records(self, state: Mapping[str, Any] | None = None) -> Iterable[StreamData]:
        """The records of the stream without its states, for another stream that depends on it.

        It can be called any number of times, and beside a sync of this stream. A stream that is not synced itself is
        left with the state that it has moved to; of one that is, neither state nor cursor are moved.

        Args:
            state: Where to start, for a stream that keeps no state itself. One that does starts from the `state` that
                it was given, but from the beginning if it is also synced itself: whoever depends on it needs what it
                has read already, too.
        """
        mode = SyncMode.incremental if state else SyncMode.full_refresh
        stream = self._for_one_more_read()
        for item in SequentialRead(stream, Reading(sync_mode=mode, state=state)).messages():
            if not isinstance(item, AirbyteMessage) or item.type is not Type.STATE:
                yield item

    def _for_one_more_read(self) -> Stream:
        """The stream at the state that it was given; if it is synced, too, a copy with its own state and cursor."""
        keeps_state = self._takes_state()
        if not keeps_state and self.cursor is None:
            return self
        if keeps_state and self._reading is None and self.checkpoint_mode() is CheckpointMode.INCREMENTAL:
            if self._state_for_others is None:
                self._state_for_others = json_copy(dict(self.own_state() or {}))
            else:
                cast(_HasState, self).state = json_copy(self._state_for_others)
            return self
        twin = copy(self)
        if twin.cursor is not None:
            twin.cursor = copy(twin.cursor)
            twin.cursor.set_initial_state({})
        if keeps_state:
            try:
                cast(_HasState, twin).state = {}
            except Exception:  # many setters take no empty state: what the sync began with is the best there is
                began = self._reading.state if self._reading else None
                if began:
                    cast(_HasState, twin).state = json_copy(dict(began))
        return twin

    # The schema of the catalog. ------------------------------------------------------------------------------------

    @property
    def configured_json_schema(self) -> Mapping[str, Any] | None:
        """The configured schema without the properties that the stream does not have; None outside of a sync.

        What is left of them is described as the stream does it.
        """
        if self._configured_json_schema is None:
            return None
        return self._filter_schema_invalid_properties(self._configured_json_schema)

    @configured_json_schema.setter
    def configured_json_schema(self, json_schema: Mapping[str, Any]) -> None:
        self._configured_json_schema = json_schema  # compared when it is asked for: the stream's may cost a request

    def _filter_schema_invalid_properties(self, configured_catalog_json_schema: Mapping[str, Any]) -> dict[str, Any]:
        own = self.get_json_schema().get("properties", {})
        configured = configured_catalog_json_schema.get("properties", {})
        if gone := sorted(configured.keys() - own.keys()):
            self.logger.warning(f"Stream {self.name} has no {', '.join(gone)} any more; refresh the schema")
        return {
            **configured_catalog_json_schema,
            "properties": {name: own[name] for name in configured if name in own},
        }

    # What the framework asks. --------------------------------------------------------------------------------------

    def overrides(self, name: str) -> bool:
        """Whether the stream brings its own member `name`."""
        return overrides(self, name, Stream)

    def _state_is_property(self) -> bool:
        """Whether the class has a property `state` that can be set."""
        member = getattr(type(self), "state", None)
        return isinstance(member, property) and member.fset is not None

    def _takes_state(self) -> bool:
        """Whether `state` can be set: as such a property, or because the stream has an attribute of this name."""
        if isinstance(getattr(type(self), "state", None), property):
            return self._state_is_property()
        return hasattr(self, "state")

    def own_state(self) -> Mapping[str, Any] | None:
        """The stream's `state` now; None if it keeps none itself, or has nothing to tell yet."""
        state: Mapping[str, Any] | None = getattr(self, "state", None)
        return state

    def resume(self, state: MutableMapping[str, Any]) -> None:
        """Start from `state`. Called before each sync, with an empty one if there is none."""
        if self._takes_state():
            cast(_HasState, self).state = state

    def checkpoint_mode(self) -> CheckpointMode:
        """What the stream's state is good for."""
        if not self.is_resumable:
            return CheckpointMode.FULL_REFRESH
        return CheckpointMode.INCREMENTAL if self.supports_incremental else CheckpointMode.RESUMABLE_FULL_REFRESH

    def fitted(self, items: Iterable[Item]) -> Iterable[Item]:
        """What the stream yields, its records fitted to its schema by the `transformer`."""
        return self._transformed(items) if self.transformer.transforms else items

    def _transformed(self, items: Iterable[Item]) -> Iterator[Item]:
        transform, schema = self.transformer.transform, None
        for item in items:
            if isinstance(item, Mapping):
                schema = self.get_json_schema() if schema is None else schema
                item = dict(item)
                transform(item, schema)
            yield item

    # What the engine asks. -----------------------------------------------------------------------------------------

    def begin(self, reading: Reading) -> None:
        """Take note that a sync of this stream begins."""
        self._reading = reading

    @property
    def reads_whole(self) -> bool:
        """Whether the stream must be read through its own `read` generator instead of partition by partition."""
        if not self.parallel_slices or self.overrides("read") or self.state_checkpoint_interval:
            return True
        if self.supports_incremental and self.overrides("get_updated_state"):  # wants its records in order
            return True
        return self.cursor is None and self.checkpoint_mode() is CheckpointMode.RESUMABLE_FULL_REFRESH

    @property
    def reads_own_slices(self) -> bool:
        """Whether the stream must be read slice by slice, whatever the sync mode."""
        return True

    def partitions(self) -> Iterable[Partition]:
        """The partitions to be read, in order. Called on a worker."""
        assert self._reading is not None
        return slice_partitions(self, self._reading)

    def byte_estimate(self) -> int | None:
        """Bytes that this sync is going to read, once `partitions` has returned; None if nobody knows."""
        return None

    def close_partition(self, partition: Partition) -> None:
        """Take note that the records of `partition` were written. Called on the thread of the read loop."""
        if self.cursor is not None:
            self.cursor.close_slice(cast(StreamSlice, partition.slice))

    def partition_failed(self, partition: Partition, error: BaseException) -> bool:
        """Take note that `partition` raised; True if the other partitions shall be read all the same."""
        return False

    def failure(self) -> Exception | None:
        """Why the stream, though read to its end, is not complete; None if it is."""
        return None

    def state_entries(self) -> int:
        """Size of the state, in any unit that grows with it."""
        cursor = self.get_cursor()
        return 0 if cursor is None else cursor.state_entries()

    def closed_state(self) -> Mapping[str, Any] | None:
        """The state that covers the partitions closed so far, and no more; None if only the end will tell."""
        cursor = self.get_cursor()
        return None if cursor is None else cursor.get_stream_state()

    def final_state(self, *, complete: bool) -> Mapping[str, Any] | None:
        """The state after the last partition; None for no message. `complete`: nothing failed."""
        state = self.closed_state() or (self.own_state() if complete else None)
        if state:
            return json_copy(dict(state))
        known = self._reading is not None and bool(self._reading.state)  # then the last state stands
        return {NO_CURSOR_STATE_KEY: True} if complete and not known else None

    def __str__(self) -> str:
        return f"Stream(name={self.name})"


class _HasState(Protocol):
    state: MutableMapping[str, Any]
