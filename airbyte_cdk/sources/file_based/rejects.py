"""The account of what one file holds that could not be delivered."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from enum import Enum

LISTED = 10
"""How many rejected places of a file are listed in messages; all are counted."""


class RejectKind(Enum):
    """What lies at a rejected place: what a user allows to be left out depends on it."""

    WIDTH = "a row that has more or fewer values than there are columns"
    ROW = "a row that cannot be read for another reason"
    UNREADABLE = "a part of the file, or all of it, in which rows cannot be told: cut off, damaged or of another format"


@dataclass
class Rejects:
    """Counts and locates what of one file cannot be delivered.

    A parser calls `add` for each bad row and goes on with the next good one. What follows from it (the stream ends
    INCOMPLETE, or the rows are skipped as the user allowed) is decided by the stream, not by the parser.

    Attributes:
        count: Number of bad rows so far. A stretch that cannot be cut into rows counts as one.
        places: Of the first `LISTED`: where (``line 12``, ``row group 3, row 7``, ``byte 4096 to the end``) and why.
            Reasons never hold a data value.
        kinds: What kinds of places there are.
    """

    count: int = 0
    places: list[tuple[str, str]] = field(default_factory=list)
    kinds: set[RejectKind] = field(default_factory=set)

    def add(self, place: str, reason: str, kind: RejectKind = RejectKind.ROW, *, rows: int = 1) -> None:
        """Count `rows` bad rows at `place`, for `reason` (a short clause without any data value)."""
        self.count += rows
        self.kinds.add(kind)
        if len(self.places) < LISTED:
            self.places.append((place, reason))

    def extend(self, other: Rejects) -> None:
        """Count what `other` has counted."""
        self.count += other.count
        self.kinds |= other.kinds
        self.places += other.places[: LISTED - len(self.places)]

    def __bool__(self) -> bool:
        return self.count > 0

    def all_of(self, kinds: Container[RejectKind]) -> bool:
        """Whether every rejected place is of one of these kinds."""
        return all(kind in kinds for kind in self.kinds)

    def summary(self) -> str:
        """The places and reasons in one line, ``line 3: 4 values for 3 columns; line 9: ...; and 5 more``."""
        text = "; ".join(f"{place}: {reason}" for place, reason in self.places)
        more = self.count - len(self.places)
        return f"{text}; and {more} more" if more > 0 else text
