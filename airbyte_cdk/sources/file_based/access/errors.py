"""The errors for a file that a storage does not give, and for an answer that is not what was asked for."""

from __future__ import annotations

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble

FAILURE_TYPES = {
    Trouble.TEMPORARY: FailureType.transient_error,
    Trouble.MISSING: FailureType.transient_error,
    Trouble.CHANGED: FailureType.transient_error,
    Trouble.CONFIG: FailureType.config_error,
    Trouble.OTHER: FailureType.system_error,
}
"""Who must act: nobody (the next sync may succeed), the user, or whoever maintains the connector."""


class FileAccessError(OSError):
    """A storage does not give a file, or not to its end.

    Args:
        storage: The `StorageAccess.title`.
        uri: The file.
        failure: Why.
    """

    def __init__(self, storage: str, uri: str, failure: Failure) -> None:
        super().__init__(f"{storage}: file {uri}: {failure.reason}")
        self.storage = storage
        self.uri = uri
        self.failure = failure

    @property
    def reason(self) -> str:
        """What is wrong, as a clause that goes on from the file's name; no secrets, no data."""
        return self.failure.reason

    @property
    def failure_type(self) -> FailureType:
        """Who must act, as `FAILURE_TYPES` says for the trouble."""
        return FAILURE_TYPES[self.failure.trouble]


SAME_PAGE = "the storage gives the same page of the listing again and again"


class AnswerError(OSError):
    """An answer of a storage that is not what was asked for, such as half a page of a listing.

    Args:
        trouble: What it means for whoever asked.
        reason: A clause for the user.
    """

    def __init__(self, trouble: Trouble, reason: str) -> None:
        super().__init__(reason)
        self.failure = Failure(trouble, reason)


UNANSWERED = 3
"""A storage that gives none of so many files in a row, though it was asked again and again, has stopped to answer."""


class Answers:
    """Notices that a storage has stopped to answer, so that others of its files are not waited for in vain."""

    def __init__(self) -> None:
        self._missed = 0
        self._last: FileAccessError | None = None

    def note(self, error: BaseException | None) -> None:
        """Take note of how the reading of one file ended: None for well."""
        if isinstance(error, FileAccessError) and error.failure.trouble is Trouble.TEMPORARY:
            self._missed += 1
            self._last = error
        else:
            self._missed = 0

    @property
    def stopped(self) -> bool:
        """Whether the last `UNANSWERED` files, or more, were not given."""
        return self._missed >= UNANSWERED

    def silence(self, uri: str) -> FileAccessError | None:
        """The error of a file that is not asked for, since the storage has stopped to answer; None if it has not."""
        if not self.stopped or self._last is None:
            return None
        reason = f"it was not asked for, as {UNANSWERED} files in a row before it were not given"
        return FileAccessError(self._last.storage, uri, Failure(Trouble.TEMPORARY, reason))
