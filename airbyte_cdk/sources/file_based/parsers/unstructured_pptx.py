"""PowerPoint presentations (.pptx) as Markdown blocks, slide after slide.

Format: PresentationML, https://ecma-international.org/publications-and-standards/standards/ecma-376/, part 1 chapter
19. Of each slide: its title, then the other shapes in their reading order (which is the order of the file), tables, and
the speaker's notes as a quote. Left out are pictures, charts, diagrams, slide numbers, dates and footers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element

from airbyte_cdk.sources.file_based.parsers import unstructured_markdown as markdown
from airbyte_cdk.sources.file_based.parsers.unstructured_package import Package, attribute, child, chosen, name_of
from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument

_TITLES = ("title", "ctrTitle")
_BESIDE = ("dt", "ftr", "sldNum", "hdr", "sldImg")
_LISTS = ("body", "obj", None)
"""Kinds of placeholders whose paragraphs have bullets in the usual layouts; one without a kind is for any object."""


def blocks(file: IO[bytes]) -> Iterator[str]:
    """The presentation's blocks.

    A paragraph is a list item if it has a bullet or number of its own, or stands in a placeholder for content and is
    not said to have none.

    Raises:
        UnprocessableDocument: the file is not a presentation.
        Exception: what `zipfile` and `xml.etree` raise where it is broken.
    """
    package = Package(file)
    main = package.main_part()
    root = package.parse(main)
    if name_of(root.tag) != "p:presentation":
        raise UnprocessableDocument("it is not a presentation")
    parts = package.relations(main)
    for slide in chosen(child(root, "p:sldIdLst")):
        _, part = parts.get(attribute(slide, "r:id") or "", ("", ""))
        if part:
            yield from _slide(package, part)


def _slide(package: Package, part: str) -> Iterator[str]:
    shapes = list(_shapes(child(package.parse(part), "p:cSld", "p:spTree")))
    titles = [shape for shape in shapes if _is_title(shape)]
    for shape in titles:
        yield markdown.title(" ".join(word for _, text in _paragraphs(shape) for word in text.split()), 1)
    for shape in shapes:
        if not _is_title(shape):
            yield from _shape(shape)
    for kind, notes in package.relations(part).values():
        if kind == "notesSlide":
            for shape in _shapes(child(package.parse(notes), "p:cSld", "p:spTree")):
                if _placeholder(shape) == "body":
                    yield markdown.quote("\n".join(text for _, text in _paragraphs(shape)))


def _shapes(tree: Element | None) -> Iterator[Element]:
    """The shapes, groups opened."""
    for shape in chosen(tree):
        name = name_of(shape.tag)
        if name == "p:grpSp":
            yield from _shapes(shape)
        elif name in ("p:sp", "p:graphicFrame"):
            yield shape


def _placeholder(shape: Element) -> str | None:
    """The kind of placeholder that a shape fills; ``""`` if it fills none, None if its kind is not told."""
    placeholder = child(shape, "p:nvSpPr", "p:nvPr", "p:ph")
    return "" if placeholder is None else placeholder.get("type")


def _is_title(shape: Element) -> bool:
    return _placeholder(shape) in _TITLES


def _shape(shape: Element) -> Iterator[str]:
    if name_of(shape.tag) == "p:graphicFrame":
        table = child(shape, "a:graphic", "a:graphicData", "a:tbl")
        if table is not None:
            yield markdown.table(list(_rows(table)))
        return
    kind = _placeholder(shape)
    if kind in _BESIDE:
        return
    for bullet, text in _paragraphs(shape):
        listed = kind in _LISTS if bullet is None else bullet
        yield markdown.list_item(text) if listed else text


def _rows(table: Element) -> Iterator[list[str]]:
    for row in table:
        if name_of(row.tag) == "a:tr":
            yield [
                " ".join(text for _, text in _paragraphs(cell, "a:txBody"))
                for cell in row
                if name_of(cell.tag) == "a:tc"
            ]


def _paragraphs(shape: Element, body: str = "p:txBody") -> Iterator[tuple[bool | None, str]]:
    """The paragraphs of a shape that hold text: whether they have a bullet, if that is said, and the text."""
    for paragraph in chosen(child(shape, body)):
        if name_of(paragraph.tag) == "a:p" and (text := _text(paragraph).strip()):
            yield _bullet(child(paragraph, "a:pPr")), text


def _bullet(properties: Element | None) -> bool | None:
    for part in chosen(properties):
        match name_of(part.tag):
            case "a:buNone":
                return False
            case "a:buChar" | "a:buAutoNum" | "a:buBlip":
                return True
    return None


def _text(element: Element) -> str:
    parts: list[str] = []
    for part in chosen(element):
        match name_of(part.tag):
            case "a:t" | "m:t":
                parts.append(part.text or "")
            case "a:br":
                parts.append("\n")
            case "a:tab":
                parts.append("\t")
            case _:
                parts.append(_text(part))
    return "".join(parts)
