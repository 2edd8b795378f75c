"""The server program of `servers.s3.Moto`: moto, with times that can be set and pages that can be small.

    python moto_app.py PORT KEYS_PER_PAGE

A PUT with the header `X-Test-Modified` (ISO 8601, UTC) gives the object that time of its last change. A page of a
listing holds at most KEYS_PER_PAGE keys, whatever the client asks for, as S3 may do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import run_simple

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]


def with_test_features(app: App, keys_per_page: int) -> App:
    """`app`, with the two additions above."""

    def wrapped(environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET":
            environ["QUERY_STRING"] = re.sub(
                r"(?<![^&])max-keys=(\d+)",
                lambda found: f"max-keys={min(int(found[1]), keys_per_page)}",
                environ["QUERY_STRING"],
            )
        answer = app(environ, start_response)
        modified = environ.get("HTTP_X_TEST_MODIFIED")
        if modified:
            _, bucket, key = environ["REQUEST_URI"].partition("?")[0].split("/", 2)
            set_modified(bucket, unquote(key), datetime.fromisoformat(modified).replace(tzinfo=UTC))
        return answer

    return wrapped


def set_modified(bucket: str, key: str, modified: datetime) -> None:
    """Give an object a time of its last change."""
    for account in s3_backends.values():
        for backend in account.values():
            if bucket in backend.buckets:
                backend.buckets[bucket].keys[key].last_modified = modified
                return
    raise KeyError(bucket)


if __name__ == "__main__":
    moto = DomainDispatcherApplication(create_backend_app)
    port, keys_per_page = map(int, sys.argv[1:3])
    app = with_test_features(moto, keys_per_page)
    run_simple("127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler)
