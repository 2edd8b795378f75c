"""A storage access as an fsspec filesystem, read only."""

from __future__ import annotations

import io
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from airbyte_cdk.sources.file_based.access.storage_access import Listed, StorageAccess, Trouble


class AccessFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files of a storage access under the interface of fsspec: `ls`, `find`, `glob`, `info`, `open`, `cat_file`.

    `FsspecStreamReader` asks a filesystem for `storage_access`, and so goes past this interface to the access itself:
    what `connect` of a storage returns is ``AccessFileSystem(access), ""``. Used by itself, it raises what the access
    raises, and tries nothing again::

        AccessFileSystem(access).cat_file("2024/june.csv", 0, 100)  # the first 100 bytes

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
        """The files and folders of one folder."""
        folder = path.rstrip("/")
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        for listed in self.access.files(prefix):
            name, below, _ = listed.uri[len(prefix) :].partition("/")
            if below:
                entries.setdefault(prefix + name, {"name": prefix + name, "size": 0, "type": "directory"})
            elif name:
                entries[listed.uri] = _entry(listed)
        if not entries:
            if not folder:
                return []
            return [self.info(path)] if detail else [path]
        return list(entries.values()) if detail else list(entries)

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Size, time and version of a file, or that a path is a folder. Raises FileNotFoundError."""
        try:
            return _entry(self.access.info(path))
        except Exception as error:
            if self.access.failure(error, path).trouble is not Trouble.MISSING:
                raise
        prefix = f"{path.rstrip('/')}/"
        for _ in self.access.files(prefix):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

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


def _entry(listed: Listed) -> dict[str, Any]:
    return {
        "name": listed.uri,
        "size": listed.size,
        "type": "file",
        "modified": listed.modified,
        "version": listed.version,
    }
