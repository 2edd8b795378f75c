"""Type checkers see the types behind old import paths, in the wheel and beside the sources."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_cdk._published import MODULES, OPENED, PACKAGES

PROJECT = Path(__file__).parent.parent
CONNECTOR = Path(__file__).parent / "published_connector"
PURELIB = Path(sysconfig.get_path("purelib"))


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, env=environment or None)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources: the build leaves files beside them."""
    work = tmp_path_factory.mktemp("wheel")
    sources = work / "sources"
    sources.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "airbyte_cdk"):
        (sources / name).symlink_to(PROJECT / name)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-cache-dir")
    built = run(*pip, "--wheel-dir", work, sources, cwd=work)
    assert built.returncode == 0, built.stderr
    (found,) = work.glob("*.whl")
    assert not list((PROJECT / "airbyte_cdk").rglob("*.pyi"))
    return found


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter of an environment that holds the wheel, and behind it what is installed here."""
    venv = tmp_path_factory.mktemp("venv")
    assert run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv).returncode == 0
    interpreter = venv / "bin" / "python"
    (site,) = venv.glob("lib/python*/site-packages")
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile")
    installed = run(*install, "--target", site, wheel, cwd=venv)
    assert installed.returncode == 0, installed.stderr
    (site / "others.pth").write_text(f"{PURELIB}\n")
    return interpreter


def check(python: Path, *files: Path, cwd: Path) -> list[tuple[str, int, str]]:
    """The errors that mypy finds: file, line, code."""
    (cwd / "mypy.ini").write_text(
        # as in a project that uses these; they have no types of their own
        "[mypy]\nstrict = true\n[mypy-pyarrow.*,fsspec.*]\nignore_missing_imports = true\n"
    )
    mypy = (sys.executable, "-m", "mypy", "--python-executable", python, "--no-error-summary", "--hide-error-context")
    done = run(*mypy, "--cache-dir", cwd / "cache", *files, cwd=cwd)
    assert not done.stderr, done.stderr
    lines = [line for line in done.stdout.splitlines() if ": note: " not in line]
    found = [re.fullmatch(r"(.*):(\d+): error: .*\[([a-z-]+)\]", line) for line in lines]
    assert None not in found, done.stdout
    return sorted({(Path(m[1]).name, int(m[2]), m[3]) for m in found if m is not None})


def expected(path: Path) -> Iterator[tuple[str, int, str]]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if "# expect: " in line:
            yield path.name, number, line.partition("# expect: ")[2]


def test_the_wheel_holds_a_stub_for_every_row(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"{name.replace('.', '/')}.pyi" for name in MODULES}
    wanted |= {f"{name.replace('.', '/')}/__init__.pyi" for name in PACKAGES}
    opened = {f"{name.replace('.', '/')}/__init__" for name in OPENED}
    wanted |= {f"{name}.pyi" for name in opened if f"{name}.py" not in held}
    assert {name for name in held if name.endswith(".pyi")} == wanted
    assert "airbyte_cdk/py.typed" in held
    assert not [name for name in held if name.startswith(("unit_tests", "setup"))]


def test_mypy_sees_exact_types_through_old_paths(python: Path, tmp_path: Path) -> None:
    right, wrong = CONNECTOR / "connector.py", CONNECTOR / "wrong_use.py"
    errors = list(expected(wrong))
    assert len(errors) > 10
    assert check(python, right, wrong, cwd=tmp_path) == errors


def test_the_connector_runs_from_the_wheel(python: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a", "b", "draft"):
        (tmp_path / "data" / f"{name}.csv").write_text(f"id\n{name}\n")
    config = {"folder": str(tmp_path / "data"), "streams": [{"name": "s", "format": {"filetype": "csv"}}]}
    (tmp_path / "config.json").write_text(json.dumps(config))

    def messages(*args: str) -> list[dict[str, object]]:
        done = run(python, CONNECTOR / "connector.py", *args, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        return [json.loads(line) for line in done.stdout.splitlines()]

    def of(kind: str, *args: str) -> list[dict[str, object]]:
        return [message for message in messages(*args) if message["type"] == kind]

    assert len(of("SPEC", "spec")) == 1
    assert "SUCCEEDED" in str(of("CONNECTION_STATUS", "check", "--config", "config.json"))
    (found,) = of("CATALOG", "discover", "--config", "config.json")
    (stream,) = found["catalog"]["streams"]  # type: ignore[index]
    configured = {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [configured]}))
    read = messages("read", "--config", "config.json", "--catalog", "catalog.json")
    records = [message["record"]["data"] for message in read if message["type"] == "RECORD"]  # type: ignore[index]
    assert [(record["id"], record["name_length"]) for record in records] == [("a", 5), ("b", 5)]
    states = [message["state"]["stream"]["stream_state"] for message in read if message["type"] == "STATE"]  # type: ignore[index]
    assert states[-1]["drafts"] == 1


def test_old_modules_are_their_owners_in_the_wheel_too(python: Path, tmp_path: Path) -> None:
    code = (
        "import importlib, airbyte_cdk, sys\n"
        "from airbyte_cdk._published import MODULES, PACKAGES\n"
        "assert airbyte_cdk.__file__.startswith(sys.prefix), airbyte_cdk.__file__\n"
        "for old, owner in MODULES.items():\n"
        "    assert importlib.import_module(old) is importlib.import_module(owner)\n"
        "for package, names in PACKAGES.items():\n"
        "    module = importlib.import_module(package)\n"
        "    for name, owner in names.items():\n"
        "        assert getattr(module, name) is getattr(importlib.import_module(owner), name)\n"
    )
    done = run(python, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_checker_beside_the_sources_sees_them_through_the_stub_package(tmp_path: Path) -> None:
    """An installation whose sources are found by a path, as `editable_mode=compat` makes it."""
    venv = tmp_path / "venv"
    assert run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path).returncode == 0
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(f"{PROJECT}\n{PURELIB}\n")
    python, right = venv / "bin" / "python", CONNECTOR / "connector.py"
    work = tmp_path / "work"
    work.mkdir()
    assert ("connector.py", "import-not-found") in {(name, code) for name, _, code in check(python, right, cwd=work)}
    made = run(python, "-m", "airbyte_cdk._published_stubs", cwd=work)
    assert made.stdout.strip() == str(site / "airbyte_cdk-stubs"), made.stderr
    wrong = CONNECTOR / "wrong_use.py"
    assert check(python, right, wrong, cwd=work) == list(expected(wrong))
