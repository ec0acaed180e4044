"""In the tests no process of ours talks to another machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import HELPERS, TESTS


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare, of util-linux")
def test_the_main_job_works_with_only_the_loopback_interface(tmp_path):
    apart = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us make a network namespace")
    command = [*apart, sys.executable, "-m", "alone", str(tmp_path / "alone")]
    env = {**os.environ, "PYTHONPATH": HELPERS}
    done = subprocess.run(
        command, cwd=TESTS, env=env, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["lo"], ["near"], []]
