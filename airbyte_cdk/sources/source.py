"""What a source is to the entrypoint."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from airbyte_cdk.connector import BaseConnector, DefaultConnectorMixin, TConfig
from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = ["BaseSource", "ExperimentalClassWarning", "InvalidStateError", "Source", "TCatalog", "TState"]

TState = TypeVar("TState")
TCatalog = TypeVar("TCatalog")


class ExperimentalClassWarning(DeprecationWarning):
    """Category of warnings about classes whose interface may still change."""


class InvalidStateError(AirbyteTracedException, ValueError):
    """The given state cannot be used; a config error, for only whoever gave it can fix it."""

    def __init__(self, path: str, reason: str) -> None:
        text = f"The state in {path} cannot be used: {reason}. Give a JSON list of STATE messages, or reset the state."
        super().__init__(text, text, FailureType.config_error)


class BaseSource(BaseConnector[TConfig], ABC, Generic[TConfig, TState, TCatalog]):
    """A source with its own types of config, state and catalog."""

    @abstractmethod
    def read_state(self, state_path: str) -> TState:
        """The state in a file."""

    @abstractmethod
    def read_catalog(self, catalog_path: str) -> TCatalog:
        """The configured catalog in a file."""

    @abstractmethod
    def read(
        self, logger: logging.Logger, config: TConfig, catalog: TCatalog, state: TState | None = None
    ) -> Iterable[AirbyteMessage]:
        """The records of the configured streams, with the states and statuses that go with them, in order."""

    @abstractmethod
    def discover(self, logger: logging.Logger, config: TConfig) -> AirbyteCatalog:
        """The streams that the source offers."""


class Source(
    DefaultConnectorMixin,
    BaseSource[Mapping[str, Any], list[AirbyteStateMessage], ConfiguredAirbyteCatalog],
    ABC,
):
    """A source that takes and gives what the protocol says."""

    @property
    def name(self) -> str:
        """Name of the source, in log lines: that of its class."""
        return type(self).__name__

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """The STATE messages in a JSON file; no path, or a file with nothing in it, gives none.

        Raises:
            InvalidStateError: it is not a list of STATE messages, each with a `stream`, `global` or `data`.
        """
        if not state_path:
            return []
        content = BaseConnector._read_json_file(state_path)
        if not content:
            return []
        if not isinstance(content, list):
            raise InvalidStateError(state_path, f"it holds {_kind(content)}, not a list")
        from serpyco_rs import ValidationError

        states = []
        for number, item in enumerate(content, start=1):
            try:
                state = AirbyteStateMessageSerializer.load(item)
            except ValidationError as error:
                raise InvalidStateError(state_path, f"item {number} is not a STATE message ({error})") from None
            if state.stream is None and state.global_ is None and state.data is None:
                raise InvalidStateError(state_path, f"item {number} has neither stream nor global nor data")
            states.append(state)
        return states

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """The configured catalog in a JSON file; raises a config error that says what is wrong with it."""
        from serpyco_rs import ValidationError

        try:
            return ConfiguredAirbyteCatalogSerializer.load(BaseConnector._read_json_file(catalog_path))
        except ValidationError as error:
            text = f"{catalog_path} does not hold a configured catalog: {error}"
            raise AirbyteTracedException(text, text, FailureType.config_error) from None


def _kind(content: object) -> str:
    return "an object" if isinstance(content, dict) else f"a {type(content).__name__}"
