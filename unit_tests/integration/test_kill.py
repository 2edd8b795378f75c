"""A sync that is killed at any moment, and the sync after it, deliver everything between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.sources.concurrent_source.cores import available_cores

FILES, ROWS = 60, 3000
COMMAND = [sys.executable, "-m", "airbyte_cdk.cli.source_files"]


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("share")
    (root / "data").mkdir()
    for n in range(FILES):
        lines = "\n".join(f"{n},{row},{'x' * 50}" for row in range(ROWS))
        (root / "data" / f"{n:03}.csv").write_text(f"file,row,text\n{lines}\n")
    provider = {"storage": "local", "root": str(root / "data")}
    stream = {"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}
    (root / "config.json").write_text(json.dumps({"provider": provider, "streams": [stream]}))
    columns = {name: {"type": ["null", "string"]} for name in ("file", "row", "text")}
    described = {"name": "s", "json_schema": {"properties": columns}, "supported_sync_modes": ["incremental"]}
    configured = {"stream": described, "sync_mode": "incremental", "destination_sync_mode": "append"}
    (root / "catalog.json").write_text(json.dumps({"streams": [configured]}))
    return root


def command(share: Path) -> list[str]:
    return [*COMMAND, "read", "--config", str(share / "config.json"), "--catalog", str(share / "catalog.json")]


def parse(lines: list[bytes]) -> tuple[Counter[tuple[str, str]], dict[str, Any] | None]:
    """Rows by file and number, and the last STATE, of whole lines."""
    rows: Counter[tuple[str, str]] = Counter()
    state = None
    for line in lines:
        message = json.loads(line)
        if message["type"] == "RECORD":
            rows[message["record"]["data"]["file"], message["record"]["data"]["row"]] += 1
        elif message["type"] == "STATE":
            state = message["state"]
    return rows, state


@pytest.mark.parametrize("killed_after", [1, 2, 3, 5, 8])
def test_a_killed_sync_loses_nothing(share: Path, tmp_path: Path, killed_after: int) -> None:
    environment = {**os.environ, "AIRBYTE_STATE_INTERVAL_SECONDS": "0.05"}
    before: list[bytes] = []
    with subprocess.Popen(command(share), stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        states = 0
        for line in process.stdout:
            before.append(line)
            states += line.startswith(b'{"type":"STATE"')
            if states == killed_after:
                process.kill()
        # what was in the pipe when it died was written, the last line perhaps in part
    if not before[-1].endswith(b"\n"):
        before.pop()
    rows, state = parse(before)
    assert process.returncode == -9
    assert state is not None
    assert len(state["stream"]["stream_state"]["history"]) < FILES
    (tmp_path / "state.json").write_text(json.dumps([state]))

    resumed = subprocess.run([*command(share), "--state", str(tmp_path / "state.json")], stdout=subprocess.PIPE)
    assert resumed.returncode == 0
    more, final = parse(resumed.stdout.splitlines())
    union = rows + more
    assert set(union) == {(str(n), str(row)) for n in range(FILES) for row in range(ROWS)}
    done = {uri.removesuffix(".csv").lstrip("0") or "0" for uri in state["stream"]["stream_state"]["history"]}
    assert not done & {file for file, _ in more}
    twice = {file for (file, _), count in union.items() if count > 1}
    # beyond the files being read, those that ended after the last STATE line within its interval
    assert len(twice & {file for file, _ in rows if (file, str(ROWS - 1)) not in rows}) <= 2 * available_cores() + 1
    assert final is not None
    assert len(final["stream"]["stream_state"]["history"]) == FILES
