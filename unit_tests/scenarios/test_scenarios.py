"""Whole syncs of the ready-made connector over real files; each scenario is an entry of a YAML file beside this one."""

from __future__ import annotations

import gzip
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from airbyte_cdk.cli.source_files.source import SourceFiles
from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.file_based.file_cursor import DefaultFileBasedCursor
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, _run_command, discover, make_file, read

HERE = Path(__file__).parent
METADATA = ("_ab_source_file_last_modified", "_ab_source_file_url")


def scenarios() -> list[Any]:
    found = []
    for path in sorted(HERE.glob("*.yaml")):
        for scenario in yaml.safe_load(path.read_text()):
            found.append(pytest.param(scenario, id=f"{path.stem}-{scenario['name'].replace(' ', '_')}"))
    return found


def write(root: Path, name: str, file: dict[str, Any] | str | None) -> None:
    """Make one file; `file` is its text, or text/base with what to do to it; None removes it."""
    path = root / name
    if file is None:
        path.unlink()
        return
    if isinstance(file, str):
        file = {"text": file}
    path.parent.mkdir(parents=True, exist_ok=True)
    if "rows" in file and file["as"] == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {k: pa.array([r.get(k) for r in file["rows"]]) for k in file["rows"][0]}
        for column, text in file.get("types", {}).items():
            kind = pa.decimal128(*text[1:]) if text[0] == "decimal" else getattr(pa, text[0])(*text[1:])
            columns[column] = columns[column].cast(kind)
        pq.write_table(pa.table(columns), path)
    elif "rows" in file and file["as"] == "avro":
        import fastavro

        with path.open("wb") as out:
            fastavro.writer(out, file["schema"], file["rows"])
    else:
        content = file["text"].encode(file.get("encoding", "utf-8")) * file.get("times", 1)
        if "bytes" in file:
            content += bytes.fromhex(file["bytes"])
        if file.get("gzip"):
            content = gzip.compress(content)[: file.get("cut")]
        path.write_bytes(content)
    stamp = datetime.fromisoformat(file.get("time", "2023-06-05T03:54:07+00:00")).astimezone(UTC).timestamp()
    os.utime(path, (stamp, stamp))


def catalog(streams: list[dict[str, Any]], schemas: dict[str, Any], mode: str) -> Any:
    return ConfiguredAirbyteCatalogSerializer.load(
        {
            "streams": [
                {
                    "stream": {
                        "name": stream["name"],
                        "json_schema": schemas[stream["name"]],
                        "supported_sync_modes": ["full_refresh", "incremental"],
                    },
                    "sync_mode": mode,
                    "destination_sync_mode": "append",
                }
                for stream in streams
            ]
        }
    )


def records_of(output: EntrypointOutput) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for message in output.records:
        data = {key: value for key, value in message.record.data.items() if key not in METADATA}
        found.setdefault(message.record.stream, []).append(data)
    return found


def verify(output: EntrypointOutput, expect: dict[str, Any], code: int) -> None:
    text = "\n".join([*(m.log.message for m in output.logs), *(m.trace.error.message for m in output.errors)])
    assert code == expect.get("exit", 0), text
    if "records" in expect:
        wanted = expect["records"] if isinstance(expect["records"], dict) else {"s": expect["records"]}
        assert records_of(output) == {name: rows for name, rows in wanted.items() if rows}
    if "count" in expect:
        assert len(output.records) == expect["count"]
    if "urls" in expect:
        assert sorted({m.record.data[METADATA[1]] for m in output.records}) == sorted(expect["urls"])
    for name, status in expect.get("status", {}).items():
        assert output.get_stream_statuses(name)[-1].value == status, text
    states = {
        m.state.stream.stream_descriptor.name: m.state.stream.stream_state.__dict__ for m in output.state_messages
    }
    for name, state in expect.get("state", {}).items():
        assert states[name] == state
    for name, uris in expect.get("history", {}).items():
        assert sorted(states.get(name, {}).get("history", ())) == sorted(uris)
    for pattern in expect.get("says", []):
        assert re.search(pattern, text, re.DOTALL), text
    for pattern in expect.get("never_says", []):
        assert not re.search(pattern, text), text
    if "states" in expect:
        assert len(output.state_messages) == expect["states"]
    sent: dict[str, float] = {}
    for message in output.state_messages:
        name = message.state.stream.stream_descriptor.name
        sent[name] = sent.get(name, 0) + message.state.sourceStats.recordCount
    for name, rows in records_of(output).items():
        if expect.get("status", {}).get(name, "COMPLETE") == "COMPLETE":
            assert sent.get(name) == len(rows)


@pytest.mark.parametrize("scenario", scenarios())
def test_scenario(scenario: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SourceFiles, "max_workers", lambda source: 1)  # one worker reads the files in their order
    if "max_history" in scenario:
        monkeypatch.setattr(DefaultFileBasedCursor, "DEFAULT_MAX_HISTORY_SIZE", scenario["max_history"])
    root = tmp_path / "files"
    root.mkdir()
    streams = scenario.get("streams") or [
        {"name": "s", "globs": ["**"], "format": scenario["format"], **scenario.get("options", {})}
    ]
    config = {"provider": {"storage": "local", "root": str(root)}, "streams": streams, **scenario.get("config", {})}
    for name, file in scenario.get("files", {}).items():
        write(root, name, file)

    if "check" in scenario:
        path = make_file(tmp_path / "config.json", config)
        status = (
            _run_command(SourceFiles(), ["check", "--config", path]).connection_status_messages[-1].connectionStatus
        )
        assert status.status.value == scenario["check"]["status"]
        assert re.search(scenario["check"].get("says", ""), status.message or "", re.DOTALL), status.message

    extra = [{"name": name} for name in scenario.get("extra_streams", [])]
    schemas = {stream["name"]: scenario.get("schema") for stream in [*streams, *extra]}
    if "discover" in scenario or ("syncs" in scenario and "schema" not in scenario):
        expect = scenario.get("discover", {})
        outcome = discover(SourceFiles(), config, expecting_exception=expect.get("exit", 0) == 1)
        text = "\n".join([*(m.log.message for m in outcome.logs), *(m.trace.error.message for m in outcome.errors)])
        for pattern in expect.get("says", []):
            assert re.search(pattern, text, re.DOTALL), text
        if expect.get("exit", 0) == 1:
            assert outcome.errors
            return
        schemas = {s.name: s.json_schema for s in outcome.catalog.catalog.streams}
        for name, columns in expect.get("columns", {}).items():
            found = {k: v for k, v in schemas[name]["properties"].items() if k not in METADATA}
            assert found == columns
            assert list(schemas[name]["properties"])[:2] == list(METADATA)
            assert list(found) == list(columns)

    state = [
        AirbyteStateMessageSerializer.load(
            {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": stream_state}}
        )
        for name, stream_state in scenario.get("state", {}).items()
    ]
    if "global_state" in scenario:
        state = [AirbyteStateMessageSerializer.load(scenario["global_state"])]
    for sync in scenario.get("syncs", []):
        for name, file in sync.get("files", {}).items():
            write(root, name, file)
        configured = catalog([*streams, *extra], schemas, sync.get("mode", "incremental"))
        expect = sync["expect"]
        output = read(
            SourceFiles(catalog=configured), config, configured, state, expecting_exception=expect.get("exit", 0) == 1
        )
        failed = output.errors and output.errors[-1].trace.error.stream_descriptor is None
        verify(output, expect, 1 if failed else 0)
        latest = {m.state.stream.stream_descriptor.name: m.state for m in output.state_messages}
        state = [latest.get(s.stream.stream_descriptor.name, s) for s in state if s.stream] + [
            s for name, s in latest.items() if name not in {o.stream.stream_descriptor.name for o in state if o.stream}
        ]
        state = [
            AirbyteStateMessageSerializer.load(json.loads(json.dumps(AirbyteStateMessageSerializer.dump(s))))
            for s in state
        ]


@pytest.mark.parametrize(
    ("name", "age", "synced"),
    [
        ("a.csv", timedelta(days=3, minutes=-1), True),
        ("a.csv", timedelta(days=3, minutes=1), False),
        ("a.csv", timedelta(0), False),
        ("c.csv", timedelta(0), True),
    ],
)
def test_vector_5_a_full_history_of_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, age: timedelta, synced: bool
) -> None:
    monkeypatch.setattr(DefaultFileBasedCursor, "DEFAULT_MAX_HISTORY_SIZE", 1)
    now = datetime.now(UTC).replace(microsecond=0)
    write(tmp_path, name, {"text": "c\n1\n", "time": (now - age).isoformat()})
    text = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    history = {"history": {"b.csv": text}, "_ab_source_file_last_modified": f"{text}_b.csv"}
    state = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "s"}, "stream_state": history}}
    stream = {"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}
    config = {"provider": {"storage": "local", "root": str(tmp_path)}, "streams": [stream]}
    configured = catalog([stream], {"s": {"properties": {"c": {"type": ["null", "string"]}}}}, "incremental")
    output = read(SourceFiles(configured), config, configured, [AirbyteStateMessageSerializer.load(state)])
    assert len(output.records) == synced
    assert output.is_in_logs(f"taken as read.*{name}") is not synced
