from __future__ import annotations

from typing import Any

import pytest

from airbyte_cdk.utils.mapping_helpers import combine_mappings, get_interpolation_context


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize(
    ("mappings", "expected"),
    [
        ([], {}),
        ([None, {}], {}),
        ([{"a": 1}, {"b": {"c": 2}}, None], {"a": 1, "b": {"c": 2}}),
        (["x"], "x"),
        (["x", None, {}], "x"),
        (["", None], ""),
    ],
)
def test_what_goes_together(mappings: Any, expected: Any, merge: bool) -> None:
    assert combine_mappings(mappings, allow_same_value_merge=merge) == expected


@pytest.mark.parametrize(
    ("mappings", "expected"),
    [
        ([{"a": 1}, {"a": 1}], {"a": 1}),
        ([{"a": None}, {"a": None}], {"a": None}),
        ([{"a": [1]}, {"a": [1]}], {"a": [1]}),
        ([{"a": {"b": 1}}, {"a": {"c": 1}}], {"a": {"b": 1, "c": 1}}),
        ([{"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 1, "d": 2}}}], {"a": {"b": {"c": 1, "d": 2}}}),
    ],
)
def test_what_goes_together_if_equal_values_may(mappings: Any, expected: Any) -> None:
    before = repr(mappings)
    assert combine_mappings(mappings, allow_same_value_merge=True) == expected
    assert repr(mappings) == before
    with pytest.raises(ValueError, match="the key a is given more than once"):
        combine_mappings(mappings)


@pytest.mark.parametrize(
    ("mappings", "text"),
    [
        ([{"a": 1}, {"a": 2}], "the key a "),
        ([{"a": {"b": 1}}, {"a": {"b": 2}}], "the key a.b "),
        ([{"a": {"b": 1}}, {"a": 2}], "the key a "),
        (["x", {"a": 1}], "a text cannot"),
        (["", {"a": 1}], "a text cannot"),
        (["x", "y"], "several texts"),
        (["", "x"], "several texts"),
    ],
)
def test_what_does_not_go_together(mappings: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        combine_mappings(mappings, allow_same_value_merge=True)
    with pytest.raises(ValueError, match="the key a is given" if text.startswith("the key") else text):
        combine_mappings(mappings)


def test_the_context_of_templates() -> None:
    context = get_interpolation_context(stream_state={"s": 1}, stream_slice={"a": 1}, next_page_token={"b": 2})
    assert context == {"stream_slice": {"a": 1}, "next_page_token": {"b": 2}}
    assert get_interpolation_context() == {"stream_slice": None, "next_page_token": None}
