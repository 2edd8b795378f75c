"""Options for Excel workbooks."""

from __future__ import annotations

from pydantic.v1 import BaseModel, Field

from airbyte_cdk.sources.file_based.config.json_schema import OptionConfig


class ExcelFormat(BaseModel):
    """How Excel workbooks are read; there is nothing to choose."""

    class Config(OptionConfig):
        title = "Excel"
        discriminator = "filetype"

    filetype: str = Field("excel", const=True, title="File Type")
