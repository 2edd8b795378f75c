"""What is wrong with a config, in words for the user, from the errors of its pydantic model.

The texts of pydantic name classes, and some repeat the value, which may be a secret in the wrong place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic.v1 import BaseModel, ValidationError
from pydantic.v1.fields import ModelField

_VARIANT = "value_error.discriminated_union"


def config_faults(error: ValidationError) -> list[str]:
    """Each fault once, as ``path.of.the.option: what is wrong with it``; no value of an option is in it.

    Args:
        error: Raised by a model of this package, or by one that a connector derives from it. What validators of its
            own say is taken as it is.
    """
    return list(dict.fromkeys(_fault(error.model, found) for found in error.errors()))


def _fault(model: Any, found: Any) -> str:
    path = _path(model, found["loc"])
    kind, context = found["type"], found.get("ctx", {})
    if kind == "value_error.missing":
        *path, name = path
        reason = f"the option `{name.lstrip('.')}` is missing"
    elif kind == f"{_VARIANT}.missing_discriminator":
        reason = f"the option `{context['discriminator_key']}` is missing"
    elif kind == f"{_VARIANT}.invalid_discriminator":
        path.append(f".{context['discriminator_key']}")
        reason = f"must be one of {context['allowed_values']}".replace("'", "`")
    elif kind == "type_error.none.not_allowed":
        reason = "must not be null; leave the option out"
    else:
        reason = " ".join(found["msg"].split())
    text = "".join(path).removeprefix(".")
    return f"{text}: {reason}" if text else reason


def _path(model: Any, places: Sequence[str | int]) -> list[str]:
    """The options on the way to an error: pydantic puts the names of variants and of validators among them."""
    path = []
    models = [model]
    for place in places:
        fields = [field for model in models for field in _fields(model) if place in (field.alias, field.name)]
        variants = [model for model in models if model.__name__ == place]
        if isinstance(place, int):
            path.append(f"[{place}]")
        elif fields:
            path.append(f".{place}")
            models = [model for field in fields for model in _models(field)]
        elif variants:
            models = variants
        elif place != "__root__":
            path.append(".*")  # a key of a free-form option: it is the user's, and could be anything
    return path


def _fields(model: Any) -> list[ModelField]:
    return list(model.__fields__.values())


def _models(field: ModelField) -> Iterator[Any]:
    """The models that the value of a field may be of."""
    if field.sub_fields:
        for sub in field.sub_fields:
            yield from _models(sub)
    elif isinstance(field.type_, type) and issubclass(field.type_, BaseModel):
        yield field.type_
