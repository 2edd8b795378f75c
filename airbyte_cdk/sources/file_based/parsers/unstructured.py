"""Documents: Markdown, text, PDF, Word and PowerPoint files, each of which gives one record with its text as Markdown.

A document is copied first, in memory if it is small, else to a temporary file. Of a large one, memory then holds its
text a few times (`unstructured_markdown.TEXT_CHARACTERS` at most), never its pictures.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from airbyte_cdk.models import FailureType
from airbyte_cdk.models.batch import JsonLines
from airbyte_cdk.sources.file_based.config.unstructured_format import APIProcessingConfigModel, UnstructuredFormat
from airbyte_cdk.sources.file_based.exceptions import FileBasedSourceError, RecordParseError
from airbyte_cdk.sources.file_based.parsers import unstructured_docx, unstructured_markdown, unstructured_pptx
from airbyte_cdk.sources.file_based.parsers.base import FileRead, FileTypeParser, options_of
from airbyte_cdk.sources.file_based.parsers.handles import READ_BYTES, BrokenStream, open_bytes, open_random
from airbyte_cdk.sources.file_based.parsers.temporary import temporary_disk
from airbyte_cdk.sources.file_based.parsers.unstructured_types import (
    DocumentType,
    UnprocessableDocument,
    type_by_content,
    type_by_name,
)
from airbyte_cdk.sources.file_based.rejects import RejectKind
from airbyte_cdk.utils.is_cloud_environment import is_cloud_environment
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
    from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
    from airbyte_cdk.sources.file_based.remote_file import RemoteFile

CONTENT = "content"
"""Column of the text."""
KEY = "document_key"
"""Column of the file's uri."""
ERROR = "_ab_source_file_parse_error"
"""Column of the reason why there is no text."""

IN_MEMORY_BYTES = 16 * 1024 * 1024
"""Larger documents are copied to a temporary file."""
DOCUMENT_BYTES = 4 * 1024 * 1024 * 1024
"""Larger documents are not read."""
_TEST_DOCUMENT = b"# Test\n\nA connector checks that it can use this service.\n"
_EXTRA = "pip install 'airbyte-cdk[file-based]'"


class UnstructuredParser(FileTypeParser):
    """Reads documents. Columns: the text, the file's uri as key, and why there is no text if there is none."""

    @property
    def parser_max_n_files_for_schema_inference(self) -> int | None:
        """One: all documents have the same columns."""
        return 1

    @property
    def parser_max_n_files_for_parsability(self) -> int | None:
        """None of them is parsed by `check`, which may cost minutes: files are only opened."""
        return 0

    def get_parser_defined_primary_key(self, config: FileBasedStreamConfig) -> str | None:
        """The column with the file's uri."""
        return KEY

    def check_config(self, config: FileBasedStreamConfig) -> tuple[bool, str | None]:
        """Whether documents can be processed as the options say; an API is sent a short test document."""
        options = options_of(config, UnstructuredFormat)
        processing = options.processing
        if not isinstance(processing, APIProcessingConfigModel):
            if options.strategy == "hi_res":
                return False, "The strategy hi_res needs an API: documents are not processed in this way locally."
            return True, None
        address = processing.api_url.lower()
        if is_cloud_environment() and not address.startswith("https://"):
            return False, "The address of the document API must begin with https://."
        if not address.startswith(("https://", "http://")):
            return False, "The address of the document API must begin with https:// or http://."
        from airbyte_cdk.sources.file_based.parsers.unstructured_api import ApiFailure, DocumentApi

        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as document, _libraries():
            document.write(_TEST_DOCUMENT)
            try:
                DocumentApi(processing, options.strategy).elements(document, DocumentType.MARKDOWN)
            except (ApiFailure, UnprocessableDocument) as error:
                return False, f"The document API cannot be used: {error}."
        return True, None

    async def infer_schema(
        self,
        config: FileBasedStreamConfig,
        file: RemoteFile,
        stream_reader: AbstractFileBasedStreamReader,
        logger: logging.Logger,
    ) -> Mapping[str, Mapping[str, Any]]:
        """The three columns. The content is looked at only if the name does not tell the type of the document.

        Raises:
            RecordParseError: the document is of a type that is not read, and such documents may not be skipped.
        """
        if not options_of(config, UnstructuredFormat).skip_unprocessable_files:
            try:
                if type_by_name(file.mime_type, file.uri) is None:
                    with open_random(file, stream_reader, logger) as content:
                        type_by_content(content)
            except (UnprocessableDocument, BrokenStream) as error:
                raise RecordParseError(
                    FileBasedSourceError.ERROR_PARSING_RECORD, file=file.uri, details=str(error)
                ) from error
        return {
            CONTENT: {
                "type": "string",
                "description": "The text of the document as Markdown; null if it could not be read",
            },
            KEY: {"type": "string", "description": "Identifies the document: where its file is"},
            ERROR: {"type": "string", "description": "Why the document could not be read; null if it could"},
        }

    def batches(self, read: FileRead) -> Iterator[pa.RecordBatch | JsonLines]:
        """One batch with one row.

        A document of a type that is not read, or that is broken, encrypted or without text, has its row with the reason
        in place of text, or is rejected if it may not be skipped. Text that is not UTF-8, and compressed files that are
        broken, are rejected in any case.

        Raises:
            AirbyteTracedException: the API does not do its work (config_error); a library is missing (system_error).
        """
        text: str | None = None
        reason: str | None = None
        try:
            with _copied(read) as document, _libraries():
                text = _text(document, read)
        except UnprocessableDocument as error:
            if not options_of(read.config, UnstructuredFormat).skip_unprocessable_files:
                read.rejects.add("file", str(error))
                return
            reason = str(RecordParseError(FileBasedSourceError.ERROR_PARSING_RECORD, file=read.file.uri, details=error))
            read.logger.warning(
                f"Stream {read.config.name}: document {read.file.file_uri_for_logging} is sent without text: {error}"
            )
        except BrokenStream as error:
            read.rejects.add("file", error.reason, RejectKind.UNREADABLE)
            return
        except UnicodeDecodeError as error:
            read.rejects.add(f"byte {error.start + 1}", "the text is not UTF-8")
            return
        values = {CONTENT: text, KEY: read.file.uri, ERROR: reason}
        names = [name for name in values if name not in read.reserved]
        yield pa.record_batch([pa.array([values[name]], pa.string()) for name in names], names=names)


@contextmanager
def _copied(read: FileRead) -> Iterator[IO[bytes]]:
    """The file as one that can be sought and is no longer the storage's."""
    with temporary_disk(None), tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, prefix="airbyte-cdk-") as copy:
        size = 0
        with open_bytes(read.file, read.stream_reader, read.logger) as content:
            while data := content.read(READ_BYTES):
                size += len(data)
                if size > DOCUMENT_BYTES:
                    raise UnprocessableDocument(f"it is larger than {DOCUMENT_BYTES:,} bytes")
                copy.write(data)
        copy.seek(0)
        yield copy


@contextmanager
def _libraries() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"Documents need the library {error.name}, which is not installed: {_EXTRA}"
        raise AirbyteTracedException(
            internal_message=message, message=message, failure_type=FailureType.system_error, exception=error
        ) from error


def _text(document: IO[bytes], read: FileRead) -> str:
    options = options_of(read.config, UnstructuredFormat)
    document_type = type_by_name(read.file.mime_type, read.file.uri)
    if document_type is None:
        document_type = type_by_content(document)
        document.seek(0)
    if document_type.is_text:
        return _plain(document)
    if isinstance(options.processing, APIProcessingConfigModel):
        from airbyte_cdk.sources.file_based.parsers.unstructured_api import DocumentApi

        api = DocumentApi(options.processing, options.strategy)
        return api.text(document, document_type, read.file.uri, read.logger)
    try:
        return unstructured_markdown.document(_local_blocks(document, document_type, options.strategy, read))
    except (UnprocessableDocument, ModuleNotFoundError, MemoryError):
        raise
    except Exception as error:  # what the libraries raise on broken documents is no closed set
        raise UnprocessableDocument(f"it is broken ({type(error).__name__}: {str(error)[:150]})") from error


def _plain(document: IO[bytes]) -> str:
    content = document.read(unstructured_markdown.TEXT_CHARACTERS + 1)
    if len(content) > unstructured_markdown.TEXT_CHARACTERS:
        raise unstructured_markdown.too_long()
    return content.decode("utf-8")


def _local_blocks(document: IO[bytes], document_type: DocumentType, strategy: str, read: FileRead) -> Iterator[str]:
    if document_type is DocumentType.WORD:
        return unstructured_docx.blocks(document)
    if document_type is DocumentType.SLIDES:
        return unstructured_pptx.blocks(document)
    from airbyte_cdk.sources.file_based.parsers import unstructured_pdf

    if strategy in ("ocr_only", "hi_res"):
        raise UnprocessableDocument(f"the strategy {strategy} needs an API: pages are not read as pictures locally")
    pages = unstructured_pdf.read_pages(document)
    if pages.pictures:
        if strategy != "fast" and not pages.lines:
            raise UnprocessableDocument("its pages hold no text, but perhaps pictures of text, which only an API reads")
        read.logger.warning(
            f"Stream {read.config.name}: document {read.file.file_uri_for_logging} has {pages.pictures} of "
            f"{pages.count} pages that hold no text, but perhaps pictures of text, which only an API reads"
        )
    return unstructured_pdf.blocks(pages.lines)
