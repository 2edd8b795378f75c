"""Files that downloads are written to until they are whole, and what is left of them when a process was killed."""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from uuid import uuid4

YOUNGEST = 10.0
"""Seconds since its last byte after which a part file may be nobody's: it is made before it is locked."""

_NAME = re.compile(r"\.airbyte-copy-[0-9a-f]{32}\.part")


def new_part_path(directory: str) -> str:
    """The path of a new part file, of a name that nothing else has."""
    return os.path.join(directory, f".airbyte-copy-{uuid4().hex}.part")


def opened_part(path: str) -> int:
    """A descriptor of a new part file, locked as long as it is open; the lock ends with the process in any case."""
    part = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    with suppress(OSError):  # not every filesystem has locks; `sweep` then leaves the file alone
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return part


def sweep(directory: str) -> None:
    """Remove the part files that dead processes left in `directory`: known by their name, and not locked any more."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    _remove_if_dead(entry.path)


def _remove_if_dead(path: str) -> None:
    part = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        if time.time() - os.fstat(part).st_mtime < YOUNGEST:
            return
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(part)
