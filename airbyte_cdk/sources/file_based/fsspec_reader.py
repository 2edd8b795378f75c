"""The stream reader over any fsspec filesystem."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from airbyte_cdk.sources.file_based import globs as glob_rules
from airbyte_cdk.sources.file_based import prefix_rules, raw_files
from airbyte_cdk.sources.file_based.access.fsspec_access import FsspecAccess
from airbyte_cdk.sources.file_based.access.handle import StorageHandle
from airbyte_cdk.sources.file_based.access.parallel import merged
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy
from airbyte_cdk.sources.file_based.access.retrying import RetryingAccess
from airbyte_cdk.sources.file_based.access.storage_access import Listed, StorageAccess
from airbyte_cdk.sources.file_based.archives import (
    close_idle,
    expanded,
    is_archive,
    may_hold,
    reach,
)
from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.file_based.storage_file import StorageFile
from airbyte_cdk.utils.overriding import overrides

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteRecordMessageFileReference
    from airbyte_cdk.sources.file_based.file_record_data import FileRecordData

LISTERS = 8
"""Prefixes that are listed at once."""


class FsspecStreamReader(AbstractFileBasedStreamReader):
    """Reads the files below one folder of an fsspec filesystem, and those in archives among them.

    The `uri` of a file is its path relative to `root`, with ``/``. Calls that fail for a time are tried again. May be
    called from several threads.

    A connector whose filesystem depends on its config overrides `connect`::

        class Reader(FsspecStreamReader):
            def connect(self, config):
                return s3fs.S3FileSystem(key=config.key, secret=config.secret), config.bucket

    A filesystem with a method ``storage_access(root) -> StorageAccess`` is reached through that.

    Args:
        filesystem: An ``fsspec.AbstractFileSystem``; None if `connect` gives it.
        root: Folder in it.
    """

    lists_quickly = True

    def __init__(self, filesystem: Any = None, root: str = "") -> None:
        super().__init__()
        self._filesystem = filesystem
        self._root = root
        self._access: RetryingAccess | None = None
        self._patience: float | None = None
        self._connecting = Lock()

    @property
    def config(self) -> AbstractFileBasedSpec | None:
        """The parsed config of the source."""
        return self._config

    @config.setter
    def config(self, value: AbstractFileBasedSpec) -> None:
        if value is not self._config:
            self._config = value
            if overrides(self, "connect", FsspecStreamReader):
                access, self._filesystem, self._access = self._access, None, None
                if access is not None:
                    access.close()

    def connect(self, config: Any) -> tuple[Any, str]:
        """The filesystem and the root folder that a config names. Called on first use, once a config.

        Args:
            config: The parsed config, an instance of the source's spec class.

        Returns:
            An ``fsspec.AbstractFileSystem``, and the folder in it below which files are read, ``""`` for all.

        Raises:
            NotImplementedError: it is not overridden, and the reader was given no filesystem.
            AirbyteTracedException: for an override to raise if the config cannot be used (a config_error).
        """
        raise NotImplementedError("give FsspecStreamReader a filesystem, or override `connect`")

    @property
    def filesystem(self) -> Any:
        """The filesystem, connected on first use."""
        self._connected(logging.getLogger("airbyte"))
        return self._filesystem

    def _connected(self, logger: logging.Logger) -> StorageAccess:
        with self._connecting:
            if self._access is None:
                if self._filesystem is None:
                    self._filesystem, self._root = self.connect(self._config)
                give = getattr(self._filesystem, "storage_access", None)
                plain: StorageAccess = give(self._root) if give else FsspecAccess(self._filesystem, self._root)
                self._access = RetryingAccess(plain, self._policy(), logger)
            return self._access

    def _policy(self) -> RetryPolicy:
        usual = RetryPolicy()
        return usual if self._patience is None else replace(usual, seconds=min(usual.seconds, self._patience))

    def limit_retries(self, seconds: float | None) -> None:
        """Give the storage up after so many seconds without progress; None for as long as usual."""
        with self._connecting:
            self._patience = seconds
            if self._access is not None:
                self._access.policy = self._policy()

    @property
    def listed_below(self) -> str:
        """The storage's prefix; "" before the storage is connected."""
        return self._access.prefix if self._access is not None else ""

    # Listing -------------------------------------------------------------------------------------------------------

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        """List the files that match, as the storage gives them; a folder or page that cannot be listed raises.

        Only what the globs can reach is listed: below their literal beginnings, several at once. Members of archives
        are files of their own, unless files are copied as they are; an archive that cannot be listed is given as a file
        that cannot be read. Globs that the storage's prefix excludes are a config_error.
        """
        if not any(globs):
            return
        matches = glob_rules.matcher(globs)
        expands = not self.use_file_transfer()
        start = self._start_date()

        def opens(uri: str) -> bool:
            return expands and is_archive(uri) and may_hold(uri, globs)

        def wanted(uri: str) -> bool:
            return uri.startswith(prefix or "") and (matches(uri) or opens(uri))

        found = False

        def files() -> Iterator[StorageFile]:
            nonlocal found
            for uri, size, modified, version in self._listed(globs, prefix or "", wanted, logger):
                found = True
                if start is None or modified >= start:
                    yield StorageFile(uri=uri, last_modified=modified, size=size, version=version)

        yield from expanded(files(), globs, partial(self._opened, logger), logger) if expands else files()
        if not found:
            access = self._connected(logger)
            prefix_rules.refuse_nothing(access.prefix, access.title)

    def _listed(
        self, globs: list[str], within: str, wanted: Callable[[str], bool], logger: logging.Logger
    ) -> Iterator[Listed]:
        """What the globs can reach and is wanted, each prefix listed by a thread of its own."""
        access = self._connected(logger)
        prefix_rules.refuse_unreachable(globs, access.prefix, access.title, logger)
        globs = reach(globs)
        enter = glob_rules.folders(globs)

        def listing(prefix: str, recursive: bool, over: Event) -> Iterator[Listed]:
            return access.files(prefix, recursive=recursive, enter=enter, wanted=wanted, over=over)

        wide = listings_for(globs, within, flat=access.flat)
        return merged([partial(listing, prefix, recursive) for prefix, recursive in wide], LISTERS)

    # Reading -------------------------------------------------------------------------------------------------------

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> Any:
        """Open the file as it is stored (the framework undoes compression)."""
        stored = file if isinstance(file, StorageFile) else StorageFile(uri=file.uri, last_modified=file.last_modified)
        handle = stored.opened(partial(self._opened, logger))
        if mode is FileReadMode.READ:
            return io.TextIOWrapper(handle, encoding=encoding)
        return handle

    def _opened(self, logger: logging.Logger, file: StorageFile) -> BinaryIO:
        """A handle on a file that the storage itself holds."""
        access = self._connected(logger)
        handle = access.handle(file.uri)
        if handle is not None:
            _tell_if_changed(handle, file, logger)
        else:
            stream = StorageHandle(access, file.uri, size=file.size, version=file.version, logger=logger)
            handle = cast("BinaryIO", stream)
        return handle

    def upload(
        self, file: RemoteFile, local_directory: str, logger: logging.Logger
    ) -> tuple[FileRecordData, AirbyteRecordMessageFileReference]:
        """Copy one file to a fresh folder in `local_directory`, in parts; only the disk limits its size.

        Raises:
            Exception: as `raw_files.upload_stored`.
        """
        if not isinstance(file, StorageFile):
            return super().upload(file, local_directory, logger)
        return raw_files.upload_stored(self, self._connected(logger), file, local_directory, logger)

    def release(self) -> None:
        """Let go of archives and connections that are kept open between files."""
        close_idle()
        if self._access is not None:
            self._access.close()


def _tell_if_changed(handle: BinaryIO, file: StorageFile, logger: logging.Logger) -> None:
    """Compare an open file of this machine with its listing."""
    found = os.fstat(handle.fileno())
    modified = datetime.fromtimestamp(found.st_mtime, UTC).replace(tzinfo=None)
    if (found.st_size, modified) != (file.size, file.last_modified):
        logger.warning(
            f"File {file.uri} was changed after it was listed. It is read as it is now, and will be read again in the "
            "next sync."
        )


def listings_for(globs: list[str], within: str, *, flat: bool = False) -> list[tuple[str, bool]]:
    """The prefixes that must be listed to find all matches, and for each whether matches can be below its folder.

    Args:
        within: All matches begin with it.
        flat: Whether names are keys: globs take several ``/`` in a row for one, but a folder ends at the first. What
            has more of them than the globs is listed beside the rest.
    """

    def narrowed(prefixes: Iterable[str]) -> set[str]:
        return {max(prefix, within, key=len) for prefix in prefixes if glob_rules.meet(prefix, within)}

    prefixes = glob_rules.prefixes(globs) or {""}
    starts = {pattern: glob_rules.literal_start(pattern) for pattern in globs}
    recursive: dict[str, bool] = {}
    for prefix in narrowed(prefixes):
        depth = glob_rules.depth(pattern for pattern, start in starts.items() if glob_rules.meet(start, prefix))
        folders = len([name for name in prefix.split("/")[:-1] if name])
        recursive[prefix] = depth is None or depth > folders
    if flat:
        single = {*prefixes, *recursive}
        doubled = {f"{prefix[:at]}//" for prefix in single for at, sign in enumerate(prefix) if sign == "/"}
        if "" in single and any(start.startswith("/") for start in starts.values()):
            doubled.add("/")
        recursive.update((prefix, True) for prefix in narrowed(doubled))
    wide = glob_rules.folded(prefix for prefix, is_wide in recursive.items() if is_wide)
    covered = {prefix for prefix in recursive if prefix not in wide and prefix.startswith(tuple(wide))}
    return [(prefix, recursive[prefix]) for prefix in sorted(recursive.keys() - covered)]
