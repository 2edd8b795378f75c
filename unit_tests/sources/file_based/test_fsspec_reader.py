"""The reader over fsspec filesystems, on the local disk and in memory."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem
from airbyte_cdk.sources.file_based.access.storage_access import Content, Failure, Listed, StorageAccess
from airbyte_cdk.sources.file_based.archives import reach
from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.fsspec_reader import FsspecStreamReader, listings_for
from airbyte_cdk.sources.file_based.globs import matches
from airbyte_cdk.sources.file_based.storages import STORAGES, connect, options_model
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.fault_proxy import FaultProxy, Request, status
from servers.s3 import Moto

LOGGER = logging.getLogger("airbyte.test")
FILES = ["a.csv", "dir/b.csv", "dir/deep/c.csv", "dir/d.json", "other/e.csv", "odd name #%+?ü.csv", "dir/.hidden.csv"]


def uris(reader: FsspecStreamReader, *globs: str, prefix: str | None = None) -> list[str]:
    return sorted(file.uri for file in reader.get_matching_files(list(globs), prefix, LOGGER))


@pytest.fixture(params=["local", "memory"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FsspecStreamReader]:
    if request.param == "local":
        disk, root, options = fsspec.filesystem("file"), str(tmp_path), options_model("local")(root=str(tmp_path))
    else:
        disk, root, options = fsspec.filesystem("memory"), "/landing", options_model("url")(url="memory://landing")
    for name in FILES:
        disk.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
        disk.pipe_file(f"{root}/{name}", name.encode())
    yield FsspecStreamReader(*connect(options))
    disk.rm(root, recursive=True)


def test_lists_by_globs(reader: FsspecStreamReader) -> None:
    assert uris(reader, "**/*.csv") == sorted(f for f in FILES if f.endswith(".csv") and "hidden" not in f)
    assert uris(reader, "*.csv") == ["a.csv", "odd name #%+?ü.csv"]
    assert uris(reader, "dir/**") == ["dir/b.csv", "dir/d.json", "dir/deep/c.csv"]
    assert uris(reader, "dir/*.json", "other/*") == ["dir/d.json", "other/e.csv"]
    assert uris(reader, "dir/b.csv") == ["dir/b.csv"]
    assert uris(reader, "gone/*.csv") == []
    assert uris(reader) == []
    assert uris(reader, "**", prefix="dir/de") == ["dir/deep/c.csv"]


@pytest.mark.parametrize(
    ("globs", "within", "expected"),
    [
        (["dir/*.csv", "dir/deep/x*", "other/?.csv"], "", [("dir/", True), ("other/", False)]),
        (["dir/*/x", "other/**"], "", [("dir/", True), ("other/", True)]),
        (["*.csv"], "", [("", False)]),
        (["dir/*.csv", "**/x"], "", [("", True)]),
        (["dir/**"], "dir/de", [("dir/de", True)]),
        (["**/x"], "dir/de", [("dir/de", True)]),
        (["dir/b.csv", "e/*"], "dir/", [("dir/b.csv", False)]),
        (["dir/b.csv"], "other/", []),
        (["data/a.zip#in/*.csv"], "", [("data/a.zip", True)]),
    ],
)
def test_lists_only_below_the_prefixes_that_globs_can_reach(
    globs: list[str], within: str, expected: list[tuple[str, bool]]
) -> None:
    assert listings_for(reach(globs), within) == expected


def test_several_slashes_in_a_key_count_as_one() -> None:
    assert listings_for(["data/*.csv"], "", flat=True) == [("data/", False), ("data//", True)]
    assert listings_for(["data/*.csv", "*.json"], "", flat=True) == [("", True)]
    assert listings_for(["logs/2026-*/x"], "", flat=True) == [("logs//", True), ("logs/2026-", True)]
    assert listings_for(["*.csv", "/*.csv"], "", flat=True) == [("", False), ("/", True)]
    assert listings_for(["wanted/**"], "", flat=True) == [("wanted/", True)]


@pytest.mark.parametrize("server", ["moto", "gcs_server", "azurite"])
def test_a_key_with_several_slashes_is_found_by_a_glob_over_one_folder(
    server: str, request: pytest.FixtureRequest
) -> None:
    storage = request.getfixturevalue(server)
    for uri in ("data/a.csv", "data//b.csv", "data/deep/c.csv", "other//d.csv"):
        storage.put("slashes", uri, b"x")
    provider = storage.provider("slashes")
    reader = FsspecStreamReader(*connect(options_model(provider["storage"])(**provider)))
    assert uris(reader, "data/*.csv") == ["data//b.csv", "data/a.csv"]


@pytest.fixture(scope="module")
def many() -> Iterator[Moto]:
    """A bucket with many pages of objects that no glob wants, and few objects that one does."""
    with Moto(keys_per_page=10) as moto:
        for number in range(200):
            moto.put("many", f"huge/{number:05}.log", b"")
        for number in range(3):
            moto.put("many", f"small/{number}.csv", b"x")
        yield moto


def over(moto: Moto, proxy: FaultProxy) -> FsspecStreamReader:
    provider = moto.provider("many", endpoint=proxy.url)
    return FsspecStreamReader(*connect(options_model("s3")(**provider)))


GLOBS = ["huge/**/*.csv", "small/**"]


def lists(folder: str) -> Callable[[Request], bool]:
    return lambda request: f"prefix={folder}" in request.path.lower()


def test_whoever_wants_a_few_files_does_not_wait_for_all_pages(many: Moto) -> None:
    with FaultProxy(many.port) as proxy:
        found = over(many, proxy).get_matching_files(GLOBS, None, LOGGER)
        assert [file.uri for file in islice(found, 3)] == ["small/0.csv", "small/1.csv", "small/2.csv"]
        found.close()  # type: ignore[attr-defined]  # a generator
        time.sleep(1)
        asked = len(proxy.log)
        assert asked <= 4
        time.sleep(1)
        assert len(proxy.log) == asked


def test_files_come_although_another_prefix_fails_for_now(many: Moto) -> None:
    with FaultProxy(many.port) as proxy:
        proxy.rule(lists("huge"), status(503), forever=True)
        began = time.monotonic()
        found = over(many, proxy).get_matching_files(GLOBS, None, LOGGER)
        assert len(list(islice(found, 3))) == 3
        found.close()  # type: ignore[attr-defined]  # a generator
        assert time.monotonic() - began < 60  # the storage would be asked for two minutes
        time.sleep(1)
        asked = len(proxy.log)
        time.sleep(3)
        assert len(proxy.log) == asked


def test_a_config_error_is_told_although_another_prefix_fails_for_now(many: Moto) -> None:
    with FaultProxy(many.port) as proxy:
        proxy.rule(lists("huge"), status(503), forever=True)
        proxy.rule(lists("small"), status(403), forever=True)
        began = time.monotonic()
        with pytest.raises(AirbyteTracedException, match="denied") as caught:
            list(over(many, proxy).get_matching_files(GLOBS, None, LOGGER))
        assert caught.value.failure_type is FailureType.config_error
        assert time.monotonic() - began < 60


class Flat(StorageAccess):
    """Keys in memory, listed as object stores list them."""

    title = "memory"
    flat = True

    def __init__(self, keys: set[str]) -> None:
        self._keys = keys

    def files(self, prefix: str, *, recursive: bool = True, **_: Any) -> Iterator[Listed]:
        for key in self._keys:
            if key.startswith(prefix) and (recursive or "/" not in key[len(prefix) :]):
                yield self.info(key)

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        raise NotImplementedError

    def info(self, uri: str) -> Listed:
        return Listed(uri, 1, datetime(2024, 1, 1))

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        raise error


KEYS = st.sets(st.text("ab/.", min_size=1, max_size=6), max_size=20)
PATTERNS = st.lists(
    st.one_of(
        st.text("ab/.*?", max_size=6),
        st.lists(st.sampled_from(["a", "b", "*", "**", "a*", "", "[ab]", "[a", r"\a", ".*"]), min_size=1).map("/".join),
    ),
    min_size=1,
    max_size=3,
)


@given(KEYS, PATTERNS, st.text("ab/", max_size=2))
@settings(max_examples=300, deadline=None)
def test_globs_find_all_keys_that_they_match(keys: set[str], globs: list[str], prefix: str) -> None:
    reader = FsspecStreamReader(AccessFileSystem(Flat(keys)), "")
    assert uris(reader, *globs, prefix=prefix) == sorted(
        key for key in keys if matches(key, globs) and key.startswith(prefix)
    )


def test_one_more_glob_finds_no_fewer_keys(moto: Moto) -> None:
    for uri in ("x.csv", "/y.csv", "//z.csv", "b/"):
        moto.put("lead", uri, b"x")
    reader = FsspecStreamReader(*connect(options_model("s3")(**moto.provider("lead"))))
    assert uris(reader, "/*.csv") == ["//z.csv", "/y.csv"]
    assert uris(reader, "*.csv", "/*.csv") == ["//z.csv", "/y.csv", "x.csv"]
    assert uris(reader, "*") == ["x.csv"]
    assert uris(reader, "**") == ["//z.csv", "/y.csv", "b/", "x.csv"]
    assert uris(reader, "b/") == uris(reader, "b/**") == ["b/"]


def test_opens_by_uri(reader: FsspecStreamReader) -> None:
    for file in reader.get_matching_files(["**"], None, LOGGER):
        with reader.open_file(file, FileReadMode.READ_BINARY, None, LOGGER) as handle:
            assert handle.read() == file.uri.encode()
        with reader.open_file(file, FileReadMode.READ, "utf-8", LOGGER) as handle:
            assert handle.read() == file.uri


def test_times_are_naive_utc(reader: FsspecStreamReader) -> None:
    for file in reader.get_matching_files(["**"], None, LOGGER):
        assert file.last_modified.tzinfo is None
        assert abs((datetime.now(UTC).replace(tzinfo=None) - file.last_modified).total_seconds()) < 60


@pytest.mark.parametrize("start", ["2030-01-01", "2030-01-01T00:00:00Z", "2030-01-01T01:00:00.000000+01:00"])
def test_start_date_leaves_older_files_out(tmp_path: Path, start: str) -> None:
    for name, year in (("old.csv", 2029), ("new.csv", 2030)):
        (tmp_path / name).write_text("x")
        stamp = datetime.fromisoformat(f"{year}-01-01T00:00:00+00:00").timestamp()
        os.utime(tmp_path / name, (stamp, stamp))
    reader = FsspecStreamReader(fsspec.filesystem("file"), str(tmp_path))
    reader.config = SimpleNamespace(start_date=start)  # type: ignore[assignment]
    assert uris(reader, "*.csv") == ["new.csv"]


def test_nothing_outside_of_the_root_is_read(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "dir").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.csv").write_text("secret")
    (root / "dir" / "a.csv").write_text("x")
    (root / "link.csv").symlink_to(outside / "secret.csv")
    (root / "folder").symlink_to(outside)
    (root / "inside.csv").symlink_to(root / "dir" / "a.csv")
    (root / "dir" / "loop").symlink_to(root)
    (root / "dangling.csv").symlink_to(root / "gone.csv")
    filesystem, path = connect(options_model("local")(root=str(root)))
    reader = FsspecStreamReader(filesystem, path)
    listed = {file.uri: file for file in reader.get_matching_files(["**"], None, LOGGER)}
    assert {"dir/a.csv", "inside.csv"} <= set(listed)
    assert not {uri for uri in listed if "link" in uri or "secret" in uri or "loop" in uri}
    swapped = listed["dir/a.csv"]
    (root / "dir" / "a.csv").unlink()
    (root / "dir" / "a.csv").symlink_to(outside / "secret.csv")
    with pytest.raises(FileAccessError, match="outside"):
        reader.open_file(swapped, FileReadMode.READ_BINARY, None, LOGGER)


def test_a_folder_that_cannot_be_listed_is_no_shorter_listing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.csv").write_text("x")
    filesystem = fsspec.filesystem("file")

    class Flaky(type(filesystem)):  # type: ignore[misc]
        cachable = False

        def ls(self, path: str, detail: bool = False, **kwargs: Any) -> Any:
            if path.endswith("/a"):
                raise PermissionError("not yours")
            return super().ls(path, detail=detail, **kwargs)

    with pytest.raises(AirbyteTracedException, match="could not be listed") as caught:
        uris(FsspecStreamReader(Flaky(), str(tmp_path)), "**")
    assert caught.value.failure_type is FailureType.config_error


def test_a_wrong_root_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(AirbyteTracedException, match="does not exist") as caught:
        connect(options_model("local")(root=str(tmp_path / "gone")))
    assert caught.value.failure_type.value == "config_error"


def test_an_unknown_protocol_is_a_config_error() -> None:
    with pytest.raises(AirbyteTracedException, match="cannot be opened") as caught:
        connect(options_model("url")(url="nosuch://x"))
    assert caught.value.failure_type.value == "config_error"


def test_each_storage_is_named_by_its_constant() -> None:
    for storage in STORAGES:
        field = options_model(storage).__fields__["storage"]
        assert field.default == storage
