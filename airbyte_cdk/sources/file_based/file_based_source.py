"""A source over files: its streams come from the config."""

from __future__ import annotations

import logging
import time
from abc import ABC
from collections import Counter
from collections.abc import Callable, Generator, Mapping, MutableMapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic.v1 import ValidationError

from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteMessage,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    ConnectorSpecification,
    FailureType,
    SyncMode,
)
from airbyte_cdk.sources.abstract_source import AbstractSource, T
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.file_based.access.retry_policy import retry_seconds
from airbyte_cdk.sources.file_based.availability_strategy import (
    AbstractFileBasedAvailabilityStrategy,
    DefaultFileBasedAvailabilityStrategy,
)
from airbyte_cdk.sources.file_based.check_problems import Problem, told_once
from airbyte_cdk.sources.file_based.concurrent_file_cursor import (
    AbstractConcurrentFileBasedCursor,
    FileBasedConcurrentCursor,
    FileBasedFinalStateCursor,
)
from airbyte_cdk.sources.file_based.config.config_faults import config_faults
from airbyte_cdk.sources.file_based.config.validate_config_transfer_modes import (
    include_identities_stream,
    preserve_directory_structure,
    use_file_transfer,
    use_permissions_transfer,
)
from airbyte_cdk.sources.file_based.discovery_policy import AbstractDiscoveryPolicy, DefaultDiscoveryPolicy
from airbyte_cdk.sources.file_based.exceptions import (
    BaseFileBasedSourceError,
    ConfigValidationError,
    FileBasedErrorsCollector,
    FileBasedSourceError,
    MissingLibraryError,
)
from airbyte_cdk.sources.file_based.identities_stream import FileIdentitiesStream
from airbyte_cdk.sources.file_based.parsers import default_parsers
from airbyte_cdk.sources.file_based.raw_files import Copies
from airbyte_cdk.sources.file_based.schema_validation_policies import (
    DEFAULT_SCHEMA_VALIDATION_POLICIES,
    AbstractSchemaValidationPolicy,
)
from airbyte_cdk.utils.config_check import told
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteStateMessage
    from airbyte_cdk.sources.concurrent_source.workers import Encode
    from airbyte_cdk.sources.file_based.abstract_file_based_stream import AbstractFileBasedStream
    from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig, ValidationPolicy
    from airbyte_cdk.sources.file_based.file_based_stream_permissions_reader import (
        AbstractFileBasedStreamPermissionsReader,
    )
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.file_cursor import AbstractFileBasedCursor
    from airbyte_cdk.sources.file_based.parsers.base import FileTypeParser
    from airbyte_cdk.sources.streams.core import Stream

DEFAULT_CONCURRENCY = 100
MAX_CONCURRENCY = 100
INITIAL_N_PARTITIONS = 50
CHECK_RETRY_SECONDS = 20
"""How long `check`, with all its streams, asks a storage again that gives nothing; a sync has more time, see
`RetryPolicy`."""
IDENTITIES_STREAM = FileIdentitiesStream.IDENTITIES_STREAM_NAME


def config_error(message: str, cause: Exception | None = None) -> AirbyteTracedException:
    """An error that the user can fix, with one text for user and log."""
    return AirbyteTracedException(
        internal_message=message,
        message=message,
        failure_type=FailureType.config_error,
        exception=cause,
    )


class FileBasedSource(AbstractSource, ABC):
    """A source whose streams are globs over the files of one storage.

    Args:
        stream_reader: Lists and opens the files.
        spec_class: Model of the config.
        catalog: The configured catalog of a sync; None for other commands.
        config: The config; None if it is only known later.
        state: State messages of the last sync.
        availability_strategy: Answers `check`.
        discovery_policy: Bounds discovery.
        parsers: Parser by class of format options.
        validation_policies: Policy by its name in the config.
        cursor_cls: Class of the file cursors.
        stream_permissions_reader: Reads who may see which file.
    """

    _concurrency_level: ClassVar[int | None] = None
    """Set by a connector whose reader may be called from several threads. The number is an upper bound."""

    def __init__(
        self,
        stream_reader: AbstractFileBasedStreamReader,
        spec_class: type[AbstractFileBasedSpec],
        catalog: ConfiguredAirbyteCatalog | None,
        config: Mapping[str, Any] | None,
        state: list[AirbyteStateMessage] | None,
        availability_strategy: AbstractFileBasedAvailabilityStrategy | None = None,
        discovery_policy: AbstractDiscoveryPolicy | None = None,
        parsers: Mapping[type[Any], FileTypeParser] = default_parsers,
        validation_policies: Mapping[
            ValidationPolicy, AbstractSchemaValidationPolicy
        ] = DEFAULT_SCHEMA_VALIDATION_POLICIES,
        cursor_cls: type[AbstractFileBasedCursor] = FileBasedConcurrentCursor,
        stream_permissions_reader: AbstractFileBasedStreamPermissionsReader | None = None,
    ) -> None:
        self.stream_reader = stream_reader
        self.spec_class = spec_class
        self.catalog = catalog
        self.config = config
        self.state = state
        self.availability_strategy = availability_strategy or DefaultFileBasedAvailabilityStrategy(stream_reader)
        self.discovery_policy = discovery_policy or DefaultDiscoveryPolicy()
        self.parsers = parsers
        self.validation_policies = validation_policies
        self.cursor_cls = cursor_cls
        self.stream_permissions_reader = stream_permissions_reader
        self.stream_schemas = (
            {configured.stream.name: configured.stream.json_schema for configured in catalog.streams} if catalog else {}
        )
        self.logger = logging.getLogger(f"airbyte.{self.name}")
        self.errors_collector = FileBasedErrorsCollector()

    def max_workers(self) -> int:
        """Threads that may call the stream reader at once: one, unless `_concurrency_level` is set."""
        return 1 if self._concurrency_level is None else max(1, self._concurrency_level)

    def spec(self, *args: Any, **kwargs: Any) -> ConnectorSpecification:
        """The spec class as a protocol object."""
        return ConnectorSpecification(
            documentationUrl=self.spec_class.documentation_url(), connectionSpecification=self.spec_class.schema()
        )

    # check ---------------------------------------------------------------------------------------------------------

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, Any | None]:
        """Whether each stream finds a file and can read its beginning.

        Raises:
            AirbyteTracedException: a config_error that tells what is wrong with the config or the streams.
        """
        try:
            streams = self.streams(config)
        except MissingLibraryError as error:
            return False, str(error)
        except AirbyteTracedException:
            raise
        except ConfigValidationError as error:
            raise config_error(str(error), error) from error
        except Exception as error:
            raise config_error(f"The config cannot be used: {error}", error) from error
        if not streams:
            return False, "The config names no stream. Add at least one."
        try:
            problem = told_once(self._problems(streams, logger))
        finally:
            self.stream_reader.release()
        if problem is not None:
            raise config_error(problem)
        return True, None

    def _problems(self, streams: Sequence[Stream], logger: logging.Logger) -> list[Problem]:
        """What is wrong with which streams. They all have one budget together to ask a storage again."""
        problems: list[Problem] = []
        left = min(CHECK_RETRY_SECONDS, retry_seconds())
        try:
            for number, stream in enumerate(streams):
                self.stream_reader.limit_retries(left)
                began = time.monotonic()
                problem = self._check_stream(stream, logger)
                if problem is None:
                    continue
                left = max(0.0, left - (time.monotonic() - began))
                problems.append(problem)
                if not left and len(problems) > 1 and problem.is_same_as(problems[-2]):
                    # the storage gives nothing: a further stream could take a minute to tell the same
                    problems += [replace(problem, stream=other.name) for other in streams[number + 1 :]]
                    break
        finally:
            self.stream_reader.limit_retries(None)
        return problems

    def _check_stream(self, stream: Any, logger: logging.Logger) -> Problem | None:
        """What is wrong with one stream, or None."""
        strategy = stream.availability_strategy
        parses = getattr(stream, "parses_files", True)
        check = strategy.check_availability_and_parsability if parses else strategy.check_availability
        try:
            available, reason = check(stream, logger, self)
        except AirbyteTracedException as error:
            reason = error.message or error.internal_message or ""
            return Problem(stream.name, reason=reason, happened=error.internal_message)
        except BaseFileBasedSourceError as error:
            return Problem(stream.name, reason=str(error))
        except Exception as error:
            logger.error(f"Stream {stream.name}: the check failed", exc_info=error)
            return Problem(stream.name, text=f"Unable to connect to stream {stream.name}: {type(error).__name__}")
        return None if available else Problem(stream.name, text=reason or f"Unable to connect to stream {stream.name}")

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        """As `AbstractSource.discover`; a config that cannot be used is a config_error."""
        try:
            return super().discover(logger, config)
        except ConfigValidationError as error:
            raise config_error(str(error), error) from error
        finally:
            self.stream_reader.release()

    # streams -------------------------------------------------------------------------------------------------------

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """One stream for each configured one.

        Raises:
            ConfigValidationError: if the config does not fit the spec class, or two streams have one name.
            MissingLibraryError: the extra `file-based` is not installed.
        """
        _require_libraries()
        parsed = self._get_parsed_config(config)
        _refuse_doubles(parsed)
        if use_permissions_transfer(parsed):
            self._ensure_permissions_reader_available()
        self.stream_reader.config = parsed
        if self.stream_permissions_reader:
            self.stream_permissions_reader.config = parsed
        streams: list[Stream] = []
        for stream_config in parsed.streams:
            stream = self._make_file_based_stream(stream_config, self._make_cursor(stream_config), parsed)
            stream.workers = self.max_workers()
            streams.append(stream)
        if include_identities_stream(parsed):
            streams.append(self._make_identities_stream())
        return streams

    def _get_parsed_config(self, config: Mapping[str, Any]) -> AbstractFileBasedSpec:
        try:
            return self.spec_class(**config)
        except ValidationError as error:
            reason = told(config_faults(error))
        except ValueError as error:
            reason = str(error)
        # raised here, as the error from before may show values
        raise ConfigValidationError(f"The config cannot be used: {reason}")

    def _make_cursor(self, stream_config: FileBasedStreamConfig) -> AbstractFileBasedCursor:
        if self._marks_full_refresh(stream_config.name):
            return FileBasedFinalStateCursor(
                stream_config=stream_config, message_repository=self.message_repository, stream_namespace=None
            )
        cls = self.cursor_cls
        sends = isinstance(cls, type) and issubclass(cls, AbstractConcurrentFileBasedCursor)
        if self.catalog is None or not sends:
            return cls(stream_config)
        manager = ConnectorStateManager(self.state)
        return cls(
            stream_config,
            stream_name=stream_config.name,
            stream_namespace=None,
            stream_state=manager.get_stream_state(stream_config.name, None),
            message_repository=self.message_repository,
            connector_state_manager=manager,
            cursor_field=FileBasedConcurrentCursor.CURSOR_FIELD,
        )

    def _make_file_based_stream(
        self,
        stream_config: FileBasedStreamConfig,
        cursor: AbstractFileBasedCursor,
        parsed_config: AbstractFileBasedSpec,
    ) -> AbstractFileBasedStream:
        if use_permissions_transfer(parsed_config):
            return self._make_permissions_stream(stream_config, cursor)
        return self._make_default_stream(stream_config, cursor, parsed_config)

    def _make_default_stream(
        self,
        stream_config: FileBasedStreamConfig,
        cursor: AbstractFileBasedCursor | None,
        parsed_config: AbstractFileBasedSpec,
    ) -> AbstractFileBasedStream:
        from airbyte_cdk.sources.file_based.file_based_stream import DefaultFileBasedStream

        return DefaultFileBasedStream(
            **self._stream_arguments(stream_config, cursor),
            use_file_transfer=use_file_transfer(parsed_config),
            preserve_directory_structure=preserve_directory_structure(parsed_config),
        )

    def _make_permissions_stream(
        self, stream_config: FileBasedStreamConfig, cursor: AbstractFileBasedCursor | None
    ) -> AbstractFileBasedStream:
        from airbyte_cdk.sources.file_based.permissions_stream import PermissionsFileBasedStream

        return PermissionsFileBasedStream(
            **self._stream_arguments(stream_config, cursor),
            stream_permissions_reader=self._ensure_permissions_reader_available(),
        )

    def _stream_arguments(
        self, stream_config: FileBasedStreamConfig, cursor: AbstractFileBasedCursor | None
    ) -> dict[str, Any]:
        """What every stream over files is made of."""
        return {
            "config": stream_config,
            "catalog_schema": self.stream_schemas.get(stream_config.name),
            "stream_reader": self.stream_reader,
            "availability_strategy": self.availability_strategy,
            "discovery_policy": self.discovery_policy,
            "parsers": self.parsers,
            "validation_policy": self._validate_and_get_validation_policy(stream_config),
            "errors_collector": self.errors_collector,
            "cursor": cursor,
        }

    def _make_identities_stream(self) -> Stream:
        return FileIdentitiesStream(
            catalog_schema=self.stream_schemas.get(IDENTITIES_STREAM),
            stream_permissions_reader=self._ensure_permissions_reader_available(),
            discovery_policy=self.discovery_policy,
            errors_collector=self.errors_collector,
        )

    def _ensure_permissions_reader_available(self) -> AbstractFileBasedStreamPermissionsReader:
        if self.stream_permissions_reader is None:
            raise ConfigValidationError(
                "The config cannot be used: delivery_method.delivery_type: this connector cannot tell who may see a "
                "file; choose another value than `use_permissions_transfer`"
            )
        return self.stream_permissions_reader

    def _validate_and_get_validation_policy(
        self, stream_config: FileBasedStreamConfig
    ) -> AbstractSchemaValidationPolicy:
        try:
            return self.validation_policies[stream_config.validation_policy]
        except KeyError:
            raise ConfigValidationError(
                FileBasedSourceError.ERROR_VALIDATION_STREAM_DISCOVERY_OPTIONS,
                stream=stream_config.name,
                validation_policy=stream_config.validation_policy,
            ) from None

    def _get_stream_from_catalog(self, stream_config: FileBasedStreamConfig) -> Any | None:
        for configured in self.catalog.streams if self.catalog else []:
            if configured.stream.name == stream_config.name:
                return configured.stream
        return None

    def _get_sync_mode_from_catalog(self, stream_name: str) -> SyncMode | None:
        if not self.catalog:
            return None
        for configured in self.catalog.streams:
            if configured.stream.name == stream_name:
                mode: SyncMode = configured.sync_mode
                return mode
        self.logger.warning(f"The stream {stream_name} is not in the catalog")
        return None

    # read ----------------------------------------------------------------------------------------------------------

    def _marks_full_refresh(self, name: str) -> bool:
        """Whether a full refresh of this stream keeps no history, but marks its end.

        So do published connectors that set `_concurrency_level`; their platforms rely on the mark.
        """
        if self._concurrency_level is None or not self.catalog:
            return False
        return any(
            configured.stream.name == name and configured.sync_mode == SyncMode.full_refresh
            for configured in self.catalog.streams
        )

    def _reads_whole(self, stream: Stream, configured: ConfiguredAirbyteStream) -> bool:
        if self._marks_full_refresh(stream.name):
            # whoever wraps `read` thins out states, of which there are none here
            return stream.reads_own_slices
        # a cursor that is told of files in their order only gets them so
        in_order = self.max_workers() > 1 and not getattr(stream, "reads_in_any_order", True)
        return stream.reads_whole or in_order

    def _initial_state(
        self, stream: Stream, configured: ConfiguredAirbyteStream, known: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {} if self._marks_full_refresh(stream.name) else known

    def read_items(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None,
        encode: Encode[T],
        size: Callable[[T], int] | None = None,
    ) -> Generator[AirbyteMessage | T, None, None]:
        """As `AbstractSource.read_items`; ends with the number of streams of each file type, if nothing failed."""
        from airbyte_cdk.utils.analytics_message import create_analytics_message

        if self.catalog is None:
            self.catalog = catalog
            self.stream_schemas = {c.stream.name: c.stream.json_schema for c in catalog.streams}
        copies = self.stream_reader.copies = Copies()
        try:
            items = super().read_items(logger, config, catalog, state, encode, size)
            with closing(items):
                for item in items:
                    copies.sent(item)  # before it is: a copy must stay as soon as anybody may have heard of it
                    yield item
        except ConfigValidationError as error:
            raise config_error(str(error), error) from error
        finally:
            copies.close()
            self.stream_reader.release()
        yield from self.errors_collector.yield_and_raise_collected()
        parsed = self._get_parsed_config(config)
        for filetype, count in Counter(stream.format.filetype for stream in parsed.streams).items():
            yield create_analytics_message(f"file-cdk-{filetype}-stream-count", count)


def _require_libraries() -> None:
    for library in ("pyarrow", "wcmatch"):
        if find_spec(library) is None:
            raise MissingLibraryError("Reading files", library)


def _refuse_doubles(parsed: AbstractFileBasedSpec) -> None:
    names = Counter(stream.name for stream in parsed.streams)
    if include_identities_stream(parsed):
        names[IDENTITIES_STREAM] += 1
    doubles = [name for name, count in names.items() if count > 1]
    if doubles:
        raise ConfigValidationError(
            f"The config cannot be used: several streams are named {', '.join(doubles)}; give each stream a name of "
            "its own"
        )
