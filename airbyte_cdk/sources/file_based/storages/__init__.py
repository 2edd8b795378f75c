"""The storages of the ready-made connector: options that a user fills in, and the fsspec filesystem they name.

A storage is one module here with an options model and a function ``connect(options) -> (filesystem, root)``; its
line in `STORAGES` is all that registers it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pydantic.v1 import BaseModel

STORAGES = {
    "local": "LocalOptions",
    "url": "UrlOptions",
}
"""Name of the storage (its module here, and the constant `storage` of its options): its options model."""


def options_model(storage: str) -> type[BaseModel]:
    """The options model of a storage."""
    model: type[BaseModel] = getattr(import_module(f"{__name__}.{storage}"), STORAGES[storage])
    return model


def connect(options: Any) -> tuple[Any, str]:
    """The filesystem (fsspec) and the root path in it that the options name.

    Raises:
        AirbyteTracedException: a config_error if the options cannot be used.
    """
    connected: tuple[Any, str] = import_module(f"{__name__}.{options.storage}").connect(options)
    return connected
