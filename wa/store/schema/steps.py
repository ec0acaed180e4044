"""All steps in their order, the newer ones themselves, and how they are applied."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from wa.store.schema.early_steps import (
    m0001_messages,
    m0002_queue,
    m0003_people,
    m0004_whatsapp,
    m0005_backups,
    m0006_damaged_history,
    m0007_stuck,
    m0008_wall_times,
    run,
)

if TYPE_CHECKING:
    from sqlite_utils import Database


def m0009_details(db: Database) -> None:
    """What is known of a message beside its text, as a JSON object: its file, contact cards, mentions."""
    db.conn.execute("ALTER TABLE messages ADD COLUMN details TEXT")


def m0010_drafts(db: Database) -> None:
    """The statuses `draft` and `held`. SQLite changes a CHECK only by making the table anew."""
    made = db.conn.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'scheduled_messages' AND sql IS NOT NULL"
        " ORDER BY type DESC"
    ).fetchall()
    table, *indexes = [sql for (sql,) in made]
    anew = table.replace("scheduled_messages", "queue_anew", 1)
    db.conn.execute(anew.replace("'pending', 'sending',", "'draft', 'pending', 'held', 'sending',"))
    db.conn.execute("INSERT INTO queue_anew SELECT * FROM scheduled_messages")
    db.conn.execute("DROP TABLE scheduled_messages")
    db.conn.execute("ALTER TABLE queue_anew RENAME TO scheduled_messages")
    for sql in indexes:
        db.conn.execute(sql)


def m0011_unavailable(db: Database) -> None:
    """Why a message, or its newest text, cannot be shown on this device."""
    db.conn.execute("ALTER TABLE messages ADD COLUMN unavailable TEXT")
    db.conn.execute("CREATE INDEX messages_unavailable ON messages (id) WHERE unavailable IS NOT NULL")


def m0012_unread(db: Database) -> None:
    """What is unread: the place up to which a chat was read elsewhere, and the count that the phone told."""
    run(
        db,
        """
ALTER TABLE chats ADD COLUMN read_to INTEGER;
ALTER TABLE sync_checkpoints ADD COLUMN unread_told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_checkpoints ADD COLUMN unread_left INTEGER NOT NULL DEFAULT 0;
CREATE TABLE early_reads (
    chat_jid TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (chat_jid, message_id)
) WITHOUT ROWID;
CREATE INDEX early_reads_at ON early_reads (at);
UPDATE messages SET status = 'read' WHERE status = 'received' AND deleted_at IS NOT NULL;
CREATE INDEX messages_unread ON messages (chat_jid, timestamp) WHERE status = 'received';
UPDATE chats SET unread_count = (
    SELECT count(*) FROM messages WHERE chat_jid = chats.id AND status = 'received'
) WHERE unread_count;
UPDATE sync_checkpoints SET unread_told = 1
""",
    )


def m0013_people(db: Database) -> None:
    """Birthdays, and the numbers of a card that are another contact's: a landline of a household."""
    run(
        db,
        """
ALTER TABLE contacts ADD COLUMN birthday TEXT;
CREATE TABLE shared_numbers (
    phone TEXT NOT NULL,
    contact_id INTEGER NOT NULL REFERENCES contacts(id) ON DELETE CASCADE,
    PRIMARY KEY (phone, contact_id)
) WITHOUT ROWID;
CREATE INDEX shared_numbers_contact ON shared_numbers (contact_id);
INSERT OR IGNORE INTO shared_numbers SELECT p.phone, c.contact_id
    FROM contact_cards c, json_each(c.numbers) n JOIN contact_phones p ON p.phone = n.value
    WHERE p.contact_id != c.contact_id
""",
    )


def m0014_calls(db: Database) -> None:
    """The time after which a chat's messages disappear, and the calls of the last days."""
    run(
        db,
        """
ALTER TABLE chats ADD COLUMN ephemeral INTEGER;
ALTER TABLE chats ADD COLUMN ephemeral_at INTEGER;
CREATE TABLE calls (
    call_id TEXT PRIMARY KEY,
    chat_jid TEXT NOT NULL,
    caller TEXT NOT NULL,
    is_video INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT,
    is_line INTEGER NOT NULL DEFAULT 0,
    twin TEXT
) WITHOUT ROWID;
CREATE INDEX calls_open ON calls (begun_at) WHERE ended_at IS NULL;
CREATE INDEX calls_by_chat ON calls (chat_jid, begun_at);
CREATE INDEX calls_by_time ON calls (begun_at)
""",
    )


STEPS = (
    m0001_messages, m0002_queue, m0003_people, m0004_whatsapp, m0005_backups, m0006_damaged_history,
    m0007_stuck, m0008_wall_times, m0009_details, m0010_drafts, m0011_unavailable, m0012_unread,
    m0013_people, m0014_calls,
)  # fmt: skip
SEARCH_INDEXES = ("messages_fts",)
"""All tables of the SQLite module fts5."""

_SET = "wa"


def applied_steps(db: sqlite3.Connection) -> set[str]:
    """Return the names of the steps applied to a database, which sqlite-utils' Migrations stores in it."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return set()
    names = db.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", [_SET])
    return {name for (name,) in names}


def apply_steps(db: sqlite3.Connection) -> None:
    """Apply the steps that a database lacks, each in a transaction of its own.

    sqlite-utils is imported only here: that takes half as long as a short command.
    """
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations(_SET)
    for step in STEPS:
        migrations()(step)
    migrations.apply(Database(db, execute_plugins=False))
