"""The options of one stream."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from pydantic.v1 import BaseModel, Field, root_validator, validator
from pydantic.v1.fields import ModelField

from airbyte_cdk.sources.file_based.config.avro_format import AvroFormat
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.excel_format import ExcelFormat
from airbyte_cdk.sources.file_based.config.json_schema import OptionConfig, dereferenced, one_of, plain_enum
from airbyte_cdk.sources.file_based.config.jsonl_format import JsonlFormat
from airbyte_cdk.sources.file_based.config.parquet_format import ParquetFormat
from airbyte_cdk.sources.file_based.config.unstructured_format import UnstructuredFormat
from airbyte_cdk.sources.file_based.config.variants import chosen_variant
from airbyte_cdk.sources.file_based.exceptions import ConfigValidationError, FileBasedSourceError
from airbyte_cdk.sources.file_based.schema_helpers import type_mapping_to_jsonschema


class ValidationPolicy(Enum):
    """What to do with a record that does not fit the stream's schema."""

    emit_record = "Emit Record"
    skip_record = "Skip Record"
    wait_for_discover = "Wait for Discover"


class FileBasedStreamConfig(BaseModel):
    """One stream: which files it has, and how they are read. Unknown keys are ignored.

    Attributes:
        name: Name of the stream.
        globs: Patterns of the files' paths; a file that matches one of them belongs to the stream. None matches none.
        legacy_prefix: Prefix of all files, as old configs have it; handed to the reader.
        validation_policy: What happens to a record that does not fit the schema.
        input_schema: JSON text of one object, column name to type name; see `get_input_schema`.
        primary_key: Name of the column that identifies a record.
        days_to_sync_if_history_is_full: Days back from now in which unknown files are read although a full history,
            written by an earlier release, does not say whether they were; 0 means 3.
        format: Options of the file format; without ``filetype``, the first format whose options fit.
        schemaless: Whether each record is one object in a column ``data``.
        recent_n_files_to_read_for_schema_discovery: How many of the newest files discovery looks at.
        use_first_found_file_for_schema_discovery: Whether discovery looks at the first listed file only.
        on_bad_rows: ``fail``: bad rows make the stream incomplete, and their file is sent again at the next sync;
            ``skip``: they are told, and the file counts as read.

    Raises:
        pydantic.v1.ValidationError: A value is not of its field's kind.
        ConfigValidationError: Options contradict each other, or `input_schema` is not what it must be.
    """

    class Config(OptionConfig):
        title = "Stream"

        @staticmethod
        def schema_extra(schema: dict[str, Any], model: type[BaseModel]) -> None:
            OptionConfig.schema_extra(schema, model)
            plain_enum(schema, "validation_policy")
            one_of(schema, "format")

    name: str = Field(title="Name", description="The name of the stream, and usually of the table it fills.")
    globs: list[str] | None = Field(
        default=["**"],
        title="Globs",
        description=(
            "Patterns that say which files belong to the stream; a file belongs if one of them matches its path. "
            "* and ? stand for characters other than /, and ** as a whole part of the path for any number of "
            'directories. See the <a href="https://facelessuser.github.io/wcmatch/glob/" target="_blank">rules</a>.'
        ),
        order=1,
    )
    legacy_prefix: str | None = Field(
        title="Path Prefix (Old Configurations)",
        description="The prefix of all files in configurations made before globs were introduced. Leave it as it is.",
        airbyte_hidden=True,
    )
    validation_policy: ValidationPolicy = Field(
        default=ValidationPolicy.emit_record,
        title="Validation Policy",
        description=(
            "What to do with a record that does not fit the stream's schema: send it all the same, leave it out and "
            "say so in the log, or stop the stream until the schema is refreshed."
        ),
        enum=[policy.value for policy in ValidationPolicy],
    )
    input_schema: str | None = Field(
        title="Schema",
        description=(
            "The columns of the stream, instead of those that are found in the files: a JSON object from column name "
            'to type, such as {"id": "integer", "name": "string"}. Types are string, number, integer, boolean, '
            "object, array and null."
        ),
    )
    primary_key: str | None = Field(
        title="Primary Key",
        description="The column whose value identifies a record. Leave it empty if there is none.",
        airbyte_hidden=True,
    )
    days_to_sync_if_history_is_full: int = Field(
        default=3,
        title="Days to Look Back",
        description=(
            "Used once, when a connection was last synced by an earlier release that did not remember all of its "
            "files: files of this many past days are read again if it is not known whether they were."
        ),
    )
    format: AvroFormat | CsvFormat | JsonlFormat | ParquetFormat | UnstructuredFormat | ExcelFormat = Field(
        title="Format",
        description="The format of the files, and how to read it. Compressed files need no option of their own.",
        type="object",
    )
    schemaless: bool = Field(
        default=False,
        title="Schemaless",
        description="Whether to send each record as one object, in a column named data, instead of as columns.",
    )
    recent_n_files_to_read_for_schema_discovery: int | None = Field(
        default=None,
        title="Newest Files to Look At",
        description="How many of the newest files are looked at to find the columns of the stream.",
        gt=0,
    )
    use_first_found_file_for_schema_discovery: bool = Field(
        default=False,
        title="Look at One File Only",
        description=(
            "Whether to find the columns in the first file that matches, without listing the others. Faster if there "
            "are many files that all have the same columns."
        ),
    )
    on_bad_rows: Literal["fail", "skip"] = Field(
        default="fail",
        title="Bad Rows",
        description=(
            "What to do when a row of a file cannot be read. Its good rows are sent in any case, and the log says "
            "which rows are bad. With fail, the sync of the stream is then incomplete, and the file is sent again "
            "until it is fixed; with skip, the file counts as read."
        ),
    )

    @classmethod
    def schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """JSON schema of a stream's options: fresh, free to edit, without references."""
        return dereferenced(super().schema(*args, **kwargs))

    @validator("format", pre=True)
    def _format_by_filetype(cls, value: Any, field: ModelField) -> Any:
        return chosen_variant(value, field, "filetype")

    @validator("input_schema")
    def _input_schema_is_readable(cls, text: str | None, values: dict[str, Any]) -> str | None:
        if text is None or not text.strip():
            return None
        try:
            type_mapping_to_jsonschema(text)
        except ConfigValidationError as error:
            raise ConfigValidationError(error.reason, stream=values.get("name"), field="input_schema") from None
        return text

    @validator("days_to_sync_if_history_is_full")
    def _days_are_not_negative(cls, days: int) -> int:
        if days < 0:
            raise ValueError("must not be negative")
        return days

    @root_validator(skip_on_failure=True)
    def _one_source_of_columns(cls, values: dict[str, Any]) -> dict[str, Any]:
        exclusive = ("schemaless", "input_schema", "use_first_found_file_for_schema_discovery")
        given = [option for option in exclusive if values.get(option)]
        recent, first = "recent_n_files_to_read_for_schema_discovery", "use_first_found_file_for_schema_discovery"
        if len(given) < 2 and values.get(recent) and values.get(first):
            given = [recent, first]
        if len(given) > 1:
            raise ConfigValidationError(
                FileBasedSourceError.ERROR_VALIDATION_STREAM_DISCOVERY_OPTIONS,
                stream=values.get("name"),
                options=", ".join(given),
            )
        return values

    def get_input_schema(self) -> Mapping[str, Any] | None:
        """`input_schema` as a JSON schema, ``{"type": "object", "properties": {...}}``; None if none is given."""
        return type_mapping_to_jsonschema(self.input_schema)
