"""An SFTP server as a storage."""

from __future__ import annotations

import stat
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Event, Lock

import paramiko

from airbyte_cdk.sources.file_based.access.names import can_be
from airbyte_cdk.sources.file_based.access.storage_access import (
    NEVER,
    Content,
    Enter,
    Failure,
    Listed,
    StorageAccess,
    Trouble,
    anything,
)
from airbyte_cdk.sources.file_based.access.watch import TooSlow
from airbyte_cdk.sources.file_based.storages.sftp_connections import Connection, Connections, Login
from airbyte_cdk.sources.file_based.storages.sftp_errors import (
    NO_SUCH_FILE,
    PERMISSION_DENIED,
    SftpError,
    StatusError,
)
from airbyte_cdk.sources.file_based.storages.sftp_listing import joined, listed, listing, version, within
from airbyte_cdk.sources.file_based.storages.sftp_session import Attributes, Reply

PIECE = 32 << 10
"""Bytes asked for at once: the most that every server gives."""
MOST_PIECES = 128
"""Requests of one reader that are under way at once, so that a distant server always has work."""


class SftpAccess(StorageAccess):
    """The files below one folder of an SFTP server. Connects on first use.

    Args:
        login: The server.
        root: The folder; relative paths begin at the folder in which the user logs in.
    """

    def __init__(self, login: Login, root: str) -> None:
        self.title = f"SFTP server {login.host}:{login.port}"
        self._username = login.username
        self._connections = Connections(login)
        self._root = root
        self._real_root: bytes | None = None
        self._finding = Lock()

    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Enter = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        """As `StorageAccess.files`."""
        connection = self._connections.borrow()
        try:
            root = self._found_root(connection, again=True)
            yield from listing(connection.session, root, prefix, recursive, enter, wanted, over)
        finally:
            self._connections.give_back(connection)

    def open(self, uri: str, start: int = 0, version: str | None = None) -> SftpContent:
        """As `StorageAccess.open`. A file that grows is given as long as it is now; one that shrinks raises."""
        connection = self._connections.borrow()
        try:
            handle, attributes = self._opened(connection, uri, version)
        except BaseException:
            self._connections.give_back(connection)
            raise
        return SftpContent(self._connections, connection, handle, attributes, start)

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        """As `StorageAccess.ranges`: all asked for without waiting in between."""
        connection = self._connections.borrow()
        try:
            handle, attributes = self._opened(connection, uri, version)
            try:
                reader = _Reader(connection, handle)
                size = _size(attributes)
                spans = [(start, min(end, size)) for start, end in ranges]
                for start, end in spans:
                    reader.plan(start, end)
                watch = self.watch()
                return [watch.read_all(lambda _: reader.next(), end - start) for start, end in spans]
            finally:
                with suppress(SftpError):
                    connection.session.release(handle)
        except TooSlow:
            connection.close()  # a new one may be quicker
            raise
        finally:
            self._connections.give_back(connection)

    def info(self, uri: str) -> Listed:
        """As `StorageAccess.info`."""
        connection = self._connections.borrow()
        try:
            session = connection.session
            root = self._found_root(connection)
            path = _path(root, uri)
            real_reply, stat_reply = session.realpath(path), session.stat(path)
            attributes = session.attributes(stat_reply)
            _check_file(session.path(real_reply), attributes, root)
            return listed(uri, attributes)
        finally:
            self._connections.give_back(connection)

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        """As `StorageAccess.failure`."""
        if isinstance(error, StatusError) and error.code == PERMISSION_DENIED and uri is not None:
            return Failure(
                Trouble.CONFIG,
                f"the user {self._username} (option `username`) may not read it. Give that user the right to, or "
                "choose globs without the file",
            )
        if isinstance(error, SftpError):
            return error.failure
        if isinstance(error, (paramiko.SSHException, EOFError, OSError)):
            return Failure(Trouble.TEMPORARY, "the connection broke")
        if isinstance(error, struct.error):
            return Failure(Trouble.OTHER, "the server's answer is not SFTP")
        return Failure(Trouble.OTHER, f"unexpected error {type(error).__name__}")

    def close(self) -> None:
        """End the connections. The access can still be used: it connects again."""
        self._connections.close()

    def _found_root(self, connection: Connection, again: bool = False) -> bytes:
        """The real path of the root, asked for once, or `again`."""
        with self._finding:
            if self._real_root is None or again:
                session = connection.session
                path = self._root.encode("utf-8", "surrogateescape")
                real_reply, stat_reply = session.realpath(path), session.stat(path)
                try:
                    attributes = session.attributes(stat_reply)
                    real = session.path(real_reply)
                except StatusError as error:
                    if error.failure.trouble not in (Trouble.MISSING, Trouble.CONFIG):
                        raise
                    why = (
                        "does not exist"
                        if error.code == NO_SUCH_FILE
                        else f"may not be read by the user {self._username}"
                    )
                    raise SftpError(Trouble.CONFIG, f"the folder {self._root} (option `root`) {why}") from error
                if not stat.S_ISDIR(attributes.mode or 0):
                    raise SftpError(Trouble.CONFIG, f"{self._root} (option `root`) is not a folder")
                self._real_root = real
            return self._real_root

    def _opened(self, connection: Connection, uri: str, expected: str | None) -> tuple[bytes, Attributes]:
        session = connection.session
        root = self._found_root(connection)
        path = _path(root, uri)
        real_reply, open_reply = session.realpath(path), session.open(path)
        handle = session.handle(open_reply)
        try:
            attributes = session.attributes(session.fstat(handle))
            _check_file(session.path(real_reply), attributes, root)
            if expected is not None and version(attributes) != expected:
                raise SftpError(Trouble.CHANGED, "it was changed since it was listed")
            return handle, attributes
        except SftpError:
            with suppress(SftpError):
                session.release(handle)
            raise


class SftpContent(Content):
    """The bytes of a file as they come over a connection, asked for ahead."""

    def __init__(
        self, connections: Connections, connection: Connection, handle: bytes, attributes: Attributes, start: int
    ) -> None:
        self.size: int = _size(attributes)
        self.version = version(attributes)
        self._connections = connections
        self._connection = connection
        self._handle = handle
        self._reader = _Reader(connection, handle)
        self._reader.plan(start, self.size)
        self._rest = memoryview(b"")
        self._closed = False

    def read(self, n: int) -> bytes:
        """As `Content.read`."""
        if self._closed:
            raise ValueError("the file is closed")
        if not self._rest:
            piece = self._reader.next()
            if len(piece) <= n:
                return piece
            self._rest = memoryview(piece)
        part = bytes(self._rest[:n])
        self._rest = self._rest[n:]
        return part

    def close(self) -> None:
        """As `Content.close`."""
        if self._closed:
            return
        self._closed = True
        with suppress(SftpError):  # a broken connection has let go already
            self._connection.session.release(self._handle)
        self._connections.give_back(self._connection)


class _Reader:
    """Reads spans of an open file in turn, with more and more requests ahead of the reader."""

    def __init__(self, connection: Connection, handle: bytes) -> None:
        self._session = connection.session
        self._handle = handle
        self._planned: deque[tuple[int, int]] = deque()
        self._asked: deque[tuple[Reply, int, int]] = deque()
        self._ahead = 2  # most files are small

    def plan(self, start: int, end: int) -> None:
        """Read this span after those planned before."""
        if end > start:
            self._planned.append((start, end))

    def next(self) -> bytes:
        """The next bytes of what is planned, never of two spans; ``b""`` at the end of the plan.

        Raises:
            SftpError: also if the file has become shorter than the plan.
        """
        while self._planned and len(self._asked) < self._ahead:
            start, end = self._planned.popleft()
            length = min(PIECE, end - start)
            self._asked.append((self._session.read(self._handle, start, length), start, length))
            if start + length < end:
                self._planned.appendleft((start + length, end))
        if not self._asked:
            return b""
        reply, start, length = self._asked[0]  # stays there if it fails: what follows must not take its place
        data = self._session.data(reply)
        if not data:
            raise SftpError(Trouble.CHANGED, "it became shorter while it was read")
        self._asked.popleft()
        if len(data) < length:  # a server may give less than it is asked for
            start, length = start + len(data), length - len(data)
            self._asked.appendleft((self._session.read(self._handle, start, length), start, length))
        self._ahead = min(self._ahead * 2, MOST_PIECES)
        return data


def _path(root: bytes, uri: str) -> bytes:
    """The path of a uri on the server; what cannot be the uri of a file is none."""
    if not can_be(uri.split("/")):
        raise StatusError(NO_SUCH_FILE, "")
    return joined(root, uri)


def _check_file(real: bytes, attributes: Attributes, root: bytes) -> None:
    if not stat.S_ISREG(attributes.mode or 0):
        raise StatusError(NO_SUCH_FILE, "")
    if not within(real, root):
        raise SftpError(Trouble.MISSING, "it leads out of the folder of the option `root`")


def _size(attributes: Attributes) -> int:
    if attributes.size is None:
        raise SftpError(Trouble.OTHER, "the server does not tell its size")
    return attributes.size
