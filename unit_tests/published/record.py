"""Runs the scenarios by the connectors on the original, and saves what came out in original/.

    cd unit_tests && ../.venv/bin/python -m published.record [NAME ...]   # such as s3/csv, or s3/ for all of that file

The original is run as its users run it, in an environment of its own. Where a scenario gives it a state that ours
saved, that part of the scenario runs on ours too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from published.environment import environment
from published.running import Result, Runner
from published.saved import Servers, save
from published.scenario import Scenario, scenarios


def record(scenario: Scenario, servers: Servers, folder: Path) -> None:
    """Run one scenario and save what came out."""

    @cache
    def ours(name: str) -> Result:
        run = f"ours-until-{name}"
        storage = servers.storage(scenario, run)
        runner = Runner(scenario, "ours", environment("ours"), storage, folder / run, original.results.__getitem__)
        return runner.run(until=name)[name]

    storage = servers.storage(scenario, "original")
    original = Runner(scenario, "original", environment("original"), storage, folder / "original", ours)
    save(scenario.name, original.run())


def main() -> None:
    wanted = tuple(sys.argv[1:]) or ("",)
    environment("original"), environment("ours")  # not by two threads at once

    def run(scenario: Scenario) -> None:
        with tempfile.TemporaryDirectory(prefix="published-") as folder:
            record(scenario, servers, Path(folder))
        sys.stderr.write(f"{scenario.name}\n")

    with Servers() as servers, ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [pool.submit(run, scenario) for scenario in scenarios() if scenario.name.startswith(wanted)]:
            done.result()


if __name__ == "__main__":
    main()
