"""Puts type stubs for the import paths of earlier releases into the wheel; all else is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from airbyte_cdk._published_stubs import write  # noqa: E402  # found beside this file only from here on


class BuildWithStubs(build_py):
    """Copies the package, and writes the stubs into the copy; never into the sources."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            write(HERE / "airbyte_cdk", Path(self.build_lib, "airbyte_cdk"))


setup(cmdclass={"build_py": BuildWithStubs})
