"""Access to the files below a URL of fsspec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import fsspec

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.fsspec_access import FsspecAccess, failure_of_access
from airbyte_cdk.sources.file_based.access.storage_access import (
    Content,
    Failure,
    Listed,
    StorageAccess,
    Trouble,
)
from airbyte_cdk.sources.file_based.storages.http_urls import shown
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

_OF_A_HOST = frozenset({"ftp", "sftp", "ssh", "smb", "hdfs", "webhdfs", "http", "https"})
"""Protocols whose URLs name a host."""


class UrlAccess(StorageAccess):
    """The files below a URL. Connects on first use, and again after a connection that broke.

    Some filesystems connect when they are made, and stay broken once their connection is.

    Args:
        url: As fsspec writes it, also chained: ``zip://::ftp://example.com/all.zip``.
        options: Of the filesystem.

    Raises:
        AirbyteTracedException: from every method, a config_error if the options do not fit the filesystem.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.title = f"URL {'::'.join(map(shown, url.split('::')))}"
        self._url = url
        self._options = options
        self._host = _host(url, options)
        self._connecting = Lock()
        self._access: FsspecAccess | None = None

    def files(self, prefix: str, **options: Any) -> Iterator[Listed]:
        """As `FsspecAccess.files`."""
        with self._connected() as access:
            yield from access.files(prefix, **options)

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        """As `FsspecAccess.open`."""
        with self._connected() as access:
            return access.open(uri, start, version)

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        """As `FsspecAccess.ranges`."""
        with self._connected() as access:
            return access.ranges(uri, ranges, version)

    def info(self, uri: str) -> Listed:
        """As `FsspecAccess.info`."""
        with self._connected() as access:
            return access.info(uri)

    def handle(self, uri: str) -> BinaryIO | None:
        """As `FsspecAccess.handle`."""
        with self._connected() as access:
            return access.handle(uri)

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        """As `FsspecAccess.failure`."""
        return failure_of_access(error, uri, self._host, "`url`")

    def close(self) -> None:
        """End the connection."""
        self._access = None

    @contextmanager
    def _connected(self) -> Iterator[FsspecAccess]:
        """The access; it is not used again after an error that a new connection may mend."""
        with self._connecting:
            access = self._access = self._access or self._made()
        try:
            yield access
        except Exception as error:
            if not access.mends_itself and self.failure(error).trouble is Trouble.TEMPORARY:
                with self._connecting:
                    self._access = None if self._access is access else self._access
            raise

    def _made(self) -> FsspecAccess:
        if "ftp" in (part.partition("://")[0] for part in self._url.split("::")):
            from airbyte_cdk.sources.file_based.storages.ftp_filesystem import FtpFileSystem

            fsspec.register_implementation("ftp", FtpFileSystem, clobber=True)
        try:
            filesystem, root = fsspec.core.url_to_fs(self._url, **{**self._options, "skip_instance_cache": True})
        except (ValueError, ImportError, TypeError) as error:
            raise refused(error) from error
        access = FsspecAccess(filesystem, root)
        access.watch = self.watch
        if access.mends_itself:
            access.retried = self.retried  # else the whole listing begins anew, with a new connection
        return access


def refused(error: Exception) -> AirbyteTracedException:
    """The error that a URL, or its options, cannot be used."""
    message = f"The URL of the storage cannot be opened: {error}"
    return AirbyteTracedException(
        internal_message=message, message=message, failure_type=FailureType.config_error, exception=error
    )


def _host(url: str, options: Mapping[str, Any]) -> str | None:
    """The host to which a connection is made, with its port, if the URL or the options tell."""
    innermost = url.rpartition("::")[2]
    protocol = innermost.partition("://")[0]
    if protocol not in _OF_A_HOST:
        return None
    parts = urlsplit(innermost)
    of_protocol = {**options, **(options.get(protocol) or {})}
    host = parts.netloc.rpartition("@")[2] or of_protocol.get("host")
    port = of_protocol.get("port")
    return f"{host}:{port}" if host and port and ":" not in host else host or None
