from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.utils.datetime_helpers import (
    AirbyteDateTime,
    ab_datetime_format,
    ab_datetime_now,
    ab_datetime_parse,
    ab_datetime_try_parse,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2023-03-14T15:09:26Z", "2023-03-14T15:09:26+00:00"),
        ("2023-03-14 15:09:26", "2023-03-14T15:09:26+00:00"),
        ("2023-03-14T15:09:26.123Z", "2023-03-14T15:09:26.123000+00:00"),
        ("2023-03-14T15:09:26.123456789Z", "2023-03-14T15:09:26.123456+00:00"),
        ("2023-03-14T15:09:26-05:00", "2023-03-14T15:09:26-05:00"),
        ("2023-03-14T15:09:26+0530", "2023-03-14T15:09:26+05:30"),
        ("2023-03-14T15:09", "2023-03-14T15:09:00+00:00"),
        ("2023-03-14", "2023-03-14T00:00:00+00:00"),
        ("2023-3-4", "2023-03-04T00:00:00+00:00"),
        ("2023/03/14", "2023-03-14T00:00:00+00:00"),
        ("Mar 14 2023", "2023-03-14T00:00:00+00:00"),
        ("20230314T150926Z", "2023-03-14T15:09:26+00:00"),
        ("14/03/2023 10:00", "2023-03-14T10:00:00+00:00"),
        ("10-11-2023 10:00:00", "2023-10-11T10:00:00+00:00"),
        ("Mon, 01 Jan 2024 00:00:00 GMT", "2024-01-01T00:00:00+00:00"),
        (1678806566, "2023-03-14T15:09:26+00:00"),
        ("1678806566", "2023-03-14T15:09:26+00:00"),
        ("20230314", "2023-03-14T00:00:00+00:00"),
        (20230314, "1970-08-23T03:31:54+00:00"),
        ("20231345", "1970-08-23T03:49:05+00:00"),
        ("12345678", "1970-05-23T21:21:18+00:00"),
        ("Mon, 01 Jan 2024 00:00:00 EST", "2024-01-01T00:00:00-05:00"),
        ("Mon, 01 Jan 2024 00:00:00 +0200", "2024-01-01T00:00:00+02:00"),
        ("2024-01-01 10:00:00 UTC", "2024-01-01T10:00:00+00:00"),
        ("2024-01-01 10:00:00 PST", "2024-01-01T10:00:00-08:00"),
        ("2024 11 28", "2024-11-28T00:00:00+00:00"),
        ("11 01 2050", "2050-11-01T00:00:00+00:00"),
    ],
)
def test_parsing(value: str | int, expected: str) -> None:
    assert str(ab_datetime_parse(value)) == expected
    assert type(ab_datetime_parse(value)) is AirbyteDateTime


@pytest.mark.parametrize(
    "value",
    [
        "12345678901",
        -1,
        1.5,
        None,
        "",
        "nan",
        "15:09:26",
        "2023-13-01",
        "2023-02-30",
        "2023-03-14T24:00:00Z",
        "2023-03-14T23:59:60Z",
        "2023-W11-2",
        "2023-073",
        "March",
        "2023-03-14T15:09:26+00:00Z",
        "nonsense",
        "2024-01-01 10:00:00 XYZ",
        "2024-01-01 10:00:00 IST",
    ],
)
def test_what_is_no_date(value: Any) -> None:
    with pytest.raises(ValueError, match=r"not a date|timestamp"):
        ab_datetime_parse(value)
    assert ab_datetime_try_parse(value) is None


def test_it_keeps_an_offset() -> None:
    moment = AirbyteDateTime(2023, 3, 14, tzinfo=timezone(timedelta(hours=2)))
    assert str(moment.replace(tzinfo=None)) == "2023-03-14T00:00:00+00:00"
    assert str(moment.replace(day=15)) == "2023-03-15T00:00:00+02:00"
    assert type(moment.replace(day=15)) is AirbyteDateTime


def test_formatting() -> None:
    moment = AirbyteDateTime(2023, 3, 14, 15)
    assert ab_datetime_format(moment) == "2023-03-14T15:00:00+00:00"
    assert ab_datetime_format(moment, "%Y") == "2023"
    assert ab_datetime_format(datetime(2020, 1, 1)) == "2020-01-01T00:00:00+00:00"
    east = timezone(timedelta(hours=2))
    assert ab_datetime_format(datetime(2020, 1, 1, tzinfo=east)) == "2020-01-01T00:00:00+02:00"
    assert f"{moment}" == str(moment) == repr(moment) == "2023-03-14T15:00:00+00:00"


def test_arithmetic_keeps_the_class() -> None:
    moment, day = AirbyteDateTime(2023, 3, 14), timedelta(days=1)
    for later in (moment + day, day + moment, moment.add(day)):
        assert (type(later), str(later)) == (AirbyteDateTime, "2023-03-15T00:00:00+00:00")
    assert moment - day == moment.subtract(day) == datetime(2023, 3, 13, tzinfo=UTC)
    assert moment - AirbyteDateTime(2023, 3, 13) == day
    with pytest.raises(TypeError):
        moment + 1  # type: ignore[operator]


def test_it_is_always_aware() -> None:
    assert AirbyteDateTime.from_datetime(datetime(2020, 1, 1)).tzinfo is UTC
    assert AirbyteDateTime.now().tzinfo is not None
    assert ab_datetime_now().tzinfo is UTC
    moment = AirbyteDateTime(2020, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))
    assert moment == AirbyteDateTime(2020, 1, 1)
    assert pickle.loads(pickle.dumps(moment)) == copy.deepcopy(moment) == moment


@given(st.integers(-(10**13), 10**14))
@settings(max_examples=60, deadline=None)
def test_milliseconds_survive(milliseconds: int) -> None:
    assert AirbyteDateTime.from_epoch_millis(milliseconds).to_epoch_millis() == milliseconds


@given(st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-9, minutes=-30)))))
@settings(max_examples=60, deadline=None)
def test_the_own_text_is_understood(moment: datetime) -> None:
    text = str(AirbyteDateTime.from_datetime(moment))
    assert ab_datetime_parse(text) == moment
    assert str(AirbyteDateTime.from_str(text)) == text
