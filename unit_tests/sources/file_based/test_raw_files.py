"""Raw-file mode: copies on the disk, the records that stand for them, and what may go wrong."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
import time
import tracemalloc
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.cli.source_files.source import SourceFiles
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteRecordMessageFileReference,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
    Type,
)
from airbyte_cdk.sources.file_based import raw_files
from airbyte_cdk.sources.file_based.access.part_files import new_part_path, opened_part
from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.exceptions import DuplicatedFilesError, FileSizeLimitError, RawFilePathError
from airbyte_cdk.sources.file_based.file_based_source import DEFAULT_CONCURRENCY, FileBasedSource
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader
from airbyte_cdk.sources.file_based.file_record_data import FileRecordData
from airbyte_cdk.sources.file_based.remote_file import RemoteFile, UploadableRemoteFile
from airbyte_cdk.sources.file_based.schema_helpers import file_transfer_schema
from airbyte_cdk.sources.file_based.stream import DefaultFileBasedStream
from airbyte_cdk.sources.file_based.stream.cursor import DefaultFileBasedCursor
from airbyte_cdk.sources.utils.files_directory import AIRBYTE_STAGING_DIRECTORY
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, _run_command, discover, make_file, read
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from servers.disk import small_disk

LOGGER = logging.getLogger("airbyte.test_raw_files")
DAY = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
MODIFIED = "2024-01-01T00:00:00.000000Z"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "staging"
    monkeypatch.setenv(AIRBYTE_STAGING_DIRECTORY, str(folder))
    return folder


def write(root: Path, uri: str, data: bytes | str, modified: float = DAY) -> None:
    path = root / uri
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    os.utime(path, (modified, modified))


def raw(*, preserve: bool = True) -> dict[str, Any]:
    return {"delivery_type": "use_file_transfer", "preserve_directory_structure": preserve}


def config(
    root: Path, filetype: str = "csv", *, preserve: bool = True, globs: Iterable[str] = ("**",)
) -> dict[str, Any]:
    return {
        "provider": {"storage": "local", "root": str(root)},
        "delivery_method": raw(preserve=preserve),
        "streams": [{"name": "s", "globs": list(globs), "format": {"filetype": filetype}}],
    }


def catalog(mode: str = "incremental") -> Any:
    return ConfiguredAirbyteCatalogSerializer.load(
        {
            "streams": [
                {
                    "stream": {
                        "name": "s",
                        "json_schema": dict(file_transfer_schema),
                        "supported_sync_modes": ["full_refresh", "incremental"],
                        "is_file_based": True,
                    },
                    "sync_mode": mode,
                    "destination_sync_mode": "append",
                }
            ]
        }
    )


def sync(root: Path, state: Any = None, *, fails: bool = False, **options: Any) -> EntrypointOutput:
    configured = catalog()
    return read(SourceFiles(configured), config(root, **options), configured, state, expecting_exception=fails)


def states_of(output: EntrypointOutput) -> list[Any]:
    dumped = AirbyteStateMessageSerializer.dump(output.state_messages[-1].state)
    return [AirbyteStateMessageSerializer.load(json.loads(json.dumps(dumped)))]


def copies(output: EntrypointOutput) -> dict[str, bytes]:
    return {
        m.record.file_reference.source_file_relative_path: Path(m.record.file_reference.staging_file_url).read_bytes()
        for m in output.records
    }


def counted(output: EntrypointOutput) -> float:
    return sum(m.state.sourceStats.recordCount for m in output.state_messages)


# The ready-made connector ------------------------------------------------------------------------------------------


def test_the_lines_of_a_sync(root: Path, staging: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SourceFiles, "max_workers", lambda source: 1)
    write(root, "d/f1.csv", "a,b\n1,2\n")
    write(root, "f2.bin", bytes(range(256)), DAY + 1)
    source = SourceFiles(catalog())
    entrypoint = AirbyteEntrypoint(source)
    arguments = [
        "read",
        "--config",
        make_file(tmp_path / "config.json", config(root)),
        "--catalog",
        make_file(tmp_path / "catalog.json", ConfiguredAirbyteCatalogSerializer.dump(catalog())),
    ]
    lines = [json.loads(line) for line in entrypoint.run(entrypoint.parse_args(arguments))]
    records = [line["record"] for line in lines if line["type"] == "RECORD"]
    urls = [record["file_reference"].pop("staging_file_url") for record in records]
    emitted = [record.pop("emitted_at") for record in records]
    assert records == [
        {
            "stream": "s",
            "data": {"folder": "d", "file_name": "f1.csv", "bytes": 8, "source_uri": "d/f1.csv"},
            "file_reference": {"source_file_relative_path": "d/f1.csv", "file_size_bytes": 8},
        },
        {
            "stream": "s",
            "data": {"folder": "", "file_name": "f2.bin", "bytes": 256, "source_uri": "f2.bin"},
            "file_reference": {"source_file_relative_path": "f2.bin", "file_size_bytes": 256},
        },
    ]
    assert all(url.startswith(f"{staging}/") for url in urls)
    assert urls[0].endswith("/d/f1.csv")
    assert urls[1].endswith("/f2.bin")
    assert [Path(url).read_bytes() for url in urls] == [b"a,b\n1,2\n", bytes(range(256))]
    assert all(isinstance(at, int) for at in emitted)
    last = [line["state"] for line in lines if line["type"] == "STATE"][-1]
    later = MODIFIED.replace("00.000000", "01.000000")
    assert last["stream"]["stream_state"] == {
        "history": {"d/f1.csv": MODIFIED, "f2.bin": later},
        "_ab_source_file_last_modified": f"{later}_f2.bin",
    }
    assert sum(line["state"]["sourceStats"]["recordCount"] for line in lines if line["type"] == "STATE") == 2
    kinds = [line["type"] for line in lines if line["type"] in ("RECORD", "STATE")]
    assert kinds[0] == "RECORD"
    assert kinds[-1] == "STATE"


def test_what_was_copied_is_not_copied_again_until_it_changes(root: Path) -> None:
    write(root, "a.csv", "1")
    write(root, "b/c.csv", "2")
    first = sync(root)
    assert copies(first) == {"a.csv": b"1", "b/c.csv": b"2"}
    assert counted(first) == 2
    second = sync(root, states_of(first))
    assert not second.records
    assert second.get_stream_statuses("s")[-1].value == "COMPLETE"
    write(root, "b/c.csv", "changed", DAY + 60)
    third = sync(root, states_of(second))
    assert copies(third) == {"b/c.csv": b"changed"}
    assert counted(third) == 1


def test_many_files_on_several_workers(root: Path) -> None:
    files = {f"{n % 7}/{n}.txt": f"content {n}".encode() for n in range(200)}
    for uri, data in files.items():
        write(root, uri, data)
    output = sync(root)
    assert copies(output) == files
    assert counted(output) == 200
    assert set(output.most_recent_state.stream_state.history) == set(files)


def test_compressed_files_and_archives_are_copied_as_they_are(root: Path) -> None:
    packed = gzip.compress(b"a\n1\n")
    write(root, "a.csv.gz", packed)
    with zipfile.ZipFile(root / "b.zip", "w") as archive:
        archive.writestr("inner/c.csv", "a\n1\n")
    output = sync(root, globs=["**/*.gz", "**/*.zip", "**/*.csv"])
    assert copies(output) == {"a.csv.gz": packed, "b.zip": (root / "b.zip").read_bytes()}


def test_empty_files_are_copied(root: Path) -> None:
    write(root, "empty", b"")
    output = sync(root)
    assert copies(output) == {"empty": b""}
    assert output.records[0].record.data["bytes"] == 0


def test_without_their_directories(root: Path) -> None:
    write(root, "a/b/one.csv", "1")
    write(root, "c/two.csv", "2")
    output = sync(root, preserve=False)
    assert copies(output) == {"one.csv": b"1", "two.csv": b"2"}
    assert sorted(m.record.data["folder"] for m in output.records) == ["a/b", "c"]
    assert all(
        m.record.file_reference.staging_file_url.split("/")[-2].count("-") == 4 for m in output.records
    )  # right in its fresh folder


def test_names_that_collide_are_told_before_anything_is_copied(root: Path, staging: Path) -> None:
    for folder in "abc":
        write(root, f"{folder}/x.csv", folder)
    write(root, "y.csv", "y")
    write(root, "d/y.csv", "y")
    write(root, "z.csv", "z")
    output = sync(root, preserve=False, fails=True)
    stream_error = output.errors[0].trace.error
    for error in (stream_error, output.errors[-1].trace.error):
        assert "3 duplicates found for file name x.csv:\n - a/x.csv\n - b/x.csv\n - c/x.csv" in error.message
        assert "2 duplicates found for file name y.csv:\n - d/y.csv\n - y.csv" in error.message
        assert "z.csv" not in error.message
        assert error.failure_type.value == "config_error"
    assert not output.records
    assert not staging.exists()
    assert output.get_stream_statuses("s")[-1].value == "INCOMPLETE"


def test_only_names_of_this_sync_collide(root: Path) -> None:
    write(root, "a/x.csv", "1")
    first = sync(root, preserve=False)
    write(root, "b/x.csv", "2", DAY + 60)
    second = sync(root, states_of(first), preserve=False)
    assert copies(second) == {"x.csv": b"2"}


def test_a_name_that_no_copy_can_have_fails_alone(root: Path) -> None:
    write(root, "a.csv", "a")
    write(root, "b\\..\\..\\c.csv", "b", DAY + 1)
    write(root, "d.csv", "d", DAY + 2)
    output = sync(root, fails=True)
    assert copies(output) == {"a.csv": b"a", "d.csv": b"d"}
    assert set(output.most_recent_state.stream_state.history) == {"a.csv", "d.csv"}
    assert counted(output) == 2
    assert output.get_stream_statuses("s")[-1].value == "INCOMPLETE"
    assert output.is_in_logs(r"b\\\.\.\\\.\.\\c\.csv.*backslash")
    assert "b\\..\\..\\c.csv (it cannot be copied: its path has a backslash" in output.errors[0].trace.error.message
    assert output.errors[0].trace.error.failure_type.value == "config_error"


@pytest.mark.parametrize("filetype", ["csv", "jsonl", "parquet", "avro", "excel", "unstructured"])
def test_check_and_discover_look_into_no_file(filetype: str, root: Path, tmp_path: Path) -> None:
    path = make_file(tmp_path / "config.json", config(root, filetype))

    def check() -> Any:
        return _run_command(SourceFiles(), ["check", "--config", path]).connection_status_messages[0].connectionStatus

    assert check().status.value == "FAILED"
    assert "No file matches" in check().message
    write(root, "neither.one", b"\xff\x00 of these formats")
    assert check().status.value == "SUCCEEDED"
    stream = discover(SourceFiles(), config(root, filetype)).catalog.catalog.streams[0]
    optional = {"type": ["null", "string"]}
    assert stream.json_schema == {
        "type": "object",
        "properties": {
            "folder": {"type": "string"},
            "file_name": {"type": "string"},
            "bytes": {"type": "integer"},
            "source_uri": {"type": "string"},
            "id": optional,
            "created_at": optional,
            "updated_at": optional,
            "mime_type": optional,
        },
    }
    assert stream.is_file_based is True
    assert not stream.source_defined_primary_key
    assert copies(sync(root, filetype=filetype)) == {"neither.one": b"\xff\x00 of these formats"}


def test_schema_options_do_not_matter(root: Path) -> None:
    write(root, "a.csv", "c\n1\n")
    for option in ({"schemaless": True}, {"input_schema": '{"c": "integer"}'}, {"validation_policy": "Skip Record"}):
        raw_config = config(root)
        raw_config["streams"][0].update(option)
        (stream,) = discover(SourceFiles(), raw_config).catalog.catalog.streams
        assert stream.json_schema == file_transfer_schema
        assert list(copies(read(SourceFiles(catalog()), raw_config, catalog()))) == ["a.csv"]


def test_a_connector_may_copy_files_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Copies:
        def upload(self, file: str, local_directory: str, logger: None) -> tuple[str, str]:
            return file, local_directory

    monkeypatch.setenv(AIRBYTE_STAGING_DIRECTORY, str(tmp_path / "staging"))
    copies = raw_files.FileTransfer().upload("a.csv", Copies(), None)  # type: ignore[arg-type]  # only handed on
    assert list(copies) == [("a.csv", str(tmp_path / "staging"))]


def test_permissions_need_a_connector_that_knows_them(root: Path, tmp_path: Path) -> None:
    write(root, "a.csv", "1")
    refused = {**config(root), "delivery_method": {"delivery_type": "use_permissions_transfer"}}
    output = _run_command(SourceFiles(), ["check", "--config", make_file(tmp_path / "config.json", refused)])
    assert "use_permissions_transfer" in output.connection_status_messages[0].connectionStatus.message


def test_a_staging_directory_that_cannot_be_used_stops_the_stream(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "a.csv", "1")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(AIRBYTE_STAGING_DIRECTORY, str(tmp_path / "file" / "staging"))
    output = sync(root, fails=True)
    assert str(tmp_path / "file" / "staging") in output.errors[0].trace.error.message
    assert output.errors[0].trace.error.failure_type.value == "config_error"
    assert not output.state_messages


def test_a_full_disk_stops_the_stream_after_what_fits(
    root: Path, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SourceFiles, "max_workers", lambda source: 1)
    staging.mkdir()
    with small_disk(staging):
        for n in range(3):
            write(root, f"{n}.bin", bytes([n]) * (3 << 19), DAY + n)
        full = sync(root, fails=True)
        assert list(copies(full)) == ["0.bin", "1.bin"]
        error = full.errors[0].trace.error
        assert "2.bin does not fit" in error.message
        assert f"staging directory {staging}: it needs" in error.message
        assert error.failure_type.value == "system_error"
        assert full.get_stream_statuses("s")[-1].value == "INCOMPLETE"
        assert set(full.most_recent_state.stream_state.history) == {"0.bin", "1.bin"}
        assert counted(full) == 2
        assert len(list(staging.iterdir())) == 2  # nothing is left of the third
        for taken in staging.iterdir():
            shutil.rmtree(taken)
        assert list(copies(sync(root, states_of(full)))) == ["2.bin"]


def test_each_copy_that_stays_has_its_record(root: Path, staging: Path) -> None:
    """Several large files of which only one fits: who is first is chance, but no copy is left that nobody knows of."""
    staging.mkdir()
    with small_disk(staging, megabytes=20):
        for name, megabytes in (("a", 12), ("b", 12), ("c", 1)):
            write(root, name, bytes(megabytes << 20))
        kept = 0
        for _ in range(10):
            output = sync(root, fails=True)
            kept += len(copies(output))
            assert set(copies(output)) == {path.name for path in staging.rglob("*") if path.is_file()}
            history = output.most_recent_state.stream_state.history if output.state_messages else {}
            assert set(history) == set(copies(output))
            for taken in staging.iterdir():
                shutil.rmtree(taken)
        assert kept


def test_what_a_killed_sync_left_is_swept(root: Path, staging: Path) -> None:
    write(root, "a.csv", "1")
    staging.mkdir()
    dead, living, young = (Path(new_part_path(str(staging))) for _ in range(3))
    others = [staging / "mine.part", staging / "copy" / dead.name, staging / f"x{dead.name}"]
    for path in (dead, *others):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    held = opened_part(str(living))
    for path in (dead, living, *others):
        os.utime(path, (DAY, DAY))
    young.touch()
    output = sync(root)
    os.close(held)
    assert copies(output) == {"a.csv": b"1"}
    assert not dead.exists()
    assert all(path.exists() for path in (living, young, *others))


def test_a_sync_that_is_broken_off_leaves_only_what_was_sent(root: Path, staging: Path) -> None:
    for n in range(20):
        write(root, f"{n}.csv", str(n))
    messages = SourceFiles(catalog()).read(LOGGER, config(root), catalog(), [])
    sent = [next(message for message in messages if message.type == Type.RECORD) for _ in range(3)]
    time.sleep(0.5)
    assert len(list(staging.iterdir())) > 3
    messages.close()  # type: ignore[attr-defined]  # a generator
    left = [str(path) for path in staging.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(message.record.file_reference.staging_file_url for message in sent)  # type: ignore[union-attr]
    assert len(list(staging.iterdir())) == 3


def test_memory_does_not_grow_with_the_file(root: Path) -> None:
    with open(root / "sparse.bin", "wb") as sparse:
        sparse.truncate(128 << 20)
    tracemalloc.start()
    try:
        output = sync(root)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    url = output.records[0].record.file_reference.staging_file_url
    assert os.path.getsize(url) == 128 << 20
    os.unlink(url)
    assert peak < 80 << 20


# Connectors written against the published names --------------------------------------------------------------------


class Copied(UploadableRemoteFile):
    """A file as a published connector makes it: with a live object, set after the model's own constructor."""

    client: Any

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.client = client
        self.id = "17"
        self.created_at = "2023-12-31T00:00:00Z"

    @property
    def size(self) -> int:
        return int((self.client / self.uri.lstrip("/")).stat().st_size)

    @property
    def source_uri(self) -> str:
        return f"store://{self.uri}"

    def download_to_local_directory(self, local_file_path: str) -> None:
        shutil.copyfile(self.client / self.uri.lstrip("/"), local_file_path)
        if self.uri.endswith("broken.csv"):
            raise ConnectionError("it broke off")


class Spec(AbstractFileBasedSpec):
    root: str

    @classmethod
    def documentation_url(cls) -> Any:
        return "https://example.org"


class Reader(AbstractFileBasedStreamReader):
    prefix = ""
    uploadable = True

    @property
    def config(self) -> Any:
        return self._config

    @config.setter
    def config(self, value: Any) -> None:
        self._config = value

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        root = Path(self.config.root)
        for path in sorted(root.rglob("*")):
            if path.is_file():
                modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
                named = {"uri": f"{self.prefix}{path.relative_to(root)}", "last_modified": modified}
                file = Copied(root, mime_type="text/csv", **named) if self.uploadable else RemoteFile(**named)
                if self.file_matches_globs(file, globs):
                    yield file

    def open_file(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("raw files are not opened")


class Source(FileBasedSource):
    stream_cls: type[DefaultFileBasedStream] = DefaultFileBasedStream
    reader_cls: type[Reader] = Reader

    def __init__(self, catalog: Any = None, state: Any = None) -> None:
        super().__init__(self.reader_cls(), Spec, catalog, None, state, cursor_cls=DefaultFileBasedCursor)

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
            use_file_transfer=self.stream_reader.use_file_transfer() or parsed_config is not None,
            preserve_directory_structure=getattr(parsed_config.delivery_method, "preserve_directory_structure", True),
        )


def own_config(root: Path, *, preserve: bool = True, globs: Iterable[str] = ("**",)) -> dict[str, Any]:
    found = config(root, preserve=preserve, globs=globs)
    del found["provider"]
    return {**found, "root": str(root)}


def reader_of(root: Path, *, preserve: bool = True) -> Reader:
    reader = Reader()
    reader.config = Spec(**own_config(root, preserve=preserve))
    return reader


def file_of(root: Path, uri: str) -> Copied:
    return Copied(root, uri=uri, last_modified=datetime(2024, 1, 1), mime_type="text/csv")


def test_a_file_copies_itself(root: Path, staging: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root, "d/f1.csv", "12345")
    with caplog.at_level(logging.INFO, LOGGER.name):
        data, reference = reader_of(root).upload(file_of(root, "/d/f1.csv"), str(staging), LOGGER)
    assert data == FileRecordData(
        folder="/d",
        file_name="f1.csv",
        bytes=5,
        source_uri="store:///d/f1.csv",
        id="17",
        created_at="2023-12-31T00:00:00Z",
        mime_type="text/csv",
    )
    url = reference.staging_file_url
    assert reference == AirbyteRecordMessageFileReference(
        staging_file_url=url, source_file_relative_path="d/f1.csv", file_size_bytes=5
    )
    assert os.path.isabs(url)
    assert Path(url).read_text() == "12345"
    assert len(caplog.messages) == 2
    assert all("/d/f1.csv" in message for message in caplog.messages)


def test_a_file_that_cannot_copy_itself_is_a_type_error(root: Path, staging: Path) -> None:
    file = RemoteFile(uri="a.csv", last_modified=datetime(2024, 1, 1))
    with pytest.raises(TypeError, match="Reader cannot copy a RemoteFile"):
        reader_of(root).upload(file, str(staging), LOGGER)
    assert not staging.exists()


def test_the_limit_of_a_reader_holds(root: Path, staging: Path) -> None:
    class Small(Reader):
        FILE_SIZE_LIMIT = 4

    class SmallSource(Source):
        reader_cls = Small

    assert Reader.FILE_SIZE_LIMIT == 1_500_000_000
    write(root, "a.csv", "1234")
    write(root, "b.csv", "12345", DAY + 1)
    write(root, "c.csv", "1234", DAY + 2)
    reader = Small()
    reader.config = Spec(**own_config(root))
    with pytest.raises(FileSizeLimitError, match=r"The file b\.csv has 5 bytes.* at most 4 bytes") as error:
        reader.upload(file_of(root, "b.csv"), str(staging), LOGGER)
    assert error.value.failure_type is FailureType.config_error
    assert not staging.exists()
    output = read(SmallSource(catalog()), own_config(root), catalog(), expecting_exception=True)
    assert set(copies(output)) in ({"a.csv"}, {"a.csv", "c.csv"})  # the stream stops as soon as the error is seen
    assert "b.csv" not in output.most_recent_state.stream_state.history
    assert "b.csv has 5 bytes" in output.errors[0].trace.error.message


def test_a_copy_that_broke_off_is_removed_and_the_others_go_on(root: Path, staging: Path) -> None:
    for n, name in enumerate(["a.csv", "d/broken.csv", "z.csv"]):
        write(root, name, name, DAY + n)
    output = read(Source(catalog()), own_config(root), catalog(), expecting_exception=True)
    assert copies(output) == {"a.csv": b"a.csv", "z.csv": b"z.csv"}
    assert len(list(staging.iterdir())) == 2
    assert output.is_in_logs("d/broken.csv.*it broke off")
    assert "d/broken.csv" in output.errors[-1].trace.error.message
    assert set(output.most_recent_state.stream_state.history) == {"a.csv", "z.csv"}
    assert counted(output) == 2


def test_files_that_cannot_copy_themselves_fail_one_by_one(root: Path) -> None:
    class Plain(Reader):
        uploadable = False

    class PlainSource(Source):
        reader_cls = Plain

    write(root, "a.csv", "1")
    output = read(PlainSource(catalog()), own_config(root), catalog(), expecting_exception=True)
    assert output.is_in_logs("cannot copy a RemoteFile")
    assert output.get_stream_statuses("s")[-1].value == "INCOMPLETE"


def test_the_paths_of_a_copy(root: Path, staging: Path) -> None:
    reader = reader_of(root)
    paths = reader._get_file_transfer_paths("//d/e/f.csv", str(staging))
    local = paths.pop(reader.LOCAL_FILE_PATH)
    assert paths == {
        reader.FILE_RELATIVE_PATH: "d/e/f.csv",
        reader.FILE_NAME: "f.csv",
        reader.FILE_FOLDER: "//d/e",
    }
    assert local.startswith(f"{staging}/")
    assert local.endswith("/d/e/f.csv")
    assert os.path.isdir(os.path.dirname(local))
    assert not os.path.exists(local)
    again = reader._get_file_transfer_paths(source_file_relative_path="//d/e/f.csv", staging_directory=str(staging))
    assert again[reader.LOCAL_FILE_PATH] != local
    flat = reader_of(root, preserve=False)._get_file_transfer_paths("d/../e/f.csv", str(staging))
    assert flat[reader.FILE_RELATIVE_PATH] == "f.csv"
    assert flat[reader.FILE_FOLDER] == "d/../e"
    assert os.path.dirname(os.path.dirname(flat[reader.LOCAL_FILE_PATH])) == str(staging)


UNUSABLE = [
    "..",
    ".",
    "",
    "/",
    "a/..",
    "a/",
    "a\\..\\..\\x",
    "\\\\host\\share",
    "C:\\x",
    "a\0b",
    "x" * 256,
    "é" * 128,
    "\ud800",
]
ESCAPING = ["../x", "/../x", "a/../../x", "a/./x", "a/" + "x" * 256 + "/b", "/".join(["x" * 200] * 25)]


@pytest.mark.parametrize("preserve", [True, False])
@pytest.mark.parametrize("uri", UNUSABLE, ids=lambda uri: ascii(uri[:20]))
def test_a_path_that_no_copy_can_have_is_an_error(uri: str, preserve: bool, root: Path, staging: Path) -> None:
    with pytest.raises(RawFilePathError, match="cannot be copied") as error:
        reader_of(root, preserve=preserve)._get_file_transfer_paths(uri, str(staging))
    assert error.value.failure_type is FailureType.config_error
    assert not staging.exists()


@pytest.mark.parametrize("uri", ESCAPING, ids=lambda uri: uri[:20])
def test_directories_do_not_lead_out_of_the_staging_directory(uri: str, root: Path, staging: Path) -> None:
    staging.mkdir()
    with pytest.raises(RawFilePathError, match="cannot be copied"):
        reader_of(root)._get_file_transfer_paths(uri, str(staging))
    assert not list(staging.iterdir())
    flat = reader_of(root, preserve=False)._get_file_transfer_paths(uri, str(staging))  # they are not kept
    assert os.path.dirname(os.path.dirname(flat["local_file_path"])) == str(staging)
    assert os.path.realpath(flat["local_file_path"]) == flat["local_file_path"]


@pytest.mark.parametrize("uri", ["a b", "..x", "x..", "...", "a//b", "-", "#%?*", "é" * 127, "\n", "x" * 255, ".h/.i"])
def test_odd_paths_can_be_copied(uri: str, root: Path, staging: Path) -> None:
    paths = reader_of(root)._get_file_transfer_paths(uri, str(staging))
    with open(paths["local_file_path"], "wb"):
        pass
    assert paths["file_relative_path"] == uri


def test_duplicates_are_found_by_slices_too(root: Path) -> None:
    write(root, "a/x.csv", "1")
    write(root, "b/x.csv", "1")
    (stream,) = Source(catalog()).streams(own_config(root, preserve=False))
    with pytest.raises(DuplicatedFilesError, match="2 duplicates found for file name x"):
        list(stream.compute_slices())
    (kept,) = Source(catalog()).streams(own_config(root))
    assert len(list(kept.compute_slices())) == 2


def test_duplicates_go_by_the_path_that_names_the_copy() -> None:
    class Displayed(Copied):
        @property
        def source_file_relative_path(self) -> str:
            return self.uri.partition("?")[0]

    files = [Displayed(None, uri=f"{d}/x.csv?sig={d}", last_modified=datetime(2024, 1, 1)) for d in "ab"]
    with pytest.raises(DuplicatedFilesError, match=r"x\.csv:\n - a/x\.csv\n - b/x\.csv"):
        raw_files.refuse_duplicates("s", files)


class Wrapped(DefaultFileBasedStream):
    """Wraps `read` as a published connector does."""

    def read(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from super().read(*args, **kwargs)


@pytest.mark.parametrize("level", [None, DEFAULT_CONCURRENCY])
@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
def test_wrapped_and_concurrent_streams(level: int | None, mode: str, root: Path) -> None:
    class Own(Source):
        _concurrency_level = level
        stream_cls = Wrapped

    files = {f"{n}.csv": str(n).encode() for n in range(20)}
    for uri, data in files.items():
        write(root, uri, data)
    output = read(Own(catalog(mode)), own_config(root), catalog(mode))
    assert copies(output) == files
    assert counted(output) == 20
    if level is None or mode == "incremental":
        assert set(output.most_recent_state.stream_state.history) == set(files)


def test_a_raw_stream_can_be_read_by_hand(root: Path) -> None:
    write(root, "a.csv", "1")
    write(root, "b.csv", "2", DAY + 1)
    (stream,) = Source(catalog()).streams(own_config(root))
    messages = list(stream.read(catalog().streams[0], LOGGER, DebugSliceLogger(), {}, None, None))  # type: ignore[arg-type]
    assert [m.type for m in messages] == [Type.RECORD, Type.STATE, Type.RECORD, Type.STATE]
    records = list(stream.read_records_from_slice({"files": [file_of(root, "a.csv")]}))
    assert [m.record.data["file_name"] for m in records] == ["a.csv"]


def test_without_a_catalog_nothing_is_copied(root: Path, staging: Path) -> None:
    write(root, "a.csv", "1")
    (stream,) = Source().streams(own_config(root))
    list(stream.read_records_from_slice({"files": [file_of(root, "a.csv")]}))
    assert isinstance(stream.failure(), AirbyteTracedException)
    assert not staging.exists()
