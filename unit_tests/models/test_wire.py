"""The lines of a batch against a slow and obvious way to print the same rows."""

from __future__ import annotations

import dataclasses
import enum
import json
import logging
import math
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.models import arrow_clock, json_text, wire
from airbyte_cdk.models.batch import Batch, JsonLines, Rows
from airbyte_cdk.models.wire import EncodeError, encode, line_width, rows

CONSTANTS = {"_ab_source_file_last_modified": "2024-01-01T00:00:00.000000Z", "_ab_source_file_url": 'a "b"\\ü.csv'}


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs), "a key occurs twice"
    return dict(pairs)


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is not JSON")


def written(batch: Batch, stream: str = "s", namespace: str | None = None) -> list[dict[str, Any]]:
    """`data` of each line, after a check of what is around it."""
    lines = encode(stream, namespace, batch, 1_700_000_000_123)
    text = b"".join(bytes(buffer) for buffer in lines.buffers)
    assert lines.nbytes == len(text)
    assert lines.num_rows == batch.num_rows
    assert (lines.stream, lines.namespace) == (stream, namespace)
    assert text == b"" or text.endswith(b"\n")
    found = text.split(b"\n")[:-1]
    assert len(found) == batch.num_rows
    result = []
    for line in found:
        message = json.loads(line, object_pairs_hook=unique_keys, parse_constant=refuse)
        data = message["record"].pop("data")
        record = {"stream": stream, "emitted_at": 1_700_000_000_123}
        if namespace is not None:
            record["namespace"] = namespace
        assert message == {"type": "RECORD", "record": record}
        result.append(data)
    return result


def cells(array: pa.Array) -> list[Any]:
    """One column as it is written; an absent key is None."""
    return [data.get("c") for data in written(Batch(pa.RecordBatch.from_arrays([array], names=["c"])))]


def same(left: Any, right: Any) -> bool:
    """Equal, with integers told from floats and booleans, and -0.0 from 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return repr(left) == repr(right) if isinstance(left, float) else bool(left == right)


def slow(cell: pa.Scalar, keep_nan: bool = False) -> Any:
    """The wire's form of one Arrow value, by way of Python objects."""
    kind, types = cell.type, pa.types
    if not cell.is_valid:
        return None
    if isinstance(kind, pa.JsonType):
        return json.loads(cell.value.as_py())
    if isinstance(kind, pa.BaseExtensionType) or types.is_dictionary(kind) or types.is_union(kind):
        return slow(cell.value, keep_nan) if cell.value is not None else None
    if types.is_struct(kind):
        return {field.name: slow(cell[number], keep_nan) for number, field in enumerate(kind)}
    if types.is_map(kind):
        return {slow_key(pair["key"]): slow(pair["value"], keep_nan) for pair in cell.values}
    if types.is_nested(kind):
        return [slow(item, keep_nan) for item in cell.values]
    if types.is_floating(kind):
        number = float(cell.as_py())
        return number if math.isfinite(number) or keep_nan else None
    if types.is_decimal(kind):
        return str(cell.as_py())
    if types.is_duration(kind):
        return float(cell.value)
    if types.is_timestamp(kind):
        return slow_timestamp(cell.value, kind.unit, kind.tz)
    if types.is_time(kind):
        per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        micros = cell.value * 10**6 // per
        return (datetime(1970, 1, 1) + timedelta(microseconds=micros)).time().isoformat()
    if types.is_date(kind):
        return cell.as_py().isoformat()
    value = cell.as_py()
    return value.decode() if isinstance(value, bytes) else value


def slow_key(key: pa.Scalar) -> str:
    if pa.types.is_floating(key.type):
        return json.dumps(key.as_py())
    value = slow(key)
    return value if isinstance(value, str) else json.dumps(value)


def slow_timestamp(ticks: int, unit: str, zone: str | None) -> str:
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    seconds, rest = divmod(ticks, per)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    offset = ""
    if zone is not None:
        place = ZoneInfo(zone) if "/" in zone or zone == "UTC" else None
        if place is None:
            sign = -1 if zone[0] == "-" else 1
            distance = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        else:
            distance = moment.astimezone(place).utcoffset() or timedelta()
        minutes = math.floor((distance.total_seconds() + 30) / 60)
        moment += timedelta(minutes=minutes)
        offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    nanos = rest * 10**9 // per
    fraction = f".{nanos:09}" if nanos % 1000 else f".{nanos // 1000:06}" if nanos else ""
    return moment.replace(tzinfo=None).isoformat() + fraction + offset


def expected(batch: Batch, *, readable: bool = False) -> list[dict[str, Any]]:
    """What `encode` writes; or, if `readable`, what `rows` gives."""
    result = []
    for number in range(batch.num_rows):
        row = {
            name: slow(column[number], keep_nan=readable)
            for name, column in zip(batch.table.schema.names, batch.table.columns, strict=True)
        }
        if batch.wrap is None and not readable:
            # a null cell is left out, a cell that prints as null is not
            nulls = [name for name, column in zip(row, batch.table.columns, strict=True) if is_null(column[number])]
            row = {name: value for name, value in row.items() if name not in nulls}
        result.append({batch.wrap: row, **batch.constants} if batch.wrap is not None else {**row, **batch.constants})
    return result


def is_null(cell: pa.Scalar) -> bool:
    if cell.is_valid and (pa.types.is_dictionary(cell.type) or pa.types.is_union(cell.type)):
        return cell.value is None or is_null(cell.value)
    return not cell.is_valid


# Random batches

TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\/\n\r\t\b\f\x00\x1f\x7f\u2028é😀,:{}'), max_size=6
)
MORE_ZONES = ["UTC", "+05:30", "-03:00", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Africa/Monrovia"]
FIRST, LAST = -62_135_596_800 + 172_800, 253_402_300_799 - 172_800
INT64 = st.integers(-(2**63), 2**63 - 1)


def integers(bits: int, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(low, high) | st.integers(max(low, -3), 100) | st.sampled_from([low, high])


def ticks(unit: str) -> st.SearchStrategy[int]:
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    first, last = max(FIRST * per, -(2**63) + 1), min(LAST * per, 2**63 - 1)
    return st.integers(first, last) | st.integers(-3, 3).map(lambda n: n * per) | st.integers(-5000, 5000)


def decimals(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    bound = 10**digits - 1
    near = st.integers(-min(bound, 20), min(bound, 20))
    return (st.integers(-bound, bound) | near).map(lambda n: Decimal(f"{n}E{-scale}"))


FLOATS = (
    st.floats()
    | st.integers(-3, 3).map(float)
    | st.sampled_from(
        [-0.0, 9999999999.0, 1e10, 1e15, 1e16, 123456789012345680.0, 1e22, -1e300, 5e-324, 1e-5, 1e-7, 0.1]
    )
)
LEAVES: list[st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]] = [
    *(
        st.just((getattr(pa, f"{'' if signed else 'u'}int{bits}")(), integers(bits, signed)))
        for bits in (8, 16, 32, 64)
        for signed in (True, False)
    ),
    st.just((pa.float64(), FLOATS)),
    st.just((pa.float32(), st.floats(width=32))),
    st.just((pa.bool_(), st.booleans())),
    st.just((pa.null(), st.none())),
    *(st.just((kind, TEXT)) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *(st.just((kind, TEXT.map(str.encode))) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    st.just((pa.binary(2), st.sampled_from([b"ab", b'"\\', b"\n\x00", "é".encode()]))),
    *(
        st.just((kind(digits, scale), decimals(digits, scale)))
        for kind, digits, scale in [
            (pa.decimal128, 38, 10),
            (pa.decimal128, 9, 0),
            (pa.decimal128, 5, -3),
            (pa.decimal256, 76, 30),
            (pa.decimal32, 9, 8),
            (pa.decimal64, 18, 2),
        ]
    ),
    st.just((pa.date32(), st.dates())),
    st.just((pa.date64(), st.dates())),
    st.tuples(st.sampled_from(["s", "ms", "us", "ns"]), st.none() | st.sampled_from(MORE_ZONES)).map(
        lambda kind: (pa.timestamp(*kind), ticks(kind[0]))
    ),
    *(
        st.just((kind(unit), st.integers(0, 86_400 * per - 1) | st.integers(0, 86_399).map(lambda n, per=per: n * per)))
        for kind, unit, per in [
            (pa.time32, "s", 1),
            (pa.time32, "ms", 10**3),
            (pa.time64, "us", 10**6),
            (pa.time64, "ns", 10**9),
        ]
    ),
    st.sampled_from(["s", "ms", "us", "ns"]).map(lambda unit: (pa.duration(unit), INT64)),
]
KEYS = st.sampled_from(
    [
        (pa.string(), st.sampled_from(["a", "b", '"', "", "\n"])),
        (pa.int32(), st.integers(-2, 2)),
        (pa.int64(), INT64),
        (pa.bool_(), st.booleans()),
        (pa.float64(), st.sampled_from([1.0, 1e-7, 1e16, math.inf, 0.5])),
        (pa.date32(), st.dates()),
        (pa.decimal128(5, 2), decimals(5, 2)),
        (pa.binary(), st.sampled_from([b"a", b"b"])),
    ]
)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values | values


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def list_of(kind: Any) -> Any:
        def make(chosen: tuple[pa.DataType, Any]) -> tuple[pa.DataType, Any]:
            return kind(chosen[0]), st.lists(maybe(chosen[1]), max_size=3)

        return inner.map(make)

    def fixed(chosen: tuple[pa.DataType, Any], size: int) -> tuple[pa.DataType, Any]:
        return pa.list_(chosen[0], size), st.lists(maybe(chosen[1]), min_size=size, max_size=size)

    def struct(fields: dict[str, Any]) -> tuple[pa.DataType, Any]:
        kind = pa.struct([pa.field(name, kind) for name, (kind, _) in fields.items()])
        return kind, st.fixed_dictionaries({name: maybe(values) for name, (_, values) in fields.items()})

    def mapping(key: tuple[pa.DataType, Any], item: tuple[pa.DataType, Any]) -> tuple[pa.DataType, Any]:
        return pa.map_(key[0], item[0]), st.lists(st.tuples(key[1], maybe(item[1])), max_size=4)

    return (
        list_of(pa.list_)
        | list_of(pa.large_list)
        | list_of(pa.list_view)
        | list_of(pa.large_list_view)
        | st.builds(fixed, inner, st.integers(1, 2))
        | st.dictionaries(TEXT, inner, max_size=3).map(struct)
        | st.builds(mapping, KEYS, inner)
    )


KINDS = st.one_of(LEAVES) | st.recursive(st.one_of(LEAVES), nested, max_leaves=3)


@st.composite
def arrays(draw: st.DrawFn, length: int) -> pa.Array:
    kind, values = draw(KINDS)
    before, after = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    count = before + length + after
    if draw(st.booleans()):
        values = maybe(values)
    if draw(st.booleans()):  # few values, many times
        values = st.sampled_from(draw(st.lists(values, min_size=1, max_size=2)))
    array = pa.array(draw(st.lists(values, min_size=count, max_size=count)), kind)
    if pa.types.is_primitive(kind) and not pa.types.is_null(kind) and draw(st.booleans()):
        array = array.dictionary_encode()
    return array.slice(before, length)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    length = draw(st.integers(0, 6))
    names = draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    table = pa.RecordBatch.from_arrays([draw(arrays(length)) for _ in names], names=names)
    constants = draw(st.sampled_from([{}, CONSTANTS]))
    return Batch(table, constants, draw(st.sampled_from([None, "data"])))


@settings(max_examples=150, deadline=None)
@given(batches(), TEXT, st.none() | TEXT)
def test_arrow_batches_are_written_as_the_slow_way_does(batch: Batch, stream: str, namespace: str | None) -> None:
    found = written(batch, stream, namespace)
    assert same(found, expected(batch)), (found, expected(batch))


@settings(max_examples=100, deadline=None)
@given(batches())
def test_rows_of_arrow_batches_keep_nulls_and_nan(batch: Batch) -> None:
    found = list(rows(batch))
    assert same(found, expected(batch, readable=True)), (found, expected(batch, readable=True))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=5), st.booleans(), st.booleans())
def test_json_lines_and_python_rows_are_written_alike(records: list[Any], wrapped: bool, constants: bool) -> None:
    wrap, metadata = "data" if wrapped else None, CONSTANTS if constants else {}
    kept = [{key: value for key, value in record.items() if value is not None or wrap} for record in records]
    want = [{wrap: record, **metadata} if wrap else {**record, **metadata} for record in kept]
    bodies = [json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()[1:-1] for record in kept]
    lines = Batch(JsonLines(bodies), metadata, wrap)
    assert same(written(lines), want)
    assert same(list(rows(lines)), want)
    python = Batch(Rows(records), metadata, wrap)
    assert same(written(python), want)
    whole = [{wrap: record, **metadata} if wrap else {**record, **metadata} for record in records]
    assert same(list(rows(python)), whole)


# What no encoder at hand does all of


def test_top_level_nulls_are_left_out_and_nested_ones_kept() -> None:
    table = pa.RecordBatch.from_pylist(
        [{"a": None, "b": {"c": None, "d": [None, 1]}, "e": None}, {"a": 1, "b": None, "e": None}],
        schema=pa.schema(
            [("a", pa.int8()), ("b", pa.struct([("c", pa.string()), ("d", pa.list_(pa.int8()))])), ("e", pa.null())]
        ),
    )
    assert written(Batch(table)) == [{"b": {"c": None, "d": [None, 1]}}, {"a": 1}]
    whole = [{"a": None, "b": {"c": None, "d": [None, 1]}, "e": None}, {"a": 1, "b": None, "e": None}]
    assert written(Batch(table, wrap="data")) == [{"data": row} for row in whole]
    assert list(rows(Batch(table))) == whole


@pytest.mark.parametrize("constants", [{}, CONSTANTS])
@pytest.mark.parametrize("always", [None, 0, 1, 2])
def test_commas_stand_only_between_members(constants: dict[str, str], always: int | None) -> None:
    present = [[number >> column & 1 for number in range(8)] for column in range(3)]
    columns = [
        pa.array([f"v{c}" if there or c == always else None for there in present[c]], pa.string()) for c in range(3)
    ]
    table = pa.RecordBatch.from_arrays(columns, names=["a", "b", "c"])
    want = [{key: cell for key, cell in row.items() if cell is not None} for row in table.to_pylist()]
    assert written(Batch(table, constants)) == [{**row, **constants} for row in want]


def test_a_batch_without_columns_has_its_rows() -> None:
    table = pa.RecordBatch.from_arrays([pa.array([1, 2])], names=["a"]).select([])
    assert written(Batch(table, CONSTANTS)) == [CONSTANTS] * table.num_rows
    struct = pa.RecordBatch.from_arrays([pa.array([{}, None, {}], pa.struct([]))], names=["a"])
    assert written(Batch(struct)) == [{"a": {}}, {}, {"a": {}}]


def test_nan_and_infinities_are_null_and_keep_their_key() -> None:
    values = [math.nan, math.inf, -math.inf, None, 1.0]
    for kind in (pa.float64(), pa.float32()):
        table = pa.RecordBatch.from_arrays([pa.array(values, kind), pa.array([values] * 5, pa.list_(kind))], ["f", "l"])
        inner = [None, None, None, None, 1.0]
        found = written(Batch(table))
        assert found == [*[{"f": None, "l": inner}] * 3, {"l": inner}, {"f": 1.0, "l": inner}]
        assert [repr(row["f"]) for row in rows(Batch(table))] == ["nan", "inf", "-inf", "None", "1.0"]


def test_integral_floats_are_told_from_integers() -> None:
    values = [
        5.0,
        -0.0,
        0.0,
        1e9,
        9999999999.0,
        1e10,
        12345678901.0,
        1e15,
        1e16,
        2.0**53,
        1e21,
        1e22,
        1e300,
        123456789012345678.0,
        0.5,
    ]
    found = cells(pa.array(values))
    assert [repr(value) for value in found] == [repr(value) for value in values]
    assert [repr(value) for value in cells(pa.array(values[:3]))] == ["5.0", "-0.0", "0.0"]
    assert b'"c":5.0' in bytes(
        encode("s", None, Batch(pa.RecordBatch.from_arrays([pa.array([5.0])], ["c"])), 1).buffers[0]
    )


def test_narrow_floats_are_widened_first() -> None:
    assert cells(pa.array([0.1], pa.float32())) == [0.10000000149011612]
    assert cells(pa.array([0.1, 3.0, math.nan, None], pa.float32()).cast(pa.float16())) == [
        0.0999755859375,
        3.0,
        None,
        None,
    ]


def test_integers_of_all_sizes_are_exact() -> None:
    assert cells(pa.array([2**64 - 1, 0, None], pa.uint64())) == [2**64 - 1, 0, None]
    assert cells(pa.array([2**64 - 1, 2**64 - 2] * 1024, pa.uint64())) == [2**64 - 1, 2**64 - 2] * 1024
    assert cells(pa.array([-(2**63), -(2**63) + 1] * 1024)) == [-(2**63), -(2**63) + 1] * 1024
    assert cells(pa.array([2**63 - 1, 2**63 - 2] * 1024)) == [2**63 - 1, 2**63 - 2] * 1024
    assert list(rows(Batch(JsonLines([b'"a":%d' % 10**30])))) == [{"a": 10**30}]
    assert next(rows(Batch(JsonLines([b'"a":' + b"9" * 5000]))))["a"] % 1000 == 999


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64()])
def test_integers_of_a_small_range_are_looked_up_rightly(kind: pa.DataType) -> None:
    values = [number % 120 if number % 7 else None for number in range(3000)]
    signed = [-number if number and not pa.types.is_unsigned_integer(kind) else number for number in values]
    for column in (values, signed, [number for number in values if number is not None]):
        table = pa.RecordBatch.from_arrays([pa.array(column, kind), pa.array(range(len(column)))], ["c", "d"])
        want = [{"d": row} if cell is None else {"c": cell, "d": row} for row, cell in enumerate(column)]
        assert written(Batch(table)) == want
        assert written(Batch(table.slice(1001, 1500))) == want[1001:2501]


def test_decimals_are_the_text_that_python_gives() -> None:
    values = [Decimal("13.00"), Decimal("0E-10"), Decimal("-0.0000001"), Decimal("99999999999999999999.5"), None]
    array = pa.array(values, pa.decimal128(38, 10))
    assert cells(array) == [None if cell is None else str(cell) for cell in array.to_pylist()]
    assert cells(pa.array([[Decimal("1.10")]], pa.list_(pa.decimal256(50, 2)))) == [["1.10"]]


def test_map_keys_are_text_and_the_last_of_equal_ones_counts() -> None:
    kind = pa.map_(pa.int64(), pa.string())
    assert cells(pa.array([[(1, "a"), (2, None), (1, "b")], [], None, [(1, "c")]], kind)) == [
        {"1": "b", "2": None},
        {},
        None,
        {"1": "c"},
    ]
    assert cells(pa.array([[("a", 1), ('"', 2)], [("a", 3)]], pa.map_(pa.string(), pa.int8()))) == [
        {"a": 1, '"': 2},
        {"a": 3},
    ]
    inner = pa.map_(pa.bool_(), pa.map_(pa.date32(), pa.int8()))
    assert cells(pa.array([[(True, [(date(2020, 1, 2), 1)])]], inner)) == [{"true": {"2020-01-02": 1}}]
    keys = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array([7, 8]))
    assert cells(pa.MapArray.from_arrays([0, 2, 3], keys, pa.array([1, 2, 3]))) == [{"7": 1, "8": 2}, {"7": 3}]


def test_binary_is_text_and_must_be_utf8() -> None:
    assert cells(pa.array(["é\n".encode(), None])) == ["é\n", None]
    table = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([b"secret \xff"])], names=["a", "b"])
    with pytest.raises(EncodeError, match="stream 'sales', column 'b' of type binary") as caught:
        encode("sales", None, Batch(table), 1)
    assert "secret" not in str(caught.value)
    good = pa.RecordBatch.from_arrays([pa.array([1] * 9), pa.array([b"good"] * 9)], names=["a", "b"])
    both = pa.Table.from_batches([good, table]).combine_chunks().to_batches()[0]
    with pytest.raises(EncodeError, match=r"a\.parquet, row 109 \(from 0\), column 'b'"):
        list(rows(Batch(both, origin="a.parquet", first_row=100)))
    with pytest.raises(EncodeError, match=r"stream 's', a\.parquet, row 109 \(from 0\), column 'b'"):
        encode("s", None, Batch(both, origin="a.parquet", first_row=100), 1)


def test_json_text_is_written_verbatim() -> None:
    text = ['{"a": 1.50, "b":[null]}', "123456789012345678901234567890", '"not a number"', None, '{\n "a"\r\n:\t1}']
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.array(text))
    table = pa.RecordBatch.from_arrays([column], names=["c"])
    line = bytes(encode("s", None, Batch(table), 1).buffers[0]).split(b"\n")[0]
    assert b'"c":{"a": 1.50, "b":[null]}}' in line
    want = [{"a": 1.5, "b": [None]}, 123456789012345678901234567890, "not a number", None, {"a": 1}]
    assert cells(column) == want
    assert [row["c"] for row in rows(Batch(table))] == want


@pytest.mark.parametrize("character", [chr(code) for code in [*range(0x21), 0x22, 0x5C, 0x7F, 0x2028, 0x1F600]])
def test_every_character_comes_back(character: str) -> None:
    for text in (character, f"a{character}b", f'\\{character}"{character}n'):
        assert cells(pa.array(["x", text, None, "y"])) == ["x", text, None, "y"]
        assert cells(pa.array(["x", text, text, "y"]).dictionary_encode()) == ["x", text, text, "y"]
    named = pa.RecordBatch.from_arrays([pa.array([1, 2])], names=[f"n{character}"])
    assert written(Batch(named)) == [{f"n{character}": 1}, {f"n{character}": 2}]


def test_bytes_under_a_null_do_no_harm() -> None:
    array = pa.array(['a"b', "plain", "c\nd"])
    valid = pa.py_buffer(bytes([0b010]))
    hidden = pa.Array.from_buffers(pa.string(), 3, [valid, *array.buffers()[1:]])
    assert cells(hidden) == [None, "plain", None]
    floats = pa.Array.from_buffers(pa.float64(), 3, [valid, pa.array([math.nan, 1.0, math.inf]).buffers()[1]])
    assert cells(floats) == [None, 1.0, None]
    days = pa.Array.from_buffers(pa.date32(), 3, [valid, pa.array([2**31 - 1, 0, -(2**31)], pa.int32()).buffers()[1]])
    assert cells(days) == [None, "1970-01-01", None]
    lists = pa.Array.from_buffers(
        pa.list_(pa.string()), 3, [valid, pa.array([0, 1, 2, 3], pa.int32()).buffers()[1]], children=[array]
    )
    assert cells(lists) == [None, ["plain"], None]


def test_old_and_zoned_times_keep_the_moment() -> None:
    moment = datetime(1850, 1, 1, tzinfo=UTC)
    assert cells(pa.array([moment], pa.timestamp("s", "Europe/Berlin"))) == ["1850-01-01T00:53:00+00:53"]
    assert cells(pa.array([moment], pa.timestamp("us", "America/New_York"))) == ["1849-12-31T19:04:00-04:56"]
    assert cells(pa.array([datetime(1, 1, 1, 0, 0, 0, 5)], pa.timestamp("us"))) == ["0001-01-01T00:00:00.000005"]
    assert cells(pa.array([-1], pa.timestamp("ns", "+05:30"))) == ["1970-01-01T05:29:59.999999999+05:30"]
    assert cells(pa.array([-1], pa.timestamp("s", "-0330"))) == ["1969-12-31T20:29:59-03:30"]


@pytest.mark.parametrize("zone", ["America/New_York", "Africa/Monrovia", "UTC"])
def test_zones_come_from_python_where_the_system_has_none(zone: str) -> None:
    seconds = pa.array([0, -(10**10), 1_700_000_000, None, 10**9])
    exact = arrow_clock._python_distances(seconds, zone)
    native = pa.compute.local_timestamp(seconds.view(pa.timestamp("s", zone))).view(pa.int64())
    assert exact.dictionary_decode() == pa.compute.subtract(native, seconds)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pa.array([2_932_897], pa.date32()), "years 1 to 9999"),
        (pa.array([-719_163], pa.date32()), "years 1 to 9999"),
        (pa.array([2**62], pa.timestamp("s")), "years 1 to 9999"),
        (pa.array([253_402_300_799], pa.timestamp("s", "+01:00")), "years 1 to 9999"),
        (pa.array([0], pa.timestamp("s", "Nowhere/Land")), "unknown time zone 'Nowhere/Land'"),
        (pa.array([86_400], pa.time32("s")), "00:00 to 24:00"),
    ],
)
def test_values_without_a_form_name_the_column(array: pa.Array, reason: str) -> None:
    with pytest.raises(EncodeError, match=f"column 'c' of type .*{reason}"):
        cells(array)
    with pytest.raises(EncodeError, match=reason):
        cells(pa.ListArray.from_arrays([0, 1], array))


def test_rare_types() -> None:
    sparse = pa.UnionArray.from_sparse(
        pa.array([0, 1, 0, 1], pa.int8()), [pa.array([1, 2, None, 4]), pa.array(["a", "b", "c", None])]
    )
    assert cells(sparse) == [1, "b", None, None]
    assert cells(sparse.slice(1, 2)) == ["b", None]
    dense = pa.UnionArray.from_dense(
        pa.array([1, 0, 1], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1.0]), pa.array(['"', None])]
    )
    assert cells(dense) == ['"', 1.0, None]
    assert cells(dense.slice(1)) == [1.0, None]
    assert cells(pa.ListArray.from_arrays([0, 1, 3], dense)) == [['"'], [1.0, None]]
    assert cells(pa.RunEndEncodedArray.from_arrays([2, 3, 5], ["a", None, "b"]).slice(1)) == ["a", None, "b", "b"]
    assert cells(pa.array([(1, 2, 3), None], pa.month_day_nano_interval())) == [[1, 2, 3], None]
    some = uuid.UUID("12345678-1234-5678-1234-567812345678")
    assert cells(pa.ExtensionArray.from_storage(pa.uuid(), pa.array([some.bytes, None], pa.binary(16)))) == [
        str(some),
        None,
    ]
    assert cells(pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 5, None], pa.int8()))) == [False, True, None]
    tensor = pa.fixed_shape_tensor(pa.int32(), [2])
    assert cells(pa.ExtensionArray.from_storage(tensor, pa.array([[1, 2]], pa.list_(pa.int32(), 2)))) == [[1, 2]]


def test_dictionaries_are_decoded() -> None:
    indices = pa.array([1, None, 0, 1], pa.uint64())
    assert cells(pa.DictionaryArray.from_arrays(indices, pa.array(["a", "b"]))) == ["b", None, "a", "b"]
    assert cells(pa.DictionaryArray.from_arrays(indices, pa.array(["a", None]))) == [None, None, "a", None]
    assert cells(pa.DictionaryArray.from_arrays(indices, pa.array([[1], [None]])).slice(2)) == [[1], [None]]
    many = pa.array([f"v{number}" for number in range(100)])
    assert cells(pa.DictionaryArray.from_arrays(pa.array([99, None]), many)) == ["v99", None]


def test_the_later_of_two_columns_of_one_name_counts() -> None:
    table = pa.RecordBatch.from_arrays([pa.array([1]), pa.array(["x"]), pa.array(["y"])], names=["a", "b", "a"])
    assert written(Batch(table)) == [{"a": "y", "b": "x"}]


def test_the_constants_count_before_columns_of_their_names() -> None:
    constants = {"a": "const"}
    table = pa.RecordBatch.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "b"])
    assert written(Batch(table, constants)) == [{"b": "x", "a": "const"}]
    assert written(Batch(table, constants, "data")) == [{"data": {"a": 1, "b": "x"}, "a": "const"}]
    assert written(Batch(Rows([{"a": 1, "b": 2}]), constants)) == [{"b": 2, "a": "const"}]
    assert list(rows(Batch(table, constants))) == [{"b": "x", "a": "const"}]


# Python rows


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: Any


NATIVE = {
    "datetime": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    "micro": datetime(2024, 1, 2, 3, 4, 5, 6),
    "date": date(2024, 1, 2),
    "time": time(1, 2, 3),
    "uuid": uuid.UUID(int=5),
    "enum": Colour.RED,
    "dataclass": Point(1, [None, math.nan]),
    "nan": math.nan,
}
PRINTED = {
    "datetime": "2024-01-02T03:04:05+00:00",
    "micro": "2024-01-02T03:04:05.000006",
    "date": "2024-01-02",
    "time": "01:02:03",
    "uuid": "00000000-0000-0000-0000-000000000005",
    "enum": "red",
    "dataclass": {"x": 1, "y": [None, None]},
    "nan": None,
}


def test_python_values_that_orjson_takes() -> None:
    assert written(Batch(Rows([NATIVE]))) == [PRINTED]


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def test_a_value_that_contains_itself_has_no_form() -> None:
    value: list[Any] = []
    value.append({"again": value})
    with pytest.raises(EncodeError, match="column 'a': a value contains itself"):
        encode("s", None, Batch(Rows([{"a": value}])), 1)
    twice = [1]
    assert written(Batch(Rows([{"a": [twice, twice], "b": 2**70}]))) == [{"a": [[1], [1]], "b": 2**70}]


def test_an_integer_may_have_more_digits_than_python_prints() -> None:
    lines = encode("s", None, Batch(Rows([{"a": [-(10**4500), 7]}])), 1)
    assert b'"data":{"a":[-1' + b"0" * 4500 + b",7]}" in b"".join(map(bytes, lines.buffers))


def test_python_values_that_orjson_refuses(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_told", False)
    odd = {
        "big": 2**70,
        "keys": {1: "a", None: "b", 1.5: "d"},
        "flags": {True: 1},
        "half": "\ud800",
        "tuple": (1, 2),
        "deep": nested(600),
        **NATIVE,
    }
    with caplog.at_level(logging.WARNING, logger="airbyte"):
        found = written(Batch(Rows([odd, odd])))
    want = {
        "big": 2**70,
        "keys": {"1": "a", "null": "b", "1.5": "d"},
        "flags": {"true": 1},
        "half": "\ud800",
        "tuple": [1, 2],
        "deep": nested(600),
    }
    assert found == [{**want, **PRINTED}] * 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize("value", [Decimal("42.5"), b"42.5", {"in": [{42.5}]}, {b"42.5": 1}])
def test_python_values_without_a_form_name_stream_and_column(value: Any) -> None:
    with pytest.raises(EncodeError, match="stream 'sales', column 'price'") as caught:
        encode("sales", None, Batch(Rows([{"a": 1, "price": value}])), 1)
    assert "42.5" not in str(caught.value)


# Size


def test_large_bodies_are_not_copied() -> None:
    large = b'"a":"' + b"x" * (2 << 20) + b'"'
    batch = Batch(JsonLines([b'"a":1', b"", large, b'"a":2', large, b""]), CONSTANTS)
    lines = encode("s", None, batch, 1_700_000_000_123)
    assert sum(buffer is large for buffer in lines.buffers) == 2
    assert [data.get("a") for data in written(batch)] == [1, None, "x" * (2 << 20), 2, "x" * (2 << 20), None]


def test_batches_beyond_the_limit_of_arrow_text_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [None if number % 5 == 0 else f'{number}"' for number in range(50)]
    lists = [[number] * (number % 4) for number in range(50)]
    table = pa.RecordBatch.from_arrays([pa.array(values, pa.large_string()), pa.array(lists)], names=["c", "l"])
    whole = b"".join(bytes(buffer) for buffer in encode("s", None, Batch(table), 1).buffers)
    monkeypatch.setattr(wire, "_PRINTED_AT_ONCE", 100)
    buffers = encode("s", None, Batch(table), 1).buffers
    assert len(buffers) > 8
    assert b"".join(map(bytes, buffers)) == whole


def test_large_text_behind_the_first_2_gb() -> None:
    # offsets of a slice may lie beyond 32 bits though its text is short; the bytes in front are never touched
    base = 1 << 32
    data = pa.foreign_buffer(pa.py_buffer(b"xab").address - base + 1, base + 2)
    offsets = pa.array([base, base + 1, base + 2], pa.int64()).buffers()[1]
    assert cells(pa.Array.from_buffers(pa.large_string(), 2, [None, offsets, data])) == ["a", "b"]


def test_two_threads_print_the_same() -> None:
    table = pa.RecordBatch.from_pydict({"n": [number % 900 for number in range(5000)], "t": ["é"] * 5000})
    batch = Batch(table, CONSTANTS)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: bytes(encode("s", None, batch, 1).buffers[0]), range(20)))
    assert set(results) == {bytes(encode("s", None, batch, 1).buffers[0])}


def test_line_width_is_what_the_values_leave() -> None:
    schema = pa.schema([("number", pa.int64()), ("text", pa.string()), ("nested", pa.struct([("inner", pa.int8())]))])
    table = pa.RecordBatch.from_pylist([{"number": 1, "text": "a", "nested": {"inner": 1}}], schema=schema)
    found = encode("a stream name", None, Batch(table, CONSTANTS), 1_700_000_000_123).nbytes
    assert abs(line_width(schema) - found) < 100


def empty() -> Iterator[Batch]:
    yield Batch(JsonLines([]))
    yield Batch(Rows([]), CONSTANTS)
    yield Batch(pa.RecordBatch.from_pydict({"a": pa.array([], pa.int8())}), CONSTANTS, "data")


def test_no_rows_no_bytes() -> None:
    for batch in empty():
        assert written(batch) == []
        assert list(rows(batch)) == []


def test_summer_time_goes_on_after_the_list_of_a_zone_ends() -> None:
    moments = [datetime(2013, 7, 1, tzinfo=UTC), datetime(2062, 7, 1, tzinfo=UTC), datetime(2062, 1, 1, tzinfo=UTC)]
    column = pa.array(moments, pa.timestamp("us", "America/New_York"))
    found = [row["t"] for row in rows(Batch(pa.record_batch({"t": column})))]
    assert found == ["2013-06-30T20:00:00-04:00", "2062-06-30T20:00:00-04:00", "2061-12-31T19:00:00-05:00"]


def test_a_time_of_day_keeps_the_zeros_of_its_fraction() -> None:
    row = {
        "t": time(1, 2, 3, 38158),
        "d": datetime(2024, 1, 2, 3, 4, 5, 60),
        "n": {"z": datetime(2024, 1, 2, tzinfo=UTC)},
    }
    line = b"".join(bytes(buffer) for buffer in encode("s", None, Batch(Rows([row])), 1).buffers)
    data = json.loads(line)["record"]["data"]
    assert data == {"t": "01:02:03.038158", "d": "2024-01-02T03:04:05.000060", "n": {"z": "2024-01-02T00:00:00+00:00"}}
