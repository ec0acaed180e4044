"""A message that a program names without its chat: by the id of its row, or the id that WhatsApp gave it."""

from __future__ import annotations

from wa.errors import WaError
from wa.record.messages import CHANGED
from wa.record.names import shown_as
from wa.store.database import Row, Store

_NAMED = 3
"""The most chats that an error names."""


def find(store: Store, text: str) -> Row:
    """Return the columns CHANGED of the message with this number of its row, or else with this id.

    Raise WaError `not-found`, and `ambiguous` for an id that messages of several chats have.
    """
    if text.isascii() and text.isdigit() and len(text) < 19:
        found = store.row(f"SELECT {CHANGED} FROM messages WHERE id = ?", [int(text)])
        if found is not None:
            return found
    # There is no index by the id alone: each chat is asked for it.
    columns = ", ".join(f"m.{name.strip()}" for name in CHANGED.split(","))
    rows = store.rows(
        f"SELECT {columns} FROM chats c CROSS JOIN messages m ON m.chat_jid = c.id AND m.message_id = ?"
        " LIMIT ?",
        [text, _NAMED + 1],
    )
    if not rows:
        raise WaError("not-found", f"there is no message {text[:80]!r}", "GET /api/v1/messages shows ids")
    if len(rows) > 1:
        chats = ", ".join(shown_as(store, row["chat_jid"]) for row in rows[:_NAMED])
        more = " …" if len(rows) > _NAMED else ""
        raise WaError("ambiguous", f"{text!r} is in several chats: {chats}{more}", "name one with chat")
    return rows[0]
