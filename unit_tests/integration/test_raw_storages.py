"""Raw files from every storage: copied whole from its real server, also when the network or the file gives trouble."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.cli.source_files.source import SourceFiles
from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.file_based.access.download import PART_BYTES, PARTS_FROM
from airbyte_cdk.sources.file_based.schema_helpers import file_transfer_schema
from airbyte_cdk.sources.utils.files_directory import AIRBYTE_STAGING_DIRECTORY
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read
from integration.source_process import COMMAND
from servers.fault_proxy import FaultProxy, close_body, reset_body, slow, status
from servers.process import Server
from servers.s3 import Moto

LARGE = random.Random(1).randbytes(PARTS_FROM + PART_BYTES + 1)


@pytest.fixture(autouse=True)
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(AIRBYTE_STAGING_DIRECTORY, str(tmp_path / "staging"))
    return tmp_path / "staging"


STREAM = {"name": "s", "json_schema": dict(file_transfer_schema), "supported_sync_modes": ["incremental"]}
CATALOG = {"streams": [{"stream": STREAM, "sync_mode": "incremental", "destination_sync_mode": "append"}]}


def config_of(provider: dict[str, Any]) -> dict[str, Any]:
    return {
        "provider": provider,
        "delivery_method": {"delivery_type": "use_file_transfer"},
        "streams": [{"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}],
    }


def sync(provider: dict[str, Any], state: Any = None, *, fails: bool = False) -> EntrypointOutput:
    catalog = ConfiguredAirbyteCatalogSerializer.load(CATALOG)
    return read(SourceFiles(catalog), config_of(provider), catalog, state, expecting_exception=fails)


def copies(output: EntrypointOutput) -> dict[str, bytes]:
    return {
        m.record.data["source_uri"]: Path(m.record.file_reference.staging_file_url).read_bytes() for m in output.records
    }


def state_of(output: EntrypointOutput) -> list[Any]:
    dumped = AirbyteStateMessageSerializer.dump(output.state_messages[-1].state)
    return [AirbyteStateMessageSerializer.load(json.loads(json.dumps(dumped)))]


@pytest.mark.parametrize("server", ["moto", "seaweed", "gcs_server", "azurite", "sftp_server", "nginx"])
def test_every_storage(server: str, request: pytest.FixtureRequest) -> None:
    storage: Server = request.getfixturevalue(server)
    files = {"large.bin": LARGE, "d/e f/ü#+%41.csv": b"a,b\n1,2\n", "d/empty.csv": b""}
    for uri, data in files.items():
        storage.put("raw-files", uri, data)
    first = sync(storage.provider("raw-files"))
    assert copies(first) == files
    assert sum(m.state.sourceStats.recordCount for m in first.state_messages) == 3
    paths = {m.record.data["source_uri"]: m.record.file_reference.source_file_relative_path for m in first.records}
    assert paths == {uri: uri for uri in files}
    assert not sync(storage.provider("raw-files"), state_of(first)).records


def test_a_bad_network_costs_nothing_but_time(moto: Moto) -> None:
    files = {"large.bin": LARGE, **{f"{n}.csv": f"a\n{n}\n".encode() * 1000 for n in range(20)}}
    for uri, data in files.items():
        moto.put("raw-faults", uri, data)
    with FaultProxy(moto.port) as proxy:
        proxy.at_random(0.2, seed=3, faults=[status(503), reset_body(3000), close_body(5000)])
        output = sync(moto.provider("raw-faults", endpoint=proxy.url))
        assert proxy.faults >= 3
    assert copies(output) == files
    assert output.get_stream_statuses("s")[-1].value == "COMPLETE"


def test_a_file_that_is_replaced_while_it_is_copied_is_told_and_copied_next_time(moto: Moto, staging: Path) -> None:
    new = bytes(len(LARGE))
    moto.put("raw-changed", "a.csv", b"a")
    moto.put("raw-changed", "large.bin", LARGE)

    def replaced(request: Any) -> bool:
        if request.headers.get("range", "").startswith(f"bytes={3 * PART_BYTES}-"):
            moto.put("raw-changed", "large.bin", new)
        return False

    with FaultProxy(moto.port) as proxy:
        proxy.rule(replaced, status(500))
        output = sync(moto.provider("raw-changed", endpoint=proxy.url), fails=True)
    assert copies(output) == {"a.csv": b"a"}
    assert set(output.most_recent_state.stream_state.history) == {"a.csv"}
    assert len(list(staging.iterdir())) == 1
    error = output.errors[0].trace.error
    assert "large.bin" in error.message
    assert error.failure_type.value == "transient_error"
    assert output.is_in_logs("large.bin.*(changed|replaced|version)")
    assert copies(sync(moto.provider("raw-changed"), state_of(output))) == {"large.bin": new}


def test_a_file_that_vanishes_before_it_is_copied_is_told(moto: Moto) -> None:
    moto.put("raw-gone", "a.csv", b"a")
    moto.put("raw-gone", "b.csv", b"b")

    def removed(request: Any) -> bool:
        if request.method == "GET" and request.path.endswith("/a.csv"):
            moto.remove("raw-gone", "a.csv")
        return False

    with FaultProxy(moto.port) as proxy:
        proxy.rule(removed, status(500))
        output = sync(moto.provider("raw-gone", endpoint=proxy.url), fails=True)
    assert copies(output) == {"b.csv": b"b"}
    assert "a.csv" in output.errors[0].trace.error.message
    assert output.errors[0].trace.error.failure_type.value == "transient_error"
    assert not sync(moto.provider("raw-gone"), state_of(output)).records


def test_a_signal_leaves_no_part_of_a_copy(moto: Moto, tmp_path: Path, staging: Path) -> None:
    moto.put("raw-signal", "a.csv", b"a\n1\n")
    moto.put("raw-signal", "large.bin", LARGE)
    with FaultProxy(moto.port) as proxy:
        proxy.rule(lambda request: request.path.endswith("large.bin"), slow(200_000), forever=True)
        provider = moto.provider("raw-signal", endpoint=proxy.url)
        for name, content in (("config", config_of(provider)), ("catalog", CATALOG)):
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        arguments = ["read", "--config", "config.json", "--catalog", "catalog.json"]
        with subprocess.Popen([*COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                # a.csv is there, and so are some bytes of the other
                (line,) = islice((line for line in process.stdout if b'"RECORD"' in line), 1)
                until = time.monotonic() + 60
                while not any(path.stat().st_size for path in staging.glob(".*.part")) and time.monotonic() < until:
                    time.sleep(0.1)
                assert list(staging.glob(".*.part"))
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 143
    (kept,) = (path for path in staging.rglob("*") if path.is_file())
    assert str(kept) == json.loads(line)["record"]["file_reference"]["staging_file_url"]
    assert len(list(staging.iterdir())) == 1
