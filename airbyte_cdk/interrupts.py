"""SIGTERM, SIGINT and a closed output, turned into one exception at a point where nothing is lost.

A signal may arrive between any two steps of the main thread. While records are read, raising there could lose a
record that a later STATE covers, so during a read the signal is only noted (`deferred`), and whoever drives the read
calls `check_interrupted` where it holds nothing. Everywhere else the exception is raised at once. Whatever happens,
the process is gone within `HARD_STOP` seconds of the first signal.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from types import FrameType
from typing import Any

FORCED_STOP = 2.0
"""Seconds after which a noted signal is raised wherever the main thread is, if nobody looked for it until then."""
HARD_STOP = 8.0
"""Seconds after which the process ends without any more clean-up."""
_ECHO = 0.2
"""Seconds within which a second signal is taken for the same one: `timeout` and shells signal a child twice."""


class Interrupted(BaseException):
    """The process was told to stop.

    Not an `Exception`, so that code which survives failures does not survive this. Whoever catches it to write a
    last state raises it again afterwards.

    Attributes:
        signum: The signal (`SIGTERM`, `SIGINT`), or `SIGPIPE` if nobody reads the output any more.
        exit_code: What the process ends with: 143 for SIGTERM, 130 for SIGINT, 1 for a closed output.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """Exit code of the process."""
        return 1 if self.signum == signal.SIGPIPE else 128 + self.signum

    def __str__(self) -> str:
        return signal.Signals(self.signum).name


class _Stop:
    """What is known about the request to stop; one at a time in a process."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self.at = 0.0
        self.raised = False
        self.deferred = 0
        self.unbreakable = 0
        self.forced = False
        self.over = threading.Event()
        self.before: dict[signal.Signals, Any] = {}


_stop = _Stop()
_MAIN = threading.main_thread().ident


def check_interrupted() -> None:
    """Raise `Interrupted` if the process was told to stop and nobody was told so far; call it where nothing is held.

    Raises only once, so that the clean-up that follows can wait and write undisturbed.
    """
    if _stop.signum is not None and not _stop.raised and threading.current_thread() is threading.main_thread():
        _stop.raised = True
        raise Interrupted(_stop.signum)


def request(signum: int) -> None:
    """Ask the read to stop, from any thread: the next `check_interrupted` raises."""
    if _stop.signum is None:
        _stop.signum = signum
        _stop.at = time.monotonic()


def requested() -> bool:
    """Whether the process was told to stop: for the threads that `check_interrupted` leaves alone."""
    return _stop.signum is not None


@contextmanager
def deferred() -> Iterator[None]:
    """Within it, a signal is raised by `check_interrupted` only, or by force after `FORCED_STOP` seconds."""
    _stop.deferred += 1
    try:
        yield
    finally:
        _stop.deferred -= 1


class _Unbreakable:
    """Not a generator: entered for every line that is written."""

    def __enter__(self) -> None:
        if get_ident() == _MAIN:
            _stop.unbreakable += 1

    def __exit__(self, *exc: object) -> None:
        if get_ident() == _MAIN:
            _stop.unbreakable -= 1


unbreakable = _Unbreakable()
"""Within it (``with unbreakable:``) no signal is raised in the main thread: for steps that must not be cut in half."""


@contextmanager
def handled() -> Iterator[None]:
    """Within it, SIGTERM and SIGINT stop the process as this module says.

    A second signal ends the process at once. Outside the main thread, where no handler can be installed, nothing
    changes.
    """
    global _stop
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _stop = stop = _Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop.before = before
    for number in before:
        signal.signal(number, _on_signal)
    try:
        yield
    finally:
        stop.over.set()
        _stop = _Stop()
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


_masks: dict[int, set[int]] = {}
"""Signals that were blocked before a fork under way, by the thread that forks."""


def _before_fork() -> None:
    # A signal that reached the child before its handlers are its own would be lost.
    _masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _stop.before)


def _after_fork(child: bool) -> None:
    """Give signals in a forked process their meaning of before: `multiprocessing` ends its workers by SIGTERM."""
    global _stop
    if child:
        before, _stop = _stop.before, _Stop()
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
    mask = _masks.pop(get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


os.register_at_fork(
    before=_before_fork, after_in_parent=lambda: _after_fork(False), after_in_child=lambda: _after_fork(True)
)


def _on_signal(signum: int, frame: FrameType | None) -> None:
    stop = _stop
    if stop.forced:
        stop.forced = False
    elif stop.signum is None:
        request(signum)
        threading.Thread(target=_watch, args=(stop, signum), name="stop-watch", daemon=True).start()
        if stop.deferred:
            return
    else:
        if time.monotonic() - stop.at > _ECHO:
            os._exit(128 + signum)
        return
    if not stop.unbreakable:
        check_interrupted()


def _watch(stop: _Stop, signum: int) -> None:
    """Force the exception, then the end of the process, if the main thread does not come to it by itself."""
    deadline = time.monotonic() + HARD_STOP
    if stop.over.wait(FORCED_STOP):
        return
    while time.monotonic() < deadline:
        if not stop.raised and not stop.unbreakable:
            stop.forced = True
            ident = threading.main_thread().ident
            if ident is not None:
                signal.pthread_kill(ident, signum)
        if stop.over.wait(0.1):
            return
    os._exit(128 + signum)
