"""Python log records as protocol LOG messages."""

from __future__ import annotations

import logging
import os
from typing import Any, ClassVar

import orjson

from airbyte_cdk import output
from airbyte_cdk.models import Level
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

__all__ = ["AirbyteLogFormatter", "init_logger"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OWN_LOGGERS = ("airbyte", "airbyte_logger")
"""Loggers of connectors whose INFO records are always shown."""


def is_platform_debug_log_enabled() -> bool:
    """Whether debug records are to be LOG messages: environment variable ``LOG_LEVEL`` is ``debug``."""
    return os.environ.get("LOG_LEVEL", "").lower() == "debug"


class AirbyteLogFormatter(logging.Formatter):
    """Formats a record as one line of JSON without its line end, with secrets masked.

    Records of level INFO and above become LOG messages whose text includes the traceback. Debug records become LOG
    messages with their extra fields appended if the platform asked for them (``LOG_LEVEL=debug``), else lines of the
    form ``{"type": "DEBUG", "message": ..., "data": {...}}``, which are not protocol messages.
    """

    level_mapping: ClassVar[dict[int, Level]] = {
        logging.FATAL: Level.FATAL,
        logging.ERROR: Level.ERROR,
        logging.WARNING: Level.WARN,
        logging.INFO: Level.INFO,
        logging.DEBUG: Level.DEBUG,
    }

    def format(self, record: logging.LogRecord) -> str:
        """The line for `record`."""
        message = filter_secrets(super().format(record))
        level = self._level(record.levelno)
        if level is Level.DEBUG:
            extra = self.extract_extra_args_from_record(record)
            if not is_platform_debug_log_enabled():
                return _json({"type": "DEBUG", "message": message, "data": extra})
            if extra:
                message = f"{message}\n{_json(extra)}"
        return _json({"type": "LOG", "log": {"level": level.value, "message": message}})

    def _level(self, number: int) -> Level:
        """The level of this number, or the next lower one that has a name in the protocol."""
        known = self.level_mapping
        return known[number] if number in known else known[max((k for k in known if k <= number), default=min(known))]

    @staticmethod
    def extract_extra_args_from_record(record: logging.LogRecord) -> dict[str, str]:
        """The fields that a call gave as `extra`, as texts with secrets masked."""
        return {name: filter_secrets(str(value)) for name, value in vars(record).items() if name not in _STANDARD}


def _json(content: Any) -> str:
    try:
        return orjson.dumps(content).decode()
    except orjson.JSONEncodeError:  # half of a surrogate pair
        return _json(_replaced(content))


def _replaced(content: Any) -> Any:
    if isinstance(content, dict):
        return {_replaced(key): _replaced(value) for key, value in content.items()}
    return content.encode("utf-8", "replace").decode() if isinstance(content, str) else content


class _OutputHandler(logging.Handler):
    """Sends records the way of all output."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            output.emit(self.format(record).encode() + b"\n")
        except Exception:
            self.handleError(record)


def init_logger(name: str | None = None) -> logging.Logger:
    """The logger `name`, at level INFO, its records written to standard output as protocol messages.

    The root logger gets the one handler that does so; a handler that `logging.basicConfig` put there is removed,
    handlers of other kinds stay.
    """
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
    if not any(isinstance(handler, _OutputHandler) for handler in root.handlers):
        own = _OutputHandler()
        own.setFormatter(AirbyteLogFormatter())
        root.addHandler(own)
    for known in _OWN_LOGGERS:
        if logging.getLogger(known).level == logging.NOTSET:
            logging.getLogger(known).setLevel(logging.INFO)
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    return logger
