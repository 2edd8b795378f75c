"""A partition: the part of a stream that is read, retried and checkpointed as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteMessage
    from airbyte_cdk.models.batch import Batch

Item: TypeAlias = "Batch | AirbyteMessage | Mapping[str, Any]"
"""What reading yields: a batch of rows, one record as a mapping, or a protocol message."""


class Partition(ABC):
    """A part of a stream, read by one worker."""

    @property
    @abstractmethod
    def slice(self) -> Mapping[str, Any]:
        """What tells this partition from the others of its stream, as plain data."""

    @property
    def group(self) -> Hashable | None:
        """Partitions of one group are read one after the other, in the order in which the stream gives them; those
        without a group (None) whenever a worker is free."""
        return None

    @abstractmethod
    def read(self) -> Iterable[Item]:
        """Yield what the partition holds, in order. What it raises goes to `Stream.partition_failed`."""
