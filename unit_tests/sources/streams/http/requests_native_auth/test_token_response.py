from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.requests_native_auth.token_response import (
    ExpiryError,
    ResponseKeysMaxRecurtionReached,
    expires_at,
    find,
)

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def nested(levels: int, leaf: Any) -> Any:
    for level in range(levels):
        leaf = [leaf] if level % 2 else {"x": leaf}
    return leaf


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"t": 1, "d": {"t": 2}}, 1),
        ({"d": {"t": 2}, "t": 1}, 1),
        ({"t": None, "d": {"t": 2}}, None),
        ({"d": {"e": {"t": "deep"}}, "f": {"t": "shallow"}}, "deep"),
        ([{"a": 1}, {"t": 3}], 3),
        (nested(5, {"t": 4}), 4),
        ({"a": nested(9, {}), "b": {"t": 5}}, 5),
        ("text", None),
        (None, None),
        ({}, None),
    ],
)
def test_a_value_is_found_wherever_it_stands(answer: Any, value: Any) -> None:
    assert find(answer, "t", required=True) == value


def test_levels_that_are_too_deep() -> None:
    with pytest.raises(ResponseKeysMaxRecurtionReached, match="no t in its first 5 levels") as caught:
        find(nested(6, {"t": 4}), "t", required=True)
    assert caught.value.failure_type is FailureType.config_error
    assert find(nested(6, {"t": 4}), "t") is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("100", 100), (100.7, 100), ("100.7", 100), ("1e3", 1000), (5, 5), (-5, -5), (2035, 2035), (None, 3600)],
)
@pytest.mark.parametrize("format", [None, "%Y"])
def test_seconds(value: Any, seconds: int, format: str | None) -> None:
    expiry = expires_at(value, PAST, is_time=False, format=format)
    assert abs(expiry - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=5)


@pytest.mark.parametrize("value", ["x", "", True, [1], {"a": 1}, "nan", "inf", 1e300])
def test_no_seconds(value: Any) -> None:
    with pytest.raises(ExpiryError, match="not a number of seconds") as caught:
        expires_at(value, PAST, is_time=False, format=None)
    assert isinstance(caught.value, ValueError)
    assert caught.value.failure_type is FailureType.system_error


@pytest.mark.parametrize(
    ("value", "format", "expected"),
    [
        ("2035-03-04T05:06:07Z", "%Y", "2035-03-04T05:06:07+00:00"),
        ("2035-03-04T05:06:07+02:00", "anything", "2035-03-04T05:06:07+02:00"),
        ("2035-03-04 05:06:07", "", "2035-03-04T05:06:07+00:00"),
        (2056678806, "%Y", "2035-03-05T03:40:06+00:00"),
        ("2056678806", "%Y-%m-%d", "2035-03-05T03:40:06+00:00"),
        # Ambiguous texts go by the format, which earlier releases did not look at.
        ("04/03/2035", "%d/%m/%Y", "2035-03-04T00:00:00+00:00"),
    ],
)
def test_a_point_in_time(value: Any, format: str, expected: str) -> None:
    assert str(expires_at(value, PAST, is_time=True, format=format)) == expected


def test_no_point_in_time() -> None:
    with pytest.raises(ExpiryError, match="not a point in time"):
        expires_at("soon", PAST, is_time=True, format="%Y")
    with pytest.raises(ExpiryError, match="token_expiry_date_format is not set"):
        expires_at("2035-03-04", PAST, is_time=True, format=None)


def test_without_an_expiry_the_current_one_holds_while_it_lies_ahead() -> None:
    ahead = datetime.now(UTC) + timedelta(days=3)
    assert expires_at(None, ahead, is_time=True, format=None) == ahead
