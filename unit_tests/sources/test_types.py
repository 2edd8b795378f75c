from __future__ import annotations

import copy
import pickle

import pytest

from airbyte_cdk import StreamSlice as PublicStreamSlice
from airbyte_cdk.sources.types import EmptyString, Record, SliceHasher, StreamSlice


def test_a_slice_is_a_mapping_of_partition_and_bounds() -> None:
    part = StreamSlice(partition={"a": 1}, cursor_slice={"b": 2}, extra_fields={"x": 3})
    assert dict(part) == {"a": 1, "b": 2} == part
    assert (part.partition, part.cursor_slice, part.extra_fields) == ({"a": 1}, {"b": 2}, {"x": 3})
    assert part["b"] == 2
    assert "x" not in part
    assert part == StreamSlice(partition={"a": 1, "b": 2}, cursor_slice={})
    assert hash(part) == hash(StreamSlice(partition={"b": 2, "a": 1}, cursor_slice={}))
    assert part != {"a": 1}
    assert repr(part) == "{'a': 1, 'b': 2}"
    assert PublicStreamSlice is StreamSlice


def test_a_slice_cannot_be_changed() -> None:
    part = StreamSlice(partition={}, cursor_slice={})
    with pytest.raises(ValueError, match="cannot be changed"):
        part["a"] = 1
    with pytest.raises(ValueError, match=r"\['a'\] both"):
        StreamSlice(partition={"a": 1}, cursor_slice={"a": 1})


def test_a_slice_is_true_if_anything_is_in_it() -> None:
    assert not StreamSlice(partition={}, cursor_slice={})
    assert StreamSlice(partition={"a": None}, cursor_slice={})
    assert StreamSlice(partition={}, cursor_slice={}, extra_fields={"x": 1})


def test_slices_in_slices_give_their_own_part() -> None:
    inner = StreamSlice(partition={"a": 1}, cursor_slice={"b": 2})
    assert StreamSlice(partition=inner, cursor_slice={"c": 3}).partition == {"a": 1}
    assert StreamSlice(partition={"c": 3}, cursor_slice=inner).cursor_slice == {"b": 2}


def test_a_slice_can_be_copied() -> None:
    part = StreamSlice(partition={"a": [1]}, cursor_slice={"b": 2})
    assert copy.deepcopy(part) == part == pickle.loads(pickle.dumps(part))


def test_slice_hashes_are_the_same_everywhere() -> None:
    assert SliceHasher.hash("s", {"a": 1}) == 8692636279121042745
    assert SliceHasher.hash("s") == 4580826087088369545 == SliceHasher.hash("s", {})
    nested = StreamSlice(partition={"a": StreamSlice(partition={"b": 1}, cursor_slice={})}, cursor_slice={})
    assert SliceHasher.hash("s", nested) == SliceHasher.hash("s", {"a": {"b": 1}})
    with pytest.raises(ValueError, match="no form in JSON"):
        SliceHasher.hash("s", {"a": object()})


def test_a_record_is_a_mapping_of_its_data() -> None:
    part = StreamSlice(partition={"a": 1}, cursor_slice={})
    record = Record({"c": 1}, "s", part)
    assert (dict(record), record.data, record.stream_name) == ({"c": 1}, {"c": 1}, "s")
    assert record.associated_slice is part
    assert record.file_reference is None
    assert record == Record({"c": 1}, "another")
    assert record != {"c": 1}
    assert "c" in record
    assert len(record) == 1
    assert repr(record) == "{'c': 1}"


def test_the_empty_string_is_empty() -> None:
    assert EmptyString == ""
