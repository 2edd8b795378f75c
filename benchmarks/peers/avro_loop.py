"""The least that Python does with Avro files: fastavro -> dict -> orjson, a line a row."""

import sys
import time
from pathlib import Path

import fastavro
import orjson


def main(folder: str) -> None:
    out = sys.stdout.buffer
    emitted_at = int(time.time() * 1000)
    for path in sorted(Path(folder).glob("*.avro")):
        with path.open("rb") as file:
            for row in fastavro.reader(file):
                out.write(orjson.dumps({"type": "RECORD", "record": {"data": row, "emitted_at": emitted_at}}))
                out.write(b"\n")


main(sys.argv[1])
