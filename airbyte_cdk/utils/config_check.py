"""Compares a config with the JSON schema of a spec, and says what is wrong in words that hold nothing of the config.

A secret under a wrong name is not known to be one. So texts are made of what the schema holds only: its option names,
rules and allowed values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

TOLD = 5
"""Most faults that are told at once."""
LISTED = 30
"""Most allowed values, or known options, that are listed."""

_KINDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_UNQUOTED = {"integer", "number", "boolean"}


class InvalidSpecError(ValueError):
    """A spec that is not a JSON schema; its text says where, and holds nothing of a config."""


class ConfigSchema:
    """The JSON schema of a connector's config.

    Args:
        schema: ``connectionSpecification`` of the spec. References are followed within it.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._names = frozenset(_property_names(schema))

    def faults(self, config: Mapping[str, Any]) -> list[str]:
        """What does not fit, each as ``path: what is wrong there``; empty if the config fits.

        Of a choice (`oneOf`, `anyOf`) the variant is looked at that the config means: the one whose constants it has.
        Formats are not checked, patterns are.

        Raises:
            InvalidSpecError: The schema is not one.
        """
        try:
            # jsonschema.validate would first check the schema in each run: half of its time
            errors = list(self._validator().iter_errors(config))
            return list(dict.fromkeys(text for error in errors for text in self._explained(error)))
        except Exception as error:
            why = self._why_invalid() or type(error).__name__
        # raised here, so that the error from before, which may show the config, is not its context
        raise InvalidSpecError(why)

    def drop_nulls(self, config: MutableMapping[str, Any]) -> None:
        """Take out, in place, each option that is null though the schema allows no null, if it is not required.

        Many programs that write configs say so that an option is not given.
        """
        self._drop(config, self._root)

    # The schema --------------------------------------------------------------------------------------------------

    def _validator(self, part: Any = None) -> Validator:
        from jsonschema.validators import validator_for

        validator: Validator = validator_for(self._root)(self._root)
        return validator if part is None else validator.evolve(schema=part)

    def _why_invalid(self) -> str | None:
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for

        try:
            validator_for(self._root).check_schema(dict(self._root))
        except SchemaError as error:
            return f"{error.json_path}: {error.message}"
        except Exception as error:
            return type(error).__name__
        return None

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        """The schema, or what it refers to; empty if that is not a mapping."""
        for _ in range(100):  # more can only be a circle
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            schema = self._root
            for part in reference[1:].split("/")[1:]:
                schema = schema.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(schema, Mapping) else None
        return schema if isinstance(schema, Mapping) else {}

    def _properties(self, schema: Any) -> dict[str, Any]:
        schema = self._resolved(schema)
        own = schema.get("properties")
        found = dict(own) if isinstance(own, Mapping) else {}
        for part in _schemas(schema, "allOf"):
            found.update(self._properties(part))
        return found

    def _constants(self, variant: Any) -> dict[str, Any]:
        """The options that can have one value only: by these the variants of a choice are told apart."""
        found = {}
        for name, option in self._properties(variant).items():
            allowed = _allowed(self._resolved(option))
            if allowed is not None and len(allowed) == 1:
                found[name] = allowed[0]
        return found

    def _meant(self, value: Any, variants: Sequence[Any]) -> int | None:
        """The number of the variant that a value means; None if it names none."""
        fitting = [at for at, variant in enumerate(variants) if _is_kind(value, self._resolved(variant).get("type"))]
        if len(fitting) == 1:
            return fitting[0]
        if not isinstance(value, Mapping):
            return None
        named = {}
        for at in fitting:
            constants = self._constants(variants[at])
            given = [value[name] == constant for name, constant in constants.items() if name in value]
            if given and all(given):
                named[at] = len(given)
        most = [at for at, number in named.items() if number == max(named.values())]
        return most[0] if len(most) == 1 else None

    # Nulls -------------------------------------------------------------------------------------------------------

    def _drop(self, value: Any, schema: Any) -> None:
        schema = self._resolved(schema)
        if isinstance(value, list):
            for item in value:
                self._drop(item, schema.get("items"))
        if not isinstance(value, MutableMapping):
            return
        parts = [*self._parts(value, schema)]
        required = {name for part in parts for name in _texts(part.get("required"))}
        for part in parts:
            options = part.get("properties")
            for name, option in options.items() if isinstance(options, Mapping) else ():
                if name not in value:
                    continue
                if value[name] is None and name not in required and not self._allows_null(option):
                    del value[name]
                else:
                    self._drop(value[name], option)

    def _parts(self, value: Any, schema: Any) -> Iterator[Mapping[str, Any]]:
        """The schema, and those that hold beside it for a value: of `allOf` all, of a choice the variant meant."""
        schema = self._resolved(schema)
        yield schema
        for part in _schemas(schema, "allOf"):
            yield from self._parts(value, part)
        for choice in ("oneOf", "anyOf"):
            variants = _schemas(schema, choice)
            meant = self._meant(value, variants)
            if meant is not None:
                yield from self._parts(value, variants[meant])

    def _allows_null(self, option: Any) -> bool:
        try:
            return bool(self._validator(option).is_valid(None))
        except Exception:  # `faults` tells that the schema is not valid
            return True

    # Texts -------------------------------------------------------------------------------------------------------

    def _explained(self, error: ValidationError) -> Iterator[str]:
        if error.validator in ("oneOf", "anyOf"):
            yield from self._no_variant(error)
            return
        reason = _reason(error)
        if list(error.absolute_schema_path)[-2:-1] == ["propertyNames"]:
            reason = f"a name in it {reason}"
        yield self._at(error.absolute_path, reason)

    def _no_variant(self, error: ValidationError) -> Iterator[str]:
        """Why none of the variants of a choice fits."""
        path = list(error.absolute_path)
        value: Any = error.instance
        variants: Any = error.validator_value
        if not error.context:
            yield self._at(path, "fits more than one of the forms that the spec allows, where one is wanted")
            return
        faults: dict[int, list[ValidationError]] = {}
        for inner in error.context:
            faults.setdefault(int(inner.relative_schema_path[0]), []).append(inner)
        meant = self._meant(value, variants)
        if meant is not None:
            for inner in faults[meant]:
                yield from self._explained(inner)
            return
        if isinstance(value, Mapping) and (text := self._unknown_variant(path, value, variants)) is not None:
            yield text
            return
        fitting = [at for at, found in faults.items() if not any(_is_top(inner, "type") for inner in found)]
        if not fitting:
            kinds = [kind for found in faults.values() for inner in found for kind in _listed_kinds(inner)]
            yield self._at(path, _wrong_kind(dict.fromkeys(kinds), value))
            return
        told = [dict.fromkeys(text for inner in faults[at] for text in self._explained(inner)) for at in fitting]
        least = min(len(texts) for texts in told)
        ways = list(dict.fromkeys(" and ".join(texts) for texts in told if len(texts) == least))[:TOLD]
        yield ways[0] if len(ways) == 1 else f"one of these must be corrected: {', or '.join(ways)}"

    def _unknown_variant(self, path: list[Any], value: Mapping[str, Any], variants: Sequence[Any]) -> str | None:
        """That an object does not say which variant it is, or one that there is not; None if that is not the fault."""
        objects = [variant for variant in variants if _is_kind(value, self._resolved(variant).get("type"))]
        constants = [self._constants(variant) for variant in objects]
        common = [name for name in constants[0] if all(name in others for others in constants)] if constants else []
        for name in common:
            allowed = list({json.dumps(options[name]): options[name] for options in constants}.values())
            if name in value and value[name] not in allowed:
                return self._at([*path, name], _not_allowed(allowed, value[name]))
        for name in common:
            required = all(name in _texts(self._resolved(variant).get("required")) for variant in objects)
            if name not in value and required:
                allowed = list({json.dumps(options[name]): options[name] for options in constants}.values())
                return self._at(path, f"the option `{name}` is missing; it {_must_be(allowed)}")
        return None

    def _at(self, path: Iterable[Any], reason: str) -> str:
        text = ""
        for part in path:
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                # other names are the user's, and could be anything
                text += f".{part if part in self._names else '*'}"
        text = text.removeprefix(".")
        return f"{text}: {reason}" if text else reason


def told(faults: Sequence[str]) -> str:
    """The first faults in one line."""
    more = f"; and {len(faults) - TOLD} more faults" if len(faults) > TOLD else ""
    return "; ".join(faults[:TOLD]) + more


def _reason(error: ValidationError) -> str:
    """What one rule of the schema asks for, as a clause that goes on from the option's path."""
    rule, schema = error.validator, error.schema
    wanted: Any = error.validator_value
    value: Any = error.instance
    match rule:
        case "type":
            return _wrong_kind(_listed_kinds(error), value)
        case "enum":
            return _not_allowed(wanted, value)
        case "const":
            return _not_allowed([wanted], value)
        case "required" if isinstance(wanted, list):
            return _missing([name for name in wanted if name not in value], schema)
        case "required":
            return "is missing"
        case "dependentRequired" | "dependencies":
            return _missing_beside(wanted, value)
        case "additionalProperties" | "unevaluatedProperties":
            known = schema.get("properties") if isinstance(schema, Mapping) else None
            return "has an option that is not known" + (f"; known are {_quoted(list(known))}" if known else "")
        case "pattern":
            described = schema.get("pattern_descriptor") if isinstance(schema, Mapping) else None
            return f"must be written as {described}" if described else f"must match the pattern {wanted}"
        case "minLength" | "minItems" | "minProperties" if wanted == 1:
            return "must not be empty"
        case "minLength" | "maxLength":
            return f"must have at {_bound(rule)} {wanted} characters"
        case "minItems" | "maxItems":
            return f"must have at {_bound(rule)} {wanted} elements"
        case "minProperties" | "maxProperties":
            return f"must have at {_bound(rule)} {wanted} options"
        case "minimum" | "maximum":
            return f"must be at {_bound(rule)} {wanted}"
        case "exclusiveMinimum":
            return f"must be greater than {wanted}"
        case "exclusiveMaximum":
            return f"must be less than {wanted}"
        case "multipleOf":
            return f"must be a multiple of {wanted}"
        case "uniqueItems":
            return "must not have an element twice"
        case None:  # the schema `false`, of which no path is known
            return "an option is given that the spec does not allow"
        case _:
            return f"does not fit the rule `{rule}` of the spec"


def _bound(rule: str) -> str:
    return "least" if rule.startswith("min") else "most"


def _missing(names: Sequence[str], schema: Any) -> str:
    if len(names) != 1:
        return f"the options {_quoted(names)} are missing"
    options = schema.get("properties") if isinstance(schema, Mapping) else None
    option = options.get(names[0]) if isinstance(options, Mapping) else None
    allowed = _allowed(option) if isinstance(option, Mapping) else None
    return f"the option `{names[0]}` is missing" + (f"; it {_must_be(allowed)}" if allowed else "")


def _missing_beside(needed: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    for name, others in needed.items():
        missing = [other for other in _texts(others) if other not in value] if name in value else []
        if missing:
            return f"{_missing(missing, None)}, which the option `{name}` needs"
    return "lacks an option that another one needs"


def _wrong_kind(wanted: Iterable[str], value: Any) -> str:
    wanted = list(wanted)
    given = _kind(value)
    hint = ": write it without quotes" if given == "string" and _UNQUOTED.intersection(wanted) else ""
    is_given = "a boolean" if given == "boolean" else _KINDS[given]
    return f"must be {' or '.join(_KINDS.get(kind, kind) for kind in wanted)}, not {is_given}{hint}"


def _not_allowed(allowed: Sequence[Any], value: Any) -> str:
    folded = value.casefold() if isinstance(value, str) else None
    case = any(isinstance(other, str) and other.casefold() == folded for other in allowed)
    return _must_be(allowed) + (", in this spelling (upper and lower case)" if case else "")


def _must_be(allowed: Sequence[Any]) -> str:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in allowed]
    return f"must be {'one of ' if len(texts) > 1 else ''}{_quoted(texts)}"


def _quoted(texts: Sequence[str]) -> str:
    listed = ", ".join(f"`{text}`" for text in texts[:LISTED])
    return f"{listed} and {len(texts) - LISTED} more" if len(texts) > LISTED else listed


def _allowed(option: Mapping[str, Any]) -> list[Any] | None:
    """The only values that an option may have, if the schema lists them."""
    if "const" in option:
        return [option["const"]]
    allowed = option.get("enum")
    return allowed if isinstance(allowed, list) else None


def _listed_kinds(error: ValidationError) -> list[str]:
    wanted = error.validator_value if error.validator == "type" else []
    return [str(kind) for kind in (wanted if isinstance(wanted, list) else [wanted])]


def _is_top(error: ValidationError, rule: str) -> bool:
    return error.validator == rule and not error.relative_path


def _kind(value: Any) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


def _is_kind(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return True
    given = _kind(value)
    return given in _texts(wanted) or (given == "integer" and "number" in _texts(wanted))


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []


def _schemas(schema: Mapping[str, Any], keyword: str) -> list[Any]:
    parts = schema.get(keyword)
    return list(parts) if isinstance(parts, list) else []


def _property_names(node: Any) -> Iterator[str]:
    """The names of all options that a schema declares, at any depth."""
    if isinstance(node, Mapping):
        declared = node.get("properties")
        if isinstance(declared, Mapping):
            yield from declared
        for child in node.values():
            yield from _property_names(child)
    elif isinstance(node, list):
        for child in node:
            yield from _property_names(child)
