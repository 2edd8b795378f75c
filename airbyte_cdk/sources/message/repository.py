"""Where messages that do not come out of a read wait for their turn: logs, control messages, state."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from airbyte_cdk.models import AirbyteLogMessage, AirbyteMessage, Level, Type
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

__all__ = [
    "InMemoryMessageRepository",
    "LogAppenderMessageRepositoryDecorator",
    "LogMessage",
    "MessageRepository",
    "NoopMessageRepository",
]

LogMessage: TypeAlias = dict[str, Any]

_logger = logging.getLogger("airbyte")

_SEVERITY: Mapping[Level, int] = {
    Level.FATAL: 1,
    Level.ERROR: 2,
    Level.WARN: 3,
    Level.INFO: 4,
    Level.DEBUG: 5,
    Level.TRACE: 5,
}


def _severe_enough(threshold: Level, level: Level) -> bool:
    if threshold not in _SEVERITY or level not in _SEVERITY:
        _logger.warning("A log message of the unknown level %r is let through.", level)
        return True
    return _SEVERITY[level] <= _SEVERITY[threshold]


class MessageRepository(ABC):
    """A queue of messages that are to be written in order, between the records."""

    @abstractmethod
    def emit_message(self, message: AirbyteMessage) -> None:
        """Put a message at the end."""

    @abstractmethod
    def log_message(self, level: Level, message_provider: Callable[[], LogMessage]) -> None:
        """Put a LOG message at the end; `message_provider` gives its content, and is called only if it is wanted."""

    @abstractmethod
    def consume_queue(self) -> Iterable[AirbyteMessage]:
        """Take the messages out, oldest first."""


class NoopMessageRepository(MessageRepository):
    """Forgets everything."""

    def emit_message(self, message: AirbyteMessage) -> None:
        """Nothing."""

    def log_message(self, level: Level, message_provider: Callable[[], LogMessage]) -> None:
        """Nothing."""

    def consume_queue(self) -> Iterable[AirbyteMessage]:
        """No message."""
        return []


class InMemoryMessageRepository(MessageRepository):
    """Keeps messages in memory; may be filled by several threads.

    Args:
        log_level: Least severe level that `log_message` keeps.
    """

    def __init__(self, log_level: Level = Level.INFO) -> None:
        self._message_queue: deque[AirbyteMessage] = deque()
        self._log_level = log_level

    def emit_message(self, message: AirbyteMessage) -> None:
        """Put a message at the end."""
        self._message_queue.append(message)

    def log_message(self, level: Level, message_provider: Callable[[], LogMessage]) -> None:
        """Put a LOG message at the end: the content as JSON, with secrets masked."""
        if _severe_enough(self._log_level, level):
            text = filter_secrets(json.dumps(message_provider(), default=str))
            self.emit_message(AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=level, message=text)))

    def consume_queue(self) -> Iterable[AirbyteMessage]:
        """Take the messages out, oldest first, those included that arrive meanwhile."""
        while self._message_queue:
            yield self._message_queue.popleft()


class LogAppenderMessageRepositoryDecorator(MessageRepository):
    """Adds the same entries to every log content before another repository takes it.

    Args:
        dict_to_append: The entries; nested mappings are merged, and where both have a value, this one wins.
        decorated: The repository that keeps the messages.
        log_level: Least severe level that is passed on.
    """

    def __init__(self, dict_to_append: LogMessage, decorated: MessageRepository, log_level: Level = Level.INFO) -> None:
        self._dict_to_append = dict_to_append
        self._decorated = decorated
        self._log_level = log_level

    def emit_message(self, message: AirbyteMessage) -> None:
        """Pass the message on."""
        self._decorated.emit_message(message)

    def log_message(self, level: Level, message_provider: Callable[[], LogMessage]) -> None:
        """Pass the content on with the entries added."""
        if _severe_enough(self._log_level, level):
            content = message_provider()
            self._merge(content, self._dict_to_append, "")
            self._decorated.log_message(level, lambda: content)

    def consume_queue(self) -> Iterable[AirbyteMessage]:
        """Take the messages out of the decorated repository."""
        return self._decorated.consume_queue()

    def _merge(self, content: LogMessage, added: Mapping[str, Any], place: str) -> None:
        for key, value in added.items():
            path = f"{place}.{key}" if place else str(key)
            own = content.get(key)
            if isinstance(own, dict) and isinstance(value, Mapping):
                self._merge(own, value, path)
            else:
                if key in content and own != value:
                    _logger.warning("The log entry %s is replaced by the one that is added to all.", path)
                content[key] = value
