"""Word documents (.docx) as Markdown blocks, in the order of the text.

Format: WordprocessingML, https://ecma-international.org/publications-and-standards/standards/ecma-376/, part 1 chapter
17. Read are the page headers, the body with its tables, text boxes, content controls and inserted text, footnotes,
endnotes, and the page footers. Left out are pictures, charts, comments and deleted text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO
from xml.etree.ElementTree import Element

from airbyte_cdk.sources.file_based.parsers import unstructured_markdown as markdown
from airbyte_cdk.sources.file_based.parsers.unstructured_package import Package, attribute, child, chosen, name_of
from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument

_CHARACTERS = {"w:tab": "\t", "w:ptab": "\t", "w:br": "\n", "w:cr": "\n", "w:noBreakHyphen": "-"}
_LEFT_OUT = frozenset(
    {"w:del", "w:moveFrom", "w:pPr", "w:rPr", "w:sdtPr", "w:sdtEndPr", "w:tblPr", "w:tblGrid", "w:instrText", "w:rt"}
)
_NOTES = {"footnotes": "w:footnote", "endnotes": "w:endnote"}


def blocks(file: IO[bytes]) -> Iterator[str]:
    """The document's blocks.

    A paragraph is a heading by its outline level, its own or its style's, or by the style Title; and a list item by
    its numbering.

    Raises:
        UnprocessableDocument: the file is not a Word document.
        Exception: what `zipfile` and `xml.etree` raise where it is broken.
    """
    package = Package(file)
    main = package.main_part()
    relations = list(package.relations(main).values())
    styles = next((_styles(package.parse(part)) for kind, part in relations if kind == "styles"), {})
    yield from _around(package, relations, "header", styles)
    seen = False
    for element in package.blocks(main, "w:body"):
        seen = True
        yield from _Text(styles).blocks(element)
    if not seen and child(package.parse(main), "w:body") is None:
        raise UnprocessableDocument("it is not a Word document")
    for kind, part in relations:
        if kind in _NOTES:
            yield from _notes(package.parse(part), _NOTES[kind], styles)
    yield from _around(package, relations, "footer", styles)


@dataclass(frozen=True)
class Style:
    """What a paragraph style says about the paragraphs that have it.

    Attributes:
        depth: 1 for the highest heading; 0 if it is none.
        listed: Whether they are list items.
    """

    depth: int = 0
    listed: bool = False


def _styles(root: Element) -> dict[str, Style]:
    """The paragraph styles by identifier."""
    elements = {attribute(element, "w:styleId") or "": element for element in root if name_of(element.tag) == "w:style"}
    found: dict[str, Style] = {}
    for identifier in elements:
        depth: int | None = None
        listed: bool | None = None
        at: str | None = identifier
        seen: set[str] = set()
        while at in elements and at not in seen:  # what a style leaves open, the style that it is based on says
            seen.add(at)
            element = elements[at]
            name = (attribute(child(element, "w:name"), "w:val") or "").lower()
            properties = child(element, "w:pPr")
            if depth is None:
                depth = 1 if name in ("title", "subtitle") else _outline_depth(properties)
            if listed is None:
                listed = _numbered(properties)
            at = attribute(child(element, "w:basedOn"), "w:val")
        found[identifier] = Style(depth or 0, bool(listed))
    return found


def _outline_depth(properties: Element | None) -> int | None:
    """1 to 9 for a heading, 0 if it is said to be none, None if nothing is said."""
    level = attribute(child(properties, "w:outlineLvl"), "w:val")
    if level is None or not level.isdecimal():
        return None
    return int(level) + 1 if int(level) < 9 else 0


def _numbered(properties: Element | None) -> bool | None:
    number = attribute(child(properties, "w:numPr", "w:numId"), "w:val")
    return None if number is None else number != "0"


def _around(package: Package, relations: list[tuple[str, str]], kind: str, styles: dict[str, Style]) -> Iterator[str]:
    """Page headers or footers, each text once."""
    seen: set[str] = set()
    for found, part in relations:
        if found != kind:
            continue
        text = markdown.document(block for element in package.parse(part) for block in _Text(styles).blocks(element))
        if text not in seen:
            seen.add(text)
            yield text


def _notes(root: Element, name: str, styles: dict[str, Style]) -> Iterator[str]:
    for note in root:
        if name_of(note.tag) == name and attribute(note, "w:type") in (None, "normal"):
            yield from _Text(styles).blocks(note)


class _Text:
    """Turns elements into blocks.

    Args:
        styles: The paragraph styles.
    """

    def __init__(self, styles: dict[str, Style]) -> None:
        self._styles = styles
        self._aside: list[str] = []  # blocks that a paragraph holds: they follow it

    def blocks(self, element: Element) -> Iterator[str]:
        """The blocks of an element of the body, in order."""
        name = name_of(element.tag)
        if name == "w:p":
            yield from self._paragraph(element)
        elif name == "w:tbl":
            yield markdown.table(list(self._rows(element)))
        elif name == "m:oMathPara":
            yield markdown.formula(self._inline(element))
        elif name not in _LEFT_OUT:
            for part in chosen(element):
                yield from self.blocks(part)

    def _paragraph(self, paragraph: Element) -> Iterator[str]:
        outer, self._aside = self._aside, []
        text = self._inline(paragraph).strip()
        properties = child(paragraph, "w:pPr")
        style = self._styles.get(attribute(child(properties, "w:pStyle"), "w:val") or "", Style())
        depth, listed = _outline_depth(properties), _numbered(properties)
        depth = style.depth if depth is None else depth
        if depth:
            yield markdown.title(" ".join(text.split()), depth)
        elif style.listed if listed is None else listed:
            yield markdown.list_item(text)
        else:
            yield text
        yield from self._aside
        self._aside = outer

    def _inline(self, element: Element) -> str:
        """The text of a paragraph or of a part of it."""
        parts: list[str] = []
        for part in chosen(element):
            name = name_of(part.tag)
            if name in ("w:t", "m:t"):
                parts.append(part.text or "")
            elif name in _CHARACTERS:
                parts.append(_CHARACTERS[name])
            elif name == "w:txbxContent":
                for block in part:
                    self._aside += self.blocks(block)
            elif name == "m:oMathPara":
                self._aside.append(markdown.formula(self._inline(part)))
            elif name not in _LEFT_OUT:
                parts.append(self._inline(part))
        return "".join(parts)

    def _rows(self, table: Element) -> Iterator[list[str]]:
        for row in _within(table, "w:tr"):
            cells: list[str] = []
            for cell in _within(row, "w:tc"):
                span = attribute(child(cell, "w:tcPr", "w:gridSpan"), "w:val") or "1"
                cells.append(" ".join(text for part in cell if (text := self._cell_text(part))))
                cells += [""] * (min(int(span), 100) - 1 if span.isdecimal() else 0)
            yield cells

    def _cell_text(self, element: Element) -> str:
        """The text of a part of a cell; a table inside a cell is text there."""
        if name_of(element.tag) == "w:tbl":
            return " ".join(cell for row in self._rows(element) for cell in row if cell)
        if name_of(element.tag) == "w:p":
            text = self._inline(element)
            aside, self._aside = self._aside, []
            return " ".join([text, *aside])
        return " ".join(text for part in chosen(element) if (text := self._cell_text(part)))


def _within(element: Element, name: str) -> Iterator[Element]:
    """The elements of a name just below, or below others that only wrap (content controls, inserted rows)."""
    for part in chosen(element):
        if name_of(part.tag) == name:
            yield part
        elif name_of(part.tag) in ("w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo"):
            yield from _within(part, name)
