"""Walks the folders of an SFTP server, many at once over one connection."""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event
from typing import NamedTuple

from airbyte_cdk.sources.file_based.access.links import LinkedFolders
from airbyte_cdk.sources.file_based.access.names import can_be, name_of, uri_of
from airbyte_cdk.sources.file_based.access.storage_access import NEVER, Enter, Listed, Trouble
from airbyte_cdk.sources.file_based.storages.sftp_errors import (
    NO_SUCH_FILE,
    PERMISSION_DENIED,
    SftpError,
    StatusError,
)
from airbyte_cdk.sources.file_based.storages.sftp_session import Attributes, Entry, Reply, SftpSession

FOLDERS_AT_ONCE = 64
"""Folders that are being listed at the same time: the server always has work while answers travel."""
MOST_ASKED = 16
"""Requests for entries of one folder that are under way at once, of about 100 entries each."""


MOST_LINKS = 40
"""As Linux has it: more of them in one path are a circle."""


class _Folder:
    """One folder on its way through the listing.

    Attributes:
        uri: Its uri with a slash at the end; ``""`` for the root.
        path: Its path on the server.
        real: That path with all links followed.
        above: The real paths of the folders on the way to it.
        is_link: Whether its name is a link.
        linked: Whether that, or a name on the way to it, is one.
        empty: Whether the server has told no entry of it, not even itself.
    """

    def __init__(self, uri: str, path: bytes, real: bytes, above: _Folder | None = None) -> None:
        self.uri = uri
        self.path = path
        self.real = real
        self.above: frozenset[bytes] = above.above | {above.real} if above else frozenset()
        self.is_link = above is not None and real != _in(above.real, path.rpartition(b"/")[2])
        self.linked: bool = self.is_link or (above is not None and above.linked)
        self.empty = True
        self.opening: Reply | None = None
        self.handle = b""
        self.asked: deque[Reply] = deque()
        self.asking = 2  # one for the entries of a small folder, one for its end


class _Wanted(NamedTuple):
    prefix: str
    recursive: bool
    enter: Enter
    file: Callable[[str], bool]


def listing(
    session: SftpSession,
    root: bytes,
    prefix: str,
    recursive: bool,
    enter: Enter,
    wanted: Callable[[str], bool],
    over: Event = NEVER,
) -> Iterator[Listed]:
    """The files below `root` whose uri begins with `prefix`; see `StorageAccess.files`.

    Links are followed, but not out of the root, not to a folder that was passed on the way to them, and not to one that
    is listed elsewhere, as `LinkedFolders` says. Files and folders that go away meanwhile are left out.

    Args:
        root: Real path of the root.
        over: Ends the listing.

    Raises:
        SftpError: A folder cannot be listed.
    """
    rules = _Wanted(prefix, recursive, enter, wanted)
    start = _start(session, root, prefix)
    waiting = [start] if start is not None else []
    active: deque[_Folder] = deque()
    linked = LinkedFolders(prefix, enter)
    links: list[_Folder] = []

    def takes(folder: _Folder) -> bool:
        return linked.takes(folder.uri[:-1], uri_of(folder.real[len(_in(root, b"")) :]))

    try:
        while (waiting or active or links) and not over.is_set():
            if not waiting and not active:
                # all that is reached by fewer links has been listed
                waiting = list(filter(takes, sorted(links, key=lambda folder: folder.uri)))
                links = []
                continue
            while waiting and len(active) < FOLDERS_AT_ONCE:
                folder = waiting.pop()
                folder.opening = session.opendir(folder.path)
                active.append(folder)
            folder = active.popleft()
            if folder.opening is not None:
                if _opened(session, folder):
                    active.append(folder)
                continue
            entries = _next_entries(session, folder)
            if not entries:
                session.release(folder.handle)
                if folder.empty:
                    _check_search(session, folder)
                continue
            folder.empty = False
            active.append(folder)
            files, folders = _sorted_out(session, root, folder, entries, rules)
            links.extend(below for below in folders if below.is_link)
            waiting.extend(below for below in folders if not below.is_link and (not below.linked or takes(below)))
            yield from files
    finally:
        with suppress(SftpError):
            for folder in active:
                if folder.handle:
                    session.release(folder.handle)


def _start(session: SftpSession, root: bytes, prefix: str) -> _Folder | None:
    """The deepest folder that holds all files with the prefix; None if there is none."""
    names = prefix.split("/")[:-1]
    if not can_be(names):
        return None
    folder = _Folder("", root, root)
    paths = [joined(root, "/".join(names[: i + 1])) for i in range(len(names))]
    replies = [
        (name, path, session.realpath(path), session.stat(path)) for name, path in zip(names, paths, strict=True)
    ]
    for name, path, real_reply, stat_reply in replies:
        try:
            attributes = session.attributes(stat_reply)
            real = _real(session, folder, path, session.path(real_reply))
        except StatusError as error:
            if error.code == NO_SUCH_FILE or _is_outside(session, folder, path, root, error):
                return None
            raise _not_listed(error, f"{folder.uri}{name}") from error
        if not stat.S_ISDIR(attributes.mode or 0):
            return None
        below = _below(folder, name, path, real, root)
        if below is None:
            return None
        folder = below
    return folder


def _real(session: SftpSession, folder: _Folder, path: bytes, given: bytes) -> bytes:
    """The real path of an entry of a folder, also if the server's own answer does not follow links."""
    return given if given != path else _followed(session, folder, path)


def _followed(session: SftpSession, folder: _Folder, path: bytes) -> bytes:
    """The real path of an entry of a folder, found link by link. What may not be seen is taken for no link."""
    real, names, links = folder.real, deque([path.rpartition(b"/")[2]]), 0
    while names:
        name = names.popleft()
        if name in (b"", b"."):
            continue
        if name == b"..":
            real = real.rpartition(b"/")[0] or b"/"
            continue
        inside = _in(real, name)
        try:
            target = session.path(session.readlink(inside))
        except StatusError:
            real = inside  # it is not a link
            continue
        links += 1
        if links > MOST_LINKS:
            raise StatusError(NO_SUCH_FILE, "")
        if target.startswith(b"/"):
            real = b"/"
        names.extendleft(reversed(target.split(b"/")))
    return real


def _is_outside(session: SftpSession, folder: _Folder, path: bytes, root: bytes, error: StatusError) -> bool:
    """Whether the user may not see an entry of a folder because it leads out of the root: nothing is missing then."""
    return error.code == PERMISSION_DENIED and not within(_followed(session, folder, path), root)


def _below(folder: _Folder, name: str, path: bytes, real: bytes, root: bytes) -> _Folder | None:
    """A folder in a folder, unless it lies outside of the root or leads in a circle."""
    below = _Folder(f"{folder.uri}{name}/", path, real, folder)
    return below if real not in below.above and within(real, root) else None


def _opened(session: SftpSession, folder: _Folder) -> bool:
    """Begin with the entries; False if the folder is gone."""
    assert folder.opening is not None
    try:
        folder.handle = session.handle(folder.opening)
    except StatusError as error:
        if error.code == NO_SUCH_FILE and folder.uri:
            return False
        raise _not_listed(error, folder.uri) from error
    folder.opening = None
    folder.asked.extend(session.readdir(folder.handle) for _ in range(folder.asking))
    return True


def _next_entries(session: SftpSession, folder: _Folder) -> Sequence[Entry]:
    try:
        entries = session.entries(folder.asked.popleft())
    except StatusError as error:
        raise _not_listed(error, folder.uri) from error
    if entries:
        folder.asking = min(folder.asking + 1, MOST_ASKED)
        folder.asked.extend(session.readdir(folder.handle) for _ in range(folder.asking - len(folder.asked)))
    return entries


def _check_search(session: SftpSession, folder: _Folder) -> None:
    """Raise if a folder may be read but not searched: OpenSSH then leaves out all its entries, ``.`` among them."""
    try:
        session.attributes(session.stat(_in(folder.path, b".")))
    except StatusError as error:
        if error.code == PERMISSION_DENIED:
            raise _not_listed(error, folder.uri) from error


def _sorted_out(
    session: SftpSession, root: bytes, folder: _Folder, entries: Sequence[Entry], rules: _Wanted
) -> tuple[list[Listed], list[_Folder]]:
    """Of the entries of one folder: the files that are asked for, and the folders to go into."""
    files: list[Listed] = []
    folders: list[_Folder] = []
    unclear: list[tuple[str, bytes, Reply, Reply]] = []
    for raw, attributes in entries:
        if raw in (b".", b".."):
            continue
        name = uri_of(raw)
        uri = folder.uri + name
        if not uri.startswith(rules.prefix):
            continue
        mode = attributes.mode
        if mode is not None and stat.S_ISREG(mode) and attributes.modified is not None and attributes.size is not None:
            files.append(listed(uri, attributes))
        elif mode is not None and stat.S_ISDIR(mode):
            if rules.recursive and rules.enter(uri):
                below = _below(folder, name, _in(folder.path, raw), _in(folder.real, raw), root)
                if below is not None:
                    folders.append(below)
        elif mode is not None and not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            continue  # a pipe, a socket or a device
        elif rules.file(uri) or (rules.recursive and rules.enter(uri)):
            path = _in(folder.path, raw)
            unclear.append((name, path, session.stat(path), session.realpath(path)))
    for name, path, stat_reply, real_reply in unclear:
        uri = folder.uri + name
        try:
            real = _real(session, folder, path, session.path(real_reply))
            if not within(real, root):
                continue
            attributes = session.attributes(stat_reply)
        except StatusError as error:
            if error.code == NO_SUCH_FILE or _is_outside(session, folder, path, root, error):
                continue  # gone meanwhile, or a link to nothing, or to nothing of interest
            raise _not_listed(error, uri) from error
        if stat.S_ISREG(attributes.mode or 0):
            files.append(listed(uri, attributes))
        elif stat.S_ISDIR(attributes.mode or 0) and rules.recursive and rules.enter(uri):
            below = _below(folder, name, path, real, root)
            if below is not None:
                folders.append(below)
    return files, folders


def _not_listed(error: StatusError, uri: str) -> SftpError:
    what = f"{uri.rstrip('/')} below the option `root`" if uri else "the folder of the option `root`"
    if error.code == NO_SUCH_FILE:
        return SftpError(Trouble.CONFIG, f"{what} does not exist")
    if error.code == PERMISSION_DENIED:
        return SftpError(
            Trouble.CONFIG,
            f"{what} may not be listed by the user of the option `username`: {error.failure.reason}. Give that user "
            "the right to, or choose globs that do not lead there",
        )
    return SftpError(error.failure.trouble, f"{what} cannot be listed: {error.failure.reason}")


def listed(uri: str, attributes: Attributes) -> Listed:
    """A file as listings give it.

    Raises:
        SftpError: The server does not tell its size or time.
    """
    if attributes.size is None or attributes.modified is None:
        raise SftpError(Trouble.OTHER, f"the server does not tell size and time of {uri}")
    modified = datetime.fromtimestamp(attributes.modified, UTC).replace(tzinfo=None)
    return Listed(uri, attributes.size, modified, version(attributes))


def version(attributes: Attributes) -> str:
    """Changes with the content, as far as SFTP can tell: time in whole seconds, and size."""
    return f"{attributes.modified}-{attributes.size}"


def joined(root: bytes, uri: str) -> bytes:
    """The path on the server of a uri."""
    return _in(root, name_of(uri))


def _in(folder: bytes, name: bytes) -> bytes:
    return folder.rstrip(b"/") + b"/" + name


def within(real: bytes, root: bytes) -> bool:
    """Whether a real path is `root` or lies below it."""
    return real == root or real.startswith(_in(root, b""))
