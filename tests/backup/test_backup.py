"""`wa backup`: making, uploading and restoring elsewhere; with failing storage; readable by nobody else."""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import legacy_data
import pytest
import zstandard
from conftest import REEM, WA, FakeClock, Result

from wa.store.paths import Home

pytestmark = pytest.mark.no_home

if TYPE_CHECKING:
    from juicefs import Gateway
    from s3_server import Bucket, S3Server

pytest_plugins = ["s3_server", "juicefs"]

Run = Callable[..., Result]
Record = dict[str, Any]

CHECKSUM = ".sha256"
FOLDER = "whatsapp/backups/"
SECRET = "K005nOtArEaLsEcReTbUtAsLoNgAsOnE"
MARKER = b"sEsSiOnKeYs-0f-a-device-that-is-linked"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
with_age = pytest.mark.skipif(
    shutil.which("age") is None or shutil.which("zstd") is None, reason="age and zstd are not installed"
)
with_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")


@pytest.fixture
def clock() -> FakeClock:
    """Friday noon."""
    return FakeClock("2026-11-20T12:00:00")


@pytest.fixture
def lived_in(wa: Run, home: Home, clock: FakeClock, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A store with people, chats and a queue: one message is due in an hour, one in three days."""
    grown = tmp_path_factory.getbasetemp() / "lived-in"
    if not grown.exists():
        old = tmp_path_factory.mktemp("old")
        legacy_data.write_all(old, 5, 300)
        assert wa("migrate-s3", "--from", str(old), now=clock).code == 0
        for text, at in [("Soon", "in 1 hour"), ("Later", "in 72 hours")]:
            assert wa("schedule", "add", REEM, text, "--at", at, now=clock).code == 0
        shutil.copytree(home.path, grown)
        return home
    shutil.copytree(grown, home.path)
    return home


@pytest.fixture
def age_keys(wa: Run, tmp_path: Path) -> tuple[Path, str]:
    """The file with the private key, and the public key."""
    path = tmp_path / "backup-key.txt"
    result = wa("backup", "keygen", "--to", str(path), "--json")
    assert result.code == 0, result.err
    assert path.stat().st_mode & 0o777 == 0o600
    assert "AGE-SECRET-KEY-" not in result.out + result.err
    assert result.json["recipient"] in path.read_text()
    return path, result.json["recipient"]


def make(wa: Run, *options: str, now: Any = None, **env: str) -> Record:
    """Make a backup; return its JSON."""
    result = wa("backup", *options, "--json", **({"now": now} if now else {}), **env)
    assert result.code == 0, (result.out, result.err)
    return result.json


def asked(wa: Run, clock: FakeClock, **env: str) -> Record:
    """Return what the reading commands print about a home."""
    chats = wa("chats", "--json", now=clock, **env).json
    assert len(chats) == 5
    answers = {"chats": chats}
    for chat in chats:
        answers[chat["id"]] = wa("read", chat["id"], "500", "--json", now=clock, **env).json
    for word in ("morning", "שלום", "naïve", "nowhere-to-be-found"):
        answers[word] = wa("search", word, "--json", now=clock, **env).json
    assert answers["morning"]
    assert not answers["nowhere-to-be-found"]
    answers["contacts"] = wa("contacts", "list", "--json", now=clock, **env).json
    assert len(answers["contacts"]) == 272
    answers["check"] = (checked := wa("db", "check", "--json", now=clock, **env)).out
    assert checked.code == 0
    return answers


def queue(wa: Run, clock: FakeClock, **env: str) -> dict[str, Record]:
    """Return all rows that were ever queued, by id."""
    rows = wa("schedule", "list", "--status", "all", "--json", now=clock, **env).json
    return {row["id"]: row for row in rows}


def objects(bucket: Bucket) -> dict[str, bytes]:
    """Return the backups' objects in a bucket."""
    client = bucket.server.client()
    keys = [key for key in bucket.keys() if key.startswith(FOLDER)]  # noqa: SIM118
    found = {key: client.get_object(Bucket=bucket.name, Key=key)["Body"].read() for key in keys}
    return {key.removeprefix(FOLDER): data for key, data in found.items()}


def check_whole(found: dict[str, bytes]) -> set[str]:
    """Check that every backup fits the checksum beside it; return the names."""
    names = {name for name in found if not name.endswith(CHECKSUM)}
    for name in names:
        assert found[name + CHECKSUM] == f"{sha256(found[name]).hexdigest()}  {name}\n".encode()
    return names


def here(home: Home) -> set[str]:
    """Return the names of the backups in a home; each must be whole."""
    return check_whole({path.name: path.read_bytes() for path in home.backups.glob("whatsapp_*")})


def failed(result: Result, code: int, *errors: str) -> str:
    """Check the form of a refusal with --json; return its message."""
    assert (result.code, result.out) == (code, ""), (result.code, result.out, result.err)
    assert "Traceback" not in result.err
    assert result.error["code"] in errors
    assert SECRET not in result.err
    return str(result.error["message"])


def messages_of(database: bytes, path: Path) -> list[tuple[Any, ...]]:
    """Return the messages in the bytes of a SQLite file."""
    path.write_bytes(database)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute("SELECT * FROM messages ORDER BY id").fetchall()


# ── There and back ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["SeaweedFS", "JuiceFS"])
def storage(request: pytest.FixtureRequest) -> Bucket:
    """A bucket on a current S3 server, and on one that behaves as servers did some years ago."""
    if request.param == "SeaweedFS":
        return request.getfixturevalue("bucket")
    found: Gateway = request.getfixturevalue("gateway")
    return found.bucket


def test_a_store_is_brought_back_on_another_machine(
    storage: Bucket, lived_in: Home, wa: Run, shell: Run, clock: FakeClock, tmp_path: Path
) -> None:
    before = queue(wa, clock)
    due = next(row["id"] for row in before.values() if row["message"] == "Soon")
    asked_before = asked(wa, clock)
    env = storage.settings()
    made = make(wa, now=clock, **env)
    assert made["uploaded"] is True
    assert made["messages"] == 300
    assert check_whole(objects(storage)) == here(lived_in) == {made["name"]}
    [row] = wa("backup", "list", "--json", now=clock, **env).json
    assert (row["name"], row["local"], row["remote"], row["encrypted"]) == (made["name"], True, True, False)
    found = wa("backup", "verify", "--json", now=clock, **env).json
    assert (found["name"], found["places"], found["messages"]) == (
        made["name"],
        ["here", "in the storage"],
        300,
    )

    new = {"WA_HOME": str(tmp_path / "new"), **env}
    [row] = wa("backup", "list", "--json", now=clock, **new).json
    assert (row["name"], row["local"], row["remote"]) == (made["name"], False, True)
    clock.advance(days=1)
    done = wa("backup", "restore", "latest", "--json", now=clock, **new)
    assert done.code == 0, done.err
    assert (done.json["name"], done.json["from"], done.json["messages"]) == (made["name"], "storage", 300)
    assert asked(wa, clock, **new) == asked_before
    after = queue(wa, clock, **new)
    assert set(after) == set(before)
    for number, row in before.items():
        was_due = row["status"] == "pending" and row["scheduled_at"] <= "2026-11-21T12:00:00.000Z"
        expected = "unknown" if was_due else row["status"]
        assert after[number]["status"] == expected
        assert was_due or after[number] == row
    assert after[due]["status"] == "unknown"
    assert after[due]["error_code"] == "restored"
    assert wa("status", "--json", now=clock, **new).json["sending"] == "paused"
    assert shell("backup", "verify", **new).code == 0
    assert wa("backup", now=clock, **new).code == 0
    assert len(check_whole(objects(storage))) == 2


def test_old_backups_are_removed_here_and_from_either_server(
    storage: Bucket, lived_in: Home, wa: Run, clock: FakeClock
) -> None:
    env = storage.settings()
    made = []
    for _ in range(3):
        made.append(make(wa, now=clock, **env)["name"])
        clock.advance(minutes=10)
    assert check_whole(objects(storage)) == here(lived_in) == set(made)
    clock.advance(days=3)
    shown = wa("backup", "prune", "--dry-run", "--json", now=clock, **env).json
    assert [row["name"] for row in shown] == made[:2]
    assert check_whole(objects(storage)) == here(lived_in) == set(made)
    assert wa("backup", "prune", "--json", now=clock, **env).json == shown
    assert check_whole(objects(storage)) == here(lived_in) == {made[2]}
    assert set(objects(storage)) == {made[2], made[2] + CHECKSUM}
    assert sorted(path.name for path in lived_in.backups.iterdir()) == [made[2], made[2] + CHECKSUM]


def test_status_says_when_the_last_backup_was_made(
    lived_in: Home, wa: Run, clock: FakeClock, closed_port: int, bucket: Bucket
) -> None:
    assert wa("status", "--json", now=clock).json["last_backup_at"] is None
    make(wa, now=clock)
    clock.advance(hours=5)
    assert wa("status", "--json", now=clock).json["last_backup_at"] == "2026-11-20T12:00:00.000Z"
    nobody = bucket.settings(B2_S3_ENDPOINT=f"http://127.0.0.1:{closed_port}")
    assert wa("backup", now=clock, **nobody).code == 7
    assert wa("status", "--json", now=clock).json["last_backup_at"] == "2026-11-20T17:00:00.000Z"


# ── Storage that fails ────────────────────────────────────────────────────────────────────────────


class _Line(socketserver.ThreadingTCPServer):
    """Pass on the server's answers, and at most `left` bytes of the requests of each connection."""

    daemon_threads = True

    def __init__(self, server: S3Server, left: int, over: Callable[[], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        host, _, port = server.endpoint.removeprefix("http://").partition(":")
        self.upstream = (host, int(port))
        self.left = left
        self.over = over


class _Passing(socketserver.BaseRequestHandler):
    server: _Line

    def handle(self) -> None:
        left = self.server.left
        with suppress(OSError), socket.create_connection(self.server.upstream) as upstream:
            threading.Thread(target=self._answer, args=(upstream,), daemon=True).start()
            while data := self.request.recv(4096):
                upstream.sendall(data[:left])
                left -= len(data)
                if left <= 0:
                    self.server.over()
                    return

    def _answer(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while data := upstream.recv(65_536):
                self.request.sendall(data)


@pytest.fixture
def uploads_that_drop() -> Iterator[Callable[..., str]]:
    """Make an address where small requests work, and a large request loses the connection midway."""
    with ExitStack() as lines:

        def start(server: S3Server, left: int = 20_000, over: Callable[[], None] = lambda: None) -> str:
            line = lines.enter_context(_Line(server, left, over))
            threading.Thread(target=line.serve_forever, args=(0.05,), daemon=True).start()
            lines.callback(line.shutdown)
            return f"http://127.0.0.1:{line.server_address[1]}"

        yield start


TROUBLES = ("secret", "powerless key", "bucket", "nobody", "drops")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_backup_that_cannot_be_uploaded_is_kept_and_uploaded_by_the_next_run(
    bucket: Bucket,
    lived_in: Home,
    wa: Run,
    shell: Run,
    closed_port: int,
    uploads_that_drop: Callable[..., str],
    trouble: str,
) -> None:
    server = bucket.server
    changes = {
        "secret": {"B2_SECRET_ACCESS_KEY": SECRET},
        "powerless key": {
            "B2_ACCESS_KEY_ID": server.powerless_key,
            "B2_SECRET_ACCESS_KEY": server.powerless_secret,
        },
        "bucket": {"B2_BUCKET": "wa-nowhere"},
        "nobody": {"B2_S3_ENDPOINT": f"http://127.0.0.1:{closed_port}"},
        "drops": {"B2_S3_ENDPOINT": uploads_that_drop(server)},
    }[trouble]
    result = shell("backup", "--json", **bucket.settings(**changes))
    message = failed(result, 7, "network-error", "storage-error")
    assert server.secret not in result.err
    assert server.powerless_secret not in result.err
    [name] = here(lived_in)
    assert name in message
    assert "wait" in message
    assert check_whole(objects(bucket)) == set()
    if trouble in ("secret", "bucket"):
        failed(wa("backup", "list", "--json", **bucket.settings(**changes)), 7, "storage-error")

    second = make(wa, **bucket.settings())["name"]
    assert check_whole(objects(bucket)) == here(lived_in) == {name, second}
    rows = wa("backup", "list", "--json", **bucket.settings()).json
    assert [(row["local"], row["remote"]) for row in rows] == [(True, True)] * 2
    assert wa("backup", "verify", name, **bucket.settings()).code == 0


@pytest.mark.parametrize("cut", [10, 40, 300, 500])
def test_answers_that_are_cut_off_leave_no_incomplete_backup(
    bucket: Bucket, lived_in: Home, wa: Run, clock: FakeClock, dropping_line: Callable[[int], str], cut: int
) -> None:
    result = wa("backup", "--json", now=clock, **bucket.settings(B2_S3_ENDPOINT=dropping_line(cut)))
    assert result.code in (0, 7), result.err
    assert len(here(lived_in)) == 1
    assert check_whole(objects(bucket)) == (here(lived_in) if result.code == 0 else set())
    clock.advance(minutes=1)
    make(wa, now=clock, **bucket.settings())
    assert check_whole(objects(bucket)) == here(lived_in)


@pytest.mark.parametrize("cut", [10, 40, 100, 300, 500])
def test_an_answer_that_is_cut_off_is_not_taken_for_an_empty_bucket(
    bucket: Bucket,
    lived_in: Home,
    wa: Run,
    clock: FakeClock,
    dropping_line: Callable[[int], str],
    tmp_path: Path,
    cut: int,
) -> None:
    make(wa, now=clock, **bucket.settings())
    env = {"WA_HOME": str(tmp_path / "new"), **bucket.settings(B2_S3_ENDPOINT=dropping_line(cut))}
    for command in (["list"], ["restore", "latest"]):
        failed(wa("backup", *command, "--json", now=clock, **env), 7, "network-error", "storage-error")


def test_a_server_that_is_killed_during_an_upload_has_both_backups_after_the_next_run(
    gateway: Gateway, lived_in: Home, shell: Run, uploads_that_drop: Callable[..., str]
) -> None:
    line = uploads_that_drop(gateway.server, over=gateway.kill)
    result = shell("backup", "--json", **gateway.bucket.settings(B2_S3_ENDPOINT=line))
    failed(result, 7, "network-error", "storage-error")
    first = here(lived_in)
    assert len(first) == 1
    assert shell("backup", **gateway.bucket.settings()).code == 7
    gateway.start()
    assert check_whole(objects(gateway.bucket)) == set()
    assert shell("backup", **gateway.bucket.settings()).code == 0
    assert check_whole(objects(gateway.bucket)) == here(lived_in) > first
    assert len(here(lived_in)) == 3


def test_a_damaged_backup_that_waits_for_its_upload_is_reported_and_not_uploaded(
    bucket: Bucket, lived_in: Home, wa: Run, clock: FakeClock, closed_port: int
) -> None:
    nobody = bucket.settings(B2_S3_ENDPOINT=f"http://127.0.0.1:{closed_port}")
    for _ in range(2):
        assert wa("backup", now=clock, **nobody).code == 7
        clock.advance(minutes=1)
    damaged, sound = sorted(here(lived_in))
    path = lived_in.backups / damaged
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    message = failed(wa("backup", "--json", now=clock, **bucket.settings()), 8, "corrupt")
    assert damaged in message
    newest = max(name for name in os.listdir(lived_in.backups) if not name.endswith(CHECKSUM))
    assert check_whole(objects(bucket)) == {sound, newest}
    assert damaged + CHECKSUM not in objects(bucket)
    failed(wa("backup", "verify", damaged, "--json", now=clock), 8, "corrupt")
    before = legacy_data.tables(lived_in.store)
    failed(wa("backup", "restore", damaged, "--json", now=clock), 8, "corrupt")
    assert legacy_data.tables(lived_in.store) == before
    clock.advance(minutes=1)
    make(wa, now=clock, **bucket.settings())


def test_a_backup_that_is_damaged_here_is_fetched_from_the_storage(
    bucket: Bucket, lived_in: Home, wa: Run, clock: FakeClock
) -> None:
    name = make(wa, now=clock, **bucket.settings())["name"]
    (lived_in.backups / name).write_bytes(b"\x28\xb5\x2f\xfd nothing")
    done = wa("backup", "restore", "latest", "--json", now=clock, **bucket.settings())
    assert done.code == 0, done.err
    assert done.json["from"] == "storage"


# ── Encryption ────────────────────────────────────────────────────────────────────────────────────


@with_zstd
def test_a_plain_backup_is_opened_by_zstd_and_checked_by_sha256sum(
    lived_in: Home, wa: Run, tmp_path: Path
) -> None:
    name = make(wa)["name"]
    opened = subprocess.run(["zstd", "-dc", lived_in.backups / name], check=True, capture_output=True).stdout
    stored = messages_of(lived_in.store.read_bytes(), tmp_path / "live.db")
    assert len(stored) == 300
    assert messages_of(opened, tmp_path / "opened.db") == stored
    checked = subprocess.run(
        ["sha256sum", "-c", name + CHECKSUM], cwd=lived_in.backups, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout) == (0, f"{name}: OK\n")


@with_age
def test_an_encrypted_backup_is_opened_by_age_and_checked_by_sha256sum(
    lived_in: Home, wa: Run, bucket: Bucket, age_keys: tuple[Path, str], tmp_path: Path
) -> None:
    identity, recipient = age_keys
    made = make(wa, WA_BACKUP_RECIPIENT=recipient, **bucket.settings())
    assert made["encrypted"] is True
    assert made["name"].endswith(".db.zst.age")
    [row] = wa("backup", "list", "--json", **bucket.settings()).json
    assert row["encrypted"] is True
    stored = messages_of(lived_in.store.read_bytes(), tmp_path / "live.db")
    (tmp_path / "remote.age").write_bytes(objects(bucket)[made["name"]])
    for path in (lived_in.backups / made["name"], tmp_path / "remote.age"):
        packed = subprocess.run(["age", "-d", "-i", identity, path], check=True, capture_output=True).stdout
        opened = subprocess.run(["zstd", "-d"], input=packed, check=True, capture_output=True).stdout
        assert messages_of(opened, tmp_path / "opened.db") == stored
    subprocess.run(["sha256sum", "--quiet", "-c", made["name"] + CHECKSUM], cwd=lived_in.backups, check=True)
    new = {"WA_HOME": str(tmp_path / "new"), **bucket.settings()}
    done = wa("backup", "restore", "latest", "--json", WA_BACKUP_IDENTITY=str(identity), **new)
    assert done.code == 0, done.err
    assert done.json["messages"] == 300


def test_without_the_right_identity_no_backup_is_opened_and_no_file_written(
    lived_in: Home, wa: Run, age_keys: tuple[Path, str], tmp_path: Path
) -> None:
    name = make(wa, WA_BACKUP_RECIPIENT=age_keys[1])["name"]
    assert wa("backup", "keygen", "--to", str(tmp_path / "other.txt")).code == 0
    (tmp_path / "empty.txt").write_text("nothing\n")
    before = legacy_data.tables(lived_in.store)
    target = tmp_path / "out" / "restored.db"
    target.parent.mkdir()
    for env in [
        {},
        {"WA_BACKUP_IDENTITY": str(tmp_path / "other.txt")},
        {"WA_BACKUP_IDENTITY": str(tmp_path / "empty.txt")},
        {"WA_BACKUP_IDENTITY": str(tmp_path / "not-there.txt")},
    ]:
        for command in (["restore", "latest"], ["verify"], ["restore", "latest", "--to", str(target)]):
            result = wa("backup", *command, "--json", **env)
            assert "WA_BACKUP_IDENTITY" in failed(result, 2, "bad-setting")
    assert legacy_data.tables(lived_in.store) == before
    assert os.listdir(target.parent) == []
    assert sorted(os.listdir(lived_in.backups)) == [name, name + CHECKSUM]
    assert wa("backup", "verify", WA_BACKUP_IDENTITY=str(age_keys[0])).code == 0


def test_a_mistyped_recipient_is_refused(lived_in: Home, wa: Run, age_keys: tuple[Path, str]) -> None:
    recipient = age_keys[1]
    swapped = recipient[:-1] + ("q" if recipient[-1] != "q" else "p")
    for wrong in (swapped, recipient[:-1], recipient.upper(), age_keys[0].read_text().splitlines()[1], "x"):
        result = wa("backup", "--json", WA_BACKUP_RECIPIENT=wrong)
        failed(result, 2, "bad-setting")
    assert not lived_in.backups.exists() or os.listdir(lived_in.backups) == []


def test_a_key_file_that_exists_is_not_overwritten(wa: Run, age_keys: tuple[Path, str]) -> None:
    before = age_keys[0].read_bytes()
    failed(wa("backup", "keygen", "--to", str(age_keys[0]), "--json"), 2, "usage")
    assert age_keys[0].read_bytes() == before


# ── The session's keys ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def linked(lived_in: Home) -> Home:
    """A home whose session database contains a marker."""
    with closing(sqlite3.connect(lived_in.session)) as db:
        db.execute("CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT, noise_key BLOB)")
        who = ("447700900100.0:7@s.whatsapp.net", "100.0:7@lid", "Test", MARKER)
        db.execute("INSERT INTO whatsmeow_device VALUES (?, ?, ?, ?)", who)
        db.commit()
    lived_in.session.chmod(0o600)
    return lived_in


def with_marker(folder: Path) -> list[str]:
    """Return the files below a directory that contain the marker."""
    return [path.name for path in folder.rglob("*") if path.is_file() and MARKER in path.read_bytes()]


def test_no_plain_backup_holds_the_sessions_keys(linked: Home, wa: Run) -> None:
    name = make(wa)["name"]
    with (linked.backups / name).open("rb") as file:
        content = zstandard.ZstdDecompressor().stream_reader(file).read()
    assert content.startswith(b"SQLite format 3")
    assert MARKER not in content
    failed(wa("backup", "--with-session", "--json"), 2, "usage", "bad-setting")
    assert here(linked) == {name}
    assert with_marker(linked.path) == ["session.db"]


@with_age
def test_an_encrypted_backup_holds_the_sessions_keys_on_request_and_restore_leaves_them_out(
    linked: Home, wa: Run, age_keys: tuple[Path, str], tmp_path: Path
) -> None:
    identity, recipient = age_keys
    without = make(wa, WA_BACKUP_RECIPIENT=recipient)
    made = make(wa, "--with-session", WA_BACKUP_RECIPIENT=recipient)
    assert (without["with_session"], made["with_session"]) == (False, True)
    opened = {}
    for each in (without, made):
        packed = subprocess.run(
            ["age", "-d", "-i", identity, linked.backups / each["name"]], check=True, capture_output=True
        ).stdout
        opened[each["name"]] = subprocess.run(["zstd", "-d"], input=packed, check=True, capture_output=True)
    assert MARKER not in opened[without["name"]].stdout
    (tmp_path / "opened.db").write_bytes(opened[made["name"]].stdout)
    with closing(sqlite3.connect(tmp_path / "opened.db")) as db:
        [(content,)] = db.execute("SELECT content FROM session_file").fetchall()
    assert MARKER in content
    (tmp_path / "session.db").write_bytes(content)
    with closing(sqlite3.connect(tmp_path / "session.db")) as db:
        assert db.execute("SELECT noise_key FROM whatsmeow_device").fetchall() == [(MARKER,)]
    assert with_marker(linked.path) == ["session.db"]

    done = wa("backup", "restore", made["name"], "--json", WA_BACKUP_IDENTITY=str(identity))
    assert done.code == 0, done.err
    assert with_marker(linked.path) == ["session.db"]
    assert wa("db", "check").code == 0


def test_a_backup_with_keys_without_a_session_is_refused(
    lived_in: Home, wa: Run, age_keys: tuple[Path, str]
) -> None:
    result = wa("backup", "--with-session", "--json", WA_BACKUP_RECIPIENT=age_keys[1])
    failed(result, 3, "not-authorized")
    assert os.listdir(lived_in.backups) == []


# ── File permissions ──────────────────────────────────────────────────────────────────────────────


class _Watch:
    """Note the permission bits of all files below a directory, again and again, while others work there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: dict[str, set[int]] = {}

    def _run(self) -> None:
        while not self._over.is_set():
            self._look(str(self._folder))

    def _look(self, folder: str) -> None:
        with suppress(FileNotFoundError):
            self.seen.setdefault(folder, set()).add(os.lstat(folder).st_mode)
            with os.scandir(folder) as found:
                entries = list(found)
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    self._look(entry.path)
                else:
                    with suppress(FileNotFoundError):
                        self.seen.setdefault(entry.path, set()).add(os.lstat(entry.path).st_mode)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look(str(self._folder))


def test_no_other_user_may_read_a_file_while_it_is_made(
    linked: Home, shell: Run, age_keys: tuple[Path, str]
) -> None:
    open_to_all = ["sh", "-c", 'umask 0; exec "$0" "$@"', WA]
    env = {"WA_BACKUP_RECIPIENT": age_keys[1], "WA_BACKUP_IDENTITY": str(age_keys[0])}

    def has_seen_all(watch: _Watch) -> bool:
        """Whether each kind of file was seen while it was made: some of them are there for a moment."""
        seen = {os.path.basename(path) for path in list(watch.seen) if "/.making/" in path}
        return {"wa.db", "restored.db"} <= seen and any(name.endswith(".age") for name in seen)

    with _Watch(linked.path) as watch:
        for attempt in range(20):
            for command in (
                ["backup", "--with-session"],
                ["backup", "restore", "latest"],
                ["backup", "restore", "latest", "--to", str(linked.path / f"extracted-{attempt}.db")],
            ):
                result = shell(*command, program=open_to_all, **env)
                assert result.code == 0, result.err
            if has_seen_all(watch):
                break
        assert has_seen_all(watch)
    kinds = {path: {oct(mode) for mode in modes} for path, modes in watch.seen.items()}
    assert not {
        path: modes for path, modes in kinds.items() if modes - {"0o40700", "0o100600", "0o140600"}
    }, kinds
    assert not (linked.backups / ".making").exists()


# ── Two at once ───────────────────────────────────────────────────────────────────────────────────


def test_two_backups_at_once_both_succeed_under_names_of_their_own(
    lived_in: Home, spawn: Callable[..., Any], bucket: Bucket
) -> None:
    processes = [spawn("backup", "--json", **bucket.settings()) for _ in range(2)]
    results = [process.finish() for process in processes]
    assert [result.code for result in results] == [0, 0], [result.err for result in results]
    names = {result.json["name"] for result in results}
    assert len(names) == 2
    assert check_whole(objects(bucket)) == here(lived_in) == names


def test_three_backups_in_one_second_get_names_of_their_own(
    lived_in: Home, wa: Run, clock: FakeClock, age_keys: tuple[Path, str]
) -> None:
    keys = [{}, {"WA_BACKUP_RECIPIENT": age_keys[1]}, {}]
    assert [make(wa, now=clock, **each)["name"] for each in keys] == [
        "whatsapp_20261120_120000.db.zst",
        "whatsapp_20261120_120001.db.zst.age",
        "whatsapp_20261120_120002.db.zst",
    ]
    assert len(here(lived_in)) == 3


# ── Bad input ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "missing", ["B2_BUCKET", "B2_S3_ENDPOINT", "B2_ACCESS_KEY_ID", "B2_SECRET_ACCESS_KEY"]
)
def test_incomplete_storage_settings_are_refused(lived_in: Home, wa: Run, missing: str) -> None:
    env = {
        "B2_BUCKET": "wa-nowhere",
        "B2_S3_ENDPOINT": "http://127.0.0.1:9",
        "B2_ACCESS_KEY_ID": "0050123456789ab0000000001",
        "B2_SECRET_ACCESS_KEY": SECRET,
    }
    del env[missing]
    for command in (["backup"], ["backup", "list"], ["backup", "restore", "latest"], ["backup", "prune"]):
        assert missing in failed(wa(*command, "--json", **env), 2, "bad-setting")
    assert not lived_in.backups.exists()


@pytest.mark.parametrize("prefix", ["..", "../other/", "whatsapp/../other/", "/../"])
def test_a_prefix_that_leads_elsewhere_is_refused(
    lived_in: Home, wa: Run, bucket: Bucket, prefix: str
) -> None:
    failed(wa("backup", "--json", **bucket.settings(B2_PREFIX=prefix)), 2, "bad-setting")
    assert bucket.keys() == []
    assert not lived_in.backups.exists()


def test_a_file_in_the_place_of_the_folder_is_reported(lived_in: Home, wa: Run) -> None:
    lived_in.backups.write_text("mine")
    for command in (["backup"], ["backup", "restore", "latest"], ["backup", "verify"], ["backup", "prune"]):
        assert str(lived_in.backups) in failed(wa(*command, "--json"), 7, "storage-error")
    assert lived_in.backups.read_text() == "mine"
    lived_in.backups.unlink()
    make(wa)


@as_root
def test_a_disk_that_is_too_small_is_reported_and_left_as_it_was(
    lived_in: Home, wa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", path], check=True)
    try:
        monkeypatch.setenv("WA_HOME", str(path / "home"))
        home = Home(path / "home")
        shutil.copytree(lived_in.path, home.path)
        name = make(wa)["name"]
        ballast = path / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        for leave_kb in (4_000, 0):
            if leave_kb:
                os.truncate(ballast, ballast.stat().st_size - leave_kb * 1024)
            else:
                with ballast.open("ab", buffering=0) as file, suppress(OSError):
                    while True:
                        file.write(b"x" * 4096)
            for command in (["backup"], ["backup", "verify"], ["backup", "restore", "latest"]):
                failed(wa(*command, "--json"), 7, "storage-error")
                assert here(home) == {name}
                assert sorted(os.listdir(home.backups)) == [name, name + CHECKSUM]
        ballast.unlink()
        assert wa("db", "check").code == 0
        assert wa("backup", "restore", "latest").code == 0
        make(wa)
        assert len(here(home)) == 2
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def test_no_object_is_removed_that_wa_did_not_name(
    lived_in: Home, wa: Run, clock: FakeClock, bucket: Bucket
) -> None:
    """Our backups are listed behind two pages of other objects."""
    foreign = [f"{FOLDER}whatsapp_0{number:04}.txt" for number in range(1_080)]
    foreign += [
        FOLDER + name
        for name in (
            "whatsapp_notes.txt",
            "whatsapp_20261020_120000.db.zst.bak",
            "whatsapp_20261020_120000.db.zst.age.tmp",
            "whatsapp_20261020_120000.db",
            "whatsapp_20261320_120000.db.zst",
            "whatsapp_20260230_120000.db.zst",
            "whatsapp_20261020_120000.db.zst/inner",
            "old/whatsapp_20261020_120000.db.zst",
            "Whatsapp_20261020_120000.db.zst",
            "whatsapp_20261020_120000.db.zst.md5",
            "contacts.json",
            ".sha256",
            "whatsapp_.sha256",
            "whatsapp_notes.txt.sha256",
            "whatsapp_20261320_120000.db.zst.sha256",
            "whatsapp_20261020_1200.db.zst",
        )
    ]
    foreign += ["whatsapp/contacts.json", "whatsapp_20261020_120000.db.zst"]
    ours = [f"whatsapp_20261117_10{minute:02}00.db.zst" for minute in range(20)]
    whole = [FOLDER + name + end for name in ours for end in ("", CHECKSUM)]
    ahead = [FOLDER + "whatsapp_20270101_000000.db.zst" + end for end in ("", CHECKSUM)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: bucket.put(key, b"x"), [*foreign, *whole, *ahead]))
    lived_in.backups.mkdir(mode=0o700)
    for name in ("whatsapp_notes.txt", "whatsapp_20261020_120000.db.zst.bak", "notes.sha256"):
        (lived_in.backups / name).write_text("mine")

    rows = wa("backup", "list", "--json", now=clock, **bucket.settings()).json
    assert [row["name"] for row in rows] == [*reversed(ours), "whatsapp_20270101_000000.db.zst"]
    would = wa("backup", "prune", "--dry-run", "--json", now=clock, **bucket.settings()).json
    assert [row["name"] for row in would] == ours[:-1]
    removed = wa("backup", "prune", "--json", now=clock, **bucket.settings())
    assert removed.code == 0, removed.err
    assert removed.json == would
    client = bucket.server.client()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
    left = {each["Key"] for page in pages for each in page["Contents"]}
    assert left == {*foreign, *ahead, FOLDER + ours[-1], FOLDER + ours[-1] + CHECKSUM}
    assert len(os.listdir(lived_in.backups)) == 3


def test_no_error_of_the_storage_contains_a_secret(lived_in: Home, shell: Run, bucket: Bucket) -> None:
    result = shell("-vv", "backup", **bucket.settings())
    assert result.code == 0, result.err
    assert bucket.server.secret not in result.out + result.err
