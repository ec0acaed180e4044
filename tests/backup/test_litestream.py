"""Litestream as the README sets it up: it follows the store, and `wa` takes what it restores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import REEM, wait_for

pytest_plugins = ["s3_server"]
LITESTREAM = str(Path(sys.executable).with_name("litestream"))


def litestream(bucket, *args, **options):
    """Start Litestream with the keys of the S3 server, without the tests' certificates."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= {
        "LITESTREAM_ACCESS_KEY_ID": bucket.server.key,
        "LITESTREAM_SECRET_ACCESS_KEY": bucket.server.secret,
    }
    return subprocess.Popen(
        [LITESTREAM, *args],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def test_a_replica_of_litestream_is_restored_and_sends_no_message_again(wa, home, bucket, tmp_path):
    config = tmp_path / "litestream.yml"
    config.write_text(
        f"dbs:\n  - path: {home.store}\n    replica:\n      type: s3\n"
        f"      endpoint: {bucket.server.endpoint}\n      bucket: {bucket.name}\n      path: litestream\n"
    )
    assert wa("contacts", "add", "Reem", REEM).code == 0
    follower = litestream(bucket, "replicate", "-config", str(config))
    try:
        assert wa("schedule", "add", REEM, "Happy birthday", "--at", "in 1 second", "--key", "2026").code == 0
        old = tmp_path / "old.db"

        def has_arrived():
            old.unlink(missing_ok=True)
            done = litestream(bucket, "restore", "-config", str(config), "-o", str(old), str(home.store))
            done.communicate(timeout=60)
            rows = wa("backup", "verify", str(old), "--json")
            return rows.code == 0 and b"Happy birthday" in old.read_bytes()

        wait_for(has_arrived, 60, "the replica")
    finally:
        follower.terminate()
        said, _ = follower.communicate(timeout=30)
    assert follower.returncode == 0, said

    wait_for(lambda: wa("run-scheduler", "--once").code == 0 and wa("loopback", "delivered", "--json").json)
    done = wa("backup", "restore", str(old), "--json")
    assert done.code == 0, done.err
    assert wa("resume").code == 0
    assert wa("run-scheduler", "--once").code == 0
    assert wa("send", REEM, "Happy birthday", "--key", "2026").code == 0
    assert [row["content"] for row in wa("loopback", "delivered", "--json").json] == ["Happy birthday"]
