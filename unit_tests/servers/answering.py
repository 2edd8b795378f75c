"""A web server that answers as it is told, and notes what it was asked: stands for a token endpoint."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    body: str
    headers: Mapping[str, str]


@dataclass
class AnsweringServer:
    """Runs on a free port of this machine from `__enter__` to `__exit__`.

    Attributes:
        answers: Status and body (JSON, or bytes as they are) of each answer; the last one again and again.
            A status of 0 closes the connection without an answer.
        asked: The requests so far.
        delay: Seconds before each answer.
    """

    answers: list[tuple[int, Any]] = field(default_factory=lambda: [(200, {"access_token": "token-1"})])
    asked: list[Asked] = field(default_factory=list)
    delay: float = 0.0

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                outer.asked.append(Asked(self.path, body, {key.lower(): value for key, value in self.headers.items()}))
                time.sleep(outer.delay)
                status, answer = outer.answers[min(len(outer.asked), len(outer.answers)) - 1]
                if status:
                    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Callers that do not wait for the answer are no trouble."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """URL of the endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def answer(self, body: Any, status: int = 200) -> None:
        """Give this answer from now on, and forget what was asked."""
        self.answers = [(status, body)]
        self.asked.clear()
