"""How blocks become Markdown."""

from __future__ import annotations

from typing import Any

import pytest

from airbyte_cdk.sources.file_based.parsers import unstructured_markdown as markdown
from airbyte_cdk.sources.file_based.parsers.unstructured_types import UnprocessableDocument


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ({"type": "Title", "text": "t"}, "# t"),
        ({"type": "Title", "text": "t", "metadata": {"category_depth": 0}}, "# t"),
        ({"type": "Title", "text": "t", "metadata": {"category_depth": 1}}, "# t"),
        ({"type": "Title", "text": "t", "metadata": {"category_depth": 3}}, "### t"),
        ({"type": "Title", "text": "t", "metadata": None}, "# t"),
        ({"type": "ListItem", "text": "i", "metadata": {"category_depth": 2}}, "- i"),
        ({"type": "Formula", "text": "a=b"}, "```\na=b\n```"),
        ({"type": "NarrativeText", "text": "p"}, "p"),
        ({"type": "Table", "text": "a b 1 2"}, "a b 1 2"),
        ({"type": "Title", "text": ""}, ""),
        ({"type": "PageBreak"}, ""),
        ({"text": "p"}, "p"),
    ],
)
def test_elements(element: dict[str, Any], expected: str) -> None:
    assert markdown.element(element) == expected


def test_blocks_are_joined_by_blank_lines() -> None:
    assert markdown.document(["# a", "", "- b", " \n", "c\nd"]) == "# a\n\n- b\n\nc\nd"


def test_cells_are_lines_of_a_table() -> None:
    assert markdown.table([["a\nb", "c|d"], ["1"]]) == "| a b | c\\|d |\n| --- | --- |\n| 1 |  |"


@pytest.mark.parametrize("rows", [[], [[]], [["", " "], [""]]])
def test_a_table_without_text_is_nothing(rows: list[list[str]]) -> None:
    assert markdown.table(rows) == ""


def test_a_quote_marks_each_line() -> None:
    assert markdown.quote("a\nb") == "> a\n> b"


def test_endless_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "TEXT_CHARACTERS", 100)
    with pytest.raises(UnprocessableDocument, match="longer than 100 characters"):
        markdown.document("word" for _ in range(10**9))
