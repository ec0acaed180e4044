"""The benchmark runs to its end; people judge its numbers."""

from __future__ import annotations

import json
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
    command = [sys.executable, "-m", "bench", "--quick", "--json", *sections]
    env = {**os.environ, "PYTHONPATH": HELPERS}
    done = subprocess.run(command, cwd=TESTS, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert not [row for row in rows if "not measured" in row["what"]]
    assert len(rows) > 8
    assert all(row["ours"] > 0 for row in rows if not row["note"].startswith("left out"))
