"""Names that are not UTF-8, from the disk and over SFTP, through the whole connector and its state."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from integration.source_process import Run, configured, source_files
from servers.disk import Disk
from servers.folders import FolderServer

NAMES = {
    b"bad\xff.csv": r"bad\xff.csv",
    rb"bad\xff.csv": r"bad\x5cxff.csv",
    b"\xe4rger/gr\xc3\xbc\xdfe.csv": r"\xe4rger/grü\xdfe.csv",
}
"""Names as a disk has them, and their uris."""


def urls(run: Run) -> list[str]:
    return sorted(data["_ab_source_file_url"] for _, data in run.records)


@pytest.mark.parametrize("storage", ["local", "sftp"])
def test_names_that_are_not_utf8(request: pytest.FixtureRequest, tmp_path: Path, storage: str) -> None:
    (tmp_path / "disk").mkdir()
    server: FolderServer = Disk(tmp_path / "disk") if storage == "local" else request.getfixturevalue("sftp_server")
    for name in NAMES:
        server.put("odd-names", os.fsdecode(name), f"name\n{name.hex()}\n".encode(), datetime(2026, 1, 1))
    config: dict[str, Any] = {
        "provider": server.provider("odd-names"),
        "streams": [{"name": "s", "globs": ["**/*.csv"], "format": {"filetype": "csv"}}],
    }
    catalog = configured(source_files("discover", tmp_path, config))
    run = source_files("read", tmp_path, config, catalog)
    assert {data["_ab_source_file_url"]: data["name"] for _, data in run.records} == {
        uri: name.hex() for name, uri in NAMES.items()
    }
    for line in run.stdout.splitlines():
        orjson.loads(line)
    assert sorted(run.states["s"]["history"]) == sorted(NAMES.values())
    assert urls(source_files("read", tmp_path, config, catalog, run.state_messages)) == []
    # earlier releases left half surrogates in their states
    state = run.state_messages
    history = state[0]["stream"]["stream_state"]["history"]
    for name, uri in NAMES.items():
        history[os.fsdecode(name)] = history.pop(uri)
    again = source_files("read", tmp_path, config, catalog, state)
    assert urls(again) == [r"bad\x5cxff.csv"]  # which two names were one before
    for line in again.stdout.splitlines():
        orjson.loads(line)
    assert sorted(again.states["s"]["history"]) == sorted(NAMES.values())
