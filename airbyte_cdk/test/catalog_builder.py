"""Configured catalogs for tests."""

from __future__ import annotations

from typing import Any, Self

from airbyte_cdk.models import (
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

__all__ = ["CatalogBuilder", "ConfiguredAirbyteStreamBuilder"]


class ConfiguredAirbyteStreamBuilder:
    """Builds one configured stream: full refresh, overwritten at the destination, unless told otherwise."""

    def __init__(self) -> None:
        self._name = "any name"
        self._sync_mode = SyncMode.full_refresh
        self._primary_key = [["id"]]
        self._json_schema: dict[str, Any] = {}

    def with_name(self, name: str) -> Self:
        """Call the stream `name`."""
        self._name = name
        return self

    def with_sync_mode(self, sync_mode: SyncMode) -> Self:
        """Read it in this mode."""
        self._sync_mode = sync_mode
        return self

    def with_primary_key(self, pk: list[list[str]]) -> Self:
        """Give it a primary key: the path of each of its columns."""
        self._primary_key = pk
        return self

    def with_json_schema(self, json_schema: dict[str, Any]) -> Self:
        """Give it a schema."""
        self._json_schema = json_schema
        return self

    def build(self) -> ConfiguredAirbyteStream:
        """The configured stream."""
        return ConfiguredAirbyteStream(
            stream=AirbyteStream(
                name=self._name,
                json_schema=self._json_schema,
                supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
                source_defined_primary_key=self._primary_key,
            ),
            sync_mode=self._sync_mode,
            destination_sync_mode=DestinationSyncMode.overwrite,
            primary_key=self._primary_key,
        )


class CatalogBuilder:
    """Builds a configured catalog, stream by stream."""

    def __init__(self) -> None:
        self._streams: list[ConfiguredAirbyteStreamBuilder] = []

    def with_stream(self, name: str | ConfiguredAirbyteStreamBuilder, sync_mode: SyncMode | None = None) -> Self:
        """Add a stream: by name, with a sync mode, or as its own builder."""
        builder = name if isinstance(name, ConfiguredAirbyteStreamBuilder) else ConfiguredAirbyteStreamBuilder()
        if isinstance(name, str):
            builder.with_name(name)
        if sync_mode is not None:
            builder.with_sync_mode(sync_mode)
        self._streams.append(builder)
        return self

    def build(self) -> ConfiguredAirbyteCatalog:
        """The catalog."""
        return ConfiguredAirbyteCatalog(streams=[builder.build() for builder in self._streams])
