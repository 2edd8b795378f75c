"""The servers and the proxies themselves: that they serve, break what they shall, and end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import requests

from servers.fault_proxy import (
    Fault,
    FaultProxy,
    TcpFaultProxy,
    close_body,
    delay,
    reset,
    reset_body,
    slow,
    stall,
    status,
)
from servers.http import Nginx
from servers.process import Process, ServerMissing, script
from servers.s3 import Moto, SeaweedFS

BODY = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def body_at(nginx: Nginx) -> str:
    nginx.put("faults", "body", BODY)
    return "/faults/body"


@pytest.fixture
def proxy(nginx: Nginx) -> Iterator[FaultProxy]:
    with FaultProxy(nginx.port) as proxy:
        yield proxy


def test_what_has_no_rule_passes(proxy: FaultProxy, body_at: str) -> None:
    assert requests.get(proxy.url + body_at, timeout=10).content == BODY
    part = requests.get(proxy.url + body_at, headers={"Range": "bytes=5-9"}, timeout=10)
    assert (part.status_code, part.content) == (206, BODY[5:10])
    assert requests.head(proxy.url + body_at, timeout=10).headers["Content-Length"] == str(len(BODY))
    assert [passed.range for passed in proxy.log] == [None, "bytes=5-9", None]
    assert proxy.faults == 0


def test_faults_come_in_turn(proxy: FaultProxy, body_at: str) -> None:
    proxy.rule(lambda request: request.method == "GET", status(503, retry_after=2), reset(), reset_body(1000))
    first = requests.get(proxy.url + body_at, timeout=10)
    assert (first.status_code, first.headers["Retry-After"]) == (503, "2")
    for _ in range(2):
        with pytest.raises(requests.RequestException):
            requests.get(proxy.url + body_at, timeout=10)
    assert requests.get(proxy.url + body_at, timeout=10).content == BODY
    assert [passed.fault for passed in proxy.log] == ["status", "reset", "reset_body", "none"]


def test_a_fault_can_stay(proxy: FaultProxy, body_at: str) -> None:
    proxy.rule(lambda request: request.path == body_at, status(500), status(404), forever=True)
    assert [requests.get(proxy.url + body_at, timeout=10).status_code for _ in range(4)] == [500, 404, 404, 404]


def test_a_body_ends_early(proxy: FaultProxy, body_at: str) -> None:
    proxy.rule(lambda _: True, close_body(1000))
    with requests.get(proxy.url + body_at, stream=True, timeout=10) as answer:
        assert answer.raw.read(1000) == BODY[:1000]
        with pytest.raises(Exception, match="IncompleteRead"):
            answer.raw.read()


@pytest.mark.parametrize(("fault", "least"), [(stall(0.4, after=500), 0.4), (slow(200_000), 0.4), (delay(0.3), 0.3)])
def test_a_body_takes_its_time(proxy: FaultProxy, body_at: str, fault: Fault, least: float) -> None:
    proxy.rule(lambda _: True, fault)
    start = time.monotonic()
    assert requests.get(proxy.url + body_at, timeout=10).content == BODY
    assert time.monotonic() - start >= least


def test_chance_is_seeded(proxy: FaultProxy, body_at: str) -> None:
    def fates(seed: int) -> list[int]:
        proxy.at_random(0.3, seed, [status(503)])
        return [requests.head(proxy.url + body_at, timeout=10).status_code for _ in range(40)]

    assert fates(1) == fates(1) != fates(2)
    assert 3 < fates(1).count(503) < 25
    proxy.clear()
    assert proxy.log == []
    assert requests.head(proxy.url + body_at, timeout=10).status_code == 200


def test_tcp_connections_break(nginx: Nginx, body_at: str) -> None:
    with TcpFaultProxy(nginx.port) as proxy:
        url = f"http://{proxy.host}:{proxy.port}{body_at}"
        proxy.next(reset(), reset_body(5000))
        for _ in range(2):
            with pytest.raises(requests.RequestException):
                requests.get(url, timeout=10)
        assert requests.get(url, timeout=10).content == BODY
        assert (proxy.connections, proxy.faults) == (3, 2)
        proxy.at_random(1.0, seed=1)
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=10)


def test_moto_sets_times_and_cuts_pages() -> None:
    with Moto(keys_per_page=2) as moto:
        modified = datetime(2020, 1, 2, 3, 4, 5)
        for uri in ("odd #%25+?ü", "a//b", "c"):
            moto.put("times", uri, b"x", modified)
        pages = list(moto.client.get_paginator("list_objects_v2").paginate(Bucket="times"))
        assert [len(page["Contents"]) for page in pages] == [2, 1]
        found = {
            entry["Key"]: entry["LastModified"].replace(tzinfo=None) for page in pages for entry in page["Contents"]
        }
        assert found == dict.fromkeys(["odd #%25+?ü", "a//b", "c"], modified)


def test_seaweed_checks_rights(seaweed: SeaweedFS) -> None:
    seaweed.put("public", "a", b"1")
    seaweed.put("closed", "a", b"1")
    assert requests.get(f"{seaweed.url}/public/a", timeout=10).content == b"1"
    assert requests.get(f"{seaweed.url}/closed/a", timeout=10).status_code == 403


def test_nginx_asks_who_is_there(nginx: Nginx) -> None:
    nginx.put("secret", "a", b"1")
    who = (nginx.user, nginx.password)
    assert requests.get(f"{nginx.url}/protected/secret/a", timeout=10).status_code == 401
    assert requests.get(f"{nginx.url}/protected/secret/a", auth=who, timeout=10).content == b"1"
    bearer = {"Authorization": f"Bearer {nginx.token}"}
    assert requests.get(f"{nginx.url}/token/secret/a", timeout=10).status_code == 401
    assert requests.get(f"{nginx.url}/token/secret/a", headers=bearer, timeout=10).content == b"1"
    nginx.forbid("secret", "a")
    assert requests.get(f"{nginx.url}/secret/a", timeout=10).status_code == 403


def test_a_crash_ends_the_servers() -> None:
    program = (
        "import os, signal\nfrom servers.process import Process\n"
        "server = Process('sleeper', lambda port, _: ['sleep', '600'], lambda port: True)\n"
        "print(server._process.pid, server.folder, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=path)
    pid, folder = int(done.stdout.split()[0]), done.stdout.split()[1]
    shutil.rmtree(folder)  # nobody was left to do that
    end = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_a_server_that_ends_at_once_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"failing ended with code 3:\nno such thing"):
        Process("failing", lambda port, _: ["sh", "-c", "echo no such thing; exit 3"])


def test_a_missing_server_says_how_to_install_it() -> None:
    with pytest.raises(ServerMissing, match="pip install 'some-package'"):
        script("no-such-server", "some-package")


def test_ports_are_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        from servers.process import _is_free

        assert not _is_free(taken.getsockname()[1])
