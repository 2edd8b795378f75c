"""Settings that come from environment variables."""

from __future__ import annotations

import os

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


def seconds_from(variable: str, default: float, *, or_none: bool) -> float:
    """The number of seconds that an environment variable holds; `default` if it is not set, or empty.

    Args:
        variable: Its name.
        default: Seconds.
        or_none: Whether it may be 0.

    Raises:
        AirbyteTracedException: a config_error that names the variable, if it holds anything else.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if seconds > 0 or (or_none and seconds == 0):
        return seconds
    message = (
        f"The environment variable {variable} must be a number of seconds, {'0 or more' if or_none else 'above 0'}."
    )
    raise AirbyteTracedException(internal_message=message, message=message, failure_type=FailureType.config_error)
