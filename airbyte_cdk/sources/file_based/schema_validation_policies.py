"""What happens to a record that does not fit the stream's schema."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from airbyte_cdk.sources.file_based.config.file_based_stream_config import ValidationPolicy
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, StopSyncPerValidationPolicy
from airbyte_cdk.sources.file_based.schema_helpers import conforms_to_schema, nonconforming_column


class AbstractSchemaValidationPolicy(ABC):
    """Decides, record by record, whether it is sent.

    Attributes:
        name: Name in messages.
        validate_schema_before_sync: Whether `check` tries the policy on the first record.
    """

    name: str
    validate_schema_before_sync = False

    @abstractmethod
    def record_passes_validation_policy(self, record: Mapping[str, Any], schema: Mapping[str, Any] | None) -> bool:
        """Whether `record`, without the metadata columns, is sent.

        Args:
            record: Values by column name.
            schema: JSON schema of the stream, ``{"type": "object", "properties": {...}}``; None if it has none.
        """


class EmitRecordPolicy(AbstractSchemaValidationPolicy):
    """Every record is sent."""

    name = "emit_record"

    def record_passes_validation_policy(self, record: Mapping[str, Any], schema: Mapping[str, Any] | None) -> bool:
        """Always true."""
        return True


class SkipRecordPolicy(AbstractSchemaValidationPolicy):
    """A record that does not fit the schema is left out."""

    name = "skip_record"

    def record_passes_validation_policy(self, record: Mapping[str, Any], schema: Mapping[str, Any] | None) -> bool:
        """Whether the record fits."""
        return schema is not None and conforms_to_schema(record, schema)


class WaitForDiscoverPolicy(AbstractSchemaValidationPolicy):
    """A record that does not fit the schema stops the stream."""

    name = "wait_for_discover"
    validate_schema_before_sync = True

    def record_passes_validation_policy(self, record: Mapping[str, Any], schema: Mapping[str, Any] | None) -> bool:
        """True if the record fits.

        Raises:
            StopSyncPerValidationPolicy: It does not; the message names the first column at fault.
        """
        if schema is None or not conforms_to_schema(record, schema):
            raise StopSyncPerValidationPolicy(
                FileBasedSourceError.STOP_SYNC_PER_SCHEMA_VALIDATION_POLICY,
                column=None if schema is None else nonconforming_column(record, schema),
            )
        return True


DEFAULT_SCHEMA_VALIDATION_POLICIES: Mapping[ValidationPolicy, AbstractSchemaValidationPolicy] = {
    ValidationPolicy.emit_record: EmitRecordPolicy(),
    ValidationPolicy.skip_record: SkipRecordPolicy(),
    ValidationPolicy.wait_for_discover: WaitForDiscoverPolicy(),
}
