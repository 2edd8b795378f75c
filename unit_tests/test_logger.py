from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from airbyte_cdk.logger import AirbyteLogFormatter, init_logger
from airbyte_cdk.models import Level
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    update_secrets(["hunter2"])
    yield
    update_secrets([])


def formatted(level: int, text: Any, *args: object, **fields: object) -> dict[str, Any]:
    record = logging.makeLogRecord({"levelno": level, "msg": text, "args": args, **fields})
    line = AirbyteLogFormatter().format(record)
    assert "\n" not in line
    loaded: dict[str, Any] = json.loads(line)
    return loaded


@pytest.mark.parametrize(
    ("number", "level"),
    [(50, "FATAL"), (40, "ERROR"), (30, "WARN"), (20, "INFO"), (25, "INFO"), (35, "WARN"), (60, "FATAL")],
)
def test_levels(number: int, level: str) -> None:
    assert formatted(number, "a %s", "b") == {"type": "LOG", "log": {"level": level, "message": "a b"}}
    assert AirbyteLogFormatter.level_mapping[logging.WARNING] is Level.WARN


def test_texts() -> None:
    assert formatted(20, "hunter2 \u2028 \ud800\n")["log"]["message"] == "**** \u2028 ?\n"
    assert formatted(20, {"a": 1})["log"]["message"] == "{'a': 1}"
    try:
        raise ValueError("hunter2")
    except ValueError:
        message = formatted(40, "failed", exc_info=sys.exc_info())["log"]["message"]
    assert message.startswith("failed\nTraceback")
    assert message.endswith("ValueError: ****")


def test_debug_records(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formatted(10, "text", key="hunter2", number=1) == {
        "type": "DEBUG",
        "message": "text",
        "data": {"key": "****", "number": "1"},
    }
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert formatted(10, "text", key="v") == {"type": "LOG", "log": {"level": "DEBUG", "message": 'text\n{"key":"v"}'}}
    assert formatted(10, "text")["log"]["message"] == "text"


def test_the_root_logger_has_one_handler_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    plain = logging.StreamHandler()
    root.addHandler(plain)
    first = init_logger("airbyte.one")
    count = len(root.handlers)
    assert plain not in root.handlers
    assert init_logger("airbyte.one") is first
    assert len(root.handlers) == count
    assert first.level == logging.INFO
    for name in ("airbyte.one", "airbyte.streams.s", "airbyte", "airbyte_logger"):
        logging.getLogger(name).info(name)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["log"]["message"] for line in lines] == [
        "airbyte.one",
        "airbyte.streams.s",
        "airbyte",
        "airbyte_logger",
    ]
