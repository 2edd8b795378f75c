"""Reading a plain stream slice by slice: one after the other with its states in between, or many at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, MutableMapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import AirbyteMessage, SyncMode, Type
from airbyte_cdk.sources.message.state import state_message
from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import CheckpointReader, checkpoint_reader
from airbyte_cdk.sources.streams.checkpoint.cursor import FULL_REFRESH_COMPLETE_STATE
from airbyte_cdk.sources.streams.partition import Item, Partition
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.sources.utils.json_copy import json_copy

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.core import Stream, StreamData


@dataclass(frozen=True, slots=True)
class Reading:
    """How a stream is to be read.

    Attributes:
        sync_mode: The configured mode.
        cursor_field: The configured cursor field, if there is one.
        state: Where the last sync ended, for a stream that does not know it itself.
        limit: Records after which a slice ends; None or 0 for no limit.
        announce: Makes the message that comes before a slice; None for no message.
    """

    sync_mode: SyncMode
    cursor_field: list[str] | None = None
    state: Mapping[str, Any] | None = None
    limit: int | None = None
    announce: Callable[[Mapping[str, Any]], AirbyteMessage] | None = None


class SequentialRead:
    """One read of a stream, slice by slice.

    Args:
        stream: The stream.
        reading: How it is to be read.
    """

    def __init__(self, stream: Stream, reading: Reading) -> None:
        self._stream = stream
        self._reading = reading
        self._start: Mapping[str, Any] = json_copy(dict(stream.own_state() or reading.state or {}))
        self._legacy = bool(stream.cursor_field) and stream.overrides("get_updated_state")
        self._updated: MutableMapping[str, Any] = json_copy(dict(self._start))
        self._records = 0
        self._since = 0
        self._left: int | None = None
        self._sent: Mapping[str, Any] | None = None

    def messages(self) -> Iterator[StreamData]:
        """What the slices give, with a STATE message after each that moved the state; at least one in all."""
        stream, reading = self._stream, self._reading
        reader = self._reader()
        while (stream_slice := reader.next()) is not None:
            if reading.announce is not None:
                yield reading.announce(stream_slice)
            if not reader.goes_on:
                self._left = reading.limit or None
            records = stream.read_records(
                sync_mode=reading.sync_mode,
                cursor_field=reading.cursor_field,
                stream_slice=stream_slice,
                stream_state=self._start,
            )
            yield from self._slice(reader, records)
            if stream.parallel_slices and stream.cursor is not None:
                stream.cursor.close_slice(_as_given(stream_slice))  # its `read_records` leaves that to the framework
            yield from self._checkpoint(reader)
        final = reader.final()
        if self._sent is None or final != self._sent:
            yield self._state(final)

    def _reader(self) -> CheckpointReader:
        stream, reading = self._stream, self._reading
        slices = iter(
            stream.stream_slices(
                sync_mode=reading.sync_mode, cursor_field=reading.cursor_field, stream_state=self._start
            )
        )
        ahead = list(islice(slices, 1))
        if ahead and not ahead[0]:
            ahead += islice(slices, 1)
        if len(ahead) > 1 or any(ahead):
            stream.has_multiple_slices = True
        first = (ahead[0] if ahead[0] is not None else {}) if ahead else None
        return checkpoint_reader(
            stream.checkpoint_mode(), stream.get_cursor(), first, chain(ahead, slices), self._start
        )

    def _slice(self, reader: CheckpointReader, records: Iterable[StreamData]) -> Iterator[StreamData]:
        interval = self._stream.state_checkpoint_interval
        if not (interval or self._legacy or self._reading.limit):
            self._since = 1  # or more, or none: nobody needs to know
            yield from records
            return
        if self._left == 0:  # the page before has reached the limit
            return
        with closing(records) if isinstance(records, Generator) else nullcontext():
            for item in records:
                yield item
                data = _data(item)
                if data is None:
                    continue
                self._records += 1
                self._since += 1
                if self._legacy and (updated := self._stream.get_updated_state(self._updated, data)):
                    self._updated = updated
                    reader.observe(updated)
                if interval and self._records % interval == 0:
                    yield from self._checkpoint(reader)
                if self._left is not None:
                    self._left -= 1
                    if not self._left:
                        return

    def _checkpoint(self, reader: CheckpointReader) -> Iterator[AirbyteMessage]:
        if not self._legacy and not self._stream.overrides("get_updated_state") and (own := self._stream.own_state()):
            reader.observe(own)
        state = reader.get_checkpoint()
        if state and (self._since or state != self._sent):
            yield self._state(state)

    def _state(self, state: Mapping[str, Any]) -> AirbyteMessage:
        self._sent = json_copy(dict(state))
        self._since = 0
        return state_message(self._stream.name, self._stream.namespace, self._sent)


def _as_given(stream_slice: Mapping[str, Any]) -> StreamSlice:
    """A slice that a checkpoint reader gives, as cursors take it."""
    if isinstance(stream_slice, StreamSlice):
        return stream_slice
    return StreamSlice(partition=stream_slice.get("partition", {}), cursor_slice=stream_slice.get("cursor_slice", {}))


def _data(item: StreamData) -> Any:
    """The record in what a stream yields, None for another message."""
    if isinstance(item, AirbyteMessage):
        return item.record if item.type is Type.RECORD else None
    return item if isinstance(item, Mapping) else None


class SlicePartition(Partition):
    """A slice of a stream that is read beside others.

    Args:
        stream: The stream.
        stream_slice: The slice.
        reading: How the stream is to be read.
    """

    __slots__ = ("_reading", "_slice", "_stream")

    def __init__(self, stream: Stream, stream_slice: Mapping[str, Any], reading: Reading) -> None:
        self._stream = stream
        self._slice = stream_slice
        self._reading = reading

    @property
    def slice(self) -> Mapping[str, Any]:
        """The slice as the stream gave it; an empty one for None."""
        return self._slice

    def read(self) -> Iterable[Item]:
        """The records of the slice."""
        reading = self._reading
        records = self._stream.read_records(
            sync_mode=reading.sync_mode,
            cursor_field=reading.cursor_field,
            stream_slice=self._slice,
            stream_state=reading.state,
        )
        return self._stream.fitted(islice(records, reading.limit or None))


def slice_partitions(stream: Stream, reading: Reading) -> Iterator[SlicePartition]:
    """The slices of a stream that are not complete yet, as partitions."""
    cursor = stream.cursor
    for stream_slice in stream.stream_slices(
        sync_mode=reading.sync_mode, cursor_field=reading.cursor_field, stream_state=reading.state
    ):
        part: Mapping[str, Any] = {} if stream_slice is None else stream_slice
        if cursor is not None:
            part = part if isinstance(part, StreamSlice) else StreamSlice(partition=part, cursor_slice={})
            if cursor.select_state(part) == FULL_REFRESH_COMPLETE_STATE:
                continue
        yield SlicePartition(stream, part, reading)
