"""The sixteenth to the twenty-seventh step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wa.store.schema.early_steps import run

if TYPE_CHECKING:
    from sqlite_utils import Database


def m0016_sealed(db: Database) -> None:
    """Secrets of messages, the sealed messages that wait for one, and votes in polls."""
    run(
        db,
        """
ALTER TABLE messages ADD COLUMN secret BLOB;
CREATE TABLE sealed (
    id INTEGER PRIMARY KEY,
    chat_jid TEXT NOT NULL,
    message_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    kind TEXT NOT NULL,
    target_id TEXT NOT NULL,
    author TEXT NOT NULL,
    iv BLOB NOT NULL,
    payload BLOB NOT NULL,
    is_from_me INTEGER NOT NULL,
    said_at INTEGER NOT NULL,
    source TEXT NOT NULL,
    is_due INTEGER NOT NULL,
    UNIQUE (chat_jid, message_id)
);
CREATE INDEX sealed_due ON sealed (id) WHERE is_due;
CREATE INDEX sealed_target ON sealed (target_id);
CREATE TABLE poll_votes (
    chat_jid TEXT NOT NULL,
    poll_id TEXT NOT NULL,
    voter TEXT NOT NULL,
    choices TEXT NOT NULL,
    said_at INTEGER NOT NULL,
    PRIMARY KEY (chat_jid, poll_id, voter)
) WITHOUT ROWID;
CREATE INDEX poll_votes_voter ON poll_votes (voter);
""",
    )


def m0017_series(db: Database) -> None:
    """Series and templates, and the contact that each message that still waits is for."""
    run(
        db,
        """
CREATE TABLE series (
    id TEXT PRIMARY KEY,
    to_jid TEXT NOT NULL,
    to_phone TEXT,
    contact_name TEXT,
    contact_id INTEGER,
    message TEXT NOT NULL,
    media_path TEXT,
    file_name TEXT,
    media_type TEXT,
    template TEXT,
    fields TEXT,
    rrule TEXT NOT NULL,
    timezone TEXT NOT NULL,
    zone_of_contact INTEGER NOT NULL DEFAULT 0,
    starts_at_local TEXT NOT NULL,
    until_local TEXT,
    count INTEGER,
    counted INTEGER NOT NULL DEFAULT 0,
    counted_from TEXT,
    without TEXT NOT NULL DEFAULT '[]',
    grace TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'held', 'ended')),
    ended_from TEXT,
    is_draft INTEGER NOT NULL DEFAULT 0,
    current TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_from TEXT NOT NULL DEFAULT 'cli',
    updated_at TEXT NOT NULL,
    idempotency_key TEXT UNIQUE
);
CREATE INDEX series_contact ON series (contact_id) WHERE contact_id IS NOT NULL;
CREATE INDEX series_template ON series (template) WHERE template IS NOT NULL;
CREATE TABLE templates (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) WITHOUT ROWID;
ALTER TABLE scheduled_messages ADD COLUMN occurrence TEXT;
ALTER TABLE scheduled_messages ADD COLUMN template TEXT;
ALTER TABLE scheduled_messages ADD COLUMN contact_id INTEGER;
ALTER TABLE scheduled_messages ADD COLUMN zone_of_contact INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX queue_occurrences ON scheduled_messages (series_id, occurrence)
    WHERE occurrence IS NOT NULL;
CREATE INDEX queue_held ON scheduled_messages (expires_at)
    WHERE status = 'held' AND series_id IS NOT NULL;
CREATE INDEX queue_contact ON scheduled_messages (contact_id)
    WHERE contact_id IS NOT NULL AND status IN ('draft', 'pending', 'held');
CREATE INDEX queue_template ON scheduled_messages (template) WHERE template IS NOT NULL;
UPDATE scheduled_messages
    SET contact_id = (SELECT p.contact_id FROM contact_phones p WHERE p.phone = to_phone)
    WHERE status IN ('draft', 'pending', 'held');
""",
    )


def m0018_files(db: Database) -> None:
    """Contact cards among the files to download; the id of a second, better upload of a file."""
    run(
        db,
        """
DROP INDEX messages_files;
CREATE INDEX messages_files ON messages (chat_jid, timestamp)
    WHERE message_type IN ('voice', 'audio', 'image', 'video', 'document', 'sticker', 'contact');
CREATE INDEX messages_version ON messages (chat_jid, json_extract(details, '$.version_id'))
    WHERE json_extract(details, '$.version_id') IS NOT NULL
""",
    )


def m0019_birthdays(db: Database) -> None:
    """The birthday on each imported card, and an index of the contacts that have one."""
    db.conn.execute("ALTER TABLE contact_cards ADD COLUMN birthday TEXT")
    db.conn.execute("CREATE INDEX contacts_birthday ON contacts (birthday) WHERE birthday IS NOT NULL")


def m0020_changes(db: Database) -> None:
    """In which order edits, deletions and reactions came, for a listener that tells them.

    The names of people whose number was found out later move to that number.
    """
    run(
        db,
        """
ALTER TABLE messages ADD COLUMN changed INTEGER;
CREATE INDEX messages_changed ON messages (changed) WHERE changed IS NOT NULL;
ALTER TABLE reactions ADD COLUMN changed INTEGER;
CREATE INDEX reactions_changed ON reactions (changed) WHERE changed IS NOT NULL;
UPDATE OR IGNORE push_names SET jid = (SELECT pn FROM jid_aliases WHERE lid = jid)
    WHERE jid IN (SELECT lid FROM jid_aliases)
""",
    )


def m0021_fetch(db: Database) -> None:
    """Older messages that the phone is asked for: its answers, and how long a command waits for one."""
    run(
        db,
        """
ALTER TABLE sync_checkpoints ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_checkpoints ADD COLUMN asked_until TEXT;
CREATE INDEX sync_asked ON sync_checkpoints (asked_until) WHERE asked_until IS NOT NULL
""",
    )


def m0022_members(db: Database) -> None:
    """Since when somebody is a member of a group (Unix seconds), NULL for those of the first list."""
    db.conn.execute("ALTER TABLE group_members ADD COLUMN since INTEGER")


def m0023_people(db: Database) -> None:
    """Indexes by person: when the number behind a hidden id is found out, its reactions and groups follow."""
    run(
        db,
        """
CREATE INDEX reactions_sender ON reactions (sender);
CREATE INDEX group_members_member ON group_members (member_jid)
""",
    )


def m0024_events(db: Database) -> None:
    """The log of what listeners, streams and hooks are told, in place of the order of changes."""
    run(
        db,
        """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    chat_jid TEXT,
    message_id TEXT,
    row_id,
    at TEXT NOT NULL,
    data TEXT
);
CREATE INDEX events_message ON events (chat_jid, message_id) WHERE chat_jid IS NOT NULL;
CREATE INDEX events_row ON events (row_id) WHERE type = 'message';
CREATE INDEX events_at ON events (at);
CREATE INDEX events_open ON events (id) WHERE data IS NULL;
DROP INDEX messages_changed;
ALTER TABLE messages DROP COLUMN changed;
DROP INDEX reactions_changed;
ALTER TABLE reactions DROP COLUMN changed
""",
    )


def m0025_hooks(db: Database) -> None:
    """Programs and web addresses that hear of events, what became of each event, and whose reply a row is."""
    run(
        db,
        """
CREATE TABLE hooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    exec TEXT,
    webhook TEXT,
    secret TEXT,
    events TEXT NOT NULL DEFAULT '["message"]',
    chats TEXT NOT NULL DEFAULT '[]',
    senders TEXT NOT NULL DEFAULT '[]',
    groups TEXT NOT NULL DEFAULT 'no' CHECK (groups IN ('no', 'also', 'only')),
    own INTEGER NOT NULL DEFAULT 0,
    reply_to_strangers INTEGER NOT NULL DEFAULT 0,
    timeout REAL NOT NULL,
    max_age REAL NOT NULL,
    is_draft INTEGER NOT NULL DEFAULT 0,
    allow_http INTEGER NOT NULL DEFAULT 0,
    is_alert INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'resting')),
    reason TEXT,
    cursor INTEGER NOT NULL,
    missed INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CHECK ((exec IS NULL) != (webhook IS NULL) OR is_alert)
);
CREATE TABLE hook_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hook_id INTEGER NOT NULL REFERENCES hooks (id) ON DELETE CASCADE,
    event_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    chat_jid TEXT,
    status TEXT NOT NULL CHECK (status IN ('running', 'waiting', 'done', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    starts INTEGER NOT NULL DEFAULT 0,
    first_at TEXT NOT NULL,
    next_at TEXT,
    error TEXT,
    output TEXT,
    row_id TEXT,
    event TEXT,
    updated_at TEXT NOT NULL,
    UNIQUE (hook_id, event_id)
);
CREATE INDEX hook_deliveries_open ON hook_deliveries (hook_id, event_id)
    WHERE status IN ('running', 'waiting');
CREATE INDEX hook_deliveries_failed ON hook_deliveries (hook_id, id) WHERE status = 'failed';
CREATE INDEX hook_deliveries_old ON hook_deliveries (updated_at);
ALTER TABLE scheduled_messages ADD COLUMN hook_id INTEGER;
CREATE INDEX queue_hook ON scheduled_messages (hook_id, to_jid, created_at) WHERE hook_id IS NOT NULL
""",
    )


def m0026_sessions(db: Database) -> None:
    """Conversations of people with a hook, for as long as they last; hooks of one listener, by its pid."""
    run(
        db,
        """
ALTER TABLE hooks ADD COLUMN session TEXT NOT NULL DEFAULT 'off';
ALTER TABLE hooks ADD COLUMN holder INTEGER;
CREATE TABLE chat_sessions (
    session_id TEXT NOT NULL,
    hook INTEGER NOT NULL REFERENCES hooks (id) ON DELETE CASCADE,
    user_jid TEXT NOT NULL,
    chat_jid TEXT NOT NULL,
    context TEXT NOT NULL DEFAULT '[]',
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    last_activity TEXT NOT NULL,
    replies_to TEXT NOT NULL,
    PRIMARY KEY (hook, user_jid, chat_jid)
);
CREATE INDEX chat_sessions_chat ON chat_sessions (chat_jid);
CREATE INDEX chat_sessions_user ON chat_sessions (user_jid)
""",
    )


def m0027_settle(db: Database) -> None:
    """Seconds for which a hook waits for what a person writes next, and the event that holds another."""
    run(
        db,
        """
ALTER TABLE hooks ADD COLUMN settle REAL NOT NULL DEFAULT 0;
ALTER TABLE hook_deliveries ADD COLUMN folded_into INTEGER;
CREATE INDEX hook_deliveries_folded ON hook_deliveries (hook_id, folded_into) WHERE folded_into IS NOT NULL
""",
    )
