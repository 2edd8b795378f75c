"""Connectors written against the published names: what they override is honoured, what they keep is fast."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteCatalogSerializer, FailureType, Type
from airbyte_cdk.models.batch import Batch, JsonLines, Rows
from airbyte_cdk.sources.file_based import discovery
from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.file_based_source import DEFAULT_CONCURRENCY, FileBasedSource
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.file_types import CsvParser, default_parsers
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.file_based.schema_validation_policies import AbstractSchemaValidationPolicy
from airbyte_cdk.sources.file_based.stream import DefaultFileBasedStream
from airbyte_cdk.sources.file_based.stream.cursor import DefaultFileBasedCursor
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from airbyte_cdk.test.entrypoint_wrapper import read
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte.test")


class Spec(AbstractFileBasedSpec):
    root: str

    @classmethod
    def documentation_url(cls) -> str:
        return "https://example.org"


class Reader(AbstractFileBasedStreamReader):
    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    @property
    def config(self) -> Any:
        return self._config

    @config.setter
    def config(self, value: Any) -> None:
        assert isinstance(value, Spec)
        self._config = value

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        self.threads.add(threading.get_ident())
        root = Path(self.config.root)
        for path in root.rglob("*"):
            modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
            file = RemoteFile(uri=str(path.relative_to(root)), last_modified=modified)
            if self.file_matches_globs(file, globs):
                yield file

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        self.threads.add(threading.get_ident())
        return open(Path(self.config.root) / file.uri, mode.value, encoding=encoding)


class Source(FileBasedSource):
    stream_cls: type[DefaultFileBasedStream] = DefaultFileBasedStream

    def __init__(self, catalog: Any, config: Any, state: Any, **kwargs: Any) -> None:
        kwargs.setdefault("cursor_cls", DefaultFileBasedCursor)
        super().__init__(Reader(), Spec, catalog, config, state, **kwargs)

    def _make_default_stream(self, stream_config: Any, cursor: Any, parsed_config: Any) -> Any:
        return self.stream_cls(
            config=stream_config,
            catalog_schema=self.stream_schemas.get(stream_config.name),
            stream_reader=self.stream_reader,
            availability_strategy=self.availability_strategy,
            discovery_policy=self.discovery_policy,
            parsers=self.parsers,
            validation_policy=self._validate_and_get_validation_policy(stream_config),
            errors_collector=self.errors_collector,
            cursor=cursor,
            use_file_transfer=False,
            preserve_directory_structure=True,
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text(f"id,name\n1,{name}1\n2,{name}2\n")
        (tmp_path / f"{name}.jsonl").write_text(f'{{"id": 1, "name": "{name}1"}}\n')
    return tmp_path


def config(root: Path, filetype: str = "csv", *streams: str) -> dict[str, Any]:
    return {
        "root": str(root),
        "streams": [
            {"name": name, "globs": [f"*.{filetype}"], "format": {"filetype": filetype}} for name in streams or ["s"]
        ],
    }


def catalog(mode: str = "incremental", *streams: str) -> ConfiguredAirbyteCatalog:
    schema = {
        "type": "object",
        "properties": {"id": {"type": ["null", "string"]}, "name": {"type": ["null", "string"]}},
    }
    found: ConfiguredAirbyteCatalog = ConfiguredAirbyteCatalogSerializer.load(
        {
            "streams": [
                {
                    "stream": {"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"]},
                    "sync_mode": mode,
                    "destination_sync_mode": "append",
                }
                for name in streams or ["s"]
            ]
        }
    )
    return found


def batches_of(source: Source, root: Path, mode: str = "incremental") -> list[Batch]:
    """The batches of a sync as the engine gets them."""
    items = source.read_items(LOGGER, config(root), catalog(mode), [], lambda stream, namespace, batch: batch)
    return [item for item in items if isinstance(item, Batch)]


def test_a_plain_connector_is_read_in_batches(root: Path) -> None:
    tables = [batch.table for batch in batches_of(Source(catalog(), None, []), root)]
    assert tables
    assert not [table for table in tables if isinstance(table, Rows)]


def test_transform_record_sees_each_record_and_its_file(root: Path) -> None:
    files = []

    class Stream(DefaultFileBasedStream):
        def transform_record(self, record: dict[str, Any], file: RemoteFile, last_updated: str) -> dict[str, Any]:
            files.append(file)
            record[self.ab_last_mod_col] = last_updated
            record[self.ab_file_name_col] = f"https://host/{file.uri}"
            return record

    class Own(Source):
        stream_cls = Stream

    plain = read(Source(catalog(), None, []), config(root), catalog())
    output = read(Own(catalog(), None, []), config(root), catalog())
    assert [r.record.data["_ab_source_file_url"] for r in output.records] == [
        f"https://host/{r.record.data['_ab_source_file_url']}" for r in plain.records
    ]
    assert [r.record.data["name"] for r in output.records] == [r.record.data["name"] for r in plain.records]
    assert {file.uri for file in files} == {"a.csv", "b.csv", "c.csv"}


def test_parse_records_of_an_own_parser_is_used(root: Path) -> None:
    class Shouting(CsvParser):
        def parse_records(self, *args: Any, **kwargs: Any) -> Iterable[dict[str, Any]]:
            for record in super().parse_records(*args, **kwargs):
                yield {key: value.upper() for key, value in record.items()}

    source = Source(catalog(), None, [], parsers={CsvFormat: Shouting()})
    output = read(source, config(root), catalog())
    assert [r.record.data["name"] for r in output.records] == ["A1", "A2", "B1", "B2", "C1", "C2"]


def test_what_a_hook_gave_before_its_error_is_sent(root: Path) -> None:
    class Stops(CsvParser):
        def parse_records(self, *args: Any, **kwargs: Any) -> Iterable[dict[str, Any]]:
            yield from islice(super().parse_records(*args, **kwargs), 1)
            raise OSError("the library behind it broke")

    class Refuses(DefaultFileBasedStream):
        def transform_record(self, record: dict[str, Any], file: RemoteFile, last_updated: str) -> dict[str, Any]:
            if record["id"] == "2":
                raise OSError("the lookup failed")
            return super().transform_record(record, file, last_updated)

    class Own(Source):
        stream_cls = Refuses

    for source in (Source(catalog(), None, [], parsers={CsvFormat: Stops()}), Own(catalog(), None, [])):
        output = read(source, config(root), catalog(), expecting_exception=True)
        assert [r.record.data["name"] for r in output.records] == ["a1", "b1", "c1"]
        assert not any(m.state.stream.stream_state.history for m in output.state_messages)


def test_a_parser_of_its_own_gets_the_catalog_schema_of_a_schemaless_stream(root: Path) -> None:
    given = []

    class Asks(CsvParser):
        def parse_records(self, *args: Any, **kwargs: Any) -> Iterable[dict[str, Any]]:
            given.append(args[4])
            return super().parse_records(*args, **kwargs)

    settings = config(root)
    settings["streams"][0]["schemaless"] = True
    output = read(Source(catalog(), None, [], parsers={CsvFormat: Asks()}), settings, catalog())
    assert [r.record.data["data"]["name"] for r in output.records] == ["a1", "a2", "b1", "b2", "c1", "c2"]
    assert given == [catalog().streams[0].stream.json_schema] * 3


def test_a_catalog_without_columns_restricts_none(root: Path) -> None:
    bare = catalog()
    bare.streams[0].stream.json_schema = {}
    output = read(Source(bare, None, []), config(root), bare)
    assert [(r.record.data["id"], r.record.data["name"]) for r in output.records][:2] == [("1", "a1"), ("2", "a2")]


def test_a_policy_of_its_own_decides_on_each_record(root: Path) -> None:
    class Even(AbstractSchemaValidationPolicy):
        name = "even"

        def record_passes_validation_policy(self, record: Mapping[str, Any], schema: Any) -> bool:
            return int(record["id"]) % 2 == 0

    source = Source(catalog(), None, [])
    source.validation_policies = {policy: Even() for policy in source.validation_policies}
    output = read(source, config(root), catalog())
    assert [r.record.data["name"] for r in output.records] == ["a2", "b2", "c2"]
    assert output.is_in_logs("1 record skipped by the validation policy even")


class Throttled(DefaultFileBasedStream):
    """Wraps `read` as a published connector does: forwards the first STATE and the last."""

    def read(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        held = None
        first = True
        for message in super().read(*args, **kwargs):
            if getattr(message, "type", None) != Type.STATE:
                yield message
            elif first:
                first = False
                yield message
            else:
                held = message
        if held is not None:
            yield held


class ThrottledSource(Source):
    stream_cls = Throttled


def test_a_wrapped_read_passes_batches_and_decides_on_states(root: Path) -> None:
    tables = [batch.table for batch in batches_of(ThrottledSource(catalog(), None, []), root)]
    assert len(tables) == 3
    assert not [table for table in tables if isinstance(table, Rows)]
    output = read(ThrottledSource(catalog(), None, []), config(root), catalog())
    assert len(output.records) == 6
    assert len(output.state_messages) == 2
    assert set(output.most_recent_state.stream_state.history) == {"a.csv", "b.csv", "c.csv"}
    assert sum(m.state.sourceStats.recordCount for m in output.state_messages) == 6


def test_a_full_refresh_with_a_concurrency_level_marks_its_end(root: Path) -> None:
    class Level(ThrottledSource):
        _concurrency_level = DEFAULT_CONCURRENCY

    state = read(Level(catalog(), None, []), config(root), catalog()).state_messages[-1].state
    full = catalog("full_refresh")
    output = read(Level(full, None, [state]), config(root), full, [state])
    assert len(output.records) == 6
    assert [m.state.stream.stream_state.__dict__ for m in output.state_messages] == [
        {"__ab_no_cursor_state_message": True}
    ]
    (root / "c.csv").write_text("id,name\n1,2,3\n")
    broken = read(Level(full, None, []), config(root), full, expecting_exception=True)
    assert broken.get_stream_statuses("s")[-1].value == "INCOMPLETE"
    assert not broken.state_messages


def test_without_a_concurrency_level_the_reader_is_called_from_one_thread(root: Path) -> None:
    source = Source(catalog("incremental", "s", "t"), None, [])
    output = read(source, config(root, "csv", "s", "t"), catalog("incremental", "s", "t"))
    assert len(output.records) == 12
    assert len(source.stream_reader.threads) == 1  # type: ignore[attr-defined]


def test_a_stream_can_be_read_by_hand(root: Path) -> None:
    source = Source(catalog(), None, [])
    (stream,) = source.streams(config(root))
    messages = list(stream.read(catalog().streams[0], LOGGER, DebugSliceLogger(), {}, None, None))  # type: ignore[arg-type]
    records = [m.record.data["name"] for m in messages if m.type is Type.RECORD]  # type: ignore[union-attr]
    assert records == ["a1", "a2", "b1", "b2", "c1", "c2"]
    assert [m.type for m in messages if m.type is not Type.RECORD] == [Type.STATE] * 3  # after each slice


def test_slices_and_their_records_may_be_a_connector_s_own(root: Path) -> None:
    class Own(DefaultFileBasedStream):
        def compute_slices(self) -> Iterable[Mapping[str, Any]]:
            return [{"n": 1}, {"n": 2}]

        def read_records_from_slice(self, stream_slice: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
            yield {"id": stream_slice["n"]}

    class OwnSource(Source):
        stream_cls = Own

    output = read(OwnSource(catalog(), None, []), config(root), catalog())
    assert [r.record.data for r in output.records] == [{"id": 1}, {"id": 2}]
    assert output.get_stream_statuses("s")[-1].value == "COMPLETE"


def test_get_files_may_be_a_connector_s_own(root: Path) -> None:
    class Own(DefaultFileBasedStream):
        def get_files(self) -> Iterable[RemoteFile]:
            return [file for file in super().get_files() if file.uri != "b.csv"]

    class OwnSource(Source):
        stream_cls = Own

    output = read(OwnSource(catalog(), None, []), config(root), catalog())
    assert {r.record.data["_ab_source_file_url"] for r in output.records} == {"a.csv", "c.csv"}


def test_an_own_rule_for_files_is_kept(root: Path) -> None:
    class Own(DefaultFileBasedCursor):
        def _should_sync_file(self, file: RemoteFile, logger: logging.Logger) -> bool:
            return file.uri == "b.csv"

    for _ in range(2):
        output = read(Source(catalog(), None, [], cursor_cls=Own), config(root), catalog())
        assert {r.record.data["_ab_source_file_url"] for r in output.records} == {"b.csv"}


def test_json_lines_stay_text(root: Path) -> None:
    source = Source(catalog(), None, [])
    items = source.read_items(LOGGER, config(root, "jsonl"), catalog(), [], lambda stream, namespace, batch: batch)
    tables = [item.table for item in items if isinstance(item, Batch)]
    assert len(tables) == 3
    assert all(isinstance(table, JsonLines) for table in tables)


def test_a_source_that_reads_record_by_record_can_be_iterated(root: Path) -> None:
    source = Source(catalog(), None, [])
    messages = list(source.read(LOGGER, config(root), catalog(), []))
    assert [m.record.data["name"] for m in messages if m.type == Type.RECORD] == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_a_hanging_storage_does_not_keep_a_failed_process(root: Path) -> None:
    class Hanging(Reader):
        def open_file(self, *args: Any, **kwargs: Any) -> Any:
            threading.Event().wait(30)

    class Level(Source):
        _concurrency_level = 4

    source = Level(catalog(), None, [])
    source.stream_reader = Hanging()
    items = source.read_items(LOGGER, config(root), catalog(), [], lambda *_: None)
    next(items)
    began = time.monotonic()
    items.close()
    assert time.monotonic() - began < 5
    assert set(default_parsers)


def test_the_default_cursor_class_works_without_a_catalog(root: Path) -> None:
    source = FileBasedSource.__new__(type("Bare", (FileBasedSource,), {}))
    FileBasedSource.__init__(source, Reader(), Spec, None, None, None)
    assert source.check(LOGGER, config(root)).status.value == "SUCCEEDED"
    assert [stream.name for stream in source.discover(LOGGER, config(root)).streams] == ["s"]


class Forbidden(Reader):
    """A storage whose listing fails after its first file."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        yield from list(super().get_matching_files(globs, prefix, logger))[:1]
        raise self.error


@pytest.mark.parametrize(
    ("error", "message", "failure"),
    [
        (OSError("the network is down"), "Stream s could not be read to its end: OSError", FailureType.system_error),
        (
            AirbyteTracedException(message="Your key has expired.", failure_type=FailureType.config_error),
            "Your key has expired.",
            FailureType.config_error,
        ),
    ],
)
def test_a_listing_that_breaks_off_is_no_shorter_listing(
    root: Path, error: Exception, message: str, failure: FailureType
) -> None:
    source = Source(catalog("incremental", "s", "t"), None, [])
    source.stream_reader = Forbidden(error)
    both = catalog("incremental", "s", "t")
    output = read(source, config(root, "csv", "s", "t"), both, expecting_exception=True)
    assert not output.records
    assert output.get_stream_statuses("s")[-1].value == "INCOMPLETE"
    told = [e.trace.error for e in output.errors if e.trace.error.stream_descriptor]
    assert [(e.stream_descriptor.name, e.failure_type) for e in told] == [("s", failure), ("t", failure)]
    assert message in told[0].message
    source.stream_reader.lists_quickly = True
    with pytest.raises(AirbyteTracedException, match=r"cannot be listed|Your key") as caught:
        source.check(LOGGER, config(root))
    assert caught.value.failure_type == FailureType.config_error


def test_a_file_that_cannot_be_opened_leaves_the_others_alone(root: Path) -> None:
    class Locked(Reader):
        def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
            if file.uri == "b.csv":
                raise PermissionError("locked")
            return super().open_file(file, mode, encoding, logger)

    source = Source(catalog(), None, [])
    source.stream_reader = Locked()
    output = read(source, config(root), catalog(), expecting_exception=True)
    assert [r.record.data["name"] for r in output.records] == ["a1", "a2", "c1", "c2"]
    assert set(output.most_recent_state.stream_state.history) == {"a.csv", "c.csv"}
    assert output.get_stream_statuses("s")[-1].value == "INCOMPLETE"
    assert any("b.csv" in e.trace.error.message for e in output.errors)


def test_a_long_listing_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Reader):
        def get_matching_files(self, *args: Any) -> Iterable[RemoteFile]:
            time.sleep(0.3)
            yield from super().get_matching_files(*args)

    monkeypatch.setattr(discovery, "LISTING_LOG_SECONDS", 0.05)
    source = Source(catalog(), None, [])
    source.stream_reader = Slow()
    assert read(source, config(root), catalog()).is_in_logs("Stream s: still listing")
