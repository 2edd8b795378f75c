"""What several modules ask of Arrow types: kinds that have many types, and forms that Arrow does not make itself."""

from __future__ import annotations

import uuid

import pyarrow as pa


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
