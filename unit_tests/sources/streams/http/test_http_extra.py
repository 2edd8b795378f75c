from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("airbyte_cdk.sources.streams.http.requests_native_auth", "requests", "http"),
        ("airbyte_cdk.sources.streams.http.requests_native_auth", "tenacity", "http"),
        ("airbyte_cdk.utils.schema_inferrer", "genson", "schema-inferrer"),
    ],
)
def test_a_missing_library_is_named(module: str, library: str, extra: str) -> None:
    # What find_spec says of a module that is not there, and what an import of it does.
    code = (
        "import importlib.util, sys\n"
        "usual = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *more: None if name == {library!r} else usual(name, *more)\n"
        f"sys.modules[{library!r}] = None\n"
        f"import {module}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"pip install 'airbyte-cdk[{extra}]'" in done.stderr
