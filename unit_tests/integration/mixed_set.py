"""A set of 200 files in four formats, plain and compressed, in several folders."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from servers.process import Server

FILES = 200
ROWS = 10
BIG_ROWS, BIG_TEXT = 1_000, 3_000
"""Rows of the first file of each format, and characters of their texts: more than one read of any storage."""
FIRST = datetime(2024, 3, 30, 22, 0, 0)

Row = dict[str, Any]


def as_csv(rows: list[Row]) -> bytes:
    """CSV with quotes, commas and line breaks in its cells."""
    lines = [f'{row["id"]},"{row["text"].replace(chr(34), chr(34) * 2)}",{row["number"]}\n' for row in rows]
    return ("id,text,number\n" + "".join(lines)).encode()


def as_jsonl(rows: list[Row]) -> bytes:
    """A JSON object a line."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows: list[Row]) -> bytes:
    """Parquet of several row groups."""
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=max(4, len(rows) // 4))
    return out.getvalue()


def as_avro(rows: list[Row]) -> bytes:
    """Avro with deflated blocks."""
    out = io.BytesIO()
    types = {"id": "long", "text": "string", "number": "double"}
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    fastavro.writer(out, {"type": "record", "name": "row", "fields": fields}, rows, codec="deflate")
    return out.getvalue()


FORMATS: Mapping[str, Callable[[list[Row]], bytes]] = {
    "csv": as_csv,
    "jsonl": as_jsonl,
    "parquet": as_parquet,
    "avro": as_avro,
}
COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".zst": lambda data: bytes(pa.Codec("zstd").compress(data, asbytes=True)),
    ".bz2": bz2.compress,
}
COMPRESSED = ("csv", "jsonl", "avro")
"""Formats whose files may be compressed as a whole."""


@dataclass(frozen=True)
class MixedFile:
    """One file of the set."""

    uri: str
    data: bytes
    modified: datetime
    stream: str
    rows: list[Row]


@cache
def mixed_set() -> list[MixedFile]:
    """The files, in the order of their times and, for each format, of their names."""
    files = []
    for number in range(FILES):
        kind = list(FORMATS)[number % len(FORMATS)]
        turn = number // len(FORMATS)
        endings = list(COMPRESSIONS) if kind in COMPRESSED else [""]
        ending = endings[turn % len(endings)]
        noise = random.Random(number)
        count, length = (BIG_ROWS, BIG_TEXT) if turn == 0 else (ROWS, 0)
        texts = (f'{kind} {n}, "ü"\n{noise.randbytes(length // 2).hex()}' for n in range(count))
        rows = [{"id": number * 1_000_000 + n, "text": text, "number": n + 0.25} for n, text in enumerate(texts)]
        uri = f"{kind}/day={turn // 10:02}/hour {turn // 5 % 2}/part+{turn:03}.{kind}{ending}"
        data = COMPRESSIONS[ending](FORMATS[kind](rows))
        files.append(MixedFile(uri, data, FIRST + timedelta(minutes=number), kind, rows))
    return files


def streams() -> list[dict[str, Any]]:
    """The streams of the config, one a format."""
    return [{"name": kind, "globs": [f"{kind}/**"], "format": {"filetype": kind}} for kind in FORMATS]


def put_all(server: Server, name: str) -> None:
    """Write the set; with its times, if the server can set them."""
    for file in mixed_set():
        server.put(name, file.uri, file.data, file.modified if server.sets_times else None)


def expected_records() -> list[tuple[str, Row]]:
    """Stream and data of all records, without the columns that the framework adds."""
    found = []
    for file in mixed_set():
        for row in file.rows:
            # cells of CSV have no type of their own
            values = {name: str(value) for name, value in row.items()} if file.stream == "csv" else row
            # Parquet files have the columns that their folders name
            folders = {"day": file.uri.split("/")[1].removeprefix("day=")} if file.stream == "parquet" else {}
            found.append((file.stream, {**values, **folders, "_ab_source_file_url": file.uri}))
    return found
