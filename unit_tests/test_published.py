"""Import paths of earlier releases that are not modules here."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import pytest

import airbyte_cdk
from airbyte_cdk import _published
from airbyte_cdk._published import MODULES, OPENED, PACKAGES

NAMES = [(package, name, owner) for package, names in PACKAGES.items() for name, owner in names.items()]

ONCE = {"airbyte_cdk.sources.file_based.config.abstract_file_based_spec"}
"""Owners that cannot be reloaded, whatever their path: pydantic.v1 refuses to define a validator again."""

FORKED = """
import os, sys
import airbyte_cdk
from airbyte_cdk._published import MODULES, PACKAGES

def holds(code):
    # in a process of its own, in which nothing else was imported before
    child = os.fork()
    if not child:
        try:
            exec(code, {})
        except BaseException as error:
            sys.stderr.write(f"{code}: {type(error).__name__}: {error}\\n")
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0

held = 0
for old, owner in MODULES.items():
    parent, _, name = old.rpartition(".")
    home, _, own = owner.rpartition(".")
    ways = [
        f"import {old} as a",
        f"import {old}; assert {old} is {old} and sys.modules['{old}'] is sys.modules['{owner}']",
        f"from {parent} import {name} as b",
        f"import {owner} as c",
        f"from {home} import {own} as d",
    ]
    for order in ways, ways[::-1]:
        held += holds("; ".join(["import sys", *order, "assert a is b is c is d"]))
for package, names in PACKAGES.items():
    ways = [f"from {package} import {name} as a{n}" for n, name in enumerate(names)]
    ways += [f"from {owner} import {name} as b{n}" for n, (name, owner) in enumerate(names.items())]
    checks = [f"assert a{n} is b{n}" for n in range(len(names))]
    checks.append(f"from {package} import *; assert {set(names) or '{*()}'} <= set(globals())")
    for order in ways, ways[::-1]:
        held += holds("; ".join([*order, *checks]))
print(held)
"""


@pytest.mark.parametrize(("old", "owner"), MODULES.items())
def test_an_old_module_is_its_owner(old: str, owner: str) -> None:
    module = importlib.import_module(old)
    assert module is importlib.import_module(owner)
    assert sys.modules[old] is sys.modules[owner] is module
    assert module.__name__ == owner  # it knows its own place, whichever way it was found
    assert find_spec(old) is not None
    parent, _, name = old.rpartition(".")
    assert getattr(sys.modules[parent], name) is module


@pytest.mark.parametrize(("package", "name", "owner"), NAMES)
def test_a_name_of_an_old_package_is_that_of_its_owner(package: str, name: str, owner: str) -> None:
    module = importlib.import_module(package)
    assert getattr(module, name) is getattr(importlib.import_module(owner), name)
    assert name in dir(module)


def test_each_path_can_be_the_first_one_imported() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True)
    assert not done.stderr
    assert int(done.stdout) == 2 * len(MODULES) + 2 * len(PACKAGES)


@pytest.mark.parametrize(("old", "owner"), MODULES.items())
def test_patching_an_old_module_patches_its_owner(old: str, owner: str) -> None:
    module = importlib.import_module(owner)
    name = next(name for name in vars(module) if not name.startswith("_"))
    before = getattr(module, name)
    with patch(f"{old}.{name}", "patched"):
        assert getattr(module, name) == "patched"
    assert getattr(module, name) is before
    with patch(f"{owner}.{name}", "patched"):
        assert getattr(importlib.import_module(old), name) == "patched"


@pytest.mark.parametrize(("package", "name", "owner"), NAMES)
def test_patching_a_name_of_a_package_is_undone(package: str, name: str, owner: str) -> None:
    with patch(f"{package}.{name}", "patched"):
        names: dict[str, Any] = {}
        exec(f"from {package} import {name}", names)
        assert names[name] == "patched"
    assert getattr(importlib.import_module(package), name) is getattr(importlib.import_module(owner), name)


def test_patching_a_method_through_any_path_reaches_the_class() -> None:
    package = "airbyte_cdk.sources.file_based.availability_strategy"
    old = f"{package}.default_file_based_availability_strategy.DefaultFileBasedAvailabilityStrategy.check_availability"
    strategy = importlib.import_module(package).DefaultFileBasedAvailabilityStrategy(None)
    with patch(old, return_value=(False, "patched")):
        assert strategy.check_availability(None, None) == (False, "patched")


def classes() -> list[tuple[str, str]]:
    found = []
    for old, owner in MODULES.items():
        module = importlib.import_module(owner)
        found += [
            (old, name) for name, value in vars(module).items() if isinstance(value, type) and value.__module__ == owner
        ]
    return [*found, *((package, name) for package, name, _ in NAMES if name[0].isupper())]


@pytest.mark.parametrize(("module", "name"), classes())
def test_a_class_is_pickled_by_the_name_of_its_owner_and_loaded_by_any(module: str, name: str) -> None:
    cls = getattr(importlib.import_module(module), name)
    assert cls.__module__ not in MODULES.keys() | PACKAGES.keys()
    assert getattr(sys.modules[cls.__module__], cls.__qualname__) is cls
    dumped = pickle.dumps(cls, protocol=0)
    assert pickle.loads(dumped) is cls
    older = dumped.replace(cls.__module__.encode(), module.encode())
    assert older != dumped
    assert pickle.loads(older) is cls


def test_reloading_keeps_old_and_new_paths_together() -> None:
    code = (
        "import importlib\n"
        "import airbyte_cdk\n"
        "from airbyte_cdk._published import MODULES, OPENED, PACKAGES\n"
        "for old, owner in MODULES.items():\n"
        "    module = importlib.import_module(old)\n"
        f"    if owner in {ONCE}: continue\n"
        "    assert importlib.reload(module) is module is importlib.import_module(owner), old\n"
        "for package in PACKAGES:\n"
        "    module = importlib.import_module(package)\n"
        "    assert importlib.reload(module) is module, package\n"
        "    assert all(getattr(module, name) for name in PACKAGES[package])\n"
        "for name in OPENED:\n"
        "    module = importlib.import_module(name)\n"
        "    assert importlib.reload(module) is module, name\n"
        "importlib.reload(airbyte_cdk)\n"
        "import sys\n"
        "assert [type(finder).__name__ for finder in sys.meta_path].count('_Finder') == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.stderr


def test_paths_can_be_imported_by_several_threads_at_once() -> None:
    code = (
        "import importlib, threading\n"
        # Python itself may see a deadlock where one thread imports a package, and another its submodule
        "import airbyte_cdk.models, airbyte_cdk.sources.message\n"
        "from airbyte_cdk._published import MODULES\n"
        "wrong, start = [], threading.Barrier(4)\n"
        "def work(pairs):\n"
        "    start.wait()\n"
        "    wrong.extend(p for p in pairs if importlib.import_module(p[0]) is not importlib.import_module(p[1]))\n"
        "pairs = list(MODULES.items())\n"
        "back = [(owner, old) for old, owner in pairs]\n"
        "orders = [pairs, pairs[::-1], back, back[::-1]]\n"
        "threads = [threading.Thread(target=work, args=(order,)) for order in orders]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "assert not wrong, wrong\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert not done.stderr


def test_the_table_has_a_place_for_each_row() -> None:
    """An old module lies in a real package, or in one that is served; and is not there twice."""
    assert not MODULES.keys() & PACKAGES.keys()
    for old in (*MODULES, *PACKAGES):
        parent = old.rpartition(".")[0]
        assert hasattr(importlib.import_module(parent), "__path__"), old
    for owner in (*MODULES.values(), *(owner for _, _, owner in NAMES)):
        assert owner not in MODULES
        assert owner not in PACKAGES
    assert all("." in importlib.import_module(name).__name__ for name in OPENED)


def test_a_name_that_never_was_is_missing() -> None:
    module = importlib.import_module("airbyte_cdk.sources.file_based.stream")
    with pytest.raises(AttributeError, match="NoSuchName"):
        module.NoSuchName  # noqa: B018
    for package in ("airbyte_cdk.sources.file_based.stream", *OPENED):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"{package}.no_such_module")
        assert find_spec(f"{package}.no_such_module") is None


@pytest.mark.parametrize("name", airbyte_cdk.__all__)
def test_every_name_of_the_package_is_there(name: str) -> None:
    assert getattr(airbyte_cdk, name) is not None
    assert name in dir(airbyte_cdk)


def test_installing_twice_changes_nothing() -> None:
    before = list(sys.meta_path)
    _published.install()
    assert sys.meta_path == before
