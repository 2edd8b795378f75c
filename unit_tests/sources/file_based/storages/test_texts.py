"""Options as people paste them: with line breaks and blanks around, or with what does not belong there."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from pydantic.v1 import ValidationError

from airbyte_cdk.sources.file_based.access.hosts import is_host
from airbyte_cdk.sources.file_based.storages import options_model
from airbyte_cdk.sources.file_based.storages.endpoint import checked_endpoint
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets

SECRET = "TOPSECRETVALUE123456"
KEY = b64encode(b"a key of a storage account").decode()
ACCOUNT = json.dumps({"type": "service_account", "client_email": "e", "private_key": "k", "token_uri": "u"})
FIXED: dict[str, dict[str, Any]] = {
    "s3": {"bucket": "landing"},
    "gcs": {"bucket": "landing"},
    "azure": {"account_name": "landing", "container": "landing"},
    "sftp": {"host": "files.example.com", "username": "ann"},
    "http": {"base_url": "https://example.com/"},
}
CREDENTIALS: list[tuple[str, dict[str, str]]] = [
    ("s3", {"auth_type": "iam_user", "aws_access_key_id": "A", "aws_secret_access_key": "s", "aws_session_token": "t"}),
    ("s3", {"auth_type": "iam_role", "role_arn": "arn:aws:iam::1:role/r", "external_id": "x"}),
    ("gcs", {"auth_type": "oauth", "client_id": "c", "client_secret": "s", "refresh_token": "r", "access_token": "a"}),
    ("azure", {"auth_type": "account_key", "account_key": KEY}),
    ("azure", {"auth_type": "sas_token", "sas_token": "sv=1&sig=x"}),
    ("azure", {"auth_type": "connection_string", "connection_string": f"AccountName=a;AccountKey={KEY}"}),
    ("azure", {"auth_type": "client_credentials", "tenant_id": "t", "client_id": "c", "client_secret": "s"}),
    ("http", {"auth_type": "bearer", "token": "t"}),
]
OPTIONS = [(storage, given, name) for storage, given in CREDENTIALS for name in given if name != "auth_type"]


def options(storage: str, credentials: dict[str, str], **more: Any) -> Any:
    return options_model(storage)(**{**FIXED[storage], "credentials": credentials, **more})


@pytest.mark.parametrize(("storage", "given", "name"), OPTIONS)
def test_blanks_and_line_breaks_around_credentials_do_not_count(storage: str, given: dict[str, str], name: str) -> None:
    for value in (f"{given[name]}\n", f" \t{given[name]}\r\n"):
        parsed = options(storage, {**given, name: value})
        assert getattr(parsed.credentials, name) == given[name]


@pytest.mark.parametrize(("storage", "given", "name"), OPTIONS)
def test_a_line_break_within_credentials_is_refused(storage: str, given: dict[str, str], name: str) -> None:
    with pytest.raises(ValidationError, match=name) as raised:
        options(storage, {**given, name: f"{SECRET}\n{given[name]}"})
    assert SECRET not in str(raised.value)


def test_a_key_file_may_have_blanks_around() -> None:
    parsed = options("gcs", {"auth_type": "service_account", "service_account": f" \n{ACCOUNT}\n"})
    assert json.loads(parsed.credentials.service_account)["client_email"] == "e"


@pytest.mark.parametrize(
    ("storage", "given"),
    [
        ("sftp", {"auth_type": "password", "password": " p w "}),
        ("http", {"auth_type": "basic", "username": "u", "password": " p w "}),
    ],
)
def test_blanks_around_a_password_count_but_not_its_line_end(storage: str, given: dict[str, str]) -> None:
    assert options(storage, {**given, "password": " p w \r\n"}).credentials.password == " p w "
    with pytest.raises(ValidationError, match="line break") as raised:
        options(storage, {**given, "password": f"{SECRET}\nx"})
    assert SECRET not in str(raised.value)


def test_a_secret_is_masked_without_the_line_break_with_which_it_was_given() -> None:
    update_secrets([f"{SECRET}\n"])
    try:
        assert filter_secrets(f"key={SECRET};") == "key=****;"
    finally:
        update_secrets([])


@pytest.mark.parametrize(
    "container",
    [f"b?sv=1&sig={SECRET}", "ab", "a" * 64, "Landing", "a--b", "-ab", "ab-", "a_b", "$own", "a b c", "a/b"],
)
def test_what_is_no_name_of_a_container(container: str) -> None:
    with pytest.raises(ValidationError, match=r"container\n  write only the container's name") as raised:
        options("azure", {"auth_type": "anonymous"}, container=container)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("container", ["abc", "a" * 63, "a-b-1", "001", "$root", "$web", "$logs", "landing\n"])
def test_names_of_containers(container: str) -> None:
    assert options("azure", {"auth_type": "anonymous"}, container=container).container == container.strip()


@pytest.mark.parametrize("storage", ["s3", "gcs"])
def test_a_bucket_is_no_url_with_a_signature(storage: str) -> None:
    with pytest.raises(ValidationError, match=r"bucket\n  write only the bucket's name") as raised:
        options(storage, {"auth_type": "anonymous"}, bucket=f"landing?X-Amz-Signature={SECRET}")
    assert SECRET not in str(raised.value)
    assert options(storage, {"auth_type": "anonymous"}, bucket="my.landing_1-x\n").bucket == "my.landing_1-x"


@pytest.mark.parametrize(
    "host",
    [
        *("files.example.com", "files.example.com.", "localhost", "x_y", "_a.b-c", "192.0.2.10", "::1", "fe80::1%eth0"),
        *("a" * 63 + ".example.com", "müller.example", "1.2.3"),
    ],
)
def test_hosts(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "minio..local", "a" * 64 + ".local", "-a.b", "a-.b", "a b", "a=b;c", "a@b", "a/b", "a:1", "a?b"),
        ".".join(["a" * 60] * 5),
        "DefaultEndpointsProtocol=https;AccountName=a",
    ],
)
def test_what_is_no_host(host: str) -> None:
    assert not is_host(host)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://minio..local:9000",
        f"https://{'a' * 70}.local",
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET};EndpointSuffix=core.windows.net",
        f"BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sig={SECRET}",
        "http://-a:9000",
    ],
)
def test_endpoints_of_no_host(endpoint: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a server; write it as") as raised:
        checked_endpoint(endpoint)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("endpoint", ["http://x_y:9000", "https://müller.example", "http://[fe80::1]:9000"])
def test_endpoints(endpoint: str) -> None:
    assert checked_endpoint(endpoint) == endpoint


@pytest.mark.parametrize("host", ["minio..local", "a" * 70, f"host?token={SECRET}", "[::1]:22"])
def test_a_host_of_sftp_is_one(host: str) -> None:
    with pytest.raises(ValidationError, match="write only the server's name or address") as raised:
        options("sftp", {"auth_type": "password", "password": "p"}, host=host)
    assert SECRET not in str(raised.value)
