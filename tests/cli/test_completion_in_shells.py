"""Bash, zsh and fish on a terminal: a name that Tab has completed is one word, and the message goes to it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import WA, Result, delivered

NAMES = [
    "Nadia Sample",
    'Bob "Bobby" Smith',
    "Conor O'Example",
    "Zoë Ünal-Größe",
    r"D $HOME `touch ran` \ (y) & z; *!#~:=1",
]
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(wa --show-completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u; eval "$(wa --show-completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "wa --show-completion fish | source"),
}
TYPED = {
    "N": NAMES[0],
    r"Nadia\ S": NAMES[0],
    r"Nadia\ ": NAMES[0],
    '"Nadia ': NAMES[0],
    "B": NAMES[1],
    "C": NAMES[2],
    "'Z": NAMES[3],
    "D": NAMES[4],
    '"D': NAMES[4],
}
A_FEW = {each: TYPED[each] for each in (r"Nadia\ ", "B", "C", "'Z", '"D')}
"""Each name once, in different quotes."""
# It completes as wa does, and writes down what it is called with otherwise.
STAND_IN = """#!/bin/sh
case "$_WA_COMPLETE$1" in
complete_*|--show-completion) exec "$REAL_WA" "$@";;
esac
printf '%s\\0' "$#" "$@" >> "$CALLS"
"""


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, argv: list[str], folder: Path, env: dict[str, str]) -> None:
        self._mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.seen = b""
        self._entered = 0

    def enter(self, line: str) -> None:
        """Type a line, and wait until the shell has run it."""
        self._entered += 1
        done = f"done {self._entered}."
        os.write(self._mine, f"{line}\necho {done[:2]}''{done[2:]}\n".encode())
        deadline = time.monotonic() + 60
        while done.encode() not in self.seen:
            assert time.monotonic() < deadline, self.seen.decode(errors="replace")[-2000:]
            if select.select([self._mine], [], [], 0.1)[0]:
                self.seen += os.read(self._mine, 65536)

    def close(self) -> None:
        """End the shell."""
        self.process.kill()
        self.process.wait()
        os.close(self._mine)


@pytest.mark.parametrize(
    ("shell", "lines"),
    [
        ("bash", TYPED),
        *((shell, A_FEW) for shell in ("zsh", "fish")),
        *(pytest.param(shell, TYPED, marks=pytest.mark.soak) for shell in ("zsh", "fish")),
    ],
)
def test_a_completed_name_is_one_word_and_gets_the_message(
    wa: Callable[..., Result], home, tmp_path: Path, shell: str, lines: dict[str, str]
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    for number, name in enumerate(NAMES):
        assert wa("contacts", "add", name, f"44770090010{number}").code == 0
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "wa").write_text(STAND_IN)
    (tmp_path / "bin" / "wa").chmod(0o700)
    env = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "REAL_WA": WA,
        "CALLS": str(tmp_path / "calls"),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    argv, setup = START[shell]
    terminal = Terminal(argv, tmp_path / "cwd", env)
    try:
        terminal.enter(setup)
        for number, typed in enumerate(lines):
            terminal.enter(f"wa send {typed}\t 'text {number}'")
    finally:
        terminal.close()

    *words, last = (tmp_path / "calls").read_text().split("\0")
    assert last == ""
    calls = [words[at : at + 4] for at in range(0, len(words), 4)]
    assert calls == [["3", "send", name, f"text {number}"] for number, name in enumerate(lines.values())]
    assert not (tmp_path / "cwd" / "ran").exists()
    for _, *args in calls:
        assert wa(*args).code == 0
    assert delivered(home) == [f"text {number}" for number in range(len(lines))]
    sent_to = [row["to_jid"][:12] for row in json.loads(wa("loopback", "delivered", "--json").out)]
    assert sent_to == [f"44770090010{NAMES.index(name)}" for name in lines.values()]
