"""What the object stores over HTTP have in common: listing, reading, faults; against fake-gcs-server and Azurite."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from airbyte_cdk.sources.file_based.access.errors import AnswerError, FileAccessError
from airbyte_cdk.sources.file_based.access.ranges import GAP
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.access.storage_access import Content, Trouble
from airbyte_cdk.sources.file_based.storages.azure import AzureOptions
from airbyte_cdk.sources.file_based.storages.azure_access import AzureAccess
from airbyte_cdk.sources.file_based.storages.gcs import GcsOptions
from airbyte_cdk.sources.file_based.storages.gcs_access import GcsAccess
from airbyte_cdk.sources.file_based.storages.rest import Body, RestAccess, tuned
from airbyte_cdk.sources.file_based.storages.rest_failures import BrokenBody
from servers.azure import Azurite
from servers.fault_proxy import Fault, FaultProxy, Request, close_body, reset, reset_body, status
from servers.gcs import Gcs
from servers.process import Server
from servers.web import Answer, WebServer

LOGGER = logging.getLogger("airbyte")
NUMBERS = itertools.count()
BIG = bytes(range(256)) * 4096
KEYS = [
    "plain.csv",
    "a//b.csv",
    "/lead.csv",
    "with space.csv",
    "%25.csv",
    "a%2Fb.csv",
    "a+b&c=d;e.csv",
    "#h?x=1.csv",
    ".hidden/.x.csv",
    "üñí/文.csv",
    "new\nline.csv",
    "quote'\"[]{}*.csv",
    "~t.csv",
    "dir",
    "dir/",
    "dir/x.csv",
    "k" * 1024,
]


@dataclass
class Store:
    """One of the storages, and a new bucket or container in it."""

    server: Server
    name: str
    port: int
    missing_name: str

    def access(self, *, page_size: int | None = None, **overrides: Any) -> RestAccess:
        provider = self.server.provider(self.name, **overrides)
        if isinstance(self.server, Gcs):
            return GcsAccess(GcsOptions(**provider), page_size)
        return AzureAccess(AzureOptions(**provider), page_size)

    def put(self, uri: str, data: bytes) -> None:
        self.server.put(self.name, uri, data)

    def through(self, proxy: FaultProxy) -> RestAccess:
        path = f"/{self.server.account}" if isinstance(self.server, Azurite) else ""
        return self.access(endpoint=proxy.url + path)


@pytest.fixture(params=["gcs", "azure"])
def store(request: pytest.FixtureRequest) -> Store:
    server = request.getfixturevalue("gcs_server" if request.param == "gcs" else "azurite")
    return Store(server, f"rest-{next(NUMBERS)}", server.port, "nobody-has-this")


@pytest.fixture
def proxy(store: Store) -> Iterator[FaultProxy]:
    with FaultProxy(store.port) as proxy:
        yield proxy


def whole(content: Content, n: int = 100_000) -> bytes:
    try:
        return b"".join(iter(lambda: content.read(n), b""))
    finally:
        content.close()


def trouble(access: RestAccess, call: Callable[[], Any], uri: str | None = None) -> Trouble:
    with pytest.raises(Exception) as caught:  # noqa: PT011  of any family: that is what `failure` is for
        call()
    return access.failure(caught.value, uri).trouble


def listing(request: Request) -> bool:
    return "restype=container" in request.path or request.path.partition("?")[0].endswith("/o")


def content(request: Request) -> bool:
    return request.method == "GET" and not listing(request)


def test_keys_are_exact(store: Store) -> None:
    for key in KEYS:
        store.put(key, key.encode())
    access = store.access(page_size=5)
    listed = list(access.files(""))
    assert sorted(file.uri for file in listed) == sorted(KEYS)
    for file in listed:
        assert file.size == len(file.uri.encode())
        assert whole(access.open(file.uri, 0, file.version)) == file.uri.encode()
        assert access.info(file.uri) == file


def test_markers_of_folders_are_not_listed(store: Store) -> None:
    for key, data in {"a/": b"", "a/b.csv": b"1", "empty.csv": b"", "full/": b"1"}.items():
        store.put(key, data)
    assert sorted(file.uri for file in store.access().files("")) == ["a/b.csv", "empty.csv", "full/"]


@pytest.mark.parametrize("storage", ["gcs", "azure"])
def test_a_page_that_comes_again_ends_the_listing(storage: str) -> None:
    pages = {
        "gcs": b'{"kind": "storage#objects", "nextPageToken": "again"}',
        "azure": b"<EnumerationResults><Blobs/><NextMarker>again</NextMarker></EnumerationResults>",
    }
    with WebServer(lambda _: Answer(body=pages[storage])) as server:
        anonymous = {"endpoint": server.url, "credentials": {"auth_type": "anonymous"}}
        access: RestAccess = (
            GcsAccess(GcsOptions(bucket="landing", **anonymous))
            if storage == "gcs"
            else AzureAccess(AzureOptions(container="landing", **anonymous))
        )
        with pytest.raises(AnswerError, match="the same page of the listing again and again") as caught:
            list(access.files(""))
        assert access.failure(caught.value).trouble is Trouble.OTHER
        assert len(server.asked) == 2


def test_lists_below_a_prefix_page_by_page(store: Store) -> None:
    uris = [f"a/{number}.csv" for number in range(7)] + ["a/deep/x.csv", "ab.csv", "b.csv"]
    for uri in uris:
        store.put(uri, b"x")
    access = store.access(page_size=3)
    assert sorted(file.uri for file in access.files("")) == sorted(uris)
    assert sorted(file.uri for file in access.files("a/")) == sorted(uri for uri in uris if uri.startswith("a/"))
    assert sorted(file.uri for file in access.files("a")) == sorted(uri for uri in uris if uri.startswith("a"))
    flat = [file.uri for file in access.files("a/", recursive=False)]
    assert sorted(flat) == [f"a/{number}.csv" for number in range(7)]
    assert list(access.files("gone/")) == []


def test_the_prefix_of_the_options_narrows_the_listing_and_nothing_else(store: Store) -> None:
    for uri in ("a/1.csv", "a/2/3.csv", "b/4.csv"):
        store.put(uri, b"x")
    access = store.access(prefix="a/")
    assert sorted(file.uri for file in access.files("")) == ["a/1.csv", "a/2/3.csv"]
    assert [file.uri for file in access.files("a/2")] == ["a/2/3.csv"]
    assert list(access.files("b")) == []
    assert whole(access.open("b/4.csv")) == b"x"


def test_the_next_page_is_fetched_ahead_and_no_further(store: Store, proxy: FaultProxy) -> None:
    for number in range(9):
        store.put(f"{number}.csv", b"x")
    access = store.through(proxy)
    access._page_size = 2
    files = access.files("")
    assert next(files).uri == "0.csv"
    files.close()  # type: ignore[attr-defined]  # a generator
    assert len(proxy.log) <= 2


def test_times_and_versions(store: Store) -> None:
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=2)
    store.put("a.csv", b"one")
    access = store.access()
    (first,) = access.files("")
    assert before < first.modified < datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=2)
    assert first.modified.tzinfo is None
    opened = access.open("a.csv")
    assert (opened.size, opened.version) == (3, first.version)
    opened.close()
    store.put("a.csv", b"another")
    assert access.info("a.csv").version != first.version


def test_reads_from_any_byte_to_the_end(store: Store) -> None:
    store.put("big", BIG)
    store.put("empty", b"")
    access = store.access()
    for start in (0, 1, 255, 500_001, len(BIG) - 1, len(BIG)):
        opened = access.open("big", start)
        assert opened.size == len(BIG)
        assert whole(opened) == BIG[start:]
    assert whole(access.open("empty")) == b""
    assert access.open("empty").size == 0
    assert trouble(access, lambda: access.open("big", len(BIG) + 1), "big") is Trouble.CHANGED


def test_reads_ranges_in_their_order(store: Store) -> None:
    store.put("big", BIG)
    access = store.access()
    ranges = [(500, 1000), (0, 3), (7, 7), (len(BIG) - 2, len(BIG) + 5), (len(BIG), len(BIG) + 1), (300, 600_000)]
    assert access.ranges("big", ranges) == [BIG[start:end] for start, end in ranges]
    assert access.ranges("big", [(4, 8)]) == [BIG[4:8]]
    assert access.ranges("big", []) == []


def test_near_ranges_are_read_by_one_request(store: Store, proxy: FaultProxy) -> None:
    store.put("big", BIG)
    access = store.through(proxy)
    ranges = [(900_000, 900_010), (0, 10), (1000, 2000), (1500, 1600), (2000 + GAP, 2010 + GAP), (7, 7)]
    assert access.ranges("big", ranges, access.info("big").version) == [BIG[start:end] for start, end in ranges]
    asked = [request for request in proxy.log if content(request) and "fields=" not in request.path]
    assert len(asked) == 2  # the info of GCS is a GET, too


def test_a_content_can_be_closed_in_the_middle_and_twice(store: Store) -> None:
    store.put("big", BIG)
    access = store.access()
    opened = access.open("big")
    assert opened.read(10)
    opened.close()
    opened.close()
    assert whole(access.open("big")) == BIG


def test_connections_are_used_again_after_close(store: Store) -> None:
    store.put("a", b"x")
    access = store.access()
    assert whole(access.open("a")) == b"x"
    access.close()
    assert whole(access.open("a")) == b"x"


def test_missing_files(store: Store) -> None:
    store.put("a.csv", b"x")
    access = store.access()
    version = access.info("a.csv").version
    assert trouble(access, lambda: access.open("gone.csv"), "gone.csv") is Trouble.MISSING
    assert trouble(access, lambda: access.info("gone.csv"), "gone.csv") is Trouble.MISSING
    assert trouble(access, lambda: access.ranges("gone.csv", [(0, 1)]), "gone.csv") is Trouble.MISSING
    store.server.remove(store.name, "a.csv")
    assert trouble(access, lambda: access.open("a.csv", 0, version), "a.csv") is Trouble.MISSING


def test_a_bucket_that_does_not_exist_is_named(store: Store) -> None:
    option = "bucket" if isinstance(store.server, Gcs) else "container"
    access = store.access(**{option: store.missing_name})
    with pytest.raises(OSError, match="404") as caught:
        list(access.files(""))
    failure = access.failure(caught.value)
    assert failure.trouble is Trouble.CONFIG
    assert f"`{option}`" in failure.reason


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_storage_is_temporary_and_asked_once(store: Store, proxy: FaultProxy, code: int) -> None:
    store.put("a.csv", b"x")
    access = store.through(proxy)
    proxy.rule(lambda _: True, status(code, retry_after=7), forever=True)
    for uri, call in ((None, lambda: list(access.files(""))), ("a.csv", lambda: access.open("a.csv"))):
        with pytest.raises(OSError, match=str(code)) as caught:
            call()
        failure = access.failure(caught.value, uri)
        assert (failure.trouble, failure.retry_after) == (Trouble.TEMPORARY, 7.0)
    assert len(proxy.log) == 2


@pytest.mark.parametrize("fault", [reset(), reset_body(300), close_body(300)], ids=lambda fault: fault.kind)
def test_a_broken_listing_is_temporary(store: Store, proxy: FaultProxy, fault: Fault) -> None:
    for number in range(5):
        store.put(f"{number}.csv", b"x")
    access = store.through(proxy)
    proxy.rule(listing, fault, forever=True)
    assert trouble(access, lambda: list(access.files(""))) is Trouble.TEMPORARY
    assert len(proxy.log) == 1


@pytest.mark.parametrize("fault", [reset(), reset_body(500_000), close_body(500_000)], ids=lambda fault: fault.kind)
def test_a_broken_body_is_temporary_and_never_short(store: Store, proxy: FaultProxy, fault: Fault) -> None:
    store.put("big", BIG)
    access = store.through(proxy)
    proxy.rule(content, fault, fault, fault)
    assert trouble(access, lambda: whole(access.open("big")), "big") is Trouble.TEMPORARY
    assert trouble(access, lambda: access.ranges("big", [(1, 1_000_000)]), "big") is Trouble.TEMPORARY
    retrying = RetryingAccess(access, RetryPolicy(seconds=20, first_wait=0.01), LOGGER)
    assert whole(retrying.open("big")) == BIG
    if fault.kind != "reset":
        assert proxy.log[-1].fault == "none"


def test_a_page_that_fails_is_asked_for_again(store: Store, proxy: FaultProxy) -> None:
    uris = [f"{number}.csv" for number in range(7)]
    for uri in uris:
        store.put(uri, b"x")
    access = store.through(proxy)
    access._page_size = 2
    proxy.rule(lambda request: listing(request) and request.number > 1, status(503), reset(), close_body(200))
    retrying = RetryingAccess(access, RetryPolicy(seconds=20, first_wait=0.01), LOGGER)
    assert sorted(file.uri for file in retrying.files("")) == uris
    assert len(proxy.log) == 4 + 3


def test_without_rights_it_is_a_matter_of_the_config(store: Store, proxy: FaultProxy) -> None:
    store.put("a.csv", b"x")
    access = store.through(proxy)
    proxy.rule(lambda _: True, status(403), forever=True)
    assert trouble(access, lambda: list(access.files(""))) is Trouble.CONFIG
    with pytest.raises(FileAccessError, match=r"a\.csv"):
        RetryingAccess(access, RetryPolicy(seconds=20), LOGGER).open("a.csv")
    assert len(proxy.log) == 2


def test_a_server_that_is_not_there(store: Store) -> None:
    access = store.access(endpoint="http://127.0.0.1:1/x")
    with pytest.raises(Exception) as caught:  # noqa: PT011
        list(access.files(""))
    failure = access.failure(caught.value)
    assert failure.trouble is Trouble.TEMPORARY
    assert "`endpoint`" in failure.reason


def test_a_name_that_does_not_exist(store: Store) -> None:
    access = store.access(endpoint="http://nobody-is-here.invalid")
    with pytest.raises(Exception) as caught:  # noqa: PT011
        list(access.files(""))
    failure = access.failure(caught.value)
    assert failure.trouble is Trouble.TEMPORARY
    assert "nobody-is-here.invalid cannot be resolved" in failure.reason
    assert "`endpoint`" in failure.reason


def test_something_else_that_answers_is_told(store: Store, nginx: Any) -> None:
    access = store.access(endpoint=nginx.url)
    assert trouble(access, lambda: list(access.files(""))) is Trouble.CONFIG


def test_a_certificate_that_is_not_trusted(store: Store, tmp_path: Any) -> None:
    from servers.token_server import TokenServer, certificate_for_localhost

    with TokenServer(certificate_for_localhost(tmp_path)) as server:
        access = store.access(endpoint=server.url)
        with pytest.raises(Exception) as caught:  # noqa: PT011
            list(access.files(""))
        failure = access.failure(caught.value)
    assert failure.trouble is Trouble.CONFIG
    assert "certificate" in failure.reason


def test_https_to_a_server_that_speaks_http(store: Store) -> None:
    access = store.access(endpoint=f"https://127.0.0.1:{store.port}/x")
    with pytest.raises(Exception) as caught:  # noqa: PT011
        list(access.files(""))
    failure = access.failure(caught.value)
    assert failure.trouble is Trouble.CONFIG
    assert "http://" in failure.reason


def test_other_errors_stay_what_they_are(store: Store) -> None:
    failure = store.access().failure(KeyError("a secret"), "a.csv")
    assert failure.trouble is Trouble.OTHER
    assert "secret" not in failure.reason


def test_a_server_that_ignores_ranges_is_noticed(nginx: Any) -> None:
    nginx.put("rest", "a.csv", b"0123456789")
    with tuned(requests.Session()) as session:
        answer = session.get(f"{nginx.url}/rest/a.csv", stream=True, timeout=10)
        with pytest.raises(BrokenBody, match="range"):
            Body(answer, 5, None)


def test_no_credentials_come_from_netrc(store: Store, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    store.put("a.csv", b"x")
    monkeypatch.setenv("NETRC", str(netrc))
    assert [file.uri for file in store.access().files("")] == ["a.csv"]
