"""What the servers of a folder of the disk have in common."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident

from servers.process import Server


class FolderServer(Server):
    """Serves the folders below `served`; as `name` is one of them, files of one are not below another.

    Attributes:
        served: The folder.
    """

    sets_times = True
    served: Path

    def folder(self, name: str) -> Path:
        """The folder `name`, made if it is not there."""
        folder = self.served / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        return folder

    def put(self, name: str, uri: str, data: bytes, modified: datetime | None = None) -> None:
        """As `Server.put`, and makes a folder of an empty file whose uri ends in ``/``.

        Raises OSError for what cannot be the path of a file.
        """
        path = f"{self.folder(name)}/{uri}"
        above = os.path.dirname(path)
        os.makedirs(above, 0o755, exist_ok=True)
        if uri.endswith("/") and not data:
            return
        new = f"{self.served}/.new-{get_ident()}"
        with open(new, "wb") as file:
            file.write(data)
        if modified is not None:
            seconds = (modified if modified.tzinfo else modified.replace(tzinfo=UTC)).timestamp()
            os.utime(new, (seconds, seconds))
        os.chmod(new, 0o644)
        os.replace(new, path)  # at once, as object stores do

    def remove(self, name: str, uri: str) -> None:
        """As `Server.remove`."""
        os.remove(f"{self.folder(name)}/{uri}")

    def forbid(self, name: str, uri: str) -> None:
        """Take the right to read a file, or to list a folder, from the server."""
        os.chmod(f"{self.folder(name)}/{uri}", 0)
