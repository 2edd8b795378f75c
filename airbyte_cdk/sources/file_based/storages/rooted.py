"""The local filesystem, closed off at one folder."""

from __future__ import annotations

import errno
import os
from typing import Any

from fsspec.implementations.local import LocalFileSystem


class RootedFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The local filesystem without anything that lies outside of `root` once links are followed.

    Args:
        root: Real path of the folder.
    """

    cachable = False
    follows_links = True

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = root

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> list[Any]:
        """The entries of a folder; ``islink`` tells links, which `info` follows."""
        self._inside(path)
        entries: list[Any] = super().ls(path, detail, **kwargs)
        return entries

    def info(self, path: Any, **kwargs: Any) -> dict[str, Any]:
        """What is told of a file or folder, links followed; ``real`` is its path without them.

        Raises:
            FileNotFoundError: There is none, or it lies outside of the root.
        """
        if isinstance(path, os.DirEntry):
            entry: dict[str, Any] = super().info(path, **kwargs)
            return entry
        real = self._inside(path)
        return {**super().info(real, **kwargs), "name": self._strip_protocol(path), "real": real}

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> Any:
        real = os.path.realpath(path)
        if not _within(real, self._root):
            raise PermissionError(f"{path} leads outside of the folder that may be read")
        return super()._open(real, mode=mode, block_size=block_size, **kwargs)

    def _inside(self, path: str) -> str:
        """The real path, which lies in the root."""
        real: str = os.path.realpath(self._strip_protocol(path))
        if not _within(real, self._root):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return real


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
