"""PDF documents as Markdown blocks: the text that they store, with headings told by the size of the letters.

PDFium (https://pdfium.googlesource.com/pdfium/) finds the text. Pages that are pictures have none: reading them takes
OCR, which is not done here. Tables are not rebuilt: a row is a line.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import IO, Any

from airbyte_cdk.sources.file_based.parsers import unstructured_markdown as markdown
from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument

HEADING = 1.15
"""Lines whose letters are larger than the usual ones by this factor are headings."""
HEADING_CHARACTERS = 200
DEEPEST = 6
LINE_GAP = 1.35
"""Lines further apart than the usual lines of their page by this factor belong to different paragraphs."""
_BULLETS = r"\u2013\u2022\u2023\u2043\u25a0\u25a1\u25aa\u25ab\u25cb\u25cf\u25e6\uf06e\uf0a7\uf0b7"
_ITEM = re.compile(rf"(?:[{_BULLETS}]\s*|[-*]\s+)(?=\S)")
_HYPHENS = "\x02\ufffe"
"""By these PDFium stands for a hyphen at the end of a line that only breaks a word."""

_PDFIUM = threading.Lock()
"""PDFium may be in one thread only."""


@dataclass
class Line:
    """One line of text.

    Attributes:
        text: Its text.
        size: Height of its letters, in points.
        y: Where it stands: points from the bottom of the page.
        page: Number of the page, from 0.
    """

    text: str
    size: float
    y: float
    page: int


@dataclass
class Pages:
    """What the pages of a document hold.

    Attributes:
        lines: Their text.
        count: How many pages there are.
        pictures: How many of them hold something but no text.
    """

    lines: list[Line]
    count: int = 0
    pictures: int = 0


def read_pages(file: IO[bytes]) -> Pages:
    """The text of all pages.

    Raises:
        UnprocessableDocument: the file is not a PDF document, or can be opened with a password only.
        ModuleNotFoundError: pypdfium2 is not installed.
    """
    import pypdfium2

    with _PDFIUM:
        try:
            document = pypdfium2.PdfDocument(file)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise UnprocessableDocument("it is encrypted, and can be opened with its password only") from None
            raise UnprocessableDocument("it is empty, cut off, or not a PDF document") from None
        try:
            pages = Pages([], len(document))
            letters = 0
            for number in range(pages.count):
                try:
                    page = document[number]
                except pypdfium2.PdfiumError:
                    raise UnprocessableDocument(f"its page {number + 1} cannot be read") from None
                lines = _lines(page, number)
                pages.lines += lines
                if not lines and pypdfium2.raw.FPDFPage_CountObjects(page.raw) > 0:
                    pages.pictures += 1
                page.close()
                letters += sum(len(line.text) for line in lines)
                if letters > markdown.TEXT_CHARACTERS:
                    raise markdown.too_long()
            return pages
        finally:
            document.close()


def _lines(page: Any, number: int) -> list[Line]:
    """The lines of one page, in the order in which PDFium reads them."""
    from pypdfium2 import raw

    text_page = page.get_textpage()
    try:
        handle = text_page.raw
        x, y, matrix = ctypes.c_double(), ctypes.c_double(), raw.FS_MATRIX()
        lines: list[Line] = []
        units: list[int] = []
        places: list[int] = []
        for i in range(max(0, raw.FPDFText_CountChars(handle)) + 1):
            unit = raw.FPDFText_GetUnicode(handle, i)  # 0 behind the last one
            if unit not in (0, 10, 13):
                units.append(unit)
                if not chr(unit).isspace():
                    places.append(i)
                continue
            if places and (text := _text(units)):
                # the middle one: a bullet or a footnote's number has a size of its own
                letter = places[len(places) // 2]
                raw.FPDFText_GetCharOrigin(handle, letter, x, y)
                raw.FPDFText_GetMatrix(handle, letter, matrix)
                scale = (matrix.c**2 + matrix.d**2) ** 0.5 or 1.0
                lines.append(Line(text, raw.FPDFText_GetFontSize(handle, letter) * scale, y.value, number))
            units, places = [], []
        return lines
    finally:
        text_page.close()


def _text(units: list[int]) -> str:
    """Text of UTF-16 units or code points, without control characters."""
    text = "".join(map(chr, units))
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore").strip()
    text = re.sub(rf"[{_HYPHENS}](?=.)", "", text)
    return re.sub(r"[\x00\x01\x03-\x08\x0b-\x1f\x7f]", "", text)


def blocks(lines: list[Line]) -> Iterator[str]:
    """Paragraphs, headings and list items, put together from lines."""
    usual = usual_size(lines)
    depths = heading_depths(lines, usual)
    for group in paragraphs(lines):
        text = joined([line.text for line in group])
        depth = depths.get(_rounded(group[0].size))
        if item := _ITEM.match(text):
            yield markdown.list_item(text[item.end() :])
        elif depth and len(text) <= HEADING_CHARACTERS and any(map(str.isalnum, text)):
            yield markdown.title(text, depth)
        else:
            yield text


def usual_size(lines: list[Line]) -> float:
    """The size of most letters."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[_rounded(line.size)] += len(line.text)
    return max(letters, key=lambda size: (letters[size], -size), default=0.0)


def heading_depths(lines: list[Line], usual: float) -> dict[float, int]:
    """The depth of a heading by the size of its letters: 1 for the largest."""
    sizes = sorted({size for line in lines if (size := _rounded(line.size)) >= usual * HEADING}, reverse=True)
    return {size: min(depth, DEEPEST) for depth, size in enumerate(sizes, 1)}


def paragraphs(lines: list[Line]) -> Iterator[list[Line]]:
    """Lines that belong together: of one size, one below the other, at the usual distance."""
    gaps: dict[int, list[float]] = {}
    for above, below in pairwise(lines):
        if _continues(above, below):
            gaps.setdefault(above.page, []).append(above.y - below.y)
    usual = {page: median(found) for page, found in gaps.items()}
    group: list[Line] = []
    for line in lines:
        if group and not (
            _continues(group[-1], line)
            and group[-1].y - line.y <= LINE_GAP * usual[line.page]
            and not _ITEM.match(line.text)
        ):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _continues(above: Line, below: Line) -> bool:
    size = max(above.size, below.size)
    return (
        above.page == below.page
        and _rounded(above.size) == _rounded(below.size)
        and 0 < above.y - below.y <= 3 * max(size, 1.0)
    )


def joined(lines: list[str]) -> str:
    """Lines as one, with words put together that were broken at a line's end."""
    text = "\n".join(lines)
    return re.sub(rf"[{_HYPHENS}]\n?", "", text).replace("\n", " ")


def _rounded(size: float) -> float:
    return round(size * 2) / 2
