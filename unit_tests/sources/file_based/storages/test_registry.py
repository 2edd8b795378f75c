"""What holds for every registered storage."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from airbyte_cdk.sources.file_based.storages import STORAGES, options_model

ANONYMOUS = {"credentials": {"auth_type": "anonymous"}}
LIBRARIES: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("botocore", {"bucket": "b", **ANONYMOUS}),
    "gcs": ("google.auth", {"bucket": "b", **ANONYMOUS}),
    "azure": ("azure.storage.blob", {"account_name": "a", "container": "landing", **ANONYMOUS}),
    "sftp": (
        "paramiko",
        {"host": "h", "username": "u", "credentials": {"auth_type": "password", "password": "p"}},
    ),
    "http": ("requests", {"base_url": "http://127.0.0.1/"}),
}

SCRIPT = """
import json, sys
library, storage, options = json.loads(sys.argv[1])
sys.modules[library] = None
from airbyte_cdk.sources.file_based.storages import connect, options_model
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
try:
    connect(options_model(storage)(**options))
except AirbyteTracedException as error:
    print(error.failure_type.value, error.message)
"""


@pytest.mark.parametrize("storage", LIBRARIES)
def test_a_missing_library_is_told_with_what_to_install(storage: str) -> None:
    library, options = LIBRARIES[storage]
    script = [sys.executable, "-c", SCRIPT, json.dumps([library, storage, options])]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("system_error ")
    assert f"pip install 'airbyte-cdk[{storage}]'" in done.stdout


@pytest.mark.parametrize("storage", STORAGES)
def test_options_explain_themselves(storage: str) -> None:
    schema = options_model(storage).schema()
    assert schema["title"]
    assert schema["description"]
    assert schema["properties"]["storage"]["const"] == storage
    options = {name: option for name, option in schema["properties"].items() if name != "storage"}
    assert all(option.get("title") and option.get("description") for option in options.values())
    secrets = {name for name in options if any(word in name for word in ("password", "secret", "token", "key"))}
    assert all(options[name].get("airbyte_secret") for name in secrets - {"host_key"})
