from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytest
import requests

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.exceptions import DefaultBackoffException
from airbyte_cdk.sources.streams.http.requests_native_auth import Oauth2Authenticator, token_request
from airbyte_cdk.utils import airbyte_secrets_utils
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.datetime_helpers import AirbyteDateTime
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.answering import AnsweringServer

REJECTION: dict[str, Any] = {
    "refresh_token_error_status_codes": (400,),
    "refresh_token_error_key": "error",
    "refresh_token_error_values": ("invalid_grant",),
}


def oauth(server: AnsweringServer, **more: Any) -> Oauth2Authenticator:
    return Oauth2Authenticator(server.url, "cid", "csecret", "rtoken", **more)


def failure(authenticator: Oauth2Authenticator) -> AirbyteTracedException:
    with pytest.raises(AirbyteTracedException) as caught:
        authenticator.get_access_token()
    return caught.value


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_request, "BUDGET", 0.6)
    monkeypatch.setattr(token_request, "LONGEST_WAIT", 0.1)


# When, and what is asked. ------------------------------------------------------------------------------------------


def test_the_token_is_fetched_once_and_sent(server: AnsweringServer) -> None:
    server.answer({"access_token": "atoken", "expires_in": 100})
    authenticator = oauth(server)
    assert server.asked == []
    assert authenticator.access_token is None
    assert authenticator.get_auth_header() == {"Authorization": "Bearer atoken"}
    request = requests.Request("GET", "http://localhost").prepare()
    assert authenticator(request) is request
    assert request.headers["Authorization"] == "Bearer atoken"
    assert authenticator.access_token == "atoken"
    assert len(server.asked) == 1
    expiry = authenticator.get_token_expiry_date()
    assert isinstance(expiry, AirbyteDateTime)
    assert 90 < expiry.timestamp() - datetime.now(UTC).timestamp() <= 100


def test_an_expired_token_is_fetched_again(server: AnsweringServer) -> None:
    server.answers = [(200, {"access_token": "one", "expires_in": -1}), (200, {"access_token": "two"})]
    authenticator = oauth(server)
    assert [authenticator.get_access_token() for _ in range(3)] == ["one", "two", "two"]


def test_the_expiry_may_be_known(server: AnsweringServer) -> None:
    authenticator = oauth(server, token_expiry_date=datetime.now(UTC) + timedelta(days=1))
    authenticator.access_token = "known"
    assert authenticator.get_access_token() == "known"
    authenticator.set_token_expiry_date(datetime(2020, 1, 1))
    assert authenticator.get_access_token() == "token-1"
    authenticator.set_token_expiry_date(77)
    assert 70 < authenticator.get_token_expiry_date().timestamp() - datetime.now(UTC).timestamp() <= 77


def test_without_an_endpoint_a_token_that_is_set_is_used() -> None:
    authenticator = Oauth2Authenticator(None, "cid", "csecret", "rtoken")
    assert "no token endpoint" in str(failure(authenticator))
    authenticator.access_token = "T"
    assert authenticator.get_auth_header() == {"Authorization": "Bearer T"}


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({}, "grant_type=refresh_token&client_id=cid&client_secret=csecret&refresh_token=rtoken"),
        (
            {"scopes": ["a", "b"], "refresh_request_body": {"x": "y", "grant_type": "ignored"}},
            "grant_type=refresh_token&client_id=cid&client_secret=csecret&refresh_token=rtoken&scopes=a&scopes=b&x=y",
        ),
        (
            {"refresh_request_headers": {"Authorization": "Basic zz"}},
            "grant_type=refresh_token&refresh_token=rtoken",
        ),
        (
            {"refresh_request_headers": {"authorization": "Basic zz"}},
            "grant_type=refresh_token&client_id=cid&client_secret=csecret&refresh_token=rtoken",
        ),
        (
            {
                "client_id_name": "i",
                "client_secret_name": "s",
                "refresh_token_name": "r",
                "grant_type_name": "g",
                "grant_type": "client_credentials",
            },
            "g=client_credentials&i=cid&s=csecret&r=rtoken",
        ),
    ],
)
@pytest.mark.parametrize("in_url", [False, True])
def test_what_is_sent(server: AnsweringServer, options: dict[str, Any], body: str, in_url: bool) -> None:
    authenticator = oauth(server, send_refresh_request_as_query_params=in_url, **options)
    assert bool(authenticator.build_refresh_request_body()) is not in_url
    assert bool(authenticator.build_refresh_request_query_params()) is in_url
    authenticator.get_access_token()
    (asked,) = server.asked
    assert (asked.path, asked.body) == ((f"/token?{body}", "") if in_url else ("/token", body))
    for name, value in options.get("refresh_request_headers", {}).items():
        assert asked.headers[name.lower()] == value
    if not in_url:
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(("refresh_token", "end"), [(None, ""), ("", "&refresh_token=")])
def test_no_refresh_token(server: AnsweringServer, refresh_token: str | None, end: str) -> None:
    authenticator = Oauth2Authenticator(server.url, "cid", "csecret", refresh_token)
    assert "refresh_token" in authenticator.build_refresh_request_body()
    authenticator.get_access_token()
    assert server.asked[0].body == f"grant_type=refresh_token&client_id=cid&client_secret=csecret{end}"


def test_a_password_in_netrc_does_not_replace_the_header(
    server: AnsweringServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    oauth(server, refresh_request_headers={"Authorization": "Basic zz"}).get_access_token()
    assert server.asked[0].headers["authorization"] == "Basic zz"


def test_names_in_the_answer(server: AnsweringServer) -> None:
    server.answer({"data": {"at": "nested", "ei": 5}})
    authenticator = oauth(server, access_token_name="at", expires_in_name="ei")
    assert authenticator.get_access_token() == "nested"
    assert 0 < authenticator.get_token_expiry_date().timestamp() - datetime.now(UTC).timestamp() <= 5


def test_an_answer_that_says_when_the_token_expires(server: AnsweringServer) -> None:
    server.answer({"access_token": "A", "expires_in": "2035-03-04T05:06:07Z"})
    options: dict[str, Any] = {"token_expiry_is_time_of_expiration": True, "token_expiry_date_format": "%Y"}
    authenticator = oauth(server, **options)
    assert authenticator.token_expiry_is_time_of_expiration
    assert authenticator.token_expiry_date_format == "%Y"
    assert authenticator.get_access_token() == "A"
    assert str(authenticator.get_token_expiry_date()) == "2035-03-04T05:06:07+00:00"
    assert isinstance(failure(oauth(server)), ValueError)


# Subclasses. -------------------------------------------------------------------------------------------------------


@runtime_checkable
class Credential(Protocol):
    """As the credential protocols of cloud libraries."""

    def get_token(self, *scopes: str) -> tuple[str, int]: ...


def test_a_connector_mixes_a_protocol_in_and_builds_its_own_body(server: AnsweringServer) -> None:
    class Mixed(Oauth2Authenticator, Credential):
        def build_refresh_request_body(self) -> Mapping[str, Any]:
            return {
                "grant_type": self.get_grant_type(),
                "client_id": self.get_client_id(),
                "client_secret": self.get_client_secret(),
                "scope": " ".join(self.get_scopes()),
                **self.get_refresh_request_body(),
            }

        def get_token(self, *scopes: str) -> tuple[str, int]:
            return self.get_access_token(), int(self.get_token_expiry_date().timestamp())

    authenticator = Mixed(
        token_refresh_endpoint=server.url,
        client_id="cid",
        client_secret="csecret",
        refresh_token=None,
        grant_type="client_credentials",
        scopes=["s1", "s2"],
    )
    assert isinstance(authenticator, Credential)
    token, expiry = authenticator.get_token("any")
    assert token == "token-1"
    assert expiry > datetime.now(UTC).timestamp() + 3590
    assert server.asked[0].body == "grant_type=client_credentials&client_id=cid&client_secret=csecret&scope=s1+s2"


def test_the_protocol_may_come_first(server: AnsweringServer) -> None:
    class Mixed(Credential, Oauth2Authenticator):
        def get_token(self, *scopes: str) -> tuple[str, int]:
            return self.get_access_token(), 0

    assert Mixed(server.url, "cid", "csecret", "rtoken").get_token() == ("token-1", 0)


def test_a_subclass_that_gives_seconds(server: AnsweringServer) -> None:
    class Old(Oauth2Authenticator):
        def refresh_access_token(self) -> tuple[str, Any]:
            return "old", "33"

    authenticator = Old(server.url, "cid", "csecret", "rtoken")
    assert authenticator.get_access_token() == "old"
    assert 25 < authenticator.get_token_expiry_date().timestamp() - datetime.now(UTC).timestamp() <= 33


def test_every_getter_is_asked(server: AnsweringServer) -> None:
    class Own(Oauth2Authenticator):
        def get_token_refresh_endpoint(self) -> str:
            return server.url

        def get_client_id(self) -> str:
            return "own"

        def get_scopes(self) -> list[str]:
            return ["own"]

        def get_refresh_request_headers(self) -> Mapping[str, Any]:
            return {"X-Own": "1"}

        def get_refresh_request_body(self) -> Mapping[str, Any]:
            return {"own": 1}

    Own("http://localhost:1", "cid", "csecret", "rtoken").get_access_token()
    assert server.asked[0].body.endswith("client_id=own&client_secret=csecret&refresh_token=rtoken&scopes=own&own=1")
    assert server.asked[0].headers["x-own"] == "1"


# Threads and secrets. ----------------------------------------------------------------------------------------------


def test_threads_that_need_a_token_at_once_fetch_it_once(server: AnsweringServer) -> None:
    server.delay = 0.1
    authenticator = oauth(server)
    start, seen = threading.Barrier(12), []

    def use() -> None:
        start.wait()
        seen.append(authenticator.get_auth_header()["Authorization"])

    threads = [threading.Thread(target=use) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["Bearer token-1"] * 12
    assert len(server.asked) == 1


def test_tokens_are_masked_in_logs_and_not_kept_for_ever(
    server: AnsweringServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airbyte_secrets_utils, "TRANSIENT", 4)
    server.answers = [(200, {"access_token": f"atoken-{n}-end", "expires_in": -1}) for n in range(9)]
    authenticator = oauth(server)
    tokens = [authenticator.get_access_token() for _ in range(9)]
    assert filter_secrets(f"used {tokens[8]} and csecret and rtoken") == "used **** and **** and ****"
    assert filter_secrets(tokens[0]) == tokens[0]


def test_a_short_token_does_not_mask_other_words(server: AnsweringServer) -> None:
    server.answer({"access_token": "A"})
    oauth(server).get_access_token()
    assert filter_secrets("AADSTS70000") == "AADSTS70000"


# Failures. ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_failure_that_passes(
    server: AnsweringServer, status: int, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [(status, b"csecret"), (0, b""), (status, {}), (200, {"access_token": "late"})]
    with caplog.at_level(logging.INFO, "airbyte"):
        assert oauth(server).get_access_token() == "late"
    assert len(server.asked) == 4
    assert f"status {status}" in caplog.text
    assert "csecret" not in caplog.text


@pytest.mark.parametrize(("status", "text"), [(429, "too many requests"), (503, "does not work at the moment")])
def test_a_failure_that_lasts(server: AnsweringServer, status: int, text: str, hurried: None) -> None:
    server.answer({"why": "csecret"}, status)
    error = failure(oauth(server, send_refresh_request_as_query_params=True))
    assert isinstance(error, DefaultBackoffException)
    assert isinstance(error, requests.HTTPError)
    assert error.response is not None
    assert error.response.status_code == status
    assert error.failure_type is FailureType.transient_error
    assert text in str(error)
    trace = error.as_sanitized_airbyte_message()
    assert "csecret" not in str(trace)
    assert "rtoken" not in str(trace)
    assert len(server.asked) > 4


def test_the_waits_are_random_grow_and_end() -> None:
    def bound(attempt: int) -> float:
        state = token_request.RetryCallState(retrying, None, (), {})
        state.attempt_number = attempt
        return max(retrying.wait(state) for _ in range(300))  # type: ignore[operator]  # a union in tenacity

    retrying = token_request._patient("x")
    assert [round(bound(n) / 2 ** (n - 1)) for n in (1, 2, 3, 4, 5, 6)] == [1] * 6
    assert 55 < bound(9) <= 60
    assert token_request.BUDGET == 300


def test_an_endpoint_that_is_not_there(hurried: None) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/token?key=value"
        error = failure(Oauth2Authenticator(url, "cid", "csecret", "rtoken"))
    assert error.failure_type is FailureType.transient_error
    assert "cannot be reached (ConnectionError)" in str(error)
    assert "key=value" not in str(error)


def test_an_endpoint_that_does_not_answer(
    server: AnsweringServer, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_request, "TIMEOUT", (0.1, 0.1))
    server.delay = 0.5
    error = failure(oauth(server))
    assert error.failure_type is FailureType.transient_error
    assert "ReadTimeout" in str(error)


@pytest.mark.parametrize("url", ["example.org/token", "ftp://example.org", "http://", "http://[::1"])
def test_an_endpoint_that_is_no_url(url: str) -> None:
    error = failure(Oauth2Authenticator(url, "cid", "csecret", "rtoken"))
    assert error.failure_type is FailureType.config_error


def test_a_request_that_cannot_be_sent(server: AnsweringServer) -> None:
    class Broken(Oauth2Authenticator):
        def build_refresh_request_headers(self) -> Any:
            return 5

    error = failure(Broken(server.url, "cid", "csecret", "rtoken"))
    assert error.failure_type is FailureType.system_error
    assert "could not be sent" in str(error)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (
            {"error": "invalid_grant", "error_description": "AADSTS70000: The secret csecret is old"},
            " Provider error: invalid_grant: AADSTS70000",
        ),
        ({"error": "invalid_grant"}, " Provider error: invalid_grant"),
        ({"error": "invalid_grant", "error_description": "Token expired"}, " Provider error: invalid_grant"),
        (
            {"error": "invalid_grant", "error_description": "A" * 60 + "1" * 60},
            f" Provider error: invalid_grant: {'A' * 60}1111",
        ),
        (
            {"error": "invalid_grant", "error_description": "csecret1234"},
            " Provider error: invalid_grant: ****1234",
        ),
    ],
)
def test_a_refresh_token_that_was_rejected(server: AnsweringServer, answer: Any, detail: str) -> None:
    server.answer(answer, 400)
    error = failure(oauth(server, **REJECTION))
    assert error.failure_type is FailureType.config_error
    assert str(error).startswith("Refresh token was rejected by the OAuth provider")
    assert str(error).endswith("." + detail)
    assert error.internal_message is not None
    assert error.internal_message.startswith("The token endpoint answered 400: ")
    assert "csecret" not in error.internal_message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "answer", "changed"),
    [
        (401, {"error": "invalid_grant"}, {}),
        (400, {"error": "other"}, {}),
        (400, {"other": "invalid_grant"}, {}),
        (400, ["invalid_grant"], {}),
        (400, b"<html>", {}),
        (400, {"error": ["invalid_grant"]}, {}),
        (400, {"error": "invalid_grant"}, {"refresh_token_error_key": ""}),
        (400, {"error": "invalid_grant"}, {"refresh_token_error_values": ()}),
        (400, {"error": "invalid_grant"}, {"refresh_token_error_status_codes": ()}),
    ],
)
def test_another_refusal(server: AnsweringServer, status: int, answer: Any, changed: dict[str, Any]) -> None:
    server.answer(answer, status)
    error = failure(oauth(server, **REJECTION | changed))
    assert isinstance(error, requests.HTTPError)
    assert error.response is not None
    assert error.response.status_code == status
    assert error.request is error.response.request
    assert error.failure_type is FailureType.config_error
    assert f"gave no access token (status {status})" in str(error)
    assert len(server.asked) == 1


def test_a_long_refusal_is_cut(server: AnsweringServer) -> None:
    server.answer(b"x" * 5000, 400)
    internal = failure(oauth(server)).internal_message
    assert internal is not None
    assert internal.count("x") == 1000


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"error": "bad_code"}, "has no access_token. Provider error: bad_code"),
        ({"access_token": ""}, "has no access_token."),
        ({"access_token": None, "data": {"access_token": "x"}}, "has no access_token."),
        ({"access_token": {"x": 1}}, "has no access_token."),
        ("text", "has no access_token."),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"access_token": "x"}}}}}}}, "no access_token in its first 5 levels"),
    ],
)
def test_an_answer_without_a_token(server: AnsweringServer, answer: Any, text: str) -> None:
    server.answer(answer)
    error = failure(oauth(server))
    assert error.failure_type is FailureType.config_error
    assert text in str(error)


def test_an_answer_that_is_no_json(server: AnsweringServer) -> None:
    server.answer(b"<html>maintenance</html>")
    error = failure(oauth(server))
    assert error.failure_type is FailureType.transient_error
    assert "something else than JSON" in str(error)
    assert "maintenance" not in str(error)


def test_after_a_failure_the_next_call_asks_again(server: AnsweringServer) -> None:
    server.answers = [(400, {}), (200, {"access_token": "later"})]
    authenticator = oauth(server)
    failure(authenticator)
    assert authenticator.get_access_token() == "later"
