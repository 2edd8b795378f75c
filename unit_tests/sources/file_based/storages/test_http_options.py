"""The options of the storage `http`: what the spec shows, what is refused, what is kept secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.sources.file_based.config.json_schema import dereferenced
from airbyte_cdk.sources.file_based.storages.http import HttpOptions, connect
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, get_secret_paths, update_secrets
from servers.web import Answer, WebServer

SECRET = "topsecret-value"


def test_schema() -> None:
    schema = dereferenced(HttpOptions.schema())
    assert schema["required"] == ["storage"]
    assert schema["properties"]["storage"]["const"] == "http"
    assert set(schema["properties"]) == {"storage", "base_url", "urls", "credentials", "headers"}
    variants = schema["properties"]["credentials"]["oneOf"]
    assert [variant["properties"]["auth_type"]["const"] for variant in variants] == ["none", "basic", "bearer"]
    assert all("auth_type" in variant["required"] for variant in variants)
    assert sorted(get_secret_paths(schema)) == [["credentials", "password"], ["credentials", "token"], ["headers"]]
    assert all(option.get("title") and option.get("description") for option in list(schema["properties"].values())[1:])
    json.dumps(schema)


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "https://h/d/"},
        {"base_url": " https://h/d ", "urls": []},
        {"base_url": "https://h/d", "urls": [" "]},
        {"base_url": "", "urls": ["https://h/a"]},
        {"base_url": None, "urls": ["https://h/a", ""]},
        {"base_url": "https://h/d", "headers": {"X-Key": " k ", "Authorization": "Digest x"}},
        {"base_url": "https://h/d", "credentials": {"auth_type": "basic", "username": "u"}},
        {"base_url": "https://h/d", "credentials": {"auth_type": "bearer", "token": " abc "}},
    ],
)
def test_options(options: dict[str, Any]) -> None:
    parsed = HttpOptions(storage="http", **options)
    assert bool(parsed.base_url) != bool(parsed.urls)
    assert (parsed.base_url or "").strip() == (parsed.base_url or "")
    assert all(value == value.strip() for value in parsed.headers.values())
    assert getattr(parsed.credentials, "token", "abc") == "abc"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs either base_url or urls, and none is given"),
        ({"urls": []}, "needs either base_url or urls, and none is given"),
        ({"base_url": "https://h/", "urls": ["https://h/a"]}, "needs either base_url or urls, and both are given"),
        ({"base_url": f"https://h/?key={SECRET}"}, "base_url must not have a query"),
        ({"base_url": f"https://u:{SECRET}@h/"}, "give user and password as credentials"),
        ({"urls": [f"https://h/{{1..}}?key={SECRET}"]}, r"https://h/\{1\.\.\}: \{1\.\.\} is not a range"),
        ({"urls": [f"https://h/?key={{{SECRET}..}}"]}, "https://h/: the text in braces in its query is not a range"),
        ({"urls": [SECRET]}, "what is given is not a URL"),
        ({"urls": [f"gopher://h/?key={SECRET}"]}, "must begin with http:// or https://"),
        (
            {"base_url": "https://h/", "headers": {f"X {SECRET}": "y"}},
            "name of a header has letters, digits and hyphens",
        ),
        (
            {"base_url": "https://h/", "headers": {"X-Key": f"{SECRET}\r\nHost: x"}},
            "value of a header holds characters",
        ),
        ({"base_url": "https://h/", "headers": {"X-Key": f"{SECRET}\u20ac"}}, "value of a header holds characters"),
        ({"base_url": "https://h/", "headers": {"Range": "bytes=0-1"}}, "Range is set by the connector itself"),
        ({"base_url": "https://h/", "headers": {"If-Match": "1"}}, "If-Match is set by the connector itself"),
        (
            {
                "base_url": "https://h/",
                "headers": {"authorization": SECRET},
                "credentials": {"auth_type": "bearer", "token": SECRET},
            },
            "either credentials or the header Authorization",
        ),
        ({"base_url": "https://h/", "credentials": {"auth_type": "oauth"}}, "auth_type"),
        ({"base_url": "https://h/", "credentials": {"auth_type": "bearer"}}, "token\n  field required"),
        ({"base_url": "https://h/", "credentials": {"auth_type": "bearer", "token": f"{SECRET} x"}}, "one word"),
        ({"base_url": "https://h/", "credentials": {"auth_type": "basic", "username": "a:b"}}, "not hold a colon"),
    ],
)
def test_wrong_options_are_refused_without_showing_secrets(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        HttpOptions(storage="http", **options)
    assert SECRET not in str(raised.value)


def test_derived_secrets_are_kept() -> None:
    update_secrets([])
    try:
        connect(
            HttpOptions(
                urls=["https://h/a.csv?table=customers&sig=ab%2Fcdefgh"],
                credentials={"auth_type": "basic", "username": "u", "password": SECRET},
                headers={"X-Key": "header-value"},
            )
        )
        text = "Basic dTp0b3BzZWNyZXQtdmFsdWU= dTp0b3BzZWNyZXQtdmFsdWU= ab/cdefgh ab%2Fcdefgh header-value customers"
        assert filter_secrets(text) == "**** **** **** **** **** customers"
        assert "customers" not in filter_secrets("GET /a.csv?table=customers&sig=ab%2Fcdefgh")
    finally:
        update_secrets([])


def test_titles_name_no_secrets() -> None:
    filesystem, root = connect(HttpOptions(urls=[f"https://{host}/a?key={SECRET}" for host in "abcd"]))
    assert (filesystem.storage_access(root).title, root) == ("HTTP files of a, b, c and others", "")
    filesystem, _ = connect(HttpOptions(base_url="https://h:81/d"))
    assert filesystem.storage_access("").title == "HTTP folder https://h:81/d/"


def test_cloud_mode_reaches_public_hosts_over_tls_only() -> None:
    """The guard wraps `requests` for the rest of the process, so it gets one of its own."""
    program = """
import sys
from airbyte_cdk.utils.request_guard import allow_public_requests_only
allow_public_requests_only()
from airbyte_cdk.sources.file_based.storages.http import HttpOptions, connect
for options in ({"base_url": sys.argv[1]}, {"urls": [sys.argv[1] + "/a"]}, {"urls": ["https://127.0.0.1/a"]}):
    access = connect(HttpOptions(**options))[0].storage_access("")
    for call in (lambda: list(access.files("")), lambda: access.open((options.get("urls") or ["a"])[0])):
        try:
            call()
        except Exception as error:
            print(type(error).__name__, access.failure(error).trouble.value, access.failure(error).reason)
"""
    with WebServer(lambda asked: Answer()) as server:
        run = subprocess.run([sys.executable, "-c", program, server.url], capture_output=True, text=True, check=True)
        assert server.asked == []
    plain = "AirbyteTracedException config Requests must use https; this one would go to 127.0.0.1 over http."
    private = "AirbyteTracedException config Requests to hosts of a private network are not allowed: 127.0.0.1."
    assert run.stdout.splitlines() == [plain] * 4 + [private] * 2


def test_the_options_alone_load_nothing_heavy() -> None:
    program = """
import sys
from airbyte_cdk.sources.file_based.storages.http import HttpOptions
HttpOptions.schema()
HttpOptions(urls=["https://h/{1..2}"])
print({"requests", "urllib3", "fsspec", "pyarrow", "html.parser"} & sys.modules.keys())
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert run.stdout == "set()\n"
