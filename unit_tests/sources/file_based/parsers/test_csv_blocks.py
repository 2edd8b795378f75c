"""Cutting CSV text at row ends: nothing is lost, lines and offsets are right, and memory is bounded."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.parsers.csv_blocks import Block, Blocks, RowScanner, State
from airbyte_cdk.sources.file_based.parsers.csv_dialect import Dialect
from airbyte_cdk.sources.file_based.parsers.csv_fast import FastReader
from airbyte_cdk.sources.file_based.parsers.csv_text import Utf8Text
from airbyte_cdk.sources.file_based.rejects import Rejects

DIALECTS = st.sampled_from(
    [
        Dialect(),
        Dialect(escape="\\"),
        Dialect(double_quote=False),
        Dialect(";", "'", "\\", False),
        Dialect("§", "µ"),
        Dialect("\t", '"', "¬"),
    ]
)


def blocks(data: bytes, dialect: Dialect, size: int) -> tuple[list[Block], Rejects]:
    rejects = Rejects()
    return list(Blocks(Utf8Text(io.BytesIO(data), "utf8"), dialect, size, rejects)), rejects


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, Dialect]:
    dialect = draw(DIALECTS)
    special = filter(None, [dialect.delimiter, dialect.quote, dialect.escape])
    pieces = st.sampled_from(["a", "é", "\n", "\r", "\r\n", *special])
    return "".join(draw(st.lists(pieces, max_size=60))).encode(), dialect


@settings(deadline=None, max_examples=300)
@given(cases(), st.integers(1, 50))
def test_blocks_are_the_file_in_order(case: tuple[bytes, Dialect], size: int) -> None:
    data, dialect = case
    found, rejects = blocks(data, dialect, size)
    whole = b"".join(block.data for block in found)
    assert data.startswith(whole)
    assert (whole == data) is not bool(rejects)
    for block in found:
        assert data[block.offset :].startswith(block.data)
        assert block.line == 1 + len(re.findall(rb"\r\n|\r|\n", data[: block.offset]))
        assert RowScanner(dialect).scan(block.data, 0, True)[0] in (len(block.data), 0) or block is found[-1]


@settings(deadline=None, max_examples=300)
@given(cases())
def test_the_pattern_and_the_scanner_agree_on_row_ends(case: tuple[bytes, Dialect]) -> None:
    data, dialect = case
    scanner = RowScanner(dialect)
    end, _ = scanner.scan(data, 0, True)
    ends_with_a_row = end == len(data) and scanner.state is State.CELL_START
    line_end = data.endswith((b"\n", b"\r")) or not data
    assert (dialect.matches(dialect.whole_rows, data) and line_end) == ends_with_a_row
    if not (dialect.escape_bytes and data.endswith(dialect.escape_bytes)):
        assert dialect.matches(dialect.whole_file, data) == (scanner.state is not State.QUOTED)


@settings(deadline=None, max_examples=200)
@given(cases(), st.lists(st.integers(1, 10), min_size=1, max_size=60))
def test_a_scan_in_pieces_finds_the_same_rows(case: tuple[bytes, Dialect], steps: list[int]) -> None:
    data, dialect = case
    whole, pieces = RowScanner(dialect), RowScanner(dialect)
    expected = whole.scan(data, 0, True)
    held = pos = end = 0
    for step in steps:
        held = min(held + step, len(data))
        found, pos = pieces.scan(data[:held], pos, False)
        end = found or end
    found, pos = pieces.scan(data, pos, True)
    assert (found or end, pos) == expected
    assert pieces.state is whole.state


@pytest.mark.parametrize(
    "row",
    [b"1,2", b'"1","2"', b'"1\n1",2', b'5" pipe,6"', b'"a"b,"c"d', b'"a""b",""', b"1,2\r", b"\x00,\xc3\xa9"],
)
def test_the_fast_reader_takes_sound_blocks(row: bytes) -> None:
    reader = FastReader(Dialect(), 2, 0, [0, 1])
    found, rejects = blocks((row + b"\n") * 3000, Dialect(), 1024)
    assert not rejects
    assert 3 <= len(found) <= 60
    columns = [reader.read(block) for block in found]
    assert sum(len(column[0]) for column in columns if column is not None) == 3000


@pytest.mark.parametrize("data", [b"1,2,3\n", b"1,\xff\n", b"\xef\xbb\xbf1,2\n", b"1\n"])
def test_the_fast_reader_refuses_what_it_might_read_otherwise(data: bytes) -> None:
    assert FastReader(Dialect(), 2, 0, [0, 1]).read(Block(data, 1, 0)) is None


def test_rows_beside_a_long_one_come_in_blocks_of_the_wanted_size() -> None:
    row = b'"a\nb",1\n'
    data = row * 100 + b'"' + b"x\n" * 200_000 + b'",1\n' + row * 100_000
    found, rejects = blocks(data, Dialect(), 4096)
    assert not rejects
    assert b"".join(block.data for block in found) == data
    assert sorted(len(block.data) for block in found)[-2] <= 8192
