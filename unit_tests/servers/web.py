"""A web server that answers exactly as a test says, right or wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

from servers.process import HOST


class Asked(NamedTuple):
    """One request that came in.

    Attributes:
        method: Its method.
        path: Its target: path and query, as sent.
        headers: By lower-case name.
    """

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        status: Of the answer.
        headers: As they are; ``Content-Length`` is added unless it, or ``Transfer-Encoding``, is among them. None
            as its value keeps it out.
        body: As it is; not sent to HEAD.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)


class WebServer:
    """Serves what a function answers; the connection is closed after each answer.

    Attributes:
        url: Where it listens.
        asked: Every request, in the order in which they came.
    """

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
                outer.asked.append(asked)
                given = answer(asked)
                self.send_response(given.status)
                headers = dict(given.headers)
                if not {"Content-Length", "Transfer-Encoding"} & headers.keys():
                    headers["Content-Length"] = str(len(given.body))
                for name, value in headers.items():
                    if value is not None:
                        self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(given.body)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = _Threads((HOST, 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def methods(self, path: str) -> list[str]:
        """The methods of the requests for a path, in order."""
        return [asked.method for asked in self.asked if asked.path == path]

    def close(self) -> None:
        """Stop; may be called more than once."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""
