"""Cells of Arrow arrays as JSON text, by Arrow's own kernels: exact, without a Python object a cell, without the GIL.

The text of a cell is kept as *parts* that are joined row by row only once, when the whole line is known.
The forms are those that RECORD messages have: text for binary (UTF-8), decimals and temporal values, a float count for
durations, and objects for structs and maps.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_cdk.models.arrow_clock import Part, dates, times, timestamps
from airbyte_cdk.models.arrow_kinds import is_list, uuid_texts
from airbyte_cdk.models.json_text import quoted

_TEXT = pa.string()
_NO_TEXT = pa.scalar(None, _TEXT)
_LONGEST_FUSED = 64
"""Characters around a value that are worth repeating in a table of texts, so that one kernel call prints all three."""


def join(parts: Iterable[Part], length: int, null: str | None = None) -> pa.StringArray:
    """The parts put together row by row.

    Args:
        parts: At least one.
        length: Number of rows.
        null: Printed for a part that is null. Without it, a row with a null part is null.
    """
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif not isinstance(part, str) or part:
            merged.append(part)
    if all(isinstance(part, str) for part in merged):
        return pa.repeat(pa.scalar("".join(map(str, merged)), _TEXT), length)
    if len(merged) == 1:
        return merged[0] if null is None else pc.fill_null(merged[0], null)
    if null is None:
        return pc.binary_join_element_wise(*merged, "", null_handling="emit_null")
    return pc.binary_join_element_wise(*merged, "", null_handling="replace", null_replacement=null)


def data_of(text: pa.StringArray) -> pa.Buffer:
    """The bytes of all cells, one after the other, where they are. Cells that are null may add bytes of their own."""
    _, offsets, data = text.buffers()
    if data is None or len(text) == 0:
        return pa.py_buffer(b"")
    (first,) = struct.unpack_from("=i", offsets, 4 * text.offset)
    (last,) = struct.unpack_from("=i", offsets, 4 * (text.offset + len(text)))
    return data.slice(first, last - first)


def members(
    names: Sequence[str],
    columns: Sequence[pa.Array],
    length: int,
    *,
    keep_nulls: bool,
    more: bool = False,
    spell_nan: bool = False,
) -> list[Part]:
    """What stands between the braces of one JSON object a row.

    Args:
        names: Keys. Where one occurs again, the later column counts, as in a Python mapping.
        columns: Their values.
        length: Number of rows.
        keep_nulls: Print null values; else they and their keys are left out.
        more: End each row with a comma, since more members follow; a row without members has no comma.
        spell_nan: Print floats that JSON cannot hold as Python's json module does, not as null.
    """
    last = {name: plain(column) for name, column in zip(names, columns, strict=True)}
    fields = [(quoted(name) + ":", column) for name, column in last.items()]
    result: list[Part] = []
    if keep_nulls:
        for key, column in fields:
            comma = "," if result else ""
            if column.null_count:
                result += [comma + key, text(column, spell_nan)]
            else:
                result += parts(column, comma + key, spell_nan=spell_nan)
        return [*result, ","] if fields and more else result
    # Commas belong to the columns that may be left out: behind it before the first column that is always there, in
    # front of it afterwards.
    always = next((number for number, (_, column) in enumerate(fields) if not column.null_count), len(fields))
    for number, (key, column) in enumerate(fields):
        before, after = ("," if number > always else "") + key, "," if number < always else ""
        cells = parts(column, before, after, spell_nan=spell_nan)
        if column.null_count and len(cells) > 1:
            cells = [join(cells, length)]
        result += cells
    if always < len(fields):
        return [*result, ","] if more else result
    if more or not fields:
        return result
    return [pc.ascii_rtrim(join(result, length, null=""), ",")]


def text(array: pa.Array, spell_nan: bool = False) -> pa.StringArray:
    """JSON text of each cell, ``null`` where it is null."""
    return join(parts(array, spell_nan=spell_nan), len(array), null=None).fill_null("null")


def parts(array: pa.Array, before: str = "", after: str = "", *, spell_nan: bool = False) -> list[Part]:
    """JSON text of each cell between two texts. Where the cell is null, at least one of the parts is null.

    Raises:
        pa.ArrowInvalid: Binary data that is not UTF-8.
        ValueError: A date or time that the calendar or the clock does not have.
    """
    array = plain(array)
    kind, types = array.type, pa.types
    if len(array) == 0 or types.is_null(kind):
        return [pa.nulls(len(array), _TEXT)]
    if types.is_string(kind):
        return [before + '"', escaped(array), '"' + after]
    if types.is_integer(kind):
        return _integers(array, before, after)
    if types.is_floating(kind):
        return _floats(array, before, after, spell_nan)
    if types.is_boolean(kind):
        return [pc.if_else(array, f"{before}true{after}", f"{before}false{after}")]
    if types.is_dictionary(kind):
        return _dictionary(array, before, after, spell_nan)
    if types.is_timestamp(kind):
        return [before + '"', *timestamps(array), '"' + after]
    if types.is_date(kind):
        return [before + '"', dates(array), '"' + after]
    if types.is_time(kind):
        return [before + '"', *times(array), '"' + after]
    if types.is_decimal(kind):
        return [before + '"', pc.cast(array, _TEXT), '"' + after]
    if types.is_duration(kind):
        return [before, pc.cast(array.view(pa.int64()), _TEXT), ".0" + after]
    if types.is_struct(kind):
        return _structs(array, before, after, spell_nan)
    if types.is_map(kind):
        return _maps(array, before, after, spell_nan)
    if is_list(kind):
        return _lists(array, before, after, spell_nan)
    if isinstance(kind, pa.JsonType):
        return [before, _one_line(_as_string(array.storage)), after]
    raise NotImplementedError(f"Arrow type {kind} has no form in JSON")


def plain(array: pa.Array) -> pa.Array:
    """The same values in one of the types that `parts` tells apart, with nulls where values are null.

    Text of every kind becomes `pa.string`; encodings that can hide nulls are undone; other extension types than
    `pa.json_` become their storage.
    """
    kind, types = array.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        if isinstance(kind, pa.JsonType):
            return array
        if isinstance(kind, pa.UuidType):
            return uuid_texts(array)
        if isinstance(kind, pa.Bool8Type):
            return pc.not_equal(array.storage, 0)
        return plain(array.storage)
    if types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(array))
    if types.is_dictionary(kind):
        values = array.dictionary
        if len(values) <= len(array) and not values.null_count and not _hides_nulls(values.type):
            return array
        return pc.take(plain(values), array.indices)
    if types.is_union(kind):
        return _as_json(_union(array))
    if types.is_interval(kind):
        cells = array.to_pylist()
        return _as_json(pa.array([cell and f"[{cell.months},{cell.days},{cell.nanoseconds}]" for cell in cells], _TEXT))
    return array if types.is_string(kind) or not _is_textual(kind) else _as_string(array)


def escaped(array: pa.StringArray) -> pa.StringArray:
    """The cells as they stand between the quotes of a JSON string. The array itself if they need no escape."""
    data = data_of(array)
    if data.size == 0:
        return array
    special = _bytes_in(data, b'\\"')  # the backslash first: the escapes of the others hold one
    lowest = pc.min(pa.Array.from_buffers(pa.uint8(), data.size, [None, data])).as_py()
    if lowest < 0x20:
        special += _bytes_in(data, bytes(range(lowest, 0x20)))
    for code in special:
        array = pc.replace_substring(array, chr(code), json.dumps(chr(code))[1:-1])
    return array


def _bytes_in(data: pa.Buffer, wanted: bytes, step: int = 1 << 20) -> bytes:
    """Those of the wanted bytes that occur."""
    found: set[int] = set()
    for start in range(0, data.size, step):
        block = data.slice(start, min(step, data.size - start)).to_pybytes()
        found.update(code for code in wanted if code not in found and code in block)
    return bytes(code for code in wanted if code in found)


def _one_line(array: pa.StringArray) -> pa.StringArray:
    """JSON text without line breaks, which it can only have between its tokens."""
    for code in _bytes_in(data_of(array), b"\n\r"):
        array = pc.replace_substring(array, chr(code), " ")
    return array


def _is_textual(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _as_string(array: pa.Array) -> pa.StringArray:
    """Text or UTF-8 binary of any kind as `pa.string`."""
    types = pa.types
    if types.is_large_binary(array.type):
        array = pc.cast(array, pa.large_string())
    if not types.is_large_string(array.type) or len(array) == 0:
        return pc.cast(array, _TEXT)
    # Arrow's cast refuses a slice that lies behind the first 2 GB of its buffer.
    _, ends, data = array.buffers()
    offsets = pa.Array.from_buffers(pa.int64(), len(array) + 1, [None, ends], offset=array.offset)
    first = offsets[0].as_py()
    small = pc.cast(pc.subtract(offsets, first), pa.int32())
    valid = array.is_valid().buffers()[1] if array.null_count else None
    cells = pa.py_buffer(b"") if data is None else data.slice(first)
    return pa.Array.from_buffers(_TEXT, len(array), [valid, small.buffers()[1], cells])


def _as_json(array: pa.StringArray) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.json_(_TEXT), array)


def _hides_nulls(kind: pa.DataType) -> bool:
    return bool(pa.types.is_union(kind) or pa.types.is_run_end_encoded(kind))


# Numbers


@lru_cache(maxsize=128)
def _numbers(before: str, after: str, first: int, end: int) -> pa.StringArray:
    """Texts of the integers from `first` to `end` - 1. At most 4096 short texts: all tables together hold few MB."""
    numbers = pa.array(range(first, end), pa.int64() if end <= 1 << 63 else pa.uint64())
    return join([before, pc.cast(numbers, _TEXT), after], end - first)


def _integers(array: pa.Array, before: str, after: str) -> list[Part]:
    bounds = pc.min_max(array)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is None:
        return [pa.nulls(len(array), _TEXT)]
    if low == high and not array.null_count:
        return [f"{before}{low}{after}"]
    # Numbers of a small range (times, counts, codes) are looked up, with what stands around them. Ranges are rounded,
    # so that the next batch finds the table of this one.
    first, end = low // 1024 * 1024, high // 1024 * 1024 + 1024
    if end - first > min(4096, len(array)) or len(before) + len(after) > _LONGEST_FUSED:
        return [before, pc.cast(array, _TEXT), after]
    offset = pa.scalar(first, array.type if pa.types.is_unsigned_integer(array.type) else pa.int64())
    return [pc.take(_numbers(before, after, first, end), pc.subtract(array, offset), boundscheck=False)]


@lru_cache(maxsize=1)
def _first_with_exponent() -> float:
    """From this number on, Arrow prints 1e+10, which needs no point to be a float."""
    powers = [10.0**exponent for exponent in range(30)]
    texts = pc.cast(pa.array(powers), _TEXT).to_pylist()
    return next((power for power, text in zip(powers, texts, strict=True) if "e" in text), math.inf)


def _floats(array: pa.Array, before: str, after: str, spell_nan: bool) -> list[Part]:
    array = pc.cast(array, pa.float64())
    digits = pc.cast(array, _TEXT)
    whole = pc.equal(array, pc.trunc(array))
    finite = pc.is_finite(array)
    if pc.all(finite).as_py() is False:
        other: str | pa.Array = "null"
        if spell_nan:
            other = pc.if_else(pc.is_nan(array), "NaN", pc.if_else(pc.greater(array, 0.0), "Infinity", "-Infinity"))
        digits = pc.if_else(finite, digits, other)
        whole = pc.and_(whole, finite)
    # 5.0 is printed as 5: without the point, a reader takes it for an integer
    whole = pc.and_(whole, pc.less(pc.abs(array), _first_with_exponent()))
    if not pc.any(whole).as_py():
        return [before, digits, after]
    if pc.all(whole).as_py():
        return [before, digits, ".0" + after]
    return [before, digits, pc.if_else(whole, ".0" + after, after)]


# Encoded and nested values


def _dictionary(array: pa.DictionaryArray, before: str, after: str, spell_nan: bool) -> list[Part]:
    if len(before) + len(after) > _LONGEST_FUSED:
        return [before, *_dictionary(array, "", "", spell_nan), after]
    values = array.dictionary
    texts = join(parts(values, before, after, spell_nan=spell_nan), len(values))
    return [pc.take(texts, array.indices)]


def _union(array: pa.UnionArray) -> pa.StringArray:
    length, buffers = len(array), array.buffers()

    def own(kind: pa.DataType, number: int) -> pa.Array:
        # not array.type_codes and array.offsets, which forget that the array may be a slice
        return pa.Array.from_buffers(kind, length, [None, buffers[number]], offset=array.offset)

    codes = own(pa.int8(), 1)
    result = pa.nulls(length, _TEXT)
    for number, code in enumerate(array.type.type_codes):
        chosen = pc.equal(codes, code)
        child = array.field(number)
        texts = join(parts(child), len(child))
        if array.type.mode == "dense":
            texts = pc.take(texts, pc.if_else(chosen, own(pa.int32(), 2), pa.scalar(None, pa.int32())))
        result = pc.if_else(chosen, texts, result)
    return result


def _structs(array: pa.StructArray, before: str, after: str, spell_nan: bool) -> list[Part]:
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    inner = members(names, array.flatten(), len(array), keep_nulls=True, spell_nan=spell_nan)
    return _unless_null(array, [before + "{", *inner, "}" + after])


def _unless_null(array: pa.Array, texts: list[Part]) -> list[Part]:
    if not array.null_count:
        return texts
    return [pc.if_else(array.is_valid(), join(texts, len(array)), _NO_TEXT)]


def _bounds(array: pa.Array) -> tuple[pa.Int32Array, int, int]:
    """Where each list (or map) begins, from 0, and the range of its child array that they cover."""
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[len(array)].as_py()
    return pc.cast(pc.subtract(offsets, pa.scalar(first, offsets.type)), pa.int32()), first, last - first


def _flat(array: pa.Array) -> tuple[pa.Int32Array, pa.Array]:
    """Where each list begins, and the items of all lists."""
    types, length = pa.types, len(array)
    if types.is_fixed_size_list(array.type):
        size = array.type.list_size
        starts = pa.array([size * number for number in range(length + 1)], pa.int32())
        return starts, array.values.slice(array.offset * size, length * size)
    if types.is_list(array.type) or types.is_large_list(array.type):
        starts, first, count = _bounds(array)
        return starts, array.values.slice(first, count)
    sizes = pc.fill_null(pc.list_value_length(array), 0)
    ends = pc.cast(pc.cumulative_sum(sizes), pa.int32())
    return pa.concat_arrays([pa.array([0], pa.int32()), ends]), array.flatten()


def _lists(array: pa.Array, before: str, after: str, spell_nan: bool) -> list[Part]:
    starts, items = _flat(array)
    inner = pc.binary_join(pa.ListArray.from_arrays(starts, text(items, spell_nan)), ",")
    return _unless_null(array, [before + "[", inner, "]" + after])


def _maps(array: pa.MapArray, before: str, after: str, spell_nan: bool) -> list[Part]:
    starts, first, count = _bounds(array)
    keys = _keys(array.keys.slice(first, count))
    values = text(array.items.slice(first, count), spell_nan)
    lists = pa.ListArray.from_arrays(starts, join([keys, ":", values], count))
    if count and _repeats(keys, lists):
        inner = _last_of_each_key(keys.to_pylist(), values.to_pylist(), starts.to_pylist())
    else:
        inner = pc.binary_join(lists, ",")
    return _unless_null(array, [before + "{", inner, "}" + after])


def _keys(array: pa.Array) -> pa.StringArray:
    """Map keys as JSON strings, as Python's json module prints keys that are not text."""
    array = plain(array)
    kind, types = array.type, pa.types
    if types.is_dictionary(kind):
        return pc.take(_keys(array.dictionary), array.indices).fill_null('"null"')
    if types.is_floating(kind):  # Arrow has another way with exponents
        return pa.array([quoted(json.dumps(key)) for key in array.to_pylist()], _TEXT)
    texts = join(parts(array), len(array))
    is_string = (
        types.is_string(kind)
        or types.is_decimal(kind)
        or (types.is_temporal(kind) and not types.is_duration(kind) and not types.is_interval(kind))
    )
    if not is_string:
        texts = join(['"', escaped(texts), '"'], len(array))
    return texts.fill_null('"null"')


def _repeats(keys: pa.StringArray, lists: pa.ListArray) -> bool:
    """Whether a key occurs twice in one of the lists."""
    distinct = pc.dictionary_encode(keys)
    rows = pc.multiply(pc.cast(pc.list_parent_indices(lists), pa.int64()), len(distinct.dictionary))
    codes = pc.add(rows, pc.cast(distinct.indices, pa.int64()))
    return bool(pc.count_distinct(codes).as_py() < len(codes))


def _last_of_each_key(keys: list[str], values: list[str], starts: list[int]) -> pa.StringArray:
    rows = []
    for first, end in pairwise(starts):
        last = dict(zip(keys[first:end], values[first:end], strict=True))
        rows.append(",".join(f"{key}:{value}" for key, value in last.items()))
    return pa.array(rows, _TEXT)
