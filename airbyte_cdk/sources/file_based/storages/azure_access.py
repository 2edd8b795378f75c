"""Access to the blobs of a container of Azure Blob Storage.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import requests
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline import Pipeline
from azure.core.pipeline.transport import HttpRequest, HttpResponse
from azure.identity import CredentialUnavailableError

from airbyte_cdk.sources.file_based.access.network import causes
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Listed, Trouble
from airbyte_cdk.sources.file_based.access.watch import Watch
from airbyte_cdk.sources.file_based.storages.azure_client import container_client
from airbyte_cdk.sources.file_based.storages.azure_listing import NoListing, modified, parsed_page
from airbyte_cdk.sources.file_based.storages.rest import Page, RestAccess, tuned, whole
from airbyte_cdk.sources.file_based.storages.rest_failures import (
    BrokenBody,
    ChangedError,
    NotThisStorage,
    StatusError,
)

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storages.azure import AzureOptions

API_VERSION = "2021-12-02"
"""The first in which a listing can hold every name."""


class AzureAccess(RestAccess):
    """The blobs of one container. Their version is the ETag.

    The library signs and sends the requests; pages are parsed and bodies streamed here, for speed: its own listing
    takes fifteen times the CPU, and its downloads fetch parts of megabytes one after the other, each held whole.

    Raises:
        AirbyteTracedException: a config_error if the options cannot be used as they are.

    Args:
        options: Names the container.
        page_size: Blobs in a page of the listing; None for as many as the storage gives (5,000).
    """

    def __init__(self, options: AzureOptions, page_size: int | None = None) -> None:
        self._session = tuned(requests.Session())
        client = container_client(options, self._session)
        account = options.account_name or client.account_name
        title = f"Azure container {options.container} of the storage account {account}"
        # a SAS token is the query of the client's URL
        self._url, _, self._sas = client.url.partition("?")
        super().__init__(title, options.prefix, page_size, self._url)
        # no public method of the library gives an answer that is not parsed
        self._pipeline: Pipeline[HttpRequest, HttpResponse] = client._pipeline
        self._auth = options.credentials.auth_type
        by_text = self._auth == "connection_string"
        self._host_option = "`connection_string`" if by_text else "`account_name` or `endpoint`"
        self._endpoint_option = "`connection_string`" if by_text else "`endpoint`"

    def info(self, uri: str) -> Listed:
        """As `StorageAccess.info`."""
        with self._ask("HEAD", self._blob(uri), {}) as response:
            return Listed(
                uri,
                int(response.headers["Content-Length"]),
                modified(response.headers["Last-Modified"]),
                self._version(response),
            )

    def close(self) -> None:
        """As `StorageAccess.close`."""
        self._session.close()

    def _page(self, prefix: str, recursive: bool, marker: str | None) -> Page:
        query = {"restype": "container", "comp": "list", "include": "metadata"}
        if prefix:
            query["prefix"] = prefix
        if not recursive:
            query["delimiter"] = "/"
        if self._page_size:
            query["maxresults"] = str(self._page_size)
        if marker:
            query["marker"] = marker
        response = self._ask("GET", self._url, {}, query)
        try:
            return parsed_page(whole(response, self.watch()))
        except NoListing:
            pass
        except ElementTree.ParseError:
            if "xml" in response.headers.get("Content-Type", ""):
                raise BrokenBody("the answer of the storage is incomplete XML") from None
        raise NotThisStorage("what answers there is not Azure Blob Storage")

    def _get(self, uri: str, byte_range: str | None, version: str | None) -> requests.Response:
        headers = {}
        if byte_range:
            headers["x-ms-range"] = byte_range
        if version:
            headers["If-Match"] = f'"{version}"'
        try:
            return self._ask("GET", self._blob(uri), headers)
        except StatusError as error:
            if error.status == 412:
                self.info(uri)  # a blob that is gone has not the version either, but shall raise that it is gone
                raise ChangedError("the blob has another ETag") from error
            raise

    def _version(self, response: requests.Response) -> str | None:
        return response.headers.get("ETag", "").strip('"') or None

    def _blob(self, uri: str) -> str:
        # `.` and `..` between slashes are part of the name, and would be taken away as a path's
        dots = {".", ".."}.intersection(uri.split("/"))
        return f"{self._url}/{quote(uri, safe='' if dots else '/')}"

    def _ask(
        self, method: str, url: str, headers: dict[str, str], query: dict[str, str] | None = None
    ) -> requests.Response:
        queries = [part for part in (urlencode(query or {}, quote_via=quote), self._sas) if part]
        request = HttpRequest(
            method,
            "?".join([url, "&".join(queries)] if queries else [url]),
            headers={"x-ms-version": API_VERSION, **headers},
        )
        answer = self._pipeline.run(request, stream=True)
        response: requests.Response = answer.http_response.internal_response
        if response.status_code not in (200, 206):
            raise StatusError(response, _code(response, self.watch()))
        return response

    def _refusal(self, error: StatusError, uri: str | None) -> Failure | None:
        private = self._auth == "anonymous" and error.code in _PRIVATE_CODES
        if error.status == 404 and uri is not None and not private and not error.code.startswith("Container"):
            return Failure(Trouble.MISSING, "there is no such blob")
        problem = _PRIVATE if private else _PROBLEMS.get(error.code)
        if problem is None and error.code.startswith("KeyVault"):
            problem = "the key in Azure Key Vault with which the account is encrypted cannot be used"
        if problem is None and error.status in (401, 403, 404):
            problem = _PROBLEMS["ContainerNotFound" if error.status == 404 else "AuthenticationFailed"]
        if problem is None and uri is None and error.status in (301, 302, 307, 308, 400, 405):
            problem = "`container`, `prefix` or {endpoint} is not accepted as it is"
        if problem is None:
            return None
        told = problem.format(
            credentials=_OPTIONS[self._auth], account=self._host_option, endpoint=self._endpoint_option
        )
        return Failure(Trouble.CONFIG, f"{told} ({error.named})")

    def _library_failure(self, error: BaseException) -> Failure | None:
        if not isinstance(error, ClientAuthenticationError):
            return None
        chain = [] if isinstance(error, CredentialUnavailableError) else list(causes(error))
        if any(isinstance(cause, ServiceRequestError | ServiceResponseError) for cause in chain):
            return Failure(Trouble.TEMPORARY, "Microsoft Entra ID cannot be reached")
        if re.search(_ENTRA_LATER, str(error)):
            return Failure(Trouble.TEMPORARY, "Microsoft Entra ID has a fault at the moment")
        # of its texts only the number is known to be harmless
        code = re.search(r"AADSTS\d+", str(error))
        told = f" ({code[0]})" if code else ""
        return Failure(Trouble.CONFIG, f"no token is to be had with {_OPTIONS[self._auth]}; correct them{told}")


_ENTRA_LATER = r"HTTP Error: (429|5\d\d)|temporarily_unavailable|AADSTS(90033|90055)\b"
"""What the library says of a token server that fails for now.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

_OPTIONS = {
    "account_key": "`account_name` and `account_key`",
    "sas_token": "the `sas_token`",
    "connection_string": "the `connection_string`",
    "client_credentials": "`tenant_id`, `client_id` and `client_secret`",
    "default_credentials": "the credentials of the machine",
    "anonymous": "anonymous `credentials`",
}
"""How messages name the credentials."""

_PRIVATE = "the container is not public, or does not exist; correct `container`, or give other `credentials`"
_PRIVATE_CODES = ("AuthenticationFailed", "AuthorizationFailure", "NoAuthenticationInformation", "ResourceNotFound")
"""How a container that is not public answers anonymous requests."""

_REFUSED = "the storage refuses {credentials}: wrong, expired, or without the right to list and read"

_PROBLEMS = {
    "AccountIsDisabled": "the storage account is disabled; correct {account}",
    "AuthenticationFailed": _REFUSED,
    "AuthorizationFailure": f"{_REFUSED}; or the network rules of the account do not allow requests from here",
    "AuthorizationPermissionMismatch": f"{_REFUSED}; a principal needs the role Storage Blob Data Reader",
    "AuthorizationProtocolMismatch": "{credentials} may be used over https only; correct {endpoint}",
    "AuthorizationSourceIPMismatch": "{credentials} may not be used from this address",
    "BlobArchived": "the blob is in the archive tier; rehydrate it, or leave it out by the globs",
    "BlobBeingRehydrated": "the blob is being rehydrated from the archive tier, which takes hours; try again later, or "
    "leave it out by the globs",
    "BlobUsesCustomerSpecifiedEncryption": "the blob is encrypted with a key of the customer, which is not stored with "
    "it and cannot be given here; leave it out by the globs",
    "ContainerBeingDeleted": "the container is being deleted; correct `container`",
    "ContainerDisabled": "the container is disabled; correct `container`",
    "ContainerNotFound": "there is no such container; correct `container`, or {account}",
    "InvalidResourceName": "there can be no container of this name; correct `container`",
    "KeyBasedAuthenticationNotPermitted": "the account allows no account keys; choose other `credentials`",
    "PublicAccessNotPermitted": "the account allows no anonymous requests; choose other `credentials`",
}
"""Error codes that somebody must act upon, and what is wrong.

https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""


def _code(response: requests.Response, watch: Watch) -> str:
    """The storage's name for an error, from the header or the XML that it sends."""
    body = whole(response, watch)  # read in any case, so that the connection can be used again
    code = response.headers.get("x-ms-error-code")
    if code is None:
        try:
            code = ElementTree.fromstring(body).findtext("Code")
        except ElementTree.ParseError:
            code = None
    return code if code and code.isalnum() else ""
