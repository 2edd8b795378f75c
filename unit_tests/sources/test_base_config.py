from __future__ import annotations

from typing import Literal

import pytest
from pydantic.v1 import BaseModel, Field

from airbyte_cdk.sources.config import BaseConfig


class One(BaseModel):
    """The first."""

    kind: Literal["one"] = "one"


class Two(BaseModel):
    kind: Literal["two"] = "two"
    inner: One | None = None


class Options(BaseConfig):
    """Not shown."""

    choice: One | Two = Field(..., title="Choice", order=1)
    ones: list[One] = Field([])
    anyOf: int = 3


ONE = {
    "title": "One",
    "description": "The first.",
    "type": "object",
    "properties": {"kind": {"title": "Kind", "default": "one", "enum": ["one"], "type": "string"}},
}
TWO = {
    "title": "Two",
    "type": "object",
    "properties": {"kind": {"title": "Kind", "default": "two", "enum": ["two"], "type": "string"}, "inner": ONE},
}


def test_the_schema_can_stand_in_a_spec() -> None:
    assert Options.schema() == {
        "title": "Options",
        "type": "object",
        "properties": {
            "choice": {"title": "Choice", "order": 1, "oneOf": [ONE, TWO]},
            "ones": {"title": "Ones", "default": [], "type": "array", "items": ONE},
            "anyOf": {"title": "Anyof", "default": 3, "type": "integer"},
        },
        "required": ["choice"],
    }


def test_each_schema_is_fresh() -> None:
    Options.schema()["properties"].clear()
    assert len(Options.schema()["properties"]) == 3


def test_a_config_is_read() -> None:
    options = Options.parse_obj({"choice": {"kind": "two"}})
    assert isinstance(options.choice, Two)


def test_a_model_of_itself_is_refused() -> None:
    class Tree(BaseConfig):
        child: Tree | None

    Tree.update_forward_refs(Tree=Tree)
    with pytest.raises(RecursionError):
        Tree.schema()
