"""Google Cloud Storage: options, credentials, and what only it does; against fake-gcs-server and a token server."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from pydantic.v1 import ValidationError

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.storage_access import Trouble
from airbyte_cdk.sources.file_based.access.watch import Watch
from airbyte_cdk.sources.file_based.storages import gcs, gcs_session
from airbyte_cdk.sources.file_based.storages.gcs import GcsOptions
from airbyte_cdk.sources.file_based.storages.gcs_access import GcsAccess, _status_error
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, get_secret_paths, update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.gcs import Gcs
from servers.token_server import TokenServer


@pytest.fixture(autouse=True)
def _no_secrets_are_left() -> Iterator[None]:
    yield
    update_secrets([])


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture(scope="module")
def private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text.decode()


def key_file(token_server: str, private_key: str, **changes: Any) -> str:
    key = {
        "type": "service_account",
        "client_email": "reader@project.iam.gserviceaccount.com",
        "private_key_id": "0123456789abcdef",
        "private_key": private_key,
        "token_uri": f"{token_server}/token",
        **changes,
    }
    return json.dumps({name: value for name, value in key.items() if value is not None})


def options(endpoint: str, credentials: dict[str, Any], **more: Any) -> GcsOptions:
    return GcsOptions(bucket="landing", endpoint=endpoint, credentials=credentials, **more)


def listed(access: GcsAccess) -> list[str]:
    return [file.uri for file in access.files("")]


def test_the_schema_marks_the_secrets() -> None:
    paths = {path[-1] for path in get_secret_paths(GcsOptions.schema())}
    assert paths == {"service_account", "client_id", "client_secret", "refresh_token", "access_token"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{secret", "not valid JSON"),
        ('["secret"]', "not a JSON object"),
        ('{"type": "service_account", "private_key": "secret"}', "client_email, token_uri"),
        (key_file("http://x", "secret", type="authorized_user"), "type must be service_account"),
        (key_file("http://x", "secret", client_email=7), "client_email"),
    ],
)
def test_a_key_file_that_is_none_is_told_without_its_text(text: str, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        options("http://x", {"auth_type": "service_account", "service_account": text})
    assert problem in str(caught.value)
    assert "service_account" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_key_that_cannot_be_read_is_a_config_error_without_its_text() -> None:
    text = key_file("http://x", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(AirbyteTracedException) as caught:
        gcs.connect(options("http://x", {"auth_type": "service_account", "service_account": text}))
    assert caught.value.failure_type is FailureType.config_error
    assert "`service_account`" in str(caught.value)
    trace = caught.value.as_airbyte_message().trace
    assert "c2VjcmV0" not in str(trace)


@pytest.mark.parametrize("bucket", ["gs://landing", "landing/folder", ""])
def test_a_bucket_is_only_a_name(bucket: str) -> None:
    with pytest.raises(ValidationError, match="bucket"):
        GcsOptions(bucket=bucket, credentials={"auth_type": "anonymous"})


@pytest.mark.parametrize(
    ("endpoint", "whole"),
    [
        ("storage.example.com", "https://storage.example.com"),
        ("http://127.0.0.1:4443/", "http://127.0.0.1:4443"),
        ("https://[::1]:4443/base/", "https://[::1]:4443/base"),
        ("  ", None),
        (None, None),
    ],
)
def test_endpoints_are_made_whole(endpoint: str | None, whole: str | None) -> None:
    assert GcsOptions(bucket="b", endpoint=endpoint, credentials={"auth_type": "anonymous"}).endpoint == whole


@pytest.mark.parametrize(
    "endpoint",
    [
        "ftp://x",
        "http://",
        "https://x:port",
        "https://user:secret@x",
        "https://x?sig=secret",
        "https://x#secret",
        "a b",
    ],
)
def test_endpoints_that_are_none_are_told_without_their_text(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="endpoint") as caught:
        GcsOptions(bucket="b", endpoint=endpoint, credentials={"auth_type": "anonymous"})
    assert "secret" not in str(caught.value)


def test_connect_gives_a_filesystem(gcs_server: Gcs) -> None:
    gcs_server.put("gcs-connect", "dir/a.csv", b"abc")
    filesystem, root = gcs.connect(GcsOptions(**gcs_server.provider("gcs-connect")))
    assert root == ""
    assert filesystem.find("") == ["dir/a.csv"]
    assert filesystem.cat_file("dir/a.csv") == b"abc"


def test_content_that_is_stored_compressed_is_read_as_it_is_stored(gcs_server: Gcs) -> None:
    text = b"hello,world\n" * 50_000
    stored = gzip.compress(text, mtime=0)
    gcs_server.put("gcs-gzip", "a.csv", stored, content_type="text/csv", content_encoding="gzip")
    gcs_server.put("gcs-gzip", "plain.csv", text, content_type="text/csv")
    access = GcsAccess(GcsOptions(**gcs_server.provider("gcs-gzip")))
    sizes = {file.uri: file.size for file in access.files("")}
    assert sizes == {"a.csv": len(stored), "plain.csv": len(text)}
    content = access.open("a.csv")
    assert (content.size, read_exactly(content, len(text))) == (len(stored), stored)
    resumed = access.open("a.csv", 100)
    assert (resumed.size, read_exactly(resumed, len(text))) == (len(stored), stored[100:])
    assert access.ranges("a.csv", [(3, 50), (60, 90)]) == [stored[3:50], stored[60:90]]
    assert read_exactly(access.open("plain.csv"), len(text) + 1) == text


@pytest.mark.parametrize("versioning", [False, True])
def test_a_replaced_object_is_read_as_it_was_or_not_at_all(gcs_server: Gcs, versioning: bool) -> None:
    name = f"gcs-replaced-{versioning}".lower()
    bucket = {"name": name, "versioning": {"enabled": versioning}}
    requests.post(f"{gcs_server.url}/storage/v1/b?project=test", json=bucket, timeout=10).raise_for_status()
    gcs_server._made.add(name)
    gcs_server.put(name, "a.csv", b"one")
    access = GcsAccess(GcsOptions(**gcs_server.provider(name)))
    first = access.info("a.csv").version
    gcs_server.put(name, "a.csv", b"two")
    if versioning:
        kept = access.open("a.csv", 0, first)
        assert (kept.version, kept.read(9)) == (first, b"one")
    else:
        with pytest.raises(OSError, match="generation") as caught:
            access.open("a.csv", 0, first)
        assert access.failure(caught.value, "a.csv").trouble is Trouble.CHANGED
    assert access.open("a.csv").read(9) == b"two"


def test_a_service_account_signs_in_and_renews_its_token(tokens: TokenServer, private_key: str) -> None:
    text = key_file(tokens.url, private_key)
    access = GcsAccess(options(tokens.url, {"auth_type": "service_account", "service_account": text}))
    assert listed(access) == ["a.csv"]
    assert [asked.path for asked in tokens.asked] == ["/token", "/storage/v1/b/landing/o"]
    assert "assertion" in tokens.asked[0].query
    assert tokens.asked[1].authorization == f"Bearer {tokens.token}"
    assert filter_secrets(f"{tokens.token} {private_key.splitlines()[3]} 0123456789abcdef") == "**** **** ****"
    assert listed(access) == ["a.csv"]
    assert len(tokens.asked) == 3
    tokens.expire()
    assert listed(access) == ["a.csv"]
    assert [asked.path for asked in tokens.asked[4:]] == ["/token", "/storage/v1/b/landing/o"]


def test_a_user_signs_in_with_the_refresh_token(tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs_session, "TOKEN_URI", f"{tokens.url}/token")
    credentials = {"auth_type": "oauth", "client_id": "id", "client_secret": "hush", "refresh_token": "again"}
    access = GcsAccess(options(tokens.url, credentials))
    assert listed(access) == ["a.csv"]
    assert tokens.asked[0].query["grant_type"] == "refresh_token"
    assert tokens.asked[0].query["refresh_token"] == "again"
    assert tokens.asked[0].query["client_secret"] == "hush"
    assert tokens.asked[1].authorization == f"Bearer {tokens.token}"
    at_hand = GcsAccess(options(tokens.url, {**credentials, "access_token": tokens.token}))
    assert listed(at_hand) == ["a.csv"]
    assert len(tokens.asked) == 3
    stale = GcsAccess(options(tokens.url, {**credentials, "access_token": "yesterday"}))
    assert listed(stale) == ["a.csv"]
    assert [asked.path for asked in tokens.asked[3:]] == [
        "/storage/v1/b/landing/o",
        "/token",
        "/storage/v1/b/landing/o",
    ]


def test_the_credentials_of_the_machine(
    tokens: TokenServer, private_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    for problem in ("does not exist", "is not a file of credentials"):
        told = f"the environment variable GOOGLE_APPLICATION_CREDENTIALS names {problem}"
        with pytest.raises(AirbyteTracedException, match=told) as caught:
            gcs.connect(options(tokens.url, {"auth_type": "default_credentials"}))
        assert caught.value.failure_type is FailureType.config_error
        file.write_text("{}")
    file.write_text(key_file(tokens.url, private_key))
    access = GcsAccess(options(tokens.url, {"auth_type": "default_credentials"}))
    assert listed(access) == ["a.csv"]
    assert tokens.asked[-1].authorization == f"Bearer {tokens.token}"


def test_credentials_that_are_refused(tokens: TokenServer, private_key: str) -> None:
    tokens.refuse = (400, {"error": "invalid_grant", "error_description": "the secret is wrong"})
    text = key_file(tokens.url, private_key)
    access = GcsAccess(options(tokens.url, {"auth_type": "service_account", "service_account": text}))
    with pytest.raises(Exception, match="invalid_grant") as caught:
        listed(access)
    failure = access.failure(caught.value)
    assert failure.trouble is Trouble.CONFIG
    assert "(invalid_grant); correct `credentials`" in failure.reason
    assert "secret" not in failure.reason


def test_a_token_server_that_is_not_there_is_temporary(private_key: str) -> None:
    text = key_file("http://127.0.0.1:1", private_key)
    access = GcsAccess(options("http://127.0.0.1:1", {"auth_type": "service_account", "service_account": text}))
    with pytest.raises(Exception, match="refused") as caught:
        listed(access)
    assert access.failure(caught.value).trouble is Trouble.TEMPORARY


def answered(status: int, reason: str = "", message: str = "", text: str | None = None) -> requests.Response:
    """An answer as the JSON API words it; with `text`, as it does for content."""
    answer = requests.Response()
    answer.status_code = status
    error = {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}
    said = (json.dumps(error) if text is None else text).encode()
    answer.raw = urllib3.HTTPResponse(io.BytesIO(said), preload_content=False)
    answer.headers["Content-Type"] = "application/json" if text is None else "text/html; charset=UTF-8"
    return answer


NO_BUCKET = "The specified bucket does not exist."
ANONYMOUS = "Anonymous caller does not have storage.objects.list access to the Google Cloud Storage bucket."


@pytest.mark.parametrize(
    ("answer", "uri", "trouble", "said"),
    [
        (answered(401, "required", ANONYMOUS), None, Trouble.CONFIG, "`credentials`"),
        (answered(403, "forbidden", "x does not have storage.objects.get access"), "a", Trouble.CONFIG, "objects.get"),
        (answered(403, "rateLimitExceeded", "Slow"), None, Trouble.TEMPORARY, "slow down"),
        (answered(403, "userRateLimitExceeded", "Slow"), "a", Trouble.TEMPORARY, "slow down"),
        (answered(404, "notFound", NO_BUCKET), None, Trouble.CONFIG, "`bucket`"),
        (answered(404, text=NO_BUCKET), "a", Trouble.CONFIG, "`bucket`"),
        (answered(404, text="No such object: landing/a"), "a", Trouble.MISSING, "no such object"),
        (answered(404, text="<html>nothing</html>"), None, Trouble.CONFIG, "`endpoint`"),
        (answered(400, "invalid", "Invalid bucket name: 'x'"), None, Trouble.CONFIG, "`bucket`"),
        (answered(400, "required", "Bucket is a requester pays bucket but no user project provided."), "a",
         Trouble.CONFIG, "Requester Pays"),
        (answered(302), None, Trouble.CONFIG, "`endpoint`"),
        (answered(408), "a", Trouble.TEMPORARY, "fault"),
        (answered(412), "a", Trouble.CHANGED, "changed"),
        (answered(418), "a", Trouble.OTHER, "418"),
        (answered(429, "rateLimitExceeded"), None, Trouble.TEMPORARY, "slow down"),
        (answered(502, text="<html>bad gateway</html>"), None, Trouble.TEMPORARY, "502"),
    ],
)  # fmt: skip
def test_statuses(answer: requests.Response, uri: str | None, trouble: Trouble, said: str) -> None:
    access = GcsAccess(options("http://x", {"auth_type": "anonymous"}))
    failure = access.failure(_status_error(answer, Watch()), uri)
    assert failure.trouble is trouble
    assert said in failure.reason
    assert "<" not in failure.reason
