"""A botocore client for the bucket that the options name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from botocore.session import Session

from airbyte_cdk.sources.file_based.access.network import CONNECT_SECONDS, READ_SECONDS
from airbyte_cdk.sources.file_based.access.watch import Watch
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storages.s3 import S3IamRole, S3Options

CONNECTIONS = 40
"""Connections that are kept open for further requests: 16 readers, their ranges and the listings."""
PAGE_BYTES = 1 << 30
"""More than a page of a listing has."""
REGION = "us-east-1"
"""Where a bucket is asked for when nobody names a region: AWS redirects from there."""

_LOADER = create_loader()  # reads the description of S3, 60 ms of work, once
_ONCE = {
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}


def connect(options: S3Options, watch: Callable[[], Watch] = Watch) -> tuple[Any, bool]:
    """A client (safe for threads), and whether its credentials are renewed.

    One attempt a request, no checksums beyond those of the transport, and the XML of a listing as it came: the answer
    of ``list_objects_v2`` holds nothing but ``Body``.

    Args:
        options: Bucket, credentials and the rest.
        watch: Makes a watch for a page of a listing, or for what an error says; contents are left to the caller.

    Raises:
        BotoCoreError: a profile or setting of the machine cannot be used.
    """
    session = _session()
    credentials = options.credentials
    region = options.region_name or session.get_config_variable("region") or REGION
    if credentials.auth_type == "iam_user":
        session.set_credentials(
            credentials.aws_access_key_id, credentials.aws_secret_access_key, credentials.aws_session_token
        )
    elif credentials.auth_type == "iam_role":
        role = _Role(credentials, region, _sts_endpoint(options.endpoint))
        session.register_component("credential_provider", CredentialResolver([role]))
    config = Config(
        **_ONCE,
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        signature_version=UNSIGNED if credentials.auth_type == "anonymous" else None,
        # "auto" of botocore: the host for AWS, the path for any other endpoint
        s3={"addressing_style": {"host": "virtual"}.get(options.addressing_style, options.addressing_style)},
        # several storages refuse, or do not know, the checksums that AWS has added
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = _client(session, "s3", region, options.endpoint, config)
    client.meta.events.register("before-send.s3.ListObjectsV2", partial(_watched, client, watch))
    client.meta.events.register("before-send.s3.GetObject", partial(_watched_error, client, watch))
    # By the asterisk it comes before the hook of botocore that parses all XML once more, in search of errors.
    client.meta.events.register("before-parse.*.ListObjectsV2", _keep_body)
    client.meta.events.register("before-call.s3.HeadBucket", _refuse)
    renewed = credentials.auth_type != "anonymous" and isinstance(session.get_credentials(), RefreshableCredentials)
    return client, renewed


def _session() -> Session:
    session = Session()
    session.register_component("data_loader", _LOADER)
    return session


def _client(session: Session, service: str, region: str, endpoint: str | None, config: Config) -> Any:
    parts = urlsplit(endpoint or "")
    if "_" not in parts.netloc:
        return session.create_client(service, region_name=region, endpoint_url=endpoint, config=config)
    # Services of Docker Compose have such names, and botocore refuses them: it gets another, until a request is signed.
    accepted = parts._replace(netloc=parts.netloc.replace("_", "-"))
    client = session.create_client(service, region_name=region, endpoint_url=accepted.geturl(), config=config)

    def name_host(request: Any, **_: Any) -> None:
        url = urlsplit(request.url)
        if url.netloc.endswith(accepted.netloc):
            request.url = url._replace(netloc=url.netloc.removesuffix(accepted.netloc) + parts.netloc).geturl()

    client.meta.events.register(f"before-sign.{service}", name_host)
    return client


def _watched(client: Any, watch: Callable[[], Watch], request: Any, **_: Any) -> Any:
    """Sends a request as botocore would have done, but leaves it to `_Page` to read the answer."""
    request.stream_output = True
    answer = client._endpoint.http_session.send(request)  # botocore offers no public way to its connections
    answer.raw = _Page(answer.raw, watch())
    return answer


def _watched_error(client: Any, watch: Callable[[], Watch], request: Any, **_: Any) -> Any:
    """The same for a request whose answer is a content, and no page unless it is an error."""
    answer = client._endpoint.http_session.send(request)
    if answer.status_code >= 300:
        answer.raw = _Page(answer.raw, watch())
    return answer


class _Page:
    """The body of a page, read as it comes: botocore itself would wait for all of it, however slow it is."""

    def __init__(self, body: Any, watch: Watch) -> None:
        self._body = body
        self._watch = watch

    def stream(self) -> Iterator[bytes]:
        """All of it, for botocore."""
        try:
            yield self._watch.read_all(self._body.read1, PAGE_BYTES)
        finally:
            self._body.close()


def _keep_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Hands on the XML of a listing; errors are left to botocore."""
    if response_dict["status_code"] == 200:
        customized_response_dict["Body"] = response_dict["body"]
        response_dict["body"] = b""


def _refuse(model: Any, **_: Any) -> None:
    """Keeps botocore from asking for the region of a bucket after a redirection that does not tell it.

    AWS always tells it. Where a web server redirects every request, say from http to https, botocore would ask and be
    redirected until its stack is full.
    """
    raise ClientError({"Error": {}, "ResponseMetadata": {"HTTPHeaders": {}}}, model.name)


def _sts_endpoint(endpoint: str | None) -> str | None:
    """Where roles are assumed: at AWS, or where another storage answers (as with MinIO and Ceph)."""
    if endpoint is None or "AWS_ENDPOINT_URL_STS" in os.environ:
        return None
    host = urlsplit(endpoint).hostname or ""
    return None if host.endswith((".amazonaws.com", ".amazonaws.com.cn")) else endpoint


class _Role(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    """Credentials of a role. botocore asks for new ones 15 minutes before they expire."""

    METHOD = "assume-role-of-config"

    def __init__(self, role: S3IamRole, region: str, endpoint: str | None) -> None:
        super().__init__()
        self._role = role
        self._region = region
        self._endpoint = endpoint

    def load(self) -> DeferredRefreshableCredentials:
        """The credentials; the role is assumed on their first use."""
        return DeferredRefreshableCredentials(refresh_using=self._assumed, method=self.METHOD)

    def _assumed(self) -> dict[str, str]:
        sts = _client(_session(), "sts", self._region, self._endpoint, Config(**_ONCE))
        asked = {"RoleArn": self._role.role_arn, "RoleSessionName": "airbyte-cdk"}
        if self._role.external_id:
            asked["ExternalId"] = self._role.external_id
        assumed = sts.assume_role(**asked)["Credentials"]
        add_to_secrets([assumed["SecretAccessKey"], assumed["SessionToken"]], transient=True)
        return {
            "access_key": assumed["AccessKeyId"],
            "secret_key": assumed["SecretAccessKey"],
            "token": assumed["SessionToken"],
            "expiry_time": assumed["Expiration"].isoformat(),
        }
