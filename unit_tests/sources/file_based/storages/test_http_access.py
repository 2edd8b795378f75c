"""Details and content of files over HTTP: from nginx, through a proxy with faults, and from servers that err."""

from __future__ import annotations

import gzip
import logging
import ssl
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Listed, StorageAccess, Trouble
from airbyte_cdk.sources.file_based.fsspec_reader import FsspecStreamReader
from airbyte_cdk.sources.file_based.storages import http_errors
from airbyte_cdk.sources.file_based.storages.http import HttpOptions, connect
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.fault_proxy import FaultProxy, close_body, reset, reset_body, stall, status
from servers.http import Nginx
from servers.web import Answer, Asked, WebServer

BODY = b"0123456789" * 10
TIME = "Sun, 01 Feb 2026 10:20:30 GMT"
SECRET = "topsecret-value"


def access(*urls: str, **options: Any) -> StorageAccess:
    filesystem, root = connect(HttpOptions(**({"urls": list(urls)} if urls else {}), **options))
    found: StorageAccess = filesystem.storage_access(root)
    return found


def contents(files: StorageAccess, uri: str, start: int = 0, version: str | None = None) -> bytes:
    content = files.open(uri, start, version)
    try:
        return read_exactly(content, 1 << 40)
    finally:
        content.close()


def failure(files: StorageAccess, *arguments: Any) -> Failure:
    """What it means that the content cannot be read, or (without arguments) that there is no listing."""
    try:
        contents(files, *arguments) if arguments else list(files.files(""))
    except Exception as error:
        told = files.failure(error, arguments[0] if arguments else None)
        shown = "".join(traceback.format_exception(error)) + told.reason
        assert SECRET not in shown
        return told
    raise AssertionError("nothing was raised")


def test_nginx_details_and_content(nginx: Nginx) -> None:
    modified = datetime(2026, 2, 1, 10, 20, 30)
    nginx.put("plain", "a.csv", BODY, modified)
    nginx.put("plain", "empty.csv", b"", modified)
    url = nginx.provider("plain")["base_url"] + "a.csv"
    files = access(url, url.replace("a.csv", "empty.csv"))
    one, empty = files.files("")
    assert (one.uri, one.size, one.modified) == (url, len(BODY), modified)
    assert one.version is not None
    assert one.version.startswith('"')
    assert empty == files.info(empty.uri)
    assert empty.size == 0
    assert files.info(url) == one
    for start in (0, 1, 55, 99, 100):
        assert contents(files, url, start, one.version) == BODY[start:]
    assert contents(files, empty.uri, 0, empty.version) == b""
    assert failure(files, url, 101).trouble is Trouble.CHANGED
    content = files.open(url, 90)
    assert (content.size, content.version) == (len(BODY), one.version)
    assert content.read(4) == b"0123"
    content.close()
    content.close()
    ranges = [(50, 60), (0, 3), (95, 100), (7, 7), (50, 52), (98, 200), (100, 110)]
    assert files.ranges(url, ranges, one.version) == [BODY[start:end] for start, end in ranges]


def test_nginx_content_that_changed(nginx: Nginx) -> None:
    url = nginx.provider("changing")["base_url"] + "a.csv"
    nginx.put("changing", "a.csv", BODY, datetime(2026, 1, 1))
    files = access(url)
    (old,) = files.files("")
    nginx.put("changing", "a.csv", BODY + b"more", datetime(2026, 1, 2))
    for start in (0, 10):
        assert failure(files, url, start, old.version).trouble is Trouble.CHANGED
    with pytest.raises(http_errors.HttpError, match="no longer the content"):
        files.ranges(url, [(0, 5), (10, 20)], old.version)
    new = files.info(url)
    assert new.version != old.version
    assert new.modified == datetime(2026, 1, 2)
    nginx.remove("changing", "a.csv")
    assert failure(files, url, 0, new.version).trouble is Trouble.MISSING


def test_nginx_credentials(nginx: Nginx) -> None:
    nginx.put("guarded", "a.csv", BODY)
    for place, credentials in (
        ("protected", {"auth_type": "basic", "username": nginx.user, "password": nginx.password}),
        ("token", {"auth_type": "bearer", "token": nginx.token}),
    ):
        base = f"{nginx.url}/{place}/guarded/"
        files = access(base_url=base, credentials=credentials)
        assert [listed.uri for listed in files.files("")] == ["a.csv"]
        assert contents(files, "a.csv") == BODY
        if place == "token":
            files = access(base_url=base, headers={"Authorization": f"Bearer {nginx.token}"})
            assert contents(files, "a.csv") == BODY
        wrong = {**credentials, "password": SECRET, "token": SECRET}
        for options in ({}, {"credentials": wrong}):
            refusal = failure(access(base_url=base, **options))
            assert refusal.trouble is Trouble.CONFIG
            assert refusal.reason.startswith(f"the server answered 401 Unauthorized for {base}: check credentials")


def test_nginx_forbidden_and_missing_files(nginx: Nginx, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.csv", "secret.csv", "gone.csv"):
        nginx.put("rights", name, BODY)
    nginx.forbid("rights", "secret.csv")
    nginx.remove("rights", "gone.csv")
    (nginx.served / "rights" / "gone.csv").symlink_to("nowhere")
    base = nginx.provider("rights")["base_url"]
    files = access(base_url=base)
    with caplog.at_level(logging.WARNING, "airbyte"):
        found = {listed.uri: listed for listed in files.files("")}
    # what is forbidden fails when it is read, on its own; what is not there is told
    assert sorted(found) == ["a.csv", "secret.csv"]
    assert found["secret.csv"].version is None
    assert "gone.csv is listed by an index page, but is not there" in caplog.text
    forbidden = failure(files, "secret.csv")
    assert forbidden.trouble is Trouble.CONFIG
    assert f"403 Forbidden for {base}secret.csv" in forbidden.reason
    # what a URL names is wanted for sure
    for name in ("secret.csv", "gone.csv"):
        refusal = failure(access(f"{base}a.csv", f"{base}{name}?key={SECRET}"))
        assert refusal.trouble is Trouble.CONFIG
        assert f"for {base}{name}: " in refusal.reason


def test_members_of_a_range_may_be_missing(nginx: Nginx, caplog: pytest.LogCaptureFixture) -> None:
    base = nginx.provider("days")["base_url"]
    for day in ("2026-01-02", "2026-01-04"):
        nginx.put("days", f"{day}.csv", BODY)
    files = access(f"{base}{{2026-01-01..2026-01-05}}.csv?key={SECRET}")
    with caplog.at_level(logging.INFO, "airbyte"):
        found = [listed.uri for listed in files.files("")]
    assert found == [f"{base}2026-01-02.csv", f"{base}2026-01-04.csv"]
    (message,) = [record.getMessage() for record in caplog.records if record.name == "airbyte"]
    assert message.endswith(f"3 of 5 files of {base}{{2026-01-01..2026-01-05}}.csv do not exist")
    assert [listed.uri for listed in files.files(f"{base}2026-01-04")] == [f"{base}2026-01-04.csv"]
    assert contents(files, found[0]) == BODY


def test_named_files_that_globs_leave_out_for_a_dot_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with answering(Answer(200, BODY)) as server:
        names = ["a.csv", ".b.csv", ".well/c.csv", ".well/d.txt"]
        reader = FsspecStreamReader(*connect(HttpOptions(urls=[f"{server.url}/{name}" for name in names])))
        with caplog.at_level(logging.WARNING, "airbyte"):
            found = [file.uri for file in reader.get_matching_files(["**/*.csv"], None, logging.getLogger("airbyte"))]
        assert found == [f"{server.url}/a.csv"]
        assert "2 files are left out, as wildcards of globs do not stand for names that begin with a dot" in caplog.text
        assert f"such as '{server.url}/.b.csv'" in caplog.text
        caplog.clear()
        globs = ["**/*.csv", "**/.*", "**/.*/*"]
        assert len(list(reader.get_matching_files(globs, None, logging.getLogger("airbyte")))) == 4
        assert caplog.text == ""


def test_only_wanted_files_are_asked_for(nginx: Nginx) -> None:
    for number in range(10):
        nginx.put("wanted", f"{number}.csv", BODY)
        nginx.put("wanted", f"{number}.json", BODY)
    with FaultProxy(nginx.port) as proxy:
        base = nginx.provider("wanted", endpoint=proxy.url)["base_url"]
        found = access(base_url=base).files("", wanted=lambda uri: uri.endswith(".csv"))
        assert len(list(found)) == 10
        assert sorted(passed.path[-6:] for passed in proxy.log if passed.method == "HEAD") == [
            f"/{number}.csv" for number in range(10)
        ]
        proxy.clear()
        found = access(f"{base}{{0..9}}.csv").files("", wanted=lambda uri: uri.endswith("/7.csv"))
        assert [listed.uri for listed in found] == [f"{base}7.csv"]
        assert len(proxy.log) == 1


def test_broken_bodies_raise_and_are_resumed(nginx: Nginx) -> None:
    body = bytes(range(256)) * 4096
    nginx.put("faults", "a.bin", body)
    with FaultProxy(nginx.port) as proxy:
        url = nginx.provider("faults", endpoint=proxy.url)["base_url"] + "a.bin"
        files = access(url)
        proxy.rule(lambda request: request.method == "GET", close_body(300_000), reset_body(1000), reset(), status(503))
        for _ in range(4):
            assert failure(files, url).trouble is Trouble.TEMPORARY
        assert contents(files, url) == body
        proxy.clear()
        proxy.rule(lambda request: request.method == "GET", close_body(300_000), reset_body(300_000), status(429, 0.1))
        retrying = RetryingAccess(files, RetryPolicy(first_wait=0.01))
        (listed,) = retrying.files("")
        assert contents(retrying, url, 0, listed.version) == body
        ranges = [passed.range for passed in proxy.log if passed.method == "GET"]
        assert ranges[:2] == [None, "bytes=300000-"]
        assert len(ranges) == 4


def test_a_listing_survives_faults(nginx: Nginx) -> None:
    names = [f"{folder}/{number}.csv" for folder in range(5) for number in range(20)]
    for name in names:
        nginx.put("flaky", name, BODY)
    with FaultProxy(nginx.port) as proxy:
        files = access(**nginx.provider("flaky", endpoint=proxy.url))
        proxy.at_random(0.1, seed=3, faults=[status(503), reset(), status(429, 0.01)])
        retrying = RetryingAccess(files, RetryPolicy(first_wait=0.01))
        assert sorted(listed.uri for listed in retrying.files("")) == sorted(names)
        assert proxy.faults > 3
        # each request was tried again by itself
        assert len(proxy.log) == 106 + proxy.faults
        # without that, one request that fails is no shorter listing
        proxy.clear()
        proxy.rule(lambda request: request.path.endswith("/3/7.csv"), status(503), forever=True)
        assert failure(access(**nginx.provider("flaky", endpoint=proxy.url))).trouble is Trouble.TEMPORARY


def test_silence_is_temporary(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_cdk.sources.file_based.storages.http_client.READ_SECONDS", 0.3)
    nginx.put("slow", "a.csv", BODY)
    with FaultProxy(nginx.port) as proxy:
        url = nginx.provider("slow", endpoint=proxy.url)["base_url"] + "a.csv"
        proxy.rule(lambda request: True, stall(2), stall(2, 50))
        for _ in range(2):
            silence = failure(access(url), url)
            assert silence.trouble is Trouble.TEMPORARY
            assert "did not answer in time" in silence.reason


def answering(answer: Answer, others: Answer | None = None) -> WebServer:
    """A server that answers GET so, and HEAD so or with the second answer."""
    return WebServer(lambda asked: others if others is not None and asked.method == "HEAD" else answer)


@pytest.mark.parametrize(
    ("code", "headers", "trouble", "after"),
    [
        (400, {}, Trouble.OTHER, None),
        (401, {}, Trouble.CONFIG, None),
        (403, {}, Trouble.CONFIG, None),
        (403, {"Retry-After": "7"}, Trouble.TEMPORARY, 7),
        (404, {}, Trouble.MISSING, None),
        (407, {}, Trouble.CONFIG, None),
        (408, {}, Trouble.TEMPORARY, None),
        (410, {}, Trouble.MISSING, None),
        (412, {}, Trouble.CHANGED, None),
        (429, {}, Trouble.TEMPORARY, None),
        (429, {"Retry-After": "0"}, Trouble.TEMPORARY, 0),
        (429, {"Retry-After": "soon"}, Trouble.TEMPORARY, None),
        (429, {"Retry-After": "Sun, 01 Feb 2026 10:20:30 GMT"}, Trouble.TEMPORARY, 0),
        (500, {}, Trouble.TEMPORARY, None),
        (501, {}, Trouble.OTHER, None),
        (503, {"Retry-After": "120"}, Trouble.TEMPORARY, 120),
        (599, {}, Trouble.TEMPORARY, None),
        (204, {}, Trouble.OTHER, None),
        (304, {}, Trouble.OTHER, None),
    ],
)
def test_statuses(code: int, headers: dict[str, str | None], trouble: Trouble, after: float | None) -> None:
    with answering(Answer(code, headers=headers)) as server:
        url = f"{server.url}/a.csv"
        told = failure(access(f"{url}?sig={SECRET}"), url)
        assert (told.trouble, told.retry_after) == (trouble, after)
        assert f"answered {code}" in told.reason or code == 407


def test_a_size_that_only_a_part_tells() -> None:
    no_length = {"Content-Length": None, "ETag": '"1"'}
    part = Answer(206, BODY[:1], {**no_length, "Content-Range": f"bytes 0-0/{len(BODY)}"})
    for answer, size in ((part, len(BODY)), (Answer(200, BODY, no_length), None)):
        with answering(answer, Answer(headers=no_length)) as web:
            files = access(f"{web.url}/a.csv")
            (listed,) = files.files("")
            assert (listed.size, web.methods("/a.csv")) == (None, ["HEAD"])  # a listing asks each file once
            found = files.info(listed.uri)
            assert (found.size, found.version) == (size, '"1"')


def test_retry_after_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    with answering(Answer(503, headers={"Retry-After": later})) as server:
        after = failure(access(f"{server.url}/a"), f"{server.url}/a").retry_after
    assert after is not None
    assert 90 < after <= 100


def test_no_answer() -> None:
    cases = {
        "http://no-such-host.invalid/a": (Trouble.TEMPORARY, "the name no-such-host.invalid cannot be resolved"),
        "http://127.0.0.1:9/a": (Trouble.TEMPORARY, "127.0.0.1:9 refuses connections; if it stays so, correct the URL"),
    }
    for url, (trouble, reason) in cases.items():
        for told in (failure(access(f"{url}?sig={SECRET}"), url), failure(access(f"{url}?sig={SECRET}"))):
            assert told.trouble is trouble
            assert reason in told.reason
    with answering(Answer()) as server:
        url = f"https://127.0.0.1:{server.port}/a"
        told = failure(access(f"{url}?sig={SECRET}"), url)
        assert told.trouble is Trouble.CONFIG
        assert "does not speak TLS; write http:// in the URL" in told.reason
    with answering(Answer(302, headers={"Location": f"/a?sig={SECRET}"})) as server:
        told = failure(access(f"{server.url}/a"), f"{server.url}/a")
        assert told.trouble is Trouble.CONFIG
        assert "redirected again and again" in told.reason
    with answering(Answer(302, headers={"Location": f"ftp://h/{SECRET}"})) as server:
        assert failure(access(f"{server.url}/a"), f"{server.url}/a").trouble is Trouble.CONFIG


def self_signed(path: Path) -> None:
    """Write a key, and a certificate of localhost that only itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *plain) + certificate.public_bytes(serialization.Encoding.PEM)
    )


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = tmp_path / "certificate.pem"
    self_signed(certificate)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"data")

        def log_message(self, format: str, *args: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are wanted here
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        url = f"https://localhost:{server.server_port}/a"
        told = failure(access(url), url)
        assert told.trouble is Trouble.CONFIG
        assert (
            f"the certificate of localhost:{server.server_port} is not trusted (self-signed certificate)" in told.reason
        )
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert contents(access(url), url) == b"data"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("code", [403, 405, 501])
def test_servers_that_refuse_head(code: int) -> None:
    part = Answer(206, b"0", {"Content-Range": "bytes 0-0/100", "Last-Modified": TIME, "ETag": 'W/"1"'})
    with answering(part, Answer(code)) as server:
        files = access(f"{server.url}/{{1..3}}.csv")
        found = list(files.files(""))
        assert found[0] == Listed(f"{server.url}/1.csv", 100, datetime(2026, 2, 1, 10, 20, 30), 'W/"1"')
        assert len(found) == 3
        assert {asked.headers["range"] for asked in server.asked if asked.method == "GET"} == {"bytes=0-0"}
        server.asked.clear()
        files.info(found[0].uri)
        assert server.methods("/1.csv") == ["GET"]  # what refuses HEAD once is not asked for it again


@pytest.mark.parametrize("code", [404, 410, 500, 502])
def test_a_file_is_there_if_get_finds_it(code: int) -> None:
    page = Answer(200, b"<title>Index of /</title><a href='a.csv'>a</a>", {"Content-Type": "text/html"})
    part = Answer(206, b"0", {"Content-Range": "bytes 0-0/100", "ETag": '"1"'})

    def answer(asked: Asked) -> Answer:
        return Answer(code) if asked.method == "HEAD" else page if asked.path == "/" else part

    with WebServer(answer) as server:
        for files in (access(base_url=server.url), access(f"{server.url}/a.csv"), access(f"{server.url}/{{1..2}}")):
            assert {(listed.size, listed.version) for listed in files.files("")} == {(100, '"1"')}
        assert server.methods("/a.csv") == ["HEAD", "GET"] * 2
        files = access(f"{server.url}/{{1..9}}.csv")
        server.asked.clear()
        assert len([files.info(f"{server.url}/{number}.csv") for number in range(1, 10)]) == 9
        # a server that fails is asked by HEAD again, one that knows no HEAD is not
        assert len(server.asked) == (18 if code >= 500 else 10)


def test_a_file_is_there_if_get_finds_it_where_head_is_cut_off(nginx: Nginx) -> None:
    nginx.put("headless", "a.csv", BODY)
    with FaultProxy(nginx.port) as proxy:
        proxy.rule(lambda request: request.method == "HEAD", reset(), forever=True)
        (found,) = access(base_url=nginx.provider("headless", endpoint=proxy.url)["base_url"]).files("")
        assert (found.uri, found.size) == ("a.csv", 100)


def test_head_that_is_refused_for_a_time_is_not_asked_around() -> None:
    for code in (403, 503):
        with answering(Answer(200, BODY), Answer(code, headers={"Retry-After": "3"})) as server:
            told = failure(access(f"{server.url}/a.csv"))
            assert (told.trouble, told.retry_after) == (Trouble.TEMPORARY, 3)
            assert server.methods("/a.csv") == ["HEAD"]


def test_details_where_ranges_are_ignored_and_of_empty_files() -> None:
    with answering(Answer(200, BODY, {"ETag": '"1"'}), Answer(405)) as server:
        assert access(f"{server.url}/a").info(f"{server.url}/a").size == 100
    # HEAD that says 0 is not believed, as its answer has no body in any case
    with answering(Answer(200, BODY, {"ETag": '"1"'}), Answer(200, headers={"Content-Length": "0"})) as server:
        assert access(f"{server.url}/a").info(f"{server.url}/a").size == 100
    empty = Answer(416, headers={"Content-Range": "bytes */0", "Last-Modified": TIME})
    with answering(empty, Answer(200, headers={"Content-Length": "0"})) as server:
        (found,) = access(f"{server.url}/a").files("")
        assert (found.size, found.modified) == (0, datetime(2026, 2, 1, 10, 20, 30))
    chunked = Answer(200, b"3\r\nabc\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked", "Last-Modified": TIME})
    with answering(chunked) as server:
        (found,) = access(f"{server.url}/a").files("")
        assert (found.size, found.version) == (None, None)


@pytest.mark.parametrize("told", [None, "yesterday", "0", ""])
def test_without_a_time_a_file_is_as_new_as_the_listing(told: str | None) -> None:
    with answering(Answer(200, BODY, {"Last-Modified": told} if told is not None else {})) as server:
        before = datetime.now(UTC).replace(tzinfo=None)
        (found,) = access(f"{server.url}/a").files("")
        assert before <= found.modified <= datetime.now(UTC).replace(tzinfo=None)
        assert found.version is None


def test_times_of_other_zones_and_versions_without_etag() -> None:
    with answering(Answer(200, BODY, {"Last-Modified": "Sun, 01 Feb 2026 10:20:30 +0200"})) as server:
        (found,) = access(f"{server.url}/a").files("")
        assert found.modified == datetime(2026, 2, 1, 8, 20, 30)
        assert found.version == "Sun, 01 Feb 2026 10:20:30 +0200; 100"
        assert failure(access(f"{server.url}/a"), found.uri, 0, f"{TIME}; 100").trouble is Trouble.CHANGED
        assert contents(access(f"{server.url}/a"), found.uri, 20, found.version) == BODY[20:]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, BODY, {}),
        Answer(200, b"64\r\n" + BODY + b"\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}),
        Answer(200, BODY, {"Content-Length": None}),
    ],
    ids=["length", "chunks", "until the connection ends"],
)
def test_servers_that_ignore_ranges(answer: Answer) -> None:
    with answering(answer) as server:
        url = f"{server.url}/a"
        for start in (0, 1, 99, 100):
            assert contents(access(url), url, start) == BODY[start:]
        files = access(url)
        server.asked.clear()
        assert files.ranges(url, [(90, 95), (10, 12), (40, 50)]) == [BODY[90:95], BODY[10:12], BODY[40:50]]
        assert len(server.asked) == 2  # one tells that ranges are ignored, one is read through
        assert files.ranges(url, [(90, 95), (10, 12)]) == [BODY[90:95], BODY[10:12]]
        assert len(server.asked) == 3
        assert failure(files, url, 101).trouble is Trouble.CHANGED


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (Answer(206, BODY[:90], {"Content-Range": "bytes 0-89/100"}), Trouble.OTHER),
        (Answer(206, BODY[:90], {}), Trouble.OTHER),
        (Answer(206, BODY[10:], {"Content-Range": "lines 10-99/100"}), Trouble.OTHER),
        (Answer(206, BODY[10:], {"Content-Range": "bytes 10-99/100", "ETag": '"2"'}), Trouble.CHANGED),
        (Answer(200, BODY, {"ETag": '"2"'}), Trouble.CHANGED),
        (Answer(200, BODY[:5], {}), Trouble.CHANGED),
        (Answer(206, BODY[10:90], {"Content-Range": "bytes 10-99/100", "Content-Length": "90"}), Trouble.TEMPORARY),
        (Answer(206, BODY[10:50], {"Content-Range": "bytes 10-49/100"}), Trouble.TEMPORARY),
        (Answer(200, BODY[:50], {"Content-Length": "100"}), Trouble.TEMPORARY),
        (Answer(200, b"64\r\n" + BODY + b"\r\n", {"Transfer-Encoding": "chunked"}), Trouble.TEMPORARY),
        (Answer(200, b"64\r\n" + BODY[:50], {"Transfer-Encoding": "chunked"}), Trouble.TEMPORARY),
        (Answer(200, b"zz\r\n" + BODY, {"Transfer-Encoding": "chunked"}), Trouble.TEMPORARY),
        (Answer(200, BODY, {"Content-Encoding": "br"}), Trouble.OTHER),
        (Answer(416, b"", {"Content-Range": "bytes */9"}), Trouble.CHANGED),
    ],
)
def test_answers_that_are_not_what_was_asked_for(answer: Answer, trouble: Trouble) -> None:
    with answering(answer) as server:
        url = f"{server.url}/a"
        assert failure(access(url), url, 10, '"1"').trouble is trouble
        assert server.asked[0].headers["if-range"] == '"1"'


def test_the_whole_range_at_the_end_is_empty() -> None:
    with answering(Answer(416, b"", {"Content-Range": "bytes */100"})) as server:
        assert contents(access(f"{server.url}/a"), f"{server.url}/a", 100) == b""


def test_encoded_content_is_handed_out_as_it_is_stored() -> None:
    packed = gzip.compress(BODY)
    with answering(Answer(200, packed, {"Content-Encoding": "gzip"})) as server:
        url = f"{server.url}/a.csv"
        files = access(url)
        assert contents(files, url) == packed
        assert files.info(url).size == len(packed)
        assert {asked.headers["accept-encoding"] for asked in server.asked} == {"identity"}


def test_private_headers_stay_with_their_host() -> None:
    with answering(Answer(200, BODY, {"ETag": '"1"'})) as other:
        target = f"{other.url}/b?sig=x"

        def answer(asked: Asked) -> Answer:
            if asked.path == "/a":
                return Answer(302, headers={"Location": "/again"})
            return Answer(307, headers={"Location": target})

        with WebServer(answer) as server:
            url = f"{server.url}/a"
            files = access(
                url,
                credentials={"auth_type": "basic", "username": "ü", "password": SECRET},
                headers={"X-Api-Key": SECRET, "User-Agent": "mine", "Cookie": SECRET},
            )
            (found,) = files.files("")
            assert contents(files, url, 10, found.version) == BODY[10:]
            assert [asked.path for asked in server.asked] == ["/a", "/again"] * 2
            for asked in server.asked:
                assert asked.headers["x-api-key"] == SECRET
                assert asked.headers["authorization"] == "Basic w7w6dG9wc2VjcmV0LXZhbHVl"
        assert [asked.method for asked in other.asked] == ["HEAD", "GET"]
        for asked in other.asked:
            assert SECRET not in str(asked.headers)
            assert "authorization" not in asked.headers
            assert asked.headers["user-agent"] == "mine"


def test_passwords_of_netrc_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with answering(Answer(200, BODY)) as server:
        contents(access(f"{server.url}/a"), f"{server.url}/a")
        assert "authorization" not in server.asked[0].headers


def test_an_explained_error_holds_no_secret() -> None:
    url = f"http://no-such-host.invalid/a?sig={SECRET}"
    with pytest.raises(http_errors.HttpError) as raised, http_errors.explained(url):
        requests.get(url, timeout=5)
    assert raised.value.failure.trouble is Trouble.TEMPORARY
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_folder_is_no_file(nginx: Nginx) -> None:
    nginx.put("folders", "dir/a.csv", BODY)
    files = access(**nginx.provider("folders"))
    for uri in ("dir", "dir/", "", "../folders/dir/a.csv", "gone"):
        assert failure(files, uri).trouble is Trouble.MISSING
        with pytest.raises(http_errors.HttpError):
            files.info(uri)
    filesystem, _ = connect(HttpOptions(**nginx.provider("folders")))
    assert filesystem.isdir("dir")
    assert filesystem.find("") == ["dir/a.csv"]


def test_connections_are_used_again_and_after_close(nginx: Nginx) -> None:
    nginx.put("again", "a.csv", BODY)
    files = access(**nginx.provider("again"))
    for _ in range(3):
        assert contents(files, "a.csv") == BODY
        assert files.ranges("a.csv", [(3, 5), (7, 9)]) == [b"34", b"78"]
        files.close()


def test_many_threads(nginx: Nginx) -> None:
    bodies = {f"{number}.bin": bytes([number]) * 300_000 for number in range(32)}
    for name, body in bodies.items():
        nginx.put("threads", name, body)
    files = access(**nginx.provider("threads"))
    wrong: list[str] = []

    def read_all(names: list[str]) -> None:
        wrong.extend(name for name in names if contents(files, name) != bodies[name])

    names = list(bodies)
    threads = [threading.Thread(target=read_all, args=(names[first::16] * 3,)) for first in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_listing_does_not_wait_for_what_is_tried_again() -> None:
    answers = {"/a.csv": Answer(200, BODY), "/gone.csv": Answer(404)}
    with WebServer(lambda asked: answers.get(asked.path, Answer(503))) as server:
        for names, error in ((("a", *map(str, range(6))), None), (("gone", "0"), "404")):
            found = RetryingAccess(access(*(f"{server.url}/{name}.csv" for name in names)), RetryPolicy(seconds=60))
            began = time.monotonic()
            listing = found.files("")
            if error is None:
                assert next(listing).uri.endswith("/a.csv")
                listing.close()  # type: ignore[attr-defined]  # a generator
            else:
                with pytest.raises(AirbyteTracedException, match=error):
                    next(listing)
            assert time.monotonic() - began < 30
