"""One file of a storage to the local disk, as it is."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import suppress
from functools import partial
from logging import Logger
from threading import Event, Lock, Thread

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based.access.errors import FileAccessError
from airbyte_cdk.sources.file_based.access.part_files import new_part_path, opened_part
from airbyte_cdk.sources.file_based.access.storage_access import Content, Failure, StorageAccess, Trouble, differ
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

PART_BYTES = 8 << 20
"""Bytes of one part of a large file."""
PARTS_AT_ONCE = 4
"""So many parts of a file are on their way at once: a download holds at most twice as many in memory."""
PARTS_FROM = 4 * PART_BYTES
"""Smaller files come in one stream: several connections would cost more than they gain."""
STREAM_BYTES = 1 << 20
"""Read at once from a stream."""
RECHECK_SECONDS = 1.0
"""After a copy that took longer the version is asked for once more: on disks and file servers a file can be
overwritten under its reader."""
PROGRESS_SECONDS = 30.0
"""A download that takes longer tells in the log how far it is, each time after so many seconds."""


def download(
    access: StorageAccess,
    uri: str,
    size: int | None,
    version: str | None,
    local_path: str,
    logger: Logger,
    part_path: str | None = None,
) -> int:
    """Copy a file to the local disk, whole or not at all; returns its bytes.

    The content goes to a part file, which is renamed when all of it is there, and removed if that fails.
    A large file whose version the storage tells comes in parts, several at once, all of that version; other files come
    in one stream. There is no limit but the disk. Nothing is tried again here: the access is one that does so
    (`RetryingAccess`), and goes on inside a part where it broke.

    Args:
        access: The storage.
        uri: The file in it.
        size: Its bytes as listed, or None.
        version: Its version as listed, or None. If it has another one by now, that is an error.
        local_path: Where it goes; the directory exists. A file that is there is replaced.
        logger: Told how far it is, every `PROGRESS_SECONDS`.
        part_path: Of the part file, on the same disk; a new one beside `local_path` by default.

    Raises:
        AirbyteTracedException: It does not fit on the disk; found out before the first byte if its size is known.
        FileAccessError: It changed since it was listed, or while it was copied.
        Exception: What the access raises.
    """
    local_path = os.path.abspath(local_path)
    part_path = part_path or new_part_path(os.path.dirname(local_path))
    try:
        if size is not None:
            _check_space(os.path.dirname(part_path), uri, size)
        with _Copy(part_path, access, uri, logger) as copy:
            written = copy.run(size, version)
        os.replace(part_path, local_path)
    except BaseException:
        with suppress(OSError):
            os.unlink(part_path)
        raise
    return written


class _Copy:
    """The copying of one file: where it goes, and how far it is."""

    def __init__(self, path: str, access: StorageAccess, uri: str, logger: Logger) -> None:
        self._directory = os.path.dirname(path)
        self._access = access
        self._uri = uri
        self._logger = logger
        self._whole: int | None = None
        self._written = 0
        self._lock = Lock()
        self._began = self._told = time.monotonic()
        self._file = opened_part(path)

    def __enter__(self) -> _Copy:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def run(self, size: int | None, version: str | None) -> int:
        """Copy all; the arguments are those of `download`."""
        content = self._access.open(self._uri, 0, version)
        try:
            self._whole = size if content.size is None else content.size
            if size is not None and size != self._whole:
                raise self._changed(f"it had {size} bytes when it was listed and has {self._whole} now")
            if size is None and self._whole is not None:
                _check_space(self._directory, self._uri, self._whole)
            version = content.version or version
            if self._whole is None or self._whole < PARTS_FROM or version is None:
                self._stream(content, None)
            else:
                self._parts(content, self._whole, version)
        finally:
            content.close()
        if self._whole is not None and self._written != self._whole:
            raise self._changed(f"{self._written} bytes came, and {self._whole} were announced")
        if version is not None and time.monotonic() - self._began > RECHECK_SECONDS and self._is_another(version):
            raise self._changed("it was overwritten meanwhile")
        return self._written

    def _is_another(self, version: str) -> bool:
        try:
            now = self._access.info(self._uri).version
        except Exception:  # all of it was there: that it cannot be had any more changes nothing
            return False
        return differ(now, version)

    def _stream(self, content: Content, end: int | None) -> None:
        """Write what `content` gives, from byte 0 to `end`, or to its end."""
        at = 0
        while end is None or at < end:
            data = content.read(STREAM_BYTES if end is None else min(STREAM_BYTES, end - at))
            if not data:
                break
            self._write(data, at, self._file)
            at += len(data)

    def _parts(self, content: Content, whole: int, version: str) -> None:
        """The first part from `content`, the others by ranges, several at once. The first error ends all."""
        starts = iter(range(PART_BYTES, whole, PART_BYTES))
        stopped = Event()
        errors: list[BaseException] = []

        def fetch(file: int) -> None:
            try:
                for start in self._each(starts, stopped):
                    end = min(start + PART_BYTES, whole)
                    part = self._access.ranges(self._uri, [(start, end)], version)[0]
                    if len(part) != end - start:
                        raise self._changed(f"it ends before byte {end}, and had {whole} bytes before")
                    self._write(part, start, file)
                    del part  # not to be kept while the next one comes
            except BaseException as error:
                errors.append(error)  # before what `content` raises then
                content.stop()
                raise
            finally:
                os.close(file)

        def begin(number: int) -> Future[None]:
            # each has a descriptor of its own: after an error of another one it is not waited for
            return _in_thread(f"airbyte-part-{number}", partial(fetch, os.dup(self._file)))

        parts = [begin(number) for number in range(1, PARTS_AT_ONCE)]
        try:
            self._stream(content, PART_BYTES)
            content.close()
            parts.append(begin(PARTS_AT_ONCE))
            wait(parts, return_when=FIRST_EXCEPTION)
        except Exception:
            if not errors:
                raise
        finally:
            stopped.set()
        if errors:
            raise errors[0]

    def _each(self, starts: Iterator[int], stopped: Event) -> Iterator[int]:
        while not stopped.is_set():
            with self._lock:
                start = next(starts, None)
            if start is None:
                return
            yield start

    def _write(self, data: bytes, at: int, file: int) -> None:
        left = memoryview(data)
        try:
            while left:
                count = os.pwrite(file, left, at)
                left, at = left[count:], at + count
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _disk_full(self._directory, self._uri, self._whole, error) from error
            raise
        with self._lock:
            self._written += len(data)
            now = time.monotonic()
            if now - self._told < PROGRESS_SECONDS:
                return
            self._told = now
        of = "" if self._whole is None else f" of {self._whole:,}"
        self._logger.info(f"{self._access.title}: copying {self._uri}: {self._written:,}{of} bytes so far")

    def _changed(self, how: str) -> FileAccessError:
        reason = f"it was changed while it was to be copied: {how}; the next sync will copy it as it is then"
        return FileAccessError(self._access.title, self._uri, Failure(Trouble.CHANGED, reason))


def _in_thread(name: str, call: Callable[[], None]) -> Future[None]:
    """The outcome of a call on a thread of its own: a daemon, as what hangs in the network must not keep a failed
    process alive."""
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    Thread(target=run, name=name, daemon=True).start()
    return outcome


def _check_space(directory: str, uri: str, needed: int) -> None:
    if needed > shutil.disk_usage(directory).free:
        raise _disk_full(directory, uri, needed)


def _disk_full(directory: str, uri: str, needed: int | None, cause: OSError | None = None) -> AirbyteTracedException:
    """The error for a file that does not fit: the user's if the disk could never hold it, else one that may pass when
    the destination has taken what lies there."""
    disk = shutil.disk_usage(directory)
    never = needed is not None and needed > disk.total
    needs = "more bytes than that" if needed is None else f"{needed:,} bytes"
    message = (
        f"The file {uri} does not fit into the staging directory {directory}: it needs {needs}, and {disk.free:,} of "
        f"{disk.total:,} bytes are free on its disk. Give the directory a larger disk, name another one in the "
        "environment variable AIRBYTE_STAGING_DIRECTORY, or leave the file out by the stream's globs."
    )
    return AirbyteTracedException(
        internal_message=message,
        message=message,
        failure_type=FailureType.config_error if never else FailureType.system_error,
        exception=cause,
    )
