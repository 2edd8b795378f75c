"""Copying one file from a web server to the disk: parts, versions, faults, space and memory."""

from __future__ import annotations

import http.client
import logging
import os
import random
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access import download as downloading
from airbyte_cdk.sources.file_based.access.download import PART_BYTES, PARTS_FROM, download
from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.access.storage_access import (
    Content,
    Failure,
    Listed,
    StorageAccess,
    Trouble,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.fault_proxy import FaultProxy, Request, close_body, reset_body, slow, status
from servers.http import Nginx

LOGGER = logging.getLogger("airbyte.test_download")
LARGE = PARTS_FROM + 3 * PART_BYTES + 12345


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, code: int) -> None:
        super().__init__(f"HTTP {code}")
        self.code = code


class WebContent(Content):
    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, start: int) -> None:
        self._connection = connection
        self._answer = answer
        length = answer.headers["Content-Length"]
        self.size = None if length is None else start + int(length)
        self.version = answer.headers["ETag"]

    def read(self, n: int) -> bytes:
        data = self._answer.read(n)
        if not data and self._answer.length:
            raise http.client.IncompleteRead(b"")
        return data

    def close(self) -> None:
        self._connection.close()


class Web(StorageAccess):
    """Files of a web server, one connection a request."""

    title = "web server"

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    def files(self, prefix: str, **_: Any) -> Iterator[Listed]:
        raise NotImplementedError

    def open(self, uri: str, start: int = 0, version: str | None = None) -> WebContent:
        return self._get(uri, start, None, version)

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        parts = []
        for start, end in ranges:
            content = self._get(uri, start, end, version)
            part = bytearray()
            while data := content.read(end - start):
                part += data
            parts.append(bytes(part))
            content.close()
        return parts

    def info(self, uri: str) -> Listed:
        connection = http.client.HTTPConnection(*self._address)
        connection.request("HEAD", f"/{uri}")
        answer = connection.getresponse()
        connection.close()
        if answer.status != 200:
            raise Refused(answer.status)
        modified = parsedate_to_datetime(answer.headers["Last-Modified"]).replace(tzinfo=None)
        return Listed(uri, int(answer.headers["Content-Length"]), modified, answer.headers["ETag"])

    def _get(self, uri: str, start: int, end: int | None, version: str | None) -> WebContent:
        headers = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
        if version is not None:
            headers["If-Match"] = version
        connection = http.client.HTTPConnection(*self._address, timeout=20)
        connection.request("GET", f"/{uri}", headers=headers)
        answer = connection.getresponse()
        if answer.status not in (200, 206):
            connection.close()
            raise Refused(answer.status)
        return WebContent(connection, answer, start)

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        if isinstance(error, Refused):
            known = {404: Trouble.MISSING, 412: Trouble.CHANGED, 403: Trouble.CONFIG, 503: Trouble.TEMPORARY}
            return Failure(known.get(error.code, Trouble.OTHER), f"the server answers {error.code}")
        if isinstance(error, OSError | http.client.HTTPException):
            return Failure(Trouble.TEMPORARY, "the connection broke")
        return Failure(Trouble.OTHER, type(error).__name__)


class Unversioned(Web):
    """The same server, if it told no version."""

    def open(self, uri: str, start: int = 0, version: str | None = None) -> WebContent:
        content = super().open(uri, start, version)
        content.version = None
        return content


class Unsized(Web):
    """The same server, if it told no size."""

    def open(self, uri: str, start: int = 0, version: str | None = None) -> WebContent:
        content = super().open(uri, start, version)
        content.size = None
        return content


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def proxy(nginx: Nginx) -> Iterator[FaultProxy]:
    with FaultProxy(nginx.port) as faults:
        yield faults


@pytest.fixture
def web(proxy: FaultProxy) -> Web:
    return Web(proxy.host, proxy.port)


def ranges_of(proxy: FaultProxy) -> list[str | None]:
    return [passed.range for passed in proxy.log if passed.method == "GET"]


def nothing_is_left(folder: Path) -> bool:
    return not list(folder.iterdir())


def test_a_large_file_comes_in_parts_of_one_version(nginx: Nginx, proxy: FaultProxy, web: Web, tmp_path: Path) -> None:
    data = noise(LARGE)
    nginx.put("download", "large.bin", data)
    listed = web.info("download/large.bin")
    target = tmp_path / "large.bin"
    assert download(web, "download/large.bin", listed.size, listed.version, str(target), LOGGER) == LARGE
    assert target.read_bytes() == data
    assert list(tmp_path.iterdir()) == [target]
    starts = range(PART_BYTES, LARGE, PART_BYTES)
    parts = [f"bytes={start}-{min(start + PART_BYTES, LARGE) - 1}" for start in starts]
    assert sorted(ranges_of(proxy), key=str) == sorted([None, *parts], key=str)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PARTS_FROM - 1])
def test_smaller_files_come_in_one_request(
    size: int, nginx: Nginx, proxy: FaultProxy, web: Web, tmp_path: Path
) -> None:
    data = noise(size)
    nginx.put("download", f"{size}.bin", data)
    target = tmp_path / "copy"
    assert download(web, f"download/{size}.bin", size, None, str(target), LOGGER) == size
    assert target.read_bytes() == data
    assert ranges_of(proxy) == [None]


@pytest.mark.parametrize("kind", [Unversioned, Unsized])
def test_without_size_or_version_a_large_file_comes_in_one_request(
    kind: type[Web], nginx: Nginx, proxy: FaultProxy, tmp_path: Path
) -> None:
    data = noise(PARTS_FROM + 1)
    nginx.put("download", "stream.bin", data)
    target = tmp_path / "copy"
    copied = download(kind(proxy.host, proxy.port), "download/stream.bin", None, None, str(target), LOGGER)
    assert copied == len(data)
    assert target.read_bytes() == data
    assert ranges_of(proxy) == [None]


def test_broken_parts_are_resumed_where_they_broke(nginx: Nginx, proxy: FaultProxy, web: Web, tmp_path: Path) -> None:
    data = noise(LARGE)
    nginx.put("download", "broken.bin", data)
    listed = web.info("download/broken.bin")
    proxy.clear()
    third = f"bytes={2 * PART_BYTES}-"
    proxy.rule(
        lambda request: request.headers.get("range", "").startswith(third), status(503), reset_body(PART_BYTES // 2)
    )
    proxy.rule(lambda request: "range" not in request.headers, close_body(3 << 20))
    target = tmp_path / "copy"
    access = RetryingAccess(web, logger=LOGGER)
    assert download(access, "download/broken.bin", listed.size, listed.version, str(target), LOGGER) == LARGE
    assert target.read_bytes() == data
    assert proxy.faults == 3
    begins = [0 if sent is None else int(sent.removeprefix("bytes=").split("-")[0]) for sent in ranges_of(proxy)]
    assert begins.count(0) == 1
    assert [at for at in begins if 0 < at <= 3 << 20]  # the stream went on where it broke
    assert [at for at in begins if 2 * PART_BYTES < at <= 2.5 * PART_BYTES]  # and so did the part


def test_a_storage_that_stays_broken_leaves_nothing(nginx: Nginx, proxy: FaultProxy, web: Web, tmp_path: Path) -> None:
    nginx.put("download", "down.bin", noise(LARGE))
    listed = web.info("download/down.bin")
    proxy.rule(lambda request: request.headers.get("range", "").startswith(f"bytes={PART_BYTES}-"), status(503))
    with pytest.raises(Refused):
        download(web, "download/down.bin", listed.size, listed.version, str(tmp_path / "copy"), LOGGER)
    assert nothing_is_left(tmp_path)
    until = time.monotonic() + 10
    while [thread for thread in threading.enumerate() if thread.name.startswith("airbyte-part")]:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_error_of_one_part_does_not_wait_for_what_others_try_again(
    nginx: Nginx, proxy: FaultProxy, web: Web, tmp_path: Path
) -> None:
    nginx.put("download", "parts.bin", noise(LARGE))
    listed = web.info("download/parts.bin")

    def of_part(number: int) -> Callable[[Request], bool]:
        return lambda request: request.headers.get("range", "").startswith(f"bytes={number * PART_BYTES}-")

    proxy.rule(of_part(1), status(503), forever=True)
    proxy.rule(of_part(2), status(403), forever=True)
    patient = RetryingAccess(web, RetryPolicy(seconds=60, first_wait=20, longest_wait=20))
    began = time.monotonic()
    with pytest.raises(FileAccessError, match="403"):
        download(patient, "download/parts.bin", listed.size, listed.version, str(tmp_path / "copy"), LOGGER)
    assert time.monotonic() - began < 15
    assert nothing_is_left(tmp_path)


def test_the_error_of_a_part_counts_and_not_what_it_ends(nginx: Nginx, web: Web, tmp_path: Path) -> None:
    """The stream of the first part is ended by another part that failed, and may notice it before that part has."""
    nginx.put("download", "ended.bin", noise(LARGE))
    listed = web.info("download/ended.bin")
    ended = threading.Event()

    class Ended(Content):
        size, version = listed.size, listed.version

        def read(self, n: int) -> bytes:
            assert ended.wait(20)
            raise ValueError("read of a closed content")

        def stop(self) -> None:
            ended.set()
            time.sleep(0.3)

        def close(self) -> None:
            pass

    class Refusing(Web):
        def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:  # type: ignore[override]
            return Ended()

        def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
            raise Refused(403)

    with pytest.raises(Refused):
        download(
            Refusing(*web._address), "download/ended.bin", listed.size, listed.version, str(tmp_path / "x"), LOGGER
        )
    assert nothing_is_left(tmp_path)


def test_a_missing_file_leaves_nothing(web: Web, tmp_path: Path) -> None:
    with pytest.raises(FileAccessError) as error:
        download(RetryingAccess(web, logger=LOGGER), "download/none", 10, None, str(tmp_path / "copy"), LOGGER)
    assert error.value.failure.trouble is Trouble.MISSING
    assert nothing_is_left(tmp_path)


def test_a_file_that_is_replaced_while_it_is_copied_is_an_error(
    nginx: Nginx, proxy: FaultProxy, web: Web, tmp_path: Path
) -> None:
    nginx.put("download", "new.bin", noise(LARGE, 1), datetime(2024, 1, 1))
    listed = web.info("download/new.bin")

    def replace_at_second_part(request: Any) -> bool:
        if request.headers.get("range", "").startswith(f"bytes={2 * PART_BYTES}-"):
            nginx.put("download", "new.bin", noise(LARGE, 2), datetime(2024, 1, 2))
        return False

    proxy.rule(replace_at_second_part, status(500))
    access = RetryingAccess(web, logger=LOGGER)
    with pytest.raises(FileAccessError, match=r"web server: file download/new.bin") as error:
        download(access, "download/new.bin", listed.size, listed.version, str(tmp_path / "copy"), LOGGER)
    assert error.value.failure.trouble is Trouble.CHANGED
    assert error.value.failure_type is FailureType.transient_error
    assert nothing_is_left(tmp_path)


def test_a_file_that_was_replaced_since_it_was_listed_is_an_error(nginx: Nginx, web: Web, tmp_path: Path) -> None:
    nginx.put("download", "old.bin", b"one", datetime(2024, 1, 1))
    listed = web.info("download/old.bin")
    nginx.put("download", "old.bin", b"two!", datetime(2024, 1, 2))
    access = RetryingAccess(web, logger=LOGGER)
    with pytest.raises(FileAccessError) as error:
        download(access, "download/old.bin", listed.size, listed.version, str(tmp_path / "copy"), LOGGER)
    assert error.value.failure.trouble is Trouble.CHANGED
    with pytest.raises(FileAccessError, match=r"it had 3 bytes when it was listed and has 4 now") as error:
        download(web, "download/old.bin", listed.size, None, str(tmp_path / "copy"), LOGGER)
    assert error.value.failure.trouble is Trouble.CHANGED
    assert nothing_is_left(tmp_path)


def test_a_file_that_is_overwritten_under_a_slow_reader_is_an_error(
    nginx: Nginx, proxy: FaultProxy, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "RECHECK_SECONDS", 0.0)
    nginx.put("download", "log.bin", bytes(8 << 20), datetime(2024, 1, 1))
    listed = web.info("download/log.bin")
    target = str(tmp_path / "copy")
    assert download(web, "download/log.bin", listed.size, listed.version, target, LOGGER) == 8 << 20
    os.unlink(target)

    class Overwriting(Web):
        """Has the file overwritten in place when its content is opened."""

        def open(self, uri: str, start: int = 0, version: str | None = None) -> WebContent:
            content = super().open(uri, start, version)
            with (nginx.folder("download") / "log.bin").open("r+b") as file:
                file.write(b"other")
            return content

    overwriting = Overwriting(proxy.host, proxy.port)
    with pytest.raises(FileAccessError, match="it was overwritten meanwhile") as error:
        download(overwriting, "download/log.bin", listed.size, listed.version, target, LOGGER)
    assert error.value.failure.trouble is Trouble.CHANGED
    assert nothing_is_left(tmp_path)


def test_a_version_that_is_not_told_a_second_time_is_no_change(
    nginx: Nginx, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "RECHECK_SECONDS", 0.0)
    nginx.put("download", "untold.bin", b"123")

    class Untold(Web):
        """The same server, if it told the version of content only."""

        def info(self, uri: str) -> Listed:
            return super().info(uri)._replace(version=None)

    access = Untold(proxy.host, proxy.port)
    assert download(access, "download/untold.bin", 3, None, str(tmp_path / "copy"), LOGGER) == 3
    assert [passed.method for passed in proxy.log] == ["GET", "HEAD"]


def test_a_file_that_is_removed_after_it_was_copied_was_copied(
    nginx: Nginx, proxy: FaultProxy, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "RECHECK_SECONDS", 0.0)
    nginx.put("download", "gone.bin", b"123")
    listed = web.info("download/gone.bin")
    proxy.rule(lambda request: request.method == "HEAD", status(404))
    assert download(web, "download/gone.bin", 3, listed.version, str(tmp_path / "copy"), LOGGER) == 3
    assert proxy.faults == 1


def test_an_older_copy_is_replaced_and_a_name_of_full_length_has_room_for_its_part(
    nginx: Nginx, web: Web, tmp_path: Path
) -> None:
    nginx.put("download", "a.bin", b"new")
    target = tmp_path / ("x" * 255)
    target.write_bytes(b"older and longer")
    assert download(web, "download/a.bin", 3, None, str(target), LOGGER) == 3
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_slow_download_tells_how_far_it_is(
    nginx: Nginx,
    proxy: FaultProxy,
    web: Web,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(downloading, "PROGRESS_SECONDS", 0.3)
    monkeypatch.setattr(downloading, "STREAM_BYTES", 10_000)
    nginx.put("download", "slow.bin", noise(100_000))
    proxy.rule(lambda request: True, slow(100_000))
    with caplog.at_level(logging.INFO, LOGGER.name):
        download(web, "download/slow.bin", 100_000, None, str(tmp_path / "copy"), LOGGER)
    lines = [message for message in caplog.messages if message.startswith("web server: copying download/slow.bin: ")]
    assert 1 <= len(lines) <= 4
    assert all(line.endswith(" of 100,000 bytes so far") for line in lines)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_what_does_not_fit_on_the_disk_is_known_before_it_is_copied(
    nginx: Nginx, proxy: FaultProxy, web: Web, small_disk: Path
) -> None:
    nginx.put("download", "full.bin", noise(3 << 20))
    (small_disk / "other").write_bytes(bytes(2 << 20))
    with pytest.raises(AirbyteTracedException) as error:
        download(web, "download/full.bin", 3 << 20, None, str(small_disk / "copy"), LOGGER)
    assert error.value.failure_type is FailureType.system_error
    assert "download/full.bin does not fit" in str(error.value)
    assert f"{small_disk}: it needs 3,145,728 bytes, and 2,097,152 of 4,194,304 bytes are free" in str(error.value)
    assert ranges_of(proxy) == []
    with pytest.raises(AirbyteTracedException) as error:
        download(web, "download/full.bin", 5 << 20, None, str(small_disk / "copy"), LOGGER)
    assert error.value.failure_type is FailureType.config_error
    assert [path.name for path in small_disk.iterdir()] == ["other"]


@pytest.mark.parametrize("kind", [Web, Unsized])
def test_a_disk_that_fills_up_meanwhile_is_told(
    kind: type[Web], nginx: Nginx, proxy: FaultProxy, small_disk: Path
) -> None:
    nginx.put("download", "filled.bin", noise(3 << 20))

    def another_comes(request: Any) -> bool:
        (small_disk / "other").write_bytes(bytes(2 << 20))
        return False

    proxy.rule(another_comes, status(500))
    size = None if kind is Unsized else 3 << 20
    with pytest.raises(AirbyteTracedException, match="does not fit into the staging directory") as error:
        download(kind(proxy.host, proxy.port), "download/filled.bin", size, None, str(small_disk / "copy"), LOGGER)
    assert error.value.failure_type is FailureType.system_error
    assert [path.name for path in small_disk.iterdir()] == ["other"]


def peak_of(action: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(nginx: Nginx, tmp_path: Path) -> None:
    size = 200 << 20
    with open(nginx.folder("download") / "sparse.bin", "wb") as sparse:
        sparse.truncate(size)
    web = Web("127.0.0.1", nginx.port)
    version = web.info("download/sparse.bin").version
    target = str(tmp_path / "copy")
    peak = peak_of(lambda: download(web, "download/sparse.bin", size, version, target, LOGGER))
    assert os.path.getsize(target) == size
    # a part is gathered in a buffer and then copied once
    assert peak < (2 * downloading.PARTS_AT_ONCE + 2) * PART_BYTES
    os.unlink(target)
    stream = Unversioned("127.0.0.1", nginx.port)
    peak = peak_of(lambda: download(stream, "download/sparse.bin", size, None, target, LOGGER))
    assert peak < 8 << 20
    os.unlink(nginx.folder("download") / "sparse.bin")
