"""Options for Excel workbooks."""

from __future__ import annotations

from pydantic.v1 import BaseModel, Field

from airbyte_cdk.sources.file_based.config.json_schema import OptionConfig


class ExcelFormat(BaseModel):
    """How Excel workbooks are read.

    Attributes:
        sheet_name: Name of the worksheet to read, exactly as in the workbook (``"Q1 2024"``), or its number in the
            order of the workbook, from 1 (``"2"``); None or blank is the first one. Hidden sheets count, sheets that
            hold a chart only do not. A sheet that has the number as its name comes first. A workbook that does not
            have the sheet is a file that cannot be read; the message lists its sheets.
    """

    class Config(OptionConfig):
        title = "Excel"
        discriminator = "filetype"

    filetype: str = Field("excel", const=True, title="File Type")
    sheet_name: str | None = Field(
        None,
        title="Sheet",
        description=(
            "The name of the sheet to read, or its number: 1 is the first sheet of the workbook. Hidden sheets are "
            "counted. If this is empty, the first sheet is read."
        ),
    )
