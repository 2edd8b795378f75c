"""The config of the ready-made file connector."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

from pydantic.v1 import Field

from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.storages import STORAGES, options_model

# a union of however many models the registry holds
Provider: Any = reduce(operator.or_, (options_model(storage) for storage in STORAGES))


class SourceFilesSpec(AbstractFileBasedSpec):
    """Where the files are, and which streams they make."""

    class Config:
        title = "Files"

    provider: Provider = Field(
        title="Storage",
        description="Where the files are.",
        discriminator="storage",
        type="object",
        order=2,
    )

    @classmethod
    def documentation_url(cls) -> Any:
        """Where the connector is described."""
        return "https://docs.airbyte.com/connector-development/cdk-python/"
