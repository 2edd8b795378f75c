"""What happens to an exception that nobody caught."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = [
    "assemble_uncaught_exception",
    "generate_failed_streams_error_message",
    "init_uncaught_exception_handler",
]


def assemble_uncaught_exception(
    exception_type: type[BaseException], exception_value: BaseException
) -> AirbyteTracedException:
    """The exception itself if it is a traced one, else a traced one (system error) around it."""
    if isinstance(exception_value, AirbyteTracedException):
        return exception_value
    return AirbyteTracedException.from_exception(exception_value)


def init_uncaught_exception_handler(logger: logging.Logger) -> None:
    """Report uncaught exceptions of the main thread as a FATAL log record and a TRACE ERROR message.

    The interpreter then ends with exit code 1. A keyboard interrupt is left to the interpreter.
    """

    def report(
        exception_type: type[BaseException], exception_value: BaseException, traceback_: TracebackType | None
    ) -> None:
        if issubclass(exception_type, KeyboardInterrupt):
            sys.__excepthook__(exception_type, exception_value, traceback_)
            return
        logger.fatal("%s", exception_value, exc_info=(exception_type, exception_value, traceback_))
        assemble_uncaught_exception(exception_type, exception_value).emit_message()

    sys.excepthook = report


def generate_failed_streams_error_message(stream_failures: Mapping[str, Sequence[Exception]]) -> str:
    """A line for each error of each stream (``stream: repr(error)``) under a heading, with secrets masked."""
    lines = [
        f"{stream}: {filter_secrets(repr(error))}" for stream, errors in stream_failures.items() for error in errors
    ]
    return "\n".join(["These streams were not synced completely:", *lines])
