"""Options for files of JSON objects."""

from __future__ import annotations

from pydantic.v1 import BaseModel, Field

from airbyte_cdk.sources.file_based.config.json_schema import OptionConfig


class JsonlFormat(BaseModel):
    """How files of JSON objects are read; there is nothing to choose."""

    class Config(OptionConfig):
        title = "JSON Lines"
        discriminator = "filetype"

    filetype: str = Field("jsonl", const=True, title="File Type")
