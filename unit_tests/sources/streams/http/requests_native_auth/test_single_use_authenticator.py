from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from airbyte_cdk.config_observation import observe_connector_config
from airbyte_cdk.models import Type
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.streams.http.requests_native_auth import SingleUseRefreshTokenOauth2Authenticator as SingleUse
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.answering import AnsweringServer


@pytest.fixture
def server(server: AnsweringServer) -> AnsweringServer:
    server.answer({"access_token": "atoken", "expires_in": 5, "refresh_token": "rtoken-2"})
    return server


def controls(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(message["type"] == "CONTROL" for message in messages)
    assert all(message["control"]["type"] == "CONNECTOR_CONFIG" for message in messages)
    return [message["control"]["connectorConfig"]["config"] for message in messages]


def test_the_config_is_changed_and_told_once(server: AnsweringServer, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"other": 1, "credentials": {"client_id": "cid", "client_secret": "cs", "refresh_token": "rtoken-1"}}
    authenticator = SingleUse(config, server.url, client_id="ignored", client_secret="ignored")
    assert authenticator.get_auth_header() == {"Authorization": "Bearer atoken"}
    assert server.asked[0].body == "grant_type=refresh_token&client_id=cid&client_secret=cs&refresh_token=rtoken-1"
    expiry = config["credentials"].pop("token_expiry_date")  # type: ignore[attr-defined]  # of a plain mapping
    assert config == {
        "other": 1,
        "credentials": {
            "client_id": "cid",
            "client_secret": "cs",
            "refresh_token": "rtoken-2",
            "access_token": "atoken",
        },
    }
    assert expiry.endswith("+00:00")
    assert 0 < (datetime.fromisoformat(expiry) - datetime.now(UTC)).total_seconds() <= 5
    config["credentials"]["token_expiry_date"] = expiry  # type: ignore[index]  # of a plain mapping
    assert controls(capsys) == [config]
    assert filter_secrets("atoken rtoken-1 rtoken-2") == "**** **** ****"


def test_an_observed_config_is_told_once_too(server: AnsweringServer, capsys: pytest.CaptureFixture[str]) -> None:
    config = observe_connector_config({"credentials": {"refresh_token": "rtoken-1"}})
    SingleUse(config, server.url).get_access_token()
    (told,) = controls(capsys)
    assert told["credentials"]["refresh_token"] == "rtoken-2"
    assert told["credentials"]["access_token"] == "atoken"
    assert told == config
    config["credentials"]["x"] = 1
    assert len(controls(capsys)) == 1


def test_missing_parents_are_observed_too(server: AnsweringServer, capsys: pytest.CaptureFixture[str]) -> None:
    config = observe_connector_config({})
    SingleUse(config, server.url).get_access_token()
    assert len(controls(capsys)) == 1
    config["credentials"]["x"] = 1
    assert len(controls(capsys)) == 1


def test_a_token_that_has_not_expired(server: AnsweringServer, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"credentials": {"access_token": "known", "token_expiry_date": "2999-01-01"}}
    assert SingleUse(config, server.url).get_access_token() == "known"
    assert server.asked == []
    assert controls(capsys) == []


@pytest.mark.parametrize("expiry", ["", None, "junk", "2020-01-01T00:00:00Z", 5])
def test_a_token_that_has_expired(server: AnsweringServer, expiry: Any) -> None:
    config = {"credentials": {"access_token": "known", "token_expiry_date": expiry}}
    assert SingleUse(config, server.url).get_access_token() == "atoken"


def test_without_a_new_refresh_token_the_old_one_is_kept(
    server: AnsweringServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer({"access_token": "atoken"})
    config = {"credentials": {"refresh_token": "rtoken-1"}}
    SingleUse(config, server.url).get_access_token()
    assert config["credentials"]["refresh_token"] == "rtoken-1"
    assert len(controls(capsys)) == 1


@pytest.mark.parametrize(
    ("config", "body"),
    [
        ({}, "client_id=arg&client_secret=args&refresh_token="),
        ({"credentials": {"client_id": "", "client_secret": ""}}, "client_id=&client_secret=&refresh_token="),
        ({"credentials": {"client_id": None}}, "client_secret=args&refresh_token="),
        ({"credentials": "no mapping"}, "client_id=arg&client_secret=args&refresh_token="),
    ],
)
def test_where_id_and_secret_come_from(server: AnsweringServer, config: dict[str, Any], body: str) -> None:
    SingleUse(config, server.url, client_id="arg", client_secret="args").get_access_token()
    assert server.asked[0].body == f"grant_type=refresh_token&{body}"


def test_an_empty_config_sends_empty_fields(server: AnsweringServer) -> None:
    SingleUse({}, server.url).get_access_token()
    assert server.asked[0].body == "grant_type=refresh_token&client_id=&client_secret=&refresh_token="


def test_other_places_in_the_config(server: AnsweringServer) -> None:
    config: dict[str, Any] = {"r": "rtoken-1"}
    SingleUse(
        config,
        server.url,
        access_token_config_path=("a", "b", "c"),
        refresh_token_config_path=["r"],
        token_expiry_date_config_path=["e"],
    ).get_access_token()
    assert config.pop("e").startswith("20")
    assert config == {"a": {"b": {"c": "atoken"}}, "r": "rtoken-2"}


def test_a_date_format_means_a_point_in_time(server: AnsweringServer) -> None:
    server.answer({"access_token": "atoken", "expires_in": "2035-01-01T00:00:00Z"})
    config: dict[str, Any] = {}
    SingleUse(config, server.url, token_expiry_date_format="%Y").get_access_token()
    assert config["credentials"]["token_expiry_date"] == "2035-01-01T00:00:00+00:00"


@pytest.mark.parametrize("asked_for", [False, True])
def test_the_repository_gets_it_if_it_is_asked_for(
    server: AnsweringServer, capsys: pytest.CaptureFixture[str], asked_for: bool
) -> None:
    repository = InMemoryMessageRepository()
    config: dict[str, Any] = {}
    SingleUse(
        config,
        server.url,
        message_repository=repository,
        emit_control_message_to_message_repository=asked_for,
    ).get_access_token()
    assert [message.type for message in repository.consume_queue()] == [Type.CONTROL] * asked_for
    assert controls(capsys) == [config]


def test_a_failure_changes_and_tells_nothing(server: AnsweringServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer({"error": "invalid_grant"}, 400)
    config = {"credentials": {"refresh_token": "rtoken-1"}}
    with pytest.raises(AirbyteTracedException, match="invalid_grant"):
        SingleUse(config, server.url).get_access_token()
    assert config == {"credentials": {"refresh_token": "rtoken-1"}}
    assert controls(capsys) == []


def test_authenticators_that_share_a_config_use_a_refresh_token_once(server: AnsweringServer) -> None:
    server.delay = 0.05
    config = {"credentials": {"refresh_token": "rtoken-1"}}
    authenticators = [SingleUse(config, server.url) for _ in range(6)]
    threads = [threading.Thread(target=authenticator.get_access_token) for authenticator in authenticators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1


def test_a_subclass_may_fetch_the_tokens_itself(server: AnsweringServer) -> None:
    class Own(SingleUse):
        def refresh_access_token(self) -> tuple[str, Any, str]:  # type: ignore[override]  # as the base class says
            return "own", 33, "own refresh"

    config: dict[str, Any] = {}
    assert Own(config, server.url).get_access_token() == "own"
    assert config["credentials"]["refresh_token"] == "own refresh"
