"""A source written directly on `Source`, run by tests in processes of its own (``toy_source.py MODE COMMAND ...``).

What it does is chosen by MODE, so that every ending of a command can be provoked.
"""

from __future__ import annotations

import datetime
import decimal
import logging
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.interrupts import Interrupted, check_interrupted
from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteGlobalState,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    ConnectorSpecification,
    FailureType,
    Level,
    Status,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.models.batch import Lines
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.source import Source
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

SPEC = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"type": "string"}, "password": {"type": "string", "airbyte_secret": True}},
}

ODD_DATA: Mapping[str, Any] = {
    "big": {"b": 2**70, "nan": float("nan"), "at": datetime.datetime(2024, 1, 2, 3, 4, 5)},
    "keys": {"b": {1: "one", None: "none", False: "false", 2.5: "float"}},
    "native": {
        "at": datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
        "id": uuid.UUID(int=1),
        "enum": Status.FAILED,
        "inf": float("inf"),
        "gone": None,
        "kept": {"null": None},
    },
    "surrogate": {"b": "\ud800"},
    "decimal": {"d": decimal.Decimal("1.0")},
    "bytes": {"b": b"x"},
    "list": ["s3cret"],
}


def record(data: Any, stream: str = "s", namespace: str | None = None) -> AirbyteMessage:
    """A RECORD message."""
    return AirbyteMessage(
        type=Type.RECORD, record=AirbyteRecordMessage(stream=stream, namespace=namespace, data=data, emitted_at=1)
    )


def state(content: Mapping[str, Any], stream: str = "s", namespace: str | None = None) -> AirbyteMessage:
    """A STATE message of one stream."""
    return AirbyteMessage(
        type=Type.STATE,
        state=AirbyteStateMessage(
            type=AirbyteStateType.STREAM,
            stream=AirbyteStreamState(
                stream_descriptor=StreamDescriptor(name=stream, namespace=namespace),
                stream_state=AirbyteStateBlob(content),
            ),
        ),
    )


def log(text: str) -> AirbyteMessage:
    """An INFO LOG message."""
    return AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.INFO, message=text))


class ToySource(Source):
    """Does what its mode says."""

    def __init__(self, mode: str = "") -> None:
        self.mode = mode
        self.message_repository = InMemoryMessageRepository()

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        self.message_repository.emit_message(log("queued in spec"))
        return ConnectorSpecification(connectionSpecification=SPEC)

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        logger.info("checking with %s", config.get("password"))
        logger.debug("details", extra={"k": 1, "password": config.get("password")})
        match self.mode:
            case "config error":
                raise AirbyteTracedException("internal s3cret", "user s3cret", FailureType.config_error)
            case "system error":
                raise AirbyteTracedException("internal", "user")
            case "crash":
                raise ValueError("boom s3cret")
            case "failed":
                return AirbyteConnectionStatus(status=Status.FAILED, message="bad s3cret")
            case "exit":
                sys.exit(7)
            case "sleep":
                sys.stdout.flush()
                time.sleep(60)
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        sys.stdout.write("printed s3cret\n")
        sys.stderr.write("on stderr\n")
        sys.stdout.write('{"printed": "s3cret"}\n')
        sys.stdout.write("no line end")
        if self.mode == "crash":
            raise ValueError("boom")
        stream = AirbyteStream(name="s", json_schema={}, supported_sync_modes=[SyncMode.full_refresh])
        return AirbyteCatalog(streams=[stream])

    def read(
        self, logger: logging.Logger, config: Mapping[str, Any], catalog: Any, state_: Any = None
    ) -> Iterator[AirbyteMessage]:
        self.message_repository.emit_message(record({"queued": 1}))
        yield record({"n": 1})
        yield record({"n": 2}, namespace="other")
        logger.warning("between")
        yield state({"n": 1})
        match self.mode:
            case "crash":
                raise ValueError("boom s3cret")
            case "global":
                whole = AirbyteGlobalState(stream_states=[])
                yield AirbyteMessage(type=Type.STATE, state=AirbyteStateMessage(global_=whole))
            case "lingering":
                threading.Thread(target=time.sleep, args=(60,), name="of a connector").start()
                raise ValueError("boom")
            case "slow":
                while True:
                    time.sleep(0.05)
                    yield record({"n": 3})
            case "endless":
                try:
                    while True:
                        yield record({"text": "x" * 1000})
                finally:
                    Path(str(config["marker"])).write_text("cleaned up")
            case "wait":
                time.sleep(1)
            case mode if mode in ODD_DATA:
                yield record(ODD_DATA[mode])
                yield record(ODD_DATA[mode])
        yield record({"n": 4})
        yield state({"n": 4})
        yield state({"n": 2}, namespace="other")
        self.message_repository.emit_message(record({"queued": 2}))


class BatchSource(ToySource):
    """Reads in batches, as `AbstractSource` does."""

    def read(
        self, logger: logging.Logger, config: Mapping[str, Any], catalog: Any, state_: Any = None
    ) -> Iterator[AirbyteMessage]:
        yield record({"not": "asked for"})

    read.expands_batches = True  # type: ignore[attr-defined]

    def read_items(
        self, logger: logging.Logger, config: Any, catalog: Any, state_: Any, encode: Any, size: Any = None
    ) -> Iterator[AirbyteMessage | Lines]:
        line = b'{"type":"RECORD","record":{"stream":"s","data":{"t":"a\xe2\x80\xa8b"},"emitted_at":1}}\n'
        done = 0
        try:
            while self.mode != "few" or done < 3:
                # Cut inside a line: the buffers of one batch belong together.
                text = line * 1000
                yield Lines("s", None, 1000, [text[:70000], memoryview(bytearray(text[70000:]))])
                done += 1
                yield state({"batches": done})
                if self.mode == "slow batches":
                    logger.info("waiting")
                    for _ in range(600):
                        time.sleep(0.1)
                        check_interrupted()
                check_interrupted()
        except Interrupted:
            yield state({"batches": done, "last": True})
            raise


if __name__ == "__main__":
    mode = sys.argv[1]
    source = BatchSource(mode) if mode in ("few", "batches", "slow batches") else ToySource(mode)
    launch(source, sys.argv[2:])
