"""Between the protocol's dataclasses and JSON objects, and on to output lines.

A serializer checks the classes on `dump`, and the required keys and enum values on `load`; unknown keys are ignored.
Fields that are None are left out, and so are None values at the top level of a free-form object that a model holds
(`record.data`, `json_schema`, ...); deeper ones are kept, and a state is kept as it is.

The library that does it (serpyco-rs) is imported, and a serializer built, on first use.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from airbyte_cdk.models.airbyte_protocol import (
    AirbyteCatalog,
    AirbyteGlobalState,
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStream,
    AirbyteStreamState,
    AuthFlowType,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    ConnectorSpecification,
    DestinationSyncMode,
)
from airbyte_cdk.models.json_text import dumps, slow_dumps, tell_slow

if TYPE_CHECKING:
    from serpyco_rs import CustomType

__all__ = [
    "AirbyteCatalogSerializer",
    "AirbyteMessageSerializer",
    "AirbyteStateMessageSerializer",
    "AirbyteStreamSerializer",
    "AirbyteStreamStateSerializer",
    "ConfiguredAirbyteCatalogSerializer",
    "ConfiguredAirbyteStreamSerializer",
    "ConnectorSpecificationSerializer",
    "MessageEncodingError",
    "Serializer",
    "message_line",
]

T = TypeVar("T")

_building = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A connector may fork processes (multiprocessing.Pool) from one thread while another builds: the lock would be held
    # in the child for ever, and `inspect` be without sources.
    os.register_at_fork(before=_building.acquire, after_in_parent=_building.release, after_in_child=_building.release)


def _overwrite_dedup() -> DestinationSyncMode:
    """The destination's mode ``overwrite_dedup``, which platforms send and the protocol package does not list.

    A source has no use for a destination's mode, and must not refuse a catalog because of it.
    """
    for mode in DestinationSyncMode:
        if mode.value == "overwrite_dedup":
            return mode
    mode = object.__new__(DestinationSyncMode)
    mode._name_ = mode._value_ = "overwrite_dedup"
    return mode


_DESTINATION_MODES: dict[object, DestinationSyncMode] = {
    mode.value: mode for mode in (*DestinationSyncMode, _overwrite_dedup())
}


@cache
def _custom_types() -> dict[Any, CustomType[Any, Any]]:
    from serpyco_rs import CustomType

    class Blob(CustomType[AirbyteStateBlob, dict[str, Any]]):
        def serialize(self, value: AirbyteStateBlob) -> dict[str, Any]:
            if not isinstance(value, AirbyteStateBlob):
                raise ValueError(f"a state must be an AirbyteStateBlob, not {type(value).__name__}")
            return value.__dict__

        def deserialize(self, value: dict[str, Any]) -> AirbyteStateBlob:
            if not isinstance(value, dict):
                raise ValueError(f"a state must be an object, not {type(value).__name__}")
            return AirbyteStateBlob(value)

        def get_json_schema(self) -> dict[str, Any]:
            return {"type": "object"}

    class DestinationMode(CustomType[DestinationSyncMode, str]):
        def serialize(self, value: DestinationSyncMode) -> str:
            if not isinstance(value, DestinationSyncMode):
                raise ValueError(f"a destination sync mode must be a DestinationSyncMode, not {type(value).__name__}")
            return str(value.value)

        def deserialize(self, value: str) -> DestinationSyncMode:
            try:
                return _DESTINATION_MODES[value]
            except (KeyError, TypeError):
                raise ValueError(f"{value!r} is not one of {sorted(map(str, _DESTINATION_MODES))}") from None

        def get_json_schema(self) -> dict[str, Any]:
            return {"enum": list(_DESTINATION_MODES)}

    class AuthFlow(CustomType["AuthFlowType | str", str]):
        def serialize(self, value: AuthFlowType | str) -> str:
            return str(AuthFlowType(value).value)

        def deserialize(self, value: str) -> AuthFlowType:
            return AuthFlowType(value)

        def get_json_schema(self) -> dict[str, Any]:
            return {"enum": [flow.value for flow in AuthFlowType]}

    return {
        AirbyteStateBlob: Blob(),
        DestinationSyncMode: DestinationMode(),
        AuthFlowType | str: AuthFlow(),
        AuthFlowType | str | None: AuthFlow(),
    }


def _custom_type(of: Any) -> CustomType[Any, Any] | None:
    try:
        return _custom_types().get(of)
    except TypeError:  # an unhashable annotation
        return None


@contextmanager
def _no_source_texts() -> Iterator[None]:
    """Let `inspect.getsource` find nothing.

    serpyco-rs parses the source of every class for the descriptions in a JSON schema that is never asked for here:
    0.4 s of start-up, 0.02 s without.
    """
    with _building:
        getsource = inspect.getsource

        def nothing(object: object) -> str:
            raise OSError("not looked for")

        inspect.getsource = nothing
        try:
            yield
        finally:
            inspect.getsource = getsource


@dataclass
class Serializer(Generic[T]):
    """Loads objects of one class from JSON-like objects and dumps them; built on first use.

    Args:
        of: The class.
    """

    of: type[T]

    def load(self, data: Any) -> T:
        """The object that `data` (a mapping) describes; `serpyco_rs.SchemaValidationError` says what is wrong."""
        self._build()
        return self.load(data)

    def dump(self, value: T) -> dict[str, Any]:
        """`value` as a mapping; raises `serpyco_rs.SchemaValidationError` for a field of the wrong class."""
        self._build()
        return self.dump(value)

    def _build(self) -> None:
        import serpyco_rs
        from serpyco_rs.metadata import Alias

        # The wire's name of the field is said here and not in the model, which would import serpyco-rs for it.
        AirbyteStateMessage.__annotations__["global_"] = Annotated[AirbyteGlobalState | None, Alias("global")]
        with _no_source_texts():
            built = serpyco_rs.Serializer(self.of, omit_none=True, custom_type_resolver=_custom_type)
        self.__dict__.update(load=built.load, dump=built.dump)


AirbyteCatalogSerializer = Serializer(AirbyteCatalog)
AirbyteMessageSerializer = Serializer(AirbyteMessage)
AirbyteStateMessageSerializer = Serializer(AirbyteStateMessage)
AirbyteStreamSerializer = Serializer(AirbyteStream)
AirbyteStreamStateSerializer = Serializer(AirbyteStreamState)
ConfiguredAirbyteCatalogSerializer = Serializer(ConfiguredAirbyteCatalog)
ConfiguredAirbyteStreamSerializer = Serializer(ConfiguredAirbyteStream)
ConnectorSpecificationSerializer = Serializer(ConnectorSpecification)


class MessageEncodingError(ValueError):
    """A message holds something that has no JSON form.

    The text names the kind of message, its stream and the class of the value, never a value.
    """


def message_line(message: AirbyteMessage) -> bytes:
    """One output line: the message as UTF-8 JSON, ended by a newline.

    NaN and infinities become null; datetimes, UUIDs, enums and dataclasses take their text. Integers beyond 64 bits,
    keys that are not text and lone surrogates go through the slower encoder of the standard library, which is said
    once in a WARN log line.

    Raises:
        MessageEncodingError: for a value without JSON form (Decimal, bytes, ...) or a field of a wrong class.
    """
    try:
        content = AirbyteMessageSerializer.dump(message)
    except Exception as error:
        from serpyco_rs import ValidationError

        if not isinstance(error, ValidationError):
            raise
        # The error of a record quotes its data.
        reason = "a field has the wrong type" if message.record else f"{error}".strip()
        raise MessageEncodingError(f"{_called(message)} is not valid: {reason}") from None
    try:
        return dumps(content) + b"\n"
    except TypeError:
        return _slow_line(message, content)


def _slow_line(message: AirbyteMessage, content: dict[str, Any]) -> bytes:
    try:
        line = slow_dumps(content) + b"\n"
    except (TypeError, ValueError) as error:
        detail = f"a value of type {error}" if isinstance(error, TypeError) else str(error)
        raise MessageEncodingError(f"{_called(message)} cannot be written as JSON: {detail}") from None
    tell_slow(_called(message))
    return line


def _called(message: AirbyteMessage) -> str:
    stream: str | None = None
    if message.record:
        stream = message.record.stream
    elif message.state and message.state.stream:
        stream = message.state.stream.stream_descriptor.name
    kind = getattr(message.type, "value", message.type)
    return f"A {kind} message of stream {stream}" if stream else f"A {kind} message"
