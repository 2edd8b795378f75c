"""Plain Python streams for tests, and a source of any streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    ConnectorSpecification,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read


class Numbers(Stream):
    """Gives records ``{"c": 1}`` to ``{"c": n}`` for each of its slices, and notes how it was called."""

    primary_key = "c"
    slices: Sequence[Any] | None = None
    count = 3
    state_checkpoint_interval: Any = None

    def __init__(self, name: str = "numbers", **attributes: Any) -> None:
        self.name = name
        self.calls: list[Any] = []
        for key, value in attributes.items():
            setattr(self, key, value)

    def get_json_schema(self) -> Mapping[str, Any]:
        return {"type": "object", "properties": {"c": {"type": "integer"}}}

    def stream_slices(self, **kwargs: Any) -> Iterable[Any]:
        return super().stream_slices(**kwargs) if self.slices is None else iter(self.slices)

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Any]:
        self.calls.append(None if stream_slice is None else dict(stream_slice))
        for c in range(1, self.count + 1):
            yield {"c": c}


class Counted(Numbers):
    """The same with a state of its own, set before each record is handed out."""

    cursor_field = "c"

    def __init__(self, name: str = "numbers", **attributes: Any) -> None:
        self._state: Mapping[str, Any] = {}
        super().__init__(name, **attributes)

    @property
    def state(self) -> Mapping[str, Any]:
        return self._state

    @state.setter
    def state(self, value: Mapping[str, Any]) -> None:
        self._state = value

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        for record in super().read_records(*args, **kwargs):
            if record["c"] > self._state.get("c", 0):
                self._state = {"c": record["c"]}
                yield record


class Legacy(Numbers):
    """The same with the older way to keep a state."""

    cursor_field = "c"

    def get_updated_state(self, current_stream_state: Any, latest_record: Any) -> Any:
        return {"c": max(current_stream_state.get("c", 0), latest_record["c"])}


class Pages(Numbers):
    """A full refresh of three pages that goes on from its state."""

    def __init__(self, name: str = "numbers", **attributes: Any) -> None:
        self._state: Mapping[str, Any] = {}
        super().__init__(name, **attributes)

    @property
    def state(self) -> Mapping[str, Any]:
        return self._state

    @state.setter
    def state(self, value: Mapping[str, Any]) -> None:
        self._state = value

    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        self.calls.append(dict(kwargs["stream_slice"]))
        page = self._state.get("page", 1)
        yield {"c": page}
        self._state = {"page": page + 1} if page < 3 else {"__ab_full_refresh_sync_complete": True}


class SourceOf(AbstractSource):
    """A source of the given streams."""

    def __init__(self, *streams: Stream, workers: int = 1) -> None:
        self._streams, self._workers = list(streams), workers

    def max_workers(self) -> int:
        return self._workers

    def spec(self, logger: Any) -> ConnectorSpecification:
        return ConnectorSpecification(connectionSpecification={"type": "object", "properties": {}})

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        return self._streams


def catalog(*streams: Stream, mode: SyncMode = SyncMode.full_refresh) -> ConfiguredAirbyteCatalog:
    """A catalog of these streams."""
    return ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=AirbyteStream(
                    name=stream.name,
                    json_schema={},
                    supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
                ),
                sync_mode=mode,
                destination_sync_mode=DestinationSyncMode.append,
            )
            for stream in streams
        ]
    )


def state_of(stream: str, content: Mapping[str, Any]) -> AirbyteStateMessage:
    """An incoming state."""
    return AirbyteStateMessage(
        type=AirbyteStateType.STREAM,
        stream=AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=stream), stream_state=AirbyteStateBlob(content)
        ),
    )


def sync(
    *streams: Stream,
    state: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    mode: SyncMode = SyncMode.full_refresh,
    workers: int = 1,
    fails: bool = False,
) -> EntrypointOutput:
    """What a read of these streams prints. `state` is given to the first one."""
    states = None if state is None else [state_of(streams[0].name, state)]
    source = SourceOf(*streams, workers=workers)
    return read(source, config or {}, catalog(*streams, mode=mode), states, expecting_exception=fails)


def events(output: EntrypointOutput, stream: str = "numbers") -> list[Any]:
    """Records (their `c`), and states as (content, number of records), of one stream in order."""
    found: list[Any] = []
    for message in output.records_and_state_messages:
        if message.type is Type.RECORD and message.record and message.record.stream == stream:
            found.append(message.record.data["c"])
        elif message.type is Type.STATE and _name(message) == stream:
            found.append((content(message), message.state.sourceStats.recordCount))  # type: ignore[union-attr]
    return found


def _name(message: AirbyteMessage) -> str:
    assert message.state
    assert message.state.stream
    return message.state.stream.stream_descriptor.name


def content(message: AirbyteMessage) -> Any:
    """The state in a message as plain JSON."""
    assert message.state
    assert message.state.stream
    return json.loads(json.dumps(vars(message.state.stream.stream_state)))
