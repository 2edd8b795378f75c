"""Whole syncs of workbooks: on disk, on S3, and as members of archives."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from workbook_writer import sheet_xml, xlsx

from integration.source_process import configured, source_files
from servers.s3 import Moto

DATE = "yyyy-mm-dd"
TYPES = {
    "id": {"type": ["null", "number"]},
    "name": {"type": ["null", "string"]},
    "day": {"type": ["null", "string"], "format": "date-time"},
    "paid": {"type": ["null", "boolean"]},
}


def workbook(first: int) -> bytes:
    rows = [["id", "name", "day", "paid"], *([first + n, f"NA {n}", (1, 45000 + n), n > 1] for n in range(3))]
    return xlsx({"Cover": sheet_xml([["title"], ["x"]]), "Data": sheet_xml(rows)}, formats=[DATE])


def records(first: int) -> list[dict[str, Any]]:
    days = ("2023-03-15", "2023-03-16", "2023-03-17")
    return [
        {"id": first + n, "name": f"NA {n}", "day": f"{day}T00:00:00.000000", "paid": n > 1}
        for n, day in enumerate(days)
    ]


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.xlsx", content)
    return packed.getvalue()


def config(provider: dict[str, Any], sheet: str | None = "Data") -> dict[str, Any]:
    options = {} if sheet is None else {"sheet_name": sheet}
    return {
        "provider": provider,
        "streams": [{"name": "s", "globs": ["**/*.xlsx", "**/*.zip"], "format": {"filetype": "excel", **options}}],
    }


@pytest.mark.parametrize("storage", ["disk", "s3"])
def test_workbooks_are_synced(storage: str, moto: Moto, tmp_path: Path) -> None:
    files = {"a.xlsx": workbook(1), "in/b.zip": zipped(c=workbook(10), d=workbook(20))}
    if storage == "s3":
        for uri, content in files.items():
            moto.put("workbooks", uri, content)
        provider = moto.provider("workbooks")
    else:
        for uri, content in files.items():
            path = tmp_path / "files" / uri
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        provider = {"storage": "local", "root": str(tmp_path / "files")}
    settings = config(provider)
    assert source_files("check", tmp_path, settings).connection_status["status"] == "SUCCEEDED"
    discovered = source_files("discover", tmp_path, settings)
    (stream,) = discovered.of_type("CATALOG")[0]["catalog"]["streams"]
    properties = stream["json_schema"]["properties"]
    assert {name: prop for name, prop in properties.items() if not name.startswith("_ab_")} == TYPES
    run = source_files("read", tmp_path, settings, configured(discovered))
    assert run.code == 0
    uris = ["a.xlsx", "in/b.zip#c.xlsx", "in/b.zip#d.xlsx"]
    assert sorted(run.states["s"]["history"]) == uris
    found: dict[str, list[dict[str, Any]]] = {uri: [] for uri in uris}
    for message in run.of_type("RECORD"):
        data = message["record"]["data"]
        found[data["_ab_source_file_url"]].append({name: data[name] for name in TYPES})
    assert found == dict(zip(uris, (records(1), records(10), records(20)), strict=True))


def test_a_sheet_that_no_file_has_fails_the_check_and_the_sync(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.xlsx").write_bytes(workbook(1))
    provider = {"storage": "local", "root": str(tmp_path / "files")}
    catalog = configured(source_files("discover", tmp_path, config(provider)))
    settings = config(provider, "Dates")
    checked = source_files("check", tmp_path, settings).connection_status
    assert checked["status"] == "FAILED"
    told = "it has no sheet 'Dates', which the option sheet_name asks for; its sheets are 'Cover', 'Data'"
    assert told in checked["message"]
    run = source_files("read", tmp_path, settings, catalog)
    assert run.code == 1
    assert run.errors[0]["failure_type"] == "config_error"
    assert told in run.errors[0]["message"]
