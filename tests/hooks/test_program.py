"""Running a hook's program: whatever it does, it ends in time, is bounded, and takes nothing with it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import over_once, wait_for

from wa.errors import WaError
from wa.hooks import program

EVENT = json.dumps({"type": "message", "data": {"content": "Hello"}})


@pytest.fixture
def script(tmp_path):
    """Return a command line that runs Python source."""

    def write(source: str) -> str:
        path = tmp_path / "bot.py"
        path.write_text(source, encoding="utf-8")
        return f"{sys.executable} {path}"

    return write


def run(command, seconds=20.0, event=EVENT, ending=None, **extra):
    """Run a program; return its result."""
    return program.run(command, event, seconds, extra, ending or threading.Event())


def test_the_event_is_its_input_and_what_it_prints_its_answer(script):
    command = script("import json, sys; print(json.load(sys.stdin)['data']['content'].upper())")
    assert run(command) == program.Result("HELLO\n")


def test_an_event_larger_than_a_pipe_arrives_whole(script):
    event = json.dumps({"data": "ü" * 300_000})
    command = script("import sys; print(len(sys.stdin.buffer.read()))")
    assert run(command, event=event).output.strip() == str(len(event.encode()))


def test_a_program_that_closes_its_output_gets_the_whole_event(script, tmp_path):
    event, path = json.dumps({"data": "ü" * 300_000}), tmp_path / "size"
    source = f"""
import os, sys, time
os.close(1), os.close(2)
time.sleep(0.3)
open({str(path)!r}, "w").write(str(len(sys.stdin.buffer.read())))
"""
    assert run(script(source), event=event).error is None
    assert path.read_text() == str(len(event.encode()))


@pytest.mark.parametrize(
    ("source", "error", "again"),
    [
        ("raise SystemExit(3)", "it ended with exit code 3", False),
        ("raise SystemExit(75)", "it ended with exit code 75", True),
        ("import sys; sys.exit('out of tea')", "it ended with exit code 1: out of tea", False),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it ended with signal 9", False),
        ("print('x' * 65537)", "it printed more than 65,536 bytes", False),
        ("while True: print('y' * 1000)", "it printed more than 65,536 bytes", False),
    ],
)
def test_what_fails_is_told(script, source, error, again):
    result = run(script(source))
    assert (result.error, result.again, result.gone) == (error, again, False)
    assert len(result.output) <= program.MOST_OUTPUT


def test_a_program_that_never_reads_and_floods_its_errors_is_served(script):
    command = script("import sys\nfor _ in range(10_000): sys.stderr.write('e' * 1000)\nprint('done')")
    assert run(command, event="x" * 1_000_000) == program.Result("done\n")


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(script, tmp_path, monkeypatch):
    pid = tmp_path / "pid"
    command = script(
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    began = time.monotonic()
    monkeypatch.setattr(program, "TERM_SECONDS", 0.2)
    monkeypatch.setattr(program, "time", over_once(lambda: pid.exists() and pid.read_text()))
    result = run(command, 100.0)
    assert (result.error, result.again) == ("it took too long", False)
    assert time.monotonic() - began < 50
    number = int(pid.read_text())
    wait_for(lambda: not _is_alive(number), what="the end of what the program started")


def _is_alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_what_it_started_and_left_behind_does_not_keep_it(script):
    """A process in the background holds the pipe open: the answer is what came before the program ended."""
    command = script(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('answer', flush=True)"
    )
    began = time.monotonic()
    assert run(command) == program.Result("answer\n")
    assert time.monotonic() - began < 50


def test_a_program_that_ends_its_own_group_ends_alone(script):
    command = script("import os, signal; os.killpg(0, signal.SIGKILL)")
    assert run(command).error == "it ended with signal 9"


@pytest.mark.parametrize("command", ["/nowhere/bot", "/etc/passwd", "/tmp"])
def test_what_is_no_program_is_told(command):
    assert run(command).error.startswith("it cannot be started: ")


@pytest.mark.parametrize("command", ["", "  ", "bot 'unclosed", "bot\0"])
def test_what_is_no_command_line_is_refused(command):
    with pytest.raises(WaError) as refused:
        program.split(command)
    assert refused.value.code == "usage"


def test_no_shell_and_no_secrets_and_no_descriptors(script, monkeypatch):
    monkeypatch.setenv("API_SECRET", "secret")
    monkeypatch.setenv("B2_SECRET_ACCESS_KEY", "secret")
    command = script(
        "import os, sys\n"
        "print(sorted(int(each) for each in os.listdir('/proc/self/fd'))[:4], sys.argv[1:],"
        " [name for name in os.environ if 'SECRET' in name], os.environ['WA_HOOK'])"
    )
    with open(os.devnull) as extra:
        os.set_inheritable(extra.fileno(), True)
        found = run(f"{command} '$HOME' ; false", WA_HOOK="1:2").output.strip()
    assert found == "[0, 1, 2, 3] ['$HOME', ';', 'false'] [] 1:2"  # 3 is the folder that is listed


def test_the_end_of_wa_ends_it_and_it_is_to_be_run_again(script):
    ending = threading.Event()
    threading.Timer(0.3, ending.set).start()
    result = run(script("import time; time.sleep(60)"), 60.0, ending=ending)
    assert (result.error, result.again) == ("wa ended", True)
