"""The errors of file-based sources.

BaseFileBasedSourceError            a reason from `FileBasedSourceError`, and where it was met
    ConfigValidationError           the config contradicts itself, or a value in it cannot be used
    InvalidSchemaError              a schema cannot be used
    MissingSchemaError              the catalog has no schema for the stream
    NoFilesMatchingError            no file matches the globs
    RecordParseError                the content of a file cannot be read
    ExcelCalamineParsingError       one reader of workbooks gave up, another may be tried
    SchemaInferenceError            the columns of a file cannot be found out
    CheckAvailabilityError          a stream cannot be listed or opened
    UndefinedParserError            no parser is registered for the format
    StopSyncPerValidationPolicy     a record does not fit the schema, and the stream is to stop then
    ErrorListingFiles               the storage cannot be listed
    RawFilePathError                a raw file has a path that its copy cannot have
    DuplicatedFilesError            two raw files would get the same name; shown to the user as it is, too
AirbyteTracedException              shown to the user as it is
    CustomFileBasedException        a connector's own message
        FileSizeLimitError          a raw file is too large to be copied
    EmptyFileSchemaInferenceError   no file has content to find columns in
    MissingLibraryError             an extra of this package is not installed
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteMessage, FailureType
    from airbyte_cdk.sources.file_based.rejects import Rejects


class FileBasedSourceError(Enum):
    """Reasons, in words for the user."""

    EMPTY_STREAM = (
        "No file matches the stream's globs. Check the globs, the start date, and that the credentials give access to "
        "the files."
    )
    GLOB_PARSE_ERROR = "A glob cannot be understood. Check the stream's globs."
    ENCODING_ERROR = "A file is not in the encoding that is set for it. Check the encoding option of the format."
    ERROR_CASTING_VALUE = "A value cannot be turned into the type that the schema gives its column."
    ERROR_CASTING_VALUE_UNRECOGNIZED_TYPE = "The schema gives a column a type that is not known."
    ERROR_DECODING_VALUE = "A value cannot be decoded into the type that the schema gives its column."
    ERROR_LISTING_FILES = (
        "The files cannot be listed. Check the credentials, that they allow listing, and that the storage exists."
    )
    ERROR_READING_FILE = "A file cannot be opened. Check that the credentials allow reading it, and that it exists."
    ERROR_PARSING_RECORD = "The content of a file cannot be read. Check the file, and the options of its format."
    ERROR_PARSING_USER_PROVIDED_SCHEMA = (
        "The schema given in the configuration cannot be used. It must be a JSON object from column name to one of: "
        "array, boolean, integer, null, number, object, string."
    )
    ERROR_VALIDATING_RECORD = "A record does not fit the stream's schema."
    ERROR_VALIDATION_STREAM_DISCOVERY_OPTIONS = (
        "The columns of a stream can come from one place only: choose one of a given schema, schemaless, the first "
        "found file, or the newest files."
    )
    ERROR_PARSING_RECORD_MISMATCHED_COLUMNS = "A row has more values than the file has columns."
    ERROR_PARSING_RECORD_MISMATCHED_ROWS = "A row has fewer values than the file has columns."
    STOP_SYNC_PER_SCHEMA_VALIDATION_POLICY = (
        "The stream was stopped because a record does not fit its schema and the validation policy is Wait for "
        "Discover. Refresh the schema, or choose another validation policy."
    )
    NULL_VALUE_IN_SCHEMA = "The schema has a column without a type."
    UNRECOGNIZED_TYPE = "The schema has a type that is not known."
    SCHEMA_INFERENCE_ERROR = "The columns of the stream cannot be found out from its files."
    INVALID_SCHEMA_ERROR = "The schema cannot be used."
    CONFIG_VALIDATION_ERROR = "The configuration of a stream cannot be used."
    MISSING_SCHEMA = "The catalog has no schema for the stream. Refresh the schema of the connection."
    UNDEFINED_PARSER = "There is no parser for this file format."
    UNDEFINED_VALIDATION_POLICY = "There is no validation policy of this name."


class BaseFileBasedSourceError(Exception):
    """A reason, and where it was met.

    Args:
        error: The reason: a member of `FileBasedSourceError`, or any text.
        context: Where: stream, file, place, ...; never a data value. Entries that are None are left out.

    Attributes:
        reason: The reason as text, without the context.
    """

    def __init__(self, error: FileBasedSourceError | str, **context: Any) -> None:
        self.reason = error.value if isinstance(error, FileBasedSourceError) else str(error)
        where = " ".join(f"{key}={value}" for key, value in context.items() if value is not None)
        super().__init__(f"{self.reason} ({where})" if where else self.reason)


class ConfigValidationError(BaseFileBasedSourceError):
    """The config contradicts itself, or a value in it cannot be used."""


class InvalidSchemaError(BaseFileBasedSourceError):
    """A schema cannot be used."""


class MissingSchemaError(BaseFileBasedSourceError):
    """The catalog has no schema for the stream."""


class NoFilesMatchingError(BaseFileBasedSourceError):
    """No file matches the globs."""


class RecordParseError(BaseFileBasedSourceError):
    """The content of a file cannot be read.

    Attributes:
        rejects: What of it, if that is known; then all else was read.
    """

    rejects: Rejects | None = None


class ExcelCalamineParsingError(BaseFileBasedSourceError):
    """The first reader of workbooks gave up; another may be tried."""


class SchemaInferenceError(BaseFileBasedSourceError):
    """The columns of a file cannot be found out."""


class CheckAvailabilityError(BaseFileBasedSourceError):
    """A stream cannot be listed or opened."""


class UndefinedParserError(BaseFileBasedSourceError):
    """No parser is registered for the format."""


class StopSyncPerValidationPolicy(BaseFileBasedSourceError):
    """A record does not fit the schema, and the stream is to stop then."""


class ErrorListingFiles(BaseFileBasedSourceError):
    """The storage cannot be listed."""


class RawFilePathError(BaseFileBasedSourceError):
    """A raw file has a path that its copy cannot have. Somebody must rename it, or leave it out."""

    @property
    def failure_type(self) -> FailureType:
        """Who must act: the user."""
        from airbyte_cdk.models import FailureType

        return FailureType.config_error


class DuplicatedFilesError(BaseFileBasedSourceError, AirbyteTracedException):
    """Two raw files would get the same name. Traced as a config_error.

    Args:
        duplicated_files_names: Mappings from base name to the paths that have it. The text has the first
            `LISTED_NAMES` names, and the first `LISTED_PATHS` paths of each.
        context: `stream`, and more.
    """

    LISTED_NAMES = 20
    LISTED_PATHS = 20

    def __init__(self, duplicated_files_names: Iterable[Mapping[str, Sequence[str]]], **context: Any) -> None:
        from airbyte_cdk.models import FailureType

        found = [(name, paths) for names in duplicated_files_names for name, paths in names.items()]
        listed = "".join(self._listed(name, paths) for name, paths in found[: self.LISTED_NAMES])
        if len(found) > self.LISTED_NAMES:
            listed += f"\n\nand {len(found) - self.LISTED_NAMES} more names"
        super().__init__(
            f"Files of stream {context.get('stream')} have the same name, and directories are not kept, so one copy "
            "would replace the other. Set `preserve_directory_structure` to true, or rename or remove the files."
            f"{listed}\n\n",
            **context,
        )
        self.message = self.internal_message
        self.failure_type = FailureType.config_error

    def _listed(self, name: str, paths: Sequence[str]) -> str:
        lines = [f"\n\n{len(paths)} duplicates found for file name {name}:", *paths[: self.LISTED_PATHS]]
        if len(paths) > self.LISTED_PATHS:
            lines.append(f"and {len(paths) - self.LISTED_PATHS} more")
        return "\n - ".join(lines)


class CustomFileBasedException(AirbyteTracedException):
    """A connector's own message to the user."""


class FileSizeLimitError(CustomFileBasedException):
    """A raw file is too large to be copied."""


class EmptyFileSchemaInferenceError(AirbyteTracedException):
    """No file has content to find columns in."""


class MissingLibraryError(AirbyteTracedException):
    """A library is not installed. Traced as a system_error that says which extra brings it.

    Args:
        need: What needs it, as the beginning of a sentence.
        library: Its name.
        extra: The extra beside `file-based` that brings it; None if `file-based` itself does.
    """

    def __init__(self, need: str, library: str, extra: str | None = None) -> None:
        extras = f"file-based,{extra}" if extra else "file-based"
        message = f"{need} needs the library {library}, which is not installed: pip install 'airbyte-cdk[{extras}]'"
        super().__init__(message, message)


class FileBasedErrorsCollector:
    """Keeps the errors of single files until the end of the sync.

    Attributes:
        errors: The messages so far, in order.
    """

    def __init__(self) -> None:
        self.errors: list[AirbyteMessage] = []

    def collect(self, logged_error: AirbyteMessage) -> None:
        """Keep one message."""
        self.errors.append(logged_error)

    def yield_and_raise_collected(self) -> Iterator[AirbyteMessage]:
        """Give the messages back, and forget them.

        Raises:
            AirbyteTracedException: a config_error, after the last message, if there was any.
        """
        if not self.errors:
            return
        from airbyte_cdk.models import FailureType

        messages, self.errors = self.errors, []
        yield from messages
        raise AirbyteTracedException(
            internal_message=f"{len(messages)} errors were collected while reading files",
            message="Some files could not be read completely; the errors logged before this message name them.",
            failure_type=FailureType.config_error,
        )
