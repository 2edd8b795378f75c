"""A connector as others publish them: it knows the import paths of earlier releases only."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic.v1 import AnyUrl, Field

from airbyte_cdk import AirbyteEntrypoint, ConfiguredAirbyteCatalog, launch
from airbyte_cdk.models import AirbyteStateMessage, FailureType
from airbyte_cdk.models.airbyte_protocol_serializers import AirbyteMessageSerializer
from airbyte_cdk.sources.file_based.availability_strategy.default_file_based_availability_strategy import (
    DefaultFileBasedAvailabilityStrategy,
)
from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec, DeliverRecords
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.discovery_policy.default_discovery_policy import DefaultDiscoveryPolicy
from airbyte_cdk.sources.file_based.exceptions import CustomFileBasedException
from airbyte_cdk.sources.file_based.file_based_source import FileBasedSource
from airbyte_cdk.sources.file_based.file_based_stream_permissions_reader import (
    AbstractFileBasedStreamPermissionsReader,
)
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.file_types import default_parsers
from airbyte_cdk.sources.file_based.file_types.csv_parser import CsvParser
from airbyte_cdk.sources.file_based.file_types.file_type_parser import FileTypeParser
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.file_based.schema_validation_policies import AbstractSchemaValidationPolicy
from airbyte_cdk.sources.file_based.stream import AbstractFileBasedStream
from airbyte_cdk.sources.file_based.stream.cursor import AbstractFileBasedCursor
from airbyte_cdk.sources.file_based.stream.cursor.default_file_based_cursor import DefaultFileBasedCursor
from airbyte_cdk.sources.file_based.stream.default_file_based_stream import DefaultFileBasedStream
from airbyte_cdk.sources.source import Source
from airbyte_cdk.sources.specs.transfer_modes import DeliverPermissions


class FolderSpec(AbstractFileBasedSpec):
    """A folder of this machine."""

    folder: str = Field(title="Folder", description="Path of the folder.", order=0)
    delivery_method: DeliverRecords | DeliverPermissions = Field(
        discriminator="delivery_type", default="use_records_transfer", type="object"
    )

    @classmethod
    def documentation_url(cls) -> AnyUrl:
        """Where its documentation is."""
        url: AnyUrl = AnyUrl("https://example.org/folder", scheme="https")
        return url


class FolderReader(AbstractFileBasedStreamReader):
    """Lists and opens the files of the folder."""

    @property
    def config(self) -> FolderSpec:
        """The parsed config."""
        assert isinstance(self._config, FolderSpec)
        return self._config

    @config.setter
    def config(self, value: AbstractFileBasedSpec) -> None:
        assert isinstance(value, FolderSpec)
        self._config = value

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        """The files that match."""
        folder = Path(self.config.folder)
        if not folder.is_dir():
            raise CustomFileBasedException(f"{folder} is not a folder", failure_type=FailureType.config_error)
        files = (self._file(path, folder) for path in sorted(folder.rglob("*")) if path.is_file())
        yield from self.filter_files_by_globs_and_start_date(files, globs)

    @staticmethod
    def _file(path: Path, folder: Path) -> RemoteFile:
        modified = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).replace(tzinfo=None)  # noqa: UP017
        return RemoteFile(uri=str(path.relative_to(folder)), last_modified=modified)

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        """The file, open."""
        return open(Path(self.config.folder) / file.uri, mode.value, encoding=encoding)


class FolderPermissions(AbstractFileBasedStreamPermissionsReader):
    """Tells the owners of the files."""

    @property
    def config(self) -> FolderSpec:
        """The parsed config."""
        assert isinstance(self._config, FolderSpec)
        return self._config

    @config.setter
    def config(self, value: AbstractFileBasedSpec) -> None:
        self._config = value

    def get_file_acl_permissions(self, file: RemoteFile, logger: logging.Logger) -> dict[str, Any]:
        """The owner of a file."""
        return {"owner": (Path(self.config.folder) / file.uri).stat().st_uid}

    def load_identity_groups(self, logger: logging.Logger) -> Iterable[dict[str, Any]]:
        """One user."""
        yield {"id": 0, "name": "root"}

    @property
    def file_permissions_schema(self) -> dict[str, Any]:
        """Columns of the rights."""
        return {"type": "object", "properties": {"owner": {"type": "integer"}}}

    @property
    def identities_schema(self) -> dict[str, Any]:
        """Columns of the users."""
        return {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}


class FolderCursor(DefaultFileBasedCursor):
    """Leaves drafts out."""

    def __init__(self, stream_config: FileBasedStreamConfig, **_: Any) -> None:
        super().__init__(stream_config)
        self.drafts = 0

    def _should_sync_file(self, file: RemoteFile, logger: logging.Logger) -> bool:
        if file.uri.startswith("draft"):
            self.drafts += 1
            return False
        return super()._should_sync_file(file, logger)

    def get_state(self) -> MutableMapping[str, Any]:
        """With the number of drafts."""
        return {**super().get_state(), "drafts": self.drafts}


class FolderStream(DefaultFileBasedStream):
    """Adds the length of the file's name to each record."""

    def transform_record(self, record: dict[str, Any], file: RemoteFile, last_updated: str) -> dict[str, Any]:
        """The record, longer."""
        record["name_length"] = len(file.uri)
        return super().transform_record(record, file, last_updated)


class FolderAvailability(DefaultFileBasedAvailabilityStrategy):
    """Counts the checks."""

    checks = 0

    def check_availability_and_parsability(
        self, stream: AbstractFileBasedStream, logger: logging.Logger, source: Source | None = None
    ) -> tuple[bool, str | None]:
        """As the framework does."""
        type(self).checks += 1
        parser: FileTypeParser = stream.get_parser()
        logger.debug(f"{parser.file_read_mode.value} {self._check_list_files(stream).uri}")
        return super().check_availability_and_parsability(stream, logger, source)


class SourceFolder(FileBasedSource):
    """The connector."""

    def __init__(
        self,
        catalog: ConfiguredAirbyteCatalog | None,
        config: Mapping[str, Any] | None,
        state: list[AirbyteStateMessage] | None,
    ) -> None:
        reader = FolderReader()
        super().__init__(
            stream_reader=reader,
            spec_class=FolderSpec,
            catalog=catalog,
            config=config,
            state=state,
            availability_strategy=FolderAvailability(reader),
            discovery_policy=DefaultDiscoveryPolicy(),
            parsers={**default_parsers, CsvFormat: CsvParser()},
            cursor_cls=FolderCursor,
            stream_permissions_reader=FolderPermissions(),
        )

    def _make_default_stream(
        self,
        stream_config: FileBasedStreamConfig,
        cursor: AbstractFileBasedCursor | None,
        parsed_config: AbstractFileBasedSpec,
    ) -> AbstractFileBasedStream:
        policy: AbstractSchemaValidationPolicy = self._validate_and_get_validation_policy(stream_config)
        return FolderStream(
            config=stream_config,
            catalog_schema=self.stream_schemas.get(stream_config.name),
            stream_reader=self.stream_reader,
            availability_strategy=self.availability_strategy,
            discovery_policy=self.discovery_policy,
            parsers=self.parsers,
            validation_policy=policy,
            errors_collector=self.errors_collector,
            cursor=cursor,
        )


def run(args: list[str]) -> None:
    """Carry out one command."""
    catalog = AirbyteEntrypoint.extract_catalog(args)
    config = AirbyteEntrypoint.extract_config(args)
    state = AirbyteEntrypoint.extract_state(args)
    known: list[AirbyteStateMessage] | None = SourceFolder.read_state(state) if state else None
    source = SourceFolder(
        SourceFolder.read_catalog(catalog) if catalog else None,
        SourceFolder.read_config(config) if config else None,
        known,
    )
    for message in source.message_repository.consume_queue():
        AirbyteMessageSerializer.dump(message)
    launch(source, args)


if __name__ == "__main__":
    run(sys.argv[1:])
