"""Runs in PyAirbyte's environment: syncs by a connector's program into a DuckDB file, or asks such a file.

    python -P pyairbyte_program.py sync REQUEST.json       # of name, executable, config, database: what it counted
    python -P pyairbyte_program.py query DATABASE SQL ...  # the rows of each query

The answer is the last line on stdout, as JSON. Any attempt to reach another machine fails, and fails the program.
"""

import json
import sys
from pathlib import Path
from typing import Any

HERE = {None, "", "127.0.0.1", "localhost"}
SCHEMA = "synced"


def sync(request: dict[str, Any]) -> dict[str, Any]:
    """Check, discover and read all streams, into the database that holds the state too."""
    import airbyte
    from airbyte.caches import DuckDBCache

    source = airbyte.get_source(
        request["name"],
        local_executable=Path(request["executable"]),
        config=request["config"],
        install_if_missing=False,
    )
    source.validate_config()
    source.check()
    source.select_all_streams()
    streams = source.get_available_streams()
    database = Path(request["database"])
    cache = DuckDBCache(db_path=database, schema_name=SCHEMA, cache_dir=database.parent / "cache")
    result = source.read(cache=cache)
    return {
        "streams": sorted(streams),
        "read": result.processed_records,
        "cached": {name: len(dataset) for name, dataset in result.streams.items()},
    }


def query(database: str, *queries: str) -> list[list[Any]]:
    """The rows of each query; times and other values that JSON lacks come as text."""
    import duckdb

    with duckdb.connect(database, read_only=True) as connection:
        connection.execute(f"USE {SCHEMA}")
        return [connection.execute(sql).fetchall() for sql in queries]


def _stay_here() -> list[str]:
    """From now on, refuse to reach other machines; gives the list of attempts, which may be caught and hidden."""
    attempts: list[str] = []

    def watch(event: str, values: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            host = values[1][0] if isinstance(values[1], tuple) else None  # else the path of a local socket
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = values[0]
        else:
            return
        if host not in HERE:
            attempts.append(f"{event} {host}")
            raise ConnectionRefusedError(f"a test reaches no other machine: {attempts[-1]}")

    sys.addaudithook(watch)
    return attempts


def main() -> None:
    """As the module says."""
    attempts = _stay_here()
    if sys.argv[1] == "sync":
        answer: Any = sync(json.loads(Path(sys.argv[2]).read_text()))
    else:
        answer = query(*sys.argv[2:])
    sys.stdout.write("\n" + json.dumps(answer, default=str) + "\n")
    if attempts:
        sys.exit(f"tried to reach other machines: {attempts}")


if __name__ == "__main__":
    main()
