"""Options for documents: Markdown, text, PDF, Word and PowerPoint files."""

from __future__ import annotations

from typing import Literal

from pydantic.v1 import BaseModel, Field

from airbyte_cdk.sources.file_based.config.json_schema import OptionConfig
from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig


class LocalProcessingConfigModel(BaseModel):
    """Documents are turned into text by the connector itself."""

    class Config(OneOfOptionConfig):
        title = "On This Machine"
        description = "The connector turns documents into text itself; they are sent nowhere else. No OCR."
        discriminator = "mode"

    mode: Literal["local"] = Field("local", const=True, title="Mode")


class APIParameterConfigModel(BaseModel):
    """One parameter of a call to the document API."""

    class Config(OptionConfig):
        title = "Parameter"

    name: str = Field(
        title="Name",
        description="Name of the parameter, as the API's reference has it.",
        examples=["combine_under_n_chars", "languages"],
    )
    value: str = Field(title="Value", description="Its value, as text.", examples=["true", "hi_res"])


class APIProcessingConfigModel(BaseModel):
    """Documents are turned into text by a service that speaks the API of unstructured.io."""

    class Config(OneOfOptionConfig):
        title = "Through an API"
        description = "Documents are sent to a service that turns them into text; it can read scanned pages (OCR)."
        discriminator = "mode"

    mode: Literal["api"] = Field("api", const=True, title="Mode")
    api_key: str = Field(
        "",
        title="API Key",
        description="The key that the service gave you. A service of your own may need none.",
        always_show=True,
        airbyte_secret=True,
    )
    api_url: str = Field(
        "https://api.unstructured.io",
        title="Address of the API",
        description="Where the service is reached, beginning with https://, or http:// for one in your own network.",
        always_show=True,
        examples=["https://api.unstructured.com"],
    )
    parameters: list[APIParameterConfigModel] | None = Field(
        default=[],
        title="More Parameters",
        description="Parameters to send with every document. Repeat a name to send a list.",
        always_show=True,
    )


class UnstructuredFormat(BaseModel):
    """How documents are read: one record a document, with its text as Markdown.

    Attributes:
        skip_unprocessable_files: Whether a document that cannot be read gives a record with the reason.
        strategy: How PDF files are taken apart; not enforced by the model.
        processing: Who turns documents into text.
    """

    class Config(OneOfOptionConfig):
        title = "Documents"
        description = "Get the text of Markdown, text, PDF, Word and PowerPoint files: one record for each file."
        discriminator = "filetype"

    filetype: str = Field("unstructured", const=True, title="File Type")
    skip_unprocessable_files: bool = Field(
        True,
        title="Skip Unreadable Documents",
        description=(
            "Whether a document that cannot be read gives a record without text, with the reason in a column of its "
            "own. If not, such a document makes the sync of this stream incomplete."
        ),
        always_show=True,
    )
    strategy: str = Field(
        "auto",
        title="Strategy",
        description=(
            "How the text of a PDF file is found: fast takes the text as stored, ocr_only reads the pages as pictures, "
            "hi_res looks at the layout as well, and auto decides by itself. Without an API, only fast and auto can "
            "be chosen for PDF files."
        ),
        always_show=True,
        order=0,
        enum=["auto", "fast", "ocr_only", "hi_res"],
    )
    processing: LocalProcessingConfigModel | APIProcessingConfigModel = Field(
        default=LocalProcessingConfigModel(mode="local"),
        title="Processing",
        description="Who turns the documents into text.",
        discriminator="mode",
        type="object",
    )
