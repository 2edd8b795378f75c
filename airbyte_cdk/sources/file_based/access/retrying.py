"""One place for retries: failed calls to a storage are tried again, broken reads resumed where they broke."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from threading import Event
from typing import BinaryIO, TypeVar

from airbyte_cdk.sources.file_based.access.errors import FAILURE_TYPES, FileAccessError
from airbyte_cdk.sources.file_based.access.retry_policy import RetryPolicy, Tries, wait
from airbyte_cdk.sources.file_based.access.storage_access import (
    NEVER,
    Content,
    Enter,
    Failure,
    Listed,
    StorageAccess,
    Trouble,
    anything,
    differ,
)
from airbyte_cdk.sources.file_based.access.watch import TooSlow, Watch
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

T = TypeVar("T")
LOGGER = logging.getLogger("airbyte")

RENEWING = 64 * 1024
"""So many bytes in one go renew the budget of a read: a body that breaks off after a few makes no progress."""

_AFTERWARDS = {
    Trouble.MISSING: " Something was removed while it was listed; it may succeed later.",
    Trouble.CHANGED: " Something was changed while it was listed; it may succeed later.",
    Trouble.CONFIG: "",  # the reason says what is to be fixed
    Trouble.OTHER: " The log has the details.",
}


class RetryingAccess(StorageAccess):
    """A storage access that survives what passes: throttling, resets, truncated and slow bodies, timeouts.

    Only `Trouble.TEMPORARY` is tried again, with waits and a budget as the policy says; progress renews the budget.
    Each retry is one INFO line in the log.

    What stays broken raises `FileAccessError` for a file, and an `AirbyteTracedException` of the fitting failure type
    for a listing. An `AirbyteTracedException` of the storage itself passes as it is.

    Args:
        access: The storage, which does one attempt a call. Its `retried` and `watch` are set.
        policy: When to try again; `RetryPolicy()` if None.
        logger: Told about retries.
    """

    def __init__(
        self, access: StorageAccess, policy: RetryPolicy | None = None, logger: logging.Logger = LOGGER
    ) -> None:
        self.access = access
        self.title = access.title
        self.prefix = access.prefix
        self.flat = access.flat
        self.policy = policy or RetryPolicy()
        self._logger = logger
        access.retried = self._request
        access.watch = self.watched

    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Enter = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        """The wanted files, each uri once; a listing that breaks begins anew, and leaves out what was given before.

        Memory grows with the files that were given only. `over` is set when the listing has ended, or was closed: what
        it asked for ahead is not wanted then.
        """
        over = Event() if over is NEVER else over
        given: set[str] = set()
        tries = Tries(self.policy)
        furthest = 0
        try:
            while not over.is_set():
                seen = 0
                try:
                    for listed in self.access.files(prefix, recursive=recursive, enter=enter, wanted=wanted, over=over):
                        seen += 1
                        uri = listed.uri
                        if wanted(uri) and uri not in given:
                            given.add(uri)
                            yield listed
                        if over.is_set():
                            break
                    return
                except Exception as error:
                    if over.is_set():
                        return
                    if seen > furthest:
                        furthest = seen
                        tries.progressed()
                    self.pause(error, None, tries, over=over)
        finally:
            over.set()

    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        """A content that resumes at the byte where it broke, always of one version."""
        place = f"byte {start:,}" if start else None
        inner = self._tried(lambda: self.access.open(uri, start, version), uri, place)
        return _Resuming(self, uri, start, version, inner)

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        """The ranges in one go; if that fails, one by one, each resumed where it broke."""
        if not ranges:
            return []
        try:
            return self.access.ranges(uri, ranges, version)
        except Exception as error:
            place = f"bytes {ranges[0][0]:,} to {ranges[-1][1]:,}"
            self.pause(error, uri, Tries(self.policy), place)
        return super().ranges(uri, ranges, version)

    def info(self, uri: str) -> Listed:
        """As the storage's own."""
        return self._tried(lambda: self.access.info(uri), uri)

    def handle(self, uri: str) -> BinaryIO | None:
        """As the storage's own."""
        return self._tried(lambda: self.access.handle(uri), uri)

    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        """What an exception of this access, or of the one behind it, means."""
        if isinstance(error, FileAccessError):
            return error.failure
        if isinstance(error, _BrokenOff | TooSlow):
            return Failure(Trouble.TEMPORARY, str(error))
        return self.access.failure(error, uri)

    def close(self) -> None:
        """Let go of connections."""
        self.access.close()

    def watched(self) -> Watch:
        """A watch for one body of the storage, as strict as the policy is now."""
        return Watch(self.policy.slowest, self.policy.slow_after)

    def _request(self, request: Callable[[], T], over: Event = NEVER, /) -> T:
        """Run one request of a listing until it succeeds, or the listing is not wanted any more."""
        return self._tried(request, None, over=over)

    def _tried(self, call: Callable[[], T], uri: str | None, place: str | None = None, over: Event = NEVER) -> T:
        tries = Tries(self.policy)
        while not over.is_set():
            try:
                return call()
            except Exception as error:
                self.pause(error, uri, tries, place, over)
        raise CancelledError

    def pause(
        self, error: Exception, uri: str | None, tries: Tries, place: str | None = None, over: Event = NEVER
    ) -> None:
        """Wait before the next attempt; raise if there is to be none.

        Args:
            error: Ended the attempt.
            uri: The file, or None for a listing.
            tries: Counts the attempts.
            place: Where in the file, for messages.
            over: Ends the wait; there is no further attempt then.

        Raises:
            FileAccessError: No further attempt at a file.
            AirbyteTracedException: No further attempt at a listing, or what the storage raised itself.
        """
        if isinstance(error, FileAccessError | AirbyteTracedException):
            raise error
        failure = self.failure(error, uri)
        seconds = tries.next_wait(failure)
        if place:
            failure = replace(failure, reason=f"{failure.reason} (at {place})")
        if seconds is not None and not over.is_set():
            self._tell(uri, failure, tries.failed + 1, seconds)
            if wait(seconds, over):
                return
        if uri is not None:
            raise FileAccessError(self.title, uri, failure) from error
        is_temporary = failure.trouble is Trouble.TEMPORARY
        afterwards = tries.ended(failure) if is_temporary else _AFTERWARDS[failure.trouble]
        happened = f"{self.title} could not be listed: {failure.reason}."
        raise AirbyteTracedException(
            internal_message=happened,
            message=f"{happened}{afterwards}",
            failure_type=FAILURE_TYPES[failure.trouble],
            exception=error,
        ) from error

    def _tell(self, uri: str | None, failure: Failure, attempt: int, seconds: float) -> None:
        what = "listing" if uri is None else f"file {uri}"
        self._logger.info(f"{self.title}: {what}: {failure.reason}; attempt {attempt} in {seconds:.1f} s")


class _BrokenOff(Exception):
    """A body that is not to be read on, though the storage raised nothing."""


class _Resuming(Content):
    """The content of one version of a file, resumed where it breaks."""

    def __init__(self, owner: RetryingAccess, uri: str, start: int, version: str | None, inner: Content) -> None:
        self._owner = owner
        self._uri = uri
        self._at = start
        self._inner: Content | None = inner
        self.size = inner.size
        self.version = inner.version
        self._pinned = inner.version or version
        self._over = Event()
        self._watch = self._watch_of(inner)
        self._tries: Tries | None = None
        self._since_failure = 0

    def read(self, n: int) -> bytes:
        """The next bytes."""
        if self.size is not None:
            n = min(n, self.size - self._at)  # a file that grows is given as it was when it was opened
            if n <= 0:
                return b""
        while True:
            if self._over.is_set():
                raise ValueError("read of a closed content")
            try:
                inner = self._inner or self._reopened()
                data = self._watch.read(inner.read, n)
                if not data and self.size is not None:
                    raise _BrokenOff("its content ended before the announced length")
                self._at += len(data)
                self._since_failure += len(data)
                if self._since_failure >= RENEWING:
                    self._tries = None
                return data
            except Exception as error:
                self._drop()
                if self._owner.failure(error, self._uri).trouble is Trouble.CHANGED:
                    raise self._changed() from error
                self._since_failure = 0
                self._tries = self._tries or Tries(self._owner.policy)
                self._owner.pause(error, self._uri, self._tries, self._place(), self._over)

    def stop(self) -> None:
        """End a wait before the next attempt, and a read that another thread is in; make no more attempts."""
        self._over.set()
        if (inner := self._inner) is not None:
            inner.stop()

    def close(self) -> None:
        """Let go of the connection."""
        self._over.set()
        self._drop()

    def _reopened(self) -> Content:
        inner = self._owner.access.open(self._uri, self._at, self._pinned)
        if differ(inner.version, self._pinned) or differ(inner.size, self.size):
            inner.close()
            raise self._changed()
        self._watch = self._watch_of(inner)
        self._inner = inner
        return inner

    def _watch_of(self, inner: Content) -> Watch:
        return Watch() if inner.takes_turns else self._owner.watched()

    def _changed(self) -> FileAccessError:
        reason = f"it was changed while it was read (at {self._place()}); the next sync will read it as it is then"
        return FileAccessError(self._owner.title, self._uri, Failure(Trouble.CHANGED, reason))

    def _place(self) -> str:
        return f"byte {self._at:,}" + (f" of {self.size:,}" if self.size is not None else "")

    def _drop(self) -> None:
        if self._inner is not None:
            with suppress(Exception):  # it is broken, or not wanted any more
                self._inner.close()
            self._inner = None
