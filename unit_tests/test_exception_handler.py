from __future__ import annotations

import json
import subprocess
import sys

from airbyte_cdk.exception_handler import assemble_uncaught_exception, generate_failed_streams_error_message
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


def run(statement: str) -> subprocess.CompletedProcess[str]:
    code = (
        "from airbyte_cdk.exception_handler import init_uncaught_exception_handler\n"
        "from airbyte_cdk.logger import init_logger\n"
        "from airbyte_cdk import AirbyteTracedException\n"
        f"init_uncaught_exception_handler(init_logger('airbyte'))\n{statement}"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_an_uncaught_exception_is_logged_and_traced() -> None:
    done = run("raise ValueError('boom')")
    log, trace = (json.loads(line) for line in done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (1, "")
    assert log["log"]["level"] == "FATAL"
    assert trace["trace"]["error"]["internal_message"] == "boom"


def test_a_traced_exception_is_reported_as_it_is() -> None:
    done = run("raise AirbyteTracedException('internal', 'user')")
    trace = json.loads(done.stdout.splitlines()[1])
    assert trace["trace"]["error"]["message"] == "user"


def test_a_keyboard_interrupt_is_left_alone() -> None:
    done = run("raise KeyboardInterrupt")
    assert done.stdout == ""
    assert "KeyboardInterrupt" in done.stderr


def test_assembling() -> None:
    traced = AirbyteTracedException("internal")
    assert assemble_uncaught_exception(type(traced), traced) is traced
    assert assemble_uncaught_exception(ValueError, ValueError("boom")).internal_message == "boom"


def test_failed_streams_are_listed() -> None:
    update_secrets(["hunter2"])
    text = generate_failed_streams_error_message({"a": [ValueError("x"), KeyError("y")], "b": [OSError("hunter2")]})
    update_secrets([])
    assert text.split("\n")[1:] == ["a: ValueError('x')", "a: KeyError('y')", "b: OSError('****')"]
