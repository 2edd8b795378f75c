"""A storage access under the interface of fsspec."""

from __future__ import annotations

import os
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airbyte_cdk.sources.file_based.storages import connect, options_model
from servers.fault_proxy import FaultProxy
from servers.process import Server
from servers.s3 import Moto

FILES = ["a/1.csv", "a/b", "a/b/2.csv", "a/c/d/4.csv", "x.csv"]
ODD = [*FILES, "a//3.csv", "a//e/5.csv", "/y.csv", "a/f/"]


def opened(server: Server, name: str, **overrides: Any) -> Any:
    provider = server.provider(name, **overrides)
    return connect(options_model(provider["storage"])(**provider))[0]


@pytest.fixture(params=["moto", "gcs_server", "azurite"])
def odd(request: pytest.FixtureRequest) -> Any:
    server: Server = request.getfixturevalue(request.param)
    for uri in ODD:
        server.put("facade", uri, b"12345")
    return opened(server, "facade")


def entries(filesystem: Any, path: str) -> list[tuple[str, str]]:
    return sorted((entry["name"], entry["type"]) for entry in filesystem.ls(path))


def test_nothing_is_left_out(odd: Any) -> None:
    assert odd.find("") == sorted(ODD)
    assert odd.find("a") == sorted(uri for uri in ODD if uri.startswith("a/"))
    # "**" of fsspec does not stand for no name at all
    assert odd.glob("**/*.csv") == sorted(uri for uri in ODD if uri.endswith(".csv") and uri[0] != "/")
    assert odd.glob("/*.csv") == ["/y.csv"]
    walked = [f"{path}/{name}" if path else name for path, _, names in odd.walk("") for name in names]
    assert sorted(walked) == sorted(ODD)
    assert odd.find("x.csv") == ["x.csv"]
    assert [odd.find("gone"), list(odd.walk("gone")), odd.glob("gone/*")] == [[], [], []]


def test_one_folder(odd: Any) -> None:
    assert entries(odd, "") == [("/y.csv", "file"), ("a", "directory"), ("x.csv", "file")]
    assert entries(odd, "a/") == [
        ("a//3.csv", "file"),
        ("a//e", "directory"),
        ("a/1.csv", "file"),
        ("a/b", "directory"),
        ("a/b", "file"),
        ("a/c", "directory"),
        ("a/f", "directory"),
    ]
    assert entries(odd, "a//e") == [("a//e/5.csv", "file")]
    assert entries(odd, "a/f") == [("a/f/", "file")]
    assert entries(odd, "x.csv") == [("x.csv", "file")]
    assert sorted(odd.ls("a/c", detail=False)) == ["a/c/d"]
    with pytest.raises(FileNotFoundError):
        odd.ls("gone")


def test_times_and_sizes(odd: Any) -> None:
    modified = odd.modified("a//3.csv")
    assert abs((datetime.now(UTC) - modified).total_seconds()) < 3600
    assert odd.sizes(["x.csv", "a/b"]) == [5, 5]
    assert odd.du("a") == 5 * len([uri for uri in ODD if uri.startswith("a/")])
    assert odd.cat("a//3.csv") == b"12345"
    assert (odd.isdir("a/c"), odd.isfile("a/b"), odd.exists("a/gone")) == (True, True, False)
    with pytest.raises(FileNotFoundError):
        odd.modified("a/c")


def test_one_folder_is_one_small_listing(moto: Moto) -> None:
    for uri in ("x.csv", *(f"deep/{number}.csv" for number in range(20))):
        moto.put("facade-small", uri, b"x")
    with FaultProxy(moto.port) as proxy:
        filesystem = opened(moto, "facade-small", endpoint=proxy.url)
        assert entries(filesystem, "") == [("deep", "directory"), ("x.csv", "file")]
        (listing,) = proxy.log
        assert "delimiter=%2F" in listing.path


@pytest.mark.parametrize("name", ["moto", "gcs_server", "azurite", "sftp_server", "nginx"])
def test_as_the_local_filesystem(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Where names are those of a disk, whatever fsspec gives for the disk is what is given here."""
    server: Server = request.getfixturevalue(name)
    for uri in FILES:
        if uri != "a/b":
            server.put("facade-disk", uri, b"12345")
            (tmp_path / uri).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / uri).write_bytes(b"12345")
    ours, local = opened(server, "facade-disk"), fsspec.filesystem("file")
    root = f"{tmp_path}/"

    def same(call: Any) -> None:
        def relative(value: Any) -> Any:
            return sorted({os.path.relpath(path, tmp_path) for path in value} - {"."})  # the root has no name here

        assert sorted(call(ours, "")) == relative(call(local, root))

    for pattern in ("*", "**", "**/*.csv", "a/*", "a/**", "*/*/*", "a/?.csv", "x.csv", "gone/*"):
        same(lambda filesystem, start, pattern=pattern: filesystem.glob(start + pattern))
    for depth in (1, 2, None):
        same(lambda filesystem, start, depth=depth: filesystem.find(f"{start}a", maxdepth=depth))
        same(lambda filesystem, start, depth=depth: filesystem.find(f"{start}a", maxdepth=depth, withdirs=True))
        found = [
            [(os.path.relpath(path or ".", base), sorted(folders), sorted(files)) for path, folders, files in walked]
            for walked, base in ((ours.walk("", depth), "."), (local.walk(root, depth), tmp_path))
        ]
        assert sorted(found[0]) == sorted(found[1])
    assert {entry["type"] for entry in ours.find("a", withdirs=True, detail=True).values()} == {"file", "directory"}
    (bottom, *_), *_, (top, *_) = ours.walk("", topdown=False)
    assert (bottom, top) != ("", bottom)
    assert top == ""


def test_a_bucket_can_be_pickled(moto: Moto) -> None:
    moto.put("facade-pickled", "x.csv", b"12345")
    filesystem = opened(moto, "facade-pickled")
    assert filesystem.find("") == ["x.csv"]
    copy = pickle.loads(pickle.dumps(filesystem))
    assert copy.cat("x.csv") == b"12345"
