"""Points in time that always know their offset."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Self

__all__ = ["AirbyteDateTime", "ab_datetime_format", "ab_datetime_now", "ab_datetime_parse", "ab_datetime_try_parse"]

_LATEST_EPOCH = 9_999_999_999
"""Largest number taken as seconds since 1970; a longer one is milliseconds, or no time at all."""


class AirbyteDateTime(datetime):
    """A `datetime` that has an offset: UTC unless given. Its text is ISO 8601.

    ``str(AirbyteDateTime(2023, 3, 14))`` is ``2023-03-14T00:00:00+00:00``; a fraction is written only if there is one.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls, *args, **kwargs)
        return self if self.tzinfo is not None else datetime.replace(self, tzinfo=UTC)

    def replace(self, *args: Any, **kwargs: Any) -> Self:
        """As `datetime.replace`; without an offset it is UTC."""
        return self.from_datetime(super().replace(*args, **kwargs))

    @classmethod
    def from_datetime(cls, dt: datetime) -> Self:
        """The same point in time; one without offset is taken as UTC."""
        zone = dt.tzinfo or UTC
        return cls(dt.year, dt.month, dt.day, dt.hour, dt.minute, dt.second, dt.microsecond, tzinfo=zone, fold=dt.fold)

    @classmethod
    def from_str(cls, dt_str: str) -> Self:
        """As `ab_datetime_parse`."""
        return cls.from_datetime(ab_datetime_parse(dt_str))

    @classmethod
    def from_epoch_millis(cls, milliseconds: int) -> Self:
        """The point in time that many milliseconds after 1970-01-01T00:00:00Z."""
        return cls.from_datetime(_EPOCH + timedelta(milliseconds=milliseconds))

    def to_datetime(self) -> datetime:
        """Itself."""
        return self

    def to_epoch_millis(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z, rounded down."""
        return (self - _EPOCH) // timedelta(milliseconds=1)

    def add(self, delta: timedelta) -> AirbyteDateTime:
        """The point in time that much later."""
        return self + delta

    def subtract(self, delta: timedelta) -> AirbyteDateTime:
        """The point in time that much earlier."""
        return self - delta

    def __str__(self) -> str:
        return self.isoformat()

    def __repr__(self) -> str:
        return self.isoformat()


_EPOCH = AirbyteDateTime(1970, 1, 1)

_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|z|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?"
)

_COMPACT = re.compile(r"\s*((?:19|20|21)\d{2})(\d{2})(\d{2})\s*")

_ZONES = {"UT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
"""Hours ahead of UTC, besides those that `dateutil` knows: UTC, GMT, Z."""


def ab_datetime_now() -> AirbyteDateTime:
    """Now, in UTC."""
    return AirbyteDateTime.from_datetime(datetime.now(UTC))


def ab_datetime_parse(dt_str: str | int) -> AirbyteDateTime:
    """The point in time that a text or number says.

    Args:
        dt_str: ISO 8601, with or without separators; other common ways to write a date (month first where it is
            ambiguous); or seconds since 1970 as a number or as up to ten digits. Eight digits that can be a date of
            the years 1900 to 2199 are that date. Without an offset it is UTC; of named zones, those of
            https://www.rfc-editor.org/rfc/rfc822#section-5 are known.

    Raises:
        ValueError: it says no point in time.
    """
    compact = _COMPACT.fullmatch(dt_str) if isinstance(dt_str, str) else None
    if compact:
        with suppress(ValueError):
            return AirbyteDateTime(*map(int, compact.groups()))
    if isinstance(dt_str, int) or (isinstance(dt_str, str) and re.fullmatch(r"\s*-?\d+\s*", dt_str)):
        return _from_epoch(int(dt_str))
    if not isinstance(dt_str, str):
        raise ValueError(f"not a date: {dt_str!r}")
    text = dt_str.strip()
    match = _ISO.fullmatch(text)
    try:
        if match:
            return _from_iso(match)
        if _is_other_date(text):
            # The wide rest: named months, slashes, compact forms.
            from dateutil import parser

            first = datetime(datetime.now(UTC).year, 1, 1)
            return AirbyteDateTime.from_datetime(parser.parse(text, default=first, tzinfos=_zone))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"not a date: {dt_str!r} ({error})") from None
    raise ValueError(f"not a date: {dt_str!r}")


def _from_epoch(seconds: int) -> AirbyteDateTime:
    if seconds < 0:
        raise ValueError(f"a timestamp cannot be negative: {seconds}")
    if seconds > _LATEST_EPOCH:
        raise ValueError(f"a timestamp in seconds has at most ten digits: {seconds}")
    return AirbyteDateTime.from_epoch_millis(seconds * 1000)


def _from_iso(match: re.Match[str]) -> AirbyteDateTime:
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    zone: timezone = UTC
    if offset and offset not in "Zz":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        zone = timezone(ahead if offset[0] == "+" else -ahead)
    microsecond = int((fraction or "").ljust(6, "0")[:6])
    return AirbyteDateTime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), microsecond, tzinfo=zone
    )


def _zone(name: str | None, offset: int | None) -> timezone | None:
    """The zone that `dateutil` found at the end of a text; it would take an unknown one for UTC."""
    if offset is None and name is not None:
        if name not in _ZONES:
            raise ValueError(f"unknown time zone {name}")
        offset = _ZONES[name] * 3600
    return None if offset is None else timezone(timedelta(seconds=offset))


def _is_other_date(text: str) -> bool:
    """Whether the text names a day: a time of day alone, or a word alone, does not."""
    if re.search(r"\d{4}-?W\d", text) or not re.search(r"\d", text):
        return False
    if re.fullmatch(r"\d{4}-\d{3}", text):
        return False
    return bool(re.search(r"\d{8}|\d[-/.]\d|[A-Za-z]{3}|\d{4} \d{1,2} \d{1,2}\b|\b\d{1,2} \d{1,2} \d{4}", text))


def ab_datetime_try_parse(dt_str: str | None) -> AirbyteDateTime | None:
    """As `ab_datetime_parse`, but None for what is no date."""
    try:
        return ab_datetime_parse(dt_str)  # type: ignore[arg-type]  # None is no date either
    except ValueError:
        return None


def ab_datetime_format(dt: datetime, format: str | None = None) -> str:
    """The text of a point in time (UTC if it has no offset): in a `strftime` format, else ISO 8601."""
    known = dt if dt.tzinfo is not None else dt.replace(tzinfo=UTC)
    return known.strftime(format) if format else known.isoformat()
