"""The suite for stream readers over every storage of the ready-made connector; a new storage adds its class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem
from airbyte_cdk.sources.file_based.fsspec_reader import FsspecStreamReader
from airbyte_cdk.sources.file_based.storages import connect, options_model
from airbyte_cdk.test.stream_reader_cases import TIMES
from airbyte_cdk.test.stream_reader_suite import StorageUnderTest, StreamReaderSuite
from servers.disk import Disk
from servers.fault_proxy import FaultProxy, status
from servers.folders import FolderServer
from servers.process import Server

if TYPE_CHECKING:
    from servers.azure import Azurite
    from servers.ftp import Ftp
    from servers.gcs import Gcs
    from servers.http import Nginx
    from servers.s3 import SeaweedFS
    from servers.sftp import Sftp

FOLDERS = {
    "trailing_slash": "a path that ends in a slash is a folder",
    "double_slash": "several slashes in a path are one",
    "url": "several slashes in a path are one",
    "file_and_folder": "a path is a file or a folder",
}
"""What a file system cannot hold."""


def reader_of(provider: dict[str, Any]) -> FsspecStreamReader:
    """The reader of the ready-made connector with this section `provider` in its config."""
    return FsspecStreamReader(*connect(options_model(provider["storage"]).parse_obj(provider)))


def over(server: Server, reader: FsspecStreamReader | None = None, **more: Any) -> StorageUnderTest:
    """The bucket, container or folder `full` of a server."""
    return StorageUnderTest(
        reader or reader_of(server.provider("suite-full")),
        put=lambda uri, data, modified=None: server.put("suite-full", uri, data, modified),
        remove=lambda uri: server.remove("suite-full", uri),
        empty=reader_of(server.provider("suite-empty")),
        sets_times=server.sets_times,
        **more,
    )


def forbid_on_disk(server: FolderServer, reader: FsspecStreamReader) -> Callable[[str], FsspecStreamReader]:
    def forbid(uri: str) -> FsspecStreamReader:
        server.forbid("suite-full", uri)
        return reader

    return forbid


UNTIMED = dict.fromkeys((*TIMES, "time_of_a_replaced_file"), "the server cannot set times")


class TestLocal(StreamReaderSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, tmp_path_factory: pytest.TempPathFactory) -> StorageUnderTest:
        disk = Disk(tmp_path_factory.mktemp("local"))
        reader = reader_of(disk.provider("suite-full"))
        gaps = {**FOLDERS, **({"forbidden_file": "root may read everything"} if os.getuid() == 0 else {})}
        return over(disk, reader, forbid=forbid_on_disk(disk, reader), gaps=gaps)


class TestMemory(StreamReaderSuite):
    """A filesystem of fsspec that knows nothing of this framework."""

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls) -> StorageUnderTest:
        fsspec.filesystem("memory").makedirs("/suite-empty", exist_ok=True)
        return StorageUnderTest(
            reader_of({"storage": "url", "url": "memory://suite-full"}),
            put=put_in_memory,
            remove=lambda uri: fsspec.filesystem("memory").rm_file(f"/suite-full/{uri}"),
            empty=reader_of({"storage": "url", "url": "memory://suite-empty"}),
            sets_times=True,
            gaps={**FOLDERS, "forbidden_file": "knows no rights"},
        )


def put_in_memory(uri: str, data: bytes, modified: datetime | None = None) -> None:
    memory = fsspec.filesystem("memory")
    path = f"/suite-full/{uri}"
    if uri.endswith("/"):
        memory.makedirs(path, exist_ok=True)
        return
    memory.makedirs(os.path.dirname(path), exist_ok=True)
    memory.pipe_file(path, data)
    if modified is not None:
        memory.store[path].created = modified.replace(tzinfo=UTC)  # all that its listings tell


class TestS3(StreamReaderSuite):
    """By moto, with short pages."""

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls) -> Iterator[StorageUnderTest]:
        from servers.s3 import Moto

        with Moto(keys_per_page=100) as moto, FaultProxy(moto.port) as proxy:
            refused = reader_of(moto.provider("suite-full", endpoint=proxy.url))
            gaps = {"newline": "moto cannot store it"}
            yield over(moto, many=250, forbid=refusing(proxy, refused), gaps=gaps)


class TestS3WithRights(StreamReaderSuite):
    """By SeaweedFS."""

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, seaweed: SeaweedFS) -> StorageUnderTest:
        key, secret = seaweed.lister
        rights = {"auth_type": "iam_user", "aws_access_key_id": key, "aws_secret_access_key": secret}
        lister = reader_of(seaweed.provider("suite-full", credentials=rights))
        gaps = {
            **UNTIMED,
            "backslash": "SeaweedFS makes a slash of it",
            "trailing_slash": "SeaweedFS takes it for a folder",
            "double_slash": "SeaweedFS does not list it",
            "url": "SeaweedFS does not list it",
        }
        return over(seaweed, forbid=lambda uri: lister, gaps=gaps)


class TestGcs(StreamReaderSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, gcs_server: Gcs) -> Iterator[StorageUnderTest]:
        from airbyte_cdk.sources.file_based.storages.gcs_access import GcsAccess

        options = options_model("gcs").parse_obj(gcs_server.provider("suite-full"))
        reader = FsspecStreamReader(AccessFileSystem(GcsAccess(options, page_size=100)))  # type: ignore[arg-type]
        with FaultProxy(gcs_server.port) as proxy:
            refused = reader_of(gcs_server.provider("suite-full", endpoint=proxy.url))
            yield over(gcs_server, reader, many=250, forbid=refusing(proxy, refused), gaps=UNTIMED)


class TestAzure(StreamReaderSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, azurite: Azurite) -> StorageUnderTest:
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        from airbyte_cdk.sources.file_based.storages.azure_access import AzureAccess

        options = options_model("azure").parse_obj(azurite.provider("suite-full"))
        reader = FsspecStreamReader(AccessFileSystem(AzureAccess(options, page_size=100)))  # type: ignore[arg-type]
        only_list = generate_container_sas(
            azurite.account,
            "suite-full",
            azurite.key,
            permission=ContainerSasPermissions(list=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        lister = reader_of(
            azurite.provider("suite-full", credentials={"auth_type": "sas_token", "sas_token": only_list})
        )
        gaps = {**UNTIMED, "backslash": "Azurite makes a slash of it"}
        return over(azurite, reader, many=250, forbid=lambda uri: lister, gaps=gaps)


class TestSftp(StreamReaderSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, sftp_server: Sftp) -> StorageUnderTest:
        reader = reader_of(sftp_server.provider("suite-full"))
        return over(sftp_server, reader, forbid=forbid_on_disk(sftp_server, reader), gaps=FOLDERS)


class TestFtp(StreamReaderSuite):
    """By fsspec's filesystem for it, which shares one connection."""

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, ftp_server: Ftp) -> StorageUnderTest:
        reader = reader_of(ftp_server.provider("suite-full"))
        return over(
            ftp_server, reader, gaps={**FOLDERS, "newline": "a command is a line", "forbidden_file": "no rights"}
        )


class TestHttp(StreamReaderSuite):
    """By the index pages of nginx."""

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, nginx: Nginx) -> StorageUnderTest:
        reader = reader_of(nginx.provider("suite-full"))
        hidden = dict.fromkeys(["leading_dot", "leading_dots", "folder_with_a_dot"], "nginx does not list them")
        return over(nginx, reader, forbid=forbid_on_disk(nginx, reader), gaps={**FOLDERS, **hidden})


def refusing(proxy: FaultProxy, reader: FsspecStreamReader) -> Callable[[str], FsspecStreamReader]:
    """For servers that know no rights: 403 for the file, through a proxy."""

    def forbid(uri: str) -> FsspecStreamReader:
        name = uri.rpartition("/")[2]
        proxy.rule(lambda request: name in request.path, status(403), forever=True)
        return reader

    return forbid
