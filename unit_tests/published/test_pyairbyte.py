"""PyAirbyte drives connectors on this library into its DuckDB cache: everything at first, then only what is new."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from published.contents import content
from published.environment import PYAIRBYTE, environment, pyairbyte
from servers.disk import Disk

if TYPE_CHECKING:
    from servers.process import Server
    from servers.s3 import Moto

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason=f"{PYAIRBYTE} is not for Python 3.13 or later")

PROGRAM = Path(__file__).with_name("pyairbyte_program.py")
SECONDS = 180

FILES: Mapping[str, list[dict[str, Any]]] = yaml.safe_load("""
first:
- uri: people/a.csv
  modified: 2024-01-01 00:00:00
  text: |
    id,name,born,note
    1,Ann,1990-05-17,"a, ""b"", c"
    2,Zoë,1985-12-31,
- uri: orders/1.jsonl
  modified: 2024-01-01 00:00:00
  text: |
    {"id": 1, "paid": true, "price": 9.5, "to": {"city": "Oslo", "zip": "0150"}, "items": [1, 2]}
    {"id": 2, "paid": false, "price": 1e3, "to": null, "items": []}
- uri: measured/x.parquet
  modified: 2024-01-01 00:00:00
  as: parquet
  types: {taken: "timestamp[us]", exact: decimal}
  rows:
  - {id: 9007199254740993, taken: 2024-02-29 12:30:00.000001, exact: "12.30", value: 0.1, ok: true}
  - {id: 2, taken: null, exact: null, value: null, ok: null}
added:
- uri: people/b.csv
  modified: 2024-01-02 00:00:00
  text: |
    id,name,born,note
    3,Carl,2001-01-31,"two
    lines"
- uri: orders/2.jsonl
  modified: 2024-01-02 00:00:00
  text: |
    {"id": 2, "paid": true, "price": 1001.25, "to": {"city": "Rome"}, "items": [3]}
    {"id": 3, "paid": false, "price": 0, "to": null, "items": null}
""")

STREAMS = [
    {"name": "people", "globs": ["people/*.csv"], "format": {"filetype": "csv"}},
    # rows of the same key replace each other
    {"name": "orders", "globs": ["orders/*.jsonl"], "format": {"filetype": "jsonl"}, "primary_key": "id"},
    {"name": "measured", "globs": ["measured/*.parquet"], "format": {"filetype": "parquet"}},
]

QUERIES = {
    "people": "SELECT id, name, born, note, _ab_source_file_url FROM people ORDER BY id",
    "orders": """SELECT id, paid, price::DOUBLE, "to"->>'city', items, _ab_source_file_url FROM orders ORDER BY id""",
    "measured": "SELECT id, taken, exact, value::DOUBLE, ok FROM measured ORDER BY id",
    "types": """
        SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_name IN ('people', 'orders', 'measured') AND column_name NOT LIKE '\\_%' ESCAPE '\\'
        ORDER BY ALL
    """,
    "row ids": """
        SELECT _ab_source_file_url, list(_airbyte_raw_id ORDER BY id)
        FROM (SELECT * FROM people UNION ALL BY NAME SELECT * FROM orders UNION ALL BY NAME SELECT * FROM measured)
        GROUP BY ALL ORDER BY ALL
    """,
    "state": """
        SELECT source_name, stream_name, json_keys(state_json, '$.stream.stream_state.history')
        FROM _airbyte_state ORDER BY ALL
    """,
}
TYPES = [
    ["measured", "exact", "VARCHAR"],
    ["measured", "id", "BIGINT"],
    ["measured", "ok", "BOOLEAN"],
    ["measured", "taken", "TIMESTAMP"],
    ["measured", "value", "DECIMAL(38,9)"],
    ["orders", "id", "BIGINT"],
    ["orders", "items", "JSON"],
    ["orders", "paid", "BOOLEAN"],
    ["orders", "price", "DECIMAL(38,9)"],
    ["orders", "to", "JSON"],
    *(["people", column, "VARCHAR"] for column in ("born", "id", "name", "note")),
]


@dataclass(frozen=True)
class Case:
    """A connector, and where its files are.

    Attributes:
        server: Holds the files in `name`.
        name: The folder or bucket.
        source: The connector's name, which PyAirbyte writes into the state.
        program: Runs it.
        config: Without streams.
    """

    server: Server
    name: str
    source: str
    program: Path
    config: dict[str, Any]


Answer = dict[str, Any]


class PyAirbyte:
    """PyAirbyte with one database, in a folder of its own."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.python = programs / "python"
        self.folder = folder
        self.database = folder / "cache.duckdb"

    def sync(self, case: Case) -> Answer:
        """Sync all streams, then ask the database what is in it now."""
        request = self.folder / "request.json"
        config = {**case.config, "streams": STREAMS}
        made = {"name": case.source, "executable": case.program, "config": config, "database": self.database}
        request.write_text(json.dumps(made, default=str))
        counted = self._run("sync", request)
        return {**counted, **dict(zip(QUERIES, self._run("query", self.database, *QUERIES.values()), strict=True))}

    def _run(self, *arguments: str | Path) -> Any:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "PYTHON", "AIRBYTE_"))}
        quiet = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"}  # neither its registry of connectors nor telemetry
        own = {name: str(self.folder) for name in ("HOME", "TMPDIR", "AIRBYTE_LOGGING_ROOT")}
        done = subprocess.run(
            [self.python, "-P", PROGRAM, *arguments],
            env={**kept, **quiet, **own, "TZ": "UTC"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        return json.loads(done.stdout.splitlines()[-1])


def _published_s3(server: Moto, bucket: str) -> dict[str, Any]:
    """The config of the published connector for our config of the same storage."""
    provider = server.provider(bucket)
    del provider["storage"]
    return provider


@pytest.fixture(scope="module")
def syncs(moto: Moto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[list[Answer]]]]:
    """What comes of two syncs of each connector, with files added between; all running."""
    source_files = Path(sys.executable).with_name("source-files")
    disk = Disk(tmp_path_factory.mktemp("pyairbyte-disk"))
    cases = {
        "source-files on a folder": Case(
            disk, "pyairbyte", "source-files", source_files, {"provider": disk.provider("pyairbyte")}
        ),
        "source-files on S3": Case(
            moto, "pyairbyte-files", "source-files", source_files, {"provider": moto.provider("pyairbyte-files")}
        ),
        "published S3 connector": Case(
            moto,
            "pyairbyte-published",
            "source-s3",
            environment("ours") / "source-s3",
            _published_s3(moto, "pyairbyte-published"),
        ),
    }
    programs = pyairbyte()

    def run(case: Case, folder: Path) -> list[Answer]:
        run_by = PyAirbyte(programs, folder)
        answers = []
        for files in FILES.values():
            for file in files:
                case.server.put(case.name, file["uri"], content(file), file["modified"])
            answers.append(run_by.sync(case))
        return answers

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(run, case, tmp_path_factory.mktemp("pyairbyte")) for name, case in cases.items()}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", ["source-files on a folder", "source-files on S3", "published S3 connector"])
def test_syncs_everything_then_only_what_is_new(name: str, syncs: Mapping[str, Future[list[Answer]]]) -> None:
    first, second = syncs[name].result()
    source = "source-s3" if name.startswith("published") else "source-files"
    people = [
        ["1", "Ann", "1990-05-17", 'a, "b", c', "people/a.csv"],
        ["2", "Zoë", "1985-12-31", "", "people/a.csv"],
        ["3", "Carl", "2001-01-31", "two\nlines", "people/b.csv"],
    ]
    first_order = [1, True, 9.5, "Oslo", "[1,2]", "orders/1.jsonl"]
    measured = [
        [2, None, None, None, None],
        [2**53 + 1, "2024-02-29 12:30:00.000001", "12.30", 0.1, True],
    ]

    assert first["streams"] == ["measured", "orders", "people"]
    assert first["types"] == TYPES
    assert (first["read"], first["cached"]) == (6, {"people": 2, "orders": 2, "measured": 2})
    assert first["people"] == people[:2]
    assert first["orders"] == [first_order, [2, False, 1000.0, None, "[]", "orders/1.jsonl"]]
    assert first["measured"] == measured
    assert first["state"] == [
        [source, "measured", ["measured/x.parquet"]],
        [source, "orders", ["orders/1.jsonl"]],
        [source, "people", ["people/a.csv"]],
    ]

    assert (second["read"], second["cached"]) == (3, {"people": 3, "orders": 3, "measured": 2})
    assert second["types"] == TYPES
    assert second["people"] == people
    assert second["orders"] == [
        first_order,
        [2, True, 1001.25, "Rome", "[3]", "orders/2.jsonl"],
        [3, False, 0.0, None, None, "orders/2.jsonl"],
    ]
    assert second["measured"] == measured
    assert second["state"] == [
        [source, "measured", ["measured/x.parquet"]],
        [source, "orders", ["orders/1.jsonl", "orders/2.jsonl"]],
        [source, "people", ["people/a.csv", "people/b.csv"]],
    ]

    # the rows of the first sync are those that were written then
    ids, later_ids = dict(first["row ids"]), dict(second["row ids"])
    assert [len(ids[uri]) for uri in ("people/a.csv", "orders/1.jsonl", "measured/x.parquet")] == [2, 2, 2]
    assert [later_ids[uri] for uri in ("people/a.csv", "orders/1.jsonl", "measured/x.parquet")] == [
        ids["people/a.csv"],
        ids["orders/1.jsonl"][:1],
        ids["measured/x.parquet"],
    ]
