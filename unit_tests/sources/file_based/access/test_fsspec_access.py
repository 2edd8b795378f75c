"""Storage access over fsspec filesystems: the local disk, memory, and one of requests."""

from __future__ import annotations

import errno
import io
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.exceptions
import fsspec
import paramiko
import pytest
import requests
from fsspec.asyn import AsyncFileSystem
from fsspec.exceptions import FSTimeoutError
from fsspec.implementations.local import LocalFileSystem

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.fsspec_access import ChangedFile, FsspecAccess
from airbyte_cdk.sources.file_based.access.handle import StorageHandle
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.access.storage_access import Trouble
from airbyte_cdk.sources.file_based.storages.rooted import RootedFileSystem
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

FILES = ["a.csv", "dir/b.csv", "dir/deep/c.csv", "dir.csv", "other/e.csv", "odd name #%+?ü.csv", "dir/.hidden"]
QUICK = RetryPolicy(seconds=1, first_wait=0.01, longest_wait=0.02)


class Requests(AsyncFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files in memory behind an interface of requests, with a cache of listings as the cloud filesystems have it."""

    protocol = "requests"
    cachable = False

    def __init__(self, files: dict[str, bytes], *, takes_ranges: bool = True) -> None:
        super().__init__()
        self.files = files
        self.takes_ranges = takes_ranges
        self.asked: list[tuple[int | None, int | None]] = []

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        for folder in (path, self._parent(path)):
            for entry in self.dircache.get(folder, []):
                if entry["name"] == path:
                    return dict(entry)
        if path in self.files:
            return self._entry(path)
        if any(name.startswith(f"{path}/") for name in self.files):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def _entry(self, path: str) -> dict[str, Any]:
        data = self.files[path]
        return {"name": path, "size": len(data), "type": "file", "ETag": str(hash(data)), "LastModified": "2024-01-01"}

    async def _ls(self, path: str, detail: bool = True, refresh: bool = False, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        below = [name for name in self.files if name.startswith(f"{path}/")]
        if not below:
            raise FileNotFoundError(path)
        folders = {name[len(path) + 1 :].split("/")[0] for name in below if "/" in name[len(path) + 1 :]}
        entries = [self._entry(name) for name in below if "/" not in name[len(path) + 1 :]]
        entries += [{"name": f"{path}/{folder}", "size": 0, "type": "directory"} for folder in folders]
        self.dircache[path] = entries
        return entries if detail else [entry["name"] for entry in entries]

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        self.asked.append((start, end))
        if path not in self.files:
            raise FileNotFoundError(path)
        data = self.files[path]
        return data[start:end] if self.takes_ranges else data

    def invalidate_cache(self, path: str | None = None) -> None:
        while path:
            self.dircache.pop(path, None)
            path = self._parent(path)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        from fsspec.spec import AbstractBufferedFile

        class Blocks(AbstractBufferedFile):  # type: ignore[misc]
            def _fetch_range(self, start: int, end: int) -> bytes:
                self.fs.asked.append((start, end))
                data: bytes = self.fs.files[self.path][start:end]
                return data

        return Blocks(self, path, mode, **options)


@pytest.fixture(params=["local", "memory", "requests"])
def access(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FsspecAccess]:
    contents = {name: name.encode() for name in FILES}
    if request.param == "requests":
        yield FsspecAccess(Requests({f"bucket/x/{name}": data for name, data in contents.items()}), "bucket/x")
        return
    filesystem: Any = RootedFileSystem(str(tmp_path)) if request.param == "local" else fsspec.filesystem("memory")
    root = str(tmp_path) if request.param == "local" else "/landing"
    for name, data in contents.items():
        filesystem.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
        filesystem.pipe_file(f"{root}/{name}", data)
    yield FsspecAccess(filesystem, root)
    if request.param == "memory":
        filesystem.rm(root, recursive=True)


def uris(access: FsspecAccess | RetryingAccess, prefix: str = "", **options: Any) -> list[str]:
    return sorted(listed.uri for listed in access.files(prefix, **options))


def test_lists_below_any_prefix(access: FsspecAccess) -> None:
    assert uris(access) == sorted(FILES)
    assert uris(access, "dir") == ["dir.csv", "dir/.hidden", "dir/b.csv", "dir/deep/c.csv"]
    assert uris(access, "dir/") == ["dir/.hidden", "dir/b.csv", "dir/deep/c.csv"]
    assert uris(access, "dir/de") == ["dir/deep/c.csv"]
    assert uris(access, "gone/deep/x") == []
    assert uris(access, "a.csv/x") == []
    assert uris(access, recursive=False) == ["a.csv", "dir.csv", "odd name #%+?ü.csv"]
    assert uris(access, wanted=lambda uri: uri.endswith("c.csv")) == ["dir/deep/c.csv"]


def test_enters_only_folders_that_are_asked_for(access: FsspecAccess) -> None:
    asked: list[str] = []

    def enter(folder: str) -> bool:
        asked.append(folder)
        return folder == "dir"

    assert uris(access, enter=enter) == ["a.csv", "dir.csv", "dir/.hidden", "dir/b.csv", "odd name #%+?ü.csv"]
    assert sorted(asked) == ["dir", "dir/deep", "other"]


def test_listing_and_info_agree(access: FsspecAccess) -> None:
    for listed in access.files(""):
        assert access.info(listed.uri) == listed
        assert listed.size == len(listed.uri.encode())
        assert listed.version
        assert listed.modified.tzinfo is None
        assert listed.modified <= datetime.now(UTC).replace(tzinfo=None)


def test_opens_anywhere(access: FsspecAccess) -> None:
    for uri in FILES:
        data = uri.encode()
        content = access.open(uri, 2, access.info(uri).version)
        assert content.size == len(data)
        assert content.version == access.info(uri).version
        assert content.read(1) + content.read(1000) == data[2:]
        assert content.read(1) == b""
        content.close()
        content.close()
        assert access.ranges(uri, [(3, 5), (0, 2)]) == [data[3:5], data[:2]]


def test_two_readers_of_one_file_do_not_disturb_each_other(access: FsspecAccess) -> None:
    one, other = access.open("dir/b.csv"), access.open("dir/b.csv")
    assert one.read(3) == b"dir"
    assert other.read(100) == b"dir/b.csv"
    assert one.read(100) == b"/b.csv"


def test_another_version_is_refused(access: FsspecAccess) -> None:
    listed = access.info("a.csv")
    if access._reads_ranges:
        access._filesystem.files["bucket/x/a.csv"] = b"other"
    else:
        access._filesystem.pipe_file(f"{access._root}/a.csv", b"other")
    assert access.info("a.csv").version != listed.version
    for call in (lambda: access.open("a.csv", 0, listed.version), lambda: access.ranges("a.csv", [(0, 1)], "older")):
        with pytest.raises(ChangedFile) as caught:
            call()
        assert access.failure(caught.value, "a.csv").trouble is Trouble.CHANGED


def test_a_missing_file(access: FsspecAccess) -> None:
    retrying = RetryingAccess(access, QUICK)
    for call in (retrying.open, retrying.info, lambda uri: retrying.ranges(uri, [(0, 1)]), retrying.open):
        with pytest.raises(FileAccessError, match="file gone: there is no such file") as caught:
            call("gone")
        assert caught.value.failure.trouble is Trouble.MISSING


def test_a_missing_root_is_a_config_error(access: FsspecAccess) -> None:
    gone = RetryingAccess(FsspecAccess(access._filesystem, f"{access._root}/gone"), QUICK)
    for prefix in ("", "dir/"):
        with pytest.raises(AirbyteTracedException, match="folder or bucket does not exist") as caught:
            list(gone.files(prefix))
        assert caught.value.failure_type is FailureType.config_error


def test_a_root_that_is_a_file_is_a_config_error(access: FsspecAccess) -> None:
    file = RetryingAccess(FsspecAccess(access._filesystem, f"{access._root}/dir.csv"), QUICK)
    # a filesystem whose `ls` knows folders only cannot always tell
    told = f"{'does not exist|' if isinstance(access._filesystem, Requests) else ''}it is a file; name the folder"
    for prefix in ("", "dir/"):
        with pytest.raises(AirbyteTracedException, match=told) as caught:
            list(file.files(prefix))
        assert caught.value.failure_type is FailureType.config_error


def test_the_parts_of_a_file_of_requests_are_asked_for_alone() -> None:
    data = bytes(range(256)) * 30_000
    for takes_ranges in (True, False):
        filesystem = Requests({"bucket/f": data}, takes_ranges=takes_ranges)
        access = FsspecAccess(filesystem, "bucket")
        assert access.ranges("f", [(10, 20), (7_000_000, 7_000_100)]) == [data[10:20], data[7_000_000:7_000_100]]
        assert ((10, 20) in filesystem.asked) is True
        with StorageHandle(access, "f") as handle:
            handle.expect_random_access()
            handle.seek(-100, io.SEEK_END)
            assert handle.read() == data[-100:]
            handle.seek(0)
            assert handle.read() == data


def test_only_local_files_have_a_plain_handle(access: FsspecAccess) -> None:
    handle = RetryingAccess(access, QUICK).handle("dir/b.csv")
    if not access._is_local:
        assert handle is None
        return
    assert handle is not None
    with handle:
        assert handle.read() == b"dir/b.csv"
    with pytest.raises(FileAccessError, match=r"local folder .*: file gone: there is no such file"):
        RetryingAccess(access, QUICK).handle("gone")


def test_what_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
    access = RetryingAccess(FsspecAccess(RootedFileSystem(str(tmp_path / "root")), str(tmp_path / "root")), QUICK)
    assert list(access.files("")) == []
    for call in (access.handle, access.open):
        with pytest.raises(FileAccessError, match="leads outside") as caught:
            call("link")
        assert caught.value.failure_type is FailureType.config_error


@pytest.mark.parametrize(
    "prefix", ["link/", "link/deep/", "link/s", "inner/up/", "../outside/", "inner/../../outside/"]
)
def test_nothing_outside_is_listed_or_told(tmp_path: Path, prefix: str) -> None:
    for name in ("root/inner/a.csv", "outside/secret.csv", "outside/deep/secret.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "inner" / "up").symlink_to("../../outside")
    filesystem = RootedFileSystem(str(tmp_path / "root"))
    access = RetryingAccess(FsspecAccess(filesystem, str(tmp_path / "root")), QUICK)
    assert uris(access) == ["inner/a.csv"]
    assert uris(access, prefix) == []
    for call in (access.info, access.open, access.handle):
        with pytest.raises(FileAccessError):
            call(f"{prefix}secret.csv")
    for path in ("link", "../outside", "link/secret.csv", "inner/up/deep"):
        assert not filesystem.exists(f"{tmp_path}/root/{path}")
        with pytest.raises(FileNotFoundError):
            filesystem.ls(f"{tmp_path}/root/{path}")


def test_prefixes_of_several_folders() -> None:
    filesystem = fsspec.filesystem("memory")
    for name in ("a/b/c/d.csv", "a/b/e.csv", "a/f.csv"):
        filesystem.pipe_file(f"/prefixes/{name}", b"x")
    access = FsspecAccess(filesystem, "/prefixes")
    assert uris(access, "a/b/") == ["a/b/c/d.csv", "a/b/e.csv"]
    assert uris(access, "a/b/c/d") == ["a/b/c/d.csv"]
    filesystem.rm("/prefixes", recursive=True)


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder for a process that may not read everything, as this one then is."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    if os.getuid() == 0:
        os.seteuid(0)
    subprocess.run(["chmod", "-R", "u+rwx", folder], check=True)
    shutil.rmtree(folder)


@pytest.mark.parametrize("mode", [0o000, 0o711, 0o744])
def test_a_folder_that_may_not_be_listed_is_named(nobody: Path, mode: int) -> None:
    (nobody / "x" / "sub").mkdir(parents=True)
    (nobody / "x" / "sub" / "a.csv").write_text("x")
    (nobody / "b.csv").write_text("x")
    (nobody / "x" / "sub").chmod(mode)
    access = RetryingAccess(FsspecAccess(RootedFileSystem(str(nobody)), str(nobody)), QUICK)
    if os.getuid() == 0:
        os.seteuid(65534)
    with pytest.raises(AirbyteTracedException) as caught:
        uris(access)
    told = f"local folder {nobody} could not be listed: x/sub: access is refused (Permission denied)"
    assert str(caught.value.message).startswith(told)
    assert caught.value.failure_type is FailureType.config_error
    assert uris(access, enter=lambda folder: folder == "x") == ["b.csv"]


def test_links_to_what_may_not_be_seen(nobody: Path) -> None:
    for name in ("root/closed/deep/a.csv", "outside/closed/b.csv", "root/c.csv"):
        (nobody / name).parent.mkdir(parents=True, exist_ok=True)
        (nobody / name).write_text("x")
    (nobody / "root" / "link").symlink_to("closed/deep")
    (nobody / "root" / "out").symlink_to("../outside/closed")
    (nobody / "root" / "closed").chmod(0)
    (nobody / "outside").chmod(0)
    root = str(nobody / "root")
    access = RetryingAccess(FsspecAccess(RootedFileSystem(root), root), QUICK)
    if os.getuid() == 0:
        os.seteuid(65534)
    # what lies in the root is missed, what does not is left out as ever
    assert uris(access, enter=lambda folder: folder == "out", wanted=lambda uri: uri != "link") == ["c.csv"]
    with pytest.raises(AirbyteTracedException, match="could not be listed: link: access is refused"):
        uris(access, "l")


class Changing(LocalFileSystem):  # type: ignore[misc]
    """Lets something happen before folders are listed."""

    cachable = False

    def __init__(self, before: Any) -> None:
        super().__init__()
        self.before = before

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        self.before(path)
        return super().ls(path, detail=detail, **options)


@pytest.mark.parametrize("gone", ["a/b", "a"])
def test_a_folder_that_is_deleted_while_it_is_listed(tmp_path: Path, gone: str) -> None:
    for name in ("a/b/x.csv", "a/y.csv", "z/z.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    def before(path: str) -> None:
        if path.endswith("a/b") and (tmp_path / gone).exists():
            (tmp_path / gone).rename(tmp_path / "z" / "moved")

    access = RetryingAccess(FsspecAccess(Changing(before), str(tmp_path)), QUICK)
    found = uris(access)
    assert {"a/y.csv", "z/z.csv"} <= set(found)
    assert "a/b/x.csv" not in found


@pytest.mark.parametrize("error", [FileNotFoundError("a/b"), PermissionError(errno.EACCES, "Permission denied")])
def test_a_folder_that_cannot_be_listed_is_no_shorter_listing(tmp_path: Path, error: OSError) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "x.csv").write_text("x")

    def before(path: str) -> None:
        if path.endswith("a/b"):
            raise error

    with pytest.raises(AirbyteTracedException, match="could not be listed"):
        uris(RetryingAccess(FsspecAccess(Changing(before), str(tmp_path)), QUICK))


def test_a_folder_whose_listing_fails_now_and_then_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.csv").write_text("x")
    asked: list[str] = []

    def before(path: str) -> None:
        asked.append(path)
        if len(asked) in (3, 4):
            raise OSError(errno.EIO, "flaky disk")

    assert uris(RetryingAccess(FsspecAccess(Changing(before), str(tmp_path)), QUICK)) == ["a/b/x.csv"]
    assert len(asked) == 5


def client_error(status: int, code: str) -> Exception:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.exceptions.ClientError(response, "GetObject")


def http_error(status: int, headers: dict[str, str] | None = None) -> Exception:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers or {})
    return requests.HTTPError(f"https://host/?sig=SECRET {status}", response=response)


class ClientPayloadError(Exception):
    __module__ = "aiohttp.client_exceptions"


class ClientResponseError(Exception):
    __module__ = "aiohttp.client_exceptions"
    status = 503


class ServiceRequestError(Exception):
    __module__ = "azure.core.exceptions"


class HttpError(Exception):
    __module__ = "gcsfs.retry"
    code = 429


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (FileNotFoundError(2, "no"), Trouble.MISSING),
        (IsADirectoryError("x"), Trouble.MISSING),
        (PermissionError(13, "Permission denied"), Trouble.CONFIG),
        (OSError(errno.EBUSY, "Please reduce your request rate"), Trouble.TEMPORARY),
        (OSError(errno.EIO, "?"), Trouble.TEMPORARY),
        (OSError("Socket is closed"), Trouble.TEMPORARY),
        (OSError(errno.ENAMETOOLONG, "File name too long"), Trouble.OTHER),
        (ConnectionResetError(104, "reset"), Trouble.TEMPORARY),
        (socket.gaierror(-2, "Name or service not known"), Trouble.TEMPORARY),
        (TimeoutError(), Trouble.TEMPORARY),
        (FSTimeoutError(), Trouble.TEMPORARY),
        (EOFError(), Trouble.TEMPORARY),
        (ssl.SSLCertVerificationError("self-signed"), Trouble.CONFIG),
        (requests.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed")), Trouble.CONFIG),
        (requests.exceptions.SSLError("EOF occurred"), Trouble.TEMPORARY),
        (requests.exceptions.ChunkedEncodingError(), Trouble.TEMPORARY),
        (http_error(503), Trouble.TEMPORARY),
        (http_error(403), Trouble.CONFIG),
        (http_error(404), Trouble.MISSING),
        (http_error(412), Trouble.CHANGED),
        (http_error(400), Trouble.OTHER),
        (client_error(503, "SlowDown"), Trouble.TEMPORARY),
        (client_error(400, "ExpiredToken"), Trouble.TEMPORARY),
        (client_error(403, "InvalidAccessKeyId"), Trouble.CONFIG),
        (client_error(404, "NoSuchKey"), Trouble.MISSING),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="https://host"), Trouble.TEMPORARY),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="https://host"), Trouble.TEMPORARY),
        (botocore.exceptions.NoCredentialsError(), Trouble.CONFIG),
        (paramiko.SSHException("Server connection dropped"), Trouble.TEMPORARY),
        (paramiko.AuthenticationException("Authentication failed"), Trouble.CONFIG),
        (ClientPayloadError(), Trouble.TEMPORARY),
        (ClientResponseError(), Trouble.TEMPORARY),
        (ServiceRequestError(), Trouble.TEMPORARY),
        (HttpError(), Trouble.TEMPORARY),
        (ZeroDivisionError("1/0"), Trouble.OTHER),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value.value,
)
def test_failures_of_all_families_are_understood(error: Exception, trouble: Trouble) -> None:
    failure = FsspecAccess(fsspec.filesystem("memory"), "/").failure(error, "a.csv")
    assert failure.trouble is trouble
    assert failure.reason
    assert "SECRET" not in failure.reason


def test_the_wait_that_a_server_asks_for_is_known() -> None:
    access = FsspecAccess(fsspec.filesystem("memory"), "/")
    assert access.failure(http_error(429, {"Retry-After": "7"}), "a").retry_after == 7
    assert access.failure(http_error(429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), "a").retry_after == 0
    assert access.failure(http_error(429, {"Retry-After": "soon"}), "a").retry_after is None


def test_a_filesystem_that_threads_cannot_share_is_used_by_one_at_a_time() -> None:
    class Sftp(fsspec.get_filesystem_class("memory")):  # type: ignore[misc]
        protocol = "sftp"
        cachable = False
        inside = 0
        most = 0

        def info(self, path: str, **options: Any) -> Any:
            cls = type(self)
            cls.inside += 1
            cls.most = max(cls.most, cls.inside)
            threading.Event().wait(0.01)
            cls.inside -= 1
            return super().info(path, **options)

    filesystem = Sftp()
    filesystem.pipe_file("/r/a", b"x")
    access = FsspecAccess(filesystem, "/r")
    threads = [threading.Thread(target=access.info, args=("a",)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Sftp.most == 1


def test_the_root_may_be_the_root_of_the_filesystem() -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file("/top-test/a.csv", b"x")
    try:
        for root in ("", "/"):
            access = FsspecAccess(filesystem, root)
            assert uris(access, "top-test/") == ["top-test/a.csv"]
            assert access.open("top-test/a.csv").read(9) == b"x"
    finally:
        filesystem.rm("/top-test", recursive=True)
