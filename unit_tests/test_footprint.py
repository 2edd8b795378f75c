"""What a command loads, and only that."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"pyarrow", "requests", "jsonschema", "numpy", "pandas", "fastavro", "polars", "msgspec", "wcmatch", "fsspec"}


@pytest.mark.parametrize(
    "code",
    [
        "import airbyte_cdk",
        "from airbyte_cdk.cli.source_files import main\nmain(['spec'])",
        "from airbyte_cdk import AirbyteEntrypoint, AirbyteMessage, ConnectorSpecification, launch",
        "import airbyte_cdk.sources.file_based.file_based_source",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    script = f"import sys, json\n{code}\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(done.stderr.splitlines()[-1]))


def test_a_read_loads_the_parsers_it_uses(tmp_path: object) -> None:
    code = (
        "from airbyte_cdk.sources.file_based.parsers import default_parsers\n"
        "from airbyte_cdk.sources.file_based.config.jsonl_format import JsonlFormat\n"
        "default_parsers[JsonlFormat]"
    )
    script = f"import sys, json\n{code}\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "msgspec" in loaded
    assert not {"fastavro", "polars"} & loaded
