"""The options of a source: its streams, and what holds for all of them."""

from __future__ import annotations

import re
from abc import abstractmethod
from datetime import datetime
from typing import Any, Literal

from pydantic.v1 import AnyUrl, BaseModel, Field, validator

from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.sources.file_based.config.json_schema import dereferenced
from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

START_DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$"


class DeliverRecords(BaseModel):
    """Files are parsed, and their rows sent as records."""

    class Config(OneOfOptionConfig):
        title = "Records"
        description = "Read the files and send their rows as records, with columns. Right for most connections."
        discriminator = "delivery_type"

    delivery_type: Literal["use_records_transfer"] = Field("use_records_transfer", const=True, title="Delivery Type")


class DeliverRawFiles(BaseModel):
    """Files are copied as they are.

    Attributes:
        preserve_directory_structure: Whether the copies keep their directories; else only their base names.
    """

    class Config(OneOfOptionConfig):
        title = "Raw Files"
        description = "Copy the files to the destination byte by byte, without looking into them."
        discriminator = "delivery_type"

    delivery_type: Literal["use_file_transfer"] = Field("use_file_transfer", const=True, title="Delivery Type")
    preserve_directory_structure: bool = Field(
        True,
        title="Keep Directories",
        description=(
            "Whether each copy keeps the directories of its file. If not, all copies are put side by side, so no two "
            "files may have the same name."
        ),
    )


class DeliverPermissions(BaseModel):
    """The access rights of files are sent as records, instead of their content.

    Attributes:
        include_identities_stream: Whether a further stream lists the users and groups that hold the rights.
    """

    class Config(OneOfOptionConfig):
        title = "Access Rights"
        description = "Send one record for each file, with the users and groups that may read it."
        discriminator = "delivery_type"

    delivery_type: Literal["use_permissions_transfer"] = Field(
        "use_permissions_transfer", const=True, title="Delivery Type"
    )
    include_identities_stream: bool = Field(
        True,
        title="List Users and Groups",
        description="Whether to add a stream named identities, with the users and groups of the storage.",
    )


class AbstractFileBasedSpec(BaseModel):
    """The files to read: the streams, and what holds for all of them."""

    # A connector adds what its storage needs. The docstring of its class is the description of the form, this one of a
    # class that has none.

    start_date: str | None = Field(
        title="Start Date",
        description="Leave out files that were last changed before this time (UTC). Empty means all files.",
        examples=["2021-01-01", "2021-01-01T00:00:00Z", "2021-01-01T00:00:00.000Z", "2021-01-01T00:00:00.000000Z"],
        format="date-time",
        pattern=START_DATE_PATTERN,
        pattern_descriptor="YYYY-MM-DD, YYYY-MM-DDTHH:mm:ssZ, or YYYY-MM-DDTHH:mm:ss.SSSSSSZ",
        order=1,
    )
    streams: list[FileBasedStreamConfig] = Field(
        title="Streams",
        description="The streams of this source. Each is one set of files with one format, and fills one table.",
        order=10,
    )
    delivery_method: DeliverRecords | DeliverRawFiles | DeliverPermissions = Field(
        title="Delivery",
        description="What is sent to the destination: records, copies of the files, or access rights.",
        discriminator="delivery_type",
        type="object",
        order=7,
        display_type="radio",
        group="advanced",
        default="use_records_transfer",
        airbyte_hidden=True,
    )

    @validator("start_date")
    def _start_date_is_a_date(cls, text: str | None) -> str | None:
        if text is not None and not _is_date(text):
            raise ValueError("is not a date; write it as 2021-01-31 or 2021-01-31T23:59:59Z")
        return text

    @classmethod
    @abstractmethod
    def documentation_url(cls) -> AnyUrl:
        """Where users of the connector find its documentation."""

    @classmethod
    def schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """JSON schema of the config as the spec shows it: fresh, free to edit, without references."""
        return dereferenced(super().schema(*args, **kwargs))


def _is_date(text: str) -> bool:
    if re.match(START_DATE_PATTERN, text):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return False
        return True
    from dateutil.parser import parse  # only dates that the form itself would refuse are looked at this closely

    try:
        parse(text)
    except (ValueError, OverflowError):
        return False
    return True
