"""Standard output of a connector: one place through which every line goes, in the order in which it came.

While `redirected` is in force, protocol lines, log lines and whatever is printed (also to stderr) go into one buffer,
which is written at the latest `FLUSH_SECONDS` after the first line in it. A line is never cut by a line of another
thread. Otherwise, and where standard output is not the process's own (under pytest's capture, say), every line goes
to the current `sys.stdout` at once.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from airbyte_cdk import interrupts

if TYPE_CHECKING:
    from typing_extensions import Buffer

FLUSH_SECONDS = 0.1
_GATHER = 128 * 1024
"""Bytes gathered before they are written without waiting for the time."""
_DIRECT = 16 * 1024
"""Buffers from this size on are written as they are, without copying."""
_PIPE = 1024 * 1024
_PARTIAL = 64 * 1024
"""Longest text without a line end that is kept back."""


class OutputClosed(BrokenPipeError):
    """Nobody reads standard output any more."""


class _Output:
    """The buffer in front of one file descriptor."""

    def __init__(self, fd: int, mask: Callable[[str], str]) -> None:
        self._fd = fd
        self._mask = mask
        # Re-entrant: a destructor that prints may run inside any of the steps below.
        self._lock = threading.RLock()
        self._writing = False
        self._gathered: list[Buffer] = []
        self._size = 0
        self._partial: dict[int, str] = {}
        self._waiting = threading.Event()
        self._ended = threading.Event()
        self._error: OSError | None = None
        self._at_once = False
        self._flusher = threading.Thread(target=self._flush_in_time, name="output-flush", daemon=True)
        self._flusher.start()

    def write(self, buffers: Iterable[Buffer]) -> None:
        """Write whole lines; raises what went wrong with the output, now or before."""
        with interrupts.unbreakable:
            with self._lock:
                self._end_partial()
                for buffer in buffers:
                    self._put(buffer)
            if self._error is not None:
                raise self._error

    def text(self, text: str) -> None:
        """Take printed text; complete lines are passed on, with secrets masked unless they are protocol messages."""
        ident = threading.get_ident()
        with interrupts.unbreakable, self._lock:
            lines, end, rest = (self._partial.pop(ident, "") + text).rpartition("\n")
            if len(rest) > _PARTIAL:
                lines, end, rest = lines + end + rest, "\n", ""
            if rest:
                self._partial[ident] = rest
            if end:
                self._put(self._printed(lines + end))

    def flush(self) -> None:
        """Write all that was gathered."""
        with interrupts.unbreakable, self._lock:
            self._drain()

    def end(self) -> None:
        """Write all that is left, and stop."""
        with interrupts.unbreakable, self._lock:
            for text in self._partial.values():
                self._put(self._printed(text + "\n"))
            self._partial.clear()
            self._drain()
        self._ended.set()
        self._waiting.set()
        if threading.current_thread() is not self._flusher:
            self._flusher.join(1)

    def before_fork(self) -> None:
        """Write all that was gathered, which the child would write again at its end, and let nobody add to it."""
        with interrupts.unbreakable:
            self._lock.acquire()
            self._drain()

    def after_fork(self, child: bool) -> None:
        """Go on, in a child without the thread that writes in time: there every line is written at once."""
        if child:
            self._gathered, self._size = [], 0
            self._partial.clear()
            self._at_once = True
        self._lock.release()

    def _end_partial(self) -> None:
        """A message starts on a line of its own, whatever this thread printed before it."""
        text = self._partial.pop(threading.get_ident(), None) if self._partial else None
        if text is not None:
            self._put(self._printed(text + "\n"))

    def _put(self, buffer: Buffer) -> None:
        size = memoryview(buffer).nbytes
        if size >= _DIRECT and not self._writing:
            self._drain()
            self._to_fd(buffer)
            return
        self._gathered.append(buffer)
        self._size += size
        if self._size >= _GATHER or self._at_once:
            self._drain()
        elif len(self._gathered) == 1:
            self._waiting.set()

    def _drain(self) -> None:
        if self._writing:
            return
        while self._gathered:
            gathered, self._gathered, self._size = self._gathered, [], 0
            self._to_fd(gathered[0] if len(gathered) == 1 else b"".join(gathered))

    def _to_fd(self, buffer: Buffer) -> None:
        if self._error is not None:
            return
        self._writing = True
        try:
            rest = memoryview(buffer).cast("B")
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:
                    select.select([], [self._fd], [])
        except OSError as error:
            self._fail(error)
        finally:
            self._writing = False

    def _fail(self, error: OSError) -> None:
        self._error = error
        self._gathered.clear()
        if error.errno == errno.EPIPE:
            self._error = OutputClosed(errno.EPIPE, "nobody reads the output any more")
            interrupts.request(signal.SIGPIPE)
            # What the interpreter still flushes at its end would fail again, with a traceback.
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._fd)
                os.close(nowhere)

    def _printed(self, text: str) -> bytes:
        masked = self._mask(text)
        if masked != text:
            # A printed protocol message may rightly hold a config with its secrets (CONTROL).
            lines = text.splitlines(keepends=True)
            masked = "".join(line if line.startswith("{") else self._mask(line) for line in lines)
        return masked.encode("utf-8", "replace")

    def _flush_in_time(self) -> None:
        while not self._ended.is_set():
            self._waiting.wait()
            self._waiting.clear()
            if self._ended.wait(FLUSH_SECONDS * 0.8):
                return
            self.flush()


class _Printed(io.TextIOBase):
    """Stands for sys.stdout and sys.stderr while output is redirected."""

    def __init__(self, output: _Output, replaced: TextIO) -> None:
        self._output = output
        self._replaced = replaced
        self.buffer = io.BufferedWriter(_PrintedBytes(output), buffer_size=1)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a plain attribute
        """UTF-8, whatever the locale says: it is the protocol's."""
        return "utf-8"

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Pass text on; it appears when its line is complete."""
        self._output.text(text)
        return len(text)

    def flush(self) -> None:
        """Write complete lines now."""
        self._output.flush()

    def fileno(self) -> int:
        """Descriptor of the stream that this one stands for."""
        return self._replaced.fileno()

    def isatty(self) -> bool:
        """False: lines are for the platform."""
        return False


class _PrintedBytes(io.RawIOBase):
    def __init__(self, output: _Output) -> None:
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        raw = bytes(data)
        self._output.text(raw.decode("utf-8", "replace"))
        return len(raw)


_active: _Output | None = None
_stderr: TextIO | None = None


def _own_descriptor() -> int | None:
    """The descriptor of sys.stdout if it is the interpreter's plain one, not something put in its place."""
    stream = sys.stdout
    if type(stream) is not io.TextIOWrapper or stream is not sys.__stdout__:
        return None
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


@contextmanager
def redirected(mask: Callable[[str], str] = str) -> Iterator[None]:
    """Within it, all output of the process goes through one buffer; at its end everything is written.

    Args:
        mask: Changes text that is printed; lines that start with a brace are left as they are.
    """
    global _active, _stderr
    fd = _own_descriptor()
    if _active is not None or fd is None:
        yield
        return
    sys.stdout.flush()
    with suppress(OSError, AttributeError):
        # A reader that comes in turns with us on a pipe of 64 kB costs both of us a switch every 64 kB.
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)
    active = _active = _Output(fd, mask)
    _stderr = sys.stderr
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Printed(active, sys.stdout), _Printed(active, sys.stderr)
    try:
        yield
    finally:
        with interrupts.unbreakable:
            sys.stdout, sys.stderr = streams
            active.end()
            _active = _stderr = None


_forking: dict[int, _Output] = {}
"""The output that a fork under way holds, by the thread that forks."""


def _before_fork() -> None:
    output = _active
    if output is not None:
        output.before_fork()
        _forking[threading.get_ident()] = output


def _after_fork(child: bool) -> None:
    output = _forking.pop(threading.get_ident(), None)
    if output is not None:
        output.after_fork(child)


os.register_at_fork(
    before=_before_fork,
    after_in_parent=lambda: _after_fork(False),
    after_in_child=lambda: _after_fork(True),
)


def write(buffers: Iterable[Buffer]) -> None:
    """Write complete lines, one buffer after the other, with nothing between them.

    Raises:
        OutputClosed: nobody reads the output any more.
        OSError: the output cannot be written (a full disk, say).
    """
    if _active is not None:
        _active.write(buffers)
    else:
        _direct(b"".join(buffers))


def emit(line: bytes) -> None:
    """Write one complete line (ended by a newline) from any thread; an output that fails is left to `write`."""
    try:
        if _active is not None:
            _active.write((line,))
        else:
            _direct(line)
    except OSError:
        pass


def _direct(lines: bytes) -> None:
    sys.stdout.write(lines.decode("utf-8", "replace"))
    sys.stdout.flush()


def terminal() -> TextIO | None:
    """The process's standard error if a person may watch it (it is a terminal), else None."""
    stream = _stderr if _stderr is not None else sys.stderr
    try:
        return stream if stream is not None and stream.isatty() else None
    except ValueError:  # closed
        return None
