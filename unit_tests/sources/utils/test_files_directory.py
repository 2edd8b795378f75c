"""Where the staging directory is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.utils import files_directory
from airbyte_cdk.sources.utils.files_directory import AIRBYTE_STAGING_DIRECTORY, get_files_directory
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


def test_the_environment_names_it_and_it_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AIRBYTE_STAGING_DIRECTORY, str(tmp_path / "a" / "b"))
    assert get_files_directory() == str(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(AIRBYTE_STAGING_DIRECTORY, "c")
    assert get_files_directory() == str(tmp_path / "c")


@pytest.mark.parametrize("named", [None, ""])
def test_else_it_is_that_of_the_platform_or_a_temporary_one(
    named: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files_directory.PLATFORM_DIRECTORY == "/staging/files"
    assert files_directory.LOCAL_DIRECTORY == "/tmp/airbyte-file-transfer"
    platform, local = tmp_path / "platform", tmp_path / "local"
    monkeypatch.setattr(files_directory, "PLATFORM_DIRECTORY", str(platform))
    monkeypatch.setattr(files_directory, "LOCAL_DIRECTORY", str(local))
    if named is None:
        monkeypatch.delenv(AIRBYTE_STAGING_DIRECTORY, raising=False)
    else:
        monkeypatch.setenv(AIRBYTE_STAGING_DIRECTORY, named)
    assert get_files_directory() == str(local)
    assert local.is_dir()
    platform.mkdir()
    assert get_files_directory() == str(platform)


def test_one_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(AIRBYTE_STAGING_DIRECTORY, str(tmp_path / "file" / "below"))
    with pytest.raises(AirbyteTracedException, match=r"cannot be created \(Not a directory\)") as error:
        get_files_directory()
    assert str(tmp_path / "file" / "below") in str(error.value)
    assert AIRBYTE_STAGING_DIRECTORY in str(error.value)
    assert error.value.failure_type is FailureType.config_error


def test_one_that_cannot_be_written_to_is_an_error_that_names_it() -> None:
    script = (
        "import os\n"
        "from airbyte_cdk.sources.utils.files_directory import get_files_directory\n"
        "if os.getuid() == 0: os.setuid(65534)\n"  # root may write everywhere
        "try: get_files_directory()\n"
        "except Exception as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        environment = {**os.environ, AIRBYTE_STAGING_DIRECTORY: folder}
        command = [sys.executable, "-c", script]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.startswith(f"The staging directory {folder} cannot be used: it cannot be written to."), told
