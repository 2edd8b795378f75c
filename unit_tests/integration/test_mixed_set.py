"""The same files give the same records and the same state from every storage."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from integration.mixed_set import FORMATS, expected_records, mixed_set, put_all, streams
from integration.source_process import Run, configured, source_files
from servers.disk import Disk
from servers.process import Server

STORAGES = ["disk", "moto", "seaweed", "gcs_server", "azurite", "sftp_server", "nginx"]
"""The fixtures of the servers; the first is the one to which the others are compared."""

TIME = "_ab_source_file_last_modified"


@dataclass
class Outcome:
    """What a storage gave, with the times that the set's files ought to have."""

    discovered: list[dict[str, Any]]
    records: list[tuple[str, dict[str, Any]]]
    states: dict[str, dict[str, Any]]
    again: Run


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    return Disk(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    """The outcome by the name of a storage, each made once."""

    @cache
    def outcome(storage: str) -> Outcome:
        return read_mixed_set(request.getfixturevalue(storage), tmp_path_factory.mktemp(storage))

    return outcome


def read_mixed_set(server: Server, folder: Path) -> Outcome:
    put_all(server, "mixed")
    config = {"provider": server.provider("mixed"), "streams": streams()}
    discovered = source_files("discover", folder, config)
    assert discovered.code == 0, discovered.stdout
    catalog = configured(discovered)
    read = source_files("read", folder, config, catalog)
    assert (read.code, read.errors) == (0, [])
    again = source_files("read", folder, config, catalog, read.state_messages)
    times = {} if server.sets_times else right_times(read.states)
    return Outcome(
        [stream["stream"] for stream in catalog["streams"]],
        [(stream, corrected_record(data, times)) for stream, data in read.records],
        {stream: corrected_state(state, times) for stream, state in read.states.items()},
        again,
    )


def right_times(states: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, datetime], datetime]:
    """The time of the set for each file and the time that a storage gave it whose times cannot be set."""
    right = {file.uri: file.modified for file in mixed_set()}
    histories = [state["history"] for state in states.values()]
    return {(uri, parsed(time)): right[uri] for history in histories for uri, time in history.items()}


def parsed(time: str) -> datetime:
    return datetime.fromisoformat(time).replace(tzinfo=None)


def corrected_time(uri: str, time: str, times: Mapping[tuple[str, datetime], datetime]) -> str:
    return times[uri, parsed(time)].strftime("%Y-%m-%dT%H:%M:%S.%fZ") if times else time


def corrected_record(data: dict[str, Any], times: Mapping[tuple[str, datetime], datetime]) -> dict[str, Any]:
    return {**data, TIME: corrected_time(data["_ab_source_file_url"], data[TIME], times)}


def corrected_state(state: dict[str, Any], times: Mapping[tuple[str, datetime], datetime]) -> dict[str, Any]:
    history = {uri: corrected_time(uri, time, times) for uri, time in state["history"].items()}
    time, _, uri = state[TIME].partition("_")
    return {**state, "history": history, TIME: f"{corrected_time(uri, time, times)}_{uri}"}


def timeless(records: list[tuple[str, dict[str, Any]]]) -> Counter[str]:
    """The records without their times, in any order."""
    return Counter(json.dumps([stream, {**data, TIME: None}], sort_keys=True) for stream, data in records)


def test_the_set_has_what_it_shall_have() -> None:
    uris = [file.uri for file in mixed_set()]
    assert len(set(uris)) == 200
    assert {file.stream for file in mixed_set()} == set(FORMATS)
    assert len({uri.rpartition("/")[0] for uri in uris}) > 20
    assert Counter(uri.rpartition(".")[2] for uri in uris).keys() == {*FORMATS, "gz", "zst", "bz2"}


def test_the_disk_gives_what_was_written(outcomes: Any) -> None:
    records = outcomes("disk").records
    assert timeless(records) == timeless(expected_records())
    modified = {file.uri: file.modified for file in mixed_set()}
    assert {data["_ab_source_file_url"]: parsed(data[TIME]) for _, data in records} == modified
    histories = [state["history"] for state in outcomes("disk").states.values()]
    assert {uri: parsed(time) for history in histories for uri, time in history.items()} == modified


@pytest.mark.parametrize("storage", STORAGES[1:])
def test_every_storage_gives_the_same(outcomes: Any, storage: str) -> None:
    disk, other = outcomes("disk"), outcomes(storage)
    assert other.discovered == disk.discovered
    assert len(other.records) == len(disk.records)
    assert other.records == disk.records
    assert other.states == disk.states


@pytest.mark.parametrize("storage", STORAGES)
def test_what_was_read_is_not_read_again(outcomes: Any, storage: str) -> None:
    again = outcomes(storage).again
    assert (again.code, again.errors, again.records) == (0, [], [])
