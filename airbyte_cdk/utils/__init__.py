"""Small things that connectors use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airbyte_cdk._lazy import attributes

# Not on first use: a module of the same name would take the function's place.
from airbyte_cdk.utils.is_cloud_environment import is_cloud_environment

if TYPE_CHECKING:
    from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = ["AirbyteTracedException", "OneOfOptionConfig", "is_cloud_environment"]

__getattr__, __dir__ = attributes(
    __name__,
    {
        "AirbyteTracedException": "airbyte_cdk.utils.traced_exception",
        "OneOfOptionConfig": "airbyte_cdk.utils.oneof_option_config",
    },
)
