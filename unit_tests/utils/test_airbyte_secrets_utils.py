from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.utils.airbyte_secrets_utils import (
    SHORT,
    add_to_secrets,
    filter_secrets,
    get_secret_paths,
    get_secrets,
    update_secrets,
)

SECRET = {"airbyte_secret": True}
SPEC = {
    "type": "object",
    "properties": {
        "plain": {"type": "string"},
        "flat": SECRET,
        "off": {"airbyte_secret": False},
        "number": SECRET,
        "object": {**SECRET, "type": "object"},
        "items": {"type": "object", "properties": {"properties": SECRET}},
        "choice": {
            "oneOf": [
                {"properties": {"token": SECRET}},
                {"properties": {"deep": {"anyOf": [{"properties": {"key": SECRET}}]}}},
            ]
        },
        "streams": {"type": "array", "items": {"properties": {"api": {"oneOf": [{"properties": {"key": SECRET}}]}}}},
        "matrix": {"type": "array", "items": {"type": "array", "items": SECRET}},
        "free": {"additionalProperties": SECRET},
        "referred": {"$ref": "#/definitions/credentials"},
        "tree": {"$ref": "#/definitions/tree"},
    },
    "definitions": {
        "credentials": {"properties": {"password": SECRET}},
        "tree": {"properties": {"secret": SECRET, "child": {"$ref": "#/definitions/tree"}}},
    },
}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    update_secrets([])


def test_paths_of_secrets() -> None:
    assert get_secret_paths(SPEC) == [
        ["flat"],
        ["number"],
        ["object"],
        ["items", "properties"],
        ["choice", "token"],
        ["choice", "deep", "key"],
        ["streams", "*", "api", "key"],
        ["matrix", "*", "*"],
        ["free", "*"],
        ["referred", "password"],
        ["tree", "secret"],
    ]


def test_secrets_of_a_config() -> None:
    config = {
        "plain": "visible",
        "flat": "flat!",
        "off": "visible",
        "number": 12345,
        "object": {"inner": "object!"},
        "items": {"properties": "items!"},
        "choice": {"token": "token!", "deep": {"key": "deep!"}},
        "streams": [{"api": {"key": "first!"}}, {}, {"api": {"key": "second!"}}],
        "matrix": [["a!"], ["b!", "c!"]],
        "free": {"any": "free!"},
        "referred": {"password": "referred!"},
        "tree": {"secret": ""},
    }
    assert get_secrets(SPEC, config) == [
        "flat!",
        12345,
        {"inner": "object!"},
        "items!",
        "token!",
        "deep!",
        "first!",
        "second!",
        "a!",
        "b!",
        "c!",
        "free!",
        "referred!",
    ]
    assert get_secrets(SPEC, {}) == []
    assert get_secrets(SPEC, {"streams": "no list", "choice": [], "matrix": {"a": 1}}) == []


def test_masking() -> None:
    update_secrets(["hunter2", 12345, {"key": ["in a list"]}, None, "", True])
    assert filter_secrets("hunter2, 12345 and in a list; True") == "****, **** and ****; True"
    add_to_secrets("token-1")
    assert filter_secrets("hunter2 token-1") == "**** ****"
    update_secrets(["other"])
    assert filter_secrets("hunter2 token-1 other") == "hunter2 token-1 ****"


def test_the_longest_secret_wins() -> None:
    update_secrets(["password", "password-and-more"])
    assert filter_secrets("password-and-more") == "****"


@pytest.mark.parametrize("secret", ['with "quotes"', "line 1\nline 2", "ümläut & co", "back\\slash", "a/b c+d=e"])
def test_encoded_forms_are_masked(secret: str) -> None:
    update_secrets([secret])
    for text in (secret, json.dumps(secret), json.dumps(json.dumps(secret)), repr(secret), quote(secret, safe="")):
        masked = filter_secrets(f"<{text}>")
        assert "****" in masked
        assert secret not in masked
        assert json.dumps(secret)[1:-1] not in masked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a bad value at a place", "a bad value at a place"),
        ("'a' is too short", "'****' is too short"),
        ('{"password": "a"}', '{"password": "****"}'),
        ('"{\\"password\\": \\"a\\"}"', '"{\\"password\\": \\"****\\"}"'),
        ("password=a&user=b", "password=****&user=b"),
        ("password: a, user: all", "password: ****, user: all"),
        ("a", "****"),
    ],
)
def test_a_very_short_secret_is_masked_only_as_a_whole_value(text: str, expected: str) -> None:
    update_secrets(["a"])
    assert filter_secrets(text) == expected


@given(st.lists(st.text(min_size=4), min_size=1, max_size=5), st.text(), st.text())
@settings(max_examples=60, deadline=None)
def test_no_long_secret_survives(secrets: list[str], before: str, after: str) -> None:
    update_secrets(secrets)
    for secret in secrets:
        if len(secret.strip()) >= SHORT and not set(secret) <= {"*"}:
            assert secret not in filter_secrets(f"{before}<{secret}>{after}").replace("****", "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
@settings(max_examples=60, deadline=None)
def test_any_config_can_be_searched(config: Any) -> None:
    spec = {"properties": {"": SPEC, "0": {"items": SPEC}}, "items": SPEC}
    assert isinstance(get_secrets(spec, config), list)


def test_of_transient_secrets_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_cdk.utils.airbyte_secrets_utils.TRANSIENT", 2)
    update_secrets(["lasting"])
    for token in ("token-1", "token-2", "token-1", "token-3", "lasting"):
        add_to_secrets(token, transient=True)
    for token in ("token-1", "token-2", "token-3", "token-4", "token-5"):
        add_to_secrets(token, transient=True)
    assert filter_secrets("token-3 token-4 token-5 lasting") == "token-3 **** **** ****"
    update_secrets([])
    assert filter_secrets("token-5 lasting") == "token-5 lasting"
