"""A line on the terminal that tells how far a sync is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

REFRESH_SECONDS = 0.5


@contextmanager
def shown(line: Callable[[], str], terminal: TextIO | None) -> Iterator[None]:
    """Within it, `line()` stands at the bottom of `terminal` and is kept up to date; None shows nothing."""
    if terminal is None:
        yield
        return
    over = threading.Event()

    def show() -> None:
        with suppress(OSError, ValueError):  # a terminal that went away is no reason to stop
            while not over.wait(REFRESH_SECONDS):
                terminal.write(f"\r\x1b[K{line()}")
                terminal.flush()
            terminal.write(f"\r\x1b[K{line()}\n")
            terminal.flush()

    painter = threading.Thread(target=show, name="progress-line", daemon=True)
    painter.start()
    try:
        yield
    finally:
        over.set()
        painter.join(1.0)
