"""Presentations, made with python-pptx, as Markdown."""

from __future__ import annotations

import io
from typing import Any

import docx
import pptx
import pytest
from pptx.oxml import parse_xml
from pptx.util import Inches

from airbyte_cdk.sources.file_based.parsers.unstructured_pptx import blocks
from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument

DRAWING = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
BOX = (0, 0, Inches(3), Inches(1))


def rendered(presentation: Any) -> list[str]:
    out = io.BytesIO()
    presentation.save(out)
    return [block for block in blocks(out) if block]


def slide_of(presentation: Any, layout: int) -> Any:
    return presentation.slides.add_slide(presentation.slide_layouts[layout])


def test_title_content_and_text_boxes() -> None:
    presentation = pptx.Presentation()
    slide = slide_of(presentation, 1)
    slide.shapes.title.text = "The\vtitle"
    frame = slide.placeholders[1].text_frame
    frame.text = "first"
    nested = frame.add_paragraph()
    nested.text, nested.level = "nested", 1
    plain = frame.add_paragraph()
    plain.text = "without a bullet"
    plain._p.get_or_add_pPr().insert(0, parse_xml(f"<a:buNone {DRAWING}/>"))
    box = slide.shapes.add_textbox(*BOX).text_frame
    box.text = "free text"
    dotted = box.add_paragraph()
    dotted.text = "with a bullet"
    dotted._p.get_or_add_pPr().insert(0, parse_xml(f'<a:buChar {DRAWING} char="-"/>'))
    assert rendered(presentation) == [
        "# The title",
        "- first",
        "- nested",
        "without a bullet",
        "free text",
        "- with a bullet",
    ]


def test_a_title_comes_first_wherever_it_stands() -> None:
    presentation = pptx.Presentation()
    slide = slide_of(presentation, 5)
    slide.shapes.add_textbox(*BOX).text_frame.text = "text"
    tree = slide.shapes._spTree
    slide.shapes.title.text = "title"
    tree.append(slide.shapes.title._element)
    assert rendered(presentation) == ["# title", "text"]


def test_tables_groups_and_subtitles() -> None:
    presentation = pptx.Presentation()
    first = slide_of(presentation, 0)
    first.shapes.title.text, first.placeholders[1].text = "Cover", "subtitle"
    second = slide_of(presentation, 6)
    table = second.shapes.add_table(2, 2, *BOX).table
    for row, texts in enumerate((["h1", "h|2"], ["v1", "v2"])):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    inner = second.shapes.add_group_shape().shapes.add_group_shape()
    inner.shapes.add_textbox(*BOX).text_frame.text = "in a group"
    assert rendered(presentation) == ["# Cover", "subtitle", "| h1 | h\\|2 |\n| --- | --- |\n| v1 | v2 |", "in a group"]


def test_slides_follow_the_order_of_the_show_not_of_the_files() -> None:
    presentation = pptx.Presentation()
    for text in ("one", "two"):
        slide_of(presentation, 5).shapes.title.text = text
    order = presentation.slides._sldIdLst
    order.append(order[0])
    assert rendered(presentation) == ["# two", "# one"]


def test_notes_are_quoted_after_their_slide() -> None:
    presentation = pptx.Presentation()
    first = slide_of(presentation, 5)
    first.shapes.title.text = "one"
    first.notes_slide.notes_text_frame.text = "say this\nand that"
    slide_of(presentation, 5).shapes.title.text = "two"
    assert rendered(presentation) == ["# one", "> say this\n> and that", "# two"]


def test_an_empty_presentation_has_no_blocks() -> None:
    assert rendered(pptx.Presentation()) == []


def test_another_document_is_refused() -> None:
    docx.Document().save(content := io.BytesIO())
    with pytest.raises(UnprocessableDocument, match="not a presentation"):
        list(blocks(content))
