"""Bodies that come a few bytes a second, from every storage over HTTP: broken off, and asked for again."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.storages import connect, options_model
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.fault_proxy import FaultProxy, TcpFaultProxy, slow
from servers.process import Server
from servers.sftp import Sftp

DATA = random.Random(1).randbytes(400_000)
NAMES = [f"{number:02}{'n' * 200}.csv" for number in range(100)]
POLICY = RetryPolicy(seconds=20, first_wait=0.01, slowest=50_000, slow_after=0.5)
LOGGER = logging.getLogger("airbyte.test.slow")


def over(provider: dict[str, Any]) -> RetryingAccess:
    filesystem, root = connect(options_model(provider["storage"])(**provider))
    return RetryingAccess(filesystem.storage_access(root), POLICY, LOGGER)


def endpoint(server: Server, proxy: FaultProxy) -> str:
    return server.url.replace(f":{server.port}", f":{proxy.port}")  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("name", ["moto", "gcs_server", "azurite", "nginx"])
def test_slow_ranges(name: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> None:
    server: Server = request.getfixturevalue(name)
    server.put("slow-ranges", "a.bin", DATA)
    with FaultProxy(server.port) as proxy, caplog.at_level(logging.INFO, LOGGER.name):  # type: ignore[attr-defined]
        access = over(server.provider("slow-ranges", endpoint=endpoint(server, proxy)))
        version = access.info("a.bin").version
        proxy.rule(lambda asked: asked.method == "GET", slow(1000), slow(1000))
        wanted = [(10, 100_000), (300_000, 400_000)]
        assert access.ranges("a.bin", wanted, version) == [DATA[start:end] for start, end in wanted]
        assert proxy.faults == 2
    assert "slower than 50,000 bytes a second" in caplog.text


@pytest.mark.parametrize("name", ["moto", "gcs_server", "azurite", "nginx"])
def test_slow_pages(name: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> None:
    server: Server = request.getfixturevalue(name)
    for uri in NAMES:
        server.put("slow-pages", uri, b"x")
    with FaultProxy(server.port) as proxy, caplog.at_level(logging.INFO, LOGGER.name):  # type: ignore[attr-defined]
        access = over(server.provider("slow-pages", endpoint=endpoint(server, proxy)))
        proxy.rule(lambda asked: asked.method == "GET", slow(1000))
        assert sorted(listed.uri for listed in access.files("")) == NAMES
        assert proxy.faults == 1
    assert "listing: the content came slower than 50,000 bytes a second" in caplog.text


def test_slow_ranges_of_sftp(sftp_server: Sftp, caplog: pytest.LogCaptureFixture) -> None:
    sftp_server.put("slow-ranges", "a.bin", DATA)
    with TcpFaultProxy(sftp_server.port) as proxy, caplog.at_level(logging.INFO, LOGGER.name):
        access = over(sftp_server.provider("slow-ranges", host=proxy.host, port=proxy.port))
        proxy.next(slow(20_000))
        assert access.ranges("a.bin", [(10, 100_000), (300_000, 400_000)]) == [DATA[10:100_000], DATA[300_000:]]
    assert "slower than 50,000 bytes a second" in caplog.text


@pytest.fixture
def slow_refusal() -> Iterator[str]:
    """The address of a server that answers 500, and says why for a minute."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(500)
            self.send_header("Content-Length", "300")
            self.end_headers()
            try:
                for _ in range(300):
                    self.wfile.write(b"x")
                    time.sleep(0.2)
            except OSError:
                pass  # nobody listens any more

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "provider",
    [
        {"storage": "s3", "bucket": "bucket"},
        {"storage": "gcs", "bucket": "bucket"},
        {"storage": "azure", "account_name": "account", "container": "container"},
    ],
    ids=lambda provider: provider["storage"],
)
def test_an_error_that_is_told_slowly_is_broken_off(provider: dict[str, Any], slow_refusal: str) -> None:
    access = over({**provider, "endpoint": slow_refusal, "credentials": {"auth_type": "anonymous"}})
    access.policy = RetryPolicy(seconds=1, first_wait=0.01, slowest=50_000, slow_after=0.5)
    began = time.monotonic()
    with pytest.raises(AirbyteTracedException, match="slower than 50,000 bytes a second"):
        list(access.files(""))
    with pytest.raises(FileAccessError, match="slower than 50,000 bytes a second"):
        access.open("a.csv")
    assert time.monotonic() - began < 30
