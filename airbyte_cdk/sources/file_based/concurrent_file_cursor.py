"""The file cursors of sources that read several files at once and send their state themselves.

Published connectors name and subclass them; the engine itself treats them as it does `DefaultFileBasedCursor`.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.file_based.file_cursor import AbstractFileBasedCursor, DefaultFileBasedCursor
from airbyte_cdk.sources.file_based.file_history import from_micros, to_micros
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.message.state import state_message
from airbyte_cdk.sources.streams.core import NO_CURSOR_STATE_KEY

if TYPE_CHECKING:
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.message import MessageRepository


class AbstractConcurrentFileBasedCursor(AbstractFileBasedCursor):
    """A file cursor that also knows which files are still being read, and can send its state by itself.

    The engine asks it for `snapshot` and `final_state`, and writes the STATE message after the records that it
    covers; the methods that send are for code that drives a cursor without the engine.
    """

    any_order = True

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The state after the files added so far, as a snapshot."""
        return self.snapshot()

    @abstractmethod
    def observe(self, record: Any) -> None:
        """Take note of a record."""

    @abstractmethod
    def close_partition(self, partition: Any) -> None:
        """Take note that a partition was read to its end."""

    @abstractmethod
    def set_pending_partitions(self, partitions: Iterable[Any]) -> None:
        """Tell which partitions are going to be read."""

    @abstractmethod
    def emit_state_message(self) -> None:
        """Send the state, if the cursor keeps one."""

    @abstractmethod
    def ensure_at_least_one_state_emitted(self, complete: bool = True) -> None:
        """Send the last state. `complete`: the stream was read without failure."""

    def should_be_synced(self, record: Any) -> bool:
        """Whether a record is wanted: always, since a file cursor chooses whole files."""
        return True


class FileBasedConcurrentCursor(DefaultFileBasedCursor, AbstractConcurrentFileBasedCursor):
    """The file cursor for streams whose files are read in parallel.

    It differs from `DefaultFileBasedCursor` in ``_ab_source_file_last_modified`` only: while files are pending, it
    names the pending file with the smallest (time, uri).

    Args:
        stream_config: The stream's part of the source's config. It is all that is needed where no state is sent.
        stream_name: Name of the stream; by default that of the config.
        stream_namespace: Its namespace, or None.
        stream_state: State of an earlier sync.
        message_repository: Where `emit_state_message` puts its messages.
        connector_state_manager: Makes them.
        cursor_field: Kept as it is.
    """

    any_order = True
    zero_value = datetime.min

    def __init__(
        self,
        stream_config: FileBasedStreamConfig,
        stream_name: str | None = None,
        stream_namespace: str | None = None,
        stream_state: MutableMapping[str, Any] | None = None,
        message_repository: MessageRepository | None = None,
        connector_state_manager: ConnectorStateManager | None = None,
        cursor_field: Any = None,
        **_: Any,
    ) -> None:
        self._pending_files: dict[str, RemoteFile] = {}
        super().__init__(stream_config)
        self._stream_name = stream_name or stream_config.name
        self._stream_namespace = stream_namespace
        self._message_repository = message_repository
        self._connector_state_manager = connector_state_manager
        self._cursor_field = cursor_field
        if stream_state:
            self.set_initial_state(stream_state)

    @property
    def zero_cursor_value(self) -> str:
        """``_ab_source_file_last_modified`` before any file."""
        return self._cursor_key(self.zero_value, "")

    def observe(self, record: Any) -> None:
        """Records do not move a file cursor."""

    def set_pending_partitions(self, partitions: Iterable[Any]) -> None:
        """Tell which partitions are going to be read: each has a ``file``, or a ``to_slice()`` with ``files``."""
        pending: dict[str, RemoteFile] = {}
        for partition in partitions:
            files = partition.to_slice()["files"] if hasattr(partition, "to_slice") else [partition.file]
            pending.update((file.uri, file) for file in files)
        with self._history.lock:
            self._pending_files = pending

    def add_file(self, file: RemoteFile) -> None:
        """Remember that `file` has been read. Sends nothing: its records may still be on their way."""
        with self._history.lock:
            self._pending_files.pop(file.uri, None)
            super().add_file(file)

    def close_partition(self, partition: Any) -> None:
        """Nothing changes: `add_file` tells which files were read, and files that failed stay pending."""

    def emit_state_message(self) -> None:
        """Send the state. Call it after the records that it covers were sent.

        Raises:
            RuntimeError: The cursor was made without message repository or state manager.
        """
        if self._message_repository is None or self._connector_state_manager is None:
            raise RuntimeError(
                f"The cursor of stream {self._stream_name} has no message repository or no state manager to send with"
            )
        manager = self._connector_state_manager
        manager.update_state_for_stream(self._stream_name, self._stream_namespace, self.snapshot())
        self._message_repository.emit_message(manager.create_state_message(self._stream_name, self._stream_namespace))

    def ensure_at_least_one_state_emitted(self, complete: bool = True) -> None:
        """Send the last state, whether or not the stream is complete: it lists only files that were read."""
        self.emit_state_message()

    def _get_cursor(self) -> str:
        return self._get_new_cursor_value()

    def _get_new_cursor_value(self) -> str:
        with self._history.lock:
            if self._pending_files:
                file = min(self._pending_files.values(), key=lambda file: (to_micros(file.last_modified), file.uri))
                return self._cursor_key(from_micros(to_micros(file.last_modified)), file.uri)
            return super()._get_cursor() or self.zero_cursor_value

    def _reference_point(self, state: Mapping[str, Any]) -> tuple[datetime, str] | None:
        oldest = super()._reference_point(state)
        try:
            stored = self._parse_cursor(state[self.CURSOR_FIELD])
        except (KeyError, ValueError, AttributeError):
            return oldest  # no cursor, or not one of this kind
        return min(stored, oldest) if oldest else stored


class FileBasedFinalStateCursor(AbstractConcurrentFileBasedCursor):
    """Reads all files each time and keeps no state; a marker tells at the end that the stream is complete.

    Args:
        stream_config: The stream's part of the source's config.
        message_repository: Where `ensure_at_least_one_state_emitted` puts its message.
        stream_namespace: Namespace of the stream, or None.
    """

    def __init__(
        self,
        stream_config: FileBasedStreamConfig,
        message_repository: MessageRepository | None = None,
        stream_namespace: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(stream_config)
        self._stream_name = stream_config.name
        self._stream_namespace = stream_namespace
        self._message_repository = message_repository

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The marker of a complete stream without state."""
        return {NO_CURSOR_STATE_KEY: True}

    def final_state(self, *, complete: bool) -> dict[str, Any] | None:
        """The marker, if the stream is complete."""
        return {NO_CURSOR_STATE_KEY: True} if complete else None

    def ensure_at_least_one_state_emitted(self, complete: bool = True) -> None:
        """Send the marker, if the stream is complete.

        Raises:
            RuntimeError: The cursor was made without message repository.
        """
        state = self.final_state(complete=complete)
        if state is None:
            return
        if self._message_repository is None:
            raise RuntimeError(f"The cursor of stream {self._stream_name} has no message repository to send with")
        self._message_repository.emit_message(state_message(self._stream_name, self._stream_namespace, state))

    def get_files_to_sync(self, all_files: Iterable[RemoteFile], logger: logging.Logger) -> Iterable[RemoteFile]:
        """All of them."""
        return all_files

    def get_start_time(self) -> datetime:
        """The beginning of time."""
        return datetime.min

    def get_state(self) -> MutableMapping[str, Any]:
        """Nothing."""
        return {}

    def set_initial_state(self, value: MutableMapping[str, Any]) -> None:
        """Ignored: each sync reads all files."""

    def add_file(self, file: RemoteFile) -> None:
        """Nothing is remembered."""

    def observe(self, record: Any) -> None:
        """Nothing is remembered."""

    def close_partition(self, partition: Any) -> None:
        """Nothing is remembered."""

    def set_pending_partitions(self, partitions: Iterable[Any]) -> None:
        """Nothing is remembered."""

    def emit_state_message(self) -> None:
        """Nothing is sent before the end."""
