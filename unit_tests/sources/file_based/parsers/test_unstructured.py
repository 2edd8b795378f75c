"""The parser of documents: which record a file gives, and what becomes of those that cannot be read."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import json
import logging
import lzma
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import docx
import pptx
import pyarrow as pa
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from airbyte_cdk.models import FailureType
from airbyte_cdk.models.batch import Batch
from airbyte_cdk.models.wire import encode, rows
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.exceptions import RecordParseError
from airbyte_cdk.sources.file_based.parsers import default_parsers, unstructured, unstructured_markdown
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.unstructured import UnstructuredParser
from airbyte_cdk.test.one_file_reader import OneFileReader
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte.test")
ERROR = "_ab_source_file_parse_error"


def config_of(**options: Any) -> FileBasedStreamConfig:
    return FileBasedStreamConfig(name="s", format={"filetype": "unstructured", **options})


def read_of(
    content: bytes, uri: str, handle: Callable[[bytes], Any] = io.BytesIO, media_type: str | None = None, **options: Any
) -> FileRead:
    reader = OneFileReader(content, handle, uri)
    reader.file.mime_type = media_type
    return FileRead(config_of(**options), reader.file, reader, LOGGER)


def records_of(read: FileRead) -> list[dict[str, Any]]:
    """The records as they are sent: without nulls."""
    records = [row for table in UnstructuredParser().batches(read) for row in rows(Batch(table))]
    return [{name: value for name, value in record.items() if value is not None} for record in records]


def record_of(content: bytes, uri: str, **options: Any) -> dict[str, Any]:
    read = read_of(content, uri, **options)
    (record,) = records_of(read)
    assert not read.rejects
    return record


def word(text: str = "Hello") -> bytes:
    document = docx.Document()
    document.add_heading(text, 1)
    document.save(out := io.BytesIO())
    return out.getvalue()


def slides() -> bytes:
    presentation = pptx.Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = "Hello"
    presentation.save(out := io.BytesIO())
    return out.getvalue()


def pictures(*, text: bool = False, **options: Any) -> bytes:
    """A PDF with a page that holds no text, behind one with text if so wished."""
    canvas = Canvas(out := io.BytesIO(), **options)
    if text:
        canvas.drawString(72, 700, "Hello")
        canvas.showPage()
    canvas.rect(10, 10, 20, 20)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def test_it_is_registered() -> None:
    parser = default_parsers[type(config_of().format)]
    assert isinstance(parser, UnstructuredParser)
    from airbyte_cdk.sources.file_based.file_types import UnstructuredParser as published
    from airbyte_cdk.sources.file_based.file_types.unstructured_parser import UnstructuredParser as published_too

    assert published is UnstructuredParser
    assert published_too is UnstructuredParser


def test_what_it_declares() -> None:
    parser = UnstructuredParser()
    assert parser.parser_max_n_files_for_schema_inference == 1
    assert parser.parser_max_n_files_for_parsability == 0
    assert parser.get_parser_defined_primary_key(config_of()) == "document_key"
    assert parser.file_read_mode.value == "rb"


@pytest.mark.parametrize("uri", ["dir/a.md", "a.txt", "a", "a.log"])
@pytest.mark.parametrize("content", ["", "# Title\r\n\ttext \n\n", "\ufeffwith mark", "déjà 漢字 \u2028 \x1b"])
def test_text_is_not_changed(uri: str, content: str) -> None:
    assert record_of(content.encode(), uri) == {"content": content, "document_key": uri}


def test_documents_become_markdown(make_pdf: Callable[..., bytes]) -> None:
    pdf = make_pdf([(24, 72, 720, "Hello"), (11, 72, 690, "and good bye")])
    for uri in ("a.docx", "a"):
        assert record_of(word(), uri) == {"content": "# Hello", "document_key": uri}
    for uri in ("a.pptx", "a"):
        assert record_of(slides(), uri) == {"content": "# Hello", "document_key": uri}
    for uri in ("a.pdf", "a"):
        assert record_of(pdf, uri) == {"content": "# Hello\n\nand good bye", "document_key": uri}


def test_the_media_type_of_the_storage_comes_first() -> None:
    assert record_of(word(), "a.txt", media_type=unstructured.DocumentType.WORD.media_type)["content"] == "# Hello"


def test_a_record_has_all_columns_where_nulls_count() -> None:
    (table,) = UnstructuredParser().batches(read_of(b"x", "a.html"))
    assert isinstance(table, pa.RecordBatch)
    assert table.schema.names == ["content", "document_key", ERROR]
    line = b"".join(encode("s", None, Batch(table, wrap="data"), 0).buffers)
    assert json.loads(line)["record"]["data"]["data"]["content"] is None


def test_columns_of_the_stream_are_left_to_it() -> None:
    read = read_of(b"x", "a.txt")
    read.reserved = frozenset({"document_key"})
    assert records_of(read) == [{"content": "x"}]


NOT_READ = [
    ("a.html", b"<p>x</p>", "html"),
    ("a.bin", bytes(range(256)), "unknown"),
    ("a.docx", b"", "empty"),
    ("a.docx", word()[:-100], "ZIP"),
    ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted"),
    ("a.docx", word().replace(b"word/document.xml", b"word/document.xmm"), "broken"),
    ("a.docx", slides(), "not a Word document"),
    ("a.pptx", word(), "not a presentation"),
    ("a.pdf", b"", "not a PDF"),
    ("a.pdf", pictures(), "only an API reads"),
    ("a.pdf", pictures(encrypt=StandardEncryption("secret")), "encrypted"),
]


@pytest.mark.parametrize(("uri", "content", "reason"), NOT_READ)
def test_what_cannot_be_read_gives_the_reason(
    uri: str, content: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    record = record_of(content, uri)
    assert list(record) == ["document_key", ERROR]
    assert reason in record[ERROR]
    assert uri in record[ERROR]
    (warning,) = [entry for entry in caplog.records if entry.levelname == "WARNING"]
    assert uri in warning.message
    assert reason in warning.message


@pytest.mark.parametrize(("uri", "content", "reason"), NOT_READ)
def test_what_cannot_be_read_is_rejected_if_it_may_not_be_skipped(uri: str, content: bytes, reason: str) -> None:
    read = read_of(content, uri, skip_unprocessable_files=False)
    assert records_of(read) == []
    assert read.rejects.count == 1
    assert reason in read.rejects.summary()
    with pytest.raises(RecordParseError, match=reason):
        list(UnstructuredParser().parse_records(read.config, read.file, read.stream_reader, LOGGER, None))


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("uri", ["a.txt", "a.md", "a"])
def test_text_in_another_encoding_fails_the_file(skip: bool, uri: str) -> None:
    read = read_of("zwölf".encode("latin-1"), uri, skip_unprocessable_files=skip)
    assert records_of(read) == []
    assert read.rejects.summary() == "byte 3: the text is not UTF-8"


@pytest.mark.parametrize("strategy", ["auto", "fast", "ocr_only", "hi_res"])
def test_strategies_without_an_api(strategy: str, make_pdf: Callable[..., bytes]) -> None:
    readable = strategy in ("auto", "fast")
    record = record_of(make_pdf([(11, 72, 690, "Hello")]), "a.pdf", strategy=strategy)
    assert record.get("content") == ("Hello" if readable else None)
    if not readable:
        assert f"{strategy} needs an API" in record[ERROR]
    assert record_of(word(), "a.docx", strategy=strategy)["content"] == "# Hello"


def test_pages_without_text_are_told(caplog: pytest.LogCaptureFixture) -> None:
    assert record_of(pictures(text=True), "a.pdf")["content"] == "Hello"
    assert "1 of 2 pages" in caplog.text


def test_the_fast_strategy_takes_the_text_as_stored_even_if_there_is_none() -> None:
    assert record_of(pictures(), "a.pdf", strategy="fast") == {"content": "", "document_key": "a.pdf"}


def test_documents_too_large_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unstructured, "DOCUMENT_BYTES", 1000)
    assert "larger than 1,000 bytes" in record_of(bytes(1001), "a.pdf")[ERROR]
    monkeypatch.setattr(unstructured_markdown, "TEXT_CHARACTERS", 10)
    assert record_of(b"0123456789", "a.txt")["content"] == "0123456789"
    assert "longer than 10 characters" in record_of(b"0123456789a", "a.txt")[ERROR]


def test_large_documents_go_through_a_file(monkeypatch: pytest.MonkeyPatch, make_pdf: Callable[..., bytes]) -> None:
    monkeypatch.setattr(unstructured, "IN_MEMORY_BYTES", 100)
    assert record_of(make_pdf([(11, 72, 690, "Hello")]), "a.pdf")["content"] == "Hello"
    assert record_of(word(), "a.docx")["content"] == "# Hello"
    assert record_of(slides(), "a.pptx")["content"] == "# Hello"
    assert record_of(b"text" * 100, "a.txt")["content"] == "text" * 100


class Trickle:
    """A minimal handle: `read(n)` gives less than asked, and a `name` cannot be set."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)

    def read(self, size: int) -> bytes:
        return self.content.read(min(size, 1009))


class TestHandles:
    @pytest.mark.parametrize("compress", [lambda data: data, gzip.compress, bz2.compress, lzma.compress])
    def test_content_may_be_compressed_and_handles_minimal(self, compress: Callable[[bytes], bytes]) -> None:
        assert record_of(compress(word()), "a.docx.gz", handle=Trickle)["content"] == "# Hello"
        assert record_of(compress(b"text"), "a", handle=Trickle)["content"] == "text"

    def test_handles_are_closed(self) -> None:
        read = read_of(word(), "a.docx")
        records_of(read)
        assert isinstance(read.stream_reader, OneFileReader)
        assert [handle.closed for handle in read.stream_reader.opened] == [True]

    def test_a_broken_compressed_file_fails(self) -> None:
        read = read_of(gzip.compress(word())[:-20], "a.docx.gz")
        assert records_of(read) == []
        assert "gzip" in read.rejects.summary()

    def test_a_failing_storage_passes(self) -> None:
        def broken(content: bytes) -> Any:
            raise ConnectionResetError("the storage went away")

        with pytest.raises(ConnectionResetError):
            records_of(read_of(b"x", "a.pdf", broken))

    def test_a_reader_that_gives_no_handle_is_told(self) -> None:
        with pytest.raises(OSError, match=r"a\.pdf"):
            records_of(read_of(b"x", "a.pdf", lambda content: None))


class TestDiscovery:
    def infer(self, read: FileRead) -> Any:
        return asyncio.run(UnstructuredParser().infer_schema(read.config, read.file, read.stream_reader, LOGGER))

    @pytest.mark.parametrize(
        ("content", "uri", "skip"),
        [(b"", "a.pdf", False), (b"x", "a", False), (b"x", "a.html", True), (bytes(9), "a", True)],
    )
    def test_columns(self, content: bytes, uri: str, skip: bool) -> None:
        columns = self.infer(read_of(content, uri, skip_unprocessable_files=skip))
        assert list(columns) == ["content", "document_key", ERROR]
        assert all(column["type"] == "string" and column["description"] for column in columns.values())

    @pytest.mark.parametrize(("content", "uri"), [(b"x", "a.html"), (bytes(9), "a"), (gzip.compress(b"x")[:-9], "a")])
    def test_documents_that_are_not_read_fail_it_if_they_may_not_be_skipped(self, content: bytes, uri: str) -> None:
        with pytest.raises(RecordParseError, match=f"file={uri}"):
            self.infer(read_of(content, uri, skip_unprocessable_files=False))

    def test_a_telling_name_needs_no_content(self) -> None:
        read = read_of(b"", "a.docx", skip_unprocessable_files=False)
        self.infer(read)
        assert isinstance(read.stream_reader, OneFileReader)
        assert read.stream_reader.opened == []


class TestCheckConfig:
    @pytest.mark.parametrize("strategy", ["auto", "fast", "ocr_only"])
    def test_local_processing(self, strategy: str) -> None:
        assert UnstructuredParser().check_config(config_of(strategy=strategy)) == (True, None)

    def test_hi_res_needs_an_api(self) -> None:
        valid, message = UnstructuredParser().check_config(config_of(strategy="hi_res"))
        assert not valid
        assert "hi_res" in str(message)

    def test_options_of_another_format_are_a_mistake_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="CsvFormat"):
            UnstructuredParser().check_config(FileBasedStreamConfig(name="s", format=CsvFormat()))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(AirbyteTracedException, match=r"pypdfium2.*airbyte-cdk\[file-based\]") as caught:
        record_of(b"%PDF-1.4", "a.pdf")
    assert caught.value.failure_type is FailureType.system_error


def test_importing_it_loads_no_library() -> None:
    code = (
        "import sys; from airbyte_cdk.sources.file_based.parsers import UnstructuredParser;"
        "print(sorted({'pypdfium2', 'requests', 'docx', 'pptx', 'lxml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
