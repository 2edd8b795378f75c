"""The parsers read members of archives as they read other files, also through the handles of a storage."""

from __future__ import annotations

import gzip
import io
import json
import logging
import tarfile
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import fastavro
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airbyte_cdk.models.batch import JsonLines
from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.fsspec_access import FsspecAccess
from airbyte_cdk.sources.file_based.access.handle import StorageHandle
from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.storage_access import Content
from airbyte_cdk.sources.file_based.archives import ArchiveError, BrokenArchive, close_idle, matching_members, members
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.parsers import default_parsers
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.handles import open_bytes, open_random
from airbyte_cdk.sources.file_based.storage_file import StorageFile

LOGGER = logging.getLogger("airbyte.test.archives")
ROWS = [{"n": n, "text": f"row {n}"} for n in range(5000)]


class Reader(AbstractFileBasedStreamReader):
    """Opens what a storage holds, members of archives included."""

    def __init__(self, open_stored: Any) -> None:
        super().__init__()
        self._open_stored = open_stored

    @property
    def config(self) -> Any:
        return self._config

    @config.setter
    def config(self, value: Any) -> None:
        self._config = value

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> list[StorageFile]:
        raise NotImplementedError

    def open_file(self, file: Any, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        return file.opened(self._open_stored)


def parquet(rows: int) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist((ROWS * (rows // len(ROWS) + 1))[:rows]), buffer, compression="none")
    return buffer.getvalue()


def avro() -> bytes:
    buffer = io.BytesIO()
    fields = [{"name": "n", "type": "long"}, {"name": "text", "type": "string"}]
    fastavro.writer(buffer, {"type": "record", "name": "r", "fields": fields}, ROWS)
    return buffer.getvalue()


CSV = "n,text\n" + "".join(f"{row['n']},{row['text']}\n" for row in ROWS)
FILES = {
    "in/a.csv": CSV.encode(),
    "in/b.csv.gz": gzip.compress(CSV.encode()),
    "c.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "d.parquet": parquet(len(ROWS)),
    "e.avro": avro(),
}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def rows_of(file: StorageFile, reader: Reader) -> list[dict[str, Any]]:
    filetype = next((part for part in file.uri.split(".") if part in ("jsonl", "parquet", "avro")), "csv")
    config = FileBasedStreamConfig(
        name="s", globs=["**"], format={"filetype": filetype}, validation_policy="Emit Record"
    )
    schema = {"n": {"type": "integer"}, "text": {"type": "string"}}
    read = FileRead(config, file, reader, LOGGER, schema)
    rows: list[dict[str, Any]] = []
    for batch in default_parsers[type(config.format)].batches(read):
        if isinstance(batch, JsonLines):
            rows += [json.loads(b"{" + body + b"}") for body in batch.bodies]
        else:
            rows += batch.to_pylist()
    assert not read.rejects
    return rows


@pytest.mark.parametrize("name", ["x.zip", "stored.zip", "x.tar", "x.tar.gz"])
def test_every_format_from_every_archive(storage: Any, name: str) -> None:
    method = zipfile.ZIP_STORED if name == "stored.zip" else zipfile.ZIP_DEFLATED
    data = zipped(FILES, method) if name.endswith(".zip") else tarred(FILES)
    archive = storage.put(name, gzip.compress(data) if name.endswith(".gz") else data)
    found = storage.members(archive, ["**"])
    assert len(found) == len(FILES)
    for file in found:
        assert rows_of(file, Reader(storage.open)) == ROWS, file.uri


def test_members_that_break_off_raise_in_the_parser(storage: Any) -> None:
    data = bytearray(zipped({"a.csv": CSV.encode(), "d.parquet": FILES["d.parquet"]}, zipfile.ZIP_STORED))
    for name in (b"a.csv", b"d.parquet"):
        data[data.index(name) + 5000] ^= 1
    archive = storage.put("x.zip", bytes(data))
    for file in storage.members(archive):
        with pytest.raises(ArchiveError, match=r"x\.zip#.* is damaged: its content does not fit"):
            rows_of(file, Reader(storage.open))
    for file in storage.members(storage.put("y.zip", bytes(data[:1000])), ["**/*.csv"]):
        with pytest.raises(ArchiveError, match=r"y\.zip is not a zip archive"):
            rows_of(file, Reader(storage.open))


def test_parquet_in_a_plain_tar_is_not_copied(storage: Any) -> None:
    data = parquet(400_000)
    archive = storage.put("x.tar", tarred({"d.parquet": data}))
    [file] = storage.members(archive)
    storage.reads.clear()
    with open_random(file, Reader(storage.open), LOGGER) as handle:
        footer = pq.read_metadata(pa.PythonFile(handle, mode="r"))
    assert footer.num_rows == 400_000
    assert sum(n for _, n in storage.reads) < len(data) // 4


class CountingAccess(FsspecAccess):
    """A storage in memory that counts requests."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.inner = fsspec.filesystem("memory", skip_instance_cache=True)
        self.folder = f"/counting-{id(self)}"
        super().__init__(self.inner, self.folder)
        self.requests: list[tuple[int, int | None]] = []
        for uri, data in files.items():
            self.put(uri, data)

    def put(self, uri: str, data: bytes) -> None:
        self.inner.pipe_file(f"{self.folder}/{uri}", data)

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        self.requests.append((start, None))
        return super().open(uri, start, version)

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        self.requests.extend(ranges)
        parts = []
        for start, end in ranges:
            content = super().open(uri, start, version)
            parts.append(read_exactly(content, end - start))
            content.close()
        return parts

    def archive(self, uri: str) -> StorageFile:
        info = self.info(uri)
        return StorageFile(uri=uri, last_modified=info.modified, size=info.size, version=info.version)

    def opened(self, file: StorageFile) -> Any:
        return StorageHandle(self, file.uri, size=file.size, version=file.version, logger=LOGGER)


NOISE = b"".join((n * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8, "little") for n in range(300_000))


def test_requests_to_the_storage() -> None:
    files = {f"{n}.csv": NOISE[: 400 * 1024] for n in range(10)} | {"large": NOISE * 6}
    access = CountingAccess({"x.zip": zipped(files), "x.tar": tarred(files), "x.tgz": gzip.compress(tarred(files), 1)})
    for uri, to_list in (("x.zip", 2), ("x.tar", 12)):
        access.requests.clear()
        listed = list(members(access.archive(uri), access.opened, LOGGER))
        assert len(access.requests) <= to_list
        for file in listed:
            name = file.uri.partition("#")[2]
            access.requests.clear()
            with open_bytes(file, Reader(access.opened), LOGGER) as content:
                assert content.read() == files[name]
            assert all(end is not None for _, end in access.requests)  # nothing behind the member is loaded
            assert len(access.requests) == 1 if name != "large" else len(access.requests) <= 6
    access.requests.clear()
    for file in list(members(access.archive("x.tgz"), access.opened, LOGGER)):
        with open_bytes(file, Reader(access.opened), LOGGER) as content:
            assert content.read() == files[file.uri.partition("#")[2]]
    assert access.requests == [(0, None)] * 2
    close_idle()


def test_an_archive_of_another_version_is_not_read_by_the_old_index() -> None:
    access = CountingAccess({"x.zip": zipped(FILES), "x.tar": tarred(FILES)})
    for uri, data in (("x.zip", zipped({"z": NOISE})), ("x.tar", tarred({"z": NOISE}))):
        file = next(iter(members(access.archive(uri), access.opened, LOGGER)))
        access.put(uri, data)
        with pytest.raises(FileAccessError), file.opened(access.opened) as handle:
            handle.read(1)


def test_missing_archives_are_errors_of_the_storage() -> None:
    access = CountingAccess({})
    for uri in ("gone.zip", "gone.tar", "gone.tgz"):
        gone = StorageFile(uri=uri, last_modified=datetime(2024, 1, 1), size=100, version="1")
        [broken] = matching_members(gone, ["**"], access.opened, LOGGER)
        with pytest.raises(FileAccessError):
            broken.opened(access.opened)


def test_broken_archives_keep_their_times() -> None:
    access = CountingAccess({"x.tar": b"no"})
    [broken] = matching_members(access.archive("x.tar"), ["**"], access.opened, LOGGER)
    assert isinstance(broken, BrokenArchive)
    assert broken.size == 2
    assert broken.last_modified == access.archive("x.tar").last_modified
