from __future__ import annotations

from collections.abc import Iterator

import pytest

from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from servers.answering import AnsweringServer


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with AnsweringServer() as server:
        yield server


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    yield
    update_secrets([])
