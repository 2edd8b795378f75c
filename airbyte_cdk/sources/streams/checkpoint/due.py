"""When a STATE message is due."""

from __future__ import annotations

import time
from collections.abc import Callable

from airbyte_cdk.utils.environment import seconds_from

STATE_INTERVAL_VARIABLE = "AIRBYTE_STATE_INTERVAL_SECONDS"
"""Environment variable that sets the longest time, in seconds, between two STATE messages of a stream that moves on."""

DEFAULT_STATE_INTERVAL = 60.0
"""Seconds, where the environment does not say otherwise."""
GROWTH = 1.5
"""A state that has grown by this factor is due. States then form a geometric series: their total size stays below
``1 / (1 - 1 / GROWTH)`` = 3 times the last one, whatever their number."""


def state_interval() -> float:
    """Seconds between STATE messages, from the environment or the default of one minute.

    Raises:
        AirbyteTracedException: a config_error if the variable holds no number above 0.
    """
    return seconds_from(STATE_INTERVAL_VARIABLE, DEFAULT_STATE_INTERVAL, or_none=False)


class Checkpoints:
    """Decides for one stream when its state is worth a message.

    A state is due when it has outgrown the last one sent by `GROWTH`, or when `interval` seconds have passed since.

    Args:
        entries: Size of the state before the sync, in the cursor's own unit (a file cursor counts files).
        interval: Seconds.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, entries: int, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = entries
        self._interval = interval
        self._clock = clock
        self._last = clock()

    def due(self, entries: int) -> bool:
        """Whether a state that now has `entries` entries is due."""
        grown = entries > self._entries and entries >= self._entries * GROWTH
        return grown or self._clock() - self._last >= self._interval

    def sent(self, entries: int) -> None:
        """Note that a state of `entries` entries went out."""
        self._entries = entries
        self._last = self._clock()
