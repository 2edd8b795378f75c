"""What `make demo` shows: the connector reads the files beside this one, then only the file that was added.

Works on a copy in a temporary folder. Ends with exit code 1, and says why, if anything is not as promised.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import fastavro
import pyarrow.parquet

EXAMPLES = Path(__file__).resolve().parent
COMMAND = Path(sys.executable).parent / "source-files"
URL_COLUMN = "_ab_source_file_url"


def fail(reason: str) -> NoReturn:
    sys.exit(f"\nNot as promised: {reason}")


def rows_in(path: Path) -> int:
    """Rows of a file, counted without the connector."""
    if path.suffix == ".parquet":
        rows: int = pyarrow.parquet.ParquetFile(path).metadata.num_rows
        return rows
    if path.suffix == ".avro":
        with path.open("rb") as binary:
            return sum(1 for _ in fastavro.reader(binary))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
        return sum(1 for _ in text) if path.suffix == ".jsonl" else sum(1 for _ in csv.DictReader(text))


class Demo:
    """A copy of the examples and the commands run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        shutil.copytree(EXAMPLES / "data", self.data)
        config = json.loads((EXAMPLES / "config.json").read_text())
        config["provider"]["root"] = str(self.data)
        self.formats = {stream["name"]: stream["format"]["filetype"] for stream in config["streams"]}
        self.write("config.json", config)

    def write(self, name: str, value: object) -> str:
        (self.folder / name).write_text(json.dumps(value))
        return str(self.folder / name)

    def expected(self) -> dict[str, int]:
        """Rows by file, as they are on disk now."""
        files = (path for path in self.data.rglob("*") if path.is_file())
        return {path.relative_to(self.data).as_posix(): rows_in(path) for path in files}

    def run(self, *args: str) -> list[dict[str, Any]]:
        """The messages that a command of the connector prints; it must end well."""
        config = str(self.folder / "config.json")
        process = subprocess.run([COMMAND, *args, "--config", config], stdout=subprocess.PIPE, check=False)
        messages = [json.loads(line) for line in process.stdout.splitlines()]
        if process.returncode:
            errors = [m["trace"]["error"]["message"] for m in messages if m.get("trace", {}).get("type") == "ERROR"]
            fail(f"`source-files {args[0]}` ended with exit code {process.returncode}. {' '.join(errors)}")
        return messages

    def discover(self) -> list[dict[str, Any]]:
        streams = [stream for m in self.run("discover") if m["type"] == "CATALOG" for stream in m["catalog"]["streams"]]
        chosen = [{"stream": s, "sync_mode": "incremental", "destination_sync_mode": "append"} for s in streams]
        self.write("catalog.json", {"streams": chosen})
        return streams

    def sync(self, state: list[dict[str, Any]] | None = None) -> Sync:
        args = ["read", "--catalog", str(self.folder / "catalog.json")]
        if state is not None:
            args += ["--state", self.write("state.json", state)]
        started = time.perf_counter()
        messages = self.run(*args)
        return Sync(messages, time.perf_counter() - started)


class Sync:
    """What one sync delivered.

    Attributes:
        records: Records by file.
        state: The last state message of each stream, as the next sync takes it.
        seconds: How long it took.
    """

    def __init__(self, messages: list[dict[str, Any]], seconds: float) -> None:
        self.seconds = seconds
        self.records: Counter[str] = Counter(m["record"]["data"][URL_COLUMN] for m in messages if m["type"] == "RECORD")
        states = [m["state"] for m in messages if m["type"] == "STATE"]
        last = {state["stream"]["stream_descriptor"]["name"]: state for state in states}
        self.state = list(last.values())
        self.counted = sum(state["sourceStats"]["recordCount"] for state in states)
        self.statuses = {
            m["trace"]["stream_status"]["stream_descriptor"]["name"]: m["trace"]["stream_status"]["status"]
            for m in messages
            if m["type"] == "TRACE" and m["trace"]["type"] == "STREAM_STATUS"
        }

    def files_in_state(self) -> set[str]:
        return {uri for state in self.state for uri in state["stream"]["stream_state"]["history"]}

    def check(self, expected: Mapping[str, int], in_state: set[str], streams: set[str]) -> None:
        if dict(self.records) != dict(expected):
            fail(f"expected records by file {dict(expected)}, got {dict(self.records)}")
        if self.statuses != dict.fromkeys(streams, "COMPLETE"):
            fail(f"not all streams are COMPLETE: {self.statuses}")
        if self.counted != sum(expected.values()):
            fail(f"the states count {self.counted:.0f} records of {sum(expected.values())}")
        if self.files_in_state() != in_state:
            fail(f"the state names {sorted(self.files_in_state())} instead of {sorted(in_state)}")


def show(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("     " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main(folder: Path) -> None:
    demo = Demo(folder)
    files = demo.expected()
    print(f"Flights from New York City in 2013: {len(files)} files with {sum(files.values()):,} rows.\n")

    print("1. discover: which streams are there?")
    streams = demo.discover()
    names = {stream["name"] for stream in streams}
    if names != set(demo.formats):
        fail(f"discover finds {sorted(names)} instead of {sorted(demo.formats)}")
    for stream in streams:
        columns = list(stream["json_schema"]["properties"])
        shown = ", ".join([c for c in columns if not c.startswith("_ab_")][:5])
        show([(f"{stream['name']:8}", f"{len(columns)} columns", f"{shown}, ...")])

    print("\n2. read: all is new")
    first = demo.sync()
    first.check(files, set(files), names)
    show([(uri, f"{first.records[uri]:,} records") for uri in sorted(first.records)])

    added = "flights/2013-01-03.csv"
    print(f"\n3. {added} is added, dated 2013, so older than all the others")
    shutil.copy(EXAMPLES / "added" / added, demo.data / added)
    then = datetime(2013, 1, 4, tzinfo=UTC).timestamp()
    os.utime(demo.data / added, (then, then))

    print("\n4. read again, with the state of the first read: only that file is new")
    second = demo.sync(first.state)
    now = demo.expected()
    second.check({added: now[added]}, set(now), names)
    show([(uri, f"{count:,} records") for uri, count in second.records.items()])

    kinds = len(set(demo.formats.values()))
    size = len(json.dumps(second.state))
    summary = f"""
        The connector found {len(streams)} streams in {len(files)} files of {kinds} formats, one of them gzipped.
        The first read delivered all {first.records.total():,} records in {first.seconds:.1f} s, and ended with a state
        that remembers these {len(files)} files. The second read was given that state: in {second.seconds:.1f} s it
        delivered the {second.records.total():,} records of the added file and repeated none of the others. Its own
        state, {size:,} bytes, remembers all {len(now)} files. All records were counted against the files themselves,
        and every stream ended COMPLETE.
    """
    print("\nWhat happened\n" + textwrap.fill(" ".join(summary.split()), 100))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="airbyte-demo-") as temporary:
        main(Path(temporary))
