"""Validates a choice between several option models against the one that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.v1.fields import ModelField


def chosen_variant(value: Any, field: ModelField, key: str) -> Any:
    """`value` as an instance of the variant of the union `field` whose constant `key` it names.

    Without this, the union is tried member by member, and one wrong option is reported once for each of them. A value
    that names no variant, or more than one, is returned as it is: then the order of the union decides.

    Raises:
        pydantic.v1.ValidationError: The options do not fit the variant that the value names.
        ValueError: The value names a variant that does not exist.
    """
    if not isinstance(value, Mapping) or key not in value:
        return value
    models = [sub.type_ for sub in field.sub_fields or ()]
    named = {model: model.__fields__[key].default for model in models if key in getattr(model, "__fields__", {})}
    meant = [model for model, constant in named.items() if constant == value[key]]
    if models and not meant and len(named) == len(models):
        raise ValueError(f"`{key}` must be one of {', '.join(f'`{constant}`' for constant in named.values())}")
    return meant[0].parse_obj(value) if len(meant) == 1 else value
