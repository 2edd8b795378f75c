"""Azure Blob Storage: options, credentials, and what only it does; against Azurite and a token server."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
import requests
from azure.storage.blob import ContainerSasPermissions, ContentSettings, generate_container_sas
from pydantic.v1 import ValidationError

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble
from airbyte_cdk.sources.file_based.storages import azure
from airbyte_cdk.sources.file_based.storages.azure import AzureOptions
from airbyte_cdk.sources.file_based.storages.azure_access import AzureAccess
from airbyte_cdk.sources.file_based.storages.azure_listing import NoListing, modified, parsed_page
from airbyte_cdk.sources.file_based.storages.rest_failures import StatusError
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, get_secret_paths, update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.azure import Azurite
from servers.token_server import TokenServer, certificate_for_localhost

KEY = "c2VjcmV0"


@pytest.fixture(autouse=True)
def _no_secrets_are_left() -> Iterator[None]:
    yield
    update_secrets([])


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    certificate = certificate_for_localhost(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with TokenServer(certificate) as server:
        yield server


def access_to(server: Azurite, name: str, **overrides: Any) -> AzureAccess:
    return AzureAccess(AzureOptions(**server.provider(name, **overrides)))


def listed(access: AzureAccess) -> list[str]:
    return sorted(file.uri for file in access.files(""))


def refused(access: AzureAccess) -> Failure:
    with pytest.raises(Exception) as caught:  # noqa: PT011  of any family: that is what `failure` is for
        listed(access)
    return access.failure(caught.value)


def sas(server: Azurite, name: str, rights: str, hours: int = 1) -> str:
    return generate_container_sas(
        server.account,
        name,
        account_key=server.key,
        permission=ContainerSasPermissions.from_string(rights),
        start=datetime.now(UTC) - timedelta(hours=2),
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )


def test_the_schema_marks_the_secrets() -> None:
    paths = {path[-1] for path in get_secret_paths(AzureOptions.schema())}
    assert paths == {"account_key", "sas_token", "connection_string", "client_id", "client_secret"}


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"container": "landing/folder"}, "container"),
        ({"container": ""}, "container"),
        ({"account_name": "https://secret.blob.core.windows.net"}, "account_name"),
        ({"endpoint": "https://x.blob.core.windows.net?sv=1&sig=secret"}, "endpoint"),
        ({"credentials": {"auth_type": "account_key", "account_key": "secret!"}}, "account_key"),
        ({"credentials": {"auth_type": "account_key", "account_key": ""}}, "account_key"),
        ({"credentials": {"auth_type": "sas_token", "sas_token": "https://x/y?sig=secret"}}, "sas_token"),
        ({"credentials": {"auth_type": "sas_token", "sas_token": "sv=secret"}}, "sas_token"),
        ({"credentials": {"auth_type": "client_credentials", "tenant_id": "t", "client_id": "c"}}, "client_secret"),
        (
            {
                "credentials": {
                    "auth_type": "client_credentials",
                    "tenant_id": "t",
                    "client_id": "c",
                    "client_secret": "s",
                    "authority": "https://user:secret@login",
                }
            },
            "authority",
        ),
        ({"credentials": {"auth_type": "magic"}}, "auth_type"),
    ],
)
def test_options_that_cannot_be_are_told_without_their_text(changes: dict[str, Any], option: str) -> None:
    with pytest.raises(ValidationError, match=option) as caught:
        AzureOptions(
            **{"account_name": "a", "container": "landing", "credentials": {"auth_type": "anonymous"}, **changes}
        )
    assert "secret" not in str(caught.value).replace("client_secret", "")


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"account_name": None}, "`account_name`"),
        ({"account_name": None, "credentials": {"auth_type": "account_key", "account_key": KEY}}, "`account_name`"),
        (
            {"credentials": {"auth_type": "connection_string", "connection_string": "AccountKey=secret"}},
            "`connection_string`",
        ),
        ({"credentials": {"auth_type": "connection_string", "connection_string": "secret"}}, "`connection_string`"),
        ({"endpoint": "http://x", "credentials": {"auth_type": "default_credentials"}}, "`endpoint`"),
        (
            {
                "credentials": {
                    "auth_type": "client_credentials",
                    "tenant_id": "secret?tenant",
                    "client_id": "c",
                    "client_secret": "secret",
                }
            },
            "`tenant_id`",
        ),
    ],
)
def test_options_that_do_not_fit_are_config_errors_without_their_text(changes: dict[str, Any], option: str) -> None:
    options = AzureOptions(
        **{"account_name": "a", "container": "landing", "credentials": {"auth_type": "anonymous"}, **changes}
    )
    with pytest.raises(AirbyteTracedException) as caught:
        azure.connect(options)
    assert caught.value.failure_type is FailureType.config_error
    assert option in str(caught.value)
    assert "secret" not in str(caught.value.as_airbyte_message().trace).replace("client_secret", "")


def test_connect_gives_a_filesystem(azurite: Azurite) -> None:
    azurite.put("connect", "dir/a.csv", b"abc")
    filesystem, root = azure.connect(AzureOptions(**azurite.provider("connect")))
    assert root == ""
    assert filesystem.find("") == ["dir/a.csv"]
    assert filesystem.cat_file("dir/a.csv") == b"abc"


def test_the_title_names_container_and_account(azurite: Azurite) -> None:
    assert access_to(azurite, "titled").title == f"Azure container titled of the storage account {azurite.account}"


def test_a_wrong_key_names_the_option(azurite: Azurite) -> None:
    wrong = access_to(azurite, "keyed", credentials={"auth_type": "account_key", "account_key": KEY})
    failure = refused(wrong)
    assert failure.trouble is Trouble.CONFIG
    assert "`account_key`" in failure.reason


def test_a_wrong_account_names_the_option(azurite: Azurite) -> None:
    assert listed(access_to(azurite, "accounted")) == []
    failure = refused(access_to(azurite, "accounted", account_name="somebodyelse"))
    assert failure.trouble is Trouble.CONFIG
    assert "`account_name`" in failure.reason


def test_sas_tokens(azurite: Azurite) -> None:
    azurite.put("signed", "a b.csv", b"abc")
    token = sas(azurite, "signed", "rl")
    for text in (token, f"?{token}"):
        access = access_to(azurite, "signed", credentials={"auth_type": "sas_token", "sas_token": text})
        assert listed(access) == ["a b.csv"]
        assert access.open("a b.csv", 1).read(9) == b"bc"
    signature = parse_qs(token)["sig"][0]
    assert filter_secrets(f"{signature} {quote(signature, safe='')}") == "**** ****"
    for bad in (sas(azurite, "signed", "rl", hours=-1), sas(azurite, "signed", "r"), token[:-6] + "AAAA%3D"):
        failure = refused(access_to(azurite, "signed", credentials={"auth_type": "sas_token", "sas_token": bad}))
        assert failure.trouble is Trouble.CONFIG
        assert "`sas_token`" in failure.reason


def test_connection_strings(azurite: Azurite) -> None:
    azurite.put("stringed", "a.csv", b"abc")
    signed = f"BlobEndpoint={azurite.url};SharedAccessSignature={sas(azurite, 'stringed', 'rl')}"
    for text in (azurite.connection_string(), signed):
        credentials = {"auth_type": "connection_string", "connection_string": text}
        access = access_to(azurite, "stringed", account_name=None, endpoint=None, credentials=credentials)
        assert listed(access) == ["a.csv"]
        assert access.open("a.csv").read(9) == b"abc"
        assert azurite.account in access.title
    assert filter_secrets(azurite.key) == "****"
    assert filter_secrets(signed.partition("sig=")[2]) == "****"


def test_options_beside_a_connection_string(azurite: Azurite) -> None:
    credentials = {"auth_type": "connection_string", "connection_string": f"{azurite.connection_string()}\n"}
    azurite.put("beside", "a.csv", b"abc")
    assert listed(access_to(azurite, "beside", credentials=credentials)) == ["a.csv"]  # they say the same
    for changes, option in (
        ({"account_name": "somebodyelse"}, "`account_name`"),
        ({"endpoint": "https://elsewhere.example.com"}, "`endpoint`"),
    ):
        with pytest.raises(AirbyteTracedException, match=f"{option} is not .* `connection_string`") as caught:
            access_to(azurite, "beside", credentials=credentials, **changes)
        assert caught.value.failure_type is FailureType.config_error


def test_errors_of_a_connection_string_name_it(azurite: Azurite) -> None:
    text = azurite.connection_string("http://127.0.0.1:9/testaccount")
    options = AzureOptions(
        container="landing", credentials={"auth_type": "connection_string", "connection_string": text}
    )
    access = AzureAccess(options)
    assert refused(access).reason == "127.0.0.1:9 refuses connections; if it stays so, correct `connection_string`"
    for error in (answered(404, "ContainerNotFound"), answered(403, "AccountIsDisabled"), answered(400, "x")):
        reason = access.failure(error).reason
        assert "`connection_string`" in reason
        assert "`account_name`" not in reason
        assert "`endpoint`" not in reason


def test_anonymous_reads_public_containers_only(azurite: Azurite) -> None:
    azurite.put("public", "a.csv", b"abc")
    azurite.client.get_container_client("public").set_container_access_policy({}, public_access="container")
    access = access_to(azurite, "public", account_name=None, credentials={"auth_type": "anonymous"})
    assert listed(access) == ["a.csv"]
    assert access.open("a.csv").read(9) == b"abc"
    azurite.put("private", "a.csv", b"abc")
    failure = refused(access_to(azurite, "private", credentials={"auth_type": "anonymous"}))
    assert failure.trouble is Trouble.CONFIG
    assert "not public" in failure.reason


def test_folders_of_hadoop_are_no_files(azurite: Azurite) -> None:
    azurite.put("folders", "a/x.csv", b"abc")
    client = azurite.client.get_container_client("folders")
    client.upload_blob("a", b"", metadata={"hdi_isfolder": "true"})
    client.upload_blob("empty", b"", metadata={"hdi_isfolder": "false", "other": "1"})
    assert listed(access_to(azurite, "folders")) == ["a/x.csv", "empty"]


def test_content_that_is_stored_compressed_is_read_as_it_is_stored(azurite: Azurite) -> None:
    stored = gzip.compress(b"hello,world\n" * 50_000, mtime=0)
    azurite.put("encoded", "other", b"")
    azurite.client.get_blob_client("encoded", "a.csv").upload_blob(
        stored, content_settings=ContentSettings(content_encoding="gzip", content_type="text/csv")
    )
    access = access_to(azurite, "encoded")
    content = access.open("a.csv")
    assert (content.size, read_exactly(content, 1_000_000)) == (len(stored), stored)
    assert read_exactly(access.open("a.csv", 100), 1_000_000) == stored[100:]
    assert access.ranges("a.csv", [(3, 50)]) == [stored[3:50]]


def test_a_blob_that_was_replaced_or_removed(azurite: Azurite) -> None:
    azurite.put("replaced", "a.csv", b"one")
    access = access_to(azurite, "replaced")
    version = access.info("a.csv").version
    azurite.put("replaced", "a.csv", b"two")
    with pytest.raises(OSError, match="ETag") as caught:
        access.open("a.csv", 0, version)
    assert access.failure(caught.value, "a.csv").trouble is Trouble.CHANGED
    azurite.remove("replaced", "a.csv")
    with pytest.raises(OSError, match="404") as caught:
        access.open("a.csv", 0, version)
    assert access.failure(caught.value, "a.csv").trouble is Trouble.MISSING


def test_names_with_dots_between_slashes(azurite: Azurite) -> None:
    azurite.put("dots", "plain", b"")
    for uri in ("./x.csv", "a/../y.csv"):
        # the client of the library would take the dots for steps between folders
        url = f"{azurite.url}/dots/{quote(uri, safe='')}?{sas(azurite, 'dots', 'cw')}"
        answer = requests.put(url, data=uri.encode(), headers={"x-ms-blob-type": "BlockBlob"}, timeout=10)
        assert answer.status_code == 201
    access = access_to(azurite, "dots")
    assert listed(access) == ["./x.csv", "a/../y.csv", "plain"]
    assert access.open("./x.csv").read(99) == b"./x.csv"
    assert access.open("a/../y.csv").read(99) == b"a/../y.csv"


@pytest.mark.parametrize("credentials", ["client_credentials", "default_credentials"])
def test_a_principal_signs_in(credentials: str, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"auth_type": credentials}
    if credentials == "client_credentials":
        options |= {"tenant_id": "tenant", "client_id": "client", "client_secret": "hush", "authority": tokens.url}
    else:  # the managed identity of a container
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{tokens.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "here-i-am")
    access = AzureAccess(AzureOptions(container="landing", endpoint=tokens.url, credentials=options))
    assert listed(access) == ["a.csv"]
    asked = [asked for asked in tokens.asked if asked.path.endswith("/token")]
    assert len(asked) == 1
    if credentials == "client_credentials":
        assert asked[0].query["grant_type"] == "client_credentials"
        assert asked[0].query["client_secret"] == "hush"
        assert asked[0].query["scope"] == "https://storage.azure.com/.default"
    else:
        assert asked[0].query["resource"] == "https://storage.azure.com"
    assert tokens.asked[-1].path == "/landing"
    assert tokens.asked[-1].authorization == f"Bearer {tokens.token}"
    assert filter_secrets(tokens.token) == "****"
    assert listed(access) == ["a.csv"]
    assert len([asked for asked in tokens.asked if asked.path.endswith("/token")]) == 1


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ((401, {"error": "invalid_client", "error_description": "AADSTS7: the secret is wrong"}), Trouble.CONFIG),
        ((503, {"error": "temporarily_unavailable", "error_description": "later"}), Trouble.TEMPORARY),
    ],
)
def test_a_principal_that_is_refused(answer: tuple[int, dict[str, str]], trouble: Trouble, tokens: TokenServer) -> None:
    tokens.refuse = answer
    options = {"tenant_id": "tenant", "client_id": "client", "client_secret": "hush", "authority": tokens.url}
    access = AzureAccess(
        AzureOptions(
            container="landing", endpoint=tokens.url, credentials={"auth_type": "client_credentials", **options}
        )
    )
    failure = refused(access)
    assert failure.trouble is trouble
    assert "the secret is wrong" not in failure.reason
    if trouble is Trouble.CONFIG:
        assert failure.reason.endswith("correct them (AADSTS7)")


def test_a_token_server_that_is_not_there_is_temporary() -> None:
    options = {"tenant_id": "t", "client_id": "c", "client_secret": "hush", "authority": "https://127.0.0.1:1"}
    access = AzureAccess(
        AzureOptions(account_name="a", container="landing", credentials={"auth_type": "client_credentials", **options})
    )
    assert refused(access).trouble is Trouble.TEMPORARY


def test_a_machine_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    # an answer of a managed identity that has none
    with TokenServer() as server:
        server.refuse = (400, {"error": "invalid_request", "error_description": "no identity"})
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "here-i-am")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        credentials = {"auth_type": "default_credentials"}
        failure = refused(AzureAccess(AzureOptions(account_name="a", container="landing", credentials=credentials)))
    assert failure.trouble is Trouble.CONFIG
    assert "credentials of the machine" in failure.reason


def page(*blobs: str, marker: str = "") -> bytes:
    text = "".join(f"<Blob>{blob}</Blob>" for blob in blobs)
    return f"<EnumerationResults><Blobs>{text}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>".encode()


PROPERTIES = (
    "<Properties><Content-Length>{size}</Content-Length><Last-Modified>Sun, 01 Mar 2026 06:51:35 GMT</Last-Modified>"
    "<Etag>0x1</Etag>{more}</Properties>"
)


def test_pages_of_a_listing() -> None:
    plain = PROPERTIES.format(size=3, more="")
    directory = PROPERTIES.format(size=0, more="<ResourceType>directory</ResourceType>")
    found = parsed_page(
        page(
            f"<Name>a&amp;b</Name>{plain}",
            f'<Name Encoded="true">a%EF%BF%BE%2Fb%25</Name>{plain}',
            f"<Name>dir</Name>{directory}",
            marker="next",
        )
    )
    assert [file.uri for file in found.files] == ["a&b", "a\ufffe/b%"]
    assert found.files[0][1:] == (3, datetime(2026, 3, 1, 6, 51, 35), "0x1")
    assert found.marker == "next"
    assert parsed_page(page()).marker is None


@pytest.mark.parametrize("xml", [b"<html><Blobs/></html>", b"<EnumerationResults/>", page("<Name>a</Name>")])
def test_what_is_no_page_of_a_listing(xml: bytes) -> None:
    with pytest.raises(NoListing):
        parsed_page(xml)


def test_times() -> None:
    assert modified("Sun, 22 Nov 2026 06:51:35 GMT") == datetime(2026, 11, 22, 6, 51, 35)
    assert modified("22 Nov 2026 06:51:35 +0000") == datetime(2026, 11, 22, 6, 51, 35)
    with pytest.raises(ValueError, match="nonsense"):
        modified("nonsense")


def answered(status: int, code: str) -> StatusError:
    answer = requests.Response()
    answer.status_code = status
    return StatusError(answer, code)


@pytest.mark.parametrize(
    ("error", "uri", "trouble", "said"),
    [
        (answered(401, "InvalidAuthenticationInfo"), None, Trouble.CONFIG, "`account_key`"),
        (answered(403, "AuthenticationFailed"), None, Trouble.CONFIG, "`account_key`"),
        (answered(403, "AuthorizationPermissionMismatch"), "a", Trouble.CONFIG, "Storage Blob Data Reader"),
        (answered(403, "AuthorizationFailure"), "a", Trouble.CONFIG, "network rules"),
        (answered(403, ""), "a", Trouble.CONFIG, "`account_key`"),
        (answered(404, "ContainerNotFound"), None, Trouble.CONFIG, "`container`"),
        (answered(404, "ContainerNotFound"), "a", Trouble.CONFIG, "`container`"),
        (answered(404, "ResourceNotFound"), None, Trouble.CONFIG, "`container`"),
        (answered(404, "ResourceNotFound"), "a", Trouble.MISSING, "no such blob"),
        (answered(404, "BlobNotFound"), "a", Trouble.MISSING, "no such blob"),
        (answered(400, "InvalidResourceName"), None, Trouble.CONFIG, "`container`"),
        (answered(400, "InvalidQueryParameterValue"), None, Trouble.CONFIG, "`prefix`"),
        (answered(409, "BlobArchived"), "a", Trouble.CONFIG, "archive tier"),
        (answered(409, "BlobBeingRehydrated"), "a", Trouble.CONFIG, "being rehydrated"),
        (answered(409, "BlobUsesCustomerSpecifiedEncryption"), "a", Trouble.CONFIG, "with a key of the customer"),
        (answered(403, "KeyVaultEncryptionKeyNotFound"), "a", Trouble.CONFIG, "Azure Key Vault"),
        (answered(409, "PublicAccessNotPermitted"), None, Trouble.CONFIG, "anonymous"),
        (answered(412, "ConditionNotMet"), "a", Trouble.CHANGED, "changed"),
        (answered(500, "OperationTimedOut"), "a", Trouble.TEMPORARY, "OperationTimedOut"),
        (answered(503, "ServerBusy"), None, Trouble.TEMPORARY, "slow down"),
        (answered(409, "SomethingNew"), "a", Trouble.OTHER, "SomethingNew"),
    ],
)
def test_statuses(error: StatusError, uri: str | None, trouble: Trouble, said: str) -> None:
    access = AzureAccess(
        AzureOptions(
            account_name="a", container="landing", credentials={"auth_type": "account_key", "account_key": KEY}
        )
    )
    failure = access.failure(error, uri)
    assert failure.trouble is trouble
    assert said in failure.reason
