"""What several modules ask of Arrow types: kinds that have many types, and forms that Arrow does not make itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc


class Unprintable(ValueError):
    """An array holds values that have no form on the wire. The text says why, without any value."""


def is_list(kind: pa.DataType) -> bool:
    """Whether cells of this type are lists, in any layout; a map is none."""
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def uuid_texts(array: pa.ExtensionArray) -> pa.StringArray:
    """The canonical text of UUIDs, ``12345678-1234-5678-1234-567812345678``."""
    cells = array.storage.to_pylist()
    return pa.array([None if cell is None else str(uuid.UUID(bytes=cell)) for cell in cells], pa.string())


def _holds_dictionary(kind: pa.DataType) -> bool:
    """Whether values of this type, or some inside of them, are numbers of values in a dictionary."""
    if isinstance(kind, pa.BaseExtensionType):
        return _holds_dictionary(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return True
    return any(_holds_dictionary(kind.field(number).type) for number in range(kind.num_fields))


def dictionary_arrays(array: pa.Array) -> Iterator[pa.DictionaryArray]:
    """The arrays with a dictionary in an array, at any depth, in the order of its columns of values."""
    if pa.types.is_dictionary(array.type):
        yield array
    elif _holds_dictionary(array.type):
        for child in _children(array):
            yield from dictionary_arrays(child)


def dense_bytes(array: pa.Array) -> int:
    """About how many bytes an array has as plain values: a value of a dictionary counts wherever it stands."""
    kind = array.type
    if not _holds_dictionary(kind):
        try:
            return int(array.nbytes)
        except pa.ArrowTypeError:  # views, in older releases of pyarrow
            return 16 * len(array)
    if not pa.types.is_dictionary(kind):
        return 4 * len(array) + sum(map(dense_bytes, _children(array)))
    values, indices = array.dictionary, array.indices
    if _has_lengths(kind.value_type):
        size = pc.sum(pc.take(pc.binary_length(values), indices)).as_py() or 0
    else:
        size = dense_bytes(values) * len(array) // max(1, len(values))
    return size + int(indices.nbytes)


def _has_lengths(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    )


def _children(array: pa.Array) -> Sequence[pa.Array]:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return [array.storage]
    if pa.types.is_struct(kind):
        return list(array.flatten())
    if pa.types.is_map(kind):
        return [array.keys, array.items]
    return [array.flatten()] if is_list(kind) else []
