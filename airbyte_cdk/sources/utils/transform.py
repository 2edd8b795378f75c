"""Values brought into the types that a stream's JSON schema declares."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import date
from decimal import Decimal
from enum import Flag, auto
from functools import cached_property
from typing import Any, Final

__all__ = ["TransformConfig", "TypeTransformer"]

Transform = Callable[[Any, dict[str, Any]], Any]
"""Takes a value and its schema, gives the value to put in its place."""

_DEPTH = 3
"""Levels of an object that a warning describes."""

_BOOLEANS: Final = {
    **dict.fromkeys(("y", "yes", "t", "true", "on", "1"), True),
    **dict.fromkeys(("n", "no", "f", "false", "off", "0"), False),
}

_logger = logging.getLogger("airbyte")


class TransformConfig(Flag):
    """What a `TypeTransformer` does. The last two can be combined.

    Attributes:
        NoTransform: Nothing.
        DefaultSchemaNormalization: Convert values into the declared type.
        CustomSchemaNormalization: Call a function for each value, after that.
    """

    NoTransform = auto()
    DefaultSchemaNormalization = auto()
    CustomSchemaNormalization = auto()


class TypeTransformer:
    """Brings the values of a record into the types that its JSON schema declares, as far as they fit.

    What does not fit stays as it is, with a warning that shows places and types but no values. ``type``,
    ``properties``, ``items`` and local ``$ref``s are looked at; ``oneOf``, ``anyOf``, ``allOf``, ``format``, ``enum``
    and the like are not. Null stays null, whatever is declared. A stream that has one applies it to its records::

        class Orders(Stream):
            transformer = TypeTransformer(TransformConfig.DefaultSchemaNormalization)

    >>> record = {"id": "7", "note": 3}
    >>> schema = {"properties": {"id": {"type": "integer"}, "note": {"type": ["null", "string"]}}}
    >>> TypeTransformer(TransformConfig.DefaultSchemaNormalization).transform(record, schema)
    >>> record
    {'id': 7, 'note': '3'}

    Args:
        config: What to do.

    Raises:
        ValueError: `NoTransform` is combined with another flag.
    """

    def __init__(self, config: TransformConfig) -> None:
        if TransformConfig.NoTransform in config and config != TransformConfig.NoTransform:
            raise ValueError("NoTransform cannot be combined with other flags.")
        self._config = config
        self._custom: Transform | None = None
        self._root: _Root | None = None

    @property
    def transforms(self) -> bool:
        """Whether `transform` may change anything."""
        return TransformConfig.DefaultSchemaNormalization in self._config or self._custom is not None

    def registerCustomTransform(self, normalization_callback: Transform) -> Transform:
        """Have this function called for each property and each array item that has a schema, parents first.

        May be used as a decorator.

        Raises:
            ValueError: the flag `CustomSchemaNormalization` is not set.
        """
        if TransformConfig.CustomSchemaNormalization not in self._config:
            raise ValueError("Set the flag CustomSchemaNormalization before registering a custom transformation.")
        self._custom = normalization_callback
        return normalization_callback

    def transform(self, record: MutableMapping[str, Any], schema: Mapping[str, Any]) -> None:
        """Change `record` in place. Only a custom function can raise.

        Args:
            record: The record.
            schema: Its schema. Changes inside a schema are noticed only after a record with another one.
        """
        if not self.transforms or not isinstance(schema, Mapping):
            return
        # The records of a stream come with the same schema, one after the other. Threads may share this object.
        root = self._root
        if root is None or root.source is not schema:
            root = self._root = _Root(schema)
        node = root.node(schema)
        self._enter(record, node, ())
        node.check(record, ())

    @staticmethod
    def default_convert(original_item: Any, subschema: Mapping[str, Any]) -> Any:
        """The value in the one type other than null that `subschema` declares, or as it is."""
        return _Node(subschema, _Root(subschema)).converted(original_item)

    def _enter(self, value: Any, node: _Node, path: tuple[Any, ...]) -> None:
        converts = TransformConfig.DefaultSchemaNormalization in self._config
        for key, below in node.children(value):
            item = value[key]
            if converts and type(item) not in below.settled:
                value[key] = item = below.converted(item)
            if self._custom is not None:
                value[key] = item = self._custom(item, below.schema)
            if isinstance(item, (dict, list, MutableMapping)):
                self._enter(item, below, (*path, key))
            if below.fitting is not None and type(item) not in below.fitting:
                below.check(item, (*path, key))


class _Root:
    """A schema whose nodes are made when they are first needed: references may lead back."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.source = source
        self._nodes: dict[int, _Node] = {}

    def node(self, schema: Mapping[str, Any]) -> _Node:
        """The node of a part of the schema, references followed."""
        found = _resolved(schema, self.source)
        node = self._nodes.get(id(found))
        if node is None:
            node = self._nodes[id(found)] = _Node(found, self)
        return node


class _Node:
    """What a part of a schema says, prepared.

    Attributes:
        schema: The part.
        settled: Python types whose values need no conversion.
        fitting: Python types whose values certainly fit; None if every value does.
    """

    def __init__(self, schema: Mapping[str, Any], root: _Root) -> None:
        self.schema: Any = schema  # kept: its id tells it from others
        self._root = root
        declared = schema.get("type")
        self._types = list(declared) if isinstance(declared, (list, tuple)) else [declared]
        wanted = [name for name in self._types if name != "null"]
        only = wanted[0] if len(wanted) == 1 and isinstance(wanted[0], str) else ""
        self._convert = _CONVERTERS.get(only)
        # An int is a number already, but is written as a float.
        self.settled = {type(None), *((float,) if only == "number" else _EXACT.get(only, ()))}
        self.fitting: set[type] | None = None
        if declared is not None:
            self.fitting = {kind for name in self._types if isinstance(name, str) for kind in _EXACT.get(name, ())}

    def converted(self, value: Any) -> Any:
        """The value in the one type that is wanted, if there is one and the value fits it."""
        if value is None or self._convert is None:
            return value
        try:
            return self._convert(value, self)
        except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
            return value

    def children(self, value: Any) -> Iterable[tuple[Any, _Node]]:
        """Key or index of each part of a value that has a schema, with its node."""
        if isinstance(value, list):
            if isinstance(self._items, _Node):
                return ((index, self._items) for index in range(len(value)))
            return ((index, node) for index, node in self._items if index < len(value))
        return ((name, node) for name, node in self._properties if name in value)

    @cached_property
    def _properties(self) -> list[tuple[Any, _Node]]:
        properties = self.schema.get("properties")
        if not isinstance(properties, Mapping):
            return []
        return [(name, self._root.node(part)) for name, part in properties.items() if isinstance(part, Mapping)]

    @cached_property
    def _items(self) -> _Node | list[tuple[int, _Node]]:
        """One for all items, or one for each place that has one."""
        items = self.schema.get("items")
        if isinstance(items, Mapping):
            return self._root.node(items)
        parts = enumerate(items if isinstance(items, list) else [])
        return [(index, self._root.node(part)) for index, part in parts if isinstance(part, Mapping)]

    @property
    def item_types(self) -> list[Any]:
        """The types declared for all items; empty if there are none."""
        items = self._items
        return [name for name in items._types if name is not None] if isinstance(items, _Node) else []

    def check(self, value: Any, path: tuple[Any, ...]) -> None:
        """Warn if the value is of none of the declared types."""
        if self.fitting is not None and not any(_is(value, name) for name in self._types):
            _logger.warning(
                "Failed to transform value from type '%s' to type '%s' at path: '%s'",
                _described(value, _DEPTH),
                self.schema["type"],
                ".".join(map(str, path)),
            )


_EXACT: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}


def _resolved(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a local reference names; what it cannot name declares nothing."""
    seen = set()
    while isinstance(reference := node.get("$ref"), str):
        if reference in seen or not reference.startswith("#"):
            return {}
        seen.add(reference)
        found: Any = root
        for part in reference[1:].split("/")[1:]:
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            return {}
        node = found
    return node


def _is(value: Any, name: Any) -> bool:
    """Whether a value is of a type of JSON schema; it is of any type that JSON schema does not know."""
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "integer":
            return _is_integral(value)
        case "number":
            return _is_number(value)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, Mapping)
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_integral(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()


def _described(value: Any, depth: int) -> Any:
    """The type of a value: its name in JSON schema, or in Python if it has none; of an object, what is in it."""
    if isinstance(value, Mapping):
        return {key: _described(item, depth - 1) for key, item in value.items()} if depth else "object"
    for name in ("null", "boolean", "string", "array"):
        if _is(value, name):
            return name
    if _is_number(value):
        return "integer" if isinstance(value, int) else "number"
    return type(value).__name__


def _to_string(value: Any, node: _Node) -> Any:
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    return value.decode() if isinstance(value, bytes) else str(value)


def _to_number(value: Any, node: _Node) -> Any:
    if isinstance(value, str):
        # Python reads 1_0 as ten.
        text = value.strip()
        if "_" in text:
            return value
        number = float(text)
        # Beyond 2^53 not every integer is a float.
        exact: Any = int(text) if text.lstrip("+-").isdigit() else number
    else:
        number, exact = float(value), value
    if not math.isfinite(number):
        return value
    return exact if isinstance(exact, int) and int(number) != exact else number


def _to_integer(value: Any, node: _Node) -> Any:
    return value if isinstance(value, str) and "_" in value else int(value)


def _to_boolean(value: Any, node: _Node) -> Any:
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip().lower(), value)
    return bool(value)


def _to_array(value: Any, node: _Node) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, (str, int, float, Decimal, date)):
        return value
    # A scalar is taken for the only item, unless items are not scalars.
    inner = node.item_types
    return value if inner and not any(name in ("string", "number", "integer", "boolean") for name in inner) else [value]


_CONVERTERS: Mapping[str, Callable[[Any, _Node], Any]] = {
    "string": lambda value, node: value if isinstance(value, str) else _to_string(value, node),
    "number": _to_number,
    "integer": _to_integer,
    "boolean": _to_boolean,
    "array": _to_array,
}
