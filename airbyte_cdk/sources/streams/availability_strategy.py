"""Whether a stream can be read: found out by reading its first record."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import AirbyteMessage, SyncMode, Type
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.sources.source import Source
    from airbyte_cdk.sources.streams.core import Stream, StreamData

NO_SLICES = "Cannot attempt to connect: no stream slices were found, likely because the parent stream is empty."
"""Reason of a stream that has nothing to read; `AbstractSource.check_connection` takes it for no failure."""


class AvailabilityStrategy(ABC):
    """Tells whether a stream can be read."""

    @abstractmethod
    def check_availability(
        self, stream: Stream, logger: logging.Logger, source: Source | None = None
    ) -> tuple[bool, str | None]:
        """Whether `stream` can be read, and if not, why."""

    @staticmethod
    def get_first_stream_slice(stream: Stream) -> Mapping[str, Any]:
        """The first slice of a full refresh. Raises StopIteration if there is none."""
        first = next(iter(stream.stream_slices(sync_mode=SyncMode.full_refresh)))
        return {} if first is None else first

    @staticmethod
    def get_first_record_for_slice(stream: Stream, stream_slice: Mapping[str, Any] | None) -> StreamData:
        """The first record of a slice in a full refresh. Raises StopIteration if there is none."""
        for item in stream.read_records(sync_mode=SyncMode.full_refresh, stream_slice=stream_slice):
            if not isinstance(item, AirbyteMessage) or item.type is Type.RECORD:
                return item
        raise StopIteration


class FirstRecordAvailabilityStrategy(AvailabilityStrategy):
    """A stream can be read if its first slice can."""

    def check_availability(
        self, stream: Stream, logger: logging.Logger, source: Source | None = None
    ) -> tuple[bool, str | None]:
        """Whether the first slice can be read as far as its first record, or to its end.

        A stream without slices is not available. A traced exception is an answer; others go on.
        """
        try:
            try:
                first = self.get_first_stream_slice(stream)
            except StopIteration:
                return False, NO_SLICES
            with _impatient(stream):
                self.get_first_record_for_slice(stream, first)
        except StopIteration:
            return True, None
        except AirbyteTracedException as error:
            return False, error.message or error.internal_message
        return True, None


@contextmanager
def _impatient(stream: Stream) -> Iterator[None]:
    """Within this block a limit of the source's rate ends the stream."""
    before = stream.exit_on_rate_limit
    stream.exit_on_rate_limit = True
    try:
        yield
    finally:
        stream.exit_on_rate_limit = before
