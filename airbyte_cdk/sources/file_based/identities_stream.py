"""A stream of the users and groups that hold the access rights of files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.core import NO_CURSOR_STATE_KEY, JsonSchema, Stream, StreamData
from airbyte_cdk.sources.streams.partition import Item, Partition

if TYPE_CHECKING:
    from airbyte_cdk.models import SyncMode
    from airbyte_cdk.sources.file_based.discovery_policy import AbstractDiscoveryPolicy
    from airbyte_cdk.sources.file_based.exceptions import FileBasedErrorsCollector
    from airbyte_cdk.sources.file_based.file_based_stream_permissions_reader import (
        AbstractFileBasedStreamPermissionsReader,
    )
    from airbyte_cdk.sources.source import Source


class IdentitiesPartition(Partition):
    """All identities: no storage lists them in parts that could be read by themselves."""

    def __init__(self, stream: FileIdentitiesStream) -> None:
        self._stream = stream

    @property
    def slice(self) -> Mapping[str, Any]:
        """Nothing: there is one partition."""
        return {}

    def read(self) -> Iterable[Item]:
        """The identities, as the storage lists them."""
        return self._stream.identities()


class IdentitiesAvailability:
    """Answers `check` for the stream of identities."""

    def check_availability(
        self, stream: FileIdentitiesStream, logger: logging.Logger, source: Source | None = None
    ) -> tuple[bool, str | None]:
        """Whether the storage names at least one user or group."""
        if next(iter(stream.identities()), None):
            return True, None
        return False, (
            f"The storage names no user and no group for the stream {stream.name}. Check that the credentials allow "
            "listing them, or switch off include_identities_stream."
        )


class FileIdentitiesStream(Stream):
    """One record for each user and group of the storage. Each sync sends all of them.

    Args:
        catalog_schema: JSON schema of the stream in the configured catalog, or None outside of a sync.
        stream_permissions_reader: Lists the identities.
        discovery_policy: Kept for connectors that look at it.
        errors_collector: Kept for connectors that report errors through it.
    """

    IDENTITIES_STREAM_NAME = "identities"
    is_resumable = False
    parses_files = False

    def __init__(
        self,
        catalog_schema: Mapping[str, Any] | None,
        stream_permissions_reader: AbstractFileBasedStreamPermissionsReader,
        discovery_policy: AbstractDiscoveryPolicy,
        errors_collector: FileBasedErrorsCollector,
    ) -> None:
        super().__init__()
        self.catalog_schema = catalog_schema
        self.stream_permissions_reader = stream_permissions_reader
        self.errors_collector = errors_collector
        self._discovery_policy = discovery_policy

    @property
    def name(self) -> str:
        """Always ``identities``."""
        return self.IDENTITIES_STREAM_NAME

    @property
    def primary_key(self) -> None:
        """None: the framework does not know which column tells identities apart."""
        return None

    @property
    def availability_strategy(self) -> IdentitiesAvailability:
        """Answers `check` for this stream."""
        return IdentitiesAvailability()

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The mark of a stream without state."""
        return {NO_CURSOR_STATE_KEY: True}

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        pass

    def get_json_schema(self) -> JsonSchema:
        """The columns that the permissions reader names."""
        return self.stream_permissions_reader.identities_schema

    def identities(self) -> Iterable[dict[str, Any]]:
        """The users and groups, as the storage lists them."""
        return self.stream_permissions_reader.load_identity_groups(self.logger)

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """`identities`."""
        return self.identities()

    @property
    def reads_whole(self) -> bool:
        """Never: there is one partition."""
        return False

    def partitions(self) -> Iterable[Partition]:
        """One."""
        return [IdentitiesPartition(self)]

    def close_partition(self, partition: Partition) -> None:
        """Nothing is remembered."""

    def final_state(self, *, complete: bool) -> Mapping[str, Any] | None:
        """The mark of a stream without state, if it is complete."""
        return self.state if complete else None
