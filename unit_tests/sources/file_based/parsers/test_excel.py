"""The Excel parser over workbooks of several programs and formats: values, types, names, sheets, damage, memory."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import tracemalloc
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from workbook_writer import raw_sheet, sheet_xml, xlsx

from airbyte_cdk.models.batch import Batch
from airbyte_cdk.models.wire import encode
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.excel_format import ExcelFormat
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.exceptions import SchemaInferenceError
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.excel import ExcelParser
from airbyte_cdk.test.one_file_reader import OneFileReader

LOGGER = logging.getLogger("test.excel")
MADE = Path(__file__).parent / "workbooks"
NUMBER, BOOLEAN, TEXT = {"type": "number"}, {"type": "boolean"}, {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}


def made(rows: Iterable[Sequence[Any]]) -> bytes:
    """A workbook as openpyxl writes it."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def reading(content: bytes, sheet: str | None = None, **options: Any) -> FileRead:
    reader = OneFileReader(content, uri="dir/a.xlsx")
    return FileRead(
        FileBasedStreamConfig(name="s", format=ExcelFormat(sheet_name=sheet)), reader.file, reader, LOGGER, **options
    )


def printed(read: FileRead) -> list[dict[str, Any]]:
    """What a reader of the output lines sees."""
    lines = [b"".join(encode("s", None, Batch(table), 0).buffers) for table in ExcelParser().batches(read)]
    return [json.loads(line)["record"]["data"] for line in b"".join(lines).splitlines()]


def inferred(content: bytes, sheet: str | None = None) -> Any:
    read = reading(content, sheet)
    return asyncio.run(ExcelParser().infer_schema(read.config, read.file, read.stream_reader, LOGGER))


def column(content: bytes, **options: Any) -> list[Any]:
    """The values of column ``a``."""
    read = reading(content, **options)
    rows = printed(read)
    assert not read.rejects
    return [row.get("a") for row in rows]


# Values and types


@pytest.mark.parametrize(
    ("cells", "prop", "values"),
    [
        ([1, None, 3], NUMBER, [1, None, 3]),
        ([0.1, 1e-12, 1 / 3, 5], NUMBER, [0.1, 1e-12, 1 / 3, 5.0]),
        ([True, None, False], BOOLEAN, [True, None, False]),
        (["NA", "null", "N/A", "nan", " x ", "001", "inf"], TEXT, ["NA", "null", "N/A", "nan", " x ", "001", "inf"]),
        (
            [date(2024, 1, 2), None, datetime(2024, 1, 2, 3, 4, 5, 678000)],
            MOMENT,
            ["2024-01-02T00:00:00.000000", None, "2024-01-02T03:04:05.678000"],
        ),
        (
            [datetime(9999, 12, 31), datetime(1900, 1, 1), datetime(1900, 3, 1)],
            MOMENT,
            ["9999-12-31T00:00:00.000000", "1900-01-01T00:00:00.000000", "1900-03-01T00:00:00.000000"],
        ),
        ([time(3, 4, 5), time(3, 4, 5, 500000)], TEXT, ["03:04:05", "03:04:05.500000"]),
        ([timedelta(hours=30), timedelta(seconds=1.5)], TEXT, ["P1DT6H0M0S", "P0DT0H0M1.500S"]),
        ([None, None], NUMBER, []),
        (["a\nb", "\t", "<&>\"'", "ä😀\u2028"], TEXT, ["a\nb", "\t", "<&>\"'", "ä😀\u2028"]),
    ],
)
def test_cells_are_typed_and_keep_their_values(cells: list[Any], prop: Any, values: list[Any]) -> None:
    content = made([["a"], *([cell] for cell in cells)])
    assert inferred(content)["a"] == (prop if values else TEXT)
    found = column(content)
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


def test_a_column_without_any_value_is_a_number_as_catalogs_have_it() -> None:
    content = made([["a", "b"], [1, None], [2, None]])
    assert inferred(content) == {"a": NUMBER, "b": NUMBER}
    assert printed(reading(content)) == [{"a": 1}, {"a": 2}]


def test_a_column_of_several_types_is_text_of_each_cell() -> None:
    cells = ["x", 1, 2.5, True, datetime(2024, 1, 2), time(1, 2, 3), timedelta(hours=25), 1e-12, 5.0]
    content = made([["a"], *([cell] for cell in cells)])
    assert inferred(content) == {"a": TEXT}
    texts = ["x", "1", "2.5", "true", "2024-01-02T00:00:00.000000", "01:02:03", "P1DT1H0M0S", "1e-12", "5"]
    assert column(content, schema={"a": {"type": ["null", "string"]}}) == texts


@pytest.mark.parametrize(
    ("declared", "cells", "values"),
    [
        ("string", [1, None, 2.5], ["1", None, "2.5"]),
        ("string", [1, 2], ["1", "2"]),
        ("string", [True], ["true"]),
        ("string", [datetime(2024, 1, 2)], ["2024-01-02T00:00:00.000000"]),
        ("number", [1, "NA", datetime(2024, 1, 2), 2.5], [1, "NA", "2024-01-02T00:00:00.000000", 2.5]),
        (
            "number",
            [True, None, False],
            [1, None, 0],
        ),  # what catalogs of earlier releases have for a boolean with blanks
        ("number", [True, 7, "x"], [1, 7, "x"]),
        ("boolean", [True, 7, "x"], [True, 7, "x"]),
        ("integer", [5, 2.5], [5.0, 2.5]),
        (None, [True, 7, "x", 0.5], [True, 7, "x", 0.5]),
    ],
)
def test_no_cell_is_lost_that_is_not_of_the_declared_type(declared: str | None, cells: Any, values: Any) -> None:
    content = made([["a"], *([cell] for cell in cells)])
    found = column(content, schema={"a": {"type": ["null", declared]}} if declared else None)
    assert (found, list(map(type, found))) == (values, list(map(type, values)))


def test_integers_are_as_they_are_stored() -> None:
    numbers = [2**53 + 1, 12345678901234567, 2**63, 12345678901234567890123]
    assert column(xlsx([["a"], *([n] for n in numbers[:2])])) == numbers[:2]
    assert column(xlsx([["a"], *([n] for n in numbers)])) == numbers
    assert column(xlsx([["a"], *([n] for n in [0.5, *numbers])])) == [0.5, *numbers]
    assert column(xlsx([["a"], ["1E3"], ["1.0"], ["-0"]])) == ["1E3", "1.0", "-0"]
    assert inferred(xlsx([["a"], *([n] for n in numbers)])) == {"a": NUMBER}


def test_numbers_in_any_notation_that_programs_write() -> None:
    cells = ["5.0", "1E3", "-2", "1.5E-7", "0.28999999999999998"]
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{cell}</v></c></row>' for n, cell in enumerate(cells, 2))
    header = '<row r="1"><c r="A1" t="str"><v>a</v></c></row>'
    assert column(xlsx({"s": raw_sheet(header + rows)})) == [5.0, 1000.0, -2.0, 1.5e-7, 0.29]
    whole = '<row r="2"><c r="A2"><v>5.0</v></c></row><row r="3"><c r="A3"><v>1E3</v></c></row>'
    found = column(xlsx({"s": raw_sheet(header + whole)}))
    assert (found, list(map(type, found))) == ([5, 1000], [int, int])


@pytest.mark.parametrize(
    ("code", "number", "value"),
    [
        ("0.00%", 0.125, 0.125),
        ('"$"#,##0.00', 12.34, 12.34),
        ('[Red]0.0;"day"0', 5, 5),
        ('0" hours"', 5, 5),
        (r"0\d", 5, 5),
        ("[$-409]mmm-yy", 45000, "2023-03-15T00:00:00.000000"),
        ("[h]:mm:ss", 45000.5, "P45000DT12H0M0S"),
        ("hh:mm", 0.75, "18:00:00"),
        ("hh:mm", 0.9999999999, "23:59:59.999000"),
        ("hh:mm", 1.75, "1900-01-01T18:00:00.000000"),
        ("yyyy-mm-dd", 60, "1900-02-28T00:00:00.000000"),
        ("yyyy-mm-dd", 61, "1900-03-01T00:00:00.000000"),
        ("yyyy-mm-dd", 2958465, "9999-12-31T00:00:00.000000"),
        ("yyyy-mm-dd", -1, -1),  # no date: the number is not lost
        ("yyyy-mm-dd", 3000000, 3000000),
        ("yyyy-mm-dd hh:mm:ss", 43831.00070601852, "2020-01-01T00:01:01.000000"),
    ],
)
def test_number_formats_tell_dates_and_times(code: str, number: float, value: Any) -> None:
    assert column(xlsx([["a"], [(1, number)]], formats=[code])) == [value]
    assert column(xlsx([["a"], [(1, number)], ["x"]], formats=[code])) == [value, "x"]


def test_workbooks_that_count_days_from_1904() -> None:
    rows = [["a"], [(1, 0.5)], [(1, 43831)], [(1, 43832.25)]]
    content = xlsx(rows, formats=["yyyy-mm-dd"], workbook='<workbookPr date1904="1"/>')
    moments = ["2024-01-02T00:00:00.000000", "2024-01-03T06:00:00.000000"]
    assert column(content) == ["12:00:00", *moments]
    content = xlsx([["a"], *rows[2:]], formats=["yyyy-mm-dd"], workbook='<workbookPr date1904="true"/>')
    assert column(content) == moments


def test_dates_in_iso_8601() -> None:
    cells = ["2024-01-02", "2024-01-02T03:04:05", "03:04:05", "P1D"]
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="d"><v>{cell}</v></c></row>' for n, cell in enumerate(cells, 2))
    content = xlsx({"s": raw_sheet('<row r="1"><c r="A1" t="str"><v>a</v></c></row>' + rows)})
    assert column(content) == ["2024-01-02T00:00:00.000000", "2024-01-02T03:04:05.000000", "03:04:05", "P1D"]


def test_errors_are_null_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    errors = "".join(f'<row r="{n}"><c r="A{n}" t="e"><v>#DIV/0!</v></c></row>' for n in (3, 4))
    row = '<row r="{n}"><c r="A{n}"{t}><v>{v}</v></c></row>'
    rows = row.format(n=1, t=' t="str"', v="a") + row.format(n=2, t="", v=1) + errors + row.format(n=5, t="", v=2)
    content = xlsx({"s": raw_sheet(rows)})
    assert inferred(content) == {"a": NUMBER}
    with caplog.at_level(logging.WARNING):
        assert column(content) == [1, None, None, 2]
    assert [message for message in caplog.messages if "dir/a.xlsx: 2 cells with an error" in message]


# Names of columns


def test_names_are_texts_and_no_two_the_same() -> None:
    headings = ["a", "a", "a.1", None, 2023, 1.5, True, datetime(2024, 1, 2), " x ", "a", ""]
    names = ["a", "a.2", "a.1", "Unnamed: 3", "2023", "1.5", "True", "2024-01-02T00:00:00.000000", " x ", "a.3"]
    content = made([headings, list(range(1, 12))])
    names.append("Unnamed: 10")
    assert list(inferred(content)) == names
    assert printed(reading(content)) == [dict(zip(names, range(1, 12), strict=True))]


def test_cells_right_of_the_header_are_columns_too() -> None:
    content = made([["a"], [1], [2, 3, 4], [5]])
    assert list(inferred(content)) == ["a", "Unnamed: 1", "Unnamed: 2"]
    assert printed(reading(content)) == [{"a": 1}, {"a": 2, "Unnamed: 1": 3, "Unnamed: 2": 4}, {"a": 5}]


def test_the_first_row_is_the_header_even_if_it_is_blank() -> None:
    content = made([[], [], [None, "a"], [None, 1]])
    assert list(inferred(content)) == ["Unnamed: 0", "Unnamed: 1"]
    string = {"Unnamed: 1": TEXT}
    assert printed(reading(content, schema=string)) == [{}, {"Unnamed: 1": "a"}, {"Unnamed: 1": "1"}]


def test_metadata_columns_are_left_out() -> None:
    content = made([["a", "b", "c"], [1, 2, 3]])
    assert printed(reading(content, reserved=frozenset({"b"}))) == [{"a": 1, "c": 3}]


# Rows


def test_blank_rows_between_others_are_rows_and_those_at_the_end_are_not() -> None:
    rows = [["a"], [1], [], [], [4], [(1, "")], [None], [""]]
    assert column(xlsx(rows, formats=["0.0"])) == [1, None, None, 4]
    gap = '<row r="1"><c r="A1" t="str"><v>a</v></c></row><row r="20001"><c r="A20001"><v>7</v></c></row>'
    found = column(xlsx({"s": raw_sheet(gap)}))
    assert (len(found), found[-1], set(found[:-1])) == (20000, 7, {None})


def test_merged_cells_have_their_value_once() -> None:
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, 2], [None, 3]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    out = io.BytesIO()
    book.save(out)
    assert printed(reading(out.getvalue())) == [{"a": 1, "b": 2}, {"b": 3}]


def test_a_sheet_of_a_header_only_has_columns_of_text() -> None:
    content = made([["a", "b"]])
    assert inferred(content) == {"a": TEXT, "b": TEXT}
    assert printed(reading(content)) == []
    assert inferred(made([])) == {}
    assert printed(reading(made([]))) == []


# Sheets


def three_sheets() -> bytes:
    sheets = {"Hidden": sheet_xml([["h"], [1]]), "2": sheet_xml([["two"], [2]]), "Ünï": sheet_xml([["u"], [3]])}
    return xlsx(sheets, hidden=["Hidden"])


@pytest.mark.parametrize(
    ("sheet", "row"),
    [
        (None, {"h": 1}),
        ("", {"h": 1}),
        ("1", {"h": 1}),
        ("Hidden", {"h": 1}),
        ("2", {"two": 2}),
        ("3", {"u": 3}),
        ("Ünï", {"u": 3}),
    ],
)
def test_a_sheet_is_chosen_by_name_or_number(sheet: str | None, row: dict[str, Any]) -> None:
    content = three_sheets()
    assert printed(reading(content, sheet)) == [row]
    assert list(inferred(content, sheet)) == list(row)


@pytest.mark.parametrize("sheet", ["Nope", "4", "0"])
def test_a_sheet_that_is_not_there_is_told_with_those_that_are(sheet: str) -> None:
    read = reading(three_sheets(), sheet)
    assert printed(read) == []
    told = f"file: it has no sheet {sheet!r}, which the option sheet_name asks for; its sheets are 'Hidden', '2', 'Ünï'"
    assert read.rejects.summary() == told
    with pytest.raises(SchemaInferenceError, match="it has no sheet"):
        inferred(three_sheets(), sheet)


def test_chart_sheets_are_passed_over() -> None:
    sheets = {"Chart": "<chartsheet/>", "Data": sheet_xml([["a"], [1]])}
    assert column(xlsx(sheets, charts=["Chart"])) == [1]
    read = reading(xlsx({"Chart": "<chartsheet/>"}, charts=["Chart"]))
    assert printed(read) == []
    assert read.rejects.summary() == "file: it has no worksheet"


# Other formats, other files


def test_old_and_open_formats_are_read_too() -> None:
    first = {"id": 1, "name": "NA", "when": "2024-01-02T03:04:05.000000", "flag": True}
    old = (MADE / "old.xls").read_bytes()
    assert list(inferred(old).values()) == [NUMBER, TEXT, MOMENT, BOOLEAN, TEXT, TEXT]
    assert printed(reading(old)) == [
        {**first, "id": 1.0, "clock": "12:00:00", "took": "P1DT6H0M0S"},
        {},
        {"id": 2.5, "name": "ä", "when": "9999-12-31T00:00:00.000000"},
    ]
    assert printed(reading(old, "Two")) == [{"h": 9007199254740992}]
    assert list(inferred(old, "2")) == ["Unnamed: 0", "h"]
    sheet = (MADE / "open.ods").read_bytes()
    assert inferred(sheet) == {"id": NUMBER, "name": TEXT, "when": MOMENT, "flag": BOOLEAN}
    assert printed(reading(sheet)) == [first, {"id": 2.5, "name": "ä", "when": "2024-01-03T00:00:00.000000"}]
    assert printed(reading(sheet, "2")) == [{"h": 5}]


def without(content: bytes, part: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ((MADE / "password.xlsx").read_bytes(), "file: it is protected with a password; store it without one"),
        (b"id,name\n1,x\n", "not an Excel workbook; its content is that of another format"),
        (b"<html><table></table></html>", "not an Excel workbook; its content is that of another format"),
        (b"PK\x03\x04 and no more", "file: its content is broken or cut off"),
        (b"PK", "file: its content is broken or cut off"),
        ((MADE / "old.xls").read_bytes()[:3000], "not an Excel workbook, or its content is broken"),
        (made([["a"], [1]])[:-100], "file: its content is broken or cut off"),
        (without(xlsx([["a"], [1]]), "xl/sheets/s1.xml"), "file: its part xl/sheets/s1.xml is missing"),
        (without(xlsx([["a"], [1]]), "xl/workbook.xml"), "file: its list of sheets is missing"),
        (xlsx({"s": "<worksheet><sheetData><row><c>"}), "file: the worksheet is cut off"),
        (xlsx({"s": raw_sheet('<row r="1"><c r="A1"><v>1</c></row>')}), "file: its XML is broken"),
        (xlsx({"s": raw_sheet('<row r="1"><c r="A1" t="s"><v>5</v></c></row>')}), "a shared text that is missing"),
    ],
)
def test_what_is_no_whole_workbook_is_told(content: bytes, reason: str) -> None:
    read = reading(content)
    assert printed(read) == []
    assert reason in read.rejects.summary()
    with pytest.raises(SchemaInferenceError):
        inferred(content)


def test_rows_before_a_break_are_given() -> None:
    rows = [["a", "b"], *([n, f"text {n * 7919 % 10007}"] for n in range(40_000))]
    whole = xlsx({"s": sheet_xml(rows)[: -len("</sheetData></worksheet>") - 20]})
    read = reading(whole)
    found = printed(read)
    assert 1000 < len(found) < 40_000
    assert found == [{"a": n, "b": f"text {n * 7919 % 10007}"} for n in range(len(found))]
    assert read.rejects.summary() == f"row {len(found) + 2} to the end: the worksheet is cut off"


def test_another_format_is_not_read() -> None:
    read = reading(made([["a"]]))
    read.config = FileBasedStreamConfig(name="s", format=CsvFormat())
    with pytest.raises(ValueError, match="expected the options of ExcelFormat, got CsvFormat"):
        printed(read)


# Memory


def test_rows_are_streamed() -> None:
    rows = [["a", "b"], *([n, f"text {n}"] for n in range(150_000))]
    content = xlsx(rows)
    size = zipfile.ZipFile(io.BytesIO(content)).getinfo("xl/sheets/s1.xml").file_size
    del rows
    tracemalloc.start()
    count = sum(table.num_rows for table in ExcelParser().batches(reading(content)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 150_000
    assert peak < size // 2


def test_long_shared_texts_are_not_multiplied_in_one_batch() -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>{int(n > 1)}</v></c></row>' for n in range(1, 3001))
    content = xlsx({"s": raw_sheet(rows)}, strings=f"<si><t>a</t></si><si><t>{'x' * 30_000}</t></si>")
    tables = list(ExcelParser().batches(reading(content)))
    assert sum(table.num_rows for table in tables) == 2999
    assert max(table.nbytes for table in tables) < 3 * 4 * 1024 * 1024
