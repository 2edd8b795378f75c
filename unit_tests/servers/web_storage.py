"""A small real storage over HTTP, for tests of the access layer: files in memory, ranges, versions, paged listing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import md5
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.storage_access import (
    NEVER,
    Content,
    Enter,
    Failure,
    Listed,
    StorageAccess,
    Trouble,
    anything,
)

MODIFIED = datetime(2024, 1, 1)
PAGE = 10


class Asked(NamedTuple):
    """One request."""

    path: str
    range: str | None


class WebServer:
    """Serves the files of `files`, which tests may change at any time; `asked` has the requests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.sent = 0
        storage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                storage._answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(Asked(handler.path, handler.headers["Range"]))
        url = urlsplit(handler.path)
        if url.path == "/":
            query = parse_qs(url.query, keep_blank_values=True)
            names = sorted(n for n in self.files if n.startswith(query["prefix"][0]) and n > query["after"][0])[:PAGE]
            rows = [(name, len(self.files[name]), etag(self.files[name])) for name in names]
            self._send(handler, 200, json.dumps(rows).encode(), {})
            return
        data = self.files.get(unquote(url.path[1:]))
        if data is None:
            self._send(handler, 404, b"", {})
            return
        headers = {"ETag": etag(data), "X-Size": str(len(data))}
        if handler.headers["If-Match"] not in (None, headers["ETag"]):
            self._send(handler, 412, b"", {})
            return
        start, end = 0, len(data)
        if handler.headers["Range"]:
            first, _, last = handler.headers["Range"].removeprefix("bytes=").partition("-")
            start, end = int(first), min(end, int(last) + 1 if last else end)
        if start > 0 and start >= end:
            self._send(handler, 416, b"", {})
            return
        self._send(handler, 206 if handler.headers["Range"] else 200, data[start:end], headers)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            try:
                handler.wfile.write(body)
            except OSError:
                handler.close_connection = True
            self.sent += len(body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are what the tests are about."""


@lru_cache(maxsize=32)
def etag(data: bytes) -> str:
    return f'"{md5(data).hexdigest()}"'


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.retry_after = retry_after


class WebAccess(StorageAccess):
    """One attempt a call, one connection a request.

    Args:
        port: Of the server, or of a proxy before it.
        timeout: Seconds without an answer.
        versioned: Whether it tells and checks versions.
    """

    title = "web storage"

    def __init__(self, port: int, timeout: float = 5.0, *, versioned: bool = True) -> None:
        self._port = port
        self._timeout = timeout
        self._versioned = versioned

    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Enter = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        after = ""
        while rows := self._page(prefix, after, over):
            for name, size, version in rows:
                yield Listed(name, size, MODIFIED, version)
            after = rows[-1][0]

    def _page(self, prefix: str, after: str, over: Event) -> list[tuple[str, int, str]]:
        content = self._get(f"/?prefix={quote(prefix)}&after={quote(after)}", {})
        body = read_exactly(content, 1 << 20, self.watch())
        rows: list[tuple[str, int, str]] = json.loads(body)
        return rows

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        return self._get(f"/{quote(uri)}", self._headers(f"bytes={start}-" if start else None, version))

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        parts = []
        for start, end in ranges:
            content = self._get(f"/{quote(uri)}", self._headers(f"bytes={start}-{end - 1}", version))
            parts.append(read_exactly(content, end - start, self.watch()))
            content.close()
        return parts

    def info(self, uri: str) -> Listed:
        content = self._get(f"/{quote(uri)}", {}, "HEAD")
        content.close()
        return Listed(uri, content.size, MODIFIED, content.version)

    def _headers(self, span: str | None, version: str | None) -> dict[str, str]:
        headers = {"Range": span} if span else {}
        return headers | ({"If-Match": version} if version and self._versioned else {})

    def _get(self, path: str, headers: dict[str, str], method: str = "GET") -> WebContent:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                retry_after = answer.headers["Retry-After"]
                raise Refused(answer.status, float(retry_after) if retry_after else None)
        except BaseException:
            connection.close()
            raise
        return WebContent(connection, answer, self._versioned)

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        if isinstance(error, Refused):
            known = {404: Trouble.MISSING, 403: Trouble.CONFIG, 412: Trouble.CHANGED, 416: Trouble.CHANGED}
            trouble = known.get(error.status, Trouble.TEMPORARY)
            return Failure(trouble, f"the server answered {error.status}", error.retry_after)
        if isinstance(error, OSError | HTTPException):
            return Failure(Trouble.TEMPORARY, type(error).__name__)
        return Failure(Trouble.OTHER, type(error).__name__)


class WebContent(Content):
    def __init__(self, connection: HTTPConnection, answer: HTTPResponse, versioned: bool) -> None:
        self._connection = connection
        self._answer = answer
        size = answer.headers["X-Size"]
        self.size = int(size) if size else None
        self.version = answer.headers["ETag"] if versioned else None

    def read(self, n: int) -> bytes:
        data = self._answer.read1(n)
        if not data and self._answer.length:
            raise IncompleteRead(b"")
        return data

    def close(self) -> None:
        self._answer.close()
        self._connection.close()
