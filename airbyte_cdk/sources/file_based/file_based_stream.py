"""One stream over files: which files are read, and how their rows become batches."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from functools import cached_property
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import AirbyteMessage, AirbyteStream
from airbyte_cdk.models.batch import Batch, Rows, Table, text_size
from airbyte_cdk.models.wire import rows
from airbyte_cdk.sources.concurrent_source.workers import GROUP_BYTES, GROUP_ROWS
from airbyte_cdk.sources.file_based import discovery, raw_files
from airbyte_cdk.sources.file_based.abstract_file_based_stream import AbstractFileBasedStream
from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.exceptions import (
    FileBasedSourceError,
    MissingSchemaError,
    RecordParseError,
    StopSyncPerValidationPolicy,
)
from airbyte_cdk.sources.file_based.file_cursor import member
from airbyte_cdk.sources.file_based.file_errors import FileErrors
from airbyte_cdk.sources.file_based.file_history import format_time
from airbyte_cdk.sources.file_based.parsers.base import FileRead, FileTypeParser, brings_own_records
from airbyte_cdk.sources.file_based.policy_gate import PolicyGate, is_built_in, report_dropped, stopped
from airbyte_cdk.sources.file_based.rejects import RejectKind, Rejects
from airbyte_cdk.sources.file_based.schema_helpers import file_transfer_schema, fill_nulls, nonconforming_column
from airbyte_cdk.sources.message.state import state_message
from airbyte_cdk.sources.streams.batch_message import BatchMessage, Reader, reader
from airbyte_cdk.sources.streams.checkpoint.due import Checkpoints, state_interval
from airbyte_cdk.sources.streams.core import NO_CURSOR_STATE_KEY, JsonSchema, StreamData
from airbyte_cdk.sources.streams.partition import Item, Partition
from airbyte_cdk.sources.utils.record_helper import stream_data_to_airbyte_message
from airbyte_cdk.utils.overriding import overrides
from airbyte_cdk.utils.ticking import ticking
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from airbyte_cdk.utils.wording import counted

if TYPE_CHECKING:
    from airbyte_cdk.models import ConfiguredAirbyteStream
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
    from airbyte_cdk.sources.file_based.file_cursor import AbstractFileBasedCursor
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile
    from airbyte_cdk.sources.utils.schema_helpers import InternalConfig
    from airbyte_cdk.sources.utils.slice_logger import SliceLogger


class FilePartition(Partition):
    """One file of a stream.

    Args:
        stream: The stream that reads it.
        file: The file.
    """

    __slots__ = ("_stream", "file", "rejects")

    def __init__(self, stream: DefaultFileBasedStream, file: RemoteFile) -> None:
        self._stream = stream
        self.file = file
        self.rejects = Rejects()

    @property
    def slice(self) -> Mapping[str, Any]:
        """The file as plain data."""
        return {"uri": self.file.uri, "last_modified": self.file.last_modified.isoformat()}

    @property
    def group(self) -> str | None:
        """The file's `reading_group`."""
        return self.file.reading_group

    def read(self) -> Iterable[Item]:
        """What the file gives, as `DefaultFileBasedStream.read_file` does; bad rows are counted in `rejects`."""
        return self._stream.read_file(self.file, self.rejects)


class DefaultFileBasedStream(AbstractFileBasedStream):
    """A stream whose records are the rows of files.

    Connectors may override `get_files`, `transform_record`, `compute_slices`, `read_records_from_slice` and `read`.
    A stream that overrides none of the per-record hooks is read in batches; otherwise record by record, with the
    same records.
    """

    FILE_TRANSFER_KW = "use_file_transfer"
    PRESERVE_DIRECTORY_STRUCTURE_KW = "preserve_directory_structure"
    FILES_KEY = "files"
    DATE_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
    ab_last_mod_col = "_ab_source_file_last_modified"
    ab_file_name_col = "_ab_source_file_url"
    airbyte_columns = (ab_last_mod_col, ab_file_name_col)
    any_thread = True
    yields_batches = True
    use_file_transfer = False
    preserve_directory_structure = True

    def __init__(self, **kwargs: Any) -> None:
        for option in (self.FILE_TRANSFER_KW, self.PRESERVE_DIRECTORY_STRUCTURE_KW):
            setattr(self, option, bool(kwargs.pop(option, getattr(self, option))))
        super().__init__(**kwargs)
        self._estimate: int | None = None

    # State and catalog ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The cursor's state: a snapshot."""
        return dict(member(self.cursor, "snapshot")())

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        self.cursor.set_initial_state(value)

    @property
    def cursor(self) -> Any:
        """The file cursor. It can be set once."""
        return self._cursor

    @cursor.setter
    def cursor(self, value: AbstractFileBasedCursor) -> None:
        if self._cursor is not None:
            raise RuntimeError(f"the cursor of stream {self.name} is already set")
        self._cursor = value

    @property
    def cursor_field(self) -> str | list[str]:
        """The last-modified column."""
        return self.ab_last_mod_col

    @property
    def primary_key(self) -> str | list[str] | list[list[str]] | None:
        """The configured key, or else the parser's own; raw files have no parser."""
        if self.config.primary_key or self.use_file_transfer:
            return self.config.primary_key
        return self.get_parser().get_parser_defined_primary_key(self.config)

    @property
    def parses_files(self) -> bool:
        """Whether the records come out of the files, so that `check` tries to parse some."""
        return not self.use_file_transfer

    def as_airbyte_stream(self) -> AirbyteStream:
        """The stream as the catalog names it."""
        stream = super().as_airbyte_stream()
        stream.is_file_based = self.use_file_transfer
        return stream

    @cached_property
    def _json_schema(self) -> JsonSchema:
        if self.use_file_transfer:
            return file_transfer_schema
        metadata = {column: {"type": "string"} for column in self.airbyte_columns}
        return {"type": "object", "properties": {**metadata, **discovery.properties(self)}}

    def get_json_schema(self) -> JsonSchema:
        """The columns: those of raw files, given, or inferred from the newest files; see `discovery`."""
        return self._json_schema

    def infer_schema(self, files: list[RemoteFile]) -> Mapping[str, Any]:
        """The columns of `files`, first file first; see `discovery.infer`."""
        return discovery.infer(self, files)

    @staticmethod
    def _fill_nulls(schema: Mapping[str, Any]) -> Mapping[str, Any]:
        filled: Mapping[str, Any] = fill_nulls(schema)
        return filled

    # Files ---------------------------------------------------------------------------------------------------------

    def get_files(self) -> Iterable[RemoteFile]:
        """The files that match the stream's globs, as the reader lists them."""
        return self.stream_reader.get_matching_files(self.config.globs or [], self.config.legacy_prefix, self.logger)

    def files_to_sync(self) -> list[RemoteFile]:
        """The files that the cursor wants, each uri once, oldest first."""
        chosen: dict[str, RemoteFile] = {}

        def say() -> None:
            self.logger.info(f"Stream {self.name}: still listing, {len(chosen)} files to be read so far")

        with ticking(discovery.LISTING_LOG_SECONDS, say):
            for file in self.cursor.get_files_to_sync(self.get_files(), self.logger):
                chosen.setdefault(file.uri, file)
        files = sorted(chosen.values(), key=lambda file: (file.last_modified, file.reading_order))
        if self.use_file_transfer and not self.preserve_directory_structure:
            raw_files.refuse_duplicates(self.name, files)
        sizes = [size for file in files if (size := file.known_size) is not None]
        self._estimate = sum(sizes) if sizes else None
        self.logger.info(f"Stream {self.name}: {counted(len(files), 'file')} to be read")
        return files

    def compute_slices(self) -> Iterable[Mapping[str, Any] | None]:
        """One slice a file that is to be read, oldest first."""
        return [{self.FILES_KEY: [file]} for file in self.files_to_sync()]

    def partitions(self) -> Iterable[Partition]:
        """One partition a file that is to be read, oldest first."""
        partitions = [FilePartition(self, file) for file in self.files_to_sync()]
        member(self.cursor, "set_pending_partitions")(partitions)
        return partitions

    def resume(self, state: MutableMapping[str, Any]) -> None:
        """Start from `state`; a stream that is not incremental reads every file in each sync."""
        super().resume(state if self.supports_incremental else {})

    @property
    def reads_in_any_order(self) -> bool:
        """Whether several files may be read at once."""
        return getattr(self.cursor, "any_order", False) is True

    def byte_estimate(self) -> int | None:
        """Bytes of the files that are to be read, as far as the listing told their sizes; None if it told none."""
        return self._estimate

    @property
    def reads_whole(self) -> bool:
        """Whether a connector overrides `read`, or a hook that only `read` honours."""
        return self.reads_own_slices or overrides(self, "read", DefaultFileBasedStream)

    @property
    def reads_own_slices(self) -> bool:
        """Whether a connector overrides how the stream is sliced, or how a slice is read."""
        hooks = ("read_records", "read_records_from_slice", "compute_slices", "stream_slices")
        return any(overrides(self, hook, DefaultFileBasedStream) for hook in hooks)

    def close_partition(self, partition: Partition) -> None:
        """Note that a file was sent: it enters the history if what is missing of it, if anything, may be skipped."""
        assert isinstance(partition, FilePartition)
        self._close(partition.file, partition.rejects)

    def _close(self, file: RemoteFile, rejects: Rejects) -> None:
        skipped = rejects.all_of(self._skipped_kinds)
        if rejects:
            self._errors.bad_rows(file, rejects, skipped=skipped)
        self._errors.storage_answered()
        if skipped:
            self.cursor.add_file(file)

    @cached_property
    def _errors(self) -> FileErrors:
        return FileErrors(self.name, self.logger)

    @property
    def _skipped_kinds(self) -> frozenset[RejectKind]:
        """What a file may hold and count as read all the same: never a part in which no rows can be told."""
        on_bad_rows = getattr(self.config, "on_bad_rows", "fail")
        if getattr(on_bad_rows, "value", on_bad_rows) == "skip":
            return frozenset((RejectKind.WIDTH, RejectKind.ROW))
        ignores_width = getattr(self.config.format, "ignore_errors_on_fields_mismatch", False) is True
        return frozenset((RejectKind.WIDTH,)) if ignores_width else frozenset()

    def partition_failed(self, partition: Partition, error: BaseException) -> bool:
        """Note that a file could not be read. Other files go on, unless the error concerns the whole stream."""
        assert isinstance(partition, FilePartition)
        return self._file_failed(partition.file, error)

    def _file_failed(self, file: RemoteFile, error: BaseException) -> bool:
        if isinstance(error, AirbyteTracedException) or not isinstance(error, Exception):
            return False
        return self._errors.unread(file, error)

    def get_error_display_message(self, exception: BaseException) -> str | None:
        """The account of the files that could not be read, if too many of them stopped the stream."""
        if not isinstance(exception, FileAccessError):
            return None
        summary = self._errors.summary()
        return summary.message if summary else str(exception)

    def failure(self) -> Exception | None:
        """What keeps the stream from being complete: files with bad rows, files that could not be read."""
        return self._errors.summary()

    def state_entries(self) -> int:
        """Files in the cursor's history."""
        entries: int = member(self.cursor, "state_entries")()
        return entries

    def closed_state(self) -> Mapping[str, Any] | None:
        """The cursor's state: it knows the files that were sent. None for a stream that is not incremental."""
        return self.state if self.supports_incremental else None

    def final_state(self, *, complete: bool) -> Mapping[str, Any] | None:
        """The cursor's state, as it is after the last file; for a stream that is not incremental a mark of its end."""
        if not self.supports_incremental:
            return {NO_CURSOR_STATE_KEY: True} if complete else None
        final: Mapping[str, Any] | None = member(self.cursor, "final_state")(complete=complete)
        return final

    # Rows ----------------------------------------------------------------------------------------------------------

    def read_file(self, file: RemoteFile, rejects: Rejects) -> Iterator[Batch | AirbyteMessage]:
        """The rows of one file in batches, with the metadata columns; bad rows go to `rejects`.

        In raw-file mode: one RECORD message that stands for the copy of the file.

        Raises:
            MissingSchemaError: if the stream has no schema from the catalog.
            StopSyncPerValidationPolicy: if a row does not fit the schema and the policy is to wait for discover.
            Exception: what the reader raises.
        """
        if self.catalog_schema is None:
            raise MissingSchemaError(FileBasedSourceError.MISSING_SCHEMA, stream=self.name)
        if self.use_file_transfer:
            yield raw_files.copied(self, file)
            return
        parser = self.get_parser()
        schemaless = self.config.schemaless
        read = FileRead(
            self.config,
            file,
            self.stream_reader,
            self.logger,
            schema=None if schemaless else self.catalog_schema.get("properties") or None,
            reserved=frozenset() if schemaless else frozenset(self.airbyte_columns),
            keep_nulls=schemaless,
            rejects=rejects,
        )
        if self._per_record(parser):
            yield from self._read_records(parser, read)
            return
        gate = self._gate(read)
        metadata = self._metadata(file)
        row = 0
        for table in parser.batches(read):
            passed = gate.filter(table, row) if gate else table
            yield Batch(passed, metadata, "data" if schemaless else None, file.uri, row)
            row += table.num_rows
        if gate:
            gate.report(self.logger)

    def _metadata(self, file: RemoteFile) -> dict[str, str]:
        return {
            self.ab_last_mod_col: format_time(file.last_modified, self.DATE_TIME_FORMAT),
            self.ab_file_name_col: file.uri,
        }

    def _per_record(self, parser: FileTypeParser) -> bool:
        """Whether a connector brings a hook that sees each record."""
        return (
            overrides(self, "transform_record", DefaultFileBasedStream)
            or self._judges_itself
            or brings_own_records(parser)
        )

    @property
    def _judges_itself(self) -> bool:
        """Whether a connector decides itself which records are sent."""
        return overrides(self, "record_passes_validation_policy", DefaultFileBasedStream) or not is_built_in(
            self.validation_policy
        )

    def _gate(self, read: FileRead) -> PolicyGate | None:
        """What lets the rows of a file pass; None if all do, or if the connector judges each record."""
        if self.config.schemaless or self._judges_itself:
            return None
        return PolicyGate(self.validation_policy, self.catalog_schema or {}, self.name, read)

    def _read_records(self, parser: FileTypeParser, read: FileRead) -> Iterator[Batch]:
        """As `read_file`, through the per-record hooks; never more than one table at a time becomes Python objects."""
        file, schemaless = read.file, self.config.schemaless
        last_modified = format_time(file.last_modified, self.DATE_TIME_FORMAT)
        gate = self._gate(read)
        judges = gate is None and not schemaless
        first = dropped = 0
        for table in self._tables(parser, read):
            passed = Batch(gate.filter(table, first) if gate else table, origin=file.uri)
            bytes_a_row = passed.nbytes // max(1, passed.num_rows)
            records = enumerate(rows(passed), first)
            while group := list(islice(records, GROUP_ROWS)):
                kept = (record for number, record in group if not judges or self._passes(record, file, number))
                wrapped = ({"data": record} for record in kept) if schemaless else kept
                sent: list[dict[str, Any]] = []
                try:
                    sent.extend(map(self.transform_record, wrapped, repeat(file), repeat(last_modified)))
                except Exception:
                    if sent:  # what came before a hook's error is sent
                        yield Batch(Rows(sent, bytes_a_row * len(sent)), origin=file.uri)
                    raise
                dropped += len(group) - len(sent)
                if sent:
                    yield Batch(Rows(sent, bytes_a_row * len(sent)), origin=file.uri)
            first += table.num_rows
        if gate:
            gate.report(self.logger)
        elif dropped:
            report_dropped(self.logger, self.name, file, dropped, self.validation_policy)

    def _tables(self, parser: FileTypeParser, read: FileRead) -> Iterator[Table]:
        """The rows of a file for Python: the parser's tables, or the records of its own hook, gathered."""
        if not brings_own_records(parser):
            yield from parser.batches(replace(read, keep_nulls=True, as_rows=True))
            return
        arguments = (self.config, read.file, self.stream_reader, self.logger, self.catalog_schema)
        group: list[dict[str, Any]] = []
        nbytes = 0
        try:
            for record in parser.parse_records(*arguments):
                group.append(dict(record))
                nbytes += text_size(record)
                if len(group) >= GROUP_ROWS or nbytes > GROUP_BYTES:
                    yield Rows(group, nbytes)
                    group, nbytes = [], 0
        except RecordParseError as error:
            if error.rejects:
                read.rejects.extend(error.rejects)
            else:
                read.rejects.add("file", f"{type(parser).__name__} stopped: {error}", RejectKind.UNREADABLE)
        except Exception:
            if group:
                yield Rows(group, nbytes)
            raise
        if group:
            yield Rows(group, nbytes)

    def _passes(self, record: Mapping[str, Any], file: RemoteFile, number: int) -> bool:
        try:
            return self.record_passes_validation_policy(record)
        except StopSyncPerValidationPolicy as error:
            column = nonconforming_column(record, self.catalog_schema or {})
            raise stopped(self.name, file, number, column) from error

    def transform_record(self, record: dict[str, Any], file: RemoteFile, last_updated: str) -> dict[str, Any]:
        """The record as it is sent: with the metadata columns. Overriding it makes reading go record by record."""
        record[self.ab_last_mod_col] = last_updated
        record[self.ab_file_name_col] = file.uri
        return record

    def read_records_from_slice(self, stream_slice: Mapping[str, Any]) -> Iterable[StreamData]:
        """The records of the files of one slice, as RECORD messages; a file enters the history after its last one."""
        for item in self._read_slice(stream_slice):
            if isinstance(item, Batch):
                yield from (stream_data_to_airbyte_message(self.name, row) for row in rows(item))
            else:
                yield item

    def _read_slice(self, stream_slice: Mapping[str, Any] | None) -> Iterator[Batch | AirbyteMessage]:
        for file in (stream_slice or {}).get(self.FILES_KEY, []):
            rejects = Rejects()
            try:
                yield from self.read_file(file, rejects)
            except Exception as error:
                if not self._file_failed(file, error):
                    raise
            else:
                self._close(file, rejects)

    def read(
        self,
        configured_stream: ConfiguredAirbyteStream,
        logger: logging.Logger,
        slice_logger: SliceLogger,
        stream_state: MutableMapping[str, Any],
        state_manager: ConnectorStateManager,
        internal_config: InternalConfig,
    ) -> Iterable[StreamData]:
        """The stream as one generator of records and STATE messages, for connectors that wrap or call it."""
        called_by = reader()
        in_engine = called_by is not Reader.OTHER
        if not in_engine and NO_CURSOR_STATE_KEY not in stream_state:  # the engine has done so
            self.resume(stream_state)
        limit = internal_config.limit if internal_config else None
        per_record = any(
            overrides(self, hook, DefaultFileBasedStream) for hook in ("read_records", "read_records_from_slice")
        )
        checkpoints = Checkpoints(self.state_entries(), state_interval())
        cursor_field = configured_stream.cursor_field or None
        sent: Mapping[str, Any] | None = None
        for stream_slice in self.stream_slices(
            sync_mode=configured_stream.sync_mode, cursor_field=cursor_field, stream_state=stream_state
        ):
            if slice_logger.should_log_slice_message(logger):
                yield slice_logger.create_slice_log_message(stream_slice)
            if per_record or limit or called_by is not Reader.ENGINE_IN_BATCHES:
                records = self.read_records(configured_stream.sync_mode, cursor_field, stream_slice, stream_state)
                yield from islice(records, limit)
            else:
                for item in self._read_slice(stream_slice):
                    yield BatchMessage(item) if isinstance(item, Batch) else item
            entries = self.state_entries()
            if (not in_engine or checkpoints.due(entries)) and (sent := self.closed_state()) is not None:
                yield self._state_message(state_manager, sent)
                checkpoints.sent(entries)
        final = self.final_state(complete=not self._errors)
        if final is not None and final != sent:
            yield self._state_message(state_manager, final)
        if not in_engine and (failure := self.failure()) is not None:
            raise failure

    def _state_message(self, state_manager: ConnectorStateManager | None, state: Mapping[str, Any]) -> AirbyteMessage:
        if state_manager is None:  # many who call `read` by hand have none
            return state_message(self.name, self.namespace, state)
        state_manager.update_state_for_stream(self.name, self.namespace, state)
        message: AirbyteMessage = state_manager.create_state_message(self.name, self.namespace)
        return message
