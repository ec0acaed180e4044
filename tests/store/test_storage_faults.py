"""A full disk, a home that cannot be written, a damaged store: the error is clear, no write is half done."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import resource
import shlex
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ADAM, REEM, REEM_JID, TESTS, WA, Result, delivered, is_connected, own, wait_for
from impatient import impatient
from locking import locked

from wa.connection import deliver
from wa.connection.context import system_now
from wa.connection.incoming import recorder
from wa.store import locks
from wa.store.locks import FileLock
from wa.store.paths import Home
from wa.store.wake import WakeSocket, wake_owner
from wa.times import to_iso
from wa.whatsapp.loopback.server import Loopback

pytestmark = pytest.mark.no_home

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk or be another user")
NOBODY = 65534


def refused(result, exit_code, *words):
    """Check the form of a refusal, its exit code and that it contains these words."""
    assert result.code == exit_code, (result.code, result.out, result.err)
    assert result.out == ""
    assert "Traceback" not in result.err
    lines = [line for line in result.err.splitlines() if line.startswith(("error: ", "hint: "))]
    assert [line.split(": ")[0] for line in lines] == ["error", "hint"], result.err
    for word in words:
        assert word in lines[0], result.err


def modes(home):
    """Return the permission bits of every file of a home."""
    return {path.name: path.stat().st_mode & 0o777 for path in home.path.iterdir()}


# ── A full disk ───────────────────────────────────────────────────────────────────────────────────


class Disk:
    """A small disk, which can be filled to within some kilobytes."""

    def __init__(self, path):
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, leave_kb=0):
        """Fill the disk, all but so many kilobytes."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        if leave_kb:
            os.truncate(self._ballast, self._ballast.stat().st_size - leave_kb * 1024)

    def make_room(self):
        """Remove the file that filled the disk."""
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A disk of 16 MB with WA_HOME on it; the stand-in's data is elsewhere, as a server's would be."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", path], check=True)
    monkeypatch.setenv("WA_HOME", str(path / "home"))
    (path / "home").mkdir(mode=0o700)
    (path / "home" / "loopback.db").symlink_to(tmp_path / "server.db")
    yield Disk(path)
    subprocess.run(["umount", "-l", path], check=True)


@as_root
def test_a_first_start_on_a_full_disk_is_refused_and_works_once_there_is_room(wa, disk):
    disk.fill()
    refused(wa("status"), 7, "No space left")
    refused(wa("send", REEM, "Hello"), 7, "No space left")
    disk.make_room()
    assert wa("db", "check").code == 0
    assert wa("schedule", "list", "--status", "all", "--json").json == []


@as_root
@pytest.mark.parametrize("leave_kb", [0, 8, 40, 100])
def test_a_message_queued_on_a_filling_disk_is_stored_and_reported_or_neither(wa, disk, leave_kb):
    assert wa("status").code == 0
    disk.fill(leave_kb)
    told = []
    for number in range(40):
        result = wa("schedule", "add", REEM, f"{number} " + "x" * 2000, "--at", "in 1 hour", "--json")
        if result.code == 0:
            told.append(result.json["id"])
        else:
            refused_json(result)
            break
    else:
        pytest.fail("the disk was never full")
    refused(wa("contacts", "add", "A" * 9000, ADAM, "--alias", "b" * 9000), 7, "No space left")
    disk.make_room()
    assert wa("db", "check").out == "ok\n"
    assert [row["id"] for row in wa("schedule", "list", "--status", "all", "--json").json] == told
    assert wa("contacts", "list", "--json").json == []
    assert wa("schedule", "add", REEM, "Now", "--at", "in 1 hour").code == 0


def refused_json(result):
    """Check the JSON error of a command on a full disk."""
    assert (result.code, result.out) == (7, "")
    assert json.loads(result.err)["error"]["code"] == "storage-error"


@as_root
@pytest.mark.parametrize("leave_kb", [300, pytest.param(900, marks=pytest.mark.soak)])
def test_a_prune_on_a_full_disk_removes_nothing_that_is_in_no_archive(wa, disk, leave_kb):
    """With room for some of it the archive is begun; with room for the archive, perhaps not for the store."""
    home, dice = Home(disk.path / "home"), random.Random(1)
    said = [
        {
            "type": "message",
            "chat_jid": REEM_JID, "message_id": f"M{number}", "sender": REEM_JID, "timestamp": 1_700_000_000,
            "content": dice.randbytes(150).hex(), "message_type": "text", "is_from_me": False,
            "status": "read", "source": "history", "created_at": "2026-01-01T00:00:00.000Z", "id": number,
        }
        for number in range(1, 3001)
    ]  # fmt: skip
    lines = disk.path.parent / "said.jsonl"
    lines.write_text("".join(json.dumps(each) + "\n" for each in said))
    assert wa("history", "import", str(lines), "--json").json["added"] == 3000
    disk.fill(leave_kb)
    result = wa("db", "prune", "--older-than", "90d", "--json")
    disk.make_room()
    count = len(wa("read", REEM, "5000", "--json").json)
    whole = list(home.archive.glob("pruned_*"))
    if leave_kb < 900:
        refused_json(result)
        assert (count, whole) == (3000, [])
    assert list(home.archive.glob(".wa-*")) == []
    assert wa("db", "prune", "--older-than", "90d").code == 0
    assert wa("read", REEM, "--json").json == []
    for path in home.archive.glob("pruned_*"):
        assert wa("db", "restore-archive", str(path)).code == 0
    assert len(wa("read", REEM, "5000", "--json").json) == 3000
    assert wa("db", "check").out == "ok\n"


@as_root
@pytest.mark.parametrize("leave_kb", [0, 12, 28, 96])
@pytest.mark.parametrize("fills", ["before", "while it waits"])
def test_a_send_on_a_full_disk_ends_with_the_truth(wa, disk, home, monkeypatch, leave_kb, fills):
    """It goes out later only if the exit code said so, with the id."""
    home = Home(disk.path / "home")
    assert wa("send", REEM, "first").code == 0
    serve = deliver.serve

    def fill_and_serve(*args):
        disk.fill(leave_kb)
        serve(*args)

    if fills == "before":
        disk.fill(leave_kb)
    else:
        monkeypatch.setattr(deliver, "serve", fill_and_serve)
    monkeypatch.setattr(recorder, "GIVE_UP_SECONDS", 0.5)
    result = wa("send", REEM, "second", "--wait", "1", "--json")
    assert result.code in (6, 7), (result.code, result.err)
    disk.make_room()
    rows = [
        row for row in wa("schedule", "list", "--status", "all", "--json").json if row["message"] == "second"
    ]
    wa("run-scheduler", "--once")
    if result.code == 6:
        assert rows[0]["id"] in result.error["message"] + result.error["hint"]
    else:
        assert [row["status"] for row in rows] in ([], ["failed"])
        assert delivered(home) == ["first"]


@as_root
def test_lists_can_be_read_on_a_full_disk_while_a_listener_runs(wa, spawn, disk):
    assert wa("send", REEM, "Hello").code == 0
    assert wa("schedule", "add", REEM, "Later", "--at", "in 1 hour").code == 0
    spawn("listen")
    wait_for(lambda: wa("status", "--json").json["owner"])
    disk.fill()
    assert "Hello" in wa("chats").out
    assert "Hello" in wa("read", REEM).out
    assert "Hello" in wa("search", "hello").out
    assert "Later" in wa("schedule", "list").out
    assert wa("status").code == 0


@as_root
def test_a_list_on_a_full_disk_is_shown_or_refused_clearly(wa, disk):
    assert wa("send", REEM, "Hello").code == 0
    disk.fill()
    result = wa("chats")
    if result.code == 0:
        assert "Hello" in result.out
    else:
        refused(result, 7, "No space left")
    disk.make_room()
    assert "Hello" in wa("chats").out


@as_root
def test_no_message_is_sent_without_room_to_record_it(wa, disk):
    assert wa("schedule", "add", REEM, "Scheduled", "--at", "in 1 second").code == 0
    disk.fill(leave_kb=2048)
    result = wa("send", REEM, "Hello", "--wait", "0.3")
    refused(result, 6, "queued")
    assert "disk is full" in result.err
    status = wa("status", "--json").json
    assert status["sending"] != "on"
    assert "disk" in status["sending_note"]
    wait_for(lambda: wa("schedule", "list", "--json").json[-1]["scheduled_at"] < present_moment())
    assert wa("run-scheduler", "--once").code == 0
    assert wa("loopback", "delivered", "--json").json == []
    disk.make_room()
    assert wa("run-scheduler", "--once").code == 0
    found = wa("loopback", "delivered", "--json").json
    assert sorted(row["content"] for row in found) == ["Hello", "Scheduled"]


def present_moment():
    """Return the present moment as the database writes it."""
    return to_iso(system_now())


@as_root
def test_a_disk_that_fills_up_while_it_is_sending_sends_nothing_twice(wa, spawn, disk, home):
    for number in range(30):
        assert wa("schedule", "add", REEM, f"{number}", "--at", "in 1 second").code == 0
    process = spawn("run-scheduler", WA_SEND_SPACING="0.3")
    wait_for(lambda: len(wa("loopback", "delivered", "--json").json) >= 3)
    disk.fill()
    if process.popen.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.popen.wait(timeout=1)
    count = len(wa("loopback", "delivered", "--json").json)
    if process.popen.poll() is None:
        process.popen.terminate()
    result = process.finish()
    assert result.code in (0, 7)
    assert "Traceback" not in result.err
    assert count < 30
    disk.make_room()

    def is_quiet():
        assert wa("run-scheduler", "--once").code in (0, 6)
        return not {"pending", "sending"} & set(wa("status", "--json").json["queue"])

    wait_for(is_quiet, what="a quiet queue")
    found = [row["content"] for row in wa("loopback", "delivered", "--json").json]
    assert sorted(found, key=int) == [str(number) for number in range(30)]
    rows = wa("schedule", "list", "--status", "all", "--json").json
    assert {row["status"] for row in rows} <= {"sent", "unknown"}


@as_root
def test_a_listener_on_a_full_disk_ends_and_loses_no_event(wa, spawn, disk, tmp_path):
    home = Home(disk.path / "home")
    process = spawn("listen", "--json", program=impatient(2.0))
    wait_for(lambda: wa("status", "--json").json["owner"])
    server = Loopback(home)
    server.say([{"from": REEM_JID, "text": f"first {number}"} for number in range(20)], system_now())
    wait_for(lambda: [row["unread_count"] for row in wa("unread", "--json").json] == [20])
    disk.fill()
    said = 20 + 500
    server.say([{"from": REEM_JID, "text": f"{number} " + "x" * 500} for number in range(500)], system_now())
    result = process.finish()
    assert result.code == 7, result.err
    assert "error: " in result.err or '"storage-error"' in result.err
    assert "Traceback" not in result.err
    server.close()
    disk.make_room()
    assert wa("db", "check").code == 0
    again = spawn("listen")
    wait_for(lambda: wa("status", "--json").json["spool"] == 0 and not_waiting(tmp_path))
    again.popen.terminate()
    assert again.finish().code == 0
    stored = len(wa("read", REEM, "1000", "--json").json)
    assert stored == said


@as_root
@pytest.mark.parametrize("is_locked", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_connection_is_let_go_while_nothing_can_be_written_and_nothing_is_lost(disk, wa, spawn, is_locked):
    """The room set aside for the spool lasts for a while; then events wait in memory, and on the server.

    Under a lock, that a connection is there cannot be stored either. It is over when the lock is given back.
    """
    home = Home(disk.path / "home")
    process = spawn("run-scheduler", program=impatient(60.0, let_go=1.0))
    wait_for(lambda: is_connected(home) and home.spool.exists())
    server = Loopback(home)
    with contextlib.ExitStack() as held:
        if is_locked:
            server.set_fault("offline", "on")
            wait_for(lambda: wa("status", "--json").json["connection"] == "offline")
            held.enter_context(locked(home))
            server.set_fault("offline", "off")
        disk.fill()
        texts = [f"{number:03} " + "x" * 10_000 for number in range(250)]
        server.say([{"from": REEM_JID, "text": text} for text in texts], system_now())
        full = "cannot be stored"
        wait_for(lambda: full in (wa("status", "--json").json["connection_reason"] or ""))
        server.say([{"from": REEM_JID, "text": "later"}], system_now())
        disk.make_room()
    server.close()
    wait_for(lambda: [row["unread_count"] for row in wa("unread", "--json").json] == [251])
    process.popen.terminate()
    assert process.finish().code == 0
    assert [row["content"] for row in wa("read", REEM, "1000", "--json").json] == [*texts, "later"]


def not_waiting(tmp_path):
    """Return whether the server has handed over every event."""
    with sqlite3.connect(tmp_path / "server.db") as db:
        found = db.execute("SELECT count(*) FROM incoming").fetchone()[0]
    db.close()
    return found == 0


def test_a_limit_on_the_size_of_files_loses_no_reported_row(wa, spawn, home):
    assert wa("status").code == 0
    limit = home.store.stat().st_size // 1024
    program = ["bash", "-c", f'ulimit -f {limit}; exec "$0" "$@"', WA]
    told = 0
    for number in range(60):
        args = ("schedule", "add", REEM, f"{number} " + "x" * 60_000, "--at", "in 1 hour")
        result = spawn(*args, program=program).finish()
        if result.code != 0:
            refused(result, 7)
            break
        told += 1
    else:
        pytest.fail("the limit was never met")
    assert wa("db", "check").out == "ok\n"
    assert len(wa("schedule", "list", "--json").json) == told


# ── A home that we may not write to ───────────────────────────────────────────────────────────────


def as_nobody(path, *args, below=""):
    """Run a command as the user nobody, who sees `path` as /mnt/home in a mount namespace of his own."""
    begin = 'mount -t tmpfs none /mnt && mkdir /mnt/home && mount --bind "$0" /mnt/home'
    end = 'cd / && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", " && ".join([begin, *reachable(), end]), path, WA, *args],
        env={**os.environ, "WA_HOME": f"/mnt/home{below}", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def reachable():
    """Return shell commands for a mount namespace that let all users reach `wa` and its interpreter.

    A checkout is often in a folder that only its owner may enter, such as /root.
    """
    wanted = {TESTS.parent, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent}
    closed = {}
    for path in wanted:
        for folder in reversed(path.parents):
            if not folder.stat().st_mode & 0o001:
                closed.setdefault(folder, []).append(path)
                break
    for folder, paths in closed.items():
        for number, path in enumerate(paths):
            yield f"mkdir /mnt/{number} && mount --bind {shlex.quote(str(path))} /mnt/{number}"
        yield f"mount -t tmpfs -o mode=755 none {shlex.quote(str(folder))}"
        for number, path in enumerate(paths):
            there = shlex.quote(str(path))
            yield f"mkdir -p {there} && mount --bind /mnt/{number} {there}"
            yield f"umount /mnt/{number} && rmdir /mnt/{number}"


@as_root
@pytest.mark.parametrize("command", [["status"], ["send", REEM, "Hello"], ["chats"], ["db", "check"]])
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_home_of_another_user_is_refused_and_not_touched(wa, home, command, mode):
    assert wa("send", REEM, "Mine").code == 0
    home.path.chmod(mode)
    before = home.store.read_bytes()
    refused(as_nobody(home.path, *command), 7, "another user")
    assert home.store.read_bytes() == before
    assert home.path.stat().st_mode & 0o777 == mode
    assert len(wa("loopback", "delivered", "--json").json) == 1


@as_root
def test_a_home_in_a_directory_of_another_user_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir()
    refused(as_nobody(tmp_path / "theirs", "status", below="/home"), 7, "Permission denied")
    assert list((tmp_path / "theirs").iterdir()) == []


@as_root
def test_a_read_only_directory_is_refused_and_not_changed(tmp_path, wa, home):
    assert wa("send", REEM, "Hello").code == 0
    for path in (home.path, *home.path.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    home.path.chmod(0o500)
    names = {path.name for path in home.path.iterdir()}
    for command in (["send", REEM, "Again"], ["schedule", "add", REEM, "x", "--at", "in 1 hour"], ["listen"]):
        refused(as_nobody(home.path, *command), 7)
    assert {path.name for path in home.path.iterdir()} == names
    home.path.chmod(0o700)
    result = as_nobody(home.path, "schedule", "list", "--status", "all", "--json")
    assert [row["message"] for row in result.json] == ["Hello"]
    assert as_nobody(home.path, "db", "check").out == "ok\n"


@as_root
def test_a_store_that_cannot_be_written_refuses_writes(wa, home):
    assert wa("send", REEM, "Hello").code == 0
    for path in (home.path, *home.path.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    home.store.chmod(0o400)
    refused(as_nobody(home.path, "send", REEM, "Again"), 7)
    refused(as_nobody(home.path, "contacts", "add", "Reem", REEM), 7)
    home.store.chmod(0o600)
    result = as_nobody(home.path, "schedule", "list", "--status", "all", "--json")
    assert [row["message"] for row in result.json] == ["Hello"]


@as_root
def test_a_disk_that_is_mounted_read_only_refuses_writes(wa, disk):
    assert wa("send", REEM, "Hello").code == 0
    subprocess.run(["mount", "-o", "remount,ro", disk.path], check=True)
    try:
        for command in (
            ["send", REEM, "Again"],
            ["schedule", "add", REEM, "x", "--at", "in 1 hour"],
            ["contacts", "add", "Reem", REEM],
            ["pause"],
            ["listen", "--for", "1s"],
            ["run-scheduler"],
        ):
            refused(wa(*command), 7)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk.path], check=True)
    assert [row["message"] for row in wa("schedule", "list", "--status", "all", "--json").json] == ["Hello"]
    assert len(wa("loopback", "delivered", "--json").json) == 1


@as_root
def test_a_first_start_on_a_read_only_disk_is_refused(wa, disk):
    subprocess.run(["mount", "-o", "remount,ro", disk.path], check=True)
    try:
        refused(wa("status"), 7)
        refused(wa("status", WA_HOME=str(disk.path / "other")), 7, "Read-only")
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk.path], check=True)


# ── Modes ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_existing_home_is_closed_to_other_users(shell, home):
    assert shell("status").code == 0
    home.path.chmod(0o755)
    home.store.chmod(0o644)
    assert shell("status").code == 0
    assert home.path.stat().st_mode & 0o777 == 0o700
    assert modes(home)["wa.db"] == 0o600


def test_a_new_home_is_closed_to_other_users(shell, tmp_path):
    old = os.umask(0)
    try:
        assert shell("status", WA_HOME=str(tmp_path / "a" / "b")).code == 0
    finally:
        os.umask(old)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_all_files_are_for_their_owner_only(shell, spawn, home):
    spawn("listen")
    wait_for(lambda: is_connected(home))
    assert shell("send", REEM, "Hello").code == 0
    found = modes(home)
    wanted = {"wa.db", "wa.db-wal", "wa.db-shm", "loopback.db", "session.lock", "migrate.lock", "wa.sock"}
    assert wanted <= set(found)
    assert {name: oct(mode) for name, mode in found.items() if mode != 0o600} == {}


# ── A damaged store ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def used(shell, wa, home):
    """A store with rows in every table, closed by all processes."""
    wa("contacts", "add", "Reem", REEM, "--alias", "Sister")
    lines = [json.dumps({"from": REEM, "text": f"Message {number} " + "word " * 20}) for number in range(400)]
    assert wa("loopback", "say", "-", stdin="\n".join(lines)).code == 0
    wait_for(lambda: shell("listen", "--for", "1s").code == 0 and wa("status", "--json").json["spool"] == 0)
    wa("send", REEM, "Hello")
    wa("schedule", "add", REEM, "Later", "--at", "in 1 hour")
    with sqlite3.connect(home.store) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return home


COMMANDS = (
    ["status"],
    ["chats"],
    ["read", REEM],
    ["search", "message"],
    ["contacts", "list"],
    ["schedule", "list", "--status", "all"],
    ["schedule", "add", REEM, "New", "--at", "in 1 hour"],
    ["send", REEM, "New", "--no-wait"],
    ["db", "check"],
    ["db", "stats"],
)


@pytest.mark.parametrize("content", [b"\0" * 8192, b"garbage " * 2000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_store_of_garbage_is_reported_and_not_touched(wa, home, content):
    home.prepare()
    home.store.write_bytes(content)
    for command in COMMANDS:
        refused(wa(*command), 8, "wa.db")
    refused(wa("listen", "--for", "1s"), 8)
    refused(wa("run-scheduler", "--once"), 8)
    assert home.store.read_bytes() == content


@pytest.mark.parametrize("keep", [0.5, pytest.param(0.1, marks=pytest.mark.soak), 50])
def test_a_truncated_store_is_reported(wa, used, keep):
    size = used.store.stat().st_size
    os.truncate(used.store, keep if keep > 1 else int(size * keep))
    results = [wa(*command) for command in COMMANDS]
    assert {result.code for result in results} <= {0, 8}
    assert wa("db", "check").code == 8
    for result in results:
        assert "Traceback" not in result.err
        if result.code:
            refused(result, 8, "wa.db")


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(each, marks=pytest.mark.soak) for each in range(2, 6))]
)
def test_flipped_bytes_are_reported_as_a_damaged_store_and_never_as_an_internal_error(wa, used, seed):
    rng = random.Random(seed)
    with sqlite3.connect(used.store) as db:
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_master"))
    db.close()
    data = bytearray(used.store.read_bytes())
    page = 4096
    data[(roots["group_members"] - 1) * page] ^= 0xFF  # so that there is damage in any case
    for _ in range(6):
        start = rng.randrange(1, len(data) // page) * page
        for at in rng.sample(range(start, start + page), 200):
            data[at] ^= rng.randrange(1, 256)
    used.store.write_bytes(data)
    results = {" ".join(command): wa(*command) for command in COMMANDS}
    assert wa("db", "check").code == 8
    wrong = {
        name: (result.code, result.err) for name, result in results.items() if result.code not in (0, 4, 8)
    }
    assert wrong == {}


def test_with_a_damaged_page_of_the_queue_no_message_is_sent(wa, used):
    with sqlite3.connect(used.store) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'scheduled_messages'").fetchone()[
            0
        ]
    db.close()
    with used.store.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    before = len(wa("loopback", "delivered", "--json").json)
    for command in (["send", REEM, "New"], ["run-scheduler", "--once"], ["listen", "--for", "1s"]):
        refused(wa(*command), 8, "wa.db")
    refused(wa("db", "check"), 8)
    assert len(wa("loopback", "delivered", "--json").json) == before


def test_a_damaged_or_emptied_loopback_database_is_reported(wa, home):
    home.prepare()
    home.loopback.write_bytes(b"garbage " * 2000)
    for command in (["loopback", "delivered"], ["send", REEM, "Hello"], ["listen", "--for", "1s"]):
        result = wa(*command)
        assert result.code in (7, 8), result.err
        assert "loopback.db" in result.err
        assert "Traceback" not in result.err
    assert [row["status"] for row in wa("schedule", "list", "--status", "all", "--json").json] == ["failed"]


def test_a_store_from_a_newer_version_is_not_touched(wa, used):
    with sqlite3.connect(used.store) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('wa', 'm9999_new', '')"
        )
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    before = used.store.read_bytes()
    for command in (*COMMANDS, ["listen", "--for", "1s"], ["run-scheduler", "--once"], ["run-scheduler"]):
        refused(wa(*command), 8, "newer version")
    assert used.store.read_bytes() == before
    assert not os.path.exists(f"{used.store}-wal") or os.path.getsize(f"{used.store}-wal") == 0


# ── Locks and the socket ──────────────────────────────────────────────────────────────────────────


def test_a_stale_or_removed_lock_file_stops_no_command(wa, home):
    assert wa("send", REEM, "One").code == 0
    home.session_lock.write_text('{"pid": 1, "command": "listen"}')
    assert wa("status", "--json").json["owner"] is None
    assert wa("send", REEM, "Two").code == 0
    home.session_lock.write_bytes(b"\xff garbage")
    assert wa("send", REEM, "Three").code == 0
    home.session_lock.unlink()
    home.migrate_lock.unlink()
    assert wa("send", REEM, "Four").code == 0
    delivered = wa("loopback", "delivered", "--json").json
    assert [row["content"] for row in delivered] == ["One", "Two", "Three", "Four"]


def test_a_lock_file_removed_under_its_holder_costs_no_message(wa, spawn, home):
    listener = spawn("listen")
    wait_for(lambda: is_connected(home))  # whoever connects last ends the other's connection
    home.session_lock.unlink()
    sent = wa("send", REEM, "Hello")
    assert sent.code == 0, sent.err
    wa("loopback", "say", REEM, "Anybody there?")
    own(system_now, lambda: "Anybody there?" in wa("read", REEM).out)
    if listener.popen.poll() is None:
        listener.popen.terminate()
    result = listener.finish()
    assert result.code in (0, 3), result.err
    assert "Traceback" not in result.err
    assert [row["content"] for row in wa("loopback", "delivered", "--json").json] == ["Hello"]
    found = wa("read", REEM, "--json").json
    assert sorted(row["content"] for row in found) == ["Anybody there?", "Hello"]


def test_a_lock_that_another_program_has_taken_leaves_messages_queued(wa, home, monkeypatch):
    monkeypatch.setattr(deliver, "CONNECT_SECONDS", 0.3)
    home.prepare()
    with home.session_lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        refused(wa("send", REEM, "Hello", "--wait", "0.3"), 6, "queued")
        result = wa("run-scheduler", "--once")
        refused(result, 7, "holds the connection")
        assert "None" not in result.err
        assert wa("status").code == 0
        assert wa("status", "--json").json["owner"] is not None
    assert wa("run-scheduler", "--once").code == 0
    assert [row["content"] for row in wa("loopback", "delivered", "--json").json] == ["Hello"]


def test_a_lock_that_is_a_directory_is_reported(wa, home):
    home.prepare()
    home.session_lock.mkdir()
    refused(wa("send", REEM, "Hello"), 7, "session.lock")
    assert [row["status"] for row in wa("schedule", "list", "--status", "all", "--json").json] == ["failed"]


def test_a_lock_held_in_this_process_is_not_taken_twice(home):
    home.prepare()
    first, second = FileLock(home.session_lock), FileLock(home.session_lock)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_a_lock_that_another_process_only_looks_at_is_taken(home, monkeypatch):
    """A migration or a link would be refused because somebody asked for the status."""
    home.prepare()
    with home.session_lock.open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        over = SimpleNamespace(sleep=lambda seconds: fcntl.flock(looking, fcntl.LOCK_UN))
        monkeypatch.setattr(locks, "time", over)
        lock = FileLock(home.session_lock)
        assert lock.acquire()
        lock.release()


def test_a_lock_that_was_just_taken_says_nothing_of_its_last_holder(home, wa):
    """`wa status` would tell to kill a process that has ended, and whose number another one may have."""
    home.prepare()
    first, second = FileLock(home.session_lock), FileLock(home.session_lock)
    assert first.acquire()
    first.release({"pid": 1, "command": "listen", "heartbeat": "2026-11-20T12:00:00.000Z"})
    assert second.acquire()
    assert locks.look(home.session_lock) == ({}, {})
    assert wa("status", "--json").json["connection"] == "connecting"
    second.release()


def test_what_the_last_holder_left_is_read_while_nobody_can_take_the_lock(home, monkeypatch):
    """A process that starts at that moment would be said to be killed."""
    home.prepare()
    lock = FileLock(home.session_lock)
    assert lock.acquire()
    lock.release({"pid": 1})
    read = os.pread

    def read_under_the_lock(fd, *place):
        with home.session_lock.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return read(fd, *place)

    monkeypatch.setattr(os, "pread", read_under_the_lock)
    assert locks.look(home.session_lock) == (None, {"pid": 1})


@pytest.mark.timeout(100)
def test_without_the_wake_up_socket_a_message_is_sent_later(wa, spawn, home):
    spawn("listen")
    wait_for(lambda: is_connected(home) and home.socket.exists())
    assert wa("send", REEM, "One").code == 0
    home.socket.unlink()
    result = wa("send", REEM, "Two", "--wait", "30")
    assert result.code == 0, result.err


def test_waking_the_owner_through_a_full_socket_does_not_block(wa, home):
    home.prepare()
    deaf = WakeSocket(home.socket)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood, contextlib.suppress(BlockingIOError):
        flood.setblocking(False)
        for _ in range(100_000):
            flood.sendto(b".", str(home.socket))
    started = time.monotonic()
    wake_owner(home.socket)
    assert time.monotonic() - started < 10
    assert wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour").code == 0
    assert deaf.wait(0) == (True, True)
    assert deaf.wait(0) == (False, False)
    deaf.close()


def test_an_owner_with_many_open_files_is_woken(home):
    home.prepare()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    held = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while held[-1] < 1024:
            held.append(os.dup(held[0]))
        owner = WakeSocket(home.socket)
        wake_owner(home.socket)
        assert owner.wait(5) == (True, True)
        owner.wake()
        assert owner.wait(5) == (True, False)  # one of its own threads has woken it
        owner.close()
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_or_directory_in_the_socket_s_place_stays_and_stops_no_message(wa, home):
    """The owner then looks at the queue by itself; the file or directory is not removed."""
    home.prepare()
    home.socket.write_text("a file")
    assert wa("send", REEM, "Hello").code == 0
    home.socket.unlink()
    home.socket.mkdir()
    assert wa("send", REEM, "Again").code == 0
    assert home.socket.is_dir()
    assert [row["content"] for row in wa("loopback", "delivered", "--json").json] == ["Hello", "Again"]
