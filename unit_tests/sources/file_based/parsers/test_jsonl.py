from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airbyte_cdk.models import wire
from airbyte_cdk.models.batch import Batch, Rows
from airbyte_cdk.sources.file_based import rejects as rejects_module
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.exceptions import RecordParseError
from airbyte_cdk.sources.file_based.parsers import json_lines, json_objects, json_text, jsonl
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.jsonl import JsonlParser
from airbyte_cdk.sources.file_based.rejects import RejectKind
from airbyte_cdk.sources.file_based.remote_file import RemoteFile

LOGGER = logging.getLogger("test_jsonl")
CONFIG = FileBasedStreamConfig(name="events", globs=["**"], format={"filetype": "jsonl"})
RESERVED = frozenset({"_ab_source_file_url", "_ab_source_file_last_modified"})


class Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def open_file(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._data)


def a_read(data: bytes, **options: Any) -> FileRead:
    file = RemoteFile(uri="d/events.jsonl", last_modified=datetime(2024, 1, 1))
    return FileRead(CONFIG, file, Reader(data), LOGGER, **options)


def rows(data: bytes, **options: Any) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """The rows, after a check that each keeps the contract of `JsonLines`, and the rejects."""
    read = a_read(data, **options)
    found = []
    for table in JsonlParser().batches(read):
        assert table.num_rows > 0
        assert table.nbytes == sum(map(len, table.bodies))
        for body in table.bodies:
            assert isinstance(body, bytes)
            assert not {10, 13} & set(body)
            assert body == body.strip()
            pairs = json.loads(b"{" + body + b"}", object_pairs_hook=Pairs, parse_int=Digits, parse_float=Digits)
            names = [name for name, _ in pairs]
            assert len(names) == len(set(names))
            assert not read.reserved & set(names)
            assert read.keep_nulls or all(value is not None for _, value in pairs)
            found.append(plain(pairs))
    assert read.rejects.count == len(read.rejects.places) or read.rejects.count > 10
    return found, read.rejects.places


class Digits(str):
    """A number as it is written."""


class Pairs(list[tuple[str, Any]]):
    """An object, with all that is given twice."""


def plain(value: Any) -> Any:
    if isinstance(value, Pairs):
        return {name: plain(item) for name, item in value}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return ("number", str(value)) if isinstance(value, Digits) else value


def expected_row(text: str | bytes, reserved: frozenset[str] = frozenset(), keep_nulls: bool = False) -> dict[str, Any]:
    row = plain(json.loads(text, object_pairs_hook=Pairs, parse_int=Digits, parse_float=Digits))
    return {k: v for k, v in row.items() if k not in reserved and (keep_nulls or v is not None)}


def values_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: float(v[1]) if isinstance(v, tuple) else v for k, v in row.items()} for row in found]


@contextmanager
def block_bytes(n: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "BLOCK_BYTES", n)
        patch.setattr(jsonl, "BLOCK_BYTES", n)
        yield


# --- Any JSON, written in any way -----------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["a", "b", "c", "id", "a:", ":", ",", "", " ", '"', "\\", "null", 'a":', "é", "\u2028", "{", *sorted(RESERVED)]
) | st.text(st.characters(codec="utf-8"), max_size=5)
STRINGS = st.sampled_from(
    [
        "",
        "null",
        ":null",
        ',"b":null',
        '":',
        '{"a":null}',
        "}\n{",
        "\u2028\u0085",
        "\\",
        '"',
        "a : b",
        "\t",
        "x\ry",
        "😀",
    ]
) | st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.sampled_from(["0", "-0", "1", "1.0", "1e5", "-1E-300", "1e999", "18446744073709551616", "1" + "0" * 400])
SCALARS = st.one_of(
    st.none(), st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), STRINGS,
    NUMBERS.map(Digits),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3).map(Pairs),
    max_leaves=5,
)
OBJECTS = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(Pairs)


@st.composite
def uniform_objects(draw: st.DrawFn) -> list[Pairs]:
    """Objects of the same columns, as most files have them."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=draw(st.booleans())))
    values = draw(st.sampled_from([SCALARS, VALUES, st.none() | st.integers(), st.just("null")]))
    missing = st.sampled_from([False] * draw(st.integers(1, 9)) + [True])
    return [Pairs((name, draw(values)) for name in names if not draw(missing)) for _ in range(draw(st.integers(1, 20)))]


class Style:
    """A way to write JSON."""

    def __init__(self, comma: str, colon: str, inside: str, ascii_only: bool) -> None:
        self.comma, self.colon, self.inside, self.ascii_only = comma, colon, inside, ascii_only

    def __repr__(self) -> str:
        return f"Style({self.comma!r}, {self.colon!r}, {self.inside!r}, {self.ascii_only})"

    def write(self, value: Any) -> str:
        if isinstance(value, Digits):
            return str(value)
        if isinstance(value, Pairs):
            pairs = [f"{self.write(name)}{self.colon}{self.write(item)}" for name, item in value]
            return "{" + self.inside + self.comma.join(pairs) + self.inside + "}"
        if isinstance(value, list):
            return "[" + self.comma.join(map(self.write, value)) + "]"
        return json.dumps(value, ensure_ascii=self.ascii_only)


BLANKS = ["", "", " ", "  ", "\t", " \r"]
STYLES = st.builds(
    Style,
    comma=st.tuples(st.sampled_from(BLANKS), st.sampled_from(BLANKS)).map(",".join),
    colon=st.tuples(st.sampled_from(BLANKS), st.sampled_from(BLANKS)).map(":".join),
    inside=st.sampled_from(BLANKS),
    ascii_only=st.booleans(),
) | st.sampled_from([Style(",", ":", "", False), Style(", ", ": ", "", True)])
MANY_OBJECTS = st.lists(OBJECTS, min_size=1, max_size=12) | uniform_objects()
LINE_ENDS = st.sampled_from(["\n", "\n", "\r\n", "\n\n", " \n\t\n"])

slow = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(
    objects=MANY_OBJECTS,
    styles=st.lists(STYLES, min_size=1, max_size=2),
    end=LINE_ENDS,
    last_end=st.booleans(),
    bom=st.booleans(),
    keep_nulls=st.booleans(),
    reserved=st.sampled_from([frozenset(), RESERVED]),
    size=st.integers(1, 2000),
    batch=st.integers(1, 10_000),
)
@slow
def test_lines_are_read_as_the_standard_library_reads_them(
    objects: list[Pairs],
    styles: list[Style],
    end: str,
    last_end: bool,
    bom: bool,
    keep_nulls: bool,
    reserved: frozenset[str],
    size: int,
    batch: int,
) -> None:
    lines = [styles[i % len(styles)].write(item) for i, item in enumerate(objects)]
    text = end.join(lines) + (end if last_end else "")
    data = ("\ufeff" * bom + text).encode()
    with block_bytes(size):
        found, rejects = rows(data, keep_nulls=keep_nulls, reserved=reserved, batch_bytes=batch)
    assert found == [expected_row(line, reserved, keep_nulls) for line in lines]
    assert rejects == []


@given(
    objects=MANY_OBJECTS,
    style=STYLES,
    between=st.sampled_from(["", " ", "\n", "\n\n", "\r"]),
    blank=st.sampled_from([" ", "\n", "\r\n  "]),
    array=st.booleans(),
    size=st.integers(1, 500),
)
@slow
def test_objects_are_cut_by_their_nesting(
    objects: list[Pairs], style: Style, between: str, blank: str, array: bool, size: int
) -> None:
    pretty = Style(f",{blank}", f":{blank}", blank, style.ascii_only)
    texts = [(pretty if i % 2 == 0 else style).write(item) for i, item in enumerate(objects)]
    text = (
        f"{blank}[{blank}" + f"{between},{between}".join(texts) + f"{blank}]{blank}" if array else between.join(texts)
    )
    with block_bytes(size):
        found, rejects = rows(text.encode())
    assert found == [expected_row(text) for text in texts]
    assert rejects == []


@given(objects=uniform_objects(), style=STYLES, keep_nulls=st.booleans(), reserved=st.booleans())
@slow
def test_the_ways_to_read_a_block_agree(objects: list[Pairs], style: Style, keep_nulls: bool, reserved: bool) -> None:
    block = "\n".join(map(style.write, objects)).encode() + b"\n"
    rejected: list[int] = []
    bodies = json_lines.Bodies(
        RESERVED if reserved else frozenset(), keep_nulls, lambda number, why: rejected.append(number)
    )
    fast = bodies.of_block(block, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_LARGEST_BLOCK", 0)
        slowly = bodies.of_block(block, 1)
    assert [expected_row(b"{" + body + b"}", keep_nulls=True) for body in fast] == [
        expected_row(b"{" + body + b"}", keep_nulls=True) for body in slowly
    ]
    assert rejected == []


def may_stand_alone(lines: list[bytes]) -> bool:
    """Whether the first line is neither the beginning of an object of several ones nor like the end of one."""
    if lines[0].strip().startswith((b",", b"]", b"}")):
        return False
    text = b"\n".join(lines).decode(errors="replace").lstrip()
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return True
    return "\n" not in text[:end]


def told_lines(text: bytes, rejects: list[tuple[str, str]]) -> set[int]:
    """The lines that are rejected, but for blank ones."""
    lines = text.split(b"\n")
    told: set[int] = set()
    for place, _ in rejects:
        numbers = [int(word) for word in place.split() if word.isdigit()]
        if place.startswith("byte"):
            numbers = [text.count(b"\n", 0, numbers[0]) + 1, len(lines)]
        told |= set(range(numbers[0], numbers[-1] + 1))
    return {n for n in told if lines[n - 1].strip()}


GOOD = '{"id":1,"name":"a","tags":["x",{"y":null}],"at":1.5}'


def is_good(line: bytes) -> bool:
    try:
        row = json.loads(line.decode(), parse_constant=lambda _: 1 / 0)
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, ZeroDivisionError, RecursionError):
        return False
    return isinstance(row, dict)


@given(
    lines=st.lists(
        st.sampled_from([GOOD, GOOD.replace("1", "2"), '{"id":null,"name":"é😀\\ud83d\\ude00"}', "{}"]).map(str.encode),
        min_size=2,
        max_size=30,
    ),
    damage=st.lists(
        st.tuples(
            st.integers(1, 29),
            st.integers(0, 60),
            st.integers(0, 3),
            st.sampled_from(
                [b"", b"\xff", b"{", b"}", b'"', b",", b"0", b"-", b"\\", b"\x01", b"null", b"NaN", b"{}", b" "]
            )
            | st.binary(max_size=2).filter(lambda b: b"\n" not in b),
        ),
        max_size=5,
    ),
    size=st.integers(1, 2000),
)
@slow
def test_exactly_the_bad_lines_are_rejected(
    lines: list[bytes], damage: list[tuple[int, int, int, bytes]], size: int
) -> None:
    for number, place, length, instead in damage:
        if number < len(lines):
            line = lines[number]
            lines[number] = line[:place] + instead + line[place + length :]
    good = [is_good(line) for line in lines]
    assume(all(ok or may_stand_alone(lines[i:]) for i, ok in enumerate(good)))
    text = b"\n".join(lines)
    with block_bytes(size):
        found, rejects = rows(text)
    assert found == [expected_row(line) for line, ok in zip(lines, good, strict=True) if ok]
    assert told_lines(text, rejects) == {i for i, ok in enumerate(good, 1) if not ok and lines[i - 1].strip(b" \t\r")}


def pretty(value: Any, indent: str, pad: str = "\n") -> str:
    """JSON text with each item on a line of its own."""
    inner = pad + indent
    if isinstance(value, Pairs) and value:
        items = [f"{json.dumps(name)}: {pretty(item, indent, inner)}" for name, item in value]
        return "{" + inner + ("," + inner).join(items) + pad + "}"
    if isinstance(value, list) and not isinstance(value, Pairs) and value:
        return "[" + inner + ("," + inner).join(pretty(item, indent, inner) for item in value) + pad + "]"
    return Style(",", ":", "", True).write(value)


NO_OBJECT = st.sampled_from(
    [
        "oops",
        "5",
        "null",
        '"a": 1,',
        '{"a":1,}',
        '{"a" 1}',
        '{"a":[1}',
        '{"a":"cut',
        '{"a":"{',
        '{"a":1',
        '{"a":1,"b":nul',
        '{"a":',
        '{"a":[',
        '{"a":[{"b":1},',
        "  {",
        "{",
    ]
)
NESTED = st.lists(st.tuples(NAMES, VALUES | st.lists(OBJECTS, max_size=3)), max_size=4).map(Pairs)


@st.composite
def pieces(draw: st.DrawFn) -> tuple[str, Pairs | None]:
    """A text of one or more lines, and the object that it is."""
    kind = draw(st.sampled_from(["compact", "compact", "compact", "pretty", "pretty", "broken", "garbage"]))
    if kind == "garbage":
        return draw(NO_OBJECT), None
    value = draw(NESTED)
    if kind == "compact":
        return draw(STYLES).write(value).replace("\n", " "), value
    text = pretty(value, draw(st.sampled_from(["", " ", "    ", "\t"])))
    lines = text.split("\n")
    if kind == "pretty" or len(lines) == 1:
        return text, value
    places = [i for i in range(1, len(lines)) if not lines[i - 1].endswith("}")]
    lines.insert(draw(st.sampled_from(places)), "oops")
    return "\n".join(lines), None


@given(
    mix=st.lists(pieces(), min_size=1, max_size=12),
    end=st.sampled_from(["\n", "\n", "\r\n", "\n\n"]),
    last_end=st.booleans(),
    size=st.integers(1, 2000),
    run=st.integers(1, 5),
    first=st.integers(1, 300),
)
@slow
def test_whole_objects_are_read_and_all_other_lines_rejected(
    mix: list[tuple[str, Pairs | None]], end: str, last_end: bool, size: int, run: int, first: int
) -> None:
    text = end.join(piece for piece, _ in mix) + (end if last_end else "")
    with block_bytes(size), pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_objects, "_SHORT_RUN", run)
        patch.setattr(jsonl, "_FEWEST_BYTES", first)
        patch.setattr(rejects_module, "LISTED", 1000)
        found, rejects = rows(text.encode())
    whole = [piece for piece, value in mix if value is not None]
    assert found == [expected_row(piece) for piece in whole]
    bad: set[int] = set()
    number = 1
    for piece, value in mix:
        count = piece.count("\n") + 1
        bad |= set(range(number, number + count)) if value is None else set()
        number += count + end.count("\n") - 1
    assert told_lines(text.encode(), rejects) == bad


# --- Rules, one by one ----------------------------------------------------------------------------------------------


def test_bad_lines_among_many_are_named_and_the_others_delivered() -> None:
    lines = [b'{"id":%d}' % i for i in range(16_000)]
    for i in (1, 7_000, 15_999):
        lines[i] = b'{"id":'
    found, rejects = rows(b"\n".join(lines))
    assert [row["id"][1] for row in found] == [str(i) for i in range(16_000) if i not in (1, 7_000, 15_999)]
    assert [place for place, _ in rejects] == ["line 2", "line 7001", "line 16000"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"a":1', "not valid JSON: it ends too early, or inside an escape"),
        (b'{"a":1}}', "not valid JSON: trailing characters (byte 8)"),
        (b'{"a":1}{"a":2}', "not valid JSON: trailing characters (byte 8)"),
        (b'{"a":NaN}', "not valid JSON: invalid character (byte 5)"),
        (b'{"a":Infinity}', "not valid JSON: invalid character (byte 5)"),
        (b'{"a":01}', "not valid JSON: invalid number (byte 6)"),
        (b'{"a":"secret\\ud800"}', "not valid JSON: it ends too early, or inside an escape"),
        (b'{"a":"secret\xff"}', "not valid UTF-8"),
        (b'{"\xff":1}', "not valid UTF-8"),
        (b'{"a":"\x01"}', "not valid JSON: invalid character (byte 6)"),
        (b"[1]", "not a JSON object"),
        (b'"secret"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"12", "not a JSON object"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    ],
)
def test_the_reason_names_no_value(line: bytes, why: str) -> None:
    found, rejects = rows(b'{"a":0}\n' + line + b'\n\n{"a":2}\n')
    assert values_of(found) == [{"a": 0}, {"a": 2}]
    assert rejects == [("line 2", why)]


def test_line_numbers_count_blank_lines() -> None:
    found, rejects = rows(b'\n \r\n{"a":1}\r\n\r\n{"a"}\r\n{"a":2}')
    assert values_of(found) == [{"a": 1}, {"a": 2}]
    assert [place for place, _ in rejects] == ["line 5"]


@pytest.mark.parametrize("data", [b"", b"\n\n", b" \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"[]", b" [ \n ] \n"])
def test_nothing_is_no_error(data: bytes) -> None:
    assert rows(data) == ([], [])


def test_lines_end_at_line_feeds_only() -> None:
    text = "\u2028 \u2029 \u0085 \x0b \x0c \x1c"
    data = (json.dumps({"a": text}, ensure_ascii=False).replace("\\u000b", "").replace("\\f", "") + "\n") * 3
    found, rejects = rows(data.encode())
    assert len(found) == 3
    assert rejects == []


def test_numbers_keep_all_their_digits() -> None:
    body = b'"a":123456789012345678901234567890,"b":0.10000000000000000000001,"c":1E400,"d":-0'
    (table,) = JsonlParser().batches(a_read(b"{" + body + b"}"))
    assert table.bodies == [body]


def test_a_huge_integer_beside_others_is_no_obstacle() -> None:
    lines = [b'{"a":1}'] * 50 + [b'{"a":' + b"9" * 5000 + b"}"] + [b'{"a":2}'] * 50
    found, rejects = rows(b"\n".join(lines))
    assert len(found) == 101
    assert rejects == []


def test_batches_are_cut_by_bytes() -> None:
    data = b'{"a":"%s"}\n' % (b"x" * 1000) * 10_000
    sizes = [table.nbytes for table in JsonlParser().batches(a_read(data, batch_bytes=2_000_000))]
    assert sum(sizes) == 10_000 * 1006
    assert max(sizes) < 3_000_000
    assert min(sizes[:-1]) > 1_500_000


@pytest.mark.parametrize(
    ("data", "places", "ids"),
    [
        pytest.param('{"id":1,}\n{"id":2}', ["line 1"], [2], id="bad first line"),
        pytest.param('5\n{"id":2}', ["line 1"], [2], id="first value is not an object"),
        pytest.param('{"id":1} {"id":2}\n{"id":}\n{"id":4}', ["line 2"], [1, 2, 4], id="several on a line"),
        pytest.param('{\n"id":1\n}\n{\n"id":2\n', ["byte 11 to the end"], [1], id="unclosed object"),
        pytest.param('[{"id":1},{"id":2}', ["byte 18 to the end"], [1, 2], id="unclosed array"),
        pytest.param('[{"id":1},', ["byte 10 to the end"], [1], id="array that ends with a comma"),
        pytest.param('[{"id":1},]', ["byte 10 to the end"], [1], id="array with a comma too many"),
        pytest.param('[{"id":1} {"id":2}]', ["byte 10 to the end"], [1], id="array without comma"),
        pytest.param('[{"id":1}]\n{"id":2}', [], [1, 2], id="lines behind the array"),
        pytest.param('[{"id":1}] {"id":2}\nx\n{"id":3}', ["lines 1 to 2"], [1, 3], id="something behind the array"),
        pytest.param('[]\n\nx\n', ["byte 4 to the end"], [], id="something else behind the array"),
        pytest.param('[5\n{"id":2}\n{"id":3}', ["byte 1", "line 1"], [2, 3], id="first line opens an array"),
        pytest.param('[{"id":1},\n{"id":2,},\n{"id":3},\n{"id":4}\n]\n', ["byte 11 to the end"], [1],
                     id="error in an array"),
        pytest.param('{"id":1,}\n\n\n{"id":2}\n{\n"id":3}\n5', ["line 1", "line 7"], [2, 3], id="blank lines"),
        pytest.param('{\n"id":oh\n}\n{\n"id":2\n}\n', ["lines 1 to 3"], [2], id="error in an object of many lines"),
        pytest.param('{\n"a":[\n{"id":5}\n]oh\n}\n', ["byte 0 to the end"], [], id="parts are no objects"),
        pytest.param('[{"id":1}, 5, [{"id":2}], "x", null, {"id":3}]', ["byte 11", "byte 14", "byte 26", "byte 31"],
                     [1, 3], id="items that are not objects"),
        pytest.param('{"id":1},\n{"id":2}', ["line 1"], [1, 2], id="commas without an array"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_errors_in_files_cut_by_nesting(data: str, places: list[str], ids: list[int], size: int) -> None:
    with block_bytes(size):
        found, rejects = rows(data.encode())
    assert values_of(found) == [{"id": n} for n in ids]
    assert [place for place, _ in rejects] == places


@pytest.mark.parametrize("data", [b'[{"id":1}' + b',{"id":2}' * 400_000 + b"]", b'{"id":1}' + b'{"id":2}' * 400_000])
def test_one_line_of_many_objects_is_read_bit_by_bit(data: bytes) -> None:
    read = a_read(data)
    handle = read.stream_reader.open_file()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read.stream_reader, "open_file", lambda *_: handle)
        batches = JsonlParser().batches(replace(read, batch_bytes=1000))
        first = next(batches)
        assert handle.tell() <= 2 * 1024 * 1024
        assert sum(table.num_rows for table in batches) + first.num_rows == 400_001


def test_an_item_that_is_not_utf8_is_rejected_alone() -> None:
    found, rejects = rows(b'[{"id":1},{"id":"\xff"},{"id":3}]')
    assert values_of(found) == [{"id": 1}, {"id": 3}]
    assert rejects == [("byte 10", "not valid UTF-8")]


def test_utf16_is_named() -> None:
    found, rejects = rows('{"id":1}\n'.encode("utf-16"))
    assert found == []
    assert rejects == [("byte 0 to the end", "the file is UTF-16 text, but JSON must be UTF-8")]


def test_one_warning_for_objects_that_span_lines(caplog: pytest.LogCaptureFixture) -> None:
    found, _ = rows(b'{\n  "id": 1\n}\n{\n  "id": 2\n}\n')
    assert values_of(found) == [{"id": 1}, {"id": 2}]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "d/events.jsonl" in record.getMessage()
    caplog.clear()
    rows(b'[\n{"id": 1}\n]\n')
    rows(b'{"id": 1}{"id": 2}')
    assert caplog.records == []


MIXED = b'{"id":1}\n{\n  "id": 2,\n  "a": [\n    {"id": 9}\n  ]\n}\n{"id":3}\noops\n{"id":4,\n{\n  "id": 5\n}\n{"id":\n'


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_objects_that_span_lines_among_lines(size: int, caplog: pytest.LogCaptureFixture) -> None:
    with block_bytes(size):
        found, rejects = rows(MIXED)
    assert [row["id"][1] for row in found] == ["1", "2", "3", "5"]
    assert rejects == [
        ("line 9", "not valid JSON: invalid character (byte 0)"),
        ("line 10", "not valid JSON: it ends too early, or inside an escape"),
        ("line 14", "not valid JSON: it ends too early, or inside an escape"),
    ]
    (record,) = caplog.records
    assert "span several lines" in record.getMessage()


@pytest.mark.parametrize(
    ("text", "ids", "places"),
    [
        pytest.param('{\n"id":2,\n"bad":oh,\n"a":[\n  {"id":9}\n]\n}', [], ["lines 2 to 8"], id="broken inside"),
        pytest.param('{\n"id":2,\n"a":[\n  {"id":9}\noh\n]\n}', [], ["lines 2 to 8"], id="broken behind a part"),
        pytest.param('{\n"id":2\n} x', [], ["lines 2 to 4"], id="something behind it"),
        pytest.param('{\n"id":2\n}\n}', [2], ["line 5"], id="one brace too many"),
        pytest.param('{\n"id":2\n\n}\n\n{"id":3}{"id":4}', [2], ["line 7"], id="two on a line"),
        pytest.param('{\n"id":"\xff"\n}', [], ["lines 2 to 4"], id="not UTF-8"),
        pytest.param('  {\r\n"id":2\r\n}', [2], [], id="indented"),
        pytest.param('{"a":\n{"id":2}\n{\n"id":3\n}', [2, 3], ["line 2"], id="cut before a value"),
        pytest.param('{"a":[\n{"id":9},\n{"id":2}', [2], ["lines 2 to 3"], id="cut inside an array"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_errors_around_objects_that_span_lines(text: str, ids: list[int], places: list[str], size: int) -> None:
    with block_bytes(size):
        found, rejects = rows(f'{{"id":1}}\n{text}\n{{"id":8}}\n'.encode("latin-1"))
    assert values_of(found) == [{"id": n} for n in [1, *ids, 8]]
    assert [place for place, _ in rejects] == places


def test_lines_to_the_end_without_an_object_are_no_rows() -> None:
    read = a_read(b'{"id":1}\n{\n"id":2,\n"a":\n')
    assert sum(table.num_rows for table in JsonlParser().batches(read)) == 1
    assert [place for place, _ in read.rejects.places] == ["lines 2 to 4"]
    assert read.rejects.kinds == {RejectKind.UNREADABLE}


def test_inside_of_a_large_broken_object_only_lines_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_RETRIED_BYTES", 20)
    data = b'{"id":1}\n{"a":[\n' + b"1,\n" * 20 + b'{"id":9},\n2\n{"id":2}\n{\n"id":3\n}\n'
    found, rejects = rows(data)
    assert values_of(found) == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert [place for place, _ in rejects] == ["lines 2 to 24"]
    found, rejects = rows(data[: data.index(b"2\n{")])
    assert values_of(found) == [{"id": 1}]
    assert [place for place, _ in rejects] == ["lines 2 to 23"]


def test_a_broken_compressed_file_gives_its_whole_objects() -> None:
    start = b'{"id":1}\n{\n"id":2\n}\n'
    data = start + b'{\n"id":3,\n"a":"' + random.Random(1).randbytes(100_000).hex().encode() + b'"\n}\n'
    found, rejects = rows(gzip.compress(data)[:50_000])
    assert values_of(found) == [{"id": 1}, {"id": 2}]
    ((place, why),) = rejects
    assert place == f"byte {len(start)} to the end"
    assert "the gzip data breaks off" in why


@pytest.mark.parametrize("cut", [3, 20, 200])
def test_a_broken_compressed_file_gives_its_whole_lines(cut: int) -> None:
    data = b"".join(b'{"id":%d}\n' % i for i in range(200_000))
    found, rejects = rows(gzip.compress(data)[:-cut])
    ((place, why),) = rejects
    start = data.index(b'{"id":%d}' % len(found)) if len(found) < 200_000 else len(data)
    assert place == f"byte {start} to the end"
    assert "the gzip data breaks off" in why
    assert [row["id"][1] for row in found] == [str(i) for i in range(len(found))]
    assert len(found) > 199_000


def test_the_last_object_of_a_broken_compressed_file_counts_if_it_is_whole() -> None:
    found, rejects = rows(gzip.compress(b'{"id":1}\n{"id":2}')[:-4])
    assert values_of(found) == [{"id": 1}, {"id": 2}]
    assert [place for place, _ in rejects] == ["byte 17 to the end"]


@pytest.mark.parametrize("data", [b'[{"id":1},{"id":2}', b'{\n"id": 1}{"id":2}{"id":'])
def test_a_broken_compressed_file_cut_by_nesting(data: bytes) -> None:
    found, rejects = rows(gzip.compress(data)[:-4])
    assert values_of(found) == [{"id": 1}, {"id": 2}]
    ((place, why),) = rejects
    assert place == "byte 18 to the end"
    assert "the gzip data breaks off" in why


@pytest.mark.parametrize("data", [b'{"a":"%s"}' % (b"x" * 5000), b'{\n"a":"%s"}' % (b"x" * 5000)])
def test_a_value_of_any_size_is_no_limit_of_memory(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "LARGEST_VALUE", 1000)
    with block_bytes(100):
        found, rejects = rows(b'{"a":1}\n' + data + b'\n{"a":2}')
    assert values_of(found) == [{"a": 1}, {"a": 2}]
    assert rejects == [("lines 2 to 3" if b"\n" in data else "line 2", "a single value of more than 0 MB")]


def test_large_lines_are_checked_without_building_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_LARGEST_BLOCK", 1000)
    numbers = b'{"a":[' + b",".join(b"%d" % i for i in range(5000)) + b"]}"
    objects = b'{"a":[' + b",".join(b'{"b":null}' for i in range(5000)) + b"]}"
    found, rejects = rows(numbers + b"\n" + objects + b'\n{"a":[1,' + b"1," * 2000 + b"]}\n" + numbers)
    assert [len(row["a"]) for row in found] == [5000, 5000, 5000]
    assert [place for place, _ in rejects] == ["line 3"]


# --- Discovery ------------------------------------------------------------------------------------------------------


def schema_of(data: bytes) -> Mapping[str, Any]:
    read = a_read(data)
    return asyncio.run(JsonlParser().infer_schema(CONFIG, read.file, read.stream_reader, LOGGER))


def test_types_of_columns() -> None:
    data = b"""
        {"n":null, "b":true, "i":1, "f":1.5, "s":"x", "o":{"x":1}, "a":[1], "e":1e3, "big":9223372036854775807}
        {"n":null, "b":null, "i":2, "f":2, "s":5, "o":null, "a":null, "u":18446744073709551616, "late":false}
    """
    assert schema_of(data) == {
        "n": {"type": "null"},
        "b": {"type": "boolean"},
        "i": {"type": "integer"},
        "f": {"type": "number"},
        "s": {"type": "string"},
        "o": {"type": "object"},
        "a": {"type": "array"},
        "e": {"type": "number"},
        "big": {"type": "integer"},
        "u": {"type": "number"},
        "late": {"type": "boolean"},
    }
    assert list(schema_of(data)) == ["n", "b", "i", "f", "s", "o", "a", "e", "big", "u", "late"]


@pytest.mark.parametrize(
    ("literal", "name"),
    [
        ("-9223372036854775808", "integer"),
        ("-9223372036854775809", "number"),
        ("18446744073709551615", "integer"),
        ("18446744073709551616", "number"),
        ("9" * 5000, "number"),
        ("-0", "integer"),
        ("0.0", "number"),
        ("1E2", "number"),
    ],
)
def test_integers_beyond_64_bits_are_numbers(literal: str, name: str) -> None:
    assert schema_of(f'{{"a":{literal}}}'.encode()) == {"a": {"type": name}}


@pytest.mark.parametrize(
    ("values", "merged"),
    [
        (["1", "true"], "integer"),
        (["true", '"x"'], "string"),
        (["[]", "null"], "array"),
        (["[]", "1"], ["integer", "array"]),
        (["{}", '"x"'], ["string", "object"]),
        (["{}", "[]"], ["object", "array"]),
    ],
)
def test_conflicting_types_never_fail(values: list[str], merged: Any) -> None:
    for order in (values, values[::-1]):
        assert schema_of("\n".join(f'{{"a":{v}}}' for v in order).encode()) == {"a": {"type": merged}}


def test_discovery_stops_after_a_million_characters_but_sees_one_object() -> None:
    big = '{"big":"' + "é" * 600_000 + '"}\n'
    assert list(schema_of((big + '{"second":1}\n' + big + '{"last":1}\n').encode())) == ["big", "second"]
    assert list(schema_of(('{"a":"' + "x" * 3_000_000 + '"}\n{"b":1}').encode())) == ["a"]


def test_discovery_passes_over_bad_lines_and_reads_all_shapes() -> None:
    assert list(schema_of(b'{"a":1}\n{"a":\n{"b":2}')) == ["a", "b"]
    assert list(schema_of(b'[{"a":1},{"b":2}]')) == ["a", "b"]
    assert list(schema_of(b'{"a":\n1}{"b":2}')) == ["a", "b"]
    assert list(schema_of(b'{"a":1}\n{\n"b":2\n}\n{"c":\n{"d":\n4}\n')) == ["a", "b", "d"]
    assert schema_of(b"") == {}
    assert schema_of(b"{}\n{") == {}


def test_discovery_of_a_file_without_a_good_object_fails_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RecordParseError, match=r"d/events\.jsonl.*byte 0 to the end: not a JSON object"):
        schema_of(b'"secret"\n')
    assert caplog.records == []


def test_records_are_the_same_one_by_one() -> None:
    read = a_read(b'{"a":1,"n":null}\n{"a":\n{"a":18446744073709551616}\n')
    records = JsonlParser().parse_records(CONFIG, read.file, read.stream_reader, LOGGER, None)
    found = []
    with pytest.raises(RecordParseError, match="line 2"):
        found.extend(iter(records))
    for record in JsonlParser().parse_records(CONFIG, read.file, Reader(b'{"a":1,"n":null}'), LOGGER, None):
        assert record == {"a": 1, "n": None}


# --- Python values ---------------------------------------------------------------------------------------------------

_PIECES = [
    *(
        '{"a":1}',
        '{"a":1,"b":null}',
        '{"a":{"b":[1,{"c":2}]}}',
        '{"a":1,"a":2}',
        "{}",
        '{"_ab_source_file_url":"x","a":1}',
    ),
    *('{"a":123456789012345678901234567890}', '{"a":1e400}', '{"a":NaN}', '{"a":"\\ud800"}', '{"a":-0}', '{"a":-0.0}'),
    *(
        '{"a":"ü}\\n{"}',
        '{"a":1}, {"b":2}',
        '{"a":1} {"b":2}',
        '{"a":[{"b":1}',
        '{"b":2}]}',
        '{"a":1',
        "x",
        "",
        " ",
        "[]",
    ),
    *(' {"a":1}', '{"a":1} ', '{"a" : 1}\r', '{"a":1.10}', '{"a":18446744073709551616}', "{", "}", "null", "1"),
]


@given(st.lists(st.sampled_from(_PIECES), max_size=6), st.booleans())
@settings(max_examples=500, deadline=None)
def test_values_that_are_read_together_are_those_of_the_lines(lines: list[str], ends: bool) -> None:
    data = ("\n".join(lines) + "\n" * ends).encode()

    def values() -> tuple[str, list[tuple[str, str]]]:
        read = a_read(data, keep_nulls=True, as_rows=True, reserved=RESERVED)
        found = [row for table in JsonlParser().batches(read) for row in wire.rows(Batch(table))]
        return repr(found), read.rejects.places

    together = values()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "rows_of_lines", lambda *_: None)
        assert together == values()


def test_values_are_read_together() -> None:
    data = b"".join(b'{"id":%d,"name":"n","none":null,"long":%d}\n' % (n, 10**30 + n) for n in range(5000))
    tables = list(JsonlParser().batches(a_read(data, keep_nulls=True, as_rows=True, reserved=RESERVED)))
    assert {type(table) for table in tables} == {Rows}
    assert [row for table in tables for row in table.records()] == [
        {"id": n, "name": "n", "none": None, "long": 10**30 + n} for n in range(5000)
    ]
