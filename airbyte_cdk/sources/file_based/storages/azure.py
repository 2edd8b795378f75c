"""Azure Blob Storage, and Data Lake Storage by the same interface."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Literal

from pydantic.v1 import BaseModel, Field, validator

from airbyte_cdk.sources.file_based.storages.endpoint import checked_endpoint
from airbyte_cdk.sources.file_based.storages.texts import stripped, word
from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem


_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*|\$(root|web|logs)")
"""https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata"""


class AzureAccountKey(BaseModel):
    """A key of the storage account."""

    class Config(OneOfOptionConfig):
        title = "Account Key"
        description = "One of the two access keys of the storage account, which allow everything in it."
        discriminator = "auth_type"

    auth_type: Literal["account_key"] = Field("account_key", const=True)
    account_key: str = Field(
        title="Account Key", description="The key, as the portal shows it.", airbyte_secret=True, order=1
    )

    @validator("account_key")
    def _is_a_key(cls, key: str) -> str:
        key = key.strip()
        try:
            decoded = b64decode(key, validate=True)
        except ValueError:
            decoded = b""
        if not decoded:
            raise ValueError("is not an account key; copy the whole key, which is base64 and ends in =")
        return key


class AzureSasToken(BaseModel):
    """A shared access signature."""

    class Config(OneOfOptionConfig):
        title = "SAS Token"
        description = "A shared access signature for the container or the account, with the rights Read and List."
        discriminator = "auth_type"

    auth_type: Literal["sas_token"] = Field("sas_token", const=True)
    sas_token: str = Field(
        title="SAS Token",
        description="What follows the question mark in a SAS URL: sv=...&sig=...",
        airbyte_secret=True,
        order=1,
    )

    @validator("sas_token")
    def _holds_a_signature(cls, token: str) -> str:
        token = str(stripped(token)).lstrip("?")
        if "://" in token:
            raise ValueError("write only what follows the question mark of the SAS URL")
        if not any(part.startswith("sig=") for part in token.split("&")):
            raise ValueError("holds no signature (sig=...); copy the whole token")
        return token


class AzureConnectionString(BaseModel):
    """A connection string of the storage account."""

    class Config(OneOfOptionConfig):
        title = "Connection String"
        description = "Endpoint and key, or endpoint and SAS token, in one text, as the portal gives it."
        discriminator = "auth_type"

    auth_type: Literal["connection_string"] = Field("connection_string", const=True)
    connection_string: str = Field(
        title="Connection String",
        description="The whole text: DefaultEndpointsProtocol=https;AccountName=...;AccountKey=...",
        airbyte_secret=True,
        order=1,
    )

    _text = validator("connection_string", pre=True, allow_reuse=True)(stripped)


class AzureClientCredentials(BaseModel):
    """A service principal of Microsoft Entra ID."""

    class Config(OneOfOptionConfig):
        title = "Service Principal"
        description = "An app registration of Microsoft Entra ID that has the role Storage Blob Data Reader."
        discriminator = "auth_type"

    auth_type: Literal["client_credentials"] = Field("client_credentials", const=True)
    tenant_id: str = Field(
        title="Tenant ID", description="ID of the directory (tenant) of the app registration.", min_length=1, order=1
    )
    client_id: str = Field(
        title="Client ID", description="ID of the application (client).", airbyte_secret=True, min_length=1, order=2
    )
    client_secret: str = Field(
        title="Client Secret",
        description="The value of a client secret of the app registration, not the secret's ID.",
        airbyte_secret=True,
        min_length=1,
        order=3,
    )
    authority: str | None = Field(
        None,
        title="Authority",
        description="Where Entra ID answers, if not at login.microsoftonline.com: a sovereign or private cloud.",
        examples=["https://login.microsoftonline.us"],
        order=4,
    )

    _words = validator("tenant_id", "client_id", "client_secret", pre=True, allow_reuse=True)(word)
    _authority_is_an_address = validator("authority", pre=True, allow_reuse=True)(checked_endpoint)


class AzureDefaultCredentials(BaseModel):
    """Whatever credentials the machine has."""

    class Config(OneOfOptionConfig):
        title = "Credentials of the Machine"
        description = (
            "The credentials that Azure programs find by themselves: environment variables, workload identity, the "
            "managed identity of the machine, the login of the Azure CLI."
        )
        discriminator = "auth_type"

    auth_type: Literal["default_credentials"] = Field("default_credentials", const=True)


class AzureAnonymous(BaseModel):
    """Requests without credentials."""

    class Config(OneOfOptionConfig):
        title = "Anonymous"
        description = "No credentials, for containers whose public access level is Container."
        discriminator = "auth_type"

    auth_type: Literal["anonymous"] = Field("anonymous", const=True)


class AzureOptions(BaseModel):
    """Options of the storage `azure`."""

    class Config(OneOfOptionConfig):
        title = "Azure Blob Storage"
        description = "A container of Azure Blob Storage or Azure Data Lake Storage."
        discriminator = "storage"

    storage: Literal["azure"] = Field("azure", const=True)
    account_name: str | None = Field(
        None,
        title="Storage Account",
        description=(
            "Name of the storage account. It may be left empty with a connection string, and, unless the credentials "
            "are an account key, with an endpoint."
        ),
        examples=["mycompanydata"],
        order=1,
    )
    container: str = Field(
        title="Container",
        description="Name of the container, without a folder.",
        examples=["landing"],
        min_length=1,
        order=2,
    )
    credentials: (
        AzureAccountKey
        | AzureSasToken
        | AzureConnectionString
        | AzureClientCredentials
        | AzureDefaultCredentials
        | AzureAnonymous
    ) = Field(
        title="Credentials",
        description="How the connector proves who it is.",
        discriminator="auth_type",
        type="object",
        order=3,
    )
    prefix: str = Field(
        "",
        title="Prefix",
        description=(
            "Only blobs whose name begins with this text are listed, which is quicker in a container that holds much "
            "else. The globs of the streams still match the whole name, with this text at its start."
        ),
        examples=["exports/2026/"],
        order=4,
    )
    endpoint: str | None = Field(
        None,
        title="Endpoint",
        description=(
            "Where the blob service of the account answers, if not at https://ACCOUNT.blob.core.windows.net: another "
            "cloud, a private endpoint, an emulator (whose address ends in the account's name). https unless it begins "
            "with http://. Not needed with a connection string."
        ),
        examples=["https://mycompanydata.blob.core.usgovcloudapi.net", "http://127.0.0.1:10000/devstoreaccount1"],
        order=5,
    )

    @validator("container")
    def _container_is_only_a_name(cls, container: str) -> str:
        container = stripped(container)
        if not _CONTAINER.fullmatch(container):
            raise ValueError(
                "write only the container's name, which has 3 to 63 lower-case letters, digits and single hyphens; a "
                "folder goes to `prefix`"
            )
        return container

    @validator("account_name")
    def _account_is_only_a_name(cls, account: str | None) -> str | None:
        account = (account or "").strip()
        if not account.replace("-", "").isalnum() and account:
            raise ValueError("write only the account's name; an address goes to `endpoint`")
        return account or None

    _endpoint_is_an_address = validator("endpoint", pre=True, allow_reuse=True)(checked_endpoint)


def connect(options: AzureOptions) -> tuple[AccessFileSystem, str]:
    """The container as a filesystem.

    Raises:
        ModuleNotFoundError: azure-storage-blob or azure-identity is not installed.
        AirbyteTracedException: a config_error if the options cannot be used. Whether container and rights are right
            is known from the first request on.
    """
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem
    from airbyte_cdk.sources.file_based.storages.azure_access import AzureAccess

    return AccessFileSystem(AzureAccess(options)), ""
