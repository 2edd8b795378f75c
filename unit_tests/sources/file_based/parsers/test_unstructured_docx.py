"""Word documents, made with python-docx, as Markdown."""

from __future__ import annotations

import io
import re
import time
import tracemalloc
import zipfile
from typing import Any
from xml.etree.ElementTree import ParseError

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from airbyte_cdk.sources.file_based.parsers import unstructured_package
from airbyte_cdk.sources.file_based.parsers.unstructured_docx import blocks
from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument

MATH = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'


def saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def rendered(document: Any) -> list[str]:
    return [block for block in blocks(io.BytesIO(saved(document))) if block]


def edited(content: bytes, part: str, pattern: str, replacement: str) -> bytes:
    """The document with one of its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, re.sub(pattern, replacement, data.decode()) if name == part else data)
    return out.getvalue()


def add(document: Any, xml: str) -> None:
    """Put XML of the words vocabulary before the end of the body."""
    body = document.element.body
    names = f"{nsdecls('w')} {MATH} "
    body.insert(len(body) - 1, parse_xml(re.sub(r"^<([\w:]+)", rf"<\1 {names}", xml)))


def test_headings_by_style() -> None:
    document = docx.Document()
    document.add_heading("The title", 0)
    for level in (1, 2, 4):
        document.add_heading(f"Heading {level}", level)
    document.add_paragraph("Text.")
    assert rendered(document) == ["# The title", "# Heading 1", "## Heading 2", "#### Heading 4", "Text."]


def test_headings_by_a_style_that_is_based_on_one_and_by_the_paragraph_itself() -> None:
    document = docx.Document()
    style = document.styles.add_style("Mine", 1)
    style.base_style = document.styles["Heading 3"]
    document.add_paragraph("Based", style="Mine")
    add(document, '<w:p><w:pPr><w:outlineLvl w:val="1"/></w:pPr><w:r><w:t>Own</w:t></w:r></w:p>')
    add(
        document,
        '<w:p><w:pPr><w:pStyle w:val="Heading1"/><w:outlineLvl w:val="9"/></w:pPr><w:r><w:t>None</w:t></w:r></w:p>',
    )
    assert rendered(document) == ["### Based", "## Own", "None"]


def test_lists_by_style_and_by_the_paragraph_itself() -> None:
    document = docx.Document()
    document.add_paragraph("bullet", style="List Bullet")
    document.add_paragraph("number", style="List Number")
    own = '<w:p><w:pPr>{}<w:numPr><w:numId w:val="{}"/></w:numPr></w:pPr><w:r><w:t>{}</w:t></w:r></w:p>'
    add(document, own.format("", 1, "own"))
    add(document, own.format('<w:pStyle w:val="ListBullet"/>', 0, "taken away"))
    assert rendered(document) == ["- bullet", "- number", "- own", "taken away"]


def test_a_table_becomes_a_table() -> None:
    document = docx.Document()
    table = document.add_table(2, 3)
    for row, texts in zip(table.rows, (["a", "b|c", "d"], ["1", "2", ""]), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    table.cell(1, 1).add_table(1, 1).cell(0, 0).text = "inner"
    table.cell(1, 2).text = "two\nlines"
    assert rendered(document) == ["| a | b\\|c | d |\n| --- | --- | --- |\n| 1 | 2 inner | two lines |"]


def test_merged_cells_keep_their_columns() -> None:
    document = docx.Document()
    table = document.add_table(2, 3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(0, 2).text = "c"
    table.cell(1, 2).text = "3"
    assert rendered(document) == ["| wide |  | c |\n| --- | --- | --- |\n|  |  | 3 |"]


def test_text_of_runs() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("one ")
    paragraph.add_run("bold").bold = True
    paragraph.add_run().add_break()
    paragraph.add_run("tab\there")
    assert rendered(document) == ["one bold\ntab\there"]


def test_inserted_text_links_and_content_controls_are_read_and_deleted_text_is_not() -> None:
    document = docx.Document()
    add(document, "<w:p><w:r><w:t>a</w:t></w:r><w:ins><w:r><w:t>b</w:t></w:r></w:ins></w:p>")
    add(document, "<w:p><w:del><w:r><w:delText>x</w:delText></w:r></w:del><w:r><w:t>c</w:t></w:r></w:p>")
    add(document, "<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>")
    add(document, "<w:sdt><w:sdtContent><w:p><w:r><w:t>field</w:t></w:r></w:p></w:sdtContent></w:sdt>")
    add(
        document,
        "<w:p><w:sdt><w:sdtPr><w:alias/></w:sdtPr><w:sdtContent><w:r><w:t>inline</w:t></w:r></w:sdtContent></w:sdt></w:p>",
    )
    assert rendered(document) == ["ab", "c", "link", "field", "inline"]


def test_a_text_box_follows_its_paragraph_once() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>in the box</w:t></w:r></w:p></w:txbxContent>"
    document = docx.Document()
    add(
        document,
        '<w:p><w:r><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r>"
        "<w:r><w:t>around it</w:t></w:r></w:p>",
    )
    assert rendered(document) == ["around it", "in the box"]


def test_formulas_are_fenced() -> None:
    document = docx.Document()
    add(document, "<w:p><m:oMathPara><m:oMath><m:r><m:t>a=b</m:t></m:r></m:oMath></m:oMathPara></w:p>")
    add(document, "<w:p><w:r><w:t>with </w:t></w:r><m:oMath><m:r><m:t>c</m:t></m:r></m:oMath></w:p>")
    assert rendered(document) == ["```\na=b\n```", "with c"]


def test_page_headers_come_first_and_footers_last_each_text_once() -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "head"
    document.sections[0].footer.paragraphs[0].text = "foot"
    document.add_paragraph("body")
    second = document.add_section()
    second.header.is_linked_to_previous = False
    second.header.paragraphs[0].text = "head"
    assert rendered(document) == ["head", "body", "foot"]


def test_footnotes_follow_the_body() -> None:
    document = docx.Document()
    document.add_paragraph("body")
    content = edited(
        saved(document),
        "word/_rels/document.xml.rels",
        "</Relationships>",
        '<Relationship Id="rId99" Target="footnotes.xml" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/footnotes"/></Relationships>',
    )
    with zipfile.ZipFile(changed := io.BytesIO(content), "a") as package:
        notes = (
            f"<w:footnotes {nsdecls('w')}>"
            '<w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>line</w:t></w:r></w:p></w:footnote>'
            '<w:footnote w:id="1"><w:p><w:r><w:t>a note</w:t></w:r></w:p></w:footnote></w:footnotes>'
        )
        package.writestr("word/footnotes.xml", notes)
    assert list(filter(None, blocks(changed))) == ["body", "a note"]


def test_the_strict_vocabulary_is_read_too() -> None:
    document = docx.Document()
    document.add_heading("Strict", 2)
    content = saved(document)
    for part in ("word/document.xml", "word/styles.xml"):
        content = edited(
            content,
            part,
            "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            "http://purl.oclc.org/ooxml/wordprocessingml/main",
        )
    assert list(filter(None, blocks(io.BytesIO(content)))) == ["## Strict"]


def test_an_empty_document_has_no_blocks() -> None:
    assert rendered(docx.Document()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 no more", "not an Office document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on", "encrypted"),
    ],
)
def test_what_is_no_package_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnprocessableDocument, match=reason):
        list(blocks(io.BytesIO(content)))


def test_a_package_without_documents_is_refused() -> None:
    with zipfile.ZipFile(content := io.BytesIO(), "w") as package:
        package.writestr("a.txt", "x")
    with pytest.raises(UnprocessableDocument, match="no main part"):
        list(blocks(content))


def test_broken_xml_raises() -> None:
    content = edited(saved(docx.Document()), "word/document.xml", "</w:body>", "")
    with pytest.raises(ParseError):
        list(blocks(io.BytesIO(content)))


def test_a_part_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unstructured_package, "PART_BYTES", 1000)
    with pytest.raises(UnprocessableDocument, match="larger than 1,000 bytes"):
        list(blocks(io.BytesIO(saved(docx.Document()))))


def test_entities_cannot_explode() -> None:
    bomb = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12)
    )
    content = edited(saved(docx.Document()), "word/document.xml", "<w:document", bomb + "]><w:document")
    content = edited(content, "word/document.xml", "<w:body>", "<w:body><w:p><w:r><w:t>&m;</w:t></w:r></w:p>")
    began = time.monotonic()
    with pytest.raises(ParseError):
        list(blocks(io.BytesIO(content)))
    assert time.monotonic() - began < 5


def test_a_long_document_is_not_held_as_a_tree() -> None:
    paragraph = "<w:p><w:r><w:t>" + "x" * 100 + "</w:t></w:r></w:p>"
    content = edited(saved(docx.Document()), "word/document.xml", "<w:body>", "<w:body>" + paragraph * 40_000)
    tracemalloc.start()
    try:
        assert sum(len(block) for block in blocks(io.BytesIO(content))) == 4_000_000
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
