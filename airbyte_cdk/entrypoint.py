"""The command line of a source: one command in, protocol lines out."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from airbyte_cdk import interrupts, output
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.interrupts import Interrupted
from airbyte_cdk.logger import init_logger, is_platform_debug_log_enabled
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateStats,
    ConnectorSpecification,
    FailureType,
    Status,
    Type,
)
from airbyte_cdk.models.batch import Lines
from airbyte_cdk.models.serializers import MessageEncodingError, message_line
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.sources.source import Source
from airbyte_cdk.sources.utils.schema_helpers import check_config_against_spec_or_exit, split_config
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, get_secrets, update_secrets
from airbyte_cdk.utils.config_check import ConfigSchema
from airbyte_cdk.utils.is_cloud_environment import is_cloud_environment
from airbyte_cdk.utils.memory_guard import MemoryGuard
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

if TYPE_CHECKING:
    from airbyte_cdk.models.batch import Batch

__all__ = ["AirbyteEntrypoint", "launch", "main"]

ENV_REQUEST_CACHE_PATH = "REQUEST_CACHE_PATH"

logger = init_logger("airbyte")


class AirbyteEntrypoint:
    """Runs the commands ``spec``, ``check``, ``discover`` and ``read`` on a source.

    Cheap to make: connectors make one only to ask for the path of a file.

    Args:
        source: The source.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.logger = logging.getLogger(f"airbyte.{getattr(source, 'name', '')}")

    @staticmethod
    def parse_args(args: Sequence[str] | None) -> argparse.Namespace:
        """The command and its flags. Usage errors end the process with exit code 2, ``-h`` with 0."""
        parser = argparse.ArgumentParser(description="Speaks the Airbyte protocol on standard output.")
        common = argparse.ArgumentParser(add_help=False)
        common.add_argument("--debug", action="store_true", help="show debug log lines")
        configured = argparse.ArgumentParser(add_help=False, parents=[common])
        required = configured.add_argument_group("required")
        required.add_argument("--config", required=True, help="path of the config, a JSON object")
        for flag in ("--manifest-path", "--components-path"):
            configured.add_argument(flag, help="accepted, and used by low-code sources only")

        commands = parser.add_subparsers(title="commands", dest="command")
        commands.add_parser("spec", parents=[common], help="say what a config looks like")
        commands.add_parser("check", parents=[configured], help="say whether a config works")
        commands.add_parser("discover", parents=[configured], help="list the streams and their schemas")
        read = commands.add_parser("read", parents=[configured], help="send the records of the streams in a catalog")
        read.add_argument("--catalog", required=True, help="path of the configured catalog, a JSON object")
        read.add_argument("--state", help="path of the state to go on from, a JSON list of STATE messages")
        return parser.parse_args(args)

    @classmethod
    def extract_config(cls, args: Sequence[str]) -> Any | None:
        """Path of the config in `args`, or None if the command has none."""
        return getattr(cls.parse_args(args), "config", None)

    @classmethod
    def extract_catalog(cls, args: Sequence[str]) -> Any | None:
        """Path of the configured catalog in `args`, or None if the command has none."""
        return getattr(cls.parse_args(args), "catalog", None)

    @classmethod
    def extract_state(cls, args: Sequence[str]) -> Any | None:
        """Path of the state in `args`, or None if there is none."""
        return getattr(cls.parse_args(args), "state", None)

    def run(self, parsed_args: argparse.Namespace) -> Iterator[str]:
        """Run a command; yields each protocol message as one line of JSON, without its line end."""
        for item in self.lines(parsed_args):
            if isinstance(item, Lines):
                text = b"".join(bytes(buffer) for buffer in item.buffers)
                for line in text.removesuffix(b"\n").split(b"\n"):
                    yield line.decode()
            else:
                yield item[:-1].decode()

    def lines(self, parsed_args: argparse.Namespace) -> Iterator[bytes | Lines]:
        """Run a command; yields messages as output lines: one (with its line end), or many records at once."""
        for item in self.items(parsed_args):
            yield item if isinstance(item, Lines) else self._line(item)

    def items(self, parsed_args: argparse.Namespace) -> Iterator[AirbyteMessage | Lines]:
        """Run a command; yields messages, and records as output lines where the source reads in batches."""
        if not parsed_args.command:
            raise ValueError("No command was given: use spec, check, discover or read (-h says more).")
        debug = getattr(parsed_args, "debug", False) or is_platform_debug_log_enabled()
        for each in (self.logger, logger):
            each.setLevel(logging.DEBUG if debug else logging.INFO)
        self.logger.debug("Debug mode is on.")

        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temp_dir:
            os.environ[ENV_REQUEST_CACHE_PATH] = temp_dir
            try:
                spec = self.source.spec(self.logger)
                if parsed_args.command == "spec":
                    yield from self._queued()
                    yield AirbyteMessage(type=Type.SPEC, spec=spec)
                else:
                    yield from self._with_config(parsed_args, spec, temp_dir)
            except GeneratorExit:  # nobody takes any more messages
                raise
            except BaseException:
                yield from self._queued()
                raise
            yield from self._queued()

    def _with_config(
        self, parsed_args: argparse.Namespace, spec: ConnectorSpecification, temp_dir: str
    ) -> Iterator[AirbyteMessage | Lines]:
        if is_cloud_environment():
            from airbyte_cdk.utils.request_guard import allow_public_requests_only

            allow_public_requests_only()
        raw_config = self.source.read_config(parsed_args.config)
        # What the source makes of the config may log it already.
        self.set_up_secret_filter(raw_config, spec.connectionSpecification)
        if parsed_args.command == "check" or self.source.check_config_against_spec:
            ConfigSchema(spec.connectionSpecification).drop_nulls(raw_config)
        config = self.source.configure(raw_config, temp_dir)
        yield from self._queued()
        match parsed_args.command:
            case "check":
                yield from self.check(spec, config)
            case "discover":
                yield from self.discover(spec, config)
            case "read":
                catalog = self.source.read_catalog(parsed_args.catalog)
                state = self.source.read_state(parsed_args.state)
                yield from self.read(spec, config, catalog, state)
            case other:
                raise ValueError(f"There is no command {other}.")

    def check(self, source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> Iterator[AirbyteMessage]:
        """Yield the CONNECTION_STATUS, after the TRACE ERROR if the check raised a traced exception.

        A config that does not fit the spec is FAILED. A config error that the source raises is FAILED as well;
        whatever else it raises goes on.
        """
        self.set_up_secret_filter(config, source_spec.connectionSpecification)
        try:
            self.validate_connection(source_spec, config)
        except AirbyteTracedException as error:
            yield from self._queued()
            status = error.as_connection_status_message()
            if status is None:
                raise
            yield status
            return
        try:
            result = self.source.check(self.logger, config)
        except AirbyteTracedException as error:
            yield from self._queued()
            yield error.as_sanitized_airbyte_message()
            status = error.as_connection_status_message()
            if status is None:
                raise
            yield status
            return
        if result.status is Status.SUCCEEDED:
            self.logger.info("The check succeeded.")
        else:
            self.logger.error("The check failed.")
        yield from self._queued()
        message = None if result.message is None else filter_secrets(str(result.message))
        yield AirbyteMessage(
            type=Type.CONNECTION_STATUS,
            connectionStatus=AirbyteConnectionStatus(status=result.status, message=message),
        )

    def discover(self, source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> Iterator[AirbyteMessage]:
        """Yield the CATALOG."""
        self.set_up_secret_filter(config, source_spec.connectionSpecification)
        if self.source.check_config_against_spec:
            self.validate_connection(source_spec, config)
        catalog = self.source.discover(self.logger, config)
        yield from self._queued()
        yield AirbyteMessage(type=Type.CATALOG, catalog=catalog)

    def read(
        self, source_spec: ConnectorSpecification, config: Mapping[str, Any], catalog: Any, state: Any
    ) -> Iterator[AirbyteMessage | Lines]:
        """Yield what the source reads, with the number of records on each STATE.

        A source that reads in batches (`AbstractSource.read_items`) gives finished lines, unless its `read` is
        overridden: then each record is a message.
        """
        self.set_up_secret_filter(config, source_spec.connectionSpecification)
        if self.source.check_config_against_spec:
            self.validate_connection(source_spec, config)
        counts: defaultdict[HashableStreamDescriptor, float] = defaultdict(float)
        memory = MemoryGuard()
        with interrupts.deferred():
            source_items = self._source_items(config, catalog, state)
            # A source of this kind looks for an interrupt itself, and has a last state to send then.
            looks = hasattr(self.source, "read_items")
            try:
                for item in source_items:
                    if isinstance(item, Lines):
                        counts[HashableStreamDescriptor(name=item.stream, namespace=item.namespace)] += item.num_rows
                        yield item
                        memory.count(item.num_rows)
                    else:
                        yield self.handle_record_counts(item, counts)
                        memory.count(1)
                    if not looks:
                        interrupts.check_interrupted()
            finally:
                close = getattr(source_items, "close", None)
                if close is not None:
                    close()
        for message in self._queued():
            yield self.handle_record_counts(message, counts)

    def _source_items(self, config: Mapping[str, Any], catalog: Any, state: Any) -> Iterable[AirbyteMessage | Lines]:
        source: Any = self.source
        if not getattr(type(source).read, "expands_batches", False):
            messages: Iterable[AirbyteMessage] = source.read(self.logger, config, catalog, state)
            return messages
        items: Iterable[AirbyteMessage | Lines] = source.read_items(
            self.logger, config, catalog, state, _encode, size=_nbytes
        )
        return items

    @staticmethod
    def handle_record_counts(
        message: AirbyteMessage, stream_message_count: MutableMapping[HashableStreamDescriptor, float]
    ) -> AirbyteMessage:
        """Count a RECORD; give a STATE the number of records of its stream since its last one.

        Args:
            message: Changed in place, if it is a STATE, and returned.
            stream_message_count: Records by stream since its last STATE.

        Raises:
            ValueError: a STATE without a stream.
        """
        if message.record is not None and message.type is Type.RECORD:
            record = message.record
            stream_message_count[HashableStreamDescriptor(name=record.stream, namespace=record.namespace)] += 1.0
        elif message.state is not None and message.type is Type.STATE:
            if message.state.stream is None:
                raise ValueError("A STATE message without a stream cannot tell how many records it covers.")
            descriptor = message.state.stream.stream_descriptor
            key = HashableStreamDescriptor(name=descriptor.name, namespace=descriptor.namespace)
            stats = message.state.sourceStats = message.state.sourceStats or AirbyteStateStats()
            stats.recordCount = stream_message_count.get(key, 0.0)
            stream_message_count[key] = 0.0
        return message

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Check the config against the spec; raises a config error."""
        own, _ = split_config(config)
        check_config_against_spec_or_exit(own, source_spec)

    @staticmethod
    def set_up_secret_filter(config: Mapping[str, Any], connection_specification: Mapping[str, Any]) -> None:
        """From now on, mask what the spec calls a secret of this config."""
        update_secrets(get_secrets(connection_specification, config))

    @staticmethod
    def airbyte_message_to_string(airbyte_message: AirbyteMessage) -> str:
        """A message as one line of JSON, without its line end."""
        return AirbyteEntrypoint._line(airbyte_message)[:-1].decode()

    @staticmethod
    def _line(message: AirbyteMessage) -> bytes:
        try:
            return message_line(message)
        except MessageEncodingError as error:
            raise AirbyteTracedException(
                internal_message=str(error), message=str(error), failure_type=FailureType.system_error
            ) from None

    def _queued(self) -> Iterator[AirbyteMessage]:
        """What waits in the source's message repository, if it has one."""
        repository = getattr(self.source, "message_repository", None)
        if repository:
            yield from repository.consume_queue()


def _encode(stream: str, namespace: str | None, batch: Batch) -> Lines:
    from airbyte_cdk.models import wire

    return wire.encode(stream, namespace, batch, time.time_ns() // 1_000_000)


def _nbytes(lines: Lines) -> int:
    return lines.nbytes


_RUN = AirbyteEntrypoint.run


def launch(source: Source, args: Sequence[str] | None = None) -> None:
    """Run the command in `args` and write what it yields to standard output.

    While it runs, all that is printed or logged goes to standard output as well, in order. SIGTERM and SIGINT end the
    process within seconds with exit code 143 and 130, after the state of what was finished if it is a read of
    batches; a second signal ends it at once. If nobody reads standard output any more, it ends with exit code 1.

    Raises:
        Exception: whatever ended the command. The uncaught exception handler, which this function installs, reports
            it as FATAL log and TRACE ERROR, and the interpreter ends with exit code 1.
        SystemExit: after a signal or a closed output.
    """
    entrypoint = AirbyteEntrypoint(source)
    parsed_args = entrypoint.parse_args(args)
    init_uncaught_exception_handler(logger)
    try:
        with interrupts.handled(), output.redirected(filter_secrets):
            _write_all(entrypoint, parsed_args)
    except Interrupted as interrupt:
        _end(interrupt.exit_code)
    except output.OutputClosed:
        _end(1)
    except SystemExit as request:
        if _busy():
            code = request.code
            _end(code if isinstance(code, int) else int(code is not None))
        raise
    except BaseException as error:
        if _busy():
            sys.excepthook(type(error), error, error.__traceback__)
            _end(1)
        raise


def _write_all(entrypoint: AirbyteEntrypoint, parsed_args: argparse.Namespace) -> None:
    own_run = type(entrypoint).run is not _RUN
    lines: Iterator[str] | Iterator[bytes | Lines]
    lines = iter(entrypoint.run(parsed_args)) if own_run else entrypoint.lines(parsed_args)
    try:
        for line in lines:
            if isinstance(line, Lines):
                output.write(line.buffers)
            else:
                output.write((line.encode() + b"\n" if isinstance(line, str) else line,))
    except Interrupted as interrupt:
        if interrupt.exit_code != 1:
            logger.warning("Stopped by %s.", interrupt)
        raise
    finally:
        # An output that failed leaves the read half-way: let it clean up.
        close = getattr(lines, "close", None)
        if close is not None:
            close()


def _busy() -> bool:
    """Whether the interpreter's end would wait for a thread (which may hang), or abort on one of this library."""
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    return any(not thread.daemon or thread.name.startswith("airbyte-") for thread in others)


def _end(code: int) -> None:
    """End the process after its output was written, at once if threads are still at work."""
    if _busy():
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(code)
    raise SystemExit(code)


def main() -> None:
    """Run the source class that the environment names.

    ``AIRBYTE_IMPL_MODULE`` is the module, ``AIRBYTE_IMPL_PATH`` the class in it.
    """
    module = os.environ["AIRBYTE_IMPL_MODULE"]
    source: Source = getattr(importlib.import_module(module), os.environ["AIRBYTE_IMPL_PATH"])()
    if not isinstance(source, Source):
        raise TypeError(f"{module}.{os.environ['AIRBYTE_IMPL_PATH']} is not a source")
    launch(source, sys.argv[1:])
