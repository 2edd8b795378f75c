"""Any filesystem that fsspec knows, named by a URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic.v1 import BaseModel, Field, validator

from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem


class UrlOptions(BaseModel):
    """Options of the storage `url`."""

    class Config(OneOfOptionConfig):
        title = "URL"
        description = "A folder of any filesystem that the Python library fsspec (with its plug-ins) can open."
        discriminator = "storage"

    storage: Literal["url"] = Field("url", const=True)
    url: str = Field(
        title="Folder URL",
        description="Protocol and path of the folder to read, as fsspec writes them.",
        examples=["file:///data", "memory://landing"],
    )
    options: dict[str, Any] = Field(
        default={},
        title="Filesystem Options",
        description="Passed to the filesystem as they are: endpoint, credentials and the like.",
        airbyte_secret=True,
    )

    @validator("url")
    def _url_names_a_folder(cls, url: str) -> str:
        if not re.sub("^(file|local)://", "", url.strip()):
            raise ValueError("must name a folder; write it as file:///data or memory://landing")
        return url


def connect(options: UrlOptions) -> tuple[AccessFileSystem, str]:
    """The filesystem that the URL names. It connects on first use.

    Raises:
        AirbyteTracedException: a config_error if fsspec knows no such protocol, or its library is not installed. If the
            options do not fit it, this comes from the first use on.
    """
    import fsspec

    from airbyte_cdk.sources.file_based.access.facade import AccessFileSystem
    from airbyte_cdk.sources.file_based.storages.url_access import UrlAccess, refused
    from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

    for part in options.url.split("::"):
        protocol = part.partition("://")[0] if "://" in part else None
        try:
            fsspec.get_filesystem_class(protocol)
        except (ValueError, ImportError) as error:
            raise refused(error) from error
        if password := urlsplit(part).password:
            add_to_secrets(password)
            add_to_secrets(unquote(password))
    return AccessFileSystem(UrlAccess(options.url, options.options)), ""
