"""What a stream has read: cursors that a stream keeps for itself, and that the framework asks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.types import Record, StreamSlice, StreamState
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

FULL_REFRESH_COMPLETE_STATE: Mapping[str, Any] = {"__ab_full_refresh_sync_complete": True}
"""State of a full refresh (or of one partition of it) that has come to its end. Do not change it: compare with it."""


class Cursor(ABC):
    """Knows how far a stream, or each of its partitions, has been read.

    Attributes:
        resumes: Whether the state of a partition is a place to go on from, or `FULL_REFRESH_COMPLETE_STATE`.
    """

    resumes: ClassVar[bool] = False

    @abstractmethod
    def set_initial_state(self, stream_state: StreamState) -> None:
        """Go on from `stream_state`. Called before the first slice."""

    @abstractmethod
    def observe(self, stream_slice: StreamSlice, record: Record) -> None:
        """Take note of a record."""

    @abstractmethod
    def close_slice(self, stream_slice: StreamSlice, *args: Any) -> None:
        """Take note that a slice was read to its end."""

    @abstractmethod
    def get_stream_state(self) -> StreamState:
        """The state of the whole stream."""

    @abstractmethod
    def should_be_synced(self, record: Record) -> bool:
        """Whether a record belongs to this sync."""

    @abstractmethod
    def select_state(self, stream_slice: StreamSlice | None = None) -> StreamState | None:
        """The state of one partition; None if it has none yet."""

    def state_entries(self) -> int:
        """Size of the state, in any unit that grows with it; 0 if it does not grow. Large ones are sent less often."""
        return 0


class ResumableFullRefreshCursor(Cursor):
    """Remembers the page at which a full refresh goes on: the `cursor_slice` of the slice that was closed last."""

    resumes = True

    def __init__(self) -> None:
        self._state: StreamState = {}

    def set_initial_state(self, stream_state: StreamState) -> None:
        """Go on from this page."""
        self._state = stream_state

    def observe(self, stream_slice: StreamSlice, record: Record) -> None:
        """Nothing: records do not move a page."""

    def close_slice(self, stream_slice: StreamSlice, *args: Any) -> None:
        """The slice says which page comes next."""
        self._state = stream_slice.cursor_slice

    def get_stream_state(self) -> StreamState:
        """The page that comes next; `FULL_REFRESH_COMPLETE_STATE` after the last one."""
        return self._state

    def should_be_synced(self, record: Record) -> bool:
        """Always."""
        return True

    def select_state(self, stream_slice: StreamSlice | None = None) -> StreamState | None:
        """The page that comes next."""
        return self._state


class PerPartitionKeySerializer:
    """Partitions as text that can be a key: JSON with sorted keys and without blanks."""

    @staticmethod
    def to_partition_key(to_serialize: Mapping[str, Any]) -> str:
        """A partition as text; the same text for the same keys and values in any order."""
        return json.dumps(dict(to_serialize), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def to_partition(to_deserialize: str) -> MutableMapping[str, Any]:
        """The partition in a text of `to_partition_key`."""
        partition: MutableMapping[str, Any] = json.loads(to_deserialize)
        return partition


class SubstreamResumableFullRefreshCursor(Cursor):
    """Remembers which partitions of a full refresh were read to their end.

    Its state is ``{"states": [{"partition": {...}, "cursor": {"__ab_full_refresh_sync_complete": true}}, ...]}``.
    """

    resumes = True

    def __init__(self) -> None:
        self._states: dict[str, StreamState] = {}

    def set_initial_state(self, stream_state: StreamState) -> None:
        """Go on from a state of this form; an empty one begins anew.

        Raises:
            AirbyteTracedException: a config_error; the state has another form.
        """
        self._states = {}
        if not stream_state:
            return
        entries = stream_state.get("states")
        if entries is None:
            text = "The state of a stream that is read partition by partition has no `states`. Reset the stream."
            raise AirbyteTracedException(
                internal_message=f"{text} It has the keys {sorted(stream_state)}.",
                message=text,
                failure_type=FailureType.config_error,
            )
        for entry in entries:
            self._states[PerPartitionKeySerializer.to_partition_key(entry["partition"])] = entry["cursor"]

    def observe(self, stream_slice: StreamSlice, record: Record) -> None:
        """Nothing: a partition counts when it is complete."""

    def close_slice(self, stream_slice: StreamSlice, *args: Any) -> None:
        """The partition of the slice is complete."""
        self._states[PerPartitionKeySerializer.to_partition_key(stream_slice.partition)] = FULL_REFRESH_COMPLETE_STATE

    def get_stream_state(self) -> StreamState:
        """The partitions that are complete."""
        if not self._states:
            return {}
        return {
            "states": [
                {"partition": PerPartitionKeySerializer.to_partition(key), "cursor": dict(state)}
                for key, state in list(self._states.items())
            ]
        }

    def should_be_synced(self, record: Record) -> bool:
        """Always."""
        return True

    def select_state(self, stream_slice: StreamSlice | None = None) -> StreamState | None:
        """The mark of a partition that is complete, or None. Raises ValueError without a slice."""
        if stream_slice is None:
            raise ValueError("the state of a partition can only be told for a slice")
        return self._states.get(PerPartitionKeySerializer.to_partition_key(stream_slice.partition))

    def state_entries(self) -> int:
        """Number of partitions."""
        return len(self._states)
