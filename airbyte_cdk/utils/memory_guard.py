"""Ending a sync that is about to be killed for its use of memory, with a message instead of without one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = ["MemoryGuard"]

INTERVAL = 5000
"""Messages between two looks."""
INTERVAL_UNDER_PRESSURE = 100
PRESSURE = 0.90
"""Share of the limit from which on it looks more often."""
LIMIT = 0.95
ANONYMOUS = 0.85
"""Share of the usage that must be the process's own memory: a page cache is given back when needed."""

_logger = logging.getLogger("airbyte")


class MemoryGuard:
    """Looks at the memory of the container every few thousand messages.

    Without a cgroup, or without a limit in it, it does nothing. Both versions of cgroups are known
    (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory).

    Args:
        root: Where the cgroup file system is mounted.
    """

    def __init__(self, root: Path = Path("/sys/fs/cgroup")) -> None:
        self._files = _cgroup_files(root)
        self._since = 0
        self._pressure = False

    def count(self, messages: int) -> None:
        """Take note of messages that were read, and look if it is time.

        Raises:
            AirbyteTracedException: the memory is nearly used up.
        """
        self._since += messages
        if self._since >= (INTERVAL_UNDER_PRESSURE if self._pressure else INTERVAL):
            self._since = 0
            self.look()

    def look(self) -> None:
        """Look now; raises as `count` does."""
        if self._files is None:
            return
        usage_file, limit_file, stat_file, anonymous_key = self._files
        usage, limit = _number(usage_file), _number(limit_file)
        # Version 1 says "unlimited" with a number close to 2**63.
        if usage is None or limit is None or limit <= 0 or limit >= 1 << 60:
            return
        share = usage / limit
        if (share >= PRESSURE) != self._pressure:
            self._pressure = share >= PRESSURE
            _logger.info(
                "The container uses %d %% of its memory: %s.",
                round(share * 100),
                "close to its limit" if self._pressure else "back to normal",
            )
        anonymous = _stat(stat_file, anonymous_key)
        if share >= LIMIT and anonymous is not None and anonymous >= ANONYMOUS * usage:
            raise AirbyteTracedException(
                internal_message=f"{usage} of {limit} bytes of memory are in use, {anonymous} of them by processes",
                message="The sync was stopped because nearly all memory of the container is in use. "
                "Give the connector more memory.",
                failure_type=FailureType.system_error,
            )


def _cgroup_files(root: Path) -> tuple[Path, Path, Path, Iterable[str]] | None:
    two = root / "memory.current", root / "memory.max", root / "memory.stat"
    if two[0].is_file() and two[1].is_file():
        return *two, ("anon",)
    one = root / "memory"
    files = one / "memory.usage_in_bytes", one / "memory.limit_in_bytes", one / "memory.stat"
    return (*files, ("total_rss", "rss")) if files[0].is_file() and files[1].is_file() else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text().strip())  # the text "max" is no limit
    except (OSError, ValueError):
        return None


def _stat(path: Path, keys: Iterable[str]) -> int | None:
    try:
        lines = dict(line.split(" ", 1) for line in path.read_text().splitlines() if " " in line)
        return next((int(lines[key]) for key in keys if key in lines), None)
    except (OSError, ValueError):
        return None
