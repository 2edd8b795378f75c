"""Whether the rows of Arrow batches fit a JSON schema, column by column.

The rules are those of `schema_helpers.nonconforming_column`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from airbyte_cdk.sources.file_based.schema_helpers import (
    SCALARS,
    TYPES,
    WIDTH,
    SchemaType,
    declared_names,
    fits,
    fits_type,
)

if TYPE_CHECKING:
    import pyarrow as pa


def batch_conformance(batch: pa.RecordBatch, properties: SchemaType) -> Literal[True] | pa.BooleanArray:
    """Whether the rows of a batch fit the declared columns: True if all do, else one boolean a row.

    The rules are those of `nonconforming_column`. A typed column is judged by its type, once for the whole batch; cells
    are only looked at where they hold JSON text, or where the type does not fit and so only nulls do. An Arrow type
    fits each type under which discovery declares it: a duration ``integer``, a time of day ``integer`` and ``string``,
    a dictionary column ``object`` and the type of its values.
    """
    outcomes = [
        _conformance(column, properties.get(name))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return _all_of([outcome for outcome in outcomes if outcome is not True])


def nonconforming_batch_column(batch: pa.RecordBatch, row: int, properties: SchemaType) -> str | None:
    """Name of the first column that does not fit in row `row` (from 0) of a batch, or None if all do."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if _conformance(column.slice(row, 1), properties.get(name)) is not True:
            return str(name)
    return None


def _all_of(masks: list[pa.BooleanArray]) -> Literal[True] | pa.BooleanArray:
    import pyarrow.compute as pc

    if not masks:
        return True
    merged = masks[0]
    for mask in masks[1:]:
        merged = pc.and_(merged, mask)
    return True if merged.false_count == 0 else merged


def _any_of(masks: list[pa.BooleanArray]) -> Literal[True] | pa.BooleanArray:
    import pyarrow.compute as pc

    merged = masks[0]
    for mask in masks[1:]:
        merged = pc.or_(merged, mask)
    return True if merged.false_count == 0 else merged


def _conformance(column: pa.Array, prop: Mapping[str, Any] | None) -> Literal[True] | pa.BooleanArray:
    """Which cells of a column fit a property; None as property means that the column is not declared."""
    import pyarrow as pa

    if column.null_count == len(column):
        return True
    if prop is None:
        return _nulls_of(column)
    names = declared_names(prop)
    if names is None:
        return True
    if not names:
        return _nulls_of(column)
    if isinstance(column.type, pa.JsonType):
        return _json_conformance(column, prop)
    if isinstance(column.type, pa.BaseExtensionType):
        return _conformance(column.storage, prop)
    outcomes = [_type_conformance(column, name, prop) for name in names]
    return True if any(outcome is True for outcome in outcomes) else _any_of([o for o in outcomes if o is not True])


def _type_conformance(column: pa.Array, declared: str, prop: Mapping[str, Any]) -> Literal[True] | pa.BooleanArray:
    import pyarrow as pa

    from airbyte_cdk.models.arrow_kinds import is_list

    arrow_type = column.type
    if pa.types.is_union(arrow_type):
        cells = [fits_type(value, declared, prop) for value in column.to_pylist()]
        return True if all(cells) else pa.array(cells, pa.bool_())
    if declared == "array" and is_list(arrow_type):
        return _list_conformance(column, prop.get("items"))
    return True if declared in _declared_as(arrow_type) else _nulls_of(column)


def _nulls_of(column: pa.Array) -> pa.BooleanArray:
    """True where a cell is null; a union has no nulls of its own, so each of its cells counts as a value."""
    import pyarrow as pa

    if pa.types.is_union(column.type):
        return pa.array([value is None for value in column.to_pylist()], pa.bool_())
    return column.is_null()


def _declared_as(arrow_type: pa.DataType) -> frozenset[str]:
    """Types that a column of this Arrow type fits."""
    from pyarrow import types

    from airbyte_cdk.models.arrow_kinds import is_list

    if types.is_dictionary(arrow_type) or types.is_run_end_encoded(arrow_type):
        return _declared_as(arrow_type.value_type) | {"object"}
    if types.is_struct(arrow_type) or types.is_map(arrow_type):
        return frozenset({"object"})
    if is_list(arrow_type) or types.is_interval(arrow_type):
        return frozenset({"array"})
    if types.is_null(arrow_type):
        return TYPES
    if types.is_boolean(arrow_type):
        width = WIDTH["boolean"]
    elif types.is_integer(arrow_type) or types.is_duration(arrow_type) or types.is_time(arrow_type):
        width = WIDTH["integer"]
    elif types.is_floating(arrow_type):
        width = WIDTH["number"]
    else:
        width = WIDTH["string"]
    return frozenset(SCALARS[width:])


def _list_conformance(column: pa.Array, items: Any) -> Literal[True] | pa.BooleanArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(items, Mapping):
        return True
    inner = _conformance(pc.list_flatten(column), items)
    if inner is True:
        return True
    at_fault = set(pc.list_parent_indices(column).filter(pc.invert(inner)).to_pylist())
    return pa.array([row not in at_fault for row in range(len(column))], pa.bool_())


def _json_conformance(column: pa.Array, prop: Mapping[str, Any]) -> Literal[True] | pa.BooleanArray:
    import pyarrow as pa

    cells = [text is None or fits(json.loads(text), prop) for text in column.storage.to_pylist()]
    return True if all(cells) else pa.array(cells, pa.bool_())
