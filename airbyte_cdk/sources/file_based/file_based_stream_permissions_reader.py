"""The contract between the framework and a storage that tells who may see its files."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile


class AbstractFileBasedStreamPermissionsReader(ABC):
    """Gives the framework the access rights of the files of one storage, and the users and groups that hold them.

    The framework sets `config` before any other call, and calls from one thread only, unless the source allows more
    (`_concurrency_level`). Values of records may be any that JSON has, and UUIDs, enums, dates and times, which are
    sent as text.
    """

    def __init__(self) -> None:
        self._config: AbstractFileBasedSpec | None = None

    @property
    def config(self) -> AbstractFileBasedSpec | None:
        """The parsed config of the source, or None before it is known."""
        return self._config

    @config.setter
    @abstractmethod
    def config(self, value: AbstractFileBasedSpec) -> None:
        """Keep the parsed config; an implementation checks here that it is of its own spec class."""

    @abstractmethod
    def get_file_acl_permissions(self, file: RemoteFile, logger: logging.Logger) -> dict[str, Any]:
        """The record about one file: who may see it. An empty one is not sent, and the log names the file.

        Raises:
            Exception: What the storage raises. The other files go on; the stream is not complete.
        """

    @abstractmethod
    def load_identity_groups(self, logger: logging.Logger) -> Iterable[dict[str, Any]]:
        """One record for each user and group of the storage, as a stream.

        Raises:
            Exception: What the storage raises. It ends the stream, which is not complete.
        """

    @property
    @abstractmethod
    def file_permissions_schema(self) -> Mapping[str, Any]:
        """JSON schema of what `get_file_acl_permissions` returns."""

    @property
    @abstractmethod
    def identities_schema(self) -> Mapping[str, Any]:
        """JSON schema of what `load_identity_groups` yields."""
