"""Retries over a real HTTP storage behind a proxy that breaks requests."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from airbyte_cdk import interrupts
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.retry_policy import RETRY_SECONDS_VARIABLE, RetryPolicy, Tries
from airbyte_cdk.sources.file_based.access.retrying import RENEWING, RetryingAccess
from airbyte_cdk.sources.file_based.access.storage_access import NEVER, Content, Failure, Listed, Trouble, once
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.fault_proxy import NONE, FaultProxy, close_body, reset, reset_body, slow, stall, status
from servers.web_storage import MODIFIED, WebAccess, WebServer

DATA = random.Random(1).randbytes(300_000)
QUICK = RetryPolicy(seconds=3, first_wait=0.01, longest_wait=0.05)
LOGGER = logging.getLogger("airbyte.test.retrying")


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def web(server: WebServer) -> WebServer:
    server.files.clear()
    server.asked.clear()
    server.files["a.bin"] = DATA
    return server


@pytest.fixture
def proxy(web: WebServer) -> Iterator[FaultProxy]:
    with FaultProxy(web.port) as proxy:
        yield proxy


def over(proxy: FaultProxy, policy: RetryPolicy = QUICK, **options: Any) -> RetryingAccess:
    return RetryingAccess(WebAccess(proxy.port, **options), policy, LOGGER)


def rest(content: Content, n: int = 70_000) -> bytes:
    return b"".join(iter(lambda: content.read(n), b""))


@pytest.mark.parametrize(
    "faults",
    [
        [status(503), status(429), status(500)],
        [reset(), reset()],
        [reset_body(0), reset_body(1), reset_body(100_000), reset_body(70_000)],
        [close_body(150_000), status(503), close_body(10)],
        [stall(1.0, 50_000)],
    ],
)
@pytest.mark.parametrize("versioned", [True, False])
def test_a_read_goes_on_where_it_broke(web: WebServer, proxy: FaultProxy, faults: list[Any], versioned: bool) -> None:
    proxy.rule(lambda request: True, *faults)
    content = over(proxy, timeout=0.5, versioned=versioned).open("a.bin", 1000)
    assert rest(content) == DATA[1000:]
    assert proxy.faults == len(faults)
    content.close()


def test_nothing_is_asked_for_twice(web: WebServer, proxy: FaultProxy) -> None:
    proxy.rule(lambda request: True, reset_body(100_000), NONE)
    content = over(proxy).open("a.bin")
    assert rest(content) == DATA
    resumed_at = int(str(web.asked[1].range).removeprefix("bytes=").removesuffix("-"))
    assert 32 * 1024 <= resumed_at <= 100_000
    assert len(web.asked) == 2


def test_progress_renews_the_budget(web: WebServer, proxy: FaultProxy) -> None:
    web.files["large"] = DATA[:1] * 20 * RENEWING
    proxy.rule(lambda request: True, reset_body(RENEWING + 1), forever=True)
    policy = RetryPolicy(seconds=0.4, first_wait=0.05, longest_wait=0.05)
    began = time.monotonic()
    assert rest(over(proxy, policy).open("large")) == web.files["large"]
    assert time.monotonic() - began > policy.seconds


def test_a_few_bytes_at_a_time_are_no_progress(web: WebServer, proxy: FaultProxy) -> None:
    web.files["large"] = DATA[:1] * RENEWING
    proxy.rule(lambda request: True, reset_body(1), forever=True)
    policy = RetryPolicy(seconds=0.4, first_wait=0.05, longest_wait=0.05)
    with pytest.raises(FileAccessError) as caught:
        rest(over(proxy, policy).open("large"))
    assert caught.value.failure_type is FailureType.transient_error


def test_what_stays_broken_is_a_transient_error_that_names_file_and_place(
    proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.rule(lambda request: True, reset_body(100_000), status(503), forever=True)
    content = over(proxy, RetryPolicy(seconds=0.3, first_wait=0.05)).open("a.bin")
    with caplog.at_level(logging.INFO), pytest.raises(FileAccessError) as caught:
        rest(content)
    assert caught.value.failure_type is FailureType.transient_error
    assert "web storage: file a.bin: the server answered 503 (at byte " in str(caught.value)
    lines = [record.getMessage() for record in caplog.records if record.name == LOGGER.name]
    assert "web storage: file a.bin: the server answered 503" in lines[-1]
    assert f"attempt {len(lines) + 1} in 0." in lines[-1]


@pytest.mark.parametrize(("code", "kind"), [(403, FailureType.config_error), (404, FailureType.transient_error)])
def test_what_cannot_pass_fails_at_once(proxy: FaultProxy, code: int, kind: FailureType) -> None:
    proxy.rule(lambda request: True, status(code), forever=True)
    access = over(proxy)
    for call in (access.open, access.info, lambda uri: access.ranges(uri, [(0, 1)])):
        proxy.log.clear()
        with pytest.raises(FileAccessError) as caught:
            call("a.bin")
        assert caught.value.failure_type is kind
        assert len(proxy.log) == 1
    proxy.log.clear()
    with pytest.raises(AirbyteTracedException, match="web storage could not be listed"):
        list(access.files(""))
    assert len(proxy.log) == 1


def test_a_wait_that_the_storage_asks_for_is_kept(proxy: FaultProxy) -> None:
    proxy.rule(lambda request: True, status(429, retry_after=1))
    began = time.monotonic()
    assert rest(over(proxy).open("a.bin")) == DATA
    assert time.monotonic() - began > 1
    proxy.rule(lambda request: True, status(429, retry_after=60))
    with pytest.raises(FileAccessError, match="429"):  # longer than the budget: no use to wait
        over(proxy).open("a.bin")


@pytest.mark.parametrize("versioned", [True, False])
def test_a_file_that_changes_while_it_is_read_is_never_mixed(
    web: WebServer, proxy: FaultProxy, versioned: bool
) -> None:
    proxy.rule(lambda request: True, reset_body(100_000))
    content = over(proxy, versioned=versioned).open("a.bin")
    first = content.read(1000)
    web.files["a.bin"] = DATA[::-1] + b"x"
    with pytest.raises(FileAccessError, match="changed while it was read") as caught:
        rest(content)
    assert first == DATA[:1000]
    assert caught.value.failure.trouble is Trouble.CHANGED
    assert caught.value.failure_type is FailureType.transient_error


def test_a_file_that_grows_is_given_as_it_was(web: WebServer) -> None:
    class Growing(WebAccess):
        def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
            content = super().open(uri, start, version)
            content.size = 1000
            return content

    assert rest(RetryingAccess(Growing(web.port), QUICK).open("a.bin")) == DATA[:1000]


def test_a_slow_body_is_broken_off_and_resumed(
    web: WebServer, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    policy = replace(QUICK, seconds=1, slowest=50_000, slow_after=0.5)
    proxy.rule(lambda request: True, slow(1000))
    began = time.monotonic()
    with caplog.at_level(logging.INFO):
        assert rest(over(proxy, policy).open("a.bin")) == DATA
    assert time.monotonic() - began < 3
    assert "slower than 50,000 bytes a second" in caplog.text
    proxy.rule(lambda request: True, slow(1000), forever=True)
    with pytest.raises(FileAccessError, match="slower than"):
        rest(over(proxy, policy).open("a.bin"))


def test_slow_ranges_are_broken_off_and_resumed(
    web: WebServer, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    policy = replace(QUICK, seconds=1, slowest=50_000, slow_after=0.5)
    proxy.rule(lambda request: True, slow(1000), slow(2000))
    with caplog.at_level(logging.INFO):
        assert over(proxy, policy).ranges("a.bin", [(0, 100_000), (200_000, 300_000)]) == [
            DATA[:100_000],
            DATA[200_000:],
        ]
    assert caplog.text.count("slower than 50,000 bytes a second") == 2
    proxy.rule(lambda request: True, slow(1000), forever=True)
    with pytest.raises(FileAccessError, match="slower than"):
        over(proxy, policy).ranges("a.bin", [(0, 100_000)])


def test_a_slow_page_is_asked_for_again(web: WebServer, proxy: FaultProxy) -> None:
    web.files = {f"{i:02}{'x' * 5000}.csv": b"x" for i in range(12)}
    policy = replace(QUICK, seconds=1, slowest=50_000, slow_after=0.5)
    proxy.rule(lambda request: True, slow(1000))
    access = RetryingAccess(Paged(proxy.port), policy, LOGGER)
    assert len(list(access.files(""))) == 12
    assert len(proxy.log) == 4
    proxy.rule(lambda request: True, slow(1000), forever=True)
    with pytest.raises(AirbyteTracedException, match="the content came slower than 50,000 bytes a second"):
        list(access.files(""))


def test_a_listing_that_is_not_wanted_any_more_ends(proxy: FaultProxy) -> None:
    proxy.rule(lambda request: True, status(503), forever=True)
    access = RetryingAccess(Paged(proxy.port), RetryPolicy(seconds=60, first_wait=60, longest_wait=60), LOGGER)
    stopped = threading.Event()
    ended = threading.Event()

    def lists() -> None:
        assert not list(access.files("", over=stopped))
        ended.set()

    threading.Thread(target=lists, daemon=True).start()
    time.sleep(0.2)
    stopped.set()
    assert ended.wait(10)
    asked = len(proxy.log)
    assert list(access.files("", over=stopped)) == []
    assert len(proxy.log) == asked


def test_a_listing_that_is_closed_asks_no_more(web: WebServer, proxy: FaultProxy) -> None:
    """Pages that are asked for ahead, by another thread, are given up with it."""
    web.files = {f"{i:02}.csv": b"x" for i in range(42)}
    proxy.rule(lambda request: True, NONE, status(503), forever=True)
    failed = threading.Event()

    class Ahead(Paged):
        def files(self, prefix: str, *, over: threading.Event = NEVER, **options: Any) -> Iterator[Listed]:
            def page() -> None:
                try:
                    self._page(prefix, "00.csv", over)
                except AirbyteTracedException:
                    failed.set()

            yield from [Listed(*row) for row in self._page(prefix, "", over)]  # type: ignore[arg-type]
            ahead = threading.Thread(target=page, daemon=True)
            ahead.start()
            yield Listed("last", 1, MODIFIED)

    access = RetryingAccess(Ahead(proxy.port), RetryPolicy(seconds=60, first_wait=60, longest_wait=60), LOGGER)
    listing = access.files("")
    assert [next(listing).uri for _ in range(11)][-1] == "last"
    time.sleep(0.2)
    listing.close()  # type: ignore[attr-defined]  # a generator
    assert failed.wait(10)


def test_ranges_survive_faults(web: WebServer, proxy: FaultProxy) -> None:
    ranges = [(0, 10), (1000, 250_000), (5, 7), (299_999, 300_000)]
    proxy.rule(lambda request: True, NONE, reset_body(50_000), status(503), NONE, reset_body(80_000))
    found = over(proxy).ranges("a.bin", ranges)
    assert found == [DATA[start:end] for start, end in ranges]
    assert proxy.faults == 3
    assert over(proxy).ranges("a.bin", []) == []


class Paged(WebAccess):
    """Asks for its pages as `StorageAccess.retried` says."""

    def _page(self, prefix: str, after: str, over: threading.Event) -> list[tuple[str, int, str]]:
        return self.retried(lambda: super(Paged, self)._page(prefix, after, over), over)


@pytest.mark.parametrize(("access", "requests"), [(WebAccess, 12), (Paged, 8)])
def test_a_broken_listing_is_complete_in_the_end(
    web: WebServer, proxy: FaultProxy, access: type[WebAccess], requests: int
) -> None:
    web.files = {f"{i:02}.csv": b"x" for i in range(42)}
    proxy.rule(lambda request: True, NONE, NONE, status(503), NONE, NONE, reset_body(20))
    found = [listed.uri for listed in RetryingAccess(access(proxy.port), QUICK, LOGGER).files("")]
    assert sorted(found) == sorted(web.files)
    assert len(found) == 42
    assert len(proxy.log) == requests
    assert once(lambda: 1) == 1


def test_a_listing_keeps_only_what_it_gave(web: WebServer, proxy: FaultProxy) -> None:
    web.files = {f"{i:02}.csv": b"x" for i in range(42)}
    proxy.rule(lambda request: True, NONE, NONE, status(503))
    found = [listed.uri for listed in over(proxy).files("", wanted=lambda uri: uri.endswith("7.csv"))]
    assert found == ["07.csv", "17.csv", "27.csv", "37.csv"]


def test_a_listing_that_stays_broken_names_the_storage(web: WebServer, proxy: FaultProxy) -> None:
    web.files = {f"{i:02}.csv": b"x" for i in range(42)}
    proxy.rule(lambda request: True, NONE, status(503), forever=True)
    listing = over(proxy, RetryPolicy(seconds=0.2, first_wait=0.05)).files("")
    seen: list[Listed] = []
    with pytest.raises(AirbyteTracedException, match=r"web storage could not be listed: .* 503") as caught:
        seen.extend(listing)
    assert caught.value.failure_type is FailureType.transient_error
    assert len(seen) == 10 or not seen


def test_why_there_is_no_further_attempt(proxy: FaultProxy) -> None:
    def told(policy: RetryPolicy, retry_after: float | None = None) -> str:
        proxy.clear()
        proxy.rule(lambda request: True, status(503, retry_after), forever=True)
        with pytest.raises(AirbyteTracedException) as caught:
            list(over(proxy, policy).files(""))
        return str(caught.value.message).partition("503. ")[2]

    quick = RetryPolicy(seconds=0.3, first_wait=0.05, longest_wait=0.05)
    assert told(quick) == "It was tried again until the time for that was up; it may succeed later."
    assert len(proxy.log) > 1
    waits = "The storage asks to wait 3,600 seconds, and is not waited for so long; it may succeed later."
    assert told(quick, 3600) == waits
    assert len(proxy.log) == 1
    assert told(RetryPolicy(seconds=0)) == "It was not tried again; it may succeed later."
    assert told(RetryPolicy(seconds=0), 3600) == "It was not tried again; it may succeed later."


def test_an_interrupt_ends_a_wait(proxy: FaultProxy) -> None:
    proxy.rule(lambda request: True, status(503), forever=True)
    access = over(proxy, RetryPolicy(seconds=60, first_wait=60, longest_wait=60))
    ended: list[BaseException] = []

    def read() -> None:
        try:
            access.open("a.bin")
        except BaseException as error:
            ended.append(error)

    with interrupts.handled():
        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(0.1)
        interrupts.request(15)
        thread.join(2)
        assert not thread.is_alive()
        with pytest.raises(interrupts.Interrupted):
            access.open("a.bin")
    assert isinstance(ended[0], FileAccessError)


def test_stopping_a_content_ends_its_wait(proxy: FaultProxy) -> None:
    proxy.rule(lambda request: True, reset_body(10), status(503), forever=True)
    content = over(proxy, RetryPolicy(seconds=60, first_wait=60, longest_wait=60)).open("a.bin")
    failed = threading.Event()

    def read() -> None:
        try:
            rest(content)
        except FileAccessError:
            failed.set()

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.2)
    content.stop()
    assert failed.wait(2)


def test_waits_grow_at_random_within_the_budget() -> None:
    policy = RetryPolicy(seconds=100, first_wait=1, longest_wait=8)
    now = 0.0
    tries = Tries(policy, lambda: now)
    failure = Failure(Trouble.TEMPORARY, "busy")
    waits = [tries.next_wait(failure) for _ in range(200)]
    assert all(wait is not None and wait <= bound for wait, bound in zip(waits, [1, 2, 4, *[8] * 197], strict=True))
    assert len(set(waits)) > 190
    assert tries.next_wait(Failure(Trouble.TEMPORARY, "busy", retry_after=30)) == 30
    now = 99.0
    assert tries.next_wait(Failure(Trouble.TEMPORARY, "busy", retry_after=30)) is None
    now = 100.0
    assert tries.next_wait(failure) is None
    tries.progressed()
    assert tries.next_wait(failure) is not None
    assert tries.next_wait(Failure(Trouble.OTHER, "?")) is None


def test_the_budget_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RetryPolicy().seconds == 120
    monkeypatch.setenv(RETRY_SECONDS_VARIABLE, "7.5")
    assert RetryPolicy().seconds == 7.5
    monkeypatch.setenv(RETRY_SECONDS_VARIABLE, "")
    assert RetryPolicy().seconds == 120
    for wrong in ("soon", "-1", "nan"):
        monkeypatch.setenv(RETRY_SECONDS_VARIABLE, wrong)
        with pytest.raises(AirbyteTracedException, match=RETRY_SECONDS_VARIABLE) as caught:
            RetryPolicy()
        assert caught.value.failure_type is FailureType.config_error
