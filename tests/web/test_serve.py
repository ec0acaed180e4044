"""`wa serve` as a process: its start, its end, and the lines of docs/http.md."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REEM, delivered, wait_for
from web_client import SECRET

ROOT = Path(__file__).parents[2]
HTTP = (ROOT / "docs/http.md").read_text(encoding="utf-8")


class Server:
    """A `wa serve` of its own process."""

    def __init__(self, process):
        self.process, began = process, time.monotonic()
        self.words = process.popen.stdout.readline()
        self.started_in = time.monotonic() - began
        """Seconds, which show how slow the machine is."""
        found = re.search(r"http://(\S+?):(\d+)", self.words)
        assert found, self.words + process.finish().err
        self.host, self.port = found[1].strip("[]"), int(found[2])

    def ask(self, method, path, body=None, **headers):
        """Return status and JSON of an answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): text for name, text in headers.items()}
            data = None if body is None else json.dumps(body)
            if data is not None:
                named["Content-Type"] = "application/json"
            connection.request(method, path, data, {"X-API-Secret": SECRET, **named})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        finally:
            connection.close()


@pytest.fixture
def serve(spawn):
    """Start `wa serve` on a free port."""
    return lambda *more, **env: Server(spawn("serve", "--port", "0", *more, **{"API_SECRET": SECRET, **env}))


def test_it_serves_and_sigterm_ends_it(serve, spawn, home, wa):
    server = serve()
    assert server.words == f"serving on http://127.0.0.1:{server.port}\n"
    assert server.ask("GET", "/health")[0] == 503
    owner = spawn("run-scheduler")
    status, row = server.ask(
        "POST", "/api/v1/messages?wait=30", {"to": REEM, "text": "Hi"}, Idempotency_Key="k"
    )
    assert (status, row["status"]) == (201, "sent")
    assert server.ask("POST", "/api/v1/messages", {"to": REEM, "text": "Hi"}, Idempotency_Key="k")[0] == 200
    assert delivered(home) == ["Hi"]
    assert wait_for(lambda: server.ask("GET", "/health")[0] == 200)
    # a port in use, and who has it
    taken = wa("serve", "--port", str(server.port), "--json", API_SECRET=SECRET)
    assert (taken.code, taken.error["code"]) == (7, "in-use")
    if Path("/proc/net/tcp").exists():
        assert f"(pid {server.process.pid})" in taken.error["message"]
    # a body that does not end does not keep it
    head = "POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(f"{head}X-API-Secret: {SECRET}\r\n\r\n{{".encode())
        began = time.monotonic()
        server.process.signal(signal.SIGTERM)
        result = server.process.finish()
        assert time.monotonic() - began < 5 + server.started_in
        assert (result.code, result.err) == (0, "")
        with contextlib.suppress(ConnectionResetError):  # it may close first, with a part of the body unread
            assert slow.recv(100).startswith(b"HTTP/1.1 503 ")
    owner.signal(signal.SIGTERM)
    assert owner.finish().code == 0


def test_sigterm_ends_it_with_requests_of_every_kind_open(serve, home):
    """One that waits for its message, and ones that are half there: a body, a file, headers."""
    server = serve()
    head = "POST {} HTTP/1.1\r\nHost: localhost\r\nX-API-Secret: " + SECRET + "\r\nContent-Type: {}\r\n"
    body = json.dumps({"to": REEM, "text": "Hi"})
    kind = "multipart/form-data; boundary=b"
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + "x" * 400_000
    texts = (
        f"{head.format('/api/v1/messages?wait=30', 'application/json')}"
        f"Content-Length: {len(body)}\r\n\r\n{body}",
        f"{head.format('/api/v1/messages', 'application/json')}Content-Length: 100\r\n\r\n{{",
        f"{head.format('/api/v1/messages', kind)}Content-Length: 1000000\r\n\r\n{part}",
        "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n",
        *[f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-API-Secret: {SECRET}\r\n\r\n"] * 20,
    )
    with contextlib.ExitStack() as stack:
        for text in texts:
            line = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            line.sendall(text.encode())
        upload = home.media / "upload"
        wait_for(lambda: upload.is_dir() and any(each.stat().st_size for each in upload.iterdir()))
        wait_for(lambda: server.ask("GET", "/api/v1/schedule")[1], what="the message")
        began = time.monotonic()
        server.process.signal(signal.SIGTERM)
        result = server.process.finish()
        assert time.monotonic() - began < 4 + server.started_in
    assert (result.code, result.err) == (0, "")
    assert list(upload.iterdir()) == []


def test_a_locked_store_does_not_keep_it(serve, store):
    body = json.dumps({"to": REEM, "text": "Hi", "at": "2030-12-24 10:00"})
    head = {"X-API-Secret": SECRET, "Idempotency-Key": "k", "Content-Type": "application/json"}
    with store.write():
        server = serve()
        asked = http.client.HTTPConnection(server.host, server.port, timeout=20)
        asked.request("POST", "/api/v1/schedule", body, head)  # in the server's hands before what follows
        wait_for(lambda: server.ask("GET", "/api/v1/schedule")[0] == 200)  # reading goes on meanwhile
        began = time.monotonic()
        server.process.signal(signal.SIGTERM)
        assert server.process.finish().code == 0
        assert time.monotonic() - began < 5 + server.started_in
    with contextlib.closing(
        asked
    ):  # `unknown-outcome`: it does not wait to see whether the row is still made
        assert asked.getresponse().status == 409


def test_ctrl_c_ends_it_with_130_and_json_tells_the_address(serve):
    server = serve("--json", "--host", "localhost")
    assert json.loads(server.words) == {"event": "serving", "url": f"http://localhost:{server.port}"}
    server.process.signal(signal.SIGINT)
    result = server.process.finish()
    assert (result.code, result.err) == (130, "")


def test_without_a_secret_it_prints_a_link_that_works_once(serve):
    server = serve(API_SECRET="")
    line = server.process.popen.stdout.readline()
    path = re.search(r"/login\?key=\S+", line)[0]
    status = []
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", path)
        reply = connection.getresponse()
        status.append((reply.status, bool(reply.getheader("Set-Cookie"))))
        connection.close()
    assert status == [(303, True), (403, False)]
    server.process.signal(signal.SIGTERM)
    result = server.process.finish()
    assert path not in result.out + result.err


@pytest.mark.parametrize(
    ("words", "env", "code", "said"),
    [
        (["--host", "0.0.0.0"], {}, "bad-setting", "API_SECRET"),
        (["--host", "0.0.0.0"], {"API_SECRET": "short"}, "bad-setting", "API_SECRET"),
        (["--host", "192.0.2.1"], {"API_SECRET": SECRET}, "bad-setting", "cannot listen on 192.0.2.1"),
        (["--host", "no.such.host.invalid"], {"API_SECRET": SECRET}, "bad-setting", "cannot listen"),
        ([], {"API_SECRET": SECRET, "API_HOSTS": "http://x"}, "bad-setting", "API_HOSTS"),
        (["--port", "65536"], {}, "usage", "65536"),
    ],
)
def test_it_does_not_start_with_wrong_settings(wa, words, env, code, said):
    found = wa("serve", "--port", "0", *words, "--json", **env)
    assert (found.code, found.error["code"]) == (2, code)
    assert said in found.error["message"]
    assert "short" not in found.err


def test_a_store_of_a_newer_version_is_refused(wa, store):
    columns = "(migration_set, name, applied_at) VALUES ('wa', 'm9999_later', '')"
    store.execute(f"INSERT INTO _sqlite_migrations {columns}")
    found = wa("serve", "--port", "0", "--json")
    assert (found.code, found.error["code"]) == (8, "newer-version")


def test_without_the_extra_it_names_the_line_that_installs_it(monkeypatch, wa):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    found = wa("serve", "--json")
    assert (found.code, found.error["code"]) == (2, "usage")
    assert "pip install" in found.error["hint"]


def test_no_other_command_loads_the_web(shell, home):
    script = (
        "import sys; from wa.cli import main; from wa.cli.context import App;"
        " code = main.run(['status'], App());"
        " print(code, sorted({'fastapi', 'starlette', 'uvicorn', 'pydantic'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "0 []"


def test_the_curl_lines_of_the_docs_work(serve, wa):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    server = serve()
    blocks = re.findall(r"^```sh\n(.*?)^```", HTTP, re.MULTILINE | re.DOTALL)
    (lines,) = [block for block in blocks if block.startswith("curl")]
    commands = lines.replace("\\\n", " ").splitlines()
    assert len(commands) > 10
    wa("loopback", "say", REEM, "Saturday")
    env = {**os.environ, "WA_URL": f"http://127.0.0.1:{server.port}", "API_SECRET": SECRET}
    script = "\n".join(f"{line} -w '\\n%{{http_code}}\\n' || exit" for line in commands)
    found = subprocess.run(
        ["sh", "-c", script], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )
    (stream,) = re.findall(r"^\$ (curl -sN .*)$", HTTP, re.MULTILINE)
    with subprocess.Popen(["sh", "-c", f"exec {stream}"], env=env, stdout=subprocess.PIPE, text=True) as told:
        assert told.stdout.readline() == ": the events follow\n"
        assert told.poll() is None, "it stays open"
        told.kill()
    codes = re.findall(r"^\d{3}$", found.stdout, re.MULTILINE)
    assert codes == [
        "503",
        "200",
        "200",
        "201",
        "200",
        "201",
        "200",
        "202",
        "202",
        "200",
        "201",
        "200",
        "200",
        "200",
    ]


def test_a_kill_during_posts_loses_nothing_that_was_answered(serve, home, store):
    kill_during_posts(serve, home, store, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 22))
def test_many_kills_during_posts_lose_nothing_that_was_answered(serve, home, store, seed):
    kill_during_posts(serve, home, store, seed)


def kill_during_posts(serve, home, store, seed):
    """Kill the server during 50 POSTs, some with a file: what was answered is there, the rest at most once.

    Repeated with their keys, all are there, once each, and so are their files.
    """
    chosen = random.Random(seed)
    server = serve()
    after, delay = chosen.randrange(5, 35), chosen.uniform(0, 0.03)
    answered, asked = {}, {}
    killer = None
    for number in range(50):
        key = f"key-{number}"
        asked[key] = {"to": REEM, "text": key, "at": "2030-12-24 10:00"}
        if number == after:
            killer = subprocess.Popen(["sh", "-c", f"sleep {delay:.3f}; kill -9 {server.process.pid}"])
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, row = post_with_key(server, key, asked[key], with_file=number % 3 == 0)
            assert status == 201
            answered[key] = row["id"]
    killer.wait()
    server.process.finish()
    assert len(answered) >= after
    sql = "SELECT idempotency_key AS key, id, media_path FROM scheduled_messages"
    found = {row["key"]: row["id"] for row in store.rows(sql)}
    assert len(found) == store.value("SELECT count(*) FROM scheduled_messages")
    assert answered.items() <= found.items()
    assert len(found) <= len(answered) + 1
    server = serve()
    for number, (key, body) in enumerate(asked.items()):
        status, row = post_with_key(server, key, body, with_file=number % 3 == 0)
        assert status == (200 if key in found else 201)
        assert row["id"] == found.get(key, row["id"])
    server.process.kill()
    rows = store.rows(sql)
    assert len({row["key"] for row in rows}) == len(rows) == 50
    files = {row["media_path"] for row in rows if row["media_path"]}
    kept = {f"media/upload/{each.name}" for each in (home.media / "upload").iterdir()}
    assert len(files) == 17
    assert files == kept


def post_with_key(server, key, body, *, with_file):
    """Schedule a message, with a file of its own or without; return status and row."""
    if not with_file:
        return server.ask("POST", "/api/v1/schedule", body, Idempotency_Key=key)
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{body[name]}' for name in body]
    parts.append(f'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n{key * 20_000}')
    form = "\r\n".join([*parts, "--b--\r\n"]).encode()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    head = {"X-API-Secret": SECRET, "Idempotency-Key": key, "Content-Type": "multipart/form-data; boundary=b"}
    try:
        connection.request("POST", "/api/v1/schedule", form, head)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def test_settings_that_are_too_long_are_refused(wa):
    allowed = ",".join(f"10.0.{number // 256}.{number % 256}" for number in range(8000))
    refused = wa("serve", "--port", "0", "--json", API_SECRET=SECRET, API_ALLOWED_IPS=allowed)
    assert (refused.code, refused.error["code"]) == (2, "bad-setting")
