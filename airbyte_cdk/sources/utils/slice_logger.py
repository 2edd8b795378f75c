"""Telling in the log which slice of a stream is read next."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from airbyte_cdk.models import AirbyteLogMessage, AirbyteMessage, Level, Type

__all__ = ["AlwaysLogSliceLogger", "DebugSliceLogger", "SliceLogger"]


class SliceLogger(ABC):
    """Says how a slice is announced, and whether it is."""

    SLICE_LOG_PREFIX = "slice:"

    def create_slice_log_message(self, _slice: Mapping[str, Any] | None) -> AirbyteMessage:
        """The announcement: an INFO message, the prefix followed by the slice as JSON (other values as their text)."""
        content = dict(_slice) if isinstance(_slice, Mapping) else _slice
        text = f"{self.SLICE_LOG_PREFIX}{json.dumps(content, default=str)}"
        return AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.INFO, message=text))

    @abstractmethod
    def should_log_slice_message(self, logger: logging.Logger) -> bool:
        """Whether slices are announced."""


class DebugSliceLogger(SliceLogger):
    """Announces slices in debug mode."""

    def should_log_slice_message(self, logger: logging.Logger) -> bool:
        """Whether `logger` is in debug mode."""
        return logger.isEnabledFor(logging.DEBUG)


class AlwaysLogSliceLogger(SliceLogger):
    """Announces every slice."""

    def should_log_slice_message(self, logger: logging.Logger) -> bool:
        """Always."""
        return True
