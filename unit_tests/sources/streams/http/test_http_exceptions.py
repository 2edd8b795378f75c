from __future__ import annotations

import requests

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException, DefaultBackoffException
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

REQUEST = requests.Request("GET", "http://localhost/x").prepare()


def response(status: int, body: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made.request = REQUEST
    made._content = body.encode()
    return made


def test_it_is_an_error_of_requests_and_a_traced_one() -> None:
    error = DefaultBackoffException(REQUEST, response(503, "b" * 5000))
    assert isinstance(error, requests.HTTPError)
    assert isinstance(error, AirbyteTracedException)
    assert isinstance(error, BaseBackoffException)
    assert (error.request, error.response is not None) == (REQUEST, True)
    assert error.failure_type is FailureType.transient_error
    assert "http://localhost/x failed with status 503: b" in str(error)
    assert str(error).count("b") == 1000 + "http://localhost/x".count("b")


def test_its_cause_may_be_an_exception() -> None:
    error = DefaultBackoffException(REQUEST, TimeoutError("slow"), "For the user.", FailureType.config_error)
    assert error.response is None
    assert error.failure_type is FailureType.config_error
    assert str(error) == error.message == "For the user."
    assert error.internal_message == "Request to http://localhost/x failed: TimeoutError('slow')"
