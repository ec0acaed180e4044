"""Second uploads of a picture or video, which belong to the message with the first one.

Its `details` has the id of the second one's message, `version_id`: edits and deletions may name either.
"""

from __future__ import annotations

import json
from typing import Any

from wa.record import messages, write
from wa.store.database import Row, Store

_WITHIN = 3600
"""The seconds after a first upload in which one that does not name it is taken for its second."""
_OF_FILE = ("size", "mimetype", "seconds", "width", "height")


def awaiting(store: Store, chat: str, sender: str, kind: str, at: int) -> Row | None:
    """Return the oldest message of a sender that said that another version follows, and has none yet."""
    found = store.rows(
        f"SELECT {messages.CHANGED} FROM messages WHERE chat_jid = ? AND timestamp BETWEEN ? AND ?"
        " AND sender = ? AND message_type = ? AND details IS NOT NULL ORDER BY timestamp, id LIMIT 200",
        [chat, at - _WITHIN, at, sender, kind],
    )
    known = ((row, json.loads(row["details"])) for row in found)
    return next((row for row, told in known if told.get("awaits_version") and "version_id" not in told), None)


def add(store: Store, row: Row, kind: str, details: dict[str, Any], file: bytes, version_id: str) -> None:
    """Add a version to a message, as `messages.find` returned it: its file is downloaded from now on.

    `kind` and `details` are the version's. One of another type, the film of a moving picture, is kept beside
    the picture. A file that is here already stays as it is.
    """
    stored = store.row("SELECT raw_proto, media_path FROM messages WHERE id = ?", [row["id"]]) or {}
    known = json.loads(row["details"] or "{}")
    if known.get("version_id") == version_id:  # it came again
        return
    known.pop("awaits_version", None)
    columns: Row = {}
    if not stored.get("media_path"):
        columns["raw_proto"] = (stored.get("raw_proto") or b"") + file
        if kind == row["message_type"]:
            known |= {name: details[name] for name in _OF_FILE if name in details}
    write.change(store, row["id"], {**columns, "details": json.dumps({**known, "version_id": version_id})})
