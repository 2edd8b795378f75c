"""What is told of a config that fits the spec, but not the model."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic.v1 import ValidationError

from airbyte_cdk.cli.source_files.source import SourceFiles
from airbyte_cdk.cli.source_files.spec import SourceFilesSpec
from airbyte_cdk.sources.file_based.config.config_faults import config_faults

SECRET = "TOPSECRETVALUE123456"
KEY = {"auth_type": "iam_user", "aws_access_key_id": "AK", "aws_secret_access_key": SECRET}
S3 = {"storage": "s3", "bucket": "b", "credentials": KEY}
HTTP = {"storage": "http", "urls": ["https://h/a"]}
STREAM = {"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}


def config(provider: Any = S3, stream: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"provider": provider, "streams": [{**STREAM, **(stream or {})}], **more}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (config({**S3, "bucket": "s3://b/c"}), ["provider.bucket: write only the bucket's name"]),
        (config({**S3, "storage": SECRET}), ["provider.storage: must be one of `s3`, `gcs`, "]),
        (config({"bucket": "b"}), ["provider: the option `storage` is missing"]),
        (config({**S3, "credentials": {**KEY, "auth_type": SECRET}}), ["provider.credentials.auth_type: must be one"]),
        (config({"storage": "s3", "bucket": "b"}), ["provider: the option `credentials` is missing"]),
        (config({**S3, "prefix": None}), ["provider.prefix: must not be null; leave the option out"]),
        (config({**HTTP, "headers": {SECRET: ["x"]}}), ["provider.headers.*: "]),
        (config({**HTTP, "headers": {f"{SECRET} x": "x"}}), ["provider.headers: the name of a header has letters"]),
        (config({"storage": "http"}), ["provider: the storage http needs either base_url or urls"]),
        (config(stream={"format": {"filetype": SECRET}}), ["streams[0].format: `filetype` must be one of `avro`, "]),
        (
            config(stream={"format": {"filetype": "csv", "delimiter": SECRET, "encoding": SECRET}}),
            ["streams[0].format.delimiter: must be exactly one", "streams[0].format.encoding: is not a character enc"],
        ),
        (config(start_date=SECRET), ["start_date: is not a date"]),
        ({"provider": S3}, ["the option `streams` is missing"]),
    ],
)
def test_faults(given: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(ValidationError) as raised:
        SourceFilesSpec(**given)
    found = config_faults(raised.value)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found
    assert not any(sign in str(found) for sign in (SECRET, "__root__", "S3Options", "value_error", "type="))


def test_the_source_tells_them_in_a_sentence_and_without_causes() -> None:
    with pytest.raises(Exception, match=r"^The config cannot be used: provider\.bucket: write only") as raised:
        SourceFiles().streams(config({**S3, "bucket": "s3://b/c"}))
    assert raised.value.__context__ is None
