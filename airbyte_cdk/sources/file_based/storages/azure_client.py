"""Clients of the Azure library that send the credentials of the options, once each request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import requests
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.storage.blob import ContainerClient

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.network import CONNECT_SECONDS, READ_SECONDS
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storages.azure import AzureOptions

SECRET_PARTS = ("accountkey", "sharedaccesssignature")


def container_client(options: AzureOptions, session: requests.Session) -> ContainerClient:
    """The client of the container, which sends through `session` and tries nothing twice.

    Raises:
        AirbyteTracedException: a config_error if the options cannot be used as they are.
    """
    transport = RequestsTransport(
        session=session,
        session_owner=False,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
    )
    once: dict[str, Any] = {"transport": transport, "retry_total": 0}
    credentials = options.credentials
    try:
        if credentials.auth_type == "connection_string":
            text = credentials.connection_string
            _keep_parts_secret(text)
            client = ContainerClient.from_connection_string(text, options.container, **once)
            _refuse_contradictions(options, client)
            return client
        return ContainerClient(_account_url(options), options.container, credential=_credential(options), **once)
    except (ValueError, KeyError) as error:
        problem = _PROBLEMS.get(credentials.auth_type, "the options cannot be used")
        # the library's own text may hold parts of the secret
        raise _config_error(f"{problem} ({type(error).__name__})") from None


_PROBLEMS = {
    "connection_string": "`connection_string` cannot be read; copy the whole text, with its names, = and ;",
    "account_key": "`account_key` cannot be read; copy the whole key, which is base64",
    "client_credentials": "`tenant_id`, `client_id` or `authority` is malformed",
}


def _refuse_contradictions(options: AzureOptions, client: ContainerClient) -> None:
    """Raise a config_error if options name another account or endpoint than the connection string, which is used."""
    if options.account_name and options.account_name.lower() != str(client.account_name).lower():
        raise _config_error("`account_name` is not the account of the `connection_string`; leave it out")
    own = client.url.partition("?")[0].removesuffix(f"/{options.container}")
    if options.endpoint and options.endpoint.lower() != own.rstrip("/").lower():
        raise _config_error(
            "`endpoint` is not that of the `connection_string`; leave it out, or write it there as BlobEndpoint=..."
        )


def _account_url(options: AzureOptions) -> str:
    if options.endpoint is None and options.account_name is None:
        raise _config_error("`account_name` is missing")
    url = options.endpoint or f"https://{options.account_name}.blob.core.windows.net"
    token = options.credentials.auth_type in ("client_credentials", "default_credentials")
    if token and urlsplit(url).scheme != "https":
        raise _config_error("these `credentials` are sent over https only; `endpoint` must begin with https://")
    return url


def _credential(options: AzureOptions) -> Any:
    credentials = options.credentials
    if credentials.auth_type == "account_key":
        if options.account_name is None:
            raise _config_error("`account_name` is missing, which an account key belongs to")
        return {"account_name": options.account_name, "account_key": credentials.account_key}
    if credentials.auth_type == "sas_token":
        _keep_signature_secret(credentials.sas_token)
        return credentials.sas_token
    if credentials.auth_type == "client_credentials":
        authority: dict[str, Any] = {}
        if credentials.authority:
            # only Microsoft's public clouds are known to its own list of authorities
            authority = {"authority": credentials.authority, "disable_instance_discovery": True}
        return SecretTokens(
            ClientSecretCredential(
                credentials.tenant_id, credentials.client_id, credentials.client_secret, retry_total=0, **authority
            )
        )
    if credentials.auth_type == "default_credentials":
        return SecretTokens(DefaultAzureCredential(retry_total=0))
    return None


class SecretTokens:
    """A credential whose tokens are kept out of all output."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """As `TokenCredential.get_token`."""
        token = self._credential.get_token(*scopes, **options)
        add_to_secrets(token.token, transient=True)
        return token


def _keep_parts_secret(connection_string: str) -> None:
    for part in connection_string.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() in SECRET_PARTS:
            add_to_secrets(value)
            _keep_signature_secret(value)


def _keep_signature_secret(token: str) -> None:
    add_to_secrets([part[len("sig=") :] for part in token.split("&") if part.startswith("sig=")])
    add_to_secrets(parse_qs(token).get("sig", []))


def _config_error(problem: str) -> AirbyteTracedException:
    message = f"Azure Blob Storage: {problem}. Correct the options of the storage `azure`."
    return AirbyteTracedException(internal_message=message, message=message, failure_type=FailureType.config_error)
