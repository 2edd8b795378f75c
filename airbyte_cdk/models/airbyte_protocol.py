"""The nouns of the Airbyte protocol.

All classes and enums are those of the package `airbyte_protocol_dataclasses` (the same objects), save nine that are
declared here, because a state is a free-form object or because OAuth fields were added. The protocol itself:
https://docs.airbyte.com/understanding-airbyte/airbyte-protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_protocol_dataclasses.models import (
    AirbyteAnalyticsTraceMessage,
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteControlConnectorConfigMessage,
    AirbyteControlMessage,
    AirbyteErrorTraceMessage,
    AirbyteEstimateTraceMessage,
    AirbyteLogMessage,
    AirbyteProtocol,
    AirbyteRecordMessage,
    AirbyteRecordMessageFileReference,
    AirbyteRecordMessageMeta,
    AirbyteRecordMessageMetaChange,
    AirbyteStateStats,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamStatus,
    AirbyteStreamStatusRateLimitedReason,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusReasonType,
    AirbyteStreamStatusTraceMessage,
    AirbyteTraceMessage,
    AuthFlowType,
    AuthSpecification,
    AuthType,
    BinaryData,
    Boolean,
    Change,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    Date,
    DestinationCatalog,
    DestinationOperation,
    DestinationSyncMode,
    EstimateType,
    FailureType,
    Integer,
    Level,
    Model,
    Number,
    OAuth2Specification,
    OrchestratorType,
    Reason,
    State,
    Status,
    StreamDescriptor,
    String,
    SyncMode,
    TimestampWithoutTimezone,
    TimestampWithTimezone,
    TimeWithoutTimezone,
    TimeWithTimezone,
    TraceType,
    Type,
)

__all__ = [
    "AdvancedAuth",
    "AirbyteAnalyticsTraceMessage",
    "AirbyteCatalog",
    "AirbyteConnectionStatus",
    "AirbyteControlConnectorConfigMessage",
    "AirbyteControlMessage",
    "AirbyteErrorTraceMessage",
    "AirbyteEstimateTraceMessage",
    "AirbyteGlobalState",
    "AirbyteLogMessage",
    "AirbyteMessage",
    "AirbyteProtocol",
    "AirbyteRecordMessage",
    "AirbyteRecordMessageFileReference",
    "AirbyteRecordMessageMeta",
    "AirbyteRecordMessageMetaChange",
    "AirbyteStateBlob",
    "AirbyteStateMessage",
    "AirbyteStateStats",
    "AirbyteStateType",
    "AirbyteStream",
    "AirbyteStreamState",
    "AirbyteStreamStatus",
    "AirbyteStreamStatusRateLimitedReason",
    "AirbyteStreamStatusReason",
    "AirbyteStreamStatusReasonType",
    "AirbyteStreamStatusTraceMessage",
    "AirbyteTraceMessage",
    "AuthFlowType",
    "AuthSpecification",
    "AuthType",
    "BinaryData",
    "Boolean",
    "Change",
    "ConfiguredAirbyteCatalog",
    "ConfiguredAirbyteStream",
    "ConnectorSpecification",
    "Date",
    "DestinationCatalog",
    "DestinationOperation",
    "DestinationSyncMode",
    "EstimateType",
    "FailureType",
    "Integer",
    "Level",
    "Model",
    "Number",
    "OAuth2Specification",
    "OAuthConfigSpecification",
    "OauthConnectorInputSpecification",
    "OrchestratorType",
    "Reason",
    "State",
    "Status",
    "StreamDescriptor",
    "String",
    "SyncMode",
    "TimeWithTimezone",
    "TimeWithoutTimezone",
    "TimestampWithTimezone",
    "TimestampWithoutTimezone",
    "TraceType",
    "Type",
]


@dataclass(init=False, eq=False)
class AirbyteStateBlob:
    """The state of one stream: any JSON object, its keys kept as attributes.

    Equal to another blob of the same attributes. The text form names no key and no value, so that a state does not
    end up in a log by accident.

    Args:
        args: Mappings, or iterables of key-value pairs; later ones win.
        kwargs: More keys, which win over `args`.
    """

    def __init__(self, *args: Mapping[str, Any] | Iterable[tuple[str, Any]], **kwargs: Any) -> None:
        for arg in args:
            self.__dict__.update(arg)
        self.__dict__.update(kwargs)

    __hash__ = None  # type: ignore[assignment]  # a mutable value; the typing of `object` has no way to say so

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AirbyteStateBlob) and self.__dict__ == other.__dict__


@dataclass
class AirbyteStreamState:
    """The state of one stream, with its name."""

    stream_descriptor: StreamDescriptor
    stream_state: AirbyteStateBlob | None = None


@dataclass
class AirbyteGlobalState:
    """One state for all streams of a source."""

    stream_states: list[AirbyteStreamState]
    shared_state: AirbyteStateBlob | None = None


@dataclass
class AirbyteStateMessage:
    """Payload of a STATE message. On the wire, `global_` is called ``global``."""

    type: AirbyteStateType | None = None
    stream: AirbyteStreamState | None = None
    global_: AirbyteGlobalState | None = None
    data: dict[str, Any] | None = None
    sourceStats: AirbyteStateStats | None = None
    destinationStats: AirbyteStateStats | None = None


@dataclass
class OauthConnectorInputSpecification:
    """How the platform itself drives an OAuth flow, declared by the connector."""

    consent_url: str
    access_token_url: str
    scope: str | None = None
    scopes: list[dict[str, Any]] | None = None
    optional_scopes: list[dict[str, Any]] | None = None
    scopes_join_strategy: str | None = None
    access_token_headers: dict[str, Any] | None = None
    access_token_params: dict[str, Any] | None = None
    extract_output: list[str] | None = None
    state: State | None = None
    client_id_key: str | None = None
    client_secret_key: str | None = None
    scope_key: str | None = None
    state_key: str | None = None
    auth_code_key: str | None = None
    redirect_uri_key: str | None = None
    token_expiry_key: str | None = None


@dataclass
class OAuthConfigSpecification:
    """Where OAuth values go in the config."""

    oauth_user_input_from_connector_config_specification: dict[str, Any] | None = None
    oauth_connector_input_specification: OauthConnectorInputSpecification | None = None
    complete_oauth_output_specification: dict[str, Any] | None = None
    complete_oauth_server_input_specification: dict[str, Any] | None = None
    complete_oauth_server_output_specification: dict[str, Any] | None = None


@dataclass
class AdvancedAuth:
    """The OAuth part of a spec. `auth_flow_type` may also be the plain text of an `AuthFlowType`."""

    auth_flow_type: AuthFlowType | str | None = None
    predicate_key: list[str] | None = None
    predicate_value: str | None = None
    oauth_config_specification: OAuthConfigSpecification | None = None


@dataclass
class ConnectorSpecification:
    """Payload of a SPEC message: what a config looks like."""

    connectionSpecification: dict[str, Any]
    documentationUrl: str | None = None
    changelogUrl: str | None = None
    supportsIncremental: bool | None = None
    supportsNormalization: bool | None = False
    supportsDBT: bool | None = False
    supported_destination_sync_modes: list[DestinationSyncMode] | None = None
    authSpecification: AuthSpecification | None = None
    advanced_auth: AdvancedAuth | None = None
    protocol_version: str | None = None


@dataclass
class AirbyteMessage:
    """The envelope: one message, its kind in `type` and its content in the field of that kind."""

    type: Type
    log: AirbyteLogMessage | None = None
    spec: ConnectorSpecification | None = None
    connectionStatus: AirbyteConnectionStatus | None = None
    catalog: AirbyteCatalog | None = None
    record: AirbyteRecordMessage | None = None
    state: AirbyteStateMessage | None = None
    trace: AirbyteTraceMessage | None = None
    control: AirbyteControlMessage | None = None
