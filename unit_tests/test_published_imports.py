"""Every import that published connectors and their tests make, as far as the parts they belong to are built."""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

LEFT = {"(declarative)": 67, "(http)": 29}
"""Rows that parts still to be built will serve. The numbers can only shrink: who builds a part writes the holders."""


class Row(NamedTuple):
    module: str
    name: str
    owner: str


def rows() -> list[Row]:
    lines = (Path(__file__).parent / "published_imports.txt").read_text().splitlines()
    return [Row(*line.split()) for line in lines if line and not line.startswith("#")]


BUILT = [row for row in rows() if not row.owner.startswith("(")]
WAITING = [row for row in rows() if row.owner.startswith("(")]


def imported(row: Row) -> Any:
    """What ``from <module> import <name>`` binds."""
    names: dict[str, Any] = {}
    exec(f"from {row.module} import {row.name}", names)
    return names[row.name]


@pytest.mark.parametrize("row", BUILT, ids=lambda row: f"{row.module}:{row.name}")
def test_an_import_gives_the_object_of_its_owner(row: Row) -> None:
    found = imported(row)
    if isinstance(found, ModuleType):
        assert found is importlib.import_module(row.owner)
        return
    assert found is getattr(importlib.import_module(row.owner), row.name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__module__ == row.owner


def test_rows_are_sorted_and_none_is_there_twice() -> None:
    keys = [(row.module, row.name) for row in rows()]
    assert keys == sorted(set(keys))


def test_what_is_left_for_other_parts(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        for part, count in sorted(Counter(row.owner for row in WAITING).items()):
            print(f"\n{count} published imports are left for the part {part}:")  # noqa: T201
            print("\n".join(f"  {row.module} {row.name}" for row in WAITING if row.owner == part))  # noqa: T201
    assert Counter(row.owner for row in WAITING) == LEFT


@pytest.mark.parametrize("row", WAITING, ids=lambda row: f"{row.module}:{row.name}")
def test_a_row_that_is_left_cannot_be_imported_yet(row: Row) -> None:
    with pytest.raises(ImportError):
        imported(row)
