"""Options for Parquet files."""

from __future__ import annotations

from pydantic.v1 import BaseModel, Field

from airbyte_cdk.sources.file_based.config.json_schema import OptionConfig


class ParquetFormat(BaseModel):
    """How Parquet files are read.

    Attributes:
        decimal_as_float: Whether decimals are given as floating point numbers instead of exact text.
    """

    class Config(OptionConfig):
        title = "Parquet"
        discriminator = "filetype"

    filetype: str = Field("parquet", const=True, title="File Type")
    decimal_as_float: bool = Field(
        False,
        title="Decimals as Numbers",
        description=(
            "Give decimal columns as floating point numbers. Digits beyond a double's precision are then lost; leave "
            "this off to get decimals as exact text."
        ),
    )
