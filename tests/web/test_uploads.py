"""Files over HTTP: uploads with a message, what is left of those that failed, and /media/ID."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ADAM, REEM, delivered, own, wait_for
from media_samples import film, mp3, picture, voice
from test_serve import Server
from web_client import SECRET, serving

from wa.connection.context import system_now
from wa.media.uploads import left_behind, receiving
from wa.queue.attention import sweep_uploads
from wa.store.files import free_bytes
from wa.web.api import body as bodies

FAR = "2030-12-24 10:00"
BOUNDARY = "a-boundary-of-the-tests"
KIND = f"multipart/form-data; boundary={BOUNDARY}"
SCHEDULE, MESSAGES = "/api/v1/schedule", "/api/v1/messages"
PNG = picture("PNG")


def part(name, value, filename=None):
    """Return one part of a form."""
    value = value if isinstance(value, bytes) else value.encode()
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'
    return f"{head}\r\n".encode() + value + b"\r\n"


def form(file=None, filename="photo.png", /, **texts):
    """Return a form; a list is a field that is repeated."""
    parts = [
        part(name.strip("_"), each)
        for name, value in texts.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    if file is not None:
        parts.insert(1, part("file", file, filename))  # fields may come before and after the file
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@pytest.fixture
def api(wa):
    with serving() as client:
        yield client


def post(api, path, raw, **how):
    return api("POST", path, raw=raw, content_type=KIND, **how)


def kept(home):
    """Return the files in the folder of uploads, hidden ones too."""
    folder = home.media / "upload"
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def test_a_file_is_kept_and_sent(api, home):
    reply = post(api, SCHEDULE, form(PNG, to=REEM, text="Look\r\nhere", at=FAR), idempotency_key="k")
    assert reply.status == 201, reply.body
    row = reply.json
    digest = hashlib.sha256(PNG).hexdigest()
    assert row["media_path"] == f"media/upload/{digest}.png"
    assert (row["media_type"], row["file_name"], row["message"]) == ("image", "photo.png", "Look\nhere")
    path = home.path / row["media_path"]
    assert path.read_bytes() == PNG
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    again = post(api, SCHEDULE, form(PNG, "other.png", to=REEM, text="Look\nhere", at=FAR, key="k"))
    assert (again.status, again.json["id"]) == (200, row["id"])
    assert post(api, MESSAGES, form(PNG, to=ADAM, wait="nan")).status == 400
    sent = post(api, MESSAGES, form(PNG, to=ADAM, wait="0.1"), idempotency_key="m")
    assert (sent.status, sent.json["message"]) == (202, "")
    own(system_now, lambda: delivered(home) == [""])
    assert kept(home) == [path.name]


def test_every_field_of_the_json_body_can_be_in_a_form(api, wa):
    wa("contacts", "add", "Reem Sample", REEM, "--alias", "sister")
    api("PUT", "/api/v1/templates/greeting", {"text": "Hello {first}, see you in {place}"})
    raw = form(
        PNG, to="sister", template="greeting", set='{"place": "Rome"}', at=FAR, every="week", count="3",
        except_=["2030-12-31", "2031-01-07"], draft="true", tz="Asia/Dubai", grace="2h", key="all",
    )  # fmt: skip
    reply = post(api, SCHEDULE, raw)
    assert reply.status == 201, reply.body
    row = reply.json
    assert (row["message"], row["status"], row["timezone"]) == (
        "Hello {first}, see you in {place}", "draft", "Asia/Dubai",
    )  # fmt: skip
    assert row["series"]["except"] == ["2030-12-31", "2031-01-07"]
    assert (row["series"]["count"], row["series"]["file_name"]) == (3, "photo.png")
    again = post(api, SCHEDULE, raw)
    assert (again.status, again.json["id"]) == (200, row["id"])


def test_the_same_key_from_the_command_line_is_the_same_message(api, wa, home, tmp_path):
    file = tmp_path / "photo.png"
    file.write_bytes(PNG)
    row = wa("schedule", "add", REEM, "Hi", "--at", FAR, "--file", str(file), "--key", "k", "--json").json
    reply = post(api, SCHEDULE, form(PNG, to=REEM, text="Hi", at=FAR, key="k"))
    assert (reply.status, reply.json["id"]) == (200, row["id"])
    assert kept(home) == []


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "..", "", ".hidden", "a\0b", "x" * 5000, "CON", "‮gnp.exe"]
)
def test_the_name_of_an_upload_is_ours(api, home, name):
    raw = form(b"some text", name, to=REEM, text="Hi", at=FAR)
    reply = post(api, SCHEDULE, raw)
    if reply.status == 400:
        assert kept(home) == []
        return
    assert reply.status == 201
    (found,) = kept(home)
    assert found.startswith(hashlib.sha256(b"some text").hexdigest())
    shown = reply.json["file_name"]
    assert shown
    assert not set(shown) & set("/\\\0‮")
    assert not shown.startswith(".")


def test_nothing_is_left_of_an_upload_that_is_refused(api, home, store):
    good = {"to": REEM, "text": "Hi", "at": FAR}
    post(api, SCHEDULE, form(None, **good, key="taken"))
    end = f"--{BOUNDARY}--\r\n".encode()
    cases = {
        "a wrong field": form(PNG, **good, nonsense="x"),
        "a field twice": form(PNG, **{**good, "text": ["a", "b"]}),
        "a flag": form(PNG, **good, draft="perhaps"),
        "a number": form(PNG, **good, count="1.0", every="day"),
        "an object": form(PNG, to=REEM, template="x", at=FAR, set="[1"),
        "no such template": form(PNG, to=REEM, template="x", at=FAR),
        "an unreadable time": form(PNG, **{**good, "at": "03/04"}),
        "no recipient": form(PNG, text="Hi", at=FAR),
        "an unknown recipient": form(PNG, **{**good, "to": "nobody"}),
        "no text and no file": form(None, to=REEM, at=FAR),
        "an empty file": form(b"", **good),
        "two files": form(PNG, **good)[: -len(end)] + part("file", PNG, "b.png") + end,
        "another field with a file": form(None, **good)[: -len(end)] + part("photo", PNG, "b.png") + end,
        "a path": form(None, **good, file="/etc/passwd"),
        "a sound with a text": form(voice(), "a.ogg", **good),
        "the key of another": form(PNG, **good, key="taken"),
        "no end": form(PNG, **good)[: -len(end)],
        "cut in the file": form(PNG, **good)[: len(PNG)],
        "not a form": b"{}",
        "nothing": b"",
        "text that is not UTF-8": form(PNG, **{**good, "text": b"\xff\xfe"}),
        "a NUL": form(PNG, **{**good, "to": "a\0b"}),
        "too many fields": form(PNG, **good, without_=["x"] * 3000),
        "no name": form(PNG, **good).replace(b'name="text"', b'nam="text"'),
    }
    for what, raw in cases.items():
        reply = post(api, SCHEDULE, raw)
        assert reply.status in (400, 404), (what, reply.status, reply.body)
        assert reply.json["error"]["code"] in ("usage", "bad-data", "not-found", "recipient-not-found")
        assert kept(home) == [], what
    wrong = api("POST", SCHEDULE, raw=form(PNG, **good), content_type="multipart/form-data")
    assert wrong.status == 400
    elsewhere = post(api, "/api/v1/contacts", form(PNG, name="x"))
    assert elsewhere.status == 400
    assert post(api, SCHEDULE, form(PNG, **good), secret=None).status == 401
    assert kept(home) == []
    assert store.value("SELECT count(*) FROM scheduled_messages") == 1


def test_a_file_or_its_form_over_the_limit_is_413(api, home, monkeypatch):
    monkeypatch.setattr("wa.web.api.forms.MOST_BYTES", 500_000)
    good = {"to": REEM, "text": "Hi", "at": FAR}
    for size, status in ((500_000, 201), (500_001, 413), (700_000, 413)):
        raw = form(b"x" * size, "x.bin", **good)
        pieces = [raw[at : at + 60_000] for at in range(0, len(raw), 60_000)]
        reply = api("POST", SCHEDULE, pieces=pieces, content_type=KIND)
        assert reply.status == status, reply.body
        assert len(kept(home)) == 1
    # what a body says of its length is believed at once
    assert post(api, SCHEDULE, b"", content_length=str(200 * 1024 * 1024)).status == 413
    long = form(PNG, to=REEM, text="x" * 600_000, template="y" * 600_000, at=FAR)
    assert post(api, SCHEDULE, long).status == 413
    assert len(kept(home)) == 1


def test_the_disk_is_looked_at_first(api, home, monkeypatch):
    home.media.mkdir(exist_ok=True)
    free = free_bytes(home.media)
    monkeypatch.setattr("wa.store.files._SPARE_BYTES", 2 * free)  # others may free some meanwhile
    reply = post(api, SCHEDULE, form(PNG, to=REEM, text="Hi", at=FAR))
    assert (reply.status, reply.code) == (503, "storage-error")
    assert kept(home) == []


def test_a_row_that_cannot_be_stored_takes_its_file_along(api, home, store, monkeypatch):
    monkeypatch.setattr("wa.connection.programs.work.LOCK_SECONDS", 0.2)
    with store.write():
        reply = post(api, SCHEDULE, form(PNG, to=REEM, text="Hi", at=FAR))
    assert (reply.status, reply.code) == (503, "in-use")
    assert kept(home) == []
    store.execute(
        "CREATE TRIGGER no_room BEFORE INSERT ON scheduled_messages"
        " BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
    )
    reply = post(api, SCHEDULE, form(PNG, to=REEM, text="Hi", at=FAR))
    assert reply.status >= 500
    assert kept(home) == []


def test_a_form_that_comes_too_slowly_is_408(api, home, monkeypatch):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)

    async def ask(drips):
        """Send the beginning of a form, and then nothing, or a byte now and then."""
        began = time.monotonic()
        waiting = [form(PNG)[:200]]

        async def receive():
            assert time.monotonic() - began < 20
            await asyncio.sleep(0 if waiting else 0.05 if drips else 60)
            return {"type": "http.request", "body": waiting.pop() if waiting else b"x", "more_body": True}

        got = []

        async def send(message):
            got.append(message)

        head = {"host": "localhost", "x-api-secret": SECRET, "content-type": KIND, "content-length": "9000"}
        scope = {
            "type": "http", "method": "POST", "path": SCHEDULE, "query_string": b"", "root_path": "",
            "headers": [(name.encode(), text.encode()) for name, text in head.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 3002), "scheme": "http",
        }  # fmt: skip
        await api.guard(scope, receive, send)
        return got[0]["status"]

    for drips in (False, True):
        assert asyncio.run(ask(drips)) == 408
        assert kept(home) == []


# ── A server of its own process ─────────────────────────────────────────────────────────────────────


def connect(server, raw, length=None, first=None):
    """Begin to send a form; return the socket after the first bytes."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = (
        f"POST {SCHEDULE} HTTP/1.1\r\nHost: localhost\r\nX-API-Secret: {SECRET}\r\n"
        f"Content-Type: {KIND}\r\nContent-Length: {len(raw) if length is None else length}\r\n\r\n"
    )
    sock.sendall(head.encode() + raw[:first])
    return sock


def status_of(sock):
    """Return the status of the answer that comes."""
    with sock, contextlib.closing(sock.makefile("rb")) as lines:
        return int(lines.readline().split()[1])


def test_cut_lines_large_files_and_kills(spawn, home, store):
    def serve():
        return Server(spawn("serve", "--port", "0", API_SECRET=SECRET))

    server = serve()
    raw = form(os.urandom(3_000_000), "x.bin", to=REEM, text="Hi", at=FAR)
    # in two halves, a while apart: the rest of the API answers meanwhile
    sock = connect(server, raw, first=1_500_000)
    (name,) = wait_for(lambda: kept(home))
    path = home.media / "upload" / name
    wait_for(lambda: path.stat().st_size > 1_000_000)
    assert path.stat().st_mode & 0o777 == 0o600
    assert server.ask("GET", "/api/v1/chats")[0] == 200
    sock.sendall(raw[1_500_000:])
    assert status_of(sock) == 201
    (whole,) = kept(home)
    # the line is cut
    connect(server, raw, first=1_500_000).close()
    wait_for(lambda: kept(home) == [whole], what="the end of the part")
    # more than the limit, and the client writes all of it before it reads
    piece = bytes(1024 * 1024)
    with connect(server, b"", length=102 * len(piece)) as sock:
        with contextlib.suppress(OSError):
            for _ in range(102):
                sock.sendall(piece)
        assert status_of(sock) == 413
    # a large one does not take memory
    before = memory_of(server.process.pid)
    large = form(bytes(80 * 1024 * 1024), "y.bin", to=REEM, text="Hi", at=FAR)
    assert status_of(connect(server, large)) == 201
    assert memory_of(server.process.pid) < before + 8
    assert len(kept(home)) == 2
    # killed while one comes in
    sock = connect(server, raw, first=1_500_000)
    wait_for(lambda: len(kept(home)) == 3)
    server.process.kill()
    sock.close()
    assert len(kept(home)) == 3
    serve()
    assert len(kept(home)) == 2
    assert store.value("SELECT count(*) FROM scheduled_messages") == 2


def memory_of(pid):
    """Return the megabytes of a process that are in memory."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line]
    return int(line.split()[1]) / 1024


KILLED = """
import os, signal, sys
from datetime import timedelta
from wa.connection.context import system_now
from wa.media.uploads import receiving
from wa.people.recipients import Recipient
from wa.queue import compose
from wa.store.database import Store
from wa.store.paths import Home
from pathlib import Path
home = Home(Path(os.environ["WA_HOME"]))
store = Store(home)
with receiving(home, 10) as upload:
    upload.write(sys.argv[2].encode())
    upload.end("a.txt")
    with store.write():
        to, now = Recipient("447700900123@s.whatsapp.net", "447700900123", None), system_now()
        part = compose.one_part(home, "Hi", upload.columns)
        compose.queue_now(store, to, part, now, grace=timedelta(hours=1))
        upload.keep()
        if sys.argv[1] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_at_the_commit_leaves_the_file_with_its_row_alone(home, store):
    for when, rows in (("before", 0), ("after", 1)):
        found = subprocess.run([sys.executable, "-c", KILLED, when, "text"], timeout=60)
        assert found.returncode == -9
        assert len(kept(home)) == 2
        sweep_uploads(store)
        assert len(kept(home)) == rows == store.value("SELECT count(*) FROM scheduled_messages")
    # one that another process writes now is left alone
    with receiving(home, 10):
        sweep_uploads(store)
        assert len(kept(home)) == 2
    assert len(kept(home)) == 1


def test_servers_that_start_together_sweep_together(home, store):
    folder = home.media / "upload"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f".wa-{name}.part").write_bytes(b"text")
    for _ in left_behind(home):
        for path in folder.iterdir():  # by the other server
            path.unlink()
    assert kept(home) == []


def test_an_upload_that_a_server_sweeps_away_before_it_has_its_lock_begins_anew(home, store, monkeypatch):
    flock = fcntl.flock

    def sweep_and_lock(file, how):
        if how == fcntl.LOCK_EX:
            monkeypatch.setattr(fcntl, "flock", flock)
            sweep_uploads(store)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", sweep_and_lock)
    with receiving(home, 10) as upload:
        upload.write(b"text")
        upload.end("a.txt")
        with store.write():
            upload.keep()
    assert [name[-4:] for name in kept(home)] == [".txt"]


# ── /media/ID ───────────────────────────────────────────────────────────────────────────────────────


def message_with(store, path, **more):
    """Store a message with a file; return its id."""
    row = {
        "chat_jid": f"{REEM}@s.whatsapp.net", "message_id": f"M{path}", "sender": f"{REEM}@s.whatsapp.net",
        "timestamp": 1, "is_from_me": 0, "message_type": "document", "source": "live", "media_path": path,
        "created_at": "2026-01-01T00:00:00.000Z", **more,
    }  # fmt: skip
    return store.insert("messages", row)


def test_a_file_is_shown_or_saved_by_its_content(api, home, store):
    home.media.mkdir(exist_ok=True)
    html = b"<html><script>alert(1)</script>"
    cases = {
        "a.jpg": (picture("JPEG"), "image/jpeg"),
        "b.txt": (PNG, "image/png"),  # the name does not count
        "c.gif": (picture("GIF"), "image/gif"),
        "d.webp": (picture("WEBP"), "image/webp"),
        "e.mp4": (film(), "video/mp4"),
        "f.ogg": (voice(), "audio/ogg"),
        "g.mp3": (mp3(), "audio/mpeg"),
        "h.png": (html, None),
        "i.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', None),
        "j.jpg": (b"%PDF-1.4", None),
        "Größe.html": (html, None),
        "k": (b"", None),
    }
    for name, (data, kind) in cases.items():
        (home.media / name).write_bytes(data)
        reply = api("GET", f"/media/{message_with(store, f'media/{name}')}")
        assert (reply.status, reply.body) == (200, data), name
        assert reply.header("x-content-type-options") == "nosniff"
        policy = reply.header("content-security-policy").split("; ")
        assert "sandbox" in policy
        assert "default-src 'none'" in policy
        shown = reply.header("content-disposition").partition(";")[0]
        assert shown == ("attachment" if kind is None else "inline"), name
        assert reply.header("content-type").startswith(kind or "application/octet-stream"), name
    named = message_with(
        store, "media/j.jpg", message_id="named", details='{"file_name": "../Re\\"port\\u202e.pdf"}'
    )
    shown = api("GET", f"/media/{named}").header("content-disposition")
    assert shown == 'attachment; filename="Re_port.pdf"'
    number = message_with(store, "media/a.jpg", message_id="again")
    part = api("GET", f"/media/{number}", range="bytes=2-5")
    assert (part.status, part.body) == (206, picture("JPEG")[2:6])
    assert api("HEAD", f"/media/{number}").status == 200
    assert api("GET", f"/media/{number}", secret=None).status == 401


def test_a_file_that_is_not_there_is_404(api, home, store, tmp_path):
    home.media.mkdir(exist_ok=True)
    outside = tmp_path / "secret"
    outside.write_text("secret")
    (home.path / "media-too").mkdir()
    (home.path / "media-too" / "x").write_text("secret")
    (home.media / "link").symlink_to(outside)
    (home.media / "inside").symlink_to(home.media / "real")
    (home.media / "real").write_text("fine")
    (home.media / "linked").symlink_to(tmp_path)
    os.mkfifo(home.media / "pipe")
    paths = (
        "media/link", "media/inside", "media/linked/secret", "media/gone", "media", "media/pipe", "wa.db",
        ".env", "media/../wa.db", "media-too/x", str(outside), "../secret", "media/a\0b",
        "media/" + "x" * 300,
    )  # fmt: skip
    numbers = [message_with(store, path) for path in paths]
    deleted = message_with(store, "media/real", message_id="deleted", deleted_at="2026-01-01T00:00:00.000Z")
    without = message_with(store, "none", media_path=None)
    wrong = ["0", "-1", "1.0", "x", "9" * 30, "0" * 20 + "9" * 30, "%2e%2e", "²"]
    for each in (*numbers, deleted, without, *wrong):
        reply = api("GET", f"/media/{each}")
        assert (reply.status, reply.code) == (404, "not-found"), each
        assert b"secret" not in reply.body
    assert json.loads(api("GET", "/media/1").body)["error"]["hint"]


def test_a_picture_that_was_sent_is_shown(api, home):
    post(api, MESSAGES, form(PNG, to=REEM, text="Look"))
    own(system_now, lambda: delivered(home) == ["Look"])
    (row,) = api("GET", f"/api/v1/messages?chat={REEM}").json
    reply = api("GET", f"/media/{row['id']}")
    assert (reply.status, reply.header("content-type"), reply.body) == (200, "image/png", PNG)
    assert io.BytesIO(reply.body).read(4) == b"\x89PNG"
