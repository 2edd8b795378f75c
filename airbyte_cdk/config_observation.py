"""Telling the platform that the connector changed its own config."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from typing import Any

from airbyte_cdk import output
from airbyte_cdk.models import (
    AirbyteControlConnectorConfigMessage,
    AirbyteControlMessage,
    AirbyteMessage,
    OrchestratorType,
    Type,
)
from airbyte_cdk.models.serializers import message_line

__all__ = [
    "ObservedDict",
    "create_connector_config_control_message",
    "emit_configuration_as_airbyte_control_message",
    "observe_connector_config",
]


def create_connector_config_control_message(config: Mapping[str, Any]) -> AirbyteMessage:
    """A CONTROL message that asks the platform to store `config`."""
    return AirbyteMessage(
        type=Type.CONTROL,
        control=AirbyteControlMessage(
            type=OrchestratorType.CONNECTOR_CONFIG,
            emitted_at=time.time() * 1000,
            connectorConfig=AirbyteControlConnectorConfigMessage(config=dict(config)),
        ),
    )


def emit_configuration_as_airbyte_control_message(config: Mapping[str, Any]) -> None:
    """Print the CONTROL message for `config` at once."""
    output.emit(message_line(create_connector_config_control_message(config)))


class ObservedDict(dict[str, Any]):
    """A config that prints itself as a CONTROL message whenever an item is assigned, in it or in a dict inside it.

    Only assignments (``config[key] = value``) are observed. Copies are plain dicts and not observed.
    """

    def __init__(self, content: Mapping[str, Any], root: ObservedDict | None = None) -> None:
        super().__init__()
        self._root = root if root is not None else self
        for key, value in content.items():
            super().__setitem__(key, self._observed(value))

    def __setitem__(self, key: str, value: Any) -> None:
        self.set_untold(key, value)
        emit_configuration_as_airbyte_control_message(self._root)

    def set_untold(self, key: str, value: Any) -> None:
        """Assign an item without a message: for several changes of which the last tells all."""
        super().__setitem__(key, self._observed(value))

    def _observed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return ObservedDict(value, self._root)
        if isinstance(value, list):
            return [self._observed(item) for item in value]
        return value

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def observe_connector_config(non_observed_connector_config: MutableMapping[str, Any]) -> ObservedDict:
    """A copy of the config that reports changes; raises ValueError if it does so already."""
    if isinstance(non_observed_connector_config, ObservedDict):
        raise ValueError("this config is observed already")
    return ObservedDict(non_observed_connector_config)
