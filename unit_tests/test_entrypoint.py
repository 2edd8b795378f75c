"""Commands run in processes of their own, on the source in toy_source.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.sources.source import Source

TOY = Path(__file__).with_name("toy_source.py")
CONFIG = {"a": "x", "password": "s3cret"}
CATALOG = {
    "streams": [
        {
            "stream": {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite_dedup",
        }
    ]
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    config = {**CONFIG, "marker": str(tmp_path / "marker")}
    contents = {"config": config, "catalog": CATALOG, "bad": {"a": 1, "password": "s3cret"}, "list": []}
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def command(mode: str, *args: str) -> list[str]:
    return [sys.executable, str(TOY), mode, *args]


def run(files: Path, mode: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(mode, *args), cwd=files, capture_output=True, text=True, env={**os.environ, **env}, timeout=60
    )


READ = ("read", "--config", "config.json", "--catalog", "catalog.json")
CHECK = ("check", "--config", "config.json")


def messages(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.split("\n") if line.startswith('{"type"')]


def kinds(output: str) -> list[str]:
    return [message["type"] for message in messages(output)]


def of_type(output: str, kind: str) -> list[dict[str, Any]]:
    return [message for message in messages(output) if message["type"] == kind]


def texts(output: str) -> list[str]:
    return [message["log"]["message"] for message in of_type(output, "LOG")]


def counts(output: str) -> list[float]:
    return [message["state"]["sourceStats"]["recordCount"] for message in of_type(output, "STATE")]


# The command line


def test_spec(files: Path) -> None:
    done = run(files, "", "spec")
    assert done.returncode == 0
    assert kinds(done.stdout) == ["LOG", "SPEC"]
    assert texts(done.stdout) == ["queued in spec"]
    assert done.stderr == ""


@pytest.mark.parametrize("args", [("check",), ("read", "--config", "c"), ("nonsense",), ("spec", "--config", "c")])
def test_usage_errors_end_with_2_and_print_nothing_on_stdout(files: Path, args: tuple[str, ...]) -> None:
    done = run(files, "", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage:")


def test_no_command_is_an_error(files: Path) -> None:
    done = run(files, "")
    assert done.returncode == 1
    assert kinds(done.stdout) == ["LOG", "TRACE"]


def test_paths_are_extracted_without_side_effects() -> None:
    read = ["read", "--config", "c", "--catalog", "k", "--state", "s", "--manifest-path", "m", "--debug"]
    assert AirbyteEntrypoint.extract_config(read) == "c"
    assert AirbyteEntrypoint.extract_catalog(read) == "k"
    assert AirbyteEntrypoint.extract_state(read) == "s"
    assert AirbyteEntrypoint.extract_state(read[:5]) is None
    assert AirbyteEntrypoint.extract_config(["spec"]) is None
    assert AirbyteEntrypoint.extract_catalog(["check", "--config", "c"]) is None
    hook = sys.excepthook

    class Untouchable:
        name = "untouchable"

    entrypoint = AirbyteEntrypoint(Untouchable())  # type: ignore[arg-type]
    assert entrypoint.extract_config(read) == "c"
    assert sys.excepthook is hook


# check


def test_check_succeeds(files: Path) -> None:
    done = run(files, "", *CHECK)
    assert done.returncode == 0
    assert kinds(done.stdout) == ["LOG", "LOG", "LOG", "CONNECTION_STATUS"]
    assert texts(done.stdout)[1] == "checking with ****"
    assert messages(done.stdout)[-1]["connectionStatus"] == {"status": "SUCCEEDED"}


def test_check_of_a_config_that_does_not_fit_the_spec(files: Path) -> None:
    done = run(files, "", "check", "--config", "bad.json")
    assert done.returncode == 0
    assert kinds(done.stdout) == ["LOG", "CONNECTION_STATUS"]
    status = messages(done.stdout)[-1]["connectionStatus"]
    assert status["status"] == "FAILED"
    assert "a: must be a string, not an integer" in status["message"]


@pytest.mark.parametrize(
    ("mode", "exit_code", "expected"),
    [
        ("failed", 0, ["LOG", "LOG", "LOG", "CONNECTION_STATUS"]),
        ("config error", 0, ["LOG", "LOG", "TRACE", "CONNECTION_STATUS"]),
        ("system error", 1, ["LOG", "LOG", "TRACE", "LOG", "TRACE"]),
        ("crash", 1, ["LOG", "LOG", "LOG", "TRACE"]),
        ("exit", 7, ["LOG", "LOG"]),
    ],
)
def test_check_that_fails(files: Path, mode: str, exit_code: int, expected: list[str]) -> None:
    done = run(files, mode, *CHECK)
    assert (done.returncode, kinds(done.stdout)) == (exit_code, expected)
    assert "s3cret" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_failures_are_told_as_they_are(files: Path) -> None:
    failed = messages(run(files, "failed", *CHECK).stdout)
    assert failed[-1]["connectionStatus"] == {"status": "FAILED", "message": "bad ****"}
    assert failed[-2]["log"]["level"] == "ERROR"
    config_error = messages(run(files, "config error", *CHECK).stdout)
    error = config_error[-2]["trace"]["error"]
    assert (error["message"], error["internal_message"]) == ("user ****", "internal ****")
    assert error["failure_type"] == "config_error"
    assert isinstance(config_error[-2]["trace"]["emitted_at"], int)
    assert config_error[-1]["connectionStatus"] == {"status": "FAILED", "message": "user ****"}
    crash = messages(run(files, "crash", *CHECK).stdout)
    assert crash[-2]["log"]["level"] == "FATAL"
    assert "ValueError: boom ****" in crash[-2]["log"]["message"]
    assert crash[-1]["trace"]["error"]["failure_type"] == "system_error"
    assert "ValueError: boom ****" in crash[-1]["trace"]["error"]["stack_trace"]


@pytest.mark.parametrize("config", ["list.json", "missing.json"])
def test_an_unreadable_config_is_uncaught(files: Path, config: str) -> None:
    done = run(files, "", "check", "--config", config)
    assert done.returncode == 1
    assert config in messages(done.stdout)[-1]["trace"]["error"]["internal_message"]


# debug mode


def test_debug_flag(files: Path) -> None:
    lines = messages(run(files, "", *CHECK, "--debug").stdout)
    debug = [line for line in lines if line["type"] == "DEBUG"]
    assert debug[-1] == {"type": "DEBUG", "message": "details", "data": {"k": "1", "password": "****"}}


def test_debug_log_level(files: Path) -> None:
    logs = of_type(run(files, "", *CHECK, LOG_LEVEL="debug").stdout, "LOG")
    debug = [line["log"]["message"] for line in logs if line["log"]["level"] == "DEBUG"]
    assert debug[-1].startswith("details\n")
    assert json.loads(debug[-1].split("\n")[1]) == {"k": "1", "password": "****"}


# discover


def test_what_is_printed_comes_out_in_order_and_on_lines_of_its_own(files: Path) -> None:
    done = run(files, "", "discover", "--config", "config.json")
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.split("\n")
    assert lines[1:5] == ["printed ****", "on stderr", '{"printed": "s3cret"}', "no line end"]
    assert json.loads(lines[5])["type"] == "CATALOG"


@pytest.mark.parametrize(("mode", "config"), [("crash", "config.json"), ("", "bad.json")])
def test_discover_that_fails_prints_no_catalog(files: Path, mode: str, config: str) -> None:
    done = run(files, mode, "discover", "--config", config)
    assert done.returncode == 1
    assert kinds(done.stdout)[-2:] == ["LOG", "TRACE"]
    assert "CATALOG" not in kinds(done.stdout)
    expected = "config_error" if config == "bad.json" else "system_error"
    assert messages(done.stdout)[-1]["trace"]["error"]["failure_type"] == expected


# read


def test_read_counts_the_records_of_each_stream(files: Path) -> None:
    done = run(files, "", *READ)
    assert done.returncode == 0
    assert kinds(done.stdout) == [
        "LOG",
        "RECORD",
        "RECORD",
        "LOG",
        "STATE",
        "RECORD",
        "STATE",
        "STATE",
        "RECORD",
        "RECORD",
    ]
    assert counts(done.stdout) == [1.0, 1.0, 1.0]
    assert '"recordCount":1.0' in done.stdout


def test_what_waits_is_written_before_the_end_of_a_failed_read(files: Path) -> None:
    done = run(files, "crash", *READ)
    assert done.returncode == 1
    assert kinds(done.stdout)[-3:] == ["RECORD", "LOG", "TRACE"]
    assert of_type(done.stdout, "RECORD")[-1]["record"]["data"] == {"queued": 1}
    assert "s3cret" not in done.stdout


def test_a_state_without_a_stream_is_refused(files: Path) -> None:
    done = run(files, "global", *READ)
    assert done.returncode == 1
    assert "without a stream" in messages(done.stdout)[-1]["trace"]["error"]["internal_message"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"s": {"n": 1}}, "holds an object"),
        ([{"type": "STREAM"}], "item 1 has neither"),
        ([{"type": "LEGACY", "data": {}}, {"type": "NO"}], "item 2 is not a STATE"),
    ],
)
def test_a_state_that_cannot_be_used_is_a_config_error(files: Path, content: Any, reason: str) -> None:
    (files / "state.json").write_text(json.dumps(content))
    done = run(files, "", *READ, "--state", "state.json")
    assert done.returncode == 1
    error = messages(done.stdout)[-1]["trace"]["error"]
    assert error["failure_type"] == "config_error"
    assert reason in error["message"]
    assert "state.json" in error["message"]


def test_a_catalog_that_cannot_be_used_is_a_config_error(files: Path) -> None:
    (files / "catalog.json").write_text('{"streams": [{"stream": {}}]}')
    done = run(files, "", *READ)
    assert done.returncode == 1
    error = messages(done.stdout)[-1]["trace"]["error"]
    assert error["failure_type"] == "config_error"
    assert "catalog.json" in error["message"]


@pytest.mark.parametrize("mode", ["big", "keys", "native", "surrogate"])
def test_odd_values_are_written(files: Path, mode: str) -> None:
    done = run(files, mode, *READ)
    assert done.returncode == 0
    data = [message["record"]["data"] for message in of_type(done.stdout, "RECORD")][2:4]
    assert (
        data[0]
        == data[1]
        == {
            "big": {"b": 2**70, "nan": None, "at": "2024-01-02T03:04:05"},
            "keys": {"b": {"1": "one", "null": "none", "false": "false", "2.5": "float"}},
            "native": {
                "at": "2024-01-02T00:00:00+00:00",
                "id": "00000000-0000-0000-0000-000000000001",
                "enum": "FAILED",
                "inf": None,
                "kept": {"null": None},
            },
            "surrogate": {"b": "\ud800"},
        }[mode]
    )
    slow = [text for text in texts(done.stdout) if "slower" in text]
    assert len(slow) == (0 if mode == "native" else 1)


@pytest.mark.parametrize("mode", ["decimal", "bytes", "list"])
def test_a_value_that_cannot_be_written_ends_the_sync_and_names_the_stream(files: Path, mode: str) -> None:
    done = run(files, mode, *READ)
    assert done.returncode == 1
    error = messages(done.stdout)[-1]["trace"]["error"]
    assert error["failure_type"] == "system_error"
    assert "stream s" in error["message"]


def test_batches_are_written_as_they_are_and_counted(files: Path) -> None:
    done = run(files, "few", *READ)
    assert done.returncode == 0
    lines = done.stdout.removesuffix("\n").split("\n")
    assert all(json.loads(line) for line in lines)
    assert len(of_type(done.stdout, "RECORD")) == 3000
    assert counts(done.stdout) == [1000.0, 1000.0, 1000.0]


def test_the_config_is_not_written_to_disk(files: Path) -> None:
    holder = files / "temporary"
    holder.mkdir()
    with subprocess.Popen(
        command("slow", *READ), cwd=files, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(holder)}
    ) as process:
        assert process.stdout is not None
        while b"RECORD" not in process.stdout.readline():
            pass
        kept = [path for path in holder.rglob("*") if path.is_file()]
        process.kill()
    assert kept == []


def test_lines_arrive_while_the_source_waits(files: Path) -> None:
    with subprocess.Popen(command("wait", *READ), cwd=files, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        arrived = {}
        for line in process.stdout:
            arrived[json.loads(line)["type"]] = time.monotonic()
            if b'"n":1' in line and b"STATE" in line:
                first_state = time.monotonic()
    assert process.returncode == 0
    # The source waits one second after its first state.
    assert arrived["STATE"] - first_state > 0.7


# How it ends


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("mode", ["slow", "slow batches", "batches", "endless", "sleep"])
def test_a_signal_ends_it_soon(files: Path, mode: str, number: int, exit_code: int) -> None:
    args = CHECK if mode == "sleep" else READ
    out = files / "out"
    with (
        out.open("wb") as stdout,
        subprocess.Popen(command(mode, *args), cwd=files, stdout=stdout, stderr=subprocess.PIPE) as process,
    ):
        # `check` says nothing before it sleeps
        deadline = time.monotonic() + (2 if mode == "sleep" else 20)
        while out.stat().st_size < 300 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        sent = time.monotonic()
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == exit_code
    assert time.monotonic() - sent < 10
    assert said == b""
    end = out.read_bytes()[-2000:].decode().removesuffix("\n").split("\n")
    assert json.loads(end[-1])["log"]["message"] == f"Stopped by {signal.Signals(number).name}."
    if "batches" in mode:
        assert json.loads(end[-2])["state"]["stream"]["stream_state"]["last"] is True
    if mode == "endless":
        assert (files / "marker").read_text() == "cleaned up"


@pytest.mark.parametrize("mode", ["endless", "batches", "slow"])
def test_it_stops_when_nobody_reads_its_output(files: Path, mode: str) -> None:
    with subprocess.Popen(command(mode, *READ), cwd=files, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        closed = time.monotonic()
        said = process.stderr.read()
    assert process.returncode == 1
    assert time.monotonic() - closed < 10
    assert said == b""
    assert (files / "marker").exists() == (mode == "endless")


def test_a_full_pipe_does_not_keep_it_from_ending(files: Path) -> None:
    with subprocess.Popen(command("batches", *READ), cwd=files, stdout=subprocess.PIPE) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        assert process.wait(timeout=20) == 143
        assert time.monotonic() - sent < 10


def test_a_second_signal_ends_it_at_once(files: Path) -> None:
    with subprocess.Popen(command("batches", *READ), cwd=files, stdout=subprocess.PIPE) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        assert process.wait(timeout=20) == 143
        assert time.monotonic() - sent < 1


def test_threads_do_not_keep_a_failed_process_alive(files: Path) -> None:
    started = time.monotonic()
    done = run(files, "lingering", *READ)
    assert time.monotonic() - started < 20
    assert done.returncode == 1
    assert kinds(done.stdout)[-2:] == ["LOG", "TRACE"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, airbyte_cdk\n"
        "heavy = {'pyarrow', 'requests', 'jsonschema', 'pydantic', 'orjson', 'serpyco_rs'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import airbyte_cdk.entrypoint\n"
        "heavy = {'pyarrow', 'requests', 'jsonschema', 'pydantic', 'serpyco_rs'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_source_class_of_the_environment_is_run(files: Path) -> None:
    code = "from airbyte_cdk.entrypoint import main; main()"
    env = {
        **os.environ,
        "PYTHONPATH": str(TOY.parent),
        "AIRBYTE_IMPL_MODULE": "toy_source",
        "AIRBYTE_IMPL_PATH": "ToySource",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *CHECK], cwd=files, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert kinds(done.stdout)[-1] == "CONNECTION_STATUS"


def test_source_is_what_the_entrypoint_expects() -> None:
    assert {"check", "discover", "read"} == Source.__abstractmethods__
