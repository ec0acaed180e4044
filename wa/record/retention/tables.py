"""Old rows of tables beside the messages: how they are removed and put back. And the receipts among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from wa.store.database import Row, Store
from wa.store.rewrites import Shelf, old_rows
from wa.times import from_iso
from wa.values import replace

_DONE = "receipts_pruned_to"
"""The key, in the table `state`, of the time (Unix seconds) up to which receipts were pruned."""


def _nothing(store: Store, row: Row) -> None:
    """Do nothing more for a row."""


@dataclass(frozen=True)
class Old:
    """Old rows of a table, of which `key` names the columns of the primary key.

    `find` yields so many at a time. `gone` is called with each row that was removed, and `back` with each
    that is stored again, in the same transaction.
    """

    table: str
    key: tuple[str, ...]
    find: Callable[[Store, int], Iterator[list[Row]]]
    gone: Callable[[Store, Row], None] = _nothing
    back: Callable[[Store, Row], None] = _nothing

    def shelf(self) -> Shelf:
        """Return the table as a part of the archive."""
        return Shelf(self.table, self.find, self._remove, self._put_back)

    def _remove(self, store: Store, rows: list[Row]) -> int:
        where = " AND ".join(f"{name} = :{name}" for name in self.key)
        removed = 0
        for row in rows:
            if store.row(f"SELECT * FROM {self.table} WHERE {where}", row) == row:
                store.delete(self.table, where, row)
                self.gone(store, row)
                removed += 1
        return removed

    def _put_back(self, store: Store, row: Row) -> bool:
        is_new = store.insert(self.table, row, ignore=True) is not None
        if is_new:
            self.back(store, row)
        return is_new


@old_rows.part
def _add_receipts(store: Store, shelves: list[Shelf], before: str, since: float) -> None:
    """Archive the receipts of messages that were sent before a moment; the status of a message stays."""
    until = int(from_iso(before).timestamp())
    old = Old("receipts", ("message_id", "recipient", "kind"), partial(_receipts, until, since))
    shelves.append(replace(old.shelf(), done=partial(_note_done, until)))


def _receipts(until: int, since: float, store: Store, most: int) -> Iterator[list[Row]]:
    """Yield the receipts of messages from the place on up to which this was done before."""
    time, number = max(store.state().get(_DONE, 0), since), 0
    page: list[Row] = []
    while found := store.rows(
        "SELECT id, message_id, timestamp FROM messages WHERE timestamp < :until AND is_from_me"
        " AND (timestamp, id) > (:time, :id) ORDER BY timestamp, id LIMIT :most",
        {"until": until, "time": time, "id": number, "most": most},
    ):
        time, number = found[-1]["timestamp"], found[-1]["id"]
        for message in found:
            page += store.rows("SELECT * FROM receipts WHERE message_id = ?", [message["message_id"]])
            if len(page) >= most:
                yield page
                page = []
    if page:
        yield page


def _note_done(until: int, store: Store) -> None:
    with store.write(durable=False):
        store.set_state(_DONE, until)
