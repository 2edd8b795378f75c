"""Listings of an SFTP server: what is in them, what is not, and what must not be left out in silence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from airbyte_cdk.sources.file_based.access.names import name_of
from airbyte_cdk.sources.file_based.access.storage_access import Listed, StorageAccess, Trouble
from airbyte_cdk.sources.file_based.storages import sftp_listing
from airbyte_cdk.sources.file_based.storages.sftp import SftpOptions, connect
from servers.paramiko_sftp import ParamikoSftp
from servers.sftp import Sftp

ODD_NAMES = [
    "with space.csv",
    " leading and trailing ",
    "naïve-ü-日本.csv",
    "u\u0308 decomposed.csv",
    "hash#percent%25plus+question?.csv",
    "quotes'\"and[brackets]{x}.csv",
    "back\\slash.csv",
    "new\nline.csv",
    ".hidden",
    "..dots",
    "...",
    "-dash",
    "~",
    "x" * 255,
    "latin-\\xe9\\xff.csv",  # the bytes e9 and ff
    "latin-\\x5cxe9.csv",  # a backslash and the letters xe9
    "\\xe9.csv/\\xff \\x5cx5c.csv",
]


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A folder of the server for this test only."""
    return f"listing-{tmp_path.name}"


@pytest.fixture
def root(sftp_server: Sftp, name: str) -> Iterator[Path]:
    folder = sftp_server.folder(name)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def access(sftp_server: Sftp, name: str, root: Path) -> Iterator[StorageAccess]:
    found: StorageAccess = connect(SftpOptions(**sftp_server.provider(name)))[0].storage_access("")
    yield found
    found.close()


def put(root: Path, *uris: str) -> None:
    for uri in uris:
        path = root / os.fsdecode(name_of(uri))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(uri.encode())


def uris(access: StorageAccess, prefix: str = "") -> list[str]:
    return sorted(file.uri for file in access.files(prefix))


def content(access: StorageAccess, uri: str) -> bytes:
    opened = access.open(uri)
    try:
        return b"".join(iter(lambda: opened.read(1 << 20), b""))
    finally:
        opened.close()


def test_what_is_told_of_a_file(access: StorageAccess, root: Path) -> None:
    put(root, "a/b.csv")
    os.utime(root / "a/b.csv", (1_700_000_000.9, 1_700_000_000.9))
    expected = Listed("a/b.csv", 7, datetime(2023, 11, 14, 22, 13, 20), "1700000000-7")
    assert list(access.files("")) == [expected]
    assert access.info("a/b.csv") == expected


def test_prefixes_are_any_text(access: StorageAccess, root: Path) -> None:
    put(root, "a.csv", "a/b.csv", "a/bc/d.csv", "a/bc/e/f.csv", "ab/c.csv", "b/c.csv", "b/c/d.csv" + "x")
    everything = uris(access)
    assert len(everything) == 7
    for prefix in ["", "a", "a/", "a/b", "a/bc", "a/bc/", "a/bc/d", "a/bc/d.csv", "ab", "b/c", "b/c.csv", "b/c.csv/"]:
        assert uris(access, prefix) == [uri for uri in everything if uri.startswith(prefix)], prefix
    for nothing in ["z", "z/", "a/z/", "a.csv/", "/", "/a", "./", "../", "a//b", "a/../a/", "\udcff/"]:
        assert uris(access, nothing) == [], nothing


def test_not_recursive(access: StorageAccess, root: Path) -> None:
    put(root, "a.csv", "a/b.csv", "a/c/d.csv")
    assert [file.uri for file in access.files("a", recursive=False)] == ["a.csv"]
    assert [file.uri for file in access.files("a/", recursive=False)] == ["a/b.csv"]


def test_only_folders_that_may_be_entered(access: StorageAccess, root: Path, sftp_server: Sftp, name: str) -> None:
    put(root, "yes/deep/a.csv", "no/b.csv")
    sftp_server.forbid(name, "no")
    asked = []

    def enter(folder: str) -> bool:
        asked.append(folder)
        return folder != "no"

    assert [file.uri for file in access.files("", enter=enter)] == ["yes/deep/a.csv"]
    assert sorted(asked) == ["no", "yes", "yes/deep"]


def test_empty_files_and_folders(access: StorageAccess, root: Path) -> None:
    assert uris(access) == []
    (root / "folder").mkdir()
    (root / "empty.csv").touch()
    assert [(file.uri, file.size) for file in access.files("")] == [("empty.csv", 0)]
    assert content(access, "empty.csv") == b""


def test_odd_names(access: StorageAccess, root: Path) -> None:
    expected = []
    for odd in ODD_NAMES:
        put(root, odd + "/" + odd if len(odd) < 200 else odd, "deeper/" + odd)
        expected += [odd + "/" + odd if len(odd) < 200 else odd, "deeper/" + odd]
    assert uris(access) == sorted(expected)
    for uri in expected:
        assert content(access, uri) == uri.encode()
        assert access.info(uri).uri == uri
        assert uris(access, uri) == [uri]


def test_paths_beyond_the_length_of_a_name(access: StorageAccess, root: Path) -> None:
    uri = "/".join(["n" * 200] * 5) + "/" + "m" * 19
    assert len(uri) == 1024
    put(root, uri)
    assert uris(access) == [uri]
    assert content(access, uri) == uri.encode()


def test_big_folders(access: StorageAccess, root: Path) -> None:
    put(root, *(f"{i % 7}/{i:05d}" for i in range(5000)))
    assert uris(access) == sorted(f"{i % 7}/{i:05d}" for i in range(5000))


def test_links(access: StorageAccess, root: Path, sftp_server: Sftp) -> None:
    put(root, "real/file.csv", "real/deep/file.csv")
    sftp_server.put("listing-outside", "secret.csv", b"secret")
    outside = sftp_server.folder("listing-outside")
    for link, target in {
        "file-link.csv": "real/file.csv",
        "absolute.csv": root / "real/file.csv",
        "folder-link": "real",
        "out.csv": outside / "secret.csv",
        "out": outside,
        "up-and-out": "..",
        "dangling": "nowhere",
        "self": "self",
        "real/deep/circle": "..",
        "real/deep/to-root": "../..",
        "real/deep/here": ".",
        "one/other": "../two",
        "two/other": "../one",
    }.items():
        (root / link).parent.mkdir(exist_ok=True)
        (root / link).symlink_to(target)
    put(root, "one/1.csv", "two/2.csv")
    assert uris(access) == [
        "absolute.csv",
        "file-link.csv",
        "one/1.csv",
        "real/deep/file.csv",
        "real/file.csv",
        "two/2.csv",
    ]
    for prefix, expected in {
        "folder-link/": ["folder-link/deep/file.csv", "folder-link/file.csv"],
        "folder-link/de": ["folder-link/deep/file.csv"],
        "one/other/": ["one/other/2.csv"],
        "one/other/other/": [],
        "real/deep/circle/": [],
        "out/": [],
        "up-and-out/": [],
        "fil": ["file-link.csv"],
    }.items():
        assert uris(access, prefix) == expected, prefix
    assert content(access, "folder-link/file.csv") == b"real/file.csv"
    for uri in ["out.csv", "out/secret.csv", "up-and-out/listing-outside/secret.csv", "dangling", "self"]:
        for ask in (access.open, access.info):
            with pytest.raises(OSError) as caught:  # noqa: PT011  `failure` tells
                ask(uri)
            assert access.failure(caught.value, uri).trouble is Trouble.MISSING, uri


def test_the_root_may_be_a_link(sftp_server: Sftp, root: Path) -> None:
    put(root, "real/a.csv")
    (root / "link").symlink_to("real")
    provider = sftp_server.provider(root.name, root=str(root / "link"))
    assert uris(connect(SftpOptions(**provider))[0].storage_access("")) == ["a.csv"]


def test_what_is_neither_file_nor_folder(access: StorageAccess, root: Path) -> None:
    os.mkfifo(root / "pipe")
    put(root, "a.csv")
    assert uris(access) == ["a.csv"]


@pytest.mark.parametrize("uri", ["", ".", "..", "/a.csv", "./a.csv", "b/../a.csv", "a.csv/", "b//c.csv", "b", "n\0"])
def test_what_can_be_no_uri_is_missing(access: StorageAccess, root: Path, uri: str) -> None:
    put(root, "a.csv", "b/c.csv")
    for ask in (access.open, access.info):
        with pytest.raises(OSError) as caught:  # noqa: PT011  `failure` tells
            ask(uri)
        assert access.failure(caught.value, uri).trouble is Trouble.MISSING


def test_a_folder_that_may_not_be_listed(access: StorageAccess, root: Path, sftp_server: Sftp, name: str) -> None:
    put(root, *(f"{i}/a.csv" for i in range(100)), "in/the/middle/b.csv")
    sftp_server.forbid(name, "in/the/middle")
    with pytest.raises(OSError) as caught:  # noqa: PT011  `failure` tells
        list(access.files(""))
    found = access.failure(caught.value)
    assert found.trouble is Trouble.CONFIG
    assert "in/the/middle" in found.reason
    assert "permission denied" in found.reason
    sftp_server.forbid(name, "in/the")
    for prefix in ("in/the/middle/", "in/"):
        with pytest.raises(OSError, match="permission denied"):
            list(access.files(prefix))


def test_a_link_into_a_folder_that_may_not_be_entered(
    access: StorageAccess, root: Path, sftp_server: Sftp, name: str
) -> None:
    put(root, "closed/deep/a.csv")
    (root / "link").symlink_to("closed/deep")
    sftp_server.forbid(name, "closed")
    with pytest.raises(OSError, match="link below the option `root` may not be listed"):
        list(access.files("link"))
    assert [file.uri for file in access.files("", enter=lambda _: False, wanted=lambda _: False)] == []


def test_a_folder_that_may_be_read_but_not_searched(access: StorageAccess, root: Path) -> None:
    put(root, "a.csv", "sub/b.csv")
    (root / "sub").chmod(0o744)  # OpenSSH leaves out whatever it cannot look at
    with pytest.raises(OSError, match="sub below the option `root` may not be listed") as caught:
        uris(access)
    assert access.failure(caught.value).trouble is Trouble.CONFIG
    (root / "sub").chmod(0o755)
    assert uris(access) == ["a.csv", "sub/b.csv"]


def test_empty_folders_of_a_server_that_does_not_list_a_folder_in_itself(tmp_path: Path) -> None:
    (tmp_path / "sub" / "sub").mkdir(parents=True)
    with ParamikoSftp(tmp_path) as server:
        access = connect(SftpOptions(**server.provider()))[0].storage_access("")
        assert uris(access) == []
        access.close()


def test_a_link_out_of_the_root_to_what_may_not_be_seen(
    access: StorageAccess, root: Path, sftp_server: Sftp, name: str
) -> None:
    sftp_server.put(f"{name}-outside", "closed/deep/secret.csv", b"secret")
    outside = sftp_server.folder(f"{name}-outside")
    put(root, "a.csv", "deep/b.csv")
    (root / "out").symlink_to(outside / "closed" / "deep")
    (root / "deep" / "out.csv").symlink_to(outside / "closed" / "deep" / "secret.csv")
    (root / "twice").symlink_to("out")
    sftp_server.forbid(f"{name}-outside", "closed")
    assert uris(access) == ["a.csv", "deep/b.csv"]
    for prefix in ("out/", "twice/", "deep/out"):
        assert uris(access, prefix) == []
    shutil.rmtree(outside)


@pytest.mark.parametrize(
    ("wrong", "why"), [("nowhere", "does not exist"), ("a.csv", "is not a folder"), ("closed/x", "may not be read")]
)
def test_a_wrong_root(sftp_server: Sftp, root: Path, wrong: str, why: str) -> None:
    put(root, "a.csv", "closed/x/b.csv")
    sftp_server.forbid(root.name, "closed")
    access = connect(SftpOptions(**sftp_server.provider(root.name, root=str(root / wrong))))[0].storage_access("")
    for ask in (lambda: list(access.files("")), lambda: list(access.files("b/")), lambda: access.open("b.csv")):
        with pytest.raises(OSError, match=why) as caught:
            ask()
        found = access.failure(caught.value)
        assert found.trouble is Trouble.CONFIG
        assert "`root`" in found.reason


def test_a_root_that_went_away(access: StorageAccess, root: Path) -> None:
    put(root, "a/b.csv")
    assert uris(access) == ["a/b.csv"]
    shutil.rmtree(root)
    for prefix in ("", "a/"):
        with pytest.raises(OSError, match="option `root`") as caught:
            uris(access, prefix)
        assert access.failure(caught.value).trouble is Trouble.CONFIG
    root.mkdir()


def test_what_vanishes_while_it_is_listed(access: StorageAccess, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp_listing, "FOLDERS_AT_ONCE", 1)
    put(root, "one/a.csv", "two/a.csv", "three/a.csv")
    files = access.files("")
    first = next(files).uri
    gone, left = sorted({"one", "two", "three"} - {first.split("/")[0]})
    shutil.rmtree(root / gone)
    assert [file.uri for file in files] == [f"{left}/a.csv"]


def test_a_listing_that_is_not_finished(access: StorageAccess, root: Path) -> None:
    put(root, *(f"{i}/{j}.csv" for i in range(80) for j in range(5)))
    for _ in range(50):  # more than a server allows open folders, were they not closed
        files = access.files("")
        assert next(files).size
        files.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(uris(access)) == 400


def test_a_server_whose_listings_tell_names_only(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "b/c.csv")
    os.utime(tmp_path / "a.csv", (1_700_000_000, 1_700_000_000))
    with ParamikoSftp(tmp_path, bare=True) as server:
        access = connect(SftpOptions(**server.provider()))[0].storage_access("")
        found = sorted(access.files(""))
        access.close()
    assert found[0] == Listed("a.csv", 5, datetime(2023, 11, 14, 22, 13, 20), "1700000000-5")
    assert [file.uri for file in found] == ["a.csv", "b/c.csv"]


def test_links_of_a_server_that_does_not_follow_them_in_paths(tmp_path: Path) -> None:
    put(tmp_path, "in/real/a.csv", "in/real/deep/b.csv", "outside/secret/c.csv")
    for link, target in {
        "in/folder-link": "real",
        "in/file-link": "real/a.csv",
        "in/rooted": "/in/real/deep",
        "in/loop": ".",
        "in/real/deep/up": "../../real",
        "in/out": "../outside",
        "in/out-twice": "out/secret",
        "in/self": "self",
        "in/file-out": "out/secret/c.csv",
        "in/dangling": "nowhere",
    }.items():
        (tmp_path / link).symlink_to(target)
    expected = ["file-link", "real/a.csv", "real/deep/b.csv"]
    with ParamikoSftp(tmp_path) as server:
        access = connect(SftpOptions(**server.provider(root="/in")))[0].storage_access("")
        assert uris(access) == expected  # `rooted` leads nowhere: this server takes / for that of the machine
        assert uris(access, "folder-link/") == ["folder-link/a.csv", "folder-link/deep/b.csv"]
        for prefix in ("loop/", "out/secret/", "out-twice/", "real/deep/up/"):
            assert uris(access, prefix) == [], prefix
        access.close()
