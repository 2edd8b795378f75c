"""The options of the storage `sftp`, and what is told of them before any server is asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic.v1 import ValidationError

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.storages.sftp import SftpOptions, connect
from airbyte_cdk.utils.airbyte_secrets_utils import get_secret_paths
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


def options(**overrides: Any) -> SftpOptions:
    return SftpOptions(
        **{
            "host": "files.example.com",
            "username": "ann",
            "credentials": {"auth_type": "password", "password": "s3same-open"},
            **overrides,
        }
    )


def test_defaults() -> None:
    given = options()
    assert (given.storage, given.port, given.root, given.host_key) == ("sftp", 22, ".", None)


def test_what_is_secret() -> None:
    paths = {path[-1] for path in get_secret_paths(SftpOptions.schema())}
    assert paths == {"password", "private_key", "passphrase"}


@pytest.mark.parametrize("host", ["sftp://files.example.com", "ann@files.example.com", "files.example.com/exports", ""])
def test_a_host_is_only_a_name(host: str) -> None:
    with pytest.raises(ValidationError, match="host"):
        options(host=host)


def test_brackets_of_an_address_are_taken_off() -> None:
    assert options(host="[::1]").host == "::1"


@pytest.mark.parametrize("port", [0, 65536])
def test_ports(port: int) -> None:
    with pytest.raises(ValidationError, match="port"):
        options(port=port)


def test_connecting_asks_no_server() -> None:
    filesystem, root = connect(options(host="no.such.host.invalid"))
    assert root == ""
    assert filesystem.storage_access("").title == "SFTP server no.such.host.invalid:22"


@pytest.mark.parametrize(
    ("overrides", "option", "why"),
    [
        ({"host_key": "files.example.com"}, "host_key", "ssh-keyscan"),
        ({"host_key": "ssh-ed25519 notbase64!"}, "host_key", "ssh-keyscan"),
        ({"host_key": "SHA256:short"}, "host_key", "ssh-keyscan"),
        ({"host_key": "# files.example.com:22 SSH-2.0"}, "host_key", "no key"),
        ({"host_key": "@revoked * ssh-ed25519 AAAA"}, "host_key", "revoked"),
        ({"credentials": {"auth_type": "private_key", "private_key": "hello"}}, "private_key", "BEGIN"),
        (
            {"credentials": {"auth_type": "private_key", "private_key": "ssh-rsa AAAAB3 x"}},
            "private_key",
            "public half",
        ),
        (
            {"credentials": {"auth_type": "private_key", "private_key": "PuTTY-User-Key-File-3: "}},
            "private_key",
            "puttygen",
        ),
    ],
)
def test_texts_that_are_no_keys(overrides: dict[str, Any], option: str, why: str) -> None:
    with pytest.raises(AirbyteTracedException, match=why) as caught:
        connect(options(**overrides))
    assert caught.value.failure_type is FailureType.config_error
    assert f"`{option}`" in str(caught.value)


def test_the_options_load_no_library() -> None:
    code = (
        "import sys, airbyte_cdk.sources.file_based.storages.sftp; print({'paramiko', 'cryptography'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
