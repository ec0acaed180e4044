"""The steps from the twenty-eighth on: new ones are added here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wa.store.schema.early_steps import run

if TYPE_CHECKING:
    from sqlite_utils import Database


def m0028_retention(db: Database) -> None:
    """What was pruned: messages that must not come back, keys and dates that must not be used again."""
    run(
        db,
        """
CREATE TABLE pruned_people (
    number INTEGER PRIMARY KEY,
    jid TEXT NOT NULL
);
CREATE INDEX pruned_people_jid ON pruned_people (jid);
CREATE TABLE pruned (
    chat INTEGER NOT NULL,
    key INTEGER NOT NULL,
    timestamp INTEGER,
    sender INTEGER,
    text INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    PRIMARY KEY (chat, key)
) WITHOUT ROWID;
CREATE INDEX pruned_by_time ON pruned (chat, timestamp) WHERE timestamp IS NOT NULL;
CREATE INDEX pruned_made_up ON pruned (chat, timestamp) WHERE flags & 16;
CREATE TABLE spent (
    made TEXT NOT NULL CHECK (made IN ('message', 'series', 'job')),
    id TEXT NOT NULL,
    idempotency_key TEXT,
    row TEXT NOT NULL,
    PRIMARY KEY (made, id),
    UNIQUE (made, idempotency_key)
) WITHOUT ROWID;
CREATE TABLE spent_dates (
    series_id TEXT NOT NULL,
    occurrence TEXT NOT NULL,
    PRIMARY KEY (series_id, occurrence)
) WITHOUT ROWID;
CREATE INDEX messages_media ON messages (media_path) WHERE media_path IS NOT NULL;
CREATE INDEX queue_media ON scheduled_messages (media_path) WHERE media_path IS NOT NULL;
CREATE INDEX queue_quoted ON scheduled_messages (quoted_id) WHERE quoted_id IS NOT NULL;
CREATE INDEX series_media ON series (media_path) WHERE media_path IS NOT NULL;
CREATE INDEX series_ended ON series (updated_at) WHERE status = 'ended'
""",
    )


def m0029_reach(db: Database) -> None:
    """The oldest message of a chat that was pruned: the phone is asked for what is older than that."""
    run(
        db,
        """
ALTER TABLE pruned_people ADD COLUMN oldest_id TEXT;
ALTER TABLE pruned_people ADD COLUMN oldest_at INTEGER;
ALTER TABLE pruned_people ADD COLUMN oldest_is_mine INTEGER
""",
    )


def m0030_name_parts(db: Database) -> None:
    """The name of a contact in the parts of its card, as JSON, with the name that they make."""
    run(db, "ALTER TABLE contacts ADD COLUMN name_parts TEXT")


def m0031_short_ids(db: Database) -> None:
    """Indexes by the part of an id after the `_`, by which a user names a row of the queue or a series."""
    run(
        db,
        """
CREATE INDEX queue_short_id ON scheduled_messages (substr(id, instr(id, '_') + 1));
CREATE INDEX series_short_id ON series (substr(id, instr(id, '_') + 1))
""",
    )


def m0032_what_is_open(db: Database) -> None:
    """Indexes of what is looked at often and is little of its table: changes of open rows, groups, syncs."""
    run(
        db,
        """
CREATE INDEX queue_changed ON scheduled_messages (updated_at) WHERE status IN ('pending', 'missed');
CREATE INDEX chats_groups ON chats (name COLLATE NOCASE) WHERE is_group;
CREATE INDEX sync_open ON sync_checkpoints (asked_until) WHERE status = 'in_progress';
CREATE INDEX series_open ON series (id) WHERE status != 'ended'
""",
    )


def m0033_as_on_the_phone(db: Database) -> None:
    """What a row of the queue holds beside its text, requests done once, the phone's list of chats."""
    run(
        db,
        """
ALTER TABLE scheduled_messages ADD COLUMN details TEXT;
ALTER TABLE requests ADD COLUMN claimed_at TEXT;
ALTER TABLE requests ADD COLUMN secret BLOB;
ALTER TABLE requests ADD COLUMN wire_after INTEGER;
ALTER TABLE requests ADD COLUMN message_id TEXT;
CREATE INDEX requests_open ON requests (status, id) WHERE status IN ('pending', 'doing', 'unknown');
ALTER TABLE chats ADD COLUMN is_archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chats ADD COLUMN is_pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chats ADD COLUMN muted_until INTEGER;
CREATE INDEX chats_set_apart ON chats (id) WHERE is_archived OR is_pinned OR muted_until IS NOT NULL
""",
    )


def m0034_by_whom(db: Database) -> None:
    """Which events tell of what wa did itself, and the key of a request that a program may repeat."""
    run(
        db,
        """
ALTER TABLE events ADD COLUMN by_wa INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN key TEXT;
CREATE UNIQUE INDEX requests_key ON requests (key) WHERE key IS NOT NULL
""",
    )


def m0035_left(db: Database) -> None:
    """When it became known that we are in a group no more."""
    run(db, "ALTER TABLE chats ADD COLUMN left_at TEXT")
