"""A connector that forks worker processes while it reads, as published ones do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SOURCE = """
import multiprocessing
from airbyte_cdk import AbstractSource, Stream, launch
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, AirbyteRecordMessage, Type

STREAMS = 4


def row(number):
    record = AirbyteRecordMessage(stream="x", data={"n": number}, emitted_at=1)
    message = AirbyteMessage(type=Type.RECORD, record=record)
    print("row", number, flush=True)
    return AirbyteMessageSerializer.dump(message)["record"]["data"]


class Numbers(Stream):
    primary_key = None

    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        return self._name

    def get_json_schema(self):
        return {"type": "object", "properties": {"n": {"type": "integer"}}}

    def read_records(self, sync_mode, cursor_field=None, stream_slice=None, stream_state=None):
        yield {"n": -1}
        print("forking")
        with multiprocessing.get_context("fork").Pool(2) as pool:
            yield from pool.map(row, range(5))


class Source(AbstractSource):
    def check_connection(self, logger, config):
        return True, None

    def streams(self, config):
        return [Numbers(f"s{number}") for number in range(STREAMS)]

    def spec(self, logger):
        from airbyte_cdk.models import ConnectorSpecification
        return ConnectorSpecification(connectionSpecification={})


if __name__ == "__main__":
    import sys
    launch(Source(), sys.argv[1:])
"""


def test_workers_neither_hang_nor_write_again_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "source.py").write_text(SOURCE)
    (tmp_path / "config.json").write_text("{}")
    names = [f"s{number}" for number in range(4)]
    streams = [
        {
            "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
        for name in names
    ]
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": streams}))
    command = [sys.executable, "source.py", "read", "--config", "config.json", "--catalog", "catalog.json"]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    records = [json.loads(line)["record"] for line in lines if line.startswith('{"type":"RECORD"')]
    assert {name: [r["data"]["n"] for r in records if r["stream"] == name] for name in names} == {
        name: [-1, 0, 1, 2, 3, 4] for name in names
    }
    # what was printed before the fork and in the workers is there once, each line whole
    printed = ["forking", *(f"row {n}" for n in range(5))]
    assert sorted(line for line in lines if not line.startswith("{")) == sorted(printed * len(names))


def test_a_child_does_not_write_what_its_parent_gathered() -> None:
    code = (
        "import os, sys\n"
        "from airbyte_cdk import output\n"
        "with output.redirected():\n"
        "    print('once')\n"
        "    child = os.fork()\n"
        "    print('child' if child == 0 else 'parent')\n"
        "    sys.stdout.flush()\n"
        "    if child == 0:\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    # From Python 3.12 on, a process with threads that forks is warned.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert sorted(done.stdout.splitlines()) == ["child", "once", "parent"]
