"""Options that are misspelt are told by their names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.cli.source_files.source import SourceFiles
from airbyte_cdk.cli.source_files.spec import SourceFilesSpec
from airbyte_cdk.sources.file_based.config.unknown_options import unknown_options

SECRET = "TOPSECRETVALUE123456"
ANONYMOUS = {"auth_type": "anonymous"}
STREAM = {"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"storage": "s3", "bucket": "b", "credentials": ANONYMOUS, "endpoint": None}, []),
        (
            {
                "storage": "s3",
                "bucket": "b",
                "credentials": {**ANONYMOUS, "key": SECRET},
                "prefixx": "a",
                "endpoint_url": 1,
            },
            ["provider.credentials.key", "provider.prefixx", "provider.endpoint_url"],
        ),
        ({"storage": "gcs", "bucket": "b", "credentials": ANONYMOUS, "region": "x"}, ["provider.region"]),
        ({"storage": "azure", "container": "abc", "credentials": ANONYMOUS, "account": "x"}, ["provider.account"]),
        (
            {"storage": "sftp", "host": "h", "username": "u", "credentials": {"auth_type": "password", "password": "p"}}
            | {"hostkey": "x"},
            ["provider.hostkey"],
        ),
        ({"storage": "http", "urls": ["https://h/a"], "headers": {"X-Any": "x"}, "header": {}}, ["provider.header"]),
        ({"storage": "local", "root": "/", SECRET: "x", f"{SECRET}2": "x"}, ["provider.*"]),
        ({"storage": "url", "url": "memory://x", "options": {"any": 1}, "option": {}}, ["provider.option"]),
    ],
)
def test_of_every_storage(provider: dict[str, Any], expected: list[str]) -> None:
    config = {"provider": provider, "streams": [STREAM]}
    assert unknown_options(config, SourceFilesSpec(**config)) == expected


def test_elsewhere_in_the_config() -> None:
    stream = {**STREAM, "glob": "*", "format": {"filetype": "csv", "delimeter": ";"}}
    config = {"provider": {"storage": "local", "root": "/"}, "streams": [STREAM, stream], "startdate": "x"}
    assert unknown_options(config, SourceFilesSpec(**config)) == [
        "streams[1].format.delimeter",
        "streams[1].glob",
        "startdate",
    ]


def test_the_source_warns_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    provider = {"storage": "local", "root": str(tmp_path), "prefixx": SECRET}
    with caplog.at_level(logging.WARNING):
        SourceFiles().streams({"provider": provider, "streams": [STREAM], "_limit": 1})
    (record,) = caplog.records
    assert record.getMessage().startswith("These options of the config are not known, and ignored: provider.prefixx.")
    assert SECRET not in caplog.text
