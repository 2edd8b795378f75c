"""A stream of the access rights of files, instead of their content."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models.batch import Batch, Rows
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, MissingSchemaError
from airbyte_cdk.sources.file_based.file_based_stream import DefaultFileBasedStream
from airbyte_cdk.sources.file_based.file_history import format_time
from airbyte_cdk.sources.file_based.rejects import LISTED, Rejects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airbyte_cdk.models import AirbyteMessage
    from airbyte_cdk.sources.file_based.file_based_stream_permissions_reader import (
        AbstractFileBasedStreamPermissionsReader,
    )
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile
    from airbyte_cdk.sources.streams.core import JsonSchema


class PermissionsFileBasedStream(DefaultFileBasedStream):
    """One record for each file that matches the stream's globs: who may see it.

    Each sync sends the rights of all files, and keeps no history of them: rights change while their file does not,
    so nothing in a listing tells whether they are still those of the last sync.

    Args:
        stream_permissions_reader: Tells the rights.
        kwargs: As for `DefaultFileBasedStream`.
    """

    def __init__(self, stream_permissions_reader: AbstractFileBasedStreamPermissionsReader, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stream_permissions_reader = stream_permissions_reader
        self._without_rights = 0
        self._counting = Lock()

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The cursor's state, whose history stays empty."""
        return dict(self.cursor.snapshot())

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        # what a sync of the files' content has read says nothing about rights
        self.cursor.set_initial_state({})

    @property
    def parses_files(self) -> bool:
        """Never."""
        return False

    @property
    def primary_key(self) -> str | list[str] | list[list[str]] | None:
        """The configured key."""
        return self.config.primary_key

    @cached_property
    def _json_schema(self) -> JsonSchema:
        metadata = {column: {"type": "string"} for column in self.airbyte_columns}
        columns: Mapping[str, Any] = self.stream_permissions_reader.file_permissions_schema.get("properties", {})
        return {"type": "object", "properties": {**metadata, **columns}}

    def read_file(self, file: RemoteFile, rejects: Rejects) -> Iterator[Batch | AirbyteMessage]:
        """The record about one file, with the metadata columns.

        Raises:
            MissingSchemaError: If the stream has no schema from the catalog.
            Exception: What the permissions reader raises.
        """
        if self.catalog_schema is None:
            raise MissingSchemaError(FileBasedSourceError.MISSING_SCHEMA, stream=self.name)
        rights = self.stream_permissions_reader.get_file_acl_permissions(file, self.logger)
        if not rights:
            self._tell_without_rights(file)
            return
        last_modified = format_time(file.last_modified, self.DATE_TIME_FORMAT)
        yield Batch(Rows([self.transform_record(dict(rights), file, last_modified)]), origin=file.uri)

    def _tell_without_rights(self, file: RemoteFile) -> None:
        with self._counting:
            self._without_rights += 1
            listed = self._without_rights <= LISTED
        if listed:
            self.logger.warning(
                f"stream={self.name} file={file.file_uri_for_logging}: the storage tells no access rights for this "
                "file; no record is sent for it"
            )

    def final_state(self, *, complete: bool) -> Mapping[str, Any] | None:
        """The cursor's state, as it was at the beginning. Called after the last file."""
        if self._without_rights > LISTED:
            self.logger.warning(
                f"stream={self.name}: no record was sent for {self._without_rights} files, for which the storage tells "
                "no access rights"
            )
        return super().final_state(complete=complete)

    def _close(self, file: RemoteFile, rejects: Rejects) -> None:
        self._errors.storage_answered()  # and the cursor is not told

    def _file_failed(self, file: RemoteFile, error: BaseException) -> bool:
        return isinstance(error, Exception) and self._errors.unread(file, error)
