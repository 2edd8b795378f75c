import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import IncompleteReadError
from urllib3.exceptions import ProtocolError

from airbyte_cdk.sources.file_based.access.ranges import PART
from airbyte_cdk.sources.file_based.access.storage_access import Trouble
from airbyte_cdk.sources.file_based.storages.s3 import S3Options, connect
from servers.fault_proxy import NONE, FaultProxy, close_body, slow, stall, status
from servers.s3 import Moto

ODD_KEYS = [
    "a//b",
    "/lead",
    "//",
    "dir/",
    "a b+c.csv",
    "a%25b%2F.csv",
    "é/ü 😀.csv",
    "q?x=1&y#z",
    ".hidden",
    "./a/../b/.",
    "..",
    "control\x01\x1f\x7f",
    "tab\tend ",
    "'\"<>[]{}\\|^`~=",
    "k" * 1024,
    "ü" * 512,
]


def access(server, bucket, **overrides):
    filesystem, root = connect(S3Options(**server.provider(bucket, **overrides)))
    return filesystem.storage_access(root)


def read(content, n=1 << 20):
    parts = list(iter(lambda: content.read(n), b""))
    content.close()
    assert all(len(part) <= n for part in parts)
    return b"".join(parts)


@pytest.fixture(scope="module")
def odd(moto):
    for number, key in enumerate(ODD_KEYS):
        moto.put("s3-odd", key, f"content {number}".encode())
    return access(moto, "s3-odd")


def test_odd_keys_are_listed_and_read_exactly(odd):
    files = {file.uri: file for file in odd.files("")}

    assert sorted(files) == sorted(ODD_KEYS)
    for number, key in enumerate(ODD_KEYS):
        content = odd.open(key, version=files[key].version)
        assert content.size == files[key].size
        assert content.version == files[key].version
        assert read(content) == f"content {number}".encode()
        assert odd.info(key) == files[key]
        assert odd.ranges(key, [(0, 7), (8, 1000)]) == [b"content", str(number).encode()]


def test_a_key_with_a_newline_is_listed_and_read(seaweed):
    seaweed.put("s3-newline", "new\nline\r\x01.csv", b"x")  # moto does not take it
    reader = access(seaweed, "s3-newline")

    assert [file.uri for file in reader.files("new\n")] == ["new\nline\r\x01.csv"]
    assert read(reader.open("new\nline\r\x01.csv")) == b"x"


@pytest.mark.parametrize("key", ["a//b", "/lead", "//", "..", "é/ü 😀.csv", "a%25b%2F.csv", "control\x01\x1f\x7f"])
def test_prefixes_are_exact(odd, key):
    for prefix in (key, key[:-1]):
        expected = sorted(other for other in ODD_KEYS if other.startswith(prefix))
        assert sorted(file.uri for file in odd.files(prefix)) == expected


def test_pages_and_requests():
    with Moto(keys_per_page=10) as moto, FaultProxy(moto.port) as proxy:
        keys = {f"{'part' if n % 5 else 'other'} {n:02}+ü" for n in range(50)}
        for key in keys:
            moto.put("s3-pages", key, b"x")
        reader = access(moto, "s3-pages", endpoint=proxy.url)

        assert {file.uri for file in reader.files("")} == keys
        assert len(proxy.log) == 5
        proxy.clear()
        assert {file.uri for file in reader.files("other")} == {key for key in keys if key.startswith("other")}
        assert len(proxy.log) == 1
        proxy.clear()
        next(reader.files(""))
        reader.close()
        assert len(proxy.log) <= 2


def test_times_sizes_and_markers(moto):
    changed = datetime(2020, 2, 29, 23, 59, 59)
    moto.put("s3-times", "folder/", b"")
    moto.put("s3-times", "folder/a", b"12345", modified=changed)
    moto.put("s3-times", "folder/empty", b"")
    reader = access(moto, "s3-times")
    files = {file.uri: file for file in reader.files("")}

    assert set(files) == {"folder/a", "folder/empty"}
    assert files["folder/a"].size == 5
    assert files["folder/a"].modified == changed == reader.info("folder/a").modified
    assert files["folder/empty"].size == 0
    assert read(reader.open("folder/empty")) == b""


def test_folders_below_can_be_left_out(moto):
    for key in ("a", "b/c", "b/d/e", "b/", "f//g"):
        moto.put("s3-flat", key, b"x")
    reader = access(moto, "s3-flat")

    assert [file.uri for file in reader.files("", recursive=False)] == ["a"]
    assert sorted(file.uri for file in reader.files("b/", recursive=False)) == ["b/", "b/c"]
    assert [file.uri for file in reader.files("f//", recursive=False)] == ["f//g"]


def test_the_prefix_of_the_options_restricts_the_listing_and_nothing_else(moto):
    for key in ("in/a", "in/b", "inner", "out"):
        moto.put("s3-prefix", key, b"x")
    reader = access(moto, "s3-prefix", prefix="in/")

    assert [file.uri for file in reader.files("")] == ["in/a", "in/b"]
    assert [file.uri for file in reader.files("i")] == ["in/a", "in/b"]
    assert [file.uri for file in reader.files("in/b")] == ["in/b"]
    assert list(reader.files("out")) == []
    assert read(reader.open("out")) == b"x"


def test_reading_from_anywhere(moto):
    moto.put("s3-read", "a", bytes(range(256)) * 1000)
    reader = access(moto, "s3-read")

    for start in (0, 1, 255_999):
        content = reader.open("a", start)
        assert content.size == 256_000
        assert read(content, 70_000) == (bytes(range(256)) * 1000)[start:]
    for start in (256_000, 300_000):
        content = reader.open("a", start)
        assert (content.read(10), content.size) == (b"", 256_000)
        content.close()
    half = reader.open("a")
    assert half.read(10) == bytes(range(10))
    half.close()
    half.close()


def test_ranges_of_all_kinds(moto):
    data = bytes(n * 7 % 251 for n in range(300_000)) + bytes(PART) + b"the end"
    moto.put("s3-ranges", "a", data)
    version = next(access(moto, "s3-ranges").files("")).version
    ranges = [
        (len(data) - 3, len(data) + 5),
        (0, 0),
        (5, 10),
        (200_000, len(data)),
        (7, 9),
        (10, 20),
        (10**9, 10**9 + 1),
    ]
    with FaultProxy(moto.port) as proxy:
        reader = access(moto, "s3-ranges", endpoint=proxy.url)
        found = reader.ranges("a", ranges, version)

        assert found == [data[start:end] for start, end in ranges]
        # one for the small ranges, two for the long one and its neighbour, one behind the end
        assert len(proxy.log) == 4
        assert reader.ranges("a", []) == []
        assert len(proxy.log) == 4


def test_another_version_is_not_read(moto):
    moto.put("s3-versions", "a", b"first")
    reader = access(moto, "s3-versions")
    version = reader.info("a").version
    moto.put("s3-versions", "a", b"second")

    for call in (
        lambda: reader.open("a", 0, version),
        lambda: reader.open("a", 2, version),
        lambda: reader.open("a", 50, version),
        lambda: reader.ranges("a", [(0, 2), (10**6, 10**6 + 1)], version),
    ):
        with pytest.raises(Exception, match="PreconditionFailed") as raised:
            call()
        assert reader.failure(raised.value, "a").trouble is Trouble.CHANGED


def test_what_is_not_there_is_missing(moto):
    moto.put("s3-missing", "a", b"x")
    reader = access(moto, "s3-missing")

    for call in (lambda: reader.open("b"), lambda: reader.info("b"), lambda: reader.ranges("b", [(0, 1)])):
        with pytest.raises(Exception, match=r"NoSuchKey|404") as raised:
            call()
        assert reader.failure(raised.value, "b").trouble is Trouble.MISSING
    assert list(reader.files("b")) == []


def test_sixteen_threads_share_an_access_and_its_connections(seaweed):
    seaweed.put("s3-threads", "a", b"0123456789" * 100_000)
    reader = access(seaweed, "s3-threads")
    barrier = threading.Barrier(16)

    def work(number):
        barrier.wait(30)
        whole = read(reader.open("a"))
        parts = reader.ranges("a", [(number, number + 10), (500_000, 500_010)])
        return whole, parts, [file.uri for file in reader.files("")]

    with ThreadPoolExecutor(16) as threads:
        for number, (whole, parts, uris) in enumerate(threads.map(work, range(16))):
            assert whole == b"0123456789" * 100_000
            assert parts == [whole[number : number + 10], b"0123456789"]
            assert uris == ["a"]


def test_a_page_that_fails_is_asked_for_again_and_no_other(moto):
    with Moto(keys_per_page=10) as pages, FaultProxy(pages.port) as proxy:
        for number in range(30):
            pages.put("s3-retried", f"{number:02}", b"x")
        reader = access(pages, "s3-retried", endpoint=proxy.url)
        proxy.rule(lambda request: "continuation-token" in request.path, NONE, status(503), close_body(500))
        errors = []

        def retried(request, over=None):
            while True:
                try:
                    return request()
                except Exception as error:
                    errors.append(reader.failure(error).trouble)

        reader.retried = retried
        assert [file.uri for file in reader.files("")] == [f"{number:02}" for number in range(30)]
        assert errors == [Trouble.TEMPORARY] * 2
        assert len(proxy.log) == 5


def test_a_read_that_waits_can_be_stopped(moto):
    moto.put("s3-stopped", "a", bytes(1 << 20))
    with FaultProxy(moto.port) as proxy:
        reader = access(moto, "s3-stopped", endpoint=proxy.url)
        proxy.rule(lambda _: True, stall(20, after=1000))
        content = reader.open("a")
        assert content.read(1000) == bytes(1000)
        with ThreadPoolExecutor(1) as thread:
            began = time.monotonic()
            waiting = thread.submit(content.read, 1000)
            while not waiting.running():
                time.sleep(0.01)
            time.sleep(0.1)
            content.stop()
            with pytest.raises((IncompleteReadError, ProtocolError)):  # older releases of botocore give the second
                waiting.result(10)
        assert time.monotonic() - began < 5
        content.close()
        content.stop()


def test_what_has_arrived_is_given_without_waiting_for_the_rest(moto):
    moto.put("s3-slow", "a", bytes(100_000))
    with FaultProxy(moto.port) as proxy:
        proxy.rule(lambda _: True, slow(20_000))
        content = access(moto, "s3-slow", endpoint=proxy.url).open("a")
        began = time.monotonic()
        assert 0 < len(content.read(100_000)) < 50_000
        assert time.monotonic() - began < 2
        content.close()


def test_it_connects_again_after_close(moto):
    moto.put("s3-close", "a", b"x")
    reader = access(moto, "s3-close")
    listing = reader.files("")
    assert next(listing).uri == "a"
    reader.close()
    reader.close()

    assert list(listing) == []
    assert reader.ranges("a", [(0, 1)]) == [b"x"]


def test_a_role_is_assumed_and_its_secrets_are_masked(moto, monkeypatch):
    from airbyte_cdk.sources.file_based.storages import s3_client
    from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    moto.put("s3-role", "a", b"x")
    role = {"auth_type": "iam_role", "role_arn": "arn:aws:iam::123456789012:role/reader", "external_id": "abc"}
    with FaultProxy(moto.port) as proxy:
        options = S3Options(**moto.provider("s3-role", endpoint=proxy.url, credentials=role))
        reader = connect(options)[0].storage_access("")
        assert [file.uri for file in reader.files("")] == ["a"]
        assert read(reader.open("a")) == b"x"
        # assumed once, at the storage itself, as it is not AWS
        assert [request.method for request in proxy.log] == ["POST", "GET", "GET"]

        client, renewed = s3_client.connect(options)
        keys = client._request_signer._credentials.get_frozen_credentials()
        assert renewed
        assert filter_secrets(f"{keys.secret_key} and {keys.token}") == "**** and ****"


def test_a_role_is_assumed_again_before_its_keys_expire(moto, monkeypatch):
    from botocore import credentials

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    now = credentials._local_now
    ahead = timedelta(0)
    moto.put("s3-renewed", "a", b"x")
    role = {"auth_type": "iam_role", "role_arn": "arn:aws:iam::123456789012:role/reader"}
    with FaultProxy(moto.port) as proxy:
        reader = access(moto, "s3-renewed", endpoint=proxy.url, credentials=role)
        list(reader.files(""))
        reader._client._request_signer._credentials._time_fetcher = lambda: now() + ahead
        for hours, requests in ((0.5, ["GET"]), (0.9, ["POST", "GET"])):
            ahead = timedelta(hours=hours)
            proxy.clear()
            list(reader.files(""))
            assert [request.method for request in proxy.log] == requests


def test_credentials_of_the_machine(seaweed, monkeypatch):
    seaweed.put("s3-machine", "a", b"x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.secret)

    assert [
        f.uri for f in access(seaweed, "s3-machine", credentials={"auth_type": "default_credentials"}).files("")
    ] == ["a"]


def test_anonymous_access_to_what_is_public(seaweed):
    seaweed.put("public", "s3/a", b"x")
    reader = access(seaweed, "public", credentials={"auth_type": "anonymous"})

    assert [file.uri for file in reader.files("s3/")] == ["s3/a"]
    assert read(reader.open("s3/a")) == b"x"
