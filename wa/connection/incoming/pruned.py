"""Changes of messages that were pruned, which change nothing any more."""

from __future__ import annotations

from wa.record.names import canonical
from wa.record.retention import ledger
from wa.store.database import Store
from wa.whatsapp.events import Deleted, Edited, Event, Reacted
from wa.whatsapp.sealed import Sealed

_CHANGES = ("edit", "event-edit", "poll-edit", "reaction")
"""The kinds of sealed messages that change another one, and are none by themselves."""


def is_of_pruned(store: Store, event: Event) -> bool:
    """Return whether an event is an edit, a deletion of, or a reaction to, a message that was pruned."""
    if isinstance(event, Edited | Deleted | Reacted):
        target = event.message_id
    elif isinstance(event, Sealed) and event.kind in _CHANGES:
        target = event.target_id
    else:
        return False
    return ledger.has(store, canonical(store, event.chat_jid), target)
