"""Applies a stream's validation policy to whole batches."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.models.batch import Batch, JsonLines, Rows, Table
from airbyte_cdk.models.wire import rows
from airbyte_cdk.sources.file_based.schema_helpers import (
    batch_conformance,
    conforms_to_schema,
    nonconforming_batch_column,
    nonconforming_column,
)
from airbyte_cdk.sources.file_based.schema_validation_policies import (
    AbstractSchemaValidationPolicy,
    EmitRecordPolicy,
    SkipRecordPolicy,
    WaitForDiscoverPolicy,
)
from airbyte_cdk.utils.overriding import overrides
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

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
        f"stream={stream} file={file.file_uri_for_logging}: {dropped} records do not fit the schema and were skipped "
        f"by the validation policy {policy.name}"
    )


class PolicyGate:
    """Lets the rows of one file pass, or not, by a built-in policy.

    Args:
        policy: A built-in policy.
        schema: The stream's JSON schema in the catalog.
        stream: Name of the stream.
        file: The file.
    """

    def __init__(
        self, policy: AbstractSchemaValidationPolicy, schema: Mapping[str, Any], stream: str, file: RemoteFile
    ) -> None:
        self._policy = policy
        self._schema = schema
        self._stream = stream
        self._file = file
        self._open = _decides_as(policy, EmitRecordPolicy)
        self._stops = _decides_as(policy, WaitForDiscoverPolicy)
        self._dropped = 0

    def filter(self, table: Table, first_row: int) -> Table:
        """The rows that pass; `first_row` is the number of the first one in its file.

        Raises:
            AirbyteTracedException: a config_error at the first row that does not fit, if the policy asks for it.
        """
        if self._open or not table.num_rows:
            return table
        if isinstance(table, JsonLines | Rows):
            fits = [conforms_to_schema(record, self._schema) for record in rows(Batch(table))]
        else:
            mask = batch_conformance(table, self._schema.get("properties", {}))
            if mask is True:
                return table
            fits = mask.to_pylist()
        if all(fits):
            return table
        if self._stops:
            row = fits.index(False)
            raise stopped(self._stream, self._file, first_row + row, self._misfit(table, row))
        self._dropped += fits.count(False)
        return _kept(table, fits)

    def _misfit(self, table: Table, row: int) -> str | None:
        if isinstance(table, JsonLines | Rows):
            return nonconforming_column(next(islice(rows(Batch(table)), row, None)), self._schema)
        return nonconforming_batch_column(table, row, self._schema.get("properties", {}))

    def report(self, logger: logging.Logger) -> None:
        """Tell the user what was dropped, if anything."""
        if self._dropped:
            report_dropped(logger, self._stream, self._file, self._dropped, self._policy)


def _kept(table: Table, keep: list[bool]) -> Table:
    if isinstance(table, JsonLines):
        return JsonLines([body for body, kept in zip(table.bodies, keep, strict=True) if kept])
    if isinstance(table, Rows):
        return Rows([record for record, kept in zip(table.records, keep, strict=True) if kept])
    import pyarrow as pa

    return table.filter(pa.array(keep, pa.bool_()))
