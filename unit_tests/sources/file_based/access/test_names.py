"""Names that are bytes, as uris that are text."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airbyte_cdk.sources.file_based.access.names import can_be, name_of, printable, uri_of

NAMES = st.lists(
    st.sampled_from([b"\\", b"x", b"5", b"c", b"f", b"8", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"/", b"a"])
)


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        (b"a b/\xc3\xbc.csv", "a b/ü.csv"),
        (b"bad\xff.csv", r"bad\xff.csv"),
        (rb"bad\xff.csv", r"bad\x5cxff.csv"),
        (rb"C:\xampp\x7f\x5C.csv", r"C:\xampp\x7f\x5C.csv"),
        (rb"\x5c", r"\x5cx5c"),
    ],
)
def test_names(name: bytes, uri: str) -> None:
    assert uri_of(name) == uri
    assert name_of(uri) == name


@given(NAMES)
@example([b"\\", b"\\", b"x", b"5", b"c"])
@settings(max_examples=500, deadline=None)
def test_a_uri_leads_back_to_its_name_and_can_be_written(parts: list[bytes]) -> None:
    name = b"".join(parts)
    uri = uri_of(name)
    assert name_of(uri) == name
    assert orjson.loads(orjson.dumps(uri)) == uri
    assert can_be([part for part in uri.split("/") if part])
    assert uri.split("/") == [uri_of(part) for part in name.split(b"/")]


@pytest.mark.parametrize("part", ["", ".", "..", "a\0", "\udcff", "a\ud800b", r"\xc3\xa9", r"\x5cx"])
def test_what_is_no_part_of_a_uri(part: str) -> None:
    assert not can_be(["a", part])


def test_half_surrogates() -> None:
    assert printable("a\udcff\udcc3\ud800ü") == "a\\xff\\xc3\ud800ü"
    assert printable("ü") == "ü"
