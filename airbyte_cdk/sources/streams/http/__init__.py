"""Streams that are read over HTTP, and what their requests need."""

from importlib.util import find_spec

for _library in ("requests", "tenacity"):
    if find_spec(_library) is None:
        raise ModuleNotFoundError(
            f"{__name__} needs the library {_library}: pip install 'airbyte-cdk[http]'", name=_library
        )
