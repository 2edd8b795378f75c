"""Makes the inputs of `scale.py`, one at a time and kept in .bench/scale/: `python scale_data.py NAME`."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from data import BENCH, flights_csv, make

GIGA = 1_000_000_000


def repeated(source: Path, path: Path, size: int, *, header: bool) -> None:
    """One file of `size` bytes (up to the end of the row): the rows of `source` again and again, its header once."""
    text = source.read_bytes()
    first, _, rest = text.partition(b"\n") if header else (b"", b"", text)
    with path.open("wb") as out:
        written = out.write(first + b"\n") if header else 0
        while (missing := size - written) > 0:
            end = rest.find(b"\n", missing) + 1 if missing < len(rest) else len(rest)
            written += out.write(rest[:end])


def csv_file(path: Path, size: int) -> None:
    repeated(make("csv", 1) / "flights_1.csv", path, size, header=True)


def jsonl_file(path: Path, size: int) -> None:
    repeated(make("jsonl", 1) / "flights_1.jsonl", path, size, header=False)


def gzipped_csv(path: Path, size: int) -> None:
    """One gzip member."""
    header, _, rest = flights_csv().partition(b"\n")
    with gzip.open(path, "wb", compresslevel=1) as out:
        written = out.write(header + b"\n")
        while written < size:
            written += out.write(rest)


def one_row_group(path: Path, size: int) -> None:
    """Parquet with a single row group of at least `size` bytes uncompressed: integers, doubles and texts."""
    rows = size // 200 + 1
    columns: dict[str, pa.Array] = {}
    for i in range(10):
        columns[f"double_{i}"] = pc.random(rows, initializer=i)
        columns[f"integer_{i}"] = pc.cast(
            pc.multiply(pc.random(rows, initializer=100 + i), 1e18), pa.int64(), safe=False
        )
    columns["text"] = columns["integer_0"].cast(pa.string())
    columns["other"] = columns["integer_1"].cast(pa.string())
    table = pa.table(columns)
    pyarrow.parquet.write_table(table, path, row_group_size=rows, use_dictionary=False, compression="snappy")
    group = pyarrow.parquet.ParquetFile(path).metadata.row_group(0)
    assert group.num_rows == rows
    assert group.total_byte_size >= size


def hundred_files(path: Path) -> None:
    """100 CSV files of 50 MB (links to one file)."""
    path.mkdir()
    first = path / "000.csv"
    csv_file(first, 50_000_000)
    for i in range(1, 100):
        os.link(first, path / f"{i:03}.csv")


def long_line(path: Path, value: Callable[[], bytes]) -> None:
    """A JSONL file of three lines, the second of them huge."""
    with path.open("wb") as out:
        out.write(b'{"id":1,"value":null}\n{"id":2,"value":')
        out.write(value())
        out.write(b'}\n{"id":3,"value":null}\n')


def one_row_files(path: Path, files: int = 10_000) -> None:
    path.mkdir()
    for i in range(files):
        (path / f"{i:05}.csv").write_text(f"id,name\n{i},file {i}\n")


def many_rows(path: Path) -> None:
    """5 M rows: 15 copies of the flights."""
    path.mkdir()
    for i in range(15):
        os.link(make("csv", 1) / "flights_1.csv", path / f"{i:02}.csv")


def numbered_files(path: Path, files: int = 200, rows: int = 3000) -> None:
    """Files whose rows have a number that occurs nowhere else."""
    path.mkdir()
    for i in range(files):
        lines = "".join(f"{i * rows + j},row {j} of file {i}\n" for j in range(rows))
        (path / f"{i:03}.csv").write_text("id,name\n" + lines)


MAKERS: dict[str, Callable[[Path], None]] = {
    "big.csv": lambda path: csv_file(path, 2 * GIGA),
    "big.jsonl": lambda path: jsonl_file(path, 2 * GIGA),
    "big.csv.gz": lambda path: gzipped_csv(path, 2 * GIGA),
    "big.parquet": lambda path: one_row_group(path, 1_400_000_000),
    "hundred": hundred_files,
    "string.jsonl": lambda path: long_line(path, lambda: b'"' + b"abcdefghij" * 20_000_000 + b'"'),
    "numbers.jsonl": lambda path: long_line(path, lambda: b"[" + b"123456789," * 19_999_999 + b"123456789]"),
    "objects.jsonl": lambda path: long_line(path, lambda: b"[" + b'{"a":123},' * 19_999_999 + b'{"a":123}]'),
    "one-row": one_row_files,
    "many-rows": many_rows,
    "numbered": numbered_files,
}


def main(name: str) -> None:
    path = BENCH / "scale" / name / name if "." in name else BENCH / "scale" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.parent / f".{path.name}.part"
        MAKERS[name](part)
        part.rename(path)
    print(path.parent if "." in name else path)


if __name__ == "__main__":
    main(sys.argv[1])
