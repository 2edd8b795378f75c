"""The published S3 connector on this library and on the original, side by side over one SeaweedFS server.

    python benchmarks/published_s3.py                                     # 1,010,328 rows as CSV, JSONL and Parquet
    python benchmarks/published_s3.py --rows 300000 --formats csv --modes full_refresh,incremental

Both have the connector's wheel and its libraries in the versions of unit_tests/published/, get the same config and
catalog, write into `cat > /dev/null`, and take turns. Seconds are wall time of whole processes, start-up included; the
least of the repeats is compared. Server and connector share the machine. The rows are the flights that left New York
City in 2013, in files of 336,776 rows.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench import FORMAT_OPTIONS, PROPERTIES, Program, make_data, names
from measure import BENCH, ROOT, catalog, digest, measure, table, write_json

sys.path.insert(0, str(ROOT / "unit_tests"))

from published.environment import environment
from servers.s3 import REGION, SeaweedFS

FILE_ROWS = 336_776
FORMATS = ("csv", "jsonl", "parquet")
MODES = ("full_refresh", "incremental")
PEERS = ("original",)
ENVIRONMENT = {"AWS_EC2_METADATA_DISABLED": "true"}

Command = list[str | Path]


def filled(server: SeaweedFS, format_name: str, copies: int) -> str:
    """The bucket with the files of a format."""
    bucket = f"{format_name}-{copies}"
    server.provider(bucket)  # makes it
    for path in sorted(make_data(format_name, copies).iterdir()):
        server.put(bucket, path.name, path.read_bytes())
    return bucket


def command(programs: Path, server: SeaweedFS, bucket: str, format_name: str, mode: str) -> Command:
    """Command line of a sync of a bucket."""
    config = {
        "bucket": bucket,
        "credentials": {
            "auth_type": "iam_user",
            "aws_access_key_id": server.key,
            "aws_secret_access_key": server.secret,
        },
        "region_name": REGION,
        "endpoint": server.url,
        "streams": [{"name": "flights", "globs": [f"*.{format_name}"], "format": FORMAT_OPTIONS[format_name]}],
    }
    folder = BENCH / "configs" / f"published-{bucket}"
    config_path = write_json(folder / "config.json", config)
    catalog_path = write_json(folder / f"{mode}.json", catalog("flights", PROPERTIES, mode))
    return [programs / "source-s3", "read", "--config", config_path, "--catalog", catalog_path]


def compare(
    server: SeaweedFS, format_name: str, mode: str, args: argparse.Namespace, frameworks: Mapping[str, Path]
) -> list[list[str]]:
    """Rows of the table for one format in one mode."""
    bucket = filled(server, format_name, args.copies)
    repeats = {"this library": args.repeats, "original 7.39.1": args.original_repeats}
    programs = [
        Program(name, command(folder, server, bucket, format_name, mode), repeats[name], env=ENVIRONMENT)
        for name, folder in frameworks.items()
    ]
    for turn in range(max(program.repeats for program in programs)):
        for program in programs:
            if turn < program.repeats:
                program.runs.append(measure(program.command, program.env))
                print(f"  {format_name}, {mode}, {program.name}: {program.runs[-1].wall:.2f} s", file=sys.stderr)
    own = programs[0].summary
    rows = []
    for program in programs:
        figures = program.summary
        measured = f"{figures.wall:.2f}", f"{figures.median:.2f}", f"{figures.cpu:.2f}", f"{figures.peak:.0f}"
        ratio = f"{figures.wall / own.wall:.2f}" if program is not programs[0] else ""
        rows.append([format_name, mode, program.name, *measured, ratio])
    return rows


def start_up(args: argparse.Namespace, frameworks: Mapping[str, Path]) -> str:
    """One sentence on the time of `spec`, which every command spends before it begins."""
    seconds = {
        name: min(measure([folder / "source-s3", "spec"], ENVIRONMENT).wall for _ in range(args.repeats))
        for name, folder in frameworks.items()
    }
    return "`spec`, the whole command: " + ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())


def same_records(server: SeaweedFS, format_name: str, mode: str, frameworks: Mapping[str, Path]) -> str:
    """One sentence on whether both deliver the same records; exits if they do not. One file of them is enough."""
    bucket = filled(server, format_name, 1)
    found = {
        name: digest(command(folder, server, bucket, format_name, mode), ENVIRONMENT)
        for name, folder in frameworks.items()
    }
    if len({(each.records, each.digest) for each in found.values()}) > 1:
        sys.exit(f"{format_name}: they deliver different records: {found}")
    return f"{format_name}: {next(iter(found.values())).records:,} records, the same from {' and '.join(found)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", type=names(FORMATS), default=list(FORMATS), help=f"of {','.join(FORMATS)}")
    parser.add_argument("--rows", type=int, default=1_000_000, help="at least so many, in whole files (1,000,000)")
    parser.add_argument("--modes", type=names(MODES), default=["full_refresh"], help=f"of {','.join(MODES)}")
    parser.add_argument("--peers", type=names(PEERS), default=list(PEERS), help="'' for this library alone")
    parser.add_argument("--repeats", type=int, default=3, help="runs of this library (default 3)")
    parser.add_argument("--original-repeats", type=int, default=1, help="runs of the original, which is slow (1)")
    parser.add_argument("--skip", type=names(("records", "startup")), default=[], help="parts to leave out")
    args = parser.parse_args()
    args.copies = math.ceil(args.rows / FILE_ROWS)

    started = time.time()
    frameworks = {"this library": environment("ours")}
    if "original" in args.peers:
        frameworks["original 7.39.1"] = environment("original")
    with SeaweedFS() as server:
        rows = [
            row
            for format_name in args.formats
            for mode in args.modes
            for row in compare(server, format_name, mode, args, frameworks)
        ]
        print(
            f"\n{args.copies * FILE_ROWS:,} rows of 19 columns; the last column is the time against this library's.\n"
        )
        print(
            table(["format", "mode", "program", "seconds (least)", "(median)", "CPU s", "peak MB", "times ours"], rows)
        )
        if "startup" not in args.skip:
            print("\n" + start_up(args, frameworks))
        if "records" not in args.skip and len(frameworks) > 1:
            for format_name in args.formats:
                print(same_records(server, format_name, args.modes[0], frameworks), flush=True)
    print(f"\n{time.time() - started:.0f} s in all.")


if __name__ == "__main__":
    main()
