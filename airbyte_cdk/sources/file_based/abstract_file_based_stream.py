"""The abstract class of streams over files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, UndefinedParserError
from airbyte_cdk.sources.file_based.parsers.base import FileTypeParser
from airbyte_cdk.sources.streams.core import Stream, StreamData

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.availability_strategy import AbstractFileBasedAvailabilityStrategy
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.discovery_policy import AbstractDiscoveryPolicy
    from airbyte_cdk.sources.file_based.exceptions import FileBasedErrorsCollector
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.file_cursor import AbstractFileBasedCursor
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile
    from airbyte_cdk.sources.file_based.schema_validation_policies import AbstractSchemaValidationPolicy


class AbstractFileBasedStream(Stream):
    """What every stream over files has: a config, a reader, a parser, a policy and a cursor.

    Args:
        config: The stream's part of the source's config.
        catalog_schema: JSON schema of the stream in the configured catalog, or None outside of a sync.
        stream_reader: Lists and opens files.
        availability_strategy: Answers `check`.
        discovery_policy: Bounds discovery.
        parsers: Parser by class of the format options.
        validation_policy: What happens to records that do not fit the schema.
        errors_collector: Kept for connectors that report errors through it.
        cursor: Knows which files have been read.
    """

    def __init__(
        self,
        config: FileBasedStreamConfig,
        catalog_schema: Mapping[str, Any] | None,
        stream_reader: AbstractFileBasedStreamReader,
        availability_strategy: AbstractFileBasedAvailabilityStrategy,
        discovery_policy: AbstractDiscoveryPolicy,
        parsers: Mapping[type[Any], FileTypeParser],
        validation_policy: AbstractSchemaValidationPolicy,
        errors_collector: FileBasedErrorsCollector,
        cursor: AbstractFileBasedCursor | None,
    ) -> None:
        super().__init__()
        self.config = config
        self.catalog_schema = catalog_schema
        self.stream_reader = stream_reader
        self.validation_policy = validation_policy
        self.errors_collector = errors_collector
        self._availability_strategy = availability_strategy
        self._discovery_policy = discovery_policy
        self._parsers = parsers
        self._cursor = cursor
        self.workers = 1
        """Threads that may open files at once in discovery; set by the source."""

    @property
    def name(self) -> str:
        """Name of the stream, from its config."""
        return self.config.name

    @property
    def availability_strategy(self) -> AbstractFileBasedAvailabilityStrategy:
        """Answers `check` for this stream."""
        return self._availability_strategy

    @abstractmethod
    def get_files(self) -> Iterable[RemoteFile]:
        """The files that match the stream's globs, as the reader lists them."""

    @cached_property
    def _listed(self) -> list[RemoteFile]:
        return list(self.get_files())

    def list_files(self) -> list[RemoteFile]:
        """`get_files` as a list, made once."""
        return self._listed

    @abstractmethod
    def infer_schema(self, files: list[RemoteFile]) -> Mapping[str, Any]:
        """The columns of `files`, as JSON schema properties."""

    @abstractmethod
    def compute_slices(self) -> Iterable[Mapping[str, Any] | None]:
        """The slices of this sync: one ``{"files": [file]}`` a file that is to be read, oldest first."""

    @abstractmethod
    def read_records_from_slice(self, stream_slice: Mapping[str, Any]) -> Iterable[StreamData]:
        """The records of the files of one slice."""

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any] | None]:
        """`compute_slices`."""
        return self.compute_slices()

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """The records of one slice. Raises ValueError without a slice."""
        if stream_slice is None:
            raise ValueError("a stream over files is read slice by slice: stream_slice must be given")
        return self.read_records_from_slice(stream_slice)

    def get_parser(self) -> FileTypeParser:
        """The parser of the configured format. Raises UndefinedParserError if there is none."""
        try:
            return self._parsers[type(self.config.format)]
        except KeyError:
            filetype = getattr(self.config.format, "filetype", type(self.config.format).__name__)
            raise UndefinedParserError(
                FileBasedSourceError.UNDEFINED_PARSER,
                stream=self.name,
                format=filetype,
                details=f"this version reads {', '.join(sorted(_filetypes(self._parsers)))}",
            ) from None

    def record_passes_validation_policy(self, record: Mapping[str, Any]) -> bool:
        """Whether the stream's policy lets a record pass."""
        return self.validation_policy.record_passes_validation_policy(record=record, schema=self.catalog_schema)


def _filetypes(parsers: Mapping[type[Any], FileTypeParser]) -> Iterator[str]:
    for model in parsers:
        default = getattr(model, "__fields__", {}).get("filetype")
        yield str(default.default) if default is not None else model.__name__
