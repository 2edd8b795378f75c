import errno
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import RemoteDisconnected

import pytest

from airbyte_cdk.sources.file_based.access.network import (
    causes,
    content_range,
    is_transient,
    network_failure,
    retry_after,
)
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble
from airbyte_cdk.sources.file_based.storages import connect, options_model
from servers.fault_proxy import FaultProxy, status

HOST = "storage.example.com:9000"


class Wrapping(Exception):
    def __init__(self, *args, **more):
        super().__init__(*args)
        self.__dict__.update(more)


INNER = socket.gaierror(socket.EAI_NONAME, "no such name")


@pytest.mark.parametrize(
    "error",
    [
        Wrapping("text", INNER),
        Wrapping(reason=INNER),
        Wrapping(inner_exception=INNER),
        Wrapping(kwargs={"error": INNER}),
        Wrapping(Wrapping(reason=Wrapping(kwargs={"error": INNER}))),
    ],
)
def test_causes_are_found_wherever_a_library_keeps_them(error):
    found = list(causes(error))
    assert found[0] is error
    assert found[-1] is INNER


def test_causes_are_given_once_each_even_in_a_circle():
    inner = OSError()
    outer = Wrapping(inner, reason=inner, kwargs=None)
    outer.__cause__ = outer.__context__ = inner
    inner.__context__ = outer
    assert list(causes(outer)) == [outer, inner]


def test_retry_after_is_seconds_or_a_time():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (retry_after(later) or 0) <= 30
    assert retry_after("2.5") == 2.5
    assert retry_after("-3") == 0
    assert retry_after("Sun, 22 Nov 2020 06:51:35 GMT") == 0
    assert retry_after("soon") is None
    assert retry_after("") is None
    assert retry_after(None) is None


def test_some_statuses_tell_of_what_passes():
    assert [status for status in range(200, 512) if is_transient(status)] == [
        408, 425, 429, 500, 502, 503, 504, *range(506, 512),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("bytes 5-9/20", (5, 9, 20)),
        ("bytes 5-9/*", (5, 9, None)),
        ("bytes */20", (None, None, 20)),
        ("lines 5-9/20", (None, None, None)),
        ("nonsense", (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_the_places_of_a_part_are_told(text, parts):
    assert content_range(text) == parts


@pytest.mark.parametrize(
    ("error", "trouble", "reason"),
    [
        (
            INNER,
            Trouble.TEMPORARY,
            "the name storage.example.com cannot be resolved; if it stays so, correct `endpoint`",
        ),
        (
            ConnectionRefusedError(),
            Trouble.TEMPORARY,
            f"{HOST} refuses connections; if it stays so, correct `endpoint`",
        ),
        (TimeoutError(), Trouble.TEMPORARY, f"{HOST} did not answer in time"),
        (RemoteDisconnected(), Trouble.TEMPORARY, f"the connection to {HOST} broke off (RemoteDisconnected)"),
        (OSError(errno.EHOSTUNREACH, ""), Trouble.TEMPORARY, f"the connection to {HOST} broke off (No route to host)"),
        (EOFError(), Trouble.TEMPORARY, f"the connection to {HOST} broke off (EOFError)"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            Trouble.CONFIG,
            f"{HOST} does not speak TLS; write http:// in `endpoint`, or another port",
        ),
        (
            ssl.SSLCertVerificationError("no"),
            Trouble.CONFIG,
            f"the certificate of {HOST} is not trusted (it cannot be verified); check `endpoint`",
        ),
    ],
)
def test_no_answer_is_told_alike_for_all_libraries(error, trouble, reason):
    for wrapped in (error, Wrapping(Wrapping(reason=error)), Wrapping(kwargs={"error": error})):
        assert network_failure(wrapped, HOST, "`endpoint`", (EOFError,)) == Failure(trouble, reason)


def test_another_server_than_the_storage_is_named():
    asked = Wrapping(INNER, request=Wrapping(url="https://user:secret@login.example.com/token?sig=secret"))
    failure = network_failure(asked, HOST, "`endpoint`")
    assert failure == Failure(Trouble.TEMPORARY, "the name login.example.com cannot be resolved")
    asked.request.url = f"https://bucket.{HOST}/a"
    assert network_failure(asked, HOST, "`endpoint`").reason.endswith("correct `endpoint`")


def test_what_is_not_of_the_network_is_left_alone():
    assert network_failure(ValueError(), HOST, "`endpoint`") is None
    assert network_failure(OSError(errno.ENOSPC, ""), HOST, "`endpoint`") is None


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Invalid header value b'Bearer s3cret\\n'"),
        type("InvalidHeader", (ValueError,), {})("Invalid return character in header value: 'Bearer s3cret\\n'"),
        UnicodeEncodeError("latin-1", "s3cret€", 6, 7, "ordinal not in range(256)"),
    ],
)
def test_a_header_that_cannot_be_sent_is_for_the_user_to_correct(error):
    failure = network_failure(Wrapping(kwargs={"error": error}), HOST, "`endpoint`")
    assert failure.trouble is Trouble.CONFIG
    assert failure.reason.endswith("correct `credentials`")
    assert "s3cret" not in failure.reason


def test_a_name_that_no_host_can_have_is_for_the_user_to_correct():
    with pytest.raises(UnicodeError) as raised:
        socket.create_connection(("minio..local", 9000))
    failure = network_failure(raised.value, "minio..local:9000", "`endpoint`")
    assert failure == Failure(Trouble.CONFIG, "the name minio..local:9000 cannot be that of a host; correct `endpoint`")


@pytest.fixture
def _no_proxies(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def listing_failure(storage, url):
    """What a storage at a URL, read without credentials, says of its listing."""
    anonymous = {"endpoint": url, "credentials": {"auth_type": "anonymous"}}
    options = {
        "s3": {"bucket": "landing", **anonymous},
        "gcs": {"bucket": "landing", **anonymous},
        "azure": {"account_name": "landing", "container": "landing", **anonymous},
        "http": {"urls": [f"{url}/a.csv"]},
    }
    access = connect(options_model(storage)(**options[storage]))[0].storage_access("")
    with pytest.raises(Exception) as raised:  # noqa: PT011  of any family: that is what `failure` is for
        list(access.files(""))
    return access.failure(raised.value)


BEHIND_PROXIES = ["s3", "gcs", "azure", "http"]


@pytest.mark.usefixtures("_no_proxies")
@pytest.mark.parametrize("storage", BEHIND_PROXIES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named_and_not_the_server(storage, scheme, monkeypatch):
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://me:s3cret@127.0.0.1:9")
    assert listing_failure(storage, f"{scheme}://example.invalid") == Failure(
        Trouble.TEMPORARY,
        f"the proxy 127.0.0.1:9 that the environment variable {scheme.upper()}_PROXY names cannot be reached; if it "
        "stays so, correct the variable",
    )


@pytest.mark.usefixtures("_no_proxies")
@pytest.mark.parametrize("storage", BEHIND_PROXIES)
@pytest.mark.parametrize(
    ("scheme", "code", "trouble", "reason"),
    [
        ("http", 407, Trouble.CONFIG, "wants credentials (407); write it as http://user:password@host:port"),
        ("https", 407, Trouble.CONFIG, "wants credentials (407); write it as http://user:password@host:port"),
        ("https", 403, Trouble.CONFIG, "answered 403 instead of letting the request through"),
        ("https", 502, Trouble.TEMPORARY, "answered 502 instead of letting the request through"),
    ],
)
def test_what_a_proxy_answers(storage, scheme, code, trouble, reason, monkeypatch):
    with FaultProxy(9) as proxy:
        proxy.rule(lambda _: True, status(code), forever=True)
        variable = f"{scheme.upper()}_PROXY"
        monkeypatch.setenv(variable, proxy.url)
        told = f"the proxy {proxy.url.removeprefix('http://')} that the environment variable {variable} names {reason}"
        assert listing_failure(storage, f"{scheme}://example.invalid") == Failure(trouble, told)


@pytest.mark.usefixtures("_no_proxies")
@pytest.mark.parametrize("storage", BEHIND_PROXIES)
@pytest.mark.parametrize("url", ["http://", "http://:80", "http://host:port", "not a url", "http://a..b:1"])
def test_a_variable_that_names_no_proxy(storage, url, monkeypatch):
    monkeypatch.setenv("https_proxy", url)
    assert listing_failure(storage, "https://example.invalid") == Failure(
        Trouble.CONFIG,
        "the environment variable https_proxy does not hold the URL of a proxy; write it as http://host:port",
    )


@pytest.mark.usefixtures("_no_proxies")
@pytest.mark.parametrize("storage", BEHIND_PROXIES)
def test_a_proxy_of_another_kind(storage, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "ftp://127.0.0.1:1")
    assert listing_failure(storage, "https://example.invalid") == Failure(
        Trouble.CONFIG,
        "the environment variable HTTPS_PROXY names a proxy of a kind that cannot be used; write it as http://host:port",
    )
