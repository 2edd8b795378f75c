"""Turns the JSON schema that pydantic gives for a model into the form that a connector's spec has."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from pydantic.v1 import BaseModel


def dereferenced(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A fresh copy of `schema` in which every ``$ref`` is replaced by what it points at.

    Forms in the UI do not follow references, and connectors edit what they get, so no two places of the result
    share an object. The keyword ``discriminator`` (OpenAPI, not JSON schema) is left out.
    """
    definitions = schema.get("definitions", {})

    def expand(node: Any) -> Any:
        if isinstance(node, list):
            return [expand(item) for item in node]
        if not isinstance(node, dict):
            return copy.deepcopy(node)
        if "$ref" in node:
            rest = {key: value for key, value in node.items() if key != "$ref"}
            return expand({**definitions[node["$ref"].rsplit("/", 1)[-1]], **rest})
        return {key: expand(value) for key, value in node.items() if not _is_discriminator(key, value)}

    expanded: dict[str, Any] = expand({key: value for key, value in schema.items() if key != "definitions"})
    return expanded


def _is_discriminator(key: str, value: Any) -> bool:
    return key == "discriminator" and isinstance(value, dict) and "propertyName" in value


class OptionConfig:
    """Inner ``Config`` of a model whose docstring speaks to developers, not to the user of a form.

    `discriminator` names the constant that tells the model from others of its union; the form requires it. A docstring
    that a connector gives its own subclass was written for the form, and stays as description.
    """

    discriminator: str | None = None

    @staticmethod
    def schema_extra(schema: dict[str, Any], model: type[BaseModel]) -> None:
        """Called by pydantic with the finished JSON schema of `model`."""
        documented = next((cls for cls in model.__mro__ if cls.__dict__.get("__doc__")), model)
        if documented.__module__.startswith("airbyte_cdk.") and schema.get("description") == inspect.getdoc(model):
            schema.pop("description", None)
        discriminator = getattr(model.__config__, "discriminator", None)
        if discriminator is not None:
            others = [name for name in schema.get("required", ()) if name != discriminator]
            schema["required"] = [*others, discriminator]


def one_of(schema: dict[str, Any], field: str) -> None:
    """Write the union `field` of an object schema as ``oneOf``, the form in which a UI offers a choice."""
    prop = schema["properties"][field]
    if "anyOf" in prop:
        prop["oneOf"] = prop.pop("anyOf")
    prop.setdefault("type", "object")


def plain_enum(schema: dict[str, Any], field: str) -> None:
    """Leave only the ``enum`` that the field declares, without the reference to the class of its values."""
    schema["properties"][field].pop("allOf", None)
