"""The source of the ready-made file connector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airbyte_cdk.cli.source_files.spec import SourceFilesSpec
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteStateMessage, ConfiguredAirbyteCatalog
from airbyte_cdk.sources.concurrent_source.cores import available_cores
from airbyte_cdk.sources.file_based.config.unknown_options import unknown_options
from airbyte_cdk.sources.file_based.file_based_source import FileBasedSource
from airbyte_cdk.sources.file_based.file_cursor import DefaultFileBasedCursor
from airbyte_cdk.sources.file_based.fsspec_reader import FsspecStreamReader
from airbyte_cdk.sources.file_based.storages import LOCAL, connect
from airbyte_cdk.sources.utils.schema_helpers import split_config

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.core import Stream

REMOTE_READERS = 8
"""Files that are read at once from a storage behind a network."""


class ProviderReader(FsspecStreamReader):
    """Reads the storage that the config's `provider` names."""

    def connect(self, config: Any) -> tuple[Any, str]:
        """The filesystem and root of the provider."""
        return connect(config.provider)


class SourceFiles(FileBasedSource):
    """Streams of files in any of the known storages.

    Args:
        catalog: The configured catalog of a sync.
        config: The config.
        state: The state messages of the last sync.
    """

    def __init__(
        self,
        catalog: ConfiguredAirbyteCatalog | None = None,
        config: dict[str, Any] | None = None,
        state: list[AirbyteStateMessage] | None = None,
    ) -> None:
        super().__init__(
            stream_reader=ProviderReader(),
            spec_class=SourceFilesSpec,
            catalog=catalog,
            config=config,
            state=state,
            cursor_cls=DefaultFileBasedCursor,
        )

    @classmethod
    def from_args(cls, args: list[str]) -> SourceFiles:
        """The source with the catalog that the command line names, if any."""
        path = AirbyteEntrypoint.extract_catalog(args)
        return cls(catalog=cls.read_catalog(path) if path else None)

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """As `FileBasedSource.streams`; options that are not known are told, as one may be misspelt."""
        streams = super().streams(config)
        own, _ = split_config(config)
        unknown = unknown_options(own, self.stream_reader.config)
        if unknown:
            self.logger.warning(
                f"These options of the config are not known, and ignored: {', '.join(unknown)}. The command spec lists "
                "those that there are."
            )
        return streams

    def max_workers(self) -> int:
        """For a local disk one a core, two at least, as parsing is CPU work; behind a network more, as they wait."""
        provider = getattr(self.stream_reader.config, "provider", None)
        here = provider is None or provider.storage in LOCAL
        return max(2, available_cores()) if here else max(REMOTE_READERS, available_cores())
