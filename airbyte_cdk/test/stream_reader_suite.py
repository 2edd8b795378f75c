"""A suite of tests that every stream reader should pass, over a real storage.

A connector author subclasses `StreamReaderSuite` and says in one fixture what the reader is and how files get into its
storage; pytest runs the rest::

    @pytest.fixture(scope="module")
    def storage(tmp_path_factory):
        root, bare = tmp_path_factory.mktemp("full"), tmp_path_factory.mktemp("bare")
        disk = fsspec.filesystem("file")

        def put(uri, data, modified=None):
            path = root / uri
            if uri.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            if modified is not None:
                os.utime(path, (modified.replace(tzinfo=UTC).timestamp(),) * 2)

        folders = dict.fromkeys(("url", "double_slash", "trailing_slash", "file_and_folder"), "has real folders")
        return StorageUnderTest(
            reader=FsspecStreamReader(disk, str(root)),
            empty=FsspecStreamReader(disk, str(bare)),
            put=put,
            remove=lambda uri: (root / uri).unlink(),
            sets_times=True,
            gaps={**folders, "forbidden_file": "the tests run as root"},
        )

    class TestMyReader(StreamReaderSuite):
        pass

What a storage or its reader cannot do is declared in `gaps`: the test must then really fail, so that a gap that has
been closed does not stay. In `conftest.py`, ``pytest.register_assert_rewrite("airbyte_cdk.test.stream_reader_suite")``
makes failures show their values.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airbyte_cdk.sources.file_based import globs as glob_rules
from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.parsers.handles import open_bytes, open_random
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.storage_under_test import LOGGER, StorageUnderTest, digest, noise, part, pieces
from airbyte_cdk.test.stream_reader_cases import ARCHIVES, COMPRESSIONS, GLOBS, MEMBERS, PREFIXES, TIMES, TREE, odd_keys

__all__ = ["StorageUnderTest", "StreamReaderSuite"]

BIG = 6 * 1024 * 1024
"""Bytes of the files that are read in pieces."""
CHANGES = {"replaced": BIG, "grown": BIG + 500_000, "shrunk": 4_000_000}
"""Sizes of what replaces a file of `BIG` bytes."""
LONG_AGO = datetime(2001, 1, 1)
"""A time of last change that no file of a test gets by itself."""


def _old_file(storage: StorageUnderTest, folder: str, old: bytes) -> RemoteFile:
    """A file that is going to change; in storages that tell contents apart by whole seconds, not within one."""
    storage.put(f"{folder}/changed.csv", old, *([LONG_AGO] if storage.sets_times else []))
    return storage.file(f"{folder}/changed.csv")


@contextmanager
def _one_content(old: bytes, new: bytes) -> Iterator[list[bytes]]:
    """Holds a reading of a file that changes, whose parts go to the list, to what it may be."""
    found: list[bytes] = []
    told = None
    try:
        yield found
    except Exception as error:
        told = error
    if told is not None:
        assert "changed.csv" in str(told), told
    else:
        assert digest(b"".join(found)) in (digest(old), digest(new))


def case_of(node: Any) -> str:
    """The name of a test's case in `StorageUnderTest.gaps`."""
    call = getattr(node, "callspec", None)
    return str(call.id if call else node.name.removeprefix("test_"))


def cases_of(suite: type) -> set[str]:
    """The names of all cases of a suite."""
    cases: set[str] = set()
    for name in dir(suite):
        marks = [mark for mark in getattr(getattr(suite, name), "pytestmark", ()) if mark.name == "parametrize"]
        if name.startswith("test_"):
            cases.update(*(mark.args[1] for mark in marks) if marks else [{name.removeprefix("test_")}])
    return cases


class StreamReaderSuite:
    """What every stream reader does alike. Each test puts its files into a folder of its own.

    It needs a fixture `storage`, of any scope, that gives a `StorageUnderTest`.
    """

    @pytest.fixture(autouse=True)
    def _declared_gap(self, request: pytest.FixtureRequest, storage: StorageUnderTest) -> None:
        reason = storage.gaps.get(case_of(request.node))
        if reason is not None:
            request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.fixture
    def folder(self, request: pytest.FixtureRequest) -> str:
        """A folder for the files of one test."""
        return re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")

    @pytest.fixture
    def tree(self, storage: StorageUnderTest) -> str:
        """A folder with the files of `TREE`, which the tests only list."""
        if not storage.has_tree:
            for name in TREE:
                storage.put(f"tree/{name}", name.encode())
            storage.has_tree = True
        return "tree"

    def test_gaps_are_of_known_cases(self, storage: StorageUnderTest) -> None:
        """Each name in `gaps` is that of a case, so that none is misspelt."""
        assert set(storage.gaps) - cases_of(type(self)) == set()

    # listing

    @pytest.mark.parametrize("case", GLOBS)
    def test_globs(self, storage: StorageUnderTest, tree: str, case: str) -> None:
        """The files that globs match, and no others, each once."""
        globs, matches = GLOBS[case]
        found = storage.uris(*(f"{tree}/{glob}" for glob in globs))
        assert found == sorted(f"{tree}/{name}" for name in matches)

    @pytest.mark.parametrize("case", PREFIXES)
    def test_prefixes(self, storage: StorageUnderTest, tree: str, case: str) -> None:
        """Only files whose uri begins with the prefix."""
        prefix, matches = PREFIXES[case]
        expected = sorted(f"{tree}/{name}" for name in matches)
        assert storage.uris("**", prefix=f"{tree}/{prefix}") == expected
        assert storage.uris(f"{tree}/**/*", "other/*", prefix=f"{tree}/{prefix}") == expected

    def test_globs_without_a_folder(self, storage: StorageUnderTest, tree: str, folder: str) -> None:
        """Globs that begin with a wildcard."""
        storage.put(f"{folder}.top", b"x")
        assert storage.uris("*.top") == [f"{folder}.top"]
        assert f"{tree}/dir/deep/d.csv" in storage.uris("**/d.csv")
        assert set(storage.uris("*/*.csv", prefix=tree)) == {f"{tree}/a.csv", f"{tree}/dir.csv"}

    def test_no_globs(self, storage: StorageUnderTest, tree: str) -> None:
        """Without a glob there is no file."""
        assert storage.uris() == []

    def test_listing_is_fresh(self, storage: StorageUnderTest, folder: str) -> None:
        """A listing tells what is there now, whatever was listed before."""
        storage.put(f"{folder}/a", b"1")
        assert storage.uris(f"{folder}/*") == [f"{folder}/a"]
        storage.put(f"{folder}/b", b"2")
        assert storage.uris(f"{folder}/*") == [f"{folder}/a", f"{folder}/b"]
        storage.remove(f"{folder}/a")
        assert storage.uris(f"{folder}/*") == [f"{folder}/b"]

    def test_folder_markers(self, storage: StorageUnderTest, folder: str) -> None:
        """Folders, and empty keys that mark them, are not listed as files."""
        storage.put(f"{folder}/marked/", b"")
        storage.put(f"{folder}/marked/in/", b"")
        storage.put(f"{folder}/a", b"1")
        assert storage.uris(f"{folder}/**", f"{folder}/**/") == [f"{folder}/a"]

    def test_several_pages(self, storage: StorageUnderTest, folder: str) -> None:
        """A listing of `StorageUnderTest.many` files is whole."""
        uris = [f"{folder}/{n % 3}/{n:05}.csv" for n in range(storage.many)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda uri: storage.put(uri, b"x"), uris))
        found = storage.uris(f"{folder}/**")
        assert len(found) == len(uris)
        assert found == sorted(uris)
        assert len(storage.uris(f"{folder}/1/*")) == len([uri for uri in uris if "/1/" in uri])

    def test_empty_storage(self, storage: StorageUnderTest) -> None:
        """A storage without any file gives none, and no error."""
        assert storage.empty is not None, "give StorageUnderTest.empty, or declare the gap empty_storage"
        for globs in (["**"], ["*"], ["dir/**/*.csv"]):
            assert list(storage.empty.get_matching_files(globs, None, LOGGER)) == []
            assert list(storage.empty.get_matching_files(globs, "dir/", LOGGER)) == []

    # names

    @pytest.mark.parametrize("case", odd_keys(""))
    def test_odd_keys(self, storage: StorageUnderTest, folder: str, case: str) -> None:
        """Files with names that are easily confused: listed exactly, read, matched by a glob of just this name."""
        from wcmatch import glob

        odd = odd_keys(folder)[case]
        uri = f"{folder}/{odd.name}"
        contents = {u: f"content of {u!a}".encode() for u in (uri, *(f"{folder}/{name}" for name in odd.beside))}
        for each, content in contents.items():
            storage.put(each, content)
        files = {file.uri: file for file in storage.files(f"{folder}/**", *(f"{folder}/{g}" for g in odd.globs))}
        assert set(files) == set(contents)
        assert {each: storage.content(file) for each, file in files.items()} == contents
        exact = glob.escape(uri, unix=True)
        assert storage.uris(exact) == sorted(each for each in contents if glob_rules.matches(each, [exact]))
        assert uri in storage.uris(exact)
        with storage.opened(files[uri]) as handle:
            handle.seek(5)
            assert handle.read(6) == contents[uri][5:11]
        storage.remove(uri)
        assert uri not in storage.uris(f"{folder}/**", *(f"{folder}/{g}" for g in odd.globs))

    # times

    def test_time_of_a_new_file(self, storage: StorageUnderTest, folder: str) -> None:
        """Its time of last change is naive UTC, and near now."""
        before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        storage.put(f"{folder}/a", b"1")
        modified = storage.file(f"{folder}/a").last_modified
        after = datetime.now(UTC).replace(tzinfo=None)
        assert modified.tzinfo is None
        assert before - storage.clock_skew <= modified <= after + storage.clock_skew
        assert storage.file(f"{folder}/a").last_modified == modified

    @pytest.mark.parametrize("case", TIMES)
    def test_times(self, storage: StorageUnderTest, folder: str, case: str) -> None:
        """Times of last change come back as they were set, to the second, whatever local clocks show."""
        assert storage.sets_times, "set StorageUnderTest.sets_times, or declare these gaps"
        storage.put(f"{folder}/a", b"1", modified=TIMES[case])
        assert storage.file(f"{folder}/a").last_modified == TIMES[case]

    def test_time_of_a_replaced_file(self, storage: StorageUnderTest, folder: str) -> None:
        """A file that was replaced is newer than before."""
        assert storage.sets_times, "set StorageUnderTest.sets_times, or declare the gap time_of_a_replaced_file"
        storage.put(f"{folder}/a", b"1", modified=LONG_AGO)
        storage.put(f"{folder}/a", b"2")
        assert storage.file(f"{folder}/a").last_modified > LONG_AGO + timedelta(days=1)

    # reading

    def test_binary(self, storage: StorageUnderTest, folder: str) -> None:
        """Bytes come as they were stored."""
        data = bytes(range(256)) * 40 + b"\r\n\r\n\x00\x1a\r"
        storage.put(f"{folder}/a.bin", data)
        assert storage.content(storage.file(f"{folder}/a.bin")) == data

    @pytest.mark.parametrize("case", ["utf-8", "utf-16", "latin-1"])
    def test_text(self, storage: StorageUnderTest, folder: str, case: str) -> None:
        """Text in several encodings, by pieces and by lines."""
        text = "id,näme\n1,ünï\n2,é\n" * 5000
        storage.put(f"{folder}/a.csv", text.encode(case))
        file = storage.file(f"{folder}/a.csv")
        with storage.reader.open_file(file, FileReadMode.READ, case, LOGGER) as handle:
            assert handle.read(7) == "id,näme"
            assert "id,näme" + handle.read() == text
        with storage.reader.open_file(file, FileReadMode.READ, case, LOGGER) as handle:
            assert sum(1 for _ in handle) == 15000

    def test_empty_file(self, storage: StorageUnderTest, folder: str) -> None:
        """A file without any byte is listed, and read as that."""
        storage.put(f"{folder}/empty.csv", b"")
        file = storage.file(f"{folder}/empty.csv")
        assert storage.content(file) == b""
        assert file.known_size in (0, None)
        with storage.reader.open_file(file, FileReadMode.READ, "utf-8", LOGGER) as handle:
            assert handle.read() == ""

    def test_known_size(self, storage: StorageUnderTest, folder: str) -> None:
        """The listing tells the size in bytes, or None; never another."""
        storage.put(f"{folder}/a", b"x" * 12345)
        assert storage.file(f"{folder}/a").known_size in (12345, None)

    def test_streamed(self, storage: StorageUnderTest, folder: str) -> None:
        """A file of 6 MB in pieces, none larger than asked for."""
        data = noise(BIG, 1)
        storage.put(f"{folder}/big", data)
        with storage.opened(storage.file(f"{folder}/big")) as handle:
            found = [handle.read(1), handle.read(99_999), *pieces(handle, 700_001)]
            assert handle.read(10) == b""
        assert digest(b"".join(found)) == digest(data)
        assert all(len(piece) <= 700_001 for piece in found)

    def test_ranges(self, storage: StorageUnderTest, folder: str) -> None:
        """Handles can seek, from either end and back."""
        data = noise(BIG, 2)
        storage.put(f"{folder}/big", data)
        with storage.opened(storage.file(f"{folder}/big")) as handle:
            assert handle.seekable()
            handle.seek(0, io.SEEK_END)
            assert handle.tell() == len(data)
            assert handle.read(1) == b""
            for start, size in [(BIG - 8, 8), (0, 4), (5_000_000, 100_000), (4_999_000, 2_000), (BIG - 100, 100)]:
                assert digest(part(handle, start, size)) == digest(data[start : start + size]), (start, size)
                assert handle.tell() == start + size

    def test_several_files_open_at_once(self, storage: StorageUnderTest, folder: str) -> None:
        """Files read in turns do not disturb each other."""
        contents = [noise(300_000, seed) for seed in range(4)]
        for n, content in enumerate(contents):
            storage.put(f"{folder}/{n}", content)
        handles = [storage.opened(file) for file in storage.files(f"{folder}/*")]
        found = [b""] * len(handles)
        while any(parts := [handle.read(70_000) for handle in handles]):
            found = [one + part for one, part in zip(found, parts, strict=True)]
        for handle in handles:
            handle.close()
        assert [digest(one) for one in found] == [digest(content) for content in contents]

    def test_closed_in_the_middle(self, storage: StorageUnderTest, folder: str) -> None:
        """A handle may be closed anywhere; nothing is used up by it."""
        data = noise(BIG, 3)
        storage.put(f"{folder}/big", data)
        file = storage.file(f"{folder}/big")
        for _ in range(12):  # more than a pool of connections holds
            with storage.opened(file) as handle:
                assert handle.read(1000)[:10] == data[:10]
        assert digest(storage.content(file)) == digest(data)

    @pytest.mark.parametrize("case", COMPRESSIONS)
    def test_compressed(self, storage: StorageUnderTest, folder: str, case: str) -> None:
        """Compressed files are given as they are stored; the framework undoes it, and seeks in them."""
        text = noise(40_000, 4).hex().encode()
        stored = COMPRESSIONS[case](text)
        storage.put(f"{folder}/a.csv.{case}", stored)
        file = storage.file(f"{folder}/a.csv.{case}")
        assert digest(storage.content(file)) == digest(stored)  # the framework undoes it
        with open_bytes(file, storage.reader, LOGGER) as content:
            assert digest(content.read()) == digest(text)
        with open_random(file, storage.reader, LOGGER) as handle:
            handle.seek(1000)
            assert handle.read(10) == text[1000:1010]

    @pytest.mark.parametrize("case", ARCHIVES)
    def test_members_of_archives(self, storage: StorageUnderTest, folder: str, case: str) -> None:
        """For readers that give the members of an archive as files of their own; a gap of others."""
        archive = f"{folder}/a.{case}"
        storage.put(archive, ARCHIVES[case](MEMBERS))
        expected = {f"{archive}#{name}": digest(content) for name, content in MEMBERS.items()}
        assert {file.uri: digest(storage.content(file)) for file in storage.files(f"{folder}/**")} == expected
        assert storage.uris(f"{folder}/*#dir/*.csv") == [f"{archive}#dir/a b.csv"]

    # what goes wrong

    def test_missing_file(self, storage: StorageUnderTest, folder: str) -> None:
        """A file that never was is an error that names it."""
        for uri in (f"{folder}/gone.csv", f"{folder}/gone/too.csv"):
            with pytest.raises(Exception, match="gone"):
                storage.content(RemoteFile(uri=uri, last_modified=LONG_AGO))

    def test_forbidden_file(self, storage: StorageUnderTest, folder: str) -> None:
        """A file that may not be read is an error that names it."""
        assert storage.forbid is not None, "give StorageUnderTest.forbid, or declare the gap forbidden_file"
        storage.put(f"{folder}/forbidden.csv", b"secret")
        file = storage.file(f"{folder}/forbidden.csv")
        reader = storage.forbid(file.uri)
        with pytest.raises(Exception, match=r"forbidden\.csv"):
            storage.content(file, reader)

    def test_file_that_vanishes(self, storage: StorageUnderTest, folder: str) -> None:
        """Between listing and reading: an error, never an empty file."""
        storage.put(f"{folder}/vanished.csv", noise(1000, 5))
        file = storage.file(f"{folder}/vanished.csv")
        storage.remove(file.uri)
        with pytest.raises(Exception, match=r"vanished\.csv"):
            storage.content(file)

    @pytest.mark.parametrize("case", CHANGES)
    def test_file_that_changes(self, storage: StorageUnderTest, folder: str, case: str) -> None:
        """Between listing and reading: the new content, or an error that names the file."""
        old, new = noise(BIG, 6), noise(CHANGES[case], 7)
        file = _old_file(storage, folder, old)
        storage.put(file.uri, new)
        with _one_content(old, new) as found:
            found.append(storage.content(file))

    @pytest.mark.parametrize("case", [f"{case}_while_read" for case in CHANGES])
    def test_file_that_changes_while_it_is_read(self, storage: StorageUnderTest, folder: str, case: str) -> None:
        """One content or the other, or an error that names the file; never the start of one and the end of another."""
        old, new = noise(BIG, 8), noise(CHANGES[case.removesuffix("_while_read")], 9)
        file = _old_file(storage, folder, old)
        with _one_content(old, new) as found, storage.opened(file) as handle:
            found.append(handle.read(50_000))
            storage.put(file.uri, new)
            found += pieces(handle)

    @pytest.mark.parametrize("case", [f"{case}_between_ranges" for case in CHANGES])
    def test_file_that_changes_between_ranges(self, storage: StorageUnderTest, folder: str, case: str) -> None:
        """As above, read as Parquet is: the end first."""
        old, new = noise(BIG, 10), noise(CHANGES[case.removesuffix("_between_ranges")], 11)
        file = _old_file(storage, folder, old)
        with _one_content(old, new) as found, storage.opened(file) as handle:
            size = handle.seek(0, io.SEEK_END)
            end = part(handle, size - 1000, 1000)
            storage.put(file.uri, new)
            found += [part(handle, 0, 3_000_000), part(handle, 3_000_000, size - 1000 - 3_000_000), end]

    # several threads

    def test_three_threads(self, storage: StorageUnderTest, folder: str) -> None:
        """Threads that share a reader list and read what one alone would."""
        contents = {f"{folder}/{n:02}": noise(20_000 + n * 9_000, n) for n in range(24)}
        for uri, content in contents.items():
            storage.put(uri, content)

        def read_all(_: int) -> dict[str, str]:
            return {file.uri: digest(storage.content(file)) for file in storage.files(f"{folder}/*")}

        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(read_all, range(3), timeout=120))
        assert found == [{uri: digest(content) for uri, content in contents.items()}] * 3
