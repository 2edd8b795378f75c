"""OAuth 2.0 with refresh tokens that work only once: the new one is kept in the config, and the platform is told."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airbyte_cdk.config_observation import (
    ObservedDict,
    create_connector_config_control_message,
    emit_configuration_as_airbyte_control_message,
)
from airbyte_cdk.sources.message.repository import MessageRepository, NoopMessageRepository
from airbyte_cdk.sources.streams.http.requests_native_auth.oauth import Oauth2Authenticator, as_expiry
from airbyte_cdk.utils.datetime_helpers import AirbyteDateTime, ab_datetime_now, ab_datetime_try_parse

__all__ = ["SingleUseRefreshTokenOauth2Authenticator"]


class SingleUseRefreshTokenOauth2Authenticator(Oauth2Authenticator):
    """As `Oauth2Authenticator`, with access token, refresh token and expiry kept in the config.

    After each refresh the config is changed in place, all three values together, and one CONTROL message with the
    whole of it is printed at once: if the process ends a moment later, the platform has the new refresh token.

    Args:
        connector_config: The config. Its ``credentials.client_id`` and ``credentials.client_secret`` win over the
            arguments of these names.
        token_refresh_endpoint: URL of the token endpoint.
        access_token_config_path: Where in the config the access token is; missing parents are made.
        refresh_token_config_path: Where the refresh token is.
        token_expiry_date_config_path: Where the expiry is, as ISO 8601. Empty, missing or no date: expired.
        token_expiry_date_format: As for `Oauth2Authenticator`; if given, the endpoint says a point in time.
        message_repository: Where the CONTROL message goes too, if that is asked for.
        emit_control_message_to_message_repository: Ask for that.

    All other arguments are those of `Oauth2Authenticator`.
    """

    def __init__(
        self,
        connector_config: MutableMapping[str, Any],
        token_refresh_endpoint: str,
        scopes: list[str] | None = None,
        access_token_name: str = "access_token",
        expires_in_name: str = "expires_in",
        refresh_token_name: str = "refresh_token",
        refresh_request_body: Mapping[str, Any] | None = None,
        refresh_request_headers: Mapping[str, Any] | None = None,
        send_refresh_request_as_query_params: bool = False,
        grant_type_name: str = "grant_type",
        grant_type: str = "refresh_token",
        client_id_name: str = "client_id",
        client_id: str | None = None,
        client_secret_name: str = "client_secret",
        client_secret: str | None = None,
        access_token_config_path: Sequence[str] = ("credentials", "access_token"),
        refresh_token_config_path: Sequence[str] = ("credentials", "refresh_token"),
        token_expiry_date_config_path: Sequence[str] = ("credentials", "token_expiry_date"),
        token_expiry_date_format: str | None = None,
        message_repository: MessageRepository | None = None,
        token_expiry_is_time_of_expiration: bool = False,
        refresh_token_error_status_codes: Sequence[int] = (),
        refresh_token_error_key: str = "",
        refresh_token_error_values: Sequence[str] = (),
        emit_control_message_to_message_repository: bool = False,
    ) -> None:
        self._connector_config = connector_config
        self._access_token_config_path = access_token_config_path
        self._refresh_token_config_path = refresh_token_config_path
        self._token_expiry_date_config_path = token_expiry_date_config_path
        self._message_repository = message_repository or NoopMessageRepository()
        self._emits_to_repository = emit_control_message_to_message_repository
        super().__init__(
            token_refresh_endpoint,
            self._get(("credentials", "client_id"), client_id or ""),
            self._get(("credentials", "client_secret"), client_secret or ""),
            refresh_token=None,
            client_id_name=client_id_name,
            client_secret_name=client_secret_name,
            refresh_token_name=refresh_token_name,
            scopes=scopes,
            token_expiry_date_format=token_expiry_date_format,
            access_token_name=access_token_name,
            expires_in_name=expires_in_name,
            refresh_request_body=refresh_request_body,
            refresh_request_headers=refresh_request_headers,
            send_refresh_request_as_query_params=send_refresh_request_as_query_params,
            grant_type_name=grant_type_name,
            grant_type=grant_type,
            token_expiry_is_time_of_expiration=token_expiry_is_time_of_expiration
            or token_expiry_date_format is not None,
            refresh_token_error_status_codes=refresh_token_error_status_codes,
            refresh_token_error_key=refresh_token_error_key,
            refresh_token_error_values=refresh_token_error_values,
        )

    def refresh_and_set_access_token(self) -> None:
        """Fetch tokens, keep them in the config, and tell the platform."""
        with self._refreshing:
            token, expiry, refresh_token = self.refresh_access_token()
            if refresh_token:
                self.set_refresh_token(refresh_token)
            self.access_token = token
            self.set_token_expiry_date(expiry)
            emit_configuration_as_airbyte_control_message(self._connector_config)
            if self._emits_to_repository:
                self._message_repository.emit_message(create_connector_config_control_message(self._connector_config))

    def refresh_access_token(  # type: ignore[override]  # published so: one value more than the base class gives
        self,
    ) -> tuple[str, AirbyteDateTime, str | None]:
        """Fetch tokens: the access token, its expiry, and the new refresh token if there is one."""
        return self._fetch()

    @property
    def access_token(self) -> str:
        """The token in the config, expired or not; empty if there is none."""
        return str(self._get(self._access_token_config_path) or "")

    @access_token.setter
    def access_token(self, value: str) -> None:
        self._put(self._access_token_config_path, value)

    def get_refresh_token(self) -> str:
        """The refresh token in the config; empty if there is none."""
        return str(self._get(self._refresh_token_config_path) or "")

    def set_refresh_token(self, new_refresh_token: str) -> None:
        """Keep the refresh token in the config."""
        self._put(self._refresh_token_config_path, new_refresh_token)

    def get_token_expiry_date(self) -> AirbyteDateTime:
        """When the token in the config expires."""
        kept = self._get(self._token_expiry_date_config_path)
        return ab_datetime_try_parse(kept) or AirbyteDateTime.from_datetime(ab_datetime_now() - timedelta(days=1))

    def set_token_expiry_date(self, new_token_expiry_date: datetime | str | int | float) -> None:  # published names
        """Keep in the config when the token expires."""
        self._put(self._token_expiry_date_config_path, str(as_expiry(new_token_expiry_date)))

    def _get(self, path: Sequence[str], default: Any = "") -> Any:
        node: Any = self._connector_config
        for key in path:
            if not isinstance(node, Mapping) or key not in node:
                return default
            node = node[key]
        return node

    def _put(self, path: Sequence[str], value: Any) -> None:
        node = self._connector_config
        for key in path[:-1]:
            if not isinstance(node.get(key), MutableMapping):
                _set(node, key, {})
            node = node[key]
        _set(node, path[-1], value)


def _set(node: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Assign an item; an observed config does not tell it, for several changes are told as one."""
    if isinstance(node, ObservedDict):
        node.set_untold(key, value)
    else:
        node[key] = value
