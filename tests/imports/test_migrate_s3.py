"""`wa migrate-s3 --from`: the old tool's files, whole or damaged, are migrated once, and nothing is sent."""

# ruff: noqa: E501 - records of other programs

from __future__ import annotations

import io
import json
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import legacy_data
import pytest
from conftest import (
    ADAM,
    ADAM_JID,
    REEM,
    REEM_JID,
    WA,
    FakeClock,
    Process,
    Result,
    delivered,
    is_connected,
    own,
    wait_for,
)

from wa.connection import apply
from wa.connection.context import system_now
from wa.errors import WaError
from wa.record import search, write
from wa.store.condition import check
from wa.store.database import Store
from wa.store.paths import Home
from wa.values import replace
from wa.whatsapp.events import Deleted, Edited, JidMapped, MessageReceived
from wa.whatsapp.loopback.server import Loopback

Record = dict[str, Any]
Migrate = Callable[..., dict[str, Record]]
Run = Callable[..., Result]

CLOCK = FakeClock("2026-11-20T12:00:00")
NOW = CLOCK()
PAST = "2025-12-24T10:00:00.000Z"
FUTURE = "2026-12-24T10:00:00.000Z"
AT = 1_735_000_000
LID = "100000000000123@lid"
GROUP = "1203630000000000001@g.us"
WORDS = "stop the old scheduler, then `wa resume`"
FILES = ("contacts", "scheduled", "jobs", "chats")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the old files."""
    found = tmp_path / "old"
    found.mkdir()
    return found


def put(folder: Path, **files: Any) -> None:
    """Write files by name: a value as JSON, bytes and text as they are."""
    for name, content in files.items():
        data = content if isinstance(content, (bytes, str)) else json.dumps(content, indent=2)
        path = folder / f"{name.replace('_', '-')}.json"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


@pytest.fixture
def migrate(wa: Run, folder: Path) -> Migrate:
    """Write old files and migrate them; return the report of each file."""

    def run(*options: str, code: int = 0, **files: Any) -> dict[str, Record]:
        put(folder, **files)
        result = wa("migrate-s3", "--from", str(folder), "--json", *options, now=CLOCK)
        assert result.code == code, (result.out[-2000:], result.err[-2000:])
        assert "Traceback" not in result.err
        return legacy_data.report(result.json)

    return run


def counts(row: Record) -> tuple[int, int, int]:
    """Return (written, already there, skipped) of a row of the report."""
    return row["written"], row["already_there"], row["skipped"]


# ── The records of the old tool ───────────────────────────────────────────────────────────────────


def contact(name: str = "Reem", phone: str = REEM, **fields: Any) -> Record:
    """Return a contact in the old web page's form."""
    phones = {"primary": phone, "secondary": None}
    return {"name": name, "aliases": [], "phones": phones, "favorite": False, "tags": [], **fields}


def planned(number: int = 1, **fields: Any) -> Record:
    """Return a scheduled message of the future."""
    return {
        "id": f"1735168500{number:03}_a1b2c3",
        "to": REEM,
        "contactName": "Reem",
        "message": f"Happy Birthday {number}!",
        "scheduledTime": FUTURE,
        "status": "pending",
        "createdAt": "2024-12-25T23:15:00.123Z",
        "createdFrom": "web",
        "sentAt": None,
        "error": None,
        **fields,
    }


def job(number: int = 1, **fields: Any) -> Record:
    """Return a job that was not begun."""
    return {
        "id": f"job_1735132800{number:03}_abc123",
        "createdBy": "web",
        "createdAt": "2024-12-25T13:20:00.000Z",
        "scheduledStartAt": FUTURE,
        "status": "pending",
        "recipients": [REEM_JID, ADAM_JID],
        "messageParts": [
            {"orderIndex": 0, "text": "Dear friends", "delayAfterSeconds": 3},
            {"orderIndex": 1, "text": "See you soon", "delayAfterSeconds": None},
        ],
        "config": {"intervalMode": "manual", "recipientGapSeconds": 30, "maxRetries": 3},
        "progress": {
            "currentRecipientIndex": 0,
            "currentPartIndex": 0,
            "recipientsSent": 0,
            "recipientsFailed": 0,
            "lastSentAt": None,
        },
        **fields,
    }


def said(text: Any = "Hello", at: Any = AT, key: str | None = None, **fields: Any) -> Record:
    """Return a message to us; with `key`, its real id is known."""
    mine = fields.get("isFromMe", False)
    raw = None
    if key is not None:
        raw = {
            "key": {"remoteJid": REEM_JID, "fromMe": mine, "id": key},
            "messageTimestamp": AT,
            "message": {"conversation": text},
        }
    return {
        "message": text,
        "timestamp": at,
        "isFromMe": mine,
        "messageType": "text",
        "date": "2024-12-24T00:26:40.000Z",
        "rawMessage": raw,
        **fields,
    }


def chat(*said_there: Any, jid: str = REEM_JID, **fields: Any) -> Record:
    """Return a chat with its messages."""
    rest = {"lastMessageTime": AT, "unreadCount": 0, "name": None, "isGroup": jid.endswith("@g.us")}
    return {"id": jid, "messages": list(said_there), **rest, **fields}


def live(message_id: str = "A", content: str = "Hello", **fields: Any) -> MessageReceived:
    """Return the same message as `said()`, as a live event."""
    return replace(MessageReceived(REEM_JID, message_id, REEM_JID, AT, content), **fields)


def arrive(store: Store, *events: MessageReceived, source: str = "history") -> int:
    """Record live events; return how many messages were new."""
    with store.write():
        return write.record_many(store, events, source, NOW)


def stored(store: Store) -> list[Record]:
    """Return all messages, oldest first."""
    return store.rows("SELECT * FROM messages ORDER BY timestamp, id")


def texts(store: Store) -> list[str]:
    """Return the texts of all messages, oldest first."""
    return [row["content"] for row in stored(store)]


def phones(row: Record) -> list[str]:
    """Return the numbers of a contact."""
    return sorted(each["phone"] for each in row["phones"])


def people(store: Store) -> set[str]:
    """Return the names of all contacts."""
    return {row["name"] for row in store.rows("SELECT name FROM contacts")}


def queue(store: Store) -> dict[str, Record]:
    """Return all rows of the queue, by id."""
    return {row["id"]: row for row in store.rows("SELECT * FROM scheduled_messages")}


# ── Contacts ──────────────────────────────────────────────────────────────────────────────────────


def test_contacts_of_the_web_page_are_migrated(migrate: Migrate, wa: Run) -> None:
    found = migrate(
        contacts={
            REEM: contact(aliases=["Reemy", "R", "Sister"], favorite=True, tags=["family"]),
            ADAM: contact("Adam", ADAM),
        }
    )
    assert counts(found["contacts.json"]) == (2, 0, 0)
    reem, adam = wa("contacts", "list", "--json").json
    assert (reem["name"], reem["phone"], phones(reem)) == ("Reem", REEM, [REEM])
    assert sorted(reem["aliases"]) == ["R", "Reemy", "Sister"]
    assert (reem["tags"], reem["is_favorite"]) == (["family"], True)
    assert (adam["name"], phones(adam), adam["is_favorite"]) == ("Adam", [ADAM], False)


def test_contacts_of_the_command_line_are_migrated(migrate: Migrate, wa: Run) -> None:
    numbers = [REEM, "447700900124"]
    migrate(contacts={REEM: {"name": "Reem", "numbers": numbers, "aliases": ["Sis"], "notes": "Likes tea"}})
    (row,) = wa("contacts", "list", "--json").json
    assert (row["name"], row["phone"], phones(row)) == ("Reem", REEM, numbers)
    assert (row["aliases"], row["notes"], row["is_favorite"]) == (["Sis"], "Likes tea", False)


def test_a_second_number_belongs_to_the_same_contact(migrate: Migrate, wa: Run) -> None:
    migrate(contacts={REEM: contact(phones={"primary": REEM, "secondary": "447700900124"})})
    (row,) = wa("contacts", "search", "447700900124", "--json").json
    assert (row["name"], row["phone"], phones(row)) == ("Reem", REEM, [REEM, "447700900124"])


@pytest.mark.parametrize("field", ["favorite", "is_favorite"])
@pytest.mark.parametrize("value", [True, False])
def test_the_favourite_mark_is_migrated(migrate: Migrate, wa: Run, field: str, value: bool) -> None:
    person = contact()
    del person["favorite"]
    migrate(contacts={REEM: {**person, field: value}})
    assert wa("contacts", "list", "--json").json[0]["is_favorite"] is value


def test_both_forms_of_contacts_in_one_file_are_migrated(migrate: Migrate, store: Store) -> None:
    told = migrate(
        contacts={
            REEM: contact("ريم"),
            ADAM: {"name": "Ädam", "numbers": [ADAM], "aliases": [], "notes": ""},
            "447700900001": {"name": "小美"},
        }
    )
    assert counts(told["contacts.json"]) == (3, 0, 0)
    assert people(store) == {"ريم", "Ädam", "小美"}
    found = store.rows("SELECT phone FROM contact_phones ORDER BY phone")
    assert [row["phone"] for row in found] == ["447700900001", REEM, ADAM]


def test_an_existing_contact_is_not_duplicated(migrate: Migrate, wa: Run) -> None:
    assert wa("contacts", "add", "Reem H", REEM, "--alias", "sister").code == 0
    found = migrate(contacts={REEM: contact("Reem", aliases=["Reemy"]), ADAM: contact("Adam", ADAM)})
    assert found["contacts.json"]["read"] == 2
    assert found["contacts.json"]["skipped"] == 0
    assert [row["name"] for row in wa("contacts", "search", "sister", "--json").json] == ["Reem H"]
    assert len(wa("contacts", "list", "--json").json) == 2


def test_a_number_of_another_contact_stays_there_and_is_reported(migrate: Migrate, store: Store) -> None:
    both = {"primary": ADAM, "secondary": REEM}
    found = migrate(code=8, contacts={REEM: contact(), ADAM: contact("Adam", phones=both)})["contacts.json"]
    assert found["written"] == 2
    assert REEM in json.dumps(found["reasons"])
    assert {row["phone"] for row in store.rows("SELECT phone FROM contacts")} == {REEM, ADAM}
    assert store.value("SELECT count(*) FROM contact_phones") == 2


def test_a_pause_in_a_number_does_not_make_it_a_strangers(migrate: Migrate, wa: Run) -> None:
    found = migrate(
        code=8,
        contacts={
            "a": {"name": "Pin", "numbers": ["+447700900146p123456"]},
            "+447700900147w12": {"name": "Wait"},
            "b": {"name": "Two", "phones": {"primary": "+447700900148 / +447700900149", "work": "1" * 30}},
        },
        scheduled=[planned(to="+447700900146p123456")],
    )
    people = {row["name"]: phones(row) for row in wa("contacts", "list", "--json").json}
    assert people == {
        "Pin": ["447700900146"],
        "Wait": ["447700900147"],
        "Two": ["447700900148", "447700900149"],
    }
    assert "1" * 30 in json.dumps(found["contacts.json"]["reasons"])
    assert found["scheduled.json"]["skipped"] == 1


def test_a_birthday_is_migrated_or_reported(migrate: Migrate, wa: Run) -> None:
    found = migrate(
        code=8,
        contacts={REEM: contact(birthday="1985-01-15"), ADAM: contact("Adam", ADAM, birthday="03/04")},
    )
    people = {row["name"]: row["birthday"] for row in wa("contacts", "list", "--json").json}
    assert people == {"Reem": "1985-01-15", "Adam": None}
    assert "two ways" in json.dumps(found["contacts.json"]["reasons"])


def test_chats_show_the_migrated_names(migrate: Migrate, wa: Run) -> None:
    migrate(
        contacts={REEM: contact("Reem Sample")},
        chats={REEM_JID: chat(said()), GROUP: chat(said("all", AT + 5), jid=GROUP, name="Family")},
    )
    assert [row["name"] for row in wa("chats", "--json").json] == ["Family", "Reem Sample"]
    assert [line.split("\t")[1] for line in wa("chats").out.splitlines()] == ["Family", "Reem Sample"]
    assert [row["content"] for row in wa("read", "reem sample", "--json").json] == ["Hello"]
    assert [row["content"] for row in wa("read", "family", "--json").json] == ["all"]


# ── Scheduled messages ────────────────────────────────────────────────────────────────────────────

SHAPES_OF_A_LIST: dict[str, Callable[[str, list[Record]], Any]] = {
    "list": lambda name, rows: rows,
    "named": lambda name, rows: {name: rows},
    "by-id": lambda name, rows: {row["id"]: row for row in rows},
}


@pytest.mark.parametrize("shape", SHAPES_OF_A_LIST)
@pytest.mark.parametrize("file", ["scheduled", "scheduled_messages"])
def test_scheduled_messages_in_each_container_are_migrated(
    migrate: Migrate, store: Store, shape: str, file: str
) -> None:
    rows = [planned(1), planned(2, to=ADAM_JID, contactName="Adam")]
    found = migrate(**{file: SHAPES_OF_A_LIST[shape]("messages", rows)})
    assert counts(found[f"{file.replace('_', '-')}.json"]) == (2, 0, 0)
    reem, adam = queue(store).values()
    assert (reem["id"], reem["to_jid"], reem["to_phone"]) == ("1735168500001_a1b2c3", REEM_JID, REEM)
    assert (reem["contact_name"], reem["message"]) == ("Reem", "Happy Birthday 1!")
    assert (reem["scheduled_at"], reem["created_at"]) == (FUTURE, "2024-12-25T23:15:00.123Z")
    assert (reem["status"], reem["created_from"], reem["attempts"]) == ("pending", "migration", 0)
    assert (reem["sent_at"], reem["message_id"], reem["idempotency_key"]) == (None, None, None)
    assert (adam["id"], adam["to_jid"], adam["to_phone"]) == ("1735168500002_a1b2c3", ADAM_JID, ADAM)


@pytest.mark.parametrize("to", ["status@broadcast", "1600000000@broadcast", "120363000000000009@newsletter"])
def test_a_message_that_would_be_published_is_skipped_unless_it_is_over(
    migrate: Migrate, store: Store, to: str
) -> None:
    rows = [planned(1, to=to), planned(2, to=to, status="sent"), planned(3)]
    found = migrate(code=8, scheduled=rows)
    assert counts(found["scheduled.json"]) == (2, 0, 1)
    assert [row["status"] for row in queue(store).values()] == ["sent", "pending"]


def test_an_id_that_is_only_the_key_of_the_record_is_used(migrate: Migrate, store: Store) -> None:
    first, second = planned(1), job(1)
    files = {"scheduled": {first.pop("id"): first}, "jobs": {"jobs": {second.pop("id"): second}}}
    migrate(**files)
    assert list(queue(store)) == ["1735168500001_a1b2c3"]
    assert store.value("SELECT id FROM jobs") == "job_1735132800001_abc123"
    assert {counts(row) for row in migrate(**files).values()} == {(0, 1, 0)}


@pytest.mark.parametrize("name", ["scheduledTime", "scheduledAt", "scheduled_at"])
@pytest.mark.parametrize(
    "written", ["2026-12-24T10:00:00.000Z", "2026-12-24T10:00:00Z", "2026-12-24T11:00:00+01:00"]
)
def test_each_field_for_the_time_of_a_scheduled_message_is_read(
    migrate: Migrate, store: Store, name: str, written: str
) -> None:
    row = planned()
    del row["scheduledTime"]
    migrate(scheduled=[{**row, name: written}])
    assert [row["scheduled_at"] for row in queue(store).values()] == [FUTURE]


@pytest.mark.parametrize("due", [PAST, FUTURE], ids=["past", "future"])
@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        ("sent", "sent"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
        ("deleted", "cancelled"),
        ("sending", "unknown"),
        ("processing", "unknown"),
        ("PENDING?", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        (1, "unknown"),
    ],
)
def test_each_status_of_a_scheduled_message_is_migrated(
    migrate: Migrate, wa: Run, store: Store, status: Any, becomes: str, due: str
) -> None:
    migrate(scheduled=[planned(status=status, scheduledTime=due)])
    assert [row["status"] for row in queue(store).values()] == [becomes]
    assert wa("status", "--json").json["sending"] == "on"


def test_a_scheduled_message_without_a_status_is_not_sent(migrate: Migrate, store: Store) -> None:
    row = planned()
    del row["status"]
    migrate(scheduled=[row])
    assert [row["status"] for row in queue(store).values()] == ["unknown"]


def test_sent_at_and_the_error_of_a_message_are_kept(migrate: Migrate, store: Store) -> None:
    sent_at = "2025-12-24T10:00:02.500Z"
    migrate(
        scheduled=[
            planned(1, status="sent", scheduledTime=PAST, sentAt=sent_at),
            planned(2, status="failed", scheduledTime=PAST, error="Connection Closed"),
        ]
    )
    sent, failed = queue(store).values()
    assert (sent["status"], sent["sent_at"]) == ("sent", sent_at)
    assert (failed["status"], failed["sent_at"]) == ("failed", None)
    assert "Connection Closed" in failed["error_message"]


@pytest.mark.parametrize(
    "due", ["2000-01-01T00:00:00.000Z", PAST, "2026-11-20T11:30:00.000Z", "2026-11-20T11:59:59.000Z"]
)
def test_an_overdue_message_is_missed_and_never_sent(
    migrate: Migrate, wa: Run, home: Home, store: Store, due: str
) -> None:
    migrate(scheduled=[planned(scheduledTime=due)])
    assert [row["status"] for row in queue(store).values()] == ["missed"]
    assert wa("status", "--json").json["sending"] == "on"
    assert wa("run-scheduler", "--once", now=CLOCK).code == 0
    assert delivered(home) == []
    assert [row["status"] for row in queue(store).values()] == ["missed"]


def test_future_messages_wait_for_resume(wa: Run, home: Home, store: Store, folder: Path) -> None:
    put(folder, scheduled=[planned(1), planned(2, scheduledTime=PAST)])
    result = wa("migrate-s3", "--from", str(folder), "--json", now=CLOCK)
    assert result.code == 0
    assert WORDS in result.err
    assert Counter(row["status"] for row in queue(store).values()) == {"pending": 1, "missed": 1}
    assert wa("status", "--json", now=CLOCK).json["sending"] == "paused"
    due = FakeClock("2026-12-24T10:00:01")
    wa("run-scheduler", "--once", now=due)
    assert delivered(home) == []
    assert wa("resume", now=due).code == 0
    assert wa("run-scheduler", "--once", now=due).code == 0
    assert delivered(home) == ["Happy Birthday 1!"]


def test_the_warning_about_future_messages_is_printed_only_when_there_are_some(wa: Run, folder: Path) -> None:
    put(folder, scheduled=[planned(1, status="sent")])
    assert "old scheduler" not in wa("migrate-s3", "--from", str(folder), now=CLOCK).err
    put(folder, scheduled=[planned(1, status="sent"), planned(2)])
    assert WORDS in wa("migrate-s3", "--from", str(folder), now=CLOCK).err


def test_a_run_that_adds_no_row_does_not_pause_sending_again(migrate: Migrate, wa: Run) -> None:
    migrate(scheduled=[planned()])
    assert wa("resume").code == 0
    assert counts(migrate()["scheduled.json"]) == (0, 1, 0)
    assert wa("status", "--json", now=CLOCK).json["sending"] == "on"


def test_a_row_that_was_settled_here_stays_settled(
    migrate: Migrate, wa: Run, home: Home, store: Store
) -> None:
    migrate(scheduled=[planned(1), planned(2), planned(3, scheduledTime=PAST)])
    assert wa("resume").code == 0
    assert wa("schedule", "cancel", planned(1)["id"], now=CLOCK).code == 0
    due = FakeClock("2026-12-24T10:00:01")
    assert wa("run-scheduler", "--once", now=due).code == 0
    before = legacy_data.tables(home.store)
    assert counts(migrate()["scheduled.json"]) == (0, 3, 0)
    assert legacy_data.tables(home.store) == before
    statuses = [row["status"] for row in queue(store).values()]
    assert statuses == ["cancelled", "sent", "missed"]
    wa("run-scheduler", "--once", now=due)
    assert delivered(home) == ["Happy Birthday 2!"]


def test_sending_is_paused_before_the_first_future_message_is_stored(
    spawn: Callable[..., Process], home: Home, store: Store, folder: Path
) -> None:
    """A scheduler that runs meanwhile, or after a kill, would otherwise send the same messages too."""
    put(
        folder, scheduled=[planned(number, scheduledTime="2099-01-01T10:00:00.000Z") for number in range(900)]
    )
    process = spawn("migrate-s3", "--from", str(folder))
    look = (
        "SELECT (SELECT count(*) FROM scheduled_messages WHERE status = 'pending'),"
        " (SELECT value FROM state WHERE key = 'paused')"
    )
    while process.popen.poll() is None:
        pending, paused = store.execute(look).fetchone()
        assert not pending or (paused and json.loads(paused))
    assert process.finish().code == 0
    assert store.value("SELECT count(*) FROM scheduled_messages WHERE status = 'pending'") == 900


# ── Jobs ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", SHAPES_OF_A_LIST)
def test_jobs_in_each_container_are_migrated(migrate: Migrate, store: Store, shape: str) -> None:
    rows = [job(1, title="New Year"), job(2, status="cancelled")]
    found = migrate(jobs=SHAPES_OF_A_LIST[shape]("jobs", rows))
    assert counts(found["jobs.json"]) == (2, 0, 0)
    first, second = store.rows("SELECT * FROM jobs ORDER BY id")
    assert (first["id"], first["title"]) == ("job_1735132800001_abc123", "New Year")
    assert (first["status"], second["status"]) == ("paused", "cancelled")
    assert (first["scheduled_start_at"], first["created_at"]) == (FUTURE, "2024-12-25T13:20:00.000Z")
    assert json.loads(first["recipients"]) == [REEM_JID, ADAM_JID]
    assert [part["text"] for part in json.loads(first["message_parts"])] == ["Dear friends", "See you soon"]
    assert json.loads(first["config"])["recipientGapSeconds"] == 30
    assert first["current_recipient_index"] == first["recipients_sent"] == 0
    assert (first["completed_at"], first["last_sent_at"]) == (None, None)


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        ("pending", "paused"),
        ("running", "paused"),
        ("paused", "paused"),
        ("completed", "completed"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
    ],
)
@pytest.mark.parametrize("start", [PAST, FUTURE])
def test_each_status_of_a_job_is_migrated(
    migrate: Migrate, wa: Run, home: Home, store: Store, status: str, becomes: str, start: str
) -> None:
    migrate(jobs=[job(status=status, scheduledStartAt=start)])
    assert store.value("SELECT status FROM jobs") == becomes
    rows = [row["status"] for row in queue(store).values()]
    if status == "running":
        assert rows == ["unknown"]  # it may have sent its first message
    else:
        assert rows == (["missed"] * 4 if becomes == "paused" and start == PAST else [])
    assert wa("run-scheduler", "--once", now=CLOCK).code == 0
    assert delivered(home) == []


@pytest.mark.parametrize("spelling", ["camel", "snake"])
def test_the_progress_of_a_job_is_migrated(migrate: Migrate, store: Store, spelling: str) -> None:
    row = job(status="running")
    progress = {
        "currentRecipientIndex": 1,
        "currentPartIndex": 1,
        "recipientsSent": 1,
        "recipientsFailed": 2,
        "lastSentAt": "2025-12-24T10:01:00.000Z",
    }
    if spelling == "camel":
        row["progress"] = progress
    else:
        start, parts = row.pop("scheduledStartAt"), row.pop("messageParts")
        del row["progress"]
        row |= {"scheduled_start_at": start, "message_parts": parts, "current_recipient_index": 1}
        row |= {"current_part_index": 1, "recipients_sent": 1, "recipients_failed": 2}
        row["last_sent_at"] = progress["lastSentAt"]
    migrate(jobs=[row])
    (found,) = store.rows("SELECT * FROM jobs")
    assert (found["current_recipient_index"], found["current_part_index"]) == (1, 1)
    assert (found["recipients_sent"], found["recipients_failed"]) == (1, 0)  # what its rows say
    assert [row["status"] for row in queue(store).values()] == ["sent", "sent", "sent", "unknown"]
    assert (found["last_sent_at"], found["scheduled_start_at"]) == (progress["lastSentAt"], FUTURE)
    assert [part["text"] for part in json.loads(found["message_parts"])] == ["Dear friends", "See you soon"]


def test_the_end_of_a_job_is_migrated(migrate: Migrate, store: Store) -> None:
    ended = "2025-12-24T11:00:00.000Z"
    migrate(jobs=[job(1, status="completed", completedAt=ended), job(2, status="failed", error="Timed out")])
    first, second = store.rows("SELECT * FROM jobs ORDER BY id")
    assert (first["completed_at"], second["completed_at"]) == (ended, None)


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────

SHAPES_OF_CHATS: dict[str, Callable[[list[Record]], Any]] = {
    "by-id": lambda chats: {each["id"]: each for each in chats},
    "list": lambda chats: chats,
    "named-list": lambda chats: {"chats": chats},
    "named-by-id": lambda chats: {"chats": {each["id"]: each for each in chats}},
}


@pytest.mark.parametrize("shape", SHAPES_OF_CHATS)
def test_chats_in_each_container_are_migrated(migrate: Migrate, store: Store, wa: Run, shape: str) -> None:
    rows = [chat(said("one", key="A"), said("two", AT + 1)), chat(said("three", AT + 2), jid=ADAM_JID)]
    found = migrate(chats=SHAPES_OF_CHATS[shape](rows))["chats.json"]
    assert counts(found) == (3, 0, 0)
    assert texts(store) == ["one", "two", "three"]
    assert {row["source"] for row in stored(store)} == {"migration"}
    assert [row["id"] for row in wa("chats", "--json").json] == [ADAM_JID, REEM_JID]
    assert check(store) == []


def test_chats_are_counted_beside_their_messages(migrate: Migrate) -> None:
    rows = [chat(said(), said(at=AT + 1)), chat(said(), jid=ADAM_JID), chat(jid=GROUP)]
    assert migrate(chats=rows)["chats.json"]["chats"] == 3


@pytest.mark.parametrize(
    "at", [AT, str(AT), {"low": AT, "high": 0, "unsigned": True}, {"low": AT, "high": 0}], ids=repr
)
def test_each_field_for_the_time_of_a_message_is_read(migrate: Migrate, store: Store, at: Any) -> None:
    migrate(chats={REEM_JID: chat(said(at=at))})
    assert [row["timestamp"] for row in stored(store)] == [AT]
    assert store.value("SELECT last_message_time FROM chats") == AT


@pytest.mark.parametrize("name", ["isFromMe", "fromMe", "is_from_me"])
@pytest.mark.parametrize("mine", [True, False])
@pytest.mark.parametrize("key", ["A", None])
def test_each_field_for_our_own_messages_is_read(
    migrate: Migrate, store: Store, name: str, mine: bool, key: str | None
) -> None:
    row = said(key=key, isFromMe=mine)
    del row["isFromMe"]
    migrate(chats={REEM_JID: chat({**row, name: mine})})
    (found,) = stored(store)
    assert bool(found["is_from_me"]) is mine
    assert (found["sender"] == REEM_JID) is not mine


@pytest.mark.parametrize("name", ["message", "text"])
def test_each_field_for_the_text_of_a_message_is_read(
    migrate: Migrate, store: Store, wa: Run, name: str
) -> None:
    text = "Straße 今天 \x1b[31m\0 two\nlines 👩‍👧"
    row = said()
    del row["message"]
    migrate(chats={REEM_JID: chat({**row, name: text})})
    assert texts(store) == [text]
    assert [row["content"] for row in wa("search", "strasse", "--json").json] == [text]


def test_a_real_id_is_kept_and_a_message_without_one_gets_one(migrate: Migrate, store: Store) -> None:
    without = said("four", AT + 3)
    del without["rawMessage"]
    empty = said("three", AT + 2, rawMessage={})
    migrate(chats={REEM_JID: chat(said("one", key="3EB0A1"), said("two", AT + 1), empty, without)})
    ids = [row["message_id"] for row in stored(store)]
    assert ids[0] == "3EB0A1"
    assert len(set(ids)) == 4
    assert all(ids)


@pytest.mark.parametrize(
    ("kind", "text", "kinds"),
    [
        ("text", "Hello", {"text"}),
        ("image", "[Image]At the harbour", {"image"}),
        ("video", "[Video]At the harbour", {"video"}),
        ("audio", "[Voice Note]", {"audio", "voice"}),
        ("document", "[Document]plan.pdf", {"document"}),
        ("other", "[Sticker]", {"other", "sticker"}),
    ],
)
def test_each_kind_of_message_is_migrated(
    migrate: Migrate, store: Store, kind: str, text: str, kinds: set[str]
) -> None:
    migrate(chats={REEM_JID: chat(said(text, messageType=kind))})
    (row,) = stored(store)
    assert row["message_type"] in kinds
    caption = text.rpartition("]")[2]
    assert caption in (row["content"] or "")


def test_a_message_of_a_group_has_its_sender(migrate: Migrate, store: Store, wa: Run) -> None:
    row = said("from Adam", key="A")
    row["rawMessage"]["key"] = {"remoteJid": GROUP, "fromMe": False, "id": "A", "participant": ADAM_JID}
    row["rawMessage"]["pushName"] = "Adam ♥"
    hidden = said("from nobody we know", AT + 1, key="B")
    hidden["rawMessage"]["key"] = {"remoteJid": GROUP, "fromMe": False, "id": "B", "participant": LID}
    migrate(chats={GROUP: chat(row, hidden, said("without an id", AT + 2), jid=GROUP, name="Family")})
    assert [row["sender"] for row in stored(store)][:2] == [ADAM_JID, LID]
    assert {row["chat_jid"] for row in stored(store)} == {GROUP}
    assert [(group["id"], group["name"]) for group in wa("groups", "--json").json] == [(GROUP, "Family")]
    assert wa("chats", "--json").json[0]["is_group"] is True


def test_a_chat_by_hidden_id_is_migrated(migrate: Migrate, store: Store, wa: Run) -> None:
    migrate(chats={LID: chat(said(key="A"), said("two", AT + 1), jid=LID)})
    assert {row["chat_jid"] for row in stored(store)} == {LID}
    with store.write():
        apply.apply_event(store, JidMapped(LID, REEM_JID), NOW)
    assert wa("listen", "--for", "1s").code == 0
    assert {row["chat_jid"] for row in stored(store)} == {REEM_JID}
    assert counts(migrate()["chats.json"]) == (0, 2, 0)


def test_a_chat_by_a_mapped_hidden_id_goes_to_the_number(migrate: Migrate, store: Store, wa: Run) -> None:
    with store.write():
        apply.apply_event(store, JidMapped(LID, REEM_JID), NOW)
    arrive(store, live("A"), live("B", "two", timestamp=AT + 1))
    found = migrate(
        chats={LID: chat(said(key="A"), said("two", AT + 1), said("three", AT + 2, key="C"), jid=LID)}
    )
    assert counts(found["chats.json"]) == (1, 2, 0)
    assert [row["id"] for row in wa("chats", "--json").json] == [REEM_JID]
    assert {(row["chat_jid"], row["sender"]) for row in stored(store)} == {(REEM_JID, REEM_JID)}


@pytest.mark.parametrize("key", ["A", None], ids=["with-id", "without-id"])
def test_a_chat_by_hidden_id_is_joined_when_the_number_becomes_known(
    migrate: Migrate, store: Store, wa: Run, key: str | None
) -> None:
    """The same message has come under the number meanwhile: joining the two chats leaves one copy."""
    migrate(chats={LID: chat(said(key=key), jid=LID)})
    arrive(store, live("A"))
    with store.write():
        apply.apply_event(store, JidMapped(LID, REEM_JID), NOW)
    assert wa("listen", "--for", "1s").code == 0
    assert [(row["chat_jid"], row["content"]) for row in stored(store)] == [(REEM_JID, "Hello")]


def test_chats_by_number_and_by_hidden_id_of_one_person_are_joined(migrate: Migrate, store: Store) -> None:
    with store.write():
        apply.apply_event(store, JidMapped(LID, REEM_JID), NOW)
    migrate(
        chats={
            REEM_JID: chat(said("one", key="A")),
            LID: chat(said("one", key="A"), said("two", AT + 1), jid=LID),
        }
    )
    assert texts(store) == ["one", "two"]


def test_two_identical_messages_stay_two(migrate: Migrate, store: Store) -> None:
    found = migrate(
        chats={
            REEM_JID: chat(
                said(), said(), said(key="A", at=AT + 1), said(key="B", at=AT + 1), said(isFromMe=True)
            ),
            ADAM_JID: chat(said(), said(), said(), jid=ADAM_JID),
        }
    )
    assert counts(found["chats.json"]) == (8, 0, 0)
    assert Counter(row["chat_jid"] for row in stored(store)) == {REEM_JID: 5, ADAM_JID: 3}


def test_two_messages_with_one_id_in_a_file_are_one(migrate: Migrate, store: Store) -> None:
    found = migrate(chats={REEM_JID: chat(said(key="A"), said(key="A"), said("two", AT + 1, key="B"))})
    assert counts(found["chats.json"]) == (2, 1, 0)
    assert texts(store) == ["Hello", "two"]


def test_a_chat_without_messages_is_no_error(migrate: Migrate, store: Store) -> None:
    found = migrate(chats={REEM_JID: chat(), ADAM_JID: chat(said(), jid=ADAM_JID)})["chats.json"]
    assert counts(found) == (1, 0, 0)
    assert texts(store) == ["Hello"]


def test_migrated_messages_are_found_and_not_printed_by_listen(migrate: Migrate, wa: Run) -> None:
    migrate(chats={REEM_JID: chat(said("see you at the harbour", key="A"))})
    assert [row["message_id"] for row in wa("search", "harbour", "--json").json] == ["A"]
    assert wa("listen", "--since", "0", "--for", "1s", "--json").out == ""


def wa_message(number: str, text: Any = "hello", jid: str = REEM_JID, **fields: Any) -> Record:
    """Return a message in the form of Baileys' own store."""
    key = {"remoteJid": jid, "fromMe": False, "id": number, **fields.pop("key", {})}
    content = {"conversation": text} if isinstance(text, str) else text
    return {"key": key, "messageTimestamp": AT, "message": content, **fields}


def people_in(store: Store) -> list[tuple[str, str, str]]:
    """Return (chat, sender, text) of all messages, oldest first."""
    return [(row["chat_jid"], row["sender"], row["content"]) for row in stored(store)]


def test_a_participant_beside_the_key_is_the_sender_and_names_no_group(
    migrate: Migrate, store: Store
) -> None:
    """Push names of members once named the group; the same goes for status posts."""
    raw = {"key": {"remoteJid": GROUP, "fromMe": False, "id": "G"}, "participant": ADAM_JID, "pushName": "Cy"}
    in_key = {"key": {"remoteJid": "status@broadcast", "fromMe": False, "id": "S", "participant": ADAM_JID}}
    nobody = {"key": {"remoteJid": GROUP, "fromMe": False, "id": "N"}, "pushName": "Di"}
    migrate(
        chats={
            GROUP: chat(said("all", rawMessage=raw), said("who?", AT + 1, rawMessage=nobody), jid=GROUP),
            "status@broadcast": chat(
                said("st", AT + 2, rawMessage={**in_key, "pushName": "Cy"}), jid="status@broadcast"
            ),
        }
    )
    assert people_in(store) == [
        (GROUP, ADAM_JID, "all"), (GROUP, GROUP, "who?"), ("status@broadcast", ADAM_JID, "st"),
    ]  # fmt: skip
    assert store.rows("SELECT jid, name FROM push_names") == [{"jid": ADAM_JID, "name": "Cy"}]
    assert {row["name"] for row in store.rows("SELECT name FROM chats")} == {None}


@pytest.mark.parametrize("field", ["remoteJidAlt", "senderPn"])
def test_a_second_address_of_a_message_maps_the_hidden_id(migrate: Migrate, store: Store, field: str) -> None:
    group_key = {
        "participant": "500600700800@lid",
        f"participant{'Alt' if 'Alt' in field else 'Pn'}": ADAM_JID,
    }
    migrate(
        chats={
            LID: [
                wa_message("A", jid=LID),
                wa_message("B", "two", LID, messageTimestamp=AT + 1, key={field: REEM_JID}),
            ],
            GROUP: [wa_message("C", "all", GROUP, messageTimestamp=AT + 2, key=group_key)],
        }
    )
    assert people_in(store) == [
        (REEM_JID, REEM_JID, "hello"), (REEM_JID, REEM_JID, "two"), (GROUP, ADAM_JID, "all"),
    ]  # fmt: skip
    mapped = store.rows("SELECT lid, pn FROM jid_aliases ORDER BY pn")
    assert mapped == [{"lid": LID, "pn": REEM_JID}, {"lid": "500600700800@lid", "pn": ADAM_JID}]


def test_our_own_messages_map_no_hidden_id(migrate: Migrate, store: Store) -> None:
    """Their second address is ours in some versions of Baileys."""
    migrate(chats={LID: [wa_message("A", jid=LID, key={"fromMe": True, "senderPn": ADAM_JID})]})
    assert store.rows("SELECT * FROM jid_aliases") == []


def test_chats_and_people_in_the_old_form_of_addresses_are_taken(migrate: Migrate, store: Store) -> None:
    old = f"{REEM}@c.us"
    key = {"remoteJid": GROUP, "fromMe": False, "id": "G", "participant": f"{ADAM}@c.us"}
    migrate(
        chats={
            old: {"messages": [said("one")]},
            GROUP: chat(said("two", AT + 1, rawMessage={"key": key}), jid=GROUP),
        }
    )
    assert people_in(store) == [(REEM_JID, REEM_JID, "one"), (GROUP, ADAM_JID, "two")]


def test_a_whole_store_of_baileys_is_taken(migrate: Migrate, store: Store, wa: Run) -> None:
    whole = {
        "chats": [
            {"id": REEM_JID, "conversationTimestamp": {"low": AT, "high": 0}, "unreadCount": 0, "name": "Reem"},
            {"id": GROUP, "name": "Choir"},
        ],
        "contacts": {
            ADAM_JID: {"id": ADAM_JID, "notify": "Adam ♥"},
            LID: {"id": LID, "phoneNumber": REEM_JID},
        },
        "messages": {
            REEM_JID: [wa_message("A"), wa_message("B", {"extendedTextMessage": {"text": "two"}}, messageTimestamp=AT + 1)],
            GROUP: {"array": [wa_message("C", "all", GROUP, messageTimestamp=AT + 2, participant=ADAM_JID)]},
        },
        "labels": [],
    }  # fmt: skip
    found = migrate(chats=whole)["chats.json"]
    assert (found["chats"], counts(found)) == (2, (3, 0, 0))
    assert people_in(store) == [
        (REEM_JID, REEM_JID, "hello"),
        (REEM_JID, REEM_JID, "two"),
        (GROUP, ADAM_JID, "all"),
    ]
    assert "Choir" in wa("chats").out
    assert "Adam ♥: all" in wa("read", GROUP).out
    assert store.rows("SELECT lid, pn FROM jid_aliases") == [{"lid": LID, "pn": REEM_JID}]
    assert counts(migrate(chats=whole)["chats.json"]) == (0, 3, 0)


CONTENTS = [
    ({"imageMessage": {"caption": "look", "mediaKey": "AQID"}}, ("image", "look")),
    ({"videoMessage": {}}, ("video", "")),
    ({"audioMessage": {"ptt": True}}, ("voice", "")),
    ({"audioMessage": {"ptt": False}}, ("audio", "")),
    ({"documentWithCaptionMessage": {"message": {"documentMessage": {"fileName": "a.pdf"}}}}, ("document", "a.pdf")),
    ({"ephemeralMessage": {"message": {"viewOnceMessageV2": {"message": {"imageMessage": {}}}}}}, ("image", "")),
    ({"stickerMessage": {}}, ("sticker", "")),
    ({"contactMessage": {"displayName": "Cy", "vcard": "…"}}, ("contact", "Cy")),
    ({"locationMessage": {"degreesLatitude": 51.5, "degreesLongitude": -0.1}}, ("location", "51.5, -0.1")),
    ({"pollCreationMessageV3": {"name": "When?", "options": []}}, ("poll", "When?")),
    ({"messageContextInfo": {}, "conversation": "hi"}, ("text", "hi")),
    ({"newKindMessage": {"a": 1}}, ("other", "")),
]  # fmt: skip


def test_messages_of_baileys_in_a_list_have_their_kinds(migrate: Migrate, store: Store) -> None:
    """They may stand in a list by themselves, or in the history's objects with a `message`."""
    alone = [
        wa_message(f"{number}", each, messageTimestamp=AT + number)
        for number, (each, _) in enumerate(CONTENTS)
    ]
    assert counts(migrate(chats=alone)["chats.json"]) == (len(CONTENTS), 0, 0)
    assert [(row["message_type"], row["content"]) for row in stored(store)] == [
        wanted for _, wanted in CONTENTS
    ]
    history = {"chats": [{"id": REEM_JID, "messages": [{"message": each} for each in alone]}]}
    assert counts(migrate(chats=history)["chats.json"]) == (0, len(CONTENTS), 0)


def test_a_file_can_be_asked_for_where_the_old_message_has_its_keys(
    migrate: Migrate, store: Store, wa: Run
) -> None:
    keys = {
        "imageMessage": {"url": "https://mmg.whatsapp.net/x", "mediaKey": {"type": "Buffer", "data": [1]}}
    }
    card = {"contactMessage": {"displayName": "Cy", "vcard": "BEGIN:VCARD"}}
    contents = [keys, {"imageMessage": {"caption": "no keys"}}, card]
    migrate(
        chats={
            REEM_JID: [wa_message(f"{n}", each, messageTimestamp=AT + n) for n, each in enumerate(contents)]
        }
    )
    numbers = [row["id"] for row in stored(store)]
    assert [search.with_file(store, number)["message_type"] for number in numbers[::2]] == [
        "image",
        "contact",
    ]
    with pytest.raises(WaError, match="cannot be downloaded"):
        search.with_file(store, numbers[1])
    assert [row["message_type"] for row in search.files(store, REEM_JID, None, 9)] == [
        "image",
        "image",
        "contact",
    ]


def test_a_record_of_baileys_that_is_no_message_is_named(migrate: Migrate, store: Store) -> None:
    records = [
        wa_message("A"), wa_message("B", {"reactionMessage": {"text": "x"}}), wa_message("C", {"protocolMessage": {}}),
        {**wa_message("D"), "message": None, "messageStubType": 27},
    ]  # fmt: skip
    found = migrate(code=8, chats={REEM_JID: records})["chats.json"]
    assert counts(found) == (1, 0, 3)
    assert [each["reason"].split()[-1] for each in found["reasons"]] == [
        "reactionMessage",
        "protocolMessage",
        "decrypted",
    ]


@pytest.mark.parametrize(
    "at",
    [
        "2024-12-24T00:26:40.000Z",
        {"low": AT, "high": None},
        {"low": str(AT), "high": "0"},
        f"{AT}.0",
        f"{AT}000",
    ],
)
def test_a_time_in_any_form_is_read_and_else_the_date_stands_in(
    migrate: Migrate, store: Store, at: Any
) -> None:
    migrate(
        chats={REEM_JID: chat(said("a", at, date=None), said("b", "soon", date="2024-12-24T00:26:41.000Z"))}
    )
    assert [row["timestamp"] for row in stored(store)] == [AT, AT + 1]


@pytest.mark.parametrize(
    "chats",
    [
        {"type": "Backup", "data": "AAAA"}, {"foo": {"a": 1}}, [{"a": 1}], ["x"], {"messages": {"nobody": [1]}},
        {"chats": {"nobody": {}}}, [[]],
    ],
)  # fmt: skip
def test_a_file_from_which_nothing_is_taken_is_no_success(migrate: Migrate, chats: Any) -> None:
    found = migrate(code=8, chats=chats)["chats.json"]
    assert counts(found)[:2] == (0, 0)
    assert found["reasons"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"447700900123@s.whatsapp.net": {"messages": [', "it ends in the middle"),
        ('{"a": {"messages": []},\n\n "b": {"messages": [],,}}', "at line 3, "),
        ('[{"a": tru}]', "line 1, '[{\"a\": tru}]': invalid string in json text"),
        ('{"a": {}}}', "trailing garbage"),
    ],
)
def test_damage_is_told_with_its_place_and_an_early_end_only_where_it_is(
    wa: Run, folder: Path, text: str, part: str
) -> None:
    (folder / "chats.json").write_text(text)
    told = wa("migrate-s3", "--from", str(folder))
    assert told.code == 8
    assert part in told.out
    assert ("ends in the middle" in told.out) == ("ends" in part)


@pytest.mark.parametrize("empty", [{}, []])
def test_files_without_records_are_no_error(migrate: Migrate, empty: Any) -> None:
    found = migrate(contacts={}, scheduled=empty, jobs=empty, chats=empty)
    assert {counts(row) for row in found.values()} == {(0, 0, 0)}
    assert set(found) == {f"{name}.json" for name in FILES}


# ── A second run, and live messages ───────────────────────────────────────────────────────────────


def everything() -> Record:
    """Return some records of all four files."""
    return {
        "contacts": {REEM: contact(aliases=["Sister"]), ADAM: contact("Adam", ADAM)},
        "scheduled": {"messages": [planned(1), planned(2, scheduledTime=PAST), planned(3, status="sent")]},
        "jobs": {"jobs": [job(1), job(2, status="completed")]},
        "chats": {
            REEM_JID: chat(said(key="A"), said("two", AT + 1), said("two", AT + 1)),
            GROUP: chat(said("all", AT + 2), jid=GROUP, name="Family"),
        },
    }


def test_a_second_run_changes_nothing(migrate: Migrate, home: Home) -> None:
    first = migrate(**everything())
    before = legacy_data.tables(home.store)
    second = migrate()
    assert legacy_data.tables(home.store) == before
    assert {name: row["read"] for name, row in second.items()} == {
        name: row["written"] for name, row in first.items()
    }
    assert {(row["written"], row["skipped"]) for row in second.values()} == {(0, 0)}


def test_a_run_after_the_files_have_grown_adds_what_is_new(migrate: Migrate, store: Store) -> None:
    migrate(chats={REEM_JID: chat(said(), said(), said("two", AT + 1, key="B"))})
    grown = chat(said("new", AT + 9), said("two", AT + 1, key="B"), said(), said(), said())
    assert counts(migrate(chats={REEM_JID: grown})["chats.json"]) == (2, 3, 0)
    assert texts(store) == ["Hello", "Hello", "Hello", "two", "new"]


def test_a_changed_order_of_messages_adds_none(migrate: Migrate, home: Home) -> None:
    there = [said(), said(), said("two", AT), said(isFromMe=True), said("three", AT + 5)]
    migrate(chats={REEM_JID: chat(*there)})
    before = legacy_data.tables(home.store)
    assert counts(migrate(chats={REEM_JID: chat(*there[::-1])})["chats.json"]) == (0, 5, 0)
    assert legacy_data.tables(home.store) == before


@pytest.mark.parametrize("source", ["live", "history"])
def test_messages_that_arrived_before_are_recognised(migrate: Migrate, store: Store, source: str) -> None:
    arrive(store, live("A"), live("B", "two", timestamp=AT + 1), source=source)
    found = migrate(chats={REEM_JID: chat(said(key="A"), said("two", AT + 1), said("three", AT + 2))})
    assert counts(found["chats.json"]) == (1, 2, 0)
    assert [(row["content"], row["source"]) for row in stored(store)] == [
        ("Hello", source),
        ("two", source),
        ("three", "migration"),
    ]


@pytest.mark.parametrize("source", ["live", "history"])
@pytest.mark.parametrize("key", ["A", None], ids=["with-id", "without-id"])
def test_messages_that_arrive_afterwards_are_recognised(
    migrate: Migrate, store: Store, source: str, key: str | None
) -> None:
    migrate(chats={REEM_JID: chat(said(key=key), said("mine", AT + 1, isFromMe=True))})
    again = [live("A"), live("M", "mine", timestamp=AT + 1, is_from_me=True)]
    assert arrive(store, *again, source=source) == 0
    assert arrive(store, *again, source=source) == 0
    assert texts(store) == ["Hello", "mine"]
    assert counts(migrate()["chats.json"]) == (0, 2, 0)
    assert texts(store) == ["Hello", "mine"]
    assert check(store) == []


@pytest.mark.parametrize(
    "other",
    [
        {"content": "Hello!"},
        {"timestamp": AT + 1},
        {"is_from_me": True},
        {"chat_jid": ADAM_JID, "sender": ADAM_JID},
    ],
    ids=["text", "time", "direction", "chat"],
)
@pytest.mark.parametrize("first", ["file", "line"])
def test_a_message_that_differs_in_any_field_is_another_message(
    migrate: Migrate, store: Store, other: Record, first: str
) -> None:
    if first == "line":
        assert arrive(store, live("A", **other)) == 1
    assert counts(migrate(chats={REEM_JID: chat(said())})["chats.json"]) == (1, 0, 0)
    if first == "file":
        assert arrive(store, live("A", **other)) == 1
    assert len(stored(store)) == 2


def test_equal_messages_with_two_real_ids_are_two(migrate: Migrate, store: Store) -> None:
    migrate(chats={REEM_JID: chat(said(key="A"))})
    assert arrive(store, live("B")) == 1
    assert len(stored(store)) == 2


@pytest.mark.parametrize(
    ("in_file", "on_line"), [(2, 1), (1, 2), (2, 2), (3, 2)], ids=lambda count: f"{count}"
)
@pytest.mark.parametrize("first", ["file", "line"])
def test_of_equal_messages_the_larger_number_is_kept(
    migrate: Migrate, store: Store, in_file: int, on_line: int, first: str
) -> None:
    events = [live(f"A{number}") for number in range(on_line)]
    there = chat(*[said() for _ in range(in_file)])
    if first == "line":
        assert arrive(store, *events) == on_line
    both = min(in_file, on_line)
    expected = (in_file, 0, 0) if first == "file" else (in_file - both, both, 0)
    assert counts(migrate(chats={REEM_JID: there})["chats.json"]) == expected
    if first == "file":
        assert [arrive(store, event) for event in events].count(1) == on_line - both
    assert len(stored(store)) == max(in_file, on_line)
    assert counts(migrate()["chats.json"]) == (0, in_file, 0)
    assert arrive(store, *events) == 0
    assert len(stored(store)) == max(in_file, on_line)


def test_an_edit_reaches_a_message_that_was_recognised(migrate: Migrate, store: Store, wa: Run) -> None:
    migrate(chats={REEM_JID: chat(said("Helo"))})
    arrive(store, live("A", "Helo"))
    with store.write():
        apply.apply_event(store, Edited(REEM_JID, "A", "Hello", AT + 5), NOW)
    assert [row["content"] for row in wa("read", REEM, "--json").json] == ["Hello"]


@pytest.mark.parametrize("key", ["A", None], ids=["with-id", "without-id"])
@pytest.mark.parametrize("first", ["file", "line"])
@pytest.mark.parametrize(
    "done",
    [Edited(REEM_JID, "A", "Hello", AT + 5), Deleted(REEM_JID, "A", AT + 5)],
    ids=["edited", "deleted"],
)
def test_a_message_that_was_changed_here_is_not_added_again(
    migrate: Migrate, store: Store, key: str | None, first: str, done: Edited | Deleted
) -> None:
    if first == "file":
        migrate(chats={REEM_JID: chat(said("Helo", key=key))})
    arrive(store, live("A", "Helo"))
    with store.write():
        apply.apply_event(store, done, NOW)
    before = stored(store)
    assert counts(migrate(chats={REEM_JID: chat(said("Helo", key=key))})["chats.json"]) == (0, 1, 0)
    assert stored(store) == before


def test_messages_that_a_listener_recorded_are_recognised(migrate: Migrate, wa: Run, store: Store) -> None:
    lines = [{"from": REEM, "text": f"message {n}", "id": f"M{n}", "timestamp": AT + n} for n in range(20)]
    assert wa("loopback", "say", "-", stdin="\n".join(map(json.dumps, lines))).code == 0
    own(system_now, lambda: len(texts(store)) == 20)
    there = [said(f"message {n}", AT + n, key=f"M{n}" if n % 2 else None) for n in range(10, 30)]
    assert counts(migrate(chats={REEM_JID: chat(*there)})["chats.json"]) == (10, 10, 0)
    assert texts(store) == [f"message {n}" for n in range(30)]


# ── --dry-run ─────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_prints_the_same_and_writes_nothing(
    migrate: Migrate, wa: Run, home: Home, store: Store, folder: Path
) -> None:
    with store.write():
        store.set_state("transport", "loopback")  # any command writes this into a fresh home
    arrive(store, live("A"))
    files = everything()
    files["chats"][REEM_JID]["messages"] += [said("two ids", AT + 3, key="T")] * 2 + [42]
    before = legacy_data.tables(home.store)
    dry = migrate("--dry-run", code=8, **files)
    assert legacy_data.tables(home.store) == before
    assert wa("status", "--json").json["sending"] == "on"
    text = wa("migrate-s3", "--from", str(folder), "--dry-run", now=CLOCK)
    assert legacy_data.tables(home.store) == before
    assert dry == migrate(code=8)
    assert counts(dry["chats.json"]) == (4, 2, 1)
    # Once more, on the store that has the records.
    before = legacy_data.tables(home.store)
    again = migrate("--dry-run", code=8)
    assert legacy_data.tables(home.store) == before
    assert again == migrate(code=8)
    assert counts(again["chats.json"]) == (0, 6, 1)
    assert text.code == 8
    assert re.search(r"^chats\.json[^\t]*\t7\t4\t2\t1\t", text.out, re.M)


def test_a_dry_run_in_a_fresh_home_counts_and_writes_nothing(migrate: Migrate, wa: Run) -> None:
    found = migrate("--dry-run", **everything())
    assert counts(found["chats.json"]) == (4, 0, 0)
    for command in (["chats"], ["contacts", "list"], ["schedule", "list", "--status", "all"]):
        assert wa(*command, "--json").json == []


# ── What is printed ───────────────────────────────────────────────────────────────────────────────


def test_in_a_pipe_there_is_one_line_for_each_file(shell: Run, folder: Path) -> None:
    files = everything()
    files["contacts"]["447700900001"] = 42
    put(folder, **files)
    result = shell("migrate-s3", "--from", str(folder))
    assert result.code == 8
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [[line[0].split(" ")[0], *line[1:5]] for line in lines] == [
        ["contacts.json", "3", "2", "0", "1"],
        ["scheduled.json", "3", "3", "0", "0"],
        ["jobs.json", "2", "2", "0", "0"],
        ["chats.json", "4", "4", "0", "0"],
    ]
    assert "447700900001" in result.out
    assert "\x1b" not in result.out + result.err
    assert "\r" not in result.out + result.err


def test_escape_sequences_in_a_file_do_not_reach_the_terminal(wa: Run, folder: Path) -> None:
    put(folder, contacts={"\x1b[31m\u202eevil": 42, REEM: contact()})
    for options in ([], ["--json"]):
        result = wa("migrate-s3", "--from", str(folder), *options, now=CLOCK)
        assert result.code == 8
        assert not {"\x1b", "\u202e"} & set(result.out + result.err)


# ── Damage ────────────────────────────────────────────────────────────────────────────────────────


def good(file: str, number: int) -> tuple[str, Record]:
    """Return the key of a sound record, and the record."""
    if file == "contacts":
        return f"447700900{number:03}", contact(f"Person {number}", f"447700900{number:03}")
    if file == "scheduled":
        return planned(number)["id"], planned(number)
    if file == "jobs":
        return job(number)["id"], job(number)
    return "", said(f"message {number}", AT + number, key=f"M{number}")


def numbers_in(store: Store, file: str) -> set[int]:
    """Return the numbers of the sound records that are stored."""
    sql = {
        "contacts": "SELECT substr(phone, 10) FROM contacts",
        "scheduled": "SELECT substr(id, 11, 3) FROM scheduled_messages",
        "jobs": "SELECT substr(id, 15, 3) FROM jobs",
        "chats": "SELECT substr(message_id, 2) FROM messages",
    }[file]
    return {int(number) for (number,) in store.execute(sql)}


def rendered(file: str, count: int) -> tuple[str, list[int]]:
    """Return the text of a file with so many records, and the position where each of them ends."""
    out = io.StringIO()
    ends = []
    inside = {"scheduled": '{"messages": [', "jobs": "[", "chats": f'{{"{REEM_JID}": {{"id": "{REEM_JID}",'}
    out.write(inside.get(file, "{") + ('"messages": [' if file == "chats" else ""))
    for number in range(count):
        key, record = good(file, number)
        out.write(("," if number else "") + "\n")
        out.write(f"{json.dumps(key)}: " if file == "contacts" else "")
        out.write(json.dumps(record, indent=1))
        ends.append(out.tell())
    closing = {"scheduled": "]}", "jobs": "]", "chats": '], "name": null, "isGroup": false}}'}
    out.write("\n" + closing.get(file, "}"))
    return out.getvalue(), ends


def with_bad(file: str, *bad: str) -> str:
    """Return the text of a file with bad records, given as text, between sound ones."""
    text, ends = rendered(file, 4)
    for number, each in enumerate(bad):
        record = f',\n"44770090099{number}": {each}' if file == "contacts" else f",\n{each}"
        text = text[: ends[1]] + record + text[ends[1] :]
    return text


@pytest.mark.parametrize("file", FILES)
def test_records_before_a_cut_are_migrated(migrate: Migrate, store: Store, file: str) -> None:
    """The file is cut again and again, each time a little later."""
    text, ends = rendered(file, 250)
    chance = random.Random(file)
    cuts = [*sorted(chance.randrange(ends[0] + 1, len(text) - 2) for _ in range(12)), ends[-1], len(text) - 1]
    for cut in cuts:
        found = migrate(code=8, **{file: text[:cut]})[f"{file}.json"]
        whole = {number for number, end in enumerate(ends) if end <= cut}
        assert numbers_in(store, file) == whole
        assert (found["written"] + found["already_there"], found["skipped"]) == (len(whole), 1)
    assert counts(migrate(**{file: text})[f"{file}.json"])[2] == 0
    assert numbers_in(store, file) == set(range(250))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "damage", ["\0" * 512, "@@@", "]}]}", '"', "{" * 40], ids=["zeros", "@", "close", "quote", "open"]
)
def test_records_before_a_damaged_block_are_migrated(
    migrate: Migrate, store: Store, file: str, damage: str
) -> None:
    text, ends = rendered(file, 250)
    cut = ends[120]
    migrate(code=8, **{file: text[:cut] + damage + text[cut + len(damage) :]})
    assert numbers_in(store, file) >= set(range(121))
    assert numbers_in(store, file) <= set(range(250))


BAD: dict[str, list[Any]] = {
    "contacts": [
        {"name": 5},
        {"name": ["Reem"]},
        {"name": None, "phones": {"primary": "x"}},
    ],
    "scheduled": [
        {},
        planned(999, message=5),
        planned(999, message=None),
        planned(999, to="nobody"),
        planned(999, to=None),
        planned(999, to=[]),
        planned(999, scheduledTime="soon"),
        planned(999, scheduledTime=None),
        planned(999, scheduledTime={}),
        planned(999, message="x" * 70_000),
    ],
    "jobs": [
        {},
        job(999, recipients="x"),
        job(999, recipients=[5]),
        job(999, messageParts=5),
        job(999, messageParts=["x"]),
        job(999, progress={"recipientsSent": 2**80}),
    ],
    "chats": [
        {},
        said(at=None, date=None),
        said(at="soon", date=None),
        said(at=-5, date=None),
        said(at=2**80, date=None),
        said(at=1e300, date=None),
        said(at={"low": "x"}, date=None),
        said(at=[], date=None),
        said(5),
        said(["x"]),
        said({}),
    ],
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("bad", [None, 42, "x", [], True, 1.5, [[]]], ids=repr)
def test_a_value_that_is_no_record_is_skipped_alone(
    migrate: Migrate, store: Store, file: str, bad: Any
) -> None:
    found = migrate(code=8, **{file: with_bad(file, json.dumps(bad))})[f"{file}.json"]
    assert counts(found) == (4, 0, 1)
    assert numbers_in(store, file) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("file", "bad"),
    [
        pytest.param(file, bad, id=f"{file}-{json.dumps(bad)[:60]}" + f"-{number}")
        for file, records in BAD.items()
        for number, bad in enumerate(records)
    ],
)
def test_a_record_with_a_wrong_type_is_skipped_alone(
    migrate: Migrate, store: Store, file: str, bad: Any
) -> None:
    found = migrate(code=8, **{file: with_bad(file, json.dumps(bad))})[f"{file}.json"]
    assert counts(found) == (4, 0, 1)
    assert numbers_in(store, file) == {0, 1, 2, 3}


@pytest.mark.parametrize("bad", [None, 42, "x", {"id": ADAM_JID, "messages": 42}], ids=repr)
def test_a_value_that_is_no_chat_is_skipped_alone(migrate: Migrate, store: Store, bad: Any) -> None:
    found = migrate(code=8, chats={REEM_JID: chat(said()), ADAM_JID: bad, GROUP: chat(said(), jid=GROUP)})
    assert counts(found["chats.json"])[0] == 2
    assert found["chats.json"]["skipped"] == 1
    assert {row["chat_jid"] for row in stored(store)} == {REEM_JID, GROUP}
    assert ADAM in json.dumps(found["chats.json"]["reasons"])


@pytest.mark.parametrize("jid", ["nobody", "", "x@nowhere", "12@s.whatsapp.net", "x' OR 1@g.us"])
def test_a_chat_with_an_invalid_address_is_skipped_alone(migrate: Migrate, store: Store, jid: str) -> None:
    found = migrate(code=8, chats={REEM_JID: chat(said()), jid: chat(said("two"), jid=jid)})["chats.json"]
    assert counts(found)[0] == 1
    assert found["skipped"] >= 1
    assert texts(store) == ["Hello"]


@pytest.mark.parametrize("file", FILES)
def test_a_skipped_record_is_named(migrate: Migrate, file: str) -> None:
    """It is named by its key, or by its place in a list, counted from 1."""
    named = {
        "contacts": ("447700900990", "42"),
        "scheduled": ("3", json.dumps(planned(77, message=5))),
        "jobs": ("3", json.dumps(job(77, recipients="x"))),
        "chats": (REEM, json.dumps(said(5, key="M77"))),
    }
    name, bad = named[file]
    (reason,) = migrate(code=8, **{file: with_bad(file, bad)})[f"{file}.json"]["reasons"]
    assert reason["count"] == 1
    assert name in reason["example"]


def test_reasons_are_counted_and_examples_kept_short(migrate: Migrate) -> None:
    bad = [json.dumps(planned(900 + n, to="nobody")) for n in range(30)]
    bad += [json.dumps(planned(990, message="x" * 1_000_000))]
    found = migrate(code=8, scheduled=with_bad("scheduled", *bad))["scheduled.json"]
    assert counts(found) == (4, 0, 31)
    assert sorted(reason["count"] for reason in found["reasons"]) == [1, 30]
    assert all(len(reason["example"]) < 1_000 for reason in found["reasons"])


UTF8_DAMAGE = (b"caf\xe9", b"\xe2\x82", b"\xed\xa0\x80")


@pytest.mark.parametrize("bad", UTF8_DAMAGE, ids=bytes.hex)
@pytest.mark.parametrize("file", FILES)
def test_bytes_that_are_not_utf8_damage_their_record_alone(
    migrate: Migrate, store: Store, file: str, bad: bytes
) -> None:
    record = {
        "contacts": contact("@@", "447700900990"),
        "scheduled": planned(999, message="@@"),
        "jobs": job(999, messageParts=[{"orderIndex": 0, "text": "@@", "delayAfterSeconds": None}]),
        "chats": said("@@", AT + 500, key="M999"),
    }[file]
    data = with_bad(file, json.dumps(record)).encode().replace(b"@@", b"a " + bad + b" z")
    found = migrate(code=8, **{file: data})[f"{file}.json"]
    assert counts(found) == (4, 0, 1)
    assert numbers_in(store, file) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "file", [pytest.param(each, marks=pytest.mark.soak) for each in FILES[:-1]] + ["chats"]
)
def test_a_string_of_ten_megabytes_damages_its_record_alone(
    migrate: Migrate, store: Store, file: str
) -> None:
    huge = "x" * 10_000_000
    record = {
        "contacts": contact(huge, "447700900990"),
        "scheduled": planned(999, message=huge),
        "jobs": job(999, messageParts=[{"orderIndex": 0, "text": huge, "delayAfterSeconds": None}]),
        "chats": said(huge, AT + 500, key="M999"),
    }[file]
    found = migrate(code=8, **{file: with_bad(file, json.dumps(record))})[f"{file}.json"]
    assert counts(found) == (4, 0, 1)
    assert numbers_in(store, file) == {0, 1, 2, 3}


RECORD_WITH_A_NUMBER: dict[str, Record] = {
    "scheduled": planned(999, scheduledTime="@@"),
    "jobs": job(999, progress={"recipientsSent": "@@"}),
    "chats": said("unheard", "@@", date=None),
}


@pytest.mark.parametrize("number", ["1e999999999", "-1e999999999"])
@pytest.mark.parametrize("file", RECORD_WITH_A_NUMBER)
def test_a_number_that_sqlite_cannot_hold_damages_its_record_alone(
    migrate: Migrate, store: Store, file: str, number: str
) -> None:
    text = with_bad(file, json.dumps(RECORD_WITH_A_NUMBER[file])).replace('"@@"', number)
    assert counts(migrate(code=8, **{file: text})[f"{file}.json"]) == (4, 0, 1)
    assert numbers_in(store, file) == {0, 1, 2, 3}


@pytest.mark.parametrize("file", RECORD_WITH_A_NUMBER)
def test_a_number_of_5000_digits_damages_no_record_before_it(
    migrate: Migrate, store: Store, file: str
) -> None:
    text = with_bad(file, json.dumps(RECORD_WITH_A_NUMBER[file])).replace('"@@"', "9" * 5_000)
    assert migrate(code=8, **{file: text})[f"{file}.json"]["skipped"] == 1
    assert numbers_in(store, file) >= {0, 1}


@pytest.mark.parametrize(
    "behind", ["garbage", "[]", "}", "\0" * 512], ids=["garbage", "list", "brace", "zeros"]
)
@pytest.mark.parametrize("file", FILES)
def test_text_after_the_end_of_the_json_is_reported(
    migrate: Migrate, store: Store, file: str, behind: str
) -> None:
    found = migrate(code=8, **{file: rendered(file, 4)[0] + behind})[f"{file}.json"]
    assert counts(found) == (4, 0, 1)
    assert numbers_in(store, file) == {0, 1, 2, 3}


def test_half_an_emoji_damages_no_other_message(
    migrate: Migrate, wa: Run, store: Store, folder: Path
) -> None:
    r"""JavaScript cuts texts between the two halves of a character, and writes them as \ud83d."""
    put(folder, chats=with_bad("chats", json.dumps(said("half \ud83d", AT + 500, key="M999"))))
    result = wa("migrate-s3", "--from", str(folder), "--json", now=CLOCK)
    assert result.code in (0, 8)
    assert numbers_in(store, "chats") >= {0, 1, 2, 3}
    assert wa("read", REEM, "--json").code == 0


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
def test_a_deeply_nested_value_damages_no_other_message(
    wa: Run, store: Store, folder: Path, depth: int
) -> None:
    text = with_bad("chats", json.dumps(said("deep", AT + 500, rawMessage="@@")))
    put(folder, chats=text.replace('"@@"', '{"message": ' + '{"a": [' * depth + "]}" * depth + "}"))
    result = wa("migrate-s3", "--from", str(folder), "--json", now=CLOCK)
    assert result.code in (0, 8), result.err[-500:]
    assert [row["message_id"] for row in stored(store) if row["content"] != "deep"] == [
        "M0",
        "M1",
        "M2",
        "M3",
    ]


@pytest.mark.parametrize("file", ["contacts", "scheduled", "jobs"])
def test_two_records_with_one_key_are_both_read(migrate: Migrate, store: Store, file: str) -> None:
    key, record = good(file, 1)
    found = migrate(
        **{file: f"{{{json.dumps(key)}: {json.dumps(record)}, {json.dumps(key)}: {json.dumps(record)}}}"}
    )
    assert counts(found[f"{file}.json"]) == (1, 1, 0)
    assert numbers_in(store, file) == {1}


def test_a_contact_twice_under_two_names_is_one_person(migrate: Migrate, store: Store) -> None:
    first, second = contact("Reem", aliases=["Sister"]), contact("Reem Sample", aliases=["Reemy"])
    text = f'{{"{REEM}": {json.dumps(first)}, "{REEM}": {json.dumps(second)}}}'
    found = migrate(contacts=text)["contacts.json"]
    assert found["read"] == 2
    assert store.value("SELECT count(*) FROM contacts") == 1


def test_a_chat_that_comes_twice_has_the_messages_of_both(migrate: Migrate, store: Store) -> None:
    first, second = chat(said("one", key="A")), chat(said("one", key="A"), said("two", AT + 1))
    text = f'{{"{REEM_JID}": {json.dumps(first)}, "{REEM_JID}": {json.dumps(second)}}}'
    assert counts(migrate(chats=text)["chats.json"]) == (2, 1, 0)
    assert texts(store) == ["one", "two"]


def test_equal_messages_of_a_chat_that_comes_twice_stay_two(migrate: Migrate, store: Store) -> None:
    """The number of a repeated message counts through the whole file, not through one part of the chat."""
    one = json.dumps(chat(said()))
    text = f'{{"{REEM_JID}": {one}, "{ADAM_JID}": {json.dumps(chat(jid=ADAM_JID))}, "{REEM_JID}": {one}}}'
    found = migrate(chats=text)["chats.json"]
    assert found["written"] + found["already_there"] == 2
    assert len(stored(store)) == found["written"]
    assert counts(migrate()["chats.json"]) == (0, 2, 0)


def test_damage_in_one_file_leaves_the_others_whole(migrate: Migrate, store: Store) -> None:
    files = everything()
    found = migrate(code=8, **{**files, "contacts": json.dumps(files["contacts"])[:-40]})
    assert found["contacts.json"]["skipped"] == 1
    assert [found[f"{name}.json"]["skipped"] for name in FILES[1:]] == [0, 0, 0]
    assert (len(stored(store)), len(queue(store))) == (4, 3)


def test_a_json_array_is_printed_although_a_record_was_skipped(wa: Run, folder: Path) -> None:
    put(folder, contacts={REEM: contact(), ADAM: 42})
    result = wa("migrate-s3", "--from", str(folder), "--json", now=CLOCK)
    assert result.code == 8
    assert [row["file"] for row in result.json] == ["contacts.json"]
    assert set(result.json[0]) >= {"file", "read", "written", "already_there", "skipped", "reasons"}


# ── What cannot be read at all ────────────────────────────────────────────────────────────────────


@pytest.fixture
def refused(wa: Run, home: Home, store: Store) -> Callable[..., tuple[str, str | None]]:
    """Run a migration that must be refused with a code, as text and as JSON; return its message and hint."""
    assert wa("contacts", "add", "Reem", REEM).code == 0

    def run(code: str, exit_code: int, *args: str) -> tuple[str, str | None]:
        before = legacy_data.tables(home.store)
        as_text, as_json = (wa(*options, "migrate-s3", *args, now=CLOCK) for options in ([], ["--json"]))
        assert legacy_data.tables(home.store) == before
        for result in (as_text, as_json):
            assert (result.code, result.out) == (exit_code, ""), result
        assert [line.split(": ")[0] for line in as_text.err.splitlines()] == ["error", "hint"]
        assert as_json.error["code"] == code
        return as_json.error["message"], as_json.error["hint"]

    return run


def test_a_folder_with_none_of_the_files_is_refused(refused: Callable[..., Any], folder: Path) -> None:
    (folder / "notes.txt").write_text("nothing")
    (folder / "other.json").write_text("{}")
    message, _ = refused("not-found", 4, "--from", str(folder))
    assert "contacts.json" in message


def test_a_missing_folder_is_not_found(refused: Callable[..., Any], folder: Path) -> None:
    message, _ = refused("not-found", 4, "--from", str(folder / "elsewhere"))
    assert "elsewhere" in message


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"42",
        b'"x"',
        b"null",
        b"true",
        b"-1.5",
        b"hello",
        b"<html></html>",
        b"\x1f\x8b\x08",
        b"\0" * 99,
    ],
    ids=repr,
)
def test_a_file_that_is_not_json_is_refused(
    refused: Callable[..., Any], folder: Path, file: str, content: bytes
) -> None:
    put(folder, **{file: content})
    message, _ = refused("bad-data", 8, "--from", str(folder))
    assert f"{file}.json" in message


def test_a_file_in_place_of_the_folder_is_refused(wa: Run, folder: Path, home: Home) -> None:
    put(folder, contacts={REEM: contact()})
    result = wa("migrate-s3", "--from", str(folder / "contacts.json"), "--json", now=CLOCK)
    assert result.code in (2, 4, 7, 8)
    assert result.out == ""


def test_a_folder_needs_no_storage(migrate: Migrate, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2_BUCKET", "elsewhere")
    monkeypatch.setenv("B2_S3_ENDPOINT", "http://127.0.0.1:9")
    migrate(contacts={REEM: contact()})
    assert people(store) == {"Reem"}


# ── Processes ─────────────────────────────────────────────────────────────────────────────────────


def has_heard(listener: Process, store: Store, count: int) -> bool:
    """Return whether the listener has recorded so many messages."""
    assert listener.popen.poll() is None, listener.finish().err
    return bool(store.value("SELECT count(*) FROM messages WHERE source = 'live'") == count)


def test_a_migration_beside_a_listener_loses_no_message(
    spawn: Callable[..., Process], home: Home, store: Store, folder: Path
) -> None:
    legacy_data.write_all(folder, 20, 6_000)
    listener = spawn("listen", "--json")
    wait_for(lambda: is_connected(home))
    process = spawn("migrate-s3", "--from", str(folder), "--json")
    server = Loopback(home)
    spoken = 0
    while process.popen.poll() is None and spoken < 100:  # its output must fit into the pipe
        server.say([{"from": REEM_JID, "text": f"news {spoken}", "id": f"N{spoken}"}], NOW)
        spoken += 1
        wait_for(partial(has_heard, listener, store, spoken), what=f"message {spoken} of the listener")
    server.close()
    result = process.finish()
    assert result.code == 0, result.err
    assert counts(legacy_data.report(result.json)["chats.json"]) == (6_000, 0, 0)
    assert spoken >= 3
    sources = dict(store.execute("SELECT source, count(*) FROM messages GROUP BY source").fetchall())
    assert sources == {"migration": 6_000, "live": spoken}
    listener.signal(signal.SIGTERM)
    ended = listener.finish()
    assert ended.code == 0
    assert [json.loads(line)["message_id"] for line in ended.out.splitlines()] == [
        f"N{n}" for n in range(spoken)
    ]
    assert check(store) == []


def test_a_migration_writes_many_short_transactions(
    spawn: Callable[..., Process], store: Store, folder: Path
) -> None:
    """No transaction keeps another process waiting for long."""
    legacy_data.write_chats(folder / "chats.json", 2, 8_000)
    process = spawn("migrate-s3", "--from", str(folder))
    seen = set()
    while process.popen.poll() is None:
        seen.add(store.value("SELECT count(*) FROM messages"))
    assert process.finish().code == 0
    steps = sorted(seen | {0, 8_000})
    assert max(after - before for before, after in zip(steps, steps[1:], strict=False)) <= 4_000
    assert len(steps) >= 6


def total(store: Store) -> int:
    """Return the number of rows in all tables that a migration writes."""
    counted = ("contacts", "scheduled_messages WHERE job_id IS NULL", "jobs", "messages")
    return sum(store.value(f"SELECT count(*) FROM {each}") for each in counted)


def test_a_migration_killed_again_and_again_is_completed(
    spawn: Callable[..., Process], shell: Run, home: Home, store: Store, folder: Path, tmp_path: Path
) -> None:
    legacy_data.write_all(folder, 20, 5_000)
    command = ("migrate-s3", "--from", str(folder), "--json")
    chance = random.Random(9)
    kills = 0
    for step in (1, 150, 250, *(chance.randrange(600, 1_200) for _ in range(4))):
        wanted = total(store) + step
        process = spawn(*command)
        wait_for(lambda: process.popen.poll() is not None or total(store) >= wanted)  # noqa: B023
        process.kill()
        kills += process.popen.returncode == -signal.SIGKILL
        if store.value("SELECT count(*) FROM scheduled_messages WHERE status = 'pending'"):
            assert store.state().get("paused")
    assert kills >= 4
    last = shell(*command)
    assert last.code == 0, last.err
    found = legacy_data.report(last.json)
    assert {name: row["read"] for name, row in found.items()} == {
        "contacts.json": 272,
        "scheduled-messages.json": 50,
        "jobs.json": 20,
        "chats.json": 5_000,
    }
    assert found["chats.json"]["already_there"] > 0
    whole = tmp_path / "whole"
    assert shell(*command, WA_HOME=str(whole)).code == 0
    assert legacy_data.essence(home.store) == legacy_data.essence(whole / "wa.db")
    assert check(store) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_migration_stopped_by_a_signal_is_completed_by_the_next_run(
    spawn: Callable[..., Process], shell: Run, store: Store, folder: Path, number: signal.Signals, code: int
) -> None:
    legacy_data.write_chats(folder / "chats.json", 10, 8_000)
    process = spawn("migrate-s3", "--from", str(folder))
    wait_for(lambda: total(store) > 1_000)
    process.signal(number)
    result = process.finish()
    assert result.code == code
    assert "Traceback" not in result.err
    assert 1_000 < total(store) < 8_000
    assert shell("migrate-s3", "--from", str(folder)).code == 0
    assert total(store) == 8_000


def test_two_migrations_at_once_write_each_record_once(
    spawn: Callable[..., Process], store: Store, folder: Path
) -> None:
    legacy_data.write_all(folder, 10, 3_000)
    both = [spawn("migrate-s3", "--from", str(folder), "--json") for _ in range(2)]
    results = [process.finish() for process in both]
    assert [result.code for result in results] == [0, 0], [result.err for result in results]
    reports = [legacy_data.report(result.json) for result in results]
    for name, count in (("chats.json", 3_000), ("contacts.json", 272), ("scheduled-messages.json", 50)):
        assert sum(each[name]["written"] for each in reports) == count
    assert total(store) == 3_000 + 272 + 50 + 20


@pytest.mark.parametrize(
    ("size", "most"), [(20_000_000, 60), pytest.param(60_000_000, 150, marks=pytest.mark.soak)]
)
def test_a_large_file_needs_little_memory(
    spawn: Callable[..., Process], store: Store, folder: Path, tmp_path: Path, size: int, most: int
) -> None:
    """The peak memory of the whole process is measured; nearly all of the file is one chat."""
    count = legacy_data.write_chats_of_size(folder / "chats.json", size, largest=0.9, thumbnail=1_200)
    measure = (
        "import os, subprocess, sys\n"
        "process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "_, status, used = os.wait4(process.pid, 0)\n"
        "print(os.waitstatus_to_exitcode(status), used.ru_maxrss)\n"
    )
    result = spawn(WA, "migrate-s3", "--from", str(folder), program=[sys.executable, "-c", measure]).finish(
        240
    )
    code, peak = map(int, result.out.split())
    assert code == 0, result.err
    megabytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
    assert megabytes < most
    assert store.value("SELECT count(*) FROM messages") == count
