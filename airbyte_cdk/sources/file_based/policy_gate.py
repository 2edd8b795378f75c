"""Applies a stream's validation policy to whole batches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.models.batch import JsonLines, RowWise, Table
from airbyte_cdk.sources.file_based.arrow_conformance import batch_conformance, nonconforming_batch_column
from airbyte_cdk.sources.file_based.schema_helpers import SchemaType, fitting_columns, nonconforming_column
from airbyte_cdk.sources.file_based.schema_validation_policies import (
    AbstractSchemaValidationPolicy,
    EmitRecordPolicy,
    SkipRecordPolicy,
    WaitForDiscoverPolicy,
)
from airbyte_cdk.utils.overriding import overrides
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from airbyte_cdk.utils.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from airbyte_cdk.sources.file_based.json_conformance import LineCheck
    from airbyte_cdk.sources.file_based.parsers.base import FileRead
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

_CHECKED_LINES = 256
"""Lines that are checked at once; if one of them does not fit, each is checked alone."""
_BUILT_IN = (EmitRecordPolicy, SkipRecordPolicy, WaitForDiscoverPolicy)


def is_built_in(policy: AbstractSchemaValidationPolicy) -> bool:
    """Whether the policy decides as one of the three published ones does."""
    return any(_decides_as(policy, cls) for cls in _BUILT_IN)


def _decides_as(policy: AbstractSchemaValidationPolicy, cls: type[AbstractSchemaValidationPolicy]) -> bool:
    return isinstance(policy, cls) and not overrides(policy, "record_passes_validation_policy", cls)


def stopped(stream: str, file: RemoteFile, row: int, column: str | None) -> AirbyteTracedException:
    """The config error that ends a stream whose policy is to wait for discover; `row` counts from 0."""
    message = (
        f"Stream {stream} was stopped, as its validation policy Wait for Discover asks: record {row + 1} of file "
        f"{file.file_uri_for_logging} does not fit the schema in column {column!r}. Refresh the schema (discover), or "
        "choose another validation policy."
    )
    return AirbyteTracedException(
        internal_message=message,
        message=message,
        failure_type=FailureType.config_error,
    )


def report_dropped(
    logger: logging.Logger, stream: str, file: RemoteFile, dropped: int, policy: AbstractSchemaValidationPolicy
) -> None:
    """Tell the user how many records of a file the policy dropped."""
    logger.warning(
        f"stream={stream} file={file.file_uri_for_logging}: {counted(dropped, 'record')} skipped by the validation "
        f"policy {policy.name}, for values that do not fit the schema"
    )


class PolicyGate:
    """Lets the rows of one file pass, or not, by a built-in policy.

    Args:
        policy: A built-in policy.
        schema: The stream's JSON schema in the catalog.
        stream: Name of the stream.
        read: The reading of the file, which knows the types of its columns once it has begun.
    """

    def __init__(
        self, policy: AbstractSchemaValidationPolicy, schema: Mapping[str, Any], stream: str, read: FileRead
    ) -> None:
        self._policy = policy
        self._schema = schema
        self._stream = stream
        self._read = read
        self._open = _decides_as(policy, EmitRecordPolicy)
        self._stops = _decides_as(policy, WaitForDiscoverPolicy)
        self._dropped = 0

    @cached_property
    def _properties(self) -> SchemaType:
        properties: SchemaType = self._schema.get("properties", {})
        return properties

    @cached_property
    def _known(self) -> frozenset[str]:
        return fitting_columns(self._read.described, self._properties)

    @cached_property
    def _line_check(self) -> LineCheck:
        from airbyte_cdk.sources.file_based.json_conformance import LineCheck

        return LineCheck(self._properties, self._known)

    def filter(self, table: Table, first_row: int) -> Table:
        """The rows that pass; `first_row` is the number of the first one in its file.

        Raises:
            AirbyteTracedException: a config_error at the first row that does not fit, if the policy asks for it.
        """
        if self._open or not table.num_rows:
            return table
        if self._read.described and self._known.issuperset(self._read.described):
            return table
        return self._rows(table, first_row) if isinstance(table, RowWise) else self._batch(table, first_row)

    def _batch(self, table: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
        judged = table.drop_columns([name for name in table.schema.names if name in self._known])
        mask = batch_conformance(judged, self._properties)
        if mask is True:
            return table
        if self._stops:
            row = mask.index(False).as_py()
            column = nonconforming_batch_column(judged, row, self._properties)
            raise stopped(self._stream, self._read.file, first_row + row, column)
        self._dropped += mask.false_count
        return table.filter(mask)

    def _rows(self, table: RowWise, first_row: int) -> RowWise:
        fits = self._fitting_lines(table.bodies) if isinstance(table, JsonLines) else self._fitting(table)
        if all(fits):
            return table
        if self._stops:
            row = fits.index(False)
            column = nonconforming_column(next(islice(table.records(), row, None)), self._schema, self._known)
            raise stopped(self._stream, self._read.file, first_row + row, column)
        self._dropped += fits.count(False)
        return table.kept(fits)

    def _fitting_lines(self, bodies: Sequence[bytes]) -> list[bool]:
        """Which lines fit: told natively of many at once, then of one, and only where that does not know, exactly."""
        fits: list[bool] = []
        for start in range(0, len(bodies), _CHECKED_LINES):
            block = bodies[start : start + _CHECKED_LINES]
            if self._line_check.all_fit(block):
                fits += [True] * len(block)
            else:
                fits += [self._line_check.all_fit([body]) or self._fitting(JsonLines([body]))[0] for body in block]
        return fits

    def _fitting(self, table: RowWise) -> list[bool]:
        return [nonconforming_column(record, self._schema, self._known) is None for record in table.records()]

    def report(self, logger: logging.Logger) -> None:
        """Tell the user what was dropped, if anything."""
        if self._dropped:
            report_dropped(logger, self._stream, self._read.file, self._dropped, self._policy)
