"""OAuth 2.0: an access token that is fetched when it is needed, with a refresh token or client credentials."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple

import requests
from requests.auth import AuthBase

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.requests_native_auth.token_request import provider_error, request_token
from airbyte_cdk.sources.streams.http.requests_native_auth.token_response import expires_at, find, in_seconds
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.datetime_helpers import AirbyteDateTime, ab_datetime_now
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = ["Fetched", "Oauth2Authenticator"]


class Fetched(NamedTuple):
    """What a token endpoint gave.

    Attributes:
        access_token: The token.
        expiry: When it expires.
        refresh_token: The new refresh token, or None if the old one stays good.
    """

    access_token: str
    expiry: AirbyteDateTime
    refresh_token: str | None


class Oauth2Authenticator(AuthBase):
    """Adds ``Authorization: Bearer <access token>``; fetches the token when it is first needed and when it expired.

    Threads may share it: those that need a token at the same time wait for one request. Each value has a getter that
    a subclass may override, and `build_refresh_request_body` is the whole form that is sent
    (https://www.rfc-editor.org/rfc/rfc6749#section-6). `requests` takes it as `auth`::

        session = requests.Session()
        session.auth = Oauth2Authenticator("https://example.com/token", client_id, client_secret, refresh_token)

    Args:
        token_refresh_endpoint: URL of the token endpoint. None if the access token is set by other means.
        client_id: Client id.
        client_secret: Client secret.
        refresh_token: Refresh token; None to send none (other grant types).
        client_id_name: Name under which the client id is sent; likewise client_secret_name, refresh_token_name (which
            is the name in the answer, too) and grant_type_name.
        scopes: Sent as ``scopes``, repeated.
        token_expiry_date: When the token expires that is known already; in the past unless given.
        token_expiry_date_format: `strptime` format of the expiry, if that is a point in time.
        access_token_name: Name of the access token in the answer; likewise expires_in_name.
        refresh_request_body: More values to send; none of those above is replaced.
        refresh_request_headers: Headers to send. With ``Authorization`` among them, id and secret are not sent.
        send_refresh_request_as_query_params: Send the values in the URL instead of a form.
        grant_type: Grant type.
        token_expiry_is_time_of_expiration: The endpoint says when the token expires, not in how many seconds.
        refresh_token_error_status_codes: Together with the two below: an answer with one of these statuses, which has
            one of these values under this key, means that the refresh token is of no use any more.
        refresh_token_error_key: Key in the answer.
        refresh_token_error_values: Values of that key.
    """

    _refreshing: ClassVar[threading.RLock] = threading.RLock()
    """One for all: several authenticators may share a refresh token that works only once."""

    def __init__(
        self,
        token_refresh_endpoint: str | None,
        client_id: str,
        client_secret: str,
        refresh_token: str | None,
        client_id_name: str = "client_id",
        client_secret_name: str = "client_secret",
        refresh_token_name: str = "refresh_token",
        scopes: list[str] | None = None,
        token_expiry_date: datetime | None = None,
        token_expiry_date_format: str | None = None,
        access_token_name: str = "access_token",
        expires_in_name: str = "expires_in",
        refresh_request_body: Mapping[str, Any] | None = None,
        refresh_request_headers: Mapping[str, Any] | None = None,
        send_refresh_request_as_query_params: bool = False,
        grant_type_name: str = "grant_type",
        grant_type: str = "refresh_token",
        token_expiry_is_time_of_expiration: bool = False,
        refresh_token_error_status_codes: Sequence[int] = (),
        refresh_token_error_key: str = "",
        refresh_token_error_values: Sequence[str] = (),
    ) -> None:
        self._token_refresh_endpoint = token_refresh_endpoint
        self._client_id = client_id
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._client_id_name = client_id_name
        self._client_secret_name = client_secret_name
        self._refresh_token_name = refresh_token_name
        self._scopes = scopes
        self._token_expiry_date = AirbyteDateTime.from_datetime(
            token_expiry_date or ab_datetime_now() - timedelta(days=1)
        )
        self._token_expiry_date_format = token_expiry_date_format
        self._access_token: str | None = None
        self._access_token_name = access_token_name
        self._expires_in_name = expires_in_name
        self._refresh_request_body = refresh_request_body
        self._refresh_request_headers = refresh_request_headers
        self._send_refresh_request_as_query_params = send_refresh_request_as_query_params
        self._grant_type_name = grant_type_name
        self._grant_type = grant_type
        self._token_expiry_is_time_of_expiration = token_expiry_is_time_of_expiration
        self._refresh_token_error_status_codes = refresh_token_error_status_codes
        self._refresh_token_error_key = refresh_token_error_key
        self._refresh_token_error_values = refresh_token_error_values

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header to the request."""
        r.headers.update(self.get_auth_header())
        return r

    def get_auth_header(self) -> dict[str, str]:
        """The header, with a token that has not expired."""
        # Without an endpoint there is nothing to refresh a token with.
        known = self.access_token if self.get_token_refresh_endpoint() is None else None
        return {"Authorization": f"Bearer {known or self.get_access_token()}"}

    def get_access_token(self) -> str:
        """The access token, fetched if there is none that has not expired.

        Raises:
            AirbyteTracedException: there is no token to be had, with the reason. If the endpoint refused (status 4xx)
                or did not work (429, 5xx), the exception is a `requests.HTTPError` too, with the response.
        """
        if self.token_has_expired():
            with self._refreshing:
                if self.token_has_expired():
                    self.refresh_and_set_access_token()
        token: str = self.access_token or ""
        return token

    def token_has_expired(self) -> bool:
        """Whether there is no token yet, or it is past its expiry."""
        return ab_datetime_now() > AirbyteDateTime.from_datetime(self.get_token_expiry_date())

    def refresh_and_set_access_token(self) -> None:
        """Fetch a token, and keep it with its expiry.

        Raises:
            AirbyteTracedException: as `get_access_token`.
        """
        with self._refreshing:
            token, expiry = self.refresh_access_token()
            self.access_token = token
            self.set_token_expiry_date(expiry)

    def refresh_access_token(self) -> tuple[str, AirbyteDateTime]:
        """Fetch a token: the token and its expiry. A subclass may return the seconds until then instead.

        Raises:
            AirbyteTracedException: as `get_access_token`.
        """
        fetched = self._fetch()
        return fetched.access_token, fetched.expiry

    def _fetch(self) -> Fetched:
        endpoint = self.get_token_refresh_endpoint()
        if endpoint is None:
            raise _config_error("There is no access token, and no token endpoint to fetch one from.")
        body, params = self.build_refresh_request_body(), self.build_refresh_request_query_params()
        values = {**(params or {}), **body}
        add_to_secrets(values.get(self.get_client_secret_name()))
        add_to_secrets(values.get(self.get_refresh_token_name()), transient=True)
        answer = request_token(
            endpoint,
            body=body,
            params=params,
            headers=self.build_refresh_request_headers(),
            rejected=self._is_rejection,
        )
        name = self.get_access_token_name()
        token = find(answer, name, required=True)
        if not token or not isinstance(token, str):
            raise _config_error(f"The answer of the token endpoint has no {name}.{provider_error(answer)}")
        add_to_secrets(token, transient=True)
        refresh_token = find(answer, self.get_refresh_token_name())
        if refresh_token:
            add_to_secrets(refresh_token, transient=True)
        expiry = expires_at(
            find(answer, self.get_expires_in_name()),
            self.get_token_expiry_date(),
            is_time=self.token_expiry_is_time_of_expiration,
            format=self.token_expiry_date_format,
        )
        return Fetched(token, expiry, str(refresh_token) if refresh_token else None)

    def _is_rejection(self, status: int, answer: Any) -> bool:
        return (
            status in self._refresh_token_error_status_codes
            and isinstance(answer, Mapping)
            and answer.get(self._refresh_token_error_key) in self._refresh_token_error_values
        )

    def build_refresh_request_body(self) -> Mapping[str, Any]:
        """The form that is sent to the token endpoint; values that are None are left out when it is sent."""
        return {} if self.should_send_refresh_request_as_query_params() else self._values()

    def should_send_refresh_request_as_query_params(self) -> bool:
        """Whether the values go into the URL of the token endpoint instead of a form."""
        return self._send_refresh_request_as_query_params

    def build_refresh_request_query_params(self) -> Mapping[str, Any] | None:
        """The values that are added to the URL of the token endpoint; None for none."""
        return self._values() if self.should_send_refresh_request_as_query_params() else None

    def _values(self) -> Mapping[str, Any]:
        values: dict[str, Any] = {self.get_grant_type_name(): self.get_grant_type()}
        if "Authorization" not in (self.get_refresh_request_headers() or {}):
            values[self.get_client_id_name()] = self.get_client_id()
            values[self.get_client_secret_name()] = self.get_client_secret()
        values[self.get_refresh_token_name()] = self.get_refresh_token()
        if scopes := self.get_scopes():
            values["scopes"] = scopes
        return values | {
            name: value for name, value in (self.get_refresh_request_body() or {}).items() if name not in values
        }

    def build_refresh_request_headers(self) -> Mapping[str, Any] | None:
        """The headers of the request to the token endpoint; None for none."""
        return self.get_refresh_request_headers() or None

    @property
    def access_token(self) -> str | None:
        """The token as it is known, expired or not."""
        return self._access_token

    @access_token.setter
    def access_token(self, value: str) -> None:
        self._access_token = value

    @property
    def token_expiry_is_time_of_expiration(self) -> bool:
        """Whether the endpoint says when the token expires, and not in how many seconds."""
        return self._token_expiry_is_time_of_expiration

    @property
    def token_expiry_date_format(self) -> str | None:
        """`strptime` format of the expiry, or None."""
        return self._token_expiry_date_format

    def get_token_expiry_date(self) -> AirbyteDateTime:
        """When the token expires."""
        return self._token_expiry_date

    def set_token_expiry_date(self, value: datetime | str | int | float) -> None:
        """Keep when the token expires: a point in time, or seconds from now."""
        self._token_expiry_date = as_expiry(value)

    def get_token_refresh_endpoint(self) -> str | None:
        """URL of the token endpoint, or None."""
        return self._token_refresh_endpoint

    def get_client_id_name(self) -> str:
        """Name under which the client id is sent."""
        return self._client_id_name

    def get_client_id(self) -> str:
        """The client id that is sent."""
        return self._client_id

    def get_client_secret_name(self) -> str:
        """Name under which the client secret is sent."""
        return self._client_secret_name

    def get_client_secret(self) -> str:
        """The client secret that is sent."""
        return self._client_secret

    def get_refresh_token_name(self) -> str:
        """Name under which the refresh token is sent, and comes."""
        return self._refresh_token_name

    def get_refresh_token(self) -> str | None:
        """The refresh token that is sent, or None."""
        return self._refresh_token

    def get_access_token_name(self) -> str:
        """Name of the access token in the answer."""
        return self._access_token_name

    def get_expires_in_name(self) -> str:
        """Name of the expiry in the answer."""
        return self._expires_in_name

    def get_scopes(self) -> list[str]:
        """Scopes to ask for; empty for none."""
        return self._scopes or []

    def get_refresh_request_body(self) -> Mapping[str, Any]:
        """More values for the form of the token endpoint; none of the usual ones is replaced."""
        return self._refresh_request_body or {}

    def get_refresh_request_headers(self) -> Mapping[str, Any]:
        """Headers of the request to the token endpoint; empty for none."""
        return self._refresh_request_headers or {}

    def get_grant_type_name(self) -> str:
        """Name under which the grant type is sent."""
        return self._grant_type_name

    def get_grant_type(self) -> str:
        """The grant type that is sent, such as ``refresh_token``."""
        return self._grant_type


def as_expiry(value: datetime | str | int | float) -> AirbyteDateTime:
    """A point in time from one, or from seconds from now."""
    return AirbyteDateTime.from_datetime(value) if isinstance(value, datetime) else in_seconds(value)


def _config_error(text: str) -> AirbyteTracedException:
    return AirbyteTracedException(internal_message=text, message=text, failure_type=FailureType.config_error)
