"""Where logs, control and state messages wait, in order with the records."""

from airbyte_cdk.sources.message.repository import (
    InMemoryMessageRepository,
    LogAppenderMessageRepositoryDecorator,
    LogMessage,
    MessageRepository,
    NoopMessageRepository,
)

__all__ = [
    "InMemoryMessageRepository",
    "LogAppenderMessageRepositoryDecorator",
    "LogMessage",
    "MessageRepository",
    "NoopMessageRepository",
]
