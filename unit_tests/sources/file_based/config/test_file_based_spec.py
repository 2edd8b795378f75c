"""Validation of a whole config, and the questions about its delivery method."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from pydantic.v1 import ValidationError

from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import (
    AbstractFileBasedSpec,
    DeliverPermissions,
    DeliverRawFiles,
)
from airbyte_cdk.sources.file_based.config.validate_config_transfer_modes import (
    include_identities_stream,
    preserve_directory_structure,
    use_file_transfer,
    use_permissions_transfer,
)


class Spec(AbstractFileBasedSpec):
    @classmethod
    def documentation_url(cls) -> str:
        return "https://example.com"


def answers(config: Any) -> tuple[bool, bool, bool, bool]:
    return (
        use_file_transfer(config),
        preserve_directory_structure(config),
        use_permissions_transfer(config),
        include_identities_stream(config),
    )


@pytest.mark.parametrize(
    "text",
    [
        "2021-01-01",
        "2021-01-01T00:00:00",
        "2021-01-01T00:00:00Z",
        "2021-01-01T00:00:00.1Z",
        "2021-01-01T00:00:00.123456Z",
        "2021-01-01T00:00:00.1234567Z",
        "2021-01-01T00:00:00+02:00",
        "2021-01-01 00:00:00",
        "20210101",
        "Jan 1 2021",
        "2024-02-29",
    ],
)
def test_a_start_date_is_kept_as_it_was_given(text: str) -> None:
    assert Spec(streams=[], start_date=text).start_date == text


@pytest.mark.parametrize("text", ["yesterday", "", "2021-13-01", "2021-02-30", "2021-01-01T25:00:00Z", "2021-W01-1"])
def test_a_start_date_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValidationError, match=r"start_date\n.*is not a date"):
        Spec(streams=[], start_date=text)


def test_streams_are_required_and_may_be_empty() -> None:
    assert Spec(streams=[], leftover="x").streams == []
    with pytest.raises(ValidationError, match=r"streams\n.*required"):
        Spec()


def test_the_base_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        AbstractFileBasedSpec(streams=[])


def test_an_error_in_a_stream_is_told_with_its_place() -> None:
    streams = [
        {"name": "a", "format": {"filetype": "csv"}},
        {"name": "b", "format": {"filetype": "csv", "delimiter": "::"}},
    ]
    with pytest.raises(ValidationError) as error:
        Spec(streams=streams)
    assert [entry["loc"] for entry in error.value.errors()] == [("streams", 1, "format", "delimiter")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (False, True, False, False)),
        ({"delivery_method": {"delivery_type": "use_records_transfer"}}, (False, True, False, False)),
        ({"delivery_method": {"delivery_type": "use_file_transfer"}}, (True, True, False, False)),
        (
            {"delivery_method": {"delivery_type": "use_file_transfer", "preserve_directory_structure": False}},
            (True, False, False, False),
        ),
        ({"delivery_method": {"delivery_type": "use_permissions_transfer"}}, (False, True, True, True)),
        (
            {"delivery_method": {"delivery_type": "use_permissions_transfer", "include_identities_stream": False}},
            (False, True, True, False),
        ),
    ],
)
def test_delivery_methods(given: dict[str, Any], expected: tuple[bool, ...]) -> None:
    assert answers(Spec(streams=[], **given)) == expected


def test_the_default_delivery_method_is_a_plain_string() -> None:
    assert Spec(streams=[]).delivery_method == "use_records_transfer"


@pytest.mark.parametrize("value", [None, {}, "use_records_transfer", {"delivery_type": "x"}])
def test_other_delivery_methods_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="delivery_method"):
        Spec(streams=[], delivery_method=value)


def test_the_questions_take_any_object() -> None:
    for config in (Mock(), None, object(), SimpleNamespace(delivery_method="use_records_transfer")):
        assert answers(config) == (False, True, False, False)
    assert answers(SimpleNamespace(delivery_method=DeliverRawFiles()))[0] is True
    assert answers(SimpleNamespace(delivery_method=DeliverPermissions(domain="x")))[2] is True
