"""A stream reader for tests of parsers: one file, held in memory."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.remote_file import RemoteFile

__all__ = ["OneFileReader"]


class OneFileReader(AbstractFileBasedStreamReader):
    """A storage of one file, for tests of a parser without any storage.

    Every `open_file` opens that content, whatever file and mode are asked for::

        reader = OneFileReader(b"id,name\\n1,x\\n", uri="dir/a.csv")
        list(CsvParser().parse_records(config, reader.file, reader, logger, None))

    Args:
        content: The content of the file.
        handle: Makes the handle that `open_file` returns; give another one to test what a parser asks of handles.
        uri: Where the file is.
        last_modified: Its time of last change, naive UTC.

    Attributes:
        file: The one file, which every listing gives whose globs match it.
        opened: The handles that were opened, in order.
    """

    def __init__(
        self,
        content: bytes,
        handle: Callable[[bytes], Any] = io.BytesIO,
        uri: str = "file",
        last_modified: datetime = datetime(2024, 1, 1),
    ) -> None:
        super().__init__()
        self.content = content
        self.file = RemoteFile(uri=uri, last_modified=last_modified)
        self.opened: list[Any] = []
        self._handle = handle

    @property
    def config(self) -> Any:
        """The config, if one was set; nothing here depends on it."""
        return self._config

    @config.setter
    def config(self, value: Any) -> None:
        self._config = value

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterator[RemoteFile]:
        """The file, if a glob matches it."""
        if self.file.uri.startswith(prefix or ""):
            yield from self.filter_files_by_globs_and_start_date([self.file], globs)

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        """A new handle on the content."""
        handle = self._handle(self.content)
        self.opened.append(handle)
        return handle
