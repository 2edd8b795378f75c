"""`make demo` ends well, and the example catalog is what discover says."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_keeps_its_promises():
    demo = subprocess.run([sys.executable, "examples/demo.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "found 4 streams in 5 files of 4 formats" in demo.stdout
    assert "914 records of the added file" in " ".join(demo.stdout.split())


def test_the_demo_fails_when_the_connector_does_not_deliver(tmp_path):
    copy = tmp_path / "examples"
    subprocess.run(["cp", "-r", ROOT / "examples", copy], check=True)
    flights = copy / "data/flights/2013-01-01.csv"
    flights.write_text(flights.read_text() + "one,cell,too,few\n")
    demo = subprocess.run([sys.executable, copy / "demo.py"], capture_output=True, text=True, check=False)
    assert demo.returncode == 1
    assert "Not as promised" in demo.stderr


def test_the_example_catalog_is_what_discover_says():
    command = [Path(sys.executable).parent / "source-files", "discover", "--config", "examples/config.json"]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    discovered = next(message["catalog"]["streams"] for message in messages if message["type"] == "CATALOG")
    catalog = json.loads((ROOT / "examples/catalog.json").read_text())
    assert [configured["stream"] for configured in catalog["streams"]] == discovered
