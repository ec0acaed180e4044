"""The benchmark runs to its end; people judge its numbers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import HELPERS, TESTS


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param(["--only", "history", "search"], id="the store"),
        pytest.param([], id="all", marks=pytest.mark.soak),
    ],
)
def test_each_section_is_measured(sections):
    command = [sys.executable, "-m", "bench", "--quick", *sections]
    env = {**os.environ, "PYTHONPATH": HELPERS}
    done = subprocess.run(command, cwd=TESTS, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not measured" not in done.stdout
    assert len(done.stdout.splitlines()) > 8
