"""The SFTP protocol, version 3, read only, on an open channel.

Written out rather than taken from paramiko: its client does not open folders with a name that is not UTF-8, hangs when
threads share it, and reads at a tenth of the speed. The rules are those of
`draft-ietf-secsh-filexfer-02 <https://www.ietf.org/archive/id/draft-ietf-secsh-filexfer-02.txt>`_, which every server
speaks.
"""

from __future__ import annotations

import struct
from threading import Condition, Lock
from typing import NamedTuple, Protocol

from airbyte_cdk.sources.file_based.storages.sftp_errors import ConnectionLost, StatusError

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, FSTAT, OPENDIR, READDIR, REALPATH, STAT, READLINK = 3, 4, 5, 8, 11, 12, 16, 17, 19
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
OK, EOF = 0, 1

_FOR_READING = 1
_LONGEST_PACKET = 1 << 24
_RECEIVED_AT_ONCE = 1 << 20


class Channel(Protocol):
    """What a session needs of ``paramiko.Channel``."""

    def recv(self, nbytes: int) -> bytes:
        """Bytes as they come; ``b""`` once the channel is closed; TimeoutError."""
        ...

    def sendall(self, s: bytes) -> None:
        """Send all of `s`."""
        ...


class Attributes(NamedTuple):
    """What a server tells about a file; None where it does not.

    Attributes:
        size: Bytes.
        mode: Kind and permissions, as `stat` has them.
        modified: Seconds since 1970 (UTC).
    """

    size: int | None
    mode: int | None
    modified: int | None


class Entry(NamedTuple):
    """One entry of a folder: its name, and what is told about it (of a link, about the link itself)."""

    name: bytes
    attributes: Attributes


class Reply:
    """The answer to one request, perhaps still on its way; see `SftpSession.wait`."""

    __slots__ = ("body", "kind")

    def __init__(self) -> None:
        self.kind = 0
        self.body = b""


class SftpSession:
    """Requests to one SFTP server, and their replies. May be used by several threads at once.

    Any number of requests may be sent before the first reply is waited for; the server answers them in turn.

    Args:
        channel: Connected to the server's subsystem ``sftp``, with a timeout.

    Raises:
        ConnectionLost: from every method, once the channel broke or timed out; the session stays unusable.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._sending = Lock()
        self._number = 0
        self._asked: dict[int, Reply] = {}
        self._buffer = bytearray()
        self._arrived = Condition()
        self._receiving = False
        self.broken: ConnectionLost | None = None
        self._asked[0] = greeting = Reply()
        self._transmit(struct.pack(">IBI", 5, INIT, 3))
        self.wait(greeting)

    def close(self) -> None:
        """End the session; whoever waits for a reply gets ConnectionLost once the channel is closed too."""
        self._fail(ConnectionLost("the connection was closed"))

    # requests

    def open(self, path: bytes) -> Reply:
        """Ask for a handle to read a file; see `handle`."""
        return self._send(OPEN, _text(path) + struct.pack(">II", _FOR_READING, 0))

    def opendir(self, path: bytes) -> Reply:
        """Ask for a handle to list a folder; see `handle`."""
        return self._send(OPENDIR, _text(path))

    def read(self, handle: bytes, offset: int, length: int) -> Reply:
        """Ask for bytes of an open file; see `data`. Every server takes a length of 32 KiB."""
        return self._send(READ, _text(handle) + struct.pack(">QI", offset, length))

    def readdir(self, handle: bytes) -> Reply:
        """Ask for the next entries of an open folder; see `entries`."""
        return self._send(READDIR, _text(handle))

    def stat(self, path: bytes) -> Reply:
        """Ask for what a path leads to, links followed; see `attributes`."""
        return self._send(STAT, _text(path))

    def fstat(self, handle: bytes) -> Reply:
        """Ask about an open file; see `attributes`."""
        return self._send(FSTAT, _text(handle))

    def realpath(self, path: bytes) -> Reply:
        """Ask for the absolute path; see `path`. OpenSSH follows links for that, some servers do not."""
        return self._send(REALPATH, _text(path))

    def readlink(self, path: bytes) -> Reply:
        """Ask what a link leads to; see `path`."""
        return self._send(READLINK, _text(path))

    def release(self, handle: bytes) -> None:
        """Close a handle; whether the server could is not waited for."""
        self._send(CLOSE, _text(handle))

    # replies

    def handle(self, reply: Reply) -> bytes:
        """The handle of an open file or folder. Raises StatusError."""
        return _text_at(self._expected(reply, HANDLE), 0)[0]

    def data(self, reply: Reply) -> bytes:
        """Bytes of a file, perhaps fewer than asked for; ``b""`` beyond its end. Raises StatusError."""
        body = self._expected(reply, DATA, may_end=True)
        return body[4:]

    def entries(self, reply: Reply) -> list[Entry]:
        """The next entries of a folder; none once all were given. Raises StatusError."""
        body = self._expected(reply, NAME, may_end=True)
        return _entries(body) if body else []

    def path(self, reply: Reply) -> bytes:
        """A path. Raises StatusError."""
        return _text_at(self._expected(reply, NAME), 4)[0]

    def attributes(self, reply: Reply) -> Attributes:
        """What the server tells about a file. Raises StatusError."""
        return _attributes(self._expected(reply, ATTRS), 0)[0]

    def wait(self, reply: Reply) -> None:
        """Return once the reply is there.

        One of the threads that wait receives for all of them: nobody needs a thread that only receives.
        """
        with self._arrived:
            while not reply.kind:
                if self.broken is not None:
                    raise ConnectionLost(self.broken.failure.reason) from self.broken
                if self._receiving:
                    self._arrived.wait()
                    continue
                self._receiving = True
                self._arrived.release()
                received = b""
                failed: Exception | None = None
                try:
                    received = self._channel.recv(_RECEIVED_AT_ONCE)
                except Exception as error:  # OSError, SSHException, EOFError: it also tells the server to go on
                    failed = error
                finally:
                    self._arrived.acquire()
                    self._receiving = False
                    self._arrived.notify_all()
                if received:
                    self._take(received)
                elif self.broken is None:
                    silent = isinstance(failed, TimeoutError)
                    self.broken = ConnectionLost(
                        "the server stopped answering" if silent else "the connection was cut off"
                    )
                    self.broken.__cause__ = failed

    def _expected(self, reply: Reply, kind: int, may_end: bool = False) -> bytes:
        self.wait(reply)
        if reply.kind == kind:
            return reply.body
        if reply.kind != STATUS:
            lost = ConnectionLost(f"the server answers a request with a packet of the wrong kind {reply.kind}")
            self._fail(lost)
            raise lost
        (code,) = struct.unpack_from(">I", reply.body)
        if code == EOF and may_end:
            return b""
        # servers of the first days send no text
        text = _text_at(reply.body, 4)[0] if len(reply.body) >= 8 else b""
        raise StatusError(code, text.decode("utf-8", "backslashreplace"))

    def _send(self, kind: int, body: bytes) -> Reply:
        reply = Reply()
        with self._sending:
            self._number = number = self._number % 0xFFFFFFFF + 1
            with self._arrived:
                if self.broken is not None:
                    raise ConnectionLost(self.broken.failure.reason) from self.broken
                self._asked[number] = reply
            self._transmit(struct.pack(">IBI", len(body) + 5, kind, number) + body)
        return reply

    def _transmit(self, packet: bytes) -> None:
        try:
            self._channel.sendall(packet)
        except Exception as error:  # OSError, SSHException, EOFError: part of a packet may have gone out
            lost = ConnectionLost("the connection was cut off")
            self._fail(lost)
            raise lost from error

    def _fail(self, lost: ConnectionLost) -> None:
        with self._arrived:
            if self.broken is None:
                self.broken = lost
            self._arrived.notify_all()

    def _take(self, received: bytes) -> None:
        """Hand the packets that are complete to their requests. The caller holds the lock."""
        buffer = self._buffer
        buffer += received
        start, end = 0, len(buffer)
        while end - start >= 9:
            length, kind, number = struct.unpack_from(">IBI", buffer, start)
            if not 5 <= length <= _LONGEST_PACKET:
                self.broken = ConnectionLost("the server's answer is not SFTP")
                return
            if end - start < length + 4:
                break
            # VERSION has no number: its place holds the version
            reply = self._asked.pop(0 if kind == VERSION else number, None)
            if reply is not None:
                reply.body = bytes(memoryview(buffer)[start + 9 : start + 4 + length])
                reply.kind = kind
            start += length + 4
        del buffer[:start]


def _text(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _text_at(body: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from(">I", body, at)
    return body[at + 4 : at + 4 + length], at + 4 + length


def _entries(body: bytes) -> list[Entry]:
    (count,) = struct.unpack_from(">I", body)
    at, found = 4, []
    for _ in range(count):
        name, at = _text_at(body, at)
        (length,) = struct.unpack_from(">I", body, at)  # the line of `ls -l`: in no fixed form
        attributes, at = _attributes(body, at + 4 + length)
        found.append(Entry(name, attributes))
    return found


_SIZE, _OWNER, _MODE, _TIMES, _MORE = 1, 2, 4, 8, 0x80000000
_USUAL = struct.Struct(">IQIIIII")


def _attributes(body: bytes, at: int) -> tuple[Attributes, int]:
    (flags,) = struct.unpack_from(">I", body, at)
    if flags == _SIZE | _OWNER | _MODE | _TIMES:
        _, size, _, _, mode, _, modified = _USUAL.unpack_from(body, at)
        return Attributes(size, mode, modified), at + _USUAL.size
    at += 4
    found: dict[str, int] = {}
    if flags & _SIZE:
        (found["size"],) = struct.unpack_from(">Q", body, at)
        at += 8
    if flags & _OWNER:
        at += 8
    if flags & _MODE:
        (found["mode"],) = struct.unpack_from(">I", body, at)
        at += 4
    if flags & _TIMES:
        (found["modified"],) = struct.unpack_from(">I", body, at + 4)
        at += 8
    if flags & _MORE:
        (count,) = struct.unpack_from(">I", body, at)
        at += 4
        for _ in range(2 * count):
            at = _text_at(body, at)[1]
    return Attributes(found.get("size"), found.get("mode"), found.get("modified")), at
