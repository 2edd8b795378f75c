"""DuckDB reads the files and writes JSON lines: COPY (SELECT ...) TO '/dev/stdout' (FORMAT json)."""

import sys

import duckdb

READERS = {
    "csv": "read_csv('{}/*.csv', nullstr = 'NA', filename = true)",
    "jsonl": "read_json('{}/*.jsonl', format = 'newline_delimited', filename = true)",
    "parquet": "read_parquet('{}/*.parquet', filename = true)",
}
"""Table function of each kind of file; `filename` stands for our metadata columns."""


def main(kind: str, folder: str) -> None:
    table = READERS[kind].format(folder)
    duckdb.sql(f"COPY (SELECT * FROM {table}) TO '/dev/stdout' (FORMAT json)")


main(*sys.argv[1:])
