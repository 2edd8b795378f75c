"""Which files of a stream are read next, and the state from which the next sync goes on.

Connectors subclass `DefaultFileBasedCursor`; the names that they override or use are published, the private ones too.
``docs/design/state.md`` tells what the state looks like and why.
"""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.file_history import (
    DATE_TIME_FORMAT,
    OLDER_HISTORY_KEY,
    FileHistory,
    format_time,
    from_micros,
    parse_time,
    to_micros,
)
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.utils.overriding import overrides
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig

LISTED = 10
"""How many files that were taken as read unseen are named in the log; all are counted."""


class AbstractFileBasedCursor(ABC):
    """Chooses the files of one stream that are to be read, and keeps its state.

    Args:
        stream_config: The stream's part of the source's config.
    """

    any_order: bool = False
    """Whether files may be added in another order than that of `get_files_to_sync`: when several are read at once."""

    def __init__(self, stream_config: FileBasedStreamConfig, **kwargs: Any) -> None:  # noqa: B027  # may be extended
        pass

    @abstractmethod
    def add_file(self, file: RemoteFile) -> None:
        """Remember that `file` has been read to its end, and all its records were sent."""

    @abstractmethod
    def set_initial_state(self, value: MutableMapping[str, Any]) -> None:
        """Go on from the state of an earlier sync; ``{}`` if there is none. What was added before is dropped."""

    @abstractmethod
    def get_state(self) -> MutableMapping[str, Any]:
        """The state after the files added so far. A connector may add keys of its own."""

    @abstractmethod
    def get_start_time(self) -> datetime:
        """Naive UTC time: a file changed since then is never taken as read just because it is not remembered."""

    @abstractmethod
    def get_files_to_sync(self, all_files: Iterable[RemoteFile], logger: logging.Logger) -> Iterable[RemoteFile]:
        """Those of `all_files` that are to be read, in the same order."""

    def snapshot(self) -> dict[str, Any]:
        """The state to send in a STATE message: `get_state` at this moment, which nothing changes afterwards."""
        return copy.deepcopy(dict(self.get_state()))

    def final_state(self, *, complete: bool) -> dict[str, Any] | None:
        """The state to send last, or None if there is none to send.

        Args:
            complete: Whether the stream was read without failure.
        """
        state: dict[str, Any] = member(self, "snapshot")()
        return state

    def state_entries(self) -> int:
        """Number of files that the state holds. Its size grows with them, and so should the time between states."""
        return len(self.get_state().get("history") or ())

    def set_pending_partitions(self, partitions: Iterable[Any]) -> None:  # noqa: B027  # most do not mind
        """Tell which partitions are going to be read."""


def member(cursor: Any, name: str) -> Callable[..., Any]:
    """A method of a cursor that earlier releases did not have; the default, if a class only looks like a cursor."""
    return getattr(cursor, name, None) or partial(getattr(AbstractFileBasedCursor, name), cursor)


class DefaultFileBasedCursor(AbstractFileBasedCursor):
    """Reads each file once, and again when it has changed; it forgets none, however many they are.

    The state is ``{"history": {uri: time, ...}, "_ab_source_file_last_modified": "<time>_<uri>" or null}`` with the
    newest `DEFAULT_MAX_HISTORY_SIZE` files, and one more key once these are reached (`file_history`), for all others.

    A full history without that key comes from a release that forgets. Then, in this one sync, a file that it does not
    list is taken as read if it is older than the oldest one listed, and older than the window of
    `days_to_sync_if_history_is_full` days. Such files are named in the log, and remembered.

    Subclasses may override any method and constant. `_should_sync_file` decides on each file. `add_file` may keep the
    history under other keys: it writes into `_file_to_datetime_history`, and when that holds more than
    `DEFAULT_MAX_HISTORY_SIZE` files, removes the one that `_compute_earliest_file_in_history` names.

    Args:
        stream_config: The stream's part of the source's config.

    Raises:
        ValueError: `days_to_sync_if_history_is_full` is negative.
    """

    DEFAULT_DAYS_TO_SYNC_IF_HISTORY_IS_FULL = 3
    DEFAULT_MAX_HISTORY_SIZE = 10_000
    DATE_TIME_FORMAT = DATE_TIME_FORMAT
    CURSOR_FIELD = "_ab_source_file_last_modified"

    def __init__(self, stream_config: FileBasedStreamConfig, **_: Any) -> None:
        super().__init__(stream_config)
        self._stream_config = stream_config
        days = stream_config.days_to_sync_if_history_is_full or self.DEFAULT_DAYS_TO_SYNC_IF_HISTORY_IS_FULL
        if days < 0:
            raise ValueError(f"days_to_sync_if_history_is_full must not be negative, but it is {days}")
        self._time_window_if_history_is_full = timedelta(days=days)
        self._begin({})

    @property
    def any_order(self) -> bool:  # type: ignore[override]  # so that a subclass may declare it as a plain attribute
        """True, unless a subclass keeps another account of what was read: that may be a mark up to which all was."""
        return not any(overrides(self, hook, DefaultFileBasedCursor) for hook in ("add_file", "get_state"))

    def _begin(self, state: Mapping[str, Any]) -> None:
        older = state.get(OLDER_HISTORY_KEY)
        self._history = FileHistory(lambda: self.DATE_TIME_FORMAT)
        # What decides on files that are not remembered; None once every file that was read is.
        self._reference: tuple[datetime, str] | None = None
        self._taken_as_read: str | None = None
        try:
            self._history.load(state.get("history") or {}, older)
            if older is None and self._history.newest and self._is_history_full():
                self._reference = self._reference_point(state)
            elif older is not None and (point := older.get("reference")):
                self._reference = self._parse_cursor(str(point))
        except ValueError as error:
            name = self._stream_config.name
            raise AirbyteTracedException(
                internal_message=f"state of stream {name}: {error}",
                message=f"The stored state of stream {name} cannot be used: {error}. "
                "Reset the stream, or restore an earlier state.",
                failure_type=FailureType.config_error,
                exception=error,
            ) from error
        self._initial_earliest_file_in_history = self._compute_earliest_file_in_history()
        self._start_time = self._compute_start_time()

    # The history -----------------------------------------------------------------------------------------------------

    @property
    def _file_to_datetime_history(self) -> MutableMapping[str, str]:
        return self._history.newest

    @_file_to_datetime_history.setter
    def _file_to_datetime_history(self, value: Mapping[str, str]) -> None:
        self._history.replace_newest(value)

    def add_file(self, file: RemoteFile) -> None:
        """Remember that `file` has been read; O(log n)."""
        self._history.add(file.uri, file.last_modified, self.DEFAULT_MAX_HISTORY_SIZE)

    def _is_history_full(self) -> bool:
        return len(self._file_to_datetime_history) >= self.DEFAULT_MAX_HISTORY_SIZE

    def _compute_earliest_file_in_history(self) -> RemoteFile | None:
        earliest = self._history.earliest()
        return RemoteFile(uri=earliest[0], last_modified=earliest[1]) if earliest else None

    # The state -------------------------------------------------------------------------------------------------------

    def set_initial_state(self, value: MutableMapping[str, Any]) -> None:
        """Go on from the state of an earlier sync, of this release or of one that forgets.

        Raises:
            AirbyteTracedException: The state is damaged (a config error; the message names the stream).
        """
        self._begin(value)

    def get_state(self) -> MutableMapping[str, Any]:
        """The state after the files added so far, as a snapshot."""
        with self._history.lock:
            self._history.fill(self.DEFAULT_MAX_HISTORY_SIZE)
            history = dict(self._file_to_datetime_history)
            return {"history": history, self.CURSOR_FIELD: self._get_cursor(), **self._older_history()}

    def snapshot(self) -> dict[str, Any]:
        """The state to send, as a snapshot; complete also if a subclass puts its state together by itself."""
        with self._history.lock:
            state = dict(self.get_state())
            if isinstance(state.get("history"), Mapping):
                state["history"] = dict(state["history"])
                if OLDER_HISTORY_KEY not in state:
                    state.update(self._older_history())
            return state

    def state_entries(self) -> int:
        """Number of files that the state holds, in O(1)."""
        return len(self._history)

    def _older_history(self) -> dict[str, Any]:
        """The additional key, as soon as the original would start to forget; without it nobody could tell whose
        state it is."""
        full = self._file_to_datetime_history and self._is_history_full()
        if not (full or self._history.older_count or self._reference):
            return {}
        older = self._history.packed()
        if self._reference:
            older["reference"] = self._cursor_key(*self._reference)
        return {OLDER_HISTORY_KEY: older}

    def _get_cursor(self) -> str | None:
        latest = self._history.latest()
        return self._cursor_key(latest[1], latest[0]) if latest else None

    def _cursor_key(self, time: datetime, uri: str) -> str:
        return f"{format_time(time, self.DATE_TIME_FORMAT)}_{uri}"

    def _parse_cursor(self, key: str) -> tuple[datetime, str]:
        time, _, uri = key.partition("_")
        return parse_time(time, self.DATE_TIME_FORMAT), uri

    # The choice ------------------------------------------------------------------------------------------------------

    def get_start_time(self) -> datetime:
        """Naive UTC time of the oldest file that a full history of another release can miss."""
        return self._start_time

    def _compute_start_time(self) -> datetime:
        earliest = self._compute_earliest_file_in_history()
        if earliest is None:
            return datetime.min
        if self._is_history_full():
            now = datetime.now(UTC).replace(tzinfo=None)
            return min(earliest.last_modified, now - self._time_window_if_history_is_full)
        return earliest.last_modified

    def _reference_point(self, state: Mapping[str, Any]) -> tuple[datetime, str] | None:
        earliest = self._history.earliest()
        return (earliest[1], earliest[0]) if earliest else None

    def get_files_to_sync(self, all_files: Iterable[RemoteFile], logger: logging.Logger) -> Iterator[RemoteFile]:
        """Those of `all_files` that are new or have changed, as they come; nothing is kept of the others.

        Args:
            all_files: May be a generator; it is consumed as the result is.
            logger: Gets what the user should know: files taken as read unseen, files that have become older.
        """
        if self._reference is not None:
            logger.warning(
                f"Stream {self._stream_config.name}: the history in its state is full ({len(self._history)} files) and "
                "comes from a release that forgets the oldest files. In this sync, files that it does not list are "
                f"taken as read if they were changed before {self._cursor_key(*self._reference)} and before "
                f"{format_time(self.get_start_time())}. From now on no file is forgotten."
            )
        unseen: list[str] = []
        unseen_count = 0
        try:
            for file in all_files:
                self._taken_as_read = None
                if self._should_sync_file(file, logger):
                    yield file
                elif self._taken_as_read == file.uri:
                    self._history.add_older(file.uri, to_micros(file.last_modified))
                    unseen_count += 1
                    if unseen_count <= LISTED:
                        unseen.append(file.uri)
            # The listing is complete: from here on, what is not remembered has not been read.
            self._reference = None
        finally:
            if unseen_count:
                more = f" and {unseen_count - LISTED} more" if unseen_count > LISTED else ""
                logger.warning(
                    f"Stream {self._stream_config.name}: {unseen_count} files that the full history did not list were "
                    f"taken as read because of their age: {', '.join(unseen)}{more}. If they were never read, "
                    "reset the stream."
                )

    def _should_sync_file(self, file: RemoteFile, logger: logging.Logger) -> bool:
        micros = to_micros(file.last_modified)
        known = self._history.time_of(file.uri)
        if known is not None:
            if micros < known:
                logger.warning(
                    f"Stream {self._stream_config.name}: {file.uri} was read as of {format_time(from_micros(known))}, "
                    f"and is now of {format_time(from_micros(micros))}, which is older. It is not read again."
                )
            return micros > known
        if self._reference is None:
            return True
        time = from_micros(micros)
        reference_time, reference_uri = self._reference
        if time == reference_time:
            wanted = file.uri > reference_uri
        else:
            wanted = time > reference_time or time >= self.get_start_time()
        self._taken_as_read = None if wanted else file.uri
        return wanted
