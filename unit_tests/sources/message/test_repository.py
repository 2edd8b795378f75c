from __future__ import annotations

import json
from typing import Any

import pytest

from airbyte_cdk.models import AirbyteLogMessage, AirbyteMessage, Level, Type
from airbyte_cdk.sources.message import (
    InMemoryMessageRepository,
    LogAppenderMessageRepositoryDecorator,
    LogMessage,
    MessageRepository,
    NoopMessageRepository,
)
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets

MESSAGE = AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.INFO, message="m"))


def logged(repository: MessageRepository) -> list[tuple[Level, Any]]:
    return [
        (message.log.level, json.loads(message.log.message)) for message in repository.consume_queue() if message.log
    ]


def never() -> LogMessage:
    raise AssertionError("the content was asked for")


def test_messages_come_out_in_order_and_once() -> None:
    repository = InMemoryMessageRepository()
    repository.emit_message(MESSAGE)
    assert list(repository._message_queue) == [MESSAGE]
    queue = iter(repository.consume_queue())
    assert next(queue) is MESSAGE
    repository.emit_message(MESSAGE)
    assert list(queue) == [MESSAGE]
    assert list(repository.consume_queue()) == []


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        (Level.FATAL, {Level.FATAL}),
        (Level.WARN, {Level.FATAL, Level.ERROR, Level.WARN}),
        (Level.INFO, {Level.FATAL, Level.ERROR, Level.WARN, Level.INFO}),
        (Level.DEBUG, set(Level)),
        (Level.TRACE, set(Level)),
    ],
)
def test_the_content_of_a_log_message_is_made_only_if_it_is_kept(threshold: Level, kept: set[Level]) -> None:
    repository = InMemoryMessageRepository(threshold)
    for level in Level:
        repository.log_message(level, (lambda: {"a": None}) if level in kept else never)
    assert {level for level, _ in logged(repository)} == kept


def test_secrets_are_masked() -> None:
    update_secrets(["hunter2"])
    repository = InMemoryMessageRepository()
    repository.log_message(Level.INFO, lambda: {"token": "hunter2"})
    update_secrets([])
    assert logged(repository) == [(Level.INFO, {"token": "****"})]


def test_entries_are_added_to_all_logs(caplog: pytest.LogCaptureFixture) -> None:
    inner = InMemoryMessageRepository()
    outer = LogAppenderMessageRepositoryDecorator({"x": {"y": 1}}, inner)
    outer.log_message(Level.INFO, lambda: {"a": 1})
    outer.log_message(Level.INFO, lambda: {"x": {"y": 2, "z": 3}})
    outer.log_message(Level.INFO, lambda: {"x": 5})
    outer.log_message(Level.DEBUG, never)
    assert logged(outer) == [
        (Level.INFO, {"a": 1, "x": {"y": 1}}),
        (Level.INFO, {"x": {"y": 1, "z": 3}}),
        (Level.INFO, {"x": {"y": 1}}),
    ]
    assert caplog.text.count("x.y is replaced") == 1
    outer.emit_message(MESSAGE)
    assert list(inner.consume_queue()) == [MESSAGE]


def test_a_repository_that_forgets() -> None:
    repository = NoopMessageRepository()
    repository.emit_message(MESSAGE)
    repository.log_message(Level.FATAL, never)
    assert list(repository.consume_queue()) == []
