"""Programs from npm that tests run, installed once into the checkout's venv.

Each folder of `npm_locks` is a set of packages, every one with its version and its hash, so that another day
runs the same code. After a change of its package.json, `npm install --package-lock-only --ignore-scripts
--legacy-peer-deps --omit-lockfile-registry-resolved` in that folder writes its lock file anew.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

LOCKS = Path(__file__).parent / "npm_locks"
VENV = Path(__file__).parents[2] / ".venv"
FILES = ("package.json", "package-lock.json")
SECONDS = 240


def npm_folder(name: str) -> Path:
    """Return the folder .venv/NAME, which has the packages of `npm_locks`/NAME in `node_modules`.

    The first test process that needs them installs them, without running their scripts. Skip the test where
    npm is missing; fail it when npm cannot install, with what npm said.
    """
    folder = VENV / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = "".join((LOCKS / name / each).read_text() for each in FILES)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed.json"
        if not done.exists() or done.read_text() != wanted:
            done.unlink(missing_ok=True)
            for each in FILES:
                shutil.copy(LOCKS / name / each, folder)
            _install(folder)
            done.write_text(wanted)
    return folder


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"{folder.name} cannot be had: npm is not installed")
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    retries = ["--fetch-retries=3", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
    # peers are optional parts, such as a library for thumbnails
    command = [npm, "ci", "--prefix", str(folder), "--ignore-scripts", "--legacy-peer-deps"]
    try:
        ended = subprocess.run(
            [*command, *quiet, *retries], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"npm did not install {folder.name} within {SECONDS} s; is its registry reachable?")
    if ended.returncode:
        pytest.fail(f"npm could not install {folder.name}: {ended.stderr.strip()[:600]}")
