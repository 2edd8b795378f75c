"""Handles on files of a real HTTP storage: in order, at random, ahead, under faults and changes."""

from __future__ import annotations

import gc
import io
import logging
import random
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.access import handle as handles
from airbyte_cdk.sources.file_based.access import range_cache, read_ahead
from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.fsspec_access import FsspecAccess
from airbyte_cdk.sources.file_based.access.handle import StorageHandle
from airbyte_cdk.sources.file_based.access.range_cache import RangeCache
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.access.storage_access import Content, Failure, Listed, StorageAccess, Trouble
from servers.fault_proxy import NONE, FaultProxy, reset_body, stall, status
from servers.web_storage import MODIFIED, WebAccess, WebServer, etag

SMALL = random.Random(1).randbytes(200_000)
LARGE = random.Random(2).randbytes(24 << 20)
QUICK = RetryPolicy(seconds=3, first_wait=0.01, longest_wait=0.05)
LOGGER = logging.getLogger("airbyte.test.handle")


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def web(server: WebServer) -> WebServer:
    server.asked.clear()
    server.sent = 0
    server.files = {"small": SMALL, "large": LARGE, "empty": b""}
    return server


_EARLIER: set[threading.Thread] = set()  # of other tests


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    _EARLIER.clear()
    _EARLIER.update(threading.enumerate())
    yield
    gc.collect()
    deadline = time.monotonic() + 5
    while ours() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not ours()


def ours() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("airbyte-") and t not in _EARLIER]


def handle_on(web: WebServer, uri: str, port: int | None = None, **known: Any) -> StorageHandle:
    return StorageHandle(RetryingAccess(WebAccess(port or web.port), QUICK), uri, logger=LOGGER, **known)


def test_nothing_is_asked_before_the_first_read(web: WebServer) -> None:
    with handle_on(web, "small", size=len(SMALL), version=etag(SMALL)) as handle:
        assert handle.readable()
        assert handle.seekable()
        assert handle.seek(0, io.SEEK_END) == len(SMALL) == handle.tell()
        assert handle.seek(0) == 0
        assert web.asked == []
        assert handle.read() == SMALL
        assert handle.read(1) == b""
        assert len(web.asked) == 1
    with pytest.raises(ValueError, match="closed"):
        handle.read(1)


def test_a_small_file_needs_no_thread(web: WebServer) -> None:
    with handle_on(web, "small") as handle:
        assert handle.read(100_000) + handle.read(100_001) == SMALL
        assert ours() == []


def test_an_empty_file(web: WebServer) -> None:
    with handle_on(web, "empty", size=0) as handle:
        assert handle.read() == b""
    with handle_on(web, "empty") as handle:
        handle.expect_random_access()
        assert handle.read(5) == b""


def test_reads_give_all_that_was_asked_for(web: WebServer) -> None:
    with handle_on(web, "large", size=len(LARGE)) as handle:
        for start in range(0, 3 << 20, 300_001):
            assert handle.read(300_001) == LARGE[start : start + 300_001]
        buffer = bytearray(5 << 20)
        at = handle.tell()
        assert handle.readinto(buffer) == len(buffer)
        assert buffer == LARGE[at : at + len(buffer)]
        assert io.BufferedReader(handle).read() == LARGE[at + len(buffer) :]


def test_reading_ahead_is_bounded(web: WebServer) -> None:
    with handle_on(web, "large", size=len(LARGE)) as handle:
        assert handle.read(10) == LARGE[:10]
        assert ours() == []  # who wants the head only does not pay for more
        handle.read(2 << 20)
        time.sleep(0.3)
        assert ours() == ["airbyte-read-ahead"]
        assert handle._stream is not None
        assert handle._stream._waiting == read_ahead.AHEAD_BYTES
        assert handle.read() == LARGE[10 + (2 << 20) :]
        assert len(web.asked) == 1


def test_a_seek_goes_on_from_the_new_place(web: WebServer) -> None:
    with handle_on(web, "large", size=len(LARGE)) as handle:
        handle.read(3 << 20)
        for place in (100, 5 << 20, (6 << 20) + 300_000, len(LARGE) - 7):
            assert handle.seek(place) == place
            assert handle.read(1 << 20) == LARGE[place : place + (1 << 20)]
        assert handle.seek(-5, io.SEEK_CUR) == len(LARGE) - 5
        assert handle.read() == LARGE[-5:]
        handle.seek(10, io.SEEK_END)
        assert handle.read(1) == b""
        assert len(web.asked) == 4  # the short way forward was read through
        with pytest.raises(ValueError, match="negative"):
            handle.seek(-1)
        with pytest.raises(ValueError, match="whence"):
            handle.seek(0, 3)


@pytest.mark.parametrize("size", [None, len(LARGE)])
def test_random_reads_ask_for_little(web: WebServer, size: int | None) -> None:
    with handle_on(web, "large", size=size, version=etag(LARGE) if size else None) as handle:
        handle.expect_random_access()
        handle.expect_random_access()
        known = len(web.asked)
        assert known == 2 + (size is None)  # head and tail
        assert handle.read(10) == LARGE[:10]
        handle.seek(-65536, io.SEEK_END)
        assert handle.read() == LARGE[-65536:]
        assert len(web.asked) == known
        for place in (1 << 20, 9 << 20, 5 << 20):
            handle.seek(place)
            assert handle.read(1000) == LARGE[place : place + 1000]
        assert len(web.asked) == known + 3
        assert web.sent < 500_000


def test_a_small_file_is_loaded_whole_for_random_access(web: WebServer) -> None:
    with handle_on(web, "small", size=len(SMALL), version=etag(SMALL)) as handle:
        handle.expect_random_access()
        for place in (150_000, 0, 70_000):
            handle.seek(place)
            assert handle.read(40_000) == SMALL[place : place + 40_000]
        assert len(web.asked) == 1


def test_announced_ranges_are_loaded_ahead(web: WebServer) -> None:
    with handle_on(web, "large", size=len(LARGE), version=etag(LARGE)) as handle:
        handle.prefetch([(0, 1000)])  # not at random yet: nothing happens
        handle.expect_random_access()
        web.asked.clear()
        handle.prefetch([(1 << 20, 2 << 20), (2 << 20, 3 << 20), (3 << 20, (3 << 20) + 10), (9 << 20, 15 << 20)])
        deadline = time.monotonic() + 5
        while len(web.asked) < 3 or ours():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(web.asked) == 3  # neighbours as one, the long one in two
        for start, end in [(9 << 20, 15 << 20), (1 << 20, (3 << 20) + 10)]:
            handle.seek(start)
            assert handle.read(end - start) == LARGE[start:end]
        assert len(web.asked) == 3


def test_loading_ahead_is_bounded_and_goes_on_as_bytes_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_cache, "AHEAD_BYTES", 4 << 20)
    monkeypatch.setattr(range_cache, "RANGE_BYTES", 1 << 20)
    loaded: list[int] = []

    def load(start: int, end: int) -> bytes:
        loaded.append(end - start)
        return LARGE[start:end]

    cache = RangeCache(load, len(LARGE))
    cache.prefetch([(0, 16 << 20)])
    time.sleep(0.2)
    assert sum(loaded) == 4 << 20
    assert ours() == []
    at = 0
    while at < 16 << 20:
        part = cache.read(at, 700_000)
        assert part == LARGE[at : at + len(part)]
        at += len(part)
    assert sum(loaded) == 16 << 20
    cache.prefetch([(17 << 20, 24 << 20)])
    cache.release(17 << 20, 21 << 20)  # what was not wanted in the end makes room
    deadline = time.monotonic() + 5
    while sum(part.data is not None for part in cache._parts if part.start >= 21 << 20) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cache.close()


def test_random_reads_hold_little_memory() -> None:
    cache = RangeCache(lambda start, end: LARGE[start:end], len(LARGE))
    for at in random.Random(3).sample(range(len(LARGE) - 10), 1000):
        assert cache.read(at, 10) == LARGE[at : at + 10]
    held = sum(len(part.data) for part in cache._parts if part.data)
    assert held <= range_cache.KEPT_BYTES
    assert held == cache._kept_bytes


@pytest.mark.parametrize("at_random", [False, True])
def test_an_error_names_storage_file_and_place(web: WebServer, at_random: bool) -> None:
    with FaultProxy(web.port) as proxy, handle_on(web, "large", proxy.port, size=len(LARGE)) as handle:
        handle._file._access.policy = RetryPolicy(seconds=0.2, first_wait=0.05)  # type: ignore[attr-defined]
        if at_random:
            handle.expect_random_access()
            proxy.rule(lambda request: int(request.headers["range"][6:].split("-")[0]) < 10 << 20, NONE, forever=True)
        proxy.rule(lambda request: True, reset_body((2 if at_random else 7) << 20), status(503), forever=True)
        if at_random:
            handle.prefetch([(5 << 20, 6 << 20), (10 << 20, 19 << 20)])
            assert len(handle.read(10 << 20)) == 10 << 20
        with pytest.raises(FileAccessError, match=r"web storage: file large: .* \(at byte") as caught:
            deque(iter(lambda: handle.read(1 << 20), b""), maxlen=0)
        assert caught.value.failure.trouble is Trouble.TEMPORARY
        if not at_random:
            assert handle.tell() >= 6 << 20  # what came before the error was given


def test_an_unwrapped_access_gives_the_same_kind_of_error(web: WebServer) -> None:
    for act in (lambda h: h.read(1), lambda h: h.expect_random_access(), lambda h: h.seek(0, io.SEEK_END)):
        with (
            StorageHandle(WebAccess(web.port), "gone") as handle,
            pytest.raises(FileAccessError, match="web storage: file gone: the server answered 404"),
        ):
            act(handle)


@pytest.mark.parametrize("at_random", [False, True])
@pytest.mark.parametrize("content", [SMALL + b"more", SMALL[:-1000], SMALL[::-1], LARGE, b""])
def test_a_file_that_changed_since_it_was_listed_is_read_as_it_is(
    web: WebServer, caplog: pytest.LogCaptureFixture, content: bytes, at_random: bool
) -> None:
    web.files["small"] = content
    with handle_on(web, "small", size=len(SMALL), version=etag(SMALL)) as handle:
        if at_random:
            handle.expect_random_access()
            handle.seek(-min(10, len(content)), io.SEEK_END)
            assert handle.read() == content[-10:]
            handle.seek(0)
        assert handle.read() == content
        assert handle.seek(0, io.SEEK_END) == len(content)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "web storage: file small was changed after it was listed. It is read as it is now, and will be read again in "
        "the next sync."
    ]


@pytest.mark.parametrize("at_random", [False, True])
def test_one_handle_never_gives_two_versions(web: WebServer, at_random: bool) -> None:
    with handle_on(web, "large", size=len(LARGE), version=etag(LARGE)) as handle:
        if at_random:
            handle.expect_random_access()
        assert handle.read(64) == LARGE[:64]
        web.files["large"] = LARGE[::-1]
        handle.seek(20 << 20)
        with pytest.raises(FileAccessError) as caught:
            handle.read(1 << 20)
        assert caught.value.failure.trouble is Trouble.CHANGED


def test_a_file_that_grows_is_read_as_it_was(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(LARGE[: 3 << 20])
    access = FsspecAccess(fsspec.filesystem("file"), str(tmp_path))
    listed = access.info("log.txt")
    with StorageHandle(RetryingAccess(access, QUICK), "log.txt", size=listed.size, version=listed.version) as handle:
        first = handle.read(1000)
        with path.open("ab") as file:
            file.write(b"more")
        assert first + handle.read() == LARGE[: 3 << 20]
    assert caplog.text == ""
    with StorageHandle(access, "log.txt", size=listed.size, version=listed.version) as handle:
        assert handle.read() == LARGE[: 3 << 20] + b"more"
    assert "changed after it was listed" in caplog.text


def test_a_storage_that_tells_no_size(web: WebServer) -> None:
    class Silent(WebAccess):
        def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
            content = super().open(uri, start, version)
            content.size = None
            return content

        def info(self, uri: str) -> Any:
            return super().info(uri)._replace(size=None)

    with StorageHandle(RetryingAccess(Silent(web.port), QUICK), "large") as handle:
        assert not handle.seekable()
        handle.expect_random_access()
        with pytest.raises(io.UnsupportedOperation, match="size of file large"):
            handle.seek(0, io.SEEK_END)
        with pytest.raises(io.UnsupportedOperation, match="file large is read in order"):
            handle.read_at(0, 10)
        assert handle.read() == LARGE
        assert handle.read(1) == b""


def test_a_handle_that_several_threads_read(web: WebServer) -> None:
    wrong: list[int] = []
    with handle_on(web, "large", size=len(LARGE), version=etag(LARGE)) as handle:
        handle.expect_random_access(ends=False)
        places = iter(range(0, 6 << 20, 3000))
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    place = next(places, None)
                if place is None:
                    return
                if handle.read_at(place - place % 65536, 70_000) != LARGE[place - place % 65536 :][:70_000]:
                    wrong.append(place)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not wrong
        assert handle.tell() == 0
        assert handle.read_at(len(LARGE) - 5, 100) == LARGE[-5:]
        assert handle.read_at(len(LARGE) + 5, 100) == b""
    assert web.sent < 11 << 20  # each byte once, and what was read ahead
    assert len(web.asked) < 40


@pytest.mark.parametrize("how", ["close", "forget"])
@pytest.mark.parametrize("at_random", [False, True])
def test_no_thread_outlives_its_handle(web: WebServer, how: str, at_random: bool) -> None:
    handle = handle_on(web, "large", size=len(LARGE), version=etag(LARGE))
    if at_random:
        handle.expect_random_access()
        handle.prefetch([(0, len(LARGE))])
    handle.read(3 << 20)
    if how == "close":
        handle.close()
        handle.close()
    gone = weakref.ref(handle)
    del handle
    gc.collect()
    assert gone() is None  # and the fixture sees the threads end


@pytest.mark.parametrize("fault", ["stall", "503"])
def test_closing_does_not_wait_for_a_storage_that_hangs(web: WebServer, fault: str) -> None:
    with FaultProxy(web.port) as proxy:
        faults = [stall(2, 5 << 20)] if fault == "stall" else [reset_body(5 << 20), status(503)]
        proxy.rule(lambda request: True, *faults, forever=True)
        access = RetryingAccess(WebAccess(proxy.port), RetryPolicy(seconds=60, first_wait=60, longest_wait=60))
        handle = StorageHandle(access, "large", size=len(LARGE))
        handle.read(3 << 20)
        time.sleep(0.3)
        began = time.monotonic()
        handle.close()
        assert time.monotonic() - began < 0.5


def test_the_interpreter_ends_while_a_handle_is_open(web: WebServer) -> None:
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
from servers.web_storage import WebAccess
from airbyte_cdk.sources.file_based.access.handle import StorageHandle
one, other = (StorageHandle(WebAccess({web.port}), "large") for _ in range(2))
one.read(3 << 20)
other.expect_random_access()
other.prefetch([(0, 24 << 20)])
print("read")
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "read\n", "")


class Flaky(StorageAccess):
    """Bytes whose storage breaks off at random places, gives pieces of random size, and refuses now and then."""

    title = "flaky"

    def __init__(self, data: bytes, seed: int) -> None:
        self._data = data
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def _chance(self, of: float) -> bool:
        with self._lock:
            return self._random.random() < of

    def _below(self, n: int) -> int:
        with self._lock:
            return self._random.randrange(n)

    def files(self, prefix: str, **_: Any) -> Any:
        raise NotImplementedError

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        access = self
        if self._chance(0.1):
            raise ConnectionResetError

        class Broken(Content):
            size = len(access._data)
            at = start

            def read(self, n: int) -> bytes:
                if access._chance(0.2):
                    raise ConnectionResetError
                data = access._data[self.at : self.at + 1 + access._below(n)]
                self.at += len(data)
                return data

            def close(self) -> None:
                pass

        return Broken()

    def info(self, uri: str) -> Listed:
        return Listed(uri, len(self._data), MODIFIED)

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        return Failure(Trouble.TEMPORARY if isinstance(error, ConnectionError) else Trouble.OTHER, "reset")


STEPS = st.lists(
    st.tuples(st.sampled_from(["read", "seek", "back", "end", "announce", "release"]), st.integers(0, 400)),
    max_size=25,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 300), seed=st.integers(0, 1 << 30), at_random=st.booleans(), steps=STEPS)
def test_any_reads_and_seeks_give_the_plain_bytes(
    monkeypatch: pytest.MonkeyPatch, size: int, seed: int, at_random: bool, steps: Sequence[tuple[str, int]]
) -> None:
    # so small that all the ways are taken by small files
    for module, name, value in (
        (range_cache, "AHEAD_BYTES", 60),
        (range_cache, "KEPT_BYTES", 40),
        (range_cache, "RANGE_BYTES", 25),
        (range_cache, "GAP_BYTES", 5),
        (range_cache, "SMALLEST_READ", 10),
        (range_cache, "LARGEST_READ", 40),
        (read_ahead, "PIECE_BYTES", 20),
        (read_ahead, "AHEAD_BYTES", 60),
    ):
        monkeypatch.setattr(module, name, value)
    for name, value in {"SMALL_FILE": 30, "HEAD_BYTES": 7, "TAIL_BYTES": 15, "SMALLEST_READ": 5}.items():
        monkeypatch.setattr(handles, name, value)
    monkeypatch.setattr(handles, "SKIPPED_BYTES", 30)
    data = random.Random(seed).randbytes(size)
    plain = io.BytesIO(data)
    policy = RetryPolicy(seconds=60, first_wait=0, longest_wait=0)
    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.ERROR)
    with StorageHandle(RetryingAccess(Flaky(data, seed), policy, quiet), "f", size=size) as handle:
        if at_random:
            handle.expect_random_access()
        acts: dict[str, Callable[[Any, int], Any]] = {
            "read": lambda file, n: file.read(n if n < 390 else -1),
            "seek": lambda file, n: file.seek(n),
            "back": lambda file, n: file.seek(-min(n, file.tell()), io.SEEK_CUR),
            "end": lambda file, n: file.seek(-min(n, size), io.SEEK_END),
        }
        for step, n in steps:
            if step == "announce":
                handle.prefetch([(n, n + 50), (n // 2, n // 2 + 20), (n, n)])
            elif step == "release":
                handle.release(n // 2, n)
            else:
                assert acts[step](handle, n) == acts[step](plain, n)
        handle.seek(0)
        assert handle.read() == data
        if handle._ranges is not None:
            assert handle._ranges._ahead_bytes >= 0
