"""Reads a source's output from stdin and prints what it delivered as one JSON object.

`digest` is the same for the same set of records in whatever order, number text and key order: the sum of a hash of
each record's data. With `--data-only` the metadata columns and the way that whole seconds are printed are
left out of account, so that a plain dump of the rows can be compared.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from typing import Any

import orjson

METADATA = ("_ab_source_file_last_modified", "_ab_source_file_url")
ALL_ONES = (1 << 64) - 1


def plain(data: dict[str, Any]) -> dict[str, Any]:
    """Data without metadata columns, nulls and zero fractions of a second."""
    return {
        key: value.replace(".000000+00:00", "+00:00") if isinstance(value, str) else value
        for key, value in data.items()
        if value is not None and key not in METADATA
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-only", action="store_true")
    data_only = parser.parse_args().data_only
    total = 0
    messages: Counter[str] = Counter()
    state_bytes = final_state = 0
    statuses: dict[str, str] = {}
    for line in sys.stdin.buffer:
        if not line.startswith(b"{"):
            continue
        message = orjson.loads(line)
        kind = message["type"]
        messages[kind] += 1
        if kind == "RECORD":
            record = message["record"]
            data = plain(record["data"]) if data_only else record["data"]
            text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
            total += int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
        elif kind == "STATE":
            state_bytes += len(line)
            final_state = len(line)
        elif kind == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
            status = message["trace"]["stream_status"]
            statuses[status["stream_descriptor"]["name"]] = status["status"]
    result = {
        "records": messages["RECORD"],
        "digest": f"{total & ALL_ONES:016x}",
        "states": messages["STATE"],
        "state_bytes": state_bytes,
        "final_state": final_state,
        "statuses": statuses,
    }
    print(orjson.dumps(result).decode())


if __name__ == "__main__":
    main()
