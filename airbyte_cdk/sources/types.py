"""The values that streams, slicers and cursors hand to each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteRecordMessageFileReference

__all__ = [
    "Config",
    "ConnectionDefinition",
    "EmptyString",
    "FieldPointer",
    "Record",
    "SliceHasher",
    "StreamSlice",
    "StreamState",
]

FieldPointer: TypeAlias = list[str]
"""Path to a value inside a record, one key a level."""

Config: TypeAlias = Mapping[str, Any]
"""The config of a connector, as the user wrote it."""

ConnectionDefinition: TypeAlias = Mapping[str, Any]
"""What a connector that is described by data is made of."""

StreamState: TypeAlias = Mapping[str, Any]
"""The state of one stream."""

EmptyString = ""
"""The empty text, which connectors compare with."""


class Record(Mapping[str, Any]):
    """A record, and where it comes from.

    It is a mapping of its data, and equal to another `Record` of the same data, never to a plain mapping.

    Args:
        data: The columns.
        stream_name: The stream that it belongs to.
        associated_slice: The slice in which it was read.
        file_reference: The file that the record stands for.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        stream_name: str,
        associated_slice: StreamSlice | None = None,
        file_reference: AirbyteRecordMessageFileReference | None = None,
    ) -> None:
        self._data = data
        self._associated_slice = associated_slice
        self.stream_name = stream_name
        self.file_reference = file_reference

    @property
    def data(self) -> Mapping[str, Any]:
        """The columns, not a copy of them."""
        return self._data

    @property
    def associated_slice(self) -> StreamSlice | None:
        """The slice in which the record was read."""
        return self._associated_slice

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __eq__(self, other: object) -> bool:
        return self._data == other._data if isinstance(other, Record) else False

    __hash__ = None  # type: ignore[assignment]  # its data may change; the typing of `object` has no way to say so

    def __repr__(self) -> str:
        return repr(self._data)


class StreamSlice(Mapping[str, Any]):
    """One part of a stream: which part of the data (`partition`), and which stretch of it (`cursor_slice`).

    As a mapping it holds the keys of both. It cannot be changed, is equal to a mapping of the same items, and can be
    hashed. What is in `extra_fields` goes along and is not a part of that.

    >>> january = StreamSlice(partition={"shop": 7}, cursor_slice={"from": "2026-01-01"})
    >>> january["shop"], january.cursor_slice, january == {"shop": 7, "from": "2026-01-01"}
    (7, {'from': '2026-01-01'}, True)

    Args:
        partition: Keys that tell this part of the data from others; a slice gives its own partition.
        cursor_slice: Keys that bound what is read of the partition; a slice gives its own bounds.
        extra_fields: What else whoever reads the slice wants to know.

    Raises:
        ValueError: a key is in both.
    """

    def __init__(
        self,
        *,
        partition: Mapping[str, Any],
        cursor_slice: Mapping[str, Any],
        extra_fields: Mapping[str, Any] | None = None,
    ) -> None:
        self._partition = partition
        self._cursor_slice = cursor_slice
        self._extra_fields = extra_fields or {}
        if overlap := partition.keys() & cursor_slice.keys():
            raise ValueError(f"a slice has the keys {sorted(overlap)} both in its partition and in its cursor_slice")
        self._items = {**partition, **cursor_slice}

    @property
    def partition(self) -> Mapping[str, Any]:
        """Keys that tell this part of the data from others."""
        partition = self._partition
        while isinstance(partition, StreamSlice):
            partition = partition.partition
        return partition

    @property
    def cursor_slice(self) -> Mapping[str, Any]:
        """Keys that bound what is read of the partition."""
        bounds = self._cursor_slice
        while isinstance(bounds, StreamSlice):
            bounds = bounds.cursor_slice
        return bounds

    @property
    def extra_fields(self) -> Mapping[str, Any]:
        """What else goes along."""
        return self._extra_fields

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __setitem__(self, key: str, value: Any) -> None:
        raise ValueError("a slice cannot be changed")

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __bool__(self) -> bool:
        return bool(self._items) or bool(self._extra_fields)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StreamSlice):
            return self._items == other._items
        return self._items == other if isinstance(other, Mapping) else False

    def __hash__(self) -> int:
        return _digest(_sorted_json(self._items))

    def __repr__(self) -> str:
        return repr(self._items)


class SliceHasher:
    """Numbers for slices that are the same in each process."""

    @classmethod
    def hash(
        cls, stream_name: str = "<stream name not provided>", stream_slice: Mapping[str, Any] | None = None
    ) -> int:
        """The last 64 bits of the SHA-256 of the stream's name and the slice as JSON with sorted keys.

        Raises:
            ValueError: the slice has no form in JSON.
        """
        if not stream_slice:
            return _digest(stream_name)
        return _digest(f"{stream_name}:{_sorted_json(stream_slice)}")


def _sorted_json(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(value), sort_keys=True, default=_nested)
    except TypeError as error:
        raise ValueError(f"a slice has no form in JSON: {error}") from error


def _nested(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has none")


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[-8:], "big")
