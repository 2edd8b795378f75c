"""A folder of this machine, in the place of a server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers.folders import FolderServer


@contextmanager
def small_disk(folder: Path, megabytes: int = 4) -> Iterator[Path]:
    """A disk at an empty folder; skips the test where none can be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


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
