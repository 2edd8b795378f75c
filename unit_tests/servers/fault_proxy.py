"""Proxies that break what passes through them: HTTP requests by rule or by chance, and plain TCP connections.

with FaultProxy(server.port) as proxy:                # proxy.url goes in the place of server.url
    proxy.rule(lambda request: request.method == "GET", status(503), status(503))   # the first two GETs fail
    proxy.rule(lambda request: request.path.endswith("/b"), reset_body(1000), forever=True)
    proxy.at_random(0.02, seed=1, faults=[status(503), reset_body(500)])
    ...
    proxy.log                                         # every request, and what became of it
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import NamedTuple, Self

from servers.faults import (
    NONE,
    Fault,
    Kind,
    close_body,
    delay,
    reset,
    reset_body,
    slow,
    stall,
    status,
)
from servers.process import HOST

__all__ = [
    "NONE",
    "Fault",
    "FaultProxy",
    "Request",
    "TcpFaultProxy",
    "close_body",
    "delay",
    "reset",
    "reset_body",
    "slow",
    "stall",
    "status",
]


class Request(NamedTuple):
    """One request that came in.

    Attributes:
        method: Its method.
        path: Its target: path and query, as sent.
        headers: By lower-case name.
        number: Counts from 1.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    number: int


class Passed(NamedTuple):
    """One line of the log: a request and its fault."""

    method: str
    path: str
    range: str | None
    fault: Kind


@dataclass
class _Rule:
    applies: Callable[[Request], bool]
    faults: list[Fault]
    forever: bool


@dataclass
class _Chance:
    probability: float
    faults: Sequence[Fault]
    generator: random.Random = field(default_factory=random.Random)


class _Proxy:
    """Runs an asyncio server in a thread of its own.

    Args:
        upstream: Port on the loopback interface where the server listens.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._connected, HOST, 0, backlog=512), self._loop
        )
        self._server = starting.result(10)
        self.host = HOST
        self.port: int = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Break all connections and stop; may be called more than once."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for _ in range(2):  # a connection that was just accepted becomes a task only later
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.01)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # either side went away, or the proxy is closed
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class FaultProxy(_Proxy):
    """An HTTP/1.1 proxy before one server. Without rules everything passes.

    Attributes:
        url: Where it listens.
        log: Every request with its fault, in the order in which they came.
    """

    def __init__(self, upstream: int) -> None:
        self.log: list[Passed] = []
        self._rules: list[_Rule] = []
        self._chance: _Chance | None = None
        self._count = 0
        super().__init__(upstream)
        self.url = f"http://{self.host}:{self.port}"

    def rule(self, applies: Callable[[Request], bool], *faults: Fault, forever: bool = False) -> None:
        """Give the next requests for which `applies` these faults, one each; the first rule that fits counts.

        Args:
            applies: Whether the rule is for a request.
            faults: One is used up by each such request; `NONE` lets one pass.
            forever: Whether the last fault stays.
        """
        with self._lock:
            self._rules.append(_Rule(applies, list(faults), forever))

    def at_random(
        self, probability: float, seed: int, faults: Sequence[Fault] = (status(503), reset(), reset_body(100))
    ) -> None:
        """Give each request that no rule is for one of `faults`, with this probability.

        Which requests these are follows from the seed and the order in which they come.
        """
        with self._lock:
            self._chance = _Chance(probability, list(faults), random.Random(seed))

    def clear(self) -> None:
        """Forget the rules, the chance and the log."""
        with self._lock:
            self._rules.clear()
            self._chance = None
            self.log.clear()

    @property
    def faults(self) -> int:
        """How many requests of the log had a fault."""
        return sum(passed.fault != "none" for passed in self.log)

    def _fault_of(self, request: Request) -> Fault:
        with self._lock:
            fault = self._next_fault(request)
            self.log.append(Passed(request.method, request.path, request.headers.get("range"), fault.kind))
            return fault

    def _next_fault(self, request: Request) -> Fault:
        for rule in self._rules:
            if rule.faults and rule.applies(request):
                stays = rule.forever and len(rule.faults) == 1
                return rule.faults[0] if stays else rule.faults.pop(0)
        chance = self._chance
        if chance is not None and chance.generator.random() < chance.probability:
            return chance.generator.choice(chance.faults)
        return NONE

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if line]
            method, path, _ = lines[0].decode("latin1").split(" ")
            pairs = (line.decode("latin1").split(":", 1) for line in lines[1:])
            headers = {name.strip().lower(): value.strip() for name, value in pairs}
            self._count += 1
            fault = self._fault_of(Request(method, path, headers, self._count))
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await _body(reader, headers)
            if fault.kind == "reset":
                _reset(writer)
                return
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            if fault.kind == "status":
                writer.write(_refusal(fault, method))
                await writer.drain()
                continue
            await self._pass_on(lines, body, writer, fault)
            return  # the server was asked to close its connection: so is this one

    async def _pass_on(self, lines: list[bytes], body: bytes, writer: asyncio.StreamWriter, fault: Fault) -> None:
        answer, upstream = await asyncio.open_connection(self.host, self._upstream)
        try:
            kept = [line for line in lines if not line.lower().startswith((b"connection:", b"expect:"))]
            upstream.write(b"\r\n".join([*kept, b"Connection: close", b"", b""]) + body)
            await upstream.drain()
            writer.write(await answer.readuntil(b"\r\n\r\n"))
            await _pour(answer, writer, fault)
        finally:
            upstream.close()


class TcpFaultProxy(_Proxy):
    """A proxy before any TCP server, such as SFTP, that breaks whole connections.

    `reset_body`, `close_body`, `stall` and `slow` count the bytes that the server sends on a connection; `reset`
    breaks it before the first; `delay` connects later.

    Attributes:
        connections: How many came.
        faults: How many of them had a fault.
    """

    def __init__(self, upstream: int) -> None:
        self.connections = 0
        self.faults = 0
        self._next: list[Fault] = []
        self._later: Fault = NONE
        self._chance: tuple[float, random.Random] | None = None
        super().__init__(upstream)

    def next(self, *faults: Fault, then: Fault = NONE) -> None:
        """Give the next connections these faults, one each, and all after them the fault `then`."""
        with self._lock:
            self._next, self._later, self._chance = list(faults), then, None

    def at_random(self, probability: float, seed: int) -> None:
        """Reset each connection with this probability at each block (64 KiB at most) that the server sends.

        That is about the probability a request, as servers answer one request with one block or a few.
        """
        with self._lock:
            self._next, self._later, self._chance = [], NONE, (probability, random.Random(seed))

    def clear(self) -> None:
        """Let everything pass again, and count from zero."""
        with self._lock:
            self._next, self._later, self._chance = [], NONE, None
            self.connections = self.faults = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._lock:
            self.connections += 1
            fault = self._next.pop(0) if self._next else self._later
            chance = self._chance
            self.faults += fault.kind != "none"
        if fault.kind == "reset":
            _reset(writer)
            return
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        from_server, to_server = await asyncio.open_connection(self.host, self._upstream)
        asking = asyncio.create_task(_pour(reader, to_server, NONE))
        try:
            await _pour(from_server, writer, fault, (lambda: self._breaks(chance)) if chance else None)
        finally:
            asking.cancel()
            to_server.close()

    def _breaks(self, chance: tuple[float, random.Random]) -> bool:
        with self._lock:
            broken = chance[1].random() < chance[0]
            self.faults += broken
            return broken


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """The body of a request, as sent."""
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        size = -1
        while size != 0:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            body += line + await reader.readexactly(size + 2)
    return body


async def _pour(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    fault: Fault,
    breaks: Callable[[], bool] | None = None,
) -> None:
    """Move what comes from `source` to `target`, until it ends or the fault ends it."""
    sent = 0
    limit = fault.after if fault.kind in ("reset_body", "close_body", "stall") else None
    block = max(1, fault.rate // 10) if fault.kind == "slow" else 1 << 16
    while data := await source.read(block if limit is None else min(block, limit - sent) or 1):
        if breaks is not None and breaks():
            _reset(target)
            return
        if limit is not None and sent >= limit:
            if fault.kind == "stall":
                await asyncio.sleep(fault.seconds)
                fault, limit = replace(fault, kind="none"), None
            else:
                await target.drain()
                await asyncio.sleep(0.05)  # a reset overtakes bytes that are still on their way
                if fault.kind == "reset_body":
                    _reset(target)
                return
        target.write(data)
        sent += len(data)
        await target.drain()
        if fault.kind == "slow":
            await asyncio.sleep(0.1)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a TCP reset."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _refusal(fault: Fault, method: str) -> bytes:
    names = {403: "AccessDenied", 404: "NoSuchKey", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}
    code = names.get(fault.code, "Error")
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>injected</Message></Error>'.encode()
    again = f"Retry-After: {fault.retry_after:g}\r\n" if fault.retry_after is not None else ""
    head = (
        f"HTTP/1.1 {fault.code} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n{again}\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)
