"""The account of the rows of one file that could not be delivered."""

from __future__ import annotations

from dataclasses import dataclass, field

LISTED = 10
"""How many rejected places of a file are listed in messages; all are counted."""


@dataclass
class Rejects:
    """Counts and locates the bad rows of one file.

    A parser calls `add` for each bad row and goes on with the next good one. What follows from it (the stream ends
    INCOMPLETE, or the rows are skipped as the user allowed) is decided by the stream, not by the parser.

    Attributes:
        count: Number of bad rows so far. A stretch that cannot be cut into rows counts as one.
        places: Of the first `LISTED`: where (``line 12``, ``row group 3, row 7``, ``byte 4096 to the end``) and why.
            Reasons never hold a data value.
    """

    count: int = 0
    places: list[tuple[str, str]] = field(default_factory=list)

    def add(self, place: str, reason: str, rows: int = 1) -> None:
        """Count `rows` bad rows at `place`, for `reason` (a short clause without any data value)."""
        self.count += rows
        if len(self.places) < LISTED:
            self.places.append((place, reason))

    def __bool__(self) -> bool:
        return self.count > 0

    def summary(self) -> str:
        """The places and reasons in one line, ``line 3: 4 values for 3 columns; line 9: ...; and 5 more``."""
        text = "; ".join(f"{place}: {reason}" for place, reason in self.places)
        more = self.count - len(self.places)
        return f"{text}; and {more} more" if more > 0 else text
