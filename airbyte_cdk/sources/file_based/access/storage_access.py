"""What the framework needs of a storage: list the files below a prefix, open one at an offset, tell failures apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from threading import Event
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

from airbyte_cdk.sources.file_based.access.raw_io import read_exactly
from airbyte_cdk.sources.file_based.access.watch import Watch

T = TypeVar("T")

NEVER = Event()
"""Is never set."""

Enter = Callable[[str], Hashable]
"""Says of a folder, by its uri without the last ``/``, whether it can hold wanted files; see `StorageAccess.files`."""


class Listed(NamedTuple):
    """One file in a listing.

    Attributes:
        uri: Its path relative to the root of the access, exactly as the storage spells it.
        size: Bytes, or None if the listing does not tell.
        modified: When its content last changed: naive UTC.
        version: Changes whenever the content does (an ETag, a generation), or None if the listing does not tell.
    """

    uri: str
    size: int | None
    modified: datetime
    version: str | None = None


def naive_utc(time: datetime) -> datetime:
    """The time as `Listed.modified` has it; one without a zone is taken for UTC."""
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def differ(one: object, other: object) -> bool:
    """Whether both are known, and not the same: sizes or versions of a file."""
    return one is not None and other is not None and one != other


def anything(_: str) -> bool:
    """True, whatever the uri: the listing is not narrowed."""
    return True


class Retried(Protocol):
    """Runs a request until it succeeds or is given up."""

    def __call__(self, request: Callable[[], T], over: Event = NEVER, /) -> T:
        """What the request gave. It is not tried again once `over` is set, which also ends a wait."""
        ...


def once(request: Callable[[], T], over: Event = NEVER, /) -> T:
    """Run the request, once."""
    return request()


class Content(ABC):
    """The bytes of one file, from some offset to its end, in order.

    Attributes:
        size: Bytes of the whole file (not of what is left), or None if the storage does not tell.
        version: As `Listed.version`, of the content that is being read.
        takes_turns: Whether reads wait for those of other files, so that time tells nothing of how fast it comes.
    """

    size: int | None = None
    version: str | None = None
    takes_turns: bool = False

    @abstractmethod
    def read(self, n: int) -> bytes:
        """The next bytes: at most `n`, at least one, ``b""`` only at the end of the file.

        Best is what has arrived, without waiting for all of `n`: only so it can be seen that a body has become slow.
        A body that ends before its announced length raises; it never looks like the end.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection; may be called in the middle of the file, and more than once."""

    def stop(self) -> None:  # noqa: B027  most have nothing that takes long
        """Have a read that another thread is in give up, as soon as it can; that thread then closes the content."""


class NothingLeft(Content):
    """The content of a file from its end on."""

    def __init__(self, listed: Listed) -> None:
        self.size, self.version = listed.size, listed.version

    def read(self, n: int) -> bytes:
        """``b""``."""
        return b""

    def close(self) -> None:
        """Nothing."""


class Trouble(Enum):
    """What an exception of a storage means for whoever called it."""

    TEMPORARY = "temporary"
    """Throttled, cut off, timed out, token just expired, name not resolved: the same call may succeed later."""
    MISSING = "missing"
    """There is no such file."""
    CONFIG = "config"
    """Somebody must fix the config or the rights: wrong bucket, key, host, permission."""
    CHANGED = "changed"
    """The file is no longer of the version that was asked for."""
    OTHER = "other"
    """None of these."""


@dataclass(frozen=True)
class Failure:
    """An exception of a storage, understood.

    Attributes:
        trouble: What it means.
        reason: A clause for the user that names what is wrong and, for `CONFIG`, which option; no secrets, no data.
        retry_after: Seconds that the storage asks to wait, if it says so.
    """

    trouble: Trouble
    reason: str
    retry_after: float | None = None


class StorageAccess(ABC):
    """Access to the files below one root of one storage. May be used by several threads at once.

    Implementations do one attempt a call and raise what their library raises; `failure` explains it, and
    `RetryingAccess` tries again. With a `client` of some share, a whole one is::

        class ShareContent(Content):
            def __init__(self, body):
                self._body = body

            def read(self, n):
                return self._body.read(n)

            def close(self):
                self._body.close()


        class ShareAccess(StorageAccess):
            title = "share"

            def __init__(self, client):
                self._client = client

            def files(self, prefix, *, recursive=True, enter=anything, wanted=anything, over=NEVER):
                token = ""
                while token is not None:
                    page = self.retried(partial(self._client.list, prefix, token), over)
                    yield from (Listed(file.name, file.size, file.changed) for file in page.files)
                    token = page.next

            def open(self, uri, start=0, version=None):
                return ShareContent(self._client.get(uri, start))

            def info(self, uri):
                file = self._client.about(uri)
                return Listed(file.name, file.size, file.changed)

            def failure(self, error, uri=None):
                status = getattr(error, "status", None)
                if status == 404 and uri is not None:
                    return Failure(Trouble.MISSING, "there is no such file")
                if status == 403:
                    return Failure(Trouble.CONFIG, "the token may not read it; correct `token`")
                if isinstance(error, ConnectionError) or status == 503:
                    return Failure(Trouble.TEMPORARY, "the share did not answer")
                return Failure(Trouble.OTHER, type(error).__name__)

    A reader that uses it returns ``AccessFileSystem(ShareAccess(client)), ""`` from `FsspecStreamReader.connect`.

    Attributes:
        title: Names the storage in messages, such as ``S3 bucket landing``; no secrets.
        prefix: Files whose uri does not begin with it are not listed, as the user wishes; "" for all.
        flat: Names are keys and not paths, so that ``a//b`` is another file than ``a/b``.
        retried: Runs one request of a listing and returns what it gave. Implementations send each page's request
            through it (``page = self.retried(lambda: self._page(token), over)``): it is `once` until `RetryingAccess`
            sets it, so that a page that fails is asked for again, and not the whole listing from its start.
        watch: Makes a watch for one body that is read to its end at once, such as a page or a range
            (``read_exactly(content, n, self.watch())``). Any speed will do until `RetryingAccess` sets it.
    """

    title: str
    prefix: str = ""
    flat: bool = False
    retried: Retried = staticmethod(once)
    watch: Callable[[], Watch] = Watch

    @abstractmethod
    def files(
        self,
        prefix: str,
        *,
        recursive: bool = True,
        enter: Enter = anything,
        wanted: Callable[[str], bool] = anything,
        over: Event = NEVER,
    ) -> Iterator[Listed]:
        """Every file whose uri begins with `prefix`, in any order, consumed page by page as they come.

        Whatever cannot be listed raises: a shorter listing would be taken as complete. A prefix below which there is
        nothing (such as a folder that does not exist) gives no file.

        Args:
            prefix: Any text, not only whole folders; ``""`` for all.
            recursive: If False, files in folders below the prefix (a further ``/`` after it) are not needed. They may
                be given all the same.
            enter: Whether a folder (uri without the last ``/``) can hold wanted files. Storages with real folders
                skip the others. Flat ones ask only in a listing that is not recursive, about the folders right below
                the prefix, which thus are known. Answers that are true and equal mean that in both folders the same
                files are wanted, by their paths below them: where links make them one folder, one is enough.
            wanted: Whether a file (uri) may be wanted. Storages that pay for each file's details need not give the
                others; those that have them at hand need not ask.
            over: Set, perhaps by another thread, when the listing is not wanted any more; for `retried`.
        """

    @abstractmethod
    def open(self, uri: str, start: int = 0, version: str | None = None) -> Content:
        """The content of a file from byte `start` on.

        Args:
            version: If given and the storage can tell, other content raises (`Trouble.CHANGED`).
        """

    def ranges(self, uri: str, ranges: Sequence[tuple[int, int]], version: str | None = None) -> list[bytes]:
        """The bytes ``[start, end)`` of each range, whole, in the order given.

        Override where a storage can read ranges without opening the file to its end, or several at once.
        """
        parts = []
        for start, end in ranges:
            content = self.open(uri, start, version)
            try:
                parts.append(read_exactly(content, end - start, self.watch()))
            finally:
                content.close()
        return parts

    @abstractmethod
    def info(self, uri: str) -> Listed:
        """Size, time and version of one file now. A file that is not there raises (`Trouble.MISSING`)."""

    @abstractmethod
    def failure(self, error: BaseException, uri: str | None = None) -> Failure:
        """What an exception of this access means.

        Args:
            error: Raised by another method of this access, or by reading a `Content` of it.
            uri: The file, if one was asked for; None for a listing.
        """

    def handle(self, uri: str) -> BinaryIO | None:
        """A handle that is as fast as can be without any help, or None where there is none (not on a local disk)."""
        return None

    def close(self) -> None:  # noqa: B027  most have nothing to close
        """Let go of connections. The access can still be used: it connects again."""
