"""A storage that cannot be listed at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.source_process import source_files


@pytest.mark.parametrize("known", [None, {"history": {"a.csv": "2026-01-01T00:00:00.000000Z"}}])
def test_a_stream_that_cannot_be_listed_sends_no_state(tmp_path: Path, known: dict[str, object] | None) -> None:
    stream = {"name": "s", "globs": ["*"], "format": {"filetype": "csv"}}
    config = {"provider": {"storage": "local", "root": str(tmp_path / "gone")}, "streams": [stream]}
    modes = {"sync_mode": "incremental", "destination_sync_mode": "append"}
    schema = {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "s"}, "stream_state": known}}]
    run = source_files("read", tmp_path, config, {"streams": [{"stream": schema, **modes}]}, state if known else None)
    assert run.code == 1
    assert not run.of_type("STATE")
    assert {error["failure_type"] for error in run.errors} == {"config_error"}
    assert "gone does not exist" in run.errors[0]["message"]
