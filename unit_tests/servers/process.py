"""Server programs of the tests: found, started on free loopback ports, and ended with the tests however those end."""

from __future__ import annotations

import atexit
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
START_SECONDS = 60.0
"""How long a server may take until it answers; a loaded machine is slow."""

_PORTS = range(20000, 32000)
"""Below the ports that the kernel gives to outgoing connections, which would be in the way now and then."""

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ServerMissing(Exception):
    """The program of a server is not installed; the text says how to install it."""


class Server(ABC):
    """A storage server for tests, empty at its start.

    The constructor starts it, `close` ends it; it is a context manager too. A `name` is that of a bucket, container or
    folder, made on first use.

    Attributes:
        sets_times: Whether `put` can set the time of the last change.
    """

    sets_times = False

    @abstractmethod
    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """The `provider` section of a config of the ready-made connector that reads `name`.

        Args:
            name: The bucket, container or folder.
            overrides: Options that replace those, such as ``endpoint=proxy.url``; None takes one away.
        """

    @abstractmethod
    def put(self, name: str, uri: str, data: bytes, modified: datetime | None = None) -> None:
        """Write a file, over the one that is there.

        Args:
            name: The bucket, container or folder.
            uri: Its key or path in it, exact.
            data: Its content.
            modified: When it was last changed (naive: UTC); now if None. Others raise ValueError unless `sets_times`.
        """

    @abstractmethod
    def remove(self, name: str, uri: str) -> None:
        """Delete a file; one that is not there raises."""

    @abstractmethod
    def close(self) -> None:
        """End the server; may be called more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Process:
    """One running server program in a process group of its own, with a folder for its files.

    It is killed with its group by `close`, when the tests exit, and (on Linux) when they crash.

    Args:
        name: Names it in errors.
        command: The command line for a port.
        ready: Whether the server at a port can be used; raises OSError or returns False while it cannot.
        environment: Variables beside those of the tests.
        spare_ports: Distances from its port of further ports that it opens.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int, Path], Sequence[str | Path]],
        ready: Callable[[int], bool] | None = None,
        environment: Mapping[str, str] | None = None,
        spare_ports: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"servers-{name}-"))
        self.folder.chmod(0o755)  # some servers read as another user
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)
        environment = {**os.environ, **(environment or {})}
        for attempt in range(3):
            self.port = free_port(spare_ports)
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    [str(part) for part in command(self.port, self.folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=_end_with_parent if _libc else None,
                )
            try:
                self._wait(ready or answers)
                return
            except BaseException as error:
                self._kill()
                if attempt == 2 or not isinstance(error, _Died):
                    self.close()
                    raise

    def _wait(self, ready: Callable[[int], bool]) -> None:
        assert self._process is not None
        end = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                raise _Died(f"{self.name} ended with code {self._process.returncode}:\n{self.tail()}")
            try:
                if ready(self.port):
                    return
            except OSError:
                pass  # not listening yet
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} does not answer after {START_SECONDS:.0f} s:\n{self.tail()}")
            time.sleep(0.02)

    def tail(self) -> str:
        """The end of what the program wrote."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def close(self) -> None:
        """Kill the program at once and remove its folder; may be called more than once."""
        atexit.unregister(self.close)
        self._kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Died(RuntimeError):
    """The program ended by itself: perhaps another one took its port."""


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def free_port(spare_ports: Sequence[int] = ()) -> int:
    """A port of the loopback interface on which nothing listens, nor on those at the given distances from it."""
    while True:
        port = random.choice(_PORTS)
        if all(_is_free(port + distance) for distance in (0, *spare_ports)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    """True once something listens on a port of the loopback interface; OSError before."""
    socket.create_connection((HOST, port), 1).close()
    return True


def script(name: str, package: str) -> Path:
    """A program that a Python package installed beside this Python.

    Raises:
        ServerMissing: It is not there.
    """
    found = Path(sysconfig.get_path("scripts")) / name
    if not found.exists():
        raise ServerMissing(f"The test server {name} is missing: pip install '{package}', or run `make test`.")
    return found
