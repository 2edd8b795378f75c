"""Members of tar archives, made by `tarfile` and by GNU tar."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import lzma
import shutil
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.sources.file_based.archives import ArchiveError, ArchiveMember, BrokenArchive, close_idle
from airbyte_cdk.sources.file_based.archives.tar_streams import IDLE, IDLE_STREAMS
from airbyte_cdk.sources.file_based.storage_file import StorageFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOISE = b"".join(struct.pack("<Q", n * 0x9E3779B97F4A7C15 % (1 << 64)) for n in range(150_000))


def quick_gzip(data: bytes) -> bytes:
    return gzip.compress(data, 1)


def quick_xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": quick_gzip,
    ".TGZ": quick_gzip,
    ".tar.bz2": bz2.compress,
    ".tar.zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
    ".tar.xz": quick_xz,
}


def tarred(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def broken(storage: Any, archive: StorageFile) -> tuple[set[str], str]:
    """The members given, and why there are no others."""
    *members, last = storage.members(archive)
    assert isinstance(last, BrokenArchive)
    assert (last.uri, last.last_modified) == (archive.uri, archive.last_modified)
    with pytest.raises(ArchiveError) as caught:
        last.opened(storage.open)
    assert str(caught.value).startswith(archive.uri)
    return {member.uri for member in members}, str(caught.value)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=str)
@pytest.mark.parametrize("suffix", COMPRESS)
def test_members_are_files(storage: Any, suffix: str, form: int) -> None:
    files = {"a.csv": b"a,b\n1,2\n", "in/deep/b.csv": NOISE, "empty.csv": b"", "big.csv": b"0123456789" * 300_000}
    if form != tarfile.USTAR_FORMAT:
        files[f"{'long/' * 60}ü.csv"] = b"long"
    archive = storage.put(f"dir/x{suffix}", COMPRESS[suffix](tarred(files, form)))
    assert storage.contents(archive) == files
    member = next(m for m in storage.members(archive) if m.uri.endswith("#in/deep/b.csv"))
    assert (member.size, member.known_size) == (len(NOISE), len(NOISE))
    assert (member.last_modified, member.version) == (archive.last_modified, archive.version)
    storage.at_most = 1000
    assert storage.content(member, 777) == NOISE


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar", ".tar.zst"])
def test_first_bytes_tell_the_compression(storage: Any, suffix: str) -> None:
    files = {"a.csv": b"1" * 100_000, "b.csv": b"2" * 100_000}
    for compress in COMPRESS.values():
        assert storage.contents(storage.put(f"x{suffix}", compress(tarred(files)))) == files
        close_idle()
        assert storage.open_handles == 0


def test_storages_that_cannot_seek(storage: Any) -> None:
    storage.seekable = False
    files = {f"{n}.csv": b"%d" % n * 200_000 for n in range(5)}
    for suffix, compress in COMPRESS.items():
        assert storage.contents(storage.put(f"x{suffix}", compress(tarred(files)))) == files


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not installed; tarfile makes the other archives")
def test_archives_of_gnu_tar(storage: Any, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder / "in").mkdir(parents=True)
    files = {"in/ü x#.csv": b"1\n" * 5000, "back\\slash.csv": b"2\n", f"in/{'n' * 200}.csv": NOISE}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "link.csv").symlink_to("back\\slash.csv")
    for number, form in enumerate(("gnu", "posix", "oldgnu")):
        made = subprocess.run(["tar", "-c", f"--format={form}", "."], cwd=folder, check=True, capture_output=True)
        for suffix in (".tar", ".tar.gz"):
            archive = storage.put(f"{number}{suffix}", COMPRESS[suffix](made.stdout))
            assert storage.contents(archive) == files
            assert set(storage.contents(archive, ["**/*.csv"])) == set(files)
            assert set(storage.contents(archive, ["*.csv"])) == {"back\\slash.csv"}
    above = subprocess.run(["tar", "-P", "-c", "../made/in"], cwd=folder, check=True, capture_output=True)
    assert set(storage.contents(storage.put("above.tar", above.stdout), ["**/*.csv"])) == {
        f"made/{name}" for name in files if name.startswith("in/")
    }
    (folder / "sparse.csv").write_bytes(b"start")
    with (folder / "sparse.csv").open("r+b") as hole:
        hole.seek(10_000_000)
        hole.write(b"end")
    for form in ("gnu", "posix"):
        command = ["tar", "-c", "-S", f"--format={form}", "sparse.csv"]
        made = subprocess.run(command, cwd=folder, check=True, capture_output=True)
        [member] = storage.members(storage.put("sparse.tar", made.stdout))
        with pytest.raises(ArchiveError, match="sparse"):
            storage.content(member)


def test_names_are_exact_but_for_what_leads_out_of_the_archive(storage: Any, caplog: pytest.LogCaptureFixture) -> None:
    names = ["ü.csv", "a\\b.csv", " .csv", "#.csv", "n\nl.csv"]
    changed = {"../../etc/passwd": "etc/passwd", "/abs.csv": "abs.csv", "a//b.csv": "a/b.csv", "./x.csv": "x.csv"}
    archive = storage.put("x.tar", tarred({name: name.encode() for name in [*names, *changed]}))
    expected = {name: name.encode() for name in names} | {new: old.encode() for old, new in changed.items()}
    assert storage.contents(archive) == expected
    assert not caplog.text
    twice = storage.put("y.tar", tarred({"../x.csv": b"first", "x.csv": b"second"}))
    assert storage.contents(twice, ["**/*.csv"]) == {"x.csv": b"second"}
    assert "1 members have the name of a later one (parts '.' and '..' do not count)" in caplog.text
    latin = tarred({"aXb.csv": b"1"}, tarfile.USTAR_FORMAT)
    header = tarfile.TarInfo("aXb.csv")
    header.size = 1
    changed = header.tobuf(tarfile.USTAR_FORMAT).replace(b"aXb", b"a\xe4b")
    checksum = 256 + sum(changed[:148]) + sum(changed[156:512])
    changed = changed[:148] + b"%06o\0" % checksum + changed[155:]
    assert list(storage.contents(storage.put("y.tar", changed + latin[512:]))) == ["a\\xe4b.csv"]


def test_what_is_no_member(storage: Any, caplog: pytest.LogCaptureFixture) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, kind in (
            ("dir", tarfile.DIRTYPE),
            ("link", tarfile.SYMTYPE),
            ("hard", tarfile.LNKTYPE),
            ("pipe", tarfile.FIFOTYPE),
            ("device", tarfile.CHRTYPE),
        ):
            header = tarfile.TarInfo(name)
            header.type = kind
            header.linkname = "/etc/passwd"
            made.addfile(header)
        header = tarfile.TarInfo("a.csv")
        header.size = 1
        made.addfile(header, io.BytesIO(b"1"))
    for suffix, compress in COMPRESS.items():
        caplog.clear()
        assert storage.contents(storage.put(f"x{suffix}", compress(buffer.getvalue()))) == {"a.csv": b"1"}
        assert "4 entries are links, devices or the like" in caplog.text


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not installed")
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_hard_links_are_further_names_of_one_content(
    storage: Any, tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.txt").write_bytes(NOISE)
    (tmp_path / "b.csv").hardlink_to(tmp_path / "a.txt")
    (tmp_path / "c.csv").write_bytes(b"c")
    (tmp_path / "d.csv").hardlink_to(tmp_path / "a.txt")
    names = ["./a.txt", "b.csv", "c.csv", "d.csv"]
    made = subprocess.run(["tar", "-c", *names], cwd=tmp_path, check=True, capture_output=True)
    assert len(made.stdout) < 1_250_000
    archive = storage.put(f"x{suffix}", COMPRESS[suffix](made.stdout))
    assert storage.contents(archive) == {"a.txt": NOISE, "b.csv": NOISE, "c.csv": b"c", "d.csv": NOISE}
    assert storage.contents(archive, ["**/*.csv"]) == {"b.csv": NOISE, "c.csv": b"c", "d.csv": NOISE}
    assert not caplog.text
    if suffix == ".tar.gz":
        in_order = sorted(storage.members(archive, ["**/*.csv"]), key=lambda member: member.reading_order)
        assert [member.uri[-5:] for member in in_order] == ["b.csv", "c.csv", "d.csv"]
        storage.opened = 0
        for member in in_order:
            storage.content(member)
        assert storage.opened == 2  # the second name of a content needs another pass


def test_hard_links_to_what_is_not_in_the_archive_are_told(storage: Any, caplog: pytest.LogCaptureFixture) -> None:
    header = tarfile.TarInfo("b.csv")
    header.type, header.linkname = tarfile.LNKTYPE, "gone.csv"
    data = header.tobuf(tarfile.GNU_FORMAT) + tarred({"gone.csv": b"1"})
    assert storage.contents(storage.put("x.tar", data)) == {"gone.csv": b"1"}
    assert "1 entries are links, devices or the like and are left out, the first is b.csv" in caplog.text


def test_the_last_of_one_name_counts(storage: Any, caplog: pytest.LogCaptureFixture) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for content in (b"old", b"new"):
            header = tarfile.TarInfo("a.csv")
            header.size = 3
            made.addfile(header, io.BytesIO(content))
    for suffix, compress in COMPRESS.items():
        assert storage.contents(storage.put(f"x{suffix}", compress(buffer.getvalue()))) == {"a.csv": b"new"}
    assert "1 members have the name of a later one" in caplog.text


def test_archives_in_archives_are_told(storage: Any, caplog: pytest.LogCaptureFixture) -> None:
    inner = tarred({"z.csv": b"1"})
    archive = storage.put("x.tgz", quick_gzip(tarred({"inner.tar": inner, "a.csv": b"2"})))
    with caplog.at_level(logging.INFO):
        assert storage.contents(archive, ["**"]) == {"a.csv": b"2"}
    assert "1 members are archives themselves" in caplog.text
    assert storage.contents(archive, ["x.tgz#*.tar"]) == {"inner.tar": inner}


def test_plain_members_can_seek(storage: Any) -> None:
    archive = storage.put("x.tar", tarred({"small": NOISE[:1000], "large": NOISE}))
    for member, data in zip(storage.members(archive), (NOISE[:1000], NOISE), strict=True):
        with member.opened(storage.open) as handle:
            assert handle.seekable()
            assert handle.seek(0, io.SEEK_END) == len(data)
            assert handle.read(1) == b""
            handle.seek(-7, io.SEEK_END)
            assert handle.read(100) == data[-7:]
            handle.seek(500)
            assert handle.read(5) == data[500:505]
            assert handle.tell() == 505
            assert handle.read(-1) == data[505:]


def test_only_headers_of_a_plain_archive_are_read_to_list_it(storage: Any) -> None:
    large = {f"{n}.csv": NOISE[: 1024 * 1024] for n in range(20)}
    archive = storage.put("x.tar", tarred(large))
    assert len(storage.members(archive)) == 20
    assert len(storage.reads) <= 21
    assert sum(n for _, n in storage.reads) < 22 * 65536
    storage.reads.clear()
    small = {f"{n}.csv": b"1" for n in range(20_000)}
    archive = storage.put("y.tar", tarred(small))
    assert len(storage.members(archive)) == 20_000
    assert len(storage.reads) <= 14  # of 20 MB
    storage.reads.clear()
    member = storage.members(archive)[77]
    storage.reads.clear()
    assert storage.content(member) == b"1"
    assert storage.reads == [(member.entry.place - 512, 513)]


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
def test_members_in_the_order_of_the_archive_share_one_decompression(storage: Any, suffix: str) -> None:
    files = {f"{n:04}.csv": NOISE[n : n + 5000] for n in range(1000)}
    data = COMPRESS[suffix](tarred(files))
    archive = storage.put(f"x{suffix}", data)
    members = storage.members(archive)
    assert (storage.opened, storage.open_handles) == (1, 0)
    for member in members:
        assert storage.content(member) == files[member.uri.partition("#")[2]]
    assert storage.opened == 2
    assert sum(n for _, n in storage.reads) <= 2 * len(data)
    assert (len(IDLE), storage.open_handles) == (0, 0)  # nothing waits behind the last member


def test_members_in_any_order(storage: Any) -> None:
    files = {f"{n}.csv": NOISE[n : n + 5000] for n in range(60)}
    archive = storage.put("x.tgz", quick_gzip(tarred(files)))
    members = storage.members(archive)
    for member in sorted(members, key=lambda member: hash(member.uri)):
        assert storage.content(member) == files[member.uri.partition("#")[2]]
    assert len(IDLE) <= IDLE_STREAMS
    by_order = sorted(members, key=lambda member: member.reading_order)
    assert [member.uri for member in by_order] == [member.uri for member in members]


def test_a_member_left_in_the_middle_does_not_disturb_the_next(storage: Any) -> None:
    files = {f"{n}.csv": NOISE[n : n + 50_000] for n in range(10)}
    members = storage.members(storage.put("x.tgz", quick_gzip(tarred(files))))
    for number, member in enumerate(members[:-1]):
        with member.opened(storage.open) as handle:
            assert handle.read(number) == files[f"{number}.csv"][:number]
    assert storage.opened == 2
    assert storage.content(members[-1]) == files["9.csv"]
    assert storage.opened == 2


def test_idle_streams_are_bounded_and_can_be_closed(storage: Any) -> None:
    for number in range(IDLE_STREAMS + 5):
        members = storage.members(storage.put(f"{number}.tgz", quick_gzip(tarred({"a": b"1", "b": b"2"}))))
        assert storage.content(members[0]) == b"1"
        assert storage.open_handles <= IDLE_STREAMS
    assert storage.open_handles == IDLE_STREAMS
    close_idle()
    assert storage.open_handles == 0


def test_many_threads(storage: Any) -> None:
    files = {f"{n:03}.csv": NOISE[n : n + 20_000] for n in range(200)}
    waiting = storage.members(storage.put("x.tgz", quick_gzip(tarred(files))))[::-1]
    contents = {member.uri: files[member.uri.partition("#")[2]] for member in waiting}
    assert storage.wrong_in_threads(waiting, contents) == []
    assert storage.opened < 100  # the listing, a stream a thread, and some for threads that come late


@pytest.mark.parametrize(
    ("name", "data", "given", "expected"),
    [
        ("x.tar", b"", set(), "is empty"),
        ("x.tgz", b"", set(), "is empty"),
        ("x.tar", b"<html>not found</html>", set(), "is not a tar archive"),
        ("x.tgz", quick_gzip(b"no tar in here" * 100), set(), "is not a tar archive"),
        ("x.tar", tarred({"a": b"1", "b": NOISE})[:10_000], {"x.tar#a"}, "unexpected end of data"),
        ("x.tar", tarred({"a": b"1", "b": b"2"})[:2048], {"x.tar#a"}, "cut off"),
        ("x.tar", tarred({"a": b"1", "b": b"2"})[:1100], set(), "cut off"),
        ("x.tar", tarred({"a": b"1"}) + tarred({"b": b"1"}), {"x.tar#a"}, "behind its end mark"),
        ("x.tgz", quick_gzip(tarred({"a": b"1", "b": NOISE}))[:-1], set(), "breaks off"),
        ("x.tgz", quick_gzip(tarred({"a": b"1"}) + tarred({"b": b"1"})), set(), "behind its end mark"),
        ("x.tar.xz", quick_xz(tarred({"a": b"1", "b": NOISE}))[:90_000], set(), "breaks off"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_damaged_archives(storage: Any, name: str, data: bytes, given: set[str], expected: str) -> None:
    members, reason = broken(storage, storage.put(name, data))
    assert members == given
    assert expected in reason


def test_an_empty_archive_has_no_members(storage: Any) -> None:
    for suffix, compress in COMPRESS.items():
        assert storage.contents(storage.put(f"x{suffix}", compress(tarred({})))) == {}


def test_headers_that_attack(storage: Any) -> None:
    header = tarfile.TarInfo("a")
    header.size = -512
    negative = header.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    assert "negative size" in broken(storage, storage.put("x.tar", negative))[1]
    header.size = 1 << 33
    header.type = tarfile.XHDTYPE
    huge = header.tobuf(tarfile.GNU_FORMAT) + bytes(10240)
    for suffix, compress in COMPRESS.items():
        assert "declares to be 8589934592 bytes" in broken(storage, storage.put(f"x{suffix}", compress(huge)))[1]
    header.type = tarfile.GNUTYPE_LONGNAME
    header.size = 1
    chain = (header.tobuf(tarfile.GNU_FORMAT) + bytes(512)) * 3000
    assert "is not a tar archive, or damaged" in broken(storage, storage.put("y.tar", chain))[1]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz"])
def test_the_storage_s_own_errors_come_through(storage: Any, suffix: str) -> None:
    archive = storage.put(f"x{suffix}", COMPRESS[suffix](tarred({"a.csv": NOISE, "b.csv": NOISE})))
    assert archive.size is not None
    member = storage.members(archive)[1]
    for failure in (ConnectionResetError("reset"), PermissionError("no"), RuntimeError("library"), ValueError("odd")):
        storage.failure = failure
        for place in (0, archive.size - 5000):
            storage.fails_at = place
            assert storage.failure_of(archive) is failure
        storage.fails_at = archive.size - 100_000
        with member.opened(storage.open) as handle:
            assert storage.until_error(handle, 100_000)[1] is failure
            assert storage.until_error(handle, 100_000) == (b"", failure)
        storage.fails_at = None


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_an_archive_that_was_replaced_meanwhile(storage: Any, suffix: str) -> None:
    archive = storage.put(f"x{suffix}", COMPRESS[suffix](tarred({"a.csv": NOISE, "b.csv": NOISE})))
    first, second = storage.members(archive)
    storage.put(f"x{suffix}", COMPRESS[suffix](tarred({"c.csv": NOISE[:50]})))
    for member in (first, second):
        with pytest.raises(ArchiveError, match=r"#[ab]\.csv is "):
            storage.content(member)


def test_an_archive_damaged_after_it_was_listed(storage: Any) -> None:
    data = quick_gzip(tarred({"a.csv": b"1" * 100, "b.csv": NOISE}))
    members = storage.members(storage.put("x.tgz", data))
    storage.put("x.tgz", data[: len(data) // 2])
    assert isinstance(members[1], ArchiveMember)
    assert storage.content(members[0]) == b"1" * 100
    with pytest.raises(ArchiveError, match=r"x\.tgz#b\.csv is lost: x\.tgz cannot be decompressed"):
        storage.content(members[1])
