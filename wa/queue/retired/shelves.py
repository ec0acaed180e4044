"""The tables of the queue whose old rows are archived."""

from __future__ import annotations

from wa.store.database import Store
from wa.store.rewrites import Shelf, old_rows


@old_rows.part
def _add_shelves(store: Store, shelves: list[Shelf], before: str) -> None:
    pass
