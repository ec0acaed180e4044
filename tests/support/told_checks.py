"""What the log of events must hold after any run, whatever was killed in it."""

from __future__ import annotations

import json
from collections import Counter

from wa.queue.rows import TOLD
from wa.store.database import Store


def assert_all_told(store: Store) -> None:
    """Check that every live message and every outcome of the queue is told, and each message once."""
    lines = store.rows("SELECT type, row_id, data FROM events ORDER BY id")
    assert all(line["data"] for line in lines)
    live = {row["id"] for row in store.rows("SELECT id FROM messages WHERE source = 'live'")}
    assert Counter(line["row_id"] for line in lines if line["type"] == "message") == Counter(live)
    outcomes = {
        line["row_id"]: json.loads(line["data"])["status"] for line in lines if line["type"] == "queue"
    }
    rows = store.rows("SELECT id, status FROM scheduled_messages")
    ended = {row["id"]: row["status"] for row in rows if row["status"] in TOLD}
    assert {row_id: outcomes.get(row_id) for row_id in ended} == ended
