"""Batches that pass through a connector's own `Stream.read`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from enum import Enum

from airbyte_cdk.models import AirbyteMessage, Type
from airbyte_cdk.models.batch import Batch


class Reader(Enum):
    """Who calls `Stream.read`."""

    OTHER = "other"
    """Code that iterates a stream by itself."""
    ENGINE = "engine"
    """The engine, which takes one message a record."""
    ENGINE_IN_BATCHES = "engine in batches"
    """The engine, which takes a whole batch as one `BatchMessage`."""


_reader: ContextVar[Reader] = ContextVar("reader", default=Reader.OTHER)


@contextmanager
def reading_as(reader: Reader) -> Iterator[None]:
    """Within this block `Stream.read` is called by `reader`."""
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)


def reader() -> Reader:
    """Who has called `Stream.read`."""
    return _reader.get()


class RecordsWanted(BaseException):
    """A connector's own `Stream.read` looks into the records that it hands on: it must be given single ones.

    Not an `Exception`: it must get through the connector's code to the engine, which calls `read` once more.
    """


class BatchMessage(AirbyteMessage):
    """A batch that passes through a connector's own `Stream.read` as if it were one RECORD message.

    Connectors that wrap `Stream.read` mostly look at the type of each message, and hand on what is not a STATE. The
    engine takes the batch out again; code that iterates a stream by itself never meets one.

    Args:
        batch: The batch.
    """

    batch: Batch

    def __init__(self, batch: Batch) -> None:
        for field in fields(AirbyteMessage):
            if field.name not in ("type", "record"):
                setattr(self, field.name, None)
        self.type = Type.RECORD
        self.batch = batch

    @property
    def record(self) -> None:  # type: ignore[override]
        """Raises RecordsWanted: there is not one record."""
        raise RecordsWanted
