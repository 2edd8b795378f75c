from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk import BaseConnector, Connector
from airbyte_cdk.models import AirbyteConnectionStatus, Status


class Plain(Connector):
    def check(self, logger: logging.Logger, config: Any) -> AirbyteConnectionStatus:
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)


def test_configs_are_read_and_written(tmp_path: Path) -> None:
    path = str(tmp_path / "config.json")
    BaseConnector.write_config({"a": 1}, path)
    assert BaseConnector.read_config(path) == Plain().read_config(path) == {"a": 1}
    Path(path).write_bytes(b'\xef\xbb\xbf{"a": 2}')
    assert Plain.read_config(path) == {"a": 2}


@pytest.mark.parametrize("content", ["[]", "null", '{"password": "hunter2",}', ""])
def test_a_file_without_an_object_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"config\.json") as caught:
        BaseConnector.read_config(str(path))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_configuring_writes_nothing(tmp_path: Path) -> None:
    config = {"a": 1}
    assert Plain().configure(config, str(tmp_path)) is config
    assert list(tmp_path.iterdir()) == []
    assert Plain().check_config_against_spec is True


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "connector_under_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(Plain, "__module__", "connector_under_test.source")
    monkeypatch.delitem(sys.modules, "connector_under_test", raising=False)
    return folder


def test_the_spec_of_the_package(package: Path) -> None:
    logger = logging.getLogger("airbyte")
    with pytest.raises(FileNotFoundError, match="connector_under_test"):
        Plain().spec(logger)
    (package / "spec.json").write_text(json.dumps({"connectionSpecification": {"a": 1}}))
    assert Plain().spec(logger).connectionSpecification == {"a": 1}
    (package / "spec.yaml").write_text("connectionSpecification:\n  a: 2\n")
    with pytest.raises(RuntimeError, match="both"):
        Plain().spec(logger)
    (package / "spec.json").unlink()
    assert Plain().spec(logger).connectionSpecification == {"a": 2}
