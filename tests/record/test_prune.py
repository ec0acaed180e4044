"""Pruning: what goes, what stays, what the archive holds, and that nothing of it comes back by itself."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import ADAM_JID, REEM_JID, FakeClock, own, wait_for
from query_plans import plans

from wa.connection.apply import _record_step
from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.hooks import table as hooks
from wa.record import merge_chats, messages, write
from wa.record.events import log
from wa.record.retention import daily, files, ledger
from wa.record.retention.prune import Pruning
from wa.record.retention.restore import Restoring
from wa.store.condition import check
from wa.store.database import Store
from wa.store.locks import FileLock
from wa.times import to_iso
from wa.whatsapp.events import Deleted, Edited, MessageReceived, Reacted, ReceiptReceived, Voted

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
ME = "447700900000@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
LID = "271000000000001@lid"
POLL = {"poll": {"question": "text?", "options": ["a", "b"]}}
OLD, NEW = int((NOW - timedelta(days=100)).timestamp()), int((NOW - timedelta(days=10)).timestamp())


def said(number, at=OLD, chat=REEM_JID, text=None, **more):
    """Return a message with a number in its id and its text."""
    sender = ME if more.get("is_from_me") else more.pop("sender", chat)
    text = f"text {number}" if text is None else text
    return MessageReceived(chat, f"M{number}", sender, at, text, **more)


def record(store, *events, source="live", now=NOW):
    """Record events."""
    with store.write():
        for event in events:
            apply_event(store, event, now, source)


def everything(store):
    """Return the rows of the tables with messages and what belongs to them."""
    found = {}
    for table in ("messages", "reactions", "receipts", "poll_votes"):
        found[table] = sorted(map(repr, store.execute(f"SELECT * FROM {table}").fetchall()))
    found["found"] = store.execute(
        "SELECT rowid FROM messages_fts WHERE messages_fts MATCH 'tex AND ext' ORDER BY rowid"
    ).fetchall()
    return found


def lines_of(path):
    """Return what the lines of an archive hold."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.fixture
def clock():
    """A clock that stands."""
    return FakeClock("2026-11-20T12:00:00")


@pytest.fixture
def filled(store):
    """A store with old and new messages of every sort."""
    record(
        store,
        said(1),
        said(2, OLD + 1, is_from_me=True),
        said(3, OLD + 2, chat=GROUP, sender=ADAM_JID, raw=b"\x00raw", secret=b"secret"),
        MessageReceived(
            GROUP,
            "POLL",
            ADAM_JID,
            OLD + 3,
            "text?\na\nb",
            "poll",
            details=POLL,
        ),
        said(4, OLD + 4, details={"file_name": "text.pdf"}, message_type="document"),
        said(5, OLD + 5, text=""),
        Reacted(REEM_JID, "M1", ME, "👍", OLD + 9),
        ReceiptReceived(REEM_JID, ("M2",), REEM_JID, "read", OLD + 9),
        Voted(MessageReceived(GROUP, "V1", ME, OLD + 9, "", "system", quoted_id="POLL"), ["ab"], OLD * 1000),
        Edited(REEM_JID, "M4", "text, edited", OLD + 20, by=REEM_JID),
        Deleted(REEM_JID, "M5", OLD + 21, by=REEM_JID),
        said(8, NEW),
        said(9, NEW + 1, chat=GROUP, sender=ADAM_JID),
        Reacted(REEM_JID, "M8", ME, "👍", NEW + 9),
    )
    return store


def test_old_messages_go_into_an_archive_with_all_that_belongs_to_them(wa, filled, clock):
    before = everything(filled)
    chats = wa("chats", "--json").json
    found = wa("db", "prune", "--older-than", "90d", "--json", now=clock)
    assert found.code == 0, found.err
    report = found.json
    assert (report["messages"], report["chats"]) == (7, 2)
    left = [row[0] for row in filled.execute("SELECT message_id FROM messages ORDER BY id")]
    assert left == ["M8", "M9"]
    assert filled.execute("SELECT message_id FROM reactions").fetchall() == [("M8",)]
    assert not filled.value("SELECT count(*) FROM receipts")
    assert not filled.value("SELECT count(*) FROM poll_votes")
    head, *lines, end = lines_of(report["archive"])
    assert (head["type"], end["type"], end["lines"]) == ("archive", "end", len(lines) + 1)
    assert [line["message_id"] for line in lines] == ["M1", "M2", "M3", "POLL", "M4", "M5", "V1"]
    assert lines[0]["reactions"] == [{"sender": ME, "emoji": "👍", "timestamp": OLD + 9}]
    assert check(filled) == []
    after = wa("chats", "--json").json
    assert [row["last_message_time"] for row in after] == [row["last_message_time"] for row in chats]
    assert {row["id"]: row["unread_count"] for row in after} == {REEM_JID: 1, GROUP: 1}
    told = wa("db", "restore-archive", report["archive"], "--json", now=clock)
    assert told.code == 0, told.err
    assert told.json["messages"] == 7
    assert everything(filled) == before
    assert ledger.is_empty(filled)
    again = wa("db", "restore-archive", report["archive"], "--json", now=clock).json
    assert (again["messages"], again["already_there"]) == (0, 7)
    assert everything(filled) == before


def test_nothing_brings_back_what_was_pruned(wa, filled, clock, tmp_path):
    assert wa("export", "--all", "--out", "all.jsonl").code == 0
    assert wa("export", REEM_JID, "--out", "reem.txt").code == 0
    assert wa("db", "prune", "--older-than", "90d", now=clock).code == 0
    left = everything(filled)
    record(
        filled,
        said(1),
        said(2, OLD + 1, is_from_me=True),
        said(3, OLD + 2, chat=GROUP, sender=ADAM_JID),
        said(4, OLD + 4),
        Edited(REEM_JID, "M1", "other text", OLD + 30, by=REEM_JID),
        Deleted(REEM_JID, "M2", OLD + 30),
        Reacted(REEM_JID, "M1", REEM_JID, "😀", OLD + 30),
        ReceiptReceived(REEM_JID, ("M2",), REEM_JID, "played", OLD + 9),
    )
    record(filled, said(1), said(5, OLD + 5), source="history")
    with filled.write():
        _record_step(filled, "full", None, [said(1), said(2, OLD + 1, is_from_me=True)], NOW)
    for file, *more in (("all.jsonl",), ("reem.txt", "--chat", REEM_JID, "--me", "+447700900000")):
        found = wa("history", "import", file, "--json", *more)
        assert found.code == 0, found.err
        assert (found.json["added"], found.json["pruned"] > 3) == (0, True), file
        assert "`wa db restore-archive`" in found.err
    assert everything(filled) == left
    told = filled.rows("SELECT message_id FROM events WHERE message_id IS NOT NULL")
    assert {row["message_id"] for row in told} <= {"M8", "M9"}
    record(filled, said(7, OLD), source="history")  # it was never here
    assert messages.is_stored(filled, REEM_JID, "M7")


def test_an_owner_prunes_once_a_day(wa, filled, clock, monkeypatch):
    monkeypatch.setattr(daily, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(daily, "LOOK_SECONDS", 0.01)
    monkeypatch.setenv("WA_RETENTION", "90d")

    def last():
        return filled.state().get("retention", {}).get("at")

    looks = []

    def now():
        looks.append(clock())
        return clock()

    def wait(condition):
        """Let the thread work that an owner has for this, until something is true."""
        with daily.Keeper(filled.home, timedelta(days=90), now):
            wait_for(condition)

    own(clock, last)
    assert stored_ids(filled) == ["M8", "M9"]
    assert len(list(filled.home.archive.iterdir())) == 1
    record(filled, said(10, OLD, chat=ADAM_JID))
    clock.advance(hours=23)
    wait(lambda: len(looks) > 2)
    assert "M10" in stored_ids(filled)
    clock.advance(hours=1)
    wait(lambda: last() == to_iso(clock()))
    assert stored_ids(filled) == ["M8", "M9"]
    record(filled, said(11, OLD, chat=ADAM_JID))
    filled.home.archive.rename(filled.home.path / "elsewhere")
    filled.home.archive.write_text("in the way")
    clock.advance(hours=24)
    wait(lambda: "error" in filled.state()["retention"])
    assert "M11" in stored_ids(filled)

    def told():
        return next(each for each in wa("doctor", "--json").json if each["name"] == "retention")

    assert (told()["ok"], told()["code"]) == (False, "storage-error")
    filled.home.archive.unlink()
    wait(lambda: "error" not in filled.state()["retention"])
    assert stored_ids(filled) == ["M8", "M9"]
    assert told()["ok"]


def test_a_clock_a_year_ahead_does_not_prune_everything(filled):
    newest = messages.moment(NEW + 1)
    for days, ahead, believed in (
        (90, 10, NOW), (90, 179, newest + timedelta(days=179)), (90, 365, newest + timedelta(days=30)),
        (7, 30, newest + timedelta(days=30)), (7, 60, newest + timedelta(days=3.5)),
    ):  # fmt: skip
        now = NOW if believed == NOW else newest + timedelta(days=ahead)
        assert daily.believed_now(filled, now, timedelta(days=days)) == believed, (days, ahead)


# ── What stays ──────────────────────────────────────────────────────────────────────────────────────


def stored_ids(store):
    """Return the ids of the messages that are stored, in their order."""
    return [row["message_id"] for row in store.rows("SELECT message_id FROM messages ORDER BY id")]


def prune(store, **how):
    """Prune what is older than 90 days; return the report."""
    return Pruning(store, NOW - timedelta(days=90), NOW, **how).run()


def test_what_a_hook_or_the_queue_needs_stays(store):
    with store.write():
        write.record_many(store, [said(number, OLD + number) for number in range(1, 6)], "history", NOW)
        jid = "447700900123@s.whatsapp.net"
        common = {"to_jid": jid, "scheduled_at": to_iso(NOW), "created_at": to_iso(NOW)}
        rows = (("a", "unknown", "M1", None), ("b", "held", None, "M2"), ("c", "sent", "M3", "M4"))
        for row_id, status, message_id, quoted in rows:
            row = {"id": row_id, "message": row_id, "status": status, "message_id": message_id}
            store.insert("scheduled_messages", {**common, **row, "quoted_id": quoted})
    hooks.add(store, "bot", {"exec": "true"}, NOW)
    record(store, Reacted(REEM_JID, "M5", ADAM_JID, "👍", NEW))
    report = prune(store)
    assert stored_ids(store) == ["M1", "M2", "M5"]
    assert (report["messages"], report["kept"]) == (2, 3)
    with store.write():
        store.update("scheduled_messages", "a", {"status": "sent"})
        hooks.pass_to(store, 1, log.newest(store))
    prune(store)
    assert stored_ids(store) == ["M2"]


def test_what_is_changed_while_it_is_archived_stays(store):
    record(store, *(said(number, OLD + number) for number in range(1, 4)))

    def change():
        if list(store.home.archive.glob("pruned_*")) or not change.is_left:
            return
        change.is_left = False
        record(store, Edited(REEM_JID, "M2", "newer text", OLD + 90, by=REEM_JID))

    change.is_left = True
    report = prune(store, pause=change)
    assert report["messages"] == 2
    assert stored_ids(store) == ["M2"]
    again = prune(store)
    assert "newer text" in str(lines_of(again["archive"]))
    for _ in range(2):  # the older form of it changes nothing
        for path in (report["archive"], again["archive"]):
            restore(store, path)
        assert [row["content"] for row in store.rows("SELECT content FROM messages ORDER BY id")] == [
            "text 1", "newer text", "text 3",
        ]  # fmt: skip


def restore(store, path):
    """Restore an archive; return the report."""
    run = Restoring(store, Path(path), NOW)
    run.check()
    return run.run()


def test_only_one_chat_only_without_an_archive_and_with_its_files(wa, store, clock):
    record(store, *(said(number, OLD + number) for number in range(1, 5)), said(5, chat=ADAM_JID))
    media = store.home.media
    media.mkdir()
    outside = store.home.path / "outside.jpg"
    shared, alone, needed = (f"media/{name}.jpg" for name in ("shared", "alone", "needed"))
    with store.write():
        paths = (shared, alone, needed, "media/../outside.jpg", shared)
        write.attach_files(store, [(at, path, "image") for at, path in enumerate(paths, 1)])
        row = {"id": "a", "to_jid": REEM_JID, "message": "", "scheduled_at": to_iso(NOW), "status": "failed"}
        store.insert("scheduled_messages", {**row, "created_at": to_iso(NOW), "media_path": needed})
    for path in (shared, alone, needed, "outside.jpg"):
        (store.home.path / path).write_bytes(b"x" * 10)
    args = ("db", "prune", "--older-than", "90d", "--chat", REEM_JID, "--no-archive", "--media", "--json")
    found = wa(*args, now=clock)
    assert found.code == 0, found.err
    report = found.json
    assert (report["messages"], report["files"], report["files_bytes"], report["archive"]) == (4, 1, 10, None)
    assert stored_ids(store) == ["M5"]
    assert sorted(path.name for path in media.iterdir()) == ["needed.jpg", "shared.jpg"]
    assert outside.exists()
    assert not store.home.archive.exists()
    record(store, said(1), source="history")
    assert stored_ids(store) == ["M5"]
    stays = next(row for row in wa("chats", "--json").json if row["id"] == REEM_JID)
    assert stays["last_message_time"] == OLD + 4


def test_a_file_is_not_removed_under_a_message_that_takes_it_meanwhile(store, monkeypatch):
    """Somebody sends the same file again, which is kept once."""
    record(store, said(1))
    path = store.home.path / "media/a.jpg"
    path.parent.mkdir()
    path.write_bytes(b"x")
    with store.write():
        write.attach_files(store, [(1, "media/a.jpg", "image")])
    look = files._is_needed

    def look_and_send(here, name):
        found = look(here, name)
        row = {"id": "a", "to_jid": REEM_JID, "message": "", "scheduled_at": to_iso(NOW), "media_path": name}
        with (
            suppress(sqlite3.OperationalError),  # it waits until the file is removed, and then makes it anew
            closing(Store(store.home, busy_seconds=0)) as other,
            other.write(),
        ):
            other.insert("scheduled_messages", {**row, "created_at": to_iso(NOW), "status": "pending"})
        return found

    monkeypatch.setattr(files, "_is_needed", look_and_send)
    prune(store, with_files=True)
    assert path.exists() == bool(store.value("SELECT count(*) FROM scheduled_messages"))


# ── What does not come back ─────────────────────────────────────────────────────────────────────────


def test_a_chat_that_is_joined_brings_nothing_back(store):
    record(store, said(1, chat=LID), said(2, chat=LID, sender=LID))
    prune(store)
    with store.write():
        merge_chats.map_lid(store, LID, ADAM_JID)
    merge_chats.join_split_chats(store, NOW)
    record(store, said(1, chat=ADAM_JID), said(2, chat=LID), said(3, chat=LID), source="history")
    assert stored_ids(store) == ["M3"]
    prune(store)
    other = "271000000000002@lid"  # the same messages came under an address whose number was not known yet
    record(store, said(1, chat=other), said(4, chat=other), Reacted(other, "M1", ME, "👍", NEW))
    with store.write():
        merge_chats.map_lid(store, other, ADAM_JID)
    merge_chats.join_split_chats(store, NOW)
    assert stored_ids(store) == ["M4"]
    assert store.value("SELECT count(*) FROM reactions") == 0


def test_messages_without_ids_are_known_by_time_and_text(wa, store, clock, tmp_path):
    chat = tmp_path / "WhatsApp Chat with +44 7700 900123.txt"
    lines = ["31/03/2026, 10:00 - +44 7700 900123: ok", "31/03/2026, 10:00 - +44 7700 900123: ok",
             "31/03/2026, 10:01 - Me: fine"]  # fmt: skip
    chat.write_text("\n".join(lines) + "\n")
    args = ("history", "import", str(chat), "--me", "Me", "--json")
    assert wa(*args).json["added"] == 3
    prune(store)
    assert wa(*args).json["added"] == 0
    at = store.value("SELECT min(timestamp) FROM pruned")
    came = [said("A", at + 7, text="ok"), said("B", at + 9, text="ok"), said("C", at + 9, text="ok"),
            said("D", at + 60, text="fine", is_from_me=True)]  # fmt: skip
    record(store, *came, source="history")
    assert stored_ids(store) == ["MC"]  # the third is one that was never here
    assert wa(*args).json["added"] == 0
    record(store, *came, source="history")
    assert stored_ids(store) == ["MC"]


def test_what_stood_for_a_message_does_not_keep_the_message_away(store):
    record(store, said(1, text="cannot be read", unavailable="waiting"))
    prune(store)
    record(store, said(1, text="cannot be read", unavailable="waiting"), source="history")
    assert stored_ids(store) == []
    record(store, said(1), source="history")
    assert stored_ids(store) == ["M1"]
    assert ledger.is_empty(store)


def test_a_restored_backup_keeps_away_what_is_not_in_it(wa, store, clock):
    record(store, said(1), said(2))
    assert wa("backup", now=clock).code == 0
    record(store, said(3), said(4, NEW))
    archive = prune(store)["archive"]
    assert wa("backup", "restore", "latest", now=clock).code == 0
    assert stored_ids(store) == ["M1", "M2"]
    record(store, said(3), said(1), source="history")
    assert stored_ids(store) == ["M1", "M2"]
    assert restore(store, archive)["messages"] == 1
    assert stored_ids(store) == ["M1", "M2", "M3"]
    assert ledger.is_empty(store)


def test_the_phone_is_asked_for_what_is_older_than_all_that_was_here(store):
    record(store, said(1, OLD), said(2, OLD + 1), said(3, NEW))
    prune(store)
    assert ledger.oldest_of(store, REEM_JID) == {"message_id": "M1", "timestamp": OLD, "is_from_me": 0}
    record(store, said(4, OLD - 5))
    assert ledger.oldest_of(store, REEM_JID)["message_id"] == "M4"
    assert ledger.oldest_of(store, ADAM_JID) is None


# ── Cursors ─────────────────────────────────────────────────────────────────────────────────────────


def test_numbers_are_not_given_twice_and_restored_ones_are_no_news(wa, store, clock):
    now = system_now()  # a listener deletes old lines of the log
    record(store, said(1), said(2), said(3, NEW), now=now)
    place = log.newest(store)
    archive = prune(store)["archive"]
    record(store, said(4, NEW + 1), now=now)
    numbers = dict(store.execute("SELECT message_id, id FROM messages").fetchall())
    assert numbers == {"M3": 3, "M4": 4}
    restore(store, archive)
    assert dict(store.execute("SELECT message_id, id FROM messages").fetchall()) == {
        "M1": 1, "M2": 2, "M3": 3, "M4": 4,
    }  # fmt: skip
    assert [row["row_id"] for row in log.after(store, place)] == [4]
    told = wa("listen", "--since", "2", "--for", "1s", "--json")
    ids = [json.loads(line).get("message_id") for line in told.out.splitlines()]
    assert ids == ["M3", "M4"]


# ── Bad input ───────────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_pruned_or_restored_is_refused(wa, filled, clock, tmp_path, home_at):
    before = everything(filled)
    for args, code in (
        (("--older-than", "0d"), "usage"),
        (("--older-than", "23h"), "usage"),
        (("--older-than", "soon"), "usage"),
        (("--older-than", "-1d"), "usage"),
        (("--older-than", "90d", "--chat", "nobody"), "not-found"),
    ):
        assert wa("db", "prune", *args, "--json", now=clock).error["code"] == code, args
    for value in ("90", "12h", "0d", "soon"):
        assert wa("status", "--json", WA_RETENTION=value).error["code"] == "bad-setting", value
    lock = FileLock(filled.home.prune_lock)
    lock.acquire()
    assert wa("db", "prune", "--older-than", "90d", "--json", now=clock).error["code"] == "in-use"
    lock.release()
    filled.home.archive.write_text("in the way")
    assert wa("db", "prune", "--older-than", "90d", "--json", now=clock).error["code"] == "storage-error"
    filled.home.archive.unlink()
    dry = wa("db", "prune", "--older-than", "0d", "--dry-run", "--json", now=clock).json
    assert (dry["messages"], dry["dry_run"]) == (9, True)
    assert everything(filled) == before
    assert not filled.home.archive.exists()

    path = Path(wa("db", "prune", "--older-than", "0d", "--yes", "--json", now=clock).json["archive"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert stored_ids(filled) == []
    whole = path.read_bytes()
    texts = gzip.decompress(whole).splitlines(keepends=True)
    bad = {
        "cut": whole[:-20],
        "a member lost": gzip.compress(b"".join(texts[:-1])),
        "a line lost": gzip.compress(b"".join([*texts[:3], *texts[4:]])),
        "a line changed": gzip.compress(b"".join(texts).replace(b"text 8", b"text 9")),
        "more": whole + gzip.compress(b"{}\n"),
        "no archive": gzip.compress(b"{}\n"),
        "no gzip": b"{}\n",
        "empty": b"",
        "one bit": whole[:300] + bytes([whole[300] ^ 1]) + whole[301:],
    }
    odd = {
        "timestamp": "soon", "id": 2**60, "chat_jid": None, "details": "[", "votes": [1], "colour": "red",
        "raw_proto": {"base64": "?"}, "type": "jobs", "content": "\ud800",
    }  # fmt: skip
    for name, value in odd.items():
        line = json.dumps({**json.loads(texts[1]), name: value}).replace('{"type": ', '{"type":')
        bad[f"odd {name}"] = signed([texts[0], line.encode() + b"\n", *texts[2:-1]])
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
        refused = wa("db", "restore-archive", str(tmp_path / name), "--json", now=clock)
        assert refused.error["code"] == "bad-data", name
    assert wa("db", "restore-archive", str(tmp_path), "--json", now=clock).error["code"] == "bad-data"
    assert wa("db", "restore-archive", "nowhere", "--json", now=clock).error["code"] == "not-found"
    other = home_at(tmp_path / "other")
    for _ in range(2):
        foreign = wa("db", "restore-archive", str(path), "--json", now=clock, WA_HOME=str(other.path))
        assert (foreign.code, foreign.error["code"]) == (8, "bad-data")
    assert stored_ids(filled) == []
    assert wa("db", "restore-archive", path.name, now=clock).code == 0
    assert everything(filled) == before


def signed(lines):
    """Return an archive with these lines, whole by its last line."""
    end = {"type": "end", "lines": len(lines), "sha256": sha256(b"".join(lines)).hexdigest()}
    return gzip.compress(b"".join(lines) + json.dumps(end, separators=(",", ":")).encode() + b"\n")


def test_the_database_is_written_anew_while_nobody_is_at_work(wa, store, home):
    record(store, *(said(number, OLD + number, text="long text " * 50) for number in range(300)))
    prune(store, with_archive=False)
    lock = FileLock(home.session_lock)
    lock.acquire()
    assert wa("db", "vacuum", "--json").error["code"] == "in-use"
    lock.release()
    found = wa("db", "vacuum", "--json").json
    assert found["size_bytes"] < found["size_before_bytes"]
    assert check(store) == []


def test_pruning_reads_no_table_whole(filled):
    found = plans(filled, lambda: prune(filled, old=NOW - timedelta(days=365), with_files=True))
    scans = [(sql, plan) for sql, plan in found.items() if re.search(r"SCAN (?!json_each|t\b)", plan)]
    small = re.compile(r"FROM (state|hooks|pruned LIMIT)|sqlite_")
    assert [sql for sql, _ in scans if not small.search(sql)] == []


def test_the_old_tool_s_messages_do_not_come_back(wa, store, clock, tmp_path):
    old = [
        {"timestamp": OLD, "message": "ok", "isFromMe": False},
        {"timestamp": OLD, "message": "ok", "isFromMe": False},
        {"timestamp": OLD + 5, "message": "mine", "isFromMe": True, "rawMessage": {"key": {"id": "MX"}}},
        {"timestamp": OLD + 9, "message": "first", "isFromMe": False},
    ]
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "chats.json").write_text(json.dumps({REEM_JID: old}))
    args = ("migrate-s3", "--from", str(folder), "--json")
    assert wa(*args).json[0]["written"] == 4
    record(store, said("A", OLD, text="ok"), source="history")  # one of them has its own id now
    with store.write():
        write.edit(store, messages.find(store, REEM_JID, "MX"), "mine, edited", NOW)
        first = store.value("SELECT message_id FROM messages WHERE content = 'first'")
        write.edit(store, messages.find(store, REEM_JID, first), "first, edited", NOW)
    prune(store)
    for how in (("--dry-run",), ()):
        assert wa(*args, *how).json[0]["written"] == 0, how
    record(store, said("A", OLD, text="ok"), said("B", OLD, text="ok"), source="history")
    assert stored_ids(store) == []
    (folder / "chats.json").write_text(json.dumps({REEM_JID: [*old, old[0]]}))
    assert wa(*args).json[0]["written"] == 1  # a third one was never here


def test_no_transaction_removes_or_restores_much(store):
    with store.write():
        events = [said(n, OLD + n, text="long text " * (3000 if n < 30 else 1)) for n in range(270)]
        write.record_many(store, events, "history", NOW)
    ran = []
    store.conn.set_trace_callback(ran.append)
    archive = prune(store)["archive"]
    restore(store, archive)
    store.conn.set_trace_callback(None)
    counts = [0]
    for sql in ran:
        if sql.startswith("BEGIN"):
            counts.append(0)
        counts[-1] += sql.startswith(("DELETE FROM messages WHERE", "INSERT INTO messages "))
    in_steps = [9, 9, 9, 100, 100, 43]
    assert [count for count in counts if count] == in_steps * 2
