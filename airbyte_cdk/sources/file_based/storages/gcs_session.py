"""Sessions that send the credentials of Google Cloud."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import google.auth
import requests
from google.auth.credentials import Credentials
from google.auth.environment_vars import CREDENTIALS
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import credentials as user
from google.oauth2 import service_account

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.storages.rest import tuned
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storages.gcs import GcsCredentials

SCOPES = ["https://www.googleapis.com/auth/devstorage.read_only"]
TOKEN_URI = "https://oauth2.googleapis.com/token"
"""Where refresh tokens of users give access tokens."""


def session(options: GcsCredentials) -> requests.Session:
    """A session whose requests carry the credentials; tokens are fetched when they are first needed, and again.

    Raises:
        AirbyteTracedException: a config_error if the credentials cannot be used as they are.
    """
    if options.auth_type == "anonymous":
        return tuned(requests.Session())
    try:
        credentials = _credentials(options)
    except (GoogleAuthError, ValueError, OSError) as error:
        problem = _machine_problem() if options.auth_type == "default_credentials" else _KEY_PROBLEM
        message = f"Google Cloud Storage: {problem}."
        # the library's own text may hold parts of the key
        raise AirbyteTracedException(
            internal_message=f"{message} ({type(error).__name__})",
            message=message,
            failure_type=FailureType.config_error,
        ) from None
    tokens = Request(tuned(requests.Session()))
    return tuned(AuthorizedSession(credentials, auth_request=tokens))  # type: ignore[no-untyped-call]  # typed in part


_KEY_PROBLEM = "the private key in `service_account` cannot be read. Correct `credentials` of the storage `gcs`"


def _machine_problem() -> str:
    """Why this machine gives no credentials."""
    file = os.environ.get(CREDENTIALS)
    if not file:
        return (
            "there are no credentials on this machine that Google programs would find. Correct `credentials` of the "
            f"storage `gcs`, or set the environment variable {CREDENTIALS} to the path of a key file"
        )
    what = "is not a file of credentials that Google programs can use" if os.path.isfile(file) else "does not exist"
    return f"the file that the environment variable {CREDENTIALS} names {what}. Correct the variable or the file"


def _credentials(options: GcsCredentials) -> Credentials:
    if options.auth_type == "service_account":
        key = json.loads(options.service_account)
        add_to_secrets([key["private_key"], key.get("private_key_id"), *_lines(key["private_key"])])
        signing: Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            key, scopes=SCOPES
        )
        return signing
    if options.auth_type == "oauth":
        return user.Credentials(  # type: ignore[no-untyped-call]  # google-auth is typed in part
            options.access_token or None,
            refresh_token=options.refresh_token,
            token_uri=TOKEN_URI,
            client_id=options.client_id,
            client_secret=options.client_secret,
        )
    credentials, _ = google.auth.default(scopes=SCOPES)
    return credentials


def _lines(private_key: str) -> list[str]:
    """The lines of a PEM text that are secret."""
    return [line for line in private_key.splitlines() if line and not line.startswith("-----")]
