"""Messages that say how far a stream is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStream,
    AirbyteStreamStatus,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusTraceMessage,
    AirbyteTraceMessage,
    StreamDescriptor,
    TraceType,
    Type,
)

__all__ = ["as_airbyte_message"]


def as_airbyte_message(
    stream: AirbyteStream | StreamDescriptor,
    current_status: AirbyteStreamStatus,
    reasons: Sequence[AirbyteStreamStatusReason] | None = None,
) -> AirbyteMessage:
    """A TRACE STREAM_STATUS message for `stream`."""
    return AirbyteMessage(
        type=Type.TRACE,
        trace=AirbyteTraceMessage(
            type=TraceType.STREAM_STATUS,
            emitted_at=time.time() * 1000,
            stream_status=AirbyteStreamStatusTraceMessage(
                stream_descriptor=StreamDescriptor(name=stream.name, namespace=stream.namespace),
                status=current_status,
                reasons=list(reasons) if reasons is not None else None,
            ),
        ),
    )
