from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.parsers.json_layout import Layout, learn
from airbyte_cdk.sources.file_based.parsers.json_lines import Bodies


def layout_of(*lines: str, known: Layout | None = None) -> Layout | None:
    return learn("".join(line + "\n" for line in lines).encode(), known)


def test_columns_that_a_line_lacks_are_put_where_they_belong() -> None:
    layout = layout_of('{"b":1,"d":2}', '{"a":1,"b":2,"c":3,"d":4}', '{"d":1,"e":2}')
    assert layout is not None
    assert layout.names == ["a", "b", "c", "d", "e"]
    assert layout.holds(b'{"e":1}\n{"a":null}\n{"b":true,"c":"x","e":-1.5e3}\n')
    wider = layout_of('{"e":1,"f":"x"}', known=layout)
    assert wider is not None
    assert wider.names == [*layout.names, "f"]
    assert layout_of('{"e":1}', known=layout) is None


@pytest.mark.parametrize(
    "lines",
    [
        [""],
        ["{}"],
        ['{"a":[1]}'],
        ['{"a":{}}'],
        ['{"a":1}', '{"a": 2, "b": 3}'],
        ['{"a": 1,"b": 2}'],
        ['{"a" :1}'],
        ['{"a":1,}'],
        ['{"a\\u0062":1}'],
        ['{"a:":1}'],
        ['{"a,":1}'],
        ['{"a ":1}'],
        ['{"\x01a":1}'],
        ['{"a":1} '],
        ["{" + ",".join(f'"c{i}":{i}' for i in range(65)) + "}"],
    ],
)
def test_other_lines_have_no_layout(lines: list[str]) -> None:
    assert layout_of(*lines) is None


@pytest.mark.parametrize(
    "block",
    [
        '{"a":1,"a":2}\n',
        '{"b":1,"a":2}\n',
        '{"a":1,"x":2}\n',
        '{"a":01}\n',
        '{"a":1.}\n',
        '{"a":NaN}\n',
        '{"a":"\x01"}\n',
        '{"a":"\\x"}\n',
        '{"a":"\\ud800"}\n',
        '{"a":"\\udc00"}\n',
        '{"a":"\\ud800\\u0041"}\n',
        '{"a":[]}\n',
        '{"a": 1}\n',
        '{"a":1}"b":2}\n',
        '{"a":1}',
        '{"a":1}\n\n',
        '{"a":1}\r\n',
        '{"a":1}{"a":1}\n',
        ' {"a":1}\n',
    ],
)
def test_what_a_layout_does_not_hold(block: str) -> None:
    layout = layout_of('{"a":1,"b":2}')
    assert layout is not None
    assert not layout.holds(block.encode())


def test_strings_of_all_kinds_are_held() -> None:
    layout = layout_of('{"a":1,"b":2}')
    assert layout is not None
    for text in ['"', "\\", "\n\t\r\b\f", "é", "😀", "\u2028", "{", ",", '":null', "\x7f", "\ufffe"]:
        for ascii_only in (False, True):
            line = json.dumps({"a": text, "b": text}, ensure_ascii=ascii_only, separators=(",", ":"))
            assert layout.holds(line.encode() + b"\n")


def test_nulls_are_taken_out() -> None:
    layout = layout_of('{"a": 1, "b": 2, "c": 3}')
    assert layout is not None
    block = b'{"a": null, "b": null, "c": 1}\n{"a": 1, "b": null, "c": null}\n{"a": ", \\"b\\": null", "b": "null"}\n'
    assert layout.holds(block)
    assert layout.without_nulls(block) == b'{"c": 1}\n{"a": 1}\n{"a": ", \\"b\\": null", "b": "null"}\n'


LINES = [
    '{"a":1,"b":"x\\u00e9}","c":null}',
    '{"a":-0.5E+3,"c":true}',
    '{"b":""}',
    '{"a":null,"b":null}',
    '{"c":null}',
    "{}",
]
PIECES = st.sampled_from(
    ["", '"', ",", "{", "}", "}\n{", "\n", ":", "null", '"a":1', ',"c":2', "0", "-", "\\", " ", "é"]
)


@given(
    lines=st.lists(st.sampled_from(LINES), min_size=1, max_size=6),
    damage=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 4), PIECES), max_size=3),
    keep_nulls=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_lines_are_as_the_standard_library_reads_them(
    lines: list[str], damage: list[tuple[int, int, str]], keep_nulls: bool
) -> None:
    text = "\n".join(lines) + "\n"
    for place, length, instead in damage:
        text = text[:place] + instead + text[place + length :]
    rejected: list[int] = []
    bodies = Bodies(frozenset(), keep_nulls, lambda number, _: rejected.append(number))
    bodies.of_block(b'{"a":1,"b":2,"c":3}\n', 1)  # from which the layout is learned
    found = [json.loads(b"{" + body + b"}", object_pairs_hook=once) for body in bodies.of_block(text.encode(), 1)]
    expected = [read(line) for line in text.split("\n")]
    assert found == [
        {name: value for name, value in row.items() if keep_nulls or value is not None}
        for row in expected
        if isinstance(row, dict)
    ]
    assert rejected == [
        i
        for i, (row, line) in enumerate(zip(expected, text.split("\n"), strict=True), 1)
        if row is None and line.strip()
    ]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def read(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
