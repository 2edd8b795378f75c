"""States for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    StreamDescriptor,
)

__all__ = ["StateBuilder"]


class StateBuilder:
    """Builds a list of STATE messages, one a stream."""

    def __init__(self) -> None:
        self._state: list[AirbyteStateMessage] = []

    def with_stream_state(self, stream_name: str, state: Mapping[str, Any] | AirbyteStateBlob) -> Self:
        """Add the state of a stream without namespace."""
        blob = state if isinstance(state, AirbyteStateBlob) else AirbyteStateBlob(state)
        stream = AirbyteStreamState(stream_descriptor=StreamDescriptor(name=stream_name), stream_state=blob)
        self._state.append(AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream))
        return self

    def build(self) -> list[AirbyteStateMessage]:
        """The messages."""
        return self._state
