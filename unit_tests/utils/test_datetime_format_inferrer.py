from __future__ import annotations

from typing import Any

import pytest

from airbyte_cdk.models import AirbyteRecordMessage
from airbyte_cdk.utils.datetime_format_inferrer import DatetimeFormatInferrer


def inferred(*records: dict[str, Any]) -> dict[str, str]:
    inferrer = DatetimeFormatInferrer()
    for data in records:
        inferrer.accumulate(AirbyteRecordMessage(stream="s", data=data, emitted_at=0))
    return inferrer.get_inferred_datetime_formats()


@pytest.mark.parametrize(
    ("value", "format"),
    [
        ("2022-12-29", "%Y-%m-%d"),
        ("2022-12-29 00:00:00", "%Y-%m-%d %H:%M:%S"),
        ("2022-12-29T00:00:00Z", "%Y-%m-%dT%H:%M:%SZ"),
        ("2022-12-29T00:00:00.123Z", "%Y-%m-%dT%H:%M:%S.%fZ"),
        ("2022-12-29T00:00:00.123456+00:00", "%Y-%m-%dT%H:%M:%S.%f%z"),
        ("2022-12-29T00:00:00.123-0500", "%Y-%m-%dT%H:%M:%S.%f%z"),
        ("2022-12-29 00:00:00.123+00:00", "%Y-%m-%d %H:%M:%S.%f%z"),
        ("2022-12-29 00:00:00.123Z", "%Y-%m-%d %H:%M:%S.%f%z"),
        ("29/12/2022 00:00", "%d/%m/%Y %H:%M"),
        ("2022-12", "%Y-%m"),
        ("29-12-2022", "%d-%m-%Y"),
        (1672531200, "%s"),
        ("1672531200", "%s"),
        (1000000000, "%s"),
        (1672531200000, "%ms"),
        ("1672531200000", "%ms"),
    ],
)
def test_a_format(value: Any, format: str) -> None:
    assert inferred({"f": value}) == {"f": format}
    assert inferred({"f": value}, {"f": value}) == {"f": format}


@pytest.mark.parametrize(
    "value",
    [
        "2022/12/29",
        "12-29-2022",
        "20221229",
        "Dec 29, 2022",
        "2022",
        "2022-12-29T00:00:00",
        "2022-12-29T00:00:00+00:00",
        "10:00",
        "x",
        "",
        999999999,
        2000000000,
        999999999999,
        2000000000000,
        1672531200.0,
        True,
        None,
        ["2022-12-29"],
        {"f": "2022-12-29"},
    ],
)
def test_no_format(value: Any) -> None:
    assert inferred({"f": value}) == {}


@pytest.mark.parametrize("later", [{}, {"f": None}, {"f": "x"}, {"f": "2022-12-29T00:00:00Z"}, {"f": 5}])
def test_a_record_that_differs_drops_the_field(later: dict[str, Any]) -> None:
    assert inferred({"f": "2022-12-29", "g": 1672531200}, {**later, "g": "1672531201"}) == {"g": "%s"}
    assert inferred({"f": "2022-12-29"}, later, {"f": "2022-12-29"}) == {}


def test_only_fields_of_the_first_record_count() -> None:
    assert inferred({"a": 1}, {"f": "2022-12-29"}) == {}
    assert inferred({}, {"f": "2022-12-29"}) == {}
    assert inferred() == {}


def test_numbers_of_another_size() -> None:
    assert inferred({"f": 1672531200}, {"f": 1672531200000}) == {}
    assert inferred({"f": 1672531200}, {"f": 3000000000}) == {}
    assert inferred({"f": 1672531200000}, {"f": 1672531200}) == {"f": "%ms"}
