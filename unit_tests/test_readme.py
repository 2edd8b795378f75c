"""The connector that the README shows is a whole one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"


def messages(script: Path, *args: str) -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, str(script), *args], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def of_type(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message for message in found if message["type"] == kind]


def test_the_example_source_works(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "FsspecStreamReader" in block]
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_text("id,name\n1,x\n2,y\n")
    script = tmp_path / "source_share.py"
    assert '"/data"' in code
    script.write_text(code.replace('"/data"', repr(str(data))))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"streams": [{"name": "s", "globs": ["*.csv"], "format": {"filetype": "csv"}}]}))

    assert of_type(messages(script, "spec"), "SPEC")[0]["spec"]["connectionSpecification"]["required"] == ["streams"]
    (status,) = of_type(messages(script, "check", "--config", str(config)), "CONNECTION_STATUS")
    assert status["connectionStatus"]["status"] == "SUCCEEDED"
    (found,) = of_type(messages(script, "discover", "--config", str(config)), "CATALOG")
    streams = [
        {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}
        for stream in found["catalog"]["streams"]
    ]
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"streams": streams}))
    read = messages(script, "read", "--config", str(config), "--catalog", str(catalog))
    assert [message["record"]["data"]["name"] for message in of_type(read, "RECORD")] == ["x", "y"]

    state = tmp_path / "state.json"
    state.write_text(json.dumps([of_type(read, "STATE")[-1]["state"]]))
    again = messages(script, "read", "--config", str(config), "--catalog", str(catalog), "--state", str(state))
    assert not of_type(again, "RECORD")


def test_the_example_is_short() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "FsspecStreamReader" in block]
    assert len([line for line in code.splitlines() if line.strip()]) <= 22
