"""Parquet files over a real HTTP storage: what is asked of it, and that the rows are those of a local file."""

from __future__ import annotations

import gzip
import io
import logging
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airbyte_cdk.sources.file_based.access.handle import StorageHandle
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.config.parquet_format import ParquetFormat
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.parquet import ParquetParser
from airbyte_cdk.sources.file_based.parsers.parquet_chunks import PART_BYTES, ROUND_BYTES, in_reading_order
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.one_file_reader import OneFileReader
from servers.fault_proxy import FaultProxy, reset_body, status
from servers.web_storage import WebAccess, WebServer, etag

LOGGER = logging.getLogger("airbyte.test.parquet_chunks")
ROWS, GROUPS, COLUMNS = 100_000, 10, 20


def content_of(columns: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def numbers() -> dict[str, Any]:
    # any 8 bytes are a number
    return {
        f"c{i}": pa.Array.from_buffers(pa.int64(), ROWS, [None, pa.py_buffer(random.Random(i).randbytes(8 * ROWS))])
        for i in range(COLUMNS)
    }


WIDE = content_of(numbers(), row_group_size=ROWS // GROUPS)


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def web(server: WebServer) -> WebServer:
    server.files = {"f.parquet": WIDE}
    server.asked.clear()
    server.sent = 0
    return server


def rows(content: bytes, handle: Any) -> pa.Table:
    read = FileRead(
        FileBasedStreamConfig(name="s", format=ParquetFormat()),
        RemoteFile(uri="f.parquet", last_modified=datetime(2024, 1, 1)),
        OneFileReader(content, handle),
        LOGGER,
    )
    batches = list(ParquetParser().batches(read))
    assert not read.rejects
    return pa.Table.from_batches(batches)  # type: ignore[arg-type]


def remote(port: int, content: bytes = WIDE) -> Any:
    access = RetryingAccess(WebAccess(port), RetryPolicy(seconds=5, first_wait=0.01, longest_wait=0.02))
    return lambda _: StorageHandle(access, "f.parquet", size=len(content), version=etag(content))


def test_all_columns_are_read_once(web: WebServer) -> None:
    assert rows(WIDE, remote(web.port)).equals(pq.read_table(io.BytesIO(WIDE)))
    assert web.sent < len(WIDE) + 200_000
    assert len(web.asked) < 20


def test_large_row_groups_of_texts_are_read_once(web: WebServer) -> None:
    texts = {f"t{i}": [f"{n * 7919 % 200_000:027}" for n in range(200_000)] for i in range(8)}
    few = {f"d{i}": [f"text {n * i % 50}" for n in range(200_000)] for i in range(3)}
    content = content_of(texts | few, compression="none", use_dictionary=list(few))
    assert len(content) > 40 << 20  # more than may be ahead
    web.files["f.parquet"] = content
    assert rows(content, remote(web.port, content)).equals(pq.read_table(io.BytesIO(content)))
    assert web.sent < len(content) * 1.05
    assert len(web.asked) < 120


def test_faults_leave_the_rows_as_they_are(web: WebServer) -> None:
    with FaultProxy(web.port) as proxy:
        proxy.at_random(0.5, seed=3, faults=[status(503), reset_body(20_000)])
        found = rows(WIDE, remote(proxy.port))
        assert proxy.faults > 3
    assert found.equals(pq.read_table(io.BytesIO(WIDE)))


def test_a_compressed_file_is_copied_first(web: WebServer) -> None:
    content = gzip.compress(WIDE, 1)
    web.files["f.parquet"] = content
    assert rows(content, remote(web.port, content)).num_rows == ROWS
    assert web.sent < len(content) + 200_000


def test_large_chunks_take_turns() -> None:
    small, large = (0, 1000), (1000, 1000 + 3 * ROUND_BYTES)
    other = (large[1], large[1] + ROUND_BYTES)
    order = in_reading_order([small, large, other])
    assert order[0] == small
    assert sorted(order) == order or len(order) > 3
    assert sum(end - start for start, end in order) == other[1]
    assert max(end - start for start, end in order) <= ROUND_BYTES
    assert all(end - start >= PART_BYTES for start, end in order if start)
    position = {start: i for i, (start, _) in enumerate(order)}
    assert position[other[0]] < position[max(s for s, _ in order if s < other[0])]
    assert in_reading_order([small, (1000, 2000)]) == [small, (1000, 2000)]
    assert in_reading_order([]) == []
