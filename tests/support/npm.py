"""Programs from npm that tests run, installed once into the checkout's venv."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

VENV = Path(__file__).parents[2] / ".venv"
SECONDS = 240


def npm_folder(name: str, packages: Mapping[str, str], overrides: Mapping[str, str] | None = None) -> Path:
    """Return the folder .venv/NAME, which has these packages in `node_modules`.

    The first test process that needs them installs them, without running their scripts. Skip the test where
    npm is missing; fail it when npm cannot install, with what npm said.
    """
    folder = VENV / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = json.dumps({"private": True, "dependencies": packages, "overrides": overrides or {}})
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed.json"
        if not done.exists() or done.read_text() != wanted:
            done.unlink(missing_ok=True)
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            (folder / "package.json").write_text(wanted)
            _install(folder)
            done.write_text(wanted)
    return folder


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"{folder.name} cannot be had: npm is not installed")
    quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    retries = ["--fetch-retries=3", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
    # peers are optional parts, such as a library for thumbnails
    command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--legacy-peer-deps"]
    try:
        ended = subprocess.run(
            [*command, *quiet, *retries], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"npm did not install {folder.name} within {SECONDS} s; is its registry reachable?")
    if ended.returncode:
        pytest.fail(f"npm could not install {folder.name}: {ended.stderr.strip()[:600]}")
