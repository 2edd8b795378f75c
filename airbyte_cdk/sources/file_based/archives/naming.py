"""Which files are archives, which globs reach into them, and which members globs want.

A member's uri is the archive's, ``#``, and the member's name. Globs take it for a path, so that ``**/*.csv`` matches
``dir/a.zip#in/x.csv`` and ``*.csv`` matches ``a.zip#x.csv``. An ordinary file may have ``#`` in its name, too, even
``x.zip#y.csv``: what a storage lists is never taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from airbyte_cdk.sources.file_based.globs import matcher

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


def is_archive(uri: str) -> bool:
    """Whether a file is an archive, by its name."""
    return uri[-_LONGEST:].lower().endswith(SUFFIXES)


def is_zip(uri: str) -> bool:
    """Whether an archive is a zip archive, by its name; otherwise it is a tar archive."""
    return uri[-4:].lower() == ".zip"


def is_plain_tar(uri: str) -> bool:
    """Whether an archive is a tar archive that is not compressed, by its name."""
    return uri[-4:].lower() == ".tar"


def storage_prefix(prefix: str) -> str:
    """The prefix under which a storage lists what a prefix of uris stands for: it knows archives, not members.

    >>> storage_prefix("data/a.zip#in/x"), storage_prefix("data/a#b.csv")
    ('data/a.zip', 'data/a#b.csv')
    """
    end = prefix.find(SEPARATOR)
    while end >= 0:
        if is_archive(prefix[:end]):
            return prefix[:end]
        end = prefix.find(SEPARATOR, end + 1)
    return prefix


def may_hold(uri: str, globs: Iterable[str]) -> bool:
    """Whether a glob can match a member of the archive `uri`, or the archive itself, which stands for all its members.

    Only if so, the archive must be opened. About 2 microseconds.
    """
    own, begun = _tests(tuple(globs))
    return begun(uri + SEPARATOR) or own(uri)


def member_test(uri: str, globs: Iterable[str]) -> Callable[[str], bool]:
    """A test for the names of members of the archive `uri`: whether a glob wants it.

    It does if it matches the member's uri, or the archive's own uri. Two kinds of members are wanted only if a glob
    that itself holds a ``#`` matches their uri: hidden ones (a component begins with a dot, or they are below
    ``__MACOSX/``, in which macOS keeps its notes), and archives within the archive, which are not opened and then given
    as they are.
    """
    globs = tuple(globs)
    matches = matcher(globs)
    whole = matches(uri)
    explicit = matcher(pattern for pattern in globs if SEPARATOR in pattern)
    start = uri + SEPARATOR

    def wanted(name: str) -> bool:
        if is_archive(name) or _is_hidden(name):
            return explicit(start + name)
        return whole or matches(start + name)

    return wanted


def _is_hidden(name: str) -> bool:
    name = name.removeprefix("./")  # with which "tar -c ." begins all names
    return name.startswith((".", "__MACOSX/")) or "/." in name


@lru_cache(maxsize=256)
def _tests(globs: tuple[str, ...]) -> tuple[Callable[[str], bool], Callable[[str], bool]]:
    """Whether a uri matches a glob, and whether a text that ends in ``#`` is the beginning of a match."""
    return matcher(globs), matcher(start for pattern in globs for start in _starts(pattern))


def _starts(pattern: str) -> Iterable[str]:
    """The beginnings of a glob that can match a text which ends in ``#``."""
    for end in range(1, len(pattern) + 1):
        if pattern[end - 1] not in "#*?]":
            continue
        # "**x" does not cross folders, but its beginning "**" would
        crosses = pattern[:end].endswith("**") and pattern[end : end + 1] not in ("", "/")
        if not crosses:
            yield pattern[:end]
