"""Arrow types: what is declared for them, and what the wire gets."""

from __future__ import annotations

import random
import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.arrow_types import map_leaves, property_of, unprintable, wire_exact

DAY = {"type": "string", "format": "date"}
MOMENT = {"type": "string", "format": "date-time"}


@pytest.mark.parametrize(
    ("arrow_type", "prop"),
    [
        *((kind(), {"type": "integer"}) for kind in (pa.int8, pa.int16, pa.int32, pa.int64)),
        *((kind(), {"type": "integer"}) for kind in (pa.uint8, pa.uint16, pa.uint32, pa.uint64)),
        *((kind(), {"type": "number"}) for kind in (pa.float16, pa.float32, pa.float64)),
        (pa.bool_(), {"type": "boolean"}),
        (pa.null(), {"type": "null"}),
        *((kind(), {"type": "string"}) for kind in (pa.string, pa.large_string, pa.string_view)),
        *((kind(), {"type": "string"}) for kind in (pa.binary, pa.large_binary, pa.binary_view)),
        (pa.binary(4), {"type": "string"}),
        *((kind(5, 2), {"type": "string"}) for kind in (pa.decimal32, pa.decimal64, pa.decimal128, pa.decimal256)),
        (pa.date32(), DAY),
        (pa.date64(), DAY),
        *((pa.timestamp(unit), MOMENT) for unit in ("s", "ms", "us", "ns")),
        (pa.timestamp("us", "Europe/Paris"), MOMENT),
        (pa.time32("s"), {"type": "string"}),
        (pa.time64("ns"), {"type": "string"}),
        (pa.duration("s"), {"type": "integer"}),
        (pa.month_day_nano_interval(), {"type": "array"}),
        *((kind(pa.int64()), {"type": "array"}) for kind in (pa.list_, pa.large_list, pa.list_view)),
        (pa.large_list_view(pa.int64()), {"type": "array"}),
        (pa.list_(pa.int64(), 3), {"type": "array"}),
        (pa.struct([("a", pa.int64())]), {"type": "object"}),
        (pa.map_(pa.string(), pa.int64()), {"type": "object"}),
        (pa.dictionary(pa.int32(), pa.string()), {"type": "object"}),
        (pa.run_end_encoded(pa.int32(), pa.float64()), {"type": "number"}),
        (pa.uuid(), {"type": "string"}),
        (pa.json_(), {"type": "string"}),
        (pa.bool8(), {"type": "integer"}),
        (pa.dense_union([pa.field("a", pa.int64()), pa.field("b", pa.float64())]), {"type": "number"}),
        (
            pa.sparse_union([pa.field("a", pa.int64()), pa.field("b", pa.list_(pa.int64()))]),
            {"type": ["integer", "array"]},
        ),
    ],
)
def test_every_type_has_a_property(arrow_type: pa.DataType, prop: dict[str, Any]) -> None:
    assert property_of(arrow_type) == prop


def test_decimals_are_numbers_if_asked_for() -> None:
    assert property_of(pa.decimal128(5, 2), decimal_as_float=True) == {"type": "number"}
    assert property_of(pa.decimal256(50, 2), decimal_as_float=True) == {"type": "number"}


def exact(cells: list[Any], arrow_type: pa.DataType, **options: Any) -> tuple[list[Any], dict[int, str]]:
    batch = pa.RecordBatch.from_arrays([pa.array(cells, arrow_type), pa.array(range(len(cells)))], names=["a", "n"])
    good, bad = wire_exact(batch, **options)
    good.validate(full=True)
    assert [row for row in range(len(cells)) if row not in bad] == good["n"].to_pylist()
    return good["a"].to_pylist(), bad


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)])
def test_binary_becomes_text_and_bad_bytes_are_located(kind: pa.DataType) -> None:
    cells = [b"ab", None, "ä".encode(), b"\xff\xfe", b"cd", b"\xc3("]
    assert exact(cells, kind) == (
        ["ab", None, "ä", "cd"],
        {3: "column 'a': bytes that are not UTF-8 text", 5: "column 'a': bytes that are not UTF-8 text"},
    )


@pytest.mark.parametrize(
    ("text", "binary"),
    [(pa.string(), pa.binary()), (pa.large_string(), pa.large_binary()), (pa.string_view(), pa.binary_view())],
)
def test_text_is_checked(text: pa.DataType, binary: pa.DataType) -> None:
    cells = pa.array([b"ab", b"\xff", None, b"a text longer than a view holds inline", b"\xed\xa0\x80"], binary)
    column = pa.Array.from_buffers(text, 5, cells.buffers())
    good, bad = wire_exact(pa.RecordBatch.from_arrays([column], names=["a"]))
    assert good["a"].to_pylist() == ["ab", None, "a text longer than a view holds inline"]
    assert sorted(bad) == [1, 4]


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, pa.list_view, pa.large_list_view])
def test_nested_bytes_are_located(kind: Any) -> None:
    cells = [[b"a", None], [], None, [b"a", b"\xff"], [b"b"]]
    assert exact(cells, kind(pa.binary())) == (
        [["a", None], [], None, ["b"]],
        {3: "column 'a': bytes that are not UTF-8 text"},
    )


def test_bytes_in_structs_maps_and_fixed_lists() -> None:
    struct = pa.struct([("x", pa.binary()), ("y", pa.list_(pa.struct([("z", pa.binary(1))])))])
    good = {"x": b"a", "y": [{"z": b"b"}, None]}
    found, bad = exact([good, None, {"x": b"\xff", "y": None}, {"x": None, "y": [{"z": b"\xff"}]}], struct)
    assert found == [{"x": "a", "y": [{"z": "b"}, None]}, None]
    assert sorted(bad) == [2, 3]
    found, bad = exact([[(b"k", b"v")], None, [(b"\xff", b"v")], [], [(b"k", None)]], pa.map_(pa.binary(), pa.binary()))
    assert found == [[("k", "v")], None, [], [("k", None)]]
    assert sorted(bad) == [2]
    assert exact([[b"a", b"b"], None, [b"a", b"\xff"]], pa.list_(pa.binary(), 2))[0] == [["a", "b"], None]


def test_dictionaries_lose_only_rows_that_use_a_bad_entry() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), pa.array([b"a", b"\xff", b"\xfe"]))
    good, bad = wire_exact(pa.RecordBatch.from_arrays([column], names=["a"]))
    assert good["a"].to_pylist() == ["a", None, "a"]
    assert sorted(bad) == [1]
    column = pa.DictionaryArray.from_arrays(pa.array([0, None, 0]), pa.array([b"a"]))
    good, bad = wire_exact(pa.RecordBatch.from_arrays([column], names=["a"]))
    assert good["a"].to_pylist() == ["a", None, "a"]
    assert not bad


def test_slices_are_judged_by_their_own_rows() -> None:
    column = pa.array([[b"\xff"], [b"a"], [b"b"], [b"\xfe"]], pa.list_(pa.binary()))
    good, bad = wire_exact(pa.RecordBatch.from_arrays([column], names=["a"]).slice(1, 2))
    assert good["a"].to_pylist() == [["a"], ["b"]]
    assert not bad


def test_extension_types() -> None:
    one = uuid.UUID(int=2**100)
    assert exact([one.bytes, None], pa.uuid())[0] == [str(one), None]
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 1]), pa.array([one.bytes], pa.uuid()))
    good, _ = wire_exact(pa.RecordBatch.from_arrays([lists], names=["a"]))
    assert good["a"].to_pylist() == [[str(one)], []]
    # not verbatim: nothing says that it is valid JSON
    good, _ = wire_exact(pa.RecordBatch.from_arrays([pa.array(["{"], pa.json_())], names=["a"]))
    assert good.schema.field("a").type == pa.string()
    assert good["a"].to_pylist() == ["{"]
    assert exact([1, 0, None], pa.bool8())[0] == [1, 0, None]


def test_run_ends_are_decoded() -> None:
    column = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([b"a", b"b"]))
    good, bad = wire_exact(pa.RecordBatch.from_arrays([column], names=["a"]))
    assert good["a"].to_pylist() == ["a", "a", "b"]
    assert not bad


@pytest.mark.parametrize("kind", [pa.decimal128(38, 10), pa.decimal256(60, 10)])
def test_decimals_as_floats_are_rounded_as_python_does(kind: pa.DataType) -> None:
    chance = random.Random(1)
    cells = [Decimal(chance.randrange(-(10 ** chance.randrange(1, 38)), 10**20)).scaleb(-10) for _ in range(2000)]
    found, bad = exact([*cells, None], kind, decimal_as_float=True)
    assert found == [*map(float, cells), None]
    assert not bad
    assert exact([[cells[0]], None], pa.list_(kind), decimal_as_float=True)[0] == [[float(cells[0])], None]
    assert exact([[cells[0]]], pa.list_(kind))[0] == [[cells[0]]]


@pytest.mark.parametrize(
    ("kind", "first", "last", "outside"),
    [
        (pa.date32(), date(1, 1, 1), date(9999, 12, 31), [-719163, 2932897]),
        (pa.date64(), date(1, 1, 1), date(9999, 12, 31), [-719163 * 86_400_000, 2932897 * 86_400_000]),
        (pa.timestamp("s"), datetime.min, datetime(9999, 12, 31, 23, 59, 59), [-62135596801, 253402300800]),
        (pa.timestamp("us"), datetime.min, datetime.max, [-62135596800000001, 253402300800000000, 2**63 - 1, -(2**63)]),
    ],
)
def test_dates_outside_of_the_calendar_are_located(
    kind: pa.DataType, first: Any, last: Any, outside: list[int]
) -> None:
    numbers = pa.array(outside, pa.int32() if kind == pa.date32() else pa.int64()).view(kind)
    column = pa.concat_arrays([pa.array([first, None], kind), numbers, pa.array([last], kind)])
    good, bad = wire_exact(pa.RecordBatch.from_arrays([column], names=["a"]))
    assert good["a"].to_pylist() == [first, None, last]
    assert bad == {2 + n: "column 'a': a date outside the years 1 to 9999" for n in range(len(outside))}


def test_all_rows_bad_and_no_rows() -> None:
    assert exact([b"\xff", b"\xfe"], pa.binary())[0] == []
    assert exact([], pa.binary()) == ([], {})
    empty = pa.RecordBatch.from_arrays([pa.array([1, 2])], names=["a"]).select([])
    assert wire_exact(empty)[0].num_rows == 2


def test_unprintable_schemas() -> None:
    assert unprintable(pa.schema([("a", pa.int64()), ("b", pa.timestamp("us", "UTC"))])) is None
    twice = pa.list_(pa.struct([("x", pa.int64()), ("x", pa.int64())]))
    assert unprintable(pa.schema([("a", twice)])) == "column 'a': two of its fields have the same name"
    zone = pa.list_(pa.timestamp("us", "Middle/Earth"))
    assert unprintable(pa.schema([("a", zone)])) == "column 'a': unknown time zone 'Middle/Earth'"


_CELLS = st.binary(max_size=2) | st.text(max_size=3).map(str.encode) | st.none()
_NESTED: list[tuple[Any, pa.DataType]] = [
    (_CELLS, pa.binary()),
    (st.lists(_CELLS, max_size=3) | st.none(), pa.list_(pa.binary())),
    (st.lists(st.lists(_CELLS, max_size=2), max_size=3), pa.large_list(pa.list_(pa.binary()))),
    (st.fixed_dictionaries({"x": _CELLS}) | st.none(), pa.struct([("x", pa.binary())])),
    (st.lists(st.fixed_dictionaries({"x": _CELLS}), max_size=2), pa.list_(pa.struct([("x", pa.binary())]))),
    (st.lists(st.tuples(st.just(b"k"), _CELLS), max_size=2) | st.none(), pa.map_(pa.binary(), pa.binary())),
]


def decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list | tuple):
        return type(value)(decoded(part) for part in value)
    if isinstance(value, dict):
        return {key: decoded(part) for key, part in value.items()}
    return value


@settings(max_examples=100, deadline=None)
@given(data=st.data(), shape=st.sampled_from(_NESTED))
def test_exact_rows_are_those_that_python_decodes(data: st.DataObject, shape: tuple[Any, pa.DataType]) -> None:
    cells = data.draw(st.lists(shape[0], max_size=9))
    expected, lost = [], []
    for row, cell in enumerate(cells):
        try:
            expected.append(decoded(cell))
        except UnicodeDecodeError:
            lost.append(row)
    found, bad = exact(cells, shape[1])
    assert found == expected
    assert sorted(bad) == lost


def test_map_leaves_keeps_shape() -> None:
    kind = pa.struct([("a", pa.list_(pa.int8())), ("b", pa.map_(pa.string(), pa.int8())), ("c", pa.struct([]))])
    cells: list[Any] = [
        {"a": [1, None], "b": [("k", 2)], "c": {}},
        None,
        {"a": None, "b": None, "c": None},
        {"a": [], "b": []},
    ]
    column = pa.array(cells, kind)
    assert map_leaves(column, lambda leaf: leaf).to_pylist() == column.to_pylist()
    assert map_leaves(column.slice(1, 3), lambda leaf: leaf).to_pylist() == column.slice(1, 3).to_pylist()


def test_a_time_of_day_that_no_clock_shows_rejects_its_row() -> None:
    ticks = pa.array([0, 86_400_000_000, None, -1, 86_399_999_999], pa.int64())
    exact, bad = wire_exact(pa.record_batch({"t": ticks.view(pa.time64("us"))}))
    assert exact.num_rows == 3
    assert bad == dict.fromkeys((1, 3), "column 't': a time of day outside 00:00 to 24:00")
