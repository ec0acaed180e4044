"""Bash completes names as it has to read them: one word each, and nothing in it is run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import WA, Result

pytestmark = pytest.mark.console_script

NAMES = [
    "Nadia Sample",
    "Nadia $(touch ran)",
    "Nadia `touch ran`",
    "Nadia ; touch ran",
    'Nadia "Nadi" Sample',
    "Nadia O'Example",
    r"Nadia \ Sample",
    "Nadia é عمر",
]
PATTERN = "Nadia *"
"""A name that bash's function, which is Typer's, takes for names of files inside quotes."""
# Bash runs the function that was installed, then reads what it put into the command line.
TYPE_TAB = """
eval "$("$1" --show-completion bash)"
COMP_WORDS=(wa send "$2") COMP_CWORD=2
_wa_completion "$1"
for word in "${COMPREPLY[@]}"; do eval "printf '%s\\n' ${3}$word$3"; done
"""


@pytest.mark.parametrize(
    ("typed", "quote"), [("", ""), ("Na", ""), ('"Na', '"'), ("'Na", "'"), (r"Nadia\ ", "")]
)
def test_bash_reads_a_completed_name_as_the_name(
    wa: Callable[..., Result], tmp_path: Path, typed: str, quote: str
) -> None:
    names = NAMES if quote else [*NAMES, PATTERN]
    for number, name in enumerate(names):
        assert wa("contacts", "add", name, f"44770090010{number}").code == 0
    (tmp_path / "cwd" / "Nadia x").touch()  # for the pattern to find

    done = subprocess.run(
        ["bash", "-c", TYPE_TAB, "bash", WA, typed, quote],
        cwd=tmp_path / "cwd",
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == sorted(names)
    assert not (tmp_path / "cwd" / "ran").exists()
