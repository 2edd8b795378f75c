from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest
from plain_streams import Numbers

from airbyte_cdk.sources.streams.availability_strategy import (
    AvailabilityStrategy,
    FirstRecordAvailabilityStrategy,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte.test")


def check(stream: Numbers) -> tuple[bool, str | None]:
    return FirstRecordAvailabilityStrategy().check_availability(stream, LOGGER)


class Refused(Numbers):
    error: Exception = AirbyteTracedException("internal", "No access to numbers")

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        self.calls.append(self.exit_on_rate_limit)
        raise self.error
        yield


@pytest.mark.parametrize("stream", [Numbers(), Numbers(count=0), Numbers(slices=[None]), Numbers(slices=[{"p": 1}])])
def test_a_stream_that_can_be_read_is_available(stream: Numbers) -> None:
    assert check(stream) == (True, None)
    assert len(stream.calls) == 1


def test_a_stream_without_slices_is_not() -> None:
    available, reason = check(Numbers(slices=[]))
    assert not available
    assert "no stream slices were found, likely because the parent stream is empty" in str(reason)


def test_the_reason_is_that_of_the_exception_and_a_rate_limit_is_not_waited_for() -> None:
    stream = Refused()
    assert check(stream) == (False, "No access to numbers")
    assert stream.calls == [True]
    assert stream.exit_on_rate_limit is False


def test_other_exceptions_go_on() -> None:
    with pytest.raises(ValueError, match="boom"):
        check(Refused(error=ValueError("boom")))


def test_the_first_slice_and_record() -> None:
    stream = Numbers(slices=[{"p": 1}, {"p": 2}])
    assert AvailabilityStrategy.get_first_stream_slice(stream) == {"p": 1}
    assert AvailabilityStrategy.get_first_record_for_slice(stream, {"p": 1}) == {"c": 1}
    with pytest.raises(StopIteration):
        AvailabilityStrategy.get_first_record_for_slice(Numbers(count=0), {})
