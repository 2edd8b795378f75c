"""ISO text of Arrow's dates, times of day and timestamps.

Years are 1 to 9999. A fraction has six digits and is left out where it is zero; that of a nanosecond timestamp has nine
where six do not hold it. Timestamps of a time zone are local, followed by their distance from UTC (``+05:30``); others
have no distance. Where the clocks of a zone were off by odd seconds (before there were standard times), the distance is
rounded to minutes and the local time goes with it: the moment is the same.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_cdk.models.arrow_kinds import Unprintable

Part: TypeAlias = "str | pa.StringArray"
"""A text that is the same in every row, or one text a row. Texts are put together from several, row by row."""

_TEXT = pa.string()
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_PER_DAY = {unit: 86_400 * ticks for unit, ticks in _PER_SECOND.items()}
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31, in days since 1970-01-01."""
OUTSIDE_YEARS = "a date outside the years 1 to 9999"
OUTSIDE_DAY = "a time of day outside 00:00 to 24:00"
"""Why a value has no form."""
_LAST_LISTED = 2_145_916_799
"""The end of 2037. Zone files list no change of clocks beyond; Arrow does not apply the rule that follows the list."""


def dates(array: pa.Array) -> pa.StringArray:
    """``2013-01-31``, from date32 or date64. Raises `Unprintable` for another year than 1 to 9999."""
    check_years(array)
    if pa.types.is_date64(array.type):
        days, _ = _divided(array.view(pa.int64()), _PER_DAY["ms"])
    else:
        days = array.view(pa.int32())
    return pc.cast(pc.cast(days, pa.int32()).view(pa.date32()), _TEXT)


def timestamps(array: pa.TimestampArray) -> list[Part]:
    """``2013-01-31T05:00:00``, with fraction and distance from UTC as parts of their own.

    Raises:
        Unprintable: Another year than 1 to 9999, or an unknown time zone.
    """
    unit, zone = array.type.unit, array.type.tz
    seconds, rest = _seconds(array.view(pa.int64()), unit)
    distance: list[Part] = []
    if zone is not None:
        seconds, distance = _local(seconds, zone)
    _check_range(seconds, _FIRST_DAY * _PER_DAY["s"], (_LAST_DAY + 1) * _PER_DAY["s"], OUTSIDE_YEARS)
    moments = pc.binary_replace_slice(pc.cast(seconds.view(pa.timestamp("s")), _TEXT), 10, 11, "T")
    return [moments, *_fraction(rest, unit, nanoseconds=True), *distance]


def times(array: pa.Array) -> list[Part]:
    """``05:00:00``, from time32 or time64, with the fraction as a part of its own; nanoseconds are cut off.

    Raises `Unprintable` for a time outside of a day.
    """
    check_times(array)
    ticks = array.view(pa.int64()) if pa.types.is_time64(array.type) else pc.cast(array.view(pa.int32()), pa.int64())
    seconds, rest = _seconds(ticks, array.type.unit)
    clock = pc.cast(pc.cast(seconds, pa.int32()).view(pa.time32("s")), _TEXT)
    return [clock, *_fraction(rest, array.type.unit, nanoseconds=False)]


def _seconds(ticks: pa.Int64Array, unit: str) -> tuple[pa.Int64Array, pa.Int64Array | None]:
    return (ticks, None) if unit == "s" else _divided(ticks, _PER_SECOND[unit])


def _divided(array: pa.Int64Array, divisor: int) -> tuple[pa.Int64Array, pa.Int64Array]:
    """Quotients rounded down, and what remains (never negative)."""
    quotient = pc.divide(array, divisor)
    rest = pc.subtract(array, pc.multiply(quotient, divisor))
    negative = pc.less(rest, 0)
    if pc.any(negative).as_py():
        quotient = pc.subtract(quotient, pc.cast(negative, pa.int64()))
        rest = pc.if_else(negative, pc.add(rest, divisor), rest)
    return quotient, rest


def check_years(array: pa.Array) -> None:
    """Raise `Unprintable` unless all dates or timestamps lie in the years 1 to 9999, in their own zone.

    Where the clocks of a zone are not asked, a day at either end counts as outside.
    """
    kind = array.type
    first, end = _FIRST_DAY, _LAST_DAY + 1
    if pa.types.is_date32(kind):
        ticks, per_day = array.view(pa.int32()), 1
    else:
        ticks = array.view(pa.int64())
        per_day = _PER_DAY["ms" if pa.types.is_date64(kind) else kind.unit]
        if pa.types.is_timestamp(kind) and kind.tz not in (None, "UTC", "+00:00"):
            first, end = first + 1, end - 1  # no zone is a whole day away from UTC
    _check_range(ticks, first * per_day, end * per_day, OUTSIDE_YEARS)


def check_times(array: pa.Array) -> None:
    """Raise `Unprintable` unless all times of day lie within a day."""
    ticks = array.view(pa.int32() if pa.types.is_time32(array.type) else pa.int64())
    _check_range(ticks, 0, _PER_DAY[array.type.unit], OUTSIDE_DAY)


def _check_range(ticks: pa.Array, first: int, end: int, reason: str) -> None:
    bounds = pc.min_max(ticks)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is not None and (low < first or high >= end):
        raise Unprintable(reason)


def _fraction(rest: pa.Int64Array | None, unit: str, nanoseconds: bool) -> list[Part]:
    """The point and the digits behind it; no part if all would be empty."""
    if rest is None or not pc.max(rest).as_py():
        return []
    if unit == "ns":
        micros, nanos = _divided(rest, 1_000)
        digits = _padded(micros, 1_000_000)
        if nanoseconds and pc.max(nanos).as_py():
            digits = pc.if_else(pc.equal(nanos, 0), digits, _padded(rest, 1_000_000_000))
            return [pc.if_else(pc.equal(rest, 0), "", digits)]
    else:
        micros = pc.multiply(rest, 1_000) if unit == "ms" else rest
        digits = _padded(micros, 1_000_000)
    return [pc.if_else(pc.equal(micros, 0), "", digits)]


def _padded(array: pa.Int64Array, power: int) -> pa.StringArray:
    """A point, then as many digits as `power` has zeros."""
    return pc.binary_replace_slice(pc.cast(pc.add(array, power), _TEXT), 0, 1, ".")


def _local(seconds: pa.Int64Array, zone: str) -> tuple[pa.Int64Array, list[Part]]:
    """What the clocks of a zone show at these seconds of UTC, and the text of their distance from UTC."""
    fixed = re.fullmatch(r"([+-])(\d\d):?(\d\d)", zone)
    if fixed or zone == "UTC":
        minutes = int(fixed[2]) * 60 + int(fixed[3]) if fixed else 0
        distance = -60 * minutes if fixed and fixed[1] == "-" else 60 * minutes
        return pc.add(seconds, distance), [_distance_text(distance)]
    latest = pc.max(seconds).as_py()
    try:
        if latest is not None and latest > _LAST_LISTED:
            exact = _python_distances(seconds, zone)
        else:
            local = pc.local_timestamp(seconds.view(pa.timestamp("s", zone))).view(pa.int64())
            exact = pc.dictionary_encode(pc.subtract(local, seconds))
    except pa.ArrowInvalid:  # the system has no data of this zone; Python may have brought its own
        exact = _python_distances(seconds, zone)
    rounded = [(distance + 30) // 60 * 60 for distance in exact.dictionary.to_pylist()]
    texts = pa.array(map(_distance_text, rounded), _TEXT)
    distances = pc.take(pa.array(rounded, pa.int64()), exact.indices)
    return pc.add(seconds, distances), [pc.take(texts, exact.indices)]


def _python_distances(seconds: pa.Int64Array, zone: str) -> pa.DictionaryArray:
    """Seconds that the clocks of the zone are ahead of UTC at these moments."""
    try:
        place = zoneinfo.ZoneInfo(zone)
    except (KeyError, OSError, ValueError) as error:
        raise Unprintable(f"unknown time zone {zone!r}") from error
    moments = pc.dictionary_encode(seconds)
    found: list[int] = []
    for moment in moments.dictionary.to_pylist():
        try:
            distance = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)).astimezone(place).utcoffset()
        except OverflowError as error:
            raise Unprintable(OUTSIDE_YEARS) from error
        found.append(0 if distance is None else int(distance.total_seconds()))
    return pc.dictionary_encode(pc.take(pa.array(found, pa.int64()), moments.indices))


def _distance_text(distance: int) -> str:
    minutes = abs(distance) // 60
    return f"{'-' if distance < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
