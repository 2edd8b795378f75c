"""Published connectors on ours, unchanged, against what they did on the original."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from published import saved
from published.differences import accepted, differences
from published.environment import environment
from published.running import Result, Runner
from published.scenario import Scenario, scenarios

SCENARIOS = {scenario.name: scenario for scenario in scenarios()}

Running = dict[str, "Future[dict[str, Result]]"]


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The scenarios of the tests that were chosen, all running: each is a row of processes that wait for each other."""
    programs = environment("ours")
    chosen = [
        name for name in SCENARIOS if any(item.name == f"test_scenario[{name}]" for item in request.session.items)
    ]
    with saved.Servers() as servers, ThreadPoolExecutor(os.cpu_count()) as pool:

        def start(scenario: Scenario) -> dict[str, Result]:
            storage = servers.storage(scenario, "ours")
            folder: Path = tmp_path_factory.mktemp("published")
            return Runner(scenario, "ours", programs, storage, folder, saved.load(scenario.name).__getitem__).run()

        yield {name: pool.submit(start, SCENARIOS[name]) for name in chosen}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, running: Running) -> None:
    results = running[name].result()
    found = list(differences(saved.load(name), results))
    listed = accepted().get(name, [])
    unlisted = [str(difference) for difference in found if difference not in listed]
    gone = [str(difference) for difference in listed if difference not in found]
    assert not unlisted, "differ from the original, and differences.yaml does not say why:\n" + "\n".join(unlisted)
    assert not gone, "in differences.yaml, but no longer so:\n" + "\n".join(gone)


def test_every_result_and_every_difference_is_of_a_scenario() -> None:
    recorded = {str(file.relative_to(saved.FOLDER).with_suffix("")) for file in saved.FOLDER.rglob("*.json")}
    assert recorded == set(SCENARIOS)
    assert set(accepted()) <= set(SCENARIOS)
