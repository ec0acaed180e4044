"""No statement of any command reads the whole of a table that grows, but for a few with a reason."""

from __future__ import annotations

import re
import shlex
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from bench import heavy

from wa.connection.actions import once
from wa.connection.context import system_now
from wa.people import contacts
from wa.store.database import Store

BIG = (
    "messages", "scheduled_messages", "receipts", "wire", "events", "chats", "contacts", "contact_phones",
    "contact_cards", "push_names", "jid_aliases", "group_members", "reactions", "job_recipients",
    "sync_checkpoints", "hook_deliveries", "series", "pruned", "spent", "requests",
)  # fmt: skip
PART = (
    "messages_made_up", "messages_unread", "messages_unavailable", "queue_due", "queue_now", "queue_waited",
    "queue_held", "queue_job_stalls", "events_open", "chats_groups", "sync_open", "series_open",
    "contacts_without_phone", "chats_set_apart", "requests_open",
)  # fmt: skip
"""Indexes of a small part of their table: what waits, is open, or is a group."""
ALLOWED = {
    "SELECT id, name FROM contacts UNION ALL": "a name is compared folded: 4 ms for 10,000 contacts",
    "instr(lower(c.name), ?1)": "search finds any part of a name: 10 ms for 10,000",
    "SELECT id, name, aliases FROM contacts": "one wrong letter is looked for if nothing else was found",
    "FROM contacts c WHERE true": "`contacts list` prints all, or those with a tag",
    "FROM contacts c WHERE substr(c.name": "the names for Tab: 2 ms for 10,000",
    "FROM contacts c WHERE c.birthday IS NULL AND c.notes IS NOT NULL": "birthdays in notes are read",
    "ON p.contact_id = c.id WHERE c.tags != '[]'": "figures by tag need all that have one",
    "SELECT jid, saved_name FROM push_names": "names of the phone's address book are compared folded",
    "SELECT id, name FROM chats WHERE name IS NOT NULL": "a chat by its name, if no contact has it",
    "FROM (SELECT * FROM chats WHERE id NOT LIKE": "`chats` stops at its limit; `unread` takes 2 ms",
    "SELECT id FROM series WHERE id = :text OR id LIKE": "an id in other letters; series are hundreds",
    "SELECT status, count(*) FROM scheduled_messages": "`status` counts all rows by an index: 5 ms",
    "FROM (SELECT id AS row FROM scheduled_messages": "`schedule list --status all` prints all rows",
    "SELECT 1 FROM pruned LIMIT 1": "it looks at one row",
    "SELECT id FROM requests ORDER BY id LIMIT": "it looks at the oldest rows alone",
    "SELECT chat_jid, timestamp FROM messages ORDER BY": "`history status` looks for gaps in all chats",
    "FROM chats h LEFT JOIN sync_checkpoints": "`history status` prints all chats",
    "SELECT count(*) FROM messages m WHERE (content": "`db check` looks at everything",
    "AS is_low FROM (SELECT chat_jid": "`db check` looks at everything",
    "SELECT chat_jid, count(*) AS n FROM messages": "`db stats` counts the messages of each chat",
}
"""The beginning, or another part, of a statement that may read a whole table, and why."""
COMMANDS = """
chats
chats --archived
chats --pinned --muted
unread
groups
read {phone} --after 2020-01-01 --before 2030-01-01
read {name}
read {group} 5
search invoice
search invoice --chat {phone}
search train --from {phone} --type text --after 2020-01-01
search no --type image
status
doctor
stats
stats {phone} --by person
stats --by tag
history status
sessions list
hooks list
jobs list
template add hi "Hello {{first}}"
template list
contacts list --tag work
contacts list --favorites
contacts search Reem
contacts search 5550
contacts search "Reem Semple"
contacts show {name}
contacts birthdays
contacts alias {name} nicky
contacts tag {name} choir
contacts edit {name} --notes tall
contacts add "New One" +12025550143
contacts merge {name} "New One"
contacts remove 12
schedule list
schedule list --status all
schedule list --status sent
schedule show {pending}
schedule show {short}
schedule add {name} --template hi --at "in 9 days"
schedule add {phone} hey --at "in 9 days" --every week --key k
schedule series
schedule edit {pending} --text other
schedule hold {pending}
schedule unhold {pending}
schedule approve {draft}
schedule cancel {held}
schedule resolve {unknown} sent
schedule retry {failed} --no-wait
jobs add --title t --to {name} --part hi --at "in 3 days"
send {phone} hi --no-wait
loopback say {phone} hello
run-scheduler --once
send {phone} now
react {phone} last 👍
edit {phone} last "hi there"
forward {phone} last {name} {group}
delete {phone} last
groups create Trip {phone}
groups add Trip 447700900999
groups leave Trip
block {phone}
block
read {phone} --seen
export {phone}
download {phone} all
hooks add bot --exec cat
hooks show bot
pause
resume
db stats
db prune --older-than 3000d
"""


class Traced(sqlite3.Connection):
    """A connection that asks for the query plan of each statement before it runs it."""

    plans: dict[str, str] = {}

    def execute(self, sql, params=()):
        self._explain(sql, params)
        return super().execute(sql, params)

    def executemany(self, sql, rows):
        rows = list(rows)
        for row in rows[:1]:
            self._explain(sql, row)
        return super().executemany(sql, rows)

    def _explain(self, sql, params):
        if sql not in self.plans and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql):
            steps = super().execute(f"EXPLAIN QUERY PLAN {sql}", params)
            self.plans[sql] = " | ".join(step[3] for step in steps)


def scanned(sql, plan):
    """Return the steps of a plan that read a whole big table, and do not stop early in an index.

    `db stats` and `doctor` may count the rows of a table.
    """
    if re.fullmatch(r"SELECT count\(\*\) FROM \w+", sql):
        return
    tables = {}
    for name, alias in re.findall(rf"\b({'|'.join(BIG)})\b(?:\s+(?:AS\s+)?(\w+))?", sql):
        tables |= {name: name, alias: name}
    stops = " LIMIT " in sql and "USE TEMP B-TREE FOR ORDER BY" not in plan
    for table, index in re.findall(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", plan):
        if table in tables and index not in PART and not (index and stops):
            yield f"{tables[table]} {index}"


@pytest.fixture
def lived_in(home, monkeypatch):
    """A home with rows of every kind, whose statements are explained. Return the words of COMMANDS."""
    heavy.build(home, heavy.SMALL, system_now())
    store = Store(home)
    statuses = ("pending", "draft", "held", "unknown", "failed")
    sql = "SELECT id FROM scheduled_messages WHERE status = ?"
    words = {status: store.value(sql, [status]) for status in statuses}
    words["short"] = words["pending"].partition("_")[2]
    words["name"], words["phone"] = heavy.name(3), heavy.phone(3)
    words["group"] = store.value("SELECT id FROM chats WHERE is_group")
    store.close()
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kw: connect(*args, factory=Traced, **kw))
    monkeypatch.setattr(Traced, "plans", {})
    monkeypatch.setattr(once, "SPACING", timedelta())
    return words


def test_no_command_scans_a_table_that_grows(lived_in, home, wa):
    words = {key: f'"{value}"' for key, value in lived_in.items()}
    for line in COMMANDS.strip().splitlines():
        result = wa(*shlex.split(line.format(**words)))
        assert result.code in (0, 6), (line, result)
    wa("read", "nobody at all")
    with closing(Store(home)) as store:
        assert list(contacts.beginning(store, "Reem"))  # as Tab does
    wa("listen", "--for", "1s")
    found, used = [], set()
    for sql, plan in Traced.plans.items():
        for step in scanned(sql, plan):
            reason = next((part for part in ALLOWED if part in sql), None)
            used.add(reason)
            if reason is None:
                found.append(f"{step}: {sql}")
    assert found == []
    assert len(Traced.plans) > 250
    assert set(ALLOWED) - used == set()
