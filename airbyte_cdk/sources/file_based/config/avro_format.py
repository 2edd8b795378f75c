"""Options for Avro files."""

from __future__ import annotations

from pydantic.v1 import BaseModel, Field

from airbyte_cdk.sources.file_based.config.json_schema import OptionConfig


class AvroFormat(BaseModel):
    """How Avro files are read.

    Attributes:
        double_as_string: Whether values of Avro type ``double`` are given as text.
    """

    class Config(OptionConfig):
        title = "Avro"
        discriminator = "filetype"

    filetype: str = Field("avro", const=True, title="File Type")
    double_as_string: bool = Field(
        False,
        title="Doubles as Text",
        description=(
            "Give values of type double as text, with all their digits. Turn this on if your destination would round a "
            "64-bit floating point number and you need all of its digits."
        ),
    )
