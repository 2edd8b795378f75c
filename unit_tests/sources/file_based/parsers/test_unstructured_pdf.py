"""PDF documents, made by hand and with ReportLab, as Markdown."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import ListFlowable, PageBreak, Paragraph, SimpleDocTemplate

from airbyte_cdk.sources.file_based.parsers import unstructured_markdown as markdown
from airbyte_cdk.sources.file_based.parsers.unstructured_pdf import blocks, read_pages
from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument

LOREM = "Lorem ipsum dolor sit amet, déjà vu for 5 €. " * 12


def rendered(content: bytes) -> list[str]:
    return list(blocks(read_pages(io.BytesIO(content)).lines))


def report(pages: int = 1, **options: Any) -> bytes:
    out, styles = io.BytesIO(), getSampleStyleSheet()
    parts: list[Any] = []
    for _ in range(pages):
        items = [Paragraph(text, styles["BodyText"]) for text in ("first", "second " * 40)]
        parts += [
            Paragraph("A title", styles["Title"]),
            Paragraph(LOREM, styles["BodyText"]),
            Paragraph(LOREM, styles["BodyText"]),
            Paragraph("A section", styles["Heading2"]),
            ListFlowable(items, bulletType="bullet"),
            PageBreak(),
        ]
    SimpleDocTemplate(out, **options).build(parts)
    return out.getvalue()


def drawn(*pages: Callable[[Canvas], Any]) -> bytes:
    canvas = Canvas(out := io.BytesIO())
    for page in pages:
        page(canvas)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def test_a_page_made_by_hand(make_pdf: Callable[..., bytes]) -> None:
    content = make_pdf(
        [
            (24, 72, 720, "The title"),
            (11, 72, 690, "First line of a paragraph that"),
            (11, 72, 676, "goes on in a second line."),
            (16, 72, 640, "A section"),
            (11, 72, 610, "- one item"),
            (11, 72, 596, "- another item"),
            (11, 72, 560, "Closing words stand here."),
        ]
    )
    assert rendered(content) == [
        "# The title",
        "First line of a paragraph that goes on in a second line.",
        "## A section",
        "- one item",
        "- another item",
        "Closing words stand here.",
    ]


def test_letters_may_get_their_size_from_a_matrix(make_pdf: Callable[..., bytes]) -> None:
    scaled = "BT /F1 1 Tf 30 0 0 30 72 700 Tm (Large) Tj ET\n"
    assert rendered(make_pdf([(10, 72, 600, "small letters here")], stream_prefix=scaled)) == [
        "# Large",
        "small letters here",
    ]


def test_a_report() -> None:
    assert rendered(report()) == [
        "# A title",
        LOREM.strip(),
        LOREM.strip(),
        "## A section",
        "- first",
        "- " + ("second " * 40).strip(),
    ]


def test_words_broken_at_the_end_of_a_line_are_put_together() -> None:
    def page(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "A word is hyphen-")
        canvas.drawString(72, 686, "ated here.")

    assert rendered(drawn(page)) == ["A word is hyphenated here."]


def test_text_of_one_size_has_no_headings() -> None:
    assert rendered(drawn(lambda canvas: canvas.drawString(72, 700, "Alone"))) == ["Alone"]


def test_pages_without_text_are_counted() -> None:
    pages = read_pages(
        io.BytesIO(
            drawn(
                lambda canvas: canvas.drawString(72, 700, "text"),
                lambda canvas: canvas.rect(10, 10, 20, 20),
                lambda canvas: None,
            )
        )
    )
    assert (pages.count, pages.pictures) == (3, 1)


def test_an_empty_page_has_no_blocks(make_pdf: Callable[..., bytes]) -> None:
    assert rendered(make_pdf([])) == []


def test_a_document_with_a_password_is_refused() -> None:
    with pytest.raises(UnprocessableDocument, match="encrypted"):
        read_pages(io.BytesIO(report(encrypt=StandardEncryption("secret", ownerPassword="owner"))))


def test_a_document_that_only_its_owner_may_change_is_read() -> None:
    content = report(encrypt=StandardEncryption("", ownerPassword="owner", canCopy=0))
    assert rendered(content) == rendered(report())


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4 broken", b"no PDF at all"])
def test_what_is_no_pdf_is_refused(content: bytes) -> None:
    with pytest.raises(UnprocessableDocument, match="not a PDF document"):
        read_pages(io.BytesIO(content))


def test_every_cut_of_a_document_is_read_or_refused(make_pdf: Callable[..., bytes]) -> None:
    content = make_pdf([(11, 72, 700, "whole")])
    outcomes = set()
    for end in range(0, len(content), 7):
        try:
            outcomes.add("".join(rendered(content[:end])))
        except UnprocessableDocument:
            outcomes.add("refused")
    assert "refused" in outcomes
    assert outcomes <= {"refused", "whole", ""}


def test_endless_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "TEXT_CHARACTERS", 3000)
    with pytest.raises(UnprocessableDocument, match="longer"):
        read_pages(io.BytesIO(report(pages=3)))


def test_many_threads_may_read() -> None:
    contents = [report(pages) for pages in (1, 2, 3, 4)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(rendered, contents * 4))
    assert found == [rendered(content) for content in contents] * 4
    assert len(found[3]) == 4 * len(found[0])
