"""SFTP servers: files over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic.v1 import BaseModel, Field, validator

from airbyte_cdk.sources.file_based.access.hosts import is_host
from airbyte_cdk.sources.file_based.storages.texts import one_line, stripped
from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem


class SftpPassword(BaseModel):
    """Sign in with a password."""

    class Config(OneOfOptionConfig):
        title = "Password"
        description = "The password of the user."
        discriminator = "auth_type"

    auth_type: Literal["password"] = Field("password", const=True)
    password: str = Field(title="Password", description="The password of the user.", airbyte_secret=True, order=1)

    _password = validator("password", pre=True, allow_reuse=True)(one_line)


class SftpPrivateKey(BaseModel):
    """Sign in with a private key."""

    class Config(OneOfOptionConfig):
        title = "Private Key"
        description = "A private key whose public half the server knows as one of the user's."
        discriminator = "auth_type"

    auth_type: Literal["private_key"] = Field("private_key", const=True)
    private_key: str = Field(
        title="Private Key",
        description=(
            "The whole text of the key file, from the BEGIN line to the END line. OpenSSH and PEM formats; RSA, ECDSA "
            "and Ed25519 keys."
        ),
        airbyte_secret=True,
        multiline=True,
        order=1,
    )
    passphrase: str | None = Field(
        None,
        title="Passphrase",
        description="The passphrase of the private key, if it has one.",
        airbyte_secret=True,
        order=2,
    )

    _passphrase = validator("passphrase", pre=True, allow_reuse=True)(one_line)


class SftpOptions(BaseModel):
    """Options of the storage `sftp`."""

    class Config(OneOfOptionConfig):
        title = "SFTP"
        description = "Files below one folder of an SFTP server."
        discriminator = "storage"

    storage: Literal["sftp"] = Field("sftp", const=True)
    host: str = Field(
        title="Host",
        description="Name or address of the server, without sftp:// and without a port.",
        examples=["files.example.com", "192.0.2.10"],
        min_length=1,
        order=1,
    )
    port: int = Field(22, title="Port", description="The port at which the server answers.", ge=1, le=65535, order=2)
    username: str = Field(title="User", description="The user who signs in.", min_length=1, order=3)
    credentials: SftpPassword | SftpPrivateKey = Field(
        title="Credentials",
        description="How the user signs in.",
        discriminator="auth_type",
        type="object",
        order=4,
    )
    root: str = Field(
        ".",
        title="Folder",
        description=(
            "Path of the folder to read. One that does not begin with / is below the folder where the user logs in; a "
            "single dot is that folder. Nothing outside of it is ever read, not even through links."
        ),
        examples=["/exports", "outgoing/daily"],
        order=5,
    )
    host_key: str | None = Field(
        None,
        title="Host Key",
        description=(
            "The key by which the server is known: its public key (`ssh-keyscan HOST` prints it) or the SHA256 "
            "fingerprint of it. Several keys go on a line each. If empty, any server is trusted, and the log shows the "
            "fingerprint. Host certificates (@cert-authority) are not supported."
        ),
        examples=[
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
            "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        ],
        multiline=True,
        order=6,
    )

    _username = validator("username", pre=True, allow_reuse=True)(stripped)

    @validator("host")
    def _host_is_only_a_name(cls, host: str) -> str:
        host = host.strip()
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]  # an address of IPv6 as URLs have it
        if not is_host(host):
            raise ValueError("write only the server's name or address, without sftp://, user or folder")
        return host


def connect(options: SftpOptions) -> tuple[AccessFileSystem, str]:
    """The folder as a filesystem.

    Raises:
        ModuleNotFoundError: paramiko is not installed.
        AirbyteTracedException: a config_error if the private key or the host key cannot be used. Whether the server
            is there and lets the user in is known from the first use on.
    """
    from airbyte_cdk.models import FailureType
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem
    from airbyte_cdk.sources.file_based.storages.sftp_access import SftpAccess
    from airbyte_cdk.sources.file_based.storages.sftp_connections import Login
    from airbyte_cdk.sources.file_based.storages.sftp_keys import known_keys, private_key
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    option = "host_key"
    try:
        known = known_keys(options.host_key or "")
        credentials = options.credentials
        if isinstance(credentials, SftpPrivateKey):
            option = "private_key"
            key = private_key(credentials.private_key, credentials.passphrase)
            login = Login(options.host, options.port, options.username, key=key, known=known)
        else:
            login = Login(options.host, options.port, options.username, password=credentials.password, known=known)
    except ValueError as error:
        message = f"The option `{option}` of the storage `sftp` cannot be used: {error}."
        # the errors behind this one may quote the key
        raise AirbyteTracedException(
            internal_message=message, message=message, failure_type=FailureType.config_error
        ) from None
    return AccessFileSystem(SftpAccess(login, options.root or ".")), ""
