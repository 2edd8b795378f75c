"""Google Cloud Storage."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic.v1 import BaseModel, Field, validator

from airbyte_cdk.sources.file_based.storages.endpoint import checked_endpoint
from airbyte_cdk.sources.file_based.storages.texts import stripped, word
from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem

KEY_FILE_FIELDS = ("type", "client_email", "private_key", "token_uri")
"""What the key file of a service account must hold to sign in with it."""


class GcsServiceAccount(BaseModel):
    """The key of a service account."""

    class Config(OneOfOptionConfig):
        title = "Service Account"
        description = "A service account that may list and read the bucket (role Storage Object Viewer)."
        discriminator = "auth_type"

    auth_type: Literal["service_account"] = Field("service_account", const=True)
    service_account: str = Field(
        title="Key File",
        description="The whole text of the JSON key file that Google Cloud made for the service account.",
        airbyte_secret=True,
        multiline=True,
        order=1,
    )

    @validator("service_account")
    def _is_a_key_file(cls, text: str) -> str:
        try:
            key = json.loads(text)
        except ValueError:
            raise ValueError("is not valid JSON; paste the whole key file, from { to }") from None
        if not isinstance(key, dict):
            raise ValueError("is not a JSON object; paste the whole key file, from { to }")
        missing = [name for name in KEY_FILE_FIELDS if not (isinstance(key.get(name), str) and key[name])]
        if missing:
            raise ValueError(f"lacks the fields {', '.join(missing)}; paste the whole key file of a service account")
        if key["type"] != "service_account":
            raise ValueError("is a file of another kind of credentials: its field type must be service_account")
        return text


class GcsOAuth(BaseModel):
    """The consent of a Google user."""

    class Config(OneOfOptionConfig):
        title = "Google Account"
        description = "A Google user has allowed an OAuth client to read on their behalf."
        discriminator = "auth_type"

    auth_type: Literal["oauth"] = Field("oauth", const=True)
    client_id: str = Field(title="Client ID", description="ID of the OAuth client.", airbyte_secret=True, order=1)
    client_secret: str = Field(
        title="Client Secret", description="Secret of the OAuth client.", airbyte_secret=True, order=2
    )
    refresh_token: str = Field(
        title="Refresh Token",
        description="The token that the user's consent gave the client, with which access tokens are fetched.",
        airbyte_secret=True,
        order=3,
    )
    access_token: str | None = Field(
        None,
        title="Access Token",
        description="A current access token, if you have one. It is used until it expires.",
        airbyte_secret=True,
        order=4,
    )

    _words = validator("client_id", "client_secret", "refresh_token", "access_token", pre=True, allow_reuse=True)(word)


class GcsDefaultCredentials(BaseModel):
    """Whatever credentials the machine has."""

    class Config(OneOfOptionConfig):
        title = "Credentials of the Machine"
        description = (
            "The credentials that Google programs find by themselves (Application Default Credentials): the file that "
            "GOOGLE_APPLICATION_CREDENTIALS names, workload identity, the service account of the machine."
        )
        discriminator = "auth_type"

    auth_type: Literal["default_credentials"] = Field("default_credentials", const=True)


class GcsAnonymous(BaseModel):
    """Requests without credentials."""

    class Config(OneOfOptionConfig):
        title = "Anonymous"
        description = "No credentials, for buckets that anybody may list and read."
        discriminator = "auth_type"

    auth_type: Literal["anonymous"] = Field("anonymous", const=True)


GcsCredentials: TypeAlias = GcsServiceAccount | GcsOAuth | GcsDefaultCredentials | GcsAnonymous


class GcsOptions(BaseModel):
    """Options of the storage `gcs`."""

    class Config(OneOfOptionConfig):
        title = "Google Cloud Storage"
        description = "A bucket of Google Cloud Storage."
        discriminator = "storage"

    storage: Literal["gcs"] = Field("gcs", const=True)
    bucket: str = Field(
        title="Bucket",
        description="Name of the bucket, without gs:// and without a folder.",
        examples=["landing"],
        min_length=1,
        order=1,
    )
    credentials: GcsCredentials = Field(
        title="Credentials",
        description="How the connector proves who it is.",
        discriminator="auth_type",
        type="object",
        order=2,
    )
    prefix: str = Field(
        "",
        title="Prefix",
        description=(
            "Only objects whose name begins with this text are listed, which is quicker in a bucket that holds much "
            "else. The globs of the streams still match the whole name, with this text at its start."
        ),
        examples=["exports/2026/"],
        order=3,
    )
    endpoint: str | None = Field(
        None,
        title="Endpoint",
        description=(
            "Where the JSON API of the storage answers, if not at Google's usual address: a private or regional "
            "endpoint, an emulator. https unless it begins with http://."
        ),
        examples=["https://storage.europe-west3.rep.googleapis.com", "http://127.0.0.1:4443"],
        order=4,
    )

    @validator("bucket")
    def _bucket_is_only_a_name(cls, bucket: str) -> str:
        bucket = stripped(bucket)
        if not re.fullmatch(r"[^/?#&=]+", bucket):  # not a URL, whose query may hold a signature
            raise ValueError("write only the bucket's name, without gs:// or a folder; a folder goes to `prefix`")
        return bucket

    _endpoint_is_an_address = validator("endpoint", pre=True, allow_reuse=True)(checked_endpoint)


def connect(options: GcsOptions) -> tuple[AccessFileSystem, str]:
    """The bucket as a filesystem.

    Raises:
        ModuleNotFoundError: google-auth or requests is not installed.
        AirbyteTracedException: a config_error if the credentials cannot be used. Whether bucket and rights are
            right is known from the first request on.
    """
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem
    from airbyte_cdk.sources.file_based.storages.gcs_access import GcsAccess

    return AccessFileSystem(GcsAccess(options)), ""
