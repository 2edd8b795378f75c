"""What a stream yields, as protocol messages."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from airbyte_cdk.models import (
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteRecordMessageFileReference,
    AirbyteTraceMessage,
    Type,
)

__all__ = ["stream_data_to_airbyte_message"]


class Transformer(Protocol):
    """Changes a record in place so that it fits a JSON schema."""

    def transform(self, record: dict[str, Any], schema: Mapping[str, Any]) -> None:
        """Change `record`."""


def stream_data_to_airbyte_message(
    stream_name: str,
    data_or_message: Mapping[str, Any] | AirbyteLogMessage | AirbyteTraceMessage,
    transformer: Transformer | None = None,
    schema: Mapping[str, Any] | None = None,
    file_reference: AirbyteRecordMessageFileReference | None = None,
) -> AirbyteMessage:
    """A RECORD message for a mapping (copied, then transformed), or the message around a log or trace payload.

    Raises:
        ValueError: it is something else.
    """
    match data_or_message:
        case Mapping():
            data = dict(data_or_message)
            if transformer is not None:
                transformer.transform(data, schema or {})
            record = AirbyteRecordMessage(
                stream=stream_name,
                data=data,
                emitted_at=time.time_ns() // 1_000_000,
                file_reference=file_reference,
            )
            return AirbyteMessage(type=Type.RECORD, record=record)
        case AirbyteTraceMessage():
            return AirbyteMessage(type=Type.TRACE, trace=data_or_message)
        case AirbyteLogMessage():
            return AirbyteMessage(type=Type.LOG, log=data_or_message)
        case _:
            raise ValueError(f"Stream {stream_name} gave a {type(data_or_message).__name__} instead of a record.")
