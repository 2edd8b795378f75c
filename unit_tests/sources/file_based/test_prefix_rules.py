"""A storage's `prefix` and a stream's globs that exclude each other are told, instead of a green sync of nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.fsspec_reader import FsspecStreamReader
from airbyte_cdk.sources.file_based.globs import can_match_below
from airbyte_cdk.sources.file_based.prefix_rules import refuse_nothing, refuse_unreachable
from airbyte_cdk.sources.file_based.storages import connect, options_model
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from integration.source_process import source_files
from servers.azure import Azurite
from servers.gcs import Gcs
from servers.process import Server
from servers.s3 import Moto

LOGGER = logging.getLogger("airbyte")
PREFIX = "exports/2026/"


@pytest.mark.parametrize(
    "pattern",
    ["**", "**/*.csv", "exports/**", "exports/2026/*.csv", "exports/*/a.csv", "e*/2026/*", "*/*/*", "exports//2026/*"],
)
def test_globs_that_can_match_below_a_prefix(pattern: str) -> None:
    assert can_match_below(pattern, PREFIX)


@pytest.mark.parametrize("pattern", ["2026/*.csv", "*.csv", "*/*.csv", "exports/2025/**", "other/**", "exports/2026"])
def test_globs_that_cannot(pattern: str) -> None:
    assert not can_match_below(pattern, PREFIX)


def test_a_prefix_may_end_within_a_name() -> None:
    assert can_match_below("exports/a*.csv", "exports/a-")
    assert can_match_below("*.zip#in/*.csv", "sales")
    assert can_match_below("*.csv", "a")
    assert not can_match_below("exports/b*.csv", "exports/a")


@pytest.mark.parametrize(
    ("prefix", "globs", "advice"),
    [
        (PREFIX, ["2026/*.csv"], "Write exports/2026/*.csv, or correct `prefix`."),
        (PREFIX, ["*.csv", "/x.csv"], "Write exports/2026/*.csv, exports/2026/x.csv, or correct `prefix`."),
        ("exports/a", ["exports/b/*.csv"], "Correct one of them."),
        ("/exports/", ["exports/*.csv"], "Names seldom begin with a slash: write exports/."),
        (
            "exports/*",
            ["exports/2026/*.csv"],
            "A prefix has no wildcards: write exports/, and the rest into the globs.",
        ),
    ],
)
def test_what_is_told(prefix: str, globs: list[str], advice: str) -> None:
    with pytest.raises(AirbyteTracedException) as raised:
        refuse_unreachable(globs, prefix, "S3 bucket landing", LOGGER)
    assert raised.value.failure_type is FailureType.config_error
    plural = "s" if len(globs) > 1 else ""
    assert raised.value.message == (
        f"S3 bucket landing: no file can match the glob{plural} {', '.join(globs)}. Only names that begin with the "
        f"option `prefix`, which is {prefix}, are listed, and globs match the whole name. {advice}"
    )


def test_some_globs_that_cannot_match_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    refuse_unreachable(["2026/*.csv", "exports/**", ""], PREFIX, "S3 bucket landing", LOGGER)
    assert "no file can match the glob 2026/*.csv." in caplog.text
    caplog.clear()
    refuse_unreachable(["exports/**", "/", ""], "", "S3 bucket landing", LOGGER)
    assert caplog.text == ""


def test_prefixes_that_explain_an_empty_listing() -> None:
    refuse_nothing(PREFIX, "S3 bucket landing")
    refuse_nothing("", "S3 bucket landing")
    for prefix, advice in (
        ("/exports/", "write exports/."),
        ("exports/*", "write exports/, and"),
        ("/", "write no prefix"),
    ):
        with pytest.raises(AirbyteTracedException, match=advice) as raised:
            refuse_nothing(prefix, "S3 bucket landing")
        assert raised.value.failure_type is FailureType.config_error


@pytest.fixture(params=["moto", "gcs_server", "azurite"])
def server(request: pytest.FixtureRequest) -> Moto | Gcs | Azurite:
    found: Moto | Gcs | Azurite = request.getfixturevalue(request.param)
    for uri in ("exports/2026/a.csv", "2026/b.csv", "/lead/c.csv"):
        found.put("prefixes", uri, b"a\n1\n")
    return found


def listed(server: Server, globs: list[str], **options: Any) -> list[str]:
    provider = server.provider("prefixes", **options)
    reader = FsspecStreamReader(*connect(options_model(provider["storage"])(**provider)))
    return sorted(file.uri for file in reader.get_matching_files(globs, None, LOGGER))


def test_every_storage_with_a_prefix_tells_it(server: Server) -> None:
    assert listed(server, ["exports/2026/*.csv"], prefix=PREFIX) == ["exports/2026/a.csv"]
    assert listed(server, ["exports/2026/*.json"], prefix=PREFIX) == []
    assert listed(server, ["**"], prefix="/lead") == ["/lead/c.csv"]  # there are such names
    for prefix, globs in ((PREFIX, ["2026/*.csv"]), ("/exports/", ["**"]), ("exports/*", ["**"])):
        with pytest.raises(AirbyteTracedException, match="`prefix`, which is") as raised:
            listed(server, globs, prefix=prefix)
        assert raised.value.failure_type is FailureType.config_error


@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_every_command_tells_it(moto: Moto, command: str, tmp_path: Path) -> None:
    moto.put("prefixes", "exports/2026/a.csv", b"a\n1\n")
    stream = {"name": "s", "globs": ["2026/*.csv"], "format": {"filetype": "csv"}}
    config = {"provider": moto.provider("prefixes", prefix=PREFIX), "streams": [stream]}
    schema = {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    modes = {"sync_mode": "incremental", "destination_sync_mode": "append"}
    catalog = {"streams": [{"stream": schema, **modes}]} if command == "read" else None
    run = source_files(command, tmp_path, config, catalog)
    error = run.errors[0]
    assert error["failure_type"] == "config_error"
    assert "no file can match the glob 2026/*.csv" in error["message"]
    assert "Write exports/2026/*.csv" in error["message"]
    assert run.code == (0 if command == "check" else 1)


def test_check_names_the_prefix_of_a_stream_without_files(moto: Moto, tmp_path: Path) -> None:
    moto.put("prefixes", "exports/2026/a.csv", b"a\n1\n")
    stream = {"name": "s", "globs": ["**/*.json"], "format": {"filetype": "jsonl"}}
    run = source_files("check", tmp_path, {"provider": moto.provider("prefixes", prefix=PREFIX), "streams": [stream]})
    assert run.connection_status["status"] == "FAILED"
    assert (
        "Only files whose name begins with the option `prefix`, which is exports/2026/, are listed."
        in (run.connection_status["message"])
    )
