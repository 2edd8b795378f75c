"""The XML of .xlsx files in every form: the quick way and the XML parser give the same."""

from __future__ import annotations

import io
import logging
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workbook_writer import raw_sheet, sheet_xml, xlsx

from airbyte_cdk.models.batch import Batch
from airbyte_cdk.models.wire import rows
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.excel import ExcelParser
from airbyte_cdk.sources.file_based.parsers.excel_columns import ColumnNames
from airbyte_cdk.sources.file_based.parsers.excel_dates import Kind, kind_of_format
from airbyte_cdk.sources.file_based.parsers.excel_sheet import ExactCells, index_of, letters_of, plain_cells, row_blocks
from airbyte_cdk.test.one_file_reader import OneFileReader

CELLS = [
    b'<c r="A1"><v>1</v></c>',
    b'<c r="A1" s="3"><v>-1.5E-7</v></c>',
    b'<c r="XFD1048576" s="3" t="s"><v>12</v></c>',
    b'<c r="A1" t="str"><f>A2&gt;"x"</f><v>text</v></c>',
    b'<c r="A1"><f t="shared" ref="A1:A9" si="0">B1*2</f><v>4</v></c>',
    b'<c r="A1"><f t="shared" si="0"/><v>4</v></c>',
    b'<c r="A1" t="e"><v>#N/A</v></c>',
    b'<c r="A1" t="b"><v>1</v></c>',
    b'<c r="A1" s="1"/>',
    b'<c r="A1" s="1"></c>',
    b'<c r="A1"><v/></c>',
    b'<c r="A1"><v /></c>',
    b'<c r="A1" t="inlineStr"><is><t>x y</t></is></c>',
    b'<c r="A1" t="inlineStr"><is><t xml:space="preserve"> x </t></is></c>',
]
"""Cells that the quick way knows."""

ODD_CELLS = [
    (b'<c t="s" r="A1"><v>1</v></c>', (b"A", b"1", b"", b"s", b"1")),
    (b"<c r='A1' cm='1'><v>1</v></c>", (b"A", b"1", b"", b"", b"1")),
    (b'<c r="A1" t="str"><v>&lt;&#228;&amp;&gt;</v></c>', (b"A", b"1", b"", b"str", "<ä&>".encode())),
    (b'<c r="A1" t="str"><v><![CDATA[a<b]]></v></c>', (b"A", b"1", b"", b"str", b"a<b")),
    (b'<c r="A1" t="str"><v>a\r\nb</v></c>', (b"A", b"1", b"", b"str", b"a\nb")),
    (
        b'<c r="A1" t="inlineStr"><is><r><rPr><b/></rPr><t>a</t></r><r><t> b</t></r></is></c>',
        (b"A", b"1", b"", b"inlineStr", b"a b"),
    ),
    (
        b'<c r="A1" t="inlineStr"><is><t>a</t><rPh sb="0" eb="1"><t>b</t></rPh></is></c>',
        (b"A", b"1", b"", b"inlineStr", b"a"),
    ),
    (b"<c><v>7</v></c>", (b"A", b"1", b"", b"", b"7")),
    (b'<!-- <c r="B1"><v>1</v></c> --><c r="A1"><v>1</v></c>', (b"A", b"1", b"", b"", b"1")),
    (b'<x:c r="A1" xmlns:x="u"><x:v>1</x:v></x:c>', (b"A", b"1", b"", b"", b"1")),
]


@pytest.mark.parametrize("cell", CELLS)
def test_the_quick_way_reads_what_programs_write(cell: bytes) -> None:
    block = b'<row r="1" spans="1:10" x14ac:dyDescent="0.25">' + cell + b"</row>"
    plain = plain_cells(block)
    assert plain is not None
    assert len(plain) == 1
    assert plain == ExactCells().cells(block)


@pytest.mark.parametrize(("cell", "expected"), ODD_CELLS)
def test_the_xml_parser_reads_the_rest(cell: bytes, expected: tuple[bytes, ...]) -> None:
    block = b'<row r="1">' + cell + b"</row>"
    assert not plain_cells(block)
    assert ExactCells().cells(block) == [expected]


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*CELLS, *(cell for cell, _ in ODD_CELLS)]), max_size=5))
def test_the_quick_way_reads_a_block_as_the_xml_parser_does_or_refuses_it(cells: list[bytes]) -> None:
    block = b"".join(b'<row r="1">' + cell + b"</row>" for cell in cells)
    plain = plain_cells(block)
    if plain:
        assert plain == ExactCells().cells(block)


def test_cells_that_do_not_say_where_they_are_follow_one_another() -> None:
    header = "<row><c t='str'><v>a</v></c><c t='str'><v>b</v></c></row>"
    rows = header + "<row><c><v>1</v></c><c r='C2'><v>2</v></c><c><v>3</v></c></row>"
    assert records(xlsx({"s": raw_sheet(rows + "<row/><row><c><v>4</v></c></row>")})) == [
        {"a": 1, "b": None, "Unnamed: 2": 2, "Unnamed: 3": 3},
        {"a": None, "b": None, "Unnamed: 2": None, "Unnamed: 3": None},
        {"a": 4, "b": None, "Unnamed: 2": None, "Unnamed: 3": None},
    ]


def records(content: bytes) -> list[dict[str, Any]]:
    reader = OneFileReader(content)
    config = FileBasedStreamConfig(name="s", format={"filetype": "excel"})
    read = FileRead(config, reader.file, reader, logging.getLogger("test.excel"))
    found = [row for table in ExcelParser().batches(read) for row in rows(Batch(table))]
    assert not read.rejects
    return found


def prefixed(xml: str) -> str:
    """The same XML with a prefix for its namespace, as some programs write it."""
    return (
        xml.replace("</", "\0")
        .replace("<", "<x:")
        .replace("\0", "</x:")
        .replace("<x:?", "<?")
        .replace("xmlns=", "xmlns:x=")
    )


@pytest.mark.parametrize("shape", ["regular", "holes"])
def test_many_blocks_in_either_way_give_the_same_rows(shape: str) -> None:
    hole = 3 if shape == "holes" else 0
    data = [[n, f"t{n}", n / 7, n % 2 == 0] for n in range(12_000)]
    data = [
        [None if hole and (n + at) % hole == 0 else cell for at, cell in enumerate(row)] for n, row in enumerate(data)
    ]
    xml = sheet_xml([["a", "b", "c", "d"], *data])
    expected = [dict(zip("abcd", row, strict=True)) for row in data]
    assert records(xlsx({"s": xml})) == expected
    assert records(xlsx({"s": prefixed(xml)})) == expected


def test_pieces_of_any_size_make_the_same_blocks() -> None:
    xml = sheet_xml([["a"], *([n] for n in range(50))]).encode()
    whole = [cell for block in row_blocks(io.BytesIO(xml).read) for cell in block]
    stream = io.BytesIO(xml)
    pieces = [cell for block in row_blocks(lambda _: stream.read(7)) for cell in block]
    assert pieces == whole
    assert len(whole) == 51


def test_rows_out_of_order_are_rejected() -> None:
    rows = '<row r="{}"><c r="A{}"><v>1</v></c></row>'
    filler = rows.format(3, 3) + "<!--" + " " * 600_000 + "-->"
    reader = OneFileReader(xlsx({"s": raw_sheet(rows.format(1, 1) + filler + rows.format(2, 2))}))
    read = FileRead(
        FileBasedStreamConfig(name="s", format={"filetype": "excel"}), reader.file, reader, logging.getLogger("test")
    )
    assert sum(table.num_rows for table in ExcelParser().batches(read)) == 2
    assert read.rejects.summary() == "row 4 to the end: its rows are not in order"


STRINGS = (
    "<si><t>a</t></si>"
    '<si><t xml:space="preserve"> b </t></si>'
    "<si><r><rPr><b/></rPr><t>c</t></r><r><t>d</t></r><rPh sb='0' eb='1'><t>no</t></rPh></si>"
    "<si><t>e_x000D_f &amp; _x0009__xD83D__xDE00_ _xD800_</t></si>"
    "<si><t/></si><si/>"
)
TEXTS = ["a", " b ", "cd", "e\rf & \t😀 _xD800_", None, None]


@pytest.mark.parametrize("strings", [STRINGS, "<!-- x -->" + STRINGS])
def test_shared_texts(strings: str) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>{n - 2}</v></c></row>' for n in range(2, 8))
    header, last = '<row r="1"><c r="A1" t="str"><v>h</v></c></row>', '<row r="8"><c r="A8"><v>1</v></c></row>'
    found = [row["h"] for row in records(xlsx({"s": raw_sheet(header + rows + last)}, strings=strings))]
    assert found == [*TEXTS, 1]
    assert [row["h"] for row in records(xlsx({"s": raw_sheet(header + rows)}, strings=strings))][:4] == TEXTS[:4]


def test_parts_in_unusual_places() -> None:
    plain = xlsx([["a"], [1]])
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name.replace("/", "\\").replace("xl", "XL"), old.read(name))
    assert records(out.getvalue()) == [{"a": 1}]


def test_letters_of_columns() -> None:
    assert [letters_of(index) for index in (0, 25, 26, 701, 702, 16383)] == [b"A", b"Z", b"AA", b"ZZ", b"AAA", b"XFD"]
    assert all(index_of(letters_of(index)) == index for index in range(16384))


def test_names_go_on_to_the_right() -> None:
    names = ColumnNames(["x", "Unnamed: 2"])
    assert names[:4] == ["x", "Unnamed: 2", "Unnamed: 2.1", "Unnamed: 3"]
    assert names[:2] == ["x", "Unnamed: 2"]


@pytest.mark.parametrize(
    ("number", "code", "kind"),
    [
        (0, None, Kind.NUMBER),
        (14, None, Kind.MOMENT),
        (46, None, Kind.DURATION),
        (164, "General", Kind.NUMBER),
        (164, "#,##0.00 [$€-407]", Kind.NUMBER),
        (164, '"due" 0', Kind.NUMBER),
        (164, "0.00E+00", Kind.NUMBER),
        (164, "@", Kind.NUMBER),
        (164, "[Blue]d.m.", Kind.MOMENT),
        (164, "[mm]:ss", Kind.DURATION),
        (164, "h:mm AM/PM", Kind.MOMENT),
        (14, "0.0", Kind.NUMBER),
    ],
)
def test_kinds_of_number_formats(number: int, code: str | None, kind: Kind) -> None:
    assert kind_of_format(number, code) is kind
