"""Rewrites: changes to the tables of several packages; each package registers a function for its own part.

A package that keeps ids of chats or contacts in a table of its own, or rows that a restored
backup must not lose, registers a function for them when it is imported:

    @join_chats.part
    def _join_receipts(store: Store, lid: str, pn: str) -> None: ...

`join_chats.run(store, lid, pn)` then calls every part, in the order of `MODULES`. `run` imports
all modules in `MODULES` first, so that no part is missed; a module that is not in it cannot register.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from importlib import import_module
from typing import Generic, ParamSpec

from wa.store.database import Row, Store
from wa.values import Value

MODULES = [
    "wa.store.device",
    "wa.record.names",
    "wa.record.events.log",
    "wa.record.responses",
    "wa.record.polls",
    "wa.record.chats",
    "wa.record.history_sync",
    "wa.record.reads",
    "wa.record.calls",
    "wa.record.retention.ledger",
    "wa.record.retention.archive",
    "wa.people.contacts",
    "wa.queue.jobs.table",
    "wa.queue.birthdays",
    "wa.queue.retired.spent",
    "wa.queue.jobs.restore",
    "wa.queue.series.restore",
    "wa.queue.series.followed",
    "wa.queue.templates.table",
    "wa.hooks.table",
    "wa.hooks.deliveries",
    "wa.hooks.sessions",
    "wa.backup.history",
    "wa.connection.incoming.waiting",
]
"""The modules that register parts, in the order in which the parts are called: from the bottom up, as
in docs/development.md, one a line."""

P = ParamSpec("P")


class Rewrite(Generic[P]):
    """A change that several packages make together, each in its own tables."""

    def __init__(self, modules: Sequence[str] = MODULES) -> None:
        self._modules = modules
        self._parts: list[Callable[P, None]] = []

    def part(self, function: Callable[P, None]) -> Callable[P, None]:
        """Register a part; a decorator. Raise LookupError when the module is not in `MODULES`."""
        if function.__module__ not in self._modules:
            raise LookupError(f"{function.__module__} is not in wa.store.rewrites.MODULES")
        self._parts.append(function)
        return function

    def parts(self) -> list[Callable[P, None]]:
        """Return all parts, in the order of `MODULES`."""
        for module in self._modules:
            import_module(module)
        return sorted(self._parts, key=lambda function: self._modules.index(function.__module__))

    def run(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call every part. The caller holds the transaction, so that all of them are done or none."""
        for function in self.parts():
            function(*args, **kwargs)


class Restore(Value):
    """A backup that is about to replace the present store. Both are open on one connection.

    The backup is the schema `main`. The present store is attached as the schema `known`: it may
    have been written by an older version of wa, and lack tables and columns.
    """

    db: sqlite3.Connection
    known: str
    name: str
    """The backup's name, for people."""
    now: datetime

    def columns(self, table: str, but: Sequence[str] = ()) -> str:
        """Return, as SQL, the columns that a table has in both stores; "" when one lacks the table."""
        ours, theirs = (
            [row[1] for row in self.db.execute(f"PRAGMA {schema}.table_info({table})")]
            for schema in ("main", self.known)
        )
        return ", ".join(name for name in ours if name in theirs and name not in but)

    def take_over(self, table: str) -> None:
        """Replace the backup's rows of a table by those of the present store, if that has the table."""
        if columns := self.columns(table):
            self.db.execute(f"DELETE FROM main.{table}")
            self.db.execute(
                f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM {self.known}.{table}"
            )


class Shelf(Value):
    """A table of which old rows are archived and removed. The order of shelves is that of their removal."""

    table: str
    pages: Callable[[Store, int], Iterator[list[Row]]]
    """Yields its old rows, so many at a time."""
    remove: Callable[[Store, list[Row]], int]
    """Removes rows that are what they were, in the caller's transaction; returns their number."""
    put_back: Callable[[Store, Row], bool]
    """Stores a row again, in the caller's transaction; returns whether it was not there."""
    done: Callable[[Store], None] = lambda store: None
    """Called once all its old rows are removed."""


forget_old: Rewrite[[Store, str]] = Rewrite(["wa.hooks.deliveries", "wa.connection.requests"])
"""Delete what nobody looks at any more from before a moment (ISO text), in short transactions of its own."""

join_chats: Rewrite[[Store, str, str]] = Rewrite()
"""Join two chats that turned out to be with one person: `join_chats.run(store, lid, pn)`.

Rows that refer to the hidden id `lid` refer to the phone JID `pn` afterwards. The messages were moved
before, in batches; a part touches a bounded number of rows.
"""

merge_contacts: Rewrite[[Store, int, int]] = Rewrite()
"""Merge two contacts: `merge_contacts.run(store, gone, kept)`.

Rows that refer to the contact with the id `gone` refer to `kept` afterwards; then `gone` is deleted.
"""

contact_changed: Rewrite[[Store, int, Collection[str], datetime]] = Rewrite()
"""Follow a contact that has lost these numbers or has another zone: `….run(store, number, lost, now)`."""

contact_removed: Rewrite[[Store, int]] = Rewrite()
"""Forget a contact that is about to be removed: `contact_removed.run(store, number)`.

Its id may become that of another contact, which must not get what refers to this one.
"""

carry_over: Rewrite[[Restore]] = Rewrite()
"""Copy newer facts of the present store into a backup that replaces it: `carry_over.run(restore)`.

A message that went out since the backup was made must not go out again.
"""

message_deleted: Rewrite[[Store, str, str, datetime]] = Rewrite(["wa.hooks.deliveries", "wa.hooks.sessions"])
"""Forget what a message said that was deleted for everyone: `….run(store, chat, message_id, deleted_at)`."""

message_sent: Rewrite[[Store, str]] = Rewrite(["wa.connection.incoming.waiting"])
"""Follow a message of ours that is recorded after answers to it may have come: `….run(store, message_id)`."""

still_needed: Rewrite[[Store, Sequence[Row], set[int]]] = Rewrite(
    ["wa.queue.retired.needs", "wa.hooks.table"]
)
"""Of these messages, add the ids of those that may not be pruned yet to a set: `….run(store, rows, ids)`."""

file_needed: Rewrite[[Store, str, set[str]]] = Rewrite(["wa.queue.retired.needs"])
"""Add the path of a file to a set if it is still to be sent: `….run(store, path, found)`."""

old_rows: Rewrite[[Store, list[Shelf], str, float]] = Rewrite(
    ["wa.record.retention.tables", "wa.queue.retired.shelves"]
)
"""Add tables to a list: `….run(store, shelves, before, since)`.

Their old rows are those that were done with before a moment (ISO text); messages from before `since` (Unix
seconds) are archived themselves.
"""

row_changed: Rewrite[[Store, str, datetime]] = Rewrite(["wa.queue.jobs.chain"])
"""Follow a row of the queue that changed its status: `row_changed.run(store, row_id, now)`.

What made the row, such as a job, makes its next row in the same transaction.
"""
