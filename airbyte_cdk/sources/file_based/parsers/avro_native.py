"""Rows of many Avro schemas, read column by column with Polars (the extra `fast`).

Polars gets the file's schema with its logical types, enums and maps taken back to what they are in the file (numbers,
and arrays of entries); Arrow then gives the columns their types. So what can be read does not hang on which logical
types Polars knows, and each value is checked as the exact reader checks it. Blocks with a value that fails a check are
refused as a whole, for the exact reader to find it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_cdk.models.arrow_clock import check_times, check_years
from airbyte_cdk.sources.file_based.arrow_types import checked_text, relisted
from airbyte_cdk.sources.file_based.parsers.avro_container import Block
from airbyte_cdk.sources.file_based.parsers.avro_exact import framed, header
from airbyte_cdk.sources.file_based.parsers.avro_schema import AvroType

if TYPE_CHECKING:
    from types import ModuleType


class Refused(Exception):
    """These blocks are to be read by the exact reader."""


class NativeReader:
    """Reads blocks of one schema as Arrow batches. Use `open_native`."""

    def __init__(self, polars: ModuleType, root: AvroType, physical: dict[str, Any], double_as_string: bool) -> None:
        self._polars = polars
        self._root = root
        self._header = header(physical)
        self._double_as_string = double_as_string

    def read(self, blocks: Sequence[Block]) -> pa.RecordBatch:
        """All rows of `blocks`. Raises `Refused`."""
        count = sum(block.count for block in blocks)
        # each row takes a byte at least: a broken count must not make Polars ask for memory
        if any(block.count > len(block.data) for block in blocks):
            raise Refused("more rows than bytes")
        try:
            frame = self._polars.read_avro(io.BytesIO(framed(self._header, blocks)))
            table = frame.to_arrow().combine_chunks()
        except Exception as error:
            raise Refused(type(error).__name__) from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # how a panic in Rust arrives; no Exception
                raise
            raise Refused("panic") from error
        if table.num_rows != count:
            raise Refused("other number of rows")
        columns = []
        try:
            for (_, node), column in zip(self._root.fields, table.columns, strict=True):
                array = column.chunk(0) if column.num_chunks else pa.nulls(0, column.type)
                columns.append(self._typed(node, array, column=True))
        except (pa.ArrowException, ValueError, IndexError) as error:
            raise Refused(type(error).__name__) from error
        return pa.RecordBatch.from_arrays(columns, names=[name for name, _ in self._root.fields])

    def _typed(self, node: AvroType, array: pa.Array, column: bool = False) -> pa.Array:
        """The array in the types of the wire."""
        match node.kind:
            case "union":
                branch = next(branch for branch in node.branches if branch.kind != "null")
                return self._typed(branch, array, column)
            case "record":
                children = [
                    self._typed(part, child) for (_, part), child in zip(node.fields, array.flatten(), strict=True)
                ]
                names = [name for name, _ in node.fields]
                return pa.StructArray.from_arrays(children, names, mask=array.is_null() if array.null_count else None)
            case "array":
                items = self._typed(node.inner(), array.values)
                return relisted(pa.large_list(pa.field("item", items.type)), array, 2, items)
            case "map":
                return self._mapped(node, array)
            case "int" | "long":
                return _number(node.logical, array, column)
            case "enum":
                return pa.array(node.symbols, pa.string()).take(array)
            case "string":
                text = checked_text(array)
                if node.logical == "uuid" and not pc.all(pc.match_substring_regex(text, _UUID)).as_py() and len(text):
                    raise Refused("a UUID in another form")
                return text
            case "bytes" | "fixed" if not node.logical:
                return checked_text(array, pa.large_string())
            case "double" if column and self._double_as_string:
                return pa.array([None if cell is None else str(cell) for cell in array.to_pylist()], pa.string())
        return array

    def _mapped(self, node: AvroType, array: pa.Array) -> pa.Array:
        keys, values = array.values.flatten()
        entries = pa.StructArray.from_arrays(
            [checked_text(keys).cast(pa.string()), self._typed(node.inner(), values)], names=["key", "value"]
        )
        if array.offset:
            raise Refused("a sliced list")
        offsets = array.offsets.cast(pa.int32())
        kind = pa.map_(pa.string(), entries.type.field("value").type)
        return pa.Array.from_buffers(kind, len(array), [array.buffers()[0], offsets.buffers()[1]], children=[entries])


_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

_UNITS = {"millis": "ms", "micros": "us", "nanos": "ns"}


def _number(logical: str | None, array: pa.Array, column: bool) -> pa.Array:
    if logical is None:
        return array
    if logical == "date":
        days = array.view(pa.date32())
        check_years(days)
        return days
    name, _, unit_name = logical.rpartition("-")
    unit = _UNITS[unit_name]
    if name == "time":
        times = array.view(pa.time32("ms") if unit == "ms" else pa.time64("us"))
        check_times(times)
        return times
    zoned = name == "timestamp"
    instants = array.view(pa.timestamp(unit))
    check_years(instants)
    if not column:
        return array.view(pa.timestamp(unit, "UTC" if zoned else None))
    # Arrow prints "2024-01-31 12:00:00.123", with the digits of the unit
    text = pc.binary_replace_slice(instants.cast(pa.string()), 10, 11, "T")
    return pc.binary_join_element_wise(text, "+00:00", "") if zoned else text


def open_native(root: AvroType, double_as_string: bool) -> NativeReader | None:
    """A reader for the schema, or None if Polars is not installed or cannot read all of its types exactly."""
    physical = _physical_record(root, _Names(), ())
    if physical is None:
        return None
    try:
        import polars
    except ImportError:
        return None
    return NativeReader(polars, root, physical, double_as_string)


class _Names:
    """Names for the types of a physical schema, in which each use of a type is a type of its own."""

    def __init__(self) -> None:
        self._used = 0

    def next(self) -> str:
        self._used += 1
        return f"t{self._used}"


def _physical(node: AvroType, names: _Names, around: tuple[AvroType, ...]) -> Any:
    """The schema that Polars gets for a type, or None if it cannot read that."""
    match node.kind:
        case "union":
            others = [branch for branch in node.branches if branch.kind != "null"]
            if len(node.branches) != 2 or len(others) != 1 or others[0].kind == "union":
                return None
            inner = _physical(others[0], names, around)
            return None if inner is None else [inner if branch is others[0] else "null" for branch in node.branches]
        case "record":
            return _physical_record(node, names, around)
        case "array":
            items = _physical(node.inner(), names, around)
            return None if items is None else {"type": "array", "items": items}
        case "map":
            # a map is written as an array of its entries would be
            values = _physical(node.inner(), names, around)
            if values is None:
                return None
            entry = [{"name": "key", "type": "string"}, {"name": "value", "type": values}]
            return {"type": "array", "items": {"type": "record", "name": names.next(), "fields": entry}}
        case "enum":
            return "int"
        case "fixed" | "bytes":
            return _physical_bytes(node, names)
        case "null":
            return None
    return node.kind


def _physical_bytes(node: AvroType, names: _Names) -> Any:
    schema: dict[str, Any] = {"type": node.kind}
    if node.kind == "fixed":
        if not 0 < node.size <= (16 if node.logical else 2**20):
            return None
        schema |= {"name": names.next(), "size": node.size}
    if node.logical == "decimal" and node.precision <= 38:
        return schema | {"logicalType": "decimal", "precision": node.precision, "scale": node.scale}
    return None if node.logical else schema


def _physical_record(node: AvroType, names: _Names, around: tuple[AvroType, ...]) -> dict[str, Any] | None:
    if node in around or not node.fields:
        return None
    fields = []
    for i, (_, part) in enumerate(node.fields):
        schema = _physical(part, names, (*around, node))
        if schema is None:
            return None
        fields.append({"name": f"c{i}", "type": schema})
    return {"type": "record", "name": names.next(), "fields": fields}
