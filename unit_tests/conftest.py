"""Real servers for the tests that ask for one: started on first use, ended with the tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from servers.azure import Azurite
    from servers.ftp import Ftp
    from servers.gcs import Gcs
    from servers.http import Nginx
    from servers.s3 import Moto, SeaweedFS
    from servers.sftp import Sftp

pytest.register_assert_rewrite("airbyte_cdk.test.stream_reader_suite", "airbyte_cdk.test.storage_under_test")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are not names: some differ in each run, and parallel runs must agree on the names of the tests."""
    return argname if isinstance(val, bytes) else None


# The imports are inside the fixtures: tests without servers shall not pay for their libraries.


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """S3 to the letter."""
    from servers.s3 import Moto

    with Moto() as server:
        yield server


@pytest.fixture(scope="session")
def seaweed() -> Iterator[SeaweedFS]:
    """S3 with rights that are checked."""
    from servers.s3 import SeaweedFS

    with SeaweedFS() as server:
        yield server


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[Gcs]:
    """Google Cloud Storage."""
    from servers.gcs import Gcs

    with Gcs() as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azure Blob Storage."""
    from servers.azure import Azurite

    with Azurite() as server:
        yield server


@pytest.fixture(scope="session")
def sftp_server() -> Iterator[Sftp]:
    """SFTP."""
    from servers.sftp import Sftp

    with Sftp() as server:
        yield server


@pytest.fixture(scope="session")
def nginx() -> Iterator[Nginx]:
    """Files over HTTP."""
    from servers.http import Nginx

    with Nginx() as server:
        yield server


@pytest.fixture(scope="session")
def ftp_server() -> Iterator[Ftp]:
    """FTP."""
    pytest.importorskip("pyftpdlib")  # not in environments that were made before it was one of the extra `dev`
    from servers.ftp import Ftp

    with Ftp() as server:
        yield server
