"""Reading files of an SFTP server: whole, from an offset, by ranges, while they change, over lines that break."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.sources.file_based.access.storage_access import Content, StorageAccess, Trouble
from airbyte_cdk.sources.file_based.storages import sftp_connections
from airbyte_cdk.sources.file_based.storages.sftp import SftpOptions, connect
from servers.fault_proxy import NONE, TcpFaultProxy, close_body, reset, reset_body, stall
from servers.paramiko_sftp import ParamikoSftp
from servers.sftp import Sftp

NAME = "reading"
BIG = random.Random(1).randbytes(9_999_999)


def connected(provider: dict[str, Any]) -> StorageAccess:
    access: StorageAccess = connect(SftpOptions(**provider))[0].storage_access("")
    return access


@pytest.fixture(scope="module")
def root(sftp_server: Sftp) -> Path:
    sftp_server.put(NAME, "big", BIG)
    return sftp_server.folder(NAME)


@pytest.fixture
def access(sftp_server: Sftp, root: Path) -> Iterator[StorageAccess]:
    access = connected(sftp_server.provider(NAME))
    yield access
    access.close()


@pytest.fixture
def proxy(sftp_server: Sftp) -> Iterator[TcpFaultProxy]:
    with TcpFaultProxy(sftp_server.port) as proxy:
        yield proxy


@pytest.fixture
def through(sftp_server: Sftp, root: Path, proxy: TcpFaultProxy) -> Iterator[StorageAccess]:
    """The storage through the proxy."""
    access = connected(sftp_server.provider(NAME, port=proxy.port))
    yield access
    access.close()


def rest(content: Content, n: int = 1 << 20) -> bytes:
    try:
        return b"".join(iter(lambda: content.read(n), b""))
    finally:
        content.close()


def trouble(access: StorageAccess, error: BaseException, uri: str = "big") -> Trouble:
    return access.failure(error, uri).trouble


def test_whole_files(access: StorageAccess) -> None:
    content = access.open("big")
    assert content.size == len(BIG)
    assert content.version == access.info("big").version
    assert rest(content) == BIG


@pytest.mark.parametrize("start", [0, 1, 32767, 32768, 5_000_000, len(BIG) - 1, len(BIG), len(BIG) + 10])
def test_from_an_offset(access: StorageAccess, start: int) -> None:
    content = access.open("big", start)
    assert content.size == len(BIG)
    assert rest(content) == BIG[start:]


@pytest.mark.parametrize("n", [1, 1000, 32768, 100_000])
def test_never_more_than_asked_for(access: StorageAccess, n: int) -> None:
    content = access.open("big", len(BIG) - 70_001)
    parts = list(iter(lambda: content.read(n), b""))
    content.close()
    assert b"".join(parts) == BIG[-70_001:]
    assert max(map(len, parts)) <= n


def test_ranges(access: StorageAccess) -> None:
    spans = [(0, 4), (5_000_000, 9_000_000), (100, 100), (len(BIG) - 8, len(BIG)), (3, 70_000), (len(BIG) - 1, 1 << 40)]
    assert access.ranges("big", spans) == [BIG[start:end] for start, end in spans]
    assert access.ranges("big", []) == []
    assert access.ranges("big", [(1 << 40, 1 << 41)]) == [b""]


def test_files_that_are_not_there_or_forbidden(access: StorageAccess, sftp_server: Sftp) -> None:
    sftp_server.put(NAME, "forbidden", b"x")
    sftp_server.forbid(NAME, "forbidden")
    asks = (access.open, lambda uri: access.ranges(uri, [(0, 1)]))
    for ask in (*asks, access.info):
        with pytest.raises(OSError) as caught:  # noqa: PT011  `failure` tells
            ask("missing")
        assert trouble(access, caught.value, "missing") is Trouble.MISSING
    for ask in asks:
        with pytest.raises(OSError) as caught:  # noqa: PT011
            ask("forbidden")
        found = access.failure(caught.value, "forbidden")
        assert found.trouble is Trouble.CONFIG
        assert f"the user {sftp_server.username} (option `username`) may not read it" in found.reason


def test_a_file_that_grows_is_given_as_it_was(access: StorageAccess, sftp_server: Sftp, root: Path) -> None:
    sftp_server.put(NAME, "growing", BIG)
    content = access.open("growing")
    first = content.read(1000)
    with (root / "growing").open("ab") as file:
        file.write(b"more" * 1000)
    assert first + rest(content) == BIG
    assert content.size == len(BIG)


def test_a_file_that_shrinks_raises(access: StorageAccess, sftp_server: Sftp, root: Path) -> None:
    sftp_server.put(NAME, "shrinking", BIG)
    content = access.open("shrinking")
    content.read(1000)
    os.truncate(root / "shrinking", 6_000_000)
    with pytest.raises(OSError, match="became shorter") as caught:
        rest(content)
    assert trouble(access, caught.value) is Trouble.CHANGED


def test_a_file_that_is_replaced(access: StorageAccess, sftp_server: Sftp) -> None:
    sftp_server.put(NAME, "replaced", BIG)
    before = access.info("replaced").version
    content = access.open("replaced", version=before)
    content.read(1000)
    sftp_server.put(NAME, "replaced", b"new")
    assert rest(content) == BIG[1000:]  # the old one still, not a mixture
    for ask in (
        lambda: access.open("replaced", 1000, before),
        lambda: access.ranges("replaced", [(0, 1)], before),
    ):
        with pytest.raises(OSError, match="changed since it was listed") as caught:
            ask()
        assert trouble(access, caught.value) is Trouble.CHANGED
    assert rest(access.open("replaced", version=access.info("replaced").version)) == b"new"


def test_closing_in_the_middle_and_twice(access: StorageAccess) -> None:
    for _ in range(300):  # more than a server allows open files, were they not closed
        content = access.open("big")
        assert content.read(10) == BIG[:10]
        content.close()
        content.close()
        with pytest.raises(ValueError, match="closed"):
            content.read(1)
    assert rest(access.open("big")) == BIG


def test_eight_threads_at_once(through: StorageAccess, proxy: TcpFaultProxy, sftp_server: Sftp, root: Path) -> None:
    made = random.Random(2)
    files = {f"many/{i}": made.randbytes(made.choice([0, 10, 40_000, 300_000, 2_000_000])) for i in range(48)}
    for uri, data in files.items():
        sftp_server.put(NAME, uri, data)

    def work(number: int) -> None:
        order = list(files)
        random.Random(number).shuffle(order)
        for uri in order:
            data = files[uri]
            if number % 4 == 0:
                assert sorted(file.uri for file in through.files("many/")) == sorted(files)
            elif number % 4 == 1:
                spans = [(i, i + 5000) for i in range(0, len(data), 50_000)]
                assert through.ranges(uri, spans) == [data[start:end] for start, end in spans]
            else:
                one, other = through.open(uri), through.open("big", 9_900_000)
                assert rest(one) == data
                assert rest(other) == BIG[9_900_000:]

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result(timeout=100)
    assert 1 < proxy.connections <= sftp_connections.MOST_CONNECTIONS


def test_a_server_that_allows_one_connection_only(through: StorageAccess, proxy: TcpFaultProxy) -> None:
    proxy.next(NONE, then=reset())
    contents = [through.open("big", start) for start in range(0, 5_000_000, 1_000_000)]
    assert [content.read(10) for content in contents] == [BIG[start:][:10] for start in range(0, 5_000_000, 1_000_000)]
    assert proxy.connections == 2
    for start, content in zip(range(0, 5_000_000, 1_000_000), contents, strict=True):
        assert rest(content) == BIG[start + 10 :]


@pytest.mark.parametrize("broken", [reset_body, close_body])
def test_a_connection_that_breaks_in_the_middle_of_a_file(
    through: StorageAccess, proxy: TcpFaultProxy, broken: Any
) -> None:
    proxy.next(broken(3_000_000))
    content = through.open("big")
    received = b""
    with pytest.raises(OSError, match="cut off") as caught:  # noqa: PT012  what was read before counts
        while True:
            received += content.read(1 << 20)
    assert trouble(through, caught.value) is Trouble.TEMPORARY
    assert 0 < len(received) < len(BIG)
    assert BIG.startswith(received)
    with pytest.raises(OSError, match="cut off"):
        content.read(1)  # not what came behind the gap
    content.close()
    assert rest(through.open("big", len(received))) == BIG[len(received) :]
    assert proxy.connections == 2


def test_a_connection_that_breaks_under_several_readers(through: StorageAccess, proxy: TcpFaultProxy) -> None:
    proxy.next(reset_body(4_000_000), then=reset())
    contents = [through.open("big") for _ in range(4)]

    def read(content: Content) -> BaseException | None:
        try:
            assert rest(content) == BIG
        except OSError as error:
            return error
        return None

    with ThreadPoolExecutor(4) as pool:
        errors = list(pool.map(read, contents))
    assert [error and trouble(through, error) for error in errors] == [Trouble.TEMPORARY] * 4
    proxy.clear()
    assert rest(through.open("big")) == BIG


def test_a_connection_that_breaks_in_a_listing(through: StorageAccess, proxy: TcpFaultProxy, root: Path) -> None:
    for i in range(3000):
        (root / "listed" / str(i % 3)).mkdir(parents=True, exist_ok=True)
        (root / "listed" / str(i % 3) / str(i)).touch()
    proxy.next(reset_body(100_000))
    with pytest.raises(OSError, match="cut off") as caught:
        list(through.files("listed/"))
    assert through.failure(caught.value).trouble is Trouble.TEMPORARY
    assert len(list(through.files("listed/"))) == 3000


def test_a_connection_that_broke_while_nobody_used_it(
    through: StorageAccess, proxy: TcpFaultProxy, sftp_server: Sftp
) -> None:
    proxy.next(reset_body(3_000))
    with pytest.raises(OSError, match="cut off"):
        rest(through.open("big"))
    proxy.clear()
    assert through.info("big").size == len(BIG)
    proxy.close()  # breaks what is open
    with pytest.raises(OSError, match=r"refuses connections|cut off") as caught:
        through.info("big")
    assert trouble(through, caught.value) is Trouble.TEMPORARY


def test_a_server_that_stops_answering(
    through: StorageAccess, proxy: TcpFaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_connections, "ANSWER_SECONDS", 0.5)
    proxy.next(stall(60, 1_000_000))
    began = time.monotonic()
    with pytest.raises(OSError, match="stopped answering") as caught:
        rest(through.open("big"))
    assert time.monotonic() - began < 5
    assert trouble(through, caught.value) is Trouble.TEMPORARY
    assert rest(through.open("big")) == BIG


def test_closed_and_used_again(through: StorageAccess, proxy: TcpFaultProxy) -> None:
    content = through.open("big")
    content.read(10)
    through.close()
    with pytest.raises(OSError, match=r"was closed|cut off"):
        rest(content)
    assert rest(through.open("big")) == BIG
    assert proxy.connections == 2


def test_a_server_that_gives_less_than_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BIG[:500_000])
    with ParamikoSftp(tmp_path, longest_read=1000) as server:
        access = connected(server.provider())
        assert rest(access.open("a", 3)) == BIG[3:500_000]
        assert access.ranges("a", [(7, 70_000), (5, 6)]) == [BIG[7:70_000], BIG[5:6]]
        access.close()
