"""Which hooks a class brings itself."""

from __future__ import annotations

from airbyte_cdk.utils.overriding import nearest, overrides


class Base:
    def read(self) -> str:
        return "base"

    def parse(self) -> str:
        return "base"


class Idle(Base):
    pass


class Reads(Idle):
    def read(self) -> str:
        return "own"


class Parses(Reads):
    def parse(self) -> str:
        return "own"


def test_a_class_that_changes_nothing_overrides_nothing() -> None:
    assert not overrides(Base(), "read", Base)
    assert not overrides(Idle(), "read", Base)


def test_a_class_and_those_below_it_override() -> None:
    assert overrides(Reads(), "read", Base)
    assert overrides(Parses(), "read", Base)
    assert not overrides(Parses(), "read", Reads)


def test_an_instance_can_have_its_own() -> None:
    idle = Idle()
    idle.read = lambda: "own"  # type: ignore[method-assign]
    assert overrides(idle, "read", Base)
    assert nearest(idle, ("parse", "read"), Base) == "read"


def test_a_member_that_the_base_does_not_have_is_an_own_one() -> None:
    assert overrides(Reads(), "read", int)
    assert not overrides(Reads(), "write", Base)


def test_the_most_derived_of_two_members_is_meant() -> None:
    assert nearest(Idle(), ("parse", "read"), Base) is None
    assert nearest(Reads(), ("parse", "read"), Base) == "read"
    assert nearest(Parses(), ("parse", "read"), Base) == "parse"
