"""The saved results of the original, one file for each scenario, and the servers that scenarios run against."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any

from published.scenario import Scenario, Storage

FOLDER = Path(__file__).with_name("original")


def path(scenario: str) -> Path:
    """The file of a scenario's results, by its name."""
    return FOLDER / f"{scenario}.json"


def load(scenario: str) -> dict[str, dict[str, Any]]:
    """The results of the original, by command."""
    found: dict[str, dict[str, Any]] = json.loads(path(scenario).read_text())
    return found


def save(scenario: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the results of the original."""
    file = path(scenario)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def _moto() -> Any:
    from servers.s3 import Moto

    return Moto()


def _seaweed() -> Any:
    from servers.s3 import SeaweedFS

    return SeaweedFS()


def _gcs() -> Any:
    from published.clouds import PublishedGcs

    return PublishedGcs()


def _azurite() -> Any:
    from published.clouds import PublishedAzurite

    return PublishedAzurite()


def _sftp() -> Any:
    from published.clouds import PublishedSftp

    return PublishedSftp()


_STARTS: Mapping[str, Callable[[], Any]] = {
    "moto": _moto,
    "seaweed": _seaweed,
    "gcs": _gcs,
    "azurite": _azurite,
    "sftp": _sftp,
}
"""How the servers that scenarios name are started."""


class Servers:
    """The servers of scenarios, each started when it is first asked for; a context manager, which ends them."""

    def __init__(self) -> None:
        self._running: dict[str, Any] = {}
        self._stack = ExitStack()
        self._starting = Lock()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def storage(self, scenario: Scenario, run: str) -> Storage:
        """An empty storage for one run of a scenario, which has a name of its own."""
        if scenario.server is None:
            return Storage(None, "")
        with self._starting:
            if scenario.server not in self._running:
                self._running[scenario.server] = self._stack.enter_context(_STARTS[scenario.server]())
        name = re.sub(r"[^a-z0-9]+", "-", f"{run}-{scenario.name}")  # what all of them take
        server = self._running[scenario.server]
        server.provider(name)  # makes it, where a scenario puts no files
        return Storage(server, name)
