"""How many files discovery looks at."""

from types import SimpleNamespace

import pytest

from airbyte_cdk.sources.file_based.discovery_policy import AbstractDiscoveryPolicy, DefaultDiscoveryPolicy


@pytest.mark.parametrize(("limit", "expected"), [(None, 10), (1, 1), (50, 10)])
def test_ten_files_or_what_the_parser_allows(limit: int | None, expected: int) -> None:
    parser = SimpleNamespace(parser_max_n_files_for_schema_inference=limit)
    assert DefaultDiscoveryPolicy().get_max_n_files_for_schema_inference(parser) == expected


def test_ten_at_once() -> None:
    assert DefaultDiscoveryPolicy().n_concurrent_requests == 10


def test_a_policy_must_decide_both() -> None:
    with pytest.raises(TypeError, match="abstract"):
        AbstractDiscoveryPolicy()  # type: ignore[abstract]
