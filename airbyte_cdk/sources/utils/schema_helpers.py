"""JSON schemas in files and in specs, and the settings inside a config that are not the user's."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from copy import deepcopy
from typing import Any, ClassVar

from airbyte_cdk.models import ConnectorSpecification, FailureType
from airbyte_cdk.utils.config_check import ConfigSchema, InvalidSpecError, told
from airbyte_cdk.utils.package_data import package_data
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

__all__ = [
    "InternalConfig",
    "ResourceSchemaLoader",
    "SchemaReferenceError",
    "check_config_against_spec_or_exit",
    "expand_refs",
    "rename_key",
    "split_config",
]


class SchemaReferenceError(LookupError):
    """A ``$ref`` of a schema leads nowhere, or to itself."""


def _follow(document: Any, pointer: str) -> Any:
    """The part of `document` at a JSON pointer (``/definitions/a``; empty for all of it)."""
    node = document
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            raise SchemaReferenceError(f"nothing is found at #{pointer}")
    return node


class ResourceSchemaLoader:
    """Loads the stream schemas that a connector's package ships under ``schemas/``.

    Args:
        package_name: Import name of the package.
    """

    def __init__(self, package_name: str) -> None:
        self.package_name = package_name

    def get_schema(self, name: str) -> dict[str, Any]:
        """The schema in ``schemas/<name>.json``, every ``$ref`` replaced by a copy of what it names.

        ``file.json#/a/b`` is looked up in ``schemas/shared/file.json``, ``#/a/b`` in the file itself. What stands
        beside a ``$ref`` is dropped, and so are the ``definitions`` of what it names.

        Raises:
            FileNotFoundError: there is no such file.
            RuntimeError: it does not hold JSON.
            SchemaReferenceError: a reference leads nowhere, or in a circle.
        """
        path = f"schemas/{name}.json"
        document = self._load(path)
        resolved: dict[str, Any] = self._resolve(document, path, document, ())
        return resolved

    def _load(self, path: str) -> Any:
        content = package_data(self.package_name, path)
        if content is None:
            raise FileNotFoundError(f"package {self.package_name} has no {path}")
        try:
            return json.loads(content)
        except ValueError as error:
            raise RuntimeError(f"{path} of package {self.package_name} does not hold valid JSON: {error}") from error

    def _resolve(self, node: Any, path: str, document: Any, under: tuple[tuple[str, str], ...]) -> Any:
        if isinstance(node, list):
            return [self._resolve(item, path, document, under) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return {key: self._resolve(value, path, document, under) for key, value in node.items()}
        file, _, pointer = reference.partition("#")
        if file:
            path = f"schemas/shared/{file}"
        if (path, pointer) in under:
            raise SchemaReferenceError(f"{path}: the reference {reference} leads to itself")
        try:
            if file:
                document = self._load(path)
            target = _follow(document, pointer)
        except (FileNotFoundError, SchemaReferenceError) as error:
            raise SchemaReferenceError(f"{path}: the reference {reference} cannot be resolved: {error}") from error
        resolved = self._resolve(target, path, document, (*under, (path, pointer)))
        if isinstance(resolved, dict):
            resolved.pop("definitions", None)
        return resolved


def expand_refs(schema: dict[str, Any]) -> None:
    """Replace, in place, every local ``$ref`` by what it names, and drop the root's ``definitions``.

    Keys of the definition win over those beside the ``$ref``.

    Raises:
        SchemaReferenceError: a reference leads nowhere, or out of the schema.
        RecursionError: references form a circle.
    """
    _expand(schema, schema, ())
    schema.pop("definitions", None)


def _expand(node: Any, root: dict[str, Any], under: tuple[str, ...]) -> None:
    if isinstance(node, dict):
        reference = node.pop("$ref", None)
        if reference is not None:
            if not str(reference).startswith("#"):
                raise SchemaReferenceError(f"the reference {reference} leads out of the schema")
            if reference in under:
                raise RecursionError(f"the reference {reference} leads to itself")
            definition = deepcopy(_follow(root, reference[1:]))
            _expand(definition, root, (*under, reference))
            node.update(definition)
            return
        for value in list(node.values()):
            _expand(value, root, under)
    elif isinstance(node, list):
        for value in node:
            _expand(value, root, under)


def rename_key(schema: Any, old_key: str, new_key: str) -> None:
    """Rename a key in place wherever it stands in nested mappings; lists are not entered."""
    if not isinstance(schema, MutableMapping):
        return
    for value in list(schema.values()):
        rename_key(value, old_key, new_key)
    if old_key in schema:
        schema[new_key] = schema.pop(old_key)


class InternalConfig:
    """Settings for tests, given as keys of the config that start with an underscore.

    Attributes:
        limit: Records after which reading a stream's slice stops; None or 0 for no limit.
        page_size: Wanted size of a page, for sources that have pages.
    """

    KEYWORDS: ClassVar[set[str]] = {"_limit", "_page_size"}

    def __init__(self, *, _limit: Any = None, _page_size: Any = None, **_: Any) -> None:
        self.limit = self._number("_limit", _limit)
        self.page_size = self._number("_page_size", _page_size)

    @staticmethod
    def _number(key: str, value: Any) -> int | None:
        if value is None:
            return None
        try:
            return int(value)
        except (TypeError, ValueError):
            text = f"The setting {key} of the config must be an integer."
            raise AirbyteTracedException(text, text, FailureType.config_error) from None

    @classmethod
    def parse_obj(cls, config: Mapping[str, Any]) -> InternalConfig:
        """The settings among the keys of a config."""
        return cls(**config)

    def dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # published name, hence the shadowing
        """The settings that are given, under their keys in the config."""
        given = {"_limit": self.limit, "_page_size": self.page_size}
        return {key: value for key, value in given.items() if value is not None}

    def is_limit_reached(self, records_counter: int) -> bool:
        """Whether that many records are enough."""
        return bool(self.limit) and records_counter >= (self.limit or 0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InternalConfig) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # mutable; the typing of `object` has no way to say so

    def __repr__(self) -> str:
        return f"InternalConfig(limit={self.limit}, page_size={self.page_size})"


def split_config(config: Mapping[str, Any]) -> tuple[dict[str, Any], InternalConfig]:
    """The user's part of a config, and the settings for tests."""
    own = {key: value for key, value in config.items() if key not in InternalConfig.KEYWORDS}
    internal = {key: value for key, value in config.items() if key in InternalConfig.KEYWORDS}
    return own, InternalConfig(**internal)


def check_config_against_spec_or_exit(config: Mapping[str, Any], spec: ConnectorSpecification) -> None:
    """Check a config against its spec's JSON schema; formats are not checked, patterns are.

    Raises:
        AirbyteTracedException: a config error that names the places and what is wrong there, or a system error if the
            spec is not a JSON schema. Neither holds a value of the config.
    """
    try:
        faults = ConfigSchema(spec.connectionSpecification).faults(config)
    except InvalidSpecError as error:
        text = f"The spec of the connector is not a valid JSON schema, so the config cannot be checked: {error}"
        raise AirbyteTracedException(text, text, FailureType.system_error) from None
    if faults:
        reason = told(faults)
        raise AirbyteTracedException(reason, f"The config does not fit the spec: {reason}", FailureType.config_error)
