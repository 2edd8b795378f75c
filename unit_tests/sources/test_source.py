from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.models import AirbyteStateBlob, AirbyteStateType, FailureType, SyncMode
from airbyte_cdk.sources import Source
from airbyte_cdk.sources.source import InvalidStateError
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


def written(folder: Path, content: Any) -> str:
    path = folder / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_state_is_read_by_the_class(tmp_path: Path) -> None:
    messages = Source.read_state(
        written(
            tmp_path,
            [
                {"type": "STREAM", "stream": {"stream_descriptor": {"name": "s"}, "stream_state": {"a": None}}},
                {"stream": {"stream_descriptor": {"name": "t"}}},
                {"type": "LEGACY", "data": {}},
            ],
        )
    )
    assert [message.type for message in messages] == [AirbyteStateType.STREAM, None, AirbyteStateType.LEGACY]
    assert messages[0].stream is not None
    assert messages[0].stream.stream_state == AirbyteStateBlob(a=None)


@pytest.mark.parametrize("content", ["[]", "{}", "null"])
def test_an_empty_state(tmp_path: Path, content: str) -> None:
    assert Source.read_state(written(tmp_path, content)) == []
    assert Source.read_state("") == Source.read_state(None) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [{"s": {"a": 1}}, [{"type": "STREAM"}], [1], "text"])
def test_a_wrong_state(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ValueError, match=r"file\.json") as caught:
        Source.read_state(written(tmp_path, content))
    if content != "text":
        assert isinstance(caught.value, InvalidStateError)
        assert caught.value.failure_type is FailureType.config_error


def test_a_catalog_is_read_by_the_class(tmp_path: Path) -> None:
    stream = {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    configured = {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}
    catalog = Source.read_catalog(written(tmp_path, {"streams": [configured]}))
    assert catalog.streams[0].sync_mode is SyncMode.incremental
    with pytest.raises(AirbyteTracedException, match="sync_mode") as caught:
        Source.read_catalog(written(tmp_path, {"streams": [{"stream": stream}]}))
    assert caught.value.failure_type is FailureType.config_error
