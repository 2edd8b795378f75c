"""Arrow types at the edge: what discovery declares for them, and batches that the wire can print as they are.

The forms are those that existing connections have in their tables: binary columns are UTF-8 text, decimals are text
unless floats are asked for, and temporal values are ISO text (printed by `airbyte_cdk.models.wire`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_cdk.models.arrow_clock import check_times, check_years
from airbyte_cdk.models.arrow_kinds import Unprintable, is_list, uuid_texts
from airbyte_cdk.sources.file_based.schema_helpers import merge_properties

Property = dict[str, Any]
"""JSON schema of one column."""


def property_of(arrow_type: pa.DataType, decimal_as_float: bool = False) -> Property:
    """JSON schema property that discovery declares for a column of this type.

    Type names are those that catalogs already hold: a dictionary column is ``object`` and a duration ``integer``,
    though their values are printed as the plain value and as a float. Every Arrow type has one.
    """
    types = pa.types
    if isinstance(arrow_type, pa.UuidType):
        return {"type": "string"}
    if isinstance(arrow_type, pa.BaseExtensionType):
        return property_of(arrow_type.storage_type, decimal_as_float)
    if types.is_boolean(arrow_type):
        return {"type": "boolean"}
    if types.is_integer(arrow_type) or types.is_duration(arrow_type):
        return {"type": "integer"}
    if types.is_floating(arrow_type) or (types.is_decimal(arrow_type) and decimal_as_float):
        return {"type": "number"}
    if types.is_date(arrow_type):
        return {"type": "string", "format": "date"}
    if types.is_timestamp(arrow_type):
        return {"type": "string", "format": "date-time"}
    if types.is_null(arrow_type):
        return {"type": "null"}
    if types.is_struct(arrow_type) or types.is_map(arrow_type) or types.is_dictionary(arrow_type):
        return {"type": "object"}
    if is_list(arrow_type) or types.is_interval(arrow_type):
        return {"type": "array"}
    if types.is_run_end_encoded(arrow_type):
        return property_of(arrow_type.value_type, decimal_as_float)
    if types.is_union(arrow_type):
        return merge_properties(property_of(field.type, decimal_as_float) for field in arrow_type)
    return {"type": "string"}  # text, binary, decimal, time of day


def unprintable(schema: pa.Schema) -> str | None:
    """Why a column of this schema has no form on the wire, or None if all have.

    A JSON object cannot hold two values under one name, and an instant in an unknown time zone has no offset.
    """
    for field in schema:
        reason = _unprintable(field.type)
        if reason is not None:
            return f"column {field.name!r}: {reason}"
    return None


def _unprintable(arrow_type: pa.DataType) -> str | None:
    if pa.types.is_timestamp(arrow_type) and arrow_type.tz is not None:
        try:
            pa.array([0], arrow_type)[0].as_py()
        except (ValueError, KeyError, LookupError, OSError, pa.ArrowException):
            return f"unknown time zone {arrow_type.tz!r}"
    if pa.types.is_struct(arrow_type):
        inner = [arrow_type.field(i).name for i in range(arrow_type.num_fields)]
        if len(set(inner)) < len(inner):
            return "two of its fields have the same name"
    if pa.types.is_nested(arrow_type):
        for i in range(arrow_type.num_fields):
            reason = _unprintable(arrow_type.field(i).type)
            if reason is not None:
                return reason
    return None


def wire_exact(batch: pa.RecordBatch, decimal_as_float: bool = False) -> tuple[pa.RecordBatch, dict[int, str]]:
    """The batch with every column in a type that the wire prints exactly, without the rows that have no such form.

    Binary becomes text and UUIDs their canonical text at any depth; other extension types become their storage;
    decimals become float64 (correctly rounded) if asked for. Text, old or new, is checked to be UTF-8, and dates and
    timestamps to lie in the years 1 to 9999, and times of day within a day.

    Returns:
        The good rows in order, and why each bad row (by its index in `batch`) is missing.
    """

    def convert(column: pa.Array) -> pa.Array:
        return map_leaves(column, lambda leaf: _exact_leaf(leaf, decimal_as_float))

    columns: list[pa.Array] = []
    bad: dict[int, str] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            columns.append(convert(column))
        except Unprintable:
            pieces: list[pa.Array | None] = []
            found: dict[int, str] = {}
            _convert_in_halves(_takeable(column), 0, convert, pieces, found)
            columns.append(_joined(pieces))
            for row, reason in found.items():
                bad.setdefault(row, f"column {name!r}: {reason}")
    if not columns:
        return batch, bad  # keeps the number of its rows
    exact = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    if bad:
        exact = exact.filter(pa.array([row not in bad for row in range(batch.num_rows)], pa.bool_()))
    return exact, bad


def map_leaves(array: pa.Array, leaf: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The array with `leaf` applied to each array of plain values in it; lists, structs and maps keep their shape.

    `leaf` also gets whole arrays of an extension type and must keep the length. Encodings (dictionary, run-end) stay
    around the mapped values or are undone.
    """
    arrow_type = array.type
    types = pa.types
    if types.is_struct(arrow_type):
        fields = [arrow_type.field(i) for i in range(arrow_type.num_fields)]
        children = [map_leaves(child, leaf) for child in array.flatten()]
        if not fields:
            return array
        new = [field.with_type(child.type).with_nullable(True) for field, child in zip(fields, children, strict=True)]
        return pa.StructArray.from_arrays(children, fields=new, mask=array.is_null() if array.null_count else None)
    if types.is_map(arrow_type):
        keys, items = map_leaves(array.keys, leaf), map_leaves(array.items, leaf)
        pairs = pa.StructArray.from_arrays(
            [keys, items], fields=[pa.field("key", keys.type, nullable=False), pa.field("value", items.type)]
        )
        return relisted(pa.map_(keys.type, items.type), array, 2, pairs)
    if types.is_fixed_size_list(arrow_type):
        values = map_leaves(array.values, leaf)
        return relisted(pa.list_(_item(values), arrow_type.list_size), array, 1, values)
    if types.is_large_list(arrow_type):
        values = map_leaves(array.values, leaf)
        return relisted(pa.large_list(_item(values)), array, 2, values)
    if types.is_list(arrow_type):
        values = map_leaves(array.values, leaf)
        return relisted(pa.list_(_item(values)), array, 2, values)
    if types.is_list_view(arrow_type) or types.is_large_list_view(arrow_type):
        ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64()))
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
        values = map_leaves(array.flatten(), leaf)
        return pa.LargeListArray.from_arrays(offsets, values, mask=array.is_null() if array.null_count else None)
    if types.is_dictionary(arrow_type):
        if len(array.dictionary) > len(array):
            return map_leaves(array.dictionary_decode(), leaf)
        return pa.DictionaryArray.from_arrays(array.indices, map_leaves(array.dictionary, leaf))
    if types.is_run_end_encoded(arrow_type):
        return map_leaves(pc.run_end_decode(array), leaf)
    return leaf(array)


def _item(values: pa.Array) -> pa.Field:
    return pa.field("item", values.type)


def relisted(arrow_type: pa.DataType, array: pa.Array, buffers: int, child: pa.Array) -> pa.Array:
    """The lists of `array` around another child array of the same length."""
    own = array.buffers()[:buffers]
    return pa.Array.from_buffers(arrow_type, len(array), own, -1, array.offset, [child])


def _exact_leaf(array: pa.Array, decimal_as_float: bool) -> pa.Array:
    arrow_type = array.type
    types = pa.types
    if isinstance(arrow_type, pa.UuidType):
        return uuid_texts(array)
    if isinstance(arrow_type, pa.BaseExtensionType):
        return map_leaves(array.storage, lambda leaf: _exact_leaf(leaf, decimal_as_float))
    if types.is_string(arrow_type) or types.is_large_string(arrow_type):
        return checked_text(array)
    if types.is_binary(arrow_type) or types.is_fixed_size_binary(arrow_type):
        return checked_text(array, pa.string())
    if types.is_large_binary(arrow_type) or types.is_binary_view(arrow_type) or types.is_string_view(arrow_type):
        return checked_text(_without_view(array), pa.large_string())
    if decimal_as_float and types.is_decimal(arrow_type):
        # Arrow's own cast is off by one in the last bit of some values; parsing the text never is.
        return array.cast(pa.string()).cast(pa.float64())
    if types.is_date(arrow_type) or types.is_timestamp(arrow_type):
        check_years(array)
    if types.is_time(arrow_type):
        check_times(array)
    return array


def _without_view(array: pa.Array) -> pa.Array:
    """Text or binary in a view layout, which many functions of Arrow do not take, as large binary."""
    if pa.types.is_string_view(array.type):
        array = array.view(pa.binary_view())
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(array.type) else array


def checked_text(array: pa.Array, to: pa.DataType | None = None) -> pa.Array:
    """A text or binary array as text of type `to`. Raises `Unprintable` if it is not all UTF-8."""
    try:
        if to is not None:
            return array.cast(to)
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise Unprintable("bytes that are not UTF-8 text") from error
    return array


def _takeable(column: pa.Array) -> pa.Array:
    """The column in types of which rows can be taken."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return map_leaves(column, _without_view)


def _convert_in_halves(
    column: pa.Array,
    first: int,
    convert: Callable[[pa.Array], pa.Array],
    pieces: list[pa.Array | None],
    bad: dict[int, str],
) -> None:
    """Convert a column that holds bad rows: halves of halves, until each bad row stands alone (as None)."""
    try:
        pieces.append(convert(column))
        return
    except Unprintable as error:
        if len(column) == 1:
            pieces.append(None)
            bad[first] = str(error)
            return
    half = len(column) // 2
    # take() copies, so that nested values outside of the half cannot make it fail
    _convert_in_halves(column.take(pa.array(range(half))), first, convert, pieces, bad)
    rest = column.take(pa.array(range(half, len(column))))
    _convert_in_halves(rest, first + half, convert, pieces, bad)


def _joined(pieces: list[pa.Array | None]) -> pa.Array:
    """One array of the pieces, with a null for each None."""
    good = next((piece.type for piece in pieces if piece is not None), pa.null())
    return pa.concat_arrays([pa.nulls(1, good) if piece is None else piece for piece in pieces])
