"""An FTP server: pyftpdlib, in this process."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from servers.folders import FolderServer
from servers.process import HOST, ServerMissing


class Ftp(FolderServer):
    """Serves folders of the disk to the user `username`.

    Args:
        without: Commands that it does not know. Many servers do not know MLSD, and tell minutes by LIST.
        port: Where to listen; any free port if 0.

    Attributes:
        port: Where it listens on the loopback interface.
        username: Who may log in.
        password: With this password.
    """

    username = "ann"
    password = "ftp-reader-password"

    def __init__(self, without: Collection[str] = (), port: int = 0) -> None:
        try:
            from pyftpdlib.authorizers import DummyAuthorizer
            from pyftpdlib.handlers import FTPHandler
            from pyftpdlib.servers import ThreadedFTPServer
        except ImportError:
            raise ServerMissing(
                "The test server pyftpdlib is missing: pip install 'pyftpdlib>=2', or run `make test`."
            ) from None
        self.served = Path(tempfile.mkdtemp(prefix="servers-ftp-"))
        self._authorizer = DummyAuthorizer()
        self._authorizer.add_user(self.username, self.password, str(self.served), perm="elr")
        commands = {name: about for name, about in FTPHandler.proto_cmds.items() if name not in without}
        settings = {
            "authorizer": self._authorizer,
            "proto_cmds": commands,
            "auth_failed_timeout": 0,
            "use_sendfile": False,
        }
        self._handler = type("Handler", (FTPHandler,), settings)
        self._server: Any = ThreadedFTPServer((HOST, port), self._handler)
        self.port: int = self._server.address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"timeout": 0.05}, daemon=True)
        self._thread.start()

    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """As `Server.provider`."""
        self.folder(name)
        url = f"ftp://{self.username}:{self.password}@{HOST}:{self.port}/{name}"
        return {"storage": "url", "url": url, **overrides}

    def refuse(self, name: str, uri: str) -> None:
        """Let nobody list a folder any more."""
        self._authorizer.override_perm(self.username, str(self.folder(name) / uri), perm="", recursive=True)

    def cut(self) -> None:
        """Break all connections."""
        for handler in list(self._server.ioloop.socket_map.values()):
            if isinstance(handler, self._handler):
                handler.close()

    def close(self) -> None:
        """As `Server.close`."""
        self._server.close_all()
        self._thread.join(10)
        shutil.rmtree(self.served, ignore_errors=True)
