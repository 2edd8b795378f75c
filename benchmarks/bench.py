"""This library, the original airbyte-cdk and DuckDB side by side, on the flights that left New York City in 2013.

    make bench                                                        # 336,776 rows, all formats, all peers
    make bench BENCH="--copies 4 --formats csv,parquet --repeats 5"   # four copies, 1,347,104 rows

Every program writes into `cat > /dev/null`, has an environment of its own, and they take turns. Seconds are wall time
of whole processes, start-up included; the least of the repeats is compared. The original runs a connector of 60 lines
on the published API (peers/local_source.py), this library the ready-made `source-files`; both get the same catalog.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measure import BENCH, HERE, Run, Summary, catalog, digest, environment, measure, own_environment, table, write_json

ORIGINAL = "airbyte-cdk[file-based]==7.39.1"
FORMATS = ("csv", "jsonl", "jsonl-nulls", "parquet", "avro")
PEERS = ("original", "duckdb", "loop")
STATE_FILES = 1000
"""One-row files of the comparison of state volume (the original's grows with their square)."""

COLUMNS = [
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour",
]  # fmt: skip
TEXTS = {"carrier", "tailnum", "origin", "dest", "time_hour"}
PROPERTIES = {name: {"type": ["null", "string" if name in TEXTS else "integer"]} for name in COLUMNS}
FORMAT_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "csv": {"filetype": "csv", "null_values": ["NA"]},
    "jsonl": {"filetype": "jsonl"},
    "jsonl-nulls": {"filetype": "jsonl"},
    "parquet": {"filetype": "parquet"},
    "avro": {"filetype": "avro"},
}


@dataclass
class Program:
    """One row of the table."""

    name: str
    command: Sequence[str | Path]
    repeats: int
    runs: list[Run] = field(default_factory=list)
    env: Mapping[str, str] | None = None

    @property
    def summary(self) -> Summary:
        return Summary.of(self.runs)


def ours(python: Path, data: Path, format_name: str, files: str | None = None) -> list[str | Path]:
    """Command line of a full sync of a folder by `source-files`."""
    extension = format_name.split("-")[0]
    stream = {"name": "flights", "globs": [files or f"*.{extension}"], "format": FORMAT_OPTIONS[format_name]}
    config = {"provider": {"storage": "local", "root": str(data)}, "streams": [stream]}
    folder = BENCH / "configs" / data.name
    config_path = write_json(folder / "ours.json", config)
    return [python.parent / "source-files", "read", "--config", config_path, "--catalog", catalog_path(folder)]


def published(python: Path, data: Path, format_name: str) -> list[str | Path]:
    """Command line of the same sync by a connector on the published API."""
    extension = format_name.split("-")[0]
    stream = {"name": "flights", "globs": [f"*.{extension}"], "format": FORMAT_OPTIONS[format_name]}
    folder = BENCH / "configs" / data.name
    config = write_json(folder / "published.json", {"root": str(data), "streams": [stream]})
    source = HERE / "peers" / "local_source.py"
    return [python, source, "read", "--config", config, "--catalog", catalog_path(folder)]


def catalog_path(folder: Path) -> Path:
    return write_json(folder / "catalog.json", catalog("flights", PROPERTIES))


def make_data(format_name: str, copies: int) -> Path:
    """Folder of the data; made by a process of its own, which keeps this one small."""
    make = [sys.executable, str(HERE / "data.py"), "--copies", str(copies), "--formats", format_name]
    return Path(subprocess.run(make, stdout=subprocess.PIPE, check=True, text=True).stdout.strip())


def compare(format_name: str, args: argparse.Namespace, pythons: Mapping[str, Path]) -> list[list[str]]:
    """Rows of the table for one format."""
    data = make_data(format_name, args.copies)
    programs = [Program("this library", ours(pythons["ours"], data, format_name), args.repeats)]
    if format_name == "avro":
        if "ours-fast" in pythons:
            programs.append(Program("with the extra `fast`", ours(pythons["ours-fast"], data, "avro"), args.repeats))
        if "loop" in args.peers:
            loop: list[str | Path] = [pythons["ours"], HERE / "peers" / "avro_loop.py", data]
            programs.append(Program("fastavro loop", loop, args.repeats))
    else:
        if "duckdb" in args.peers:
            copy: list[str | Path] = [
                pythons["duckdb"],
                HERE / "peers" / "duckdb_copy.py",
                format_name.split("-")[0],
                data,
            ]
            programs.append(Program("DuckDB", copy, args.repeats))
        if "original" in args.peers:
            original = published(pythons["original"], data, format_name)
            programs.append(Program("original 7.39.1", original, args.original_repeats))
    for turn in range(args.repeats):
        for program in programs:
            if turn < program.repeats:
                program.runs.append(measure(program.command, program.env))
                print(f"  {format_name}, {program.name}: {program.runs[-1].wall:.2f} s", file=sys.stderr)

    own = programs[0].summary
    rows = []
    for program in programs:
        figures = program.summary
        base = own.wall if program.name != "with the extra `fast`" else figures.wall
        ratio = "" if program.name in ("this library", "with the extra `fast`") else f"{figures.wall / base:.2f}"
        if program.name == "fastavro loop" and "ours-fast" in pythons:
            ratio += f" ({figures.wall / programs[1].summary.wall:.2f} with `fast`)"
        measured = f"{figures.wall:.2f}", f"{figures.median:.2f}", f"{figures.cpu:.2f}", f"{figures.peak:.0f}"
        rows.append([format_name, program.name, *measured, ratio])
    return rows


def same_records(format_name: str, args: argparse.Namespace, pythons: Mapping[str, Path]) -> str:
    """One sentence on whether all deliver the same records; exits if they do not. One copy of the data is enough."""
    data = make_data(format_name, 1)
    own = digest(ours(pythons["ours"], data, format_name), data_only=format_name == "avro")
    if format_name == "avro":
        others = {}
        if "ours-fast" in pythons:
            others["the extra `fast`"] = digest(ours(pythons["ours-fast"], data, "avro"), data_only=True)
        if "loop" in args.peers:
            others["the fastavro loop"] = digest(
                [pythons["ours"], HERE / "peers" / "avro_loop.py", data], data_only=True
            )
    elif "original" in args.peers:
        others = {"the original": digest(published(pythons["original"], data, format_name))}
    else:
        return f"{format_name}: {own.records:,} records, not compared"
    for name, other in others.items():
        if (own.records, own.digest) != (other.records, other.digest):
            sys.exit(f"{format_name}: {name} delivers other records: {other} against {own}")
    return f"{format_name}: the same {own.records:,} records as {' and '.join(others)}" if others else ""


def state_volume(args: argparse.Namespace, pythons: Mapping[str, Path]) -> list[list[str]]:
    """Bytes of STATE lines for many small files."""
    folder = BENCH / "data" / f"one-row-{STATE_FILES}"
    if not folder.exists():
        folder.mkdir(parents=True)
        for i in range(STATE_FILES):
            (folder / f"{i:04}.csv").write_text(f"flight\n{i}\n")
    own = digest(ours(pythons["ours"], folder, "csv"))
    cells = [f"{own.state_bytes / 1e6:.2f} MB"]
    if "original" in args.peers:
        cells.append(f"{digest(published(pythons['original'], folder, 'csv')).state_bytes / 1e6:.2f} MB")
    return [[f"all STATE lines of {STATE_FILES:,} files of one row", *cells]]


def start_up(args: argparse.Namespace, pythons: Mapping[str, Path]) -> list[list[str]]:
    """Import time, time of `spec`, number and size of installed packages."""
    script = "import time; t = time.perf_counter(); import airbyte_cdk; print(time.perf_counter() - t)"

    def importing(python: Path) -> str:
        outputs = [subprocess.run([python, "-I", "-c", script], stdout=subprocess.PIPE, check=True) for _ in range(5)]
        return f"{min(float(output.stdout) for output in outputs):.2f} s"

    def spec(command: Sequence[str | Path]) -> str:
        return f"{min(measure(command).wall for _ in range(3)):.2f} s"

    def packages(python: Path) -> str:
        pip = [str(python), "-m", "pip", "list", "--disable-pip-version-check", "--format=freeze"]
        names = subprocess.run(pip, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
        return str(sum(not name.startswith(("pip==", "setuptools==")) for name in names))

    def size(python: Path) -> str:
        site = next((python.parent.parent / "lib").glob("python*/site-packages"))
        total = sum(
            path.stat().st_size
            for item in site.iterdir()
            if not item.name.startswith(("pip", "setuptools", "pkg_resources", "_distutils_hack"))
            for path in ([item] if item.is_file() else item.rglob("*"))
            if path.is_file()
        )
        return f"{total / 1e6:.0f} MB"

    columns: list[tuple[Path, list[str | Path]]] = [
        (pythons["ours"], [pythons["ours"].parent / "source-files", "spec"])
    ]
    if "original" in args.peers:
        python = pythons["original"]
        columns.append((python, [python, HERE / "peers" / "local_source.py", "spec"]))
    return [
        ["`import airbyte_cdk`", *(importing(python) for python, _ in columns)],
        ["`spec`, the whole command", *(spec(command) for _, command in columns)],
        ["packages installed with `[file-based]`", *(packages(python) for python, _ in columns)],
        ["their size", *(size(python) for python, _ in columns)],
    ]


def prepare(args: argparse.Namespace) -> dict[str, Path]:
    """The Python of each program."""
    pythons = {"ours": args.ours_python or own_environment("file-based")}
    if "avro" in args.formats and not args.ours_python:
        pythons["ours-fast"] = own_environment("file-based,fast")
    if "original" in args.peers:
        pythons["original"] = args.original_python or environment("original", ORIGINAL)
    if "duckdb" in args.peers:
        pythons["duckdb"] = environment("duckdb", "duckdb")
    return pythons


def names(allowed: Sequence[str]) -> Callable[[str], list[str]]:
    """Argument type: a comma-separated choice of `allowed`."""

    def parse(text: str) -> list[str]:
        chosen = [name for name in text.split(",") if name]
        if unknown := set(chosen) - set(allowed):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(allowed)}")
        return chosen

    return parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", type=names(FORMATS), default=list(FORMATS), help=f"of {','.join(FORMATS)}")
    parser.add_argument("--copies", type=int, default=1, help="copies of the 336,776 rows (default 1)")
    parser.add_argument("--peers", type=names(PEERS), default=list(PEERS), help=f"of {','.join(PEERS)}; '' for none")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each program (default 3)")
    parser.add_argument("--original-repeats", type=int, default=1, help="runs of the original, which is slow (1)")
    parser.add_argument("--original-python", type=Path, help="a Python that has the original installed")
    parser.add_argument("--ours-python", type=Path, help="a Python that has this library installed, as it is")
    parser.add_argument("--skip", type=names(("records", "startup", "state")), default=[], help="parts to leave out")
    args = parser.parse_args()
    args.original_repeats = min(args.original_repeats, args.repeats)

    started = time.time()
    pythons = prepare(args)
    rows = [row for format_name in args.formats for row in compare(format_name, args, pythons)]
    print(f"\n{args.copies * 336_776:,} rows of 19 columns; the last column is the time against this library's.\n")
    header = ["format", "program", "seconds (least)", "(median)", "CPU s", "peak MB", "times ours"]
    print(table(header, rows), flush=True)
    others = []
    if "startup" not in args.skip:
        others += start_up(args, pythons)
    if "state" not in args.skip:
        others += state_volume(args, pythons)
    if others:
        print("\n" + table(["", "this library", "original 7.39.1"][: len(others[0])], others) + "\n", flush=True)
    if "records" not in args.skip:
        for format_name in args.formats:
            print(same_records(format_name, args, pythons), flush=True)
    print(f"\n{time.time() - started:.0f} s in all.")


if __name__ == "__main__":
    main()
