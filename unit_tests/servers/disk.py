"""A folder of this machine, in the place of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servers.folders import FolderServer


class Disk(FolderServer):
    """The storage `local` over folders below one of this machine.

    Args:
        folder: An empty folder, which its maker removes.
    """

    def __init__(self, folder: Path) -> None:
        self.served = folder

    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """As `Server.provider`."""
        return {"storage": "local", "root": str(self.folder(name)), **overrides}

    def close(self) -> None:
        """Nothing is to be done."""
