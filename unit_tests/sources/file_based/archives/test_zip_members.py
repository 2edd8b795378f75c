"""Members of zip archives, made by `zipfile` and by Info-ZIP's `zip`."""

from __future__ import annotations

import bz2
import io
import logging
import lzma
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.sources.file_based.archives import ArchiveError, ArchiveMember, BrokenArchive
from airbyte_cdk.sources.file_based.storage_file import StorageFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Bytes that neither repeat nor compress well
NOISE = b"".join(struct.pack("<Q", n * 0x9E3779B97F4A7C15 % (1 << 64)) for n in range(150_000))


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.comment = comment
    return buffer.getvalue()


def reason(storage: Any, archive: StorageFile) -> str:
    """Why the archive cannot be listed."""
    [broken] = storage.members(archive)
    assert isinstance(broken, BrokenArchive)
    assert (broken.uri, broken.last_modified) == (archive.uri, archive.last_modified)
    with pytest.raises(ArchiveError) as caught:
        broken.opened(storage.open)
    assert str(caught.value).startswith(archive.uri)
    return str(caught.value)


def error_of(storage: Any, archive: StorageFile) -> str:
    """Why its only member cannot be read."""
    [member] = storage.members(archive)
    assert isinstance(member, ArchiveMember)
    with pytest.raises(ArchiveError) as caught:
        storage.content(member)
    assert str(caught.value).startswith(member.uri)
    return str(caught.value)


def patched(data: bytes, local: tuple[int, bytes] | None, central: tuple[int, bytes] | None) -> bytes:
    """An archive of one member with other bytes in its local header and in its entry of the directory."""
    changed = bytearray(data)
    for magic, change in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        if change is not None:
            at = data.index(magic) + change[0]
            changed[at : at + len(change[1])] = change[1]
    return bytes(changed)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_members_are_files(storage: Any, method: int) -> None:
    files = {"a.csv": b"a,b\n1,2\n", "in/deep/b.csv": NOISE, "empty.csv": b"", "big.csv": b"0123456789" * 500_000}
    archive = storage.put("dir/x.zip", zipped(files, method))
    assert storage.contents(archive) == files
    member = next(m for m in storage.members(archive) if m.uri == "dir/x.zip#in/deep/b.csv")
    assert (member.size, member.known_size) == (len(NOISE), len(NOISE))
    assert (member.last_modified, member.version) == (archive.last_modified, archive.version)
    storage.at_most = 1000
    assert storage.content(member, 777) == NOISE


@pytest.mark.skipif(shutil.which("zip") is None, reason="Info-ZIP's zip is not installed; zipfile makes the others")
def test_archives_of_info_zip(storage: Any, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "ü x#.csv").write_bytes(b"1\n" * 5000)
    (folder / "back\\slash.csv").write_bytes(b"2\n")
    (folder / "link.csv").symlink_to("back\\slash.csv")
    subprocess.run(["zip", "-qry", "../a.zip", "."], cwd=folder, check=True)
    # from a pipe: sizes and CRCs follow the members ("data descriptors"), in the form of ZIP64
    subprocess.run("cat 'in/ü x#.csv' | zip -q ../piped.zip -", shell=True, cwd=folder, check=True)
    files = {"in/ü x#.csv": b"1\n" * 5000, "back\\slash.csv": b"2\n"}
    assert storage.contents(storage.put("a.zip", (tmp_path / "a.zip").read_bytes())) == files
    assert storage.contents(storage.put("p.zip", (tmp_path / "piped.zip").read_bytes())) == {"-": b"1\n" * 5000}
    subprocess.run(["zip", "-qr", "-P", "secret", "../locked.zip", "in"], cwd=folder, check=True)
    locked = storage.put("locked.zip", (tmp_path / "locked.zip").read_bytes())
    assert "is encrypted" in error_of(storage, locked)
    subprocess.run(["zip", "-qr", "-s", "64k", "../split.zip", "."], cwd=folder, check=True)
    (folder / "noise").write_bytes(NOISE)
    subprocess.run(["zip", "-qr", "-s", "64k", "../parts.zip", "."], cwd=folder, check=True)
    assert "last part" in reason(storage, storage.put("parts.zip", (tmp_path / "parts.zip").read_bytes()))


def test_only_matching_members_are_given(storage: Any) -> None:
    files = {"a.csv": b"1", "in/b.csv": b"2", "in/c.json": b"3", "__MACOSX/in/._b.csv": b"4", ".x.csv": b"5"}
    archive = storage.put("x.zip", zipped(files))
    assert set(storage.contents(archive, ["**/*.csv"])) == {"a.csv", "in/b.csv"}
    assert set(storage.contents(archive, ["x.zip#in/*"])) == {"in/b.csv", "in/c.json"}
    assert set(storage.contents(archive, ["*.zip"])) == {"a.csv", "in/b.csv", "in/c.json"}
    assert storage.contents(archive, ["*.parquet"]) == {}


def test_archives_in_archives_are_told(storage: Any, caplog: pytest.LogCaptureFixture) -> None:
    inner = zipped({"z.csv": b"1"})
    archive = storage.put("x.zip", zipped({"in/inner.zip": inner, "a.csv": b"2"}))
    with caplog.at_level(logging.INFO):
        assert storage.contents(archive, ["**"]) == {"a.csv": b"2"}
    assert "1 members are archives themselves" in caplog.text
    assert storage.contents(archive, ["x.zip#in/*"]) == {"in/inner.zip": inner}


def test_names_are_exact_but_for_what_leads_out_of_the_archive(storage: Any) -> None:
    names = ["ü.csv", "a\\b.csv", "C:\\x.csv", " .csv", "#.csv", "n\nl.csv"]
    changed = {
        "../../etc/passwd": "etc/passwd",
        "/abs.csv": "abs.csv",
        "a//c.csv": "a/c.csv",
        "..\\..\\up.csv": "up.csv",
        "./in/../x.csv": "x.csv",
    }
    archive = storage.put("x.zip", zipped({name: name.encode() for name in [*names, *changed]}))
    found = storage.contents(archive)
    assert found == {name: name.encode() for name in names} | {new: old.encode() for old, new in changed.items()}
    assert set(storage.contents(archive, ["**/*.csv"])) == {name for name in found if name.endswith(".csv")}


def test_utf8_names_that_do_not_say_so(storage: Any) -> None:
    data = zipped({"ü€.csv": b"1"})
    flags = struct.pack("<H", 0)
    archive = storage.put("x.zip", patched(data, (6, flags), (8, flags)))
    assert storage.contents(archive) == {"ü€.csv": b"1"}
    latin = data.replace("ü€".encode(), b"\x81.xyz")
    archive = storage.put("y.zip", patched(latin, (6, flags), (8, flags)))
    assert list(storage.contents(archive)) == ["ü.xyz.csv"]  # code page 437


def test_a_name_that_is_not_in_its_encoding_is_shown_as_its_bytes(storage: Any) -> None:
    data = zipped({"ü€.csv": b"1", "b.csv": b"2"}).replace("ü€".encode(), b"\xe4\\xyz")
    assert storage.contents(storage.put("x.zip", data)) == {"\\xe4\\xyz.csv": b"1", "b.csv": b"2"}
    named = struct.pack("<2HBL", 0x7075, 5 + 5, 1, zlib.crc32(b"a.csv")) + "ü.cs".encode()
    data = zipped({"a.csv": b"1"})
    at = data.index(b"PK\x01\x02")
    data = data[: at + 30] + struct.pack("<H", len(named)) + data[at + 32 : at + 51] + named + data[at + 51 :]
    data = data[:-10] + struct.pack("<L", 51 + len(named)) + data[-6:]
    assert storage.contents(storage.put("y.zip", data)) == {"ü.cs": b"1"}


def test_folders_of_windows(storage: Any) -> None:
    data = zipped({"dir\\": b"", "dir\\a.csv": b"1"})
    assert storage.contents(storage.put("x.zip", data)) == {"dir\\a.csv": b"1"}
    # some programs write the name with one separator into the directory, and with the other before the member
    data = patched(zipped({"dir/a.csv": b"1"}), (33, b"\\"), None)
    assert storage.contents(storage.put("y.zip", data)) == {"dir/a.csv": b"1"}


@pytest.mark.parametrize(
    ("method", "compress"),
    [(12, bz2.compress), (93, zstd.compress), (95, lzma.compress)],
    ids=["bzip2", "zstd", "xz"],
)
def test_members_of_several_streams(storage: Any, method: int, compress: Callable[[bytes], bytes]) -> None:
    content = NOISE * 2
    packed = b"".join(compress(content[at : at + 300_000]) for at in range(0, len(content), 300_000))
    for stored in (packed, packed[:-20], packed[:50] + b"xx" + packed[52:]):
        data = zipped({"a.csv": stored}, zipfile.ZIP_STORED)
        number, size = struct.pack("<H", method), struct.pack("<L", len(content))
        data = patched(patched(data, (8, number), (10, number)), None, (16, struct.pack("<L", zlib.crc32(content))))
        archive = storage.put("x.zip", patched(data, None, (24, size)))
        if stored == packed:
            assert storage.contents(archive) == {"a.csv": content}
        else:
            assert "is damaged" in error_of(storage, archive)


def test_what_is_no_member(storage: Any, caplog: pytest.LogCaptureFixture) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.mkdir("dir")
        made.writestr("dir/a.csv", "1")
        for name, kind in (("link", stat.S_IFLNK), ("pipe", stat.S_IFIFO)):
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (kind | 0o644) << 16
            made.writestr(info, "dir/a.csv" if name == "link" else "")
    assert storage.contents(storage.put("x.zip", buffer.getvalue())) == {"dir/a.csv": b"1"}
    assert "2 entries are links, devices or the like" in caplog.text
    assert "link" in caplog.text


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_last_of_one_name_counts(storage: Any, caplog: pytest.LogCaptureFixture) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for content in ("old", "new"):
            made.writestr("a.csv", content)
    assert storage.contents(storage.put("x.zip", buffer.getvalue())) == {"a.csv": b"new"}
    assert "1 members have the name of a later one" in caplog.text


def test_comment_and_bytes_before_the_archive(storage: Any) -> None:
    data = zipped({"a.csv": b"1"}, comment=b"PK " * 2000)
    assert storage.contents(storage.put("x.zip", data)) == {"a.csv": b"1"}
    assert storage.contents(storage.put("y.zip", b"#!/bin/sh\n" * 100 + data)) == {"a.csv": b"1"}
    assert storage.contents(storage.put("none.zip", zipped({}))) == {}


def test_more_members_than_16_bits_count(storage: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for number in range(70_000):
            made.writestr(f"{number}.csv", b"")
    archive = storage.put("x.zip", buffer.getvalue())
    assert len(storage.members(archive)) == 70_000
    assert len(storage.reads) <= 3


def test_few_requests_and_only_what_is_needed(storage: Any) -> None:
    small = {f"{n:04}.csv": NOISE[:3000] for n in range(200)}
    data = zipped(small | {"large.bin": NOISE * 12}, zipfile.ZIP_STORED)
    archive = storage.put("x.zip", data)
    found = {m.uri: m for m in storage.members(archive)}
    assert len(storage.reads) == 1  # the directory is within the tail
    storage.reads.clear()
    storage.content(found["x.zip#0007.csv"])
    assert len(storage.reads) == 1
    assert sum(n for _, n in storage.reads) < 4000
    storage.reads.clear()
    large = found["x.zip#large.bin"]
    assert large.size is not None
    assert large.size > 14_000_000
    assert storage.content(large) == NOISE * 12
    assert len(storage.reads) <= large.size // (1024 * 1024) + 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>", "is not a zip archive"),
        (zipped({"a.csv": NOISE})[:-30], "is not a zip archive, or its end is missing"),
        (zipped({"a.csv": NOISE})[1000:], "outside of the archive"),
        (zipped({"a.csv": NOISE})[:50] + zipped({"a.csv": NOISE})[60:], "outside of the archive"),
        (patched(zipped({"a.csv": b"1"}), (30, b"b"), None), "is not where the archive's directory says"),
    ],
    ids=["empty", "html", "cut", "beheaded", "gap", "other"],
)
def test_files_that_are_no_archive(storage: Any, data: bytes, expected: str) -> None:
    archive = storage.put("x.zip", data)
    [found] = storage.members(archive)
    with pytest.raises(ArchiveError, match=expected):
        storage.content(found)
    assert [type(file) for file in storage.members(archive, ["**/*.csv"])] == [type(found)]


def test_lying_count_of_entries(storage: Any) -> None:
    data = bytearray(zipped({"a.csv": b"1", "b.csv": b"2"}))
    at = data.index(b"PK\x05\x06")
    data[at + 8 : at + 12] = struct.pack("<HH", 3, 3)
    assert "has 2 entries, and declares 3" in reason(storage, storage.put("x.zip", bytes(data)))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA], ids=str)
@pytest.mark.parametrize("declared", [0, 10, 999_999, 1_000_001, 0x7FFFFFFF])
def test_declared_sizes_that_lie(storage: Any, method: int, declared: int) -> None:
    data = patched(zipped({"a.csv": b"x" * 1_000_000}, method), None, (24, struct.pack("<L", declared)))
    archive = storage.put("x.zip", data)
    [member] = storage.members(archive)
    with member.opened(storage.open) as handle:
        got, error = storage.until_error(handle, 1000)
        assert isinstance(error, ArchiveError)
        assert "is damaged" in str(error)
        assert storage.until_error(handle, 1000) == (b"", error)  # a second try does not look like the end
    assert len(got) <= 1_000_000
    assert len(got) <= declared


def test_wrong_check_sum_is_found_before_the_last_piece(storage: Any) -> None:
    data = patched(zipped({"a.csv": b"x" * 3_000_000}), None, (16, b"\0\0\0\0"))
    [member] = storage.members(storage.put("x.zip", data))
    with member.opened(storage.open) as handle:
        got, error = storage.until_error(handle, 100_000)
    assert isinstance(error, ArchiveError)
    assert "check sum" in str(error)
    assert 0 < len(got) < 3_000_000
    small = patched(zipped({"a.csv": b"x" * 1000}), None, (16, b"\0\0\0\0"))
    [member] = storage.members(storage.put("y.zip", small))
    with member.opened(storage.open) as handle, pytest.raises(ArchiveError, match="check sum"):
        handle.read(1)


def test_compression_that_is_not_known(storage: Any) -> None:
    for method, name in ((9, "method 9 .Deflate64."), (98, "PPMd"), (77, "method 77")):
        number = struct.pack("<H", method)
        data = patched(zipped({"a.csv": NOISE}), (8, number), (10, number))
        [member] = storage.members(storage.put("x.zip", data))
        with pytest.raises(ArchiveError, match=rf"x\.zip#a\.csv is compressed by .*{name}"):
            storage.content(member)


def test_encrypted_members(storage: Any) -> None:
    flag = struct.pack("<H", 1)
    for local, central in (((6, flag), (8, flag)), ((6, flag), None), (None, (8, flag))):
        data = patched(zipped({"a.csv": b"1"}), local, central)
        assert "is encrypted, which is not supported: unpack it" in error_of(storage, storage.put("x.zip", data))


def test_the_storage_s_own_errors_come_through(storage: Any) -> None:
    archive = storage.put("x.zip", zipped({"a.csv": NOISE}, zipfile.ZIP_STORED))
    [member] = storage.members(archive)
    for failure in (ConnectionResetError("reset"), PermissionError("no"), RuntimeError("library"), ValueError("odd")):
        storage.failure = failure
        storage.fails_at = 0
        assert storage.failure_of(archive) is failure
        storage.fails_at = 1_100_000
        with pytest.raises(type(failure)) as caught:
            storage.content(member)
        assert caught.value is failure
        storage.fails_at = None
    gone = StorageFile(uri="gone.zip", last_modified=archive.last_modified)
    assert isinstance(storage.failure_of(gone), FileNotFoundError)


def test_a_storage_that_cannot_seek(storage: Any) -> None:
    storage.seekable = False
    assert "does not tell its size, or cannot seek" in reason(storage, storage.put("x.zip", zipped({"a.csv": b"1"})))


def test_an_archive_that_was_replaced_meanwhile(storage: Any) -> None:
    archive = storage.put("x.zip", zipped({"a.csv": NOISE, "b.csv": b"2"}))
    member = storage.members(archive)[1]
    storage.put("x.zip", zipped({"c.csv": b"3"}))
    with pytest.raises(ArchiveError, match=r"x\.zip#b\.csv is missing"):
        storage.content(member)


def test_closing_in_the_middle_lets_go(storage: Any) -> None:
    [member] = storage.members(storage.put("x.zip", zipped({"a.csv": NOISE})))
    handle = member.opened(storage.open)
    assert handle.read(10) == NOISE[:10]
    assert storage.open_handles == 1
    handle.close()
    handle.close()
    assert storage.open_handles == 0
    with pytest.raises(ValueError, match="closed"):
        handle.read(1)


def test_text_and_readinto(storage: Any) -> None:
    [member] = storage.members(storage.put("x.zip", zipped({"a.csv": "ä\nö\n".encode()})))
    with io.TextIOWrapper(member.opened(storage.open), encoding="utf-8") as text:
        assert list(text) == ["ä\n", "ö\n"]
    with member.opened(storage.open) as handle:
        assert handle.read() == "ä\nö\n".encode()
        assert handle.read(5) == b""
