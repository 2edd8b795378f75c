"""The three validation policies."""

from typing import Any

import pytest

from airbyte_cdk.sources.file_based.config.file_based_stream_config import ValidationPolicy
from airbyte_cdk.sources.file_based.exceptions import StopSyncPerValidationPolicy
from airbyte_cdk.sources.file_based.schema_validation_policies import (
    DEFAULT_SCHEMA_VALIDATION_POLICIES,
    EmitRecordPolicy,
    SkipRecordPolicy,
    WaitForDiscoverPolicy,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": ["null", "integer"]}, "b": {"type": ["null", "integer"]}}}
BAD: list[dict[str, Any]] = [{"a": "x"}, {"a": 1, "b": "x"}, {"c": 1}]


def test_there_is_one_policy_for_each_choice() -> None:
    assert list(DEFAULT_SCHEMA_VALIDATION_POLICIES) == list(ValidationPolicy)
    assert [
        (policy.name, policy.validate_schema_before_sync) for policy in DEFAULT_SCHEMA_VALIDATION_POLICIES.values()
    ] == [("emit_record", False), ("skip_record", False), ("wait_for_discover", True)]


@pytest.mark.parametrize("record", [{"a": 1}, *BAD])
def test_emit_lets_everything_pass(record: dict[str, Any]) -> None:
    assert EmitRecordPolicy().record_passes_validation_policy(record, SCHEMA)
    assert EmitRecordPolicy().record_passes_validation_policy(record, None)


def test_skip_drops_what_does_not_fit() -> None:
    policy = SkipRecordPolicy()
    assert policy.record_passes_validation_policy({"a": 1, "b": None}, SCHEMA)
    assert not any(policy.record_passes_validation_policy(record, SCHEMA) for record in BAD)
    assert not policy.record_passes_validation_policy({"a": 1}, None)


@pytest.mark.parametrize(("record", "column"), list(zip(BAD, "abc", strict=True)))
def test_wait_names_the_column(record: dict[str, Any], column: str) -> None:
    policy = WaitForDiscoverPolicy()
    assert policy.record_passes_validation_policy({"a": 1}, SCHEMA)
    with pytest.raises(StopSyncPerValidationPolicy, match=f"column={column}"):
        policy.record_passes_validation_policy(record, SCHEMA)
    with pytest.raises(StopSyncPerValidationPolicy):
        policy.record_passes_validation_policy({"a": 1}, None)
