"""Batches that pass through a connector's own `Stream.read`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type
from airbyte_cdk.models.batch import Batch

_batches_wanted: ContextVar[bool] = ContextVar("batches_wanted", default=False)


@contextmanager
def reading_batches() -> Iterator[None]:
    """Within this block `Stream.read` yields `BatchMessage`s instead of one message a record."""
    token = _batches_wanted.set(True)
    try:
        yield
    finally:
        _batches_wanted.reset(token)


def batches_wanted() -> bool:
    """Whether the caller of `Stream.read` takes whole batches."""
    return _batches_wanted.get()


class BatchMessage(AirbyteMessage):
    """A batch that passes through a connector's own `Stream.read` as if it were one RECORD message.

    Connectors that wrap `Stream.read` look at the type of each message and hand on what is not a STATE. The engine
    takes the batch out again; code that iterates a stream by itself never meets one.
    """

    batch: Batch

    @classmethod
    def of(cls, stream: str, batch: Batch) -> BatchMessage:
        """A message of type RECORD that carries `batch`; its own record is empty."""
        message = cls(type=Type.RECORD, record=AirbyteRecordMessage(stream=stream, data={}, emitted_at=0))
        message.batch = batch
        return message
