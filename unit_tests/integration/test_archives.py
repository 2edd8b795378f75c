"""Whole syncs of streams whose files are in archives."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from integration.source_process import Run, configured, source_files
from servers.s3 import Moto

ROWS = b"id\n1\n2\n"


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".csv", content)
    return packed.getvalue()


def tarred(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"{name}.csv")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


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
