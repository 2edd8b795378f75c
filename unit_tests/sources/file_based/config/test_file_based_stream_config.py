"""Validation of the options of one stream."""

import json
from typing import Any

import pytest
from pydantic.v1 import BaseModel, Field, ValidationError

from airbyte_cdk.sources.file_based.config.avro_format import AvroFormat
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.excel_format import ExcelFormat
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig, ValidationPolicy
from airbyte_cdk.sources.file_based.config.jsonl_format import JsonlFormat
from airbyte_cdk.sources.file_based.config.parquet_format import ParquetFormat
from airbyte_cdk.sources.file_based.config.unstructured_format import APIProcessingConfigModel, UnstructuredFormat
from airbyte_cdk.sources.file_based.exceptions import ConfigValidationError


def stream(**options: Any) -> FileBasedStreamConfig:
    return FileBasedStreamConfig(**{"name": "s", "format": {"filetype": "csv"}, **options})


def test_defaults() -> None:
    config = stream(unknown=1)
    assert config.dict(exclude={"format"}) == {
        "name": "s",
        "globs": ["**"],
        "legacy_prefix": None,
        "validation_policy": ValidationPolicy.emit_record,
        "input_schema": None,
        "primary_key": None,
        "days_to_sync_if_history_is_full": 3,
        "schemaless": False,
        "recent_n_files_to_read_for_schema_discovery": None,
        "use_first_found_file_for_schema_discovery": False,
        "on_bad_rows": "fail",
    }
    assert config.get_input_schema() is None


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ({}, AvroFormat),
        ({"delimiter": ";"}, AvroFormat),
        ({"double_as_string": "neither"}, CsvFormat),
        ({"double_as_string": "neither", "delimiter": "::"}, JsonlFormat),
        ({"filetype": "avro"}, AvroFormat),
        ({"filetype": "csv"}, CsvFormat),
        ({"filetype": "jsonl"}, JsonlFormat),
        ({"filetype": "parquet"}, ParquetFormat),
        ({"filetype": "unstructured"}, UnstructuredFormat),
        ({"filetype": "excel"}, ExcelFormat),
        (CsvFormat(), CsvFormat),
        (ExcelFormat(), ExcelFormat),
    ],
)
def test_the_format_is_the_one_named_or_else_the_first_that_fits(given: Any, model: type[BaseModel]) -> None:
    assert type(stream(format=given).format) is model


def test_a_wrong_option_is_reported_once_with_its_name() -> None:
    with pytest.raises(ValidationError) as error:
        stream(format={"filetype": "csv", "delimiter": "::"})
    assert [entry["loc"] for entry in error.value.errors()] == [("format", "delimiter")]


def test_an_unknown_format_is_told_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="`filetype` must be one of `avro`, `csv`, `jsonl`, `parquet`"):
        stream(format={"filetype": "xml"})


@pytest.mark.parametrize("given", [None, "csv", {"filetype": None}])
def test_what_is_no_format_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError, match="format"):
        stream(format=given)


def test_a_connector_may_have_formats_of_its_own() -> None:
    class Tabs(CsvFormat):
        delimiter: str = "\t"

    class TabConfig(FileBasedStreamConfig):
        format: Tabs | JsonlFormat = Field(title="Format")

    assert type(TabConfig(name="s", format={"filetype": "csv"}).format) is Tabs
    with pytest.raises(ValidationError, match="`filetype` must be one of `csv`, `jsonl`"):
        TabConfig(name="s", format={"filetype": "avro"})


@pytest.mark.parametrize("globs", [None, [], ["a/*.csv", "b"]])
def test_globs(globs: list[str] | None) -> None:
    assert stream(globs=globs).globs == globs


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("name", None),
        ("globs", "*.csv"),
        ("validation_policy", "emit_record"),
        ("validation_policy", None),
        ("primary_key", ["a"]),
        ("input_schema", {"a": "string"}),
        ("days_to_sync_if_history_is_full", None),
        ("days_to_sync_if_history_is_full", "x"),
        ("days_to_sync_if_history_is_full", -1),
        ("schemaless", None),
        ("recent_n_files_to_read_for_schema_discovery", 0),
        ("recent_n_files_to_read_for_schema_discovery", "x"),
        ("use_first_found_file_for_schema_discovery", "maybe"),
        ("on_bad_rows", "ignore"),
        ("on_bad_rows", None),
    ],
)
def test_a_bad_value_is_reported_under_its_name(option: str, value: Any) -> None:
    with pytest.raises(ValidationError) as error:
        stream(**{option: value})
    assert [entry["loc"] for entry in error.value.errors()] == [(option,)]


def test_bad_rows_may_be_skipped() -> None:
    assert stream(on_bad_rows="skip").on_bad_rows == "skip"


@pytest.mark.parametrize(
    "options",
    [
        {"schemaless": True, "input_schema": '{"a": "string"}'},
        {"schemaless": True, "input_schema": "{}"},
        {"schemaless": True, "use_first_found_file_for_schema_discovery": True},
        {"input_schema": '{"a": "string"}', "use_first_found_file_for_schema_discovery": True},
        {"recent_n_files_to_read_for_schema_discovery": 3, "use_first_found_file_for_schema_discovery": True},
    ],
)
def test_contradicting_sources_of_columns(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigValidationError) as error:
        stream(**options)
    assert "stream=s" in str(error.value)
    assert all(option in str(error.value) for option in options)


@pytest.mark.parametrize(
    "options",
    [
        {"schemaless": True, "recent_n_files_to_read_for_schema_discovery": 3},
        {"input_schema": '{"a": "string"}', "recent_n_files_to_read_for_schema_discovery": 3},
        {"schemaless": True, "input_schema": ""},
        {"schemaless": True, "input_schema": "  "},
    ],
)
def test_sources_of_columns_that_go_together(options: dict[str, Any]) -> None:
    config = stream(**options)
    assert config.recent_n_files_to_read_for_schema_discovery == options.get(
        "recent_n_files_to_read_for_schema_discovery"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"a": "string", "b": "integer"}, {"a": "string", "b": "integer"}),
        ({"a": " STRing ", "b": "Float"}, {"a": "string", "b": "number"}),
        ({" a ": "object", "c": "array", "d": "null", "e": "boolean"}, None),
    ],
)
def test_a_given_schema(given: dict[str, str], expected: dict[str, str] | None) -> None:
    schema = stream(input_schema=json.dumps(given)).get_input_schema()
    assert schema == {"type": "object", "properties": {c: {"type": t} for c, t in (expected or given).items()}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not json", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"x"', "not a JSON object"),
        ("1", "not a JSON object"),
        ('{"a": "varchar"}', "column 'a' is not known: 'varchar'"),
        ('{"a": 1}', "type of column 'a'"),
        ('{"a": null}', "type of column 'a'"),
        ('{"a": ["null", "string"]}', "type of column 'a'"),
        ('{"a": " "}', "type of column 'a'"),
        ('{" ": "string"}', "column without a name"),
    ],
)
def test_a_given_schema_that_cannot_be_used(text: str, why: str) -> None:
    with pytest.raises(ConfigValidationError) as error:
        stream(input_schema=text)
    assert why in str(error.value)
    assert "stream=s" in str(error.value)
    assert "field=input_schema" in str(error.value)


def test_the_way_documents_are_processed() -> None:
    assert UnstructuredFormat().processing.mode == "local"
    assert UnstructuredFormat(strategy="as you like").strategy == "as you like"
    api = UnstructuredFormat(processing={"mode": "api", "parameters": [{"name": "a", "value": "b"}]}).processing
    assert isinstance(api, APIProcessingConfigModel)
    assert (api.api_key, api.api_url) == ("", "https://api.unstructured.io")
    for processing in ({}, None, {"mode": "cloud"}, {"mode": "api", "api_key": None}):
        with pytest.raises(ValidationError, match="processing"):
            UnstructuredFormat(processing=processing)
