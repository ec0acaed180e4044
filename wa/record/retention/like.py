"""Pruned messages for an import whose messages have no ids: by time, direction and text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from wa.record.messages import TYPES
from wa.record.retention import ledger
from wa.store.database import Row, Store


@dataclass(frozen=True)
class Pruned:
    """What the ledger knows of a message that an import without ids may bring again."""

    key: int
    """A digest of its id, below 0: no message in the store has such a number."""
    timestamp: int
    is_mine: bool
    sender: str
    text: int
    """A digest of its text, as `ledger.digest_of` returns it."""
    kind: str
    is_edited: bool
    is_deleted: bool


def near(store: Store, chat: str, spans: Sequence[tuple[int, int]]) -> list[Pruned]:
    """Return the pruned messages of a chat in spans of time, given by their first and last second."""
    found = store.execute(
        "SELECT DISTINCT p.key, p.timestamp, p.flags,"
        " (SELECT jid FROM pruned_people WHERE number = p.sender), p.text"
        " FROM pruned_people n CROSS JOIN json_each(:spans) t CROSS JOIN pruned p"
        " INDEXED BY pruned_by_time ON p.chat = n.number AND p.timestamp >= t.value ->> 0"
        " AND p.timestamp <= t.value ->> 1 WHERE n.jid = :chat",
        {"chat": chat, "spans": json.dumps(list(spans))},
    )
    return [
        Pruned(
            key,
            at,
            bool(flags & ledger.MINE),
            sender,
            text,
            TYPES[flags >> ledger.TYPE],
            bool(flags & ledger.EDITED),
            bool(flags & ledger.DELETED),
        )
        for key, at, flags, sender, text in found
    ]


def alike(store: Store, row: Row, late: int) -> list[int]:
    """Return the keys of pruned messages with the same text, sent up to `late` seconds after a message."""
    text = ledger.digest_of(row["content"])
    found = near(store, row["chat_jid"], [(row["timestamp"] - 1, row["timestamp"] + late)])
    return [each.key for each in found if (each.text, each.is_mine) == (text, bool(row["is_from_me"]))]
