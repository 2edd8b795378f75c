"""Virtual environments for published connectors: one with this library, one with the original; and one for PyAirbyte.

Those of connectors get the same connectors (connectors.txt, installed with ``--no-deps``) and the same libraries
(libraries.txt), so that what differs between them is the framework. All are kept in .published/ of the checkout and
made anew when what they are made of changes; this library is installed editable, so that they always run the checkout
as it is. PyAirbyte runs connectors as programs, so it needs none of them, and brings the original along for itself.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = ROOT / ".published"
ORIGINAL = "airbyte-cdk[file-based]==7.39.1"
PYAIRBYTE = "airbyte==0.71.3"

Framework = Literal["ours", "original"]


class EnvironmentFailed(Exception):
    """An environment could not be made; the text says what pip said."""


def environment(framework: Framework) -> Path:
    """The folder of the programs of an environment with the connectors, which is made if it is not there.

    Raises:
        EnvironmentFailed: An installation failed, such as without a network.
    """
    made_of = [str(ROOT), *_framework(framework)]
    made_of += [(HERE / name).read_text() for name in ("connectors.txt", "libraries.txt")]
    if framework == "ours":
        made_of.append(json.dumps(_read_by_pip()))

    def fill(pip: list[str]) -> None:
        _run([*pip, *_framework(framework), "-r", str(HERE / "libraries.txt")])
        _run([*pip, "--no-deps", "--ignore-requires-python", "--no-warn-conflicts", "-r", str(HERE / "connectors.txt")])

    return _kept(framework, made_of, fill)


def pyairbyte() -> Path:
    """The folder of the programs of the environment with PyAirbyte, which is made if it is not there.

    It takes about 800 MB, and one to three minutes to make.

    Raises:
        EnvironmentFailed: The installation failed, such as without a network.
    """
    return _kept("pyairbyte", [PYAIRBYTE], lambda pip: _run([*pip, PYAIRBYTE]))


def _kept(name: str, made_of: list[str], fill: Callable[[list[str]], None]) -> Path:
    key = hashlib.sha256("\n".join([sys.version, *made_of]).encode()).hexdigest()[:12]
    folder = KEPT / f"{name}-{key}"
    KEPT.mkdir(exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed: two test runs may want it at once
        if not (folder / "made").exists():
            _remove_unused()
            _run([sys.executable, "-m", "venv", str(folder)])
            fill([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        (folder / "made").touch()
    return folder / "bin"


def _remove_unused() -> None:
    """Remove the environments that nobody asked for since a day; others may be in use."""
    for made in KEPT.glob("*/made"):
        if time.time() - made.stat().st_mtime > 24 * 60 * 60:
            shutil.rmtree(made.parent)


def _framework(framework: Framework) -> list[str]:
    return ["-e", f"{ROOT}[file-based]"] if framework == "ours" else [ORIGINAL]


def _read_by_pip() -> list[object]:
    """What an installation of this library depends on; its code may change freely."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [project["version"], project["dependencies"], project["optional-dependencies"]["file-based"]]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise EnvironmentFailed(f"exit code {done.returncode} of {' '.join(command)}:\n{done.stdout[-3000:]}")
