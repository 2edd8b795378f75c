from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.models import AirbyteStateBlob, AirbyteStreamStatus, ConfiguredAirbyteCatalogSerializer, SyncMode, Type
from airbyte_cdk.test.catalog_builder import CatalogBuilder, ConfiguredAirbyteStreamBuilder
from airbyte_cdk.test.entrypoint_wrapper import (
    AirbyteEntrypointException,
    EntrypointOutput,
    ExpectedOutcome,
    _run_command,
    discover,
    make_file,
    read,
)
from airbyte_cdk.test.state_builder import StateBuilder

_spec = importlib.util.spec_from_file_location("toy_source", Path(__file__).parents[1] / "toy_source.py")
assert _spec is not None
assert _spec.loader is not None
toy_source = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(toy_source)

CONFIG: dict[str, Any] = {"a": "x", "password": "s3cret"}
CATALOG = CatalogBuilder().with_stream("s", SyncMode.full_refresh).build()


def test_reading() -> None:
    state = StateBuilder().with_stream_state("s", {"n": 0}).build()
    output = read(toy_source.ToySource(), CONFIG, CATALOG, state)
    assert [message.record.data for message in output.records if message.record] == [
        {"n": 1},
        {"n": 2},
        {"n": 4},
        {"queued": 1},
        {"queued": 2},
    ]
    assert len(output.state_messages) == 3
    assert len(output.records_and_state_messages) == 8
    assert output.most_recent_state.stream_state == AirbyteStateBlob(n=2)
    assert output.is_in_logs("queued IN spec")
    assert output.is_in_logs("^between$")
    assert output.is_not_in_logs("no such text")
    assert output.errors == output.trace_messages == output.analytics_messages == []
    output.raise_if_errors()


def test_batches_are_read_as_single_records() -> None:
    output = read(toy_source.BatchSource("few"), CONFIG, CATALOG)
    assert len(output.records) == 3000
    assert output.records[0].record is not None
    assert output.records[0].record.data == {"t": "a\u2028b"}
    counts = [m.state.sourceStats.recordCount for m in output.state_messages if m.state and m.state.sourceStats]
    assert sum(counts) == len(output.records)


@pytest.mark.parametrize("outcome", [ExpectedOutcome.EXPECT_EXCEPTION, ExpectedOutcome.EXPECT_SUCCESS])
def test_an_exception_becomes_the_last_error(outcome: ExpectedOutcome, capsys: pytest.CaptureFixture[str]) -> None:
    output = read(toy_source.ToySource("crash"), CONFIG, CATALOG, expected_outcome=outcome)
    assert len(output.records) == 3
    error = output.errors[-1].trace
    assert error is not None
    assert error.error is not None
    assert error.error.internal_message == "boom s3cret"
    assert ("Traceback" in capsys.readouterr().err) == (outcome is ExpectedOutcome.EXPECT_SUCCESS)
    with pytest.raises(AirbyteEntrypointException, match="boom"):
        output.raise_if_errors()


def test_discovering() -> None:
    catalog = discover(toy_source.ToySource(), CONFIG).catalog.catalog
    assert catalog is not None
    assert [stream.name for stream in catalog.streams] == ["s"]
    with pytest.raises(ValueError, match="0 CATALOG"):
        discover(toy_source.ToySource("crash"), CONFIG, expecting_exception=True).catalog  # noqa: B018


def test_other_commands(tmp_path: Path) -> None:
    config = make_file(tmp_path / "config.json", CONFIG)
    checked = _run_command(toy_source.ToySource("failed"), ["check", "--config", config])
    assert checked.connection_status_messages[0].connectionStatus is not None
    assert checked.connection_status_messages[0].connectionStatus.message == "bad ****"
    assert len(_run_command(toy_source.ToySource(), ["spec"]).spec_messages) == 1


def test_launching_under_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hook, handlers = sys.excepthook, [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    config = make_file(tmp_path / "config.json", CONFIG)
    launch(toy_source.ToySource(), ["check", "--config", config])
    assert capsys.readouterr().out.endswith('{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}\n')
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    sys.excepthook = hook


def test_an_own_run_is_what_launch_writes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(AirbyteEntrypoint, "run", lambda self, args: iter([args.command, "second"]))
    launch(toy_source.ToySource(), ["spec"])
    assert capsys.readouterr().out == "spec\nsecond\n"


def test_debug_lines_are_captured() -> None:
    assert read(toy_source.ToySource(), CONFIG, CATALOG, debug=True).is_in_logs("Debug mode")


def test_lines_that_are_no_messages_are_logs() -> None:
    status = '{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1.0,"stream_status":{"stream_descriptor":'
    lines = ["plain", '{"type":"OTHER"}', status + '{"name":"s"},"status":"STARTED"}}}']
    output = EntrypointOutput(lines)
    assert [message.log.message for message in output.logs if message.log] == lines[:2]
    assert output.get_stream_statuses("s") == [AirbyteStreamStatus.STARTED]
    assert output.get_stream_statuses("t") == []
    assert output.get_message_by_types([Type.RECORD]) == output.control_messages == []
    with pytest.raises(ValueError, match="no STATE"):
        output.most_recent_state  # noqa: B018


def test_builders() -> None:
    builder = ConfiguredAirbyteStreamBuilder().with_name("t").with_primary_key([["p"]]).with_json_schema({"a": 1})
    catalog = CatalogBuilder().with_stream("s", SyncMode.incremental).with_stream(builder).build()
    defaults = {"supported_sync_modes": ["full_refresh", "incremental"]}
    assert ConfiguredAirbyteCatalogSerializer.dump(catalog)["streams"] == [
        {
            "stream": {"name": "s", "json_schema": {}, **defaults, "source_defined_primary_key": [["id"]]},
            "sync_mode": "incremental",
            "destination_sync_mode": "overwrite",
            "primary_key": [["id"]],
        },
        {
            "stream": {"name": "t", "json_schema": {"a": 1}, **defaults, "source_defined_primary_key": [["p"]]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
            "primary_key": [["p"]],
        },
    ]
    blob = AirbyteStateBlob(x=1)
    states = StateBuilder().with_stream_state("a", blob).with_stream_state("b", {"y": 1}).build()
    assert [state.stream.stream_state for state in states if state.stream] == [blob, AirbyteStateBlob(y=1)]
