"""The stream reader over any fsspec filesystem."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.remote_file import RemoteFile

# what the filesystems call the time of the last change, best first
_MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


class FsspecStreamReader(AbstractFileBasedStreamReader):
    """Reads the files below one folder of an fsspec filesystem.

    The `uri` of a file is its path relative to `root`, with ``/``.

    A connector whose filesystem depends on its config overrides `connect`::

        class Reader(FsspecStreamReader):
            def connect(self, config):
                return s3fs.S3FileSystem(key=config.key, secret=config.secret), config.bucket

    Args:
        filesystem: An ``fsspec.AbstractFileSystem``; None if `connect` gives it.
        root: Folder in it.
    """

    def __init__(self, filesystem: Any = None, root: str = "") -> None:
        super().__init__()
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._connecting = Lock()

    @property
    def config(self) -> AbstractFileBasedSpec | None:
        """The parsed config of the source."""
        return self._config

    @config.setter
    def config(self, value: AbstractFileBasedSpec) -> None:
        if value is not self._config:
            self._config = value
            if type(self).connect is not FsspecStreamReader.connect:
                self._filesystem = None

    def connect(self, config: Any) -> tuple[Any, str]:
        """The filesystem and the root folder that a config names. Called on first use, once a config."""
        raise NotImplementedError("give FsspecStreamReader a filesystem, or override `connect`")

    @property
    def filesystem(self) -> Any:
        """The filesystem, connected on first use."""
        with self._connecting:
            if self._filesystem is None:
                filesystem, root = self.connect(self._config)
                self._root = root.rstrip("/")
                self._filesystem = filesystem
            return self._filesystem

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        """List the files that match, folder by folder. A folder that cannot be listed raises."""
        if not globs:
            return
        files = self._files(self._folders(globs, prefix))
        if prefix:
            files = (file for file in files if file.uri.startswith(prefix))
        yield from self.filter_files_by_globs_and_start_date(files, globs)

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        """Open the file as it is stored (the framework undoes compression)."""
        path = f"{self._root_of_listing()}/{file.uri}"
        if mode is FileReadMode.READ:
            return self.filesystem.open(path, "r", encoding=encoding)
        return self.filesystem.open(path, "rb")

    def _root_of_listing(self) -> str:
        self.filesystem  # noqa: B018  connecting sets the root
        return self._root

    def _folders(self, globs: list[str], prefix: str | None) -> list[str]:
        """The folders that must be walked to find all matches, none inside another."""
        prefixes = self.get_prefixes_from_globs(globs) or {""}
        if prefix:
            prefixes = {
                p if p.startswith(prefix) else prefix for p in prefixes if p.startswith(prefix) or prefix.startswith(p)
            }
        folders: list[str] = []
        for folder in sorted({p.rpartition("/")[0] for p in prefixes}):
            if not any(outer == "" or folder == outer or folder.startswith(outer + "/") for outer in folders):
                folders.append(folder)
        return folders

    def _files(self, folders: Iterable[str]) -> Iterator[RemoteFile]:
        root = self._root_of_listing()
        for folder in folders:
            start = f"{root}/{folder}".rstrip("/") or "/"
            if folder and not self.filesystem.isdir(start):
                continue
            yield from self._walk(start, root)

    def _walk(self, start: str, root: str) -> Iterator[RemoteFile]:
        cut = len(self.filesystem._strip_protocol(root).rstrip("/")) + 1
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            deeper = []
            for entry in self.filesystem.ls(folder, detail=True, refresh=True):
                name = str(entry["name"])
                if entry["type"] == "directory":
                    if name.rstrip("/") != folder.rstrip("/"):
                        deeper.append(name)
                elif entry["type"] == "file":
                    modified = _modified(entry)
                    if modified is None:
                        modified = _naive_utc(self.filesystem.modified(name))
                    yield RemoteFile(uri=name[cut:], last_modified=modified)
            waiting.extend(sorted(deeper, reverse=True))


def _modified(entry: dict[str, Any]) -> datetime | None:
    for key in _MODIFIED_KEYS:
        value = entry.get(key)
        if value is not None and value != "":
            return _naive_utc(value)
    return None


def _naive_utc(value: Any) -> datetime:
    """A time as naive UTC: filesystems give seconds since the epoch, datetimes of any zone, or ISO text."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None)
    if isinstance(value, str):
        from dateutil import parser

        value = parser.parse(value)
    assert isinstance(value, datetime)
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
