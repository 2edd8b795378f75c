"""The Parquet parser over real files made with pyarrow: values, types, partitions, damage, memory."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import io
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

from airbyte_cdk.models.batch import Batch
from airbyte_cdk.models.wire import encode
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.config.parquet_format import ParquetFormat
from airbyte_cdk.sources.file_based.exceptions import SchemaInferenceError
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.parquet import ParquetParser, partitions
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.one_file_reader import OneFileReader

LOGGER = logging.getLogger("test.parquet")


def config_of(decimal_as_float: bool = False) -> FileBasedStreamConfig:
    return FileBasedStreamConfig(name="s", format=ParquetFormat(decimal_as_float=decimal_as_float))


def file_of(uri: str = "dir/f.parquet") -> RemoteFile:
    return RemoteFile(uri=uri, last_modified=datetime(2024, 1, 1))


def written(table: pa.Table | dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), out, **options)
    return out.getvalue()


def reading(
    content: bytes,
    uri: str = "dir/f.parquet",
    decimal_as_float: bool = False,
    handle: Callable[[bytes], Any] = io.BytesIO,
    **options: Any,
) -> FileRead:
    return FileRead(config_of(decimal_as_float), file_of(uri), OneFileReader(content, handle), LOGGER, **options)


def printed(read: FileRead) -> list[dict[str, Any]]:
    """What a reader of the output lines sees."""
    records = []
    for table in ParquetParser().batches(read):
        lines = b"".join(encode("s", None, Batch(table), 0).buffers)
        records += [json.loads(line)["record"]["data"] for line in lines.splitlines()]
    return records


def inferred(content: bytes, uri: str = "dir/f.parquet", decimal_as_float: bool = False) -> Any:
    found = ParquetParser().infer_schema(config_of(decimal_as_float), file_of(uri), OneFileReader(content), LOGGER)
    return asyncio.run(found)


@pytest.mark.parametrize(
    ("kind", "cells", "texts"),
    [
        (pa.uint64(), [2**64 - 1, None], [2**64 - 1, "(left out)"]),
        (pa.int8(), [-128], [-128]),
        (pa.float32(), [0.1, float("nan")], [0.10000000149011612, None]),
        (pa.float16(), [1.5], [1.5]),
        (pa.bool_(), [True], [True]),
        (pa.large_string(), ["ä\u2028"], ["ä\u2028"]),
        (pa.string_view(), ["a"], ["a"]),
        (pa.binary(), ["ä".encode()], ["ä"]),
        (pa.binary_view(), [b"a"], ["a"]),
        (pa.binary(2), [b"ab"], ["ab"]),
        (pa.decimal128(5, 2), [Decimal("13.00"), Decimal(0)], ["13.00", "0.00"]),
        (pa.decimal128(10, 8), [Decimal("0.00000001")], ["1E-8"]),
        (pa.decimal256(50, 2), [Decimal(10**40)], [f"{10**40}.00"]),
        (pa.date32(), [date(20, 1, 1)], ["0020-01-01"]),
        (pa.timestamp("us"), [datetime(2020, 1, 1, 1, 2, 3, 4), datetime(2020, 1, 1)],
         ["2020-01-01T01:02:03.000004", "2020-01-01T00:00:00"]),
        (pa.timestamp("ns", "Europe/Paris"), [datetime(2020, 1, 1)], ["2020-01-01T01:00:00+01:00"]),
        (pa.time64("ns"), [time(1, 2, 3, 4), time(1, 2, 3)], ["01:02:03.000004", "01:02:03"]),
        (pa.duration("ms"), [timedelta(seconds=5)], [5000.0]),
        (pa.dictionary(pa.int32(), pa.string()), ["a", None, "b"], ["a", "(left out)", "b"]),
        (pa.dictionary(pa.int32(), pa.binary()), [b"a", None], ["a", "(left out)"]),
        (pa.list_(pa.decimal128(5, 2)), [[Decimal(1), None], []], [["1.00", None], []]),
        (pa.large_list(pa.binary()), [[b"a"]], [["a"]]),
        (pa.list_(pa.int64(), 2), [[1, 2]], [[1, 2]]),
        (pa.struct([("x", pa.binary()), ("t", pa.timestamp("ms"))]), [{"x": b"a", "t": datetime(2020, 1, 1)}],
         [{"x": "a", "t": "2020-01-01T00:00:00"}]),
        (pa.map_(pa.int32(), pa.binary()), [[(1, b"a"), (2, None)]], [{"1": "a", "2": None}]),
        (pa.map_(pa.string(), pa.string()), [[("k", "a"), ("k", "b")]], [{"k": "b"}]),
        (pa.uuid(), [UUID(int=5).bytes], [str(UUID(int=5))]),
        (pa.json_(), ['{"a":1}'], ['{"a":1}']),
        (pa.null(), [None], ["(left out)"]),
    ],
)  # fmt: skip
def test_values(kind: pa.DataType, cells: list[Any], texts: list[Any]) -> None:
    content = written({"a": pa.array(cells, kind), "n": [1] * len(cells)})
    read = reading(content)
    found = [record.get("a", "(left out)") for record in printed(read)]
    assert found == texts
    assert [type(value) for value in found] == [type(text) for text in texts]
    assert not read.rejects


def test_decimal_as_float() -> None:
    content = written({"a": [Decimal("13.00")], "b": [[Decimal("0.10")]]})
    assert printed(reading(content, decimal_as_float=True)) == [{"a": 13.0, "b": [0.1]}]
    assert inferred(content) == {"a": {"type": "string"}, "b": {"type": "array"}}
    assert inferred(content, decimal_as_float=True)["a"] == {"type": "number"}


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("t/year=2020/m=a%20b/f.parquet", {"year": "2020", "m": "a b"}),
        ("t/x=a=b/f.parquet", {"x": "a=b"}),
        ("t/a%20b=1/f.parquet", {"a b": "1"}),
        ("t/x=1.parquet", {"x": "1.parquet"}),
        ("t/x=/f.parquet", {"x": ""}),
        ("t/x=a+b/f.parquet", {"x": "a+b"}),
        ("t/x=1/x=2/f.parquet", {"x": "2"}),
        ("https://host/x=1/f.parquet?sig=5/u=6", {"x": "1"}),
        ("t/x=what?/y=1/f.parquet", {"x": "what?", "y": "1"}),
        ("t/x=\udcff/f.parquet", {"x": "?"}),
        ("t/f.parquet", {}),
    ],
)
def test_partitions(uri: str, found: dict[str, str]) -> None:
    assert partitions(uri) == found


def test_partitions_are_text_columns_that_win_over_the_file() -> None:
    content = written({"year": [5, 6], "a": [1, 2]})
    uri = "t/year=2020/m=x/f.parquet"
    assert printed(reading(content, uri)) == [
        {"year": "2020", "a": 1, "m": "x"},
        {"year": "2020", "a": 2, "m": "x"},
    ]
    assert inferred(content, uri) == {"year": {"type": "string"}, "a": {"type": "integer"}, "m": {"type": "string"}}


def test_a_partition_saves_rows_that_only_its_own_column_would_lose() -> None:
    content = written({"year": [b"\xff", b"a"], "a": [1, 2]})
    read = reading(content, "year=7/f.parquet")
    assert printed(read) == [{"year": "7", "a": 1}, {"year": "7", "a": 2}]
    assert not read.rejects


def test_reserved_columns_are_dropped() -> None:
    content = written({"a": [1], "mine": [b"\xff"]})
    read = reading(content, reserved=frozenset(["mine"]))
    assert printed(read) == [{"a": 1}]
    assert not read.rejects
    only = written({"mine": [1, 2, 3]})
    assert printed(reading(only, reserved=frozenset(["mine"]))) == [{}, {}, {}]


def test_empty_files_have_no_rows() -> None:
    for content, columns in ((b"", {}), (written({"a": pa.array([], pa.int64())}), {"a": {"type": "integer"}})):
        read = reading(content)
        assert printed(read) == []
        assert not read.rejects
        assert inferred(content) == columns


@pytest.mark.parametrize("content", [b"PAR1", b"this is text\n" * 5, written({"a": [1]})[:-3], b"PAR1" * 20])
def test_files_that_cannot_be_opened_are_rejected(content: bytes) -> None:
    read = reading(content)
    assert printed(read) == []
    [(place, reason)] = read.rejects.places
    assert place == "file"
    assert reason == "not a Parquet file, or its end is missing"
    with pytest.raises(SchemaInferenceError, match=r"dir/f\.parquet"):
        inferred(content)


def test_columns_of_one_name_are_numbered(caplog: pytest.LogCaptureFixture) -> None:
    table = pa.Table.from_arrays([pa.array([n]) for n in range(5)], names=["a", "a", "b", "a", "a_1"])
    content = written(table)
    row = {"a_1_1": 0, "a_2": 1, "b": 2, "a": 3, "a_1": 4}
    assert printed(reading(content)) == [row]
    assert list(inferred(content)) == list(row)
    assert "several columns have one name" in caplog.text


def test_fields_of_one_name_are_rejected() -> None:
    struct = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    read = reading(written(pa.Table.from_arrays([struct], names=["a"])))
    assert printed(read) == []
    assert read.rejects.places == [("file", "column 'a': two of its fields have the same name")]


def test_options_of_another_format_are_a_bug() -> None:
    config = FileBasedStreamConfig(name="s", format=CsvFormat())
    with pytest.raises(ValueError, match="options of Parquet"):
        asyncio.run(ParquetParser().infer_schema(config, file_of(), OneFileReader(b""), LOGGER))


def test_undecodable_binary_rejects_its_rows_only() -> None:
    cells = [b"ok"] * 1000
    cells[3] = cells[700] = b"\xff"
    content = written({"n": range(1000), "a": cells}, row_group_size=400)
    read = reading(content, batch_bytes=20_000)
    assert [record["n"] for record in printed(read)] == [n for n in range(1000) if n not in (3, 700)]
    reason = "column 'a': bytes that are not UTF-8 text"
    assert read.rejects.places == [("row group 1, row 4", reason), ("row group 2, row 301", reason)]


def damaged(content: bytes, group: int, column: int, page: float) -> bytes:
    """The file with some bytes of one column chunk overwritten, at that share of the chunk."""
    chunk = pq.read_metadata(io.BytesIO(content)).row_group(group).column(column)
    at = chunk.data_page_offset + int(chunk.total_compressed_size * page)
    return content[:at] + b"\xff" * 30 + content[at + 30 :]


@pytest.mark.parametrize("options", [{"compression": "snappy"}, {"compression": "zstd"}, {"compression": "gzip"}])
@pytest.mark.parametrize("page", [0.0, 0.5])
def test_a_broken_row_group_costs_its_own_rows(options: dict[str, Any], page: float) -> None:
    table = {"n": range(30_000), "t": [f"text {n * 7919 % 30_011}" for n in range(30_000)]}
    content = written(table, row_group_size=10_000, use_dictionary=False, data_page_size=8192, **options)
    read = reading(damaged(content, 1, 1, page), batch_bytes=100_000)
    found = [record["n"] for record in printed(read)]
    assert found == sorted(found)
    lost = sorted(set(range(30_000)) - set(found))
    assert lost == list(range(lost[0], 20_000))  # from the broken page to the end of the row group
    assert read.rejects.count == len(lost)
    [(place, reason)] = read.rejects.places
    assert place == ("row group 2" if lost[0] == 10_000 else f"row group 2, rows {lost[0] - 9_999} to 10000")
    assert (lost[0] == 10_000) == (page == 0.0)
    assert 0 < len(reason) <= 150
    assert "\n" not in reason


def test_page_checksums_are_verified() -> None:
    content = written({"n": range(1000)}, compression="none", use_dictionary=False, write_page_checksum=True)
    read = reading(damaged(content, 0, 0, 0.5))
    assert printed(read) == []
    assert read.rejects.count == 1000


def test_gzipped_parquet() -> None:
    content = gzip.compress(written({"n": range(100)}))
    assert len(printed(reading(content))) == 100
    read = reading(content[:-30])
    assert printed(read) == []
    [(place, reason)] = read.rejects.places
    assert place == "file"
    assert reason.startswith("its compressed content is broken")


class Failing(io.BytesIO):
    """A storage whose connection breaks after some reads."""

    left = 0

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise ConnectionResetError("storage went away")
        return super().read(size)


@pytest.mark.parametrize("reads", [2, 3, 5, 8])
def test_errors_of_the_storage_are_raised_as_they_are(reads: int) -> None:
    content = written({"n": range(100_000), "t": [f"text {n}" for n in range(100_000)]}, row_group_size=20_000)

    def handle(data: bytes) -> Failing:
        failing = Failing(data)
        failing.left = reads
        return failing

    read = reading(content, handle=handle)
    with pytest.raises(ConnectionResetError, match="storage went away"):
        printed(read)
    assert not read.rejects


class Short(io.BytesIO):
    """A handle that gives less than asked."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 777) if size is not None and size >= 0 else size)


def test_handles_that_give_less_than_asked() -> None:
    content = written({"n": range(5000)})
    assert len(printed(reading(content, handle=Short))) == 5000


def test_batches_follow_the_size_of_the_rows() -> None:
    for table, options in (
        ({"a": range(50_000)}, {}),
        ({f"column_{i}": [i] * 300 for i in range(400)}, {}),
        ({"a": ["x" * 1000] * 3000}, {}),  # one text, repeated: the file itself is tiny
        ({"a": [str(n) * 200 for n in range(3000)]}, {"use_dictionary": False}),
        ({"a": [[0] * 500] * 1000}, {}),
        ({"a": [{"long_name_of_a_field": n} for n in range(5000)]}, {}),
    ):
        read = reading(written(table, **options), batch_bytes=200_000)
        sizes = []
        rows = 0
        for batch in ParquetParser().batches(read):
            sizes.append(encode("s", None, Batch(batch), 0).nbytes)
            rows += batch.num_rows
        assert rows == pa.table(table).num_rows
        assert max(sizes) < 800_000
        assert sum(sizes) / len(sizes) > 40_000


def test_a_row_group_is_never_held_whole() -> None:
    # 80 MB in one row group, in pages of 64 kB
    column = pa.array([f"{n:080d}" for n in range(250_000)])
    table = pa.table({f"c{i}": column for i in range(4)})
    content = written(table, row_group_size=250_000, use_dictionary=False, data_page_size=65536, compression="zstd")
    del table, column
    before = pa.total_allocated_bytes()
    most = 0
    for _ in ParquetParser().batches(reading(content)):
        most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < 20_000_000


def test_wide_files_share_the_buffers() -> None:
    table = pa.table({f"column_{i}": pa.array([i] * 2, pa.int32()) for i in range(5000)})
    content = written(table)
    before = pa.total_allocated_bytes()
    batches = list(ParquetParser().batches(reading(content)))
    assert sum(batch.num_rows for batch in batches) == 2
    assert pa.total_allocated_bytes() - before < 100_000_000


@pytest.mark.parametrize(
    "cells",
    [
        ["y" * 200_000] * 4000,
        [None] * 64 + ["y" * 200_000] * 4000,
        ["a"] * 100 + ["y" * 200_000] * 4000,
    ],
    ids=["always", "after nulls", "after short ones"],
)
@pytest.mark.parametrize(
    "column",
    [
        pa.array,
        lambda cells: pa.array(cells).dictionary_encode(),
        lambda cells: pa.array([[cell] for cell in cells]),
        lambda cells: pa.array([{"t": cell} for cell in cells]),
    ],
    ids=["text", "category", "list", "struct"],
)
def test_long_text_that_is_repeated_is_read_within_bounds(cells: list[Any], column: Callable[[Any], pa.Array]) -> None:
    content = written(pa.table({"t": column(cells)}))  # 800 MB of text in a file of few kB
    assert len(content) < 300_000
    before = pa.total_allocated_bytes()
    most = rows = 0
    for batch in ParquetParser().batches(reading(content, batch_bytes=1_000_000)):
        rows += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
        if rows < 400 or rows > len(cells) - 400:
            lines = encode("s", None, Batch(batch), 0).nbytes
            assert lines < 4_000_000
            assert lines < 100_000 or 0.8 < Batch(batch).nbytes / lines < 1.2
    assert rows == len(cells)
    assert most < 40_000_000


def test_rows_that_become_longer_are_read_in_smaller_batches() -> None:
    cells = ["a" * 10] * 2000 + [f"{n}" * 20_000 for n in range(2000)]
    content = written({"t": cells}, use_dictionary=False, data_page_size=65536, compression="zstd")
    rows = []
    sizes = []
    for batch in ParquetParser().batches(reading(content, batch_bytes=1_000_000)):
        rows += batch.column(0).to_pylist()
        sizes.append(batch.nbytes)
    assert rows == cells
    assert max(sizes) < 4_000_000


# --- what Arrow does not catch ---


def in_a_child(script: str, *contents: bytes) -> str:
    """What a process prints that gets the files as arguments; it must not die."""
    with contextlib.ExitStack() as stack:
        paths = []
        for content in contents:
            file = stack.enter_context(tempfile.NamedTemporaryFile())
            file.write(content)
            file.flush()
            paths.append(file.name)
        done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


READ_ALL = """
import io, logging, sys
from datetime import datetime
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.parquet import ParquetParser
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.one_file_reader import OneFileReader

class Ahead(io.BytesIO):
    def prefetch(self, ranges): pass
    def release(self, start, end): pass

def rejected(content):
    config = FileBasedStreamConfig(name="s", format={"filetype": "parquet"})
    file = RemoteFile(uri="a.parquet", last_modified=datetime(2024, 1, 1))
    read = FileRead(config, file, OneFileReader(content, Ahead), logging.getLogger("test"))
    rows = sum(batch.num_rows for batch in ParquetParser().batches(read))
    return rows, read.rejects.count, read.rejects.places
"""


class Keys(encryption.KmsClient):
    """A key server that keeps no secret."""

    def __init__(self, config: Any) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, name: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, wrapped: str, name: str) -> bytes:
        return base64.b64decode(wrapped)


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_a_file_with_encrypted_columns_is_rejected(plaintext_footer: bool) -> None:
    configuration = encryption.EncryptionConfiguration(
        footer_key="k", column_keys={"k": ["b"]}, plaintext_footer=plaintext_footer
    )
    factory = encryption.CryptoFactory(Keys)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
    out = io.BytesIO()
    table = pa.table({"a": range(100), "b": range(100)})
    with pq.ParquetWriter(out, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table, row_group_size=10)
    printed = in_a_child(READ_ALL + "print(rejected(open(sys.argv[1], 'rb').read()))", out.getvalue())
    reason = "it is encrypted, or some of its columns are; store it without encryption"
    assert printed.strip() == f"(0, 1, [('file', '{reason}')])"


def test_no_damage_to_a_footer_kills_the_process() -> None:
    table = {"a": range(40), "l": [[n] for n in range(40)], "t": [f"text {n % 3}" for n in range(40)]}
    content = written(table, row_group_size=20, write_page_index=True, store_schema=False)
    script = """
content = open(sys.argv[1], 'rb').read()
footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
found = set()
for at in range(footer, len(content) - 8):
    for byte in (0, 0xFF, content[at] ^ 1, content[at] ^ 0x10):
        rows, count, places = rejected(content[:at] + bytes([byte]) + content[at + 1:])
        assert rows <= 40 or not places, places
        found.add((rows, count))
print(len(found))
"""
    assert int(in_a_child(READ_ALL + script, content)) > 3


def test_values_that_a_dictionary_does_not_have_cost_their_rows_only() -> None:
    cells = pa.array([f"k{n}" for n in range(5)] + ["k4"] * 995).dictionary_encode()
    content = written(pa.table({"n": range(2000), "c": pa.concat_arrays([cells, cells])}), row_group_size=1000)
    chunk = pq.read_metadata(io.BytesIO(content)).row_group(0).column(1)
    last = chunk.dictionary_page_offset + chunk.total_compressed_size - 1
    assert content[last] == 4  # the value of the last run
    read = reading(content[:last] + b"\x07" + content[last + 1 :])
    found = [record["n"] for record in printed(read)]
    assert len(found) + read.rejects.count == 2000
    assert found[-1000:] == list(range(1000, 2000))
    assert found[:5] == list(range(5))
    assert read.rejects.places[0][1] == "a value that its dictionary does not have"


def test_names_that_are_not_utf8_reject_the_file() -> None:
    for table in ({"nnnn": [1]}, {"s": [{"nnnn": 1}]}):
        content = written(table, store_schema=False)
        read = reading(content.replace(b"nnnn", b"n\xffnn"))
        assert printed(read) == []
        assert read.rejects.places == [("file", "the name of a column is not UTF-8")]
        with pytest.raises(SchemaInferenceError, match="not UTF-8"):
            inferred(content.replace(b"nnnn", b"n\xffnn"))
