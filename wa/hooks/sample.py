"""A made-up event, to try a hook with."""

from __future__ import annotations

from datetime import datetime

from wa.as_json import public, to_json
from wa.hooks import bursts
from wa.record.events import log
from wa.times import to_iso

SENDER = "447700900123@s.whatsapp.net"


def message(now: datetime, *, several: bool = False) -> str:
    """Return the event of a message by somebody who does not exist, with the id 0, as JSON text.

    With `several`, as a hook gets it that waits for what a person writes next.
    """
    row = {
        "id": 0, "chat_jid": SENDER, "message_id": "3EB0SAMPLE", "sender": SENDER,
        "content": "Hello, this is a sample", "timestamp": int(now.timestamp()), "is_from_me": False,
        "message_type": "text", "status": "received", "quoted_id": None, "edited_at": None,
        "deleted_at": None, "media_path": None, "details": None, "unavailable": None, "source": "live",
        "created_at": to_iso(now), "chat_name": "Nadia Sample",
        "sender_name": "Nadia Sample", "reactions": [],
    }  # fmt: skip
    if several:
        return bursts.text_of(0, to_iso(now), [public(row)], late=False)
    line = {"type": "message", "id": 0, "at": to_iso(now), "data": to_json(public(row))}
    return log.event_of(line, late=False)
