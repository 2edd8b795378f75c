"""Files of web servers: named by URLs and patterns of URLs, or listed by the index pages of a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic.v1 import BaseModel, Field, root_validator, validator

from airbyte_cdk.sources.file_based.storages.texts import one_line, stripped, word
from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem

# https://www.rfc-editor.org/rfc/rfc9110#section-5.5 and 5.6.2: names are tokens, values have no control characters
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OWN_HEADERS = ("range", "accept-encoding", "content-length", "transfer-encoding", "connection")


class HttpNoCredentials(BaseModel):
    """Requests carry no credentials."""

    class Config(OneOfOptionConfig):
        title = "None"
        description = "No credentials beside those that URLs or headers may carry."
        discriminator = "auth_type"

    auth_type: Literal["none"] = Field("none", const=True)


class HttpBasic(BaseModel):
    """User name and password with each request."""

    class Config(OneOfOptionConfig):
        title = "User and Password"
        description = "HTTP basic authentication. Use it over https only, since the password is sent unencrypted."
        discriminator = "auth_type"

    auth_type: Literal["basic"] = Field("basic", const=True)
    username: str = Field(title="User", description="Name of the user; without a colon.", order=1)
    password: str = Field("", title="Password", description="The user's password.", airbyte_secret=True, order=2)

    _password = validator("password", pre=True, allow_reuse=True)(one_line)

    @validator("username")
    def _username_has_no_colon(cls, username: str) -> str:
        username = str(stripped(username))
        if ":" in username:
            raise ValueError("must not hold a colon, as basic authentication cannot transmit one")
        return username


class HttpBearer(BaseModel):
    """A token with each request."""

    class Config(OneOfOptionConfig):
        title = "Bearer Token"
        description = "A token that the server gave to you."
        discriminator = "auth_type"

    auth_type: Literal["bearer"] = Field("bearer", const=True)
    token: str = Field(
        title="Token", description="The token, without the word Bearer.", airbyte_secret=True, min_length=1, order=1
    )

    _token_is_one_word = validator("token", pre=True, allow_reuse=True)(word)


class HttpOptions(BaseModel):
    """Options of the storage `http`.

    Exactly one of `base_url` and `urls` is given. In a URL, ranges in braces stand for all their values, and several of
    them for all combinations:

    - ``{1..12}``: 1, 2, ... 12; ``{01..12}``: 01, 02, ... 12.
    - ``{2024-01-01..2024-01-31}``: these days, written alike; ``{2024-01-01..today}``: to the current day in UTC.
    - ``{2024-01-01..today:%Y/%m}``: in this `strftime` format; a format without the day gives each month once.
    """

    class Config(OneOfOptionConfig):
        title = "HTTP"
        description = (
            "Files of a web server: either those that the index pages of a folder list, or those whose URLs you name."
        )
        discriminator = "storage"

    storage: Literal["http"] = Field("http", const=True)
    base_url: str | None = Field(
        None,
        title="Folder URL",
        description=(
            "URL of a folder whose index page (the listing that Apache, nginx, Caddy and others make) is followed, "
            "with those of the folders below it. Leave it empty if you name the files under URLs. A file's path in "
            "globs and in the history is its path below this folder, with %-escapes decoded."
        ),
        examples=["https://example.com/data/"],
        order=1,
    )
    urls: list[str] | None = Field(
        None,
        title="URLs",
        description=(
            "URLs of single files; leave it empty if you name a folder. {1..12} stands for these numbers, {01..12} "
            "for the same with leading zeros, {2024-01-01..2024-03-31:%Y/%m/%d} for the days in this format (without "
            "one: as 2024-01-31; a format without the day gives each month or year once), {2024-01-01..today:%Y%m%d} "
            "for those until the current day in UTC. Several in one URL give all combinations. Files of a range that "
            "do not exist are left out; a missing file without a range is an error. A file's path in globs and in "
            "the history is its whole URL without the query, so that new signatures do not make it a new file; only "
            "parameters with a range, and those by which URLs of this list differ (never signatures and keys), stay "
            "in it."
        ),
        examples=[["https://example.com/planes.csv", "https://example.com/{2024-01-01..today:%Y/%m/%d}/{00..23}.json"]],
        order=2,
    )
    credentials: HttpNoCredentials | HttpBasic | HttpBearer = Field(
        HttpNoCredentials(auth_type="none"),
        title="Credentials",
        description="How the connector proves who it is. They are never sent to another host by a redirect.",
        discriminator="auth_type",
        type="object",
        order=3,
    )
    headers: dict[str, str] = Field(
        {},
        title="Headers",
        description=(
            "Further headers of each request, such as an API key. They are never sent to another host by a redirect."
        ),
        examples=[{"X-Api-Key": "..."}],
        airbyte_secret=True,
        order=4,
    )

    @validator("base_url", "urls", pre=True)
    def _empty_is_absent(cls, value: Any) -> Any:
        """Forms send empty values for what is not filled in."""
        if isinstance(value, list):
            value = [url for url in value if not isinstance(url, str) or url.strip()]
        return (value.strip() if isinstance(value, str) else value) or None

    @validator("headers")
    def _headers_can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                # it is not repeated, nor is that of a bad value: it may be what belongs into the value
                raise ValueError("the name of a header has letters, digits and hyphens only, such as X-Api-Key")
            if name.lower() in _OWN_HEADERS or name.lower().startswith("if-"):
                raise ValueError(f"the header {name} is set by the connector itself")
            if not _HEADER_VALUE.fullmatch(value.strip()):
                raise ValueError("the value of a header holds characters that cannot be sent, such as a line break")
        return {name: value.strip() for name, value in headers.items()}

    @root_validator(skip_on_failure=True)
    def _names_files_in_one_way(cls, values: dict[str, Any]) -> dict[str, Any]:
        if bool(values.get("base_url")) == bool(values.get("urls")):
            given = "both are" if values.get("base_url") else "none is"
            raise ValueError(f"the storage http needs either base_url or urls, and {given} given")
        named = [name for name in values["headers"] if name.lower() == "authorization"]
        if named and values["credentials"].auth_type != "none":
            raise ValueError("give either credentials or the header Authorization, not both")
        from airbyte_cdk.sources.file_based.storages.http_urls import UrlList, check_base_url

        if values.get("base_url"):
            check_base_url(values["base_url"])
        else:
            UrlList(values["urls"])
        return values


def connect(options: HttpOptions) -> tuple[AccessFileSystem, str]:
    """The filesystem over the files that the options name; nothing is asked of a server yet.

    Raises:
        ModuleNotFoundError: the library `requests` is not installed.
    """
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem
    from airbyte_cdk.sources.file_based.storages.http_access import HttpAccess
    from airbyte_cdk.sources.file_based.storages.http_client import HttpClient
    from airbyte_cdk.sources.file_based.storages.http_index import IndexedFolder
    from airbyte_cdk.sources.file_based.storages.http_urls import UrlList, query_secrets
    from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

    private = {**options.headers, **_authorization(options.credentials)}
    words = [value.rpartition(" ")[2] for value in private.values()]  # without Basic or Bearer
    for secret in [*private.values(), *words, *query_secrets(options.urls or ())]:
        add_to_secrets(secret)
    client = HttpClient(private, options.base_url)
    files = IndexedFolder(options.base_url, client) if options.base_url else UrlList(options.urls or ())
    return AccessFileSystem(HttpAccess(files, client)), ""


def _authorization(credentials: HttpNoCredentials | HttpBasic | HttpBearer) -> Mapping[str, str]:
    if isinstance(credentials, HttpBasic):
        from base64 import b64encode

        # UTF-8, as https://www.rfc-editor.org/rfc/rfc7617#section-2.1 prefers; requests itself would take Latin-1
        pair = b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    if isinstance(credentials, HttpBearer):
        return {"Authorization": f"Bearer {credentials.token}"}
    return {}
