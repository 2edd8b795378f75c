"""In which order the slices of a stream are read, and which state the end of each is worth.

A reader is chosen by what the stream is (`Stream.read` says how): each gives the slices one by one and, after each,
the state to be sent.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from enum import Enum
from typing import Any

from airbyte_cdk.sources.streams.checkpoint.cursor import FULL_REFRESH_COMPLETE_STATE, Cursor
from airbyte_cdk.sources.streams.checkpoint.due import Checkpoints, state_interval
from airbyte_cdk.sources.types import StreamSlice

NO_CURSOR_STATE_KEY = "__ab_no_cursor_state_message"
"""Only key of the state of a stream that keeps none; such a state is taken as no state at all."""


class CheckpointMode(Enum):
    """How much of a sync that broke off can be kept."""

    INCREMENTAL = "incremental"
    """The state tells what has been read, in this sync and in those before."""
    RESUMABLE_FULL_REFRESH = "resumable_full_refresh"
    """The state tells where a full refresh goes on."""
    FULL_REFRESH = "full_refresh"
    """Nothing: the next sync begins anew."""


class CheckpointReader(ABC):
    """Gives the slices of one stream, and the state to be sent after each.

    Attributes:
        goes_on: Whether the slice given last is the next page of the one before.
    """

    goes_on = False

    @abstractmethod
    def next(self) -> Mapping[str, Any] | None:
        """The slice to be read next; None after the last one."""

    def observe(self, new_state: Mapping[str, Any]) -> None:  # noqa: B027  # most readers have another authority
        """Take note of the state that the stream has now."""

    @abstractmethod
    def get_checkpoint(self) -> Mapping[str, Any] | None:
        """The state that covers what was read so far, or None if there is nothing to say now."""

    def final(self) -> Mapping[str, Any]:
        """The state that covers the whole stream, after the last slice."""
        return self.get_checkpoint() or {NO_CURSOR_STATE_KEY: True}


class FullRefreshCheckpointReader(CheckpointReader):
    """All slices, and at the end a mark that there is no state."""

    def __init__(self, stream_slices: Iterable[Mapping[str, Any] | None]) -> None:
        self._slices = iter(stream_slices)

    def next(self) -> Mapping[str, Any] | None:
        """The slice to be read next; None after the last one."""
        return _next(self._slices)

    def get_checkpoint(self) -> Mapping[str, Any] | None:
        """None: a part of a full refresh is worth nothing."""
        return None


class IncrementalCheckpointReader(CheckpointReader):
    """All slices, each worth the state that the stream had last."""

    def __init__(self, stream_state: Mapping[str, Any], stream_slices: Iterable[Mapping[str, Any] | None]) -> None:
        self._state = stream_state
        self._slices = iter(stream_slices)

    def next(self) -> Mapping[str, Any] | None:
        """The slice to be read next; None after the last one."""
        return _next(self._slices)

    def observe(self, new_state: Mapping[str, Any]) -> None:
        """The state that the stream has now."""
        self._state = new_state

    def get_checkpoint(self) -> Mapping[str, Any] | None:
        """The state that was observed last."""
        return self._state

    def final(self) -> Mapping[str, Any]:
        """The state that was observed last, even if it is empty."""
        return self._state


class ResumableFullRefreshCheckpointReader(CheckpointReader):
    """The stream again and again, each time from the state in which the last page left it.

    The state is the slice. Reading ends when the state is `FULL_REFRESH_COMPLETE_STATE`, and also when it is one that
    was there before: the same page would come again, for ever.
    """

    def __init__(self, stream_state: Mapping[str, Any]) -> None:
        self._state = stream_state
        self._pages = _Pages()

    def next(self) -> Mapping[str, Any] | None:
        """The state from which the stream goes on; None at the end."""
        self.goes_on = self._pages.begun
        return dict(self._state) if self._pages.new(self._state) else None

    def observe(self, new_state: Mapping[str, Any]) -> None:
        """The state that the stream has now."""
        self._state = new_state

    def get_checkpoint(self) -> Mapping[str, Any] | None:
        """The state that was observed last."""
        return self._state


class CursorBasedCheckpointReader(CheckpointReader):
    """The slices of a stream whose cursor keeps the state.

    Args:
        cursor: The cursor.
        stream_slices: The slices.
        read_state_from_cursor: Whether the cursor says which partitions are complete (they are left out), and where
            the others go on: a partition is read again from there until it is complete, or stands still.
    """

    def __init__(
        self, cursor: Cursor, stream_slices: Iterable[Mapping[str, Any] | None], read_state_from_cursor: bool = False
    ) -> None:
        self._cursor = cursor
        self._slices = map(self._as_slice, stream_slices)
        self._resumes = read_state_from_cursor
        self._current: StreamSlice | None = None
        self._pages = _Pages()
        self._sent: Mapping[str, Any] = deepcopy(cursor.get_stream_state())
        self._checkpoints = Checkpoints(cursor.state_entries(), state_interval())

    def next(self) -> Mapping[str, Any] | None:
        """The slice to be read next; None after the last one."""
        if not self._resumes:
            return next(self._slices, None)
        if self._current is not None:
            state = self._cursor.select_state(self._current)
            if state and self._pages.new(state):
                self.goes_on = True
                return self._from(self._current, state)
        self.goes_on = False
        for stream_slice in self._slices:
            self._current, self._pages = stream_slice, _Pages()
            state = self._cursor.select_state(stream_slice) or {}
            if self._pages.new(state):
                return self._from(stream_slice, state)
        return None

    def get_checkpoint(self) -> Mapping[str, Any] | None:
        """The cursor's state if it has changed; one that grows with the partitions only now and then."""
        entries = self._cursor.state_entries()
        if entries and not self._checkpoints.due(entries):
            return None
        state = self._cursor.get_stream_state()
        if state == self._sent:
            return None
        self._sent = deepcopy(state)
        self._checkpoints.sent(entries)
        return self._sent

    def final(self) -> Mapping[str, Any]:
        """The cursor's state."""
        return self._cursor.get_stream_state() or {NO_CURSOR_STATE_KEY: True}

    def _as_slice(self, stream_slice: Mapping[str, Any] | None) -> StreamSlice:
        if isinstance(stream_slice, StreamSlice):
            return stream_slice
        return StreamSlice(partition=stream_slice or {}, cursor_slice={})

    def _from(self, stream_slice: StreamSlice, state: Mapping[str, Any]) -> Mapping[str, Any]:
        return StreamSlice(partition=stream_slice.partition, cursor_slice=state, extra_fields=stream_slice.extra_fields)


class LegacyCursorBasedCheckpointReader(CursorBasedCheckpointReader):
    """The same for slices that are plain mappings: each is a partition, and always goes on from its state.

    Args:
        cursor: As for `CursorBasedCheckpointReader`.
        stream_slices: The slices; None counts as an empty one.
        read_state_from_cursor: Makes no difference.
    """

    def __init__(
        self, cursor: Cursor, stream_slices: Iterable[Mapping[str, Any] | None], read_state_from_cursor: bool = True
    ) -> None:
        super().__init__(cursor, stream_slices, read_state_from_cursor=True)

    def next(self) -> Mapping[str, Any] | None:
        """The slice to be read next, its two parts under `partition` and `cursor_slice`; None after the last one.

        Raises:
            ValueError: a slice has a key of one of these names.
        """
        chosen = super().next()
        if not isinstance(chosen, StreamSlice):
            return None
        return {"partition": chosen.partition, "cursor_slice": chosen.cursor_slice, **chosen}

    def _as_slice(self, stream_slice: Mapping[str, Any] | None) -> StreamSlice:
        for name in ("partition", "cursor_slice"):
            if stream_slice and not isinstance(stream_slice, StreamSlice) and name in stream_slice:
                raise ValueError(f"a slice of a stream with a cursor may not have the key {name!r}")
        return super()._as_slice(stream_slice)


class _Pages:
    """The states from which a stream, or a partition, was read so far."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    @property
    def begun(self) -> bool:
        """Whether there was one."""
        return bool(self._seen)

    def new(self, state: Mapping[str, Any]) -> bool:
        """Whether there is something to be read from `state`; a second time there is not."""
        text = json.dumps(dict(state), sort_keys=True, default=str)
        if state == FULL_REFRESH_COMPLETE_STATE or text in self._seen:
            return False
        self._seen.add(text)
        return True


def _next(slices: Iterator[Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
    """The next slice, an empty one for None; None after the last one."""
    for stream_slice in slices:
        return {} if stream_slice is None else stream_slice
    return None


def checkpoint_reader(
    mode: CheckpointMode,
    cursor: Cursor | None,
    first: Mapping[str, Any] | None,
    stream_slices: Iterable[Mapping[str, Any] | None],
    stream_state: Mapping[str, Any],
) -> CheckpointReader:
    """The reader for a stream.

    Args:
        mode: What the stream is.
        cursor: Its cursor, if it has one.
        first: The first slice; an empty mapping if it is None.
            None if the stream has no slices: then nothing is read, and its state is told as it is.
        stream_slices: All slices.
        stream_state: The state from which the stream starts.
    """
    if cursor is not None:
        if first is not None and not isinstance(first, StreamSlice):
            return LegacyCursorBasedCheckpointReader(cursor, stream_slices)
        resumes = mode is CheckpointMode.RESUMABLE_FULL_REFRESH or cursor.resumes
        return CursorBasedCheckpointReader(cursor, stream_slices, resumes)
    if mode is CheckpointMode.FULL_REFRESH:
        return FullRefreshCheckpointReader(stream_slices)
    if mode is CheckpointMode.RESUMABLE_FULL_REFRESH and first is not None:
        return ResumableFullRefreshCheckpointReader(stream_state)
    return IncrementalCheckpointReader(stream_state, stream_slices)
