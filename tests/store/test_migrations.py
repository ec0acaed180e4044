"""Migrations of the schema, step by step, and stores of an older or newer version."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys

import pytest
from conftest import REEM, REEM_JID, FakeClock, wait_for
from query_plans import plans
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from wa.errors import WaError
from wa.queue import rows
from wa.record.search import files
from wa.store.locks import FileLock
from wa.store.open import open_store
from wa.store.schema import steps as migrations

pytestmark = pytest.mark.no_home

MESSAGES = {
    "contacts": "id phone name aliases tags is_favorite notes timezone created_at updated_at",
    "contact_phones": "phone contact_id label",
    "chats": "id name is_group unread_count last_message_time created_at updated_at",
    "group_members": "chat_jid member_jid role",
    "messages": "id chat_jid message_id sender content timestamp is_from_me message_type status quoted_id"
    " edited_at deleted_at media_path raw_proto source created_at",
    "reactions": "chat_jid message_id sender emoji timestamp",
    "receipts": "chat_jid message_id recipient kind at",
    "jid_aliases": "lid pn",
}
QUEUE = {
    "scheduled_messages": "id to_jid to_phone contact_name message scheduled_at status error_code"
    " error_message created_at created_from sent_at message_id attempts expires_at series_id job_id"
    " idempotency_key",
    "wire": "message_id to_jid at",
    "spool": "id kind payload received_at",
    "requests": "id kind args status result expires_at",
    "state": "key value",
    "device": "id jid lid push_name linked_at last_connected",
}
PEOPLE = {
    "contacts": "is_settled",
    "contact_cards": "digest as_written numbers contact_id",
    "jobs": "id title status scheduled_start_at created_at completed_at current_recipient_index"
    " current_part_index recipients_sent recipients_failed last_sent_at config message_parts recipients",
}

WHATSAPP = {
    "sync_checkpoints": "chat_jid status messages_synced last_message_id last_timestamp progress_percent",
    "sync_status": "id status kind progress_percent messages",
    "push_names": "saved_name",
    "scheduled_messages": "media_path media_type file_name",
    "spool": "position",
}

JOBS = {
    "jobs": "created_from updated_at timezone idempotency_key",
    "job_recipients": "job_id number to_jid to_phone contact_name contact_id fields status",
    "scheduled_messages": "recipient_index part_index job_turn retries",
}
STUCK = {"stuck": "id kind payload error received_at"}
DAMAGE = {"sync_status": "damaged_parts error_message"}
UNREAD = {"early_reads": "chat_jid message_id at"}
SERIES = {
    "series": "id to_jid to_phone contact_name message media_path file_name media_type rrule timezone"
    " starts_at_local until_local count grace status created_at created_from updated_at idempotency_key",
    "templates": "name text created_at updated_at",
    "scheduled_messages": "occurrence template contact_id",
}
BACKUPS = {"backup_history": "id name status started_at finished_at size_bytes sha256 counts upload error"}


INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'scheduled_messages'"


def tables(db):
    """Return the names of the tables, without those that SQLite and the search index keep for themselves."""
    return {name for name in db.table_names() if not name.startswith(("_", "sqlite_", "messages_"))}


def apply_first(db, steps):
    """Apply the first steps to a database; `steps` is their number."""
    made = Migrations("wa")
    for step in migrations.STEPS[:steps]:
        made()(step)
    made.apply(db)


def broken(db):
    """Fail as a step that has done half of its work."""
    db.conn.execute("CREATE TABLE half_done (id INTEGER)")
    db.conn.execute("INSERT INTO chats (id, created_at, updated_at) VALUES ('half@g.us', 'now', 'now')")
    db.conn.execute("INSERT INTO no_such_table VALUES (1)")


def extra(db):
    """Add a table, as a step of a later version may do."""
    db.conn.execute("ALTER TABLE chats ADD COLUMN colour TEXT")


@pytest.fixture
def add_step(monkeypatch):
    """Add one more step to this version of the code."""

    def add(step):
        monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, step))

    return add


@pytest.fixture
def existing(home):
    """A store of this version with a chat in it, closed."""
    home.prepare()
    opened = open_store(home)
    opened.execute("INSERT INTO chats (id, created_at, updated_at) VALUES (?, 'then', 'then')", [REEM_JID])
    opened.close()
    return home


# ── The steps ─────────────────────────────────────────────────────────────────────────────────────


def test_steps_are_numbered_without_a_gap():
    names = [step.__name__ for step in migrations.STEPS]
    assert [name[:6] for name in names] == [f"m{number:04}_" for number in range(1, len(names) + 1)]


def test_every_step_says_what_it_brings():
    assert all(step.__doc__ for step in migrations.STEPS)


@pytest.mark.parametrize(
    ("step", "before", "brings"),
    [
        pytest.param(1, set(), MESSAGES, id="m0001_messages"),
        pytest.param(2, set(MESSAGES) | {"push_names"}, QUEUE, id="m0002_queue"),
        pytest.param(3, set(MESSAGES) | set(QUEUE) | {"push_names"}, PEOPLE, id="m0003_people"),
        pytest.param(
            4, set(MESSAGES) | set(QUEUE) | set(PEOPLE) | {"push_names"}, WHATSAPP, id="m0004_whatsapp"
        ),
        pytest.param(
            5, set(MESSAGES) | set(QUEUE) | set(PEOPLE) | set(WHATSAPP), BACKUPS, id="m0005_backups"
        ),
        pytest.param(
            6,
            set(MESSAGES) | set(QUEUE) | set(PEOPLE) | set(WHATSAPP) | set(BACKUPS),
            DAMAGE,
            id="m0006_damaged_history",
        ),
        pytest.param(
            7,
            set(MESSAGES) | set(QUEUE) | set(PEOPLE) | set(WHATSAPP) | set(BACKUPS),
            STUCK,
            id="m0007_stuck",
        ),
        pytest.param(
            8,
            (set(MESSAGES) | set(QUEUE) | set(PEOPLE) | set(WHATSAPP) | set(BACKUPS) | set(STUCK))
            - {"spool"},
            {"scheduled_messages": "local_at"},
            id="m0008_wall_times",
        ),
        pytest.param(
            9,
            (set(MESSAGES) | set(QUEUE) | set(PEOPLE) | set(WHATSAPP) | set(BACKUPS) | set(STUCK))
            - {"spool"},
            {"messages": "details"},
            id="m0009_details",
        ),
        pytest.param(
            10,
            (set(MESSAGES) | set(QUEUE) | set(PEOPLE) | set(WHATSAPP) | set(BACKUPS) | set(STUCK))
            - {"spool"},
            {"scheduled_messages": "local_at status"},
            id="m0010_drafts",
        ),
        pytest.param(
            11,
            (set(MESSAGES) | set(QUEUE) | set(PEOPLE) | set(WHATSAPP) | set(BACKUPS) | set(STUCK))
            - {"spool"},
            {"messages": "unavailable"},
            id="m0011_unavailable",
        ),
        pytest.param(
            12,
            (set(MESSAGES) | set(QUEUE) | set(PEOPLE) | set(WHATSAPP) | set(BACKUPS) | set(STUCK))
            - {"spool"},
            {"chats": "read_to", "sync_checkpoints": "unread_told unread_left", **UNREAD},
            id="m0012_unread",
        ),
        pytest.param(
            13,
            (
                set(MESSAGES)
                | set(QUEUE)
                | set(PEOPLE)
                | set(WHATSAPP)
                | set(BACKUPS)
                | set(STUCK)
                | set(UNREAD)
            )
            - {"spool"},
            {"contacts": "birthday", "shared_numbers": "phone contact_id"},
            id="m0013_people",
        ),
        pytest.param(
            14,
            {*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, "shared_numbers"} - {"spool"},
            {"chats": "ephemeral ephemeral_at", "calls": "call_id chat_jid outcome"},
            id="m0014_calls",
        ),
        pytest.param(
            15,
            {*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, "shared_numbers", "calls"}
            - {"spool"},
            JOBS,
            id="m0015_jobs",
        ),
        pytest.param(
            16,
            {
                *MESSAGES,
                *QUEUE,
                *PEOPLE,
                *WHATSAPP,
                *BACKUPS,
                *STUCK,
                *UNREAD,
                *JOBS,
                "shared_numbers",
                "calls",
            }
            - {"spool"},
            {"messages": "secret", "sealed": "target_id iv payload is_due", "poll_votes": "choices said_at"},
            id="m0016_sealed",
        ),
        pytest.param(
            17,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes"},
            SERIES,
            id="m0017_series",
        ),
        pytest.param(
            18,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes"},
            {},
            id="m0018_files",
        ),
        pytest.param(
            19,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes"},
            {"contact_cards": "birthday"},
            id="m0019_birthdays",
        ),
        pytest.param(
            20,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes"},
            {"messages": "changed", "reactions": "changed"},
            id="m0020_changes",
        ),
        pytest.param(
            21,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes"},
            {"sync_checkpoints": "answers asked_until"},
            id="m0021_fetch",
        ),
        pytest.param(
            22,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes"},
            {"group_members": "since"},
            id="m0022_members",
        ),
        pytest.param(
            23,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes"},
            {},
            id="m0023_people",
        ),
        pytest.param(
            24,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes"},
            {"events": "id type chat_jid message_id row_id at data"},
            id="m0024_events",
        ),
        pytest.param(
            25,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes", "events"},
            {"hooks": "id name exec webhook secret events status cursor", "scheduled_messages": "hook_id"},
            id="m0025_hooks",
        ),
        pytest.param(
            26,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes", "events", "hooks", "hook_deliveries"},
            {"chat_sessions": "session_id user_jid chat_jid context created_at expires_at last_activity"},
            id="m0026_sessions",
        ),
        pytest.param(
            27,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes", "events", "hooks", "hook_deliveries"}
            | {"chat_sessions"},
            {"hooks": "settle", "hook_deliveries": "folded_into"},
            id="m0027_settle",
        ),
        pytest.param(
            28,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes", "events", "hooks", "hook_deliveries"}
            | {"chat_sessions"},
            {"pruned": "chat key timestamp sender text flags", "spent": "made id idempotency_key row"},
            id="m0028_retention",
        ),
        pytest.param(
            29,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes", "events", "hooks", "hook_deliveries"}
            | {"chat_sessions", "pruned", "pruned_people", "spent", "spent_dates"},
            {"pruned_people": "oldest_id oldest_at oldest_is_mine"},
            id="m0029_reach",
        ),
        pytest.param(
            30,
            ({*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES} - {"spool"})
            | {"shared_numbers", "calls", "sealed", "poll_votes", "events", "hooks", "hook_deliveries"}
            | {"chat_sessions", "pruned", "pruned_people", "spent", "spent_dates"},
            {"contacts": "name_parts"},
            id="m0030_name_parts",
        ),
        *(
            pytest.param(
                step,
                (
                    {*MESSAGES, *QUEUE, *PEOPLE, *WHATSAPP, *BACKUPS, *STUCK, *UNREAD, *JOBS, *SERIES}
                    - {"spool"}
                )
                | {"shared_numbers", "calls", "sealed", "poll_votes", "events", "hooks", "hook_deliveries"}
                | {"chat_sessions", "pruned", "pruned_people", "spent", "spent_dates"},
                brings,
                id=name,
            )
            for step, name, brings in (
                (31, "m0031_short_ids", {}),
                (32, "m0032_what_is_open", {}),
                (
                    33,
                    "m0033_as_on_the_phone",
                    {
                        "scheduled_messages": "details",
                        "requests": "claimed_at secret wire_after message_id",
                        "chats": "is_archived is_pinned muted_until",
                    },
                ),
                (34, "m0034_by_whom", {"events": "by_wa", "requests": "key"}),
                (35, "m0035_left", {"chats": "left_at"}),
            )
        ),
    ],
)
def test_each_step_applies_to_the_schema_before_it(tmp_path, step, before, brings):
    db = Database(tmp_path / "old.db")
    apply_first(db, step - 1)
    assert tables(db) == before
    if step > 1:
        db.execute("INSERT INTO chats (id, created_at, updated_at) VALUES (?, 'then', 'then')", [REEM_JID])
        db.conn.commit()
    apply_first(db, step)
    for table, columns in brings.items():
        missing = set(columns.split()) - {column.name for column in db[table].columns}
        assert not missing, f"{table} lacks {missing}"
    if step > 1:
        assert [row["id"] for row in db["chats"].rows] == [REEM_JID]
    db.close()


def test_a_store_that_stopped_after_any_step_is_upgraded_when_it_opens(tmp_path, home):
    whole = Database(tmp_path / "whole.db")
    apply_first(whole, len(migrations.STEPS))
    home.prepare()
    for steps in range(len(migrations.STEPS)):
        home.store.unlink(missing_ok=True)
        old = Database(home.store)
        apply_first(old, steps)
        old.close()
        opened = open_store(home)
        opened.close()
        reopened = Database(home.store)
        assert tables(reopened) == tables(whole)
        assert reopened.schema.count("CREATE") == whole.schema.count("CREATE")
        reopened.close()
    whole.close()


def test_the_indexes_of_a_home_of_many_years_are_made_of_its_rows(home):
    """Each is made by itself, and none of messages, so that the write lock is never held for long."""
    home.prepare()
    old = Database(home.store)
    apply_first(old, 30)
    for number, status in enumerate(("sent", "missed", "pending") * 50):
        columns = "id, to_jid, message, scheduled_at, created_at, updated_at, status, expires_at"
        values = [
            f"17000000000{number:02d}_abc{number}",
            REEM_JID,
            "x",
            "2026",
            "2026",
            "2030",
            status,
            "2030",
        ]
        old.execute(f"INSERT INTO scheduled_messages ({columns}) VALUES ({', '.join('?' * 8)})", values)
    old.conn.commit()
    of_messages = old.execute("SELECT count(*) FROM sqlite_master WHERE tbl_name = 'messages'").fetchone()
    old.close()
    opened = open_store(home)
    assert rows.find(opened, "abc7") == "1700000000007_abc7"
    assert rows.any_from_the_future(opened, FakeClock()())
    (plan,) = plans(opened, lambda: opened.ids_like("scheduled_messages", "abc7")).values()
    assert "queue_short_id" in plan
    assert "SCAN" not in plan
    counted = opened.execute("SELECT count(*) FROM sqlite_master WHERE tbl_name = 'messages'").fetchone()
    assert counted == of_messages
    opened.close()


def test_events_that_waited_in_the_table_are_recorded_after_the_upgrade(home, wa):
    home.prepare()
    old = Database(home.store)
    apply_first(old, 6)
    event = {"chat_jid": REEM_JID, "sender": REEM_JID, "timestamp": 1_790_000_000, "content": "it waited"}
    columns = "kind, payload, received_at, error, position"
    for row in [
        ("message", json.dumps({**event, "message_id": "A"}).encode(), "2026-11-01T12:00:00.000Z", None, 0),
        ("message", b"not json", "2026-11-01T12:00:01.000Z", "JSONDecodeError: odd", 0),
    ]:
        old.execute(f"INSERT INTO spool ({columns}) VALUES (?, ?, ?, ?, ?)", row)
    old.conn.commit()
    old.close()
    assert wa("status", "--json").json["spool"] == 2
    assert wa("listen", "--for", "1s").code == 0
    assert wa("status", "--json").json["spool"] == 1
    assert [row["content"] for row in wa("read", REEM_JID, "--json").json] == ["it waited"]


def test_a_landline_that_a_card_shared_with_another_contact_is_known_after_the_upgrade(home):
    home.prepare()
    old = Database(home.store)
    apply_first(old, 12)
    for number, name, phone in [(1, "Bob", "442079460011"), (2, "Anna", None), (3, "Zoe", "447700900300")]:
        columns = "id, phone, name, created_at, updated_at"
        old.execute(f"INSERT INTO contacts ({columns}) VALUES (?, ?, ?, '', '')", [number, phone, name])
        if phone:
            old.execute("INSERT INTO contact_phones (phone, contact_id) VALUES (?, ?)", [phone, number])
        read = json.dumps({"020 7946 0011": "442079460011", "x": None})
        if number < 3:
            old.execute("INSERT INTO contact_cards VALUES (?, 'w', ?, ?)", [name, read, number])
    old.conn.commit()
    old.close()
    opened = open_store(home)
    assert opened.rows("SELECT * FROM shared_numbers") == [{"phone": "442079460011", "contact_id": 2}]
    opened.close()


def test_contact_cards_are_among_the_files_after_the_upgrade(home):
    home.prepare()
    old = Database(home.store)
    apply_first(old, 17)
    columns = "chat_jid, message_id, sender, content, timestamp, message_type, raw_proto, created_at"
    for number, kind in enumerate(("contact", "text", "image")):
        row = [REEM_JID, f"{number}", REEM_JID, "Nadia", 1_790_000_000 + number, kind, b"raw", "then"]
        old.execute(f"INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    old.conn.commit()
    old.close()
    opened = open_store(home)
    assert [row["message_type"] for row in files(opened, REEM_JID, None, 9)] == ["contact", "image"]
    assert [row["message_id"] for row in files(opened, REEM_JID, "contact", 9)] == ["0"]
    opened.close()


def test_the_wall_time_of_a_pending_message_is_kept_by_the_upgrade(home, store, wa):
    clock = FakeClock()
    at = ("--at", "2026-12-25 10:00", "--tz", "Asia/Kolkata")
    row_id = wa("schedule", "add", REEM, "Hello", *at, "--json", now=clock).json["id"]
    store.execute("ALTER TABLE scheduled_messages DROP COLUMN local_at")
    store.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0008_wall_times'")
    shown = wa("schedule", "show", row_id, "--json", now=clock).json
    assert shown["scheduled_at"] == "2026-12-25T04:30:00.000Z"
    assert store.value("SELECT local_at FROM scheduled_messages") == "2026-12-25T10:00:00.000"


def test_rows_of_the_queue_survive_the_step_that_makes_their_table_anew(tmp_path, home):
    home.prepare()
    old = Database(home.store)
    apply_first(old, 9)
    indexes = old.execute(INDEXES).fetchall()
    old.execute(
        "INSERT INTO scheduled_messages (id, to_jid, message, scheduled_at, created_at, status,"
        " secret, local_at) VALUES ('1_a', ?, 'Hello', 'then', 'then', 'unknown', x'0102', 'there')",
        [REEM_JID],
    )
    before = list(old["scheduled_messages"].rows)
    old.conn.commit()
    old.close()
    opened = open_store(home)
    assert opened.rows(f"SELECT {', '.join(before[0])} FROM scheduled_messages") == before
    assert set(indexes) <= set(opened.execute(INDEXES).fetchall())
    opened.execute("UPDATE scheduled_messages SET status = 'draft'")
    opened.close()


def test_a_message_that_was_deleted_is_not_unread_after_the_upgrade(home, wa):
    home.prepare()
    old = Database(home.store)
    apply_first(old, 11)
    old.execute(
        "INSERT INTO chats (id, unread_count, last_message_time, created_at, updated_at)"
        " VALUES (?, 2, 2, 'then', 'then')",
        [REEM_JID],
    )
    for number, deleted_at in ((1, None), (2, "2026-11-01T12:00:00.000Z")):
        old.execute(
            "INSERT INTO messages (chat_jid, message_id, sender, timestamp, status, deleted_at, created_at)"
            " VALUES (?1, ?2, ?1, ?2, 'received', ?3, 'then')",
            [REEM_JID, number, deleted_at],
        )
    old.conn.commit()
    old.close()
    (chat,) = wa("unread", "--json").json
    assert chat["unread_count"] == 1


def test_an_unfinished_job_of_the_tool_before_this_one_gets_its_rows_in_the_upgrade(tmp_path):
    db = Database(tmp_path / "old.db")
    apply_first(db, 14)
    job = "INSERT INTO jobs (id, status, created_at, scheduled_start_at, current_recipient_index,"
    job += " current_part_index, recipients_sent, last_sent_at, message_parts, recipients) VALUES"
    parts = json.dumps([{"orderIndex": 0, "text": "Hello"}, {"orderIndex": 1, "text": "Goodbye"}])
    people = json.dumps(["447700900123@c.us", "447700900456", "447700900789@s.whatsapp.net"])
    at = "2025-12-24T10:00:00.000Z"
    db.execute(f"{job} (?, ?, ?, ?, 1, 1, 1, ?, ?, ?)", ["job_1_aa", "paused", at, at, at, parts, people])
    db.execute(f"{job} (?, ?, ?, ?, 0, 0, 0, NULL, ?, ?)", ["job_2_bb", "paused", at, at, parts, people])
    db.execute(f"{job} (?, ?, ?, ?, 3, 0, 3, ?, ?, ?)", ["job_3_cc", "completed", at, at, at, parts, people])
    db.conn.commit()
    apply_first(db, 15)
    rows = db.query(
        "SELECT job_id, recipient_index AS r, part_index AS p, to_jid, message, status"
        " FROM scheduled_messages ORDER BY job_id, r, p"
    )
    adam = "447700900456@s.whatsapp.net"
    assert [tuple(row.values()) for row in rows] == [
        ("job_1_aa", 0, 0, REEM_JID, "Hello", "sent"),
        ("job_1_aa", 0, 1, REEM_JID, "Goodbye", "sent"),
        ("job_1_aa", 1, 0, adam, "Hello", "sent"),
        ("job_1_aa", 1, 1, adam, "Goodbye", "unknown"),
    ]
    found = [tuple(row.values()) for row in db.query("SELECT job_id, number, status FROM job_recipients")]
    assert found[:3] == [("job_1_aa", 0, "sent"), ("job_1_aa", 1, "unknown"), ("job_1_aa", 2, "waiting")]
    assert found[3:] == [("job_2_bb", number, "waiting") for number in range(3)]
    db.close()


# ── The current schema ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("table", "columns"), [*MESSAGES.items(), *QUEUE.items(), *WHATSAPP.items()])
def test_names_that_others_rely_on_are_there(store, table, columns):
    if table == "spool":  # it is a file now
        table, columns = "stuck", STUCK["stuck"]
    missing = set(columns.split()) - {row["name"] for row in store.rows(f"PRAGMA table_info({table})")}
    assert not missing


def test_a_message_is_unique_in_its_chat(store):
    row = ["447700900123@s.whatsapp.net", "A", "x", 1, "now"]
    sql = "INSERT INTO messages (chat_jid, message_id, sender, timestamp, created_at) VALUES (?, ?, ?, ?, ?)"
    store.execute(sql, row)
    with pytest.raises(sqlite3.IntegrityError):
        store.execute(sql, row)
    store.execute(sql, ["1203630000000000001@g.us", *row[1:]])


def test_message_ids_are_never_used_again(store):
    columns = "chat_jid, message_id, sender, timestamp, created_at"
    sql = f"INSERT INTO messages ({columns}) VALUES (?, ?, 'x', 1, '')"
    first = store.execute(sql, [REEM_JID, "A"]).lastrowid
    store.execute("DELETE FROM messages")
    assert store.execute(sql, [REEM_JID, "B"]).lastrowid > first


def test_a_status_that_does_not_exist_is_refused(store):
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        store.execute(
            "INSERT INTO scheduled_messages (id, to_jid, message, scheduled_at, created_at, status)"
            " VALUES ('1', 'x', 'x', '', '', 'posted')"
        )


def test_the_store_is_opened_in_wal_mode_with_foreign_keys_and_durable_writes(store, home):
    assert store.value("PRAGMA journal_mode") == "wal"
    assert store.value("PRAGMA foreign_keys") == 1
    assert store.value("PRAGMA busy_timeout") >= 10_000
    assert store.value("PRAGMA synchronous") == 2
    with store.write(durable=False):
        assert store.value("PRAGMA synchronous") == 1
    with store.write():
        assert store.value("PRAGMA synchronous") == 2


def test_files_of_the_store_are_for_their_owner_alone(home, shell):
    assert shell("chats").code == 0
    modes = {path.name: path.stat().st_mode & 0o077 for path in home.path.iterdir()}
    assert "wa.db" in modes
    assert set(modes.values()) == {0}


# ── Many at once ──────────────────────────────────────────────────────────────────────────────────


def test_twelve_processes_starting_at_once_on_a_fresh_home_all_succeed(home, spawn):
    processes = [spawn("db", "check") for _ in range(12)]
    results = [process.finish() for process in processes]
    assert [result.code for result in results] == [0] * 12, [result.err for result in results]
    opened = open_store(home)
    applied = [row["name"] for row in opened.rows("SELECT name FROM _sqlite_migrations ORDER BY id")]
    opened.close()
    assert applied == [step.__name__ for step in migrations.STEPS]


# ── Upgrades ──────────────────────────────────────────────────────────────────────────────────────

HOLDS_LOCK = """
import os, sys, time
from pathlib import Path
from wa.store.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire()
lock.write({"pid": os.getpid(), "command": "listen"})
time.sleep(600)
"""


@pytest.fixture
def locked(spawn):
    """Let another process hold a lock."""

    def hold(path):
        from wa.store.locks import lock_holder

        process = spawn(str(path), program=[sys.executable, "-c", HOLDS_LOCK])
        wait_for(lambda: lock_holder(path))
        return process

    return hold


def test_an_existing_store_is_upgraded(existing, add_step):
    add_step(extra)
    opened = open_store(existing)
    assert opened.rows("SELECT id, colour FROM chats") == [{"id": REEM_JID, "colour": None}]
    opened.close()


def test_an_upgrade_is_refused_while_another_process_holds_the_connection(existing, add_step, locked):
    process = locked(existing.session_lock)
    add_step(extra)
    before = existing.store.read_bytes()
    with pytest.raises(WaError) as error:
        open_store(existing)
    assert error.value.code == "in-use"
    assert "restart the listener" in error.value.hint
    assert existing.store.read_bytes() == before
    process.kill()
    opened = open_store(existing)
    assert "colour" in {row["name"] for row in opened.rows("PRAGMA table_info(chats)")}
    opened.close()


def test_a_command_ends_with_in_use_when_the_upgrade_is_refused(existing, add_step, locked, wa):
    locked(existing.session_lock)
    add_step(extra)
    result = wa("chats", "--json")
    assert (result.code, result.out, result.error["code"]) == (7, "", "in-use")


def test_an_upgrade_leaves_the_session_lock_free(existing, add_step):
    add_step(extra)
    open_store(existing).close()
    lock = FileLock(existing.session_lock)
    assert lock.acquire()
    lock.release()


def test_a_store_that_needs_no_upgrade_needs_no_session_lock(existing, locked):
    locked(existing.session_lock)
    open_store(existing).close()


def test_a_fresh_home_needs_no_session_lock(home, locked):
    home.prepare()
    locked(home.session_lock)
    open_store(home).close()


def test_an_upgrade_waits_until_another_process_has_made_it(existing, add_step, locked):
    """The second process looks again once it has the lock, and finds nothing to do."""
    made = []

    def once(db):
        made.append(1)
        extra(db)

    add_step(once)
    open_store(existing).close()
    open_store(existing).close()
    assert made == [1]


def test_a_failed_upgrade_leaves_the_store_as_it_was(existing, add_step):
    before = _dump(existing)
    add_step(broken)
    with pytest.raises(WaError):
        open_store(existing)
    assert _dump(existing) == before
    lock = FileLock(existing.session_lock)
    assert lock.acquire(), "the lock is free again"
    lock.release()


def test_steps_before_a_failed_one_stay(existing, add_step):
    add_step(extra)
    add_step(broken)
    with pytest.raises(WaError):
        open_store(existing)
    db = Database(existing.store)
    assert "colour" in db["chats"].columns_dict
    assert not db["half_done"].exists()
    db.close()


def test_a_store_from_a_newer_version_is_refused_and_not_touched(existing, tmp_path, wa):
    db = Database(existing.store)
    db["_sqlite_migrations"].insert({"migration_set": "wa", "name": "m9999_future", "applied_at": "then"})
    db.conn.commit()
    db.close()
    copy = tmp_path / "copy.db"
    shutil.copyfile(existing.store, copy)
    for command in (["chats"], ["send", "447700900123", "Hello"], ["listen", "--for", "1s"], ["db", "check"]):
        result = wa(*command)
        assert (result.code, result.out) == (8, "")
        assert "newer version" in result.err
    assert existing.store.read_bytes() == copy.read_bytes()
    assert not existing.session_lock.exists()


def _dump(home):
    """Return everything in the store but the table of migrations, as SQL."""
    db = sqlite3.connect(home.store)
    lines = list(db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name"))
    lines += list(db.execute("SELECT * FROM chats"))
    lines += list(db.execute("SELECT name FROM _sqlite_migrations"))
    db.close()
    return lines


def test_nothing_outside_the_home_is_touched(existing, tmp_path):
    assert set(os.listdir(tmp_path)) == {"home", "cwd"}
