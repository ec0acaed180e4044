"""Merging the two chats of one person: rows of a hidden id move to the phone JID once that is known."""

from __future__ import annotations

from datetime import datetime

from wa.record import chats, names, responses, write
from wa.store.database import Store
from wa.store.rewrites import join_chats


def map_lid(store: Store, lid: str, pn: str) -> None:
    """Store which phone JID a hidden id stands for; in the caller's transaction.

    Reactions and memberships change at once; messages wait for `join_split_chats`.
    """
    if names.map_lid(store, lid, pn):
        responses.rename_sender(store, lid, pn)
        chats.rename_member(store, lid, pn)


def is_split(store: Store, lid: str) -> bool:
    """Return whether there is a chat under this hidden id, whose phone JID is known."""
    return bool(store.value("SELECT 1 FROM chats WHERE id = ?", [lid]))


def join_split_chats(store: Store, now: datetime) -> None:
    """Move every chat under a hidden id whose phone JID is known by now into that person's chat.

    It works in short transactions; after a kill, the next call continues.
    """
    split = store.rows("SELECT lid, pn FROM jid_aliases WHERE lid IN (SELECT id FROM chats)")
    for alias in split:
        lid, pn = alias["lid"], alias["pn"]
        while write.move_some(store, lid, pn):
            pass
        with store.write(durable=False):
            chats.ensure(store, pn, now)
            join_chats.run(store, lid, pn)
