"""Runs the commands of a scenario by a connector's program, and keeps of their output what two frameworks must share.

Texts are each framework's own: titles and descriptions of a spec, messages of errors and of the log are left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from published.environment import Framework
from published.scenario import Scenario, Storage, merged, replaced

COMMANDS = ("spec", "check", "discover", "read")
SECONDS = 120
"""How long one command may take."""

Result = dict[str, Any]


class Runner:
    """Runs a scenario once.

    Args:
        scenario: What to run.
        framework: Which framework `programs` are on.
        programs: The folder of the connectors' programs.
        storage: Where the files go: empty.
        folder: For configs, states and what the connector writes: empty.
        other: The result of a command on the other framework, by its name: catalogs and states are taken from them.
    """

    def __init__(
        self,
        scenario: Scenario,
        framework: Framework,
        programs: Path,
        storage: Storage,
        folder: Path,
        other: Callable[[str], Result],
    ) -> None:
        self.scenario = scenario
        self.framework = framework
        self.program = programs / f"source-{scenario.connector}"
        self.storage = storage
        self.folder = folder
        self.other = other
        self.results: dict[str, Result] = {}
        self._states: dict[str, Result] = {}
        self._started = datetime.now(UTC)

    def run(self, until: str | None = None) -> dict[str, Result]:
        """The result of each command.

        Args:
            until: The last one to run.

        Raises:
            subprocess.TimeoutExpired: A command does not end.
        """
        for file in self.scenario.files:
            self.storage.put(file)
        for name, details in self.scenario.commands.items():
            for file in details.get("put", []):
                self.storage.put(file)
            for uri in details.get("remove", []):
                self.storage.remove(uri)
            self.results[name] = self._command(name, details)
            if name == until:
                break
        return self.results

    def _command(self, name: str, details: Mapping[str, Any]) -> Result:
        command = details.get("command") or (name if name in COMMANDS else "read")
        work = self.folder / re.sub(r"\W", "-", name)
        work.mkdir(parents=True)
        line: list[str | Path] = [self.program, command]
        given: Result = {}
        if command != "spec":
            config = self.storage.filled(merged(self.scenario.config, details.get("config", {})))
            line += ["--config", _written(work / "config.json", config)]
        if command == "read":
            line += ["--catalog", _written(work / "catalog.json", self._catalog(details))]
            if "state" in details:
                state = self._state(details)
                line += ["--state", _written(work / "state.json", state)]
                # so that a result says for which state of ours it holds
                given = {"given": state} if details.get("saved_by") == "ours" else {}
        messages, code = self._output(line, work)
        kept = _KEPT[command](messages, work)
        self._states[name] = kept.get("state", {})
        return {"exit": code, **self._plain({**given, **kept}, work)}

    def _output(self, line: list[str | Path], work: Path) -> tuple[list[dict[str, Any]], int]:
        temporary = work / "tmp"
        temporary.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        environment = {**kept, "TMPDIR": str(temporary), "HOME": str(work), "TZ": "UTC"}
        environment |= self.storage.filled(self.scenario.environment)
        with (work / "stderr.txt").open("wb") as stderr:
            done = subprocess.run(
                line, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=stderr, timeout=SECONDS, check=False
            )
        (work / "stdout.jsonl").write_bytes(done.stdout)  # for the person who looks into a failure
        lines = [text for text in done.stdout.split(b"\n") if text.startswith(b"{")]
        return [json.loads(text) for text in lines], done.returncode

    def _plain(self, value: Any, work: Path) -> Any:
        """A result without what differs between any two runs."""
        texts = {str(work / "tmp"): "{tmp}"}
        found = self.storage.placeholders().items()
        texts |= {text: "{" + name + "}" for name, text in found if isinstance(text, str)}
        value = replaced(value, texts)
        return _changed(value, lambda text: _TIME.sub(self._now, _ID.sub("{id}", text)))

    def _now(self, time: re.Match[str]) -> str:
        """A placeholder for a time since this run started; other times as they are."""
        at = datetime.fromisoformat(time[1]).replace(tzinfo=UTC)
        if not self._started - timedelta(seconds=2) < at < datetime.now(UTC) + timedelta(seconds=2):
            return time[0]
        return "{now.f}" if time[2] else "{now}"

    def _catalog(self, details: Mapping[str, Any]) -> dict[str, Any]:
        if "catalog" in details:
            streams = [
                {"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"]}
                for name, schema in details["catalog"].items()
            ]
        else:
            found = self.results["discover"] if self.framework == "original" else self.other("discover")
            # in one order, which some connectors go by
            streams = [found["catalog"][name] for name in sorted(found["catalog"])]
        mode = details.get("mode", "full_refresh")
        return {
            "streams": [
                {
                    "stream": stream,
                    "sync_mode": mode if isinstance(mode, str) else mode[stream["name"]],
                    "destination_sync_mode": "append",
                }
                for stream in streams
                if isinstance(mode, str) or stream["name"] in mode
            ]
        }

    def _state(self, details: Mapping[str, Any]) -> list[dict[str, Any]]:
        state = details["state"]
        saved_by = details.get("saved_by")
        if isinstance(state, Mapping):
            states = state
        elif saved_by in (None, self.framework):
            states = self._states[state]
        else:
            now = self._started.replace(tzinfo=None, microsecond=1)
            texts = {"{now}": now.isoformat(timespec="seconds"), "{now.f}": now.isoformat()}
            states = replaced(self.other(state)["state"], texts)
        return [
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": name}, "stream_state": self.storage.filled(value)},
            }
            for name, value in states.items()
        ]


def _spec(messages: list[dict[str, Any]], _: Path) -> Result:
    return {"spec": _without_texts(_last(messages, "SPEC"))}


def _check(messages: list[dict[str, Any]], _: Path) -> Result:
    return {
        "status": (_last(messages, "CONNECTION_STATUS") or {}).get("status"),
        **_errors(messages),
        **_control(messages),
    }


def _discover(messages: list[dict[str, Any]], _: Path) -> Result:
    streams = (_last(messages, "CATALOG") or {}).get("streams", [])
    return {"catalog": {stream["name"]: stream for stream in streams}, **_errors(messages), **_control(messages)}


def _read(messages: list[dict[str, Any]], _: Path) -> Result:
    records: dict[str, list[Any]] = {}
    states: dict[str, Any] = {}
    counted: dict[str, int] = {}
    statuses: dict[str, list[str]] = {}
    for message in messages:
        if message["type"] == "RECORD":
            record = {key: value for key, value in message["record"].items() if key != "emitted_at"}
            name = record.pop("stream")
            if "file_reference" in record:
                record["staged"] = _taken(Path(record["file_reference"]["staging_file_url"]))
            records.setdefault(name, []).append(record["data"] if list(record) == ["data"] else record)
        elif message["type"] == "STATE":
            name = message["state"]["stream"]["stream_descriptor"]["name"]
            states[name] = message["state"]["stream"]["stream_state"]
            stats = message["state"].get("sourceStats") or {}
            counted[name] = counted.get(name, 0) + int(stats.get("recordCount") or 0)
        elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
            status = message["trace"]["stream_status"]
            statuses.setdefault(status["stream_descriptor"]["name"], []).append(status["status"])
    return {
        "records": {name: _by_file(found) for name, found in records.items()},
        "state": states,
        "counted": counted,
        "statuses": statuses,
        **_errors(messages),
        **_control(messages),
    }


_KEPT: Mapping[str, Callable[[list[dict[str, Any]], Path], Result]] = {
    "spec": _spec,
    "check": _check,
    "discover": _discover,
    "read": _read,
}


def _by_file(records: list[Any]) -> list[Any]:
    """Records in the order of their files' names: files may be read at once, the records of one are in order."""

    def file(record: dict[str, Any]) -> str:
        reference = record.get("file_reference") or {}
        return str(reference.get("source_file_relative_path") or record.get("_ab_source_file_url", ""))

    return sorted(records, key=file)


def _taken(staged: Path) -> str:
    """What is in a file that a connector put down for the platform, which is removed."""
    content = staged.read_bytes().hex()
    staged.unlink()
    return content


def _errors(messages: list[dict[str, Any]]) -> Result:
    """How many TRACE errors there are of which failure type, for which stream."""
    errors: dict[str, int] = {}
    for message in messages:
        if message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
            error = message["trace"]["error"]
            stream = (error.get("stream_descriptor") or {}).get("name")
            kind = f"{error.get('failure_type')}" + (f" of {stream}" if stream else "")
            errors[kind] = errors.get(kind, 0) + 1
    return {"errors": errors} if errors else {}


def _control(messages: list[dict[str, Any]]) -> Result:
    configs = [m["control"]["connectorConfig"]["config"] for m in messages if m["type"] == "CONTROL"]
    return {"new config": configs[-1]} if configs else {}


def _last(messages: list[dict[str, Any]], kind: str) -> Any:
    key = {"SPEC": "spec", "CATALOG": "catalog", "CONNECTION_STATUS": "connectionStatus"}[kind]
    found = [message[key] for message in messages if message["type"] == kind]
    return found[-1] if found else None


def _without_texts(value: Any, names: bool = False) -> Any:
    """A JSON schema without what is written for people; `names`: the keys are names of properties."""
    if isinstance(value, Mapping):
        return {
            key: _without_texts(item, key == "properties" and not names)
            for key, item in value.items()
            if names or key not in ("title", "description", "examples", "pattern_descriptor")
        }
    return [_without_texts(item) for item in value] if isinstance(value, list) else value


_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?")


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with all its texts changed, those of keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): _changed(item, change) for key, item in value.items()}
    return [_changed(item, change) for item in value] if isinstance(value, list) else value


def _written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, default=str))
    return path
