"""Storages that cannot be listed at all: nobody there, nobody who answers, nothing of that name."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.source_process import COMMAND, source_files
from servers.process import HOST, free_port

STREAM = {"name": "s", "globs": ["*"], "format": {"filetype": "csv"}}
SCHEMA = {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
CATALOG = {"streams": [{"stream": SCHEMA, "sync_mode": "incremental", "destination_sync_mode": "append"}]}
ANONYMOUS = {"auth_type": "anonymous"}
PASSWORD = {"auth_type": "password", "password": "none at all"}
AT_ONCE = {"AIRBYTE_STORAGE_RETRY_SECONDS": "0"}


def provider(storage: str, host: str, port: int) -> dict[str, Any]:
    """A storage at a host and port, and the options by which these are named."""
    endpoint = {"endpoint": f"http://{host}:{port}", "credentials": ANONYMOUS}
    at: dict[str, dict[str, Any]] = {
        "s3": {"bucket": "landing", **endpoint},
        "gcs": {"bucket": "landing", **endpoint},
        "azure": {"account_name": "landing", "container": "files", **endpoint},
        "sftp": {"host": host, "port": port, "username": "somebody", "credentials": PASSWORD},
        "http": {"base_url": f"http://{host}:{port}/files/"},
    }
    return {"storage": storage, **at[storage]}


OPTIONS = {
    "s3": "`endpoint`",
    "gcs": "`endpoint`",
    "azure": "`account_name` or `endpoint`",
    "sftp": "`host` or `port`",
    "http": "the URL",
}


@pytest.mark.parametrize("known", [None, {"history": {"a.csv": "2026-01-01T00:00:00.000000Z"}}])
def test_a_stream_that_cannot_be_listed_sends_no_state(tmp_path: Path, known: dict[str, object] | None) -> None:
    config = {"provider": {"storage": "local", "root": str(tmp_path / "gone")}, "streams": [STREAM]}
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "s"}, "stream_state": known}}]
    run = source_files("read", tmp_path, config, CATALOG, state if known else None)
    assert run.code == 1
    assert not run.of_type("STATE")
    assert {error["failure_type"] for error in run.errors} == {"config_error"}
    assert "gone does not exist" in run.errors[0]["message"]


@pytest.mark.parametrize("storage", OPTIONS)
def test_a_name_that_does_not_exist(tmp_path: Path, storage: str) -> None:
    config = {"provider": provider(storage, "no-such-host.invalid", 80), "streams": [STREAM]}
    run = source_files("check", tmp_path, config, environment=AT_ONCE)
    assert run.code == 0
    assert run.connection_status["status"] == "FAILED"
    told = run.connection_status["message"]
    assert f"the name no-such-host.invalid cannot be resolved; if it stays so, correct {OPTIONS[storage]}" in told


@pytest.mark.parametrize("storage", OPTIONS)
def test_nobody_at_the_port(tmp_path: Path, storage: str) -> None:
    port = free_port()
    config = {"provider": provider(storage, HOST, port), "streams": [STREAM]}
    run = source_files("read", tmp_path, config, CATALOG, environment=AT_ONCE)
    assert run.code == 1
    assert not run.of_type("STATE")
    assert {error["failure_type"] for error in run.errors} == {"transient_error"}
    assert f"{HOST}:{port} refuses connections; if it stays so, correct {OPTIONS[storage]}" in run.errors[0]["message"]


class Silent:
    """A server that accepts every connection, and never sends a byte."""

    def __init__(self) -> None:
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self.asked = threading.Event()
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._held.append(connection)
            self.asked.set()

    def close(self) -> None:
        for connection in (self._server, *self._held):
            connection.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.close()


@pytest.mark.parametrize(
    ("storage", "command"),
    [*((storage, "check") for storage in OPTIONS), ("s3", "discover"), ("s3", "read"), ("gcs", "read")],
)
def test_a_signal_ends_a_wait_for_an_answer(tmp_path: Path, silent: Silent, storage: str, command: str) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"provider": provider(storage, HOST, silent.port), "streams": [STREAM]})
    )
    (tmp_path / "catalog.json").write_text(json.dumps(CATALOG))
    arguments = [command, "--config", "config.json", *(("--catalog", "catalog.json") if command == "read" else ())]
    with subprocess.Popen([*COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert silent.asked.wait(30)
        time.sleep(0.2)  # until it waits for the answer
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        try:
            process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode == 143
        assert time.monotonic() - sent < 10
