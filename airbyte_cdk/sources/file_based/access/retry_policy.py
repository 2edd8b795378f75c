"""How long a call to a storage is tried again, and how long to wait between two attempts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from airbyte_cdk.interrupts import check_interrupted, requested
from airbyte_cdk.sources.file_based.access.storage_access import Failure, Trouble
from airbyte_cdk.utils.environment import seconds_from

RETRY_SECONDS_VARIABLE = "AIRBYTE_STORAGE_RETRY_SECONDS"
"""Environment variable that sets how long a storage may fail without any progress; 0 for no second attempt."""

DEFAULT_RETRY_SECONDS = 120.0
"""Seconds without progress until a storage is given up, where the environment does not say otherwise."""
_POLL_SECONDS = 0.1


def retry_seconds() -> float:
    """Seconds without progress until a storage is given up: from the environment, or the default of two minutes.

    Raises:
        AirbyteTracedException: a config_error if the variable holds no number of at least 0.
    """
    return seconds_from(RETRY_SECONDS_VARIABLE, DEFAULT_RETRY_SECONDS, or_none=True)


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed call is tried again.

    The waits grow exponentially and are drawn at random between 0 and their bound ("full jitter", see
    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/), so that many readers that were
    throttled together do not come back together.

    Attributes:
        seconds: Budget: a call that has failed for so many seconds without any progress is given up. 0: no second
            attempt. By default as `retry_seconds` says.
        first_wait: Longest wait before the second attempt, in seconds; it doubles with each attempt.
        longest_wait: Seconds; no wait is longer, unless the storage asks for it.
        slowest: Bytes a second: a body that comes slower is broken off, and asked for again where it stopped.
        slow_after: Seconds of waiting for bytes over which that speed is measured.
    """

    seconds: float = field(default_factory=retry_seconds)
    first_wait: float = 0.5
    longest_wait: float = 20.0
    slowest: int = 1024
    slow_after: float = 30.0


class Tries:
    """The attempts of one call.

    Args:
        policy: The rules.
        clock: Monotonic, in seconds.
    """

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._began = clock()
        self.failed = 0
        """Attempts that failed since there was progress."""

    @property
    def spent(self) -> float:
        """Seconds since the call began, or since there was progress."""
        return self._clock() - self._began

    def progressed(self) -> None:
        """Something new came: the budget is whole again."""
        self._began = self._clock()
        self.failed = 0

    def next_wait(self, failure: Failure) -> float | None:
        """Count a failure; the seconds to wait before the next attempt, or None if there is to be none."""
        self.failed += 1
        left = self._policy.seconds - self.spent
        if failure.trouble is not Trouble.TEMPORARY or left <= 0:
            return None
        if failure.retry_after is not None and failure.retry_after > left:
            return None
        bound = min(self._policy.longest_wait, self._policy.first_wait * 2.0 ** min(self.failed - 1, 30))
        return min(left, max(random.uniform(0, bound), failure.retry_after or 0.0))

    def ended(self, failure: Failure) -> str:
        """Why there is no further attempt at what failed for now, in sentences that follow the reason."""
        left = self._policy.seconds - self.spent
        if left > 0 and failure.retry_after is not None:
            why = f"The storage asks to wait {failure.retry_after:,.0f} seconds, and is not waited for so long"
        elif self.failed > 1:
            why = "It was tried again until the time for that was up"
        else:
            why = "It was not tried again"
        return f" {why}; it may succeed later."


def wait(seconds: float, over: Event) -> bool:
    """Wait, unless `over` is set or the process is told to stop; whether the whole time has passed.

    Raises:
        Interrupted: in the main thread, if the process was told to stop.
    """
    deadline = time.monotonic() + seconds
    while True:
        check_interrupted()
        if requested() or over.is_set():
            return False
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        over.wait(min(left, _POLL_SECONDS))
