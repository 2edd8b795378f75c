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
