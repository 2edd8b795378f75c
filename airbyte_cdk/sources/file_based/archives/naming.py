"""Which files are archives, what their members are called, and which of them globs want.

A member's uri is the archive's, ``#``, and the member's name. Globs take it for a path, so that ``**/*.csv`` matches
``dir/a.zip#in/x.csv`` and ``*.csv`` matches ``a.zip#x.csv``. A glob with a ``#`` is also two: ``dir/*.zip#**/*.csv``
wants what ``**/*.csv`` matches in the archives that ``dir/*.zip`` matches. An ordinary file may have ``#`` in its name,
too, even ``x.zip#y.csv``: what a storage lists is never taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from airbyte_cdk.sources.file_based.globs import matcher, matches

SUFFIXES = (
    ".zip",
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tbz",
    ".tar.zst",
    ".tzst",
    ".tar.xz",
    ".txz",
)
"""How the names of archives end, in small or capital letters."""

SEPARATOR = "#"
"""Stands between the uri of an archive and the name of a member."""

_LONGEST = max(map(len, SUFFIXES))
_MAGIC = frozenset("*?[")
_BACKSLASHES = re.compile(r"^\\|(?:^|[\\/])\.{1,2}\\|\\\.{1,2}(?:[\\/]|$)")
"""A ``\\`` that separates folders: at the beginning, or beside ``.`` or ``..``."""
_TOP = re.compile(r"(?:\.{0,2}/)*")


def is_archive(uri: str) -> bool:
    """Whether a file is an archive, by its name."""
    return uri[-_LONGEST:].lower().endswith(SUFFIXES)


def is_zip(uri: str) -> bool:
    """Whether an archive is a zip archive, by its name; otherwise it is a tar archive."""
    return uri[-4:].lower() == ".zip"


def is_plain_tar(uri: str) -> bool:
    """Whether an archive is a tar archive that is not compressed, by its name."""
    return uri[-4:].lower() == ".tar"


def member_name(name: str) -> str:
    r"""What a member is called, given its name in the archive: a path from the top of the archive.

    It has no ``.`` and ``..``: what would lead out of the archive is at its top. Several slashes are one. A ``\`` stays
    (names on Unix may have it) unless the name shows that it separates folders: by beginning with it, or by having
    ``.`` or ``..`` beside it. Bytes that are not UTF-8 (half surrogates, by which Python stands for them) are shown as
    ``\xe4``, since records and states cannot hold them.

    >>> member_name("../data/x.csv"), member_name("./a//b/../c.csv"), member_name("..\\in\\x.csv")
    ('data/x.csv', 'a/c.csv', 'in/x.csv')
    """
    name = _from_top(name)
    if _BACKSLASHES.search(name):
        name = _from_top(name.replace("\\", "/"))
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _from_top(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/".join(kept)


def reach(globs: Iterable[str]) -> list[str]:
    """The globs, and those which match the archives that they reach into by a ``#``: where a storage must be listed."""
    return [found for pattern in globs for found in (pattern, *(archive for archive, _ in _halves(pattern)))]


def may_hold(uri: str, globs: Iterable[str]) -> bool:
    """Whether a glob can match a member of the archive `uri`, or the archive itself, which stands for all its members.

    Only if so, the archive must be opened. About 2 microseconds.
    """
    own, begun = _tests(tuple(globs))
    return begun(uri + SEPARATOR) or own(uri)


def member_test(uri: str, globs: Iterable[str]) -> Callable[[str], bool]:
    """A test for the names of members of the archive `uri`: whether a glob wants it.

    It does if it matches the member's uri, or the archive's own, or if it is two globs with a ``#`` between them, of
    which one matches the archive and the other the member. Only the latter wants two kinds of members: hidden ones (a
    component begins with a dot, or they are below ``__MACOSX/``, in which macOS keeps its notes), and archives within
    the archive, which are then given as they are: they are not opened.
    """
    globs = tuple(globs)
    matching = matcher(globs)
    whole = matching(uri)
    inside = matcher(member for pattern in globs for archive, member in _halves(pattern) if matches(uri, (archive,)))
    start = uri + SEPARATOR

    def wanted(name: str) -> bool:
        if is_archive(name) or _is_hidden(name):
            return inside(name)
        return whole or inside(name) or matching(start + name)

    return wanted


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX/")) or "/." in name


def _halves(pattern: str) -> Iterator[tuple[str, str]]:
    """The two globs, for archive and member, that a glob is at each of its ``#``."""
    end = pattern.find(SEPARATOR)
    while end >= 0:
        archive, member = pattern[:end], pattern[end + 1 :]
        if (end - len(archive.rstrip("\\"))) % 2:
            archive = archive[:-1]  # it took the meaning from the #, which has none to lose
        if not _MAGIC.isdisjoint(archive) or is_archive(archive):
            # whoever copies a name from a list of the archive's members may begin as that does
            yield archive, _TOP.sub("", member, count=1)
        end = pattern.find(SEPARATOR, end + 1)


@lru_cache(maxsize=256)
def _tests(globs: tuple[str, ...]) -> tuple[Callable[[str], bool], Callable[[str], bool]]:
    """Whether a uri matches a glob, and whether a text that ends in ``#`` is the beginning of a match."""
    return matcher(reach(globs)), matcher(start for pattern in globs for start in _starts(pattern))


def _starts(pattern: str) -> Iterable[str]:
    """The beginnings of a glob that can match a text which ends in ``#``."""
    for end in range(1, len(pattern) + 1):
        if pattern[end - 1] not in "#*?]":
            continue
        # "**x" does not cross folders, but its beginning "**" would
        crosses = pattern[:end].endswith("**") and pattern[end : end + 1] not in ("", "/")
        if not crosses:
            yield pattern[:end]
