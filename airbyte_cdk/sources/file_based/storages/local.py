"""Files on the disk of the machine that runs the connector."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from pydantic.v1 import BaseModel, Field, validator

from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.storages.rooted import RootedFileSystem


class LocalOptions(BaseModel):
    """Options of the storage `local`."""

    class Config(OneOfOptionConfig):
        title = "Local Disk"
        description = "Files below one folder of the machine (or container) that runs the connector."
        discriminator = "storage"

    storage: Literal["local"] = Field("local", const=True)
    root: str = Field(
        title="Folder",
        description=(
            "Path of the folder to read. One that does not begin with / is below the folder in which the connector "
            "runs. Nothing outside of it is ever read, not even through links."
        ),
        examples=["/data"],
    )

    @validator("root")
    def _root_is_given(cls, root: str) -> str:
        if not root.strip():
            raise ValueError("must not be empty; write the path of a folder, such as /data")
        return root


def connect(options: LocalOptions) -> tuple[RootedFileSystem, str]:
    """The local filesystem, closed off at the root.

    Raises:
        AirbyteTracedException: a config_error if the root is not a readable folder.
    """
    from airbyte_cdk.models import FailureType
    from airbyte_cdk.sources.file_based.storages.rooted import RootedFileSystem
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    root = os.path.realpath(options.root)
    if not os.path.isdir(root):
        message = f"The folder {root} does not exist or is not a folder. Correct `root` of the storage `local`."
        raise AirbyteTracedException(internal_message=message, message=message, failure_type=FailureType.config_error)
    return RootedFileSystem(root), root
