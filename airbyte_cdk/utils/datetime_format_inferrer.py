"""Which fields of a stream hold points in time, and in which format."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airbyte_cdk.models import AirbyteRecordMessage

__all__ = ["DatetimeFormatInferrer"]

_SECONDS, _MILLISECONDS = "%s", "%ms"
_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%d %H:%M:%S.%f%z",
    "%d/%m/%Y %H:%M",
    "%Y-%m",
    "%d-%m-%Y",
    _SECONDS,
    _MILLISECONDS,
)
_NUMBERS = (range(1_000_000_000, 2_000_000_000), range(1_000_000_000_000, 2_000_000_000_000))
"""Seconds and milliseconds since 1970 that are likely to mean a point in time: 2001 to 2033."""


class DatetimeFormatInferrer:
    """Looks at the records of one stream; `get_inferred_datetime_formats` says what all of them agree on.

    A field counts if it is at the top level, in every record, and always in the format that the first record shows.
    """

    def __init__(self) -> None:
        self._formats: dict[str, str] | None = None

    def accumulate(self, record: AirbyteRecordMessage) -> None:
        """Look at one more record."""
        data = record.data
        if self._formats is None:
            found = {name: _format_of(value) for name, value in data.items()}
            self._formats = {name: format for name, format in found.items() if format}
        else:
            self._formats = {
                name: format
                for name, format in self._formats.items()
                if _is_candidate(data.get(name)) and _fits(data[name], format)
            }

    def get_inferred_datetime_formats(self) -> dict[str, str]:
        """Field and format (of `strptime`; ``%s`` and ``%ms`` are seconds and milliseconds since 1970)."""
        return dict(self._formats or {})


def _format_of(value: Any) -> str | None:
    return next((format for format in _FORMATS if _is_candidate(value) and _fits(value, format)), None)


def _is_candidate(value: Any) -> bool:
    number = _number(value)
    if number is None:
        return isinstance(value, str)
    return any(number in likely for likely in _NUMBERS)


def _number(value: Any) -> int | None:
    if not isinstance(value, (int, str)) or isinstance(value, bool):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _fits(value: Any, format: str) -> bool:
    try:
        if format in (_SECONDS, _MILLISECONDS):
            unit = timedelta(seconds=1) if format == _SECONDS else timedelta(milliseconds=1)
            number = _number(value)
            return number is not None and bool(datetime(1970, 1, 1, tzinfo=UTC) + number * unit)
        return bool(datetime.strptime(str(value), format))
    except (ValueError, OverflowError):
        return False
