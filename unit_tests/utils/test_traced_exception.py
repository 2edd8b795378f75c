from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airbyte_cdk.models import AirbyteErrorTraceMessage, AirbyteMessage, FailureType, Status, StreamDescriptor, Type
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from airbyte_cdk.utils.traced_exception import UNEXPLAINED


@pytest.fixture(autouse=True)
def _secrets() -> Iterator[None]:
    update_secrets(["hunter2"])
    yield
    update_secrets([])


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def error_of(message: AirbyteMessage) -> AirbyteErrorTraceMessage:
    assert message.trace is not None
    assert message.trace.error is not None
    return message.trace.error


def test_text_and_arguments() -> None:
    assert str(AirbyteTracedException("internal", "user")) == "user"
    assert str(AirbyteTracedException("internal")) == "internal"
    assert str(AirbyteTracedException("internal", "")) == ""
    assert str(AirbyteTracedException()) == ""
    assert AirbyteTracedException("internal", "user").args == ("internal",)
    traced = AirbyteTracedException("internal", "user", FailureType.config_error)
    assert (traced.internal_message, traced.message, traced.failure_type) == (
        "internal",
        "user",
        FailureType.config_error,
    )


def test_the_message_has_the_stack_trace_of_the_cause() -> None:
    error = error_of(AirbyteTracedException("internal", exception=raised(ValueError("boom"))).as_airbyte_message())
    assert error.message == UNEXPLAINED
    assert error.internal_message == "internal"
    assert error.failure_type is FailureType.system_error
    assert error.stack_trace is not None
    assert error.stack_trace.startswith("Traceback")
    assert error.stack_trace.endswith("ValueError: boom\n")
    own = error_of(AirbyteTracedException("internal", "user").as_airbyte_message())
    assert own.stack_trace is not None
    assert own.stack_trace.endswith("AirbyteTracedException: user\n")


def test_the_own_stream_wins() -> None:
    own, given = StreamDescriptor(name="own"), StreamDescriptor(name="given")
    assert error_of(AirbyteTracedException().as_airbyte_message(given)).stream_descriptor == given
    assert error_of(AirbyteTracedException(stream_descriptor=own).as_airbyte_message(given)).stream_descriptor == own


def test_secrets_are_masked_in_the_sanitized_message_only() -> None:
    traced = AirbyteTracedException("internal hunter2", "user hunter2", exception=ValueError("hunter2"))
    error = error_of(traced.as_sanitized_airbyte_message(StreamDescriptor(name="hunter2")))
    assert (error.message, error.internal_message, error.stack_trace) == (
        "user ****",
        "internal ****",
        "ValueError: ****\n",
    )
    assert error.stream_descriptor == StreamDescriptor(name="hunter2")
    assert error_of(traced.as_airbyte_message()).message == "user hunter2"


def test_a_config_error_is_also_a_failed_connection() -> None:
    message = AirbyteTracedException("i", "user hunter2", FailureType.config_error).as_connection_status_message()
    assert message is not None
    assert message.type is Type.CONNECTION_STATUS
    assert message.connectionStatus is not None
    assert message.connectionStatus.status is Status.FAILED
    assert message.connectionStatus.message == "user ****"
    assert AirbyteTracedException("i", "user").as_connection_status_message() is None


def test_emitting_prints_one_masked_line(capsys: pytest.CaptureFixture[str]) -> None:
    AirbyteTracedException("internal hunter2", "user").emit_message()
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out)["trace"]["error"]["internal_message"] == "internal ****"


def test_from_an_exception() -> None:
    cause = raised(ValueError("boom"))
    traced = AirbyteTracedException.from_exception(cause, message="user", failure_type=FailureType.transient_error)
    error = error_of(traced.as_airbyte_message())
    assert (error.message, error.internal_message) == ("user", "boom")
    assert error.failure_type is FailureType.transient_error


def test_from_a_traced_exception() -> None:
    cause = AirbyteTracedException("internal", "user", FailureType.config_error)
    traced = AirbyteTracedException.from_exception(cause, StreamDescriptor(name="s"))
    assert (traced.internal_message, traced.message) == ("internal", "user")
    assert traced.failure_type is FailureType.system_error
    assert error_of(traced.as_airbyte_message()).stream_descriptor == StreamDescriptor(name="s")
    assert AirbyteTracedException.from_exception(cause, message="other").message == "other"
    assert AirbyteTracedException.from_exception(AirbyteTracedException(None, "user")).internal_message is None


def test_a_subclass_makes_its_own_kind() -> None:
    class Special(AirbyteTracedException):
        pass

    assert type(Special.from_exception(ValueError("boom"))) is Special
