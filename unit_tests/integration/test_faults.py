"""Syncs through a network that fails deliver what they deliver without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from integration.mixed_set import put_all, streams
from integration.source_process import Run, configured, source_files
from servers.fault_proxy import FaultProxy, TcpFaultProxy, reset, reset_body, slow, status
from servers.s3 import SeaweedFS
from servers.sftp import Sftp

SEEDS = [1, 2, 3, 4, 5]
HTTP_FAULTS = [status(503), reset(), reset_body(100), slow(500_000)]


class FaultFree(NamedTuple):
    """A sync without faults, with what it was made of."""

    config: dict[str, Any]
    catalog: dict[str, Any]
    read: Run


def fault_free(provider: dict[str, Any], folder: Path) -> FaultFree:
    config = {"provider": provider, "streams": streams()}
    catalog = configured(source_files("discover", folder, config))
    read = source_files("read", folder, config, catalog)
    assert (read.code, read.errors) == (0, [])
    assert len(read.records) > 5_000
    return FaultFree(config, catalog, read)


def holds(run: Run, free: FaultFree) -> None:
    assert (run.code, run.errors) == (0, [])
    assert run.records == free.read.records
    assert run.states == free.read.states


@pytest.fixture(scope="module")
def free_s3(seaweed: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> FaultFree:
    put_all(seaweed, "faults")
    return fault_free(seaweed.provider("faults"), tmp_path_factory.mktemp("free"))


def test_s3_with_two_of_a_hundred_requests_failing(seaweed: SeaweedFS, free_s3: FaultFree, tmp_path: Path) -> None:
    free = free_s3
    met: set[str] = set()
    for seed in SEEDS:
        with FaultProxy(seaweed.port) as proxy:
            proxy.at_random(0.02, seed, HTTP_FAULTS)
            config = {**free.config, "provider": seaweed.provider("faults", endpoint=proxy.url)}
            run = source_files("read", tmp_path, config, free.catalog)
            holds(run, free)
            faults = [passed.fault for passed in proxy.log if passed.fault != "none"]
            assert faults, f"seed {seed} met no fault in {len(proxy.log)} requests"
            met.update(faults)
    assert met == {fault.kind for fault in HTTP_FAULTS}


def test_sftp_with_connections_that_are_reset(sftp_server: Sftp, tmp_path: Path) -> None:
    put_all(sftp_server, "faults")
    free = fault_free(sftp_server.provider("faults"), tmp_path)
    for seed in SEEDS:
        with TcpFaultProxy(sftp_server.port) as proxy:
            proxy.at_random(0.02, seed)
            config = {**free.config, "provider": sftp_server.provider("faults", host=proxy.host, port=proxy.port)}
            holds(source_files("read", tmp_path, config, free.catalog), free)
            assert proxy.faults >= 5


@pytest.mark.parametrize("kind", ["status", "reset", "reset_body"])
def test_what_stays_broken_is_told(seaweed: SeaweedFS, free_s3: FaultFree, tmp_path: Path, kind: str) -> None:
    """One file of a stream stays broken: a transient error that names storage and file; the others are delivered."""
    free = free_s3
    fault = {"status": status(503), "reset": reset(), "reset_body": reset_body(0)}[kind]
    with FaultProxy(seaweed.port) as proxy:
        proxy.rule(lambda request: "jsonl" in request.path and "part%2B000" in request.path, fault, forever=True)
        config = {**free.config, "provider": seaweed.provider("faults", endpoint=proxy.url)}
        run = source_files("read", tmp_path, config, free.catalog, environment={"AIRBYTE_STORAGE_RETRY_SECONDS": "2"})
    broken = "jsonl/day=00/hour 0/part+000.jsonl"
    assert run.code == 1
    error = run.errors[0]  # the last one sums up
    assert error["failure_type"] == "transient_error"
    told = f"{error['message']} {error.get('internal_message')}"
    assert broken in told
    assert "faults" in told
    url = "_ab_source_file_url"
    assert [record for record in run.records if record[1][url] != broken] == [
        record for record in free.read.records if record[1][url] != broken
    ]
    assert broken not in run.states["jsonl"]["history"]
