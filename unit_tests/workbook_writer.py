"""Writes .xlsx files as tests want them, down to the XML of single cells."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def sheet_xml(rows: Iterable[Sequence[Any]]) -> str:
    """XML of a worksheet with these rows: texts, numbers, booleans; None is no cell, a pair is a style and a number."""
    lines = []
    for number, row in enumerate(rows, 1):
        cells = "".join(_cell(f"{_letters(at)}{number}", value) for at, value in enumerate(row) if value is not None)
        lines.append(f'<row r="{number}">{cells}</row>')
    return raw_sheet("".join(lines))


def raw_sheet(rows: str) -> str:
    """XML of a worksheet around the XML of its rows."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    )


def xlsx(
    sheets: Mapping[str, str] | Iterable[Sequence[Any]],
    formats: Sequence[str] = (),
    strings: str = "",
    workbook: str = "",
    hidden: Sequence[str] = (),
    charts: Sequence[str] = (),
) -> bytes:
    """A workbook.

    Args:
        sheets: XML by name of the sheet, or the rows of one.
        formats: Codes of number formats: style 1 has the first one.
        strings: XML of the shared texts, without the element around them.
        workbook: XML before the list of sheets.
        hidden: Names of sheets that are hidden.
        charts: Names of sheets that are chart sheets.
    """
    if not isinstance(sheets, Mapping):
        sheets = {"Sheet1": sheet_xml(sheets)}
    listed, relations, parts = "", "", {}
    for number, (name, content) in enumerate(sheets.items(), 1):
        state = ' state="hidden"' if name in hidden else ""
        kind = "chartsheet" if name in charts else "worksheet"
        listed += f'<sheet name="{escape(name)}" sheetId="{number}"{state} r:id="rId{number}"/>'
        relations += f'<Relationship Id="rId{number}" Type="{RELATIONS}/{kind}" Target="sheets/s{number}.xml"/>'
        parts[f"xl/sheets/s{number}.xml"] = content
    for name in ("styles", "sharedStrings"):
        relations += f'<Relationship Id="{name}" Type="{RELATIONS}/{name}" Target="/xl/{name}.xml"/>'
    codes = "".join(f'<numFmt numFmtId="{164 + at}" formatCode="{escape(code)}"/>' for at, code in enumerate(formats))
    styles = "".join(f'<xf numFmtId="{number}"/>' for number in (0, *range(164, 164 + len(formats))))
    parts |= {
        "_rels/.rels": _relations(f'<Relationship Id="a" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'),
        "xl/_rels/workbook.xml.rels": _relations(relations),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">{workbook}'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>{codes}</numFmts>'
        f"<cellXfs>{styles}</cellXfs></styleSheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def _relations(relations: str) -> str:
    return f'<Relationships xmlns="{PACKAGE}">{relations}</Relationships>'


def _cell(place: str, value: Any) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value, quote=False)}</t></is></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, tuple):
        return f'<c r="{place}" s="{value[0]}"><v>{value[1]}</v></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def _letters(at: int) -> str:
    return chr(65 + at) if at < 26 else _letters(at // 26 - 1) + chr(65 + at % 26)
