"""Rewrites: changes that go through the tables of several packages, of which each registers its own part.

A package that keeps ids of chats or contacts in a table of its own, or rows that a restored
backup must not forget, writes a function for it and registers that when it is imported:

    @join_chats.part
    def _join_receipts(store: Store, lid: str, pn: str) -> None: ...

`join_chats.run(store, lid, pn)` then calls every part, in the order of `MODULES`. Since a
part whose module nobody imported would be missed, `MODULES` names all modules that register
one: `run` imports them first, and a module that is not named cannot register.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Generic, ParamSpec

from wa.store.database import Store

MODULES = [
    "wa.store.device",
    "wa.record.names",
    "wa.record.responses",
    "wa.record.chats",
    "wa.people.contacts",
    "wa.backup.history",
]
"""The modules that register parts, in the order in which these are called: from the bottom up, as in
docs/development.md, one a line."""

P = ParamSpec("P")


class Rewrite(Generic[P]):
    """A change of which several packages do a part each."""

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


@dataclass(frozen=True)
class Restore:
    """A backup that is about to replace the present store; both are open on one connection.

    The backup is the schema `main`. The present store is attached as the schema `known`: it may
    have been written by an older version of wa, and lack tables and columns.
    """

    db: sqlite3.Connection
    known: str
    name: str
    """The backup's name, for people."""
    now: datetime

    def columns(self, table: str, but: Sequence[str] = ()) -> str:
        """Return, as SQL, the columns that a table has in both stores; "" where one lacks the table."""
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


join_chats: Rewrite[[Store, str, str]] = Rewrite()
"""Join two chats that turned out to be with one person: `join_chats.run(store, lid, pn)`.

What refers to the hidden id `lid` refers to the phone JID `pn` afterwards. The messages have been
moved before, in batches; a part touches a bounded number of rows.
"""

merge_contacts: Rewrite[[Store, int, int]] = Rewrite()
"""Merge two contacts: `merge_contacts.run(store, gone, kept)`.

What refers to the contact whose `id` is `gone` refers to `kept` afterwards; then its row is deleted.
"""

carry_over: Rewrite[[Restore]] = Rewrite()
"""Bring into a backup what the store that it replaces knows: `carry_over.run(restore)`.

A message that went out since the backup was made must not go out again.
"""
