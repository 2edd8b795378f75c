"""No secret of a config is ever seen: not on stdout, not on stderr, not in states and files, whatever fails.

Every case is a sync that fails in its own way, run with ``--debug``, where libraries say the most.
"""

from __future__ import annotations

import json
import re
import socket
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest

from integration.source_process import Run, source_files
from servers.fault_proxy import FaultProxy, Request, reset, status

if TYPE_CHECKING:
    from servers.azure import Azurite
    from servers.gcs import Gcs
    from servers.http import Nginx
    from servers.s3 import SeaweedFS
    from servers.sftp import Sftp

STREAM = {"name": "s", "globs": ["**"], "format": {"filetype": "jsonl"}}
CATALOG = {
    "streams": [
        {
            "stream": {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }
    ]
}
# Nobody is at that proxy: the token servers of Google and Microsoft cannot be reached, wherever the tests run.
ENVIRONMENT = {"AIRBYTE_STORAGE_RETRY_SECONDS": "0.5", "HTTPS_PROXY": "http://127.0.0.1:9"}
SECRET = "Zq8+/tEsT=sEcReT%&"  # characters that URLs, JSON and base64 treat in their own ways


@dataclass
class Case:
    """A config with which something fails.

    Attributes:
        provider: The section of the config.
        secrets: What nobody may see.
        told: What the error says (a pattern).
        kind: Its failure type.
    """

    provider: Any
    secrets: list[str]
    told: str
    kind: str = "config_error"
    runs: dict[str, Run] = field(default_factory=dict)


def seen(text: str, secret: str) -> list[str]:
    """The forms of a secret that stand in a text; each line of a key counts as a secret."""
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)}
    forms.add(b64encode(secret.encode()).decode())
    forms.update(line for line in re.split(r"\n|\\n", secret) if len(line) >= 16 and not line.startswith("-----"))
    return sorted(form for form in forms if form in text)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_object(request: Request) -> bool:
    return "a.jsonl" in request.path


def s3_cases(seaweed: SeaweedFS, proxy: FaultProxy) -> Iterator[tuple[str, Case]]:
    seaweed.put("secrets", "a.jsonl", b'{"id": 1}\n')

    def provider(secret: str = SECRET, **overrides: Any) -> dict[str, Any]:
        keys = {"auth_type": "iam_user", "aws_access_key_id": seaweed.key, "aws_secret_access_key": secret}
        return seaweed.provider("secrets", credentials=keys, **overrides)

    token = {"auth_type": "iam_user", "aws_access_key_id": "AKIDUNKNOWN", "aws_secret_access_key": SECRET}
    given = [seaweed.key, SECRET]
    real = [seaweed.key, seaweed.secret]
    yield "s3 wrong secret", Case(provider(), given, "secret|credentials|key")
    yield (
        "s3 session token",
        Case(
            seaweed.provider("secrets", credentials={**token, "aws_session_token": "tOkEn//+==" * 8}),
            ["AKIDUNKNOWN", SECRET, "tOkEn//+==" * 8],
            "aws_access_key_id|credentials|key",
        ),
    )
    yield "s3 no bucket", Case({**provider(seaweed.secret), "bucket": "no-such-bucket"}, real, "no-such-bucket")
    yield (
        "s3 nobody there",
        Case(provider(endpoint=f"http://127.0.0.1:{closed_port()}"), given, "secrets", "transient_error"),
    )
    yield "s3 bad option", Case(provider(endpoint="ftp://x y"), given, "endpoint")
    proxy.rule(is_object, status(403), forever=True)
    yield "s3 forbidden", Case(provider(seaweed.secret, endpoint=proxy.url), real, r"a\.jsonl")


def gcs_cases(gcs: Gcs, private_key: str, proxy: FaultProxy) -> Iterator[tuple[str, Case]]:
    gcs.put("secrets", "a.jsonl", b'{"id": 1}\n')
    nowhere = f"http://127.0.0.1:{closed_port()}/token"
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "f00d" * 10,
        "private_key": private_key,
        "client_email": "reader@p.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": nowhere,
    }

    def provider(account: Any, **more: Any) -> dict[str, Any]:
        text = account if isinstance(account, str) else json.dumps(account)
        return gcs.provider("secrets", credentials={"auth_type": "service_account", "service_account": text}, **more)

    yield "gcs no token", Case(provider(account), [private_key], "", "transient_error")
    broken = {**account, "private_key": private_key[:200] + private_key[260:]}
    yield "gcs broken key", Case(provider(broken), [broken["private_key"]], "service_account")
    cut = json.dumps(account)[:-20]
    yield "gcs no json", Case(provider(cut), [private_key], "service_account")
    refused = {**account, "token_uri": f"{proxy.url}/token"}
    proxy.rule(lambda request: request.path == "/token", status(400), forever=True)
    yield "gcs refused", Case(provider(refused), [private_key], "service_account|credentials|key")
    proxy.rule(lambda request: request.path.startswith("/denied/"), status(401), forever=True)
    oauth = {
        "auth_type": "oauth",
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": "1//" + SECRET,
        "access_token": "ya29." + SECRET,
    }
    yield (
        "gcs oauth",
        Case(
            gcs.provider("secrets", credentials=oauth, endpoint=f"{proxy.url}/denied"),
            [SECRET, "1//" + SECRET, "ya29." + SECRET],
            r"the proxy 127\.0\.0\.1:9 that the environment variable HTTPS_PROXY names cannot be reached",
            "transient_error",
        ),
    )


def azure_cases(azurite: Azurite, proxy: FaultProxy) -> Iterator[tuple[str, Case]]:
    azurite.put("secrets", "a.jsonl", b'{"id": 1}\n')
    key = b64encode(b"not the key of this account at all").decode()

    def provider(kind: str, **credentials: str) -> dict[str, Any]:
        return azurite.provider("secrets", credentials={"auth_type": kind, **credentials})

    yield "azure wrong key", Case(provider("account_key", account_key=key), [key], "account_key|key")
    yield "azure bad key", Case(provider("account_key", account_key=SECRET), [SECRET], "account_key")
    signature = "c2lnbmF0dXJlK29mL2E9dG9rZW4x/+a="
    sas = f"sv=2021-08-06&ss=b&srt=sco&sp=rl&se=2020-01-01T00:00:00Z&sig={quote(signature, safe='')}"
    yield "azure expired sas", Case(provider("sas_token", sas_token=sas), [sas, signature], "sas_token|SAS")
    wrong = f"DefaultEndpointsProtocol=http;AccountName={azurite.account};AccountKey={key};BlobEndpoint={azurite.url};"
    yield (
        "azure connection string",
        Case(
            {
                "storage": "azure",
                "container": "secrets",
                "credentials": {"auth_type": "connection_string", "connection_string": wrong},
            },
            [key, wrong],
            "connection_string|key",
        ),
    )
    cut = f"AccountName={azurite.account};AccountKey={key};BlobEndpoint"
    yield (
        "azure bad connection string",
        Case(
            {
                "storage": "azure",
                "container": "secrets",
                "credentials": {"auth_type": "connection_string", "connection_string": cut},
            },
            [key, cut],
            "connection_string",
        ),
    )
    client = {"auth_type": "client_credentials", "tenant_id": "t" * 8, "client_id": "c" * 8, "client_secret": SECRET}
    far = azurite.provider("secrets", credentials=client, endpoint=None)
    yield "azure client", Case(far, [SECRET], "", "transient_error")
    right = provider("account_key", account_key=azurite.key)
    yield "azure no container", Case({**right, "container": "no-such-one"}, [azurite.key], "no-such-one")
    proxy.rule(is_object, status(403), forever=True)
    endpoint = f"{proxy.url}/{azurite.account}"
    yield "azure forbidden", Case({**right, "endpoint": endpoint}, [azurite.key], r"a\.jsonl")


def sftp_cases(sftp: Sftp, private_key: str) -> Iterator[tuple[str, Case]]:
    sftp.put("secrets", "a.jsonl", b'{"id": 1}\n')

    def provider(kind: str, **credentials: str) -> dict[str, Any]:
        return sftp.provider("secrets", credentials={"auth_type": kind, **credentials})

    yield "sftp password", Case(provider("password", password=SECRET), [SECRET], "password|username")
    unknown = Case(provider("private_key", private_key=private_key), [private_key], "private_key|username|key")
    yield "sftp unknown key", unknown
    locked = sftp.user_key("ed25519", SECRET)
    wrong = provider("private_key", private_key=locked, passphrase="not" + SECRET)
    yield "sftp wrong passphrase", Case(wrong, [locked, SECRET, "not" + SECRET], "passphrase")
    cut = sftp.private_key[:120] + sftp.private_key[140:]
    yield "sftp broken key", Case(provider("private_key", private_key=cut), [cut], "private_key")
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    yield "sftp host key", Case(sftp.provider("secrets", host_key=other), [sftp.private_key], "host_key|host key")
    sftp.put("secrets", "z.jsonl", b'{"id": 1}\n')
    sftp.forbid("secrets", "z.jsonl")
    forbidden = Case(sftp.provider("secrets"), [sftp.private_key], r"z\.jsonl")
    yield "sftp forbidden", forbidden
    gone = Case({**sftp.provider("secrets"), "port": closed_port()}, [sftp.private_key], "", "transient_error")
    yield "sftp nobody there", gone


def http_cases(nginx: Nginx, proxy: FaultProxy) -> Iterator[tuple[str, Case]]:
    nginx.put("secrets", "a.jsonl", b'{"id": 1}\n')

    def provider(base_url: str, **more: Any) -> dict[str, Any]:
        return {"storage": "http", "base_url": base_url, **more}

    protected = f"{nginx.url}/protected/secrets/"
    basic = {"auth_type": "basic", "username": nginx.user, "password": SECRET}
    yield (
        "http basic",
        Case(provider(protected, credentials=basic), [SECRET, f"{nginx.user}:{SECRET}"], "credentials|password"),
    )
    bearer = {"auth_type": "bearer", "token": "b3ar3r+/token=="}
    yield "http bearer", Case(provider(f"{nginx.url}/token/secrets/", credentials=bearer), ["b3ar3r+/token=="], "")
    headers = {"headers": {"X-Api-Key": SECRET}}
    yield "http header", Case(provider(protected, **headers), [SECRET], "")
    bad = {"headers": {"X-Api-Key": SECRET + "\nX: y"}}
    yield "http bad header", Case(provider(protected, **bad), [SECRET], "X-Api-Key|headers")
    signed = f"{nginx.url}/secrets/gone.jsonl?Expires=1&Signature={quote(SECRET, safe='')}&sig=s1gnature0fthis"
    yield "http signed url", Case({"storage": "http", "urls": [signed]}, [SECRET, "s1gnature0fthis"], "gone")
    proxy.rule(lambda request: is_object(request) and request.method == "GET", reset(), forever=True)
    broken = provider(f"{proxy.url}/secrets/", **headers)
    yield "http resets", Case(broken, [SECRET], r"a\.jsonl", "transient_error")


def url_cases() -> Iterator[tuple[str, Case]]:
    options = {"password": SECRET, "key": {"nested": [SECRET + "2"]}}
    secrets = [SECRET, SECRET + "2"]
    yield "url no protocol", Case({"storage": "url", "url": "nosuch://x", "options": options}, secrets, "")
    yield "url bad options", Case({"storage": "url", "url": "github://x/y", "options": options}, secrets, "")


def misplaced_cases() -> Iterator[tuple[str, Case]]:
    """Secrets in places of which the spec does not know that they hold one."""
    key = {"auth_type": "iam_user", "aws_access_key_id": "AKIDUNKNOWN"}
    s3 = {"storage": "s3", "bucket": "b"}
    http = {"storage": "http", "urls": ["https://127.0.0.1:9/a.jsonl"]}
    sftp = {"storage": "sftp", "host": "127.0.0.1", "username": "u"}
    gcs, azure = {"storage": "gcs", "bucket": "b"}, {"storage": "azure", "account_name": "a", "container": "landing"}
    signed = {"urls": f"https://127.0.0.1:9/a.jsonl?token={quote(SECRET, safe='')}"}
    for name, provider, told in (
        ("wrong name", {**s3, "credentials": {**key, "aws_secret_key": SECRET}}, "`aws_secret_access_key` is missing"),
        (
            "wrong place",
            {**s3, "aws_secret_access_key": SECRET, "credentials": key},
            "`aws_secret_access_key` is missing",
        ),
        (
            "wrong kind",
            {**s3, "credentials": {"auth_type": "key", "key": SECRET}},
            r"auth_type: must be one of `iam_user`",
        ),
        ("as text", {**s3, "credentials": SECRET}, r"provider\.credentials: must be an object"),
        (
            "gcs",
            {**gcs, "credentials": {"auth_type": "service_account", "json": SECRET}},
            "`service_account` is missing",
        ),
        ("azure", {**azure, "credentials": {"auth_type": "account_key", "key": SECRET}}, "`account_key` is missing"),
        ("sftp", {**sftp, "credentials": {"auth_type": "password", "pasword": SECRET}}, "`password` is missing"),
        ("bearer", {**http, "credentials": {"auth_type": "bearer", "bearer_token": SECRET}}, "`token` is missing"),
        ("urls", {**http, **signed}, r"provider\.urls: must be a list"),
        ("header name", {**http, "headers": {SECRET: "x"}}, "name of a header"),
        ("header name, no text", {**http, "headers": {SECRET: 1}}, r"headers\.\*: must be a string"),
        ("provider", SECRET, "provider: must be an object"),
    ):
        yield f"misplaced {name}", Case(provider, [SECRET], told)


NAMES = [
    *("s3 wrong secret", "s3 session token", "s3 no bucket", "s3 nobody there", "s3 bad option", "s3 forbidden"),
    *("gcs no token", "gcs broken key", "gcs no json", "gcs refused", "gcs oauth"),
    *("azure wrong key", "azure bad key", "azure expired sas", "azure connection string"),
    *("azure bad connection string", "azure client", "azure no container", "azure forbidden"),
    *("sftp password", "sftp unknown key", "sftp wrong passphrase", "sftp broken key", "sftp host key"),
    *("sftp forbidden", "sftp nobody there"),
    *("http basic", "http bearer", "http header", "http bad header", "http signed url", "http resets"),
    *("url no protocol", "url bad options"),
    *(name for name, _ in misplaced_cases()),
]


@pytest.fixture(scope="module")
def private_key() -> str:
    """An RSA key that no server knows."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module")
def cases(
    seaweed: SeaweedFS,
    gcs_server: Gcs,
    azurite: Azurite,
    sftp_server: Sftp,
    nginx: Nginx,
    private_key: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Case]]:
    """The cases, all run: several at a time, since each starts processes."""
    folder = tmp_path_factory.mktemp("secrets")
    with (
        FaultProxy(seaweed.port) as s3,
        FaultProxy(gcs_server.port) as gcs,
        FaultProxy(azurite.port) as azure,
        FaultProxy(nginx.port) as http,
    ):
        made = dict(
            [
                *s3_cases(seaweed, s3),
                *gcs_cases(gcs_server, private_key, gcs),
                *azure_cases(azurite, azure),
                *sftp_cases(sftp_server, private_key),
                *http_cases(nginx, http),
                *url_cases(),
                *misplaced_cases(),
            ]
        )

        def run(item: tuple[str, Case]) -> None:
            name, case = item
            config = {"provider": case.provider, "streams": [STREAM]}
            place = folder / name.replace(" ", "-")
            case.runs["check"] = source_files("check", place, config, None, None, "--debug", environment=ENVIRONMENT)
            case.runs["read"] = source_files("read", place, config, CATALOG, None, "--debug", environment=ENVIRONMENT)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, made.items()))
        yield made


def test_all_cases_are_here(cases: dict[str, Case]) -> None:
    assert set(cases) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_seen(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    for command, run in case.runs.items():
        written = {
            path.name: path.read_text(errors="replace")
            for path in run.folder.rglob("*")
            if path.is_file() and path.name not in ("config.json", "catalog.json")
        }
        for place, text in {"stdout": run.stdout, "stderr": run.stderr, **written}.items():
            for secret in case.secrets:
                assert seen(text, secret) == [], f"in {place} of {command}: ...{around(text, secret)}..."


def around(text: str, secret: str) -> str:
    """What stands before the first form of a secret, for the message of the failed assertion."""
    place = text.find(seen(text, secret)[0])
    return text[max(0, place - 300) : place + 60]


@pytest.mark.parametrize("name", NAMES)
def test_the_error_says_what_is_wrong(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    check, read = case.runs["check"], case.runs["read"]
    assert check.connection_status["status"] == "FAILED"
    assert re.search(case.told, check.connection_status["message"])
    assert read.code == 1
    error = read.errors[0]  # the last one sums up
    assert error["failure_type"] == case.kind
    assert re.search(case.told, error["message"])


def test_secrets_would_be_found() -> None:
    """The search itself: it finds every form."""
    for text in (SECRET, quote(SECRET, safe=""), b64encode(SECRET.encode()).decode(), json.dumps({"a": SECRET})):
        assert seen(f"before {text} after", SECRET)
    assert seen("x MIIEvQIBADANBgkqhkiG x", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END-----")
    assert not seen("nothing here", SECRET)
