"""The disk for temporary files, where what cannot be read at any place is copied to."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from airbyte_cdk.models import FailureType


class TemporaryDiskFull(Exception):
    """The disk for temporary files has no room for the copy of a file.

    Args:
        needed: Bytes of the copy, or None if that is not known.
        cause: What the system raised, None if there was no attempt.

    Attributes:
        reason: What is wrong and what to do, as a clause that goes on from the file's name.
        failure_type: `config_error` if the disk could never hold the copy, else `system_error`.
    """

    def __init__(self, needed: int | None, cause: OSError | None = None) -> None:
        directory = tempfile.gettempdir()
        disk = shutil.disk_usage(directory)
        self.reason = (
            f"it must be copied to the directory for temporary files, {directory}, and does not fit there: it needs "
            f"{f'{needed:,} bytes' if needed is not None and cause is None else 'more bytes than were free'}, and "
            f"{disk.free:,} of {disk.total:,} bytes are free on its disk. Give the directory a larger disk, name "
            "another one in the environment variable TMPDIR, or leave the file out by the stream's globs"
        )
        never = needed is not None and needed > disk.total
        self.failure_type = FailureType.config_error if never else FailureType.system_error
        super().__init__(self.reason)


@contextmanager
def temporary_disk(needed: int | None) -> Iterator[None]:
    """Around the making of a copy: asks whether there is room for it, and tells it when the disk is full.

    Args:
        needed: Bytes that the copy has at least, or None.

    Raises:
        TemporaryDiskFull: There is no room.
    """
    if needed is not None and needed > shutil.disk_usage(tempfile.gettempdir()).free:
        raise TemporaryDiskFull(needed)
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TemporaryDiskFull(needed, error) from error
        raise
