"""Writing the database anew, so that the space of what was removed is free on the disk."""

from __future__ import annotations

from wa.record import search_index
from wa.store.condition import alone
from wa.store.database import Store
from wa.store.files import need_room


def vacuum(store: Store) -> tuple[int, int]:
    """Write the database anew without free pages; return its bytes before and after.

    Raise WaError `in-use` while another process holds the connection, and `storage-error` without room.
    """
    with alone(store):
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = store.home.store.stat().st_size
        need_room(store.home.path, 2 * before, "the database, written anew,")
        search_index.shrink(store)
        store.execute("VACUUM")
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, store.home.store.stat().st_size
