"""Restoring a backup: no message goes out twice, none is lost, and a damaged backup is refused."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import spooled
import zstandard
from conftest import REEM, REEM_JID, delivered, is_connected, own, wait_for
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from wa.connection.context import system_now
from wa.people.recipients import Recipient
from wa.queue import rows as schedule
from wa.queue import states
from wa.queue.compose import new_time
from wa.store.open import open_store
from wa.store.paths import Home
from wa.store.schema import steps as migrations
from wa.times import parse_duration

GRACE = parse_duration("6h")
TO = Recipient(REEM_JID, REEM, None)


# ── What the tests do ─────────────────────────────────────────────────────────────────────────────


def ok(result):
    """Check that a command succeeded; return its JSON."""
    assert result.code == 0, result.err
    return result.json


def make(wa, **env):
    """Make a backup; return its name."""
    return ok(wa("backup", "--json", **env))["name"]


def put(store, text, *, due=0.0, key=None, grace=GRACE):
    """Queue a message that is due so many hours from now; return its id."""
    now = system_now()
    row = schedule.enqueue(store, TO, text, now + timedelta(hours=due), now, grace=grace, key=key)
    return row["id"]


def run_queue(wa):
    """Send the due rows and record what arrived; a message may fail or its outcome be unknown."""
    result = wa("run-scheduler", "--once")
    assert result.code in (0, 5, 6), result.err


def make_due(store, row_id):
    """Move a pending row to now."""
    now = system_now()
    states.edit(store, row_id, now, new_time(schedule.get(store, row_id), now, GRACE))


def statuses(store):
    """Return the status of each text in the queue."""
    return dict(store.execute("SELECT message, status FROM scheduled_messages").fetchall())


def in_home(home):
    """Return the environment of another home."""
    return {"WA_HOME": str(home.path)}


def fresh(tmp_path, name="other"):
    """Make another home, with nothing in it."""
    other = Home(tmp_path / name)
    other.prepare()
    return other


def bring(home, other, *names):
    """Copy backups into another home."""
    other.backups.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        for each in (name, f"{name}.sha256"):
            shutil.copy(home.backups / each, other.backups / each)


def dump(path):
    """Return all that is in a store, as SQL."""
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def integrity(path):
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("PRAGMA integrity_check")]


def parts_of(home):
    """Return the half-made files that were left."""
    return [path.name for path in (home.backups / ".making").glob("*")]


def kept_of(home):
    return sorted(home.backups.glob("replaced_*.db"))


def refused(result, exit_code, *codes):
    """Check that a command failed; return its error."""
    assert result.code == exit_code, (result.out, result.err)
    assert result.out == ""
    assert result.error["code"] in codes
    assert result.error["message"]
    return result.error


def packed(content):
    """Return bytes as zstd packs them."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def put_backup(home, name, content):
    """Put a file among the backups under a name, with the right checksum."""
    home.backups.mkdir(mode=0o700, exist_ok=True)
    (home.backups / name).write_bytes(content)
    (home.backups / f"{name}.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    return name


def record(store, total):
    """Hold the connection until so many messages are recorded."""
    own(system_now, lambda: store.value("SELECT count(*) FROM messages") >= total)


def say_something(wa, store):
    """Record some messages, so that the store has some pages."""
    lines = [json.dumps({"from": REEM, "text": f"Line {number} " + "x" * 300}) for number in range(300)]
    assert wa("loopback", "say", "-", stdin="\n".join(lines)).code == 0
    record(store, 300)


# ── An old backup does not send again ─────────────────────────────────────────────────────────────


def test_an_old_backup_restored_here_sends_no_message_again_and_loses_none(home, store, wa):
    put(store, "sent before", key="k-before")
    run_queue(wa)
    ids = {text: put(store, text) for text in ("sent since", "unknown since")}
    ids["sent with a key"] = put(store, "sent with a key", key="k-since")
    late = put(store, "missed since", due=-2, grace=timedelta(hours=1))
    future = {text: put(store, text, due=5) for text in ("cancelled", "first text", "failed", "stays")}
    name = make(wa)

    wa("loopback", "fault", "receipts", "off")
    wa("loopback", "fault", "ack-timeout", "0.1")
    ok(wa("schedule", "cancel", future["cancelled"], "--json"))
    ok(wa("schedule", "edit", future["first text"], "--text", "new text", "--json"))
    with store.write():  # the others wait until the acknowledgement is lost
        store.execute(
            "UPDATE scheduled_messages SET not_before = ? WHERE id = ?", ["9", ids["unknown since"]]
        )
    run_queue(wa)
    with store.write():
        store.execute("UPDATE scheduled_messages SET not_before = NULL WHERE id = ?", [ids["unknown since"]])
    wa("loopback", "fault", "ack-lost", "on")
    run_queue(wa)
    wa("loopback", "reset")
    make_due(store, future["failed"])
    wa("loopback", "fault", "refuse", "400")
    run_queue(wa)
    wa("loopback", "reset")
    make_due(store, future["first text"])
    put(store, "added")
    added = put(store, "added with a key", key="k-added")
    before = statuses(store)
    assert before == {
        "sent before": "sent",
        "sent since": "sent",
        "sent with a key": "sent",
        "unknown since": "unknown",
        "missed since": "missed",
        "cancelled": "cancelled",
        "failed": "failed",
        "stays": "pending",
        "new text": "pending",
        "added": "pending",
        "added with a key": "pending",
    }

    done = ok(wa("backup", "restore", name, "--json"))
    assert done["name"] == name
    assert done["queue_known"] is True
    assert statuses(store) == before
    run_queue(wa)
    assert statuses(store) == before, "sending is paused"
    assert (
        ok(wa("send", REEM, "sent with a key", "--key", "k-since", "--json"))["id"] == ids["sent with a key"]
    )

    assert wa("resume").code == 0
    run_queue(wa)
    after = statuses(store)
    assert after == before | {"new text": "sent", "added": "sent", "added with a key": "sent"}
    assert Counter(delivered(home)) == Counter(
        [
            "sent before",
            "sent since",
            "sent with a key",
            "unknown since",
            "new text",
            "added",
            "added with a key",
        ]
    )
    again = ok(wa("send", REEM, "added with a key", "--key", "k-added", "--json"))
    assert again["id"] == added
    assert schedule.get(store, late)["status"] == "missed"
    assert max(Counter(delivered(home)).values()) == 1


def test_in_a_fresh_home_rows_that_may_have_gone_are_unknown_and_future_rows_stay(home, store, wa, tmp_path):
    due = put(store, "was due", due=-0.1)
    sending = put(store, "was being sent", due=-0.1)
    sending_later = put(store, "was sent at once", due=3)
    put(store, "comes later", due=3)
    with store.write():
        for row_id in (sending, sending_later):
            schedule.update(store, row_id, system_now(), status="sending")
    name = make(wa)
    other = fresh(tmp_path)
    bring(home, other, name)

    done = ok(wa("backup", "restore", "latest", "--json", **in_home(other)))
    assert done["queue"] == {"unknown": 3, "pending": 1}
    with closing(open_store(other)) as there:
        for row_id in (due, sending, sending_later):
            row = schedule.get(there, row_id)
            assert (row["status"], row["error_code"]) == ("unknown", "restored")
            assert name in row["error_message"]
        assert statuses(there)["comes later"] == "pending"
        late = schedule.enqueue(there, TO, "new here", system_now(), system_now(), grace=GRACE)["id"]
        assert wa("run-scheduler", "--once", **in_home(other)).code == 0
        assert schedule.get(there, late)["status"] == "pending", "sending is paused"
        assert wa("resume", **in_home(other)).code == 0
        assert wa("run-scheduler", "--once", **in_home(other)).code == 0
    assert delivered(other) == ["new here"]


def test_a_row_overdue_in_the_backup_and_not_here_goes_only_when_the_user_says_so(home, store, wa, tmp_path):
    row_id = put(store, "was due", due=-0.1)
    name = make(wa)
    other = fresh(tmp_path)
    bring(home, other, name)
    env = in_home(other)
    ok(wa("backup", "restore", name, "--json", **env))
    assert wa("resume", **env).code == 0
    assert wa("schedule", "retry", row_id, "--json", **env).code == 6
    assert wa("schedule", "cancel", row_id, "--json", **env).code == 6
    ok(wa("schedule", "retry", row_id, "--force", "--json", **env))
    wa("run-scheduler", "--once", **env)
    assert delivered(other) == ["was due"]


def test_an_older_backup_and_then_the_newer_one_send_no_message_again(home, store, wa, tmp_path):
    rows = {text: put(store, text, due=5) for text in ("sent", "cancelled", "edited", "stays", "failed")}
    put(store, "due and sent", due=-0.1)
    older = make(wa)
    ok(wa("schedule", "cancel", rows["cancelled"], "--json"))
    ok(wa("schedule", "edit", rows["edited"], "--text", "edited later", "--json"))
    make_due(store, rows["sent"])
    run_queue(wa)
    make_due(store, rows["failed"])
    wa("loopback", "fault", "refuse", "400")
    run_queue(wa)
    wa("loopback", "reset")
    newer = make(wa)
    expected = {
        "sent": "sent",
        "due and sent": "sent",
        "cancelled": "cancelled",
        "edited later": "pending",
        "stays": "pending",
        "failed": "failed",
    }
    for number, order in enumerate(([older, newer], [newer, older], [older, newer, older, older, newer])):
        other = fresh(tmp_path, f"other{number}")
        bring(home, other, older, newer)
        env = in_home(other)
        for name in order:
            ok(wa("backup", "restore", name, "--json", **env))
        with closing(open_store(other)) as there:
            assert statuses(there) == expected, order
            for row_id in [row["id"] for row in there.rows("SELECT id FROM scheduled_messages")]:
                if schedule.get(there, row_id)["status"] == "pending":
                    make_due(there, row_id)
            assert wa("resume", **env).code == 0
            assert wa("run-scheduler", "--once", **env).code == 0
        assert sorted(delivered(other)) == ["edited later", "stays"]
    for name in (older, newer, older):  # the home in which all of it happened
        ok(wa("backup", "restore", name, "--json"))
        assert statuses(store) == expected


def test_a_row_that_had_failed_and_was_sent_again_is_sent_when_the_newer_backup_follows_the_older(
    home, store, wa, tmp_path
):
    wa("loopback", "fault", "refuse", "400")
    row_id = put(store, "at the second attempt")
    run_queue(wa)
    older = make(wa)
    wa("loopback", "reset")
    ok(wa("schedule", "retry", row_id, "--json"))
    run_queue(wa)
    assert delivered(home) == ["at the second attempt"]
    newer = make(wa)
    other = fresh(tmp_path)
    bring(home, other, older, newer)
    env = in_home(other)
    ok(wa("backup", "restore", older, "--json", **env))
    ok(wa("backup", "restore", newer, "--json", **env))
    with closing(open_store(other)) as there:
        assert schedule.get(there, row_id)["status"] == "sent"
    assert wa("resume", **env).code == 0
    refused(wa("schedule", "retry", row_id, "--json", **env), 2, "wrong-state")


@pytest.mark.parametrize("sent_here", [False, True])
def test_one_key_in_both_stores_stays_with_the_message_that_was_sent(home, store, wa, tmp_path, sent_here):
    """The same key was used here and on the machine of the backup; one of the two messages was sent."""
    other = fresh(tmp_path)
    env = in_home(other)
    with closing(open_store(other)) as there:
        ours = put(there, "the cake is ready", key="cake", due=0 if sent_here else 4)
        theirs = put(store, "the cake is ready", key="cake", due=4 if sent_here else 0)
        run_queue(wa)
        assert wa("run-scheduler", "--once", **env).code == 0
        name = make(wa)
        bring(home, other, name)
        went, waits = (ours, theirs) if sent_here else (theirs, ours)
        ok(wa("backup", "restore", name, "--json", **env))
        assert (schedule.get(there, went)["status"], schedule.get(there, waits)["status"]) == (
            "sent",
            "cancelled",
        )
        assert schedule.get(there, went)["idempotency_key"] == "cake"
        assert schedule.get(there, waits)["idempotency_key"] is None
        assert went in schedule.get(there, waits)["note"]
        assert wa("resume", **env).code == 0
        assert ok(wa("send", REEM, "the cake is ready", "--key", "cake", "--json", **env))["id"] == went
        assert wa("run-scheduler", "--once", **env).code == 0
    assert len(delivered(home) + delivered(other)) == 1


def test_keys_that_two_rows_have_exchanged_are_restored(home, store, wa, tmp_path):
    other = fresh(tmp_path)
    with closing(open_store(other)) as there:
        for number in range(6):
            put(there, f"message {number}", key=f"key {number}", due=4)
            put(store, f"message {number}", key=f"key {number}", due=4)
        name = make(wa)
        bring(home, other, name)
        for _ in range(2):
            ok(wa("backup", "restore", name, "--json", **in_home(other)))
            rows = there.rows("SELECT idempotency_key AS key, status FROM scheduled_messages")
            assert Counter((row["key"] is not None, row["status"]) for row in rows) == {
                (True, "pending"): 6,
                (False, "cancelled"): 6,
            }


def test_spooled_events_survive_and_row_ids_are_not_used_again(home, store, wa):
    say_something(wa, store)
    name = make(wa)
    wa("loopback", "say", REEM, "since then")
    put(store, "a message of ours")
    record(store, 302)
    for number in range(3):
        spooled.append(store, "broken", b"payload %d" % number, system_now())
    before = dict(store.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    assert before["messages"] == 302

    ok(wa("backup", "restore", name, "--json"))
    after = dict(store.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    assert {table: number for table, number in before.items() if after.get(table, 0) < number} == {}
    assert store.value("SELECT count(*) FROM messages") == 300
    wa("loopback", "say", REEM, "afterwards")
    record(store, 302)  # "since then" was recorded before, and is still in the spool
    kept = store.rows("SELECT payload FROM stuck ORDER BY id")
    assert [row["payload"] for row in kept] == [b"payload %d" % number for number in range(3)]
    for content in ("since then", "afterwards"):
        found = store.value("SELECT id FROM messages WHERE content = ?", [content])
        assert found > before["messages"]
    ok(wa("backup", "restore", name, "--json"))
    kept = store.rows("SELECT payload FROM stuck ORDER BY id")
    assert len(kept) == 3, "it came along once"
    put(store, "another of ours")
    assert wa("resume").code == 0
    run_queue(wa)
    numbers = [row["number"] for row in store.rows("SELECT number FROM wire ORDER BY number")]
    assert numbers[-1] > before["wire"]


def test_the_history_of_backups_outlives_the_restore(home, store, wa):
    older, newer = make(wa), make(wa)
    ok(wa("backup", "restore", older, "--json"))
    rows = store.rows("SELECT name, status FROM backup_history ORDER BY id")
    assert [(row["name"], row["status"]) for row in rows] == [(older, "done"), (newer, "done")]
    assert make(wa) not in (older, newer)


# ── While others have the store open ──────────────────────────────────────────────────────────────

READER = """
import json, sys, time
from pathlib import Path
from wa.store.paths import Home
from wa.store.database import Store
home, folder = Home(Path(sys.argv[1])), Path(sys.argv[2])
store = Store(home)
before = store.value("SELECT count(*) FROM contacts")
(folder / "ready").touch()
while not (folder / "restored").exists():
    store.value("SELECT count(*) FROM contacts")
    time.sleep(0.002)
after = store.value("SELECT count(*) FROM contacts")
with store.write():
    store.execute("INSERT INTO contacts (name, created_at, updated_at) VALUES ('later', '', '')")
check = [row[0] for row in store.execute("PRAGMA integrity_check")]
mode = store.value("PRAGMA journal_mode")
store.close()
print(json.dumps({"before": before, "after": after, "check": check, "mode": mode}))
"""

WRITER = """
import json, sys, time
from pathlib import Path
from wa.store.paths import Home
from wa.store.database import Store
home, stop, rate = Home(Path(sys.argv[1])), Path(sys.argv[2]), float(sys.argv[3])
store = Store(home)
begin, number, longest = time.monotonic(), 0, 0.0
while not stop.exists():
    number += 1
    time.sleep(max(0, begin + number / rate - time.monotonic()))
    started = time.monotonic()
    with store.write(durable=False):
        store.execute("INSERT INTO contacts (name, created_at, updated_at) VALUES (?, '', '')", [str(number)])
    longest = max(longest, time.monotonic() - started)
store.close()
print(json.dumps({"written": number, "longest": longest}))
"""


def numbers_in(path):
    """Return the numbers that a writer has committed, as a store has them."""
    with closing(sqlite3.connect(path)) as db:
        return [int(row[0]) for row in db.execute("SELECT name FROM contacts ORDER BY CAST(name AS INTEGER)")]


def test_processes_that_have_the_store_open_see_the_restored_rows(home, store, wa, spawn, tmp_path):
    with store.write():
        store.execute("INSERT INTO contacts (name, created_at, updated_at) VALUES ('first', '', '')")
    name = make(wa)
    with store.write():
        for number in range(3000):
            store.execute(
                "INSERT INTO contacts (name, created_at, updated_at) VALUES (?, '', '')", [f"since {number}"]
            )
    folders = [tmp_path / f"reader{number}" for number in range(3)]
    readers = []
    for folder in folders:
        folder.mkdir()
        readers.append(spawn(str(home.path), str(folder), program=[sys.executable, "-c", READER]))
    wait_for(lambda: all((folder / "ready").exists() for folder in folders))
    ok(wa("backup", "restore", name, "--json"))
    for folder, reader in zip(folders, readers, strict=True):
        (folder / "restored").touch()
        seen = ok(reader.finish())
        assert seen["before"] == 3001
        assert seen["after"] in (1, 2, 3)
        assert seen["check"] == ["ok"]
        assert seen["mode"] == "wal"
    assert store.value("SELECT count(*) FROM contacts") == 4
    assert integrity(home.store) == ["ok"]


def test_a_writer_that_goes_on_during_the_restore_loses_nothing(home, store, wa, spawn, shell, tmp_path):
    say_something(wa, store)
    stop = tmp_path / "stop"
    writer = spawn(str(home.path), str(stop), "3000", program=[sys.executable, "-c", WRITER])
    count = "SELECT count(*) FROM contacts"
    wait_for(lambda: store.value(count) > 50)
    name = make(wa)
    had = store.value(count)
    wait_for(lambda: store.value(count) > had + 100)
    done = ok(shell("backup", "restore", name, "--json"))
    now_has = store.value(count)
    wait_for(lambda: store.value(count) > now_has + 100)
    stop.touch()
    written = ok(writer.finish())["written"]
    kept = Path(done["kept"])
    assert integrity(kept) == integrity(home.store) == ["ok"]
    assert kept.stat().st_mode & 0o777 == 0o600
    before, after = numbers_in(kept), numbers_in(home.store)
    assert before == list(range(1, len(before) + 1)), "a commit before the restore is not in the copy"
    gap = next(place for place, number in enumerate(after, 1) if place != number)
    assert after == [*range(1, gap), *range(len(before) + 1, written + 1)]
    assert gap - 1 < len(before) < written
    with closing(sqlite3.connect(home.store)) as db:
        assert db.execute("SELECT count(*) FROM messages").fetchone() == (300,)


def test_three_backups_while_a_process_writes_each_hold_all_that_was_committed_up_to_one_moment(
    home, store, wa, spawn, shell, tmp_path
):
    say_something(wa, store)
    stop = tmp_path / "stop"
    writer = spawn(str(home.path), str(stop), "500", program=[sys.executable, "-c", WRITER])
    count = "SELECT count(*) FROM contacts"
    wait_for(lambda: store.value(count) > 20)
    made = []
    for _ in range(3):
        least = store.value(count)
        name = ok(shell("backup", "--json"))["name"]
        made.append((name, least, store.value(count)))
    stop.touch()
    end = ok(writer.finish())
    for name, least, most in made:
        target = tmp_path / f"{name}.db"
        ok(wa("backup", "restore", name, "--to", str(target), "--json"))
        assert integrity(target) == ["ok"]
        numbers = numbers_in(target)
        says = f"{name}, the writer's longest commit took {end['longest']:.3f} s"
        assert numbers == list(range(1, len(numbers) + 1)), says
        assert least <= len(numbers) <= most, says


def test_a_store_is_not_replaced_while_listen_has_the_connection(home, store, wa, spawn):
    put(store, "comes later", due=5)
    name = make(wa)
    put(store, "since", due=5)
    process = spawn("listen")
    told = "SELECT 1 FROM events WHERE type = 'connection'"
    # wait until it has written all of its first rows
    wait_for(lambda: is_connected(home) and "groups_at" in store.state() and store.value(told))
    before = dump(home.store)
    error = refused(wa("backup", "restore", name, "--json"), 7, "in-use")
    assert "listen" in error["message"]
    assert dump(home.store) == before
    assert not kept_of(home)
    ok(wa("backup", "verify", name, "--json"))
    process.signal(15)
    assert process.finish().code == 0
    ok(wa("backup", "restore", name, "--json"))
    spawn("listen").kill()
    assert set(statuses(store)) == {"comes later", "since"}


# ── Damage ────────────────────────────────────────────────────────────────────────────────────────


class Untouched:
    """The live store, its backups and all other files, as they were when this object was made."""

    def __init__(self, home):
        self.home = home
        self.was = dump(home.store), self._files()

    def _files(self):
        return sorted(path.name for path in self.home.backups.iterdir() if path.name != ".making")

    def check(self):
        assert dump(self.home.store) == self.was[0]
        assert self._files() == self.was[1]
        assert parts_of(self.home) == []


def refuse_both(wa, home, name, exit_code, *codes):
    """Check that `verify` and `restore` refuse a damaged backup and change nothing."""
    untouched = Untouched(home)
    errors = [
        refused(wa("backup", *command, name, "--json"), exit_code, *codes)
        for command in (["verify"], ["restore"])
    ]
    untouched.check()
    return errors[1]


@pytest.fixture
def good(store, wa):
    """A home with some messages and two backups, the older one first."""
    say_something(wa, store)
    put(store, "comes later", due=5)
    return make(wa), make(wa)


def test_a_byte_that_changed_anywhere_is_noticed(home, good, wa):
    older, newer = good
    chance = random.Random(20261121)
    for path in (home.backups / newer, home.backups / f"{newer}.sha256"):
        content = path.read_bytes()
        places = {0, 4, len(content) - 1, *(chance.randrange(len(content)) for _ in range(9))}
        for place in sorted(places):
            changed = bytearray(content)
            changed[place] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            refused(wa("backup", "verify", newer, "--json"), 8, "corrupt")
            if place in (0, len(content) - 1):
                refuse_both(wa, home, newer, 8, "corrupt")
        path.write_bytes(content)
    ok(wa("backup", "verify", newer, "--json"))


def test_a_damaged_file_without_a_checksum_is_restored_as_it_was_or_not_at_all(home, good, wa, tmp_path):
    content = (home.backups / good[1]).read_bytes()
    ok(wa("backup", "restore", good[1], "--to", str(tmp_path / "right.db"), "--json"))
    right = (tmp_path / "right.db").read_bytes()
    chance = random.Random(20261122)
    variants = [content[:length] for length in (0, 1, 4, 17, len(content) // 2, len(content) - 1)]
    for place in {*range(8), len(content) - 1, *(chance.randrange(len(content)) for _ in range(25))}:
        changed = bytearray(content)
        changed[place] ^= 1 << chance.randrange(8)
        variants.append(bytes(changed))
    for number, variant in enumerate(variants):
        path, target = tmp_path / f"{number}.db.zst", tmp_path / f"{number}.db"
        path.write_bytes(variant)
        result = wa("backup", "restore", str(path), "--to", str(target), "--json")
        if result.code == 0:
            assert target.read_bytes() == right
        else:
            refused(result, 8, "corrupt")
            assert not target.exists()


@pytest.mark.parametrize("part", [0, 3, 17, 18, 0.3, 0.5, 0.99, -1])
def test_a_backup_that_is_cut_off_is_refused_even_where_its_checksum_fits(home, good, wa, part):
    content = (home.backups / good[1]).read_bytes()
    content = content[: int(len(content) * part) if isinstance(part, float) else part]
    (home.backups / good[1]).write_bytes(content)
    refuse_both(wa, home, good[1], 8, "corrupt")
    if part != -1:  # only a part of zstd's own checksum is missing there
        put_backup(home, good[1], content)
        refuse_both(wa, home, good[1], 8, "corrupt")


def newer_store(path):
    """Make a store with a migration that this version does not know."""
    with closing(sqlite3.connect(path)) as db:
        migrations.apply_steps(db)
        made = Migrations("wa")

        @made()
        def m9999_later(db):
            db["later"].create({"id": int}, pk="id")

        made.apply(Database(db))
    return path.read_bytes()


def foreign_database(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
        db.commit()
    return path.read_bytes()


def test_a_file_that_is_no_backup_of_ours_is_refused(home, good, wa, tmp_path):
    (tmp_path / "empty.db").touch()
    cases = [
        (b"Dear diary, " * 400, "corrupt"),
        (packed(b"Dear diary, " * 400), "corrupt"),
        (packed(b""), "corrupt"),
        (packed(foreign_database(tmp_path / "foreign.db")), "corrupt"),
        (packed(newer_store(tmp_path / "newer.db")), "newer-version"),
        (newer_store(tmp_path / "newer2.db"), "newer-version"),
        (packed(packed(b"twice")), "corrupt"),
    ]
    for content, code in cases:
        put_backup(home, good[1], content)
        refuse_both(wa, home, good[1], 8, code)
        other = tmp_path / "elsewhere"
        other.write_bytes(content)
        refuse_both(wa, home, str(other), 8, code)


def test_a_database_with_damaged_pages_is_refused_though_all_checksums_fit(home, good, wa, tmp_path):
    ok(wa("backup", "restore", good[1], "--to", str(tmp_path / "image.db"), "--json"))
    image = bytearray((tmp_path / "image.db").read_bytes())
    middle = len(image) // 2
    image[middle : middle + 4096 * 8] = random.Random(1).randbytes(4096 * 8)
    put_backup(home, good[1], packed(bytes(image)))
    refuse_both(wa, home, good[1], 8, "corrupt")


def test_a_backup_without_its_own_checksum_is_refused(home, good, wa):
    older, newer = good
    checksum = home.backups / f"{newer}.sha256"
    checksum.write_bytes((home.backups / f"{older}.sha256").read_bytes())
    refuse_both(wa, home, newer, 8, "corrupt")
    checksum.write_bytes(b"")
    refuse_both(wa, home, newer, 8, "corrupt")
    checksum.unlink()
    refuse_both(wa, home, newer, 4, "not-found")


def test_a_damaged_newest_backup_is_refused_and_the_hint_names_the_newest_good_one(home, good, wa, store):
    older, newer = good
    newest = make(wa)
    for name in (newest, newer):
        (home.backups / name).write_bytes(b"nothing of the kind")
    error = refuse_both(wa, home, "latest", 8, "corrupt")
    assert older in error["hint"]
    assert newer not in error["hint"]
    (home.backups / older).write_bytes(b"")
    error = refuse_both(wa, home, "latest", 8, "corrupt")
    assert not any(name in error["hint"] for name in good)


def trash_header(content):
    content[:100] = random.Random(2).randbytes(100)


def trash_middle(content):
    for place in range(8 * 4096, len(content) - 4096, 3 * 4096):
        content[place : place + 4096] = random.Random(place).randbytes(4096)


def trash_schema(content):
    content[100:4096] = random.Random(3).randbytes(3996)


def trash_all(content):
    content[:] = random.Random(4).randbytes(len(content))


def cut_to(length):
    def cut(content):
        del content[int(len(content) * length) if isinstance(length, float) else length :]

    cut.__name__ = f"cut_to_{length}"
    return cut


DAMAGES = [trash_header, trash_middle, trash_schema, trash_all, *map(cut_to, (0, 50, 4096, 0.5, 0.9))]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_store_is_replaced_by_a_backup(home, good, store, wa, damage):
    store.close()
    content = bytearray(home.store.read_bytes())
    damage(content)
    home.store.write_bytes(content)
    done = ok(wa("backup", "restore", "latest", "--json"))
    assert done["messages"] == 300
    assert integrity(home.store) == ["ok"]
    assert wa("db", "check", "--json").code == 0
    with closing(open_store(home)) as there:
        assert statuses(there) == {"comes later": "pending"}
        assert there.value("PRAGMA journal_mode") == "wal"
    assert home.store.stat().st_mode & 0o777 == 0o600
    assert parts_of(home) == []


# ── Other files ───────────────────────────────────────────────────────────────────────────────────


def test_a_backup_is_put_into_a_file_of_its_own_and_nothing_else_changes(home, good, wa, store, tmp_path):
    put(store, "since", due=5)
    untouched = Untouched(home)
    target = tmp_path / "looked-at.db"
    done = ok(wa("backup", "restore", good[0], "--to", str(target), "--json"))
    assert done["messages"] == 300
    assert target.stat().st_mode & 0o777 == 0o600
    packed_file = (home.backups / good[0]).read_bytes()
    assert target.read_bytes() == zstandard.ZstdDecompressor().decompress(packed_file)
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("SELECT message, status FROM scheduled_messages").fetchall() == [
            ("comes later", "pending")
        ]
    content = target.read_bytes()
    refused(wa("backup", "restore", good[0], "--to", str(target), "--json"), 2, "usage")
    assert target.read_bytes() == content
    dangling = tmp_path / "dangling.db"
    dangling.symlink_to(tmp_path / "nowhere")
    refused(wa("backup", "restore", good[0], "--to", str(dangling), "--json"), 2, "usage")
    (tmp_path / "a file").touch()
    for place in (tmp_path / "missing" / "x.db", tmp_path / "a file" / "x.db", Path("/proc/x.db")):
        refused(wa("backup", "restore", good[0], "--to", str(place), "--json"), 7, "storage-error")
    untouched.check()
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()


def test_a_damaged_backup_is_put_into_no_file(home, good, wa, tmp_path):
    (home.backups / good[1]).write_bytes(b"")
    target = tmp_path / "target" / "x.db"
    target.parent.mkdir()
    refused(wa("backup", "restore", good[1], "--to", str(target), "--json"), 8, "corrupt")
    assert list(target.parent.iterdir()) == []


def test_backup_files_outside_the_home_are_restored(home, good, wa, store, tmp_path):
    plain, packed_file = tmp_path / "from-litestream.db", tmp_path / "copied.db.zst"
    with closing(sqlite3.connect(home.store)) as source, closing(sqlite3.connect(plain)) as target:
        source.backup(target)
        assert target.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    shutil.copy(home.backups / good[0], packed_file)
    wa("loopback", "say", REEM, "since")
    record(store, 301)
    for path in (plain, packed_file):
        content = path.read_bytes()
        ok(wa("backup", "verify", str(path), "--json"))
        done = ok(wa("backup", "restore", str(path), "--json"))
        assert (done["name"], done["from"], done["messages"]) == (path.name, "file", 300)
        assert store.value("SELECT count(*) FROM messages") == 300
        assert store.value("PRAGMA journal_mode") == "wal"
        assert path.read_bytes() == content
    assert sorted(path.name for path in tmp_path.glob("*.db*")) == [packed_file.name, plain.name]


def test_a_file_outside_the_home_must_fit_the_checksum_beside_it(home, good, wa, tmp_path):
    path = tmp_path / good[0]
    path.write_bytes((home.backups / good[0]).read_bytes())
    path.with_name(f"{good[0]}.sha256").write_text("0" * 64 + f"  {good[0]}\n")
    refuse_both(wa, home, str(path), 8, "corrupt")


# ── Other versions ────────────────────────────────────────────────────────────────────────────────


def old_store(path):
    """Make a store as it was before there were backups, with an overdue message and a later one."""
    made = Migrations("wa")
    for step in migrations.STEPS[:4]:
        made()(step)
    with closing(sqlite3.connect(path)) as db:
        made.apply(Database(db))
        for number, at in enumerate(("2026-01-01T00:00:00.000Z", "2096-01-01T00:00:00.000Z")):
            db.execute(
                "INSERT INTO scheduled_messages (id, to_jid, to_phone, message, scheduled_at, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [f"{number}_old", REEM_JID, REEM, f"old {number}", at, at],
            )
        db.commit()
    return path


@pytest.mark.parametrize("is_fresh", [True, False])
def test_a_backup_of_an_older_version_is_brought_up_to_date(home, store, wa, tmp_path, is_fresh):
    if is_fresh:
        store.close()
        home.store.unlink()
    name = put_backup(
        home, "whatsapp_20260101_000000.db.zst", packed(old_store(tmp_path / "old.db").read_bytes())
    )
    ok(wa("backup", "restore", name, "--json"))
    with closing(open_store(home)) as there:
        applied = migrations.applied_steps(there.conn)
        assert applied == {step.__name__ for step in migrations.STEPS}
        assert statuses(there) == {"old 0": "unknown", "old 1": "pending"}
    assert make(wa)


def test_a_store_of_an_older_version_is_replaced_and_its_queue_is_used(home, good, store, wa, tmp_path):
    store.close()
    home.store.unlink()
    old_store(home.store)
    ok(wa("backup", "restore", good[1], "--json"))
    with closing(open_store(home)) as there:
        assert statuses(there) == {"old 0": "pending", "old 1": "pending", "comes later": "pending"}


def test_a_store_of_a_newer_version_is_replaced_as_its_error_advises(home, good, store, wa):
    store.close()
    home.store.unlink()
    newer_store(home.store)
    refused(wa("status", "--json"), 8, "newer-version")
    ok(wa("backup", "restore", good[1], "--json"))
    assert wa("db", "check", "--json").code == 0


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_backup_is_found_by_its_name_and_by_the_beginning_of_one(home, good, wa):
    older, newer = good
    assert ok(wa("backup", "verify", older, "--json"))["name"] == older
    assert ok(wa("backup", "verify", newer[:-4], "--json"))["name"] == newer
    assert ok(wa("backup", "verify", "--json"))["name"] == newer
    untouched = Untouched(home)
    for command in ("verify", "restore"):
        refused(wa("backup", command, "whatsapp_", "--json"), 4, "ambiguous")
        refused(wa("backup", command, "whatsapp_1999", "--json"), 4, "not-found")
        refused(wa("backup", command, "", "--json"), 4, "not-found")
        refused(wa("backup", command, f"{newer}.sha256", "--json"), 4, "not-found")
    untouched.check()


@pytest.mark.no_home
@pytest.mark.parametrize("command", ["verify", "restore"])
def test_without_backups_latest_is_not_found(home, wa, command):
    refused(wa("backup", command, "latest", "--json"), 4, "not-found")
    assert not home.store.exists()


def test_a_backup_dated_in_the_future_is_not_the_latest(home, good, wa):
    future = "whatsapp_20991231_235959.db.zst"
    put_backup(home, future, (home.backups / good[0]).read_bytes())
    assert ok(wa("backup", "restore", "latest", "--json"))["name"] == good[1]
