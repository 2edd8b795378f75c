"""Markdown for documents: one block a paragraph, title, list item, table or formula, with blank lines between.

Of Markdown's many dialects, this is what https://github.github.com/gfm/ calls headings, lists, tables, fenced code and
block quotes. The text itself is not escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument

TEXT_CHARACTERS = 256 * 1024 * 1024
"""Most characters that a document may hold: its text is one value of one record."""


def document(blocks: Iterable[str]) -> str:
    """The blocks as one text; blank ones are left out.

    Raises:
        UnprocessableDocument: the text is longer than `TEXT_CHARACTERS`.
    """
    kept: list[str] = []
    length = 0
    for block in blocks:
        if not block.strip():
            continue
        length += len(block) + 2
        if length > TEXT_CHARACTERS:
            raise too_long()
        kept.append(block)
    return "\n\n".join(kept)


def too_long() -> UnprocessableDocument:
    """The error of a document with too much text."""
    return UnprocessableDocument(f"its text is longer than {TEXT_CHARACTERS:,} characters")


def title(text: str, depth: int) -> str:
    """A heading; `depth` is 1 for the highest."""
    return f"{'#' * max(1, depth)} {text}" if text.strip() else ""


def list_item(text: str) -> str:
    """One item of a list."""
    return f"- {text}" if text.strip() else ""


def formula(text: str) -> str:
    """A formula on its own, fenced."""
    return f"```\n{text}\n```" if text.strip() else ""


def quote(text: str) -> str:
    """A block quote."""
    return "\n".join(f"> {line}" for line in text.splitlines()) if text.strip() else ""


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head; short rows are filled up, and a cell is one line.

    >>> print(table([["name", "age"], ["Ann | Bob"]]))
    | name | age |
    | --- | --- |
    | Ann \\| Bob |  |
    """
    width = max(map(len, rows), default=0)
    if not any(cell.strip() for row in rows for cell in row):
        return ""
    lines = [_row([*row, *[""] * (width - len(row))]) for row in rows]
    return "\n".join([lines[0], _row(["---"] * width), *lines[1:]])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def element(element: Mapping[str, Any]) -> str:
    """One element of a partitioned document, as the API of unstructured.io answers it.

    Its fields are `type`, `text` and `metadata`; a title's `category_depth` counts from 0, and 0 and 1 are both the
    highest heading, as in earlier releases of this library.
    """
    text = str(element.get("text") or "")
    match element.get("type"):
        case "Title":
            metadata = element.get("metadata")
            depth = metadata.get("category_depth") if isinstance(metadata, Mapping) else None
            return title(text, depth if isinstance(depth, int) else 1)
        case "ListItem":
            return list_item(text)
        case "Formula":
            return formula(text)
    return text
