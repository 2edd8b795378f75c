"""What every parser does alike; a new format adds its row to `FORMATS`."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import json
import logging
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workbook_writer import xlsx

from airbyte_cdk.models.batch import Batch
from airbyte_cdk.models.wire import encode, rows
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.parsers import default_parsers
from airbyte_cdk.sources.file_based.parsers.base import FileRead, FileTypeParser
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.one_file_reader import OneFileReader

ROWS = [{"id": n, "text": f'line {n} "ä\u2028" \\', "reserved": n} for n in range(2000)]
LOGGER = logging.getLogger("airbyte.test")


def as_csv(records: list[dict[str, Any]]) -> bytes:
    lines = ["id,text,reserved"]
    lines += [f'{r["id"]},"{r["text"].replace(chr(34), chr(34) * 2)}",{r["reserved"]}' for r in records]
    return "\n".join(lines).encode()


def as_avro(records: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    fields = [{"name": "id", "type": "long"}, {"name": "text", "type": "string"}, {"name": "reserved", "type": "long"}]
    fastavro.writer(out, {"type": "record", "name": "r", "fields": fields}, records)
    return out.getvalue()


def as_parquet(records: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), out, row_group_size=500)
    return out.getvalue()


def as_excel(records: list[dict[str, Any]]) -> bytes:
    return xlsx([["id", "text", "reserved"], *(list(record.values()) for record in records)])


@dataclass
class Format:
    """How a format is written, and what it makes of the schema."""

    write: Callable[[list[dict[str, Any]]], bytes]
    id_type: Any


FORMATS = {
    "avro": Format(as_avro, "integer"),
    "csv": Format(as_csv, "string"),
    "excel": Format(as_excel, "number"),
    "jsonl": Format(lambda records: "\n".join(json.dumps(r) for r in records).encode(), "integer"),
    "parquet": Format(as_parquet, "integer"),
}


def zstd(content: bytes) -> bytes:
    compressed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return compressed


class Trickle:
    """A minimal handle: `read(n)` gives less than asked; nothing else that is not needed."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._content.read(min(size, 7919))

    def close(self) -> None:
        self._content.close()

    def __enter__(self) -> Trickle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reading(filetype: str, reader: OneFileReader, **options: Any) -> tuple[FileTypeParser, FileRead]:
    config = FileBasedStreamConfig(name="s", format={"filetype": filetype})
    parser = default_parsers[type(config.format)]
    file = RemoteFile(uri=f"dir/a.{filetype}", last_modified=datetime(2024, 1, 1))
    return parser, FileRead(config, file, reader, LOGGER, **options)


def expected(filetype: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if FORMATS[filetype].id_type == "string":
        return [{k: str(v) for k, v in r.items()} for r in records]
    return records


def read_all(filetype: str, reader: OneFileReader, **options: Any) -> tuple[list[dict[str, Any]], FileRead]:
    parser, read = reading(filetype, reader, **options)
    return [row for table in parser.batches(read) for row in rows(Batch(table))], read


@pytest.mark.parametrize("filetype", FORMATS)
class TestParser:
    def test_gives_every_row_in_order(self, filetype: str) -> None:
        reader = OneFileReader(FORMATS[filetype].write(ROWS))
        found, read = read_all(filetype, reader)
        assert found == expected(filetype, ROWS)
        assert not read.rejects
        assert all(handle.closed for handle in reader.opened)

    def test_cuts_batches_by_bytes(self, filetype: str) -> None:
        parser, read = reading(filetype, OneFileReader(FORMATS[filetype].write(ROWS * 40)), batch_bytes=1_000_000)
        sizes = [encode("s", None, Batch(table), 0).nbytes for table in parser.batches(read)]
        assert len(sizes) >= 5
        assert max(sizes) < 2_500_000

    def test_gives_records_too(self, filetype: str) -> None:
        parser, read = reading(filetype, OneFileReader(FORMATS[filetype].write(ROWS)))
        records = parser.parse_records(read.config, read.file, read.stream_reader, LOGGER, None)
        assert list(records) == expected(filetype, ROWS)

    def test_leaves_the_metadata_columns_to_the_stream(self, filetype: str) -> None:
        found, _ = read_all(filetype, OneFileReader(FORMATS[filetype].write(ROWS)), reserved=frozenset({"reserved"}))
        assert found == [{k: v for k, v in r.items() if k != "reserved"} for r in expected(filetype, ROWS)]

    def test_takes_an_empty_file(self, filetype: str) -> None:
        found, read = read_all(filetype, OneFileReader(b""))
        assert found == []
        assert not read.rejects

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd])
    def test_undoes_compression(self, filetype: str, compress: Callable[[bytes], bytes]) -> None:
        found, _ = read_all(filetype, OneFileReader(compress(FORMATS[filetype].write(ROWS))))
        assert found == expected(filetype, ROWS)

    def test_takes_a_minimal_handle(self, filetype: str) -> None:
        found, _ = read_all(filetype, OneFileReader(FORMATS[filetype].write(ROWS), Trickle))
        assert found == expected(filetype, ROWS)

    def test_rejects_what_a_truncated_file_lacks(self, filetype: str) -> None:
        content = gzip.compress(FORMATS[filetype].write(ROWS))
        found, read = read_all(filetype, OneFileReader(content[: len(content) - 20]))
        assert read.rejects
        assert found == expected(filetype, ROWS)[: len(found)]
        assert "byte" in read.rejects.summary() or "file" in read.rejects.summary()

    def test_passes_on_a_failing_storage(self, filetype: str) -> None:
        def broken(content: bytes) -> Any:
            raise ConnectionResetError("the storage went away")

        with pytest.raises(ConnectionResetError):
            read_all(filetype, OneFileReader(b"x", broken))

    def test_a_listing_that_gives_no_handle_is_told(self, filetype: str) -> None:
        with pytest.raises(Exception, match=r"dir/a\."):
            read_all(filetype, OneFileReader(b"x", lambda content: None))

    def test_infers_its_columns(self, filetype: str) -> None:
        parser, read = reading(filetype, OneFileReader(FORMATS[filetype].write(ROWS)))
        schema = asyncio.run(parser.infer_schema(read.config, read.file, read.stream_reader, LOGGER))
        assert list(schema) == ["id", "text", "reserved"]
        assert schema["id"]["type"] == FORMATS[filetype].id_type
        assert schema["text"]["type"] == "string"

    def test_infers_nothing_from_an_empty_file(self, filetype: str) -> None:
        parser, read = reading(filetype, OneFileReader(b""))
        assert asyncio.run(parser.infer_schema(read.config, read.file, read.stream_reader, LOGGER)) == {}


# a document gives one record with its text; its tests: unit_tests/sources/file_based/parsers/test_unstructured.py
WITHOUT_ROWS = {"unstructured"}


def test_every_registered_format_is_here() -> None:
    assert {model.__fields__["filetype"].default for model in default_parsers} == set(FORMATS) | WITHOUT_ROWS
