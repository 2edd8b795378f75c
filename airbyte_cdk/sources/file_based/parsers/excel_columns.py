"""Columns of worksheets: which type discovery declares, and the batches that a stream gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airbyte_cdk.sources.file_based.parsers.excel_block import EXACT

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.parsers.excel_block import Cell, Column

Property = dict[str, Any]


def column_names(header: Sequence[Cell]) -> ColumnNames:
    """Names of the columns under a header row."""
    return ColumnNames(["" if cell is None else _heading(cell) for cell in header])


class ColumnNames:
    """Names of the columns of a sheet, no two the same.

    A column without a heading is named by its index from 0, ``Unnamed: 3``. The second column of a name gets ``.1``,
    the third ``.2``; numbers whose name another column has are passed over.

    >>> ColumnNames(["a", "", "a", "a.1", "a"])[:6]
    ['a', 'Unnamed: 1', 'a.2', 'a.1', 'a.3', 'Unnamed: 5']
    """

    def __init__(self, headings: list[str]) -> None:
        self._headings = frozenset(headings)
        self._names: list[str] = []
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}
        self._add(headings)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, indices: slice) -> list[str]:
        if indices.stop is not None and indices.stop > len(self._names):
            self._add([""] * (indices.stop - len(self._names)))
        return self._names[indices]

    def _add(self, headings: list[str]) -> None:
        for heading in headings:
            base = name = heading or f"Unnamed: {len(self._names)}"
            if base in self._taken:
                number = self._next.get(base, 1)
                while (name := f"{base}.{number}") in self._headings or name in self._taken:
                    number += 1
                self._next[base] = number + 1
            self._taken.add(name)
            self._names.append(name)


def _heading(cell: Cell) -> str:
    return str(cell) if isinstance(cell, bool) else text_of(cell)


# What discovery declares


def kinds(column: Column) -> set[str]:
    """Which of number, boolean, date-time and text are among the cells."""
    if isinstance(column, pa.Array):
        return set() if column.null_count == len(column) else {_kind_of_array(column.type)}
    return {_KINDS[cls] for cls in set(map(type, column))} - {""}


_KINDS: Mapping[type, str] = {
    type(None): "",
    bool: "boolean",
    int: "number",
    float: "number",
    datetime: "date-time",
    str: "text",
    time: "text",
    timedelta: "text",
}


def _kind_of_array(kind: pa.DataType) -> str:
    types = pa.types
    if types.is_boolean(kind):
        return "boolean"
    if types.is_timestamp(kind):
        return "date-time"
    return "number" if types.is_integer(kind) or types.is_floating(kind) else "text"


def property_of(found: set[str], has_rows: bool) -> Property:
    """JSON schema property of a column with cells of these kinds.

    A column of several kinds is text. One without any value is a number, as catalogs already have it, or text if the
    sheet has no rows at all.
    """
    if not found:
        return {"type": "number" if has_rows else "string"}
    if found == {"date-time"}:
        return {"type": "string", "format": "date-time"}
    return {"type": found.pop()} if found in ({"number"}, {"boolean"}) else {"type": "string"}


# What a stream gives


def declared_types(prop: Mapping[str, Any] | None) -> frozenset[str]:
    """Names of the types that a JSON schema property allows, without null."""
    given = (prop or {}).get("type", ())
    return frozenset((given,) if isinstance(given, str) else given) - {"null"}


def as_declared(column: Column, types: frozenset[str]) -> pa.Array:
    """The cells in the form of the type that the catalog declares, where that holds them; none is lost.

    A column declared as text holds the text of each cell. In a number column, TRUE is 1. Any other cell keeps its own
    form: a number, a boolean, or text; a column with several of these is JSON text.
    """
    array = _typed(column)
    if types == {"string"}:
        return _as_text(column if array is None else array)
    if array is None:
        cells = list(column)
        if types and types <= {"number", "integer"}:
            cells = [int(cell) if isinstance(cell, bool) else cell for cell in cells]
            array = _typed(cells)
        if array is None:
            return _as_json(cells)
    if pa.types.is_boolean(array.type):
        return array.cast(pa.int64()) if types and types <= {"number", "integer"} else array
    if pa.types.is_timestamp(array.type):
        return _as_text(array)
    return array


def text_of(cell: Cell) -> str:
    """A cell as text: a number with all its digits, ISO 8601 for dates, times and durations."""
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < EXACT else repr(cell)
        case datetime():
            return cell.isoformat(timespec="microseconds")
        case time():
            return cell.isoformat()
        case timedelta():
            return _duration(cell)
    return str(cell)


def _duration(cell: timedelta) -> str:
    hours, rest = divmod(cell.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{cell.microseconds // 1000:03}" if cell.microseconds else ""
    return f"P{cell.days}DT{hours}H{minutes}M{seconds}{fraction}S"


def _typed(column: Column) -> pa.Array | None:
    """The cells as an array of Arrow, or None if no type but text holds them all."""
    if isinstance(column, pa.Array):
        return column
    found = set(map(type, column)) - {type(None)}
    if found == {int, float} and all(type(cell) is not int or -EXACT <= cell <= EXACT for cell in column):
        found = {float}
    if len(found) > 1 or found & {time, timedelta}:
        return None
    arrow = _ARROW[found.pop()] if found else pa.null()
    try:
        return pa.array(column, arrow)
    except (OverflowError, pa.ArrowInvalid):  # integers of more than 64 bits
        return None


_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), datetime: pa.timestamp("ms")}


def _as_text(column: Column) -> pa.Array:
    if isinstance(column, pa.Array):
        kind = column.type
        if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_null(kind):
            return column
        if pa.types.is_integer(kind):
            return column.cast(pa.string())
        if pa.types.is_timestamp(kind):
            return pc.strftime(column.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%S")
        column = column.to_pylist()
    return pa.array([None if cell is None else text_of(cell) for cell in column], pa.string())


def _as_json(cells: Sequence[Cell]) -> pa.Array:
    texts = pa.array([None if cell is None else _json(cell) for cell in cells], pa.string())
    return pa.ExtensionArray.from_storage(pa.json_(pa.string()), texts)


def _json(cell: Cell) -> str:
    if isinstance(cell, bool | int | float):
        return text_of(cell)
    return orjson.dumps(text_of(cell)).decode()
