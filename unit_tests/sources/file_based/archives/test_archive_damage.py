"""Archives damaged at any place: what is delivered is right, and what is missing is told."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.archives import ArchiveError, close_idle, members
from airbyte_cdk.sources.file_based.storage_file import StorageFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FILES = {
    "a.csv": b"".join(b"%d,%d\n" % (n, n * n) for n in range(300)),
    "in/b.csv": b"x,y\n" * 200,
    f"{'long/' * 30}c.csv": bytes(range(256)) * 4,
    "z.csv": b"last",
}


class Counting(logging.Handler):
    """Counts warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def zip_archive(*methods: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for number, (name, data) in enumerate(FILES.items()):
            made.writestr(name, data, methods[number % len(methods)])
    return buffer.getvalue()


def tar_archive(form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as made:
        for name, data in FILES.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            made.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


TAR = tar_archive(tarfile.PAX_FORMAT)
ARCHIVES = {
    "stored.zip": zip_archive(zipfile.ZIP_STORED),
    "mixed.zip": zip_archive(zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED),
    "x.tar.gz": gzip.compress(TAR),
    "x.tar.bz2": bz2.compress(TAR),
    "x.tar.xz": lzma.compress(TAR),
    "x.tar.zst": zstd.compress(TAR, options={zstd.CompressionParameter.checksum_flag: 1}),
    "gnu.tar": tar_archive(tarfile.GNU_FORMAT),
    "ustar.tar": tar_archive(tarfile.USTAR_FORMAT),
    "pax.tar": TAR,
}


def checked(name: str, data: bytes) -> int:
    """Read all members of an archive; the number that is right. Fails if one is wrong, or missing without a word."""
    told = Counting()
    logger = logging.Logger("damage")
    logger.addHandler(told)
    archive = StorageFile(uri=name, last_modified=datetime(2024, 1, 1), size=len(data))

    def opened(file: StorageFile) -> io.BytesIO:
        return io.BytesIO(data)

    right = set()
    errors = 0
    for file in members(archive, opened, logger):
        try:
            with file.opened(opened) as handle:
                content = b"".join(iter(lambda: handle.read(300), b""))
        except ArchiveError as error:
            errors += str(error).startswith(name)
        else:
            member = file.uri.removeprefix(f"{name}#")
            assert content == FILES.get(member), member
            right.add(member)
    assert right == set(FILES) or errors or told.count
    return len(right)


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    yield
    close_idle()


def in_headers(data: bytes) -> list[int]:
    """Places in the headers of a plain tar archive that have a check sum: contents and long names have none."""
    places: list[int] = []
    at = 0
    while any(block := data[at : at + 512]):
        places.extend(range(at, at + 512))
        at += 512 + -(-int(block[124:135], 8) // 512) * 512
    return places


def test_sound_archives() -> None:
    for name, data in ARCHIVES.items():
        assert checked(name, data) == len(FILES)


@pytest.mark.parametrize("name", ARCHIVES)
def test_cut_at_every_place(name: str) -> None:
    data = ARCHIVES[name]
    for end in range(0, len(data), max(1, len(data) // 100)):
        checked(name, data[:end])


@pytest.mark.parametrize("name", ARCHIVES)
@settings(max_examples=60, deadline=None)
@given(draw=st.data())
def test_changed_bytes(name: str, draw: st.DataObject) -> None:
    data = bytearray(ARCHIVES[name])
    places = in_headers(ARCHIVES[name]) if name.endswith(".tar") else range(len(data))
    at = places[draw.draw(st.integers(0, len(places) - 1))]
    data[at] ^= draw.draw(st.integers(1, 255))
    checked(name, bytes(data))


@pytest.mark.parametrize("name", [name for name in ARCHIVES if name.endswith(".zip")])
@settings(max_examples=100, deadline=None)
@given(draw=st.data())
def test_changed_bytes_of_a_directory(name: str, draw: st.DataObject) -> None:
    data = bytearray(ARCHIVES[name])
    at = draw.draw(st.integers(data.index(b"PK\x01\x02"), len(data) - 1))
    data[at] ^= draw.draw(st.integers(1, 255))
    checked(name, bytes(data))


@pytest.mark.parametrize("name", [name for name in ARCHIVES if not name.endswith(".tar")])
@settings(max_examples=30, deadline=None)
@given(draw=st.data())
def test_missing_and_repeated_parts(name: str, draw: st.DataObject) -> None:
    data = ARCHIVES[name]
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(0, len(data)))
    checked(name, data[:start] + data[end:])
