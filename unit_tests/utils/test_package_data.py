from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airbyte_cdk.utils.package_data import package_data

SHOW = "from airbyte_cdk.utils.package_data import package_data\nprint(package_data(__name__, 'data/a.txt'))\n"


def test_files_of_a_package_and_beside_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, tmp_path / "package_with_data"):
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "a.txt").write_text(folder.name)
    (tmp_path / "package_with_data" / "__init__.py").write_text("")
    (tmp_path / "module_with_data.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert package_data("package_with_data", "data/a.txt") == b"package_with_data"
    assert package_data("module_with_data", "data/a.txt") == tmp_path.name.encode()
    assert package_data("package_with_data", "data/b.txt") is None


def test_files_beside_a_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SHOW)
    command = [sys.executable, str(tmp_path / "script.py")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "None\n"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("x")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "b'x'\n"
