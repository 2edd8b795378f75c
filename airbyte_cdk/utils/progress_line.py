"""A line on the terminal that tells how far a sync is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from airbyte_cdk.utils.ticking import ticking

REFRESH_SECONDS = 0.5


@contextmanager
def shown(line: Callable[[], str], terminal: TextIO | None) -> Iterator[None]:
    """Within it, `line()` stands at the bottom of `terminal` and is kept up to date; None shows nothing."""
    if terminal is None:
        yield
        return

    def show(end: str = "") -> None:
        with suppress(OSError, ValueError):  # a terminal that went away is no reason to stop
            terminal.write(f"\r\x1b[K{line()}{end}")
            terminal.flush()

    try:
        with ticking(REFRESH_SECONDS, show):
            yield
    finally:
        show("\n")
