"""Access to the objects of a bucket of Google Cloud Storage, by its JSON API.

https://cloud.google.com/storage/docs/json_api/v1/objects
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
import requests
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

from airbyte_cdk.sources.file_based.access.network import CONNECT_SECONDS, READ_SECONDS
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Listed, Trouble, naive_utc
from airbyte_cdk.sources.file_based.access.watch import Watch
from airbyte_cdk.sources.file_based.storages.gcs_session import session
from airbyte_cdk.sources.file_based.storages.rest import Page, RestAccess, whole
from airbyte_cdk.sources.file_based.storages.rest_failures import BrokenBody, ChangedError, NotThisStorage, StatusError
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storages.gcs import GcsOptions

ENDPOINT = "https://storage.googleapis.com"
FIELDS = "name,size,updated,generation"
TEXT_CHARACTERS = 200
"""Most of what is told of the storage's own explanation."""


class GcsAccess(RestAccess):
    """The objects of one bucket. Their version is the generation.

    An object stored with ``Content-Encoding: gzip`` is read as it is stored, so that its size and byte ranges hold;
    see https://cloud.google.com/storage/docs/transcoding.

    Raises:
        AirbyteTracedException: a config_error if the credentials cannot be used as they are.

    Args:
        options: Names the bucket.
        page_size: Objects in a page of the listing; None for as many as the storage gives (1,000).
    """

    def __init__(self, options: GcsOptions, page_size: int | None = None) -> None:
        url = options.endpoint or ENDPOINT
        super().__init__(f"Google Cloud Storage bucket {options.bucket}", options.prefix, page_size, url)
        self._anonymous = options.credentials.auth_type == "anonymous"
        self._session = session(options.credentials)
        self._token: str | None = None
        self._objects = f"{url}/storage/v1/b/{quote(options.bucket, safe='')}/o"

    def info(self, uri: str) -> Listed:
        """As `StorageAccess.info`."""
        response = self._ask(self._url(uri), {"fields": f"kind,{FIELDS}"})
        return _listed(self._parsed(response, "storage#object"))

    def close(self) -> None:
        """As `StorageAccess.close`."""
        self._session.close()

    def _page(self, prefix: str, recursive: bool, marker: str | None) -> Page:
        parameters = {"fields": f"kind,nextPageToken,prefixes,items({FIELDS})", "prefix": prefix}
        if not recursive:
            parameters["delimiter"] = "/"
        if self._page_size:
            parameters["maxResults"] = str(self._page_size)
        if marker:
            parameters["pageToken"] = marker
        page = self._parsed(self._ask(self._objects, parameters), "storage#objects")
        files = [_listed(item) for item in page.get("items", ())]
        files = [file for file in files if file.size or not file.uri.endswith("/")]
        return Page(files, page.get("nextPageToken") or None, page.get("prefixes", ()))

    def _get(self, uri: str, byte_range: str | None, version: str | None) -> requests.Response:
        parameters = {"alt": "media", **({"generation": version} if version else {})}
        headers = {"Accept-Encoding": "gzip", **({"Range": byte_range} if byte_range else {})}
        try:
            return self._ask(self._url(uri), parameters, headers)
        except StatusError as error:
            if error.status == 404 and version and self.info(uri).version != version:
                raise ChangedError("the object has another generation") from error
            raise

    def _version(self, response: requests.Response) -> str | None:
        return response.headers.get("X-Goog-Generation")

    def _url(self, uri: str) -> str:
        return f"{self._objects}/{quote(uri, safe='')}"

    def _ask(self, url: str, parameters: dict[str, str], headers: dict[str, str] | None = None) -> requests.Response:
        """The answer, its body not yet read."""
        try:
            response = self._session.get(
                url,
                params=parameters,
                headers=headers,
                stream=True,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
        finally:
            self._keep_token_secret()
        if response.status_code not in (200, 206):
            raise _status_error(response, self.watch())
        return response

    def _parsed(self, response: requests.Response, kind: str) -> dict[str, Any]:
        """The answer as a dict of the kind that was asked for."""
        try:
            answer = orjson.loads(whole(response, self.watch()))
        except ValueError:
            if "json" in response.headers.get("Content-Type", ""):
                raise BrokenBody("the answer of the storage is incomplete JSON") from None
            answer = None
        if not isinstance(answer, dict) or answer.get("kind") != kind:
            raise NotThisStorage("what answers there is not the JSON API of Google Cloud Storage")
        return answer

    def _keep_token_secret(self) -> None:
        token = getattr(getattr(self._session, "credentials", None), "token", None)
        if token and token != self._token:
            add_to_secrets(token, transient=True)
            self._token = token

    def _refusal(self, error: StatusError, uri: str | None) -> Failure | None:
        said = f"{error.named}: {error.text}" if error.text else error.named
        if error.status == 403 and re.search("ratelimit", error.code, re.IGNORECASE):
            return Failure(Trouble.TEMPORARY, f"the storage asks to slow down ({said})", error.retry_after)
        if error.status in (401, 403):
            who = "anybody" if self._anonymous else "these credentials"
            right = "storage.objects.get" if uri is not None else "storage.objects.list"
            reason = f"the bucket does not grant {right} to {who}; correct `credentials` or `bucket`, or grant the role"
            return Failure(Trouble.CONFIG, f"{reason} Storage Object Viewer ({said})")
        no_bucket = re.search("bucket does not exist", error.text)
        if error.status == 404 and uri is not None and not no_bucket:
            return Failure(Trouble.MISSING, "there is no such object")
        if error.status == 404:
            return Failure(Trouble.CONFIG, f"there is no such bucket; correct `bucket` or `endpoint` ({said})")
        if error.status == 400 and re.search("requester pays", error.text, re.IGNORECASE):
            return Failure(Trouble.CONFIG, "the bucket is of the kind Requester Pays, which cannot be read")
        if error.status == 400 and uri is None:
            return Failure(Trouble.CONFIG, f"the storage does not accept `bucket` or `prefix` ({said})")
        if error.status in (301, 302, 303, 307, 308, 405):
            return Failure(Trouble.CONFIG, f"this is not an endpoint of the JSON API; correct `endpoint` ({said})")
        return None

    def _library_failure(self, error: BaseException) -> Failure | None:
        if isinstance(error, TransportError):
            return Failure(Trouble.TEMPORARY, "the token server of Google cannot be reached")
        if isinstance(error, GoogleAuthError):
            if getattr(error, "retryable", False):
                return Failure(Trouble.TEMPORARY, "the token server of Google has a fault at the moment")
            return Failure(Trouble.CONFIG, f"Google refuses the credentials{_oauth_code(error)}; correct `credentials`")
        return None


def _oauth_code(error: GoogleAuthError) -> str:
    """Such as `` (invalid_grant)``; of the rest that a token server says nothing is known to be harmless."""
    details = error.args[1] if isinstance(error, RefreshError) and len(error.args) > 1 else None
    code = details.get("error") if isinstance(details, dict) else None
    return f" ({code})" if isinstance(code, str) and re.fullmatch("[a-z_]{1,40}", code) else ""


def _status_error(response: requests.Response, watch: Watch) -> StatusError:
    """The error that an answer tells of: JSON, except for content, where it is plain text."""
    if response.status_code == 416:
        response.close()  # fake-gcs-server breaks the connection after this status: it must not be used again
        return StatusError(response)
    body = whole(response, watch)
    try:
        said = orjson.loads(body)["error"]
        details = said.get("errors") or [{}]
        return StatusError(response, _one_line(details[0].get("reason", "")), _one_line(said.get("message", "")))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        plain = response.headers.get("Content-Type", "").startswith("text/")
        text = body[: 4 * TEXT_CHARACTERS].decode("utf-8", "replace") if plain else ""
        return StatusError(response, "", "" if "<" in text else _one_line(text))


def _one_line(text: Any) -> str:
    return " ".join(str(text).split())[:TEXT_CHARACTERS]


def _listed(item: dict[str, Any]) -> Listed:
    modified = naive_utc(datetime.fromisoformat(item["updated"]))
    return Listed(item["name"], int(item["size"]), modified, str(item["generation"]))
