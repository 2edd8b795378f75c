"""The exception that knows how to tell the user, the developer and the platform."""

from __future__ import annotations

import time
import traceback
from typing import Any, Self

from airbyte_cdk import output
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteErrorTraceMessage,
    AirbyteMessage,
    AirbyteTraceMessage,
    FailureType,
    Status,
    StreamDescriptor,
    TraceType,
    Type,
)
from airbyte_cdk.models.serializers import message_line
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

__all__ = ["AirbyteTracedException"]

UNEXPLAINED = "The connector stopped because of an unexpected error. The log has the details."
"""User message of an exception that brings none."""


def text_of(error: BaseException) -> str:
    """The text of an error; the name of its class if it cannot say its text."""
    try:
        return str(error)
    except Exception:
        return type(error).__name__


class AirbyteTracedException(Exception):
    """An error that is reported as a TRACE ERROR message.

    `str` of it is the user message if there is one, else the internal one.

    Args:
        internal_message: For developers: what happened.
        message: For the user: what to do. None means a generic sentence.
        failure_type: ``config_error`` if the user can fix it, ``transient_error`` if trying again may help,
            ``system_error`` (a bug, or unknown) by default.
        exception: The error behind it, whose stack trace is shown.
        stream_descriptor: The stream concerned; wins over the one given to `as_airbyte_message`.
    """

    def __init__(
        self,
        internal_message: str | None = None,
        message: str | None = None,
        failure_type: FailureType = FailureType.system_error,
        exception: BaseException | None = None,
        stream_descriptor: StreamDescriptor | None = None,
    ) -> None:
        self.internal_message = internal_message
        self.message = message
        self.failure_type = failure_type
        self._exception = exception
        self._stream_descriptor = stream_descriptor
        super().__init__(internal_message)

    def __str__(self) -> str:
        return self.message if self.message is not None else self.internal_message or ""

    def as_airbyte_message(self, stream_descriptor: StreamDescriptor | None = None) -> AirbyteMessage:
        """The TRACE ERROR message, its texts as they are."""
        return self._trace(str, stream_descriptor)

    def as_sanitized_airbyte_message(self, stream_descriptor: StreamDescriptor | None = None) -> AirbyteMessage:
        """The TRACE ERROR message, with secrets masked in its texts."""
        return self._trace(filter_secrets, stream_descriptor)

    def _trace(self, mask: Any, stream_descriptor: StreamDescriptor | None) -> AirbyteMessage:
        behind = self._exception if self._exception is not None else self
        return AirbyteMessage(
            type=Type.TRACE,
            trace=AirbyteTraceMessage(
                type=TraceType.ERROR,
                emitted_at=time.time_ns() // 1_000_000,
                error=AirbyteErrorTraceMessage(
                    message=mask(self.message or UNEXPLAINED),
                    internal_message=None if self.internal_message is None else mask(str(self.internal_message)),
                    stack_trace=mask("".join(traceback.format_exception(behind))),
                    failure_type=self.failure_type,
                    stream_descriptor=self._stream_descriptor or stream_descriptor,
                ),
            ),
        )

    def as_connection_status_message(self) -> AirbyteMessage | None:
        """CONNECTION_STATUS FAILED with the user message (secrets masked), or None if it is not a config error."""
        if self.failure_type != FailureType.config_error:
            return None
        message = None if self.message is None else filter_secrets(self.message)
        return AirbyteMessage(
            type=Type.CONNECTION_STATUS,
            connectionStatus=AirbyteConnectionStatus(status=Status.FAILED, message=message),
        )

    def emit_message(self) -> None:
        """Print the TRACE ERROR message, with secrets masked."""
        output.emit(message_line(self.as_sanitized_airbyte_message()))

    @classmethod
    def from_exception(
        cls, exc: BaseException, stream_descriptor: StreamDescriptor | None = None, **kwargs: Any
    ) -> Self:
        """A traced exception for `exc`: its text as internal message, its stack trace.

        A traced `exc` gives its internal message and, unless `message` is among `kwargs`, its user message.

        Args:
            kwargs: More arguments of the constructor.
        """
        internal_message: str | None = text_of(exc)
        if isinstance(exc, AirbyteTracedException):
            internal_message = exc.internal_message
            kwargs.setdefault("message", exc.message)
        return cls(internal_message=internal_message, exception=exc, stream_descriptor=stream_descriptor, **kwargs)
