import errno
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
