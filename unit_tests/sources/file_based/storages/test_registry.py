"""What holds for every registered storage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic.v1 import ValidationError

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.storages import STORAGES, connect, options_model
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

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
    assert f"pip install 'airbyte-cdk[file-based,{storage}]'" in done.stdout


def test_the_library_that_all_storages_need_is_told_with_what_to_install() -> None:
    script = [sys.executable, "-c", SCRIPT, json.dumps(["fsspec", "local", {"root": "/"}])]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "system_error The storage `local` needs the library fsspec, which is not installed: "
        "pip install 'airbyte-cdk[file-based]'"
    )


READ = """
import sys
sys.modules[sys.argv[1]] = None
from airbyte_cdk.cli.source_files import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize("library", ["pyarrow", "wcmatch"])
@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_command_without_the_libraries_for_files_says_what_to_install(
    library: str, command: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    stream = {"name": "s", "globs": ["*"], "format": {"filetype": "csv"}}
    config = {"provider": {"storage": "local", "root": str(tmp_path)}, "streams": [stream]}
    (tmp_path / "config").write_text(json.dumps(config))
    script = [sys.executable, "-c", READ, library, command, "--config", str(tmp_path / "config")]
    done = subprocess.run(script, capture_output=True, text=True)
    last = json.loads(done.stdout.splitlines()[-1])
    told = last["connectionStatus"] if command == "check" else last["trace"]["error"]
    expected = (
        f"Reading files needs the library {library}, which is not installed: pip install 'airbyte-cdk[file-based]'"
    )
    assert told["message"] == expected
    assert told.get("failure_type", "system_error") == "system_error"


@pytest.mark.parametrize(
    ("storage", "option", "value"),
    [("local", "root", ""), ("local", "root", " "), ("url", "url", ""), ("url", "url", " "), ("url", "url", "file://")],
)
def test_the_folder_of_a_disk_is_named(storage: str, option: str, value: str) -> None:
    with pytest.raises(ValidationError, match=rf"{option}\n  must (not be empty|name a folder); write"):
        options_model(storage)(**{option: value})


def test_a_relative_folder_that_does_not_exist_is_told_as_it_was_understood() -> None:
    with pytest.raises(AirbyteTracedException, match=f"The folder {Path.cwd()}/no/such does not exist") as caught:
        connect(options_model("local")(root="no/such"))
    assert caught.value.failure_type is FailureType.config_error


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
