"""Documents turned into text by an API: a real HTTP server of the test's own answers."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import docx
import pytest

from airbyte_cdk.models import FailureType
from airbyte_cdk.models.batch import Batch
from airbyte_cdk.models.wire import rows
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.parsers import unstructured_api
from airbyte_cdk.sources.file_based.parsers.base import FileRead
from airbyte_cdk.sources.file_based.parsers.unstructured import UnstructuredParser
from airbyte_cdk.test.one_file_reader import OneFileReader
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte.test")
KEY = "the-secret-key"
ELEMENTS = [
    {"type": "Title", "text": "A title", "metadata": {"category_depth": 2}},
    {"type": "NarrativeText", "text": "déjà vu"},
    {"type": "ListItem", "text": "item"},
]


@dataclass
class Api:
    """A service that gives the prepared answers one after the other, the last one for ever."""

    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, json.dumps(ELEMENTS).encode())])
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    forms: list[list[tuple[str, str | None, str, bytes]]] = field(default_factory=list)
    address: str = ""

    def fails(self, status: int, times: int | None = None, body: bytes = b'{"detail": "not today"}') -> None:
        self.answers = [(status, body)] * (times or 1) + (self.answers if times else [])

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.paths.append(request.path)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        form = message_from_bytes(b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
        self.forms.append(
            [
                (
                    str(part.get_param("name", header="content-disposition")),
                    part.get_filename(),
                    part.get_content_type(),
                    part.get_payload(decode=True),
                )
                for part in form.get_payload()
            ]
        )
        status, content = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        request.send_response(status)
        if 300 <= status < 400:
            request.send_header("Location", self.address + "/elsewhere")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    service = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            service.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setattr(unstructured_api, "FIRST_WAIT", 0.01)
    yield service
    server.shutdown()
    thread.join()
    server.server_close()


def config_of(address: str, strategy: str = "auto", skip: bool = True, **options: Any) -> FileBasedStreamConfig:
    processing = {"mode": "api", "api_key": KEY, "api_url": address, **options}
    document = {"filetype": "unstructured", "strategy": strategy, "skip_unprocessable_files": skip}
    return FileBasedStreamConfig(name="s", format={**document, "processing": processing})


def word() -> bytes:
    docx.Document().save(out := io.BytesIO())
    return out.getvalue()


def read_of(config: FileBasedStreamConfig, content: bytes, uri: str) -> tuple[list[dict[str, Any]], FileRead]:
    reader = OneFileReader(content, uri=uri)
    read = FileRead(config, reader.file, reader, LOGGER)
    records = [row for table in UnstructuredParser().batches(read) for row in rows(Batch(table))]
    return [{name: value for name, value in record.items() if value is not None} for record in records], read


def test_a_document_is_posted_and_its_elements_become_markdown(api: Api) -> None:
    parameters = [("languages", "eng"), ("languages", "deu"), ('a"b', "ü\r\nx")]
    config = config_of(
        api.address + "/", "hi_res", parameters=[{"name": name, "value": value} for name, value in parameters]
    )
    content = word()
    records, _ = read_of(config, content, "dir/ä.docx")
    assert records == [{"content": "## A title\n\ndéjà vu\n\n- item", "document_key": "dir/ä.docx"}]
    assert api.paths == ["/general/v0/general"]
    assert api.headers[0]["unstructured-api-key"] == KEY
    assert api.headers[0]["accept"] == "application/json"
    *fields, (name, filename, media_type, sent) = api.forms[0]
    assert [(name, value.decode()) for name, _, _, value in fields] == [
        ("strategy", "hi_res"),
        ("languages", "eng"),
        ("languages", "deu"),
        ("a%22b", "ü\r\nx"),
    ]
    assert (name, filename) == ("files", "document.docx")
    assert media_type == "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    assert sent == content


def test_a_large_document_is_sent_whole(api: Api) -> None:
    content = b"%PDF-1.4\n" + bytes(range(256)) * 80_000
    records, _ = read_of(config_of(api.address), content, "a.pdf")
    assert records[0]["content"].startswith("## A title")
    assert api.forms[0][-1][2:] == ("application/pdf", content)


@pytest.mark.parametrize("uri", ["a.md", "a.txt", "a"])
def test_text_is_sent_nowhere(api: Api, uri: str) -> None:
    records, _ = read_of(config_of(api.address), b"# text\r\n", uri)
    assert records == [{"content": "# text\r\n", "document_key": uri}]
    assert api.paths == []


def test_what_the_service_cannot_process_is_skipped_if_it_may_be(api: Api) -> None:
    api.fails(422, body=b'{"detail": "File type is wrong"}')
    records, read = read_of(config_of(api.address), b"x", "a.pdf")
    assert list(records[0]) == ["document_key", "_ab_source_file_parse_error"]
    assert "refuses it: File type is wrong" in records[0]["_ab_source_file_parse_error"]
    assert not read.rejects
    records, read = read_of(config_of(api.address, skip=False), b"x", "a.pdf")
    assert records == []
    assert "File type is wrong" in read.rejects.summary()
    assert len(api.paths) == 2  # no second attempts


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_failures_are_tried_again(api: Api, status: int) -> None:
    api.fails(status, times=4)
    records, _ = read_of(config_of(api.address), word(), "a.docx")
    assert records[0]["content"].startswith("## A title")
    assert len(api.paths) == 5
    assert len({form[-1][3] for form in api.forms}) == 1


def test_an_answer_that_is_no_json_is_tried_again(api: Api) -> None:
    api.fails(200, times=2, body=b"<html>")
    assert read_of(config_of(api.address), b"x", "a.pdf")[0][0]["content"]
    assert len(api.paths) == 3


@pytest.mark.parametrize(
    ("status", "body", "reason", "attempts"),
    [
        (500, b"{}", "status 500", 5),
        (400, b'{"detail": "bad parameter"}', "bad parameter", 5),
        (401, b"", "status 401", 1),
        (404, b"", "status 404", 1),
        (307, b"", "status 307", 1),
        (200, b"nothing", "not JSON", 5),
        (200, b'{"x": 1}', "not a list", 1),
    ],
)
def test_what_stays_broken_is_a_config_error(api: Api, status: int, body: bytes, reason: str, attempts: int) -> None:
    api.fails(status, body=body)
    with pytest.raises(AirbyteTracedException) as caught:
        read_of(config_of(api.address), b"x", "dir/a.pdf")
    assert caught.value.failure_type is FailureType.config_error
    assert reason in str(caught.value)
    assert "dir/a.pdf" in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(api.paths) == attempts


def test_a_service_that_does_not_listen_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unstructured_api, "FIRST_WAIT", 0.001)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(AirbyteTracedException, match=r"cannot be reached \(ConnectionError\)"):
            read_of(config_of(address), b"x", "a.pdf")


def test_waits_grow(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unstructured_api, "FIRST_WAIT", 0.1)
    api.fails(500)
    began = time.monotonic()
    with pytest.raises(AirbyteTracedException, match="5 attempts"):
        read_of(config_of(api.address), b"x", "a.pdf")
    assert 0.75 <= time.monotonic() - began < 5


class TestCheck:
    def check(self, config: FileBasedStreamConfig) -> tuple[bool, str | None]:
        return UnstructuredParser().check_config(config)

    def test_a_test_document_is_posted(self, api: Api) -> None:
        assert self.check(config_of(api.address)) == (True, None)
        assert api.forms[0][-1][:3] == ("files", "document.md", "text/markdown")
        assert api.headers[0]["unstructured-api-key"] == KEY

    @pytest.mark.parametrize(("status", "reason"), [(401, "status 401"), (500, "status 500"), (422, "not today")])
    def test_a_failure_is_told_at_once(self, api: Api, status: int, reason: str) -> None:
        api.fails(status)
        valid, message = self.check(config_of(api.address))
        assert not valid
        assert message is not None
        assert reason in message
        assert KEY not in message
        assert len(api.paths) == 1

    def test_in_the_cloud_only_https_is_allowed(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEPLOYMENT_MODE", "cloud")
        valid, message = self.check(config_of(api.address))
        assert not valid
        assert "https://" in str(message)
        assert api.paths == []

    @pytest.mark.parametrize("address", ["", "api.host.example", "ftp://host"])
    def test_other_addresses_are_refused(self, address: str) -> None:
        assert self.check(config_of(address))[0] is False

    def test_an_address_that_cannot_be_one_is_refused(self) -> None:
        valid, message = self.check(config_of("http://[half"))
        assert not valid
        assert "cannot be used" in str(message)

    def test_a_key_that_cannot_be_sent_is_refused(self, api: Api) -> None:
        valid, message = self.check(config_of(api.address, api_key="line\nbreak ключ"))
        assert not valid
        assert "key" in str(message)
        assert "ключ" not in str(message)
