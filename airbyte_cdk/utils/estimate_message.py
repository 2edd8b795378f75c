"""Messages that say how much a sync is going to read."""

from __future__ import annotations

import time

from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteMessage,
    AirbyteTraceMessage,
    EstimateType,
    TraceType,
    Type,
)

__all__ = ["stream_estimate"]


def stream_estimate(name: str, namespace: str | None, byte_estimate: int) -> AirbyteMessage:
    """A TRACE ESTIMATE message: the bytes that a sync is going to read of one stream, all in all."""
    return AirbyteMessage(
        type=Type.TRACE,
        trace=AirbyteTraceMessage(
            type=TraceType.ESTIMATE,
            emitted_at=time.time() * 1000,
            estimate=AirbyteEstimateTraceMessage(
                name=name, type=EstimateType.STREAM, namespace=namespace, byte_estimate=byte_estimate
            ),
        ),
    )
