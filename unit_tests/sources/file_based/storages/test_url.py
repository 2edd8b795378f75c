"""The storage `url`: filesystems of fsspec that tell no times, that connect when they are made, and FTP."""

from __future__ import annotations

import json
import logging
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.fsspec_access import FsspecAccess
from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.storages.url import UrlOptions, connect
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.ftp import Ftp
from servers.process import HOST, free_port

ONCE = RetryPolicy(seconds=0)
TIME = datetime(2026, 2, 1, 10, 20, 30)


def access(url: str, policy: RetryPolicy = ONCE, **options: Any) -> RetryingAccess:
    filesystem, root = connect(UrlOptions(url=url, options=options))
    return RetryingAccess(filesystem.storage_access(root), policy)


def contents(files: RetryingAccess, uri: str) -> bytes:
    content = files.open(uri)
    try:
        return read_exactly(content, 1 << 40)
    finally:
        content.close()


def failure(files: RetryingAccess) -> AirbyteTracedException:
    with pytest.raises(AirbyteTracedException) as caught:
        list(files.files(""))
    return caught.value


def test_times_of_zip(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.csv", (2026, 2, 1, 10, 20, 30)), b"x")
        archive.writestr(zipfile.ZipInfo("dir/b.csv", (2026, 2, 1, 10, 20, 30)), b"y")
    files = access(f"zip://::file://{tmp_path}/all.zip")
    found = sorted(files.files(""))
    assert [(listed.uri, listed.size, listed.modified) for listed in found] == [
        ("a.csv", 1, TIME),
        ("dir/b.csv", 1, TIME),
    ]
    assert files.info("a.csv") == found[0]
    assert contents(files, "dir/b.csv") == b"y"
    assert caplog.text == ""


def test_without_times_a_file_is_as_new_as_the_listing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    references = tmp_path / "references.json"
    references.write_text(json.dumps({"version": 1, "refs": {"a.csv": "x,y\n", "dir/b.csv": "z\n"}}))
    files = access("reference://", fo=str(references))
    before = datetime.now(UTC).replace(tzinfo=None)
    with caplog.at_level(logging.WARNING, "airbyte"):
        for _ in range(2):
            found = sorted(files.files(""))
            assert [listed.uri for listed in found] == ["a.csv", "dir/b.csv"]
            for listed in found:
                assert before <= listed.modified <= datetime.now(UTC).replace(tzinfo=None)
                assert listed.version is None
    assert contents(files, "a.csv") == b"x,y\n"
    assert [record.getMessage() for record in caplog.records] == [
        "reference folder /: it does not tell when files were changed (such as a.csv), so they are read in every sync."
    ]


LAST_MONTH = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0, day=1) - timedelta(days=1)
NEXT_MONTH = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0, day=1) + timedelta(days=40)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"modify": "20260201102030"}, TIME),
        ({"modify": "20260201102030.123"}, TIME),
        ({"modify": "Feb 01 2026"}, TIME.replace(hour=0, minute=0, second=0)),
        ({"modify": f"{LAST_MONTH:%b %d %H:%M}"}, LAST_MONTH),
        ({"modify": f"{NEXT_MONTH:%b %d %H:%M}"}, NEXT_MONTH.replace(year=NEXT_MONTH.year - 1)),
        ({"date_time": (2026, 2, 1, 10, 20, 30)}, TIME),
        ({"date_time": (1980, 0, 0, 0, 0, 0)}, None),
        ({"modificationTime": 1769941230000}, TIME),
        ({"mtime": 1769941230}, TIME),
        ({"mtime": "", "last_modified": "2026-02-01T11:20:30+01:00"}, TIME),
        ({"modifiedTime": "2026-02-01T10:20:30Z"}, TIME),
        ({"updated": "soon", "created": TIME}, TIME),
        ({}, None),
    ],
)
def test_times_in_many_forms(entry: dict[str, Any], expected: datetime | None) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    files = FsspecAccess(memory, "/times")
    before = datetime.now(UTC).replace(tzinfo=None)
    memory.pipe_file("/times/a", b"x")

    class Told(type(memory)):  # type: ignore[misc]
        cachable = False

        def info(self, path: str, **options: Any) -> dict[str, Any]:
            return {"name": path, "size": 1, "type": "file", **entry}

        def modified(self, path: str) -> datetime:
            raise NotImplementedError

    files = FsspecAccess(Told(), "/times")
    found = files.info("a").modified
    assert found == expected if expected is not None else found >= before


@pytest.mark.parametrize("protocol", ["ftp", "sftp"])
def test_what_connects_when_it_is_made_is_explained(protocol: str) -> None:
    port = free_port()
    for url, why in {
        f"{protocol}://{HOST}:{port}/data": f"{HOST}:{port} refuses connections; if it stays so, correct `url`",
        f"{protocol}://no-such-host.invalid/data": "the name no-such-host.invalid cannot be resolved",
    }.items():
        error = failure(access(url, username="ann", password="topsecret-value"))
        assert error.failure_type is FailureType.transient_error
        assert str(error.message).startswith(f"URL {url} could not be listed: {why}")
        assert "topsecret-value" not in str(error.message)


def test_passwords_in_urls_are_kept_secret() -> None:
    update_secrets([])
    try:
        files = access("ftp://ann:top%20secret-value@no-such-host.invalid/data?x=other-secret")
        assert files.title == "URL ftp://no-such-host.invalid/data"
        assert filter_secrets("top%20secret-value top secret-value") == "**** ****"
    finally:
        update_secrets([])


def test_options_that_do_not_fit_are_a_config_error() -> None:
    error = failure(access("memory://x", no_such_option=1))
    assert error.failure_type is FailureType.config_error
    with pytest.raises(AirbyteTracedException, match="cannot be opened") as caught:
        connect(UrlOptions(url="zip://a::nosuch://b"))
    assert caught.value.failure_type is FailureType.config_error


# FTP -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["MLSD", "LIST"])
def ftp(request: pytest.FixtureRequest) -> Iterator[Ftp]:
    pytest.importorskip("pyftpdlib")
    with Ftp(without=["MLSD"] if request.param == "LIST" else []) as server:
        yield server


def test_ftp(ftp: Ftp) -> None:
    names = ["a.csv", "dir/b c.csv", "dir/deep/ü.csv", "empty.csv"]
    for name in names:
        ftp.put("plain", name, b"" if name == "empty.csv" else name.encode(), TIME)
    files = access(ftp.provider("plain")["url"])
    found = sorted(files.files(""))
    assert [listed.uri for listed in found] == names
    for listed in found:
        assert listed.modified == TIME
        assert files.info(listed.uri) == listed
        assert contents(files, listed.uri) == (b"" if listed.uri == "empty.csv" else listed.uri.encode())
    assert [listed.uri for listed in files.files("dir/deep/")] == ["dir/deep/ü.csv"]
    assert list(files.files("gone/")) == list(files.files("a.csv/")) == []
    (one,) = files.files("a.csv")
    ftp.put("plain", "a.csv", b"longer than before", TIME + timedelta(seconds=1))
    assert contents(files, "a.csv") == b"longer than before"
    assert files.info("a.csv").version != one.version


def test_an_ftp_server_of_the_first_days() -> None:
    pytest.importorskip("pyftpdlib")
    with Ftp(without=["MLSD", "MDTM", "SIZE"]) as server:
        server.put("old", "dir/a.csv", b"content", TIME)
        files = access(server.provider("old")["url"])
        (found,) = files.files("")
        assert (found.uri, found.size) == ("dir/a.csv", 7)
        assert files.info("dir/a.csv") == found
        assert found.modified.date() == TIME.date()
        assert contents(files, "dir/a.csv") == b"content"
        assert [listed.uri for listed in files.files("dir/")] == ["dir/a.csv"]
        assert list(files.files("gone/")) == []


def test_links_over_ftp(ftp: Ftp) -> None:
    ftp.put("links", "dir/a.csv", b"content", TIME)
    (ftp.served / "links" / "b.csv").symlink_to("dir/a.csv")
    (ftp.served / "links" / "dir" / "up").symlink_to("../nowhere")
    files = access(ftp.provider("links")["url"])
    assert [(listed.uri, listed.size, listed.modified) for listed in sorted(files.files(""))] == [
        ("b.csv", 7, TIME),
        ("dir/a.csv", 7, TIME),
    ]


def test_a_folder_that_ftp_refuses_to_list_is_not_empty(ftp: Ftp) -> None:
    ftp.put("refused", "a.csv", b"x")
    ftp.put("refused", "closed/b.csv", b"x")
    ftp.refuse("refused", "closed")
    error = failure(access(ftp.provider("refused")["url"]))
    assert error.failure_type is FailureType.config_error
    assert "could not be listed: closed: access is refused (the server answered 550)" in str(error.message)


def test_ftp_passwords(ftp: Ftp) -> None:
    ftp.folder("rights")
    error = failure(access(f"ftp://{HOST}:{ftp.port}/rights", username=ftp.username, password="topsecret-value"))
    assert error.failure_type is FailureType.config_error
    assert str(error.message) == (
        f"URL ftp://{HOST}:{ftp.port}/rights could not be listed: access is refused (the server answered 530); "
        "correct the credentials or the rights."
    )
    error = failure(access(ftp.provider("rights")["url"] + "/gone"))
    assert "rights/gone could not be listed: the folder or bucket does not exist" in str(error.message)


def test_an_ftp_connection_that_broke_is_made_again(ftp: Ftp) -> None:
    body = bytes(range(256)) * 50_000
    for number in range(3):
        ftp.put("broken", f"{number}/a.bin", body)
    files = access(ftp.provider("broken")["url"], RetryPolicy(seconds=20, first_wait=0.01))
    listing = files.files("")
    uris = [next(listing).uri]
    ftp.cut()
    uris += [listed.uri for listed in listing]
    assert sorted(uris) == ["0/a.bin", "1/a.bin", "2/a.bin"]
    content = files.open("1/a.bin")
    read = content.read(1000)
    ftp.cut()
    assert read + read_exactly(content, 1 << 40) == body
    content.close()


def test_a_server_that_is_not_there_yet_is_waited_for() -> None:
    pytest.importorskip("pyftpdlib")
    port = free_port()
    started: list[Ftp] = []
    late = threading.Timer(0.5, lambda: started.append(Ftp(port=port)))
    late.start()
    policy = RetryPolicy(seconds=30, first_wait=0.1, longest_wait=0.1)
    try:
        assert list(access(f"ftp://{Ftp.username}:{Ftp.password}@{HOST}:{port}/", policy).files("")) == []
    finally:
        late.join()
        started[0].close()
