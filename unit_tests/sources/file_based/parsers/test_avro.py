"""The Avro parser over real files made with fastavro: values, types, damage, and its two ways of reading."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.models.batch import Batch, JsonLines
from airbyte_cdk.models.wire import encode
from airbyte_cdk.sources.file_based.config.avro_format import AvroFormat
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.exceptions import SchemaInferenceError
from airbyte_cdk.sources.file_based.parsers.avro import AvroParser
from airbyte_cdk.sources.file_based.parsers.avro_container import BadHeader, Block, Container, decompressor
from airbyte_cdk.sources.file_based.parsers.avro_exact import framed, header
from airbyte_cdk.sources.file_based.parsers.avro_native import Refused, open_native
from airbyte_cdk.sources.file_based.parsers.avro_schema import BadSchema, columns_of, parse
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.one_file_reader import OneFileReader

LOGGER = logging.getLogger("test.avro")
FILE = RemoteFile(uri="dir/f.avro", last_modified=datetime(2024, 1, 1))
WAYS = ["exact", "native"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With Polars, and as on a machine without it."""
    if request.param == "exact":
        monkeypatch.setitem(sys.modules, "polars", None)
    else:
        pytest.importorskip("polars")
    return str(request.param)


def config_of(**options: Any) -> FileBasedStreamConfig:
    return FileBasedStreamConfig(name="s", format=AvroFormat(**options))


def written(schema: Any, rows: list[Any], **options: Any) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, schema, rows, **options)
    return out.getvalue()


def of_columns(**types: Any) -> dict[str, Any]:
    return {"type": "record", "name": "row", "fields": [{"name": name, "type": of} for name, of in types.items()]}


def reading(content: bytes, double_as_string: bool = False, **options: Any) -> FileRead:
    return FileRead(config_of(double_as_string=double_as_string), FILE, OneFileReader(content), LOGGER, **options)


def printed(read: FileRead, wrap: str | None = None) -> list[dict[str, Any]]:
    """What a reader of the output lines sees."""
    records = []
    for table in AvroParser().batches(read):
        lines = b"".join(encode("s", None, Batch(table, wrap=wrap), 0).buffers)
        records += [json.loads(line)["record"]["data"] for line in lines.splitlines()]
    return records


def values(kind: Any, *cells: Any, **options: Any) -> list[Any]:
    """The cells of one column as they are printed; a cell that is left out is missing."""
    content = written(of_columns(a=kind, n="long"), [{"a": cell, "n": 1} for cell in cells])
    return [record.get("a", "(left out)") for record in printed(reading(content, **options))]


def inferred(content: bytes, **options: Any) -> Any:
    return asyncio.run(AvroParser().infer_schema(config_of(**options), FILE, OneFileReader(content), LOGGER))


TS_MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
TS_MICROS = {"type": "long", "logicalType": "timestamp-micros"}
TS_NANOS = {"type": "long", "logicalType": "timestamp-nanos"}
LOCAL_MILLIS = {"type": "long", "logicalType": "local-timestamp-millis"}
LOCAL_MICROS = {"type": "long", "logicalType": "local-timestamp-micros"}
LOCAL_NANOS = {"type": "long", "logicalType": "local-timestamp-nanos"}
DATE = {"type": "int", "logicalType": "date"}
TIME_MILLIS = {"type": "int", "logicalType": "time-millis"}
TIME_MICROS = {"type": "long", "logicalType": "time-micros"}
UUID_TEXT = {"type": "string", "logicalType": "uuid"}
UUID_FIXED = {"type": "fixed", "name": "u16", "size": 16, "logicalType": "uuid"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4}
DECIMAL_SMALL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 8}
DECIMAL_BIG = {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 2}
DECIMAL_FIXED = {"type": "fixed", "name": "d", "size": 5, "logicalType": "decimal", "precision": 9, "scale": 4}
DURATION = {"type": "fixed", "name": "du", "size": 12, "logicalType": "duration"}
BIG_DECIMAL = {"type": "bytes", "logicalType": "big-decimal"}
FIXED = {"type": "fixed", "name": "f", "size": 2}
ENUM = {"type": "enum", "name": "e", "symbols": ["X", "Y"]}
POINT = {"type": "record", "name": "point", "fields": [{"name": "x", "type": "long"}, {"name": "t", "type": TS_MILLIS}]}
MOMENT = datetime(2024, 2, 29, 1, 2, 3, 4000, UTC)
WHOLE = datetime(2024, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "cells", "texts"),
    [
        ("null", [None], ["(left out)"]),
        ("boolean", [True, False], [True, False]),
        ("int", [-(2**31), 2**31 - 1], [-(2**31), 2**31 - 1]),
        ("long", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
        ("float", [0.1, 1.0, float("nan")], [0.10000000149011612, 1.0, None]),
        ("double", [0.1, 1.0, float("inf"), 1e300], [0.1, 1.0, None, 1e300]),
        ("string", ["", 'ä"\\\n\u2028😀'], ["", 'ä"\\\n\u2028😀']),
        ("bytes", [b"", "ä".encode()], ["", "ä"]),
        (FIXED, [b"ab"], ["ab"]),
        (ENUM, ["Y", "X"], ["Y", "X"]),
        (DATE, [date(1, 1, 1), date(9999, 12, 31)], ["0001-01-01", "9999-12-31"]),
        (TIME_MILLIS, [time(1, 2, 3, 4000), time(1, 2, 3)], ["01:02:03.004000", "01:02:03"]),
        (TIME_MICROS, [time(23, 59, 59, 4), time(0)], ["23:59:59.000004", "00:00:00"]),
        (TS_MILLIS, [MOMENT, WHOLE, -1], ["2024-02-29T01:02:03.004+00:00", "2024-02-29T00:00:00.000+00:00",
                                          "1969-12-31T23:59:59.999+00:00"]),
        (TS_MICROS, [MOMENT, -1], ["2024-02-29T01:02:03.004000+00:00", "1969-12-31T23:59:59.999999+00:00"]),
        (TS_NANOS, [1_000_000_001, -1], ["1970-01-01T00:00:01.000000001+00:00", "1969-12-31T23:59:59.999999999+00:00"]),
        (LOCAL_MILLIS, [-62135596800000], ["0001-01-01T00:00:00.000"]),
        (LOCAL_MICROS, [1], ["1970-01-01T00:00:00.000001"]),
        (LOCAL_NANOS, [1000], ["1970-01-01T00:00:00.000001000"]),
        (UUID_TEXT, [UUID(int=5), "not a uuid"], [str(UUID(int=5)), "not a uuid"]),
        (UUID_TEXT, [str(UUID(int=2**127)).upper()], [str(UUID(int=2**127))]),
        (UUID_FIXED, [UUID(int=7).bytes], [str(UUID(int=7))]),
        (DECIMAL, [Decimal("-99999.9999"), Decimal("1.5"), Decimal(0)], ["-99999.9999", "1.5000", "0.0000"]),
        (DECIMAL_SMALL, [Decimal("0.00000001"), Decimal(0)], ["1E-8", "0E-8"]),
        (DECIMAL_BIG, [Decimal(f"{10**46}.25")], [f"{10**46}.25"]),
        (DECIMAL_FIXED, [Decimal("-1.5")], ["-1.5000"]),
        (BIG_DECIMAL, [b"\x04\x04\xd2\x04"], ["12.34"]),
        (DURATION, [b"\x01\0\0\0\x02\0\0\0\xd2\x04\0\0"], ["P1M2DT1.234S"]),
        ({"type": "long", "logicalType": "unheard-of"}, [7], [7]),
        ({"type": "long"}, [7], [7]),
        (["null", "long"], [None, 5], ["(left out)", 5]),
        (["string", "null"], ["x", None], ["x", "(left out)"]),
        (["null", TS_MILLIS], [None, 0], ["(left out)", "1970-01-01T00:00:00.000+00:00"]),
        (["null", ENUM], [None, "X"], ["(left out)", "X"]),
        (["null", DECIMAL], [Decimal(1), None], ["1.0000", "(left out)"]),
        (["long"], [5], [5]),
        (["null", "long", "string"], [1, "a", None], [1, "a", "(left out)"]),
        (["null", POINT, "string"], [{"x": 1, "t": 0}, "a"], [{"x": 1, "t": "1970-01-01T00:00:00+00:00"}, "a"]),
        # nested timestamps have the forms of datetimes, as catalogs that exist already know them
        (POINT, [{"x": 1, "t": MOMENT}], [{"x": 1, "t": "2024-02-29T01:02:03.004000+00:00"}]),
        ({"type": "array", "items": ["null", DECIMAL]}, [[None, Decimal(1)], []], [[None, "1.0000"], []]),
        ({"type": "array", "items": TS_NANOS}, [[0, 1]], [["1970-01-01T00:00:00+00:00",
                                                          "1970-01-01T00:00:00.000000001+00:00"]]),
        ({"type": "map", "values": "bytes"}, [{"k": b"v", "": b""}], [{"k": "v", "": ""}]),
        ({"type": "map", "values": ["null", DATE]}, [{"k": None}], [{"k": None}]),
        (["null", {"type": "map", "values": POINT}], [None, {"k": {"x": 1, "t": WHOLE}}],
         ["(left out)", {"k": {"x": 1, "t": "2024-02-29T00:00:00+00:00"}}]),
        ({"type": "array", "items": {"type": "array", "items": ENUM}}, [[["X"], []]], [[["X"], []]]),
    ],
)  # fmt: skip
def test_values(way: str, kind: Any, cells: list[Any], texts: list[Any]) -> None:
    found = values(kind, *cells)
    assert found == texts
    assert [type(value) for value in found] == [type(text) for text in texts]


def test_double_as_string_is_for_columns_only(way: str) -> None:
    inner = {"type": "record", "name": "q", "fields": [{"name": "d", "type": "double"}]}
    assert values("double", 1e16, 0.1, 5.0, double_as_string=True) == ["1e+16", "0.1", "5.0"]
    assert values("double", float("nan"), double_as_string=True) == ["nan"]
    assert values(["null", "double"], 1.5, None, double_as_string=True) == ["1.5", "(left out)"]
    assert values("float", 1.5, double_as_string=True) == [1.5]
    assert values(inner, {"d": 1.5}, double_as_string=True) == [{"d": 1.5}]


def test_recursive_types_and_references(way: str) -> None:
    tree = {
        "type": "record",
        "name": "node",
        "namespace": "a.b",
        "fields": [
            {"name": "at", "type": TS_MILLIS},
            {"name": "kind", "type": ENUM},
            {"name": "again", "type": ["null", "a.b.e"]},
            {"name": "next", "type": ["null", "node"]},
        ],
    }
    leaf = {"at": 5, "kind": "X", "again": None, "next": None}
    content = written(tree, [{**leaf, "again": "Y", "next": {**leaf, "at": 0}}])
    [record] = printed(reading(content))
    inner = {"at": "1970-01-01T00:00:00+00:00", "kind": "X", "again": None, "next": None}
    assert record == {"at": "1970-01-01T00:00:00.005+00:00", "kind": "X", "again": "Y", "next": inner}
    assert inferred(content)["next"] == {"type": "object"}
    assert inferred(content)["again"] == {"type": "string", "enum": ["X", "Y"]}


def test_nulls_stay_where_the_stream_is_schemaless(way: str) -> None:
    content = written(of_columns(a=["null", "long"]), [{"a": None}, {"a": 1}])
    assert printed(reading(content, keep_nulls=True), wrap="data") == [{"data": {"a": None}}, {"data": {"a": 1}}]


def test_reserved_columns_are_dropped(way: str) -> None:
    content = written(of_columns(a="long", mine="long", b=["null", "long"]), [{"a": 1, "mine": 2, "b": None}])
    assert printed(reading(content, reserved=frozenset(["mine"]))) == [{"a": 1}]
    only = written(of_columns(mine="long"), [{"mine": 2}] * 3)
    assert printed(reading(only, reserved=frozenset(["mine"]))) == [{}] * 3


@pytest.mark.parametrize(
    ("kind", "prop"),
    [
        ("null", {"type": "null"}),
        ("boolean", {"type": "boolean"}),
        ("int", {"type": "integer"}),
        ("long", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("double", {"type": "number"}),
        ("bytes", {"type": "string"}),
        (FIXED, {"type": "string"}),
        (ENUM, {"type": "string", "enum": ["X", "Y"]}),
        (DECIMAL, {"type": "string"}),
        (DECIMAL_FIXED, {"type": "string"}),
        (UUID_TEXT, {"type": "string"}),
        (DATE, {"type": "string", "format": "date"}),
        (TIME_MILLIS, {"type": "integer"}),
        (TIME_MICROS, {"type": "integer"}),
        (TS_MILLIS, {"type": "string", "format": "date-time"}),
        (TS_MICROS, {"type": "string"}),
        (TS_NANOS, {"type": "string"}),
        (LOCAL_MILLIS, {"type": "string", "format": "date-time"}),
        (LOCAL_MICROS, {"type": "string"}),
        ({"type": "long", "logicalType": "unheard-of"}, {"type": "integer"}),
        ({"type": "array", "items": "long"}, {"type": "array", "items": {"type": "integer"}}),
        ({"type": "map", "values": "long"}, {"type": "object", "additionalProperties": {"type": "integer"}}),
        (
            POINT,
            {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "t": {"type": "string", "format": "date-time"}},
            },
        ),
        (["null", "long"], {"type": "integer"}),
        (["null", DATE], {"type": "string", "format": "date"}),
        (["null"], {"type": "null"}),
        (["boolean", "long", "null"], {"type": "integer"}),
        (["long", "string"], {"type": "string"}),
        (["int", "double"], {"type": "number"}),
    ],
)
def test_inferred_types(kind: Any, prop: dict[str, Any]) -> None:
    assert inferred(written(of_columns(a=kind), [])) == {"a": prop}


def test_inferred_type_of_a_union_of_unlike_branches_holds_them_all() -> None:
    kind = ["null", "string", {"type": "array", "items": "long"}]
    assert inferred(written(of_columns(a=kind), []))["a"]["type"] == ["string", "array"]


def test_double_as_string_is_declared() -> None:
    assert inferred(written(of_columns(a="double"), []), double_as_string=True) == {"a": {"type": "string"}}


def snappy(data: bytes) -> bytes:
    return bytes(pa.compress(data, "snappy", asbytes=True)) + zlib.crc32(data).to_bytes(4, "big")


def lz4(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + bytes(pa.compress(data, "lz4_raw", asbytes=True))


def zstandard(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_codecs(way: str, codec: str) -> None:
    rows = [{"a": n, "b": "text" * 10} for n in range(1000)]
    content = written(of_columns(a="long", b="string"), rows, codec=codec)
    assert printed(reading(content)) == rows


@pytest.mark.parametrize("codec", [snappy, lz4, zstandard])
def test_codecs_that_fastavro_needs_more_libraries_for(way: str, codec: Callable[[bytes], bytes]) -> None:
    rows = [{"a": n, "b": "text" * 10} for n in range(1000)]
    schema = of_columns(a="long", b="string")
    packed = [Block(block.offset, block.count, codec(block.data)) for block in blocks_of(written(schema, rows))]
    named = bytes([2 * len(codec.__name__)]) + codec.__name__.encode()
    assert printed(reading(framed(header(schema).replace(b"\x08null", named), packed))) == rows


def test_snappy_checksums_are_verified() -> None:
    data = bytearray(snappy(b"some text" * 10))
    assert decompressor("snappy")(bytes(data)) == b"some text" * 10
    data[-1] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        decompressor("snappy")(bytes(data))


def test_unknown_codec_rejects_the_file(way: str) -> None:
    content = written(of_columns(a="long"), [{"a": 1}]).replace(b"\x08null", b"\x08nope")
    read = reading(content)
    assert printed(read) == []
    assert read.rejects.places == [("file", "its blocks are compressed with the unknown codec 'nope'")]


@pytest.mark.parametrize("codec", ["deflate", "bzip2", "xz", "snappy", "zstandard", "lz4"])
def test_broken_compressed_data_raises_and_takes_no_memory(codec: str) -> None:
    tracemalloc.start()
    with pytest.raises(Exception):  # noqa: B017, PT011  each codec has its own kind
        decompressor(codec)(b"\xff\xff\xff\xff\x7f" + bytes(range(200)))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_empty_file_has_no_rows_and_no_columns(way: str) -> None:
    read = reading(b"")
    assert printed(read) == []
    assert not read.rejects
    assert inferred(b"") == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PAR1 or anything else", "it does not begin as an Avro file does"),
        (b"Obj", "it does not begin as an Avro file does"),
        (written(of_columns(a="long"), [])[:40], "its header is broken or incomplete"),
        (written("long", []), "its rows are of the type long; only rows that are records have columns"),
        (
            header({"type": "record", "name": "r", "fields": [{"name": "a", "type": "gone"}]}),
            "its schema uses the type 'gone' but does not define it",
        ),
        (header({"type": "record"}), "its schema is not a valid Avro schema"),
    ],
)
def test_unreadable_files(content: bytes, reason: str) -> None:
    read = reading(content)
    assert printed(read) == []
    assert read.rejects.places == [("file", reason)]
    with pytest.raises(SchemaInferenceError, match=r"f\.avro"):
        inferred(content)


def test_options_of_another_format_are_a_bug() -> None:
    config = FileBasedStreamConfig(name="s", format=CsvFormat())
    with pytest.raises(ValueError, match="options of Avro"):
        asyncio.run(AvroParser().infer_schema(config, FILE, OneFileReader(b""), LOGGER))


ROWS = [{"a": n, "b": f"row {n}"} for n in range(300)]


def blocks_of(content: bytes) -> list[Block]:
    found = list(Container(io.BytesIO(content).read).blocks())
    assert all(isinstance(block, Block) for block in found)
    return [block for block in found if isinstance(block, Block)]


def test_broken_block_costs_its_own_rows(way: str) -> None:
    content = bytearray(written(of_columns(a="long", b="string"), ROWS, sync_interval=500, codec="deflate"))
    blocks = blocks_of(bytes(content))
    assert len(blocks) > 4
    content[blocks[1].offset + 20 : blocks[1].offset + 60] = b"\xff" * 40
    read = reading(bytes(content))
    lost = range(blocks[0].count, blocks[0].count + blocks[1].count)
    assert printed(read) == [row for row in ROWS if row["a"] not in lost]
    [(place, reason)] = read.rejects.places
    assert place == f"bytes {blocks[1].offset} to {blocks[2].offset}"
    assert reason.startswith("deflate data that cannot be decompressed")


@pytest.mark.parametrize("size", [b"\x00", b"\x01", b"\x7f", b"\xfe\xff\xff\xff\xff\xff\xff\x7f", b"\xff" * 12])
def test_broken_size_costs_its_own_block(way: str, size: bytes) -> None:
    content = written(of_columns(a="long", b="string"), ROWS, sync_interval=500)
    blocks = blocks_of(content)
    at = blocks[1].offset + 1  # behind the count, which is one byte here
    broken = content[:at] + size + content[at + len(size) :]
    read = reading(broken)
    lost = range(blocks[0].count, blocks[0].count + blocks[1].count)
    assert printed(read) == [row for row in ROWS if row["a"] not in lost]
    assert [place for place, _ in read.rejects.places] == [f"bytes {blocks[1].offset} to {blocks[2].offset}"]


def test_truncated_file_is_told_with_its_place(way: str) -> None:
    content = written(of_columns(a="long", b="string"), ROWS, sync_interval=500)
    last = blocks_of(content)[-1]
    read = reading(content[:-20])
    assert printed(read) == ROWS[: -last.count]
    assert read.rejects.places == [(f"byte {last.offset} to the end", "the file ends within a block")]


def test_a_block_is_never_searched_beyond_the_next_marker(way: str) -> None:
    content = written(of_columns(a="long", b="string"), [{"a": n, "b": "x" * 1000} for n in range(5000)])
    blocks = blocks_of(content)
    at = blocks[0].offset + 1
    broken = content[:at] + b"\xfe\xff\xff\xff\xff\xff\xff\x7f" + content[at + 8 :]
    held = 0

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal held
            held += 1
            return super().read(size)

    found = iter(Container(Counting(broken).read).blocks())
    next(found)
    assert held == 1  # of the five steps of 1 MB that the file has


@pytest.mark.parametrize(
    ("kind", "good", "bad", "reason"),
    [
        ("bytes", b"x", b"\xff\xfe", "bytes that are not UTF-8 text"),
        (FIXED, b"xy", b"\xff\xfe", "bytes that are not UTF-8 text"),
        ({"type": "array", "items": "bytes"}, [b"x"], [b"x", b"\xff"], "bytes that are not UTF-8 text"),
        ({"type": "map", "values": "bytes"}, {"k": b"x"}, {"k": b"\xff"}, "bytes that are not UTF-8 text"),
        (DATE, 1, 2**31 - 1, "a date outside the years 1 to 9999"),
        (TS_MILLIS, 1, 2**60, "a date outside the years 1 to 9999"),
        ({"type": "array", "items": TS_MICROS}, [1], [2**62], "a date outside the years 1 to 9999"),
        (TIME_MILLIS, 1, -1, "a time of day outside 00:00 to 24:00"),
        (TIME_MICROS, 1, 86_400_000_000, "a time of day outside 00:00 to 24:00"),
        (BIG_DECIMAL, b"\x04\x04\xd2\x04", b"\x7f", "a broken big-decimal"),
    ],
)
def test_a_bad_value_rejects_its_row_only(way: str, kind: Any, good: Any, bad: Any, reason: str) -> None:
    rows = [{"n": n, "a": bad if n in (3, 250) else good} for n in range(300)]
    content = written(of_columns(n="long", a=kind), rows, sync_interval=500)
    offsets = [block.offset for block in blocks_of(content) for _ in range(block.count)]
    read = reading(content, batch_bytes=5000)
    assert [record["n"] for record in printed(read)] == [n for n in range(300) if n not in (3, 250)]
    assert read.rejects.count == 2
    assert read.rejects.places == [
        (f"row 4 (block at byte {offsets[3]})", reason),
        (f"row 251 (block at byte {offsets[250]})", reason),
    ]


@pytest.mark.parametrize(
    "kind", ["string", {"type": "map", "values": "long"}, {"type": "array", "items": ["null", "string"]}]
)
def test_text_that_is_not_utf8_rejects_its_row_only(way: str, kind: Any) -> None:
    as_bytes = {"string": "bytes", "map": {"type": "array", "items": of_columns(k="bytes", v="long") | {"name": "kv"}}}
    if kind == "string":
        physical, good, bad = as_bytes["string"], b"x", b"\xff"
    elif kind["type"] == "map":
        physical, good, bad = as_bytes["map"], [{"k": b"x", "v": 1}], [{"k": b"\xff", "v": 1}]
    else:
        physical, good, bad = {"type": "array", "items": ["null", "bytes"]}, [b"x", None], [None, b"\xff"]
    rows = [{"n": n, "a": bad if n == 7 else good} for n in range(20)]
    data = io.BytesIO()
    for row in rows:
        fastavro.schemaless_writer(data, of_columns(n="long", a=physical), row)
    content = framed(header(of_columns(n="long", a=kind)), [Block(0, 20, data.getvalue())])
    read = reading(content)
    assert [record["n"] for record in printed(read)] == [n for n in range(20) if n != 7]
    [(place, reason)] = read.rejects.places
    assert place.startswith("row 8 (block at byte ")
    assert reason == "bytes that are not UTF-8 text"


def test_data_that_does_not_follow_the_schema_costs_the_rest_of_its_block(way: str) -> None:
    content = written(of_columns(a="long", b="string"), ROWS, sync_interval=500)
    blocks = blocks_of(content)
    parts = [Block(block.offset, block.count, block.data) for block in blocks]
    parts[1] = Block(parts[1].offset, parts[1].count, parts[1].data[:100])
    head = header(of_columns(a="long", b="string"))
    read = reading(framed(head, parts))
    records = printed(read)
    first, second = blocks[0].count, blocks[0].count + blocks[1].count
    assert records[:first] == ROWS[:first]
    delivered = len(records) - (len(ROWS) - blocks[1].count)
    assert 0 < delivered < blocks[1].count
    assert records == ROWS[: first + delivered] + ROWS[second:]
    assert read.rejects.count == blocks[1].count - delivered
    [(place, reason)] = read.rejects.places
    assert place.startswith(f"row {first + delivered + 1} and the rest of the block at byte ")
    assert reason.startswith("data that does not follow the schema")


def test_batches_are_cut_by_size(way: str) -> None:
    rows = [{"a": n, "b": "x" * 100} for n in range(2000)]
    content = written(of_columns(a="long", b="string"), rows)
    batches = list(AvroParser().batches(reading(content, batch_bytes=20_000)))
    kind = pa.RecordBatch if way == "native" else JsonLines
    assert all(isinstance(batch, kind) for batch in batches)
    assert sum(batch.num_rows for batch in batches) == 2000
    assert 5 < len(batches) < 50
    data = b"".join(block.data for block in blocks_of(content))
    one_block = framed(header(of_columns(a="long", b="string")), [Block(0, 2000, data)])
    assert len(list(AvroParser().batches(reading(one_block, batch_bytes=20_000)))) > 5


def test_native_reader_is_asked_by_schema() -> None:
    pytest.importorskip("polars")

    def accepts(kind: Any) -> bool:
        return open_native(parse(json.dumps(of_columns(a=kind))), False) is not None

    assert accepts(["null", {"type": "map", "values": {"type": "array", "items": ["null", ENUM]}}])
    assert not accepts(["null", "long", "string"])
    assert not accepts("null")
    assert not accepts(DURATION)
    assert not accepts(DECIMAL_BIG)
    assert not accepts({"type": "record", "name": "empty", "fields": []})
    assert not accepts({"type": "record", "name": "self", "fields": [{"name": "a", "type": ["null", "self"]}]})


def test_panics_of_the_native_reader_are_refusals() -> None:
    pytest.importorskip("polars")
    native = open_native(parse(json.dumps(of_columns(a="string", b={"type": "array", "items": "long"}))), False)
    assert native is not None
    for data in (b"\xfe" * 30, b"\x7f" * 30, b"\x02a\x01" * 10, b"\x02a\xfe\xff\xff\xff\x0f"):
        with pytest.raises(Refused):
            native.read([Block(0, 3, data)])
    with pytest.raises(Refused):
        native.read([Block(0, 2**50, b"x")])


def test_schema_errors() -> None:
    for text in ("", "{", '"long"', '{"type":"record","name":"r"}', '{"type":"enum","name":"e","symbols":[]}'):
        with pytest.raises(BadSchema):
            parse(text)
    twice = of_columns(a="long")
    twice["fields"] *= 2
    with pytest.raises(BadSchema, match="same name"):
        parse(json.dumps(twice))


def test_types_in_more_braces_than_needed() -> None:
    root = parse(json.dumps(of_columns(a={"type": {"type": ["null", {"type": "long"}]}})))
    assert columns_of(root) == {"a": {"type": "integer"}}


def test_logical_types_that_are_not_valid_are_ignored() -> None:
    for kind in (
        {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3},
        {"type": "bytes", "logicalType": "decimal"},
        {"type": "fixed", "name": "f", "size": 3, "logicalType": "duration"},
        {"type": "string", "logicalType": "date"},
    ):
        root = parse(json.dumps(of_columns(a=kind)))
        assert root.fields[0][1].logical is None
        assert columns_of(root) == {"a": {"type": "string"}}


def test_names_and_symbols_beyond_the_specification(way: str) -> None:
    kind = {"type": "enum", "name": "a b", "symbols": ["x-1", "2"]}
    schema = of_columns(**{"a-b": kind, "": "long"})
    data = b"\x02\x0e" + b"\x00\x02" + b"\x06\x02"
    read = reading(framed(header(schema), [Block(0, 3, data)]))
    assert printed(read) == [{"a-b": "2", "": 7}, {"a-b": "x-1", "": 1}]
    assert read.rejects.count == 1


def test_header_may_come_in_pieces_and_meta_in_blocks() -> None:
    content = written(of_columns(a="long"), [{"a": 1}], metadata={"x": "y" * 300})
    source = io.BytesIO(content)
    container = Container(lambda _: source.read(7))
    assert [block.count for block in container.blocks() if isinstance(block, Block)] == [1]
    with pytest.raises(BadHeader):
        Container(io.BytesIO(b"Obj\x01\x80").read)


# --- two ways, one result ---

_moments = st.integers(-62135596800000000, 253402300799999999)
_SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("float", st.floats(width=32)),
    ("double", st.floats()),
    ("string", st.text(max_size=8)),
    ("bytes", st.text(max_size=4).map(str.encode) | st.binary(max_size=2)),
    (DATE, st.integers(-719162, 2932896) | st.just(2932897)),
    (TIME_MILLIS, st.integers(0, 86_399_999) | st.just(86_400_000)),
    (TIME_MICROS, st.integers(0, 86_399_999_999)),
    (TS_MILLIS, _moments.map(lambda micros: micros // 1000) | st.just(2**61)),
    (TS_MICROS, _moments),
    (TS_NANOS, st.integers(-(2**63), 2**63 - 1)),
    (LOCAL_MILLIS, _moments.map(lambda micros: micros // 1000)),
    (LOCAL_MICROS, _moments),
    (LOCAL_NANOS, st.integers(-(2**63), 2**63 - 1)),
    (UUID_TEXT, st.uuids().map(str) | st.just("other")),
    (DECIMAL, st.integers(-999_999_999, 999_999_999).map(lambda n: n.to_bytes(4 + n % 3, "big", signed=True))),
    (DECIMAL_SMALL, st.integers(-999, 999).map(lambda n: n.to_bytes(2, "big", signed=True))),
]


def _named(kind: str, number: int) -> str:
    return f"{kind}{number}"


@st.composite
def schemas(draw: st.DrawFn, depth: int, names: Iterator[int]) -> tuple[Any, st.SearchStrategy[Any]]:
    """A type that both ways can read, and its values (logical types as the numbers and bytes that they are)."""
    shape = draw(st.sampled_from(["scalar"] * 4 + ["enum", "fixed", "array", "map", "record", "nullable"]))
    if shape == "enum":
        kind = {"type": "enum", "name": _named("e", next(names)), "symbols": ["A", "B", "C"]}
        return kind, st.sampled_from("ABC")
    if shape == "fixed":
        kind = {"type": "fixed", "name": _named("f", next(names)), "size": 2}
        return kind, st.text(st.characters(max_codepoint=127), min_size=2, max_size=2).map(str.encode)
    if shape == "scalar" or depth == 0:
        return draw(st.sampled_from(_SCALARS))
    if shape == "record":
        name = _named("r", next(names))
        parts = [draw(schemas(depth - 1, names)) for _ in range(draw(st.integers(1, 3)))]
        fields = [{"name": f"x{i}", "type": kind} for i, (kind, _) in enumerate(parts)]
        cells = st.fixed_dictionaries({f"x{i}": cells for i, (_, cells) in enumerate(parts)})
        return {"type": "record", "name": name, "fields": fields}, cells
    kind, cells = draw(schemas(depth - 1, names))
    if shape == "array":
        return {"type": "array", "items": kind}, st.lists(cells, max_size=3)
    if shape == "map":
        return {"type": "map", "values": kind}, st.dictionaries(st.text(max_size=3), cells, max_size=3)
    if isinstance(kind, list):
        return kind, cells
    union = draw(st.permutations(["null", kind]))
    return union, st.none() | cells


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    names = iter(range(1000))
    columns = [draw(schemas(3, names)) for _ in range(draw(st.integers(1, 4)))]
    schema = of_columns(**{f"c{i}": kind for i, (kind, _) in enumerate(columns)})
    rows = st.fixed_dictionaries({f"c{i}": cells for i, (_, cells) in enumerate(columns)})
    return schema, draw(st.lists(rows, max_size=12))


@settings(max_examples=100, deadline=None)
@given(table=tables(), double_as_string=st.booleans(), interval=st.sampled_from([10, 100, 16000]))
def test_both_ways_give_the_same(
    table: tuple[dict[str, Any], list[dict[str, Any]]], double_as_string: bool, interval: int
) -> None:
    pytest.importorskip("polars")
    schema, rows = table
    content = written(schema, rows, sync_interval=interval)
    root = parse(json.dumps(schema))
    assert open_native(root, double_as_string) is not None
    outcomes = []
    for way in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            if way == "exact":
                patch.setitem(sys.modules, "polars", None)
            read = reading(content, double_as_string=double_as_string, batch_bytes=1000)
            # told apart: 1 and 1.0, null and missing; not told apart: ways to write one number
            outcomes.append(([json.dumps(record) for record in printed(read)], read.rejects))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0][0]) + outcomes[0][1].count == len(rows)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damage_never_raises_and_never_changes_what_comes_before(data: st.DataObject) -> None:
    content = bytearray(written(of_columns(a="long", b="string"), ROWS, sync_interval=500))
    first = blocks_of(bytes(content))[0]
    start = data.draw(st.integers(first.offset + 400, len(content) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=40))
    content[start : start + len(noise)] = noise
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "polars", None)  # its panics would fill the output of the tests
        records = printed(reading(bytes(content)))
    intact = [block for block in blocks_of(written(of_columns(a="long", b="string"), ROWS, sync_interval=500))
              if block.offset + len(block.data) + 40 < start]  # fmt: skip
    assert records[: sum(block.count for block in intact)] == ROWS[: sum(block.count for block in intact)]


def test_time_of_the_years_limits_agree_with_python() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999000) - datetime(1970, 1, 1)
    assert values(LOCAL_MILLIS, last // timedelta(milliseconds=1)) == ["9999-12-31T23:59:59.999"]
