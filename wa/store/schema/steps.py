"""All steps in their order, the ninth to the fifteenth themselves, and how they are applied."""

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
from wa.store.schema.later_steps import (
    m0016_sealed,
    m0017_series,
    m0018_files,
    m0019_birthdays,
    m0020_changes,
    m0021_fetch,
    m0022_members,
    m0023_people,
    m0024_events,
    m0025_hooks,
    m0026_sessions,
    m0027_settle,
)  # fmt: skip
from wa.store.schema.newer_steps import (
    m0028_retention,
    m0029_reach,
    m0030_name_parts,
    m0031_short_ids,
    m0032_what_is_open,
    m0033_as_on_the_phone,
    m0034_by_whom,
    m0035_left,
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


def m0015_jobs(db: Database) -> None:
    """Jobs that send: their recipients, and the rows of the queue that are theirs.

    Of an unfinished job of the tool before this one, what lies before its cursor was sent, and the message
    at the cursor may have been.
    """
    run(
        db,
        """
CREATE TABLE jobs_as_they_will_be (
    id TEXT PRIMARY KEY,
    title TEXT,
    status TEXT NOT NULL CHECK (
        status IN ('draft', 'pending', 'running', 'paused', 'completed', 'failed', 'cancelled')
    ),
    scheduled_start_at TEXT,
    created_at TEXT NOT NULL,
    completed_at TEXT,
    current_recipient_index INTEGER NOT NULL DEFAULT 0,
    current_part_index INTEGER NOT NULL DEFAULT 0,
    recipients_sent INTEGER NOT NULL DEFAULT 0,
    recipients_failed INTEGER NOT NULL DEFAULT 0,
    last_sent_at TEXT,
    error_message TEXT,
    config TEXT NOT NULL DEFAULT '{}',
    message_parts TEXT NOT NULL DEFAULT '[]',
    created_from TEXT NOT NULL DEFAULT 'migration',
    updated_at TEXT,
    timezone TEXT,
    idempotency_key TEXT UNIQUE,
    recipients TEXT NOT NULL DEFAULT '[]'
);
INSERT INTO jobs_as_they_will_be (
    id, title, status, scheduled_start_at, created_at, completed_at, current_recipient_index,
    current_part_index, recipients_sent, recipients_failed, last_sent_at, error_message, config,
    message_parts, recipients
) SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_as_they_will_be RENAME TO jobs;
CREATE INDEX jobs_recent ON jobs (created_at);
CREATE INDEX jobs_by_status ON jobs (status);
CREATE TABLE job_recipients (
    job_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    to_jid TEXT NOT NULL,
    to_phone TEXT,
    contact_name TEXT,
    contact_id INTEGER,
    fields TEXT,
    status TEXT NOT NULL DEFAULT 'waiting' CHECK (
        status IN (
            'waiting', 'open', 'begun', 'apart', 'held', 'unknown', 'sent', 'failed', 'skipped', 'cancelled'
        )
    ),
    PRIMARY KEY (job_id, number)
) WITHOUT ROWID;
CREATE INDEX job_recipients_by_status ON job_recipients (job_id, status, number);
CREATE INDEX job_recipients_by_jid ON job_recipients (job_id, to_jid);
CREATE INDEX job_recipients_by_contact ON job_recipients (contact_id) WHERE contact_id IS NOT NULL;
ALTER TABLE scheduled_messages ADD COLUMN recipient_index INTEGER;
ALTER TABLE scheduled_messages ADD COLUMN part_index INTEGER;
ALTER TABLE scheduled_messages ADD COLUMN job_turn TEXT CHECK (job_turn IN ('later', 'apart'));
ALTER TABLE scheduled_messages ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX queue_by_job ON scheduled_messages (job_id, recipient_index, part_index)
    WHERE job_id IS NOT NULL;
CREATE INDEX queue_job_stalls ON scheduled_messages (expires_at)
    WHERE status = 'pending' AND job_id IS NOT NULL;
INSERT INTO job_recipients (job_id, number, to_jid, to_phone, status)
    SELECT id, number, jid,
        CASE WHEN jid LIKE '%@s.whatsapp.net' THEN substr(jid, 1, instr(jid, '@') - 1) END,
        CASE WHEN number < current_recipient_index THEN 'sent'
            WHEN number = current_recipient_index AND has_begun THEN 'unknown' ELSE 'waiting' END
    FROM (
        SELECT j.*, r.key AS number,
            CASE WHEN instr(r.value, '@') THEN replace(r.value, '@c.us', '@s.whatsapp.net')
            ELSE replace(replace(r.value, '+', ''), ' ', '') || '@s.whatsapp.net' END AS jid,
            current_recipient_index + current_part_index + recipients_sent > 0 OR last_sent_at IS NOT NULL
            AS has_begun
        FROM jobs j, json_each(j.recipients) r WHERE j.status IN ('pending', 'running', 'paused')
    );
INSERT INTO scheduled_messages (
    id, to_jid, to_phone, message, scheduled_at, status, error_code, error_message, created_at, created_from,
    updated_at, expires_at, job_id, recipient_index, part_index
) SELECT replace(j.id, 'job_', '') || printf('%04x%x', r.number, p.key), r.to_jid, r.to_phone,
    p.value ->> 'text', coalesce(j.last_sent_at, j.scheduled_start_at, j.created_at),
    CASE (r.number, p.key) < (j.current_recipient_index, j.current_part_index)
        WHEN 1 THEN 'sent' ELSE 'unknown' END,
    CASE (r.number, p.key) < (j.current_recipient_index, j.current_part_index)
        WHEN 0 THEN 'unknown-outcome' END,
    CASE (r.number, p.key) < (j.current_recipient_index, j.current_part_index)
        WHEN 0 THEN 'the tool before this one may have sent it' END,
    j.created_at, 'migration', j.created_at, j.created_at, j.id, r.number, p.key
    FROM jobs j JOIN job_recipients r ON r.job_id = j.id, json_each(j.message_parts) p
    WHERE (r.number, p.key) < (j.current_recipient_index, j.current_part_index)
        OR ((r.number, p.key) = (j.current_recipient_index, j.current_part_index) AND r.status = 'unknown');
UPDATE jobs SET recipients_failed = 0, recipients_sent = (
        SELECT count(*) FROM job_recipients r WHERE r.job_id = jobs.id AND r.status = 'sent'
    ) WHERE status IN ('pending', 'running', 'paused');
""",
    )


STEPS = (
    m0001_messages, m0002_queue, m0003_people, m0004_whatsapp, m0005_backups, m0006_damaged_history,
    m0007_stuck, m0008_wall_times, m0009_details, m0010_drafts, m0011_unavailable, m0012_unread,
    m0013_people, m0014_calls, m0015_jobs, m0016_sealed, m0017_series, m0018_files,
    m0019_birthdays, m0020_changes, m0021_fetch, m0022_members, m0023_people, m0024_events, m0025_hooks,
    m0026_sessions, m0027_settle, m0028_retention, m0029_reach, m0030_name_parts,
    m0031_short_ids, m0032_what_is_open, m0033_as_on_the_phone, m0034_by_whom, m0035_left,
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
