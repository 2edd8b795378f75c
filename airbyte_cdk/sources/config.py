"""The base of a config that is written as a model instead of a JSON schema."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pydantic.v1 import BaseModel

from airbyte_cdk.sources.utils.schema_helpers import expand_refs

__all__ = ["BaseConfig"]


class BaseConfig(BaseModel):
    """Base of a connector's config (pydantic v1), whose `schema` can stand in a spec as it is."""

    @classmethod
    def schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """JSON schema of the config: fresh, without references and description, with ``oneOf`` in place of ``anyOf``.

        Raises:
            RecursionError: a model refers to itself; a form cannot show that.
        """
        schema: dict[str, Any] = deepcopy(super().schema(*args, **kwargs))
        schema.pop("description", None)
        expand_refs(schema)
        _offer_choices(schema)
        return schema


def _offer_choices(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _offer_choices(item)
    elif isinstance(node, dict):
        for value in node.values():
            _offer_choices(value)
        # A list: what a property called anyOf has is a schema.
        if isinstance(node.get("anyOf"), list):
            node["oneOf"] = node.pop("anyOf")
