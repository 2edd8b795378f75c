"""The states of the streams of one source."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
)
from airbyte_cdk.sources.message.state import state_message
from airbyte_cdk.sources.utils.json_copy import json_copy

__all__ = ["ConnectorStateManager", "HashableStreamDescriptor"]


@dataclass(frozen=True)
class HashableStreamDescriptor:
    """Name and namespace of a stream, as a key."""

    name: str
    namespace: str | None = None


class ConnectorStateManager:
    """Keeps one state a stream, from the incoming messages on.

    Attributes:
        per_stream_states: The states by stream; None for a stream that came without one.

    Args:
        state: STATE messages: one GLOBAL message gives the states of all its streams, otherwise each STREAM message
            gives one. Others are ignored.

    Raises:
        ValueError: a GLOBAL message has a state shared by its streams, which no source of this library has made.
    """

    def __init__(self, state: Sequence[AirbyteStateMessage] | None = None) -> None:
        self.per_stream_states: MutableMapping[HashableStreamDescriptor, AirbyteStateBlob | None] = {}
        for stream in self._streams(state or []):
            descriptor = stream.stream_descriptor
            key = HashableStreamDescriptor(name=descriptor.name, namespace=descriptor.namespace)
            self.per_stream_states[key] = stream.stream_state

    @staticmethod
    def _streams(state: Sequence[AirbyteStateMessage]) -> list[AirbyteStreamState]:
        if len(state) == 1 and state[0].type is AirbyteStateType.GLOBAL:
            whole = state[0].global_
            if whole is None:
                return []
            if whole.shared_state is not None and vars(whole.shared_state):
                raise ValueError(
                    "The GLOBAL state has a state shared by all streams. It was made by another connector: reset it."
                )
            return whole.stream_states
        return [
            message.stream
            for message in state
            if message.type is AirbyteStateType.STREAM and message.stream is not None
        ]

    def get_stream_state(self, stream_name: str, namespace: str | None) -> MutableMapping[str, Any]:
        """A copy of the state of a stream; empty if there is none."""
        state = self.per_stream_states.get(HashableStreamDescriptor(name=stream_name, namespace=namespace))
        return json_copy(vars(state)) if state is not None else {}

    def update_state_for_stream(self, stream_name: str, namespace: str | None, value: Mapping[str, Any]) -> None:
        """Replace the state of a stream."""
        key = HashableStreamDescriptor(name=stream_name, namespace=namespace)
        self.per_stream_states[key] = AirbyteStateBlob(value)

    def create_state_message(self, stream_name: str, namespace: str | None) -> AirbyteMessage:
        """A STATE message with a snapshot of the state of a stream."""
        return state_message(stream_name, namespace, self.get_stream_state(stream_name, namespace))
