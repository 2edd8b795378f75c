from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import airbyte_cdk
from airbyte_cdk import _published


@pytest.mark.parametrize(("old", "owner"), _published.MODULES.items())
def test_an_old_module_is_its_owner(old: str, owner: str) -> None:
    assert importlib.import_module(old) is importlib.import_module(owner)


@pytest.mark.parametrize(
    ("package", "name", "owner"),
    [(package, name, owner) for package, names in _published.PACKAGES.items() for name, owner in names.items()],
)
def test_a_name_of_an_old_package_is_that_of_its_owner(package: str, name: str, owner: str) -> None:
    module = importlib.import_module(package)
    assert getattr(module, name) is getattr(importlib.import_module(owner), name)
    assert name in dir(module)


def test_a_name_that_never_was_is_missing() -> None:
    module = importlib.import_module("airbyte_cdk.sources.file_based.stream")
    with pytest.raises(AttributeError, match="NoSuchName"):
        module.NoSuchName  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("airbyte_cdk.sources.file_based.stream.no_such_module")


@pytest.mark.parametrize("name", airbyte_cdk.__all__)
def test_every_name_of_the_package_is_there(name: str) -> None:
    assert getattr(airbyte_cdk, name) is not None
    assert name in dir(airbyte_cdk)


def test_old_paths_can_be_imported_first_and_in_any_order() -> None:
    code = (
        "from airbyte_cdk.sources.file_based.availability_strategy.default_file_based_availability_strategy"
        " import DefaultFileBasedAvailabilityStrategy as a\n"
        "from airbyte_cdk.sources.file_based.availability_strategy import DefaultFileBasedAvailabilityStrategy as b\n"
        "from airbyte_cdk.sources.file_based.stream.cursor.default_file_based_cursor"
        " import DefaultFileBasedCursor as c\n"
        "from airbyte_cdk.sources.file_based.stream.cursor import DefaultFileBasedCursor as d\n"
        "import airbyte_cdk.sources.file_based.stream.default_file_based_stream as e\n"
        "from airbyte_cdk.sources.file_based.stream import cursor, default_file_based_stream as f\n"
        "assert a is b and c is d and e is f and cursor.DefaultFileBasedCursor is c\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_installing_twice_changes_nothing() -> None:
    before = list(sys.meta_path)
    _published.install()
    assert sys.meta_path == before
