"""What a type checker must refuse, through old import paths.

Each marked line has exactly the error that it names, and no other line has one.
"""

from __future__ import annotations

import logging
from datetime import datetime

from airbyte_cdk.models.airbyte_protocol_serializers import AirbyteMessageSerializer
from airbyte_cdk.sources.file_based.availability_strategy import DefaultFileBasedAvailabilityStrategy
from airbyte_cdk.sources.file_based.file_types.csv_parser import CsvParser, NoSuchParser  # expect: attr-defined
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.file_based.schema_validation_policies.default_schema_validation_policies import (
    DEFAULT_SCHEMA_VALIDATION_POLICIES,
)
from airbyte_cdk.sources.file_based.stream import NoSuchStream  # expect: attr-defined
from airbyte_cdk.sources.file_based.stream.concurrent.cursor import FileBasedConcurrentCursor
from airbyte_cdk.sources.file_based.stream.cursor.default_file_based_cursor import DefaultFileBasedCursor

logger = logging.getLogger("airbyte")
file = RemoteFile(uri="a", last_modified=datetime(2024, 1, 1))


class Cursor(DefaultFileBasedCursor):
    def add_file(self, file: str) -> None:  # expect: override
        super().add_file(file)  # expect: arg-type


def use(cursor: DefaultFileBasedCursor, parallel: FileBasedConcurrentCursor) -> None:
    cursor.add_file(file)
    cursor.add_file("a.csv")  # expect: arg-type
    parallel.get_files_to_sync([file])  # expect: call-arg
    found: int = cursor.get_state()  # expect: assignment
    DefaultFileBasedCursor("no config")  # expect: arg-type
    DefaultFileBasedAvailabilityStrategy(logger)  # expect: arg-type
    DefaultFileBasedAvailabilityStrategy.no_such_method()  # expect: attr-defined
    CsvParser().no_such_method()  # expect: attr-defined
    DEFAULT_SCHEMA_VALIDATION_POLICIES["emit"]  # expect: index
    AirbyteMessageSerializer.dump(file)  # expect: arg-type
    logger.info(f"{found} {NoSuchParser} {NoSuchStream}")
