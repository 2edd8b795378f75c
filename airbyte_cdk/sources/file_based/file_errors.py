"""The account of the files of one sync of a stream that were not delivered whole."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.errors import Answers, FileAccessError
from airbyte_cdk.sources.file_based.rejects import LISTED, RejectKind, Rejects
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from airbyte_cdk.utils.wording import counted

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile


class FileErrors:
    """Counts the files of one stream that hold bad rows, and those that could not be read; tells the user.

    Args:
        stream: Name of the stream.
        logger: Gets a line for each file.
    """

    def __init__(self, stream: str, logger: logging.Logger) -> None:
        self._stream = stream
        self._logger = logger
        self._bad: list[tuple[str, str]] = []
        self._broken: list[tuple[str, str]] = []
        self._unread: list[tuple[str, BaseException]] = []
        self._answers = Answers()

    def __bool__(self) -> bool:
        return bool(self._bad or self._broken or self._unread)

    def bad_rows(self, file: RemoteFile, rejects: Rejects, *, skipped: bool) -> None:
        """Tell that `file` holds bad rows; it counts as an error unless they are `skipped` by the user's leave."""
        uri = file.file_uri_for_logging
        text = f"stream={self._stream} file={uri}: {counted(rejects.count, 'bad row')} ({rejects.summary()})"
        if skipped:
            self._logger.warning(f"{text}; skipped, as the stream's options allow")
        else:
            self._logger.error(text)
            unreadable = RejectKind.UNREADABLE in rejects.kinds
            (self._broken if unreadable else self._bad).append((uri, rejects.summary()))

    def storage_answered(self) -> None:
        """Take note that a file was read to its end."""
        self._answers.note(None)

    def unread(self, file: RemoteFile, error: BaseException) -> bool:
        """Tell that `file` could not be read to its end; the first `LISTED` with their stack trace.

        Returns:
            Whether other files should be tried: not if the storage has stopped to answer.
        """
        uri = file.file_uri_for_logging
        if len(self._unread) < LISTED:
            # an error that says what is wrong needs no stack trace
            trace = None if explains_itself(error) else error
            self._logger.error(f"stream={self._stream} file={uri}: could not be read: {error}", exc_info=trace)
        self._unread.append((uri, error))
        self._answers.note(error)
        return not self._answers.stopped

    def summary(self) -> AirbyteTracedException | None:
        """What the user must know at the end, or None.

        A config_error about bad rows; for files that could not be read the gravest of their own failure types:
        system_error, config_error, transient_error.
        """
        parts = []
        if self._bad:
            parts.append(
                f"Rows of {counted(len(self._bad), 'file')} cannot be read: {_listed(self._bad)}. All good rows were "
                "sent, and will be sent again in each sync until the rows are fixed, or until the stream's option "
                "on_bad_rows is set to skip"
            )
        if self._broken:
            parts.append(
                f"{counted(len(self._broken), 'file')} cut off, damaged or of another format: {_listed(self._broken)}. "
                "All rows that can be read were sent, and will be sent again in each sync until the file is put right "
                "or the stream's globs leave it out"
            )
        if self._unread:
            kinds = [(uri, _why(error)) for uri, error in self._unread]
            storages = {error.storage for _, error in self._unread if isinstance(error, FileAccessError)}
            where = f" of {' and '.join(sorted(storages))}" if storages else ""
            parts.append(
                f"{counted(len(self._unread), 'file')}{where} could not be read: {_listed(kinds)}. The next sync tries "
                "again; the log has the details"
            )
        if not parts:
            return None
        message = f"Stream {self._stream}: {'. '.join(parts)}."
        return AirbyteTracedException(
            internal_message=message,
            message=message,
            failure_type=self._failure_type(),
            exception=self._unread[0][1] if self._unread else None,
        )

    def _failure_type(self) -> FailureType:
        types = {getattr(error, "failure_type", FailureType.system_error) for _, error in self._unread}
        if self._bad or self._broken:
            types.add(FailureType.config_error)
        return gravest(types)


def gravest(types: Collection[FailureType]) -> FailureType:
    """The failure type of what failed in several ways, at least one."""
    order = (FailureType.system_error, FailureType.config_error, FailureType.transient_error)
    return next(failure_type for failure_type in order if failure_type in types)


def explains_itself(error: BaseException) -> bool:
    """Whether an error was made to tell the user about one file: it says why, and who must act."""
    return hasattr(error, "failure_type") and hasattr(error, "reason")


def _why(error: BaseException) -> str:
    if explains_itself(error):
        return str(getattr(error, "reason", None))
    told = error.message if isinstance(error, AirbyteTracedException) else None
    return told or type(error).__name__


def _listed(files: Sequence[tuple[str, str]]) -> str:
    text = "; ".join(f"{uri} ({why})" for uri, why in files[:LISTED])
    return f"{text}; and {len(files) - LISTED} more" if len(files) > LISTED else text
