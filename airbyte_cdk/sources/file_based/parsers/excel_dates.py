"""Dates and times of workbooks: they are stored as numbers of days, and only the number format tells.

Number formats: ECMA-376 part 1, 18.8.30 and 18.8.31, https://ecma-international.org/publications-and-standards/standards/ecma-376/
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc


class Kind(Enum):
    """What a number format makes of a number."""

    NUMBER = "number"
    MOMENT = "moment"
    """A date, a time of day, or both."""
    DURATION = "duration"


_BUILT_IN_MOMENTS = frozenset((*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)))
_BUILT_IN_DURATION = 46
_LITERAL = re.compile(r'"[^"]*"|[\\_*].')
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]")
_MOMENT = re.compile(r"[ymdhs]", re.IGNORECASE)

DAY_MS = 86_400_000
_UNIX_DAY = 25569
"""Serial number of 1970-01-01, where 1 is 1900-01-01 and 1900 is taken for a leap year."""
_UNIX_DAY_1904 = 24107
"""The same where 0 is 1904-01-01."""
_LEAP_DAY = 60
"""Serial number of the day 1900-02-29, which never was."""
_LAST_DAY = 2958466
"""The serial number after 9999-12-31, the last date that spreadsheet programs show."""
_UNIX = datetime(1970, 1, 1)


def kind_of_format(number: int, code: str | None = None) -> Kind:
    """What a number format means, by its number, and its code if the workbook defines it.

    >>> kind_of_format(14), kind_of_format(164, '#,##0.00 "dm"'), kind_of_format(165, "[h]:mm")
    (<Kind.MOMENT: 'moment'>, <Kind.NUMBER: 'number'>, <Kind.DURATION: 'duration'>)
    """
    if code is None:
        if number == _BUILT_IN_DURATION:
            return Kind.DURATION
        return Kind.MOMENT if number in _BUILT_IN_MOMENTS else Kind.NUMBER
    code = _LITERAL.sub("", code).split(";", 1)[0]
    if _ELAPSED.search(code):
        return Kind.DURATION
    code = _BRACKETS.sub("", code)
    if code.strip().lower() == "general":
        return Kind.NUMBER
    return Kind.MOMENT if _MOMENT.search(code) else Kind.NUMBER


def cell_value(serial: float, kind: Kind, since_1904: bool) -> float | datetime | time | timedelta:
    """The date, time of day or duration that a number stands for, to the millisecond as spreadsheet programs have it.

    A moment before the first day (a number from 0 to 1) is a time of day. A number that stands for no date up to
    9999-12-31 stays a number.
    """
    if kind is Kind.DURATION:
        try:
            return timedelta(milliseconds=round(serial * DAY_MS))
        except OverflowError:
            return serial
    if kind is Kind.NUMBER or not 0 <= serial < _LAST_DAY - (0 if not since_1904 else _UNIX_DAY - _UNIX_DAY_1904):
        return serial
    milliseconds = round(serial * DAY_MS)
    if serial < 1:
        return (_UNIX + timedelta(milliseconds=min(milliseconds, DAY_MS - 1))).time()
    first = _UNIX_DAY_1904 if since_1904 else _UNIX_DAY
    if not since_1904 and serial < _LEAP_DAY:
        first -= 1
    return _UNIX + timedelta(milliseconds=milliseconds - first * DAY_MS)


def timestamps(serials: pa.Array, since_1904: bool) -> pa.Array | None:
    """As `cell_value` for a whole column of float64, if all are dates of the ordinary kind; otherwise None."""
    bounds = pc.min_max(serials)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    first, last = (_UNIX_DAY_1904, _LAST_DAY - 1462) if since_1904 else (_UNIX_DAY, _LAST_DAY)
    if low is None or not (low > _LEAP_DAY + 1 and high < last):
        return None
    milliseconds = pc.round(pc.multiply(serials, float(DAY_MS)), round_mode="half_to_even").cast(pa.int64())
    return pc.subtract(milliseconds, first * DAY_MS).view(pa.timestamp("ms"))
