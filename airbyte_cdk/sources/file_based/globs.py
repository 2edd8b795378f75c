"""Which files a stream's globs match, and where a storage must look for them.

Globs follow `wcmatch.glob <https://facelessuser.github.io/wcmatch/glob/>`_ with ``GLOBSTAR`` and nothing else: ``*``,
``?`` and ``[...]`` do not cross ``/``; ``**`` as a whole component stands for any number of directories; wildcards
never match a name that begins with a dot; ``\\`` takes the meaning from the next character; braces, ``|`` and ``!`` are
ordinary characters. Case matters on every system. Several ``/`` in a row count as one.

One thing is stricter: a path that ends in ``/`` (an object store may hold an object of such a name) is another one than
the same without it. Only a glob that ends in ``/`` or ``**`` matches it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

_MAGIC = frozenset("*?[")


def matches(path: str, globs: Iterable[str]) -> bool:
    """Whether `path` matches one of `globs`; an empty glob matches nothing."""
    return matcher(globs)(path)


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """A test for many paths: whether a path matches one of `globs`. About 2 microseconds a path."""
    return _compiled(tuple(globs))


@lru_cache(maxsize=256)
def _compiled(globs: tuple[str, ...]) -> Callable[[str], bool]:
    wanted = [pattern for pattern in globs if pattern]
    if not wanted:
        return lambda path: False
    found = _translated(wanted)
    # what is in a folder can be listed without what is below it, and a name with a slash at its end is below
    ending = _translated([pattern for pattern in wanted if pattern.endswith("/") or pattern.split("/")[-1] == "**"])
    return lambda path: (ending if path.endswith("/") else found)(path) is not None


def _translated(patterns: Sequence[str]) -> Callable[[str], re.Match[str] | None]:
    """A test for paths that match any of the patterns."""
    from wcmatch import glob

    # FORCEUNIX: paths are those of a storage, whatever the system of this machine; limit=0: no bound on their number.
    expressions, _ = glob.translate(patterns, flags=glob.GLOBSTAR | glob.FORCEUNIX, limit=0)
    return re.compile("|".join(f"(?:{expression})" for expression in expressions) or "(?!)").fullmatch


def prefixes(globs: Iterable[str]) -> set[str]:
    """Prefixes of paths that together reach every match of `globs`; the empty set means the whole storage.

    A path that matches begins with one of them, as long as it does not hold several ``/`` in a row (which globs take
    for one). No prefix begins with another one.
    """
    found = {literal_start(pattern) for pattern in globs if pattern}
    if "" in found:
        return set()
    return folded(found)


def folded(prefixes: Iterable[str]) -> set[str]:
    """The prefixes without those that begin with another one."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return set(kept)


def folders(globs: Iterable[str]) -> Callable[[str], frozenset[tuple[int, int | str]]]:
    """A test for folders: whether a file in a folder, or anywhere below it, can match one of `globs`.

    The answer is false only when that is certain. Two answers are equal only if, in both folders, the same paths below
    them make matches. A folder is a path without the last ``/``; several ``/`` count as one.
    """
    tests = [_component_tests(pattern) for pattern in globs if pattern]

    def reached(folder: str) -> frozenset[tuple[int, int | str]]:
        names = [name for name in folder.split("/") if name]
        left: set[tuple[int, int | str]] = set()
        for number, test in enumerate(tests):
            left.update((number, place) for place in ([folder] if test is None else _places(test, names)))
        return frozenset(left)

    return reached


def depth(globs: Iterable[str]) -> int | None:
    """Folders above the deepest file that `globs` can match; None if there is no bound."""
    deepest = 0
    for pattern in globs:
        test = _component_tests(pattern)
        if test is None or None in test:
            return None
        deepest = max(deepest, len(test) - 1 + pattern.endswith("/"))
    return deepest


def can_match_below(pattern: str, prefix: str) -> bool:
    """Whether a path that begins with `prefix` can match a glob. It says no only when that is certain."""
    return meet(literal_start(pattern), prefix) and bool(folders([pattern])(prefix.rpartition("/")[0]))


def meet(one: str, other: str) -> bool:
    """Whether a text can begin with both."""
    return one.startswith(other) or other.startswith(one)


def literal_start(pattern: str) -> str:
    """The text with which every match of one glob begins."""
    start: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character in _MAGIC:
            break
        literal = next(characters, "") if character == "\\" else character
        if literal == "/" and start and start[-1] == "/":
            break  # the glob stands for any number of slashes here
        start.append(literal)
    return "".join(start)


def _component_tests(pattern: str) -> list[Callable[[str], bool] | None] | None:
    """A test for each component of a glob, None for ``**``; or None if the glob cannot be split at each ``/``."""
    components = [component for component in pattern.split("/") if component]
    if "\\" in pattern or any("[" in component and "]" not in component for component in components):
        return None
    return [None if component == "**" else matcher([component]) for component in components]


def _places(tests: list[Callable[[str], bool] | None], names: list[str]) -> set[int]:
    """The components of a glob from which on what follows after these names can match."""
    places = _and_after_globstars({0}, tests)
    for name in names:
        reached = set()
        for place in places:
            test = tests[place]
            if test is None and not name.startswith("."):
                reached.add(place)
            elif test is not None and test(name):
                reached.add(place + 1)
        places = _and_after_globstars(reached, tests)
    return places


def _and_after_globstars(places: set[int], tests: list[Callable[[str], bool] | None]) -> set[int]:
    """These places and, as ``**`` may stand for nothing, those after each ``**``; without the end of the glob."""
    for place, test in enumerate(tests):
        if test is None and place in places:
            places.add(place + 1)
    return places - {len(tests)}
