"""The contents of the files of a scenario, made from a few lines of YAML."""

from __future__ import annotations

import base64
import bz2
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]


def content(file: Mapping[str, Any]) -> bytes:
    """The bytes of a file.

    Args:
        file: Its entry in the scenario: ``text``, ``base64`` or ``rows`` (with ``as``: csv, jsonl, parquet or avro, and
            for Avro the ``schema``, for Parquet perhaps ``types`` of columns), or ``zip``, a list of members that are
            entries too; then perhaps ``packed``: gz or bz2.

    Raises:
        ValueError: The entry has none of these.
    """
    if "text" in file:
        data = str(file["text"]).encode()
    elif "base64" in file:
        data = base64.b64decode(file["base64"])
    elif "zip" in file:
        data = _zip(file["zip"])
    elif "rows" in file:
        data = _WRITERS[file["as"]](file)
    else:
        raise ValueError(f"a file without content: {file}")
    return _PACKERS[file["packed"]](data) if "packed" in file else data


def _csv(file: Mapping[str, Any]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(file["rows"][0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(file["rows"])
    return text.getvalue().encode()


def _jsonl(file: Mapping[str, Any]) -> bytes:
    return "".join(json.dumps(row, default=str) + "\n" for row in file["rows"]).encode()


def _parquet(file: Mapping[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for name in file["rows"][0]:
        values = [row[name] for row in file["rows"]]
        kind = file.get("types", {}).get(name)
        if kind == "decimal":
            columns[name] = pa.array([None if value is None else Decimal(value) for value in values])
        else:
            columns[name] = pa.array(values, pa.type_for_alias(kind) if kind else None)
    table = pa.table(columns)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _avro(file: Mapping[str, Any]) -> bytes:
    import fastavro

    sink = io.BytesIO()
    fastavro.writer(sink, fastavro.parse_schema(file["schema"]), file["rows"], sync_marker=bytes(16))
    return sink.getvalue()


def _zip(members: list[Mapping[str, Any]]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for member in members:
            changed: datetime = member["modified"]
            entry = zipfile.ZipInfo(member["uri"], changed.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content(member))
    return sink.getvalue()


_WRITERS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "avro": _avro,
}
_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
}
