"""Changing the text of a row of the queue that is more than a text."""

from __future__ import annotations

import json
import re

from wa.errors import WaError
from wa.queue import states
from wa.queue.rows import OPEN
from wa.store.database import Row, Store

_WHOLE = ("poll", "location", "contact", "sticker")
"""Types of messages that have no text beside themselves."""


def with_text(store: Store, row: Row, text: str) -> Row:
    """Return the changes that give a row another text; whom that does not mention any more is not mentioned.

    Raise WaError `wrong-state` for a row without a text of its own, and as `states.expect` does.
    """
    if not row["details"] and row["media_type"] not in _WHOLE:
        return {"message": text}
    details = json.loads(row["details"] or "{}")
    if row["media_type"] in _WHOLE or "forwarded" in details:
        states.expect(store, row["id"], "edited", OPEN)
        what = "forward" if "forwarded" in details else row["media_type"]
        hint = f"`wa schedule cancel {row['id']}`, and then send another one"
        raise WaError("wrong-state", f"{row['id']} is a {what}: it has no text of yours to change", hint)
    people = [jid for jid in details.pop("mentions", ()) if is_named(text, jid)]
    if people:
        details["mentions"] = people
    return {"message": text, "details": json.dumps(details, ensure_ascii=False) if details else None}


def is_named(text: str, jid: str) -> bool:
    """Return whether a text mentions a person, as `@447700900123`."""
    return re.search(rf"@{re.escape(jid.partition('@')[0])}(?![0-9])", text) is not None
