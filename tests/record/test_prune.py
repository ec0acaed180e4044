"""Pruning: what goes, what stays, what the archive holds, and that nothing of it comes back by itself."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta, timezone

import pytest
from conftest import ADAM_JID, REEM_JID, FakeClock, own

from wa.connection.apply import _record_step
from wa.connection.incoming.events import apply_event
from wa.record import messages
from wa.record.retention import daily, ledger
from wa.store.condition import check
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


def record(store, *events, source="live"):
    """Record events."""
    with store.write():
        for event in events:
            apply_event(store, event, NOW, source)


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
        assert found.json["added"] == 0, file
    assert everything(filled) == left
    record(filled, said(7, OLD), source="history")  # it was never here
    assert messages.is_stored(filled, REEM_JID, "M7")


def test_an_owner_prunes_once_a_day(wa, filled, clock, monkeypatch):
    monkeypatch.setattr(daily, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(daily, "LOOK_SECONDS", 0.01)
    monkeypatch.setenv("WA_RETENTION", "90d")

    def stored():
        return [row["message_id"] for row in filled.rows("SELECT message_id FROM messages ORDER BY id")]

    def last():
        return filled.state().get("retention", {}).get("at")

    own(clock, last)
    assert stored() == ["M8", "M9"]
    assert len(list(filled.home.archive.iterdir())) == 1
    record(filled, said(10, OLD, chat=ADAM_JID))
    clock.advance(hours=23)
    own(clock, lambda: True)
    assert "M10" in stored()
    clock.advance(hours=1)
    own(clock, lambda: last() == to_iso(clock()))
    assert stored() == ["M8", "M9"]


def test_a_clock_a_year_ahead_does_not_prune_everything(wa, filled, clock, monkeypatch):
    clock.advance(days=365)
    length = timedelta(days=90)
    believed = daily.believed_now(filled, clock(), length)
    assert believed == messages.moment(NEW + 1) + timedelta(days=30)
    assert daily.believed_now(filled, clock(), timedelta(days=7)) - timedelta(days=7) < messages.moment(NEW)
