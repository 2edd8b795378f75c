"""An SFTP server in this process, for what OpenSSH cannot be made to do here: passwords without a system user, and the
ways of other servers: this one's REALPATH does not follow links, as that of servers in Go does not.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paramiko

from servers.process import HOST

PASSWORD = "open-sesame-2026"
USERNAME = "ann"


class ParamikoSftp:
    """Serves a folder to the user `USERNAME` with the password `PASSWORD`.

    Args:
        folder: Its root: paths are relative to it.
        methods: What `USERNAME` can sign in by, as SSH names it.
        then: A further method that is asked for after the password.
        longest_read: Bytes that it gives at once at most.
        bare: Its listings tell names only.
        sftp: Whether it has SFTP at all.
        says: Text that comes instead of SFTP, as from a shell that lets nobody in.
        rsa: Whether it has an RSA host key beside the ECDSA one.

    Attributes:
        host_keys: Its public keys, as a line of known_hosts has them after the host.
    """

    def __init__(
        self,
        folder: Path,
        methods: str = "password",
        then: str | None = None,
        longest_read: int = 1 << 30,
        bare: bool = False,
        sftp: bool = True,
        says: bytes = b"",
        rsa: bool = False,
    ) -> None:
        self.folder = folder
        self.methods = methods
        self.then = then
        self.longest_read = longest_read
        self.bare = bare
        self._sftp = sftp
        self._says = says
        self._keys: list[paramiko.PKey] = [paramiko.ECDSAKey.generate()]
        if rsa:
            self._keys.append(paramiko.RSAKey.generate(2048))
        self.host_keys = [f"{key.get_name()} {key.get_base64()}" for key in self._keys]
        self._listening = socket.create_server((HOST, 0))
        self.port: int = self._listening.getsockname()[1]
        self._transports: list[paramiko.Transport] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def provider(self, **overrides: Any) -> dict[str, Any]:
        """The options that read it."""
        return {
            "storage": "sftp",
            "host": HOST,
            "port": self.port,
            "username": USERNAME,
            "root": "/",
            "credentials": {"auth_type": "password", "password": PASSWORD},
            "host_key": self.host_keys[0],
            **overrides,
        }

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return  # closed
            transport = paramiko.Transport(connection)
            self._transports.append(transport)
            for key in self._keys:
                transport.add_server_key(key)
            if self._says:
                transport.set_subsystem_handler("sftp", _Text, self._says)
            elif self._sftp:
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, self)
            transport.start_server(server=_Door(self), event=threading.Event())

    def close(self) -> None:
        """End it."""
        self._listening.close()
        for transport in self._transports:
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Door(paramiko.ServerInterface):
    def __init__(self, server: ParamikoSftp) -> None:
        self._server = server

    def get_allowed_auths(self, username: str) -> str:
        return self._server.then or self._server.methods

    def check_auth_password(self, username: str, password: str) -> int:
        if (username, password) != (USERNAME, PASSWORD):
            return paramiko.AUTH_FAILED
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL if self._server.then else paramiko.AUTH_SUCCESSFUL

    def check_auth_interactive(self, username: str, submethods: str) -> paramiko.InteractiveQuery:
        return paramiko.InteractiveQuery("", "", ("Password:", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return paramiko.AUTH_SUCCESSFUL if responses == [PASSWORD] else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Text(paramiko.SubsystemHandler):
    def __init__(self, channel: paramiko.Channel, name: str, server: paramiko.ServerInterface, says: bytes) -> None:
        super().__init__(channel, name, server)
        self._says = says

    def start_subsystem(self, name: str, transport: paramiko.Transport, channel: paramiko.Channel) -> None:
        channel.sendall(self._says)


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, door: _Door, server: ParamikoSftp) -> None:
        super().__init__(door)
        self._server = server

    def _local(self, path: str) -> str:
        return f"{self._server.folder}/{path.lstrip('/')}"

    def list_folder(self, path: str) -> Any:
        try:
            names = os.listdir(self._local(path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        found = []
        for name in names:
            attributes = paramiko.SFTPAttributes.from_stat(os.lstat(self._local(f"{path}/{name}")), name)
            if self._server.bare:
                attributes.st_mode = attributes.st_size = attributes.st_mtime = None
            found.append(attributes)
        return found

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(self._local(path)))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def readlink(self, path: str) -> Any:
        try:
            return os.readlink(self._local(path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> Any:
        try:
            file = open(self._local(path), "rb")  # noqa: SIM115  the handle closes it
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = _Handle(flags)
        handle.readfile = file
        handle.longest = self._server.longest_read
        return handle


class _Handle(paramiko.SFTPHandle):
    readfile: Any
    longest: int

    def read(self, offset: int, length: int) -> Any:
        return super().read(offset, min(length, self.longest))

    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))
