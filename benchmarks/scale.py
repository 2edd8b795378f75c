"""What big, many and broken-off inputs cost: each scenario prints its figures and its limit, and says if it is kept.

    python benchmarks/scale.py                          # all of them: half an hour, 7 GB below .bench/
    python benchmarks/scale.py --only csv-2gb,kill      # some; --list names them

Memory is the peak of the whole process (`ru_maxrss`), the output goes into `cat > /dev/null`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import BENCH, HERE, catalog, digest, measure, own_environment, write_json

FLIGHT_TEXTS = {"carrier", "tailnum", "origin", "dest", "time_hour"}
Properties = Mapping[str, object]


@dataclass
class Setting:
    """Where the scenarios run."""

    python: Path
    syncs: int

    @property
    def command(self) -> Path:
        return self.python.parent / "source-files"


def text(*names: str) -> Properties:
    return {name: {"type": ["null", "string"]} for name in names}


def made(name: str) -> Path:
    """Folder of an input, made once by a process of its own, which keeps this one small."""
    make = [sys.executable, str(HERE / "scale_data.py"), name]
    return Path(subprocess.run(make, stdout=subprocess.PIPE, check=True, text=True).stdout.strip())


def flights(folder: Path) -> Properties:
    """The columns of the flights as the first CSV of a folder names them."""
    with next(path for path in sorted(folder.iterdir()) if path.suffix == ".csv").open() as file:
        names = file.readline().strip().split(",")
    return {name: {"type": ["null", "string" if name in FLIGHT_TEXTS else "integer"]} for name in names}


def reading(
    setting: Setting,
    folder: Path,
    options: Mapping[str, object],
    properties: Properties,
    *,
    state: object = None,
    globs: Sequence[str] = ("**",),
    sync_mode: str = "full_refresh",
) -> list[str | Path]:
    """Command line of a sync of a folder."""
    place = Path(tempfile.mkdtemp(prefix="scale-", dir=BENCH))
    stream = {"name": "events", "globs": list(globs), "format": dict(options)}
    config = {"provider": {"storage": "local", "root": str(folder)}, "streams": [stream]}
    command: list[str | Path] = [setting.command, "read", "--config", write_json(place / "config.json", config)]
    command += ["--catalog", write_json(place / "catalog.json", catalog("events", properties, sync_mode))]
    if state is not None:
        command += ["--state", write_json(place / "state.json", state)]
    return command


def line(name: str, kept: bool, figures: str) -> bool:
    print(f"{'ok  ' if kept else 'MISS'} {name}: {figures}", flush=True)
    return kept


CSV = {"filetype": "csv", "null_values": ["NA"]}


def one_file(
    name: str, input_name: str, options: Mapping[str, object], properties: Properties, limit: int
) -> Callable[[Setting], bool]:
    """Scenario: one huge input, in less than `limit` MB."""

    def run(setting: Setting) -> bool:
        folder = made(input_name)
        columns = properties or flights(made("many-rows"))
        result = measure(reading(setting, folder, options, columns))
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
        figures = f"{size:.2f} GB on disk, {result.wall:.1f} s, CPU {result.cpu:.1f} s, peak {result.peak:.0f} MB"
        return line(name, result.peak < limit, f"{figures} (limit {limit} MB)")

    return run


def hundred_files(setting: Setting) -> bool:
    """100 files of 50 MB by a connector whose `_concurrency_level` is 100."""
    folder = made("hundred")
    place = Path(tempfile.mkdtemp(prefix="scale-", dir=BENCH))
    config = {"root": str(folder), "streams": [{"name": "events", "globs": ["*.csv"], "format": CSV}]}
    command: list[str | Path] = [setting.python, HERE / "peers" / "local_source.py", "read"]
    command += ["--config", write_json(place / "config.json", config)]
    command += ["--catalog", write_json(place / "catalog.json", catalog("events", flights(folder)))]
    result = measure(command, {"LEVEL": "100"})
    figures = f"{result.wall:.1f} s, CPU {result.cpu:.1f} s, peak {result.peak:.0f} MB (limit 600 MB)"
    return line("hundred", result.peak < 600, figures)


def last_states(output: bytes) -> list[Any]:
    """The last state message of each stream, as the next sync takes it."""
    found = {}
    for text_line in output.splitlines():
        if text_line.startswith(b'{"type":"STATE"'):
            state = json.loads(text_line)["state"]
            found[state["stream"]["stream_descriptor"]["name"]] = state
    return list(found.values())


def one_row_files(setting: Setting) -> bool:
    """10,000 files of one row: bytes of state; then nothing, then exactly one late file with an old time."""
    folder = Path(shutil.copytree(made("one-row"), Path(tempfile.mkdtemp(dir=BENCH)) / "files"))
    columns = text("id", "name")
    command = reading(setting, folder, CSV, columns, sync_mode="incremental")
    took = measure(command)
    first = digest(command)

    def sync(state: object) -> tuple[list[str], list[Any]]:
        """Files that came, and the state."""
        following = reading(setting, folder, CSV, columns, state=state, sync_mode="incremental")
        output = subprocess.run(following, stdout=subprocess.PIPE, check=True).stdout
        return sorted(records_by_file(output)), last_states(output)

    state = last_states(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    second, state = sync(state)
    late = folder / "late.csv"
    late.write_text("id,name\n-1,late\n")
    os.utime(late, (0, 0))
    third, _ = sync(state)
    shutil.rmtree(folder.parent)
    ratio = first.state_bytes / first.final_state
    kept = first.states >= 10 and ratio <= 5 and first.records == 10_000 and second == [] and third == ["late.csv"]
    figures = (
        f"{first.records:,} records, {took.wall:.1f} s, peak {took.peak:.0f} MB; {first.states} STATE lines, "
        f"{first.state_bytes:,} bytes in all = {ratio:.2f} x the last (limit 5); files of the second sync: "
        f"{len(second)}, of the third: {third}"
    )
    return line("one-row", kept, figures)


def million(setting: Setting) -> bool:
    """1 M listed files against a state of 1 M files, and then one late file."""
    source = HERE / "listing_source.py"
    place = BENCH / "scale" / "million"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "state.json").open("wb") as out:
        subprocess.run([setting.python, source, "state", "--files", "1000000"], stdout=out, check=True)
    stream = {"name": "events", "globs": ["events/**/*.csv"], "format": {"filetype": "csv"}}
    listed = write_json(place / "catalog.json", catalog("events", text("id"), "incremental"))

    def command(late: int) -> list[str | Path]:
        config = write_json(place / f"{late}.json", {"files": 1_000_000, "late": late, "streams": [stream]})
        return [
            setting.python,
            source,
            "read",
            "--config",
            config,
            "--catalog",
            listed,
            "--state",
            place / "state.json",
        ]

    nothing = measure(command(0))
    one = digest(command(1))
    size = (place / "state.json").stat().st_size / 1e6
    kept = nothing.wall < 60 and nothing.peak < 700 and one.records == 1 and digest(command(0)).records == 0
    return line(
        "million",
        kept,
        f"{nothing.wall:.1f} s (limit 60), CPU {nothing.cpu:.1f} s, peak {nothing.peak:.0f} MB (limit 700), state "
        f"{size:.1f} MB; with one late file: {one.records} record",
    )


def history(setting: Setting) -> bool:
    """CPU of 5 M rows into a stream whose history has 10,000 entries, against an empty one; start-up taken off."""
    rows = made("many-rows")
    columns = flights(rows)
    entries = {f"old/{i:05}.csv": f"2013-01-01T00:{i // 60 % 60:02}:{i % 60:02}.000000Z" for i in range(9_999)}
    entries["old/last.csv"] = "2013-01-01T01:00:00.000000Z"
    blob = {"history": entries, "_ab_source_file_last_modified": "2013-01-01T01:00:00.000000Z_old/last.csv"}
    full = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "events"}, "stream_state": blob}}]
    few = Path(tempfile.mkdtemp(prefix="scale-", dir=BENCH))
    shutil.copy(next(made("one-row").iterdir()), few / "few.csv")

    def cpu(folder: Path, state: object, properties: Properties) -> float:
        command = reading(setting, folder, CSV, properties, state=state, sync_mode="incremental")
        return min(measure(command).cpu for _ in range(3))

    with_history = cpu(rows, full, columns) - cpu(few, full, text("id", "name"))
    without = cpu(rows, None, columns) - cpu(few, None, text("id", "name"))
    ratio = with_history / without
    figures = f"CPU {with_history:.2f} s with 10,000 entries, {without:.2f} s with none: {ratio:.3f} (limit 1.1)"
    return line("history", ratio <= 1.1, figures)


def kill(setting: Setting) -> bool:
    """kill -9 in the middle of a sync, then a sync from the last STATE line, again and again."""
    folder = made("numbered")
    files = {path.name: 3000 for path in folder.iterdir()}
    chance = random.Random(20)
    columns = text("id", "name")
    lost = listed_again = after_state = most_twice = beyond_flight = 0
    for number in range(setting.syncs):
        command = reading(setting, folder, CSV, columns, sync_mode="incremental")
        # Every seventh is killed with its first records, the others after one of their early states.
        states = chance.randint(1, 8) if number % 7 else 0
        first, last = broken_off(command, states, chance.random() * 0.1 if states else 0.0)
        done: set[str] = set(last["stream"]["stream_state"]["history"]) if last else set()
        after_state += 0 < len(done) < len(files)
        state = [last] if last else None
        output = subprocess.run(
            reading(setting, folder, CSV, columns, state=state, sync_mode="incremental"),
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        second = records_by_file(output)
        for name, rows in files.items():
            whole = {int(row) for row in second.get(name, ())}
            if name in done:
                listed_again += bool(whole)
                whole = {int(row) for row in first.get(name, ())}
            start = int(name[:3]) * rows
            lost += whole != set(range(start, start + rows))
        twice = {name for name in second if name in first}
        most_twice = max(most_twice, len(twice))
        beyond_flight += len(twice & done)
    kept = not lost and not listed_again and not beyond_flight and after_state >= setting.syncs * 3 // 4
    return line(
        "kill",
        kept,
        f"{setting.syncs} syncs killed, {after_state} of them after a non-final STATE; files with a missing or wrong "
        f"record in the union: {lost}; files that the STATE lists and that came again: {listed_again}; most files "
        f"sent twice in one pair of syncs: {most_twice} (all of them after the last STATE)",
    )


def broken_off(command: Sequence[str | Path], states: int, seconds: float) -> tuple[dict[str, list[str]], Any]:
    """Records by file, and the last state, of a sync killed `seconds` after its state number `states`."""
    environment = {**os.environ, "AIRBYTE_STATE_INTERVAL_SECONDS": "0.2"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    assert process.stdout is not None
    output = bytearray()
    seen = 0
    deadline = None
    while chunk := os.read(process.stdout.fileno(), 1 << 16):
        output += chunk
        seen += chunk.count(b'"type":"STATE"')
        if seen >= states and b'"type":"RECORD"' in output and deadline is None:
            deadline = time.monotonic() + seconds
        if deadline is not None and time.monotonic() >= deadline and process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            deadline = float("inf")
        # Read slowly, so that there is something left to break off.
        time.sleep(0.001)
    killed = process.wait() == -signal.SIGKILL
    whole = bytes(output[: output.rfind(b"\n") + 1])
    last = last_states(whole)
    return records_by_file(whole), last[0] if last and killed else None


def records_by_file(output: bytes) -> dict[str, list[str]]:
    """The `id` of each record, by the file it comes from."""
    found: dict[str, list[str]] = {}
    for text_line in output.splitlines():
        if text_line.startswith(b'{"type":"RECORD"'):
            data = json.loads(text_line)["record"]["data"]
            found.setdefault(data["_ab_source_file_url"], []).append(data["id"])
    return found


JSONL = {"filetype": "jsonl"}
LONG = {"id": {"type": ["null", "integer"]}, "value": {"type": ["null", "string", "array"]}}
PARQUET_COLUMNS = {
    **{f"integer_{i}": {"type": ["null", "integer"]} for i in range(10)},
    **{f"double_{i}": {"type": ["null", "number"]} for i in range(10)},
    **text("text", "other"),
}

SCENARIOS: dict[str, Callable[[Setting], bool]] = {
    "csv-2gb": one_file("csv-2gb", "big.csv", CSV, {}, 600),
    "jsonl-2gb": one_file("jsonl-2gb", "big.jsonl", JSONL, {}, 600),
    "gz-2gb": one_file("gz-2gb", "big.csv.gz", CSV, {}, 600),
    "parquet-row-group": one_file("parquet-row-group", "big.parquet", {"filetype": "parquet"}, PARQUET_COLUMNS, 600),
    "hundred": hundred_files,
    "long-string": one_file("long-string", "string.jsonl", JSONL, LONG, 1500),
    "long-numbers": one_file("long-numbers", "numbers.jsonl", JSONL, LONG, 1500),
    "long-objects": one_file("long-objects", "objects.jsonl", JSONL, LONG, 1500),
    "one-row": one_row_files,
    "million": million,
    "history": history,
    "kill": kill,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios, separated by commas")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--ours-python", type=Path, help="a Python that has this library installed, as it is")
    parser.add_argument("--syncs", type=int, default=20, help="syncs that `kill` kills (default 20)")
    args = parser.parse_args()
    if args.list:
        print("\n".join(SCENARIOS))
        return
    setting = Setting(args.ours_python or own_environment("file-based"), args.syncs)
    results = Counter(SCENARIOS[name](setting) for name in args.only.split(","))
    for left in BENCH.glob("scale-*"):
        shutil.rmtree(left)
    sys.exit(1 if results[False] else 0)


if __name__ == "__main__":
    main()
