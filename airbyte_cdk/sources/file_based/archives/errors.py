"""What is wrong with an archive, for the user."""

from __future__ import annotations

from airbyte_cdk.models import FailureType


class ArchiveError(Exception):
    """An archive, or one of its members, cannot be read: damaged, cut off, encrypted, or of a kind that is not known.

    What the storage itself raises is never turned into this error.

    Args:
        uri: The archive or the member.
        reason: A clause that goes on from its name: ``is encrypted``.

    Attributes:
        failure_type: `config_error`: somebody must fix or replace the archive.
    """

    failure_type = FailureType.config_error

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.uri} {self.reason}"
