"""Import paths of earlier releases that are not modules here.

One table says where their content lives now; a finder in front of all others serves them, so that there is no tree of
files that only import. An old module is the very module that holds its content now (patching a name in one patches
the other). An old package, which must stay a package because modules are imported from it, is a module of its own
that looks names up where they live.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from types import ModuleType

from airbyte_cdk._lazy import attributes

_FB = "airbyte_cdk.sources.file_based"
_STREAMS = "airbyte_cdk.sources.streams"

MODULES: Mapping[str, str] = {
    "airbyte_cdk.models.airbyte_protocol_serializers": "airbyte_cdk.models.serializers",
    "airbyte_cdk.sources.specs.transfer_modes": f"{_FB}.config.abstract_file_based_spec",
    f"{_FB}.availability_strategy.abstract_file_based_availability_strategy": f"{_FB}.availability_strategy",
    f"{_FB}.availability_strategy.default_file_based_availability_strategy": f"{_FB}.availability_strategy",
    f"{_FB}.discovery_policy.abstract_discovery_policy": f"{_FB}.discovery_policy",
    f"{_FB}.discovery_policy.default_discovery_policy": f"{_FB}.discovery_policy",
    f"{_FB}.file_types.avro_parser": f"{_FB}.parsers.avro",
    f"{_FB}.file_types.csv_parser": f"{_FB}.parsers.csv",
    f"{_FB}.file_types.excel_parser": f"{_FB}.parsers.excel",
    f"{_FB}.file_types.file_transfer": f"{_FB}.raw_files",
    f"{_FB}.file_types.file_type_parser": f"{_FB}.parsers.base",
    f"{_FB}.file_types.jsonl_parser": f"{_FB}.parsers.jsonl",
    f"{_FB}.file_types.parquet_parser": f"{_FB}.parsers.parquet",
    f"{_FB}.file_types.unstructured_parser": f"{_FB}.parsers.unstructured",
    f"{_FB}.schema_validation_policies.abstract_schema_validation_policy": f"{_FB}.schema_validation_policies",
    f"{_FB}.schema_validation_policies.default_schema_validation_policies": f"{_FB}.schema_validation_policies",
    f"{_FB}.stream.abstract_file_based_stream": f"{_FB}.abstract_file_based_stream",
    f"{_FB}.stream.concurrent.cursor.abstract_concurrent_file_based_cursor": f"{_FB}.concurrent_file_cursor",
    f"{_FB}.stream.concurrent.cursor.file_based_concurrent_cursor": f"{_FB}.concurrent_file_cursor",
    f"{_FB}.stream.concurrent.cursor.file_based_final_state_cursor": f"{_FB}.concurrent_file_cursor",
    f"{_FB}.stream.cursor.abstract_file_based_cursor": f"{_FB}.file_cursor",
    f"{_FB}.stream.cursor.default_file_based_cursor": f"{_FB}.file_cursor",
    f"{_FB}.stream.default_file_based_stream": f"{_FB}.file_based_stream",
    f"{_FB}.stream.identities_stream": f"{_FB}.identities_stream",
    f"{_FB}.stream.permissions_file_based_stream": f"{_FB}.permissions_stream",
    f"{_STREAMS}.checkpoint.per_partition_key_serializer": f"{_STREAMS}.checkpoint.cursor",
    f"{_STREAMS}.checkpoint.resumable_full_refresh_cursor": f"{_STREAMS}.checkpoint.cursor",
    f"{_STREAMS}.checkpoint.substream_resumable_full_refresh_cursor": f"{_STREAMS}.checkpoint.cursor",
    f"{_STREAMS}.http.requests_native_auth.abstract_token": f"{_STREAMS}.http.requests_native_auth.token",
}
"""Old module, and the module that it is now."""

PACKAGES: Mapping[str, Mapping[str, str]] = {
    "airbyte_cdk.sources.specs": {},
    f"{_FB}.file_types": {
        "AvroParser": f"{_FB}.parsers.avro",
        "CsvParser": f"{_FB}.parsers.csv",
        "ExcelParser": f"{_FB}.parsers.excel",
        "FileTransfer": f"{_FB}.raw_files",
        "FileTypeParser": f"{_FB}.parsers.base",
        "JsonlParser": f"{_FB}.parsers.jsonl",
        "ParquetParser": f"{_FB}.parsers.parquet",
        "UnstructuredParser": f"{_FB}.parsers.unstructured",
        "default_parsers": f"{_FB}.parsers",
    },
    f"{_FB}.stream": {
        "AbstractFileBasedStream": f"{_FB}.abstract_file_based_stream",
        "DefaultFileBasedStream": f"{_FB}.file_based_stream",
        "FileIdentitiesStream": f"{_FB}.identities_stream",
        "PermissionsFileBasedStream": f"{_FB}.permissions_stream",
    },
    f"{_FB}.stream.concurrent": {},
    f"{_FB}.stream.concurrent.cursor": {
        "AbstractConcurrentFileBasedCursor": f"{_FB}.concurrent_file_cursor",
        "FileBasedConcurrentCursor": f"{_FB}.concurrent_file_cursor",
        "FileBasedFinalStateCursor": f"{_FB}.concurrent_file_cursor",
    },
    f"{_FB}.stream.cursor": {
        "AbstractFileBasedCursor": f"{_FB}.file_cursor",
        "DefaultFileBasedCursor": f"{_FB}.file_cursor",
    },
}
"""Old package, and the module in which each of its names is now."""

OPENED = frozenset(name.rpartition(".")[0] for name in MODULES if name.rpartition(".")[0] in MODULES.values())
"""Modules of ours that were packages: old modules are imported from them."""


class _Alias(Loader):
    def __init__(self, owner: str) -> None:
        self._owner = owner

    def exec_module(self, module: ModuleType) -> None:
        # Here and not in create_module: the import system would write the old name into the owner's attributes.
        sys.modules[module.__name__] = import_module(self._owner)


class _Package(Loader):
    def __init__(self, owners: Mapping[str, str]) -> None:
        self._owners = owners

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = "Names of an earlier release, each to be found where it lives now."
        get, names = attributes(module.__name__, self._owners)
        vars(module).update(__getattr__=get, __dir__=names, __all__=sorted(self._owners))


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in MODULES:
            return spec_from_loader(fullname, _Alias(MODULES[fullname]))
        if fullname in PACKAGES:
            return spec_from_loader(fullname, _Package(PACKAGES[fullname]), is_package=True)
        if fullname in OPENED:
            spec = PathFinder.find_spec(fullname, path)
            if spec is not None:
                spec.submodule_search_locations = []
            return spec
        return None


def install() -> None:
    """Serve the old paths from now on; a second call changes nothing."""
    if not any(type(finder).__name__ == _Finder.__name__ for finder in sys.meta_path):
        # First: a finder behind the usual one would load a second copy of a module that was opened.
        sys.meta_path.insert(0, _Finder())
