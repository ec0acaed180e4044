"""What the start of a command loads: it is most of the time that a short command takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wa.cli.tree.commands import COMMANDS

SHOWING = (
    "chats",
    "read nad",
    "search hello",
    "schedule list",
    "contacts list",
    "contacts show nad",
    "status",
)

NEVER = {
    "sqlite_utils", "rich", "neonize", "boto3", "dateutil", "phonenumbers", "starlette", "secrets",
    "tempfile",
}  # fmt: skip
"""What a command of everyday must not load; each takes from 4 ms to half a second."""
TO_SHOW = {"hashlib", "socket", "logging", "random", "wa.when", "wa.whatsapp.events", "wa.whatsapp.signals"}
"""What a command that only shows something need not load either."""


PROGRAM = """
import sys
from wa.cli.main import App, run
code = run(sys.argv[1:], App())
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


def loaded(*args: str) -> set[str]:
    """Return the modules that a process of `wa` loads."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture
def used(wa):
    """Return a home with a contact, a message, and a message for later."""
    wa("contacts", "add", "Nadia Sample", "447700900777")
    wa("send", "nad", "Hello")
    wa("schedule", "add", "nad", "Good morning", "--at", "tomorrow 9am")


def test_what_shows_something_loads_little(used):
    never = NEVER | TO_SHOW
    for command in SHOWING:
        assert loaded(*command.split()) & never == set(), command


def test_what_sends_loads_no_library_that_it_does_not_use(used):
    assert loaded("send", "nad", "Good night") & (NEVER | {"wa.when"}) == set()
    assert loaded("run-scheduler", "--once") & (NEVER | {"wa.when"}) == set()


def test_a_command_loads_no_other_command(used):
    assert len(COMMANDS) > 20
    ours = {name for name in loaded("chats") if name.startswith("wa.cli.commands.")}
    assert ours == {"wa.cli.commands.chats"}
