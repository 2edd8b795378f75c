"""The storages of the ready-made connector: options that a user fills in, and the fsspec filesystem they name.

A storage is one module here with an options model and a function ``connect(options) -> (filesystem, root)``; its
line in `STORAGES` is all that registers it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pydantic.v1 import BaseModel

STORAGES = {
    "s3": "S3Options",
    "gcs": "GcsOptions",
    "azure": "AzureOptions",
    "sftp": "SftpOptions",
    "http": "HttpOptions",
    "local": "LocalOptions",
    "url": "UrlOptions",
}
"""Name of the storage (its module here, and the constant `storage` of its options): its options model."""

WITHOUT_EXTRA = frozenset({"local", "url"})
"""Storages that need no library beyond those that all need."""

LOCAL = frozenset({"local"})
"""Storages that answer at once, without a network."""


def options_model(storage: str) -> type[BaseModel]:
    """The options model of a storage."""
    model: type[BaseModel] = getattr(import_module(f"{__name__}.{storage}"), STORAGES[storage])
    return model


def connect(options: Any) -> tuple[Any, str]:
    """The filesystem (fsspec) and the root path in it that the options name.

    Raises:
        AirbyteTracedException: a config_error if the options cannot be used; a system_error if the storage's library is
            not installed.
    """
    try:
        connected: tuple[Any, str] = import_module(f"{__name__}.{options.storage}").connect(options)
    except ModuleNotFoundError as error:
        from airbyte_cdk.sources.file_based.exceptions import MissingLibraryError

        library = str(error.name).partition(".")[0] if str(error.name).startswith("fsspec") else str(error.name)
        extra = None if options.storage in WITHOUT_EXTRA or library == "fsspec" else options.storage
        raise MissingLibraryError(f"The storage `{options.storage}`", library, extra) from error
    return connected
