"""A storage on the local disk and one in memory, which know what was asked of them."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pytest

from airbyte_cdk.sources.file_based.archives import BrokenArchive, close_idle, matching_members, members
from airbyte_cdk.sources.file_based.storage_file import StorageFile

LOGGER = logging.getLogger("airbyte.test.archives")
MODIFIED = datetime(2024, 5, 6, 7, 8, 9)


class Handle(io.RawIOBase):
    """The handle of a storage: counts, gives at most `at_most` bytes a read, and breaks at a place if told to."""

    def __init__(self, inner: Any, storage: Storage) -> None:
        self._inner = inner
        self._storage = storage
        storage.open_handles += 1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._storage.seekable

    def tell(self) -> int:
        return int(self._inner.tell())

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if not self._storage.seekable:
            raise io.UnsupportedOperation("seek")
        return int(self._inner.seek(offset, whence))

    def read(self, n: int = -1, /) -> bytes:
        if self.closed:
            raise ValueError("closed")
        assert n >= 0
        place = self.tell()
        if self._storage.fails_at is not None and place + n > self._storage.fails_at:
            raise self._storage.failure
        data = bytes(self._inner.read(min(n, self._storage.at_most)))
        self._storage.reads.append((place, len(data)))
        return data

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._inner.close()
            self._storage.open_handles -= 1


class Storage:
    """Files below one folder of an fsspec filesystem."""

    def __init__(self, filesystem: Any, root: str) -> None:
        self.filesystem = filesystem
        self.root = root
        self.seekable = True
        self.at_most = 1 << 40
        self.fails_at: int | None = None
        self.failure: BaseException = ConnectionResetError("the storage is away")
        self.reads: list[tuple[int, int]] = []
        self.opened = 0
        self.open_handles = 0

    def wrong_in_threads(self, waiting: list[StorageFile], contents: Mapping[str, bytes]) -> list[str]:
        """The members, of those that are popped from `waiting` and read by eight threads, whose content is another."""
        wrong: list[str] = []

        def work() -> None:
            while True:
                try:
                    member = waiting.pop()
                except IndexError:
                    return
                if self.content(member) != contents[member.uri]:
                    wrong.append(member.uri)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not waiting
        return wrong

    def put(self, uri: str, data: bytes, modified: datetime = MODIFIED) -> StorageFile:
        self.filesystem.makedirs(f"{self.root}/{uri}".rpartition("/")[0], exist_ok=True)
        self.filesystem.pipe_file(f"{self.root}/{uri}", data)
        return StorageFile(uri=uri, last_modified=modified, size=len(data), version=f"v{len(data)}")

    def open(self, file: StorageFile) -> BinaryIO:
        self.opened += 1
        path = f"{self.root}/{file.uri}"
        # all handles of fsspec's memory filesystem on one file share one position
        shared = self.filesystem.protocol == "memory"
        inner = io.BytesIO(self.filesystem.cat_file(path)) if shared else self.filesystem.open(path, "rb")
        return Handle(inner, self)  # type: ignore[return-value]

    def members(self, archive: StorageFile, globs: Iterable[str] | None = None) -> list[StorageFile]:
        if globs is None:
            return list(members(archive, self.open, LOGGER))
        return list(matching_members(archive, globs, self.open, LOGGER))

    def content(self, member: StorageFile, n: int = 65536) -> bytes:
        with member.opened(self.open) as handle:
            return b"".join(iter(lambda: handle.read(n), b""))

    def failure_of(self, archive: StorageFile) -> BaseException:
        """Why an archive cannot be listed, with no member of it."""
        [broken] = self.members(archive)
        assert isinstance(broken, BrokenArchive)
        with pytest.raises(Exception) as caught:  # noqa: PT011  it is for the caller to judge
            broken.opened(self.open)
        return caught.value

    @staticmethod
    def until_error(handle: BinaryIO, n: int) -> tuple[bytes, BaseException | None]:
        """What reads of `n` bytes give before the end or an error, and the error."""
        parts = []
        try:
            while part := handle.read(n):
                parts.append(part)
        except Exception as error:
            return b"".join(parts), error
        return b"".join(parts), None

    def contents(self, archive: StorageFile, globs: Iterable[str] | None = None) -> dict[str, bytes]:
        """Content by member name; an archive that is broken fails the test."""
        found = self.members(archive, globs)
        assert not any(isinstance(file, BrokenArchive) for file in found), found
        start = len(archive.uri) + 1
        assert len({file.uri for file in found}) == len(found)
        return {file.uri[start:]: self.content(file) for file in found}


@pytest.fixture(params=["local", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "local":
        storage = Storage(fsspec.filesystem("file"), str(tmp_path))
    else:
        storage = Storage(fsspec.filesystem("memory", skip_instance_cache=True), f"/archives-{id(request)}")
    yield storage
    close_idle()
    assert storage.open_handles == 0
