"""`source-files` run as a process, as a platform runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "airbyte_cdk.cli.source_files")


@dataclass
class Run:
    """What a run wrote, and how it ended."""

    code: int
    stdout: str
    stderr: str
    folder: Path = field(repr=False)

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The protocol messages."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one type."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors of TRACE messages."""
        return [message["trace"]["error"] for message in self.of_type("TRACE") if message["trace"]["type"] == "ERROR"]

    @cached_property
    def records(self) -> list[tuple[str, dict[str, Any]]]:
        """Stream and data of the records, sorted."""
        found = [(message["record"]["stream"], message["record"]["data"]) for message in self.of_type("RECORD")]
        return sorted(found, key=lambda record: (record[0], str(sorted(record[1].items()))))

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """The last state of each stream."""
        messages = [message["state"]["stream"] for message in self.of_type("STATE")]
        return {state["stream_descriptor"]["name"]: state["stream_state"] for state in messages}

    @property
    def state_messages(self) -> list[dict[str, Any]]:
        """The last STATE of each stream, as the next run takes it."""
        last = {message["state"]["stream"]["stream_descriptor"]["name"]: message for message in self.of_type("STATE")}
        return [message["state"] for message in last.values()]

    @property
    def connection_status(self) -> dict[str, Any]:
        """The answer of `check`."""
        (message,) = self.of_type("CONNECTION_STATUS")
        found: dict[str, Any] = message["connectionStatus"]
        return found


def source_files(
    command: str,
    folder: Path,
    config: Mapping[str, Any],
    catalog: Mapping[str, Any] | None = None,
    state: Sequence[Mapping[str, Any]] | None = None,
    *more: str,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> Run:
    """Run one command.

    Args:
        command: check, discover or read.
        folder: Where its input files are written; it is also the directory it runs in, and its place for other files.
        config: The config.
        catalog: The configured catalog.
        state: The states of an earlier run.
        more: Further arguments.
        environment: Variables beside those of the tests.
        timeout: Seconds after which it is killed, and the test fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [command]
    for name, content in (("config", config), ("catalog", catalog), ("state", state)):
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content))
            arguments += [f"--{name}", str(path)]
    done = subprocess.run(
        [*COMMAND, *arguments, *more],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Run(done.returncode, done.stdout, done.stderr, folder)


def configured(discovered: Run) -> dict[str, Any]:
    """The catalog of `discover`, with all its streams incremental."""
    (message,) = discovered.of_type("CATALOG")
    streams = message["catalog"]["streams"]
    modes = {"sync_mode": "incremental", "destination_sync_mode": "append"}
    return {"streams": [{"stream": stream, **modes} for stream in streams]}
