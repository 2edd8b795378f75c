from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from airbyte_cdk.models import (
    AirbyteLogMessage,
    AirbyteRecordMessageFileReference,
    AirbyteTraceMessage,
    Level,
    TraceType,
    Type,
)
from airbyte_cdk.sources.utils.record_helper import stream_data_to_airbyte_message
from airbyte_cdk.sources.utils.slice_logger import AlwaysLogSliceLogger, DebugSliceLogger


class Upper:
    def transform(self, record: dict[str, Any], schema: Mapping[str, Any]) -> None:
        for key in schema["properties"]:
            record[key] = record[key].upper()


def test_a_mapping_becomes_a_record() -> None:
    data = {"a": "x", "b": "y"}
    file = AirbyteRecordMessageFileReference(staging_file_url="f")
    message = stream_data_to_airbyte_message("s", data, Upper(), {"properties": {"a": {}}}, file)
    assert message.type is Type.RECORD
    assert message.record is not None
    assert (message.record.stream, message.record.data) == ("s", {"a": "X", "b": "y"})
    assert message.record.file_reference is file
    assert message.record.emitted_at > 1_600_000_000_000
    assert data == {"a": "x", "b": "y"}


def test_payloads_are_wrapped() -> None:
    log = AirbyteLogMessage(level=Level.INFO, message="m")
    trace = AirbyteTraceMessage(type=TraceType.ERROR, emitted_at=1.0)
    assert stream_data_to_airbyte_message("s", log).log is log
    assert stream_data_to_airbyte_message("s", trace).trace is trace
    with pytest.raises(ValueError, match="Stream s gave a int"):
        stream_data_to_airbyte_message("s", 5)  # type: ignore[arg-type]


def test_slices_are_announced() -> None:
    logger = logging.getLogger("airbyte.slices")
    logger.setLevel(logging.INFO)
    assert AlwaysLogSliceLogger().should_log_slice_message(logger) is True
    assert DebugSliceLogger().should_log_slice_message(logger) is False
    logger.setLevel(logging.DEBUG)
    assert DebugSliceLogger().should_log_slice_message(logger) is True
    message = DebugSliceLogger().create_slice_log_message({"at": datetime.datetime(2020, 1, 1)})
    assert message.log is not None
    assert message.log.level is Level.INFO
    assert message.log.message == 'slice:{"at": "2020-01-01 00:00:00"}'
    nothing = DebugSliceLogger().create_slice_log_message(None).log
    assert nothing is not None
    assert nothing.message == "slice:null"
