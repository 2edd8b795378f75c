"""A storage access as an fsspec filesystem, read only."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from airbyte_cdk.sources.file_based.access.storage_access import Listed, StorageAccess, Trouble


class AccessFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files of a storage access under the interface of fsspec: `ls`, `find`, `glob`, `info`, `open`, `cat_file`.

    `FsspecStreamReader` asks a filesystem for `storage_access`, and so goes past this interface to the access itself:
    what `connect` of a storage returns is ``AccessFileSystem(access), ""``. Used by itself, it raises what the access
    raises, and tries nothing again::

        AccessFileSystem(access).cat_file("2024/june.csv", 0, 100)  # the first 100 bytes

    A key of an object store may be a file and a folder at once, and have several ``/`` in a row: ``a`` then is listed
    twice, and ``a//b.csv`` in the folder ``a``, with the name ``/b.csv``.

    Args:
        access: The storage. Paths of this filesystem are its uris, exactly.
    """

    cachable = False
    root_marker = ""

    def __init__(self, access: StorageAccess) -> None:
        super().__init__()
        self.access = access

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def storage_access(self, root: str) -> StorageAccess:
        """The access; `root` must be empty, as the access has its own."""
        if root:
            raise ValueError(f"the root of this filesystem is fixed, it cannot be {root!r}")
        return self.access

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """The files and folders of one folder, whose files below are not listed; or the one file of this path.

        Raises:
            FileNotFoundError: There is nothing of this path.
        """
        entries = self._folder(path.rstrip("/"))
        if not entries and path.rstrip("/"):
            entries = [self.info(path)]
        return entries if detail else [entry["name"] for entry in entries]

    def _folder(self, path: str) -> list[dict[str, Any]]:
        """The entries of a folder, none if there is no such folder."""
        files: dict[str, dict[str, Any]] = {}
        folders: dict[str, dict[str, Any]] = {}
        starts = [_below(path)]

        def met(uri: str) -> bool:
            if uri != start:
                folders[uri] = _folder_entry(uri)
            elif starts[-1] == start:  # a folder without a name: its files have one slash more
                starts.append(f"{start}/")
            return False

        for start in starts:
            # storages with real folders then ask about each of them, and list none of them
            for listed in self.access.files(start, recursive=not self.access.flat, enter=met):
                name, deeper, _ = listed.uri[len(start) :].partition("/")
                if deeper:
                    met(start + name)
                else:
                    files[listed.uri] = _entry(listed)
        return [*folders.values(), *files.values()]

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], object] = "omit",
        **kwargs: Any,
    ) -> Iterator[tuple[str, Any, Any]]:
        """Path, folders and files of each folder, by their names; as `fsspec` has it, but no file is left out.

        What cannot be listed raises, whatever `on_error` says, which is about a path that does not exist.
        """
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        path = path.rstrip("/")
        folders: dict[str, dict[str, Any]] = {}
        files: dict[str, dict[str, Any]] = {}
        try:
            entries = self.ls(path)
        except FileNotFoundError as error:
            if on_error == "raise":
                raise
            if callable(on_error):
                on_error(error)
            return
        for entry in entries:
            (folders if entry["type"] == "directory" else files)[entry["name"][len(_below(path)) :]] = entry
        detail = kwargs.get("detail", False)
        found = (path, folders if detail else list(folders), files if detail else list(files))
        if topdown:
            yield found
        if maxdepth is None or maxdepth > 1:
            for name in list(found[1]):
                deeper = None if maxdepth is None else maxdepth - 1
                yield from self.walk(_below(path) + name, deeper, topdown, on_error, **kwargs)
        if not topdown:
            yield found

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        """All files below a path, by one listing; or the file of this path.

        Args:
            path: A folder, or a file.
            maxdepth: Folders that are gone into, that of the path included; None for all.
            withdirs: Whether folders are given, too.
            detail: Whether a dictionary of entries is returned, and not a sorted list of names.
        """
        path = path.rstrip("/")
        found: dict[str, dict[str, Any]] = {}
        if maxdepth is None:
            for listed in self.access.files(_below(path)):
                found[listed.uri] = _entry(listed)
        else:
            for _, folders, files in self.walk(path, maxdepth, detail=True):
                found.update((entry["name"], entry) for entry in [*folders.values(), *files.values()])
        if not found and self.isfile(path):
            found[path] = self.info(path)
        above = {name[:at] for name in found for at in range(len(_below(path)), len(name)) if name[at] == "/"}
        folders = {name.rstrip("/") for name in above} - found.keys() - {path, ""}
        if path and found and path not in found:
            folders.add(path)
        found.update((name, _folder_entry(name)) for name in folders)
        if not withdirs:
            found = {name: entry for name, entry in found.items() if entry["type"] != "directory"}
        return {name: found[name] for name in sorted(found)} if detail else sorted(found)

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Size, time and version of a file, or that a path is a folder. Raises FileNotFoundError."""
        try:
            return _entry(self.access.info(path))
        except Exception as error:
            if self.access.failure(error, path).trouble is not Trouble.MISSING:
                raise
        for _ in self.access.files(_below(path.rstrip("/"))):
            return _folder_entry(path.rstrip("/"))
        raise FileNotFoundError(path)

    def modified(self, path: str) -> datetime:
        """When the content of a file last changed, in UTC. Raises FileNotFoundError for a folder, too."""
        modified: datetime | None = self.info(path).get("modified")
        if modified is None:
            raise FileNotFoundError(path)
        return modified.replace(tzinfo=UTC)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if mode != "rb":
            raise NotImplementedError("this filesystem is read only")
        return _BlockFile(self, path, mode, cache_type="readahead")

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """The bytes of a file, or of a part of it."""
        if start is None and end is None:
            content = self.access.open(path)
            try:
                return b"".join(iter(lambda: content.read(io.DEFAULT_BUFFER_SIZE * 128), b""))
            finally:
                content.close()
        size = self.access.info(path).size
        first, last, _ = slice(start, end).indices(size if size is not None else 1 << 62)
        return self.access.ranges(path, [(first, last)])[0] if last > first else b""


class _BlockFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = self.fs.access.ranges(self.path, [(start, end)])[0]
        return data


def _below(folder: str) -> str:
    """What the names of the files below a folder begin with."""
    return f"{folder}/" if folder else ""


def _entry(listed: Listed) -> dict[str, Any]:
    return {
        "name": listed.uri,
        "size": listed.size,
        "type": "file",
        "modified": listed.modified,
        "version": listed.version,
    }


def _folder_entry(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}
