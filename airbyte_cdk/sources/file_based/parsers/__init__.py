"""The formats: which parser reads which options model.

A parser's module is loaded when a stream of its format is first used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.parsers.base import FileTypeParser

_ROOM = "airbyte_cdk.sources.file_based"

# filetype: (options model, parser), each as module and class below `_ROOM`
_FORMATS = {
    "avro": ("config.avro_format:AvroFormat", "parsers.avro:AvroParser"),
    "csv": ("config.csv_format:CsvFormat", "parsers.csv:CsvParser"),
    "excel": ("config.excel_format:ExcelFormat", "parsers.excel:ExcelParser"),
    "jsonl": ("config.jsonl_format:JsonlFormat", "parsers.jsonl:JsonlParser"),
    "parquet": ("config.parquet_format:ParquetFormat", "parsers.parquet:ParquetParser"),
    "unstructured": ("config.unstructured_format:UnstructuredFormat", "parsers.unstructured:UnstructuredParser"),
}


def _load(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(f"{_ROOM}.{module}"), name)


class _DefaultParsers(Mapping[type[Any], "FileTypeParser"]):
    """One parser by options model, made on first use."""

    def __init__(self) -> None:
        self._parsers: dict[str, FileTypeParser] = {}

    def __getitem__(self, model: type[Any]) -> FileTypeParser:
        for filetype, (options, parser) in _FORMATS.items():
            module, _, name = options.partition(":")
            if model.__name__ == name and model.__module__ == f"{_ROOM}.{module}":
                if filetype not in self._parsers:
                    self._parsers[filetype] = _load(parser)()
                return self._parsers[filetype]
        raise KeyError(model)

    def __iter__(self) -> Iterator[type[Any]]:
        return (_load(options) for options, _ in _FORMATS.values())

    def __len__(self) -> int:
        return len(_FORMATS)


default_parsers: Mapping[type[Any], FileTypeParser] = _DefaultParsers()
"""The parsers that a source uses unless it brings its own, by the class of their options."""

_PUBLIC = {parser.partition(":")[2]: parser for _, parser in _FORMATS.values()}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return _load(_PUBLIC[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
