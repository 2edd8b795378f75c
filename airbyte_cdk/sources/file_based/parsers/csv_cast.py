"""Casts columns of text to the types of the catalog, a column at a time.

A cell is what Python makes of it: ``int(text)``, ``float(text)``, membership in the true and false values, JSON. What
native code provably casts alike is cast natively, the other cells one by one (each distinct text once). A cell whose
cast fails keeps its text; a column with such cells becomes JSON text in that batch (`airbyte_cdk.models.batch`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

_INT64 = range(-(2**63), 2**63)
_raw = msgspec.json.Decoder(msgspec.Raw)
_JSON_TYPE = pa.json_(pa.string())

TYPES = ("null", "boolean", "integer", "number", "array", "object", "string")


def type_of(definition: Mapping[str, Any]) -> str:
    """The type that the cells of a column are cast to, as its JSON schema property has it.

    Null aside, one type is that type. Of several, the one that takes all the values of the others: string, else
    object (any JSON value), else number (of number and integer). Others, and a definition without a type, are string.
    """
    types = _types(definition) - {"null"}
    if len(types) == 1:
        kind = next(iter(types))
        return kind if kind in TYPES else "string"
    if not types:
        return "null" if _types(definition) else "string"
    if types == {"integer", "number"}:
        return "number"
    return "object" if "object" in types and "string" not in types else "string"


def _types(definition: Mapping[str, Any]) -> set[str]:
    given = definition.get("type") or []
    types = {given} if isinstance(given, str) else {str(kind) for kind in given}
    for union in ("anyOf", "oneOf"):
        for member in definition.get(union, ()):
            types |= _types(member)
    return types


class Texts:
    """What the options of a stream make of cell texts.

    Args:
        null_values: Texts that mean null.
        strings_can_be_null: Whether they do so in columns of type string.
        true_values: Texts that are true in boolean columns.
        false_values: Texts that are false in them.
    """

    def __init__(
        self,
        null_values: Iterable[str] = (),
        strings_can_be_null: bool = True,
        true_values: Iterable[str] = (),
        false_values: Iterable[str] = (),
    ) -> None:
        self.nulls = frozenset(null_values)
        self.strings_can_be_null = strings_can_be_null
        self.null_set = pa.array(sorted(self.nulls), pa.string())
        self.true_set = pa.array(sorted(true_values), pa.string())
        self.false_set = pa.array(sorted(false_values), pa.string())
        # A cell that can be cast is never null, so these alone are looked for before the cast.
        self.null_integers = _not_castable(self.nulls, _int)
        self.null_numbers = _not_castable(self.nulls, _float)


def _not_castable(texts: Iterable[str], cast: Callable[[str], object]) -> pa.Array:
    return pa.array(sorted(text for text in texts if cast(text) is None), pa.string())


def cast(column: pa.Array, kind: str, texts: Texts) -> tuple[pa.Array, int]:
    """Cast one column.

    Args:
        column: Texts, without nulls.
        kind: One of `TYPES`.
        texts: The options.

    Returns:
        The column as string, bool, int64, double or JSON text, and the number of cells that could not be cast (texts
        that mean null not among them).
    """
    if kind == "integer":
        return _cast_integer(column, texts)
    if kind == "number":
        return _cast_number(column, texts)
    if kind == "boolean":
        return _cast_boolean(column, texts)
    if kind in ("object", "array"):
        return _cast_json(column, kind, texts)
    if kind == "null":
        nulls = _without(column, pc.or_(pc.equal(column, ""), pc.is_in(column, texts.null_set)))
        return nulls, len(nulls) - nulls.null_count
    return string_column(column, texts.null_set if texts.strings_can_be_null else pa.array([], pa.string())), 0


def string_column(column: pa.Array, nulls: pa.Array) -> pa.Array:
    """The column with the texts in `nulls` as nulls."""
    return _without(column, pc.is_in(column, nulls)) if len(nulls) else column


def _without(column: pa.Array, mask: pa.Array) -> pa.Array:
    return pc.if_else(mask, pa.scalar(None, column.type), column) if mask.true_count else column


def _int(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _cast_integer(column: pa.Array, texts: Texts) -> tuple[pa.Array, int]:
    if (done := _native_integers(column)) is not None:
        return done, 0
    if len(texts.null_integers):
        column = string_column(column, texts.null_integers)
        if (done := _native_integers(column)) is not None:
            return done, 0
    plain = pc.and_(pc.ascii_is_decimal(pc.ascii_ltrim(column, "-")), pc.less_equal(pc.binary_length(column), 19))
    try:  # the cast refuses "--1", which the line above lets pass, and 19 digits beyond 64 bits
        numbers = pc.cast(_only(column, plain), pa.int64())
    except pa.ArrowInvalid:
        plain = pc.match_substring_regex(column, r"\A-?[0-9]{1,18}\z")
        numbers = pc.cast(_only(column, plain), pa.int64())
    odd = pc.invert(plain)  # null for nulls, which filters and masks leave alone
    distinct, places = _distinct(column, odd)
    found = [_int(text) for text in distinct]
    if all(number is not None and number in _INT64 for number in found):
        return _put(numbers, odd, pa.array(found, pa.int64()).take(places)), 0
    shown = [_quoted(text) if number is None else str(number) for text, number in zip(distinct, found, strict=True)]
    failed = _failed(places, [number is None for number in found])
    return _json(_put(pc.cast(numbers, pa.string()), odd, pa.array(shown, pa.string()).take(places))), failed


def _native_integers(column: pa.Array) -> pa.Array | None:
    """The column as integers if native code takes each cell, and so does Python."""
    try:
        done = pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return None
    return None if _contains(column, b"xX") else done  # hexadecimal digits: text for Python


def _cast_number(column: pa.Array, texts: Texts) -> tuple[pa.Array, int]:
    if (done := _native_numbers(column)) is not None:
        return done, 0
    if len(texts.null_numbers):
        column = string_column(column, texts.null_numbers)
        if (done := _native_numbers(column)) is not None:
            return done, 0
    plain = pc.match_substring_regex(column, r"\A[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z")
    numbers = pc.cast(_only(column, plain), pa.float64())
    odd = pc.invert(plain)
    distinct, places = _distinct(column, odd)
    found = [_float(text) for text in distinct]
    if None not in found:
        return _put(numbers, odd, pa.array(found, pa.float64()).take(places)), 0
    shown = [_quoted(t) if number is None else _number_text(number) for t, number in zip(distinct, found, strict=True)]
    failed = _failed(places, [number is None for number in found])
    return _json(_put(_number_texts(numbers), odd, pa.array(shown, pa.string()).take(places))), failed


def _native_numbers(column: pa.Array) -> pa.Array | None:
    try:
        done = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return None
    return None if _contains(column, b"(") else done  # "nan(...)": text for Python


def _number_text(number: float) -> str:
    return json.dumps(number) if number - number == 0 else "null"  # NaN and infinities print as null


def _number_texts(numbers: pa.Array) -> pa.Array:
    """Doubles as JSON text that stays a float: native code prints 1.0 as ``1``."""
    shown = pc.cast(numbers, pa.string())
    whole = pc.match_substring_regex(shown, r"\A-?[0-9]+\z")
    shown = pc.if_else(whole, pc.binary_join_element_wise(shown, ".0", ""), shown)
    return pc.if_else(pc.or_(pc.is_finite(numbers), pc.is_null(numbers)), shown, "null")


def _cast_boolean(column: pa.Array, texts: Texts) -> tuple[pa.Array, int]:
    true = pc.is_in(column, texts.true_set)
    known = pc.or_(true, pc.is_in(column, texts.false_set))
    if known.true_count == len(column):
        return true, 0
    null = pc.and_not(pc.is_in(column, texts.null_set), known)
    true = pc.if_else(null, pa.scalar(None, pa.bool_()), true)
    odd = pc.invert(pc.or_(known, null))
    if not odd.true_count:
        return true, 0
    distinct, places = _distinct(column, odd)
    shown = pa.array([_quoted(text) for text in distinct], pa.string()).take(places)
    return _json(_put(pc.if_else(true, "true", "false"), odd, shown)), odd.true_count


def _cast_json(column: pa.Array, kind: str, texts: Texts) -> tuple[pa.Array, int]:
    shown: list[str | None] = []
    failed = 0
    for text in column.to_pylist():
        value = json_text(text, kind)
        if value is None and text not in texts.nulls:
            value = _quoted(text)
            failed += 1
        shown.append(None if value == "null" else value)
    return _json(pa.array(shown, pa.string())), failed


def json_text(text: str, kind: str) -> str | None:
    """The text on one line if it is JSON (for ``array``, a JSON array), else None.

    Arrays may hold ``NaN`` and ``Infinity``, as Python's `json` writes them: they become null.
    """
    text = text.strip(" \t\r\n")
    if kind == "array" and not text.startswith("["):
        return None
    try:
        _raw.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _lenient_array(text) if kind == "array" else None
    return re.sub(r"[\r\n]", " ", text) if "\n" in text or "\r" in text else text


def _lenient_array(text: str) -> str | None:
    try:
        value = json.loads(text)
        return json.dumps(_finite(value), ensure_ascii=True) if isinstance(value, list) else None
    except (ValueError, RecursionError):
        return None


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(member) for member in value]
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    return None if isinstance(value, float) and value - value != 0 else value


def _contains(column: pa.Array, characters: bytes) -> bool:
    """Whether any cell holds one of the ASCII `characters`; may also look at bytes beside the array's own cells."""
    data = column.buffers()[2]
    return data is not None and any(re.search(re.escape(bytes([c])), memoryview(data)) for c in characters)


def _only(column: pa.Array, mask: pa.Array) -> pa.Array:
    return pc.if_else(mask, column, pa.scalar(None, column.type))


def _distinct(column: pa.Array, mask: pa.Array) -> tuple[list[str], pa.Array]:
    """The distinct texts where `mask` is true, and for each such cell the index of its text."""
    encoded = column.filter(mask).dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices


def _failed(places: pa.Array, failed: list[bool]) -> int:
    return int(pa.array(failed, pa.bool_()).take(places).true_count) if failed else 0


def _put(column: pa.Array, mask: pa.Array, cells: pa.Array) -> pa.Array:
    return pc.replace_with_mask(column, pc.fill_null(mask, False), cells)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _json(column: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(_JSON_TYPE, column)


class ColumnCast:
    """Casts one column of a file, batch by batch.

    Args:
        name: Name of the column in the records.
        kind: One of `TYPES`, or None: text, and any null value is null.
        texts: The options.

    Attributes:
        failed: Number of cells so far that could not be cast.
    """

    def __init__(self, name: str, kind: str | None, texts: Texts) -> None:
        self.name = name
        self.kind = kind
        self.failed = 0
        self._texts = texts

    def __call__(self, column: pa.Array) -> pa.Array:
        if self.kind is None:
            return string_column(column, self._texts.null_set)
        done, failed = cast(column, self.kind, self._texts)
        self.failed += failed
        return done


def infer_type(distinct: Iterable[str], texts: Texts) -> str:
    """The narrowest of boolean, integer, number and string that takes all the texts; string if all mean null."""
    found = [text for text in distinct if text not in texts.nulls]
    if not found:
        return "string"
    booleans = frozenset(texts.true_set.to_pylist() + texts.false_set.to_pylist())
    if booleans.issuperset(found):
        return "boolean"
    if all(_int(text) is not None for text in found):
        return "integer"
    return "number" if all(_float(text) is not None for text in found) else "string"
