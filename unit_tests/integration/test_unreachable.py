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
from servers.fault_proxy import FaultProxy, status
from servers.process import HOST, free_port
from servers.s3 import Moto

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
        "url": {"url": f"ftp://{host}:{port}/files"},
    }
    return {"storage": storage, **at[storage]}


OPTIONS = {
    "s3": "`endpoint`",
    "gcs": "`endpoint`",
    "azure": "`account_name` or `endpoint`",
    "sftp": "`host` or `port`",
    "http": "the URL",
    "url": "`url`",
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


def checked(tmp_path: Path, provider: dict[str, Any], *globs: str, seconds: int = 3) -> str:
    """The answer to `check` of a config with one stream for each glob, each in a folder of its own."""
    streams = [{**STREAM, "name": f"s{number}", "globs": [glob]} for number, glob in enumerate(globs)]
    config = {"provider": provider, "streams": streams}
    run = source_files("check", tmp_path, config, environment={"AIRBYTE_STORAGE_RETRY_SECONDS": str(seconds)})
    assert run.connection_status["status"] == "FAILED"
    told: str = run.connection_status["message"]
    return told


def test_a_storage_that_gives_nothing_is_told_once(tmp_path: Path) -> None:
    told = checked(tmp_path, provider("s3", HOST, free_port()), "a/*", "b/*", "c/*")
    assert "Unable to connect to 3 streams (s0, s1, s2) - S3 bucket landing could not be listed: " in told
    assert told.count("refuses connections") == 1
    assert "streams with errors" not in told


def test_a_check_has_one_budget_for_all_streams(tmp_path: Path, moto: Moto) -> None:
    with FaultProxy(moto.port) as proxy:
        proxy.rule(lambda request: True, status(503), forever=True)
        checked(tmp_path, moto.provider("check", endpoint=proxy.url), "a/**", "b/**", "c/**", "d/**")
        asked = ["".join(name for name in "abcd" if f"prefix={name}%2F" in passed.path) for passed in proxy.log]
    assert asked.count("a") > 1
    assert asked.count("b") == 1  # and is told that nothing has changed
    assert not {"c", "d"} & set(asked)


def test_columns_that_cannot_be_had_for_now(tmp_path: Path, moto: Moto) -> None:
    moto.put("columns", "a.csv", b"a\n1\n")
    with FaultProxy(moto.port) as proxy:
        proxy.rule(lambda request: request.path.endswith("a.csv"), status(503), forever=True)
        settings = {
            "provider": moto.provider("columns", endpoint=proxy.url),
            "streams": [{"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}],
        }
        run = source_files("discover", tmp_path, settings, environment={"AIRBYTE_STORAGE_RETRY_SECONDS": "0"})
    assert run.code == 1
    assert run.errors[0]["failure_type"] == "transient_error"
    assert "none of 1 files could be read. a.csv" in run.errors[0]["message"]


def test_a_stream_is_checked_although_another_one_fails(tmp_path: Path, moto: Moto) -> None:
    moto.put("check-some", "b/x.csv", b"a\n1\n")
    with FaultProxy(moto.port) as proxy:
        proxy.rule(lambda request: "prefix=a%2F" in request.path, status(503), forever=True)
        proxy.rule(lambda request: "prefix=c%2F" in request.path, status(403), forever=True)
        through = moto.provider("check-some", endpoint=proxy.url)
        told = checked(tmp_path, through, "a/*", "b/*", "c/*")
        assert told.startswith("2 streams with errors: Unable to connect to stream s0 - S3 bucket check-some could")
        assert ", Unable to connect to stream s2 - S3 bucket check-some could not be listed: access is denied" in told
        assert checked(tmp_path, through, "a/*", "b/*").startswith("Unable to connect to stream s0 - S3 bucket check")


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
