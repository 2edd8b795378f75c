"""Tells natively that JSON lines fit a schema, without reading a value of them into Python.

The declared types become a type of msgspec, which checks text while it decodes it. It is never more lenient than
`schema_helpers.nonconforming_column`; where it refuses, that decides.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any, Union

import msgspec

from airbyte_cdk.sources.file_based.schema_helpers import SCALARS, SchemaType, declared_names

_SCALARS: Mapping[str, Any] = dict(zip(SCALARS, (None, bool, int, float, str), strict=True))
_ANY_OBJECT = msgspec.defstruct("_ANY_OBJECT", [])
"""An object whose members are skipped."""
_UNNAMEABLE = re.compile(r'["\\\x00-\x1f]')
"""What names of fields may not hold in msgspec."""


class LineCheck:
    """Checks lines against the columns of a schema.

    Args:
        properties: The declared columns.
        known: Columns whose values are not looked at.
    """

    def __init__(self, properties: SchemaType, known: Container[str] = frozenset()) -> None:
        fields = [
            (f"f{number}", msgspec.Raw if name in known else _type_of(prop), msgspec.field(name=name, default=None))
            for number, (name, prop) in enumerate(properties.items())
            if not _UNNAMEABLE.search(name)
        ]
        row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
        self._decode = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]

    def all_fit(self, bodies: Sequence[bytes]) -> bool:
        """Whether each of some bodies (see `JsonLines`) is sure to fit; if not, it may fit all the same."""
        try:
            self._decode(b"[{%b}]" % b"},{".join(bodies))
        except (msgspec.DecodeError, RecursionError, ValueError, OverflowError):
            return False
        return True


def _type_of(prop: Mapping[str, Any]) -> Any:
    """The type whose values fit a property."""
    names = declared_names(prop)
    if names is None:
        return msgspec.Raw
    members: list[Any] = [None]
    scalars = [SCALARS.index(name) for name in names if name in SCALARS]
    members += [_SCALARS[name] for name in SCALARS[: max(scalars, default=0) + 1]]
    if "object" in names:
        members.append(_ANY_OBJECT)
    if "array" in names:
        items = prop.get("items")
        inner = _type_of(items) if isinstance(items, Mapping) else msgspec.Raw
        members.append(list[inner])  # type: ignore[valid-type]
    return Union[tuple(members)]  # noqa: UP007  made at run time
