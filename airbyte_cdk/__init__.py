"""The framework for data connectors that speak the Airbyte protocol.

The names of this package are loaded when they are first used: importing it costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airbyte_cdk._lazy import attributes
from airbyte_cdk._published import install

if TYPE_CHECKING:
    from airbyte_cdk.config_observation import (
        create_connector_config_control_message,
        emit_configuration_as_airbyte_control_message,
    )
    from airbyte_cdk.connector import BaseConnector, Connector
    from airbyte_cdk.entrypoint import ENV_REQUEST_CACHE_PATH, AirbyteEntrypoint, launch
    from airbyte_cdk.logger import AirbyteLogFormatter, init_logger
    from airbyte_cdk.models import (
        AdvancedAuth,
        AirbyteConnectionStatus,
        AirbyteLogMessage,
        AirbyteMessage,
        AirbyteRecordMessage,
        AirbyteStream,
        ConfiguredAirbyteCatalog,
        ConfiguredAirbyteStream,
        ConnectorSpecification,
        DestinationSyncMode,
        FailureType,
        Level,
        OAuthConfigSpecification,
        OrchestratorType,
        Status,
        SyncMode,
        Type,
    )
    from airbyte_cdk.sources.abstract_source import AbstractSource
    from airbyte_cdk.sources.config import BaseConfig
    from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
    from airbyte_cdk.sources.message import InMemoryMessageRepository, MessageRepository
    from airbyte_cdk.sources.source import Source, TState
    from airbyte_cdk.sources.streams import IncrementalMixin, Stream
    from airbyte_cdk.sources.streams.availability_strategy import AvailabilityStrategy
    from airbyte_cdk.sources.streams.checkpoint import Cursor, ResumableFullRefreshCursor
    from airbyte_cdk.sources.streams.core import StreamData, package_name_from_class
    from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException, DefaultBackoffException
    from airbyte_cdk.sources.streams.http.requests_native_auth import (
        AbstractHeaderAuthenticator,
        BasicHttpAuthenticator,
        MultipleTokenAuthenticator,
        Oauth2Authenticator,
        SingleUseRefreshTokenOauth2Authenticator,
        TokenAuthenticator,
    )
    from airbyte_cdk.sources.types import Config, FieldPointer, Record, StreamSlice
    from airbyte_cdk.sources.utils.schema_helpers import (
        InternalConfig,
        ResourceSchemaLoader,
        check_config_against_spec_or_exit,
        expand_refs,
        split_config,
    )
    from airbyte_cdk.sources.utils.transform import TransformConfig, TypeTransformer
    from airbyte_cdk.utils.is_cloud_environment import is_cloud_environment
    from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig
    from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

_OWNERS = {
    "config_observation": (
        "create_connector_config_control_message",
        "emit_configuration_as_airbyte_control_message",
    ),
    "connector": ("BaseConnector", "Connector"),
    "entrypoint": ("ENV_REQUEST_CACHE_PATH", "AirbyteEntrypoint", "launch"),
    "logger": ("AirbyteLogFormatter", "init_logger"),
    "models": (
        "AdvancedAuth",
        "AirbyteConnectionStatus",
        "AirbyteLogMessage",
        "AirbyteMessage",
        "AirbyteRecordMessage",
        "AirbyteStream",
        "ConfiguredAirbyteCatalog",
        "ConfiguredAirbyteStream",
        "ConnectorSpecification",
        "DestinationSyncMode",
        "FailureType",
        "Level",
        "OAuthConfigSpecification",
        "OrchestratorType",
        "Status",
        "SyncMode",
        "Type",
    ),
    "sources.abstract_source": ("AbstractSource",),
    "sources.config": ("BaseConfig",),
    "sources.connector_state_manager": ("ConnectorStateManager",),
    "sources.message": ("InMemoryMessageRepository", "MessageRepository"),
    "sources.source": ("Source", "TState"),
    "sources.streams": ("IncrementalMixin", "Stream"),
    "sources.streams.availability_strategy": ("AvailabilityStrategy",),
    "sources.streams.checkpoint": ("Cursor", "ResumableFullRefreshCursor"),
    "sources.streams.core": ("StreamData", "package_name_from_class"),
    "sources.streams.http.exceptions": ("BaseBackoffException", "DefaultBackoffException"),
    "sources.streams.http.requests_native_auth": (
        "AbstractHeaderAuthenticator",
        "BasicHttpAuthenticator",
        "MultipleTokenAuthenticator",
        "Oauth2Authenticator",
        "SingleUseRefreshTokenOauth2Authenticator",
        "TokenAuthenticator",
    ),
    "sources.types": ("Config", "FieldPointer", "Record", "StreamSlice"),
    "sources.utils.schema_helpers": (
        "InternalConfig",
        "ResourceSchemaLoader",
        "check_config_against_spec_or_exit",
        "expand_refs",
        "split_config",
    ),
    "sources.utils.transform": ("TransformConfig", "TypeTransformer"),
    "utils.is_cloud_environment": ("is_cloud_environment",),
    "utils.oneof_option_config": ("OneOfOptionConfig",),
    "utils.stream_status_utils": ("as_airbyte_message",),
    "utils.traced_exception": ("AirbyteTracedException",),
}

__all__ = [
    "ENV_REQUEST_CACHE_PATH",
    "AbstractHeaderAuthenticator",
    "AbstractSource",
    "AdvancedAuth",
    "AirbyteConnectionStatus",
    "AirbyteEntrypoint",
    "AirbyteLogFormatter",
    "AirbyteLogMessage",
    "AirbyteMessage",
    "AirbyteRecordMessage",
    "AirbyteStream",
    "AirbyteTracedException",
    "AvailabilityStrategy",
    "BaseBackoffException",
    "BaseConfig",
    "BaseConnector",
    "BasicHttpAuthenticator",
    "Config",
    "ConfiguredAirbyteCatalog",
    "ConfiguredAirbyteStream",
    "Connector",
    "ConnectorSpecification",
    "ConnectorStateManager",
    "Cursor",
    "DefaultBackoffException",
    "DestinationSyncMode",
    "FailureType",
    "FieldPointer",
    "InMemoryMessageRepository",
    "IncrementalMixin",
    "InternalConfig",
    "Level",
    "MessageRepository",
    "MultipleTokenAuthenticator",
    "OAuthConfigSpecification",
    "Oauth2Authenticator",
    "OneOfOptionConfig",
    "OrchestratorType",
    "Record",
    "ResourceSchemaLoader",
    "ResumableFullRefreshCursor",
    "SingleUseRefreshTokenOauth2Authenticator",
    "Source",
    "Status",
    "Stream",
    "StreamData",
    "StreamSlice",
    "SyncMode",
    "TState",
    "TokenAuthenticator",
    "TransformConfig",
    "Type",
    "TypeTransformer",
    "as_airbyte_message",
    "check_config_against_spec_or_exit",
    "create_connector_config_control_message",
    "emit_configuration_as_airbyte_control_message",
    "expand_refs",
    "init_logger",
    "is_cloud_environment",
    "launch",
    "package_name_from_class",
    "split_config",
]

install()

__getattr__, __dir__ = attributes(
    __name__, {name: f"{__name__}.{module}" for module, names in _OWNERS.items() for name in names}
)
