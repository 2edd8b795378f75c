"""Any filesystem that fsspec knows, named by a URL."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic.v1 import BaseModel, Field, validator

from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig


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


def connect(options: UrlOptions) -> tuple[Any, str]:
    """The filesystem and the path that the URL names.

    Raises:
        AirbyteTracedException: a config_error if fsspec knows no such protocol, its library is not installed, or the
            options do not fit it.
    """
    import fsspec

    from airbyte_cdk.models import FailureType
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    try:
        filesystem, root = fsspec.core.url_to_fs(options.url, **options.options)
    except (ValueError, ImportError, TypeError) as error:
        message = f"The URL of the storage cannot be opened: {error}"
        raise AirbyteTracedException(
            internal_message=message, message=message, failure_type=FailureType.config_error, exception=error
        ) from error
    return filesystem, root
