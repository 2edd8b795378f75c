"""Errors of file-based sources: what they say, and how those of single files are collected."""

import pytest

from airbyte_cdk.models import AirbyteLogMessage, AirbyteMessage, FailureType, Level, Type
from airbyte_cdk.sources.file_based import exceptions
from airbyte_cdk.sources.file_based.exceptions import (
    BaseFileBasedSourceError,
    CustomFileBasedException,
    DuplicatedFilesError,
    ErrorListingFiles,
    FileBasedErrorsCollector,
    FileBasedSourceError,
    FileSizeLimitError,
    RecordParseError,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

PUBLISHED = [
    "EMPTY_STREAM",
    "GLOB_PARSE_ERROR",
    "ENCODING_ERROR",
    "ERROR_CASTING_VALUE",
    "ERROR_CASTING_VALUE_UNRECOGNIZED_TYPE",
    "ERROR_DECODING_VALUE",
    "ERROR_LISTING_FILES",
    "ERROR_READING_FILE",
    "ERROR_PARSING_RECORD",
    "ERROR_PARSING_USER_PROVIDED_SCHEMA",
    "ERROR_VALIDATING_RECORD",
    "ERROR_VALIDATION_STREAM_DISCOVERY_OPTIONS",
    "ERROR_PARSING_RECORD_MISMATCHED_COLUMNS",
    "ERROR_PARSING_RECORD_MISMATCHED_ROWS",
    "STOP_SYNC_PER_SCHEMA_VALIDATION_POLICY",
    "NULL_VALUE_IN_SCHEMA",
    "UNRECOGNIZED_TYPE",
    "SCHEMA_INFERENCE_ERROR",
    "INVALID_SCHEMA_ERROR",
    "CONFIG_VALIDATION_ERROR",
    "MISSING_SCHEMA",
    "UNDEFINED_PARSER",
    "UNDEFINED_VALIDATION_POLICY",
]


def test_every_published_reason_has_a_text_of_its_own() -> None:
    assert [reason.name for reason in FileBasedSourceError] == PUBLISHED
    assert all(reason.value.strip() for reason in FileBasedSourceError)


def test_message_holds_reason_and_place() -> None:
    error = ErrorListingFiles(FileBasedSourceError.ERROR_LISTING_FILES, source="s3", bucket="b", prefix=None)
    assert FileBasedSourceError.ERROR_LISTING_FILES.value in error.args[0]
    assert "source=s3 bucket=b" in error.args[0]
    assert "prefix" not in error.args[0]
    assert str(error) == error.args[0]


def test_a_plain_text_is_a_reason() -> None:
    error = BaseFileBasedSourceError("the drive is gone")
    assert str(error) == error.reason == "the drive is gone"


@pytest.mark.parametrize(
    "name",
    [
        "ConfigValidationError",
        "InvalidSchemaError",
        "MissingSchemaError",
        "NoFilesMatchingError",
        "RecordParseError",
        "ExcelCalamineParsingError",
        "SchemaInferenceError",
        "CheckAvailabilityError",
        "UndefinedParserError",
        "StopSyncPerValidationPolicy",
        "ErrorListingFiles",
        "RawFilePathError",
    ],
)
def test_the_family(name: str) -> None:
    assert issubclass(getattr(exceptions, name), BaseFileBasedSourceError)
    assert not issubclass(getattr(exceptions, name), AirbyteTracedException)


def test_duplicates_are_named_with_their_paths() -> None:
    text = str(DuplicatedFilesError([{"a.csv": ["x/a.csv", "y/a.csv"]}, {"b": ["1/b", "2/b", "3/b"]}], stream="raw"))
    assert "2 duplicates found for file name a.csv" in text
    assert "3 duplicates found for file name b" in text
    assert all(path in text for path in ("x/a.csv", "y/a.csv", "1/b", "2/b", "3/b"))
    assert "stream=raw" in text


def test_duplicates_are_traced_as_they_are_and_the_list_of_them_is_bounded() -> None:
    error = DuplicatedFilesError([{f"{n}.csv": [f"{d}/{n}.csv" for d in range(50)]} for n in range(50)], stream="raw")
    assert isinstance(error, BaseFileBasedSourceError)
    assert isinstance(error, AirbyteTracedException)
    assert error.failure_type is FailureType.config_error
    assert str(error) == error.message == error.internal_message
    assert "50 duplicates found for file name 0.csv:\n - 0/0.csv\n - 1/0.csv" in str(error)
    assert "and 30 more\n" in str(error)
    assert "and 30 more names" in str(error)
    assert len(str(error)) < 8000


def test_traced_errors_take_the_published_arguments() -> None:
    error = FileSizeLimitError(message="m", internal_message="i", failure_type=FailureType.config_error)
    assert isinstance(error, CustomFileBasedException)
    assert isinstance(error, AirbyteTracedException)
    assert (error.message, error.internal_message, error.failure_type) == ("m", "i", FailureType.config_error)
    assert CustomFileBasedException("i").internal_message == "i"


def log(text: str) -> AirbyteMessage:
    return AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.ERROR, message=text))


def test_collected_errors_are_given_once_and_then_raised() -> None:
    collector, other = FileBasedErrorsCollector(), FileBasedErrorsCollector()
    collector.collect(log("1"))
    collector.collect(log("2"))
    assert other.errors == []
    seen = []
    with pytest.raises(AirbyteTracedException) as error:
        seen.extend(collector.yield_and_raise_collected())
    assert error.value.failure_type is FailureType.config_error
    assert error.value.message
    assert collector.errors == []
    assert list(collector.yield_and_raise_collected()) == []


def test_messages_come_before_the_error() -> None:
    collector = FileBasedErrorsCollector()
    collector.collect(log("1"))
    messages = collector.yield_and_raise_collected()
    assert next(messages).log.message == "1"  # type: ignore[union-attr]
    with pytest.raises(AirbyteTracedException):
        next(messages)


def test_a_parse_error_without_place_is_its_reason() -> None:
    reason = FileBasedSourceError.ERROR_PARSING_RECORD
    assert str(RecordParseError(reason)) == reason.value
