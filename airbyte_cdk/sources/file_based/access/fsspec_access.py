"""Storage access over any fsspec filesystem."""

from __future__ import annotations

import errno
import inspect
import io
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, RLock
from typing import Any, BinaryIO, NamedTuple, cast

from airbyte_cdk.sources.file_based.access.fsspec_failures import failure_of
from airbyte_cdk.sources.file_based.access.links import LinkedFolders
from airbyte_cdk.sources.file_based.access.names import can_be, name_of, uri_of
from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.storage_access import (
    NEVER,
    Content,
    Enter,
    Failure,
    Listed,
    StorageAccess,
    Trouble,
    anything,
    differ,
    naive_utc,
)
from airbyte_cdk.sources.file_based.access.watch import Watch


class _Folder(NamedTuple):
    """A folder on its way through a listing.

    Attributes:
        path: Its path in the filesystem.
        uri: Its uri.
        real: That path with all links followed.
        above: The folder in which it was met.
        linked: Whether a link is on the way to it.
    """

    path: str
    uri: str
    real: str
    above: _Folder | None = None
    linked: bool = False


BLOCK_BYTES = 4 * 1024 * 1024
"""Filesystems that read by requests ask for so much at a time."""

LOGGER = logging.getLogger("airbyte")

# what the filesystems call the time of the last change, best first
_MODIFIED_KEYS = (
    *("mtime", "LastModified", "last_modified", "updated", "modified", "modify", "date_time"),
    *("modificationTime", "modifiedTime", "server_modified", "created"),
)
_MOST_SECONDS = 1e11
"""Greater numbers are milliseconds: as seconds they would be after the year 5000."""
_VERSION_KEYS = ("ETag", "etag", "generation", "version_id", "versionId")


class FsspecAccess(StorageAccess):
    """The files below one folder of an fsspec filesystem.

    A uri is the path relative to `root`, with ``/``, on the local disk as `names.uri_of` writes it. The version is the
    ETag or generation, or else made of time and size.

    Args:
        filesystem: An ``fsspec.AbstractFileSystem``. If it tells no times, files are as new as the listing: they are
            read in each sync, so that no change is lost. If it is to have links followed, its attribute
            ``follows_links`` is True, and its `info` of a link tells of what it leads to, with the real path of that
            under the key ``real``.
        root: Folder in it.

    Attributes:
        mends_itself: Whether the filesystem makes a new connection by itself when one broke.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._base = filesystem._strip_protocol(self._root or "/").rstrip("/")
        protocols = filesystem.protocol
        self._protocols = {protocols} if isinstance(protocols, str) else set(protocols)
        self._is_local = bool(self._protocols & {"file", "local"})
        self.title = f"{'local' if self._is_local else min(self._protocols)} folder {self._root or '/'}"
        self._follows_links = bool(getattr(filesystem, "follows_links", False))
        # whose reads are requests: a handle of it reads blocks, which suits neither small ranges nor many of them
        self._reads_ranges = self.mends_itself = bool(getattr(filesystem, "async_impl", False))
        self._fresh = _accepted(filesystem.ls, refresh=True)
        # paramiko's client hangs for ever when two threads use it at once, that of FTP takes one's answer for another's
        alone = bool(self._protocols & {"sftp", "ftp"})
        self._turns: AbstractContextManager[Any] = RLock() if alone else nullcontext()
        self._told = False

    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Enter = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        """The files below the prefix, folder by folder. A folder that cannot be listed raises, and so does a root that
        is not a folder."""
        start = self._start(prefix.rpartition("/")[0], over)
        if start is None and self._root:
            self.retried(self._require_root, over)
        waiting = [start] if start is not None else []
        linked = LinkedFolders(prefix, enter)
        links: list[_Folder] = []
        while (waiting or links) and not over.is_set():
            if not waiting:
                # all that is reached by fewer links has been listed
                links.sort(key=lambda folder: folder.uri)
                waiting = [folder for folder in links if linked.takes(folder.uri, self._uri(folder.real))]
                waiting.reverse()
                links = []
                continue
            met = waiting.pop()
            deeper: list[_Folder] = []
            entries = self._entries(met, over)
            if met.above is None and [entry["name"] for entry in entries if entry["type"] == "file"] == [self._base]:
                raise RootIsFileError
            for entry in entries:
                name = str(entry["name"])
                uri = self._uri(name)
                below = uri.rstrip("/")
                reached = f"{below}/".startswith(prefix) or prefix.startswith(f"{below}/")
                enters = recursive and reached and name.rstrip("/") != met.path.rstrip("/")
                is_link = self._follows_links and entry["islink"]
                if is_link:
                    if not wanted(uri) and not (enters and enter(below)):
                        continue
                    entry = self._followed(entry, over)
                if entry["type"] == "directory":
                    if not enters or not enter(below):
                        continue
                    real = entry["real"] if is_link else f"{met.real}/{name.rpartition('/')[2]}"
                    folder = _Folder(name, below, real, met, met.linked or is_link)
                    if is_link:
                        links += [] if _leads_back(folder) else [folder]
                    elif not met.linked or linked.takes(below, self._uri(real)):
                        deeper.append(folder)
                elif entry["type"] == "file" and uri.startswith(prefix) and wanted(uri):
                    yield self._listed(entry)
            deeper.sort(reverse=True, key=lambda folder: folder.path)
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
        """The bytes of each range: by requests of their own, whose speed nobody can watch, or through one handle."""
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
        watch = None if content.takes_turns else self.watch()
        try:
            return [content.range(start, end, watch) for start, end in ranges]
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
        return failure_of_access(error, uri)

    def _path(self, uri: str) -> str:
        if self._is_local and uri:
            if not can_be(uri.split("/")):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), uri)
            uri = os.fsdecode(name_of(uri))
        if self._root:
            return f"{self._root}/{uri}" if uri else self._root
        return f"{self._filesystem.root_marker}{uri}"

    def _uri(self, name: str) -> str:
        uri = name[len(self._base) + 1 :] if self._base or name.startswith("/") else name
        return uri_of(os.fsencode(uri)) if self._is_local else uri

    def _require_root(self) -> None:
        with self._turns:
            self._forget(self._root)
            kind = self._filesystem.info(self._root)["type"]
        if kind != "directory":
            raise RootIsFileError

    def _start(self, uri: str, over: Event) -> _Folder | None:
        """The folder of a uri, from which a listing starts; None if there is none."""
        met = _Folder(self._path(""), "", self._base)
        if not uri:
            return met
        names = uri.split("/")
        if self._is_local and not can_be(names):
            return None
        # each link on the way counts, and costs a question
        ways = ["/".join(names[: depth + 1]) for depth in range(len(names))] if self._follows_links else [uri]
        for way in ways:
            path = self._path(way)
            entry = self._followed({"name": path}, over)
            if entry["type"] != "directory":
                return None
            real = entry.get("real", path)
            linked = met.linked or (self._follows_links and real != f"{met.real}/{path.rpartition('/')[2]}")
            met = _Folder(path, way, real, met, linked)
            if _leads_back(met):
                return None
        return met

    def _followed(self, entry: dict[str, Any], over: Event) -> dict[str, Any]:
        """What a name leads to, all links followed; of the type ``nothing`` if that is not there."""
        name = entry["name"]

        def ask() -> dict[str, Any]:
            with self._turns:
                self._forget(name)
                try:
                    return {**self._filesystem.info(name), "name": name}
                except Exception as error:
                    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
                    if missing or getattr(error, "errno", None) == errno.ELOOP:
                        return {"type": "nothing"}
                    raise _Unlisted(self._uri(name), error) from error

        return self.retried(ask, over)

    def _entries(self, folder: _Folder, over: Event) -> list[dict[str, Any]]:
        above = folder.above
        found = self.retried(lambda: self._ls(folder, must_be_there=above is None), over)
        if found is None and above is not None and self._holds(above, folder.path, over):
            return self.retried(lambda: self._ls(folder, must_be_there=True), over) or []
        return found or []  # deleted since it was met: the folder above does not hold it any more

    def _holds(self, folder: _Folder, path: str, over: Event) -> bool:
        return any(str(entry["name"]).rstrip("/") == path.rstrip("/") for entry in self._entries(folder, over))

    def _ls(self, folder: _Folder, *, must_be_there: bool) -> list[dict[str, Any]] | None:
        with self._turns:
            self._forget(folder.path)
            try:
                entries: list[dict[str, Any]] = self._filesystem.ls(folder.path, detail=True, **self._fresh)
            except Exception as error:
                if isinstance(error, FileNotFoundError) and not must_be_there:
                    return None
                raise _Unlisted(folder.uri, error) from error
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
            try:
                with self._turns:
                    modified = _time(self._filesystem.modified(name))
            except (NotImplementedError, KeyError):
                modified = None
        listed = Listed(self._uri(name), entry.get("size"), modified or _now(), _version(entry, modified))
        if modified is None and not self._told:
            self._told = True
            LOGGER.warning(
                f"{self.title}: it does not tell when files were changed (such as {listed.uri}), so they are read in "
                "every sync."
            )
        return listed


def failure_of_access(
    error: BaseException, uri: str | None, host: str | None = None, option: str = "its address"
) -> Failure:
    """What an exception of `FsspecAccess` means; the arguments are those of `failure_of`."""
    if isinstance(error, ChangedFile):
        return Failure(Trouble.CHANGED, "it is not of the expected version any more")
    if isinstance(error, RootIsFileError):
        reason = "it is a file; name the folder in which it is, and the file itself by the globs of a stream"
        return Failure(Trouble.CONFIG, reason)
    if isinstance(error, _Unlisted):
        failure = failure_of(error.error, uri, host, option)
        return replace(failure, reason=f"{error.uri}: {failure.reason}") if error.uri else failure
    return failure_of(error, uri, host, option)


class RootIsFileError(Exception):
    """The root is a file."""


class _Unlisted(Exception):
    """An error while a listing was in the folder, or at the link, of this uri."""

    def __init__(self, uri: str, error: Exception) -> None:
        super().__init__(uri)
        self.uri = uri
        self.error = error


def _leads_back(folder: _Folder) -> bool:
    """Whether a folder was passed on the way to itself."""
    above = folder.above
    while above is not None and above.real != folder.real:
        above = above.above
    return above is not None


class ChangedFile(Exception):
    """The file is not of the version that was asked for."""


class _FsspecContent(Content):
    def __init__(self, handle: Any, size: int | None, version: str | None, turns: AbstractContextManager[Any]) -> None:
        self._handle = handle
        self._turns = turns
        self.size = size
        self.version = version
        self.takes_turns = not isinstance(turns, nullcontext)

    def read(self, n: int) -> bytes:
        """The next bytes."""
        with self._turns:
            data: bytes = self._handle.read(n)
            return data

    def range(self, start: int, end: int, watch: Watch | None) -> bytes:
        """The bytes of a range, fewer only at the end of the file."""
        with self._turns:
            self._handle.seek(start)
            return read_exactly(self._handle, end - start, watch)

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
        if value is not None and value != "" and (time := _time(value)) is not None:
            return time
    return None


def _time(value: Any) -> datetime | None:
    """A time as naive UTC; None if it is none.

    Filesystems give seconds or milliseconds since 1970, datetimes of any zone, the parts of a time, or text: ISO, that
    of FTP (``20240131120000``), or that of ``ls -l``, which leaves out the year of the last months.
    """
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if value > _MOST_SECONDS else value, UTC).replace(tzinfo=None)
        if isinstance(value, tuple | list):
            return datetime(*value[:6])
        if isinstance(value, str):
            if re.fullmatch(r"\d{14}(\.\d*)?", value):
                return datetime.strptime(value[:14], "%Y%m%d%H%M%S")
            from dateutil import parser

            time = naive_utc(parser.parse(value))
            of_last_year = not re.search(r"\d{4}", value) and time > _now() + timedelta(days=1)
            return time.replace(year=time.year - 1) if of_last_year else time
        return naive_utc(value)
    except (ValueError, TypeError, OverflowError, OSError, AttributeError):
        return None


def _now() -> datetime:
    return naive_utc(datetime.now(UTC))
