"""`docs/demo.sh` tells the whole story, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import WA, wait_for

pytestmark = pytest.mark.no_home

DEMO = Path(__file__).parents[2] / "docs/demo.sh"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the demo as the leader of a process group, with its temporary files in tmp_path/tmp."""
    (tmp_path / "tmp").mkdir()
    started: list[subprocess.Popen[str]] = []

    def run(path: str = str(Path(WA).parent), **env: str) -> subprocess.Popen[str]:
        environ = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path / "tmp")}
        popen = subprocess.Popen(
            ["sh", str(DEMO)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environ, **env},
            start_new_session=True,
        )
        started.append(popen)
        return popen

    yield run
    for popen in started:
        if is_running(popen.pid):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.communicate()


@pytest.fixture
def only(tmp_path: Path) -> Callable[..., str]:
    """Make a folder with a `wa` that runs the named steps and skips all others; return the PATH to use.

    A step is the first word, or the first two, such as "send" and "contacts add". While the scheduled message
    is not sent, the demo waits for it, for half a minute at most; with `sent`, until there is that file.
    """

    def make(*steps: str, fails: str = "", is_sent: bool = True, sent: Path = Path("/")) -> str:
        folder = tmp_path / "bin"
        folder.mkdir()
        passes = "".join(f'"{step}" | ' for step in steps)
        (folder / "wa").write_text(
            f'#!/bin/sh\n[ "$1" = "{fails}" ] && exit 7\n'
            f'case "$1" in {passes}"-") exec {WA} "$@" ;; esac\n'
            f'case "$1 $2" in {passes}"-") exec {WA} "$@" ;; esac\n'
            f'case "$1 $2" in "schedule list") echo "{"come on Monday" if is_sent else ""}" ;; esac\n'
            f'case "$1 $2" in "jobs list") [ -e {sent} ] && echo "{"completed" if is_sent else ""}" ;; esac\n'
            'case "$1" in run-scheduler) exec sleep 60 ;; esac\n'
        )
        (folder / "wa").chmod(0o755)
        return str(folder)

    return make


def is_running(group: int) -> bool:
    """Return whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def assert_nothing_left(popen: subprocess.Popen[str], tmp_path: Path) -> None:
    """Check that the demo left no process and no file."""
    wait_for(lambda: not is_running(popen.pid), what="the end of all processes")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "home").exists(), "the demo used our home"


def test_the_demo_runs_all_its_steps(start, tmp_path):
    # settings of the caller's environment are ignored
    popen = start(WA_DAILY_LIMIT="1", WA_QUIET_HOURS="nonsense", WA_TRANSPORT="neonize")
    out, _ = popen.communicate(timeout=120)
    assert popen.returncode == 0, out
    assert "error:" not in out
    assert_a_sentence_before_each_step(out)
    steps = [
        "$ wa contacts import-vcf contacts/family.vcf contacts/friends.vcf",
        "5 added, 1 updated",
        "$ wa contacts import-aliases contacts/aliases.txt",
        '$ wa contacts add "Adam Sample" 447700900456',
        "added Adam Sample",
        "$ wa contacts list",
        "Sister, Nadi",
        "$ wa contacts search zoe",
        "Zoë Exempel",
        '$ wa loopback say sister "Are we still on for Saturday?"',
        "$ wa listen --for 1s",
        "Nadia Sample: Are we still on for Saturday?",
        "$ wa send sister",
        "sent to Nadia Sample",
        "$ wa schedule add plumber",
        "in 4 seconds",
        "$ wa schedule list",
        "pending",
        "$ wa jobs add --to neighbour --to brother --to zoe",
        "0 of 3 sent",
        "$ wa contacts edit sister --birthday 1985-12-24",
        "$ wa template add birthday",
        "$ wa schedule birthdays --template birthday",
        "Happy birthday, Nadia!",
        "$ wa run-scheduler &",
        "$ wa schedule list --status sent",
        "Could you come on Monday?",
        "$ wa jobs list",
        "completed",
        "3 of 3",
        "$ wa chats",
        "→ Could you come on Monday?",
        "$ wa search saturday",
        "Lovely, see you on Saturday",
        "$ wa status",
        "run-scheduler",
        "1 pending, 5 sent",
        "$ wa loopback delivered",
        "+447700900123",
        "+12025550123",
    ]
    place = 0
    for step in steps:
        assert step in out[place:], f"{step!r} is missing after: {out[:place][-300:]}"
        place = out.index(step, place) + len(step)
    delivered = out[out.index("$ wa loopback delivered") :]
    assert delivered.count("Could you come on Monday?") == 1
    assert delivered.count(", tea on Sunday?") == 3
    assert_nothing_left(popen, tmp_path)


def assert_a_sentence_before_each_step(out: str) -> None:
    """Check that a sentence explains each command before it runs."""
    paragraphs = re.split(r"\n\n", out.strip())
    assert len(paragraphs) >= 8
    for paragraph in paragraphs[:-1]:
        sentence, command, *_ = paragraph.splitlines()
        assert sentence.endswith((".", ")"))
        assert len(sentence) < 80
        assert command.startswith("$ ")


ENDS = [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True)]
"""Signals, and whether the whole group of processes gets them: Ctrl-C, kill, a closed terminal."""
MOMENTS = ["contacts add", "listen", "run-scheduler"]


@pytest.mark.parametrize(
    ("number", "to_group", "moment"),
    [
        pytest.param(number, to_group, moment, marks=[] if at == nth else [pytest.mark.soak])
        for at, (number, to_group) in enumerate(ENDS)
        for nth, moment in enumerate(MOMENTS)
    ],
)
def test_a_demo_interrupted_at_any_moment_leaves_nothing_behind(
    start, only, tmp_path, number, to_group, moment
):
    popen = start(only(moment, is_sent=False))
    for line in popen.stdout:
        if line.startswith(f"$ wa {moment}"):
            break
    (os.killpg if to_group else os.kill)(popen.pid, number)
    popen.communicate(timeout=60)
    assert popen.returncode == 128 + number
    assert_nothing_left(popen, tmp_path)


@pytest.mark.parametrize(
    ("command", "others"),
    [
        ("contacts", []),
        ("send", ["contacts add", "listen"]),
        ("run-scheduler", []),
        ("search", ["contacts add", "run-scheduler"]),
    ],
)
def test_a_step_that_fails_fails_the_demo(start, only, tmp_path, command, others):
    popen = start(only(*others, fails=command))
    out, _ = popen.communicate(timeout=120)
    assert popen.returncode != 0, out
    assert "That was all" not in out
    assert_nothing_left(popen, tmp_path)


def test_a_reader_that_goes_away_leaves_nothing_behind(start, only, tmp_path):
    popen = start(only("run-scheduler", sent=tmp_path / "sent"))
    for line in popen.stdout:
        if line.startswith("$ wa run-scheduler"):
            break
    popen.stdout.close()
    popen.stdout = None  # communicate() must not look for it
    (tmp_path / "sent").touch()  # it has more to say
    popen.wait(timeout=120)
    assert popen.returncode != 0
    assert_nothing_left(popen, tmp_path)
