"""Sources: where records come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airbyte_cdk._lazy import attributes

if TYPE_CHECKING:
    from airbyte_cdk.sources.abstract_source import AbstractSource
    from airbyte_cdk.sources.source import Source

__all__ = ["AbstractSource", "Source"]

__getattr__, __dir__ = attributes(
    __name__,
    {
        "AbstractSource": "airbyte_cdk.sources.abstract_source",
        "Source": "airbyte_cdk.sources.source",
    },
)
