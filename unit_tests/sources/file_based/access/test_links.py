"""Folders to which links lead: on the local disk and on an SFTP server, each is listed once."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.fsspec_reader import FsspecStreamReader
from airbyte_cdk.sources.file_based.storages import connect, options_model
from servers.disk import Disk
from servers.folders import FolderServer

Find = Callable[..., list[str]]


@pytest.fixture(params=["local", "sftp"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> FolderServer:
    found: FolderServer = Disk(tmp_path) if request.param == "local" else request.getfixturevalue("sftp_server")
    return found


@pytest.fixture
def root(server: FolderServer, tmp_path: Path) -> Iterator[Path]:
    folder = server.folder(f"links-{tmp_path.name}")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def find(server: FolderServer, root: Path) -> Iterator[Find]:
    provider = server.provider(root.name)
    reader = FsspecStreamReader(*connect(options_model(provider["storage"])(**provider)))

    logger = logging.getLogger("airbyte")

    def found(*globs: str) -> list[str]:
        files = list(reader.get_matching_files(list(globs), None, logger))
        for file in files:
            with reader.open_file(file, FileReadMode.READ_BINARY, None, logger) as handle:
                assert handle.read(1) == b"x"
        return sorted(file.uri for file in files)

    yield found
    reader.release()


def put(root: Path, *uris: str) -> None:
    for uri in uris:
        path = root / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def link(root: Path, **targets: str) -> None:
    for name, target in targets.items():
        (root / name.replace("__", "/")).symlink_to(target)


def test_folders_that_link_to_each_other(root: Path, find: Find) -> None:
    put(root, "eu/a.csv", "us/b.csv")
    link(root, eu__peer="../us", us__peer="../eu")
    assert find("**/*.csv") == ["eu/a.csv", "us/b.csv"]
    assert find("eu/**") == ["eu/a.csv", "eu/peer/b.csv"]
    assert find("eu/peer/**") == ["eu/peer/b.csv"]


def test_many_folders_that_link_to_each_other(root: Path, find: Find) -> None:
    names = "abcdefghijkl"  # there are more than a billion ways
    put(root, *(f"{name}/{name}.csv" for name in names), *(f"{name}/README" for name in names))
    for one, other in itertools.permutations(names, 2):
        (root / one / f"to-{other}").symlink_to(f"../{other}")
    assert find("**/*.csv") == [f"{name}/{name}.csv" for name in names]
    assert find("**/*.json") == []
    assert find("a/**/*.csv") == ["a/a.csv", *(f"a/to-{name}/{name}.csv" for name in names[1:])]


def test_a_folder_that_is_wanted_under_the_name_of_a_link(root: Path, find: Find) -> None:
    put(root, "x/v1/a.csv", "x/v2/a.csv", "x/v2/deep/b.csv")
    link(root, x__latest="v2")
    assert find("**/latest/*.csv") == ["x/latest/a.csv"]
    assert find("**/latest/**") == ["x/latest/a.csv", "x/latest/deep/b.csv"]
    assert find("*/latest/*.csv", "*/v1/*.csv") == ["x/latest/a.csv", "x/v1/a.csv"]
    assert find("**") == ["x/v1/a.csv", "x/v2/a.csv", "x/v2/deep/b.csv"]


def test_a_folder_that_globs_do_not_reach_by_its_own_path(root: Path, find: Find) -> None:
    put(root, ".store/v1/a.csv", ".store/v1/sub/b.csv", "real/deep/c.csv", "real/deep/sub/d.csv")
    link(root, current=".store/v1", also=".store/v1", next_="real/deep")
    assert find("**/*.csv") == ["also/a.csv", "also/sub/b.csv", "real/deep/c.csv", "real/deep/sub/d.csv"]
    assert find("current/**") == ["current/a.csv", "current/sub/b.csv"]
    assert find("n*/*.csv") == ["next_/c.csv"]
    assert find("*/*/*.csv") == ["also/sub/b.csv", "next_/sub/d.csv", "real/deep/c.csv"]


def test_links_to_a_folder_and_to_one_above_it(root: Path, find: Find) -> None:
    put(root, ".store/sub/a.csv", ".store/b.csv")
    link(root, a=".store", b=".store/sub")
    assert find("**") == ["a/b.csv", "b/a.csv"]


def test_links_in_what_a_link_leads_to(root: Path, find: Find) -> None:
    put(root, "releases/v2/a.csv", "shared/data/b.csv")
    link(root, current="releases/v2", releases__v2__data="../../shared/data")
    assert find("c*/data/*.csv") == ["current/data/b.csv"]
    assert find("**/current/data/*.csv") == ["current/data/b.csv"]
    assert find("**/*.csv") == ["releases/v2/a.csv", "shared/data/b.csv"]


def test_circles(root: Path, find: Find) -> None:
    put(root, "a/b/c.csv")
    link(root, a__b__up="..", a__b__here=".", a__b__top="../..", self="self", gone="nowhere", a__b__same="../../a/b")
    assert find("**") == find("*/*/*") == ["a/b/c.csv"]
    assert find("a/b/*/**") == find("a/b/up/**") == find("self/**") == find("gone/**") == []


def test_links_to_files(root: Path, find: Find) -> None:
    put(root, "a.csv", ".hidden.csv")
    link(root, b="a.csv", c=".hidden.csv", d="b")
    assert find("**") == ["a.csv", "b", "c", "d"]
