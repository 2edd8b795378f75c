"""What may differ between ours and the original: the tables differences*.yaml, and the comparison that goes by it.

An entry of the table has ``scenario``, ``row`` (of the list of the original's flaws; ``none`` if we decided so and no
row says it), ``because`` and ``places``: JSON pointers into the results of the scenario, with the exact values there of
``original`` and ``ours``; where one is left out, nothing is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TABLES = sorted(Path(__file__).parent.glob("differences*.yaml"))
ABSENT = "(nothing)"


@dataclass(frozen=True)
class Difference:
    """One place at which two results differ; values that are not there are `ABSENT`."""

    place: str
    original: Any
    ours: Any

    def __str__(self) -> str:
        """As the table has it."""
        values = {"original": self.original, "ours": self.ours}
        line = {self.place: {name: value for name, value in values.items() if value is not ABSENT}}
        return yaml.safe_dump(line, allow_unicode=True, default_flow_style=None, width=10_000, sort_keys=False).rstrip()


def differences(original: Any, ours: Any, place: str = "") -> Iterator[Difference]:
    """The smallest places at which two JSON values differ. Lists of different lengths differ as wholes."""
    if isinstance(original, Mapping) and isinstance(ours, Mapping):
        for key in sorted({*original, *ours}):
            step = key.replace("~", "~0").replace("/", "~1")
            yield from differences(original.get(key, ABSENT), ours.get(key, ABSENT), f"{place}/{step}")
    elif isinstance(original, list) and isinstance(ours, list) and len(original) == len(ours):
        for index, (old, new) in enumerate(zip(original, ours, strict=True)):
            yield from differences(old, new, f"{place}/{index}")
    elif original != ours or type(original) is not type(ours):
        yield Difference(place, original, ours)


def accepted() -> dict[str, list[Difference]]:
    """The table: what may differ, by scenario.

    Raises:
        ValueError: An entry lacks something.
    """
    table: dict[str, list[Difference]] = {}
    for file, entry in ((path, entry) for path in TABLES for entry in yaml.safe_load(path.read_text())):
        if set(entry) != {"scenario", "row", "because", "places"} or not re.fullmatch(r"U-\d\d|none", entry["row"]):
            raise ValueError(f"{file.name}: not an entry: {entry}")
        table.setdefault(entry["scenario"], []).extend(
            Difference(place, values.get("original", ABSENT), values.get("ours", ABSENT))
            for place, values in entry["places"].items()
        )
    return table
