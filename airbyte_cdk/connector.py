"""What sources and destinations have in common: a config, a spec and a check."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from typing import Any, Generic, TypeVar

from airbyte_cdk.models import AirbyteConnectionStatus, ConnectorSpecification, ConnectorSpecificationSerializer
from airbyte_cdk.utils.package_data import package_data

__all__ = ["BaseConnector", "Connector", "DefaultConnectorMixin", "TConfig"]

TConfig = TypeVar("TConfig", bound=Mapping[str, Any])


class BaseConnector(ABC, Generic[TConfig]):
    """A connector whose config may be of any mapping type.

    Attributes:
        check_config_against_spec: Whether the config is checked against the spec before `discover` and `read`.
    """

    check_config_against_spec: bool = True

    @abstractmethod
    def configure(self, config: Mapping[str, Any], temp_dir: str) -> TConfig:
        """The config in the form that the other methods take.

        Args:
            config: As read from the file.
            temp_dir: A directory that is deleted when the command ends.
        """

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        """The config in a JSON file; raises ValueError, naming the file, if it holds no JSON object."""
        config = BaseConnector._read_json_file(config_path)
        if isinstance(config, MutableMapping):
            return config
        raise ValueError(f"{config_path} does not hold a config: it must be a JSON object")

    @staticmethod
    def _read_json_file(file_path: str) -> Any:
        with open(file_path, encoding="utf-8-sig") as file:
            text = file.read()
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            # The error itself carries the whole text, secrets included.
            raise ValueError(f"{file_path} does not hold valid JSON: {error}") from None

    @staticmethod
    def write_config(config: Mapping[str, Any], config_path: str) -> None:
        """Overwrite a config file."""
        with open(config_path, "w", encoding="utf-8") as file:
            file.write(json.dumps(config))

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        """The spec in ``spec.yaml`` or ``spec.json`` of the package in which the connector is defined.

        Raises:
            FileNotFoundError: neither file is there.
            RuntimeError: both are.
        """
        package = type(self).__module__.split(".")[0]
        as_yaml, as_json = package_data(package, "spec.yaml"), package_data(package, "spec.json")
        if as_yaml is not None and as_json is not None:
            raise RuntimeError(f"package {package} has both spec.yaml and spec.json; keep one")
        if as_yaml is not None:
            import yaml

            content = yaml.safe_load(as_yaml)
        elif as_json is not None:
            try:
                content = json.loads(as_json)
            except json.JSONDecodeError as error:
                raise ValueError(f"spec.json of package {package} does not hold valid JSON: {error}") from error
        else:
            raise FileNotFoundError(f"package {package} has neither spec.yaml nor spec.json")
        return ConnectorSpecificationSerializer.load(content)

    @abstractmethod
    def check(self, logger: logging.Logger, config: TConfig) -> AirbyteConnectionStatus:
        """Whether the connector can work with `config`."""


class DefaultConnectorMixin:
    """Takes the config as it is."""

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """`config` itself; nothing is written."""
        return config


class Connector(DefaultConnectorMixin, BaseConnector[Mapping[str, Any]], ABC):
    """A connector whose config is a plain mapping."""
