"""Whole syncs of streams whose files are in archives."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from integration.source_process import Run, configured, source_files
from servers.disk import small_disk
from servers.s3 import Moto
from servers.web import Answer, Asked, WebServer

ROWS = b"id\n1\n2\n"
COLUMNS = {"id": {"type": "string"}}
STREAM = {"name": "s", "json_schema": {"properties": COLUMNS}, "supported_sync_modes": ["full_refresh", "incremental"]}
CATALOG = {"streams": [{"stream": STREAM, "sync_mode": "incremental", "destination_sync_mode": "append"}]}
"""What `discover` finds of these files; it need not be run for each test."""
AT_ONCE = {"AIRBYTE_STORAGE_RETRY_SECONDS": "0"}


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".csv", content)
    return packed.getvalue()


def tarred(**members: bytes) -> bytes:
    return gzip.compress(tar({f"{name}.csv": content for name, content in members.items()}))


def tar(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def as_parquet(rows: int) -> bytes:
    """A column of eight bytes a row."""
    packed = io.BytesIO()
    table = pa.table({"id": pa.array(range(rows), pa.int64())})
    pq.write_table(table, packed, compression="none", use_dictionary=False)
    return packed.getvalue()


class FilesOnTheWeb:
    """Files behind an index page, and the bytes that were sent of them.

    Args:
        files: Content by name.
        statuses: By name, with what GET of a file is refused.
        lengths: Whether answers tell the length of what follows.
        ranges: Whether parts are given.
        chunked: Whether bodies are sent in chunks.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        statuses: Mapping[str, int] | None = None,
        *,
        lengths: bool = True,
        ranges: bool = True,
        chunked: bool = False,
    ) -> None:
        self.files, self.statuses, self.ranges = files, statuses or {}, ranges
        no_length: dict[str, str | None] = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": None}
        self.length = {} if lengths else no_length
        self.chunked = chunked
        self.sent = 0
        self.lock = threading.Lock()
        self.server = WebServer(self.answer)

    def answer(self, asked: Asked) -> Answer:
        name = asked.path.lstrip("/")
        if not name:
            links = "".join(f'<a href="{file}">{file}</a>' for file in self.files)
            page = f'<title>Index of /</title><a href="../">../</a>{links}'.encode()
            return Answer(body=page, headers={"Content-Type": "text/html"})
        data = self.files[name]
        facts = {"Last-Modified": "Sun, 01 Feb 2026 10:20:30 GMT", "ETag": f'"{len(data)}"'}
        if asked.method == "HEAD":
            return Answer(body=data, headers={**facts, **self.length})
        if name in self.statuses:
            return Answer(self.statuses[name])
        if (span := asked.headers.get("range")) and self.ranges:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1, len(data)) if last else len(data)
            facts["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            return Answer(206, self.counted(data[start:end]), {**facts, **self.length})
        return Answer(200, self.counted(data), {**facts, **self.length})

    def counted(self, data: bytes) -> bytes:
        with self.lock:
            self.sent += len(data)
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if self.chunked else data

    def config(self, *globs: str) -> dict[str, Any]:
        return config({"storage": "http", "base_url": f"{self.server.url}/"}, *globs)

    def __enter__(self) -> FilesOnTheWeb:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()


def config(provider: dict[str, Any], *globs: str, **more: Any) -> dict[str, Any]:
    stream = {"name": "s", "globs": list(globs), "format": {"filetype": "csv"}}
    return {"provider": provider, "streams": [stream], **more}


def read(folder: Path, settings: dict[str, Any], state: Any = None) -> Run:
    catalog = configured(source_files("discover", folder, settings))
    return source_files("read", folder, settings, catalog, state)


def urls(run: Run) -> list[str]:
    return sorted({data["_ab_source_file_url"] for _, data in run.records})


def test_members_are_files_and_a_replaced_archive_is_read_again(moto: Moto, tmp_path: Path) -> None:
    moto.put("archives", "data/a.zip", zipped(in__x=ROWS, y=ROWS))
    moto.put("archives", "data/b.tar.gz", tarred(z=ROWS))
    moto.put("archives", "data/plain.csv", ROWS)
    settings = config(moto.provider("archives"), "data/**/*.csv")
    first = read(tmp_path, settings)
    members = ["data/a.zip#in/x.csv", "data/a.zip#y.csv", "data/b.tar.gz#z.csv", "data/plain.csv"]
    assert (first.code, urls(first), len(first.records)) == (0, members, 8)
    assert sorted(first.states["s"]["history"]) == members
    assert not read(tmp_path, settings, first.state_messages).records
    assert urls(read(tmp_path, config(moto.provider("archives"), "data/*.zip"))) == members[:2]


def test_a_file_with_the_name_of_a_member_is_told(moto: Moto, tmp_path: Path) -> None:
    moto.put("shared-names", "a.zip", zipped(b=ROWS, c=ROWS))
    for uri in ("a.zip#b.csv", "a.zip#z.csv", "other.zip#b.csv"):
        moto.put("shared-names", uri, b"id\n3\n")
    settings = config(moto.provider("shared-names"), "**")
    read_uris = ["a.zip#b.csv", "a.zip#c.csv", "a.zip#z.csv", "other.zip#b.csv"]
    for _ in range(2):
        run = read(tmp_path, settings)
        assert (run.code, urls(run), len(run.records)) == (1, read_uris, 6)
        assert sorted(run.states["s"]["history"]) == read_uris
        (error, *_) = run.errors
        assert error["failure_type"] == "config_error"
        assert "a.zip#b.csv (beside the archive) (is also the name of a member of the archive a.zip" in error["message"]
    again = read(tmp_path, settings, run.state_messages)
    assert (again.code, again.records) == (1, [])
    moto.remove("shared-names", "a.zip#b.csv")
    assert read(tmp_path, settings, again.state_messages).code == 0


def test_a_broken_archive_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "good.zip").write_bytes(zipped(x=ROWS))
    (data / "cut.zip").write_bytes(zipped(x=ROWS * 1000)[:60])
    (data / "plain.csv").write_bytes(ROWS)
    settings = config({"storage": "local", "root": str(data)}, "**/*.csv")
    run = read(tmp_path, settings)
    assert run.code == 1
    assert urls(run) == ["good.zip#x.csv", "plain.csv"]
    assert sorted(run.states["s"]["history"]) == ["good.zip#x.csv", "plain.csv"]
    (error, *_) = run.errors
    assert "cut.zip" in error["message"]
    assert error["failure_type"] == "config_error"
    assert not [message for message in run.of_type("LOG") if "stack_trace" in message["log"]]


def test_archives_that_no_glob_can_reach_are_not_opened(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "cut.zip").write_bytes(b"PK\x03\x04 nothing else")
    (data / "plain.csv").write_bytes(ROWS)
    run = read(tmp_path, config({"storage": "local", "root": str(data)}, "pl*.csv"))
    assert (run.code, urls(run)) == (0, ["plain.csv"])


def test_raw_files_take_archives_as_they_are(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    packed = zipped(x=ROWS)
    (data / "a.zip").write_bytes(packed)
    delivery = {"delivery_type": "use_file_transfer"}
    settings = config({"storage": "local", "root": str(data)}, "*", delivery_method=delivery)
    staging = {"AIRBYTE_STAGING_DIRECTORY": str(tmp_path / "staging")}
    catalog = configured(source_files("discover", tmp_path, settings))
    run = source_files("read", tmp_path, settings, catalog, environment=staging)
    (record,) = run.of_type("RECORD")
    assert Path(record["record"]["file_reference"]["staging_file_url"]).read_bytes() == packed


@pytest.mark.parametrize(("status", "failure_type"), [(403, "config"), (404, "transient"), (503, "transient")])
def test_an_archive_that_is_not_given_costs_no_other_file(tmp_path: Path, status: int, failure_type: str) -> None:
    for refused in ("b.zip", "b.tar", "b.tgz"):
        files = {"a.csv": ROWS, refused: b"x" * 5000, "c.zip": zipped(x=ROWS), "d.csv": ROWS}
        with FilesOnTheWeb(files, {refused: status}) as web:
            run = source_files("read", tmp_path, web.config("**"), CATALOG, environment=AT_ONCE)
        assert run.code == 1
        assert urls(run) == ["a.csv", "c.zip#x.csv", "d.csv"]
        assert sorted(run.states["s"]["history"]) == ["a.csv", "c.zip#x.csv", "d.csv"]
        (error, *_) = run.errors
        assert f"1 file of HTTP folder {web.server.url}/ could not be read: {refused} (" in error["message"]
        assert f"{status}" in error["message"]
        assert error["failure_type"] == f"{failure_type}_error"


def test_a_storage_that_has_stopped_to_answer_is_not_asked_for_each_archive(tmp_path: Path) -> None:
    files = {f"{number}.zip": zipped(x=ROWS) for number in range(9)}
    with FilesOnTheWeb(files, dict.fromkeys(files, 503)) as web:
        run = source_files("read", tmp_path, web.config("**"), CATALOG, environment=AT_ONCE)
        asked = [name for name in files if "GET" in web.server.methods(f"/{name}")]
    assert run.code == 1
    assert len(asked) == 3
    assert run.errors[0]["failure_type"] == "transient_error"
    assert "503" in run.errors[0]["message"]


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_servers_that_tell_no_length(tmp_path: Path, chunked: bool, ranges: bool) -> None:
    packed = tarred(x=ROWS, y=ROWS)
    files = {"a.csv": ROWS, "b.zip": zipped(x=ROWS), "c.tgz": packed, "d.tar": gzip.decompress(packed), "e.csv": ROWS}
    with FilesOnTheWeb(files, lengths=False, ranges=ranges, chunked=chunked) as web:
        run = source_files("read", tmp_path, web.config("**"), CATALOG, environment=AT_ONCE)
    read_whole = ["a.csv", "c.tgz#x.csv", "c.tgz#y.csv", "d.tar#x.csv", "d.tar#y.csv", "e.csv"]
    if ranges:  # a part tells the size of the whole
        assert (run.code, urls(run)) == (0, sorted([*read_whole, "b.zip#x.csv"]))
    else:
        assert (run.code, urls(run)) == (1, read_whole)
        assert "1 file could not be read: b.zip (cannot be read from its end" in run.errors[0]["message"]
        assert run.errors[0]["failure_type"] == "config_error"


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz"])
def test_the_bytes_of_an_archive_are_asked_for_once_to_list_and_once_to_read(tmp_path: Path, name: str) -> None:
    noise = Random(1)
    rows = {f"{number:04}": b"id\n%b\n" % noise.randbytes(500).hex().encode() for number in range(400)}
    packed = zipped(**rows) if name == "a.zip" else tarred(**rows)
    data = gzip.decompress(packed) if name == "a.tar" else packed
    with FilesOnTheWeb({name: data}) as web:
        run = source_files("read", tmp_path, web.config("**"), CATALOG)
        requests = web.server.methods(f"/{name}").count("GET")
        assert (run.code, len(run.records)) == (0, 400)
        assert web.sent <= 2 * len(data) + 64 * 1024
        assert requests <= 10
        web.sent = 0
        discovered = source_files("discover", tmp_path, web.config("**"))
    assert "id" in configured(discovered)["streams"][0]["stream"]["json_schema"]["properties"]
    assert web.sent <= 2 * len(data) + 64 * 1024


def test_names_that_lead_out_of_an_archive_are_members_all_the_same(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with zipfile.ZipFile(data / "a.zip", "w") as archive:
        for name in ("../x.csv", "..\\..\\y.csv", "/z.csv", "in/deep/w.csv", "dir\\"):
            archive.writestr(name, b"" if name == "dir\\" else ROWS)
    (data / "b.tgz").write_bytes(tarred(**{"../up/x": ROWS, "./y": ROWS}))
    found = ["a.zip#in/deep/w.csv", "a.zip#x.csv", "a.zip#y.csv", "a.zip#z.csv", "b.tgz#up/x.csv", "b.tgz#y.csv"]
    for globs in (["**/*.csv"], ["**"], ["a.zip#**/*.csv", "b.tgz#**"], ["*#**"]):
        run = source_files("read", tmp_path, config({"storage": "local", "root": str(data)}, *globs), CATALOG)
        assert (run.code, urls(run)) == (0, found)


def test_a_disk_without_room_for_a_copy_is_told_and_costs_that_file_only(tmp_path: Path) -> None:
    data, full = tmp_path / "data", tmp_path / "full"
    data.mkdir()
    full.mkdir()
    small, large = as_parquet(10), as_parquet(300_000)
    (data / "a.tgz").write_bytes(gzip.compress(tar({"large.parquet": large, "small.parquet": small})))
    with zipfile.ZipFile(data / "b.zip", "w") as archive:  # how long it is decompressed is not known before
        archive.writestr("c.parquet.gz", gzip.compress(as_parquet(1_000_000)))
        archive.writestr("d.parquet", small)
    settings = config({"storage": "local", "root": str(data)}, "**")
    settings["streams"][0]["format"] = {"filetype": "parquet"}
    with small_disk(full):
        (full / "other").write_bytes(bytes(2 << 20))
        run = source_files("read", tmp_path, settings, CATALOG, environment={"TMPDIR": str(full)})
        assert [path.name for path in full.iterdir()] == ["other"]
    assert run.code == 1
    assert urls(run) == ["a.tgz#small.parquet", "b.zip#d.parquet"]
    error = run.errors[0]
    assert f"a.tgz#large.parquet (it must be copied to the directory for temporary files, {full}," in error["message"]
    assert re.search(rf"it needs {len(large):,} bytes, and [\d,]+ of 4,194,304 bytes are free", error["message"])
    assert "b.zip#c.parquet.gz (it must be copied to" in error["message"]
    assert "name another one in the environment variable TMPDIR" in error["message"]
    assert error["failure_type"] == "system_error"
    assert not [message for message in run.of_type("LOG") if "stack_trace" in message["log"]]
