"""Small members, which are read through handles that stay open from one to the next."""

from __future__ import annotations

import io
import logging
import random
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.cli.source_files.source import SourceFiles
from airbyte_cdk.sources.file_based.archives import close_idle
from airbyte_cdk.sources.file_based.archives.shared import KEPT_ARCHIVES, SHARED, SMALL_BYTES
from airbyte_cdk.sources.file_based.archives.tar_streams import IDLE

NOISE = random.Random(1).randbytes(SMALL_BYTES + 1000)


def zipped(files: dict[str, bytes], extra: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.extra = extra
            archive.writestr(info, data)
    return buffer.getvalue()


def test_small_members_share_a_handle_and_large_ones_have_their_own(storage: Any) -> None:
    files = {f"{number}.csv": NOISE[number : number + 3000] for number in range(50)}
    assert storage.contents(storage.put("x.zip", zipped(files))) == files
    assert (storage.opened, storage.open_handles) == (2, 1)  # one to list them
    large = {f"{number}.csv": NOISE for number in range(3)}
    assert storage.contents(storage.put("y.zip", zipped(large))) == large
    assert (storage.opened, storage.open_handles) == (6, 1)
    close_idle()
    assert storage.open_handles == 0


def test_an_archive_that_is_listed_again_is_opened_again(storage: Any) -> None:
    for content in (b"one", b"two and more"):
        archive = storage.put("x.zip", zipped({"a.csv": content}))
        assert storage.contents(archive) == {"a.csv": content}
    assert storage.opened == 4


def test_open_archives_are_bounded(storage: Any) -> None:
    for number in range(KEPT_ARCHIVES + 5):
        assert storage.contents(storage.put(f"{number}.zip", zipped({"a": NOISE[:9], "b": b"2"})))
        assert storage.open_handles <= KEPT_ARCHIVES
    assert storage.open_handles == KEPT_ARCHIVES


def test_a_handle_that_fails_is_not_used_again(storage: Any) -> None:
    members = storage.members(storage.put("x.zip", zipped({"a": b"1", "b": b"2"})))
    storage.fails_at = 0
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            storage.content(members[0])
        assert storage.open_handles == 0
    storage.fails_at = None
    assert [storage.content(member) for member in members] == [b"1", b"2"]
    assert storage.open_handles == 1


def test_a_long_extra_field_before_the_content(storage: Any) -> None:
    extra = struct.pack("<2H", 0xCAFE, 1000) + bytes(1000)
    files = {"a.csv": NOISE[:1000], "b.csv": b""}
    assert storage.contents(storage.put("x.zip", zipped(files, extra))) == files


def test_many_threads_and_archives(storage: Any) -> None:
    contents = {}
    waiting = []
    for number in range(3 * KEPT_ARCHIVES):
        files = {f"{n}.csv": NOISE[n * number : n * number + 500] for n in range(40)}
        for member in storage.members(storage.put(f"{number}.zip", zipped(files))):
            contents[member.uri] = files[member.uri.partition("#")[2]]
            waiting.append(member)
    random.Random(2).shuffle(waiting)
    assert storage.wrong_in_threads(waiting, contents) == []
    assert storage.open_handles == KEPT_ARCHIVES


def test_nothing_stays_open_after_a_command(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({f"{n}.csv": b"a\n1\n" for n in range(30)}))
    with tarfile.open(tmp_path / "b.tgz", "w:gz") as archive:
        for n in range(30):
            member = tarfile.TarInfo(f"{n}.csv")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"a\n1\n"))
    settings = {
        "provider": {"storage": "local", "root": str(tmp_path)},
        "streams": [{"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}],
    }
    source = SourceFiles(None)
    for command in (source.check, source.discover):
        command(logging.getLogger("airbyte.test"), settings)
        assert (len(SHARED._kept), len(IDLE)) == (0, 0)
