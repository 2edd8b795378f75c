from __future__ import annotations

import threading
from collections import Counter
from typing import Protocol

import pytest
import requests
from requests.auth import AuthBase

from airbyte_cdk.sources.streams.http.requests_native_auth import (
    AbstractHeaderAuthenticator,
    BasicHttpAuthenticator,
    MultipleTokenAuthenticator,
    ResponseAwareAuthenticator,
    TokenAuthenticator,
    TokenRotatingAuthenticator,
)


@pytest.mark.parametrize(
    ("authenticator", "header"),
    [
        (TokenAuthenticator("t"), {"Authorization": "Bearer t"}),
        (TokenAuthenticator("t", auth_method="Token", auth_header="X-Key"), {"X-Key": "Token t"}),
        (TokenAuthenticator("t", auth_method=""), {"Authorization": " t"}),
        (TokenAuthenticator("t", "Bearer", ""), {}),
        (BasicHttpAuthenticator("user", "secret"), {"Authorization": "Basic dXNlcjpzZWNyZXQ="}),
        (BasicHttpAuthenticator("ü", "p"), {"Authorization": "Basic w7w6cA=="}),
        (BasicHttpAuthenticator("user"), {"Authorization": "Basic dXNlcjo="}),
        (BasicHttpAuthenticator("user", auth_method="B", auth_header="X"), {"X": "B dXNlcjo="}),
    ],
)
def test_the_header(authenticator: AbstractHeaderAuthenticator, header: dict[str, str]) -> None:
    assert isinstance(authenticator, AuthBase)
    assert authenticator.get_auth_header() == header
    assert authenticator.get_auth_header() == header
    request = requests.Request("GET", "http://localhost", headers={"A": "b"}).prepare()
    assert authenticator(request) is request
    assert request.headers == {"A": "b", **header}


def test_several_tokens_take_turns() -> None:
    authenticator = MultipleTokenAuthenticator(iter(["a", "b"]), "T", "X")
    assert [authenticator.get_auth_header() for _ in range(3)] == [{"X": "T a"}, {"X": "T b"}, {"X": "T a"}]
    with pytest.raises(ValueError, match="at least one token"):
        MultipleTokenAuthenticator([])


def test_threads_share_the_turns() -> None:
    authenticator = MultipleTokenAuthenticator(["a", "b", "c"])
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.extend(authenticator.token for _ in range(300))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(seen) == {"Bearer a": 400, "Bearer b": 400, "Bearer c": 400}


def test_an_own_header() -> None:
    class Own(AbstractHeaderAuthenticator):
        auth_header = "X-Own"
        token = "value"

    assert Own().get_auth_header() == {"X-Own": "value"}
    with pytest.raises(TypeError, match="abstract"):
        AbstractHeaderAuthenticator()  # type: ignore[abstract]  # that is what is tested


def test_a_protocol_can_be_mixed_in() -> None:
    class HasScopes(Protocol):
        def scopes(self) -> list[str]: ...

    class Mixed(HasScopes, TokenAuthenticator):
        def scopes(self) -> list[str]:
            return ["s"]

    assert Mixed("t").get_auth_header() == {"Authorization": "Bearer t"}


def test_methods_and_not_base_classes_make_a_protocol() -> None:
    class Aware(TokenAuthenticator):
        def update_from_response(self, request: requests.PreparedRequest, response: requests.Response) -> None:
            pass

        def has_alternative_token(self, request: requests.PreparedRequest) -> bool:
            return False

    assert isinstance(Aware("t"), ResponseAwareAuthenticator)
    assert isinstance(Aware("t"), TokenRotatingAuthenticator)
    assert not isinstance(TokenAuthenticator("t"), ResponseAwareAuthenticator)
    assert not isinstance(TokenAuthenticator("t"), TokenRotatingAuthenticator)
