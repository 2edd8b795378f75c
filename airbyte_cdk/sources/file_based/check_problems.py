"""What `check` finds wrong with streams, told so that each cause is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NAMED_STREAMS = 10
"""Of streams that have one problem, so many are named."""


@dataclass(frozen=True)
class Problem:
    """What `check` found wrong with one stream.

    Attributes:
        stream: Its name.
        reason: Why it cannot be connected to.
        happened: The beginning of `reason`, without what was done about it.
        text: All that there is to say, in place of a reason.
    """

    stream: str
    reason: str = ""
    happened: str | None = None
    text: str = ""

    def is_same_as(self, other: Problem) -> bool:
        """Whether both have one cause, which needs to be told only once."""
        return bool(self._cause) and self._cause == other._cause

    @property
    def _cause(self) -> str:
        return self.happened if self.happened and self.reason.startswith(self.happened) else self.reason


def told_once(problems: Sequence[Problem]) -> str | None:
    """All problems in one text, each cause once; None if there are none."""
    groups: list[list[Problem]] = []
    for problem in problems:
        group = next((group for group in groups if problem.is_same_as(group[0])), None)
        if group is None:
            groups.append([problem])
        else:
            group.append(problem)
    texts = []
    for first, *others in groups:
        where = f"stream {first.stream}"
        if others:
            names = [first.stream, *(other.stream for other in others)]
            more = f" and {len(names) - NAMED_STREAMS} more" if len(names) > NAMED_STREAMS else ""
            where = f"{len(names)} streams ({', '.join(names[:NAMED_STREAMS])}{more})"
        texts.append(first.text or f"Unable to connect to {where} - {first.reason}")
    if len(texts) < 2:
        return texts[0] if texts else None
    return f"{len(problems)} streams with errors: {', '.join(texts)}"
