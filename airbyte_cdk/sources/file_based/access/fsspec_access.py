"""Storage access over any fsspec filesystem."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from threading import Event, RLock
from typing import Any, BinaryIO, cast

from airbyte_cdk.sources.file_based.access.fsspec_failures import failure_of
from airbyte_cdk.sources.file_based.access.storage_access import (
    NEVER,
    Content,
    Failure,
    Listed,
    StorageAccess,
    Trouble,
    anything,
    differ,
    naive_utc,
)

_Folder = tuple[str, "_Folder | None"]
"""The path of a folder, and the folder in which it was met."""

BLOCK_BYTES = 4 * 1024 * 1024
"""Filesystems that read by requests ask for so much at a time."""

# what the filesystems call the time of the last change, best first
_MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
_VERSION_KEYS = ("ETag", "etag", "generation", "version_id", "versionId")


class FsspecAccess(StorageAccess):
    """The files below one folder of an fsspec filesystem.

    A uri is the path relative to `root`, with ``/``. The version is the ETag or generation, or else made of time and
    size.

    Args:
        filesystem: An ``fsspec.AbstractFileSystem``.
        root: Folder in it.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._base = filesystem._strip_protocol(self._root or "/").rstrip("/")
        protocols = filesystem.protocol
        self._protocols = {protocols} if isinstance(protocols, str) else set(protocols)
        self._is_local = bool(self._protocols & {"file", "local"})
        self.title = f"{'local' if self._is_local else min(self._protocols)} folder {self._root or '/'}"
        # whose reads are requests: a handle of it reads blocks, which suits neither small ranges nor many of them
        self._reads_ranges = bool(getattr(filesystem, "async_impl", False))
        self._fresh = _accepted(filesystem.ls, refresh=True)
        # paramiko's client hangs for ever when two threads use it at once
        self._turns: AbstractContextManager[Any] = RLock() if "sftp" in self._protocols else nullcontext()

    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Callable[[str], bool] = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        """The files below the prefix, folder by folder. A folder that cannot be listed raises, and so does a root that
        is not a folder."""
        folder = prefix.rpartition("/")[0]
        start = self._path(folder)
        if folder and not self._isdir(start, over):
            if self._root:
                self.retried(self._require_root, over)
            return
        waiting: list[_Folder] = [(start, None)]
        while waiting:
            met = waiting.pop()
            deeper: list[_Folder] = []
            entries = self._entries(met, over)
            if met[1] is None and [entry["name"] for entry in entries if entry["type"] == "file"] == [self._base]:
                raise RootIsFileError
            for entry in entries:
                name = str(entry["name"])
                uri = self._uri(name)
                if entry["type"] == "directory":
                    uri = uri.rstrip("/")
                    reached = f"{uri}/".startswith(prefix) or prefix.startswith(f"{uri}/")
                    if recursive and reached and name.rstrip("/") != met[0].rstrip("/") and enter(uri):
                        deeper.append((name, met))
                elif entry["type"] == "file" and uri.startswith(prefix) and wanted(uri):
                    yield self._listed(entry)
            deeper.sort(reverse=True, key=lambda folder: folder[0])
            waiting.extend(deeper)

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        """The content from byte `start` on."""
        path = self._path(uri)
        with self._turns:
            self._forget(path)
            # a filesystem that reads by requests would otherwise read much further ahead than is ever wanted
            options = {"block_size": BLOCK_BYTES} if self._reads_ranges else {}
            handle = self._filesystem.open(path, "rb", **options)
            if isinstance(handle, io.BytesIO):
                # the filesystem in memory gives all readers the same object, with one position
                handle = io.BytesIO(handle.getvalue())
            try:
                entry = getattr(handle, "details", None)
                entry = entry if isinstance(entry, dict) else self._entry(path)
                content = _FsspecContent(handle, entry.get("size"), _version(entry, _modified(entry)), self._turns)
                _check_version(content.version, version)
                if start:
                    handle.seek(start)
            except BaseException:
                handle.close()
                raise
        return content

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        """The bytes of each range: by requests of their own, or through one handle."""
        path = self._path(uri)
        if self._reads_ranges:
            if version is not None:
                entry = self._entry(path)
                _check_version(_version(entry, _modified(entry)), version)
            starts, ends = zip(*ranges, strict=True)
            found: list[bytes] = self._filesystem.cat_ranges([path] * len(ranges), starts, ends, on_error="raise")
            if all(len(part) <= end - start for part, (start, end) in zip(found, ranges, strict=True)):
                return found
            self._reads_ranges = False  # some servers and filesystems take no notice of ranges
        content = self.open(uri, 0, version)
        assert isinstance(content, _FsspecContent)
        try:
            return [content.range(start, end) for start, end in ranges]
        finally:
            content.close()

    def info(self, uri: str) -> Listed:
        """Size, time and version of one file now."""
        path = self._path(uri)
        with self._turns:
            return self._listed({**self._entry(path), "name": path})._replace(uri=uri)

    def handle(self, uri: str) -> BinaryIO | None:
        """The plain handle of a file on the local disk."""
        return cast("BinaryIO", self._filesystem.open(self._path(uri), "rb")) if self._is_local else None

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        """What an exception of the filesystem means, see `fsspec_failures`."""
        if isinstance(error, ChangedFile):
            return Failure(Trouble.CHANGED, "it is not of the expected version any more")
        if isinstance(error, RootIsFileError):
            reason = "it is a file; name the folder in which it is, and the file itself by the globs of a stream"
            return Failure(Trouble.CONFIG, reason)
        return failure_of(error, uri)

    def _path(self, uri: str) -> str:
        if self._root:
            return f"{self._root}/{uri}" if uri else self._root
        return f"{self._filesystem.root_marker}{uri}"

    def _uri(self, name: str) -> str:
        return name[len(self._base) + 1 :] if self._base or name.startswith("/") else name

    def _require_root(self) -> None:
        with self._turns:
            self._forget(self._root)
            kind = self._filesystem.info(self._root)["type"]
        if kind != "directory":
            raise RootIsFileError

    def _isdir(self, path: str, over: Event) -> bool:
        """Whether there is such a folder. `isdir` of a filesystem answers False to errors, too; this raises them."""

        def is_folder() -> bool:
            with self._turns:
                self._forget(path)
                try:
                    return bool(self._filesystem.info(path)["type"] == "directory")
                except (FileNotFoundError, NotADirectoryError):
                    return False

        return self.retried(is_folder, over)

    def _entries(self, folder: _Folder, over: Event) -> list[dict[str, Any]]:
        path, above = folder
        found = self.retried(lambda: self._ls(path, must_be_there=above is None), over)
        if found is None and above is not None and self._holds(above, path, over):
            return self.retried(lambda: self._ls(path, must_be_there=True), over) or []
        return found or []  # deleted since it was met: the folder above does not hold it any more

    def _holds(self, folder: _Folder, path: str, over: Event) -> bool:
        return any(str(entry["name"]).rstrip("/") == path.rstrip("/") for entry in self._entries(folder, over))

    def _ls(self, path: str, *, must_be_there: bool) -> list[dict[str, Any]] | None:
        with self._turns:
            self._forget(path)
            try:
                entries: list[dict[str, Any]] = self._filesystem.ls(path, detail=True, **self._fresh)
            except FileNotFoundError:
                if must_be_there:
                    raise
                return None
            return entries

    def _entry(self, path: str) -> dict[str, Any]:
        with self._turns:
            self._forget(path)
            entry: dict[str, Any] = self._filesystem.info(path)
        if entry["type"] != "file":
            raise FileNotFoundError(path)
        return entry

    def _forget(self, path: str) -> None:
        """Filesystems remember listings, and answer `info` from them."""
        self._filesystem.invalidate_cache(path)

    def _listed(self, entry: dict[str, Any]) -> Listed:
        name = str(entry["name"])
        modified = _modified(entry)
        if modified is None:
            with self._turns:
                modified = _naive_utc(self._filesystem.modified(name))
        return Listed(self._uri(name), entry.get("size"), modified, _version(entry, modified))


class RootIsFileError(Exception):
    """The root is a file."""


class ChangedFile(Exception):
    """The file is not of the version that was asked for."""


class _FsspecContent(Content):
    def __init__(self, handle: Any, size: int | None, version: str | None, turns: AbstractContextManager[Any]) -> None:
        self._handle = handle
        self._turns = turns
        self.size = size
        self.version = version

    def read(self, n: int) -> bytes:
        """The next bytes."""
        with self._turns:
            data: bytes = self._handle.read(n)
            return data

    def range(self, start: int, end: int) -> bytes:
        """The bytes of a range, fewer only at the end of the file."""
        with self._turns:
            self._handle.seek(start)
            parts = []
            while start < end and (part := self._handle.read(end - start)):
                parts.append(part)
                start += len(part)
            return b"".join(parts)

    def close(self) -> None:
        """Close the file."""
        with self._turns:
            self._handle.close()


def _accepted(call: Callable[..., Any], **options: Any) -> dict[str, Any]:
    """Those of the options that a function takes."""
    parameters = inspect.signature(call).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return options
    return {name: value for name, value in options.items() if name in parameters}


def _check_version(found: str | None, expected: str | None) -> None:
    if differ(found, expected):
        raise ChangedFile


def _version(entry: dict[str, Any], modified: datetime | None) -> str | None:
    for key in _VERSION_KEYS:
        if entry.get(key):
            return str(entry[key])
    if modified is None or entry.get("size") is None:
        return None
    return f"{modified.isoformat()}-{entry['size']}-{entry.get('ino', '')}"


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
    return naive_utc(value)
