"""Whole syncs of big files from an S3 server against the same files on the local disk.

    python benchmarks/sync_from_s3.py                          # 20 files of 50 MB: Parquet, and gzipped CSV
    python benchmarks/sync_from_s3.py --files 4 --formats csv  # quicker

Each sync is `source-files read` into `cat > /dev/null`. Server and connector share the machine, so the processor time
of the server is part of what is measured. The rate is that of the files' bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from measure import BENCH, ROOT, table

sys.path.insert(0, str(ROOT / "unit_tests"))

from servers.s3 import SeaweedFS

BUCKET = "sync"
SUFFIX = {"parquet": "parquet", "csv": "csv.gz"}


def made(format_name: str, files: int, megabytes: int) -> Path:
    """A folder of files of about so many megabytes each, rows of all types, kept for the next run."""
    folder = BENCH / "data" / f"sync-{format_name}-{files}x{megabytes}"
    if (folder / ".done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    print(f"making {files} files of {megabytes} MB in {folder} ...", file=sys.stderr)
    for number in range(files):
        path = folder / f"part-{number:03}.{SUFFIX[format_name]}"
        source = random.Random(number)
        size = 0
        if format_name == "parquet":
            writer = pq.ParquetWriter(path, _rows(1, source).schema, use_dictionary=False)
            while size < megabytes << 20:
                writer.write_table(_rows(100_000, source))
                size = path.stat().st_size
            writer.close()
        else:
            with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as packed:
                first = True
                while raw.tell() < megabytes << 20:
                    options = pa.csv.WriteOptions(include_header=first)
                    pa.csv.write_csv(_rows(100_000, source), packed, options)
                    first = False
    (folder / ".done").touch()
    return folder


def _rows(count: int, source: random.Random) -> pa.Table:
    """Rows of numbers, texts and times that hardly compress."""

    def numbers(bits: int) -> pa.Array:
        taken = pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(source.randbytes(8 * count))])
        return pc.cast(pc.shift_right(taken, pa.scalar(64 - bits, pa.uint64())), pa.int64())

    return pa.table(
        {
            "id": numbers(62),
            "amount": pc.divide(pc.cast(numbers(40), pa.float64()), 1 << 20),
            "quantity": numbers(20),
            "customer": pc.binary_join_element_wise("customer", pc.cast(numbers(26), pa.string()), "-"),
            "comment": pc.cast(numbers(60), pa.string()),
            "sold": pc.cast(numbers(50), pa.timestamp("us")),
        }
    )


def sync(provider: dict[str, object], format_name: str, work: Path) -> tuple[float, int]:
    """Seconds and records of one full sync."""
    name = f"{provider['storage']}-{format_name}"
    glob = f"{format_name}/*.{SUFFIX[format_name]}" if provider["storage"] == "s3" else f"*.{SUFFIX[format_name]}"
    stream = {"name": "s", "globs": [glob], "format": {"filetype": format_name}}
    config, catalog = work / f"{name}.json", work / f"{name}-catalog.json"
    config.write_text(json.dumps({"provider": provider, "streams": [stream]}))
    command = [str(Path(sys.executable).parent / "source-files")]
    discovered = subprocess.run([*command, "discover", "--config", config], capture_output=True, text=True, check=True)
    streams = next(json.loads(line) for line in discovered.stdout.splitlines() if '"CATALOG"' in line)
    configured = [
        {"stream": one, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
        for one in streams["catalog"]["streams"]
    ]
    catalog.write_text(json.dumps({"streams": configured}))
    began = time.perf_counter()
    read = subprocess.Popen([*command, "read", "--config", config, "--catalog", catalog], stdout=subprocess.PIPE)
    counted = subprocess.run(
        ["grep", "-c", '^{"type":"RECORD"'], stdin=read.stdout, capture_output=True, text=True, check=True
    )
    if read.wait():
        raise SystemExit(f"the sync of {name} ended with exit code {read.returncode}")
    return time.perf_counter() - began, int(counted.stdout)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=50, help="size of each file")
    parser.add_argument("--formats", default="parquet,csv")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    work = BENCH / "configs"
    work.mkdir(parents=True, exist_ok=True)
    server = SeaweedFS()
    lines = []
    try:
        remote = server.provider(BUCKET)
        for format_name in arguments.formats.split(","):
            folder = made(format_name, arguments.files, arguments.megabytes)
            files = sorted(folder.glob("part-*"))
            for path in files:
                server.put(BUCKET, f"{format_name}/{path.name}", path.read_bytes())
            megabytes = sum(path.stat().st_size for path in files) / 1e6
            providers = {"local disk": {"storage": "local", "root": str(folder)}, "S3": remote}
            best: dict[str, float] = {}
            records: dict[str, int] = {}
            for _ in range(arguments.repeats):
                for storage, provider in providers.items():
                    seconds, records[storage] = sync(provider, format_name, work)
                    best[storage] = min(seconds, best.get(storage, seconds))
            if len(set(records.values())) != 1:
                raise SystemExit(f"the storages gave different numbers of records: {records}")
            ratio = best["local disk"] / best["S3"]
            for storage, seconds in best.items():
                rate = f"{megabytes / seconds:.0f} MB/s"
                lines.append([format_name, storage, f"{seconds:.1f} s", rate, f"{records[storage]:,}", f"{ratio:.2f}"])
    finally:
        server.close()
    print(table(["format", "from", "seconds", "rate", "records", "S3 / local"], lines))


if __name__ == "__main__":
    main()
