"""Doing something again and again while something else takes its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ticking(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Within it, `action` is called every `seconds` seconds on a thread of its own; what it raises ends the calls."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(seconds):
            action()

    thread = threading.Thread(target=tick, name="ticking", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(1.0)
