"""Authenticators for `requests`: each is passed as ``auth=``, and adds headers to a request."""

from airbyte_cdk.sources.streams.http.requests_native_auth.oauth import Oauth2Authenticator
from airbyte_cdk.sources.streams.http.requests_native_auth.protocols import (
    ResponseAwareAuthenticator,
    TokenRotatingAuthenticator,
)
from airbyte_cdk.sources.streams.http.requests_native_auth.single_use import SingleUseRefreshTokenOauth2Authenticator
from airbyte_cdk.sources.streams.http.requests_native_auth.token import (
    AbstractHeaderAuthenticator,
    BasicHttpAuthenticator,
    MultipleTokenAuthenticator,
    TokenAuthenticator,
)

__all__ = [
    "AbstractHeaderAuthenticator",
    "BasicHttpAuthenticator",
    "MultipleTokenAuthenticator",
    "Oauth2Authenticator",
    "ResponseAwareAuthenticator",
    "SingleUseRefreshTokenOauth2Authenticator",
    "TokenAuthenticator",
    "TokenRotatingAuthenticator",
]
