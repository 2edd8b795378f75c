"""What the errors of botocore and of S3 mean, in words for whoever configures the source.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore import exceptions as boto
from urllib3.exceptions import HTTPError

from airbyte_cdk.sources.file_based.access.errors import AnswerError
from airbyte_cdk.sources.file_based.access.network import (
    is_transient,
    network_failure,
    proxy_wants_credentials,
    retry_after,
)
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storages.s3 import S3Options

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_BUSY = {
    "SlowDown", "TooManyRequests", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
    "RequestThrottledException", "RequestLimitExceeded", "BandwidthLimitExceeded", "RequestTimeout",
    "RequestTimeoutException", "InternalError", "InternalFailure", "ServiceUnavailable", "OperationAborted",
    "PriorRequestNotComplete", "EC2ThrottledException", "IncompleteBody", "ServerNotInitialized",
}  # fmt: skip
_REGION = {
    "PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}  # fmt: skip
_DENIED = {
    "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess", "Forbidden",
    "UnauthorizedOperation", "InvalidPayer",
}  # fmt: skip
_MISSING = {"NoSuchKey", "NoSuchVersion", "NotFound"}
_BROKEN = (boto.IncompleteReadError, boto.ResponseStreamingError, HTTPError)
_NETWORK = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.MetadataRetrievalError,
    *_BROKEN,
    ConnectionError,
    TimeoutError,
    socket.gaierror,
)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.ProfileNotFound,
    boto.ConfigParseError,
    boto.ConfigNotFound,
    boto.UnknownCredentialError,
    boto.InvalidConfigError,
)


_ACTION = re.compile(r"\bperform: ([a-z0-9-]+:[A-Za-z0-9*]+)(?=[\s.,]|$)")
"""The action that AWS says is not allowed, such as ``kms:Decrypt``."""


def status_of(error: boto.ClientError) -> int:
    """The HTTP status of an answer that is an error; 0 if there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: boto.ClientError) -> str:
    """The error code of S3; an answer without a body (to HEAD) has its status instead."""
    return str(error.response.get("Error", {}).get("Code", ""))


def has_expired(error: boto.ClientError) -> bool:
    """Whether the storage refuses the session token as too old."""
    return code_of(error) in _EXPIRED


class S3Failures:
    """Explains errors to a user who has filled in `options`.

    Args:
        options: What the reasons speak of.
        renewed: Whether the credentials can be renewed once they expire.
    """

    def __init__(self, options: S3Options, renewed: bool) -> None:
        self._options = options
        self._renewed = renewed

    def understood(self, error: BaseException, uri: str | None) -> Failure:
        """What `error` means; `uri` is the object that was asked for, None for a listing."""
        if isinstance(error, AnswerError):
            return error.failure
        if isinstance(error, boto.ClientError):
            if error.operation_name == "AssumeRole":
                return self._role_refused(error)
            return self._refused(error, uri)
        if isinstance(error, _NO_CREDENTIALS):
            return self._no_credentials(error)
        if isinstance(error, _NETWORK):
            return self._unreachable(error)
        if isinstance(error, boto.ParamValidationError):
            return self._no_parameter(error)
        if isinstance(error, boto.InvalidRegionError | boto.NoRegionError | boto.UnknownRegionError):
            return Failure(Trouble.CONFIG, "the option `region_name` is not the name of a region")
        if isinstance(error, ValueError) and str(error).startswith("Invalid endpoint"):
            return Failure(Trouble.CONFIG, f"{self._endpoint()} is not the address of a server")
        return Failure(Trouble.OTHER, f"{type(error).__name__}: {error}")

    def _endpoint(self) -> str:
        """What to call the address of the storage: botocore knows an environment variable for it, too."""
        variables = [name for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if os.environ.get(name)]
        return (
            "the option `endpoint`" if self._options.endpoint or not variables else f"the environment's {variables[0]}"
        )

    def _refused(self, error: boto.ClientError, uri: str | None) -> Failure:
        """An answer of the storage that is an error."""
        code, status = code_of(error), status_of(error)
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        text = str(error.response.get("Error", {}).get("Message") or "")
        key, secret, token = self._credential_names()
        if code.startswith("KMS."):
            return self._no_kms_key(code)
        if code == "InvalidRequest" and re.search("server.side encryption", text, re.IGNORECASE):
            return Failure(
                Trouble.CONFIG,
                "the object is encrypted with a key of the customer (SSE-C), which is not stored with it and cannot be "
                "given here: leave the object out of the globs",
            )
        if code in _EXPIRED:
            if self._renewed:
                return Failure(Trouble.TEMPORARY, "the session has expired and is being renewed")
            return Failure(Trouble.CONFIG, f"the session has expired: {token} must be renewed")
        if code in _BUSY or is_transient(status):
            reason = f"the storage is busy or out of order ({status if code == str(status) else f'{status} {code}'})"
            return Failure(Trouble.TEMPORARY, reason, retry_after(headers.get("retry-after")))
        if status == 407:
            return proxy_wants_credentials()
        if code in _REGION or status in (301, 302, 307, 308):
            return self._elsewhere(error, headers)
        if code == "NoSuchBucket" or (status == 404 and uri is None):
            return self._no_bucket("does not exist")
        if code == "InvalidBucketName":
            return self._no_bucket("is not a valid bucket name")
        if code in _MISSING or status == 404 or headers.get("x-amz-delete-marker") == "true":
            return Failure(Trouble.MISSING, "there is no such object")
        if code == "PreconditionFailed" or status == 412:
            return Failure(Trouble.CHANGED, "the object has been replaced since it was listed")
        if code == "InvalidAccessKeyId":
            return Failure(Trouble.CONFIG, f"the storage does not know the access key: correct {key}")
        if code == "SignatureDoesNotMatch":
            return Failure(Trouble.CONFIG, f"the secret does not fit the access key: correct {secret}")
        if code in ("InvalidToken", "InvalidClientTokenId"):
            return Failure(Trouble.CONFIG, f"the session token is not valid: correct {token}")
        if code == "RequestTimeTooSkewed":
            return Failure(
                Trouble.CONFIG,
                f"the clock of this machine is wrong, it must be set (the storage's clock says {headers.get('date')})",
            )
        if code == "InvalidObjectState":
            return Failure(
                Trouble.CONFIG,
                "the object is archived and must be restored before it can be read; or leave it out of the globs",
            )
        if code in _DENIED or status in (401, 403):
            return self._denied(uri, text)
        if status in (405, 501):
            return Failure(
                Trouble.CONFIG, f"the server does not know this request ({status}): correct the option `endpoint`"
            )
        return Failure(Trouble.OTHER, f"the storage answered {status} {code}: {text}")

    def _role_refused(self, error: boto.ClientError) -> Failure:
        code, status = code_of(error), status_of(error)
        if code in _BUSY or status == 429 or status >= 500:
            return Failure(Trouble.TEMPORARY, f"the role cannot be assumed now ({code})")
        if code in _EXPIRED:
            return Failure(Trouble.CONFIG, "the credentials of this machine, which assume the role, have expired")
        if code in ("InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidAccessKeyId"):
            return Failure(Trouble.CONFIG, "the credentials of this machine, which assume the role, are not valid")
        return Failure(
            Trouble.CONFIG,
            f"the role cannot be assumed ({code}): correct the options `role_arn` and `external_id`, or let the "
            "role's trust policy name the identity of this machine",
        )

    def _no_parameter(self, error: boto.ParamValidationError) -> Failure:
        """What botocore itself refuses to send."""
        text = str(error)
        if "bucket" in text.lower():
            return self._no_bucket("is not a valid bucket name")
        for parameter, option in (("RoleArn", "role_arn"), ("ExternalId", "external_id")):
            if parameter in text:
                return Failure(Trouble.CONFIG, f"the option `{option}` is too short")
        return Failure(Trouble.OTHER, "the request cannot be sent: its parameters are not valid")

    def _no_kms_key(self, code: str) -> Failure:
        if code.removeprefix("KMS.") in _BUSY:
            return Failure(Trouble.TEMPORARY, f"the service of the encryption keys is busy or out of order ({code})")
        return Failure(
            Trouble.CONFIG,
            f"the KMS key with which the object is encrypted cannot be used ({code}): enable it, or leave the "
            "object out of the globs",
        )

    def _denied(self, uri: str | None, text: str) -> Failure:
        """Access is denied; `text` is what the storage says about it."""
        right = "s3:ListBucket on the bucket" if uri is None else "s3:GetObject on the object"
        told = _ACTION.search(text)
        if told is not None and not right.startswith(f"{told[1]} "):
            right = told[1]
        if "explicit deny" in text:
            return Failure(
                Trouble.CONFIG,
                f"access is denied: a policy has an explicit deny of {right} for the identity of `credentials`",
            )
        if self._options.credentials.auth_type == "anonymous":
            reason = f"access is denied: it is not public ({right}); set the option `credentials`"
        else:
            reason = f"access is denied: the identity of the option `credentials` needs the permission {right}"
        if not self._options.requester_pays and right.startswith("s3:"):
            reason += ", or the bucket wants the option `requester_pays`"
        return Failure(Trouble.CONFIG, reason)

    def _elsewhere(self, error: boto.ClientError, headers: dict[str, str]) -> Failure:
        region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
        if region:
            return Failure(Trouble.CONFIG, f"the bucket is in region {region}: set the option `region_name` to it")
        target = urlsplit(headers.get("location", ""))
        host = target.netloc.rpartition("@")[2]
        where = f"at {target.scheme}://{host}" if target.scheme and host else "elsewhere"
        return Failure(
            Trouble.CONFIG,
            f"the bucket is to be asked for {where}: correct the options `region_name`, `endpoint` and "
            "`addressing_style`",
        )

    def _no_bucket(self, what: str) -> Failure:
        return Failure(Trouble.CONFIG, f"the bucket {self._options.bucket} {what}: correct the option `bucket`")

    def _no_credentials(self, error: BaseException) -> Failure:
        if isinstance(error, boto.NoCredentialsError):
            return Failure(
                Trouble.CONFIG,
                "this machine has no AWS credentials: choose another kind of `credentials`, or give it some",
            )
        return Failure(Trouble.CONFIG, f"the AWS credentials of this machine cannot be used: {error}")

    def _unreachable(self, error: BaseException) -> Failure:
        endpoint = self._options.endpoint
        host = urlsplit(endpoint).netloc if endpoint else None
        return network_failure(error, host, "`endpoint`" if endpoint else "`region_name`", _BROKEN) or Failure(
            Trouble.TEMPORARY, f"the connection failed ({type(error).__name__})"
        )

    def _credential_names(self) -> tuple[str, str, str]:
        """What to call the access key, its secret and its token."""
        if self._options.credentials.auth_type == "iam_user":
            return (
                "the option `aws_access_key_id`",
                "the option `aws_secret_access_key`",
                "the option `aws_session_token`",
            )
        if self._options.credentials.auth_type == "iam_role":
            elsewhere = "the option `endpoint` (it does not know keys of the option `role_arn`)"
            return elsewhere, elsewhere, elsewhere
        machine = "the AWS credentials of this machine"
        return machine, machine, f"the token in {machine}"
