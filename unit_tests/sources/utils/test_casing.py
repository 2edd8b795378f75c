from __future__ import annotations

import pytest

from airbyte_cdk.sources.utils import casing


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MyStream", "my_stream"),
        ("HTTPStream", "http_stream"),
        ("A1B2C", "a1_b2_c"),
        ("Users_List", "users__list"),
        ("users", "users"),
        ("", ""),
    ],
)
def test_camel_to_snake(name: str, expected: str) -> None:
    assert casing.camel_to_snake(name) == expected
