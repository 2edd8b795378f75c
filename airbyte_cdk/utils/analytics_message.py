"""Messages that count what connectors use."""

from __future__ import annotations

import time
from typing import Any

from airbyte_cdk.models import AirbyteAnalyticsTraceMessage, AirbyteMessage, AirbyteTraceMessage, TraceType, Type

__all__ = ["create_analytics_message"]


def create_analytics_message(type: str, value: Any | None) -> AirbyteMessage:
    """A TRACE ANALYTICS message; `value` is sent as text."""
    return AirbyteMessage(
        type=Type.TRACE,
        trace=AirbyteTraceMessage(
            type=TraceType.ANALYTICS,
            emitted_at=time.time() * 1000,
            analytics=AirbyteAnalyticsTraceMessage(type=type, value=None if value is None else str(value)),
        ),
    )
