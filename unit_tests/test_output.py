from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airbyte_cdk import output


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_outside_a_run_lines_go_to_the_current_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(b'{"a": 1}\n')
    output.write([b"one ", memoryview(b"line\n")])
    assert capsys.readouterr().out == '{"a": 1}\none line\n'


def test_a_captured_stdout_is_left_in_place(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with output.redirected():
        assert sys.stdout is before
        sys.stdout.write("printed\n")
        output.emit(b"emitted\n")
    assert capsys.readouterr().out == "printed\nemitted\n"


def test_everything_comes_out_in_order() -> None:
    done = run(
        "import sys, logging, os\n"
        "from airbyte_cdk import output\n"
        "from airbyte_cdk.logger import init_logger\n"
        "with output.redirected():\n"
        "    print('1'); print('2', file=sys.stderr)\n"
        "    init_logger('airbyte').info('3')\n"
        "    output.emit(b'4\\n'); sys.stdout.buffer.write(b'5\\n'); output.write([b'6' * 50000, b'\\n'])\n"
        "    sys.stdout.write('7'); output.emit(b'8\\n'); sys.stdout.write('9')\n"
        "print('10')\n"
    )
    assert done.stderr == ""
    lines = done.stdout.split("\n")
    assert json.loads(lines[2])["log"]["message"] == "3"
    assert [*lines[:2], *lines[3:5], lines[5][:3], *lines[6:]] == ["1", "2", "4", "5", "666", "7", "8", "9", "10", ""]


def test_lines_of_many_threads_are_never_cut() -> None:
    done = run(
        "import threading, sys\n"
        "from airbyte_cdk import output\n"
        "def work(n):\n"
        "    for i in range(300):\n"
        "        output.emit(b'{\"text\": \"%s\"}\\n' % (b'x' * (n * 7000)))\n"
        "        print('printed', 'in', 'parts', n)\n"
        "with output.redirected():\n"
        "    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
        "    [t.start() for t in threads]; [t.join() for t in threads]\n"
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2400
    assert sum(line.startswith("printed in parts ") and len(line) == 18 for line in lines) == 1200
    assert sum(json.loads(line)["text"].count("x") for line in lines if line.startswith("{")) == 300 * 7000 * 6


def test_text_without_a_line_end_is_not_kept_for_ever() -> None:
    done = run(
        "import sys\n"
        "from airbyte_cdk import output\n"
        "with output.redirected():\n"
        "    for i in range(100): sys.stdout.write('\\r' + 'x' * 1000)\n"
        "    sys.stdout.flush(); output.write([b'message\\n'])\n"
    )
    before, _, after = done.stdout.partition("message\n")
    assert before.count("x") == 100_000
    assert after == ""


def test_a_full_disk_is_an_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    code = (
        "import sys\n"
        "from airbyte_cdk import output\n"
        "with output.redirected():\n"
        "    try:\n"
        "        output.write([b'x' * 100000 + b'\\n'])\n"
        "    except OSError as error:\n"
        "        code = error.errno\n"
        "sys.exit(code)\n"
    )
    with open("/dev/full", "w") as full:
        assert subprocess.run([sys.executable, "-c", code], stdout=full, timeout=60).returncode == 28


def test_no_terminal_under_capture() -> None:
    assert run("from airbyte_cdk import output; print(output.terminal())").stdout == "None\n"


def test_a_terminal_stays_within_reach() -> None:
    code = (
        "import os, pty, subprocess, sys\n"
        "master, slave = pty.openpty()\n"
        "inner = 'from airbyte_cdk import output\\n' \\\n"
        "    'with output.redirected():\\n    output.terminal().write(\"progress\")'\n"
        "done = subprocess.run([sys.executable, '-c', inner], stdout=subprocess.PIPE, stderr=slave)\n"
        "os.close(slave)\n"
        "print(done.returncode, done.stdout, os.read(master, 100))\n"
    )
    assert run(code).stdout == "0 b'' b'progress'\n"
