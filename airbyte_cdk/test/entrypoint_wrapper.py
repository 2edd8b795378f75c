"""Running a source's commands in-process, for tests.

```
output = read(SourceX(), config, CatalogBuilder().with_stream("users", SyncMode.full_refresh).build())
assert len(output.records) == 3
```

The commands run as they do on the command line, on temporary files.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import assemble_uncaught_exception
from airbyte_cdk.logger import AirbyteLogFormatter
from airbyte_cdk.models import (
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    AirbyteStreamState,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    Level,
    TraceType,
    Type,
)
from airbyte_cdk.sources.source import Source

__all__ = ["AirbyteEntrypointException", "EntrypointOutput", "ExpectedOutcome", "discover", "make_file", "read"]


class AirbyteEntrypointException(Exception):
    """A command ended with errors that the test did not expect.

    Attributes:
        message: The errors, as text.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class ExpectedOutcome(Enum):
    """What a test expects. An exception is printed to stderr only where success is expected."""

    EXPECT_EXCEPTION = auto()
    EXPECT_SUCCESS = auto()
    ALLOW_ANY = auto()


class EntrypointOutput:
    """The messages of one command.

    Args:
        messages: Output lines. A line that is not a protocol message counts as an INFO log.
        uncaught_exception: What ended the command; it becomes a last TRACE ERROR message.
    """

    def __init__(self, messages: Sequence[str] | None = None, uncaught_exception: BaseException | None = None) -> None:
        self._messages = [self._parse_message(line) for line in messages or []]
        if uncaught_exception is not None:
            error = assemble_uncaught_exception(type(uncaught_exception), uncaught_exception)
            self._messages.append(error.as_airbyte_message())

    @staticmethod
    def _parse_message(message: str) -> AirbyteMessage:
        from serpyco_rs import ValidationError

        try:
            return AirbyteMessageSerializer.load(json.loads(message))
        except (ValueError, ValidationError):
            return AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.INFO, message=message))

    def get_message_by_types(self, message_types: Sequence[Type]) -> list[AirbyteMessage]:
        """The messages of these types, in order."""
        return [message for message in self._messages if message.type in message_types]

    def get_message_iterator(self) -> Iterator[AirbyteMessage]:
        """All messages, in order."""
        return iter(self._messages)

    @property
    def records_and_state_messages(self) -> list[AirbyteMessage]:
        """RECORD and STATE messages, in order."""
        return self.get_message_by_types([Type.RECORD, Type.STATE])

    @property
    def records(self) -> list[AirbyteMessage]:
        """RECORD messages."""
        return self.get_message_by_types([Type.RECORD])

    @property
    def state_messages(self) -> list[AirbyteMessage]:
        """STATE messages."""
        return self.get_message_by_types([Type.STATE])

    @property
    def spec_messages(self) -> list[AirbyteMessage]:
        """SPEC messages."""
        return self.get_message_by_types([Type.SPEC])

    @property
    def connection_status_messages(self) -> list[AirbyteMessage]:
        """CONNECTION_STATUS messages."""
        return self.get_message_by_types([Type.CONNECTION_STATUS])

    @property
    def control_messages(self) -> list[AirbyteMessage]:
        """CONTROL messages."""
        return self.get_message_by_types([Type.CONTROL])

    @property
    def most_recent_state(self) -> AirbyteStreamState:
        """The stream state of the last STATE message; raises ValueError if there is none."""
        states = self.state_messages
        if not states:
            raise ValueError("There is no STATE message.")
        state = states[-1].state
        if state is None or state.stream is None:
            raise ValueError("The last STATE message has no stream.")
        return state.stream

    @property
    def logs(self) -> list[AirbyteMessage]:
        """LOG messages, and lines that are not protocol messages."""
        return self.get_message_by_types([Type.LOG])

    @property
    def trace_messages(self) -> list[AirbyteMessage]:
        """TRACE messages."""
        return self.get_message_by_types([Type.TRACE])

    @property
    def analytics_messages(self) -> list[AirbyteMessage]:
        """TRACE messages of type ANALYTICS."""
        return self._traces(TraceType.ANALYTICS)

    @property
    def errors(self) -> list[AirbyteMessage]:
        """TRACE messages of type ERROR."""
        return self._traces(TraceType.ERROR)

    def _traces(self, of: TraceType) -> list[AirbyteMessage]:
        return [message for message in self.trace_messages if message.trace and message.trace.type is of]

    @property
    def catalog(self) -> AirbyteMessage:
        """The CATALOG message; raises ValueError if there is not exactly one."""
        catalogs = self.get_message_by_types([Type.CATALOG])
        if len(catalogs) != 1:
            raise ValueError(f"There are {len(catalogs)} CATALOG messages, not one.")
        return catalogs[0]

    def get_stream_statuses(self, stream_name: str) -> list[AirbyteStreamStatus]:
        """The statuses of a stream, in order."""
        return [
            message.trace.stream_status.status
            for message in self.trace_messages
            if message.trace
            and message.trace.stream_status
            and message.trace.stream_status.stream_descriptor.name == stream_name
        ]

    def is_in_logs(self, pattern: str) -> bool:
        """Whether a log message has a match of the regular expression."""
        return any(re.search(pattern, message.log.message, re.IGNORECASE) for message in self.logs if message.log)

    def is_not_in_logs(self, pattern: str) -> bool:
        """Whether no log message has a match of the regular expression."""
        return not self.is_in_logs(pattern)

    def get_formatted_error_message(self) -> str:
        """All errors in one text; empty if there is none."""
        errors = [str(message.trace.error) for message in self.errors if message.trace]
        return "\n".join(["The command failed.", *errors]) if errors else ""

    def as_exception(self) -> AirbyteEntrypointException:
        """The errors as one exception."""
        return AirbyteEntrypointException(self.get_formatted_error_message())

    def raise_if_errors(self) -> None:
        """Raise the errors as one exception, if there are any."""
        if self.errors:
            raise self.as_exception()


class _Records(logging.Handler):
    """Keeps log records as output lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(AirbyteLogFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def _run_command(
    source: Source,
    args: Sequence[str],
    expecting_exception: bool | None = None,
    *,
    expected_outcome: ExpectedOutcome | None = None,
) -> EntrypointOutput:
    """The output of the command in `args`, run as `read` does."""
    expected = expected_outcome or (
        ExpectedOutcome.EXPECT_EXCEPTION if expecting_exception else ExpectedOutcome.EXPECT_SUCCESS
    )
    logged = _Records()
    root = logging.getLogger()
    root.addHandler(logged)
    lines: list[str] = []
    uncaught: Exception | None = None
    try:
        entrypoint = AirbyteEntrypoint(source)
        for line in entrypoint.run(entrypoint.parse_args(args)):
            lines.append(line)  # one by one: what came before an exception counts
    except Exception as error:
        if expected is ExpectedOutcome.EXPECT_SUCCESS:
            traceback.print_exception(error, file=sys.stderr)
        uncaught = error
    finally:
        root.removeHandler(logged)
    return EntrypointOutput([*lines, *logged.lines], uncaught)


def read(
    source: Source,
    config: Mapping[str, Any],
    catalog: ConfiguredAirbyteCatalog,
    state: Sequence[AirbyteStateMessage] | None = None,
    expecting_exception: bool | None = None,
    *,
    expected_outcome: ExpectedOutcome | None = None,
    debug: bool = False,
) -> EntrypointOutput:
    """Read the streams of a catalog.

    Args:
        source: The source, ready to be launched.
        config: Its config.
        catalog: The streams.
        state: Where the last sync ended.
        expecting_exception: True to keep the traceback of an exception off stderr.
        expected_outcome: The same, said more exactly.
        debug: Whether to pass ``--debug``.

    Returns:
        The messages in order, followed by the log records. An exception becomes the last message.
    """
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        args = [
            "read",
            *(["--debug"] if debug else []),
            "--config",
            make_file(folder / "config.json", config),
            "--catalog",
            make_file(folder / "catalog.json", ConfiguredAirbyteCatalogSerializer.dump(catalog)),
        ]
        if state is not None:
            states = [AirbyteStateMessageSerializer.dump(message) for message in state]
            args += ["--state", make_file(folder / "state.json", states)]
        return _run_command(source, args, expecting_exception, expected_outcome=expected_outcome)


def discover(
    source: Source,
    config: Mapping[str, Any],
    expecting_exception: bool | None = None,
    *,
    expected_outcome: ExpectedOutcome | None = None,
) -> EntrypointOutput:
    """Discover the streams of a source; arguments and result as those of `read`."""
    with tempfile.TemporaryDirectory() as directory:
        args = ["discover", "--config", make_file(Path(directory) / "config.json", config)]
        return _run_command(source, args, expecting_exception, expected_outcome=expected_outcome)


def make_file(path: Path, file_contents: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None) -> str:
    """Write a file (text as it is, other content as JSON) and give its path."""
    path.write_text(file_contents if isinstance(file_contents, str) else json.dumps(file_contents), encoding="utf-8")
    return str(path)
