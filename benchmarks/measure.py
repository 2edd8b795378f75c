"""Runs a command with its output going into `cat > /dev/null` and says what it took.

Only the standard library, and little memory: a child's peak counts its parent's size at the moment of the fork.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / ".bench"
HERE = ROOT / "benchmarks"


@dataclass(frozen=True)
class Run:
    """Figures of one process: wall and CPU in seconds, peak memory in MB (10^6 bytes), and its exit code."""

    wall: float
    cpu: float
    peak: float
    code: int


@dataclass(frozen=True)
class Summary:
    """Figures of several runs of one command: least and median wall, least CPU, highest peak."""

    wall: float
    median: float
    cpu: float
    peak: float

    @staticmethod
    def of(runs: Sequence[Run]) -> Summary:
        walls = [run.wall for run in runs]
        return Summary(min(walls), median(walls), min(run.cpu for run in runs), max(run.peak for run in runs))


def measure(command: Sequence[str | Path], env: Mapping[str, str] | None = None, *, check: bool = True) -> Run:
    """One run. Exits with the command's last words if `check` and it fails."""
    BENCH.mkdir(exist_ok=True)
    errors = BENCH / "stderr.txt"
    with errors.open("wb") as stderr:
        sink = subprocess.Popen("cat > /dev/null", shell=True, stdin=subprocess.PIPE)
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=sink.stdin, stderr=stderr, env={**os.environ, **(env or {})})
        assert sink.stdin is not None
        sink.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        sink.wait()
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if check and code:
        last = errors.read_text(errors="replace")[-2000:]
        sys.exit(f"exit code {code} of {' '.join(map(str, command))}\n{last}\n{last_error(command, env)}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, code)


def last_error(command: Sequence[str | Path], env: Mapping[str, str] | None) -> str:
    """The error messages on standard output of another run of a failed command, for the person who has to fix it."""
    output = subprocess.run(command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, check=False).stdout
    lines = [line for line in output.splitlines() if b'"ERROR"' in line[:400] or not line.startswith(b"{")]
    return b"\n".join(lines[-5:]).decode(errors="replace")[-4000:]


def digest(command: Sequence[str | Path], env: Mapping[str, str] | None = None, *, data_only: bool = False) -> Digest:
    """What a command delivers, by `digest.py`; the command must succeed."""
    counter = [sys.executable, str(HERE / "digest.py"), *(["--data-only"] if data_only else [])]
    source = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **(env or {})}
    )
    result = subprocess.run(counter, stdin=source.stdout, stdout=subprocess.PIPE, check=True)
    if source.wait():
        sys.exit(f"exit code {source.returncode} of {' '.join(map(str, command))}\n{last_error(command, env)}")
    return Digest(**json.loads(result.stdout))


@dataclass(frozen=True)
class Digest:
    """What one sync delivered; see `digest.py`."""

    records: int
    digest: str
    states: int
    state_bytes: int
    final_state: int
    statuses: Mapping[str, str]


def environment(name: str, *requirements: str) -> Path:
    """Python of the virtual environment .bench/<name>, made with these requirements if it is not there yet."""
    folder = BENCH / name
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {' '.join(requirements)} into .bench/{name} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True)
        stamp.write_text(wanted)
    return python


def own_environment(extras: str) -> Path:
    """Python of an environment with this checkout installed as users install it, and with these extras."""
    name = "ours-" + extras.replace(",", "-")
    source = BENCH / "src"
    subprocess.run(["rm", "-rf", source], check=True)
    source.mkdir(parents=True)
    for item in ("airbyte_cdk", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", ROOT / item, source], check=True)
    python = environment(name, f"{source}[{extras}]")
    # The environment is kept between runs, the code in it is always the checkout's.
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--force-reinstall", "--no-deps", str(source)], check=True)
    return python


def write_json(path: Path, value: object) -> Path:
    """Writes a config, catalog or state file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))
    return path


def catalog(name: str, properties: Mapping[str, object], sync_mode: str = "full_refresh") -> dict[str, object]:
    """A configured catalog of one stream; `properties` are its data columns."""
    metadata = {column: {"type": "string"} for column in ("_ab_source_file_last_modified", "_ab_source_file_url")}
    stream = {
        "name": name,
        "json_schema": {"type": "object", "properties": {**metadata, **properties}},
        "supported_sync_modes": ["full_refresh", "incremental"],
    }
    return {"streams": [{"stream": stream, "sync_mode": sync_mode, "destination_sync_mode": "append"}]}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the columns are padded so that it reads well as text too."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
