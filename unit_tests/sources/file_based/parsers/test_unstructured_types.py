"""What kind of document a file is taken for."""

from __future__ import annotations

import io
import zipfile

import docx
import pptx
import pytest

from airbyte_cdk.sources.file_based.parsers.unstructured_types import (
    DocumentType,
    UnprocessableDocument,
    type_by_content,
    type_by_name,
)


@pytest.mark.parametrize(
    ("media_type", "uri", "expected"),
    [
        (None, "a.md", DocumentType.MARKDOWN),
        (None, "dir.pdf/A.MD", DocumentType.MARKDOWN),
        (None, "a.markdown", DocumentType.MARKDOWN),
        (None, "a.txt", DocumentType.TEXT),
        (None, "a.b.pdf", DocumentType.PDF),
        (None, "a.docx", DocumentType.WORD),
        (None, "a.pptx", DocumentType.SLIDES),
        (None, "a.pdf.gz", DocumentType.PDF),
        (None, "https://host/a.pdf?signature=x.txt", DocumentType.PDF),
        (None, "all.zip#deep/a.docx", DocumentType.WORD),
        (None, "a", None),
        (None, "a.log", None),
        (None, ".md", None),
        ("application/pdf", "a.txt", DocumentType.PDF),
        ("Text/Plain; charset=utf-8", "a.pdf", DocumentType.TEXT),
        ("application/octet-stream", "a.docx", DocumentType.WORD),
        ("something/else", "a.docx", DocumentType.WORD),
        ("", "a.docx", DocumentType.WORD),
    ],
)
def test_the_media_type_tells_before_the_name(media_type: str | None, uri: str, expected: DocumentType | None) -> None:
    assert type_by_name(media_type, uri) is expected


@pytest.mark.parametrize("name", ["html", "HTM", "json", "csv", "png", "rtf", "doc", "xlsx", "zip", "csv.gz"])
def test_names_of_other_documents_are_refused(name: str) -> None:
    with pytest.raises(UnprocessableDocument, match="are not read, only md, txt, pdf, docx, pptx"):
        type_by_name(None, f"a.{name}")


@pytest.mark.parametrize("media_type", ["text/html", "image/png", "video/mp4", "application/vnd.ms-excel"])
def test_media_types_of_other_documents_are_refused(media_type: str) -> None:
    with pytest.raises(UnprocessableDocument, match=media_type):
        type_by_name(media_type, "a.pdf")


def office(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


def archive(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", DocumentType.TEXT),
        (b"plain", DocumentType.TEXT),
        ("zwölf".encode("latin-1"), DocumentType.TEXT),
        (b"%PDF-1.7\n", DocumentType.PDF),
        (b"\n\njunk before it %PDF-1.7\n", DocumentType.PDF),
        (office(docx.Document()), DocumentType.WORD),
        (office(pptx.Presentation()), DocumentType.SLIDES),
    ],
)
def test_content_tells_the_type(content: bytes, expected: DocumentType) -> None:
    assert type_by_content(io.BytesIO(content)) is expected


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"{\\rtf1 x}", "rtf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "doc"),
        (bytes(range(256)), "unknown"),
        (archive("xl/workbook.xml"), "zip"),
        (b"PK\x03\x04 and then nothing", "broken ZIP"),
    ],
)
def test_other_content_is_refused(content: bytes, what: str) -> None:
    with pytest.raises(UnprocessableDocument, match=what):
        type_by_content(io.BytesIO(content))
