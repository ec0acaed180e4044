"""The steps up to the eighth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wa.zones import RULES, rules, wall_before

if TYPE_CHECKING:
    from sqlite_utils import Database


def run(db: Database, script: str) -> None:
    """Run each statement by itself: executescript() would end the migration's transaction."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)


def m0001_messages(db: Database) -> None:
    """Contacts, chats, messages, reactions and receipts."""
    run(
        db,
        """
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY,
    phone TEXT UNIQUE,
    name TEXT NOT NULL,
    aliases TEXT NOT NULL DEFAULT '[]',
    tags TEXT NOT NULL DEFAULT '[]',
    is_favorite INTEGER NOT NULL DEFAULT 0,
    notes TEXT,
    timezone TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE contact_phones (
    phone TEXT PRIMARY KEY,
    contact_id INTEGER NOT NULL REFERENCES contacts(id) ON DELETE CASCADE,
    label TEXT
) WITHOUT ROWID;
CREATE INDEX contact_phones_contact ON contact_phones (contact_id);
CREATE TABLE chats (
    id TEXT PRIMARY KEY,
    name TEXT,
    is_group INTEGER NOT NULL DEFAULT 0,
    unread_count INTEGER NOT NULL DEFAULT 0,
    last_message_time INTEGER,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX chats_recent ON chats (last_message_time);
CREATE TABLE group_members (
    chat_jid TEXT NOT NULL,
    member_jid TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT 'member',
    PRIMARY KEY (chat_jid, member_jid)
) WITHOUT ROWID;
CREATE TABLE push_names (jid TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_jid TEXT NOT NULL,
    message_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    content TEXT,
    timestamp INTEGER NOT NULL,
    is_from_me INTEGER NOT NULL DEFAULT 0,
    message_type TEXT NOT NULL DEFAULT 'text',
    status TEXT,
    quoted_id TEXT,
    edited_at TEXT,
    deleted_at TEXT,
    media_path TEXT,
    raw_proto BLOB,
    source TEXT NOT NULL DEFAULT 'live',
    created_at TEXT NOT NULL,
    UNIQUE (chat_jid, message_id)
);
CREATE INDEX messages_by_chat ON messages (chat_jid, timestamp);
CREATE INDEX messages_by_time ON messages (timestamp);
CREATE INDEX messages_live ON messages (timestamp) WHERE source = 'live';
CREATE VIRTUAL TABLE messages_fts USING fts5 (
    folded, content='', tokenize='trigram case_sensitive 1', detail='none'
);
CREATE VIRTUAL TABLE messages_terms USING fts5vocab (messages_fts, row);
CREATE TABLE reactions (
    chat_jid TEXT NOT NULL,
    message_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    emoji TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (chat_jid, message_id, sender)
) WITHOUT ROWID;
CREATE TABLE receipts (
    chat_jid TEXT NOT NULL,
    message_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (message_id, recipient, kind)
) WITHOUT ROWID;
CREATE TABLE jid_aliases (lid TEXT PRIMARY KEY, pn TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX jid_aliases_pn ON jid_aliases (pn);
""",
    )


def m0002_queue(db: Database) -> None:
    """The queue, wire marks, the spool, requests to the owner of the connection, state and account."""
    run(
        db,
        """
CREATE TABLE scheduled_messages (
    id TEXT PRIMARY KEY,
    to_jid TEXT NOT NULL,
    to_phone TEXT,
    contact_name TEXT,
    message TEXT NOT NULL,
    quoted_id TEXT,
    scheduled_at TEXT NOT NULL,
    timezone TEXT,
    is_immediate INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'pending' CHECK (
        status IN ('pending', 'sending', 'sent', 'failed', 'unknown', 'cancelled', 'missed')
    ),
    error_code TEXT,
    error_message TEXT,
    created_at TEXT NOT NULL,
    created_from TEXT NOT NULL DEFAULT 'cli',
    updated_at TEXT,
    sent_at TEXT,
    message_id TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    expires_at TEXT,
    not_before TEXT,
    wait_until TEXT,
    claimed_at TEXT,
    wire_after INTEGER,
    secret BLOB,
    note TEXT,
    series_id TEXT,
    job_id TEXT,
    idempotency_key TEXT UNIQUE
);
CREATE INDEX queue_due ON scheduled_messages (
    max(scheduled_at, coalesce(not_before, '')), scheduled_at, id
) WHERE status = 'pending';
CREATE INDEX queue_now ON scheduled_messages (
    max(scheduled_at, coalesce(not_before, '')), scheduled_at, id
) WHERE status = 'pending' AND is_immediate;
CREATE INDEX queue_by_status ON scheduled_messages (status, scheduled_at);
CREATE INDEX queue_by_claim ON scheduled_messages (claimed_at) WHERE claimed_at IS NOT NULL;
CREATE INDEX queue_by_message ON scheduled_messages (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX queue_waited ON scheduled_messages (wait_until)
    WHERE status = 'pending' AND wait_until IS NOT NULL;
CREATE TABLE wire (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL,
    to_jid TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE TABLE spool (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at TEXT NOT NULL,
    error TEXT
);
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    args TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    result TEXT,
    expires_at TEXT NOT NULL
);
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE device (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    jid TEXT,
    lid TEXT,
    push_name TEXT,
    linked_at TEXT,
    last_connected TEXT
);
""",
    )


def m0003_people(db: Database) -> None:
    """Imported cards, and the jobs of the tool before this one."""
    run(
        db,
        """
ALTER TABLE contacts ADD COLUMN is_settled INTEGER NOT NULL DEFAULT 1;
CREATE INDEX contacts_without_phone ON contacts (name) WHERE phone IS NULL;
CREATE TABLE contact_cards (
    digest TEXT PRIMARY KEY,
    as_written TEXT NOT NULL,
    numbers TEXT NOT NULL,
    contact_id INTEGER NOT NULL REFERENCES contacts(id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX contact_cards_as_written ON contact_cards (as_written);
CREATE INDEX contact_cards_contact ON contact_cards (contact_id);
CREATE INDEX messages_made_up ON messages (chat_jid, timestamp)
    WHERE message_id >= 'migrated-' AND message_id < 'migrated.';
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    title TEXT,
    status TEXT NOT NULL CHECK (
        status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')
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
    recipients TEXT NOT NULL DEFAULT '[]'
);
""",
    )


def m0004_whatsapp(db: Database) -> None:
    """Files to send, names from the phone's address book, and the progress of history sync."""
    moves = (
        ["not_started>in_progress"]
        + [f"in_progress>{end}" for end in ("completed", "interrupted", "cancelled", "failed")]
        + [f"{rest}>in_progress" for rest in ("interrupted", "cancelled")]
    )
    allowed = ", ".join(f"'{move}'" for move in moves)
    run(
        db,
        f"""
ALTER TABLE push_names ADD COLUMN saved_name TEXT;
ALTER TABLE scheduled_messages ADD COLUMN media_path TEXT;
ALTER TABLE scheduled_messages ADD COLUMN media_type TEXT;
ALTER TABLE scheduled_messages ADD COLUMN file_name TEXT;
ALTER TABLE spool ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_files ON messages (chat_jid, timestamp)
    WHERE message_type IN ('voice', 'audio', 'image', 'video', 'document', 'sticker');
CREATE TABLE sync_checkpoints (
    chat_jid TEXT PRIMARY KEY,
    status TEXT NOT NULL DEFAULT 'not_started' CHECK (
        status IN ('not_started', 'in_progress', 'interrupted', 'cancelled', 'completed', 'failed')
    ),
    messages_synced INTEGER NOT NULL DEFAULT 0,
    last_message_id TEXT,
    last_timestamp INTEGER,
    progress_percent INTEGER NOT NULL DEFAULT 0,
    error_message TEXT,
    started_at TEXT,
    updated_at TEXT NOT NULL,
    completed_at TEXT
) WITHOUT ROWID;
CREATE TRIGGER sync_checkpoints_begin BEFORE INSERT ON sync_checkpoints
    WHEN new.status != 'not_started'
    BEGIN SELECT raise(ABORT, 'a checkpoint begins as not_started'); END;
CREATE TRIGGER sync_checkpoints_move BEFORE UPDATE OF status ON sync_checkpoints
    WHEN old.status != new.status AND old.status || '>' || new.status NOT IN ({allowed})
    BEGIN SELECT raise(ABORT, 'a checkpoint cannot make this move'); END;
CREATE TABLE sync_status (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    status TEXT NOT NULL,
    kind TEXT,
    progress_percent INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    started_at TEXT,
    updated_at TEXT NOT NULL,
    completed_at TEXT
);
""",
    )


def m0005_backups(db: Database) -> None:
    """Every run of the backup, and the state of its upload."""
    run(
        db,
        """
CREATE TABLE backup_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT,
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted')),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    size_bytes INTEGER,
    sha256 TEXT,
    counts TEXT,
    upload TEXT CHECK (upload IN ('waiting', 'done', 'damaged', 'gone')),
    error TEXT
);
CREATE INDEX backup_history_waiting ON backup_history (name) WHERE upload = 'waiting';
CREATE INDEX backup_history_done ON backup_history (started_at) WHERE status = 'done';
""",
    )


def m0006_damaged_history(db: Database) -> None:
    """The parts of the phone's history that could not be read, and why the last of them could not."""
    run(
        db,
        """
ALTER TABLE sync_status ADD COLUMN damaged_parts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_status ADD COLUMN error_message TEXT;
""",
    )


def m0007_stuck(db: Database) -> None:
    """Events that cannot be recorded; all others now wait in a file.

    Those that waited in the table are tried again by the next process that holds the connection.
    """
    run(
        db,
        """
CREATE TABLE stuck (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    error TEXT NOT NULL,
    received_at TEXT NOT NULL
);
INSERT INTO stuck (kind, payload, error, received_at)
    SELECT kind, payload, coalesce(error, 'it waited while wa was upgraded'), received_at
    FROM spool ORDER BY id;
DROP TABLE spool;
""",
    )


def m0008_wall_times(db: Database) -> None:
    """The wall-clock time of scheduled messages, which stays when the rules of a zone change."""
    db.conn.execute("ALTER TABLE scheduled_messages ADD COLUMN local_at TEXT")
    rows = db.conn.execute(
        "SELECT id, scheduled_at, timezone FROM scheduled_messages"
        " WHERE status = 'pending' AND timezone IS NOT NULL AND NOT is_immediate"
    ).fetchall()
    for row_id, moment, zone in rows:
        db.conn.execute(
            "UPDATE scheduled_messages SET local_at = ? WHERE id = ?", [wall_before(moment, zone), row_id]
        )
    if not rows:  # none has to be moved to the present rules
        db.conn.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", [RULES, json.dumps(rules())])
