"""Access rights instead of rows: one record a file, and a stream of users and groups."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from airbyte_cdk.models import AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer, FailureType
from airbyte_cdk.models.serializers import message_line
from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.file_based_source import IDENTITIES_STREAM, FileBasedSource
from airbyte_cdk.sources.file_based.file_based_stream_permissions_reader import (
    AbstractFileBasedStreamPermissionsReader,
)
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.file_based.stream import FileIdentitiesStream, PermissionsFileBasedStream
from airbyte_cdk.sources.file_based.stream.cursor import DefaultFileBasedCursor
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, _run_command, discover, make_file, read
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

METADATA = ["_ab_source_file_last_modified", "_ab_source_file_url"]
RIGHTS = {
    "id": "7",
    "owner": UUID(int=5),
    "seen": datetime(2024, 1, 2, 3, 4, 5),
    "nobody": None,
    "readers": [UUID(int=1), {"until": date(2024, 1, 1), "by": None}],
}
SENT = {
    "id": "7",
    "owner": "00000000-0000-0000-0000-000000000005",
    "seen": "2024-01-02T03:04:05",
    "readers": ["00000000-0000-0000-0000-000000000001", {"until": "2024-01-01", "by": None}],
}


class Kind(Enum):
    USER = "user"


class Spec(AbstractFileBasedSpec):
    root: str

    @classmethod
    def documentation_url(cls) -> str:  # type: ignore[override]  # connectors return plain text, too
        return "https://example.org"


class Reader(AbstractFileBasedStreamReader):
    @property
    def config(self) -> Any:
        return self._config

    @config.setter
    def config(self, value: Any) -> None:
        self._config = value

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterator[RemoteFile]:
        root = Path(self.config.root)
        for path in sorted(root.iterdir()):
            modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
            file = RemoteFile(uri=path.name, last_modified=modified)
            if self.file_matches_globs(file, globs):
                yield file

    def open_file(self, *args: Any) -> Any:
        raise AssertionError("rights are not in the file")


class Permissions(AbstractFileBasedStreamPermissionsReader):
    def __init__(self, rights: Callable[[str], Any], identities: Callable[[], Iterator[dict[str, Any]]]) -> None:
        super().__init__()
        self.rights = rights
        self.identities = identities

    @property
    def config(self) -> Any:
        return self._config

    @config.setter
    def config(self, value: Any) -> None:
        assert isinstance(value, Spec)
        self._config = value

    def get_file_acl_permissions(self, file: RemoteFile, logger: logging.Logger) -> dict[str, Any]:
        rights: dict[str, Any] = self.rights(file.uri)
        return rights

    def load_identity_groups(self, logger: logging.Logger) -> Iterator[dict[str, Any]]:
        return self.identities()

    @property
    def file_permissions_schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": {"id": {"type": "string"}, "owner": {"type": "string"}}}

    @property
    def identities_schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": {"id": {"type": "string"}}}


def people() -> Iterator[dict[str, Any]]:
    yield {"id": UUID(int=9), "kind": Kind.USER, "changed": datetime(2024, 1, 2, tzinfo=UTC), "nobody": None}
    yield {"id": "group"}


class Source(FileBasedSource):
    def __init__(
        self,
        rights: Callable[[str], Any] = lambda uri: RIGHTS,
        identities: Callable[[], Iterator[dict[str, Any]]] = people,
        catalog: Any = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("stream_permissions_reader", Permissions(rights, identities))
        super().__init__(Reader(), Spec, catalog, None, None, cursor_cls=DefaultFileBasedCursor, **kwargs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for second, name in enumerate("abc"):
        (tmp_path / name).write_text("not looked at")
        os.utime(tmp_path / name, (second, second))
    return tmp_path


def config(root: Path, *names: str, identities: bool = True, **stream: Any) -> dict[str, Any]:
    return {
        "root": str(root),
        "delivery_method": {"delivery_type": "use_permissions_transfer", "include_identities_stream": identities},
        "streams": [{"name": name, "format": {"filetype": "csv"}, **stream} for name in names or ("s",)],
    }


def catalog(*names: str, mode: str = "incremental") -> Any:
    return ConfiguredAirbyteCatalogSerializer.load(
        {
            "streams": [
                {
                    "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                    "sync_mode": "full_refresh" if name == "identities" else mode,
                    "destination_sync_mode": "append",
                }
                for name in names
            ]
        }
    )


def sync(root: Path, *names: str, fails: bool = False, state: Any = None, **source: Any) -> EntrypointOutput:
    made = catalog(*names or ("s",))
    return read(Source(catalog=made, **source), config(root), made, state, expecting_exception=fails)


def data(output: EntrypointOutput) -> list[dict[str, Any]]:
    """The records as a reader of the lines sees them."""
    return [json.loads(message_line(message))["record"]["data"] for message in output.records]


def states(output: EntrypointOutput) -> list[Any]:
    return [AirbyteMessageSerializer.dump(m)["state"]["stream"]["stream_state"] for m in output.state_messages]


def status(output: EntrypointOutput, stream: str = "s") -> list[str]:
    return [status.value for status in output.get_stream_statuses(stream)]


def check(root: Path, tmp_path: Path, source: FileBasedSource, **options: Any) -> Any:
    folder = tmp_path / "out"
    folder.mkdir(exist_ok=True)
    output = _run_command(source, ["check", "--config", make_file(folder / "config.json", config(root, **options))])
    return output.connection_status_messages[0].connectionStatus


# The stream of rights ---------------------------------------------------------------------------------------------


def test_one_record_a_file_with_its_rights_as_text(root: Path) -> None:
    output = sync(root)
    assert data(output) == [
        {**SENT, METADATA[0]: f"1970-01-01T00:00:0{second}.000000Z", METADATA[1]: name}
        for second, name in enumerate("abc")
    ]
    assert status(output) == ["STARTED", "RUNNING", "COMPLETE"]
    assert states(output) == [{"history": {}, METADATA[0]: None}]


def test_each_sync_sends_the_rights_of_all_files(root: Path) -> None:
    first = sync(root)
    again = sync(root, state=[message.state for message in first.state_messages])
    assert data(again) == data(first)
    assert states(again) == states(first)


def test_a_history_of_contents_says_nothing_about_rights(root: Path) -> None:
    state = sync(root).state_messages[0].state
    state.stream.stream_state.history = {"a": "1970-01-01T00:00:00.000000Z"}
    output = sync(root, state=[state])
    assert [record["_ab_source_file_url"] for record in data(output)] == ["a", "b", "c"]
    assert states(output) == [{"history": {}, METADATA[0]: None}]


def test_discover_tells_the_columns_of_the_reader(root: Path) -> None:
    rights, identities = discover(Source(), config(root)).catalog.catalog.streams
    assert list(rights.json_schema["properties"]) == [*METADATA, "id", "owner"]
    assert [mode.value for mode in rights.supported_sync_modes] == ["full_refresh", "incremental"]
    assert rights.default_cursor_field == METADATA[:1]
    assert (rights.is_resumable, rights.is_file_based, rights.source_defined_primary_key) == (True, False, None)
    assert (identities.name, identities.json_schema) == (IDENTITIES_STREAM, Permissions.identities_schema.fget(None))  # type: ignore[attr-defined]
    assert [mode.value for mode in identities.supported_sync_modes] == ["full_refresh"]
    assert (identities.is_resumable, identities.is_file_based) == (False, None)
    assert (identities.source_defined_cursor, identities.source_defined_primary_key) == (None, None)


def test_the_key_is_the_configured_one_and_never_that_of_a_parser(root: Path) -> None:
    def keys(**stream: Any) -> Any:
        return discover(Source(), config(root, **stream)).catalog.catalog.streams[0].source_defined_primary_key

    assert keys(format={"filetype": "unstructured"}) is None
    assert keys(primary_key="id") == [["id"]]


def test_a_file_whose_rights_cannot_be_read_is_told_and_the_others_go_on(root: Path) -> None:
    def rights(uri: str) -> dict[str, Any]:
        if uri == "b":
            raise AirbyteTracedException("inner", "the owner has left", FailureType.transient_error)
        return RIGHTS

    output = sync(root, fails=True, rights=rights)
    assert [record["_ab_source_file_url"] for record in data(output)] == ["a", "c"]
    assert output.is_in_logs("stream=s file=b")
    assert status(output)[-1] == "INCOMPLETE"
    error = output.errors[0].trace.error
    assert "1 file could not be read: b (the owner has left)" in error.message
    assert error.failure_type.value == "transient_error"


def test_rights_that_have_no_form_in_json_concern_one_file(root: Path) -> None:
    output = sync(root, fails=True, rights=lambda uri: {"id": Decimal(1)} if uri == "b" else RIGHTS)
    assert [record["_ab_source_file_url"] for record in data(output)] == ["a", "c"]
    assert status(output)[-1] == "INCOMPLETE"


def test_a_file_without_rights_gives_no_record_and_a_warning(root: Path) -> None:
    output = sync(root, rights=lambda uri: {} if uri == "b" else RIGHTS)
    assert [record["_ab_source_file_url"] for record in data(output)] == ["a", "c"]
    assert output.is_in_logs("stream=s file=b: the storage tells no access rights")
    assert status(output)[-1] == "COMPLETE"


def test_many_files_without_rights_are_counted_and_not_all_named(root: Path) -> None:
    for number in range(20):
        (root / f"n{number}").write_text("")
    output = sync(root, rights=lambda uri: {})
    named = [log for log in output.logs if "tells no access rights for this file" in log.log.message]
    assert len(named) == 10
    assert output.is_in_logs("no record was sent for 23 files")


def test_a_concurrency_level_marks_the_end_of_a_full_refresh(root: Path) -> None:
    class Level(Source):
        _concurrency_level = 4

    made = catalog("s", mode="full_refresh")
    output = read(Level(catalog=made), config(root), made)
    assert sorted(record["_ab_source_file_url"] for record in data(output)) == ["a", "b", "c"]
    assert states(output) == [{"__ab_no_cursor_state_message": True}]


def test_a_connector_may_make_its_own_stream(root: Path) -> None:
    class Own(PermissionsFileBasedStream):
        def transform_record(self, record: dict[str, Any], file: RemoteFile, last_updated: str) -> dict[str, Any]:
            return {"uri": file.uri, "owner": record["owner"]}

    class OwnSource(Source):
        def _make_permissions_stream(self, stream_config: Any, cursor: Any) -> Any:
            made = super()._make_permissions_stream(stream_config, cursor)
            made.__class__ = Own
            return made

    made = catalog("s")
    output = read(OwnSource(catalog=made), config(root), made)
    assert data(output)[0] == {"uri": "a", "owner": SENT["owner"]}


# The stream of identities -----------------------------------------------------------------------------------------


def test_identities_are_sent_whole_in_each_sync(root: Path) -> None:
    output = sync(root, "identities")
    assert data(output) == [
        {"id": "00000000-0000-0000-0000-000000000009", "kind": "user", "changed": "2024-01-02T00:00:00+00:00"},
        {"id": "group"},
    ]
    assert status(output, "identities") == ["STARTED", "RUNNING", "COMPLETE"]
    assert states(output) == [{"__ab_no_cursor_state_message": True}]
    again = sync(root, "identities", state=[message.state for message in output.state_messages])
    assert data(again) == data(output)


def test_no_identity_is_a_complete_stream(root: Path) -> None:
    output = sync(root, "identities", identities=lambda: iter(()))
    assert status(output, "identities") == ["STARTED", "COMPLETE"]
    assert states(output) == [{"__ab_no_cursor_state_message": True}]


@pytest.mark.parametrize("error", [ValueError("gone"), AirbyteTracedException("in", "no right to list users")])
def test_identities_that_break_off_are_not_complete(root: Path, error: Exception) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield {"id": "first"}
        raise error

    output = sync(root, "s", "identities", fails=True, identities=broken)
    assert status(output, "identities")[-1] == "INCOMPLETE"
    assert status(output)[-1] == "COMPLETE"
    assert [state for state in states(output) if "__ab_no_cursor_state_message" in state] == []
    assert data(output)[-1] == {"id": "first"}


def test_a_limit_holds_for_both_streams(root: Path) -> None:
    made = catalog("s", "identities")
    output = read(Source(catalog=made), {**config(root), "_limit": 1}, made)
    assert [message.record.stream for message in output.records] == ["s", "s", "s", "identities"]
    assert states(output)[-1] == {"__ab_no_cursor_state_message": True}


def test_the_user_may_leave_identities_out(root: Path) -> None:
    streams = discover(Source(), config(root, identities=False)).catalog.catalog.streams
    assert [stream.name for stream in streams] == ["s"]


def test_the_stream_can_be_made_by_hand() -> None:
    stream = FileIdentitiesStream(
        catalog_schema=None,
        stream_permissions_reader=Permissions(lambda uri: {}, people),
        discovery_policy=None,  # type: ignore[arg-type]
        errors_collector=None,  # type: ignore[arg-type]
    )
    assert stream.name == "identities"
    assert [record["id"] for record in stream.read_records(None)] == [UUID(int=9), "group"]  # type: ignore[arg-type,index,call-overload]


# check and config -------------------------------------------------------------------------------------------------


def test_check_lists_files_and_identities(root: Path, tmp_path: Path) -> None:
    assert check(root, tmp_path, Source()).status.value == "SUCCEEDED"
    missing = check(root, tmp_path, Source(), globs=["*.none"])
    assert missing.status.value == "FAILED"
    assert "No file matches" in missing.message


def test_check_without_any_identity_says_so(root: Path, tmp_path: Path) -> None:
    for nobody in (lambda: iter(()), lambda: iter([{}])):
        answer = check(root, tmp_path, Source(identities=nobody))
        assert answer.status.value == "FAILED"
        assert "names no user and no group for the stream identities" in answer.message
    assert check(root, tmp_path, Source(identities=lambda: iter(())), identities=False).status.value == "SUCCEEDED"


def test_check_tells_that_identities_cannot_be_listed(root: Path, tmp_path: Path) -> None:
    def forbidden() -> Iterator[dict[str, Any]]:
        raise AirbyteTracedException("in", "no right to list users", FailureType.config_error)

    answer = check(root, tmp_path, Source(identities=forbidden))
    assert (answer.status.value, "identities - no right to list users" in answer.message) == ("FAILED", True)


def test_a_connector_without_permissions_reader_says_so(root: Path, tmp_path: Path) -> None:
    source = Source(stream_permissions_reader=None)
    answer = check(root, tmp_path, source)
    assert answer.status.value == "FAILED"
    assert "use_permissions_transfer" in answer.message
    for failed in (
        discover(source, config(root), expecting_exception=True),
        sync(root, fails=True, stream_permissions_reader=None),
    ):
        assert failed.errors[-1].trace.error.failure_type.value == "config_error"
        assert "use_permissions_transfer" in failed.errors[-1].trace.error.message


def test_no_other_stream_may_be_called_identities(root: Path, tmp_path: Path) -> None:
    source = Source()
    with pytest.raises(Exception, match="several streams are named identities"):
        source.streams(config(root, "identities"))
    assert [stream.name for stream in source.streams(config(root, "identities", identities=False))] == ["identities"]
