"""Names of columns where a file gives several columns one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names of columns, no two the same.

    Of several columns with one name the last keeps it, as tables written by earlier releases have it; the others get
    ``name_1``, ``name_2``, ... in order.

    >>> distinct_names(["a", "a", "b", "a", "a_1"])
    ['a_1_1', 'a_2', 'b', 'a', 'a_1']
    """
    left, seen, taken = Counter(names), Counter[str](), set(names)
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(free_name(f"{name}_{seen[name]}", taken) if seen[name] < left[name] else name)
    return distinct


def free_name(name: str, taken: set[str]) -> str:
    """`name`, or with a number if it is taken; takes it."""
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
