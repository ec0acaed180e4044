"""The linked account."""

from __future__ import annotations

from wa.store.database import Row, Store


def linked_account(store: Store) -> Row | None:
    """The linked account, as it was when last connected; None where none is linked any more."""
    return store.row("SELECT jid, lid, push_name FROM device WHERE id = 1 AND linked_at IS NOT NULL")
