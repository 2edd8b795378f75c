"""What the exceptions of fsspec filesystems mean.

They are not of one family: OSError with an errno, those of botocore, aiohttp, google-cloud, azure, requests, paramiko,
and fsspec's own. They are told apart by the names of their classes, so that none of these libraries is imported.
"""

from __future__ import annotations

import errno

from airbyte_cdk.sources.file_based.access.network import (
    is_transient,
    network_failure,
    proxy_wants_credentials,
    retry_after,
)
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble

_BY_NAME: dict[tuple[str, str], Trouble] = {
    ("botocore", "HTTPClientError"): Trouble.TEMPORARY,
    ("botocore", "EndpointConnectionError"): Trouble.TEMPORARY,
    ("botocore", "ConnectionError"): Trouble.TEMPORARY,
    ("botocore", "IncompleteReadError"): Trouble.TEMPORARY,
    ("botocore", "ResponseStreamingError"): Trouble.TEMPORARY,
    ("botocore", "NoCredentialsError"): Trouble.CONFIG,
    ("botocore", "CredentialRetrievalError"): Trouble.CONFIG,
    ("botocore", "PartialCredentialsError"): Trouble.CONFIG,
    ("botocore", "ProfileNotFound"): Trouble.CONFIG,
    ("botocore", "ParamValidationError"): Trouble.CONFIG,
    ("aiohttp", "ClientConnectorCertificateError"): Trouble.CONFIG,
    ("aiohttp", "InvalidURL"): Trouble.CONFIG,
    ("aiohttp", "ClientPayloadError"): Trouble.TEMPORARY,
    ("aiohttp", "ClientConnectionError"): Trouble.TEMPORARY,
    ("requests", "ConnectionError"): Trouble.TEMPORARY,
    ("requests", "Timeout"): Trouble.TEMPORARY,
    ("requests", "ChunkedEncodingError"): Trouble.TEMPORARY,
    ("urllib3", "HTTPError"): Trouble.TEMPORARY,
    ("http", "HTTPException"): Trouble.TEMPORARY,
    ("google", "TransportError"): Trouble.TEMPORARY,
    ("google", "DefaultCredentialsError"): Trouble.CONFIG,
    ("google", "RefreshError"): Trouble.CONFIG,
    ("gcsfs", "ChecksumError"): Trouble.TEMPORARY,
    ("azure", "ClientAuthenticationError"): Trouble.CONFIG,
    ("azure", "ResourceNotFoundError"): Trouble.MISSING,
    ("azure", "ResourceModifiedError"): Trouble.CHANGED,
    ("azure", "ServiceRequestError"): Trouble.TEMPORARY,
    ("azure", "ServiceResponseError"): Trouble.TEMPORARY,
    ("azure", "IncompleteReadError"): Trouble.TEMPORARY,
    ("paramiko", "AuthenticationException"): Trouble.CONFIG,
    ("paramiko", "BadHostKeyException"): Trouble.CONFIG,
    ("paramiko", "SSHException"): Trouble.TEMPORARY,
    ("fsspec", "FSTimeoutError"): Trouble.TEMPORARY,
    ("ftplib", "error_temp"): Trouble.TEMPORARY,
    ("ftplib", "error_proto"): Trouble.TEMPORARY,
    ("ftplib", "error_reply"): Trouble.TEMPORARY,
    ("s3fs", "FileExpired"): Trouble.CHANGED,
    ("fsspec", "FileExpired"): Trouble.CHANGED,
}
"""Top-level module and name of a class of exceptions; the first that an exception is of decides."""

_TEMPORARY = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.EINTR,
    errno.EIO,
    errno.EMFILE,
    errno.ENETDOWN,
    errno.ENETRESET,
    errno.ENETUNREACH,
    errno.ENFILE,
    errno.ENOTCONN,
    errno.EPIPE,
    errno.ESTALE,
    errno.ETIMEDOUT,
}
_DENIED = ("denied", "permission", "privilege", "not allowed")
"""Words by which FTP servers tell a file that may not be read from one that is not there: both are 550."""
_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"}
_RENEWABLE = {"ExpiredToken", "ExpiredTokenException", "RequestTimeout", "RequestTimeTooSkewed", "InternalError"}


def failure_of(error: BaseException, uri: str | None, host: str | None = None, option: str = "its address") -> Failure:
    """What the error means.

    Args:
        error: Raised by a filesystem or by a handle of it.
        uri: The file, or None for a listing: then what is missing is the folder of the config.
        host: The server that is asked, with its port, if that is known.
        option: What the user wrote the server's name into.
    """
    status = _status(error)
    if status == 407:
        return proxy_wants_credentials()
    trouble, what = _known(error)
    if status is None and trouble in (None, Trouble.TEMPORARY):
        network = network_failure(error, host, option)
        if network is not None:
            return network
    code = _code(error)
    if trouble is None and code in _THROTTLED | _RENEWABLE:
        trouble, what = Trouble.TEMPORARY, code
    if trouble is None and status is not None:
        trouble, what = _of_status(status), f"the server answered with status {status}" + (f" ({code})" if code else "")
    if trouble is None and type(error).__module__ == "ftplib":
        trouble, what = _of_ftp(str(error))
    if trouble is None:
        trouble, what = _of_builtin(error)
    if trouble is Trouble.MISSING:
        if uri is None:
            return Failure(Trouble.CONFIG, f"the folder or bucket does not exist ({what}); correct its path or name")
        return Failure(trouble, "there is no such file")
    if trouble is Trouble.CONFIG:
        return Failure(trouble, f"access is refused ({what}); correct the credentials or the rights")
    return Failure(trouble, what, _retry_after(error))


def _known(error: BaseException) -> tuple[Trouble | None, str]:
    for cls in type(error).__mro__:
        trouble = _BY_NAME.get((cls.__module__.partition(".")[0], cls.__name__))
        if trouble is not None:
            return trouble, type(error).__name__
    return None, ""


def _of_status(status: int) -> Trouble:
    if is_transient(status):
        return Trouble.TEMPORARY
    known = {401: Trouble.CONFIG, 403: Trouble.CONFIG, 404: Trouble.MISSING, 410: Trouble.MISSING}
    return known.get(status, Trouble.CHANGED if status in (412, 416) else Trouble.OTHER)


def _of_ftp(answer: str) -> tuple[Trouble | None, str]:
    """What the final refusal of an FTP server means; https://www.rfc-editor.org/rfc/rfc959#page-39 has the codes."""
    code = answer[:3]
    what = f"the server answered {code}"
    if code in ("530", "532") or (code == "550" and any(word in answer.lower() for word in _DENIED)):
        return Trouble.CONFIG, what
    return (Trouble.MISSING if code == "550" else Trouble.OTHER), what


def _of_builtin(error: BaseException) -> tuple[Trouble, str]:
    name = type(error).__name__
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return Trouble.MISSING, name
    if isinstance(error, PermissionError):
        # its own text, where it has no errno, is that of a rule of this project or of the filesystem
        return Trouble.CONFIG, error.strerror or str(error) or name
    if isinstance(error, EOFError):
        return Trouble.TEMPORARY, name
    if isinstance(error, OSError):
        temporary = error.errno is None or error.errno in _TEMPORARY
        return Trouble.TEMPORARY if temporary else Trouble.OTHER, f"{name}: {error.strerror or 'no details'}"
    return Trouble.OTHER, f"unexpected {name}"


def _code(error: BaseException) -> str | None:
    """The error code of an answer in the manner of AWS."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = response.get("Error", {}).get("Code")
        return str(code) if code is not None and not str(code).isdigit() else None
    return None


def _status(error: BaseException) -> int | None:
    """The HTTP status in an error, wherever its library keeps it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(error, "status", None) or getattr(error, "status_code", None) or getattr(error, "code", None)
        if found is None and response is not None:
            found = getattr(response, "status_code", None)
    try:
        status = int(str(found))
    except ValueError:
        return None
    return status if 400 <= status <= 599 else None


def _retry_after(error: BaseException) -> float | None:
    headers = getattr(error, "headers", None) or getattr(getattr(error, "response", None), "headers", None)
    try:
        return retry_after(headers["Retry-After"]) if headers else None
    except (KeyError, TypeError):
        return None
