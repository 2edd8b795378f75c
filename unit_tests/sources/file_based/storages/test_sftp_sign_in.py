"""Connecting to SFTP servers: OpenSSH for keys, a server in this process for passwords."""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.sources.file_based.access.storage_access import Failure, StorageAccess, Trouble
from airbyte_cdk.sources.file_based.storages import sftp_connections
from airbyte_cdk.sources.file_based.storages.sftp import SftpOptions, connect
from servers.paramiko_sftp import PASSWORD, ParamikoSftp
from servers.process import HOST, free_port
from servers.sftp import Sftp

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OTHER_FINGERPRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


def access(provider: dict[str, Any]) -> StorageAccess:
    found: StorageAccess = connect(SftpOptions(**provider))[0].storage_access("")
    return found


def names(provider: dict[str, Any]) -> list[str]:
    reader = access(provider)
    try:
        return [file.uri for file in reader.files("")]
    finally:
        reader.close()


def refusal(provider: dict[str, Any]) -> Failure:
    """What keeps the storage from being listed."""
    reader = access(provider)
    with pytest.raises(Exception) as caught:  # noqa: PT011  whatever it is, `failure` must know it
        list(reader.files(""))
    reader.close()
    return reader.failure(caught.value)


@pytest.fixture(scope="module")
def folder(sftp_server: Sftp) -> str:
    sftp_server.put("sign-in", "a.csv", b"1\n")
    return "sign-in"


@pytest.fixture
def in_process(tmp_path: Path) -> Iterator[ParamikoSftp]:
    (tmp_path / "a.csv").write_text("1\n")
    with ParamikoSftp(tmp_path) as server:
        yield server


@pytest.mark.parametrize("passphrase", [None, "correct horse"], ids=["open", "locked"])
@pytest.mark.parametrize("kind", Sftp.keys)
def test_keys(sftp_server: Sftp, folder: str, kind: str, passphrase: str | None) -> None:
    key = sftp_server.user_key(kind, passphrase)
    credentials = {"auth_type": "private_key", "private_key": key, "passphrase": passphrase}
    assert names(sftp_server.provider(folder, credentials=credentials)) == ["a.csv"]


def test_a_key_that_the_server_does_not_know(sftp_server: Sftp, folder: str, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    credentials = {"auth_type": "private_key", "private_key": (tmp_path / "key").read_text()}
    found = refusal(sftp_server.provider(folder, credentials=credentials))
    assert found.trouble is Trouble.CONFIG
    assert f"the server refuses the user {sftp_server.username}" in found.reason
    assert "private key" in found.reason


def test_a_user_that_the_server_does_not_know(sftp_server: Sftp, folder: str) -> None:
    found = refusal(sftp_server.provider(folder, username="nobody-at-all"))
    assert found.trouble is Trouble.CONFIG
    assert "refuses the user nobody-at-all" in found.reason
    assert "`username`" in found.reason


def test_passwords(in_process: ParamikoSftp) -> None:
    assert names(in_process.provider()) == ["a.csv"]


def test_a_wrong_password(in_process: ParamikoSftp) -> None:
    found = refusal(in_process.provider(credentials={"auth_type": "password", "password": "not-this-one"}))
    assert found.trouble is Trouble.CONFIG
    assert "the password is wrong" in found.reason
    assert "not-this-one" not in found.reason


def test_a_server_that_asks_for_the_password_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n")
    with ParamikoSftp(tmp_path, methods="keyboard-interactive") as server:
        assert names(server.provider()) == ["a.csv"]


def test_a_server_that_takes_no_passwords(sftp_server: Sftp, folder: str) -> None:
    found = refusal(sftp_server.provider(folder, credentials={"auth_type": "password", "password": PASSWORD}))
    assert found.trouble is Trouble.CONFIG
    assert "sign in by password (option `credentials`), only by publickey" in found.reason


def test_a_server_that_asks_for_more(tmp_path: Path) -> None:
    with ParamikoSftp(tmp_path, then="publickey") as server:
        found = refusal(server.provider())
    assert found.trouble is Trouble.CONFIG
    assert "asks the user ann for more" in found.reason
    assert "publickey" in found.reason


@pytest.mark.parametrize(
    "ways", [{"sftp": False}, {"says": b"This account is currently not available.\r\n"}, {"says": b"no"}]
)
def test_a_server_without_sftp(tmp_path: Path, ways: dict[str, Any]) -> None:
    with ParamikoSftp(tmp_path, **ways) as server:
        found = refusal(server.provider())
    assert found.trouble is Trouble.CONFIG
    assert "does not let the user ann (option `username`) use SFTP" in found.reason


def fingerprint(key: str) -> str:
    """What ssh-keygen says of a public key."""
    printed = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=key, capture_output=True, text=True, check=True)
    return printed.stdout.split()[1]


def test_the_right_host_key(sftp_server: Sftp, folder: str, caplog: pytest.LogCaptureFixture) -> None:
    shown = fingerprint(sftp_server.host_key)
    for host_key in (sftp_server.host_key, shown, f"{OTHER_KEY}\n{shown}", f"{HOST} {sftp_server.host_key} comment"):
        assert names(sftp_server.provider(folder, host_key=host_key)) == ["a.csv"]
    assert not caplog.records


@pytest.mark.parametrize("host_key", [OTHER_KEY, OTHER_FINGERPRINT])
def test_the_wrong_host_key(sftp_server: Sftp, folder: str, host_key: str) -> None:
    found = refusal(sftp_server.provider(folder, host_key=host_key))
    assert found.trouble is Trouble.CONFIG
    assert fingerprint(sftp_server.host_key) in found.reason
    assert OTHER_FINGERPRINT in found.reason
    assert "`host_key`" in found.reason


def test_a_host_key_of_another_type(in_process: ParamikoSftp) -> None:
    found = refusal(in_process.provider(host_key=OTHER_KEY))
    assert found.trouble is Trouble.CONFIG
    assert "of another type" in found.reason
    assert OTHER_FINGERPRINT in found.reason


def test_a_server_with_several_keys_is_known_by_any(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n")
    with ParamikoSftp(tmp_path, rsa=True) as server:
        assert len(server.host_keys) == 2
        for line in server.host_keys:
            for host_key in (line, fingerprint(line), f"{OTHER_FINGERPRINT}\n{line}"):
                assert names(server.provider(host_key=host_key)) == ["a.csv"]
        found = refusal(server.provider(host_key=OTHER_FINGERPRINT))
        assert all(fingerprint(line) in found.reason for line in server.host_keys)


def test_without_a_host_key_one_warning_shows_it(
    sftp_server: Sftp, folder: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_connections, "_warned", set())
    provider = sftp_server.provider(folder, host_key=None)
    assert names(provider) == names(provider) == ["a.csv"]
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert fingerprint(sftp_server.host_key) in warning.getMessage()
    assert "`host_key`" in warning.getMessage()


def test_nothing_at_the_port(sftp_server: Sftp, folder: str) -> None:
    found = refusal(sftp_server.provider(folder, port=free_port()))
    assert found.trouble is Trouble.TEMPORARY
    assert "refuses connections; if it stays so, correct `host` or `port`" in found.reason


def test_no_such_host(sftp_server: Sftp, folder: str) -> None:
    found = refusal(sftp_server.provider(folder, host="no-such-host.invalid"))
    assert found.trouble is Trouble.TEMPORARY
    assert "the name no-such-host.invalid cannot be resolved; if it stays so, correct `host`" in found.reason


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as server:
        yield server


def test_a_server_of_another_protocol(sftp_server: Sftp, folder: str, listening: socket.socket) -> None:
    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)

    threading.Thread(target=answer, daemon=True).start()
    found = refusal(sftp_server.provider(folder, port=listening.getsockname()[1]))
    assert found.trouble is Trouble.TEMPORARY
    assert "does not speak SSH" in found.reason
    assert "`port`" in found.reason


def test_a_server_that_says_nothing(
    sftp_server: Sftp, folder: str, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_connections, "SIGN_IN_SECONDS", 0.5)
    began = time.monotonic()
    found = refusal(sftp_server.provider(folder, port=listening.getsockname()[1]))
    assert found.trouble is Trouble.TEMPORARY
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("after", [0, 50, 1200, 1700, 2500])
def test_a_server_that_stops_while_the_user_signs_in(
    sftp_server: Sftp, folder: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from servers.fault_proxy import TcpFaultProxy, stall

    monkeypatch.setattr(sftp_connections, "SIGN_IN_SECONDS", 1)
    with TcpFaultProxy(sftp_server.port) as proxy:
        proxy.next(then=stall(60, after))
        began = time.monotonic()
        found = refusal(sftp_server.provider(folder, port=proxy.port))
    assert found.trouble is Trouble.TEMPORARY
    assert time.monotonic() - began < 5
    # one that does not end by itself would keep the program from ending
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and not thread.daemon]


@pytest.mark.parametrize("after", [0, 20, 500, 1200, 1700, 2000, 2500])
def test_a_server_that_cuts_off_while_the_user_signs_in(sftp_server: Sftp, folder: str, after: int) -> None:
    from servers.fault_proxy import TcpFaultProxy, close_body, reset_body

    for fault in (reset_body(after), close_body(after)):
        with TcpFaultProxy(sftp_server.port) as proxy:
            proxy.next(fault)
            provider = sftp_server.provider(folder, port=proxy.port)
            assert refusal(provider).trouble is Trouble.TEMPORARY
            assert names(provider) == ["a.csv"]
