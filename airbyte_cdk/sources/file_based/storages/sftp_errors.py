"""What the SFTP storage raises: each error knows what it means for whoever called."""

from __future__ import annotations

from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble


class SftpError(OSError):
    """An error of an SFTP server, of its connection or of what was asked of it.

    Args:
        trouble: What it means.
        reason: A clause for the user, see `Failure.reason`.
    """

    def __init__(self, trouble: Trouble, reason: str) -> None:
        super().__init__(reason)
        self.failure = Failure(trouble, reason)


class ConnectionLost(SftpError):
    """The connection broke, or the server stopped answering; a new connection may do better."""

    def __init__(self, reason: str) -> None:
        super().__init__(Trouble.TEMPORARY, reason)


NO_SUCH_FILE = 2
PERMISSION_DENIED = 3

_NAMES = {
    1: "end of file",
    NO_SUCH_FILE: "there is no such file",
    PERMISSION_DENIED: "permission denied",
    4: "the server reports a failure",
    5: "the server does not understand the request",
    6: "the server has no connection to the files",
    7: "the server lost its connection to the files",
    8: "the server cannot do this",
}

_TROUBLES = {
    NO_SUCH_FILE: Trouble.MISSING,
    PERMISSION_DENIED: Trouble.CONFIG,
    # "Failure" stands for every error without a code of its own: too many open files, a disk that does not answer
    4: Trouble.TEMPORARY,
    6: Trouble.TEMPORARY,
    7: Trouble.TEMPORARY,
}


class StatusError(SftpError):
    """The server answers a request with an error.

    Args:
        code: The status code of
            `draft-ietf-secsh-filexfer-02 <https://www.ietf.org/archive/id/draft-ietf-secsh-filexfer-02.txt>`_, 7.
        text: What the server says about it.
    """

    def __init__(self, code: int, text: str) -> None:
        reason = _NAMES.get(code, f"the server answers with the unknown status {code}")
        if text and code != NO_SUCH_FILE and text.casefold() not in reason:
            reason += f" ({text[:200]})"
        super().__init__(_TROUBLES.get(code, Trouble.OTHER), reason)
        self.code = code
