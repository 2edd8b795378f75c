"""Files that change between their listing and their end: what is delivered, recorded and told."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.cli.source_files.source import ProviderReader, SourceFiles
from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
    StreamDescriptor,
)
from airbyte_cdk.sources.file_based.file_based_stream_reader import FileReadMode
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read
from servers.folders import FolderServer

OLD = datetime(2026, 1, 1, tzinfo=UTC)
BIG = 120_000
"""Rows of a file that is under way long enough to be changed: more than is read ahead of the parser."""


class Disk(FolderServer):
    """The local disk, as one more server."""

    def __init__(self, folder: Path) -> None:
        self.served = folder

    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """The folder."""
        return {"storage": "local", "root": str(self.folder(name)), **overrides}

    def close(self) -> None:
        """Nothing runs."""


class AfterFirstRead:
    """A handle; something happens between its first two reads."""

    def __init__(self, handle: Any, happening: Callable[[], None]) -> None:
        self._handle = handle
        self._happening: Callable[[], None] | None = happening
        self.close = handle.close

    def read(self, size: int) -> bytes:
        data: bytes = self._handle.read(size)
        happening, self._happening = self._happening, None
        if happening:
            happening()
        return data


class Interrupting(ProviderReader):
    """A reader during whose work something happens to the storage."""

    after_listing: Callable[[], None] | None = None
    while_reading: Callable[[], None] | None = None

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        yield from super().get_matching_files(globs, prefix, logger)
        happening, self.after_listing = self.after_listing, None
        if happening:
            happening()

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        handle = super().open_file(file, mode, encoding, logger)
        if self.while_reading is None or file.uri != "b.csv":
            return handle
        happening, self.while_reading = self.while_reading, None
        return AfterFirstRead(handle, happening)


@pytest.fixture(params=["local", "s3", "sftp"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "local":
        return Disk(tmp_path)
    return request.getfixturevalue({"s3": "moto", "sftp": "sftp_server"}[request.param])


def lines(first: int, count: int) -> bytes:
    return b"id,padding\n" + b"".join(b"%d,%s\n" % (number, b"x" * 100) for number in range(first, first + count))


@pytest.fixture
def name(storage: Any, request: pytest.FixtureRequest) -> str:
    fresh = "changing-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower()).strip("-")[:50]
    for number, uri in enumerate(("a.csv", "b.csv", "c.csv")):
        storage.put(fresh, uri, lines(100 * number, 3), OLD + timedelta(hours=number))
    return fresh


def sync(
    storage: Any,
    name: str,
    state: AirbyteStreamState | None = None,
    after_listing: Callable[[], None] | None = None,
    while_reading: Callable[[], None] | None = None,
) -> EntrypointOutput:
    config = {
        "provider": storage.provider(name),
        "streams": [{"name": "s", "globs": ["*.csv"], "format": {"filetype": "csv"}}],
    }
    schema = {"type": "object", "properties": {"id": {"type": ["null", "integer"]}}}
    stream = {"name": "s", "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"]}
    configured = {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}
    catalog: ConfiguredAirbyteCatalog = ConfiguredAirbyteCatalogSerializer.load({"streams": [configured]})
    reader = Interrupting()
    reader.after_listing, reader.while_reading = after_listing, while_reading
    source = SourceFiles(catalog, config)
    source.stream_reader = reader
    given = None
    if state is not None:
        given = [
            AirbyteStateMessage(
                type=AirbyteStateType.STREAM,
                stream=AirbyteStreamState(StreamDescriptor("s"), state.stream_state),
            )
        ]
    return read(source, config, catalog, given)


def ids(output: EntrypointOutput) -> list[int]:
    return sorted(message.record.data["id"] for message in output.records)


def history(output: EntrypointOutput) -> dict[str, str]:
    return dict(vars(output.most_recent_state.stream_state)["history"])


A, B, C = [0, 1, 2], [100, 101, 102], [200, 201, 202]


def test_replaced_after_it_was_listed(storage: Any, name: str) -> None:
    def replace() -> None:
        storage.put(name, "b.csv", lines(900, 2), OLD + timedelta(days=1))

    first = sync(storage, name, after_listing=replace)
    assert ids(first) == [*A, *C, 900, 901]
    assert history(first)["b.csv"] == "2026-01-01T01:00:00.000000Z"
    assert first.is_in_logs("b.csv was changed after it was listed.* will be read again in the next sync")
    assert first.get_stream_statuses("s")[-1] == AirbyteStreamStatus.COMPLETE
    second = sync(storage, name, first.most_recent_state)
    assert ids(second) == [900, 901]
    assert history(second)["b.csv"] == "2026-01-02T00:00:00.000000Z"
    assert ids(sync(storage, name, second.most_recent_state)) == []


def test_deleted_after_it_was_listed(storage: Any, name: str) -> None:
    first = sync(storage, name, after_listing=lambda: storage.remove(name, "b.csv"))
    assert ids(first) == [*A, *C]
    assert set(history(first)) == {"a.csv", "c.csv"}
    assert first.get_stream_statuses("s")[-1] == AirbyteStreamStatus.INCOMPLETE
    for error in (first.errors[0].trace.error, first.errors[-1].trace.error):
        assert "b.csv" in error.message
        assert error.failure_type == FailureType.transient_error
    second = sync(storage, name, first.most_recent_state)
    assert ids(second) == []
    assert second.get_stream_statuses("s")[-1] == AirbyteStreamStatus.COMPLETE


def test_grown_after_it_was_listed(storage: Any, name: str) -> None:
    def grow() -> None:
        storage.put(name, "b.csv", lines(100, 5), OLD + timedelta(days=1))

    first = sync(storage, name, after_listing=grow)
    assert ids(first) == [*A, 100, 101, 102, 103, 104, *C]
    assert first.is_in_logs("b.csv was changed after it was listed")
    second = sync(storage, name, first.most_recent_state)
    assert ids(second) == [100, 101, 102, 103, 104]


def test_replaced_while_it_is_read(storage: Any, name: str) -> None:
    """What is delivered is of one version, or the file is told as changed; the new one comes in the next sync."""
    storage.put(name, "b.csv", lines(1000, BIG), OLD + timedelta(hours=1))

    def replace() -> None:
        storage.put(name, "b.csv", lines(5_000_000, BIG), OLD + timedelta(days=1))

    first = sync(storage, name, while_reading=replace)
    found = ids(first)[6:]
    assert found == list(range(found[0], found[0] + len(found)))
    whole = len(found) == BIG
    statuses = first.get_stream_statuses("s")
    assert statuses[-1] == (AirbyteStreamStatus.COMPLETE if whole else AirbyteStreamStatus.INCOMPLETE)
    assert ("b.csv" in history(first)) == whole
    if not whole:
        assert re.search(r"b\.csv \(.*(changed|replaced)", first.errors[0].trace.error.message)
        assert first.errors[0].trace.error.failure_type == FailureType.transient_error
    second = sync(storage, name, first.most_recent_state)
    assert ids(second) == list(range(5_000_000, 5_000_000 + BIG))
    assert second.get_stream_statuses("s")[-1] == AirbyteStreamStatus.COMPLETE


def test_deleted_while_it_is_read(storage: Any, name: str) -> None:
    """What is open may be read to its end; if it cannot, the file is told, and not recorded."""
    storage.put(name, "b.csv", lines(1000, BIG), OLD + timedelta(hours=1))
    first = sync(storage, name, while_reading=lambda: storage.remove(name, "b.csv"))
    found = ids(first)[6:]
    assert found == list(range(1000, 1000 + len(found)))
    whole = len(found) == BIG
    assert ("b.csv" in history(first)) == whole
    expected = AirbyteStreamStatus.COMPLETE if whole else AirbyteStreamStatus.INCOMPLETE
    assert first.get_stream_statuses("s")[-1] == expected
