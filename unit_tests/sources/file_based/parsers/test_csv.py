"""The CSV parser over real readers: dialects, headers, encodings, bad rows, inference."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import logging
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from airbyte_cdk.models import FailureType
from airbyte_cdk.models.batch import JsonLines
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.exceptions import SchemaInferenceError
from airbyte_cdk.sources.file_based.parsers import csv_blocks
from airbyte_cdk.sources.file_based.parsers.base import BATCH_BYTES, FileRead
from airbyte_cdk.sources.file_based.parsers.csv import INFERENCE_CHARACTERS, CsvParser
from airbyte_cdk.sources.file_based.parsers.parquet import ParquetParser
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.one_file_reader import OneFileReader
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("test.csv")
FILE = RemoteFile(uri="dir/f.csv", last_modified=datetime(2024, 1, 1))


class MinimalHandle:
    """What some published readers return: ``read(n)`` with n, ``close``, and nothing else. Reads are short."""

    def __init__(self, data: bytes, at_most: int) -> None:
        self._file = io.BytesIO(data)
        self._at_most = at_most
        self.closed = False

    def read(self, n: int) -> bytes:
        assert n > 0
        return self._file.read(min(n, self._at_most))

    def seek(self, offset: int) -> None:
        self._file.seek(offset)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> MinimalHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@dataclass
class Result:
    """What came of a file."""

    rows: list[dict[str, Any]]
    batches: list[Any]
    rejected: list[tuple[str, str]]
    reject_count: int


def stream_config(options: Mapping[str, Any] | None = None) -> FileBasedStreamConfig:
    return FileBasedStreamConfig(name="s", format={"filetype": "csv", **(options or {})})


def text_of(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


def cells(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch; JSON text is decoded."""
    if isinstance(batch, JsonLines):
        return [json.loads(b"{" + body + b"}") for body in batch.bodies]
    columns = []
    for column in batch.columns:
        if column.type == pa.json_():
            columns.append([None if cell is None else json.loads(cell) for cell in column.storage.to_pylist()])
        else:
            columns.append(column.to_pylist())
    names = batch.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def read_csv(
    content: bytes | str,
    schema: Mapping[str, Any] | None = None,
    at_most: int = 1 << 30,
    batch_bytes: int = BATCH_BYTES,
    reserved: frozenset[str] = frozenset(),
    **options: Any,
) -> Result:
    """Read `content` with these CSV options; `schema` maps column names to types."""
    properties = None if schema is None else {k: v if isinstance(v, dict) else {"type": v} for k, v in schema.items()}
    reader = OneFileReader(text_of(content), lambda data: MinimalHandle(data, at_most))
    config = stream_config(options)
    read = FileRead(config, FILE, reader, LOGGER, properties, reserved, batch_bytes=batch_bytes)
    batches = list(CsvParser().batches(read))
    assert all(handle.closed for handle in reader.opened)
    assert len(reader.opened) == 1
    rows = [row for batch in batches for row in cells(batch)]
    return Result(rows, batches, read.rejects.places, read.rejects.count)


def infer_csv(content: bytes | str, **options: Any) -> dict[str, Any]:
    """The types that discovery finds, by column."""
    reader = OneFileReader(text_of(content))
    found = asyncio.run(CsvParser().infer_schema(stream_config(options), FILE, reader, LOGGER))
    return {name: definition["type"] for name, definition in found.items()}


# ---- rows and dialects


def test_rows_are_text_in_file_order() -> None:
    assert read_csv("b,a\n1,x\n,y\n").rows == [{"b": "1", "a": "x"}, {"b": "", "a": "y"}]


@pytest.mark.parametrize("content", ["", "\n", "\r\n\r\n", "a,b", "a,b\n", "a,b\r\n\n", "\ufeff", "\ufeffa,b\n"])
def test_a_file_without_rows_is_no_error(content: str) -> None:
    result = read_csv(content)
    assert (result.rows, result.reject_count) == ([], 0)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_end_rows_and_stay_as_they_are_in_quoted_cells(ending: str) -> None:
    text = ending.join(["a,b", "1,x", f'2,"y{ending}z"', "", "3,"]) + ending
    for size in (4, 40, 4000):
        result = read_csv(text, batch_bytes=size)
        assert [row["b"] for row in result.rows] == ["x", f"y{ending}z", ""]
        assert not result.rejected


def test_unicode_line_separators_do_not_end_rows() -> None:
    text = "a,b\n1\u2028x,2\u0085\n3\x0b\x0c,4\x1c\u2029\n"
    assert read_csv(text).rows == [{"a": "1\u2028x", "b": "2\u0085"}, {"a": "3\x0b\x0c", "b": "4\x1c\u2029"}]


@pytest.mark.parametrize(
    ("options", "row", "cells_"),
    [
        ({"delimiter": ";"}, "1;2,3", ["1", "2,3"]),
        ({"delimiter": "\\t"}, "1\t2", ["1", "2"]),
        ({"delimiter": "\u00a7"}, '1\u00a7"2\u00a73"', ["1", "2\u00a73"]),
        ({"quote_char": "'"}, "'1,2',\"3", ["1,2", '"3']),
        ({"quote_char": "\u00ab"}, "\u00ab1,2\u00ab,3", ["1,2", "3"]),
        ({"escape_char": "\\"}, '"x\\"y",4\\,5', ['x"y', "4,5"]),
        ({"escape_char": "\\"}, '"x"\\,y', ["x\\", "y"]),
        ({"escape_char": '"'}, '"x""y",z', ['x"y', "z"]),
        ({"double_quote": False}, '"x""y",z', ['x"y"', "z"]),
        ({}, '5" pipe,"6"" pipe"', ['5" pipe', '6" pipe']),
        ({}, '"a"bc,d', ["abc", "d"]),
        ({}, "1\0,2", ["1\0", "2"]),
        ({}, "\ufeff1,2", ["\ufeff1", "2"]),
        ({}, ' "1",2', [' "1"', "2"]),
    ],
)
def test_dialects(options: dict[str, Any], row: str, cells_: list[str]) -> None:
    header = {"header_definition": {"header_definition_type": "User Provided", "column_names": ["a", "b"]}}
    for size in (4, 4000):
        # a quiet row first, as a byte order mark at the start of a file is removed
        quiet = f"p{options.get('delimiter', ',')}q\n".replace("\\t", "\t")
        result = read_csv(f"{quiet}{row}\n" * 3, batch_bytes=size, **header, **options)
        assert [list(r.values()) for r in result.rows] == [["p", "q"], cells_] * 3
        assert not result.rejected


def test_options_that_contradict_each_other_are_config_errors() -> None:
    config = stream_config({"delimiter": "|", "quote_char": "|"})
    usable, reason = CsvParser().check_config(config)
    assert not usable
    assert reason == "delimiter, quote_char must be different characters"
    with pytest.raises(AirbyteTracedException) as error:
        read_csv("a|b\n", delimiter="|", quote_char="|")
    assert error.value.failure_type is FailureType.config_error
    assert CsvParser().check_config(stream_config()) == (True, None)


def test_one_column_files_ignore_blank_lines_but_not_blanks() -> None:
    assert [row["a"] for row in read_csv('a\n1\n\n   \n""\n2').rows] == ["1", "   ", "", "2"]


# ---- bad rows


def test_ragged_rows_are_rejected_with_their_line_and_the_others_kept() -> None:
    result = read_csv('a,b,c\n1,2,3\n\n4,5\n"x\ny",7,8\n1,2,3,4,5\n   \n9,9,9\n')
    assert [row["a"] for row in result.rows] == ["1", "x\ny", "9"]
    assert result.rejected == [
        ("line 4", "2 values for 3 columns"),
        ("line 7", "5 values for 3 columns"),
        ("line 8", "1 value for 3 columns"),
    ]


def test_ignoring_mismatches_does_not_emit_damaged_rows() -> None:
    result = read_csv("a,b\n1\n1,2\n", ignore_errors_on_fields_mismatch=True)
    assert result.rows == [{"a": "1", "b": "2"}]
    assert result.rejected == [("line 2", "1 value for 2 columns")]


def test_a_bad_byte_rejects_its_row_only_even_in_a_column_that_is_dropped() -> None:
    content = b"a,b\n1,x\n2,\xff\n3,y\n"
    for schema in (None, {"a": "string"}):
        result = read_csv(content, schema)
        assert [row["a"] for row in result.rows] == ["1", "3"]
        assert result.rejected == [("line 3", "not utf8 text")]


@pytest.mark.parametrize("size", [4, 100, 1 << 22])
def test_an_unclosed_quote_is_one_bad_row_to_the_end(size: int) -> None:
    result = read_csv('a,b\n1,2\n3,"4\n' + "5,6\n" * 50, batch_bytes=size)
    assert result.rows == [{"a": "1", "b": "2"}]
    assert result.rejected == [("line 3 to the end", "a quoted value is never closed")]
    assert result.reject_count == 1


def test_an_unclosed_quote_in_a_big_file_holds_little_memory() -> None:
    class Endless:
        left = 96

        def read(self, n: int) -> bytes:
            self.left -= 1
            return b"5,6\n" * (1 << 18) if self.left >= 0 else b""

        def __enter__(self) -> Endless:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def close(self) -> None:
            pass

    class Reader(OneFileReader):
        first = True

        def open_file(self, *_: Any) -> Any:
            handle = Endless()
            start = b'a,b\n1,2\n"3,4\n'
            read = handle.read

            def opening(n: int) -> bytes:
                if self.first:
                    self.first = False
                    return start
                return read(n)

            handle.read = opening  # type: ignore[method-assign]
            return handle

    read = FileRead(stream_config(), FILE, Reader(b""), LOGGER)
    tracemalloc.start()
    try:
        rows = [row for batch in CsvParser().batches(read) for row in cells(batch)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == [{"a": "1", "b": "2"}]
    assert read.rejects.places == [("line 3 to the end", "a quoted value is never closed")]
    assert peak < 56 << 20  # 16 MB held, and its copies while it grows


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_an_over_long_row_is_rejected_and_the_file_goes_on(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr(csv_blocks, "LONGEST_ROW", 4096)
    long = "".join(f"x{i}{ending}" for i in range(2000))
    result = read_csv(ending.join(["a,b", "1,2", f'"{long}",3', "4,5", "6", ""]), batch_bytes=1000, at_most=100)
    assert [row["a"] for row in result.rows] == ["1", "4"]
    assert result.rejected == [("line 3", "the row is longer than 0 MB"), ("line 2005", "1 value for 2 columns")]


def test_columns_are_numbered_by_the_first_row_that_is_not_over_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "LONGEST_ROW", 4096)
    auto = {"header_definition": {"header_definition_type": "Autogenerated"}}
    result = read_csv(f"{'x' * 9000}\n1,2\n", batch_bytes=1000, **auto)
    assert result.rows == [{"f0": "1", "f1": "2"}]
    assert result.rejected == [("line 1", "the row is longer than 0 MB")]


def test_cells_beyond_the_limit_of_the_csv_module_are_read_and_the_limit_stays() -> None:
    limit = csv.field_size_limit()
    result = read_csv(f'a,b\n"{"x" * 3 * limit}",1\n2\n3,4\n')
    assert [len(row["a"]) for row in result.rows] == [3 * limit, 1]
    assert result.rejected == [("line 3", "1 value for 2 columns")]
    assert csv.field_size_limit() == limit


def test_a_broken_compressed_stream_gives_its_whole_rows() -> None:
    text = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(100_000))
    packed = gzip.compress(text)
    result = read_csv(packed[: len(packed) // 2])
    assert 1000 < len(result.rows) < 100_000
    assert all(int(row["b"]) == int(row["a"]) ** 2 for row in result.rows)
    [(place, _)] = result.rejected
    assert place.startswith("byte ")
    assert place.endswith(" to the end")
    assert len(read_csv(packed).rows) == 100_000


# ---- headers


def test_header_names_are_stripped_and_match_the_schema() -> None:
    assert read_csv(" a , b\n 1 , 2\n").rows == [{"a": " 1 ", "b": " 2"}]
    assert read_csv(" a , b\n 1 , 2\n", {"a": "integer"}).rows == [{"a": 1}]
    assert read_csv(" a ,b\n1,2\n", {" a ": "string"}).rows == [{" a ": "1"}]  # the catalog's word counts
    assert infer_csv(" a , b\n") == {"a": "string", "b": "string"}


def test_blank_header_cells(caplog: pytest.LogCaptureFixture) -> None:
    result = read_csv(",b,  ,f0, ,\n1,2,3,4,,\n5,6,7,8, , \n9,9,9,9\n1,1,1,1,x,\n")
    assert [list(row) for row in result.rows] == [["f0_1", "b", "f2", "f0"]] * 3
    assert [row["f0_1"] for row in result.rows] == ["1", "5", "9"]
    assert result.rejected == [("line 5", "a value under a blank header")]
    assert [r.getMessage() for r in caplog.records] == [
        "File dir/f.csv: the header cells at positions 1, 3 are blank; their columns are named f0_1, f2."
    ]


def test_the_last_of_duplicate_headers_keeps_the_name(caplog: pytest.LogCaptureFixture) -> None:
    result = read_csv("a,a_1,b, a,a\n1,2,3,4,5\n")
    assert result.rows == [{"a_1_1": "1", "a_1": "2", "b": "3", "a_2": "4", "a": "5"}]
    assert len(caplog.records) == 1
    assert "a_1_1, a_2" in caplog.text


def test_skipped_rows() -> None:
    options: dict[str, Any] = {"skip_rows_before_header": 2, "skip_rows_after_header": 1}
    expected = [{"a": "1", "b": "2"}]
    assert read_csv("Title\n\na,b\nunit,unit\n1,2\n", **options).rows == expected
    assert read_csv('"A title\nof two lines"\n\na,b\n"m\nn",kg\n1,2\n', **options).rows == expected
    assert read_csv('"A lone quote\n\na,"b"\nx,y\n1,2\n', **options).rows == expected
    assert read_csv('5" pipes\r\n\xff\r\n\r\na,b\r\nx\r\n1,2\r\n', **options).rows == expected
    assert read_csv("one\n", **options).rows == []


def test_a_skipped_line_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "_LONGEST_SKIPPED_ROW", 64)
    assert read_csv("x" * 5000 + "\r\na\n1\n", skip_rows_before_header=1, at_most=10).rows == [{"a": "1"}]


def test_autogenerated_and_given_names() -> None:
    auto = {"header_definition": {"header_definition_type": "Autogenerated"}}
    assert read_csv("\n1,2\n3,4\n", **auto).rows == [{"f0": "1", "f1": "2"}, {"f0": "3", "f1": "4"}]
    assert read_csv("x\ny\n1,2\n", skip_rows_before_header=1, skip_rows_after_header=1, **auto).rows == [
        {"f0": "1", "f1": "2"}
    ]
    assert infer_csv("1,2\n", inference_type="Primitive Types Only", **auto) == {"f0": "boolean", "f1": "integer"}
    unclosed = read_csv('"1,2\n', **auto)
    assert unclosed.rejected == [("line 1 to the end", "a quoted value is never closed")]
    given_names = {"header_definition": {"header_definition_type": "User Provided", "column_names": ["x", " y "]}}
    assert read_csv("1,2\n3\n", **given_names).rows == [{"x": "1", "y": "2"}]
    assert read_csv("", **given_names).rows == []


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"a,\xff\n1,2\n", {}, "cannot be read with encoding utf8"),
        ("a,b\n1,2\n".encode("utf-16"), {}, "cannot be read with encoding utf8"),
        ("a,b\n1,2\n".encode("utf-16-le"), {}, "cannot be read with encoding utf8"),
        (b"a,b\n1,2\n", {"encoding": "utf-16"}, "cannot be read with encoding utf-16"),
        (b"a,\xe9\n", {"encoding": "ascii"}, "cannot be read with encoding ascii"),
        (b" , ,\n1,2,3\n", {}, "holds no column name"),
        (b'"a,b\n1,2\n', {}, "never ends"),
    ],
)
def test_unusable_headers_are_config_errors(content: bytes, options: dict[str, Any], words: str) -> None:
    for run in (read_csv, infer_csv):
        with pytest.raises(AirbyteTracedException) as error:
            run(content, **options)
        assert error.value.failure_type is FailureType.config_error
        assert words in str(error.value.message)
        assert "dir/f.csv" in str(error.value.message)


# ---- encodings


@pytest.mark.parametrize(
    "encoding",
    [
        "utf8",
        "utf-8-sig",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-7",
        "gb18030",
        "UTF8",
        "utf_8",
    ],
)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_unicode_encodings(encoding: str, bom: str) -> None:
    bom = "" if encoding == "utf-8-sig" else bom  # this codec writes it itself
    text = 'a,b\r\n1,é\r\n"\u4e2d\r\n\U0001f600",x\ufeff\r\n' * 3
    result = read_csv((bom + text).encode(encoding), encoding=encoding, at_most=3, batch_bytes=64)
    assert not result.rejected
    assert result.rows == read_csv(text).rows
    assert result.rows[0] == {"a": "1", "b": "é"}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "é\x85ÿ"),
        ("cp1252", "€\u2019"),
        ("shift_jis", "日本"),
        ("big5", "中文"),
        ("koi8-r", "Да"),
        ("euc_kr", "한국"),
        ("iso2022_jp", "日本"),
        ("cp037", "plain"),
        ("mac_roman", "Ω"),
    ],
)
def test_national_encodings(encoding: str, text: str) -> None:
    result = read_csv(f'a,b\n{text},"1\n{text}"\n2,3\n'.encode(encoding), encoding=encoding, at_most=1)
    assert result.rows == [{"a": text, "b": f"1\n{text}"}, {"a": "2", "b": "3"}]


@pytest.mark.parametrize(
    ("encoding", "bad"), [("ascii", b"\x80"), ("cp1252", b"\x81"), ("shift_jis", b"\xff"), ("utf-16-le", b"\x00\xdc")]
)
def test_bytes_that_an_encoding_does_not_know_reject_their_row(encoding: str, bad: bytes) -> None:
    head, tail = "a,b\n1,2\n3,".encode(encoding), "\n5,6\n".encode(encoding)
    result = read_csv(head + bad + tail, encoding=encoding)
    assert [row["a"] for row in result.rows] == ["1", "5"]
    assert result.rejected == [("line 3", f"not {encoding} text")]


def test_a_cut_character_at_the_end_rejects_the_last_row() -> None:
    result = read_csv("a,b\n1,2\n3,4".encode("utf-16") + b"5", encoding="utf-16")
    assert result.rows == [{"a": "1", "b": "2"}]
    assert result.rejected == [("line 3", "not utf-16 text")]


# ---- schema


def test_columns_absent_from_the_schema_and_reserved_ones_are_dropped() -> None:
    result = read_csv("a,_url,b\n1,2,3\n", {"b": "string", "_url": "string"}, reserved=frozenset({"_url"}))
    assert result.rows == [{"b": "3"}]
    assert read_csv("a,_url\n1,2\n", reserved=frozenset({"_url"})).rows == [{"a": "1"}]
    nothing = read_csv("a\n1\n2\n\n1,2\n", {"z": "string"})
    assert nothing.rows == [{}, {}]
    assert nothing.reject_count == 1


def test_failed_casts_keep_their_text_and_are_told_once_without_values(caplog: pytest.LogCaptureFixture) -> None:
    schema = {"n": ["null", "integer"], "f": ["null", "number"], "b": ["null", "boolean"], "s": "string"}
    result = read_csv("n,f,b,s\n1,1.5,yes,x\nsecret1,secret2,secret3,y\n,,,z\n", schema, batch_bytes=32)
    assert result.rows == [
        {"n": 1, "f": 1.5, "b": True, "s": "x"},
        {"n": "secret1", "f": "secret2", "b": "secret3", "s": "y"},
        {"n": "", "f": "", "b": "", "s": "z"},
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "n (2 not integer), f (2 not number), b (2 not boolean)" in caplog.text
    assert "secret" not in caplog.text


def test_null_values() -> None:
    options: dict[str, Any] = {"null_values": ["NA", ""]}
    text = 'a,b,c,d\nNA,NA,NA,NA\n1,,"{}",na\n'
    assert read_csv(text, **options).rows[0] == {"a": None, "b": None, "c": None, "d": None}
    schema = {"a": ["null", "integer"], "b": ["null", "string"], "c": ["null", "object"], "d": "string"}
    assert read_csv(text, schema, **options).rows == [
        {"a": None, "b": None, "c": None, "d": None},
        {"a": 1, "b": None, "c": {}, "d": "na"},
    ]
    assert read_csv(text, schema, strings_can_be_null=False, **options).rows == [
        {"a": None, "b": "NA", "c": None, "d": "NA"},
        {"a": 1, "b": "", "c": {}, "d": "na"},
    ]


def test_batches_are_cut_by_output_size() -> None:
    text = "a,b\n" + "1,2\n" * 20_000
    batches = read_csv(text, batch_bytes=100_000).batches
    assert sum(batch.num_rows for batch in batches) == 20_000
    assert max(batch.num_rows for batch in batches) < 800  # a line has some 260 bytes


# ---- inference


def test_columns_are_text_unless_inference_is_asked_for() -> None:
    text = "i,n,b,s,e,z,t\n1,1.5,yes,x,,NA,1\n 2 ,nan,no,1,NA,NA,0\n1_000,1e3,1,,,NA,1\n"
    assert set(infer_csv(text).values()) == {"string"}
    found = infer_csv(text, inference_type="Primitive Types Only", null_values=["NA", ""])
    assert list(found) == ["i", "n", "b", "s", "e", "z", "t"]
    assert list(found.values()) == ["integer", "number", "boolean", "string", "string", "string", "boolean"]


def test_inference_of_empty_files_and_bad_rows() -> None:
    primitive = {"inference_type": "Primitive Types Only"}
    assert infer_csv("", **primitive) == {}
    assert infer_csv("a,b\n", **primitive) == {"a": "string", "b": "string"}
    assert infer_csv("a,b\n5,6\nx\n7,y\n", **primitive) == {"a": "integer", "b": "string"}


def test_inference_of_a_file_that_breaks_off_before_its_header() -> None:
    with pytest.raises(SchemaInferenceError, match=r"dir/f\.csv"):
        infer_csv(gzip.compress(b"a,b\n1,2\n" * 100)[:12])


def test_inference_reads_a_million_characters() -> None:
    row = "5" * 99 + "," + "5" * 99 + "\n"  # 199 characters with the separator
    rows = -(-INFERENCE_CHARACTERS // 199)
    for more, kind in ((-1, "string"), (0, "integer")):
        text = "a,b\n" + row * (rows + more) + "x,y\n" + row * 10
        assert infer_csv(text, inference_type="Primitive Types Only") == {"a": kind, "b": kind}


# ---- the ways agree

DIALECTS = st.sampled_from(
    [
        {},
        {"escape_char": "\\"},
        {"double_quote": False},
        {"double_quote": False, "escape_char": "\\"},
        {"delimiter": ";", "quote_char": "'"},
        {"delimiter": "\u00a7"},
        {"quote_char": "\u00a7", "escape_char": "\u00b5"},
        {"delimiter": " "},
        {"delimiter": "x"},
    ]
)


def by_definition(text: str, width: int, options: dict[str, Any]) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """Good rows and rejects as Python's `csv` has them, over the whole text at once."""
    arguments = {
        "delimiter": options.get("delimiter", ","),
        "quotechar": options.get("quote_char", '"'),
        "escapechar": options.get("escape_char"),
        "doublequote": options.get("double_quote", True),
    }
    reader = csv.reader(io.StringIO(text, newline=""), **arguments)
    rows, line = [], 1
    for row in reader:
        rows.append((line, row))
        line = reader.line_num + 1
    probe = list(csv.reader(io.StringIO(text + "\nEND", newline=""), **arguments))
    rejects = []
    if probe[-1] != ["END"]:  # swallowed by an open quote
        rejects = [(f"line {rows.pop()[0]} to the end", "a quoted value is never closed")]
    good = []
    for line, row in rows:
        if len(row) == width:
            good.append(row)
        elif row:
            plural = ("" if len(row) == 1 else "s", "" if width == 1 else "s")
            reason = f"{len(row)} value{plural[0]} for {width} column{plural[1]}"
            rejects.insert(len(rejects) - bool(rejects and "end" in rejects[-1][0]), (f"line {line}", reason))
    return good, rejects


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """CSV text, sound or not, and its dialect."""
    options = draw(DIALECTS)
    delimiter, quote = options.get("delimiter", ","), options.get("quote_char", '"')
    special = [delimiter, quote, "\n", "\r", "\r\n", *filter(None, [options.get("escape_char")])]
    piece = st.sampled_from(["a", "1", " ", "é", "\0", "\ufeff", "\u2028", *special])
    if draw(st.booleans()):
        return "".join(draw(st.lists(piece, max_size=40))), options
    # whole tables, so that long stretches are good, with a few pieces put anywhere
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=delimiter,
        quotechar=quote,
        escapechar=options.get("escape_char") or "~",
        doublequote=options.get("double_quote", True),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    cell = st.text(st.sampled_from(["a", "é", " ", delimiter, quote, "\n", "\r"]), max_size=5)
    writer.writerows(draw(st.lists(st.tuples(cell, cell), max_size=12)))
    text = out.getvalue()
    for place, more in draw(st.lists(st.tuples(st.integers(0, 100), piece), max_size=3)):
        text = text[:place] + more + text[place:]
    return text, options


@settings(deadline=None, max_examples=400)
@given(texts(), st.integers(1, 3), st.sampled_from([4, 16, 64, 400, 1 << 20]), st.sampled_from([1, 7, 1 << 20]))
@example(('"",\r\n"\r\n', {}), 1, 4, 1)
@example(("1\r\n2\r3\n", {}), 1, 4, 1)
def test_blocks_and_readers_agree_with_the_definition(
    case: tuple[str, dict[str, Any]], width: int, batch_bytes: int, at_most: int
) -> None:
    text, options = case
    escape = options.get("escape_char")
    assume(escape is None or not text.endswith(escape))  # the probe for open quotes would be escaped
    assume(not text.startswith("\ufeff"))
    names = [f"c{i}" for i in range(width)]
    header = {"header_definition": {"header_definition_type": "User Provided", "column_names": names}}
    result = read_csv(text, batch_bytes=batch_bytes, at_most=at_most, **header, **options)
    good, rejects = by_definition(text, width, options)
    assert [list(row.values()) for row in result.rows] == good
    assert (result.rejected, result.reject_count) == (rejects[:10], len(rejects))


def test_an_escape_at_the_very_end_is_completed_by_a_line_end() -> None:
    assert read_csv("a,b\n1,2\\", escape_char="\\").rows == [{"a": "1", "b": "2\n"}]
    assert read_csv("a,b\n1,2\\\n", escape_char="\\").rows == [{"a": "1", "b": "2\n"}]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=6), max_size=30), st.sampled_from([8, 64, 1 << 20]))
def test_bad_bytes_reject_exactly_their_rows(lines: list[bytes], batch_bytes: int) -> None:
    clean = [line.translate(None, b'\r\n",') for line in lines]
    header = {"header_definition": {"header_definition_type": "User Provided", "column_names": ["a"]}}
    content = b"\n".join([b"start", *clean])
    result = read_csv(content, batch_bytes=batch_bytes, **header)

    def is_good(line: bytes) -> bool:
        try:
            line.decode()
        except UnicodeDecodeError:
            return False
        return True

    assert [row["a"].encode() for row in result.rows] == [b"start", *(line for line in clean if line and is_good(line))]
    bad = [(f"line {number}", "not utf8 text") for number, line in enumerate(clean, 2) if not is_good(line)]
    assert (result.rejected, result.reject_count) == (bad[:10], len(bad))


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), st.sampled_from([1, 3, 1000]))
def test_utf_16_and_utf_8_give_the_same(text: str, at_most: int) -> None:
    header = {"header_definition": {"header_definition_type": "User Provided", "column_names": ["a"]}}
    wide = read_csv(text.encode("utf-16"), encoding="utf-16", at_most=at_most, batch_bytes=16, **header)
    plain = read_csv(text, **header)
    assert wide.rows == plain.rows
    assert wide.reject_count == plain.reject_count


# ---- names


@given(st.lists(st.sampled_from(["a", "b", "a_1", "a_1_1", "a_2", "b_1"]), min_size=1, max_size=7))
def test_names_of_columns_are_told_apart_as_in_parquet(names: list[str]) -> None:
    blocks = io.BytesIO()
    columns = [pa.array([number]) for number in range(len(names))]
    pq.write_table(pa.Table.from_arrays(columns, names=names), blocks)
    config = FileBasedStreamConfig(name="s", format={"filetype": "parquet"})
    reader = OneFileReader(blocks.getvalue())
    file = RemoteFile(uri="a.parquet", last_modified=datetime(2024, 1, 1))
    in_parquet = asyncio.run(ParquetParser().infer_schema(config, file, reader, logging.getLogger("test")))
    assert list(infer_csv(",".join(names) + "\n")) == list(in_parquet)
    assert len(in_parquet) == len(names)
