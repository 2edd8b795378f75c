"""The example of a plain Python source is a whole connector."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[2] / "examples" / "plain_source" / "source_shop.py"


def run(*args: str) -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, str(EXAMPLE), *args], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def of_type(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message[kind.lower()] for message in messages if message["type"] == kind]


def test_the_example_reads_what_is_new(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "shop.db")
    database.execute("CREATE TABLE orders (id INTEGER, customer TEXT, price REAL)")
    database.execute("INSERT INTO orders VALUES (1, 'Ann', 1.5), (2, NULL, 3)")
    database.commit()
    config, catalog, state = (str(tmp_path / f"{name}.json") for name in ("config", "catalog", "state"))
    Path(config).write_text(json.dumps({"database": str(tmp_path / "shop.db")}))

    (spec,) = of_type(run("spec"), "SPEC")
    assert spec["connectionSpecification"]["required"] == ["database"]
    assert '"SUCCEEDED"' in json.dumps(run("check", "--config", config))
    (found,) = of_type(run("discover", "--config", config), "CATALOG")
    (stream,) = found["streams"]
    assert stream["default_cursor_field"] == ["id"]
    assert set(stream["json_schema"]["properties"]) == {"id", "customer", "price"}

    configured = {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}
    Path(catalog).write_text(json.dumps({"streams": [configured]}))
    first = run("read", "--config", config, "--catalog", catalog)
    assert [record["data"] for record in of_type(first, "RECORD")] == [
        {"id": 1, "customer": "Ann", "price": 1.5},
        {"id": 2, "price": 3.0},
    ]
    Path(state).write_text(json.dumps(of_type(first, "STATE")))
    database.execute("INSERT INTO orders VALUES (3, 'Bob', 2)")
    database.commit()
    second = run("read", "--config", config, "--catalog", catalog, "--state", state)
    assert [record["data"]["id"] for record in of_type(second, "RECORD")] == [3]
    assert of_type(second, "STATE")[-1]["stream"]["stream_state"] == {"id": 3}


def test_the_example_says_what_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"database": str(tmp_path / "empty.db")}))
    status = [m["connectionStatus"] for m in run("check", "--config", str(config)) if m["type"] == "CONNECTION_STATUS"]
    assert status == [{"status": "FAILED", "message": "Stream orders: OperationalError: no such table: orders"}]
