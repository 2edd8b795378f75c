"""The local filesystem, closed off at one folder."""

from __future__ import annotations

import os
from typing import Any

from fsspec.implementations.local import LocalFileSystem


class RootedFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The local filesystem without anything that lies outside of `root` once links are followed.

    Args:
        root: Real path of the folder.
    """

    cachable = False

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = root

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> list[Any]:
        """The entries of a folder; links stand for what they lead to.

        Links that lead out of the root, nowhere, or back to a folder above themselves are left out.
        """
        entries = [self._followed(entry) if entry["islink"] else entry for entry in super().ls(path, True, **kwargs)]
        return [entry if detail else entry["name"] for entry in entries if entry is not None]

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> Any:
        real = os.path.realpath(path)
        if not _within(real, self._root):
            raise PermissionError(f"{path} leads outside of the folder that may be read")
        return super()._open(real, mode=mode, block_size=block_size, **kwargs)

    def _followed(self, entry: dict[str, Any]) -> dict[str, Any] | None:
        real = os.path.realpath(entry["name"])
        above = os.path.realpath(os.path.dirname(entry["name"]))
        if not _within(real, self._root) or not os.path.exists(real) or _within(above, real):
            return None
        return {**self.info(real), "name": entry["name"]}


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
