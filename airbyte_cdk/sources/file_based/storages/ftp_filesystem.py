"""The FTP filesystem of fsspec, made so that its answers can be trusted."""

from __future__ import annotations

from datetime import datetime
from ftplib import error_perm
from typing import Any

from fsspec.implementations.ftp import FTPFile, FTPFileSystem

from airbyte_cdk.sources.file_based.access.fsspec_access import BLOCK_BYTES, ChangedFile

_UNKNOWN = ("500", "501", "502", "504")
"""Answers of a server that does not know a command."""


class FtpFileSystem(FTPFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files of an FTP server, read only, with their sizes and times as they are now.

    fsspec's own takes a folder that the server refuses to list for an empty one, answers from old listings, takes the
    minutes of LIST, in the server's time zone, for times in UTC, and reads on in a file that was replaced.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._knows: dict[str, bool] = {}
        super().__init__(*args, **kwargs)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """The entries of a folder, without a time where `modified` knows better. Links to folders are not followed."""
        path = self._strip_protocol(path)
        self.dircache.clear()
        entries: list[dict[str, Any]] = super().ls(path, detail=True, **kwargs)
        if not entries and path not in self.dircache:
            self.ftp.dir(path, lambda line: None)  # raises what was kept back
            raise OSError("the server did not list the folder")
        for entry in entries:
            if str(entry.get("unix.mode", "")).startswith("l"):
                entry.update(self._file(entry["name"]) or {"type": "link"})
            if entry["type"] == "file" and not str(entry.get("modify", "0"))[:1].isdigit():
                if "MDTM" not in self._knows:
                    self._asked("MDTM", entry["name"])
                if self._knows["MDTM"]:
                    del entry["modify"]
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Size and time of a file now, or that a path is a folder. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        if (file := self._file(path)) is not None:
            return file
        if self._knows["SIZE"] and self._is_folder(path):
            return {"name": path, "size": 0, "type": "directory"}
        found: dict[str, Any] = super().info(path, **kwargs)
        return found

    def modified(self, path: str) -> datetime:
        """When a file was changed last, in UTC. Raises NotImplementedError if the server does not tell."""
        time = self._asked("MDTM", self._strip_protocol(path))
        if time is None:
            raise NotImplementedError
        return datetime.strptime(time[:14], "%Y%m%d%H%M%S")

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> FTPFile:
        return _FtpFile(self, self._strip_protocol(path), mode=mode, block_size=block_size or BLOCK_BYTES)

    def _file(self, path: str) -> dict[str, Any] | None:
        """What the server tells of one file; None if there is no such file, or the server has no commands for that."""
        self.ftp.voidcmd("TYPE I")  # of text, servers do not tell the size
        size, time = (self._asked(command, path) for command in ("SIZE", "MDTM"))
        if size is None or time is None:
            return None
        return {"name": path, "size": int(size), "type": "file", "modify": time}

    def _asked(self, command: str, path: str) -> str | None:
        """The answer to a command about a file; None if there is none of this name, or the command is not known."""
        if not self._knows.get(command, True):
            return None
        try:
            answer = self.ftp.voidcmd(f"{command} {path}")
        except error_perm as error:
            self._knows[command] = self._knows.get(command, False) or not str(error).startswith(_UNKNOWN)
            return None
        self._knows[command] = True
        return str(answer)[4:].strip()

    def _is_folder(self, path: str) -> bool:
        try:
            self.ftp.cwd(path)
            return True
        except error_perm:
            return False


class _FtpFile(FTPFile):  # type: ignore[misc]  # fsspec has no types
    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = super()._fetch_range(start, end)
        if self.fs.info(self.path) != self.details:
            raise ChangedFile  # or parts of two contents would be one
        return data
