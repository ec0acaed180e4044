"""`wa migrate-s3` a second time, after the old files or our rows have changed; and odd files."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import legacy_data
import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, Process, Result, delivered, wait_for
from vcard_cases import card, import_file

from wa.connection.incoming.events import apply_event
from wa.record.events import log
from wa.store.database import Store
from wa.store.paths import Home
from wa.whatsapp.events import MessageReceived

Record = dict[str, Any]
Run = Callable[..., Result]
Migrate = Callable[..., dict[str, Record]]

CLOCK = FakeClock("2026-11-20T12:00:00")
DUE = "2026-12-24T10:00:00.000Z"
LATER = "2026-12-24T11:00:00.000Z"
AFTER = FakeClock("2026-12-24T12:00:00")
"""A moment at which all scheduled times are past, and within their grace."""
AT = 1_735_000_000
ZOE = "12025550123"
ID = "1735168500001_a1b2c3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the old files."""
    found = tmp_path / "old"
    found.mkdir()
    return found


@pytest.fixture
def migrate(wa: Run, folder: Path) -> Migrate:
    """Write old files and migrate them; return the report of each."""

    def run(*options: str, code: int = 0, env: dict[str, str] | None = None, **files: Any) -> Any:
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
        result = wa("migrate-s3", "--from", str(folder), "--json", *options, now=CLOCK, **(env or {}))
        assert result.code == code, (result.out[-2000:], result.err[-2000:])
        assert "Traceback" not in result.err
        return legacy_data.report(result.json)

    return run


def planned(**fields: Any) -> Record:
    """Return a scheduled message of the future."""
    first = {"id": ID, "to": REEM, "message": "Happy birthday!", "scheduledTime": DUE}
    return {**first, "status": "pending", "createdAt": "2024-12-25T23:15:00.123Z", **fields}


def job(**fields: Any) -> Record:
    """Return a job that was not begun."""
    parts = [{"orderIndex": 0, "text": "Dear friends"}]
    return {"id": "job_1", "status": "pending", "recipients": [REEM_JID], "messageParts": parts, **fields}


def counts(row: Record) -> tuple[int, int, int]:
    """Return (written, already there, skipped) of a file."""
    return row["written"], row["already_there"], row["skipped"]


def people(wa: Run) -> list[tuple[str, str | None, dict[str, str | None]]]:
    """Return the contacts: name, main number, labels by number."""
    return sorted(
        (row["name"], row["phone"], {each["phone"]: each["label"] for each in row["phones"]})
        for row in wa("contacts", "list", "--json").json
    )


def queue(store: Store) -> list[Record]:
    """Return all rows of the queue, settled ones too."""
    return store.rows("SELECT * FROM scheduled_messages ORDER BY id")


def sent_after_resume(wa: Run, home: Home) -> list[str]:
    """Return the texts that go out when sending is resumed and all times are past."""
    assert wa("resume", now=AFTER).code == 0
    assert wa("run-scheduler", "--once", now=AFTER).code == 0
    return delivered(home)


# ── Scheduled messages of the future ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "becomes", "goes_out"),
    [
        ({"status": "sent", "sentAt": "2026-11-20T12:30:00.000Z"}, ("status", "sent"), []),
        ({"status": "failed", "error": "Connection Closed"}, ("status", "failed"), []),
        ({"status": "cancelled"}, ("status", "cancelled"), []),
        ({"status": "deleted"}, ("status", "cancelled"), []),
        ({"status": "processing"}, ("status", "unknown"), []),
        ({"message": "Merry Christmas!"}, ("message", "Merry Christmas!"), ["Merry Christmas!"]),
        ({"scheduledTime": LATER}, ("scheduled_at", LATER), ["Happy birthday!"]),
        ({"scheduledTime": "2026-12-26T10:00:00.000Z"}, ("scheduled_at", "2026-12-26T10:00:00.000Z"), []),
        ({"scheduledTime": "2025-12-24T10:00:00.000Z"}, ("status", "missed"), []),
        ({"to": ADAM}, ("to_phone", ADAM), ["Happy birthday!"]),
    ],
)
def test_a_pending_row_follows_its_status_in_the_old_files(
    migrate: Migrate,
    wa: Run,
    home: Home,
    store: Store,
    fields: Record,
    becomes: tuple[str, str],
    goes_out: list[str],
) -> None:
    migrate(scheduled=[planned()])
    again = {"scheduled": [planned(**fields)]}
    assert counts(migrate("--dry-run", **again)["scheduled.json"]) == (1, 0, 0)
    assert [row["status"] for row in queue(store)] == ["pending"]
    assert counts(migrate(**again)["scheduled.json"]) == (1, 0, 0)
    (row,) = queue(store)
    assert row[becomes[0]] == becomes[1]
    assert counts(migrate(**again)["scheduled.json"]) == (0, 1, 0)
    assert sent_after_resume(wa, home) == goes_out
    if goes_out:
        assert wa("loopback", "delivered", "--json").json[0]["to_jid"] == row["to_jid"]


@pytest.mark.parametrize("status", ["pending", "sent", "deleted"])
@pytest.mark.parametrize(
    ("command", "becomes", "goes_out"),
    [
        (["edit", ID, "--text", "My own words"], ("pending", "My own words"), ["My own words"]),
        (["cancel", ID], ("cancelled", "Happy birthday!"), []),
    ],
)
def test_a_row_that_was_changed_here_stays(
    migrate: Migrate,
    wa: Run,
    home: Home,
    store: Store,
    status: str,
    command: list[str],
    becomes: tuple[str, str],
    goes_out: list[str],
) -> None:
    migrate(scheduled=[planned()])
    changed = wa("schedule", *command, now=FakeClock("2026-11-20T12:05:00"))
    assert changed.code == 0, changed.err
    again = migrate(scheduled=[planned(status=status, message="Other words")])
    assert counts(again["scheduled.json"]) == (0, 1, 0)
    assert [(row["status"], row["message"]) for row in queue(store)] == [becomes]
    assert sent_after_resume(wa, home) == goes_out


def test_a_row_that_is_pending_again_pauses_sending_again(migrate: Migrate, wa: Run, home: Home) -> None:
    migrate(scheduled=[planned()])
    assert wa("resume", now=CLOCK).code == 0
    migrate(scheduled=[planned(message="Merry Christmas!")])
    assert wa("status", "--json", now=CLOCK).json["sending"] == "paused"


def test_two_messages_with_one_id_are_both_migrated(
    migrate: Migrate, wa: Run, home: Home, store: Store
) -> None:
    both = [planned(), planned(message="Merry Christmas!", to=ADAM_JID)]
    assert counts(migrate(scheduled=both)["scheduled.json"]) == (2, 0, 0)
    assert {row["message"] for row in queue(store)} == {"Happy birthday!", "Merry Christmas!"}
    assert counts(migrate(scheduled=both)["scheduled.json"]) == (0, 2, 0)
    assert len(queue(store)) == 2
    assert sorted(sent_after_resume(wa, home)) == ["Happy birthday!", "Merry Christmas!"]


@pytest.mark.parametrize("status", ["sent", "deleted"])
@pytest.mark.parametrize("order", [1, -1], ids=["as-before", "the-other-way-round"])
def test_two_settled_messages_with_one_id_are_not_sent(
    migrate: Migrate, wa: Run, home: Home, status: str, order: int
) -> None:
    both = [planned(), planned(message="Merry Christmas!", to=ADAM_JID)]
    migrate(scheduled=both)
    migrate(scheduled=[{**each, "status": status} for each in both[::order]])
    assert sent_after_resume(wa, home) == []


@pytest.mark.parametrize("which", [0, 1])
def test_of_two_messages_with_one_id_the_settled_one_is_not_sent(
    migrate: Migrate, wa: Run, home: Home, which: int
) -> None:
    both = [planned(), planned(message="Merry Christmas!", to=ADAM_JID)]
    migrate(scheduled=both)
    migrate(scheduled=[{**both[which], "status": "sent"}])  # only this message is still in the file
    assert both[which]["message"] not in sent_after_resume(wa, home)


@pytest.mark.parametrize("name", ["scheduled", "scheduled-messages"])
def test_the_same_message_twice_in_one_run_is_migrated_once(
    migrate: Migrate, store: Store, name: str
) -> None:
    assert counts(migrate(**{name: [planned(), planned()]})[f"{name}.json"]) == (1, 1, 0)
    assert len(queue(store)) == 1


@pytest.mark.parametrize("other", [{"recipients": [ADAM_JID]}, {"messageParts": [{"text": "Another"}]}])
def test_another_job_with_an_id_that_is_taken_is_skipped(
    migrate: Migrate, store: Store, other: Record
) -> None:
    found = migrate(jobs=[job(), job(**other), job()], code=8)["jobs.json"]
    assert counts(found) == (1, 1, 1)
    (reason,) = found["reasons"]
    assert (reason["count"], reason["example"]) == (1, "record 2")
    assert store.value("SELECT recipients FROM jobs") == json.dumps([REEM_JID])


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59Z", "9999-12-31", 999999999999999, "nonsense"])
def test_an_impossible_time_skips_its_record_alone(migrate: Migrate, store: Store, when: str | int) -> None:
    rows = [planned(id="1_a"), planned(id="2_b", scheduledTime=when), planned(id="3_c")]
    files = {"scheduled": rows}
    for options in (["--dry-run"], []):
        found = migrate(*options, code=8, **files)["scheduled.json"]
        assert counts(found) == (2, 0, 1)
        assert [reason["example"] for reason in found["reasons"]] == ["record 2"]
    assert [row["id"] for row in queue(store)] == ["1_a", "3_c"]


# ── Contacts ──────────────────────────────────────────────────────────────────────────────────────


def test_two_contacts_with_one_name_and_different_numbers_stay_two(migrate: Migrate, wa: Run) -> None:
    files = {"contacts": {REEM: {"name": "Ann"}, ADAM: {"name": "Ann", "phones": {"primary": ADAM}}}}
    assert counts(migrate(**files)["contacts.json"]) == (2, 0, 0)
    assert [(name, phone) for name, phone, _ in people(wa)] == [("Ann", REEM), ("Ann", ADAM)]
    assert counts(migrate(**files)["contacts.json"]) == (0, 2, 0)
    assert len(people(wa)) == 2


@pytest.mark.parametrize(
    ("key", "record", "phones", "complaints"),
    [
        (REEM, {"phones": {"mobile": REEM, "work": ADAM}}, {REEM: "mobile", ADAM: "work"}, 0),
        (REEM, {"phones": {"primary": REEM, "secondary": ADAM}}, {REEM: None, ADAM: None}, 0),
        (REEM, {"phones": {"primary": int(REEM)}}, {REEM: None}, 0),
        (REEM, {"numbers": [int(REEM), f"+{ADAM}"]}, {REEM: None, ADAM: None}, 0),
        (REEM, {"phone": int(REEM)}, {REEM: None}, 0),
        (REEM, {"phones": {"primary": REEM, "work": "ask Tom"}}, {REEM: None}, 1),
        (REEM, {"numbers": ["12", "ask Tom"]}, {REEM: None}, 2),
        (REEM, {"phones": {"primary": ADAM}}, {ADAM: None}, 0),
        ("someone", {"phones": {"primary": ADAM}}, {ADAM: None}, 0),
        ("someone", {"phones": {"primary": None}}, {}, 0),
        ("07700 9", {}, {}, 1),
    ],
)
def test_the_numbers_of_a_contact_are_migrated(
    migrate: Migrate, wa: Run, key: str, record: Record, phones: dict[str, str | None], complaints: int
) -> None:
    found = migrate(code=8 if complaints else 0, contacts={key: {"name": "Ann", **record}})["contacts.json"]
    assert counts(found) == (1, 0, 0)
    assert sum(reason["count"] for reason in found["reasons"]) == complaints
    assert people(wa) == [("Ann", next(iter(phones), None), phones)]


@pytest.mark.parametrize("name", ["favorite", "is_favorite", "isFavorite"])
def test_only_true_makes_a_favourite(migrate: Migrate, wa: Run, name: str) -> None:
    values: list[Any] = ["false", "no", "", 0, None, [], "true", True]
    migrate(
        contacts={f"44770090010{n}": {"name": f"{value!r}", name: value} for n, value in enumerate(values)}
    )
    assert [row["name"] for row in wa("contacts", "list", "--favorites", "--json").json] == ["True"]


@pytest.mark.parametrize("is_migrated_first", [True, False])
def test_a_name_chosen_in_the_old_tool_survives_a_card(
    migrate: Migrate, wa: Run, tmp_path: Path, is_migrated_first: bool
) -> None:
    def take(name: str) -> None:
        import_file(wa, tmp_path / "people.vcf", card(f"FN:{name}", f"TEL;TYPE=CELL:+{REEM}"))

    if not is_migrated_first:
        take("Reem Haddad")
    migrate(contacts={REEM: {"name": "Sister", "phones": {"primary": REEM}}})
    assert [name for name, *_ in people(wa)] == ["Sister"]
    for name in ("Reem Haddad", "Reem H. Sample"):
        take(name)
        assert [name for name, *_ in people(wa)] == ["Sister"]
    assert {"Reem Haddad", "Reem H. Sample"} <= set(wa("contacts", "list", "--json").json[0]["aliases"])


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", ["list", "wrapped"])
def test_chats_whose_messages_come_before_their_id_are_migrated(
    migrate: Migrate, wa: Run, store: Store, shape: str
) -> None:
    def chat(jid: str, count: int) -> Record:
        said = [
            {"message": f"{jid} {number}", "timestamp": AT + number, "isFromMe": number % 3 == 0}
            for number in range(count)
        ]
        return {"messages": said, "name": f"~{count}", "id": jid}

    chats: Any = [chat(REEM_JID, 2_500), chat(ADAM_JID, 500)]
    files = {"chats": chats if shape == "list" else {"chats": chats}}
    assert counts(migrate(**files)["chats.json"]) == (3_000, 0, 0)
    query = "SELECT chat_jid, count(*), count(DISTINCT content) FROM messages GROUP BY chat_jid"
    stored = {REEM_JID: (2_500, 2_500), ADAM_JID: (500, 500)}
    assert {jid: (rows, texts) for jid, rows, texts in store.execute(query)} == stored
    assert sorted(row["name"] for row in wa("chats", "--json").json) == ["~2500", "~500"]
    assert counts(migrate(**files)["chats.json"]) == (0, 3_000, 0)
    assert {jid: (rows, texts) for jid, rows, texts in store.execute(query)} == stored


@pytest.mark.parametrize(
    ("name", "wrapper", "record"),
    [
        ("contacts", "contacts", {"name": "Ann", "phone": REEM}),
        ("scheduled", "messages", planned()),
        ("jobs", "jobs", job()),
        ("chats", "chats", {"id": REEM_JID, "messages": [{"message": "x", "timestamp": AT}]}),
    ],
)
@pytest.mark.parametrize("is_list", [True, False])
def test_fields_beside_the_records_are_not_reported(
    migrate: Migrate, name: str, wrapper: str, record: Record, is_list: bool
) -> None:
    before = {"version": 2, "lastUpdated": "2026-01-01T10:00:00Z"}
    after = {"isComplete": True, "next": None, "count": 1}
    key = REEM_JID if name == "chats" else "1_a"
    records = [record] if is_list else {key: record}
    found = migrate(**{name: {**before, wrapper: records, **after}})[f"{name}.json"]
    assert (counts(found), found["reasons"]) == ((1, 0, 0), [])


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_directory_in_the_place_of_a_file_is_refused(
    wa: Run, folder: Path, store: Store, options: list[str]
) -> None:
    (folder / "contacts.json").mkdir()
    (folder / "scheduled.json").write_text(json.dumps([planned()]))
    result = wa("migrate-s3", "--from", str(folder), "--json", *options)
    assert (result.code, result.error["code"]) == (8, "bad-data")
    assert queue(store) == []


@pytest.mark.parametrize(
    ("options", "content", "code", "is_bound"),
    [
        ([], [], 0, True),
        ([], [1], 8, True),
        (["--dry-run"], [], 0, False),
        ([], "nonsense", 8, False),
        ([], None, 4, False),
    ],
)
def test_a_home_belongs_to_its_transport_once_a_record_was_migrated(
    wa: Run, folder: Path, options: list[str], content: Any, code: int, is_bound: bool
) -> None:
    if content is not None:
        (folder / "scheduled.json").write_text(content if isinstance(content, str) else json.dumps(content))
    assert wa("migrate-s3", "--from", str(folder), *options, now=CLOCK).code == code
    other = wa("contacts", "list", "--json", WA_TRANSPORT="neonize")
    assert other.code == (2 if is_bound else 0), other.err
    assert wa("contacts", "list").code == 0


def test_a_run_ended_by_sigterm_is_completed_by_the_next(
    spawn: Callable[..., Process], wa: Run, store: Store, folder: Path, tmp_path: Path
) -> None:
    legacy_data.write_all(folder, 10, 6_000)

    def total() -> int:
        return int(store.value("SELECT count(*) FROM messages"))

    process = spawn("migrate-s3", "--from", str(folder))
    wait_for(lambda: total() > 500)
    process.signal(signal.SIGTERM)
    result = process.finish()
    assert (result.code, "Traceback" in result.err) == (0, False)
    assert 500 < total() < 6_000
    assert wa("migrate-s3", "--from", str(folder)).code == 0
    assert wa("migrate-s3", "--from", str(folder), WA_HOME=str(tmp_path / "whole")).code == 0
    assert legacy_data.essence(store.home.store) == legacy_data.essence(tmp_path / "whole" / "wa.db")


def test_a_message_that_stood_for_one_of_the_old_tool_is_told_again(migrate, store):
    with store.write():
        said = MessageReceived(REEM_JID, "3EB0A", REEM_JID, AT, "Waiting", unavailable="waiting")
        apply_event(store, said, CLOCK())
    key = {"id": "3EB0A", "fromMe": False}
    old = {"message": "Here it is", "timestamp": AT, "rawMessage": {"key": key}}
    migrate(chats={"chats": {REEM_JID: {"id": REEM_JID, "messages": [old]}}})
    told_of = [json.loads(line["data"])["content"] for line in log.after(store, 0)]
    assert told_of == ["Waiting", "Here it is"]
